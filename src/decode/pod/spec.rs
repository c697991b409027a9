//! The spec of a pod: every slot that names an image.

use serde::de::{MapAccess, SeqAccess};

use super::account::{self, AccountFields};
use super::entry::{Entered, EntryWriter, sort_entries};
use super::{PodRecord, Section};
use crate::decode::lenient::{Fields, Items, List, Object, Text};
use crate::reference::PullPolicy;
use crate::subject::pod::Slot;

pub(super) fn read<'de, A: MapAccess<'de>>(record: &mut PodRecord, map: &mut A) -> Result<(), A::Error> {
    let start = record.bytes.len();
    let mut account = AccountFields::default();
    let mut spec = SpecFields(Entered::new(&mut record.bytes), &mut account);
    map.next_value_seed(Object(&mut spec))?;
    let Entered { sorted, wrong, containers, .. } = spec.0;
    if !sorted {
        sort_entries(&mut record.bytes, start);
    }
    record.cut(Section::Shape, start);
    account.finish(record);
    if wrong || containers == 0 {
        record.malformed();
    }
    Ok(())
}

struct SpecFields<'x>(Entered<'x>, &'x mut AccountFields);

impl<'de> Fields<'de> for SpecFields<'_> {
    fn key(name: &str) -> u8 {
        match name {
            "volumes" => 1,
            "initContainers" => 2,
            "containers" => 3,
            "ephemeralContainers" => 4,
            _ => account::key(name),
        }
    }

    fn field<A: MapAccess<'de>>(&mut self, key: u8, map: &mut A) -> Result<(), A::Error> {
        let slot = match key {
            1 => return map.next_value_seed(List(&mut VolumeItems(&mut self.0))),
            2 => Slot::InitContainer,
            3 => Slot::Container,
            4 => Slot::EphemeralContainer,
            _ => return self.1.field(key, &mut self.0.wrong, map),
        };
        map.next_value_seed(List(&mut ContainerItems(&mut self.0, slot)))
    }

    fn wrong(&mut self) {
        self.0.wrong = true;
    }
}

struct ContainerItems<'x, 'y>(&'x mut Entered<'y>, Slot);

impl<'de> Items<'de> for ContainerItems<'_, '_> {
    fn item<A: SeqAccess<'de>>(&mut self, list: &mut A) -> Result<bool, A::Error> {
        let writer = self.0.begin(self.1);
        let mut fields = ContainerFields { bytes: self.0.bytes, writer, wrong: false };
        let more = list.next_element_seed(Object(&mut fields))?.is_some();
        let ContainerFields { writer, wrong, .. } = fields;
        if more {
            writer.finish(self.0.bytes);
            self.0.containers += u32::from(self.1 == Slot::Container);
        } else {
            writer.forget(self.0.bytes);
        }
        self.0.wrong |= wrong;
        Ok(more)
    }

    fn wrong(&mut self) {
        self.0.wrong = true;
    }
}

struct ContainerFields<'x> {
    bytes: &'x mut Vec<u8>,
    writer: EntryWriter,
    wrong: bool,
}

/// The policy's byte in the canonical form. An unknown word is no policy and flags the pod.
fn pull_policy_byte(word: &str) -> Option<u8> {
    match word {
        "" => Some(0),
        "Always" => Some(PullPolicy::Always as u8),
        "IfNotPresent" => Some(PullPolicy::IfNotPresent as u8),
        "Never" => Some(PullPolicy::Never as u8),
        _ => None,
    }
}

impl<'de> Fields<'de> for ContainerFields<'_> {
    fn key(name: &str) -> u8 {
        match name {
            "name" => 1,
            "image" => 2,
            "imagePullPolicy" => 3,
            _ => 0,
        }
    }

    fn field<A: MapAccess<'de>>(&mut self, key: u8, map: &mut A) -> Result<(), A::Error> {
        let Self { bytes, writer, wrong } = self;
        let mut fine = true;
        let take = |text: &str| {
            fine = match key {
                1 => writer.name(bytes, text),
                2 => writer.second(bytes, text),
                _ => pull_policy_byte(text).map(|class| writer.class(bytes, class)).is_some(),
            };
        };
        map.next_value_seed(Text { wrong, take })?;
        self.wrong |= !fine;
        Ok(())
    }

    fn wrong(&mut self) {
        self.wrong = true;
    }
}

struct VolumeItems<'x, 'y>(&'x mut Entered<'y>);

impl<'de> Items<'de> for VolumeItems<'_, '_> {
    fn item<A: SeqAccess<'de>>(&mut self, list: &mut A) -> Result<bool, A::Error> {
        // Written as if it were an image volume, and taken back when it is another kind.
        let writer = EntryWriter::begin(self.0.bytes, Slot::ImageVolume);
        let mut fields = VolumeFields { bytes: self.0.bytes, writer, is_image: false, wrong: false };
        let more = list.next_element_seed(Object(&mut fields))?.is_some();
        let VolumeFields { writer, is_image, wrong, .. } = fields;
        if is_image {
            writer.finish(self.0.bytes);
            self.0.sorted &= self.0.last_slot == 0;
        } else {
            writer.forget(self.0.bytes);
        }
        self.0.wrong |= wrong;
        Ok(more)
    }

    fn wrong(&mut self) {
        self.0.wrong = true;
    }
}

struct VolumeFields<'x> {
    bytes: &'x mut Vec<u8>,
    writer: EntryWriter,
    is_image: bool,
    wrong: bool,
}

impl<'de> Fields<'de> for VolumeFields<'_> {
    fn key(name: &str) -> u8 {
        match name {
            "name" => 1,
            "image" => 2,
            _ => 0,
        }
    }

    fn field<A: MapAccess<'de>>(&mut self, key: u8, map: &mut A) -> Result<(), A::Error> {
        let Self { bytes, writer, is_image, wrong } = self;
        if key == 2 {
            *is_image = true;
            return map.next_value_seed(Object(&mut ImageVolumeFields { bytes, writer, wrong }));
        }
        let mut fine = true;
        map.next_value_seed(Text { wrong, take: |text: &str| fine = writer.name(bytes, text) })?;
        *wrong |= !fine;
        Ok(())
    }

    fn wrong(&mut self) {
        self.wrong = true;
    }
}

struct ImageVolumeFields<'x> {
    bytes: &'x mut Vec<u8>,
    writer: &'x mut EntryWriter,
    wrong: &'x mut bool,
}

impl<'de> Fields<'de> for ImageVolumeFields<'_> {
    fn key(name: &str) -> u8 {
        match name {
            "reference" => 2,
            "pullPolicy" => 3,
            _ => 0,
        }
    }

    fn field<A: MapAccess<'de>>(&mut self, key: u8, map: &mut A) -> Result<(), A::Error> {
        let Self { bytes, writer, wrong } = self;
        let mut fine = true;
        let take = |text: &str| {
            fine = match key {
                2 => writer.second(bytes, text),
                _ => pull_policy_byte(text).map(|class| writer.class(bytes, class)).is_some(),
            };
        };
        map.next_value_seed(Text { wrong, take })?;
        **wrong |= !fine;
        Ok(())
    }

    fn wrong(&mut self) {
        *self.wrong = true;
    }
}
