//! Interning by content: equal bytes get one id and one value, counted, and forgotten when nobody refers to
//! them any more. Ids are reused, so none may outlive its references.

use std::hash::{BuildHasher as _, Hasher as _};

use foldhash::quality::RandomState;
use hashbrown::HashTable;

/// Marks "no id".
pub(super) const NONE: u32 = u32::MAX;

#[derive(Debug)]
struct Slot<T> {
    hash: u64,
    references: u32,
    extra: u8,
    key: Box<[u8]>,
    value: Option<T>,
}

/// Values by the bytes they are made of.
#[derive(Debug)]
pub(super) struct Interner<T> {
    hasher: RandomState,
    index: HashTable<u32>,
    slots: Vec<Slot<T>>,
    free: Vec<u32>,
}

impl<T> Default for Interner<T> {
    fn default() -> Self {
        Self { hasher: RandomState::default(), index: HashTable::new(), slots: Vec::new(), free: Vec::new() }
    }
}

impl<T> Interner<T> {
    /// How many distinct values there are.
    pub(super) fn len(&self) -> usize {
        self.index.len()
    }

    fn hash(&self, key: &[u8], extra: u8) -> u64 {
        let mut hasher = self.hasher.build_hasher();
        hasher.write(key);
        hasher.write_u8(extra);
        hasher.finish()
    }

    /// The id of `key`, with one more reference. `extra` is part of the key; `make` runs for a new one.
    pub(super) fn acquire(&mut self, key: &[u8], extra: u8, make: impl FnOnce() -> T) -> u32 {
        let hash = self.hash(key, extra);
        let same = |&id: &u32| {
            let slot = &self.slots[id as usize];
            slot.hash == hash && slot.extra == extra && *slot.key == *key
        };
        if let Some(&id) = self.index.find(hash, same) {
            self.slots[id as usize].references += 1;
            return id;
        }
        let slot = Slot { hash, references: 1, extra, key: key.into(), value: Some(make()) };
        let id = place(&mut self.slots, &mut self.free, slot);
        let slots = &self.slots;
        self.index.insert_unique(hash, id, |&other| slots[other as usize].hash);
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

    /// The bytes of an id that is referred to.
    pub(super) fn key(&self, id: u32) -> &[u8] {
        &self.slots[id as usize].key
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
        slot.key = Box::default();
        if let Ok(entry) = self.index.find_entry(slot.hash, |&other| other == id) {
            entry.remove();
        }
        self.free.push(id);
        value
    }
}

/// Puts a slot into a freed place or at the end.
pub(super) fn place<S>(slots: &mut Vec<S>, free: &mut Vec<u32>, slot: S) -> u32 {
    if let Some(id) = free.pop() {
        slots[id as usize] = slot;
        return id;
    }
    slots.push(slot);
    u32::try_from(slots.len() - 1).unwrap_or(NONE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_bytes_share_an_id_until_the_last_reference_goes() {
        let mut interner = Interner::default();
        let first = interner.acquire(b"a", 0, || "a");
        assert_eq!(interner.acquire(b"a", 0, || unreachable!()), first);
        assert_ne!(interner.acquire(b"a", 1, || "a, static"), first);
        assert_eq!((interner.release(first), interner.len()), (None, 2));
        assert_eq!((interner.release(first), interner.len()), (Some("a"), 1));
        assert_eq!(interner.acquire(b"b", 0, || "b"), first, "the id is used again");
        assert_eq!(interner.value(first), Some(&"b"));
    }
}
