//! Entries of the canonical form, `slot, class, name, second text`: written in a fixed order, whatever order
//! the fields and lists of the input come in.

use super::facts::Told;
use crate::subject::canonical::{Reader, put_bytes, put_text};
use crate::subject::pod::{PodShape, Slot};
use crate::subject::running::Phase;

/// Writes entries `slot, class, name, second text` in a fixed order, whatever order the fields come in.
pub(super) struct EntryWriter {
    start: usize,
    name_end: usize,
    second_end: usize,
}

impl EntryWriter {
    pub(super) fn begin(bytes: &mut Vec<u8>, slot: Slot) -> Self {
        let start = bytes.len();
        bytes.extend_from_slice(&[slot as u8, 0]);
        Self { start, name_end: 0, second_end: 0 }
    }

    /// False when the field came twice.
    pub(super) fn name(&mut self, bytes: &mut Vec<u8>, text: &str) -> bool {
        let first = self.name_end == 0;
        put_text(bytes, text);
        self.name_end = bytes.len();
        first
    }

    pub(super) fn second(&mut self, bytes: &mut Vec<u8>, text: &str) -> bool {
        let first = self.second_end == 0;
        put_text(bytes, text);
        self.second_end = bytes.len();
        first
    }

    pub(super) fn class(&self, bytes: &mut [u8], class: u8) {
        bytes[self.start + 1] = class;
    }

    /// The name, while nothing else was written.
    pub(super) fn name_text<'x>(&self, bytes: &'x [u8]) -> &'x str {
        match (self.name_end, self.second_end) {
            (1.., 0) => Reader::new(&bytes[self.start + 2..]).text(),
            _ => "",
        }
    }

    /// Like [`Self::finish`], with the facts of the container after it.
    pub(super) fn finish_with(self, bytes: &mut Vec<u8>, told: &mut Told) {
        let class = self.start + 1;
        self.finish(bytes);
        let facts = told.container_facts();
        if !facts.is_empty() {
            bytes[class] |= PodShape::FACTS;
            put_bytes(bytes, facts);
            told.forget_container();
        }
    }

    pub(super) fn finish(self, bytes: &mut Vec<u8>) {
        let texts = self.start + 2;
        match (self.name_end, self.second_end) {
            (0, 0) => {
                put_text(bytes, "");
                put_text(bytes, "");
            }
            (_, 0) => put_text(bytes, ""),
            (0, _) => {
                put_text(bytes, "");
                bytes[texts..].rotate_right(4);
            }
            (name_end, second_end) if second_end < name_end => bytes[texts..].rotate_left(second_end - texts),
            _ => {}
        }
    }

    pub(super) fn forget(self, bytes: &mut Vec<u8>) {
        bytes.truncate(self.start);
    }
}

/// The API server writes the slots in the canonical order; files may not.
#[cold]
pub(super) fn sort_entries(bytes: &mut Vec<u8>, start: usize) {
    let unsorted = bytes.split_off(start);
    let mut reader = Reader::new(&unsorted);
    let mut entries = Vec::new();
    while let Some((slot, class)) = reader.byte().zip(reader.byte()) {
        let (name, second) = (reader.text(), reader.text());
        let facts = (class & PodShape::FACTS != 0).then(|| reader.bytes());
        entries.push((slot, class, name, second, facts));
    }
    entries.sort_by_key(|entry| entry.0);
    for (slot, class, name, second, facts) in entries {
        bytes.extend_from_slice(&[slot, class]);
        put_text(bytes, name);
        put_text(bytes, second);
        if let Some(facts) = facts {
            put_bytes(bytes, facts);
        }
    }
}

/// A spec or a status while it is read.
pub(super) struct Entered<'x> {
    pub(super) bytes: &'x mut Vec<u8>,
    pub(super) last_slot: u8,
    pub(super) sorted: bool,
    pub(super) wrong: bool,
    pub(super) containers: u32,
    pub(super) any_waiting: bool,
    pub(super) phase: Phase,
    pub(super) unready_since: i64,
}

impl<'x> Entered<'x> {
    pub(super) fn new(bytes: &'x mut Vec<u8>) -> Self {
        Self {
            bytes,
            last_slot: 0,
            sorted: true,
            wrong: false,
            containers: 0,
            any_waiting: false,
            phase: Phase::None,
            unready_since: 0,
        }
    }

    pub(super) fn begin(&mut self, slot: Slot) -> EntryWriter {
        self.sorted &= self.last_slot <= slot as u8;
        self.last_slot = slot as u8;
        EntryWriter::begin(self.bytes, slot)
    }
}
