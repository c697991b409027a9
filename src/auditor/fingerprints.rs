//! Interning by fingerprint: like [`super::intern::Interner`], but the bytes themselves are not kept. 128 bits of a
//! keyed hash stand for them (SipHash-1-3 under a key that no one outside the process knows: two contents with one
//! fingerprint can be neither found nor, at any number of pods, expected).

use std::hash::{BuildHasher as _, RandomState};

use hashbrown::HashTable;
use siphasher::sip128::{Hash128, Hasher128 as _, SipHasher13};

use super::intern::{NONE, place};

#[derive(Debug)]
struct Slot<T> {
    fingerprint: [u64; 2],
    references: u32,
    value: Option<T>,
}

/// Values by the fingerprint of the bytes they are made of.
#[derive(Debug)]
pub(super) struct Fingerprints<T> {
    keys: [u64; 2],
    index: HashTable<u32>,
    slots: Vec<Slot<T>>,
    free: Vec<u32>,
    /// What was asked for last: a list tells the pods of one workload one after the other.
    last: Last,
}

/// Bytes and their id, while something refers to it.
#[derive(Debug)]
struct Last {
    bytes: Vec<u8>,
    extra: u8,
    id: u32,
}

impl<T> Default for Fingerprints<T> {
    fn default() -> Self {
        let random = RandomState::new();
        let keys = [random.hash_one(0), random.hash_one(1)];
        let last = Last { bytes: Vec::new(), extra: 0, id: NONE };
        Self { keys, index: HashTable::new(), slots: Vec::new(), free: Vec::new(), last }
    }
}

impl<T> Fingerprints<T> {
    /// How many distinct values there are.
    pub(super) fn len(&self) -> usize {
        self.index.len()
    }

    fn fingerprint(&self, bytes: &[u8], extra: u8) -> [u64; 2] {
        use std::hash::Hasher as _;
        let mut hasher = SipHasher13::new_with_keys(self.keys[0], self.keys[1]);
        hasher.write(bytes);
        hasher.write_u8(extra);
        let Hash128 { h1, h2 } = hasher.finish128();
        [h1, h2]
    }

    /// The id of these bytes, with one more reference. `extra` is part of them; `make` runs for a new one.
    pub(super) fn acquire(&mut self, bytes: &[u8], extra: u8, make: impl FnOnce() -> T) -> u32 {
        if self.last.id != NONE && self.last.extra == extra && self.last.bytes == bytes {
            self.slots[self.last.id as usize].references += 1;
            return self.last.id;
        }
        let id = self.find_or_make(bytes, extra, make);
        self.last.bytes.clear();
        self.last.bytes.extend_from_slice(bytes);
        (self.last.extra, self.last.id) = (extra, id);
        id
    }

    fn find_or_make(&mut self, bytes: &[u8], extra: u8, make: impl FnOnce() -> T) -> u32 {
        let fingerprint = self.fingerprint(bytes, extra);
        let slots = &self.slots;
        let same = |&id: &u32| slots[id as usize].fingerprint == fingerprint;
        if let Some(&id) = self.index.find(fingerprint[0], same) {
            self.slots[id as usize].references += 1;
            return id;
        }
        let slot = Slot { fingerprint, references: 1, value: Some(make()) };
        let id = place(&mut self.slots, &mut self.free, slot);
        let slots = &self.slots;
        self.index.insert_unique(fingerprint[0], id, |&other| slots[other as usize].fingerprint[0]);
        id
    }

    /// The value of an id that is referred to.
    pub(super) fn value(&self, id: u32) -> Option<&T> {
        self.slots[id as usize].value.as_ref()
    }

    /// Puts another value in the place of an id.
    pub(super) fn replace(&mut self, id: u32, value: T) {
        self.slots[id as usize].value = Some(value);
    }

    /// One reference more.
    pub(super) fn retain(&mut self, id: u32) {
        self.slots[id as usize].references += 1;
    }

    /// One reference less. Returns the value when that was the last one.
    pub(super) fn release(&mut self, id: u32) -> Option<T> {
        let slot = &mut self.slots[id as usize];
        slot.references -= 1;
        if slot.references > 0 {
            return None;
        }
        let value = slot.value.take();
        if let Ok(entry) = self.index.find_entry(slot.fingerprint[0], |&other| other == id) {
            entry.remove();
        }
        if self.last.id == id {
            self.last.id = NONE;
        }
        self.free.push(id);
        value
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_bytes_share_an_id_until_the_last_reference_goes() {
        let mut interner = Fingerprints::default();
        let first = interner.acquire(b"a", 0, || "a");
        assert_eq!(interner.acquire(b"a", 0, || unreachable!()), first);
        assert_ne!(interner.acquire(b"a", 1, || "a, static"), first);
        assert_eq!((interner.release(first), interner.len()), (None, 2));
        assert_eq!((interner.release(first), interner.len()), (Some("a"), 1));
        assert_eq!(interner.acquire(b"b", 0, || "b"), first, "the id is used again");
        assert_eq!(interner.value(first), Some(&"b"));
    }

    #[test]
    fn what_was_asked_for_last_is_not_found_when_nobody_refers_to_it_any_more() {
        let mut interner = Fingerprints::default();
        let first = interner.acquire(b"a", 0, || "first");
        assert_eq!(interner.release(first), Some("first"));
        let again = interner.acquire(b"a", 0, || "again");
        assert_eq!(interner.value(again), Some(&"again"));
    }
}
