//! A YAML stream cut into its documents, by lines alone: a document that does not parse never swallows the
//! next one.

use memchr::{memchr_iter, memmem};

/// One document of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Document<'t> {
    /// Its text, the line of its `---` included.
    pub(super) text: &'t str,
    /// Its number in the file, counted from 1; empty documents count.
    pub(super) number: u32,
    /// Where `text` begins in the stream.
    pub(super) offset: usize,
    /// The line on which `text` begins, counted from 1.
    pub(super) first_line: u32,
    /// The first line with content, counted from 1.
    pub(super) content_line: u32,
}

/// Cuts a stream at lines that begin with `---` (a document begins) or `...` (one ends). Documents of nothing
/// but comments are left out. Such lines inside a block scalar are indented and so no markers.
#[cfg(test)]
pub(super) fn documents(text: &str) -> impl Iterator<Item = Document<'_>> {
    let mut splitter = Splitter::new();
    std::iter::from_fn(move || splitter.next(text))
}

/// How far a stream has been cut; the text is given with each step.
#[derive(Debug)]
pub(super) struct Splitter {
    offset: usize,
    line: u32,
    number: u32,
    open: Open,
    ended: bool,
    /// More of the stream comes before the text, which begins with a marker.
    follows: bool,
}

impl Splitter {
    pub(super) fn new() -> Self {
        Self::following(1, false)
    }

    /// For a text that begins on this line, perhaps after more of the stream. Documents are counted from the text's first.
    pub(super) fn following(line: u32, follows: bool) -> Self {
        Self { offset: 0, line, number: 0, open: Open::at(0, line), ended: false, follows }
    }

    /// How many documents there were, empty ones included.
    pub(super) fn number(&self) -> u32 {
        self.number
    }

    /// The next document of the stream.
    pub(super) fn next<'t>(&mut self, text: &'t str) -> Option<Document<'t>> {
        while !self.ended {
            let (finished, end) = match self.next_line(text) {
                Some(line) if is_marker(line.text, "---") && !self.open.only_directives() => {
                    let finished = std::mem::replace(&mut self.open, Open::at(line.offset, line.number));
                    self.open.counts |= self.follows;
                    self.open.see(line.text.get(3..).unwrap_or_default(), line.number);
                    (finished, line.offset)
                }
                Some(line) if is_marker(line.text, "---") => {
                    self.open.marked = true;
                    self.open.see(line.text.get(3..).unwrap_or_default(), line.number);
                    continue;
                }
                Some(line) if is_marker(line.text, "...") => {
                    (std::mem::replace(&mut self.open, Open::at(self.offset, self.line)), line.offset)
                }
                Some(line) => {
                    self.open.see(line.text, line.number);
                    continue;
                }
                None => {
                    self.ended = true;
                    (self.open, text.len())
                }
            };
            // What stands before the first marker is a document only when it says something.
            self.number += u32::from(finished.content_line.is_some() || finished.marked || finished.counts);
            if let Some(content_line) = finished.content_line {
                let text = text.get(finished.offset..end).unwrap_or_default();
                return Some(Document {
                    text,
                    number: self.number,
                    offset: finished.offset,
                    first_line: finished.line,
                    content_line,
                });
            }
        }
        None
    }

    /// Passes over lines of a document that are no markers, up to the next that may be one: nothing else is asked of
    /// them.
    fn skip(&mut self, text: &str) {
        let rest = text.as_bytes().get(self.offset..).unwrap_or_default();
        if matches!(rest.get(..3), Some(b"---" | b"...")) {
            return;
        }
        let end = before_marker(rest);
        // The line feed belongs to what is passed over.
        let passed = rest.len().min(end + 1);
        self.line += newlines(&rest[..passed]);
        self.offset += passed;
    }

    fn next_line<'t>(&mut self, text: &'t str) -> Option<Line<'t>> {
        if self.open.content_line.is_some() {
            self.skip(text);
        }
        let rest = text.get(self.offset..).filter(|rest| !rest.is_empty())?;
        let length = rest.find('\n').map_or(rest.len(), |at| at + 1);
        let line = Line { text: &rest[..length], offset: self.offset, number: self.line };
        self.offset += length;
        self.line += 1;
        Some(line)
    }
}

/// Where the line feed before the next line stands that may be a marker, else the end of the text.
fn before_marker(text: &[u8]) -> usize {
    let begins = memmem::find(text, b"\n---").unwrap_or(text.len());
    memmem::find(&text[..begins], b"\n...").unwrap_or(begins)
}

