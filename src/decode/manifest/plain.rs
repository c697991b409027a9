//! The YAML that nearly all manifests consist of, read without a parser for all of YAML: block style, texts on
//! one line, literal blocks. Many times faster; whatever else turns up (anchors, tags, flow style over several
//! lines, folded text, tabs, any error) is refused, and [`super::yaml`] reads the document instead. What is read
//! here reads the same there, which tests and `make fuzz` try.

mod scalar;

use std::borrow::Cow;
use std::cell::Cell;
use std::fmt;

use serde::de::value::{BorrowedStrDeserializer, StringDeserializer};
use serde::de::{DeserializeSeed, Deserializer, IntoDeserializer as _, MapAccess, SeqAccess, Visitor};
use serde::forward_to_deserialize_any;
use serde_json::Value;

use super::root::{Element, Item, Root};
use super::streamed::Streamed;
use super::tree::{Limits, Node as Tree};
use scalar::{Text, Word};

/// The document is to be read by the full parser.
#[derive(Debug)]
pub(super) struct NotPlain;

impl fmt::Display for NotPlain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not plain YAML")
    }
}

impl std::error::Error for NotPlain {}

impl serde::de::Error for NotPlain {
    /// The full parser comes to the same end, and says where.
    fn custom<T: fmt::Display>(_: T) -> Self {
        Self
    }
}

/// Reads a document; `on_item` may have been told items already when it turns out to be none for here.
pub(super) fn read(
    text: &str,
    streamed: Option<&Streamed>,
    on_item: &mut dyn FnMut(Item),
) -> Result<Option<Value>, NotPlain> {
    if !scalar::is_printable(text) {
        return Err(NotPlain);
    }
    let line = Cell::new(1);
    let mut cursor = Cursor { text, bytes: text.as_bytes(), at: 0, line_start: 0, line: &line, depth: 0 };
    if let Some(rest) = text.strip_prefix("---") {
        if !rest.starts_with('\n') {
            return Err(NotPlain);
        }
        cursor.at = 3;
        cursor.next_line()?;
    } else {
        cursor.content()?;
    }
    let root = Root { element: PlainElement(&line, streamed), on_item, streamed };
    let node = Node { cursor: &mut cursor, parent: -1, after_key: false };
    let root = root.deserialize(node)?;
    if cursor.at < text.len() { Err(NotPlain) } else { Ok(root) }
}

#[derive(Clone, Copy)]
struct PlainElement<'c>(&'c Cell<u32>, Option<&'c Streamed>);

impl Element for PlainElement<'_> {
    fn read<'de, D: Deserializer<'de>>(self, deserializer: D) -> Result<(u32, Value), D::Error> {
        let line = self.0.get();
        let value = Tree::new(&Limits::new()).streaming(self.1).deserialize(deserializer)?;
        Ok((line, value))
    }
}

/// Nesting that is read here; the full parser has its own limit.
const MAX_DEPTH: u32 = 64;
/// YAML takes no longer keys.
const MAX_KEY: usize = 1_000;

/// Stands on the first character of a value, a key or a dash; at the end of the text behind the last one.
struct Cursor<'t, 'c> {
    text: &'t str,
    bytes: &'t [u8],
    at: usize,
    line_start: usize,
    /// Counted from 1.
    line: &'c Cell<u32>,
    depth: u32,
}

