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
use super::intern::{Interner, NONE, place};
use super::labels::LabelSets;
use super::namespaces::Namespaces;
use super::pairs::{PairKey, Pairs};
use super::references::References;
use super::workload::{put_key, workload};
use crate::decode::pod::{PodRecord, Section, parse_uid};
use crate::decode::{JobRecord, Source};
use crate::policy::compile::CompiledPolicy;
use crate::subject::pod::{Image, PodShape};
use crate::subject::running::RunningState;

/// Pods of one namespace that agree in owner, shape, running state, graces and selector class.
#[derive(Clone, Copy, Debug)]
pub(super) struct Group {
    /// Index of the namespace.
    pub(super) namespace: u32,
    /// Id of the workload.
    pub(super) owner: u32,
    /// Id of the pair of shape and running state.
    pub(super) pair: u32,
    /// Selector class.
    pub(super) class: u32,
    /// How many pods.
    pub(super) count: u32,
    previous: u32,
    /// The next group of the namespace.
    pub(super) next: u32,
}

impl Group {
    fn is(&self, namespace: u32, owner: u32, pair: u32, class: u32) -> bool {
        (self.namespace, self.owner, self.pair, self.class) == (namespace, owner, pair, class)
    }
}

#[derive(Debug)]
struct Row {
    uid: [u64; 2],
    fingerprint: u64,
    group: u32,
    labels: u32,
    generation: u32,
}

/// What an applied pod meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Applied {
    /// Nothing that is read has changed.
    Unchanged,
    /// A pod that was not there, or something of it changed.
    Changed,
}

/// Everything that is known of pods, and what they refer to.
#[derive(Debug, Default)]
pub(super) struct Inventory {
    hasher: RandomState,
    names: HashTable<Arc<str>>,
    images: HashTable<Arc<Image>>,
    swept_at: usize,
    pub(super) shapes: Interner<Arc<PodShape>>,
    pub(super) runnings: Interner<Arc<RunningState>>,
    pub(super) pairs: Pairs,
    owners: Interner<Arc<Workload>>,
    owner_key: Vec<u8>,
    job_owners: HashMap<u128, Vec<u32>>,
    jobs: HashMap<u128, (JobRecord, u32)>,
    pub(super) labels: LabelSets,
    group_index: HashTable<u32>,
    pub(super) groups: Vec<Group>,
    free_groups: Vec<u32>,
    row_index: HashTable<u32>,
    rows: Vec<Row>,
    free_rows: Vec<u32>,
    generation: u32,
    job_generation: u32,
    pub(super) clocks: Clocks,
    sources: HashMap<u32, Source>,
    pub(super) references: References,
    /// Pods that could not be decoded.
    pub(super) malformed: u64,
}

impl Inventory {
    /// How many pods there are.
    pub(super) fn pods(&self) -> usize {
        self.row_index.len()
    }

    /// How many distinct images there are (or were, since the last sweep).
    pub(super) fn images(&self) -> usize {
        self.images.len()
    }

    /// The workload of a group.
    pub(super) fn workload(&self, group: &Group) -> Option<&Arc<Workload>> {
        self.owners.value(group.owner)
    }

    /// What was judged of a group.
    pub(super) fn judged(&self, group: &Group) -> &Arc<Judged> {
        self.pairs.judged(group.pair)
    }

    /// All that is read of a pod, in 64 keyed bits: two records with the same fingerprint are the same.
    #[inline]
    fn fingerprint(&self, record: &PodRecord) -> u64 {
        let mut hasher = self.hasher.build_hasher();
        for section in [Section::Namespace, Section::Labels, Section::Owner, Section::Shape, Section::Running]
        {
            let bytes = record.section(section);
            hasher.write(bytes);
            hasher.write_u32(u32::try_from(bytes.len()).unwrap_or(u32::MAX));
        }
        hasher.write_u8(record.flags);
        hasher.write_i64(record.unready_since);
        hasher.finish()
    }

