//! Renewing what is said of the namespaces in which something changed: of a few as a rule, of all at first and after an
//! edit that moves verdicts everywhere. What is found in one says nothing of another, so many are renewed on all cores.

use std::num::NonZeroUsize;
use std::panic::resume_unwind;
use std::sync::Arc;
use std::thread;

use jiff::Timestamp;

use super::alike;
use super::marks::{Quiet, Telling};
use super::namespaces::{Dirty, Namespace};
use super::record::{self, Digests};
use super::rollup::{Rolling, Space, counts};
use super::snapshot::NamespaceSnapshot;
use super::transitions::{Transition, WantedOwner};

/// From how many namespaces on a thread is worth its start.
const MANY: usize = 256;
/// The same of pods in a few of them.
const MANY_PODS: usize = 2_000;

/// What namespaces are renewed by.
pub(super) struct Renewal<'a> {
    pub(super) rolling: Rolling<'a>,
    /// No transition is told: a first audit, or a change of the plan. A namespace that was just recalled from a record
    /// says by itself what is told.
    pub(super) quiet: bool,
    /// Of a given set of objects nothing changes, so nothing is kept of what was told.
    pub(super) is_live: bool,
    /// The policies' uids, where a record is kept.
    pub(super) uids: Option<&'a [u64]>,
    /// How many threads may be at work, this one included.
    pub(super) cores: NonZeroUsize,
}

/// What follows beside the namespaces' own parts.
#[derive(Default)]
pub(super) struct Renewed {
    pub(super) transitions: Vec<Transition>,
    pub(super) wanted: Vec<WantedOwner>,
    /// When a namespace, by its index, must be rolled up again at the latest, where that is another time than it was or
    /// the namespace is to be forgotten.
    pub(super) deadlines: Vec<(u32, Option<Timestamp>)>,
    /// How the record differs.
    pub(super) digests: Digests,
}

impl Renewal<'_> {
    /// Renews these namespaces, each given with its index. The order of what follows is theirs, on any number of cores.
    pub(super) fn renew(&self, mut namespaces: Vec<(u32, &mut Namespace)>) -> Renewed {
        let pods: usize = namespaces.iter().map(|(_, namespace)| namespace.pods as usize).sum();
        let threads = (namespaces.len() / MANY).max(pods / MANY_PODS).min(namespaces.len());
        let threads = threads.clamp(1, self.cores.get());
        let share = namespaces.len().div_ceil(threads).max(1);
        let mut shares = namespaces.chunks_mut(share);
        let mine = shares.next().unwrap_or_default();
        thread::scope(|scope| {
            let others: Vec<_> = shares.map(|share| scope.spawn(|| self.renew_share(share))).collect();
            let mut renewed = self.renew_share(mine);
            for other in others {
                let other = other.join().unwrap_or_else(|panic| resume_unwind(panic));
                renewed.transitions.extend(other.transitions);
                renewed.wanted.extend(other.wanted);
                renewed.deadlines.extend(other.deadlines);
                renewed.digests.add(&other.digests);
            }
            renewed
        })
    }

    fn renew_share(&self, namespaces: &mut [(u32, &mut Namespace)]) -> Renewed {
        let (mut renewed, mut space) = (Renewed::default(), Space::default());
        for (id, namespace) in namespaces {
            let deadline = self.renew_one(namespace, &mut space, &mut renewed);
            if deadline != namespace.deadline || namespace.is_over() {
                renewed.deadlines.push((*id, deadline));
            }
        }
        renewed
    }

    fn renew_one(
        &self,
        namespace: &mut Namespace,
        space: &mut Space,
        renewed: &mut Renewed,
    ) -> Option<Timestamp> {
        let Self { rolling, quiet, is_live, .. } = self;
        let (now, policies) = (rolling.now, &rolling.plan.policies[..]);
        let edited = match std::mem::replace(&mut namespace.dirty, Dirty::No) {
            Dirty::Edited => rolling.roll_edited(namespace, space),
            Dirty::No | Dirty::Whole => None,
        };
        let mut rolled = edited.unwrap_or_else(|| rolling.roll(namespace, space));
        let before = namespace.part.clone();
        let transitions = &mut renewed.transitions;
        let recalled = namespace.same.take();
        let quiet = recalled.as_deref().map_or_else(|| Quiet::from(*quiet), Quiet::Unless);
        let closing = is_live.then(|| {
            let mut telling = Telling { now, quiet, policies, transitions };
            namespace.marks.update(&before.findings, &mut rolled.findings, &mut telling)
        });
        let same = rolling.renumbered.is_none() && alike::shown_alike(policies, &before, &rolled.findings);
        let object = namespace.object.as_deref();
        let (exists, terminating) = (object.is_some(), object.is_some_and(|object| object.terminating));
        let revision = before.revision
            + u64::from(!same || (exists, terminating) != (before.exists, before.terminating));
        namespace.part = Arc::new(NamespaceSnapshot {
            name: namespace.name.clone(),
            uid: object.map(|object| object.uid.clone()).unwrap_or_default(),
            terminating,
            exists,
            counts: counts(&rolled.findings),
            requests: rolled.requests,
            findings: rolled.findings.into(),
            pods: rolled.pods,
            live_pods: rolled.live_pods,
            parts: rolled.parts,
            revision,
        });
        if let Some(uids) = self.uids {
            renewed.digests.renew(namespace, record::digest(namespace, uids));
        }
        namespace.rolled_at = Some(now);
        namespace.meanwhile = None;
        renewed.wanted.extend(rolled.wanted);
        closing.flatten().into_iter().chain(rolled.deadline).min()
    }
}
