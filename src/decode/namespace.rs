//! A namespace as it comes over the wire.

use std::sync::Arc;

use serde::de::{Deserialize, DeserializeSeed as _, Deserializer, IgnoredAny, MapAccess};

use super::lenient::{Entries, Fields, Object, Text, TextMap};
use crate::subject::namespace::{NamespaceObject, TextPairs};

/// Longest annotation value that is kept: longer ones are configuration, not facts about the namespace.
const LONGEST_ANNOTATION: usize = 1024;

/// A namespace.
#[derive(Clone, Debug, Default)]
pub struct NamespaceRecord {
    /// `metadata.resourceVersion`
    pub resource_version: String,
    /// `metadata.name`
    pub name: Arc<str>,
    /// What rules read.
    pub object: NamespaceObject,
}

impl<'de> Deserialize<'de> for NamespaceRecord {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut record = Self::default();
        Object(&mut Document(&mut record)).deserialize(deserializer)?;
        Ok(record)
    }
}

/// Reads a namespace from a parsed document; none without a name.
pub fn read(value: &serde_json::Value) -> Option<(Arc<str>, NamespaceObject)> {
    let record = NamespaceRecord::deserialize(value).ok()?;
    (!record.name.is_empty()).then_some((record.name, record.object))
}

struct Document<'x>(&'x mut NamespaceRecord);

impl<'de> Fields<'de> for Document<'_> {
    fn key(name: &str) -> u8 {
        u8::from(name == "metadata")
    }

    fn field<A: MapAccess<'de>>(&mut self, _: u8, map: &mut A) -> Result<(), A::Error> {
        map.next_value_seed(Object(&mut Metadata(self.0)))
    }

    fn wrong(&mut self) {
        self.0.object.malformed = true;
    }
}

struct Metadata<'x>(&'x mut NamespaceRecord);

impl<'de> Fields<'de> for Metadata<'_> {
    fn key(name: &str) -> u8 {
        match name {
            "name" => 1,
            "uid" => 2,
            "resourceVersion" => 3,
            "labels" => 4,
            "annotations" => 5,
            "deletionTimestamp" => 6,
            _ => 0,
        }
    }

    fn field<A: MapAccess<'de>>(&mut self, key: u8, map: &mut A) -> Result<(), A::Error> {
        let NamespaceRecord { resource_version, name, object } = self.0;
        let mut wrong = false;
        match key {
            4 | 5 => {
                let longest = if key == 4 { usize::MAX } else { LONGEST_ANNOTATION };
                let mut texts = Texts { pairs: Vec::new(), key: Box::default(), longest, wrong: false };
                map.next_value_seed(TextMap(&mut texts))?;
                wrong = texts.wrong;
                *(if key == 4 { &mut object.labels } else { &mut object.annotations }) = texts.sorted();
            }
            6 => {
                object.terminating = map.next_value::<Option<IgnoredAny>>()?.is_some();
            }
            _ => {
                let take = |text: &str| match key {
                    1 => *name = text.into(),
                    2 => object.uid = text.into(),
                    _ => text.clone_into(resource_version),
                };
                map.next_value_seed(Text { wrong: &mut wrong, take })?;
            }
        }
        object.malformed |= wrong;
        Ok(())
    }

    fn wrong(&mut self) {
        self.0.object.malformed = true;
    }
}

struct Texts {
    pairs: Vec<(Box<str>, Box<str>)>,
    key: Box<str>,
    longest: usize,
    wrong: bool,
}

impl Texts {
    fn sorted(self) -> TextPairs {
        TextPairs::new(self.pairs)
    }
}

impl Entries for Texts {
    fn key(&mut self, key: &str) -> bool {
        self.key = key.into();
        true
    }

    fn value(&mut self, value: &str) {
        if value.len() <= self.longest {
            self.pairs.push((std::mem::take(&mut self.key), value.into()));
        }
    }

    fn wrong(&mut self) {
        self.wrong = true;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_sorted_and_long_annotations_are_left_out() {
        let long = "x".repeat(LONGEST_ANNOTATION + 1);
        let value = serde_json::json!({"metadata": {
            "name": "team-a", "labels": {"b": "2", "a": "1"}, "annotations": {"long": long, "short": "y"},
        }});
        let (name, object) = read(&value).unwrap();
        assert_eq!(
            (&*name, object.labels.get("a"), object.labels.get("b")),
            ("team-a", Some("1"), Some("2"))
        );
        assert_eq!((object.annotations.get("long"), object.annotations.get("short")), (None, Some("y")));
        assert!(!object.malformed && !object.terminating);
    }

    #[test]
    fn a_label_that_is_a_number_flags_the_namespace_and_keeps_the_others() {
        let (_, object) =
            read(&serde_json::json!({"metadata": {"name": "n", "labels": {"a": 1, "b": "2"}}})).unwrap();
        assert!(object.malformed);
        assert_eq!(object.labels.get("b"), Some("2"));
    }

    #[test]
    fn a_deletion_timestamp_means_terminating_and_null_does_not() {
        let deleted =
            serde_json::json!({"metadata": {"name": "n", "deletionTimestamp": "2026-01-01T11:00:00Z"}});
        assert!(read(&deleted).unwrap().1.terminating);
        assert!(
            !read(&serde_json::json!({"metadata": {"name": "n", "deletionTimestamp": null}}))
                .unwrap()
                .1
                .terminating
        );
    }
}
