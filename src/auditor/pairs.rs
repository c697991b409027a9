//! Pairs of a shape and a running state, and the remembered verdicts of each: a pair is judged once a policy,
//! however many pods share it.

use std::hash::BuildHasher as _;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use foldhash::fast::RandomState;
use hashbrown::HashTable;
use jiff::Timestamp;

use super::clock::{Clock, lasted, rounded};
use super::edits::Edit;
use super::findings::Judged;
use super::intern::place;
use crate::policy::compile::CompiledPolicy;
use crate::rules::{CATALOGUE, Check, PreparedRule, RuleId, SubjectKind};
use crate::subject::pod::{ContainerSubject, ImageSubject};
use crate::subject::running::{Lasted, Phase};
use crate::subject::runtime::Runtimes;
use crate::verdict::{Note, Verdict};

/// What a pair is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct PairKey {
    /// Id of the shape.
    pub(super) shape: u32,
    /// Id of the running state.
    pub(super) running: u32,
    unready: u32,
    changed: u32,
}

impl PairKey {
    /// The key of a pod with these clocks at `now`.
    pub(super) fn new(shape: u32, running: u32, clock: Clock, graces: &[Duration], now: Timestamp) -> Self {
        let unready = rounded(clock.unready_since, graces, now);
        Self { shape, running, unready, changed: rounded(clock.changed_at, graces, now) }
    }

    /// How long the containers have not been ready.
    pub(super) fn unready(&self) -> Lasted {
        lasted(self.unready)
    }

    /// How long ago the spec was seen to change.
    pub(super) fn spec_changed(&self) -> Lasted {
        lasted(self.changed)
    }
}

/// Verdicts of one policy on one image use: one bit a rule.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Bits {
    /// Rules that fail.
    pub(super) fail: u64,
    /// Rules that cannot be decided.
    pub(super) unknown: u64,
}

impl Bits {
    fn set(&mut self, rule: RuleId, verdict: Verdict) {
        let bit = 1 << rule.index();
        self.fail = self.fail & !bit | if matches!(verdict, Verdict::Fail(_)) { bit } else { 0 };
        self.unknown = self.unknown & !bit | if matches!(verdict, Verdict::Unknown(_)) { bit } else { 0 };
    }

    /// Whether no rule has found anything.
    pub(super) fn is_empty(self) -> bool {
        self.fail | self.unknown == 0
    }

    /// Whether this rule has.
    pub(super) fn has(self, rule: RuleId) -> bool {
        (self.fail | self.unknown) & 1 << rule.index() != 0
    }
}

// The rules about pods and their parts stand first in the table, so their place is their bit. Those about a pod as a
// whole are remembered with its first use.
const _: () = {
    let mut place = 0;
    let mut others = false;
    while place < CATALOGUE_LENGTH {
        match CATALOGUE[place].subject {
            SubjectKind::ImageUse | SubjectKind::Container | SubjectKind::Pod => {
                assert!(!others && place < 64, "rules about pods and their parts stand first, at most 64")
            }
            SubjectKind::Namespace | SubjectKind::Reference | SubjectKind::Cluster => others = true,
        }
        place += 1;
    }
};
const CATALOGUE_LENGTH: usize = CATALOGUE.len();

/// What rolling up asks of every group's pair, side by side for all pairs: most need nothing more.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Outline {
    /// One bit a policy (the last one stands for all further ones too): some verdict is a finding.
    found: u64,
    /// Id of the shape.
    pub(super) shape: u32,
    /// How many image uses it has.
    pub(super) uses: u16,
    /// How many containers.
    pub(super) containers: u16,
    /// The pod could not be read.
    pub(super) malformed: bool,
    /// The pod has ended.
    pub(super) ended: bool,
    /// No pod, but a template that may be judged in place of pods.
    pub(super) stands_in: bool,
}

impl Outline {
    fn of(key: &PairKey, judged: &Judged) -> Self {
        Self {
            found: 0,
            shape: key.shape,
            uses: u16::try_from(judged.shape.uses.len()).unwrap_or(u16::MAX),
            containers: u16::try_from(judged.shape.containers().count()).unwrap_or(u16::MAX),
            malformed: judged.shape.malformed,
            ended: judged.running.phase == Phase::Terminated,
            stands_in: judged.shape.is_stand_in,
        }
    }

    fn bit(policy: usize) -> u64 {
        1 << policy.min(63)
    }

    /// Whether the policy of this index may have found something.
    pub(super) fn found_by(&self, policy: usize) -> bool {
        self.found & Self::bit(policy) != 0
    }

    /// Whether any policy has found something.
    pub(super) fn found(&self) -> bool {
        self.found != 0
    }

    fn note(&mut self, bits: &[Bits]) {
        let uses = usize::from(self.uses).max(1);
        let any = |bits: &[Bits]| bits.iter().any(|bits| bits.fail | bits.unknown != 0);
        let found = bits.chunks(uses).enumerate().filter(|(_, bits)| any(bits));
        self.found = found.fold(0, |found, (policy, _)| found | Self::bit(policy));
    }
}

