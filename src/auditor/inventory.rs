//! The inventory: every pod as a row of ids, and the interned shapes, running states, owners and label sets
//! that rows refer to. Pods that agree in all of them form a group; everything above works on groups.

use std::collections::{BTreeSet, HashMap};
use std::hash::{BuildHasher as _, Hasher as _};
use std::sync::Arc;
use std::time::Duration;

use foldhash::quality::RandomState;
use hashbrown::HashTable;
use jiff::Timestamp;

use super::clock::{Clock, Clocks};
use super::findings::{Judged, Workload};
use super::fingerprints::Fingerprints;
use super::groups::{Group, GroupKey, Groups, Left};
use super::intern::{NONE, place};
use super::labels::LabelSets;
use super::namespaces::Namespaces;
use super::pairs::{PairKey, Pairs};
use super::references::References;
use super::shared::Distinct;
use super::stand_ins::StandIns;
use super::suspicion::hosts::Hosts;
use super::suspicion::tags::Tags;
use super::workload::{put_key, workload};
use crate::decode::pod::{PodRecord, Section};
use crate::decode::{JobRecord, Source};
use crate::policy::compile::CompiledPolicy;
use crate::rules::PodsRead;
use crate::subject::facts::Facts;
use crate::subject::pod::{Image, PodShape};
use crate::subject::running::RunningState;
use crate::subject::uid::parse_uid;

#[derive(Debug)]
struct Row {
    uid: [u64; 2],
    fingerprint: u64,
    group: u32,
    labels: u32,
}

/// Id of an owner that names a Job, and the key it is made of.
type JobOwner = (u32, Box<[u8]>);

/// What an applied pod meant.
#[derive(Debug)]
pub(super) enum Applied {
    /// Nothing that is read has changed.
    Unchanged,
    /// A pod that was not there, or something of it changed: the group it is in now, and what was judged of it before,
    /// if somebody watches.
    Changed(u32, Option<Arc<Judged>>),
}

/// Everything that is known of pods, and what they refer to.
#[derive(Debug, Default)]
pub(super) struct Inventory {
    hasher: RandomState,
    pub(super) names: Distinct<str>,
    images: Distinct<Image>,
    facts: Distinct<Facts>,
    pub(super) shapes: Fingerprints<Arc<PodShape>>,
    pub(super) runnings: Fingerprints<Arc<RunningState>>,
    pub(super) pairs: Pairs,
    pub(super) owners: Fingerprints<Arc<Workload>>,
    /// Stable hash of each owner's workload, side by side for all owners.
    pub(super) owner_hashes: Vec<u64>,
    owner_key: Vec<u8>,
    /// Owners that name a Job, by its uid, with the key they are made of.
    pub(super) job_owners: HashMap<u128, Vec<JobOwner>>,
    pub(super) jobs: HashMap<u128, (JobRecord, u32)>,
    pub(super) labels: LabelSets,
    pub(super) groups: Groups,
    row_index: HashTable<u32>,
    rows: Vec<Row>,
    free_rows: Vec<u32>,
    /// While pods are told again, which rows were.
    told: Option<Vec<bool>>,
    pub(super) job_generation: u32,
    pub(super) clocks: Clocks,
    sources: HashMap<u32, Source>,
    pub(super) references: References,
    pub(super) hosts: Hosts,
    pub(super) tags: Tags,
    pub(super) stand_ins: StandIns,
    /// Pods that could not be decoded.
    pub(super) malformed: u64,
}

impl Inventory {
    /// How many pods there are.
    pub(super) fn pods(&self) -> usize {
        self.row_index.len() - self.stand_ins.len()
    }

    /// How many distinct images there are (or were, since the last sweep).
    pub(super) fn images(&self) -> usize {
        self.images.len()
    }

    /// The workload of a group.
    pub(super) fn workload(&self, group: &Group) -> Option<&Arc<Workload>> {
        self.owners.value(group.key.owner)
    }

    /// What was judged of a group.
    pub(super) fn judged(&self, group: &Group) -> &Arc<Judged> {
        self.pairs.judged(group.key.pair)
    }

    /// All that is read of a pod, in 64 keyed bits: two records with the same fingerprint are the same. The same pod in
    /// another order of fields has another one, which costs a look at what it means; an API server keeps to one order.
    #[inline]
    fn fingerprint(&self, record: &PodRecord) -> u64 {
        let mut hasher = self.hasher.build_hasher();
        let (bytes, sections) = record.whole();
        hasher.write(bytes);
        for (start, end) in sections {
            hasher.write_u64(u64::from(*start) << 32 | u64::from(*end));
        }
        // Seconds of a timestamp leave the upper byte alone.
        hasher.write_u64(record.unready_since.cast_unsigned() << 8 | u64::from(record.flags));
        hasher.finish()
    }

