//! Many files, and files of many documents, read on several threads. What comes out is the same, in the same
//! order, as from one thread; what is in memory at once does not depend on how much there is to read.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::mpsc::{self, Receiver, SyncSender};
use std::sync::{Arc, Mutex, PoisonError};
use std::{thread, vec};

use super::{Change, Reader, json, split};

/// A thread takes about this much text at a time.
const PORTION: usize = 256 << 10;
/// Portions that may be read ahead of the one that is told next, for each thread.
const AHEAD: usize = 4;

/// Files' names and texts, one after the other.
type Texts<'t> = dyn Iterator<Item = (Arc<str>, String)> + 't;

impl Reader {
    /// Reads files, as [`Reader::read`] does one by one, on this many threads.
    pub fn read_all(&mut self, threads: usize, texts: &mut Texts<'_>, sink: &mut dyn FnMut(Change)) {
        if threads < 2 {
            return texts.for_each(|(file, text)| self.read(file, &text, sink));
        }
        let mut portions = Portions { texts, open: None };
        // What is small is read before a thread has begun.
        let Some(first) = portions.next() else { return };
        let Some(second) = portions.next() else {
            return self.take(self.next_part().read_portion(first), sink);
        };
        let window = threads * AHEAD;
        let (work, given) = mpsc::sync_channel(window);
        let (done, results) = mpsc::sync_channel(window);
        let given = &Mutex::new(given);
        thread::scope(|scope| {
            for _ in 0..threads {
                let (done, part) = (done.clone(), self.next_part());
                scope.spawn(move || read_portions(&part, given, &done));
            }
            drop(done);
            let portions = [first, second].into_iter().chain(portions);
            self.hand_out(portions, work, &results, window, sink);
        });
    }

    fn hand_out(
        &mut self,
        portions: impl Iterator<Item = Portion>,
        work: SyncSender<(usize, Portion)>,
        results: &Receiver<(usize, Part)>,
        window: usize,
        sink: &mut dyn FnMut(Change),
    ) {
        let (mut next, mut waiting) = (0_usize, BTreeMap::new());
        let mut tell_until = |this: &mut Self, limit: usize| {
            while next < limit {
                match waiting.remove(&next) {
                    Some(part) => {
                        next += 1;
                        this.take(part, sink);
                    }
                    None => match results.recv() {
                        Ok((number, part)) => drop(waiting.insert(number, part)),
                        // Every thread is gone: one has panicked, which the scope tells on.
                        Err(mpsc::RecvError) => return,
                    },
                }
            }
        };
        let mut handed = 0_usize;
        for portion in portions {
            tell_until(self, (handed + 1).saturating_sub(window));
            if work.send((handed, portion)).is_err() {
                break;
            }
            handed += 1;
        }
        drop(work);
        tell_until(self, handed);
    }

    /// An empty reader with the same settings.
    fn next_part(&self) -> Self {
        let reader = Self::new(&self.default_namespace);
        if self.places.is_some() { reader.with_places() } else { reader }
    }

    fn read_portion(mut self, portion: Portion) -> Part {
        let mut changes = Vec::new();
        let sink = &mut |change| changes.push(change);
        for Piece { file, text, content } in portion {
            match content {
                Content::Whole => self.read(file, &text, sink),
                Content::Json(part) => self.read_json(&file, &text, &part, sink),
                Content::Yaml(documents) => {
                    documents.iter().for_each(|document| self.document(&file, document.of(&text), sink));
                }
            }
        }
        Part { changes, reader: self }
    }

    /// Tells what was read of the part that comes next.
    fn take(&mut self, part: Part, sink: &mut dyn FnMut(Change)) {
        let Part { changes, reader } = part;
        changes.into_iter().for_each(sink);
        reader.errors.into_iter().for_each(|error| self.error(error));
        self.more_errors += reader.more_errors;
        for (kind, count) in reader.unknown_kinds {
            self.unknown_kind(kind, count);
        }
        self.hints.extend(reader.hints);
        self.documents += reader.documents;
        self.objects += reader.objects;
        self.foreign += reader.foreign;
        if let (Some(places), Some(next)) = (&mut self.places, reader.places) {
            places.absorb(next);
        }
    }
}