impl<'t> Cursor<'t, '_> {
    fn byte(&self, at: usize) -> Option<u8> {
        self.bytes.get(at).copied()
    }

    fn column(&self) -> isize {
        self.at.wrapping_sub(self.line_start).cast_signed()
    }

    /// The rest of the line.
    fn rest(&self) -> &'t str {
        let bytes = &self.bytes[self.at..];
        let length = bytes.iter().position(|byte| *byte == b'\n').unwrap_or(bytes.len());
        &self.text[self.at..self.at + length]
    }

    fn skip_spaces(&mut self) {
        while self.byte(self.at) == Some(b' ') {
            self.at += 1;
        }
    }

    /// Goes on from the end of a line to the next line with content.
    fn next_line(&mut self) -> Result<(), NotPlain> {
        match self.byte(self.at) {
            None => Ok(()),
            Some(b'\n') => {
                self.at += 1;
                self.line_start = self.at;
                self.line.set(self.line.get() + 1);
                self.content()
            }
            Some(_) => Err(NotPlain),
        }
    }

    /// Skips blank lines and comments. Stands at the beginning of a line.
    fn content(&mut self) -> Result<(), NotPlain> {
        loop {
            self.skip_spaces();
            match self.byte(self.at) {
                Some(b'#') => self.at += self.rest().len(),
                Some(b'\n') => {}
                Some(b'%') => return Err(NotPlain),
                _ => return Ok(()),
            }
            if self.at >= self.bytes.len() {
                self.line_start = self.at;
                return Ok(());
            }
            self.at += 1;
            self.line_start = self.at;
            self.line.set(self.line.get() + 1);
        }
    }

    /// Ends a line behind a value: only a comment may follow. Then goes on.
    fn end_line(&mut self) -> Result<(), NotPlain> {
        let before = self.at;
        self.skip_spaces();
        if self.byte(self.at) == Some(b'#') && self.at > before {
            self.at += self.rest().len();
        }
        self.next_line()
    }

    /// Whether nothing but a comment is left of the line, which `at` stands behind a colon or dash of.
    fn line_is_over(&self) -> bool {
        let rest = &self.bytes[self.at..];
        let blank = rest.iter().position(|byte| *byte != b' ').unwrap_or(rest.len());
        match rest.get(blank) {
            None | Some(b'\n') => true,
            Some(b'#') => blank > 0,
            Some(_) => false,
        }
    }

    fn is_dash(&self) -> bool {
        self.byte(self.at) == Some(b'-') && matches!(self.byte(self.at + 1), None | Some(b' ' | b'\n'))
    }

    fn at_end(&self) -> bool {
        self.at >= self.bytes.len()
    }

    fn deeper(&mut self) -> Result<(), NotPlain> {
        self.depth += 1;
        if self.depth > MAX_DEPTH { Err(NotPlain) } else { Ok(()) }
    }
}

/// The value at the cursor, within a block whose column is `parent`.
struct Node<'t, 'c, 'x> {
    cursor: &'x mut Cursor<'t, 'c>,
    parent: isize,
    /// It stands on the line of its key, where no block can begin.
    after_key: bool,
}

impl Node<'_, '_, '_> {
    fn is_null(&self) -> Result<bool, NotPlain> {
        let Self { cursor, after_key, .. } = self;
        if cursor.at_end() {
            return Ok(true);
        }
        if cursor.is_dash() || cursor.byte(cursor.at) == Some(b'|') {
            return Ok(false);
        }
        if !after_key && scalar::key(cursor.rest())?.is_some() {
            return Ok(false);
        }
        Ok(matches!(scalar::word(cursor.rest())?, (Word::Null, _)))
    }
}

