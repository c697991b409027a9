//! A stream of JSON objects: one, or several on lines of their own or one after the other.

use std::cell::Cell;
use std::io::{self, Read};
use std::ops::Range;

use serde::de::{DeserializeSeed as _, Deserializer, IgnoredAny};
use serde_json::Value;

use super::root::{Element, Item, Root};
use super::split;
use super::streamed::Streamed;
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

fn extension_is_json(file: &str) -> bool {
    file.rsplit_once('.').is_some_and(|(_, extension)| extension.eq_ignore_ascii_case("json"))
}

/// What was read of one object of the stream.
pub(super) struct Document<'t> {
    /// Its text; with what follows up to the next object where it does not parse.
    pub(super) text: &'t str,
    /// Its number, counted from 1.
    pub(super) number: u32,
    /// The line on which it begins.
    pub(super) line: u32,
    /// The object, or what is wrong with it (its line counted from the file's first).
    pub(super) root: Result<Option<Value>, Problem>,
    /// The object's pod template, where that was read as it came.
    pub(super) template: Option<PodRecord>,
}

/// Where a part of a stream begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Part {
    pub(super) range: Range<usize>,
    /// The line, counted from 1.
    pub(super) line: u32,
    /// How many objects come before it.
    pub(super) before: u32,
}

impl Part {
    pub(super) fn whole(text: &str) -> Self {
        Self { range: 0..text.len(), line: 1, before: 0 }
    }
}

/// A large stream is read in parts of about this size, on however many threads.
const PART: usize = 256 << 10;

/// The parts in which a stream is read.
pub(super) fn parts(text: &str) -> Vec<Part> {
    let parts = if text.len() > PART { cut(text, PART) } else { None };
    parts.unwrap_or_else(|| vec![Part::whole(text)])
}

/// Cuts a stream between objects into parts of at least `size`. None when objects follow each other on one line:
/// then only reading them counts them.
fn cut(text: &str, size: usize) -> Option<Vec<Part>> {
    let (mut parts, mut part, mut objects) = (Vec::new(), Part::whole(text), 0);
    for (brace, _) in text.match_indices('{') {
        let before = text.get(..brace).unwrap_or_default();
        let line = before.trim_end_matches([' ', '\t', '\r']);
        // Within an object, a comma would stand between these braces.
        if !line.trim_end_matches(['\n', ' ', '\t', '\r']).ends_with('}') {
            continue;
        }
        if line.ends_with('}') {
            return None;
        }
        objects += 1;
        if brace - part.range.start >= size {
            part.range.end = brace;
            let line = part.line + newlines(&text[part.range.clone()]);
            parts
                .push(std::mem::replace(&mut part, Part { range: brace..text.len(), line, before: objects }));
        }
    }
    parts.push(part);
    Some(parts)
}

/// Reads every object of a part of a stream. After one that does not parse, reading goes on at the next line that
/// begins with a brace. `on_item` is told the document's number and line with each item.
pub(super) fn read(
    text: &str,
    part: &Part,
    streamed: Option<&Streamed>,
    on_item: &mut dyn FnMut(u32, u32, Item),
    on_document: &mut dyn FnMut(Document<'_>),
) {
    let text = text.get(part.range.clone()).unwrap_or_default();
    let (mut offset, mut line, mut number) = (0, part.line, part.before);
    loop {
        let rest = text.get(offset..).unwrap_or_default();
        let blank = rest.len() - rest.trim_start().len();
        line += newlines(&rest[..blank]);
        offset += blank;
        let rest = &rest[blank..];
        if rest.is_empty() {
            break;
        }
        number += 1;
        let (root, read) = object(rest, line, streamed, &mut |item| on_item(number, line, item));
        let template = streamed.and_then(Streamed::take);
        let text = &rest[..read.min(rest.len())];
        on_document(Document { text, number, line, root, template });
        line += newlines(text);
        offset += read;
    }
}

/// Reads the object with which `text` begins, on this line; how far it goes, or where to go on where it does not parse.
fn object(
    text: &str,
    line: u32,
    streamed: Option<&Streamed>,
    on_item: &mut dyn FnMut(Item),
) -> (Result<Option<Value>, Problem>, usize) {
    let mut told = 0;
    let mut read = |streamed| {
        let mut deserializer = serde_json::Deserializer::from_str(text);
        let again = told;
        let root = Root {
            element: ItemOf { text, counted: &Cell::new((0, line)), streamed },
            // Items that were told already are read the same again.
            on_item: &mut |item| {
                if item.index >= again {
                    told = item.index + 1;
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
            let problem = Problem {
                line: line + u32::try_from(error.line()).unwrap_or(u32::MAX).saturating_sub(1),
                column: u32::try_from(error.column()).unwrap_or(u32::MAX),
                message: message(&error),
            };
            let next = text.match_indices("\n{").map(|(at, _)| at + 1).next();
            (Err(problem), next.unwrap_or(text.len()))
        }
    }
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
        read(text, &Part::whole(text), None, &mut |_, _, _| {}, &mut |document| {
            let kind =
                document.root.map(|root| root.unwrap()["kind"].as_str().unwrap_or_default().to_owned());
            found.push((document.number, document.line, kind.map_err(|problem| problem.line)));
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
        let on_item = &mut |number, line, item: Item| lines.push((number, line, item.index, item.line));
        read(text, &Part::whole(text), None, on_item, &mut |_| {});
        assert_eq!(lines, [(1, 2, 0, 5), (1, 2, 1, 6)]);
    }

    #[test]
    fn a_stream_is_cut_between_objects_only() {
        let text = "{\"a\": [\n{},\n{}\n]}\n\n  {\"b\": {\"c\": {}}}\n{}\n";
        let parts = cut(text, 1).unwrap();
        let found: Vec<_> =
            parts.iter().map(|part| (text[part.range.clone()].trim_end(), part.line, part.before)).collect();
        let first = "{\"a\": [\n{},\n{}\n]}";
        assert_eq!(found, [(first, 1, 0), ("{\"b\": {\"c\": {}}}", 6, 1), ("{}", 7, 2)]);
        assert_eq!(cut(text, 1_000).unwrap(), [Part::whole(text)]);
        assert_eq!(cut("{}\n{} {}\n", 1), None);
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
