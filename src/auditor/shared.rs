//! Names and images that many shapes mention, kept once each.

use std::hash::BuildHasher as _;
use std::sync::Arc;

use foldhash::quality::RandomState;
use hashbrown::HashTable;

use crate::subject::pod::Image;

/// Something that is made of a text.
pub(super) trait OfText {
    /// The text.
    fn text(&self) -> &str;
}

impl OfText for str {
    fn text(&self) -> &str {
        self
    }
}

impl OfText for Image {
    fn text(&self) -> &str {
        self.written()
    }
}

/// Values by the text they are made of.
#[derive(Debug)]
pub(super) struct Distinct<T: ?Sized> {
    hasher: RandomState,
    values: HashTable<Arc<T>>,
    size_when_swept: usize,
}

impl<T: ?Sized> Default for Distinct<T> {
    fn default() -> Self {
        Self { hasher: RandomState::default(), values: HashTable::new(), size_when_swept: 0 }
    }
}

impl<T: OfText + ?Sized> Distinct<T> {
    /// The shared value of a text.
    pub(super) fn get(&mut self, text: &str, make: impl FnOnce(&str) -> Arc<T>) -> Arc<T> {
        let hasher = &self.hasher;
        let same = |value: &Arc<T>| value.text() == text;
        let entry = self.values.entry(hasher.hash_one(text), same, |value| hasher.hash_one(value.text()));
        entry.or_insert_with(|| make(text)).get().clone()
    }

    /// How many there are (or were, since the last sweep).
    pub(super) fn len(&self) -> usize {
        self.values.len()
    }

    /// Forgets what nothing refers to, when the number has doubled since the last time.
    pub(super) fn sweep(&mut self) {
        if self.values.len() > 2 * self.size_when_swept + 1024 {
            self.values.retain(|value| Arc::strong_count(value) > 1);
            self.size_when_swept = self.values.len();
        }
    }
}
