//! Text in columns, aligned by display width, in colour if the caller says so.

use unicode_width::{UnicodeWidthChar as _, UnicodeWidthStr as _};

use crate::verdict::Severity;

use super::result::Shown;

/// Whether colour is written. The caller decides: a terminal, and no `NO_COLOR`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Colour {
    /// Plain text.
    Never,
    /// ANSI colours.
    Always,
}

/// How a word stands out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tone {
    Plain,
    Bold,
    Dim,
    Red,
    BoldRed,
    Yellow,
    Blue,
    Magenta,
    Green,
}

impl Tone {
    /// The tone of a verdict.
    pub(super) fn of(verdict: Shown, severity: Severity) -> Self {
        match (verdict, severity) {
            (Shown::Fail, Severity::Critical) => Self::BoldRed,
            (Shown::Fail, Severity::High) => Self::Red,
            (Shown::Fail, Severity::Medium) => Self::Yellow,
            (Shown::Fail, Severity::Low) => Self::Blue,
            (Shown::Fail, Severity::Info) | (Shown::Exempt | Shown::Na, _) => Self::Dim,
            (Shown::Unknown, _) => Self::Magenta,
            (Shown::Pass, _) => Self::Green,
        }
    }

    /// The text in this tone. `text` must already be visible.
    pub(super) fn paint(self, text: &str, colour: Colour) -> String {
        let code = match self {
            Self::Bold => "1",
            Self::Dim => "2",
            Self::Red => "31",
            Self::BoldRed => "1;31",
            Self::Yellow => "33",
            Self::Blue => "34",
            Self::Magenta => "35",
            Self::Green => "32",
            Self::Plain => "",
        };
        match colour {
            Colour::Always if !code.is_empty() && !text.is_empty() => {
                format!("\u{1b}[{code}m{text}\u{1b}[0m")
            }
            _ => text.to_owned(),
        }
    }
}

/// Widths of the columns of some rows, each at most its limit: a cell that is wider pushes its own line only.
pub(super) fn widths<'a, const N: usize>(
    rows: impl IntoIterator<Item = &'a [String; N]>,
    limits: [usize; N],
) -> [usize; N] {
    let mut widths = [0; N];
    for row in rows {
        for ((width, cell), limit) in widths.iter_mut().zip(row).zip(limits) {
            *width = (*width).max(cell.width().min(limit));
        }
    }
    widths
}

/// One line of cells. The last cell is not padded, nor are empty cells behind the last text; a column without
/// any text takes no room.
pub(super) fn line<const N: usize>(
    cells: &[String; N],
    widths: [usize; N],
    gap: usize,
    tones: [Tone; N],
    colour: Colour,
) -> String {
    let last = cells.iter().rposition(|cell| !cell.is_empty()).unwrap_or_default();
    let mut line = String::new();
    for (index, cell) in cells.iter().enumerate().take(last + 1) {
        if cell.is_empty() && widths[index] == 0 {
            continue;
        }
        line.push_str(&tones[index].paint(cell, colour));
        if index < last {
            line.push_str(&" ".repeat(widths[index].saturating_sub(cell.width()) + gap));
        }
    }
    line
}

/// The beginning of a text that takes at most `width` columns; what was cut ends in `…`.
pub(super) fn beginning(text: &str, width: usize) -> String {
    if text.width() <= width {
        return text.to_owned();
    }
    let end =
        within(text.char_indices().map(|(at, character)| (at + character.len_utf8(), character)), width);
    format!("{}…", &text[..end.unwrap_or(0)])
}

/// The end of a text, likewise: of a long image reference the last segment and the tag say most.
pub(super) fn end(text: &str, width: usize) -> String {
    if text.width() <= width {
        return text.to_owned();
    }
    let start = within(text.char_indices().rev(), width);
    format!("…{}", &text[start.unwrap_or(text.len())..])
}

/// The last place up to which characters, and the mark of a cut, take at most `width` columns.
fn within(places: impl Iterator<Item = (usize, char)>, width: usize) -> Option<usize> {
    let mut taken = 1;
    let fits = |character: char| {
        taken += character.width().unwrap_or(0);
        taken <= width
    };
    let mut fits = fits;
    places.take_while(|(_, character)| fits(*character)).map(|(at, _)| at).last()
}

/// Prose broken into lines of at most `width`; lines that begin with two spaces are code and stay.
pub(super) fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines = Vec::new();
    for line in text.lines() {
        if line.is_empty() || line.starts_with("  ") {
            lines.push(line.to_owned());
            continue;
        }
        let mut shown = String::new();
        for word in line.split(' ') {
            if !shown.is_empty() && shown.width() + 1 + word.width() > width {
                lines.push(std::mem::take(&mut shown));
            }
            if !shown.is_empty() {
                shown.push(' ');
            }
            shown.push_str(word);
        }
        lines.push(shown);
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_align_by_display_width_and_colour_takes_none() {
        let rows = [["ab", "x"], ["日本", "y"], ["averylongname", "z"]].map(|row| row.map(str::to_owned));
        let widths = widths(&rows, [6, 9]);
        let lines =
            |colour| rows.each_ref().map(|row| line(row, widths, 2, [Tone::Red, Tone::Plain], colour));
        assert_eq!(lines(Colour::Never), ["ab      x", "日本    y", "averylongname  z"]);
        assert_eq!(lines(Colour::Always)[1], "\u{1b}[31m日本\u{1b}[0m    y");
    }

    #[test]
    fn what_is_cut_takes_the_columns_it_may_and_is_seen_to_be_cut() {
        assert_eq!((&*beginning("abcdef", 6), &*beginning("abcdef", 5)), ("abcdef", "abcd…"));
        assert_eq!((&*end("abcdef", 6), &*end("abcdef", 5)), ("abcdef", "…cdef"));
        assert_eq!((&*beginning("日本語", 5), &*end("日本語", 4)), ("日本…", "…語"));
        assert_eq!((&*beginning("日本", 1), &*end("日本", 2)), ("…", "…"));
    }

    #[test]
    fn nothing_trails_a_line() {
        let row = ["a", "", ""].map(str::to_owned);
        assert_eq!(line(&row, [5, 5, 5], 2, [Tone::Plain; 3], Colour::Never), "a");
    }

    #[test]
    fn prose_is_wrapped_and_code_is_not() {
        assert_eq!(
            wrap("one two three\n\n  a long line of code\nunbreakablelongword x", 8),
            ["one two", "three", "", "  a long line of code", "unbreakablelongword", "x"]
        );
    }
}
