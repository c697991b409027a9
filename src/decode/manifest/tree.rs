//! One object, from any format, to a [`serde_json::Value`] of bounded size and depth. Aliases cannot blow it
//! up, and deep nesting cannot end the stack.

use std::cell::Cell;
use std::fmt;

use serde::de::{
    Deserialize, DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor,
};
use serde_json::{Map, Number, Value};

use super::keep::Keep;
use super::streamed::Streamed;

/// The API server takes no object above 3 MiB; ten times that is no Kubernetes object.
const MAX_TEXT: usize = 32 << 20;
const MAX_NODES: usize = 2_000_000;
/// As deep as `serde_json` goes.
pub(super) const MAX_DEPTH: u32 = 127;

/// What one object may still grow by.
#[derive(Debug)]
pub(super) struct Limits {
    text: Cell<usize>,
    nodes: Cell<usize>,
}

impl Limits {
    pub(super) fn new() -> Self {
        Self { text: Cell::new(MAX_TEXT), nodes: Cell::new(MAX_NODES) }
    }

    fn node<E: Error>(&self) -> Result<(), E> {
        let left = self.nodes.get().checked_sub(1);
        self.nodes
            .set(left.ok_or_else(|| E::custom(format_args!("an object of more than {MAX_NODES} values")))?);
        Ok(())
    }

    fn text<E: Error>(&self, text: &str) -> Result<(), E> {
        let left = self.text.get().checked_sub(text.len());
        self.text.set(
            left.ok_or_else(|| E::custom(format_args!("an object of more than {} MiB", MAX_TEXT >> 20)))?,
        );
        self.node()
    }
}

/// An object, with limits of its own.
#[derive(Debug)]
pub(super) struct Tree(pub(super) Value);

impl<'de> Deserialize<'de> for Tree {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Node::new(&Limits::new()).deserialize(deserializer).map(Tree)
    }
}

/// A part of an object.
#[derive(Clone, Copy, Debug)]
pub(super) struct Node<'l> {
    limits: &'l Limits,
    depth: u32,
    keep: Keep,
    /// Is told the address of the object's first key, where the text itself holds it.
    first_key: Option<&'l Cell<usize>>,
    /// Takes a pod template as it comes.
    streamed: Option<&'l Streamed>,
}

impl<'l> Node<'l> {
    /// A whole object.
    pub(super) fn new(limits: &'l Limits) -> Self {
        Self { limits, depth: 1, keep: Keep::All, first_key: None, streamed: None }
    }

    /// A field of one, of which this is kept.
    pub(super) fn field(limits: &'l Limits, keep: Keep) -> Self {
        Self { depth: 2, keep, ..Self::new(limits) }
    }

    /// A whole object, and where its first key stands.
    pub(super) fn telling(limits: &'l Limits, first_key: &'l Cell<usize>) -> Self {
        Self { first_key: Some(first_key), ..Self::new(limits) }
    }

    /// The same; a pod template below it is read as it comes.
    pub(super) fn streaming(self, streamed: Option<&'l Streamed>) -> Self {
        Self { streamed, ..self }
    }

    fn below<E: Error>(self) -> Result<Self, E> {
        if self.depth >= MAX_DEPTH {
            return Err(E::custom(format_args!("nested more than {MAX_DEPTH} levels deep")));
        }
        Ok(Self { depth: self.depth + 1, first_key: None, keep: Keep::All, ..self })
    }
}

impl<'de> DeserializeSeed<'de> for Node<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Node<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    fn visit_unit<E: Error>(self) -> Result<Value, E> {
        self.limits.node().map(|()| Value::Null)
    }

    fn visit_none<E: Error>(self) -> Result<Value, E> {
        self.visit_unit()
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        self.deserialize(deserializer)
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Value, E> {
        self.limits.node().map(|()| Value::Bool(value))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Value, E> {
        self.limits.node().map(|()| value.into())
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Value, E> {
        self.limits.node().map(|()| value.into())
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Value, E> {
        self.limits.node()?;
        Ok(Number::from_f64(value).map_or_else(|| Value::String(value.to_string()), Value::Number))
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Value, E> {
        self.limits.text(value).map(|()| Value::String(value.to_owned()))
    }

    fn visit_string<E: Error>(self, value: String) -> Result<Value, E> {
        self.limits.text(&value).map(|()| Value::String(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<Value, A::Error> {
        self.limits.node()?;
        let below = Self { keep: self.keep.item(), ..self.below()? };
        let mut values = Vec::new();
        while let Some(value) = sequence.next_element_seed(below)? {
            values.push(value);
        }
        Ok(Value::Array(values))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        if let Some(streamed) = self.streamed
            && let Some(applied) = streamed.expected(self.keep)
        {
            return streamed.read(applied, map);
        }
        self.limits.node()?;
        let below = self.below()?;
        let (mut fields, mut keep) = (Map::new(), self.keep);
        let mut at = self.first_key;
        while let Some(key) = map.next_key_seed(Key { keep, at: at.take() })? {
            let Some((key, keeps)) = key else {
                map.next_value::<IgnoredAny>()?;
                continue;
            };
            self.limits.text(&key)?;
            if let (Some(streamed), 1) = (self.streamed, self.depth) {
                streamed.expect(&key, &fields, keep);
            }
            let value = map.next_value_seed(Self { keep: keeps, ..below })?;
            if let (Some(_), Some(streamed)) = (fields.insert(key, value), self.streamed) {
                streamed.again()?;
            }
            if self.depth == 1 && matches!(keep, Keep::All) {
                keep = Keep::of(&fields);
            }
        }
        Ok(Value::Object(fields))
    }
}

/// A key and what is kept below it; none for what is passed over.
pub(super) struct Key<'c> {
    keep: Keep,
    /// Is told the key's address, where the text itself holds it.
    at: Option<&'c Cell<usize>>,
}

impl Key<'_> {
    /// A key of an object of which this is kept.
    pub(super) fn of(keep: Keep) -> Self {
        Self { keep, at: None }
    }
}

impl<'de> DeserializeSeed<'de> for Key<'_> {
    type Value = Option<(String, Keep)>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl<'de> Visitor<'de> for Key<'_> {
    type Value = Option<(String, Keep)>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_borrowed_str<E: Error>(self, key: &'de str) -> Result<Self::Value, E> {
        if let Some(at) = self.at {
            at.set(key.as_ptr().addr());
        }
        self.visit_str(key)
    }

    fn visit_str<E: Error>(self, key: &str) -> Result<Self::Value, E> {
        Ok(self.keep.field(key).map(|keep| (key.to_owned(), keep)))
    }

    fn visit_string<E: Error>(self, key: String) -> Result<Self::Value, E> {
        Ok(self.keep.field(&key).map(|keep| (key, keep)))
    }
}

/// The word for a value's type, for messages.
pub(super) fn type_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "nothing",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tree_is_what_serde_json_would_build() {
        let text = r#"{"a": [1, -2, 3.5, true, null, "x"], "b": {"c": {}}}"#;
        let Tree(value) = serde_json::from_str(text).unwrap();
        assert_eq!(value, serde_json::from_str::<Value>(text).unwrap());
    }

    #[test]
    fn nesting_is_bounded() {
        let text = |depth: usize| "[".repeat(depth) + &"]".repeat(depth);
        assert!(serde_json::from_str::<Tree>(&text(120)).is_ok());
        assert!(serde_json::from_str::<Tree>(&text(5_000)).is_err());
    }
}
