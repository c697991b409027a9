//! The service account of a pod: its name for rules about namespaces, and that it has one of its own as a fact of the
//! pod.

use serde::de::MapAccess;

use super::facts::Told;
use super::metadata::ShortText;
use super::{PodRecord, Section};
use crate::decode::lenient::Text;
use crate::subject::canonical::put_text;
use crate::subject::facts::Fact;
use crate::subject::pod::DEFAULT_SERVICE_ACCOUNT;

/// What is read of the spec, before it is written down behind the image uses.
#[derive(Default)]
pub(super) struct AccountFields {
    name: ShortText,
    /// `serviceAccount`, the old name of `serviceAccountName`: the API server keeps both alike, files have either.
    old_name: ShortText,
}

/// The number of a field of the spec that is read here; 0 for another one.
pub(super) fn key(name: &str) -> u8 {
    match name {
        "serviceAccountName" => 5,
        "serviceAccount" => 6,
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
        let name = if key == 5 { &mut self.name } else { &mut self.old_name };
        map.next_value_seed(Text { wrong, take: |text: &str| name.set(text) })
    }

    /// Writes it down.
    pub(super) fn finish(&self, record: &mut PodRecord, told: &mut Told) {
        let name = match self.name.as_str() {
            "" => self.old_name.as_str(),
            name => name,
        };
        if !matches!(name, "" | DEFAULT_SERVICE_ACCOUNT) {
            told.put(Fact::ServiceAccount, "");
            record.put_section(Section::Account, |bytes| put_text(bytes, name));
        }
    }
}