impl<'de> Deserializer<'de> for Node<'de, '_, '_> {
    type Error = NotPlain;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, NotPlain> {
        let Self { cursor, parent, after_key } = self;
        if cursor.at_end() {
            return visitor.visit_unit();
        }
        let column = cursor.column();
        if cursor.is_dash() {
            if after_key {
                return Err(NotPlain);
            }
            cursor.deeper()?;
            let value = visitor.visit_seq(List { cursor: &mut *cursor, column, first: true })?;
            cursor.depth -= 1;
            return Ok(value);
        }
        if !after_key && let Some((key, behind)) = scalar::key(cursor.rest())? {
            cursor.deeper()?;
            let key = Some((key, cursor.at + behind));
            let value = visitor.visit_map(Map { cursor: &mut *cursor, column, key })?;
            cursor.depth -= 1;
            return Ok(value);
        }
        let (word, length) = match cursor.byte(cursor.at) {
            Some(b'|') => {
                let (text, length, lines) = scalar::literal(&cursor.text[cursor.at..], parent)?;
                cursor.line.set(cursor.line.get() + lines);
                cursor.at += length;
                cursor.line_start = cursor.at;
                cursor.content()?;
                return visitor.visit_string(text);
            }
            _ => scalar::word(cursor.rest())?,
        };
        cursor.at += length;
        cursor.end_line()?;
        match word {
            Word::Text(Cow::Borrowed(text)) => visitor.visit_borrowed_str(text),
            Word::Text(Cow::Owned(text)) => visitor.visit_string(text),
            Word::Boolean(value) => visitor.visit_bool(value),
            Word::Number(number) => visitor.visit_u64(number),
            Word::Null => visitor.visit_unit(),
            Word::Other(value) => value.into_deserializer().deserialize_any(visitor).map_err(|_| NotPlain),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, NotPlain> {
        if self.is_null()? { self.deserialize_any(visitor) } else { visitor.visit_some(self) }
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit
        unit_struct newtype_struct seq tuple tuple_struct map struct enum identifier ignored_any
    }
}

struct List<'t, 'c, 'x> {
    cursor: &'x mut Cursor<'t, 'c>,
    column: isize,
    first: bool,
}

impl<'de> SeqAccess<'de> for List<'de, '_, '_> {
    type Error = NotPlain;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, NotPlain> {
        let Self { cursor, column, first } = self;
        let column = *column;
        if !std::mem::take(first) {
            if cursor.at_end() || cursor.column() < column {
                return Ok(None);
            }
            if cursor.column() > column {
                return Err(NotPlain);
            }
            if !cursor.is_dash() {
                return Ok(None);
            }
        }
        cursor.at += 1;
        if cursor.line_is_over() {
            cursor.end_line()?;
            if cursor.at_end() || cursor.column() <= column {
                return seed.deserialize(().into_deserializer()).map(Some);
            }
        } else {
            cursor.skip_spaces();
        }
        seed.deserialize(Node { cursor, parent: column, after_key: false }).map(Some)
    }
}

struct Map<'t, 'c, 'x> {
    cursor: &'x mut Cursor<'t, 'c>,
    column: isize,
    /// The key at the cursor, if it has been read, and where its value begins.
    key: Option<(Text<'t>, usize)>,
}

impl<'de> MapAccess<'de> for Map<'de, '_, '_> {
    type Error = NotPlain;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, NotPlain> {
        let (key, behind) = match self.key.take() {
            Some(key) => key,
            None => {
                if self.cursor.at_end() || self.cursor.column() < self.column {
                    return Ok(None);
                }
                // Text that goes on, or what is wrong.
                if self.cursor.column() > self.column {
                    return Err(NotPlain);
                }
                let (key, behind) = scalar::key(self.cursor.rest())?.ok_or(NotPlain)?;
                (key, self.cursor.at + behind)
            }
        };
        self.cursor.at = behind;
        match key {
            Cow::Borrowed(key) => seed.deserialize(BorrowedStrDeserializer::new(key)).map(Some),
            Cow::Owned(key) => seed.deserialize(StringDeserializer::new(key)).map(Some),
        }
    }

    fn next_value_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<T::Value, NotPlain> {
        let Self { cursor, column, .. } = self;
        let column = *column;
        if !cursor.line_is_over() {
            cursor.skip_spaces();
            return seed.deserialize(Node { cursor, parent: column, after_key: true });
        }
        cursor.end_line()?;
        let is_below =
            !cursor.at_end() && (cursor.column() > column || (cursor.column() == column && cursor.is_dash()));
        match is_below {
            true => seed.deserialize(Node { cursor, parent: column, after_key: false }),
            false => seed.deserialize(().into_deserializer()),
        }
    }
}

#[cfg(test)]
mod tests;
