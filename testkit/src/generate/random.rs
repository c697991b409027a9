//! Numbers that look random and are the same on every run, and what is spelt with them.

use std::fmt::Write as _;

/// Scrambles a number (SplitMix64).
pub(super) fn mix(number: u64) -> u64 {
    let number = number.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let number = (number ^ (number >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let number = (number ^ (number >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    number ^ (number >> 31)
}

/// A source of numbers: each call of [`Self::below`] uses up some of the hash it began with.
#[derive(Clone, Copy, Debug)]
pub(super) struct Dice(u64);

impl Dice {
    /// Dice for the `number`th thing of a kind.
    pub(super) fn new(seed: u64, kind: u8, number: usize) -> Self {
        Self(mix(mix(seed ^ u64::from(kind)) ^ number as u64))
    }

    /// The next number below `limit`.
    pub(super) fn below(&mut self, limit: usize) -> usize {
        self.0 = mix(self.0);
        usize::try_from((self.0 >> 32) % limit as u64).unwrap_or(0)
    }

    /// True this often in a hundred times.
    pub(super) fn percent(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }

    /// One of them.
    pub(super) fn pick<'a>(&mut self, words: &[&'a str]) -> &'a str {
        words[self.below(words.len())]
    }

    /// A number to spell something with.
    pub(super) fn number(&mut self) -> u64 {
        self.0 = mix(self.0);
        self.0
    }
}

/// 64 hexadecimal digits.
pub(super) fn put_sha256(out: &mut String, number: u64) {
    for part in 0..4 {
        put(out, format_args!("{:016x}", mix(number ^ (part << 60))));
    }
}

/// A UUID of version 4.
pub(super) fn put_uuid(out: &mut String, number: u64) {
    let (high, low) = (mix(number), mix(number ^ 1 << 63));
    let variant = 0x8000 | (low >> 48) & 0x3fff;
    put(
        out,
        format_args!(
            "{:08x}-{:04x}-4{:03x}-{variant:04x}-{:012x}",
            high >> 32,
            high >> 16 & 0xffff,
            high & 0xfff,
            low & 0xffff_ffff_ffff,
        ),
    );
}

/// Letters and digits as in names that Kubernetes makes up (no vowels, no digits that look like letters).
pub(super) fn put_suffix(out: &mut String, mut number: u64, length: usize) {
    const ALPHABET: &[u8; 27] = b"bcdfghjklmnpqrstvwxz2456789";
    for _ in 0..length {
        out.push(char::from(ALPHABET[usize::try_from(number % 27).unwrap_or(0)]));
        number /= 27;
    }
}

/// A time in November 2026.
pub(super) fn put_time(out: &mut String, number: u64) {
    put(
        out,
        format_args!(
            "2026-11-{:02}T{:02}:{:02}:{:02}Z",
            1 + number % 22,
            (number >> 8) % 24,
            (number >> 16) % 60,
            (number >> 24) % 60,
        ),
    );
}

/// Writes into a String, which cannot fail.
pub(super) fn put(out: &mut String, text: std::fmt::Arguments<'_>) {
    let _ = out.write_fmt(text);
}