    fn row_of(&self, uid: [u64; 2], hash: u64) -> Option<u32> {
        let rows = &self.rows;
        self.row_index.find(hash, |&row| rows[row as usize].uid == uid).copied()
    }

    fn uid_hash(&self, uid: [u64; 2]) -> u64 {
        let mut hasher = self.hasher.build_hasher();
        hasher.write_u64(uid[0]);
        hasher.write_u64(uid[1]);
        hasher.finish()
    }

    /// Takes in a pod. `policies` classify its labels; `graces` round its clocks.
    pub(super) fn apply(
        &mut self,
        record: &PodRecord,
        namespaces: &mut Namespaces,
        policies: &[Arc<CompiledPolicy>],
        graces: &[Duration],
        now: Timestamp,
    ) -> Applied {
        let uid = split(record.uid);
        let fingerprint = self.fingerprint(record);
        let hash = self.uid_hash(uid);
        let row = self.row_of(uid, hash);
        if let Some(row) = row {
            self.note_told(row);
            if self.rows[row as usize].fingerprint == fingerprint {
                return Applied::Unchanged;
            }
        }
        if record.flags & PodShape::MALFORMED != 0 {
            self.malformed += 1;
        }
        let shape = self.acquire_shape(record);
        let running = self.acquire_running(record);
        let before = row.filter(|_| self.tags.is_watching()).map(|row| self.judged_row(row));
        if self.tags.is_watching() {
            self.note_starts(before.as_deref(), shape, running);
        }
        let mut clock = Clock { unready_since: record.unready_since, changed_at: 0 };
        if let Some(row) = row {
            let before = *self.groups.get(self.rows[row as usize].group);
            clock.changed_at = match self.pairs.key(before.key.pair).shape == shape {
                true => self.clocks.changed_at(row),
                false => now.as_second(),
            };
        }
        let key = PairKey::new(shape, running, clock, graces, now);
        let pair = self.acquire_pair(key, policies);
        let (namespace, owner) = (namespaces.acquire(record.namespace()), self.acquire_owner(record));
        let labels = self.labels.acquire(record.section(Section::Labels), policies);
        let class = self.labels.class(labels);
        let group = self.join_group(GroupKey { namespace, owner, pair, class }, namespaces);
        let row = match row {
            Some(row) => {
                let old = &mut self.rows[row as usize];
                let (old_group, old_labels) = (old.group, old.labels);
                (old.group, old.labels, old.fingerprint) = (group, labels, fingerprint);
                self.note_last(old_group, namespaces);
                self.release_group(old_group, namespaces);
                self.labels.release(old_labels);
                row
            }
            None => self.insert_row(hash, Row { uid, fingerprint, group, labels }),
        };
        self.clocks.set(row, clock, graces, now);
        if let Some(source) = &record.source {
            self.sources.insert(row, source.clone());
        }
        Applied::Changed(group, before)
    }

    fn judged_row(&self, row: u32) -> Arc<Judged> {
        self.judged(self.groups.get(self.rows[row as usize].group)).clone()
    }

    /// Notes that this row was told, while pods are told again.
    #[inline]
    fn note_told(&mut self, row: u32) {
        if let Some(told) = &mut self.told {
            note(told, row as usize);
        }
    }

    fn insert_row(&mut self, hash: u64, row: Row) -> u32 {
        let id = place(&mut self.rows, &mut self.free_rows, row);
        self.note_told(id);
        let (rows, hasher) = (&self.rows, &self.hasher);
        self.row_index.insert_unique(hash, id, |&other| {
            let mut state = hasher.build_hasher();
            rows[other as usize].uid.iter().for_each(|part| state.write_u64(*part));
            state.finish()
        });
        id
    }

    fn acquire_shape(&mut self, record: &PodRecord) -> u32 {
        let Self { shapes, names, images, facts, hosts, .. } = self;
        shapes.acquire(record.section(Section::Shape), record.flags, || {
            let name = |text: &str| names.get(text, |text| text.into());
            let image = |text: &str| images.get(text, |text| hosts.noted(Arc::new(Image::new(text))));
            let facts = |bytes: &[u8]| facts.get(bytes, |bytes| Arc::new(Facts::new(bytes)));
            Arc::new(PodShape::read(record.section(Section::Shape), record.flags, name, image, facts))
        })
    }

    fn acquire_running(&mut self, record: &PodRecord) -> u32 {
        let Self { runnings, names, .. } = self;
        runnings.acquire(record.section(Section::Running), 0, || {
            Arc::new(RunningState::read(record.section(Section::Running), |text| {
                names.get(text, |text| text.into())
            }))
        })
    }

