//! The metadata of objects that are read for nothing else: Jobs, for attribution.

use serde::de::{Deserialize, DeserializeSeed as _, Deserializer, MapAccess, SeqAccess};

use super::JobRecord;
use super::lenient::{Boolean, Fields, Items, List, Object, Text};
use crate::subject::uid::parse_uid;

/// A Job's metadata.
#[derive(Clone, Debug)]
pub struct JobMetadata {
    /// `metadata.resourceVersion`
    pub resource_version: String,
    /// What is kept.
    pub job: JobRecord,
}

impl<'de> Deserialize<'de> for JobMetadata {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let job = JobRecord { uid: 0, namespace: Box::default(), name: Box::default(), cron_job: None };
        let mut record = Self { resource_version: String::new(), job };
        Object(&mut Document(&mut record)).deserialize(deserializer)?;
        Ok(record)
    }
}

// What cannot be read of a Job is read as absent: its pods are then attributed to the Job itself.
struct Document<'x>(&'x mut JobMetadata);

impl<'de> Fields<'de> for Document<'_> {
    fn key(name: &str) -> u8 {
        u8::from(name == "metadata")
    }

    fn field<A: MapAccess<'de>>(&mut self, _: u8, map: &mut A) -> Result<(), A::Error> {
        map.next_value_seed(Object(&mut Metadata(self.0)))
    }

    fn wrong(&mut self) {}
}

struct Metadata<'x>(&'x mut JobMetadata);

impl<'de> Fields<'de> for Metadata<'_> {
    fn key(name: &str) -> u8 {
        match name {
            "name" => 1,
            "namespace" => 2,
            "uid" => 3,
            "resourceVersion" => 4,
            "ownerReferences" => 5,
            _ => 0,
        }
    }

    fn field<A: MapAccess<'de>>(&mut self, key: u8, map: &mut A) -> Result<(), A::Error> {
        let JobMetadata { resource_version, job } = self.0;
        if key == 5 {
            return map.next_value_seed(List(&mut Owners(job)));
        }
        let take = |text: &str| match key {
            1 => job.name = text.into(),
            2 => job.namespace = text.into(),
            3 => job.uid = parse_uid(text),
            _ => text.clone_into(resource_version),
        };
        map.next_value_seed(Text { wrong: &mut false, take })
    }

    fn wrong(&mut self) {}
}

struct Owners<'x>(&'x mut JobRecord);

impl<'de> Items<'de> for Owners<'_> {
    fn item<A: SeqAccess<'de>>(&mut self, list: &mut A) -> Result<bool, A::Error> {
        let mut owner = Owner::default();
        if list.next_element_seed(Object(&mut owner))?.is_none() {
            return Ok(false);
        }
        if owner.controller && owner.is_cron_job {
            self.0.cron_job = Some(owner.name);
        }
        Ok(true)
    }

    fn wrong(&mut self) {}
}

#[derive(Default)]
struct Owner {
    is_cron_job: bool,
    controller: bool,
    name: Box<str>,
}

impl<'de> Fields<'de> for Owner {
    fn key(name: &str) -> u8 {
        match name {
            "kind" => 1,
            "name" => 2,
            "controller" => 3,
            _ => 0,
        }
    }

    fn field<A: MapAccess<'de>>(&mut self, key: u8, map: &mut A) -> Result<(), A::Error> {
        if key == 3 {
            self.controller = map.next_value_seed(Boolean(&mut false))? == Some(true);
            return Ok(());
        }
        let take = |text: &str| match key {
            1 => self.is_cron_job = text == "CronJob",
            _ => self.name = text.into(),
        };
        map.next_value_seed(Text { wrong: &mut false, take })
    }

    fn wrong(&mut self) {}
}
