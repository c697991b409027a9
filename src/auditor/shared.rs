//! Names, images and facts that many shapes mention, kept once each.

use std::hash::BuildHasher as _;
use std::sync::Arc;

use foldhash::quality::RandomState;
use hashbrown::HashTable;

use crate::subject::facts::Facts;
use crate::subject::pod::Image;

/// Something that is made of a text, or of bytes.
pub(super) trait MadeOf {
    /// What it is made of.
    type Text: ?Sized + Eq + std::hash::Hash;
    /// The text.
    fn text(&self) -> &Self::Text;
}

impl MadeOf for str {
    type Text = str;

    fn text(&self) -> &str {
        self
    }
}

impl MadeOf for Image {
    type Text = str;

    fn text(&self) -> &str {
        self.written()
    }
}

impl MadeOf for Facts {
    type Text = [u8];

    fn text(&self) -> &[u8] {
        self.as_bytes()
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

impl<T: MadeOf + ?Sized> Distinct<T> {
    /// The shared value of a text.
    pub(super) fn get(&mut self, text: &T::Text, make: impl FnOnce(&T::Text) -> Arc<T>) -> Arc<T> {
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
