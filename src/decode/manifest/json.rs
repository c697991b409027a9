//! A stream of JSON objects: one, or several on lines of their own or one after the other.

use std::cell::Cell;
use std::io::{self, Read};

use serde::de::{DeserializeSeed as _, Deserializer, IgnoredAny};
use serde_json::Value;

use super::root::{Element, Item, Root};
use super::tree::Tree;
use super::yaml::{self, Problem};

/// Whether `text` is to be read as JSON. YAML is a superset, so only what begins with a brace is in doubt.
pub(super) fn is_json(file: &str, text: &str) -> bool {
    let Some(inside) = text.trim_start().strip_prefix('{') else {
        return extension_is_json(file);
    };
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
}

/// Reads every object of a stream. After one that does not parse, reading goes on at the next line that begins
/// with a brace. `on_item` is told the document's number and line with each item.
pub(super) fn read(
    text: &str,
    on_item: &mut dyn FnMut(u32, u32, Item),
    on_document: &mut dyn FnMut(Document<'_>),
) {
    let (mut offset, mut line, mut number) = (0, 1, 0);
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
        let position = Position { bytes: Cell::new(0), line: Cell::new(1) };
        let root = Root {
            element: CountedElement(&position),
            on_item: &mut |mut item| {
                item.line += line - 1;
                on_item(number, line, item);
            },
        };
        let counting = Counting { rest: rest.as_bytes(), position: &position };
        let root =
            root.deserialize(&mut serde_json::Deserializer::from_reader(counting)).map_err(|error| Problem {
                line: line + u32::try_from(error.line()).unwrap_or(u32::MAX).saturating_sub(1),
                column: u32::try_from(error.column()).unwrap_or(u32::MAX),
                message: message(&error),
            });
        let read = if root.is_ok() {
            position.bytes.get()
        } else {
            rest.match_indices("\n{").map(|(at, _)| at + 1).next().unwrap_or(rest.len())
        };
        let text = &rest[..read.min(rest.len())];
        on_document(Document { text, number, line, root });
        line += newlines(text);
        offset += read;
    }
}

/// Hands one object to `read`, with the line that the reader has come to, counted from 1.
pub(super) fn with(
    text: &str,
    read: impl FnOnce(&mut serde_json::Deserializer<serde_json::de::IoRead<Counting<'_>>>, &Cell<u32>),
) {
    let position = Position { bytes: Cell::new(0), line: Cell::new(1) };
    let counting = Counting { rest: text.as_bytes(), position: &position };
    read(&mut serde_json::Deserializer::from_reader(counting), &position.line);
}

fn newlines(text: &str) -> u32 {
    u32::try_from(text.bytes().filter(|byte| *byte == b'\n').count()).unwrap_or(u32::MAX)
}

/// The message without the place, which is told apart.
fn message(error: &serde_json::Error) -> String {
    let mut message = error.to_string();
    if let Some(at) = message.rfind(" at line ") {
        message.truncate(at);
    }
    message
}

struct Position {
    bytes: Cell<usize>,
    line: Cell<u32>,
}

/// Hands out bytes and counts them: `serde_json` tells no positions while it reads.
pub(super) struct Counting<'t> {
    rest: &'t [u8],
    position: &'t Position,
}

impl Read for Counting<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        // One byte at a time, as `serde_json` asks for them.
        let (Some((byte, rest)), Some(slot)) = (self.rest.split_first(), buffer.first_mut()) else {
            return Ok(0);
        };
        *slot = *byte;
        self.rest = rest;
        self.position.bytes.set(self.position.bytes.get() + 1);
        if *byte == b'\n' {
            self.position.line.set(self.position.line.get() + 1);
        }
        Ok(1)
    }
}

#[derive(Clone, Copy)]
struct CountedElement<'t>(&'t Position);

impl Element for CountedElement<'_> {
    fn read<'de, D: Deserializer<'de>>(self, deserializer: D) -> Result<(u32, Value), D::Error> {
        // The element's first byte has been looked at, and nothing after it.
        let line = self.0.line.get();
        serde::Deserialize::deserialize(deserializer).map(|Tree(value)| (line, value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Number, line, and the kind or the error's line.
    fn documents(text: &str) -> Vec<(u32, u32, Result<String, u32>)> {
        let mut found = Vec::new();
        read(text, &mut |_, _, _| {}, &mut |document| {
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
        read(text, &mut |number, line, item| lines.push((number, line, item.index, item.line)), &mut |_| {});
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
