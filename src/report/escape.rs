//! Untrusted text is data: what a terminal, a log reader or an eye would obey is made visible, and lengths
//! are bounded.

use std::borrow::Cow;
use std::fmt::Write as _;

/// Longest image shown in a table, an Event or a log line, in bytes. References that registries accept are
/// shorter; the field itself takes any length.
pub const IMAGE_LIMIT: usize = 512;
/// Longest sentence.
pub const MESSAGE_LIMIT: usize = 1_024;
/// Longest name. Kubernetes stops at 253.
pub const NAME_LIMIT: usize = 253;

/// Whether a character does something instead of being seen: controls (C0, DEL, C1), line and paragraph
/// separators, bidi marks and overrides, zero-width and other invisible characters, tags.
pub(super) fn acts(character: char) -> bool {
    matches!(
        character,
        '\0'..='\u{1f}'
            | '\u{7f}'..='\u{9f}'
            | '\u{ad}'
            | '\u{34f}'
            | '\u{61c}'
            | '\u{115f}'..='\u{1160}'
            | '\u{17b4}'..='\u{17b5}'
            | '\u{180b}'..='\u{180f}'
            | '\u{200b}'..='\u{200f}'
            | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{3164}'
            | '\u{fe00}'..='\u{fe0f}'
            | '\u{feff}'
            | '\u{ffa0}'
            | '\u{fff0}'..='\u{fffb}'
            | '\u{e0000}'..='\u{e0fff}'
    )
}

/// The text with every character that acts written as `\u{1b}`. One line stays one line.
pub fn visible(text: &str) -> Cow<'_, str> {
    visible_within(text, usize::MAX)
}

/// [`visible`], cut to at most `limit` bytes; what was cut ends in `…`.
pub fn visible_within(text: &str, limit: usize) -> Cow<'_, str> {
    if text.len() <= limit && !text.contains(acts) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len().min(limit).min(4_096));
    // The longest prefix that leaves room for the mark, should a cut be needed.
    let mut room_for_mark = 0;
    for character in text.chars() {
        let before = shown.len();
        if acts(character) {
            // Writing to a String cannot fail.
            let _ = write!(shown, "\\u{{{:x}}}", u32::from(character));
        } else {
            shown.push(character);
        }
        if shown.len() > limit {
            shown.truncate(room_for_mark.min(before));
            if limit >= MARK.len() {
                shown.push_str(MARK);
            }
            return Cow::Owned(shown);
        }
        if shown.len() + MARK.len() <= limit {
            room_for_mark = shown.len();
        }
    }
    Cow::Owned(shown)
}

const MARK: &str = "…";

/// Cuts text that is already visible to `limit` bytes, at a character; what was cut ends in `…`.
pub(super) fn cut(text: &mut String, limit: usize) {
    if text.len() > limit {
        let mut end = limit.saturating_sub(MARK.len());
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        text.truncate(end);
        if limit >= MARK.len() {
            text.push_str(MARK);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_text_is_untouched_and_not_copied() {
        for text in ["", "docker.io/library/nginx:1.27", "größer → 見る", "a\\u{1b}b"] {
            assert!(matches!(visible(text), Cow::Borrowed(shown) if shown == text));
        }
    }

    #[test]
    fn terminal_escapes_new_lines_and_bidi_overrides_are_seen() {
        assert_eq!(visible("a\u{1b}[31mred\u{7}"), "a\\u{1b}[31mred\\u{7}");
        assert_eq!(visible("x\ny\r\tz"), "x\\u{a}y\\u{d}\\u{9}z");
        assert_eq!(visible("c1 \u{9b}2J"), "c1 \\u{9b}2J");
        assert_eq!(visible("evil\u{202e}gpj.exe"), "evil\\u{202e}gpj.exe");
        assert_eq!(
            visible("ngi\u{200b}nx\u{2028}\u{feff}\u{e0041}"),
            "ngi\\u{200b}nx\\u{2028}\\u{feff}\\u{e0041}"
        );
    }

    #[test]
    fn a_cut_is_at_a_character_or_a_whole_escape_and_is_seen() {
        assert_eq!(visible_within("abcdefgh", 8), "abcdefgh");
        assert_eq!(visible_within("abcdefghi", 8), "abcde…");
        assert_eq!(visible_within("éééééé", 8), "éé…");
        assert_eq!(visible_within("ab\u{1b}cd", 8), "ab…");
        assert_eq!(visible_within("ab\u{1b}c", 9), "ab\\u{1b}c");
        assert_eq!(visible_within("abc", 2), "");
        let mut text = "éééééé".to_owned();
        cut(&mut text, 8);
        assert_eq!(text, "éé…");
    }

    #[test]
    fn no_limit_is_ever_exceeded() {
        let hostile = "\u{1b}é\u{202e}abc\n".repeat(40);
        for limit in 0..200 {
            let shown = visible_within(&hostile, limit);
            assert!(shown.len() <= limit && !shown.contains(acts), "{limit}: {shown:?}");
        }
    }
}