    fn row_of(&self, uid: [u64; 2]) -> Option<u32> {
        let rows = &self.rows;
        self.row_index.find(self.uid_hash(uid), |&row| rows[row as usize].uid == uid).copied()
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
        let row = self.row_of(uid);
        if let Some(row) = row {
            let row = &mut self.rows[row as usize];
            row.generation = self.generation;
            if row.fingerprint == fingerprint {
                return Applied::Unchanged;
            }
        }
        if record.flags & PodShape::MALFORMED != 0 {
            self.malformed += 1;
        }
        let shape = self.acquire_shape(record);
        let running = self.acquire_running(record);
        let mut clock = Clock { unready_since: record.unready_since, changed_at: 0 };
        if let Some(row) = row {
            let before = self.groups[self.rows[row as usize].group as usize];
            clock.changed_at = match self.pairs.key(before.pair).shape == shape {
                true => self.clocks.changed_at(row),
                false => now.as_second(),
            };
        }
        let key = PairKey::new(shape, running, clock, graces, now);
        let group = self.acquire_group(record, namespaces, policies, key);
        let labels = self.labels.acquire(record.section(Section::Labels), policies);
        let group = self.put_class(group, labels, namespaces);
        let row = match row {
            Some(row) => {
                let old = &mut self.rows[row as usize];
                let (old_group, old_labels) = (old.group, old.labels);
                (old.group, old.labels, old.fingerprint) = (group, labels, fingerprint);
                self.release_group(old_group, namespaces);
                self.labels.release(old_labels);
                row
            }
            None => self.insert_row(Row { uid, fingerprint, group, labels, generation: self.generation }),
        };
        self.clocks.set(row, clock, graces, now);
        if let Some(source) = &record.source {
            self.sources.insert(row, source.clone());
        }
        Applied::Changed
    }

    fn insert_row(&mut self, row: Row) -> u32 {
        let hash = self.uid_hash(row.uid);
        let id = place(&mut self.rows, &mut self.free_rows, row);
        let (rows, hasher) = (&self.rows, &self.hasher);
        self.row_index.insert_unique(hash, id, |&other| {
            let mut state = hasher.build_hasher();
            rows[other as usize].uid.iter().for_each(|part| state.write_u64(*part));
            state.finish()
        });
        id
    }

    fn acquire_shape(&mut self, record: &PodRecord) -> u32 {
        let Self { shapes, names, images, hasher, .. } = self;
        shapes.acquire(record.section(Section::Shape), record.flags, || {
            let name = |text: &str| shared_name(names, hasher, text);
            let image = |text: &str| shared_image(images, hasher, text);
            Arc::new(PodShape::read(record.section(Section::Shape), record.flags, name, image))
        })
    }

    fn acquire_running(&mut self, record: &PodRecord) -> u32 {
        let Self { runnings, names, hasher, .. } = self;
        runnings.acquire(record.section(Section::Running), 0, || {
            let name = |text: &str| shared_name(names, hasher, text);
            Arc::new(RunningState::read(record.section(Section::Running), name))
        })
    }

    fn acquire_owner(&mut self, record: &PodRecord) -> u32 {
        let owner = record.section(Section::Owner);
        let (bare, mut key) = (owner.is_empty(), std::mem::take(&mut self.owner_key));
        put_key(&mut key, owner, record.section(Section::Labels), record.name(), record.uid);
        let jobs = &self.jobs;
        let (mut new, mut job_uid) = (false, None);
        let id = self.owners.acquire(&key, u8::from(bare), || {
            new = true;
            Arc::new(workload(&key, bare, |uid| {
                job_uid = Some(parse_uid(uid));
                job_uid.and_then(|uid| jobs.get(&uid)).map(|(job, _)| job)
            }))
        });
        if let (true, Some(uid)) = (new, job_uid) {
            self.job_owners.entry(uid).or_default().push(id);
        }
        self.owner_key = key;
        id
    }

    fn acquire_group(
        &mut self,
        record: &PodRecord,
        namespaces: &mut Namespaces,
        policies: &[Arc<CompiledPolicy>],
        key: PairKey,
    ) -> (u32, u32, u32) {
        let pair = self.acquire_pair(key, policies);
        (namespaces.acquire(record.namespace()), self.acquire_owner(record), pair)
    }

    /// The pair of a key whose shape and running state are already referred to once: those references go
    /// over to the pair, or are given back when the pair exists.
    fn acquire_pair(&mut self, key: PairKey, policies: &[Arc<CompiledPolicy>]) -> u32 {
        let (shapes, runnings) = (&self.shapes, &self.runnings);
        let (pair, new) = self.pairs.acquire(key, policies, || {
            let shape = shapes.value(key.shape).cloned().unwrap_or_default();
            let running = runnings.value(key.running).cloned().unwrap_or_default();
            Arc::new(Judged { shape, running, unready: key.unready(), spec_changed: key.spec_changed() })
        });
        if !new {
            self.shapes.release(key.shape);
            self.runnings.release(key.running);
        }
        pair
    }

    fn put_class(
        &mut self,
        (namespace, owner, pair): (u32, u32, u32),
        labels: u32,
        namespaces: &mut Namespaces,
    ) -> u32 {
        self.join_group(namespace, owner, pair, self.labels.class(labels), namespaces)
    }