/// From how many pairs on a thread is worth its start.
const MANY: usize = 500;

#[derive(Debug)]
struct Pair {
    key: PairKey,
    references: u32,
    judged: Arc<Judged>,
    /// Policy by policy, use by use.
    bits: Box<[Bits]>,
}

/// All pairs of the cluster.
#[derive(Debug, Default)]
pub(super) struct Pairs {
    hasher: RandomState,
    index: HashTable<u32>,
    pairs: Vec<Option<Pair>>,
    outlines: Vec<Outline>,
    free: Vec<u32>,
    runtimes: Runtimes,
}

impl Pairs {
    fn pair(&self, id: u32) -> &Pair {
        match &self.pairs[id as usize] {
            Some(pair) => pair,
            None => unreachable!("a pair is kept while a group refers to it"),
        }
    }

    fn pair_mut(&mut self, id: u32) -> &mut Pair {
        match &mut self.pairs[id as usize] {
            Some(pair) => pair,
            None => unreachable!("a pair is kept while a group refers to it"),
        }
    }

    /// The pair of this key with one more reference, and whether it is new; a new one is judged at once.
    pub(super) fn acquire(
        &mut self,
        key: PairKey,
        policies: &[Arc<CompiledPolicy>],
        make: impl FnOnce() -> Arc<Judged>,
    ) -> (u32, bool) {
        let hash = self.hasher.hash_one(key);
        let pairs = &self.pairs;
        let same = |&id: &u32| pairs[id as usize].as_ref().is_some_and(|pair| pair.key == key);
        if let Some(&id) = self.index.find(hash, same) {
            self.pair_mut(id).references += 1;
            return (id, false);
        }
        let judged = make();
        let bits: Box<[Bits]> = policies.iter().flat_map(|policy| judge(policy, &judged)).collect();
        let mut outline = Outline::of(&key, &judged);
        outline.note(&bits);
        let pair = Pair { key, references: 1, judged, bits };
        let id = place(&mut self.pairs, &mut self.free, Some(pair));
        self.outlines.resize(self.pairs.len(), Outline::default());
        self.outlines[id as usize] = outline;
        let Self { index, pairs, hasher, .. } = self;
        index.insert_unique(hash, id, |&other| {
            pairs[other as usize].as_ref().map_or(0, |pair| hasher.hash_one(pair.key))
        });
        (id, true)
    }

    /// One reference less to a pair that has others.
    pub(super) fn release_shared(&mut self, id: u32) {
        self.pair_mut(id).references -= 1;
    }

    /// One reference less. Returns the key when that was the last one.
    pub(super) fn release(&mut self, id: u32) -> Option<PairKey> {
        let pair = self.pair_mut(id);
        pair.references -= 1;
        if pair.references > 0 {
            return None;
        }
        let key = self.pairs[id as usize].take()?.key;
        let hash = self.hasher.hash_one(key);
        if let Ok(entry) = self.index.find_entry(hash, |&other| other == id) {
            entry.remove();
        }
        self.free.push(id);
        Some(key)
    }

    /// What a pair is made of.
    pub(super) fn key(&self, id: u32) -> &PairKey {
        &self.pair(id).key
    }

    /// What is judged.
    pub(super) fn judged(&self, id: u32) -> &Arc<Judged> {
        &self.pair(id).judged
    }

    /// The outline of a pair.
    pub(super) fn outline(&self, id: u32) -> &Outline {
        &self.outlines[id as usize]
    }

    /// The verdicts of the policy of this index, use by use.
    pub(super) fn bits(&self, id: u32, policy: usize) -> &[Bits] {
        let pair = self.pair(id);
        let uses = pair.judged.shape.uses.len();
        &pair.bits[policy * uses..(policy + 1) * uses]
    }

    /// Judges every pair again by `judge`, which says whether verdicts are not what they were, on so many cores. Returns
    /// that of each pair, by id.
    fn judge_again(&mut self, cores: NonZeroUsize, judge: &(impl Fn(&mut Pair) -> bool + Sync)) -> Vec<bool> {
        let mut moved = vec![false; self.pairs.len()];
        let threads = (self.pairs.len() / MANY).clamp(1, cores.get());
        let share = self.pairs.len().div_ceil(threads).max(1);
        let outlined = self.pairs.chunks_mut(share).zip(self.outlines.chunks_mut(share));
        let mut shares = outlined.zip(moved.chunks_mut(share));
        let judge_share = |pairs: &mut [Option<Pair>], outlines: &mut [Outline], moved: &mut [bool]| {
            for ((pair, outline), moved) in pairs.iter_mut().zip(outlines).zip(moved) {
                let Some(pair) = pair else { continue };
                *moved = judge(pair);
                if *moved {
                    outline.note(&pair.bits);
                }
            }
        };
        let mine = shares.next();
        thread::scope(|scope| {
            for ((pairs, outlines), moved) in shares {
                scope.spawn(move || judge_share(pairs, outlines, moved));
            }
            if let Some(((pairs, outlines), moved)) = mine {
                judge_share(pairs, outlines, moved);
            }
        });
        moved
    }

