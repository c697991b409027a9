//! Total visitors: reading JSON (or YAML) in one pass without ever refusing an object. A value of another
//! type than expected is consumed and flagged, `null` reads as absent, what is not read is skipped; only
//! broken syntax is an error. One item that serde refused would fail its whole page.

use std::fmt;
use std::marker::PhantomData;

use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};

/// An object whose known fields are read.
pub(crate) trait Fields<'de> {
    /// The number of a key; 0 for one that is not read.
    fn key(name: &str) -> u8;
    /// Reads the value of a known key.
    fn field<A: MapAccess<'de>>(&mut self, key: u8, map: &mut A) -> Result<(), A::Error>;
    /// Whether several keys have this number.
    fn may_repeat(_: u8) -> bool {
        false
    }
    /// Something else stands where the object should be, or a key stands twice.
    fn wrong(&mut self);
}

/// Whether the key of this number, below 64, has been seen before.
#[inline]
pub(crate) fn came_before(seen: &mut u64, key: u8) -> bool {
    let bit = 1 << (key & 63);
    let before = *seen & bit != 0;
    *seen |= bit;
    before
}

/// A list whose items are read.
pub(crate) trait Items<'de> {
    /// Reads the next item; false at the end.
    fn item<A: SeqAccess<'de>>(&mut self, list: &mut A) -> Result<bool, A::Error>;
    /// Something else stands where the list should be.
    fn wrong(&mut self);
}

/// A map from text to text, told pair by pair.
pub(crate) trait Entries {
    /// A key, then (if it was a text) its value.
    fn key(&mut self, key: &str) -> bool;
    /// The value of the key for which `key` said true.
    fn value(&mut self, value: &str);
    /// A value is no text, or something else stands where the map should be.
    fn wrong(&mut self);
}

fn drain_map<'de, A: MapAccess<'de>>(mut map: A) -> Result<(), A::Error> {
    while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
    Ok(())
}

fn drain_list<'de, A: SeqAccess<'de>>(mut list: A) -> Result<(), A::Error> {
    while list.next_element::<IgnoredAny>()?.is_some() {}
    Ok(())
}

/// Methods for values that are never right: they are consumed and flagged.
macro_rules! wrong_values {
    ($($method:ident: $type:ty),*) => {$(
        #[cold]
        fn $method<E: Error>(self, _: $type) -> Result<Self::Value, E> {
            Ok(self.wrong_value())
        }
    )*};
}

/// `null` reads as absent.
macro_rules! null_is_absent {
    ($value:expr) => {
        fn visit_unit<E>(self) -> Result<Self::Value, E> {
            Ok($value)
        }

        fn visit_none<E>(self) -> Result<Self::Value, E> {
            Ok($value)
        }

        fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
            deserializer.deserialize_any(self)
        }
    };
}

/// A list of deep objects of which nothing is read. Ignored as one value, the JSON parser would have to note one level
/// of nesting more, and its note of `managedFields` would outgrow the space that it begins with.
pub(crate) struct DeepList;

impl<'de> Items<'de> for DeepList {
    fn item<A: SeqAccess<'de>>(&mut self, list: &mut A) -> Result<bool, A::Error> {
        Ok(list.next_element::<IgnoredAny>()?.is_some())
    }

    fn wrong(&mut self) {}
}

struct KeyOf<F>(PhantomData<F>);

impl<'de, F: Fields<'de>> DeserializeSeed<'de> for KeyOf<F> {
    type Value = u8;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<u8, D::Error> {
        deserializer.deserialize_identifier(self)
    }
}

impl<'de, F: Fields<'de>> Visitor<'de> for KeyOf<F> {
    type Value = u8;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    #[inline]
    fn visit_str<E: Error>(self, name: &str) -> Result<u8, E> {
        Ok(F::key(name))
    }
}

/// Reads an object into its [`Fields`].
pub(crate) struct Object<'x, F>(pub(crate) &'x mut F);

impl<F> Object<'_, F> {
    fn wrong_value<'de>(self)
    where
        F: Fields<'de>,
    {
        self.0.wrong();
    }
}

impl<'de, F: Fields<'de>> DeserializeSeed<'de> for Object<'_, F> {
    type Value = ();

    #[inline]
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de, F: Fields<'de>> Visitor<'de> for Object<'_, F> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    #[inline]
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let mut seen = 0;
        while let Some(key) = map.next_key_seed(KeyOf::<F>(PhantomData))? {
            if key == 0 {
                map.next_value::<IgnoredAny>()?;
            } else {
                if came_before(&mut seen, key) && !F::may_repeat(key) {
                    self.0.wrong();
                }
                self.0.field(key, &mut map)?;
            }
        }
        Ok(())
    }

    #[cold]
    fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<(), A::Error> {
        self.0.wrong();
        drain_list(list)
    }

    null_is_absent!(());
    wrong_values!(visit_bool: bool, visit_i64: i64, visit_u64: u64, visit_f64: f64, visit_str: &str);
}