/// What a thread has read of a portion.
struct Part {
    changes: Vec<Change>,
    reader: Reader,
}

fn read_portions(part: &Reader, given: &Mutex<Receiver<(usize, Portion)>>, done: &SyncSender<(usize, Part)>) {
    loop {
        let given = given.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok((number, portion)) = given else { return };
        if done.send((number, part.next_part().read_portion(portion))).is_err() {
            return;
        }
    }
}

type Portion = Vec<Piece>;

/// A file, or some documents of one.
struct Piece {
    file: Arc<str>,
    text: Arc<String>,
    content: Content,
}

enum Content {
    Whole,
    Json(json::Part),
    Yaml(Vec<Document>),
}

/// As [`split::Document`], without its text.
struct Document {
    range: Range<usize>,
    number: u32,
    first_line: u32,
    content_line: u32,
}

impl Document {
    fn new(document: split::Document<'_>) -> Self {
        let split::Document { text, number, offset, first_line, content_line } = document;
        Self { range: offset..offset + text.len(), number, first_line, content_line }
    }

    fn of<'t>(&self, text: &'t str) -> split::Document<'t> {
        let Self { number, first_line, content_line, .. } = *self;
        let offset = self.range.start;
        let text = text.get(self.range.clone()).unwrap_or_default();
        split::Document { text, number, offset, first_line, content_line }
    }
}

/// Cuts an input into portions of about one size: several small files, or documents of a large one.
struct Portions<'t, 'x> {
    texts: &'x mut Texts<'t>,
    open: Option<Open>,
}

/// A large file, of which some documents have been taken.
struct Open {
    file: Arc<str>,
    text: Arc<String>,
    rest: Rest,
}

enum Rest {
    Json(vec::IntoIter<json::Part>),
    Yaml(split::Splitter),
}

impl Iterator for Portions<'_, '_> {
    type Item = Portion;

    fn next(&mut self) -> Option<Portion> {
        let (mut portion, mut size) = (Vec::new(), 0);
        while size < PORTION {
            if let Some(open) = &mut self.open {
                match open.next(PORTION - size) {
                    Some((content, read)) => {
                        size += read;
                        portion.push(Piece { file: open.file.clone(), text: open.text.clone(), content });
                    }
                    None => self.open = None,
                }
                continue;
            }
            let Some((file, text)) = self.texts.next() else { break };
            // Shared, not copied: the text may be most of the memory.
            let text = Arc::new(text);
            match Rest::of(&file, &text) {
                Some(rest) => self.open = Some(Open { file, text, rest }),
                None => {
                    size += text.len();
                    portion.push(Piece { file, text, content: Content::Whole });
                }
            }
        }
        Some(portion).filter(|portion| !portion.is_empty())
    }
}

impl Rest {
    /// How a file is cut; none for one that is read as a whole.
    fn of(file: &str, text: &str) -> Option<Self> {
        if text.len() <= PORTION || text.starts_with('\u{feff}') {
            None
        } else if json::is_json(file, text) {
            Some(Self::Json(json::parts(text).into_iter()))
        } else {
            Some(Self::Yaml(split::Splitter::new()))
        }
    }
}