    fn acquire_owner(&mut self, record: &PodRecord) -> u32 {
        let owner = record.section(Section::Owner);
        let (bare, mut key) = (owner.is_empty(), std::mem::take(&mut self.owner_key));
        let account = record.section(Section::Account);
        let labels = record.section(Section::Labels);
        put_key(&mut key, owner, labels, account, (record.name(), record.uid));
        let Self { jobs, names, owners, .. } = self;
        let mut shared = |text: &str| names.get(text, |text| text.into());
        let (mut new, mut job_uid) = (false, None);
        let id = owners.acquire(&key, u8::from(bare), || {
            new = true;
            Arc::new(workload(&key, bare, &mut shared, |uid| {
                job_uid = Some(parse_uid(uid));
                job_uid.and_then(|uid| jobs.get(&uid)).map(|(job, _)| job)
            }))
        });
        if new {
            self.note_owner(id);
        }
        if let (true, Some(uid)) = (new, job_uid) {
            self.job_owners.entry(uid).or_default().push((id, key.as_slice().into()));
        }
        self.owner_key = key;
        id
    }

    /// Keeps the hash of an owner's workload, which is new or another one.
    pub(super) fn note_owner(&mut self, owner: u32) {
        let at = owner as usize;
        self.owner_hashes.resize(self.owner_hashes.len().max(at + 1), 0);
        self.owner_hashes[at] = self.owners.value(owner).map_or(0, |workload| workload.hash);
    }

    /// The pair of a key whose shape and running state are already referred to once: those references go
    /// over to the pair, or are given back when the pair exists.
    fn acquire_pair(&mut self, key: PairKey, policies: &[Arc<CompiledPolicy>]) -> u32 {
        let (shapes, runnings, runtimes) = (&self.shapes, &self.runnings, self.pairs.runtimes());
        let (pair, new) = self.pairs.acquire(key, policies, || {
            let shape = shapes.value(key.shape).cloned().unwrap_or_default();
            let running = runnings.value(key.running).cloned().unwrap_or_default();
            let (unready, spec_changed) = (key.unready(), key.spec_changed());
            Arc::new(Judged { shape, running, unready, spec_changed, runtimes })
        });
        if !new {
            self.shapes.release(key.shape);
            self.runnings.release(key.running);
        }
        pair
    }

    /// The group of this key with one more pod. Each id in the key has been acquired once by the caller; what
    /// the group already refers to is given back.
    fn join_group(&mut self, key: GroupKey, namespaces: &mut Namespaces) -> u32 {
        namespaces.changed_pods(key.namespace, self.pods_in(key.pair));
        if let Some(id) = self.groups.join(&key) {
            namespaces.release(key.namespace);
            self.owners.release(key.owner);
            self.pairs.release_shared(key.pair);
            return id;
        }
        let id = self.groups.insert(key, namespaces.first_group(key.namespace));
        namespaces.set_first_group(key.namespace, id);
        self.references.add(id, self.pairs.judged(key.pair));
        id
    }

    /// How many pods a row of this pair is: a template stands for none.
    fn pods_in(&self, pair: u32) -> i32 {
        i32::from(!self.pairs.outline(pair).stands_in)
    }

    /// One pod less in a group.
    fn release_group(&mut self, id: u32, namespaces: &mut Namespaces) {
        let key = self.groups.get(id).key;
        namespaces.changed_pods(key.namespace, -self.pods_in(key.pair));
        let Left::Nobody(first) = self.groups.leave(id) else { return };
        if let Some(first) = first {
            namespaces.set_first_group(key.namespace, first);
        }
        self.references.remove(id, self.pairs.judged(key.pair));
        self.tags.left(self.pairs.judged(key.pair), &self.references);
        if let Some(pair) = self.pairs.release(key.pair) {
            self.shapes.release(pair.shape);
            self.runnings.release(pair.running);
        }
        if let Some(workload) = self.owners.release(key.owner) {
            self.forget_job_owner(key.owner, &workload);
        }
        namespaces.release(key.namespace);
    }

    /// Forgets a pod.
    pub(super) fn remove(&mut self, uid: u128, namespaces: &mut Namespaces) {
        let uid = split(uid);
        if let Some(row) = self.row_of(uid, self.uid_hash(uid)) {
            self.remove_row(row, namespaces);
        }
    }