/// Reads a list into its [`Items`].
pub(crate) struct List<'x, F>(pub(crate) &'x mut F);

impl<F> List<'_, F> {
    fn wrong_value<'de>(self)
    where
        F: Items<'de>,
    {
        self.0.wrong();
    }
}

impl<'de, F: Items<'de>> DeserializeSeed<'de> for List<'_, F> {
    type Value = ();

    #[inline]
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de, F: Items<'de>> Visitor<'de> for List<'_, F> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list")
    }

    #[inline]
    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        while self.0.item(&mut list)? {}
        Ok(())
    }

    #[cold]
    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<(), A::Error> {
        self.0.wrong();
        drain_map(map)
    }

    null_is_absent!(());
    wrong_values!(visit_bool: bool, visit_i64: i64, visit_u64: u64, visit_f64: f64, visit_str: &str);
}

/// Reads a map of texts into its [`Entries`].
pub(crate) struct TextMap<'x, T>(pub(crate) &'x mut T);

impl<T: Entries> TextMap<'_, T> {
    fn wrong_value(self) {
        self.0.wrong();
    }
}

impl<'de, T: Entries> DeserializeSeed<'de> for TextMap<'_, T> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de, T: Entries> Visitor<'de> for TextMap<'_, T> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a map of texts")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let entries = self.0;
        loop {
            let (mut wanted, mut wrong) = (false, false);
            let key = Text { wrong: &mut wrong, take: |key: &str| wanted = entries.key(key) };
            if map.next_key_seed(key)?.is_none() {
                return Ok(());
            }
            if wanted {
                let value = Text { wrong: &mut wrong, take: |value: &str| entries.value(value) };
                map.next_value_seed(value)?;
            } else {
                map.next_value::<IgnoredAny>()?;
            }
            if wrong {
                entries.wrong();
            }
        }
    }

    #[cold]
    fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<(), A::Error> {
        self.0.wrong();
        drain_list(list)
    }

    null_is_absent!(());
    wrong_values!(visit_bool: bool, visit_i64: i64, visit_u64: u64, visit_f64: f64, visit_str: &str);
}

/// Whether a value is there: not for `null`.
pub(crate) struct Present<S>(pub(crate) S);

impl<'de, S: DeserializeSeed<'de, Value = ()>> DeserializeSeed<'de> for Present<S> {
    type Value = bool;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<bool, D::Error> {
        deserializer.deserialize_option(self)
    }
}

impl<'de, S: DeserializeSeed<'de, Value = ()>> Visitor<'de> for Present<S> {
    type Value = bool;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value or null")
    }

    fn visit_unit<E>(self) -> Result<bool, E> {
        Ok(false)
    }

    fn visit_none<E>(self) -> Result<bool, E> {
        Ok(false)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<bool, D::Error> {
        self.0.deserialize(deserializer).map(|()| true)
    }
}

/// A text handed to `take`; anything else sets `wrong`.
pub(crate) struct Text<'x, F> {
    /// Set when something else stands there.
    pub(crate) wrong: &'x mut bool,
    /// Takes the text.
    pub(crate) take: F,
}

impl<F> Text<'_, F> {
    fn wrong_value(self) {
        *self.wrong = true;
    }
}

impl<'de, F: FnOnce(&str)> DeserializeSeed<'de> for Text<'_, F> {
    type Value = ();

    #[inline]
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de, F: FnOnce(&str)> Visitor<'de> for Text<'_, F> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text")
    }

    #[inline]
    fn visit_str<E: Error>(self, text: &str) -> Result<(), E> {
        (self.take)(text);
        Ok(())
    }

    #[cold]
    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<(), A::Error> {
        *self.wrong = true;
        drain_map(map)
    }

    #[cold]
    fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<(), A::Error> {
        *self.wrong = true;
        drain_list(list)
    }

    null_is_absent!(());
    wrong_values!(visit_bool: bool, visit_i64: i64, visit_u64: u64, visit_f64: f64);
}

/// A boolean; anything else sets the flag and reads as absent.
pub(crate) struct Boolean<'x>(pub(crate) &'x mut bool);

impl Boolean<'_> {
    fn wrong_value(self) -> Option<bool> {
        *self.0 = true;
        None
    }
}

impl<'de> DeserializeSeed<'de> for Boolean<'_> {
    type Value = Option<bool>;

    #[inline]
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Option<bool>, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Boolean<'_> {
    type Value = Option<bool>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a boolean")
    }

    #[inline]
    fn visit_bool<E>(self, value: bool) -> Result<Option<bool>, E> {
        Ok(Some(value))
    }

    #[cold]
    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Option<bool>, A::Error> {
        *self.0 = true;
        drain_map(map).map(|()| None)
    }

    #[cold]
    fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<Option<bool>, A::Error> {
        *self.0 = true;
        drain_list(list).map(|()| None)
    }

    null_is_absent!(None);
    wrong_values!(visit_i64: i64, visit_u64: u64, visit_f64: f64, visit_str: &str);
}
