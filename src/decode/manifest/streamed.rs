//! Pod templates read as they come: of a workload whose kind and metadata are known already, no tree is built of the
//! template, which is most of the object. Only what is as usual is read so. Anything else (a key that stands twice, a
//! value of another type than expected, broken syntax) refuses, and the object is read again through the tree, which
//! knows what to make of it.

use std::cell::RefCell;

use serde::de::value::MapAccessDeserializer;
use serde::de::{Error, MapAccess};
use serde_json::{Map, Value};

use super::keep::Keep;
use crate::decode::pod::{Applied, LAST_APPLIED, PodRecord};
use crate::subject::pod::PodShape;

/// The template of the object that is being read.
#[derive(Debug, Default)]
pub(super) struct Streamed {
    /// What the object's metadata says of the template, once it has been read.
    expected: RefCell<Option<Applied>>,
    template: RefCell<Option<PodRecord>>,
}

impl Streamed {
    /// The value of `key` is read next, in an object of which these fields are known and this is kept.
    pub(super) fn expect(&self, key: &str, fields: &Map<String, Value>, keep: Keep) {
        let Keep::PodAt(path @ [first, ..]) = keep else { return };
        if key != *first {
            return;
        }
        if let Some(metadata @ Value::Object(_)) = fields.get("metadata") {
            let annotation = metadata.get("annotations").and_then(|all| all.get(LAST_APPLIED));
            let annotation = annotation.and_then(Value::as_str);
            let applied = Applied::of(annotation.map(|annotation| (annotation, path)));
            *self.expected.borrow_mut() = Some(applied);
        }
    }

    /// What to read a template with, where `keep` says that one stands here.
    pub(super) fn expected(&self, keep: Keep) -> Option<Applied> {
        match keep {
            Keep::PodAt([]) => self.expected.take(),
            _ => None,
        }
    }

    /// Reads a template. What stands in the tree in its place is empty.
    pub(super) fn read<'de, A: MapAccess<'de>>(&self, applied: Applied, map: A) -> Result<Value, A::Error> {
        let (record, disordered) = PodRecord::of_template(MapAccessDeserializer::new(map), applied)?;
        if disordered || record.flags & PodShape::MALFORMED != 0 {
            return Err(Error::custom("not as usual"));
        }
        *self.template.borrow_mut() = Some(record);
        Ok(Value::Object(Map::new()))
    }

    /// A key has come twice. The second one counts, so what was read below the first one must not stay.
    pub(super) fn again<E: Error>(&self) -> Result<(), E> {
        match *self.template.borrow() {
            Some(_) => Err(Error::custom("a key stands twice")),
            None => Ok(()),
        }
    }

    /// The template, once its object has been read.
    pub(super) fn take(&self) -> Option<PodRecord> {
        self.expected.take();
        self.template.take()
    }
}

#[cfg(test)]
mod tests;
