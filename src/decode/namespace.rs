//! A namespace as it comes over the wire.

use std::sync::Arc;

use jiff::Timestamp;
use serde::de::{Deserialize, DeserializeSeed as _, Deserializer, MapAccess};
use serde_json::Value;

use super::lenient::{Entries, Fields, Object, Text, TextMap};
use super::selector::{list, text_items, texts};
use crate::subject::namespace::{Deletion, NamespaceObject, TextPairs};

/// Longest annotation value that is kept: longer ones are configuration, not facts about the namespace.
const LONGEST_ANNOTATION: usize = 1024;

/// How much of a condition's message is kept.
const LONGEST_MESSAGE: usize = 200;

/// A namespace.
#[derive(Clone, Debug, Default)]
pub struct NamespaceRecord {
    /// `metadata.resourceVersion`
    pub resource_version: String,
    /// `metadata.name`
    pub name: Arc<str>,
    /// What rules read.
    pub object: NamespaceObject,
    finalizers: Box<[Box<str>]>,
    metadata_finalizers: Box<[Box<str>]>,
    conditions: Box<[Box<str>]>,
}

impl<'de> Deserialize<'de> for NamespaceRecord {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut record = Self::default();
        Object(&mut Document(&mut record)).deserialize(deserializer)?;
        if let Some(deletion) = &mut record.object.deletion {
            let parts = [&mut record.conditions, &mut record.finalizers, &mut record.metadata_finalizers];
            deletion.waits_for = parts.into_iter().flat_map(std::mem::take).collect();
        }
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
        match name {
            "metadata" => 1,
            "spec" => 2,
            "status" => 3,
            _ => 0,
        }
    }

    fn field<A: MapAccess<'de>>(&mut self, key: u8, map: &mut A) -> Result<(), A::Error> {
        if key == 1 {
            return map.next_value_seed(Object(&mut Metadata(self.0)));
        }
        // Both are read for messages only, so that what is wrong in them spoils no verdict.
        let value: Value = map.next_value()?;
        if key == 2 {
            self.0.finalizers = finalizers(texts(&value, "finalizers"));
        } else {
            self.0.conditions =
                list(&value, "conditions").unwrap_or_default().iter().filter_map(condition).collect();
        }
        Ok(())
    }

    fn wrong(&mut self) {
        self.0.object.malformed = true;
    }
}

fn finalizers(names: Option<Box<[Box<str>]>>) -> Box<[Box<str>]> {
    names.unwrap_or_default().iter().map(|name| format!("finalizer {name}").into()).collect()
}

/// What a condition says that keeps the namespace.
fn condition(condition: &Value) -> Option<Box<str>> {
    let text = |key: &str| condition.get(key).and_then(Value::as_str).unwrap_or_default();
    let kind = text("type");
    (text("status") == "True" && kind.starts_with("Namespace")).then(|| {
        let message: String = text("message").chars().take(LONGEST_MESSAGE).collect();
        if message.is_empty() { kind.into() } else { format!("{kind}: {message}").into() }
    })
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
            "creationTimestamp" => 7,
            "finalizers" => 8,
            _ => 0,
        }
    }

    fn field<A: MapAccess<'de>>(&mut self, key: u8, map: &mut A) -> Result<(), A::Error> {
        let NamespaceRecord { resource_version, name, object, metadata_finalizers, .. } = self.0;
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
                let value: Value = map.next_value()?;
                object.terminating = !value.is_null();
                object.deletion =
                    time(&value).map(|since| Box::new(Deletion { since, waits_for: Box::default() }));
                wrong = object.terminating && object.deletion.is_none();
            }
            7 => {
                let value: Value = map.next_value()?;
                let created = time(&value);
                object.created_at = created.map_or(0, |at| u32::try_from(at.as_second()).unwrap_or_default());
            }
            8 => {
                let value: Value = map.next_value()?;
                *metadata_finalizers = finalizers(value.as_array().and_then(|names| text_items(names)));
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

fn time(value: &Value) -> Option<Timestamp> {
    value.as_str()?.parse().ok()
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
