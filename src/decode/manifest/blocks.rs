//! A file that is larger than one portion, cut into blocks while it is read: what is in memory is a block and what
//! stands ahead of it, however large the file. A block of a stream ends where a document does. A single JSON List, as
//! `kubectl get -o json` writes it, is cut between what look like its items; whoever reads such a block sees whether
//! they were.

use std::io::{self, Read};
use std::str;
use std::sync::Arc;

use memchr::memmem;
use serde::de::IgnoredAny;

use super::json::{self, Head};
use super::split;

/// About how much a thread reads at a time.
pub(super) const BLOCK: usize = 256 << 10;

/// How a file is read.
#[derive(Clone, Debug)]
pub(super) enum Form {
    /// Nothing is known before all of it has been seen.
    Any,
    /// YAML documents.
    Yaml,
    /// JSON objects.
    Json,
    /// Items of one JSON List, perhaps its end and more objects.
    Items(Arc<Head>),
}

/// A stretch of a file.
#[derive(Debug)]
pub(super) struct Block {
    pub(super) bytes: Vec<u8>,
    pub(super) form: Form,
    /// Where it begins in the file.
    pub(super) offset: u64,
    /// The line on which it begins, counted from 1.
    pub(super) line: u32,
    /// How many bytes of that line come before it.
    pub(super) column: u32,
    /// Nothing of the file comes before it.
    pub(super) is_first: bool,
    /// Nothing of the file comes after it.
    pub(super) is_last: bool,
}

impl Block {
    /// Its text, or on which line there is none.
    pub(super) fn text(&self) -> Result<&str, String> {
        str::from_utf8(&self.bytes).map_err(|error| match &*self.bytes {
            [0xff, 0xfe, ..] | [0xfe, 0xff, ..] if self.is_first => {
                "expected UTF-8 text, found UTF-16 (save it as UTF-8)".to_owned()
            }
            bytes => {
                let line = self.line + split::newlines(&bytes[..error.valid_up_to()]);
                format!("expected UTF-8 text, found other bytes on line {line}")
            }
        })
    }

    /// The two as one: `next` follows on it.
    pub(super) fn join(mut self, next: Self) -> Self {
        if matches!(self.form, Form::Items(_)) && !self.is_last {
            self.bytes.push(b',');
        }
        self.bytes.extend(next.bytes);
        Self { is_last: next.is_last, ..self }
    }
}

/// A file of which some blocks have been taken.
pub(super) struct Growing<'t> {
    file: Arc<str>,
    source: Box<dyn Read + 't>,
    /// What was read and not yet taken.
    held: Vec<u8>,
    /// How much is read at least before it is cut.
    size: usize,
    form: Option<Form>,
    offset: u64,
    line: u32,
    column: u32,
    ended: bool,
}

impl<'t> Growing<'t> {
    /// A file that is cut into blocks of at least this size.
    pub(super) fn new(file: Arc<str>, source: Box<dyn Read + 't>, size: usize) -> Self {
        let size = size.max(1);
        Self { file, source, held: Vec::new(), size, form: None, offset: 0, line: 1, column: 0, ended: false }
    }

    pub(super) fn file(&self) -> &Arc<str> {
        &self.file
    }

