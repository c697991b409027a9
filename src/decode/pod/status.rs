//! The status of a pod: its phase, what each container runs or waits for, and since when it is not ready.

use std::str::FromStr as _;

use jiff::Timestamp;
use serde::de::{IgnoredAny, MapAccess, SeqAccess};

use super::entry::{Entered, EntryWriter, sort_entries};
use super::{PodRecord, Section};
use crate::decode::lenient::{Fields, Items, List, Object, Text};
use crate::subject::pod::Slot;
use crate::subject::running::{Phase, Waiting};

pub(super) fn read<'de, A: MapAccess<'de>>(record: &mut PodRecord, map: &mut A) -> Result<(), A::Error> {
    let start = record.bytes.len();
    record.bytes.push(Phase::None as u8);
    let mut status = StatusFields(Entered::new(&mut record.bytes));
    map.next_value_seed(Object(&mut status))?;
    let Entered { sorted, wrong, any_waiting, phase, unready_since, .. } = status.0;
    record.bytes[start] = phase as u8;
    if phase == Phase::Terminated {
        record.bytes.truncate(start + 1);
    } else if !sorted {
        sort_entries(&mut record.bytes, start + 1);
    }
    record.unready_since = if any_waiting && phase != Phase::Terminated { unready_since } else { 0 };
    record.cut(Section::Running, start);
    if wrong {
        record.malformed();
    }
    Ok(())
}

struct StatusFields<'x>(Entered<'x>);

impl<'de> Fields<'de> for StatusFields<'_> {
    fn key(name: &str) -> u8 {
        match name {
            "phase" => 1,
            "conditions" => 2,
            "initContainerStatuses" => 3,
            "containerStatuses" => 4,
            "ephemeralContainerStatuses" => 5,
            _ => 0,
        }
    }

    fn field<A: MapAccess<'de>>(&mut self, key: u8, map: &mut A) -> Result<(), A::Error> {
        let slot = match key {
            1 => {
                let phase = &mut self.0.phase;
                let take = |text: &str| *phase = Phase::from_word(text);
                return map.next_value_seed(Text { wrong: &mut self.0.wrong, take });
            }
            2 => return map.next_value_seed(List(&mut ConditionItems(&mut self.0))),
            3 => Slot::InitContainer,
            4 => Slot::Container,
            _ => Slot::EphemeralContainer,
        };
        map.next_value_seed(List(&mut StatusItems(&mut self.0, slot)))
    }

    fn wrong(&mut self) {
        self.0.wrong = true;
    }
}

struct StatusItems<'x, 'y>(&'x mut Entered<'y>, Slot);

impl<'de> Items<'de> for StatusItems<'_, '_> {
    fn item<A: SeqAccess<'de>>(&mut self, list: &mut A) -> Result<bool, A::Error> {
        let writer = self.0.begin(self.1);
        let mut fields =
            ContainerStatusFields { bytes: self.0.bytes, writer, waiting: Waiting::No, wrong: false };
        let more = list.next_element_seed(Object(&mut fields))?.is_some();
        let ContainerStatusFields { writer, waiting, wrong, .. } = fields;
        if more {
            writer.class(self.0.bytes, waiting as u8);
            writer.finish(self.0.bytes);
            self.0.any_waiting |= waiting.is_about_image();
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

struct ContainerStatusFields<'x> {
    bytes: &'x mut Vec<u8>,
    writer: EntryWriter,
    waiting: Waiting,
    wrong: bool,
}

impl<'de> Fields<'de> for ContainerStatusFields<'_> {
    fn key(name: &str) -> u8 {
        match name {
            "name" => 1,
            "imageID" => 2,
            "state" => 3,
            _ => 0,
        }
    }

    fn field<A: MapAccess<'de>>(&mut self, key: u8, map: &mut A) -> Result<(), A::Error> {
        let Self { bytes, writer, waiting, wrong } = self;
        if key == 3 {
            return map.next_value_seed(Object(&mut StateFields { waiting, wrong }));
        }
        let mut fine = true;
        let take =
            |text: &str| fine = if key == 1 { writer.name(bytes, text) } else { writer.second(bytes, text) };
        map.next_value_seed(Text { wrong, take })?;
        self.wrong |= !fine;
        Ok(())
    }

    fn wrong(&mut self) {
        self.wrong = true;
    }
}

struct StateFields<'x> {
    waiting: &'x mut Waiting,
    wrong: &'x mut bool,
}

impl<'de> Fields<'de> for StateFields<'_> {
    fn key(name: &str) -> u8 {
        u8::from(name == "waiting")
    }

    fn field<A: MapAccess<'de>>(&mut self, _: u8, map: &mut A) -> Result<(), A::Error> {
        map.next_value_seed(Object(&mut WaitingFields { waiting: self.waiting, wrong: self.wrong }))
    }

    fn wrong(&mut self) {
        *self.wrong = true;
    }
}

struct WaitingFields<'x> {
    waiting: &'x mut Waiting,
    wrong: &'x mut bool,
}

impl<'de> Fields<'de> for WaitingFields<'_> {
    fn key(name: &str) -> u8 {
        u8::from(name == "reason")
    }

    fn field<A: MapAccess<'de>>(&mut self, _: u8, map: &mut A) -> Result<(), A::Error> {
        let Self { waiting, wrong } = self;
        map.next_value_seed(Text { wrong, take: |text: &str| **waiting = Waiting::from_word(text) })
    }

    fn wrong(&mut self) {
        *self.wrong = true;
    }
}

/// Only since when `ContainersReady` is false.
struct ConditionItems<'x, 'y>(&'x mut Entered<'y>);

impl<'de> Items<'de> for ConditionItems<'_, '_> {
    fn item<A: SeqAccess<'de>>(&mut self, list: &mut A) -> Result<bool, A::Error> {
        let mut condition = ConditionFields::default();
        if list.next_element_seed(Object(&mut condition))?.is_none() {
            return Ok(false);
        }
        if condition.containers_ready && condition.is_false {
            self.0.unready_since = condition.since;
        }
        self.0.wrong |= condition.wrong;
        Ok(true)
    }

    fn wrong(&mut self) {
        self.0.wrong = true;
    }
}

#[derive(Default)]
struct ConditionFields {
    other_type: bool,
    containers_ready: bool,
    is_false: bool,
    is_other: bool,
    since: i64,
    wrong: bool,
}

impl<'de> Fields<'de> for ConditionFields {
    fn key(name: &str) -> u8 {
        match name {
            "type" => 1,
            "status" => 2,
            "lastTransitionTime" => 3,
            _ => 0,
        }
    }

    fn field<A: MapAccess<'de>>(&mut self, key: u8, map: &mut A) -> Result<(), A::Error> {
        if self.other_type || self.is_other {
            return map.next_value::<IgnoredAny>().map(drop);
        }
        let Self { other_type, containers_ready, is_false, is_other, since, wrong } = self;
        let take = |text: &str| match key {
            1 => {
                *containers_ready = text == "ContainersReady";
                *other_type = !*containers_ready;
            }
            2 => {
                *is_false = text == "False";
                *is_other = !*is_false;
            }
            _ => *since = Timestamp::from_str(text).map_or(0, Timestamp::as_second),
        };
        map.next_value_seed(Text { wrong, take })
    }

    fn wrong(&mut self) {
        self.wrong = true;
    }
}
