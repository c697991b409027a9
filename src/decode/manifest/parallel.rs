//! Many files, and files of many documents, read on several threads. What comes out is the same, in the same
//! order, as from one thread; what is in memory at once does not depend on how much there is to read.

use std::collections::BTreeMap;
use std::io::{self, Read};
use std::sync::mpsc::{self, Receiver, SyncSender};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use super::blocks::{BLOCK, Block, Form, Growing};
use super::json::{Head, Stretch, Within};
use super::split::Splitter;
use super::{Change, ManifestError, Reader};

/// Portions that may be read ahead of the one that is told next, for each thread.
const AHEAD: usize = 4;

/// Files: their names, and what to read their texts from.
type Texts<'t> = dyn Iterator<Item = (Arc<str>, Box<dyn Read + 't>)> + 't;

impl Reader {
    /// Reads files, as [`Reader::read`] does one by one, on this many threads. Of a large file there is never more in
    /// memory than some blocks.
    pub fn read_all<'t>(&mut self, threads: usize, texts: &mut Texts<'t>, sink: &mut dyn FnMut(Change)) {
        self.read_in_blocks(threads, BLOCK, texts, sink);
    }

    /// The same with blocks of this size.
    pub(super) fn read_in_blocks<'t>(
        &mut self,
        threads: usize,
        size: usize,
        texts: &mut Texts<'t>,
        sink: &mut dyn FnMut(Change),
    ) {
        let mut portions = Portions { texts, open: None, size, space: vec![0; size.max(1)] };
        let mut order = Order::default();
        // What is small is read before a thread has begun.
        let first: Vec<_> = portions.by_ref().take(if threads < 2 { 0 } else { 2 }).collect();
        if first.len() < 2 {
            for portion in first.into_iter().chain(portions) {
                let part = self.next_part().read_portion(portion);
                order.take(self, part, sink);
            }
            return order.end(self, sink);
        }
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
            let mut told = Told { next: 0, waiting: BTreeMap::new(), results: &results };
            let mut handed = 0_usize;
            for portion in first.into_iter().chain(portions) {
                told.until((handed + 1).saturating_sub(window), &mut |part| order.take(self, part, sink));
                if work.send((handed, portion)).is_err() {
                    break;
                }
                handed += 1;
            }
            drop(work);
            told.until(handed, &mut |part| order.take(self, part, sink));
            order.end(self, sink);
        });
    }

    /// An empty reader with the same settings.
    fn next_part(&self) -> Self {
        let reader = Self::new(&self.default_namespace);
        if self.places.is_some() { reader.with_places() } else { reader }
    }

    fn read_portion(mut self, portion: Portion) -> Part {
        let mut changes = Vec::new();
        let sink = &mut |change| changes.push(change);
        let mut block = None;
        let (mut is_first, mut numbered, mut are_items) = (true, 0, true);
        for (file, read) in portion {
            match read {
                Ok(read) => {
                    is_first = read.is_first;
                    (numbered, are_items) = self.read_block(&file, &read, sink);
                    block = Some((file, read)).filter(|(_, read)| matches!(read.form, Form::Items(_)));
                }
                Err(error) => self.of_file(&file, error.to_string()),
            }
        }
        Part { changes, reader: self, is_first, numbered, are_items, block }
    }

    /// Reads a block. How many documents there are in it, and false where it was to be items of a List and is not.
    fn read_block(&mut self, file: &Arc<str>, block: &Block, sink: &mut dyn FnMut(Change)) -> (u32, bool) {
        let text = match block.text() {
            Ok(text) => text,
            Err(error) => {
                self.of_file(file, error);
                return (0, true);
            }
        };
        let Block { line, offset, is_first, is_last, .. } = *block;
        let numbered = match &block.form {
            Form::Any => {
                self.read(file.clone(), text, sink);
                0
            }
            Form::Yaml => self.read_yaml(file, text, Splitter::following(line, !is_first), offset, sink),
            Form::Json => {
                let stretch = Stretch { text, line, offset, ahead: !is_last, within: None };
                self.read_json(file, &stretch, sink)
            }
            Form::Items(head) => return self.read_list(file, head, block, text, sink),
        };
        (numbered, true)
    }

    /// Reads a part of a List as if it were all of it.
    fn read_list(
        &mut self,
        file: &Arc<str>,
        head: &Head,
        block: &Block,
        text: &str,
        sink: &mut dyn FnMut(Change),
    ) -> (u32, bool) {
        let Block { line, offset, column, is_first, is_last, .. } = *block;
        let (before, behind) = (if is_first { "" } else { &*head.text }, if is_last { "" } else { "]}" });
        let text = &*[before, text, behind].concat();
        let within = Within { head: before.len(), at: head.at, column };
        let within = Some(within).filter(|_| !is_first);
        let stretch = Stretch { text, line, offset, ahead: false, within };
        match is_last {
            true => (self.read_json(file, &stretch, sink), true),
            false => (0, self.read_items(file, &stretch, head.at, sink)),
        }
    }

    /// Something is wrong with a file as a whole.
    fn of_file(&mut self, file: &Arc<str>, message: String) {
        self.error(ManifestError { file: file.clone(), document: 0, line: 0, column: None, message });
    }
}

