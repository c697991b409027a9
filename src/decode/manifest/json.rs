//! A stream of JSON objects: one, or several on lines of their own or one after the other.

use std::cell::Cell;
use std::io::{self, Read};
use std::sync::Arc;

use memchr::memmem;
use serde::de::{DeserializeSeed as _, Deserializer, IgnoredAny};
use serde_json::Value;

use super::root::{Element, Item, Root};
use super::split;
use super::streamed::Streamed;
use super::tell::Place;
use super::tree::{Limits, Node};
use super::yaml::{self, Problem};
use crate::decode::pod::PodRecord;

/// Whether `text` is to be read as JSON. YAML is a superset, so only what begins with a brace is in doubt.
pub(super) fn is_json(file: &str, text: &str) -> bool {
    let Some(inside) = text.trim_start().strip_prefix('{') else {
        return extension_is_json(file);
    };
    // JSON has no line breaks in texts, so a line of YAML's is seen without reading everything.
    if extension_is_json(file) && !text.contains("\n---") && !text.contains("\n#") {
        return true;
    }
    let mut stream = serde_json::Deserializer::from_str(text).into_iter::<IgnoredAny>();
    match stream.next() {
        // YAML documents may well be written as JSON objects.
        Some(Ok(_)) => {
            let rest = text.get(stream.byte_offset()..).unwrap_or_default().trim_start();
            !rest.starts_with("---") && !rest.starts_with('#')
        }
        _ => extension_is_json(file) || (inside.trim_start().starts_with('"') && !yaml::is_yaml(text)),
    }
}

pub(super) fn extension_is_json(file: &str) -> bool {
    file.rsplit_once('.').is_some_and(|(_, extension)| extension.eq_ignore_ascii_case("json"))
}

/// What was read of one object of the stream.
pub(super) struct Document<'t> {
    /// Its text; with what follows up to the next object where it does not parse.
    pub(super) text: &'t str,
    /// Where it begins.
    pub(super) at: At,
    /// How many lines come before its text.
    pub(super) above: u32,
    /// The object, or what is wrong with it (its line counted from the file's first).
    pub(super) root: Result<Option<Value>, Problem>,
    /// The object's pod template, where that was read as it came.
    pub(super) template: Option<PodRecord>,
}

/// A text, and where it stands in its file.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stretch<'t> {
    pub(super) text: &'t str,
    /// The line on which it begins, counted from 1.
    pub(super) line: u32,
    /// Where it begins in the file.
    pub(super) offset: u64,
    /// Its last byte is the first of what follows it in the file.
    pub(super) ahead: bool,
    /// It begins within a List, whose head stands before it.
    pub(super) within: Option<Within>,
}

impl<'t> Stretch<'t> {
    /// A whole file.
    pub(super) fn whole(text: &'t str) -> Self {
        Self { text, line: 1, offset: 0, ahead: false, within: None }
    }
}

/// The List within which a text begins.
#[derive(Clone, Copy, Debug)]
pub(super) struct Within {
    /// How long the head is that stands before the text proper.
    pub(super) head: usize,
    /// Where the List begins.
    pub(super) at: At,
    /// How many bytes of its line come before the text proper.
    pub(super) column: u32,
}

/// Where a document begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct At {
    /// Its number, counted from 1.
    pub(super) number: u32,
    /// Its line, counted from 1.
    pub(super) line: u32,
    /// Where it begins in the file.
    pub(super) offset: u64,
}

impl At {
    pub(super) fn place(self, file: &Arc<str>) -> Place<'_> {
        let Self { number, line, offset } = self;
        Place { file, document: number, line, at: offset, item: None }
    }
}

impl Stretch<'_> {
    fn head(&self) -> usize {
        self.within.map_or(0, |within| within.head)
    }

    /// Where what stands at `at` of the text stands in the file.
    fn offset_of(&self, at: usize) -> u64 {
        self.offset + at.saturating_sub(self.head()) as u64
    }
}

