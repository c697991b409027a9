//! The service account of a pod, whether its token is mounted, and whether the pod uses the node's network: for rules
//! about namespaces, with the names, and as facts of the pod without them.

use serde::de::MapAccess;

use super::facts::Told;
use super::metadata::ShortText;
use super::{PodRecord, Section};
use crate::decode::lenient::{Boolean, Text};
use crate::subject::account;
use crate::subject::facts::Fact;

/// What is read of the spec, before it is written down behind the image uses.
#[derive(Default)]
pub(super) struct AccountFields {
    name: ShortText,
    /// `serviceAccount`, the old name of `serviceAccountName`: the API server keeps both alike, files have either.
    old_name: ShortText,
    automount: Option<bool>,
    host_network: bool,
}

/// The number of a field of the spec that is read here; 0 for another one.
pub(super) fn key(name: &str) -> u8 {
    match name {
        "serviceAccountName" => 5,
        "serviceAccount" => 6,
        "automountServiceAccountToken" => 7,
        "hostNetwork" => 8,
        _ => 0,
    }
}

impl AccountFields {
    /// Reads the field of this number.
    pub(super) fn field<'de, A: MapAccess<'de>>(
        &mut self,
        key: u8,
        wrong: &mut bool,
        map: &mut A,
    ) -> Result<(), A::Error> {
        match key {
            7 => self.automount = map.next_value_seed(Boolean(wrong))?,
            8 => self.host_network = map.next_value_seed(Boolean(wrong))? == Some(true),
            _ => {
                let name = if key == 5 { &mut self.name } else { &mut self.old_name };
                map.next_value_seed(Text { wrong, take: |text: &str| name.set(text) })?;
            }
        }
        Ok(())
    }

    /// Writes it down.
    pub(super) fn finish(&self, record: &mut PodRecord, told: &mut Told) {
        let name = match self.name.as_str() {
            "" => self.old_name.as_str(),
            name => name,
        };
        if !matches!(name, "" | account::DEFAULT) {
            told.put(Fact::ServiceAccount, "");
        }
        if let Some(automount) = self.automount {
            told.put(Fact::AutomountToken, if automount { "true" } else { "false" });
        }
        if self.host_network {
            told.put(Fact::HostNetwork, "true");
        }
        let start = record.bytes.len();
        account::put(&mut record.bytes, name, self.automount, self.host_network);
        record.cut(Section::Account, start);
    }
}
