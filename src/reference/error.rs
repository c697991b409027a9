//! Why a text is not an image reference: one variant a reason, so that a message can say what is wrong and where.
//! Errors keep a bounded excerpt of the input, never the input: a hostile name of a megabyte stays where it came from.

use std::fmt;

/// How many characters of the input an error quotes.
const EXCERPT: usize = 80;

/// The first characters of a hostile text, quoted and escaped when shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Excerpt {
    text: Box<str>,
    cut: bool,
}

impl Excerpt {
    pub(super) fn of(text: &str) -> Self {
        let end = text.char_indices().nth(EXCERPT).map(|(end, _)| end);
        Self { text: text[..end.unwrap_or(text.len())].into(), cut: end.is_some() }
    }
}

impl fmt::Display for Excerpt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let more = if self.cut { "…" } else { "" };
        write!(f, "'{}{more}'", self.text.escape_debug())
    }
}

/// Why a text is not an image reference.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReferenceError {
    /// Nothing was written.
    Empty,
    /// A template of another tool was not filled in, as in `$(IMAGE)` or `{{ .Values.image }}`.
    Placeholder(Excerpt),
    /// `https://…`: references have no scheme.
    Scheme(Excerpt),
    /// A blank, a control character or a character outside ASCII.
    Character {
        /// The character.
        found: char,
        /// Its position, counted in characters from 1.
        at: usize,
        /// The start of what was written.
        written: Excerpt,
    },
    /// 64 lower-case hexadecimal characters alone.
    ImageId(Excerpt),
    /// The part before the first `/` must be a host, and is none.
    Host(Excerpt),
    /// No DNS name and port can be that long.
    HostTooLong(usize),
    /// The repository path has upper-case letters.
    UpperCase(Excerpt),
    /// The repository path has nothing before, between or after a `/`.
    EmptySegment(Excerpt),
    /// A segment of the repository path breaks the grammar.
    Segment(Excerpt),
    /// The repository path has more than 255 characters.
    NameTooLong(usize),
    /// The part after `:` is no tag.
    Tag(Excerpt),
    /// The part after `@` is not `algorithm:hexadecimal`.
    Digest(Excerpt),
    /// The digest's algorithm is none of sha256, sha384 and sha512.
    Algorithm(Excerpt),
    /// The digest's value is too short or too long for its algorithm.
    DigestLength {
        /// How many hexadecimal characters the algorithm has.
        expected: usize,
        /// How many were written.
        found: usize,
    },
    /// The digest's value is not lower-case hexadecimal.
    DigestValue(Excerpt),
}

impl fmt::Display for ReferenceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("image reference is empty"),
            Self::Placeholder(text) => write!(f, "placeholder was not filled in: {text}"),
            Self::Scheme(text) => write!(f, "image reference must not have a scheme: {text}"),
            Self::Character { found, at, written } => {
                write!(f, "character '{}' at position {at} is not allowed: {written}", found.escape_debug())
            }
            Self::ImageId(text) => {
                write!(f, "64 hexadecimal characters alone are an image id, not a name: {text}")
            }
            Self::Host(text) => write!(
                f,
                "host must be a domain name, an IPv4 address or a bracketed IPv6 address, with or without a port: {text}"
            ),
            Self::HostTooLong(length) => {
                write!(f, "host must not be more than 255 characters: it has {length}")
            }
            Self::UpperCase(text) => write!(f, "repository name must be lower case: {text}"),
            Self::EmptySegment(text) => {
                write!(f, "repository name has an empty segment: {text}")
            }
            Self::Segment(text) => write!(
                f,
                "repository name must consist of a-z and 0-9, joined by single '.', '_', '__' or dashes: {text}"
            ),
            Self::NameTooLong(length) => {
                write!(f, "repository name must not be more than 255 characters: it has {length}")
            }
            Self::Tag(text) => write!(
                f,
                "tag must be 1 to 128 letters, digits, '_', '.' or '-', and start with none of the last two: {text}"
            ),
            Self::Digest(text) => write!(f, "digest must be 'algorithm:hexadecimal': {text}"),
            Self::Algorithm(text) => {
                write!(f, "digest algorithm must be sha256, sha384 or sha512: {text}")
            }
            Self::DigestLength { expected, found } => {
                write!(f, "digest must have {expected} hexadecimal characters: it has {found}")
            }
            Self::DigestValue(text) => {
                write!(f, "digest must be lower-case hexadecimal: {text}")
            }
        }
    }
}

impl std::error::Error for ReferenceError {}