    /// The group of these ids with one more pod. Each id has been acquired once by the caller; what the group
    /// already refers to is given back.
    fn join_group(
        &mut self,
        namespace: u32,
        owner: u32,
        pair: u32,
        class: u32,
        namespaces: &mut Namespaces,
    ) -> u32 {
        let hash = self.group_hash(namespace, owner, pair, class);
        let groups = &self.groups;
        namespaces.changed_pods(namespace, 1);
        let found =
            self.group_index.find(hash, |&id| groups[id as usize].is(namespace, owner, pair, class)).copied();
        if let Some(id) = found {
            self.groups[id as usize].count += 1;
            namespaces.release(namespace);
            self.owners.release(owner);
            self.pairs.release_shared(pair);
            return id;
        }
        let next = namespaces.first_group(namespace);
        let group = Group { namespace, owner, pair, class, count: 1, previous: NONE, next };
        let id = place(&mut self.groups, &mut self.free_groups, group);
        namespaces.set_first_group(namespace, id);
        if next != NONE {
            self.groups[next as usize].previous = id;
        }
        let Self { group_index, groups, hasher, .. } = self;
        group_index.insert_unique(hash, id, |&other| hash_group(hasher, &groups[other as usize]));
        self.references.add(id, self.pairs.judged(pair));
        id
    }

    fn group_hash(&self, namespace: u32, owner: u32, pair: u32, class: u32) -> u64 {
        hash_group(
            &self.hasher,
            &Group { namespace, owner, pair, class, count: 0, previous: NONE, next: NONE },
        )
    }

    /// One pod less in a group.
    fn release_group(&mut self, id: u32, namespaces: &mut Namespaces) {
        let group = &mut self.groups[id as usize];
        group.count -= 1;
        let group = *group;
        namespaces.changed_pods(group.namespace, -1);
        if group.count > 0 {
            return;
        }
        self.references.remove(id, self.pairs.judged(group.pair));
        let hash = hash_group(&self.hasher, &group);
        if let Ok(entry) = self.group_index.find_entry(hash, |&other| other == id) {
            entry.remove();
        }
        match group.previous {
            NONE => namespaces.set_first_group(group.namespace, group.next),
            previous => self.groups[previous as usize].next = group.next,
        }
        if group.next != NONE {
            self.groups[group.next as usize].previous = group.previous;
        }
        self.free_groups.push(id);
        if let Some(key) = self.pairs.release(group.pair) {
            self.shapes.release(key.shape);
            self.runnings.release(key.running);
        }
        if let Some(workload) = self.owners.release(group.owner) {
            self.forget_job_owner(group.owner, &workload);
        }
        namespaces.release(group.namespace);
    }

    fn forget_job_owner(&mut self, owner: u32, workload: &Workload) {
        let uid = match &workload.through {
            Some(through) if through.kind.as_ref() == "Job" => parse_uid(&through.uid),
            None if workload.kind.as_ref() == "Job" => parse_uid(&workload.uid),
            _ => return,
        };
        if let Some(owners) = self.job_owners.get_mut(&uid) {
            owners.retain(|other| *other != owner);
            if owners.is_empty() {
                self.job_owners.remove(&uid);
            }
        }
    }