/// Reads every object of a text; how many there are. After one that does not parse, reading goes on at the next line
/// that begins with a brace behind the items that were read. `on_item` is told the document with each item.
pub(super) fn read(
    stretch: &Stretch<'_>,
    streamed: Option<&Streamed>,
    on_item: &mut dyn FnMut(At, Item),
    on_document: &mut dyn FnMut(Document<'_>),
) -> u32 {
    let text = stretch.text;
    let end = text.len() - usize::from(stretch.ahead);
    let (mut offset, mut line, mut number) = (0, stretch.line, 0);
    loop {
        let rest = text.get(offset..).unwrap_or_default();
        let blank = rest.len() - rest.trim_start().len();
        line += newlines(&rest[..blank]);
        offset += blank;
        if offset >= end {
            return number;
        }
        let rest = &rest[blank..];
        number += 1;
        let at = match stretch.within {
            Some(within) if number == 1 => within.at,
            _ => At { number, line, offset: stretch.offset_of(offset) },
        };
        let (root, read) = object(stretch, offset, line, streamed, &mut |item| on_item(at, item));
        let template = streamed.and_then(Streamed::take);
        let text = &rest[..read.min(rest.len())];
        on_document(Document { text, at, above: line - 1, root, template });
        line += newlines(text);
        offset += read;
    }
}

/// Reads a text as items of a List and nothing else; false where it is not that.
pub(super) fn read_items(
    stretch: &Stretch<'_>,
    at: At,
    streamed: Option<&Streamed>,
    on_item: &mut dyn FnMut(At, Item),
) -> bool {
    let blank = stretch.text.len() - stretch.text.trim_start().len();
    let line = stretch.line + newlines(&stretch.text[..blank]);
    let (root, end) = object(stretch, blank, line, streamed, &mut |item| on_item(at, item));
    // Items that do not say what they are stay in the root.
    let is_told = |root: &Value| root.get("items").and_then(Value::as_array).is_some_and(Vec::is_empty);
    matches!(root, Ok(Some(root)) if is_told(&root)) && blank + end == stretch.text.len()
}

/// Reads the object that begins here, on this line; how far it goes, or where to go on where it does not parse.
fn object(
    stretch: &Stretch<'_>,
    begin: usize,
    line: u32,
    streamed: Option<&Streamed>,
    on_item: &mut dyn FnMut(Item),
) -> (Result<Option<Value>, Problem>, usize) {
    let text = stretch.text.get(begin..).unwrap_or_default();
    let counted = Cell::new((0, line));
    let (mut told, mut last) = (0, 0);
    let mut read = |streamed| {
        counted.set((0, line));
        let mut deserializer = serde_json::Deserializer::from_str(text);
        let again = told;
        let root = Root {
            element: ItemOf { text, counted: &counted, streamed },
            // Items that were told already are read the same again.
            on_item: &mut |mut item| {
                if item.index >= again {
                    told = item.index + 1;
                    let begins = counted.get().0;
                    if begins > std::mem::replace(&mut last, begins) {
                        item.offset = stretch.offset_of(begin + begins);
                    }
                    on_item(item);
                }
            },
            streamed,
        };
        let root = root.deserialize(&mut deserializer);
        root.map(|root| (root, deserializer.into_iter::<IgnoredAny>().byte_offset()))
    };
    let root = match (read(streamed), streamed) {
        (Err(_), Some(streamed)) => {
            streamed.take();
            read(None)
        }
        (root, _) => root,
    };
    match root {
        Ok((root, end)) => (Ok(root), end),
        Err(error) => {
            let number = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
            let mut column = number(error.column());
            if let (Some(within), 0, 1) = (stretch.within, begin, error.line()) {
                column = (column + within.column).saturating_sub(number(within.head));
            }
            let line = line + number(error.line()).saturating_sub(1);
            let from = counted.get().0;
            let next = text[from..].find("\n{").map(|at| from + at + 1);
            (Err(Problem { line, column, message: message(&error) }), next.unwrap_or(text.len()))
        }
    }
}

/// How a List begins, up to its items.
#[derive(Debug)]
pub(super) struct Head {
    /// On one line.
    pub(super) text: String,
    /// Where the List begins.
    pub(super) at: At,
    /// What stands between two items: a comma and what stands before the first one.
    border: Vec<u8>,
    /// The keys with which the first item begins.
    keys: [Option<Vec<u8>>; 2],
}

/// The longest head.
const HEAD: usize = 16 << 10;

impl Head {
    /// Of a file that begins so; none where it does not begin with a List whose items say what they are.
    pub(super) fn of(text: &str) -> Option<Self> {
        let blank = text.len() - text.trim_start().len();
        let at = At { number: 1, line: 1 + newlines(&text[..blank]), offset: blank as u64 };
        text.match_indices("\"items\"").take_while(|(found, _)| *found < HEAD).find_map(|(found, key)| {
            let items = text.get(found + key.len()..)?.trim_start().strip_prefix(':')?;
            let items = items.trim_start().strip_prefix('[')?;
            let head = &text[blank..text.len() - items.len()];
            // Only within the outermost object does this close what is open.
            let closed: Value = serde_json::from_str(&format!("{head}]}}")).ok()?;
            let is_list = |kind: &Value| kind.as_str().is_some_and(|kind| kind.ends_with("List"));
            if !closed.get("kind").is_none_or(is_list) {
                return None;
            }
            let lead = &items[..items.len() - items.trim_start().len()];
            let border = [b"},", lead.as_bytes(), b"{"].concat();
            let keys = first_keys(items.trim_start().strip_prefix('{')?.as_bytes());
            let keys = keys.map(|key| key.map(<[u8]>::to_vec));
            keys[0].as_ref()?;
            Some(Self { text: head.replace(['\n', '\r'], " "), at, border, keys })
        })
    }

    /// Where the last item begins that seems to be one: behind the comma.
    pub(super) fn last_border(&self, held: &[u8]) -> Option<usize> {
        let is_item = |at: &usize| {
            let keys = first_keys(&held[at + self.border.len()..]);
            keys.iter().zip(&self.keys).all(|(found, wanted)| wanted.is_none() || *found == wanted.as_deref())
        };
        memmem::rfind_iter(held, &self.border).find(is_item).map(|at| at + 2)
    }
}

/// The first key of an object, and the second where the first one's value is a text.
fn first_keys(fields: &[u8]) -> [Option<&[u8]>; 2] {
    fn text(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
        let inside = bytes.trim_ascii_start().strip_prefix(b"\"")?;
        let end = memchr::memchr(b'"', inside)?;
        let (text, rest) = (&inside[..end], inside[end + 1..].trim_ascii_start());
        (!text.contains(&b'\\')).then_some((text, rest))
    }
    let Some((first, rest)) = text(fields) else { return [None, None] };
    let second = rest.strip_prefix(b":").and_then(text);
    let second = second.and_then(|(_, rest)| text(rest.strip_prefix(b",")?)).map(|(key, _)| key);
    [Some(first), second]
}

/// Hands one object to `read`, with the line that the reader has come to, counted from 1.
pub(super) fn with(
    text: &str,
    read: impl FnOnce(&mut serde_json::Deserializer<serde_json::de::IoRead<Counting<'_>>>, &Cell<u32>),
) {
    let line = Cell::new(1);
    let counting = Counting { rest: text.as_bytes(), line: &line };
    read(&mut serde_json::Deserializer::from_reader(counting), &line);
}

fn newlines(text: &str) -> u32 {
    split::newlines(text.as_bytes())
}

/// The message without the place, which is told apart.
fn message(error: &serde_json::Error) -> String {
    let mut message = error.to_string();
    if let Some(at) = message.rfind(" at line ") {
        message.truncate(at);
    }
    message
}

/// Hands out bytes and counts lines: `serde_json` tells no places while it reads.
pub(super) struct Counting<'t> {
    rest: &'t [u8],
    line: &'t Cell<u32>,
}

impl Read for Counting<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        // One byte at a time, as `serde_json` asks for them.
        let (Some((byte, rest)), Some(slot)) = (self.rest.split_first(), buffer.first_mut()) else {
            return Ok(0);
        };
        *slot = *byte;
        self.rest = rest;
        if *byte == b'\n' {
            self.line.set(self.line.get() + 1);
        }
        Ok(1)
    }
}