    fn remove_row(&mut self, id: u32, namespaces: &mut Namespaces) {
        let row = &mut self.rows[id as usize];
        let (uid, group, labels) = (row.uid, row.group, row.labels);
        row.group = NONE;
        let hash = self.uid_hash(uid);
        if let Ok(entry) = self.row_index.find_entry(hash, |&other| other == id) {
            entry.remove();
        }
        self.free_rows.push(id);
        self.clocks.remove(id);
        self.sources.remove(&id);
        self.note_last(group, namespaces);
        self.release_group(group, namespaces);
        self.labels.release(labels);
    }

    /// From now on pods are told again.
    pub(super) fn relist_started(&mut self) {
        self.told = Some(vec![false; self.rows.len()]);
        self.tags.list(true);
    }

    /// Pods that were not told again are gone.
    pub(super) fn relist_finished(&mut self, namespaces: &mut Namespaces) {
        self.tags.list(false);
        PodRecord::list_is_over();
        let Some(told) = self.told.take() else { return };
        for id in 0..self.rows.len() {
            let row = &self.rows[id];
            let is_pod = row.group != NONE && self.pods_in(self.groups.get(row.group).key.pair) > 0;
            if is_pod && told.get(id) != Some(&true) {
                self.remove_row(u32::try_from(id).unwrap_or(NONE), namespaces);
            }
        }
        self.sweep();
    }

    /// Forgets names and images that nothing refers to.
    pub(super) fn sweep(&mut self) {
        self.names.sweep();
        self.images.sweep();
        self.facts.sweep();
    }

    /// Moves the pods whose grace is over to the group of the next threshold.
    pub(super) fn tick(
        &mut self,
        namespaces: &mut Namespaces,
        policies: &[Arc<CompiledPolicy>],
        graces: &[Duration],
        now: Timestamp,
    ) {
        for row in self.clocks.due(now) {
            self.move_row(row, namespaces, policies, graces, now);
        }
    }

    /// Rounds every running clock anew and classifies every label set: the policies have changed.
    pub(super) fn replan(
        &mut self,
        namespaces: &mut Namespaces,
        policies: &[Arc<CompiledPolicy>],
        pods: PodsRead,
        graces: &[Duration],
        now: Timestamp,
    ) {
        let moved = self.labels.reclassify(policies, pods == PodsRead::Labels);
        let clocked: BTreeSet<u32> = self.clocks.rows().collect();
        if !moved {
            for row in clocked {
                self.move_row(row, namespaces, policies, graces, now);
            }
            return;
        }
        for id in 0..self.rows.len() {
            let row = &self.rows[id];
            let id = u32::try_from(id).unwrap_or(NONE);
            if row.group == NONE {
                continue;
            }
            let class_moved = self.groups.get(row.group).key.class != self.labels.class(row.labels);
            if class_moved || clocked.contains(&id) {
                self.move_row(id, namespaces, policies, graces, now);
            }
        }
    }

    /// Puts a row into the group it belongs to now.
    fn move_row(
        &mut self,
        id: u32,
        namespaces: &mut Namespaces,
        policies: &[Arc<CompiledPolicy>],
        graces: &[Duration],
        now: Timestamp,
    ) {
        let (old, labels) = (self.rows[id as usize].group, self.rows[id as usize].labels);
        let group = self.groups.get(old).key;
        let clock = self.clocks.get(id);
        let before = *self.pairs.key(group.pair);
        let key = PairKey::new(before.shape, before.running, clock, graces, now);
        self.clocks.set(id, clock, graces, now);
        let class = self.labels.class(labels);
        if key == before && class == group.class {
            return;
        }
        self.shapes.retain(key.shape);
        self.runnings.retain(key.running);
        self.owners.retain(group.owner);
        namespaces.retain(group.namespace);
        let pair = self.acquire_pair(key, policies);
        let joined = self.join_group(GroupKey { pair, class, ..group }, namespaces);
        self.rows[id as usize].group = joined;
        self.release_group(old, namespaces);
    }

    /// How many rows there are, or were at most.
    pub(super) fn rows(&self) -> usize {
        self.rows.len()
    }

    /// Every pod: its group, and where it stands in the input.
    pub(super) fn each_row(&self) -> impl Iterator<Item = (&Group, Option<&Source>)> {
        self.rows.iter().enumerate().filter(|(_, row)| row.group != NONE).map(|(id, row)| {
            let source = u32::try_from(id).ok().and_then(|id| self.sources.get(&id));
            (self.groups.get(row.group), source)
        })
    }
}

fn note(told: &mut Vec<bool>, row: usize) {
    told.resize(told.len().max(row + 1), false);
    told[row] = true;
}

fn split(uid: u128) -> [u64; 2] {
    #[expect(clippy::cast_possible_truncation, reason = "the two halves")]
    [(uid >> 64) as u64, uid as u64]
}
