//! The root of a document, read so that the items of a List are handed over one by one: a dump of a whole
//! cluster takes the memory of one object.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

use super::keep::Keep;
use super::streamed::Streamed;
use super::tree::{Key, Limits, Node};
use crate::decode::pod::PodRecord;

/// An item of a List.
#[derive(Debug)]
pub(super) struct Item {
    /// Its place in the list.
    pub(super) index: usize,
    /// The line on which it begins, counted from 1 within the document; 0 where it is not known.
    pub(super) line: u32,
    /// Where it begins in the file; 0 where that is not known.
    pub(super) offset: u64,
    /// The item.
    pub(super) value: Value,
    /// Its pod template, where that was read as it came.
    pub(super) template: Option<PodRecord>,
}

/// Reads one element of a list together with the line on which it begins: each format knows it in its own way.
pub(super) trait Element: Copy {
    /// Reads it.
    fn read<'de, D: Deserializer<'de>>(self, deserializer: D) -> Result<(u32, Value), D::Error>;
}

/// Reads a document. Items that say what they are go to `on_item` at once; the others stay in `items`.
pub(super) struct Root<'s, E> {
    /// Reads an item.
    pub(super) element: E,
    /// Takes an item.
    pub(super) on_item: &'s mut dyn FnMut(Item),
    /// Takes the pod template of the item that is read, and then that of the document itself.
    pub(super) streamed: Option<&'s Streamed>,
}

impl<'de, E: Element> DeserializeSeed<'de> for Root<'_, E> {
    /// None for an empty document.
    type Value = Option<Value>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Option<Value>, D::Error> {
        deserializer.deserialize_any(self)
    }
}

fn no_object<E: Error>(found: &str) -> E {
    E::custom(format_args!("expected an object with apiVersion and kind, found {found}"))
}

impl<'de, E: Element> Visitor<'de> for Root<'_, E> {
    type Value = Option<Value>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object with apiVersion and kind")
    }

    fn visit_unit<Er: Error>(self) -> Result<Option<Value>, Er> {
        Ok(None)
    }

    fn visit_str<Er: Error>(self, _: &str) -> Result<Option<Value>, Er> {
        Err(no_object("text"))
    }

    fn visit_bool<Er: Error>(self, _: bool) -> Result<Option<Value>, Er> {
        Err(no_object("a boolean"))
    }

    fn visit_u64<Er: Error>(self, _: u64) -> Result<Option<Value>, Er> {
        Err(no_object("a number"))
    }

    fn visit_i64<Er: Error>(self, _: i64) -> Result<Option<Value>, Er> {
        Err(no_object("a number"))
    }

    fn visit_f64<Er: Error>(self, _: f64) -> Result<Option<Value>, Er> {
        Err(no_object("a number"))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, _: A) -> Result<Option<Value>, A::Error> {
        Err(no_object("a list"))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Option<Value>, A::Error> {
        let limits = Limits::new();
        let (mut fields, mut keep) = (Map::new(), Keep::All);
        while let Some(key) = map.next_key_seed(Key::of(keep))? {
            let Some((key, keeps)) = key else {
                map.next_value::<IgnoredAny>()?;
                continue;
            };
            let node = Node::field(&limits, keeps).streaming(self.streamed);
            if let Some(streamed) = self.streamed {
                streamed.expect(&key, &fields, keep);
            }
            let text = |field: &str| fields.get(field).and_then(Value::as_str);
            let kind = text("kind");
            let value = if key == "items" && kind.is_none_or(|kind| kind.ends_with("List")) {
                let like = kind.and_then(|kind| kind.strip_suffix("List")).filter(|kind| !kind.is_empty());
                let like = like.zip(text("apiVersion")).map(|(kind, version)| (kind.into(), version.into()));
                let (element, on_item) = (self.element, &mut *self.on_item);
                map.next_value_seed(Items { element, on_item, streamed: self.streamed, like, node })?
            } else {
                map.next_value_seed(node)?
            };
            if let (Some(_), Some(streamed)) = (fields.insert(key, value), self.streamed) {
                streamed.again()?;
            }
            if matches!(keep, Keep::All) {
                keep = Keep::of(&fields);
            }
        }
        Ok(Some(Value::Object(fields)))
    }
}

/// Reads `items`: gives back those that do not say what they are.
struct Items<'s, 'l, E> {
    element: E,
    on_item: &'s mut dyn FnMut(Item),
    streamed: Option<&'s Streamed>,
    /// Kind and API version of items that name none: those of a `PodList`.
    like: Option<(Box<str>, Box<str>)>,
    node: Node<'l>,
}

impl<'de, E: Element> DeserializeSeed<'de> for Items<'_, '_, E> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de, E: Element> Visitor<'de> for Items<'_, '_, E> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of objects")
    }

    fn visit_unit<Er: Error>(self) -> Result<Value, Er> {
        Ok(Value::Null)
    }

    fn visit_str<Er: Error>(self, text: &str) -> Result<Value, Er> {
        self.node.visit_str(text)
    }

    fn visit_bool<Er: Error>(self, value: bool) -> Result<Value, Er> {
        self.node.visit_bool(value)
    }

    fn visit_u64<Er: Error>(self, value: u64) -> Result<Value, Er> {
        self.node.visit_u64(value)
    }

    fn visit_i64<Er: Error>(self, value: i64) -> Result<Value, Er> {
        self.node.visit_i64(value)
    }

    fn visit_f64<Er: Error>(self, value: f64) -> Result<Value, Er> {
        self.node.visit_f64(value)
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Value, A::Error> {
        self.node.visit_map(map)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<Value, A::Error> {
        let mut kept = Vec::new();
        let mut index = 0;
        while let Some((line, mut value)) = sequence.next_element_seed(ReadElement(self.element))? {
            if let (Value::Object(fields), Some((kind, version))) = (&mut value, &self.like) {
                adopt(fields, kind, version);
            }
            if ["kind", "apiVersion"].iter().all(|field| value.get(field).is_some_and(Value::is_string)) {
                let template = self.streamed.and_then(Streamed::take);
                (self.on_item)(Item { index, line, offset: 0, value, template });
            } else {
                kept.push(value);
            }
            index += 1;
        }
        Ok(Value::Array(kept))
    }
}

/// Gives an item the kind and version that its list says.
pub(super) fn adopt(item: &mut Map<String, Value>, kind: &str, version: &str) {
    if !item.contains_key("kind") {
        item.insert("kind".to_owned(), kind.into());
        item.entry("apiVersion").or_insert_with(|| version.into());
    }
}

struct ReadElement<E>(E);

impl<'de, E: Element> DeserializeSeed<'de> for ReadElement<E> {
    type Value = (u32, Value);

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(u32, Value), D::Error> {
        self.0.read(deserializer)
    }
}