    /// Forgets a pod.
    pub(super) fn remove(&mut self, uid: u128, namespaces: &mut Namespaces) {
        if let Some(row) = self.row_of(split(uid)) {
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
        self.release_group(group, namespaces);
        self.labels.release(labels);
    }

    /// From now on pods are told again.
    pub(super) fn relist_started(&mut self) {
        self.generation = self.generation.wrapping_add(1);
    }

    /// Pods that were not told again are gone.
    pub(super) fn relist_finished(&mut self, namespaces: &mut Namespaces) {
        for id in 0..self.rows.len() {
            let row = &self.rows[id];
            if row.group != NONE && row.generation != self.generation {
                self.remove_row(u32::try_from(id).unwrap_or(NONE), namespaces);
            }
        }
        self.sweep();
    }

    /// Forgets names and images that nothing refers to, when their number has doubled since the last time.
    pub(super) fn sweep(&mut self) {
        let size = self.names.len() + self.images.len();
        if size > 2 * self.swept_at + 1024 {
            self.names.retain(|name| Arc::strong_count(name) > 1);
            self.images.retain(|image| Arc::strong_count(image) > 1);
            self.swept_at = self.names.len() + self.images.len();
        }
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
        graces: &[Duration],
        now: Timestamp,
    ) {
        self.labels.reclassify(policies);
        let clocked: BTreeSet<u32> = self.clocks.rows().collect();
        for id in 0..self.rows.len() {
            let row = &self.rows[id];
            let id = u32::try_from(id).unwrap_or(NONE);
            if row.group == NONE {
                continue;
            }
            let class_moved = self.groups[row.group as usize].class != self.labels.class(row.labels);
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
        let group = self.groups[old as usize];
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
        let joined = self.join_group(group.namespace, group.owner, pair, class, namespaces);
        self.rows[id as usize].group = joined;
        self.release_group(old, namespaces);
    }

    /// Takes in a Job: its pods are attributed to its CronJob, if one controls it.
    pub(super) fn apply_job(&mut self, job: JobRecord, namespaces: &mut Namespaces) {
        let (uid, generation) = (job.uid, self.job_generation);
        let changed = self.jobs.get(&uid).is_none_or(|(known, _)| *known != job);
        let namespace = job.namespace.clone();
        self.jobs.insert(uid, (job, generation));
        if changed {
            self.attribute_again(uid, &namespace, namespaces);
        }
    }

    /// Forgets a Job; returns it.
    pub(super) fn remove_job(&mut self, uid: u128, namespaces: &mut Namespaces) -> Option<JobRecord> {
        let (job, _) = self.jobs.remove(&uid)?;
        // Its pods go with it. Until they do they keep the attribution they have.
        namespaces.mark_named(&job.namespace);
        Some(job)
    }

    fn attribute_again(&mut self, uid: u128, namespace: &str, namespaces: &mut Namespaces) {
        for owner in self.job_owners.get(&uid).cloned().unwrap_or_default() {
            let jobs = &self.jobs;
            let attributed = workload(self.owners.key(owner), false, |_| jobs.get(&uid).map(|(job, _)| job));
            self.owners.replace(owner, Arc::new(attributed));
        }
        namespaces.mark_named(namespace);
    }

    /// From now on Jobs are told again.
    pub(super) fn jobs_relist_started(&mut self) {
        self.job_generation = self.job_generation.wrapping_add(1);
    }

    /// Jobs that were not told again are gone; they are returned.
    pub(super) fn jobs_relist_finished(&mut self, namespaces: &mut Namespaces) -> Vec<JobRecord> {
        let generation = self.job_generation;
        let gone: Vec<u128> =
            self.jobs.iter().filter(|(_, (_, seen))| *seen != generation).map(|(uid, _)| *uid).collect();
        gone.into_iter().filter_map(|uid| self.remove_job(uid, namespaces)).collect()
    }

    /// Every pod: its group, and where it stands in the input.
    pub(super) fn each_row(&self) -> impl Iterator<Item = (&Group, Option<&Source>)> {
        self.rows.iter().enumerate().filter(|(_, row)| row.group != NONE).map(|(id, row)| {
            let source = u32::try_from(id).ok().and_then(|id| self.sources.get(&id));
            (&self.groups[row.group as usize], source)
        })
    }

    /// The groups of a namespace, from its first one.
    pub(super) fn groups_from(&self, first: u32) -> impl Iterator<Item = (u32, &Group)> {
        let mut at = first;
        std::iter::from_fn(move || {
            let group = (at != NONE).then(|| &self.groups[at as usize])?;
            let id = std::mem::replace(&mut at, group.next);
            Some((id, group))
        })
    }
}

fn split(uid: u128) -> [u64; 2] {
    #[expect(clippy::cast_possible_truncation, reason = "the two halves")]
    [(uid >> 64) as u64, uid as u64]
}

fn hash_group(hasher: &RandomState, group: &Group) -> u64 {
    let mut state = hasher.build_hasher();
    for part in [group.namespace, group.owner, group.pair, group.class] {
        state.write_u32(part);
    }
    state.finish()
}

fn shared_name(names: &mut HashTable<Arc<str>>, hasher: &RandomState, text: &str) -> Arc<str> {
    let hash = hasher.hash_one(text);
    let entry = names.entry(hash, |name| **name == *text, |name| hasher.hash_one(&**name));
    entry.or_insert_with(|| text.into()).get().clone()
}

fn shared_image(images: &mut HashTable<Arc<Image>>, hasher: &RandomState, text: &str) -> Arc<Image> {
    let hash = hasher.hash_one(text);
    let entry = images.entry(hash, |image| *image.written == *text, |image| hasher.hash_one(&*image.written));
    entry.or_insert_with(|| Arc::new(Image::new(text))).get().clone()
}