/// An item of a document, whose line is counted from where the last one began: `serde_json` tells no places while it
/// reads, but a key without escapes is a piece of the text itself.
#[derive(Clone, Copy)]
struct ItemOf<'t> {
    text: &'t str,
    counted: &'t Cell<(usize, u32)>,
    streamed: Option<&'t Streamed>,
}

impl Element for ItemOf<'_> {
    fn read<'de, D: Deserializer<'de>>(self, deserializer: D) -> Result<(u32, Value), D::Error> {
        let first_key = Cell::new(0);
        let limits = Limits::new();
        let value = Node::telling(&limits, &first_key).streaming(self.streamed).deserialize(deserializer)?;
        let (from, mut line) = self.counted.get();
        let key = first_key.get().checked_sub(self.text.as_ptr().addr());
        let begins = key.and_then(|key| self.text.get(from..key)?.rfind('{'));
        if let Some(begins) = begins {
            line += newlines(self.text.get(from..from + begins).unwrap_or_default());
            self.counted.set((from + begins, line));
        }
        Ok((line, value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Number, line, and the kind or the error's line.
    fn documents(text: &str) -> Vec<(u32, u32, Result<String, u32>)> {
        let mut found = Vec::new();
        read(&Stretch::whole(text), None, &mut |_, _| {}, &mut |document| {
            let kind =
                document.root.map(|root| root.unwrap()["kind"].as_str().unwrap_or_default().to_owned());
            found.push((document.at.number, document.at.line, kind.map_err(|problem| problem.line)));
        });
        found
    }

    #[test]
    fn objects_may_follow_each_other_in_any_way() {
        let text = "{\"kind\": \"A\"}\n{\"kind\": \"B\"}{\n  \"kind\": \"C\"\n}\n\n{\"kind\": \"D\"}\n";
        let kinds =
            [(1, 1, Ok("A".into())), (2, 2, Ok("B".into())), (3, 2, Ok("C".into())), (4, 6, Ok("D".into()))];
        assert_eq!(documents(text), kinds);
    }

    #[test]
    fn one_bad_object_does_not_stop_the_next() {
        let text = "{\"kind\": \"A\"}\n{\"kind\":\n{\"kind\": \"B\"}\n";
        assert_eq!(documents(text), [(1, 1, Ok("A".into())), (2, 2, Err(4)), (3, 3, Ok("B".into()))]);
        assert_eq!(documents("3 {}\n{\"kind\": \"B\"}"), [(1, 1, Err(1)), (2, 2, Ok("B".into()))]);
    }

    #[test]
    fn items_keep_their_line() {
        let text = "\n{\n \"apiVersion\": \"v1\",\n \"items\": [\n  {\"apiVersion\": \"v1\", \"kind\": \"Pod\"},\n  {\n   \"apiVersion\": \"v1\", \"kind\": \"Pod\"}\n ],\n \"kind\": \"List\"\n}\n";
        let mut lines = Vec::new();
        let on_item = &mut |at: At, item: Item| lines.push((at.number, at.line, item.index, item.line));
        read(&Stretch::whole(text), None, on_item, &mut |_| {});
        assert_eq!(lines, [(1, 2, 0, 5), (1, 2, 1, 6)]);
    }

    #[test]
    fn json_and_flow_yaml_are_told_apart() {
        assert!(is_json("-", "{\"a\": 1}"));
        assert!(is_json("-", "{\"a\": 1}\n{\"a\": 2}"));
        assert!(!is_json("-", "{a: 1}"));
        assert!(!is_json("-", "{\"a\": 1}\n---\n{\"a\": 2}"));
        assert!(!is_json("-", "{\"a\": 1,}"), "kubectl takes it as YAML");
        assert!(is_json("-", "{\"a\": 1"));
        assert!(is_json("x.json", "{a: 1"));
        assert!(!is_json("x.yaml", "a: 1"));
    }
}
