//! Interning of texts: equal texts get one id, counted, and forgotten when nobody refers to them any more. Ids are
//! reused, so none may outlive its references.

use std::hash::BuildHasher as _;

use foldhash::quality::RandomState;
use hashbrown::HashTable;

/// Marks "no id".
pub(super) const NONE: u32 = u32::MAX;

#[derive(Debug)]
struct Slot {
    text: Box<str>,
    references: u32,
}

/// Texts by id.
#[derive(Debug, Default)]
pub(super) struct Interner {
    hasher: RandomState,
    index: HashTable<u32>,
    slots: Vec<Slot>,
    free: Vec<u32>,
}

impl Interner {
    /// The id of a text, with one more reference.
    pub(super) fn acquire(&mut self, text: &str) -> u32 {
        let hash = self.hasher.hash_one(text);
        let slots = &self.slots;
        if let Some(&id) = self.index.find(hash, |&id| *slots[id as usize].text == *text) {
            self.slots[id as usize].references += 1;
            return id;
        }
        let id = place(&mut self.slots, &mut self.free, Slot { references: 1, text: text.into() });
        let (slots, hasher) = (&self.slots, &self.hasher);
        self.index.insert_unique(hash, id, |&other| hasher.hash_one(&*slots[other as usize].text));
        id
    }

    /// One reference more.
    pub(super) fn retain(&mut self, id: u32) {
        self.slots[id as usize].references += 1;
    }

    /// The text of an id that is referred to.
    pub(super) fn text(&self, id: u32) -> &str {
        &self.slots[id as usize].text
    }

    /// One reference less.
    pub(super) fn release(&mut self, id: u32) {
        let slot = &mut self.slots[id as usize];
        slot.references -= 1;
        if slot.references > 0 {
            return;
        }
        let text = std::mem::take(&mut slot.text);
        if let Ok(entry) = self.index.find_entry(self.hasher.hash_one(&*text), |&other| other == id) {
            entry.remove();
        }
        self.free.push(id);
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
    fn equal_texts_share_an_id_until_the_last_reference_goes() {
        let mut interner = Interner::default();
        let first = interner.acquire("a");
        assert_eq!(interner.acquire("a"), first);
        interner.release(first);
        assert_eq!((interner.acquire("a"), interner.text(first)), (first, "a"));
        interner.release(first);
        interner.release(first);
        assert_eq!(interner.acquire("b"), first, "the id is used again");
        assert_eq!(interner.text(first), "b");
    }
}
