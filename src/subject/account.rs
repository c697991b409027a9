//! Under which service account a pod runs, and in which network: what rules about namespaces read of its spec. Most
//! pods say nothing of it, and nothing is kept of them.

use std::sync::Arc;

use super::canonical::{Reader, put_text};

/// The service account that a pod runs under when it names none.
pub const DEFAULT: &str = "default";

/// What a pod says of its service account and its network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// `spec.serviceAccountName`
    pub name: Arc<str>,
    /// `spec.automountServiceAccountToken`
    pub automount: Option<bool>,
    /// `spec.hostNetwork`
    pub host_network: bool,
}

const AUTOMOUNT_WRITTEN: u8 = 1;
const AUTOMOUNT: u8 = 2;
const HOST_NETWORK: u8 = 4;

/// Appends the canonical form; nothing for a pod that says nothing.
pub fn put(bytes: &mut Vec<u8>, name: &str, automount: Option<bool>, host_network: bool) {
    let name = if name == DEFAULT { "" } else { name };
    let automount = automount.map_or(0, |automount| AUTOMOUNT_WRITTEN | (u8::from(automount) * AUTOMOUNT));
    let flags = automount | (u8::from(host_network) * HOST_NETWORK);
    if flags != 0 || !name.is_empty() {
        bytes.push(flags);
        put_text(bytes, name);
    }
}

impl Account {
    /// Reads the canonical form; none where nothing was written. `shared` gives a text that many share.
    pub fn read(reader: &mut Reader<'_>, shared: &mut dyn FnMut(&str) -> Arc<str>) -> Option<Self> {
        let flags = reader.byte()?;
        let name = match reader.text() {
            "" => DEFAULT,
            name => name,
        };
        Some(Self {
            name: shared(name),
            automount: (flags & AUTOMOUNT_WRITTEN != 0).then_some(flags & AUTOMOUNT != 0),
            host_network: flags & HOST_NETWORK != 0,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_back(name: &str, automount: Option<bool>, host_network: bool) -> Option<Account> {
        let mut bytes = Vec::new();
        put(&mut bytes, name, automount, host_network);
        Account::read(&mut Reader::new(&bytes), &mut |text| text.into())
    }

    #[test]
    fn what_a_pod_says_is_read_back_and_silence_is_nothing() {
        assert_eq!(read_back("", None, false), None);
        assert_eq!(read_back(DEFAULT, None, false), None, "live pods always name it");
        for (name, automount, host_network) in [
            ("web", None, false),
            (DEFAULT, Some(false), false),
            ("web", Some(true), true),
            (DEFAULT, None, true),
        ] {
            let account = Account { name: name.into(), automount, host_network };
            assert_eq!(read_back(name, automount, host_network), Some(account));
        }
    }
}
