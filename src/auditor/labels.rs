//! Label sets, interned, and the selector class of each: which policies' pod selectors it matches.

use std::hash::{BuildHasher as _, Hasher as _};

use foldhash::quality::RandomState;
use hashbrown::HashTable;

use super::intern::{Interner, NONE, place};
use crate::policy::compile::CompiledPolicy;
use crate::subject::canonical::Reader;
use crate::subject::namespace::TextPairs;

#[derive(Debug)]
struct Set {
    hash: u64,
    references: u32,
    class: u32,
    pairs: Box<[(u32, u32)]>,
}

/// A set in canonical form and its id ([`NONE`] when nothing refers to it any more).
#[derive(Debug)]
struct Last {
    canonical: Vec<u8>,
    id: u32,
}

impl Default for Last {
    fn default() -> Self {
        Self { canonical: Vec::new(), id: NONE }
    }
}

/// All label sets of the cluster's pods.
#[derive(Debug, Default)]
pub(super) struct LabelSets {
    hasher: RandomState,
    texts: Interner,
    index: HashTable<u32>,
    sets: Vec<Set>,
    free: Vec<u32>,
    /// Per class, one bit a policy; class 0 is that of a plan without pod selectors.
    classes: Vec<Box<[bool]>>,
    /// Every set is a class of its own, because a rule reads the labels themselves.
    apart: bool,
    /// The one that was asked for last: a list tells the pods of one workload one after the other, and they have most
    /// labels in common.
    last: Last,
    pairs: Vec<(u32, u32)>,
}

impl LabelSets {
    /// The id of a label set in canonical form, with one more reference.
    pub(super) fn acquire(&mut self, canonical: &[u8], policies: &[std::sync::Arc<CompiledPolicy>]) -> u32 {
        if self.last.id != NONE && self.last.canonical == canonical {
            self.sets[self.last.id as usize].references += 1;
            return self.last.id;
        }
        let id = self.find_or_make(canonical, policies);
        self.last.canonical.clear();
        self.last.canonical.extend_from_slice(canonical);
        self.last.id = id;
        id
    }

    fn find_or_make(&mut self, canonical: &[u8], policies: &[std::sync::Arc<CompiledPolicy>]) -> u32 {
        let mut hasher = self.hasher.build_hasher();
        hasher.write(canonical);
        let hash = hasher.finish();
        if let Some(&id) = self.index.find(hash, |&id| self.is(id, hash, canonical)) {
            self.sets[id as usize].references += 1;
            return id;
        }
        let set = Set { hash, references: 1, class: 0, pairs: self.pairs(canonical) };
        let id = place(&mut self.sets, &mut self.free, set);
        let sets = &self.sets;
        self.index.insert_unique(hash, id, |&other| sets[other as usize].hash);
        self.classify(id, policies);
        id
    }

    /// The texts of a new set. What stands at the same place in the last one needs no search.
    fn pairs(&mut self, canonical: &[u8]) -> Box<[(u32, u32)]> {
        let Self { texts, pairs, last, sets, .. } = self;
        let known: &[_] = if last.id == NONE { &[] } else { &sets[last.id as usize].pairs };
        let mut known = known.iter();
        let (mut reader, mut before) = (Reader::new(canonical), Reader::new(&last.canonical));
        let mut id = |text: &str, (known, id): (&[u8], Option<u32>)| match id {
            Some(id) if known == text.as_bytes() => {
                texts.retain(id);
                id
            }
            _ => texts.acquire(text),
        };
        pairs.clear();
        while !reader.is_empty() {
            let (key, value) = known.next().copied().unzip();
            let key = id(reader.text(), (before.bytes(), key));
            pairs.push((key, id(reader.text(), (before.bytes(), value))));
        }
        pairs.as_slice().into()
    }

    fn is(&self, id: u32, hash: u64, canonical: &[u8]) -> bool {
        let set = &self.sets[id as usize];
        if set.hash != hash {
            return false;
        }
        let mut reader = Reader::new(canonical);
        set.pairs.iter().all(|&(key, value)| {
            !reader.is_empty()
                && self.texts.text(key).as_bytes() == reader.bytes()
                && self.texts.text(value).as_bytes() == reader.bytes()
        }) && reader.is_empty()
    }

    /// One reference less.
    pub(super) fn release(&mut self, id: u32) {
        let set = &mut self.sets[id as usize];
        set.references -= 1;
        if set.references > 0 {
            return;
        }
        let (hash, pairs) = (set.hash, std::mem::take(&mut set.pairs));
        if let Ok(entry) = self.index.find_entry(hash, |&other| other == id) {
            entry.remove();
        }
        if self.last.id == id {
            self.last.id = NONE;
        }
        self.free.push(id);
        for &(key, value) in &pairs {
            self.texts.release(key);
            self.texts.release(value);
        }
    }

    /// The selector class of a set.
    pub(super) fn class(&self, id: u32) -> u32 {
        if self.apart { id } else { self.sets[id as usize].class }
    }

    /// The labels of a class; none unless every set is one.
    pub(super) fn texts(&self, class: u32) -> TextPairs {
        let set = self.sets.get(class as usize).filter(|_| self.apart);
        let pairs = set.into_iter().flat_map(|set| set.pairs.iter());
        TextPairs::new(pairs.map(|(key, value)| (self.texts.text(*key), self.texts.text(*value))).collect())
    }

    /// Whether a class is covered by the policy of this index.
    pub(super) fn covers(&self, class: u32, policy: usize) -> bool {
        let class = if self.apart { self.sets[class as usize].class } else { class };
        self.classes.get(class as usize).is_none_or(|bits| bits.get(policy).copied().unwrap_or(true))
    }

    fn classify(&mut self, id: u32, policies: &[std::sync::Arc<CompiledPolicy>]) {
        let class = if policies.iter().any(|policy| policy.scope.selects_pods()) {
            let pairs = &self.sets[id as usize].pairs;
            let value = |wanted: &str| {
                pairs
                    .iter()
                    .find(|(key, _)| self.texts.text(*key) == wanted)
                    .map(|(_, value)| self.texts.text(*value))
            };
            let bits: Box<[bool]> = policies.iter().map(|policy| policy.scope.pod(&value)).collect();
            let known = self.classes.iter().position(|class| *class == bits);
            let class = known.unwrap_or_else(|| {
                self.classes.push(bits);
                self.classes.len() - 1
            });
            u32::try_from(class).unwrap_or(NONE)
        } else {
            0
        };
        self.sets[id as usize].class = class;
    }

    /// Classifies every set anew: the policies have changed, and the old classes mean nothing any more. `apart` makes
    /// a class of each set. Returns whether pods may have moved: without pod selectors, now and before, every set is
    /// in class 0.
    pub(super) fn reclassify(&mut self, policies: &[std::sync::Arc<CompiledPolicy>], apart: bool) -> bool {
        let selected = self.classes.len() > 1 || self.apart || apart;
        self.apart = apart;
        self.classes = vec![policies.iter().map(|policy| !policy.scope.selects_pods()).collect()];
        let selects = policies.iter().any(|policy| policy.scope.selects_pods());
        if !selects && !selected {
            return false;
        }
        for id in 0..self.sets.len() {
            if !selects {
                self.sets[id].class = 0;
            } else if self.sets[id].references > 0 {
                self.classify(u32::try_from(id).unwrap_or(NONE), policies);
            }
        }
        true
    }
}
