//! Groups: pods of one namespace that agree in everything that is judged, counted. Those of a namespace are a
//! list, of which the namespace knows the first.

use std::hash::{BuildHasher as _, Hasher as _};

use foldhash::quality::RandomState;
use hashbrown::HashTable;

use super::intern::{NONE, place};

/// What the pods of a group agree in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct GroupKey {
    /// Index of the namespace.
    pub(super) namespace: u32,
    /// Id of the workload.
    pub(super) owner: u32,
    /// Id of the pair of shape and running state.
    pub(super) pair: u32,
    /// Selector class.
    pub(super) class: u32,
}

/// Pods that agree.
#[derive(Clone, Copy, Debug)]
pub(super) struct Group {
    /// In what.
    pub(super) key: GroupKey,
    /// How many.
    pub(super) count: u32,
    previous: u32,
    next: u32,
}

/// What a pod that left meant to its group.
pub(super) enum Left {
    /// Others are still in it.
    Others,
    /// It was the last one: the group is no more. The first group of the namespace, if that has changed.
    Nobody(Option<u32>),
}

/// All groups.
#[derive(Debug, Default)]
pub(super) struct Groups {
    hasher: RandomState,
    index: HashTable<u32>,
    groups: Vec<Group>,
    free: Vec<u32>,
}

fn hash(hasher: &RandomState, key: &GroupKey) -> u64 {
    let mut state = hasher.build_hasher();
    for part in [key.namespace, key.owner, key.pair, key.class] {
        state.write_u32(part);
    }
    state.finish()
}

impl Groups {
    /// A group that is in use.
    pub(super) fn get(&self, id: u32) -> &Group {
        &self.groups[id as usize]
    }

    /// All groups.
    pub(super) fn all(&self) -> impl Iterator<Item = &Group> {
        self.groups.iter().filter(|group| group.count > 0)
    }

    /// One more pod in the group of this key, if there is one.
    pub(super) fn join(&mut self, key: &GroupKey) -> Option<u32> {
        let groups = &self.groups;
        let same = |&id: &u32| groups[id as usize].key == *key;
        let id = *self.index.find(hash(&self.hasher, key), same)?;
        self.groups[id as usize].count += 1;
        Some(id)
    }

    /// A new group of one pod, before the group that was the namespace's first.
    pub(super) fn insert(&mut self, key: GroupKey, next: u32) -> u32 {
        let id = place(&mut self.groups, &mut self.free, Group { key, count: 1, previous: NONE, next });
        if next != NONE {
            self.groups[next as usize].previous = id;
        }
        let Self { index, groups, hasher, .. } = self;
        index.insert_unique(hash(hasher, &key), id, |&other| hash(hasher, &groups[other as usize].key));
        id
    }

    /// One pod less.
    pub(super) fn leave(&mut self, id: u32) -> Left {
        let group = &mut self.groups[id as usize];
        group.count -= 1;
        let group = *group;
        if group.count > 0 {
            return Left::Others;
        }
        if let Ok(entry) = self.index.find_entry(hash(&self.hasher, &group.key), |&other| other == id) {
            entry.remove();
        }
        self.free.push(id);
        if group.next != NONE {
            self.groups[group.next as usize].previous = group.previous;
        }
        if group.previous == NONE {
            return Left::Nobody(Some(group.next));
        }
        self.groups[group.previous as usize].next = group.next;
        Left::Nobody(None)
    }

    /// The groups of a namespace, from its first one.
    pub(super) fn from(&self, first: u32) -> impl Iterator<Item = &Group> {
        let mut at = first;
        std::iter::from_fn(move || {
            let group = (at != NONE).then(|| &self.groups[at as usize])?;
            at = group.next;
            Some(group)
        })
    }
}