    /// Judges what changed in the plan: `before[i]` is the old index of policy `i` where it is unchanged.
    pub(super) fn replan(
        &mut self,
        policies: &[Arc<CompiledPolicy>],
        before: &[Option<usize>],
        cores: NonZeroUsize,
    ) {
        self.judge_again(cores, &|pair| {
            let uses = pair.judged.shape.uses.len();
            let mut bits = Vec::with_capacity(policies.len() * uses);
            for (policy, before) in policies.iter().zip(before) {
                match before {
                    Some(before) => bits.extend_from_slice(&pair.bits[before * uses..(before + 1) * uses]),
                    None => bits.extend(judge(policy, &pair.judged)),
                }
            }
            pair.bits = bits.into();
            true
        });
    }

    /// What the nodes run, as far as pairs are judged by it.
    pub(super) fn runtimes(&self) -> Runtimes {
        self.runtimes
    }

    /// The nodes run something else than before: judges again by the rules that read it. Returns, by id, whose verdicts
    /// are told otherwise now.
    pub(super) fn run_by(
        &mut self,
        runtimes: Runtimes,
        policies: &[Arc<CompiledPolicy>],
        cores: NonZeroUsize,
    ) -> Vec<bool> {
        self.runtimes = runtimes;
        self.judge_again(cores, &|Pair { judged, bits, .. }| {
            *judged = Arc::new(judged.under(runtimes));
            let (uses, mut moved) = (judged.shape.uses.len(), false);
            for (index, policy) in policies.iter().enumerate() {
                let bits = &mut bits[index * uses..(index + 1) * uses];
                for rule in policy.rules.iter().filter(|rule| rule.id.reads_runtimes()) {
                    for (at, bits) in bits.iter_mut().enumerate() {
                        let found = bits.has(rule.id);
                        bits.set(rule.id, verdict(rule, judged, at).unwrap_or(Verdict::Pass));
                        // Every finding names the runtimes.
                        moved |= found || bits.has(rule.id);
                    }
                }
            }
            moved
        })
    }

    /// Judges again what an edit sets otherwise. Returns, by id, whose verdicts are not what they were.
    pub(super) fn edit(&mut self, edit: &Edit, cores: NonZeroUsize) -> Vec<bool> {
        let rules: Vec<RuleId> =
            edit.rules.iter().copied().filter(|rule| rule.entry().subject.is_of_pods()).collect();
        if rules.is_empty() {
            return vec![false; self.pairs.len()];
        }
        self.judge_again(cores, &|Pair { judged, bits, .. }| {
            let shape = &judged.shape;
            // Of a malformed pod there is one finding a rule, whatever its uses say.
            let (uses, mut moved) = (shape.uses.len(), shape.malformed && edit.adds_or_removes);
            let bits = &mut bits[edit.policy * uses..(edit.policy + 1) * uses];
            for (at, bits) in bits.iter_mut().enumerate() {
                let judge = |policy: &CompiledPolicy, rule| {
                    let verdict = policy.rule(rule).and_then(|rule| verdict(rule, judged, at));
                    verdict.unwrap_or(Verdict::Pass)
                };
                for &rule in &rules {
                    let (before, now) = (*bits, judge(&edit.now, rule));
                    bits.set(rule, now);
                    // The reason is not remembered, and only a finding shows one.
                    moved |= *bits != before
                        || bits.has(rule) && judge(&edit.before, rule).reason() != now.reason();
                }
            }
            moved
        })
    }
}

/// Judges every use of a pair by the rules of one policy.
fn judge<'a>(policy: &'a CompiledPolicy, judged: &'a Judged) -> impl Iterator<Item = Bits> + 'a {
    (0..judged.shape.uses.len()).map(move |at| {
        let mut bits = Bits::default();
        for rule in &policy.rules {
            if let Some(verdict) = verdict(rule, judged, at) {
                bits.set(rule.id, verdict);
            }
        }
        bits
    })
}

/// The verdict that is remembered with the use of this place; none for rules about something else.
fn verdict(rule: &PreparedRule, judged: &Judged, at: usize) -> Option<Verdict> {
    let (pod, container) = (&*judged.shape, &judged.shape.uses[at]);
    let note = &mut Note::silent();
    match &rule.check {
        Check::Image(check) => Some(check(&ImageSubject { pod, image_use: container }, note)),
        Check::Running(check) => Some(check(&judged.live(container), note)),
        Check::Container(check) if container.is_container() => {
            Some(check(&ContainerSubject { pod, container }, note))
        }
        Check::Pod(check) if at == 0 => Some(check(pod, note)),
        Check::Owner(_) | Check::Container(_) | Check::Pod(_) | Check::Namespace(_) | Check::Reference(_) => {
            None
        }
    }
}