    /// Reads until this much is held, or to the end.
    fn fill(&mut self, wanted: usize, space: &mut [u8]) -> io::Result<()> {
        // Most files are small: of these no more is kept than there is. A large one is read to where it is kept.
        if self.form.is_some() && !self.ended {
            let more = wanted.saturating_sub(self.held.len());
            self.held.reserve_exact(more);
            let read = self.source.by_ref().take(more as u64).read_to_end(&mut self.held)?;
            self.ended = read < more;
            return Ok(());
        }
        while !self.ended && self.held.len() < wanted {
            match self.source.read(space) {
                Ok(0) => self.ended = true,
                Ok(read) => self.held.extend_from_slice(&space[..read]),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// The next block; `space` is used for reading. After an error, what was read before it comes, then nothing more.
    pub(super) fn next(&mut self, space: &mut [u8]) -> Option<io::Result<Block>> {
        let mut wanted = self.size;
        let end = loop {
            // One byte more than is wanted, so that a file of just that size is seen to end.
            if let Err(error) = self.fill(wanted + 1, space) {
                self.ended = true;
                self.held.clear();
                return Some(Err(error));
            }
            if self.offset == 0 && self.form.is_none() && self.held.starts_with(b"\xef\xbb\xbf") {
                self.held.drain(..3);
            }
            if self.ended {
                break self.held.len();
            }
            let form = self.form.get_or_insert_with(|| form(&self.file, &self.held));
            match cut(form, &self.held) {
                Some(end) => break end,
                None => wanted = self.held.len() * 2,
            }
        };
        let is_first = self.offset == 0;
        if self.held.is_empty() && !is_first {
            return None;
        }
        Some(Ok(self.take(end, is_first)))
    }

    fn take(&mut self, end: usize, is_first: bool) -> Block {
        let rest = self.held.split_off(end);
        let mut bytes = std::mem::replace(&mut self.held, rest);
        let is_last = self.ended && self.held.is_empty();
        let form = self.form.clone().unwrap_or(Form::Any);
        let (offset, line, column) = (self.offset, self.line, self.column);
        self.offset += bytes.len() as u64;
        self.line += split::newlines(&bytes);
        let behind = memchr::memrchr(b'\n', &bytes)
            .map_or(self.column as usize + bytes.len(), |at| bytes.len() - at - 1);
        self.column = u32::try_from(behind).unwrap_or(u32::MAX);
        match form {
            Form::Items(_) if !is_last => drop(bytes.pop()),
            // The brace of the next object: what is wrong before it is told as if all of it were here.
            Form::Json if !is_last => bytes.push(b'{'),
            _ => {}
        }
        // An empty file is a block, too, and the only one.
        if is_last && is_first {
            self.offset = self.offset.max(1);
        }
        Block { bytes, form, offset, line, column, is_first, is_last }
    }
}

/// How a file is read of which this is the beginning, and not all.
fn form(file: &str, held: &[u8]) -> Form {
    let text = match str::from_utf8(held) {
        Ok(text) => text,
        Err(error) => str::from_utf8(&held[..error.valid_up_to()]).unwrap_or_default(),
    };
    let by_name = || if json::extension_is_json(file) { Form::Json } else { Form::Yaml };
    let trimmed = text.trim_start();
    if trimmed.is_empty() {
        return Form::Any;
    }
    let Some(inside) = trimmed.strip_prefix('{') else { return by_name() };
    let is_quoted = inside.trim_start().starts_with('"');
    let mut stream = serde_json::Deserializer::from_str(text).into_iter::<IgnoredAny>();
    match stream.next() {
        // YAML documents may well be written as JSON objects.
        Some(Ok(_)) => {
            let rest = text.get(stream.byte_offset()..).unwrap_or_default().trim_start();
            if rest.starts_with("---") || rest.starts_with('#') { Form::Yaml } else { Form::Json }
        }
        // An object that is larger than a block.
        Some(Err(error)) if error.is_eof() && is_quoted => {
            Head::of(text).map_or(Form::Json, |head| Form::Items(Arc::new(head)))
        }
        _ if is_quoted && !json::extension_is_json(file) => Form::Any,
        _ => by_name(),
    }
}

/// Where a block may end; none where nothing in sight does.
fn cut(form: &Form, held: &[u8]) -> Option<usize> {
    match form {
        Form::Any => None,
        Form::Yaml => split::last_marker(held),
        Form::Json => memmem::rfind_iter(held, b"\n{").find_map(|at| {
            // Within an object, a comma would stand between these braces.
            let is_border = held[..at].trim_ascii_end().ends_with(b"}");
            is_border.then_some(at + 1)
        }),
        Form::Items(head) => head.last_border(held),
    }
}