impl Open {
    /// The next documents of about this size, and what size they are.
    fn next(&mut self, limit: usize) -> Option<(Content, usize)> {
        match &mut self.rest {
            Rest::Json(parts) => parts.next().map(|part| {
                let size = part.range.len();
                (Content::Json(part), size)
            }),
            Rest::Yaml(splitter) => {
                let (mut documents, mut size) = (Vec::new(), 0);
                while size < limit
                    && let Some(document) = splitter.next(&self.text)
                {
                    size += document.text.len();
                    documents.push(Document::new(document));
                }
                (!documents.is_empty()).then_some((Content::Yaml(documents), size))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is told and what is said of an input of files.
    fn read(files: &[(&str, String)], threads: usize) -> (Vec<String>, String) {
        let mut told = Vec::new();
        let mut reader = Reader::new("default").with_places();
        let mut texts = files.iter().map(|(file, text)| (Arc::from(*file), text.clone()));
        reader.read_all(threads, &mut texts, &mut |change| told.push(format!("{change:?}")));
        (told, format!("{reader:?}"))
    }

    fn pod(name: usize) -> String {
        format!(
            "apiVersion: v1\nkind: Pod\nmetadata: {{name: p{name}}}\nspec:\n  containers:\n  - {{name: a, image: b}}\n"
        )
    }

    fn json(name: usize) -> String {
        let bad = if (name + 3).is_multiple_of(1_000) { "{\"a\": \n" } else { "" };
        format!(
            "{bad}{{\n\"apiVersion\": \"v1\", \"kind\": \"Pod\", \"metadata\": {{\"name\": \"j{name}\"}}, \"spec\": {{}}\n}}\n"
        )
    }

    fn many(from: usize, count: usize) -> String {
        (from..from + count).map(|name| format!("---\n{}", pod(name))).collect()
    }

    #[test]
    fn several_threads_tell_the_same_in_the_same_order() {
        let broken =
            "---\nkind: [\n---\n{{ x }}: {{ y }}\n---\napiVersion: v1\nkind: Rollout\nmetadata: {name: r}\n";
        let files = [
            ("a.yaml", many(0, 3_000) + broken + &many(3_000, 3_000) + broken),
            ("b.yaml", many(20_000, 3) + broken),
            (
                "c.json",
                r#"{"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "c"}, "spec": {}}"#.to_owned(),
            ),
            ("d.yaml", String::new()),
            ("e.yaml", many(30_000, 1_000)),
            ("f.json", (0..3_500).map(json).collect()),
        ];
        let one = read(&files, 1);
        assert_eq!(one.0.len(), 10_504);
        assert_eq!(read(&files, 3), one);
    }

    #[test]
    fn small_inputs_are_read_without_threads_and_an_empty_one_is_empty() {
        let (told, _) = read(&[("a.yaml", pod(1)), ("b.yaml", pod(2))], 8);
        assert_eq!(told.len(), 2);
        assert!(told[0].contains("a.yaml") && told[1].contains("b.yaml"));
        assert!(read(&[], 8).0.is_empty());
    }

    #[test]
    fn a_portion_is_bounded_unless_one_document_is_larger() {
        let mut texts = (0..100).map(|file| (Arc::from(format!("{file}.yaml")), many(file * 1_000, 100)));
        let mut portions = Portions { texts: &mut texts, open: None };
        let sizes = |portion: Portion| {
            portion
                .iter()
                .map(|piece| match &piece.content {
                    Content::Whole => piece.text.len(),
                    Content::Json(part) => part.range.len(),
                    Content::Yaml(documents) => documents.iter().map(|document| document.range.len()).sum(),
                })
                .sum::<usize>()
        };
        let sizes: Vec<_> = portions.by_ref().map(sizes).collect();
        assert!(sizes.len() > 2 && sizes.iter().all(|size| *size < 2 * PORTION), "{sizes:?}");
    }

    #[test]
    fn the_text_of_a_large_file_is_shared_by_its_portions_and_never_copied() {
        let text = many(0, 20_000);
        let address = text.as_ptr();
        let mut texts = std::iter::once((Arc::from("a.yaml"), text));
        let portions: Vec<_> = Portions { texts: &mut texts, open: None }.collect();
        assert!(portions.len() > 2);
        assert!(portions.iter().flatten().all(|piece| piece.text.as_ptr() == address));
    }
}
