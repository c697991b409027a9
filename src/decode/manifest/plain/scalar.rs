//! Keys and scalars of plain YAML.

use std::borrow::Cow;

use serde_json::Value;

use super::{MAX_KEY, NotPlain};
use crate::decode::manifest::yaml;

/// Text that is mostly borrowed from the document.
pub(super) type Text<'t> = Cow<'t, str>;

/// A scalar that stands on one line.
#[derive(Debug, PartialEq)]
pub(super) enum Word<'t> {
    Text(Text<'t>),
    Boolean(bool),
    Number(u64),
    Null,
    /// Resolved by the full parser.
    Other(Value),
}

/// Whether the text has only characters that mean themselves: no control characters but line feeds, no other
/// line breaks, no byte order marks.
pub(super) fn is_printable(text: &str) -> bool {
    let is_odd = |byte: u8| (byte < b' ' && byte != b'\n') || byte == 0x7f || byte == 0xc2 || byte == 0xef;
    // Without a way out in between, so that the compiler takes many bytes at once.
    let odd = text.bytes().fold(false, |odd, byte| odd | is_odd(byte));
    !odd && (text.is_ascii() || !text.contains(['\u{2028}', '\u{2029}']))
}

/// The key with which a line begins, and the length up to behind its colon. None when the line has no key.
pub(super) fn key(line: &str) -> Result<Option<(Text<'_>, usize)>, NotPlain> {
    let bytes = line.as_bytes();
    let ends = |at: usize| matches!(bytes.get(at), None | Some(b' '));
    let (key, length) = match bytes.first() {
        Some(b'"' | b'\'') => {
            let (key, length) = quoted(line)?;
            let rest = &line[length..];
            let colon = length + rest.len() - rest.trim_start_matches(' ').len();
            if bytes.get(colon) != Some(&b':') {
                return Ok(None);
            }
            // Of two that look the same here one may be no text there.
            if !ends(colon + 1) || colon > length || key == "<<" {
                return Err(NotPlain);
            }
            (key, length)
        }
        Some(first) if first.is_ascii_alphanumeric() || *first == b'_' => {
            let is_inside = |byte: u8| byte.is_ascii_alphanumeric() || b"_-./".contains(&byte);
            let mut length = 0;
            loop {
                length +=
                    bytes[length..].iter().position(|byte| !is_inside(*byte)).unwrap_or(bytes.len() - length);
                match bytes.get(length) {
                    Some(b':') if ends(length + 1) => break,
                    Some(b':') => length += 1,
                    _ => return no_key(line),
                }
            }
            (Cow::Borrowed(&line[..length]), length)
        }
        _ => return no_key(line),
    };
    if length > MAX_KEY || matches!(&*key, "null" | "Null" | "NULL") {
        return Err(NotPlain);
    }
    Ok(Some((key, length + 1)))
}

/// A line that begins with no key of the usual kind may still have another one.
fn no_key(line: &str) -> Result<Option<(Text<'_>, usize)>, NotPlain> {
    if line.contains(": ") || line.ends_with(':') { Err(NotPlain) } else { Ok(None) }
}

/// The scalar with which a line begins, and its length.
pub(super) fn word(line: &str) -> Result<(Word<'_>, usize), NotPlain> {
    let first = *line.as_bytes().first().ok_or(NotPlain)?;
    match first {
        b'"' | b'\'' => quoted(line).map(|(text, length)| (Word::Text(text), length)),
        b'[' | b'{' => flow(line),
        b'&' | b'*' | b'!' | b'%' | b'@' | b'`' | b'#' | b'?' | b',' | b']' | b'}' | b'>' | b'|' | b':' => {
            Err(NotPlain)
        }
        _ => {
            let text = line.find(" #").map_or(line, |comment| &line[..comment]).trim_end_matches(' ');
            // A key in a place where none can be.
            if text.contains(": ") || text.ends_with(':') {
                return Err(NotPlain);
            }
            resolve(text).map(|word| (word, text.len()))
        }
    }
}

fn resolve(text: &str) -> Result<Word<'_>, NotPlain> {
    let bytes = text.as_bytes();
    let is_text = match bytes {
        [b'a'..=b'z' | b'A'..=b'Z', ..] => {
            return Ok(match text {
                "true" => Word::Boolean(true),
                "false" => Word::Boolean(false),
                "null" => Word::Null,
                _ if bytes.len() > 5 => Word::Text(text.into()),
                _ => short(text)?,
            });
        }
        [b'/' | b'_' | b'$' | b'(', ..] | [b'-', b'-', ..] | [b'.', b'.', ..] => true,
        [b'1'..=b'9', ..] if bytes.len() < 19 && bytes.iter().all(u8::is_ascii_digit) => {
            return text.parse().map(Word::Number).map_err(|_| NotPlain);
        }
        [b'0'] => return Ok(Word::Number(0)),
        // No number has one of these letters, in whatever base.
        [b'0'..=b'9', ..] => {
            bytes.iter().any(|byte| matches!(byte | 0x20, b'g'..=b'n' | b'p'..=b'w' | b'y' | b'z'))
        }
        _ => false,
    };
    if is_text { Ok(Word::Text(text.into())) } else { short(text) }
}