/// The document being collected.
#[derive(Clone, Copy, Debug)]
struct Open {
    offset: usize,
    line: u32,
    content_line: Option<u32>,
    directives: bool,
    marked: bool,
    /// It counts even if there is nothing in it: it is not the first of the stream.
    counts: bool,
}

impl Open {
    fn at(offset: usize, line: u32) -> Self {
        Self { offset, line, content_line: None, directives: false, marked: false, counts: offset > 0 }
    }

    fn see(&mut self, line: &str, number: u32) {
        if self.content_line.is_some() {
            return;
        }
        let trimmed = line.trim();
        match trimmed.as_bytes().first() {
            None | Some(b'#') => {}
            Some(b'%') if line.starts_with('%') => self.directives = true,
            Some(_) => self.content_line = Some(number),
        }
    }

    /// Directives stand before the `---` of the document they are about.
    fn only_directives(&self) -> bool {
        self.directives && self.content_line.is_none() && !self.marked
    }
}

/// Where the last document begins that surely begins in this part of a stream, and not at its start.
pub(super) fn last_marker(text: &[u8]) -> Option<usize> {
    memmem::rfind_iter(text, b"\n---").map(|at| at + 1).find(|at| {
        let ends = text.get(at + 3).is_some_and(|byte| matches!(byte, b' ' | b'\t' | b'\r' | b'\n'));
        ends && !has_directives(&text[..*at])
    })
}

/// Whether a text may end with directives, which belong to the document of the marker after it.
fn has_directives(text: &[u8]) -> bool {
    let mut lines = text.trim_ascii_end().rsplit(|byte| *byte == b'\n');
    lines
        .find(|line| !matches!(line.trim_ascii_start().first(), None | Some(b'#')))
        .is_some_and(|line| line.starts_with(b"%"))
}

struct Line<'t> {
    text: &'t str,
    offset: usize,
    number: u32,
}

/// How many lines end in a text.
pub(super) fn newlines(text: &[u8]) -> u32 {
    u32::try_from(memchr_iter(b'\n', text).count()).unwrap_or(u32::MAX)
}

fn is_marker(line: &str, marker: &str) -> bool {
    line.strip_prefix(marker).is_some_and(|rest| rest.is_empty() || rest.starts_with([' ', '\t', '\r', '\n']))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split(text: &str) -> Vec<(u32, u32, &str)> {
        documents(text).map(|document| (document.number, document.content_line, document.text)).collect()
    }

    #[test]
    fn documents_keep_their_number_and_first_line() {
        let text = "a: 1\n---\n# only a comment\n---\n\n# two\nb: 2\n...\nc: 3\n";
        assert_eq!(split(text), [(1, 1, "a: 1\n"), (3, 7, "---\n\n# two\nb: 2\n"), (4, 9, "c: 3\n")],);
    }

    #[test]
    fn a_stream_that_begins_with_a_marker_has_no_document_before_it() {
        assert_eq!(split("---\na: 1\n---\nb: 2"), [(1, 2, "---\na: 1\n"), (2, 4, "---\nb: 2")]);
        assert_eq!(split("# licence\n---\na: 1\n"), [(1, 3, "---\na: 1\n")]);
    }

    #[test]
    fn windows_line_ends_split_too() {
        assert_eq!(split("a: 1\r\n---\r\nb: 2\r\n"), [(1, 1, "a: 1\r\n"), (2, 3, "---\r\nb: 2\r\n")]);
    }

    #[test]
    fn a_marker_is_alone_in_column_0() {
        let text = "a: |\n  ---\n  text\nb: |-\n ---\nc: ---x\n---x: 1\n";
        assert_eq!(split(text).len(), 1);
    }

    #[test]
    fn content_may_stand_on_the_line_of_the_marker() {
        assert_eq!(split("--- {a: 1}\n--- # nothing\n"), [(1, 1, "--- {a: 1}\n")]);
    }

    #[test]
    fn directives_stay_with_the_document_they_are_about() {
        let text = "%YAML 1.2\n---\na: 1\n...\n%TAG ! tag:x,1:\n---\nb: 2\n";
        assert_eq!(split(text), [(1, 3, "%YAML 1.2\n---\na: 1\n"), (2, 7, "%TAG ! tag:x,1:\n---\nb: 2\n")],);
    }

    #[test]
    fn empty_text_has_no_documents() {
        assert_eq!(split(""), []);
        assert_eq!(split("---\n---\n...\n# end"), []);
    }
}
