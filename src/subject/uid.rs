//! The uid of an object: nearly always the text of a UUID, which is kept as the number it is.

use std::fmt;

use super::canonical::{combine, text_hash};

/// `metadata.uid`, in a third of the memory of its text. Kubernetes makes version 4 UUIDs, but nothing obliges
/// an API server to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Uid {
    /// Written as Kubernetes writes a UUID: 32 lower-case hexadecimal digits in five groups.
    Uuid([u8; 16]),
    /// Anything else, the empty text included.
    Other(Box<str>),
}

impl Uid {
    /// Reads it; every text is one.
    pub fn new(text: &str) -> Self {
        let is_digit = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        let is_right = |(at, byte): (usize, u8)| match at {
            8 | 13 | 18 | 23 => byte == b'-',
            _ => is_digit(byte),
        };
        match text.len() == 36 && text.bytes().enumerate().all(is_right) {
            true => Self::Uuid(parse_uid(text).to_be_bytes()),
            false => Self::Other(text.into()),
        }
    }

    /// What [`parse_uid`] makes of its text.
    pub fn number(&self) -> u128 {
        match self {
            Self::Uuid(uuid) => u128::from_be_bytes(*uuid),
            Self::Other(text) => parse_uid(text),
        }
    }
}

impl fmt::Display for Uid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Uuid(uuid) => f.write_str(&uid_text(u128::from_be_bytes(*uuid))),
            Self::Other(text) => f.write_str(text),
        }
    }
}

/// A uid as a number: the 128 bits of a UUID; for any other text (files) a stable hash of it.
pub fn parse_uid(text: &str) -> u128 {
    if let Some(uid) = parse_uuid(text.as_bytes()) {
        return uid;
    }
    let mut uid = 0u128;
    let mut digits = 0;
    for byte in text.bytes() {
        let digit = match byte {
            b'0'..=b'9' => byte - b'0',
            b'a'..=b'f' => byte - b'a' + 10,
            b'-' => continue,
            _ => return hashed_uid(text),
        };
        digits += 1;
        uid = uid << 4 | u128::from(digit);
    }
    match digits {
        0 => 0,
        32 => uid,
        _ => hashed_uid(text),
    }
}

/// The number of a UUID as Kubernetes writes it, all digits at once; none of another text.
fn parse_uuid(text: &[u8]) -> Option<u128> {
    let (first, rest) = text.split_first_chunk::<8>()?;
    let [b'-', a, b, c, d, b'-', e, f, g, h, b'-', i, j, k, l, b'-', last @ ..] = rest else { return None };
    let last: &[u8; 12] = last.try_into().ok()?;
    let middle = [*a, *b, *c, *d, *e, *f, *g, *h];
    let third = [*i, *j, *k, *l, last[0], last[1], last[2], last[3]];
    let mut uid = 0;
    for digits in [*first, middle, third, *last.last_chunk()?] {
        uid = uid << 32 | u128::from(eight_digits(digits)?);
    }
    Some(uid)
}

/// The number that eight lower-case hexadecimal digits mean, all at once: every pod passes here.
fn eight_digits(digits: [u8; 8]) -> Option<u64> {
    const EACH: u64 = u64::MAX / 255;
    let text = u64::from_be_bytes(digits);
    // A letter is its lower four bits and nine more.
    let values = (text & (EACH * 0x0f)) + ((text >> 6) & (EACH * 0x03)) * 9;
    let letters = (values + EACH * 118) >> 7 & EACH;
    let written_again = values + EACH * u64::from(b'0') + letters * 39;
    if values & (EACH * 0xf0) != 0 || written_again != text {
        return None;
    }
    let pairs = (values | values >> 4) & 0x00ff_00ff_00ff_00ff;
    let fours = (pairs | pairs >> 8) & 0x0000_ffff_0000_ffff;
    Some((fours | fours >> 16) & 0xffff_ffff)
}

fn hashed_uid(text: &str) -> u128 {
    let hash = text_hash(text);
    u128::from(hash) << 64 | u128::from(combine(&[hash]))
}

/// A uid as the API writes it.
pub fn uid_text(uid: u128) -> String {
    let hex = format!("{uid:032x}");
    format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_uuid_is_its_number_and_an_upper_case_digit_makes_it_another_text() {
        assert_eq!(parse_uid("6f9619ff-8b86-4011-b42d-00cf4fc964ff"), 0x6f9619ff_8b86_4011_b42d_00cf4fc964ff);
        assert_eq!(parse_uid("6f9619ff8b864011b42d00cf4fc964ff"), 0x6f9619ff_8b86_4011_b42d_00cf4fc964ff);
        for byte in 1..128u8 {
            let other = format!("6f9619ff-8b86-4011-b42d-00cf4fc964f{}", char::from(byte));
            let is_digit = matches!(byte, b'0'..=b'9' | b'a'..=b'f');
            assert_eq!(parse_uuid(other.as_bytes()).is_some(), is_digit, "{other}");
            assert!(is_digit || byte == b'-' || parse_uid(&other) == hashed_uid(&other));
        }
    }

    #[test]
    fn every_text_comes_back_as_it_was() {
        let texts = [
            "",
            "6f9619ff-8b86-4011-b42d-00cf4fc964ff",
            "6F9619FF-8B86-4011-B42D-00CF4FC964FF",
            "6f9619ff8b864011b42d00cf4fc964ff",
            "00000000-0000-0000-0000-000000000000",
            "rs-uid",
        ];
        for text in texts {
            let uid = Uid::new(text);
            assert_eq!(uid.to_string(), text);
            assert_eq!(uid.number(), parse_uid(text));
        }
    }
}