/// What may be a boolean, a number or nothing is left to the full parser.
fn short(text: &str) -> Result<Word<'_>, NotPlain> {
    let words = ["y", "n", "yes", "no", "on", "off", "true", "false", "null"];
    if text.bytes().all(|byte| byte.is_ascii_alphabetic())
        && !words.iter().any(|word| text.eq_ignore_ascii_case(word))
    {
        return Ok(Word::Text(text.into()));
    }
    yaml::value(text).map(Word::Other).ok_or(NotPlain)
}

/// Flow style that ends on its line.
fn flow(line: &str) -> Result<(Word<'_>, usize), NotPlain> {
    let text = line.trim_end_matches(' ');
    let value = match text {
        "{}" => Value::Object(serde_json::Map::new()),
        "[]" => Value::Array(Vec::new()),
        // An anchor may be meant elsewhere.
        _ if text.contains(['&', '*', '#', '!']) => return Err(NotPlain),
        _ => yaml::value(text).filter(|value| value.is_object() || value.is_array()).ok_or(NotPlain)?,
    };
    Ok((Word::Other(value), text.len()))
}

/// A quoted text that ends on its line, and its length with the quotes.
fn quoted(line: &str) -> Result<(Text<'_>, usize), NotPlain> {
    let bytes = line.as_bytes();
    let quote = *bytes.first().ok_or(NotPlain)?;
    let mut owned: Option<String> = None;
    let mut from = 1;
    loop {
        let is_special = |byte: &u8| *byte == quote || (quote == b'"' && *byte == b'\\');
        let at = from + bytes[from..].iter().position(is_special).ok_or(NotPlain)?;
        let character = match (bytes[at], bytes.get(at + 1)) {
            (b'\'', Some(b'\'')) => '\'',
            (b'\\', Some(b'"')) => '"',
            (b'\\', Some(b'\\')) => '\\',
            (b'\\', Some(b'n')) => '\n',
            (b'\\', Some(b't')) => '\t',
            (b'\\', _) => return Err(NotPlain),
            _ => {
                let text = match owned {
                    None => Cow::Borrowed(&line[from..at]),
                    Some(mut owned) => {
                        owned.push_str(&line[from..at]);
                        Cow::Owned(owned)
                    }
                };
                return Ok((text, at + 1));
            }
        };
        let owned = owned.get_or_insert_with(|| String::with_capacity(line.len()));
        owned.push_str(&line[from..at]);
        owned.push(character);
        from = at + 2;
    }
}

/// A literal block (`|` or `|-`), whose first line begins `text`: what it says, its length up to the line behind
/// it, and how many lines that are.
pub(super) fn literal(text: &str, parent: isize) -> Result<(String, usize, u32), NotPlain> {
    let mut lines = text.split_inclusive('\n');
    let header = lines.next().ok_or(NotPlain)?;
    let strip = match header.trim_end_matches(['\n', ' ']) {
        "|" => false,
        "|-" => true,
        _ => return Err(NotPlain),
    };
    let (mut length, mut count, mut end) = (header.len(), 1, None);
    let (mut said, mut blank) = (String::new(), 0);
    let mut indent = None;
    for line in lines {
        let content = line.trim_end_matches('\n');
        let spaces = content.len() - content.trim_start_matches(' ').len();
        if spaces == content.len() {
            // Spaces of a blank line may be part of the text.
            if indent.is_none_or(|indent| spaces > indent) && spaces > 0 {
                return Err(NotPlain);
            }
            blank += 1;
        } else {
            if spaces.cast_signed() <= parent {
                end = Some(());
                break;
            }
            if spaces < *indent.get_or_insert(spaces) {
                return Err(NotPlain);
            }
            (0..std::mem::take(&mut blank)).for_each(|_| said.push('\n'));
            said.push_str(&content[indent.unwrap_or_default()..]);
            said.push('\n');
        }
        length += line.len();
        count += 1;
    }
    // At the end of a text without a last line feed there is none to keep.
    if said.is_empty() || (end.is_none() && !text.ends_with('\n')) {
        return Err(NotPlain);
    }
    if strip {
        said.pop();
    }
    Ok((said, length, count))
}
