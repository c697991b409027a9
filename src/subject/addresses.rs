//! Ranges of addresses that network policies allow.

use std::net::{Ipv4Addr, Ipv6Addr};

/// Ranges of addresses: first and last.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AddressBlocks {
    v4: Vec<(u128, u128)>,
    v6: Vec<(u128, u128)>,
}

impl AddressBlocks {
    /// Adds a block such as `10.0.0.0/8`. An unreadable one allows nothing that we can prove.
    pub fn push(&mut self, cidr: &str) {
        let Some((address, length)) = cidr.split_once('/') else { return };
        let Ok(length) = length.parse::<u32>() else { return };
        let (value, bits, blocks) = if let Ok(address) = address.parse::<Ipv4Addr>() {
            (u128::from(u32::from(address)), 32, &mut self.v4)
        } else if let Ok(address) = address.parse::<Ipv6Addr>() {
            (u128::from(address), 128, &mut self.v6)
        } else {
            return;
        };
        if length > bits {
            return;
        }
        let host = u128::MAX.checked_shr(128 - (bits - length)).unwrap_or(0);
        let first = value & !host;
        blocks.push((first, first | host));
    }

    /// Adds those of another one.
    pub fn extend(&mut self, other: &Self) {
        self.v4.extend(&other.v4);
        self.v6.extend(&other.v6);
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.v4.is_empty() && self.v6.is_empty()
    }

    /// Whether they cover every address of one family.
    pub fn cover_all(&mut self) -> bool {
        covers_all(&mut self.v4, 32) || covers_all(&mut self.v6, 128)
    }
}

/// Whether the union of the ranges is the whole address space.
fn covers_all(blocks: &mut [(u128, u128)], bits: u32) -> bool {
    let end = u128::MAX >> (128 - bits);
    blocks.sort_unstable();
    let mut next = 0;
    for &(first, last) in blocks.iter() {
        if first > next {
            return false;
        }
        if last >= end {
            return true;
        }
        next = next.max(last + 1);
    }
    false
}
