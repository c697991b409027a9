//! The canonical form in which the decoder hands shapes and running states to the auditor: bytes in a fixed
//! order, compared and interned without being understood. Also the stable hashes that ids are made of.

use std::hash::Hasher;

use siphasher::sip::SipHasher13;

/// Appends a text with its length.
pub fn put_text(bytes: &mut Vec<u8>, text: &str) {
    put_bytes(bytes, text.as_bytes());
}

/// Appends bytes with their length.
pub fn put_bytes(bytes: &mut Vec<u8>, more: &[u8]) {
    let length = u32::try_from(more.len()).unwrap_or(u32::MAX);
    bytes.extend_from_slice(&length.to_le_bytes());
    bytes.extend_from_slice(&more[..length as usize]);
}

/// Reads what [`put_text`] and single bytes wrote. A short input reads as empty, never panics.
#[derive(Debug)]
pub struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    /// Reads from the start of `bytes`.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    /// Whether everything was read.
    pub fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// The next byte.
    pub fn byte(&mut self) -> Option<u8> {
        let (first, rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(*first)
    }

    /// The next text.
    pub fn text(&mut self) -> &'a str {
        std::str::from_utf8(self.bytes()).unwrap_or_default()
    }

    /// The next bytes that were written with their length.
    pub fn bytes(&mut self) -> &'a [u8] {
        let Some((length, rest)) = self.rest.split_first_chunk::<4>() else {
            self.rest = &[];
            return &[];
        };
        let length = (u32::from_le_bytes(*length) as usize).min(rest.len());
        let (bytes, rest) = rest.split_at(length);
        self.rest = rest;
        bytes
    }
}

/// A hash that is the same in every process and version: ids and orders are made of it.
/// SipHash-1-3 with a zero key (`siphasher` keeps the algorithm; `std` does not promise to).
pub fn bytes_hash(bytes: &[u8]) -> u64 {
    let mut hasher = SipHasher13::new();
    hasher.write(bytes);
    hasher.finish()
}

/// [`bytes_hash`] of a text.
pub fn text_hash(text: &str) -> u64 {
    bytes_hash(text.as_bytes())
}

/// Combines stable hashes, in order, to one.
pub fn combine(parts: &[u64]) -> u64 {
    let mut hasher = SipHasher13::new();
    for part in parts {
        hasher.write(&part.to_le_bytes());
    }
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_stable_hash_never_changes_its_value() {
        assert_eq!(text_hash(""), 0xd1fb_a762_150c_532c);
        assert_ne!(combine(&[1, 2]), combine(&[2, 1]));
    }

    #[test]
    fn a_cut_input_reads_as_empty() {
        let mut bytes = Vec::new();
        put_text(&mut bytes, "nginx");
        let mut reader = Reader::new(&bytes[..6]);
        assert_eq!(reader.text(), "ng");
        assert_eq!(reader.text(), "");
        assert_eq!(reader.byte(), None);
    }
}
