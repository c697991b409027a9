//! How a shard is written: numbers in as few bytes as they need, and each text and each piece of evidence once.

use std::collections::HashMap;

use jiff::Timestamp;

use crate::subject::canonical::put_bytes;

/// Times are counted from here: 2026-01-01.
const EPOCH: i64 = 1_767_225_600;

/// Writes the content of a shard.
pub(super) struct Writer {
    bytes: Vec<u8>,
    /// Everything that was written with its length, by its place.
    table: HashMap<Box<[u8]>, u64>,
    /// What was judged is written too.
    pub(super) evidence: bool,
}

impl Writer {
    pub(super) fn new(evidence: bool) -> Self {
        Self { bytes: Vec::new(), table: HashMap::new(), evidence }
    }

    pub(super) fn len(&self) -> usize {
        self.bytes.len()
    }

    /// The content; whether something had to be left out stands at its end.
    pub(super) fn finish(mut self, cut: bool) -> Vec<u8> {
        self.text("");
        self.bytes.push(u8::from(cut));
        self.bytes
    }

    pub(super) fn byte(&mut self, byte: u8) {
        self.bytes.push(byte);
    }

    /// Eight bytes, for hashes.
    pub(super) fn word(&mut self, word: u64) {
        self.bytes.extend_from_slice(&word.to_le_bytes());
    }

    /// Seven bits a byte, the lowest first.
    pub(super) fn number(&mut self, mut number: u64) {
        while number >= 0x80 {
            self.bytes.push(number.to_le_bytes()[0] | 0x80);
            number >>= 7;
        }
        self.bytes.push(number.to_le_bytes()[0]);
    }

    pub(super) fn length(&mut self, length: usize) {
        self.number(u64::try_from(length).unwrap_or(u64::MAX));
    }

    /// A number that may be negative, small where it is near zero.
    pub(super) fn signed(&mut self, number: i64) {
        self.number((number << 1 ^ number >> 63).cast_unsigned());
    }

    /// Whole seconds.
    pub(super) fn time(&mut self, time: Timestamp) {
        self.signed(time.as_second() - EPOCH);
    }

    pub(super) fn optional_time(&mut self, time: Option<Timestamp>) {
        self.byte(u8::from(time.is_some()));
        if let Some(time) = time {
            self.time(time);
        }
    }

    /// Bytes, the second time only their place.
    pub(super) fn shared(&mut self, bytes: &[u8]) {
        let next = self.table.len() as u64 + 1;
        match self.table.get(bytes) {
            Some(place) => self.number(*place),
            None => {
                self.number(0);
                put_bytes(&mut self.bytes, bytes);
                self.table.insert(bytes.into(), next);
            }
        }
    }

    pub(super) fn text(&mut self, text: &str) {
        self.shared(text.as_bytes());
    }
}

/// Reads what a [`Writer`] wrote; none where it does not go on like that.
pub(super) struct Cursor<'a> {
    rest: &'a [u8],
    table: Vec<&'a [u8]>,
}

impl<'a> Cursor<'a> {
    pub(super) fn new(content: &'a [u8]) -> Self {
        Self { rest: content, table: Vec::new() }
    }

    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (first, rest) = self.rest.split_first_chunk::<N>()?;
        self.rest = rest;
        Some(*first)
    }

    pub(super) fn byte(&mut self) -> Option<u8> {
        self.take::<1>().map(|[byte]| byte)
    }

    pub(super) fn word(&mut self) -> Option<u64> {
        self.take().map(u64::from_le_bytes)
    }

    pub(super) fn number(&mut self) -> Option<u64> {
        let mut number = 0_u64;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            number |= u64::from(byte & 0x7f).checked_shl(shift)?;
            if byte & 0x80 == 0 {
                return Some(number);
            }
        }
        None
    }

    pub(super) fn signed(&mut self) -> Option<i64> {
        let number = self.number()?;
        Some((number >> 1).cast_signed() ^ -(number & 1).cast_signed())
    }

    pub(super) fn time(&mut self) -> Option<Timestamp> {
        Timestamp::from_second(self.signed()?.checked_add(EPOCH)?).ok()
    }

    pub(super) fn optional_time(&mut self) -> Option<Option<Timestamp>> {
        match self.byte()? {
            0 => Some(None),
            _ => self.time().map(Some),
        }
    }

    pub(super) fn shared(&mut self) -> Option<&'a [u8]> {
        let place = self.number()?;
        if let Some(known) = place.checked_sub(1) {
            return self.table.get(usize::try_from(known).ok()?).copied();
        }
        let length = usize::try_from(u32::from_le_bytes(self.take()?)).ok()?;
        let (bytes, rest) = self.rest.split_at_checked(length)?;
        self.rest = rest;
        self.table.push(bytes);
        Some(bytes)
    }

    pub(super) fn text(&mut self) -> Option<&'a str> {
        std::str::from_utf8(self.shared()?).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_again() {
        let mut writer = Writer::new(true);
        let numbers = [0, 1, 127, 128, 300, u64::from(u32::MAX), u64::MAX];
        let signed = [0, -1, 1, i64::MIN, i64::MAX, 1_800_000_000];
        numbers.iter().for_each(|number| writer.number(*number));
        signed.iter().for_each(|number| writer.signed(*number));
        let time = Timestamp::from_second(1_790_000_000).unwrap();
        writer.optional_time(Some(time));
        writer.optional_time(None);
        ["a", "größe", "a", ""].iter().for_each(|text| writer.text(text));
        let content = writer.finish(true);
        let mut cursor = Cursor::new(&content);
        assert_eq!(numbers.map(|_| cursor.number().unwrap()), numbers);
        assert_eq!(signed.map(|_| cursor.signed().unwrap()), signed);
        assert_eq!((cursor.optional_time(), cursor.optional_time()), (Some(Some(time)), Some(None)));
        assert_eq!([(); 5].map(|()| cursor.text().unwrap()), ["a", "größe", "a", "", ""]);
        assert_eq!((cursor.byte(), cursor.byte(), cursor.text()), (Some(1), None, None));
    }

    #[test]
    fn a_text_that_stands_there_already_takes_one_byte() {
        let mut writer = Writer::new(true);
        writer.text("registry.example.com/x");
        let once = writer.len();
        writer.text("registry.example.com/x");
        assert_eq!(writer.len(), once + 1);
    }
}