/// What a thread has read of a portion.
struct Part {
    changes: Vec<Change>,
    reader: Reader,
    /// No file has been begun before.
    is_first: bool,
    /// How many documents were counted in the last block.
    numbered: u32,
    /// The block is what it was taken for.
    are_items: bool,
    /// A block of a List.
    block: Option<(Arc<str>, Block)>,
}

/// Tells parts in the order of the input.
#[derive(Default)]
struct Order {
    /// How many documents of the file come before the part.
    before: u32,
    /// Blocks of a List that has turned out to be none, or to be broken: they are read together.
    together: Option<(Arc<str>, Block)>,
}

impl Order {
    fn take(&mut self, reader: &mut Reader, mut part: Part, sink: &mut dyn FnMut(Change)) {
        let block = part.block.take();
        match (self.together.take(), block) {
            (Some((file, known)), Some((_, next))) if !part.is_first => {
                self.together = Some((file, known.join(next)));
                return;
            }
            (known, block) => {
                self.together = known;
                self.end(reader, sink);
                if !part.are_items {
                    self.together = block;
                    return;
                }
            }
        }
        self.tell(reader, part, sink);
    }

    /// Reads what is left to be read together.
    fn end(&mut self, reader: &mut Reader, sink: &mut dyn FnMut(Change)) {
        let Some((file, block)) = self.together.take() else { return };
        let block = Block { is_last: true, ..block };
        let part = reader.next_part().read_portion(vec![(file, Ok(block))]);
        self.tell(reader, part, sink);
    }

    fn tell(&mut self, reader: &mut Reader, part: Part, sink: &mut dyn FnMut(Change)) {
        if part.is_first {
            self.before = 0;
        }
        part.changes.into_iter().for_each(sink);
        let read = part.reader;
        for mut error in read.errors {
            if error.document > 0 {
                error.document += self.before;
            }
            reader.error(error);
        }
        self.before += part.numbered;
        reader.more_errors += read.more_errors;
        for (kind, count) in read.unknown_kinds {
            reader.unknown_kind(kind, count);
        }
        reader.hints.extend(read.hints);
        reader.documents += read.documents;
        reader.objects += read.objects;
        reader.foreign += read.foreign;
        if let (Some(places), Some(next)) = (&mut reader.places, read.places) {
            places.absorb(next);
        }
    }
}

/// Parts as they come from the threads, put in order.
struct Told<'r> {
    next: usize,
    waiting: BTreeMap<usize, Part>,
    results: &'r Receiver<(usize, Part)>,
}

impl Told<'_> {
    /// Takes parts up to this one.
    fn until(&mut self, limit: usize, take: &mut dyn FnMut(Part)) {
        while self.next < limit {
            match self.waiting.remove(&self.next) {
                Some(part) => {
                    self.next += 1;
                    take(part);
                }
                None => match self.results.recv() {
                    Ok((number, part)) => drop(self.waiting.insert(number, part)),
                    // Every thread is gone: one has panicked, which the scope tells on.
                    Err(mpsc::RecvError) => return,
                },
            }
        }
    }
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

/// Several small files, or a block of a large one.
type Portion = Vec<(Arc<str>, io::Result<Block>)>;

/// Cuts an input into portions of about one size.
struct Portions<'t, 'x> {
    texts: &'x mut Texts<'t>,
    /// A large file, and a block of it that has been read.
    open: Option<(Growing<'t>, Option<Block>)>,
    size: usize,
    space: Vec<u8>,
}

impl Iterator for Portions<'_, '_> {
    type Item = Portion;

    fn next(&mut self) -> Option<Portion> {
        let (mut portion, mut size) = (Portion::new(), 0);
        while size < self.size {
            if let Some((growing, block)) = &mut self.open {
                if !portion.is_empty() {
                    break;
                }
                let next = block.take().map(Ok).or_else(|| growing.next(&mut self.space));
                match next {
                    Some(next) => return Some(vec![(growing.file().clone(), next)]),
                    None => self.open = None,
                }
                continue;
            }
            let Some((file, source)) = self.texts.next() else { break };
            let mut growing = Growing::new(file, source, self.size);
            match growing.next(&mut self.space) {
                Some(Ok(block)) if !block.is_last => self.open = Some((growing, Some(block))),
                Some(read) => {
                    size += read.as_ref().map_or(0, |block| block.bytes.len());
                    portion.push((growing.file().clone(), read));
                }
                None => {}
            }
        }
        Some(portion).filter(|portion| !portion.is_empty())
    }
}

#[cfg(test)]
mod tests;
