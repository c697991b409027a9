//! The pure engine: it owns all state, is fed with changes and instants, and renders nothing. No async, no
//! clock, no client, no environment: a test drives a whole cluster's life as a list of changes and instants.

mod alike;
pub mod audit;
mod clock;
mod cluster;
mod dormant;
mod edits;
pub mod findings;
mod fingerprints;
mod groups;
mod intern;
mod inventory;
mod jobs;
mod judgement;
mod kinds;
mod labels;
mod marks;
mod meanwhile;
mod namespaces;
mod objects;
mod pairs;
mod plan;
pub mod record;
mod references;
mod renewal;
pub mod requests;
mod rollup;
mod shared;
mod skew;
pub mod snapshot;
mod stand_ins;
mod surroundings;
pub mod suspicion;
mod templates;
#[cfg(test)]
mod tests;
mod totals;
pub mod transitions;
mod workload;

use std::collections::BTreeSet;
use std::num::NonZeroUsize;
use std::sync::Arc;

use jiff::Timestamp;

use crate::decode::{Change, UnsupportedObject};
use crate::subject::Resource;
use inventory::{Applied, Inventory};
use kinds::Kinds;
use marks::Marks;
use namespaces::Namespaces;
use objects::ClusterObjects;
use plan::{Plan, Told};
use record::Record;
use skew::Skews;
use snapshot::Snapshot;
use surroundings::Plain;
use suspicion::Suspicion;
use templates::Templates;
use transitions::{FirstAudit, Transition, WantedOwner};

/// What the changes come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Feed {
    /// Watches: complete while every kind that is needed was told or refused.
    Live,
    /// A given set of objects; whether it is the whole cluster.
    Input(bool),
}

/// The auditor. Deterministic: the same objects and instants give the same Snapshot, in any order of changes.
#[derive(Debug)]
pub struct Auditor {
    feed: Feed,
    cores: NonZeroUsize,
    inventory: Inventory,
    namespaces: Namespaces,
    objects: ClusterObjects,
    plan: Plan,
    kinds: Kinds,
    unsupported: Vec<UnsupportedObject>,
    unusable: u64,
    templates: Templates,
    reference_marks: Marks,
    skews: Skews,
    reference_deadline: Option<Timestamp>,
    cluster_marks: Marks,
    cluster_deadline: Option<Timestamp>,
    next_expiry: Option<Timestamp>,
    transitions: Vec<Transition>,
    first_audits: Vec<FirstAudit>,
    /// Policies whose first audit is to be told with the next Snapshot.
    new_policies: BTreeSet<Box<str>>,
    wanted: Vec<WantedOwner>,
    observed_at: Timestamp,
    changed: bool,
    was_complete: bool,
    block_sums: totals::BlockSums,
    plain: Plain,
    suspicion: Suspicion,
    /// What is kept for the record, where there is one.
    record: Option<Box<Record>>,
    snapshot: Arc<Snapshot>,
}

impl Default for Auditor {
    fn default() -> Self {
        Self::new()
    }
}

impl Auditor {
    /// An auditor of a live cluster that has seen nothing: it waits for every kind that is always read.
    pub fn new() -> Self {
        Self::fed_by(Feed::Live)
    }

    /// An auditor of a given set of objects. When they are the whole cluster, what is absent does not exist;
    /// otherwise namespaces without an object of their own are not judged.
    pub fn over_input(whole_cluster: bool) -> Self {
        Self::fed_by(Feed::Input(whole_cluster))
    }

    /// The same with this many threads at work where thousands of namespaces are judged anew; by default one.
    /// What is found does not depend on it.
    #[must_use]
    pub fn on_cores(mut self, cores: NonZeroUsize) -> Self {
        self.cores = cores;
        self
    }

    fn fed_by(feed: Feed) -> Self {
        Self {
            feed,
            cores: NonZeroUsize::MIN,
            inventory: Inventory::default(),
            namespaces: Namespaces::new(feed == Feed::Input(true)),
            objects: ClusterObjects::of(feed == Feed::Input(false)),
            plan: Plan::default(),
            kinds: Kinds::default(),
            unsupported: Vec::new(),
            unusable: 0,
            templates: Templates::default(),
            reference_marks: Marks::default(),
            skews: Skews::default(),
            reference_deadline: None,
            cluster_marks: Marks::default(),
            cluster_deadline: None,
            next_expiry: None,
            transitions: Vec::new(),
            first_audits: Vec::new(),
            new_policies: BTreeSet::new(),
            wanted: Vec::new(),
            observed_at: Timestamp::UNIX_EPOCH,
            changed: true,
            was_complete: matches!(feed, Feed::Input(_)),
            block_sums: totals::BlockSums::default(),
            plain: Plain::default(),
            suspicion: Suspicion::default(),
            record: None,
            snapshot: Arc::new(Snapshot::empty()),
        }
    }

    /// The kinds that must be told: those that are always read, and those that a rule of some policy reads. Of
    /// a live cluster, others are not kept: what is told of them is ignored, what was told is dropped, and one
    /// that is needed again must be told again from the beginning.
    pub fn needed(&self) -> &BTreeSet<Resource> {
        self.kinds.needed()
    }

    /// Every kind that is judged by was told or refused. Until that is so for the first time, these are all kinds that
    /// are needed; afterwards those that the policies in force read: one that reads another kind comes into force when
    /// that kind is known, and holds up nothing until then.
    pub fn is_complete(&self) -> bool {
        match self.feed {
            Feed::Input(_) => true,
            Feed::Live if self.was_complete => self.plan.judges_by().all(|kind| self.kinds.is_judged(kind)),
            Feed::Live => self.kinds.are_known() && !self.awaits_record(),
        }
    }

    /// Takes in a change that was seen at `now`.
    pub fn apply(&mut self, change: Change, now: Timestamp) {
        if let Change::Pod(record) = &change {
            // Nearly every change is a pod's, and nearly every one of those changes nothing that is read.
            let Self { inventory, namespaces, plan, .. } = self;
            let applied = inventory.apply(record, namespaces, &plan.policies, &plan.graces, now);
            if let Applied::Changed(group, before) = applied {
                self.compare_pod(record, group, before.as_deref(), now);
                self.changed_at(now);
            }
            return;
        }
        if self.feed == Feed::Live && !self.kinds.count(&change) {
            self.changed_at(now);
            return;
        }
        let before = self.before(&change);
        self.apply_rare(change, now);
        self.compare(before, now);
        self.watch_once_complete();
        // After it: a change of the plan first settles what was before, which leaves nothing changed.
        self.changed_at(now);
    }

    fn changed_at(&mut self, now: Timestamp) {
        self.changed = true;
        self.observed_at = self.observed_at.max(now);
    }

    fn apply_rare(&mut self, change: Change, now: Timestamp) {
        match change {
            Change::Pod(_) => {}
            Change::PodGone(uid) => self.inventory.remove(uid, &mut self.namespaces),
            Change::Namespace(name, object) => {
                self.unusable += u64::from(object.malformed);
                self.namespaces.apply(&name, object);
            }
            Change::NamespaceGone(name) => self.namespaces.remove(&name),
            Change::NetworkPolicy(namespace, facts) => {
                self.unusable += u64::from(facts.malformed);
                self.namespaces.apply_policy(&namespace, facts);
            }
            Change::NetworkPolicyGone(namespace, name) => self.namespaces.remove_policy(&namespace, &name),
            Change::Object(facts) => {
                self.unusable += u64::from(facts.is_malformed());
                match facts.kind.is_template() {
                    true => self.templates.apply(facts, &mut self.namespaces),
                    false => self.objects.apply(facts, &mut self.namespaces),
                }
            }
            Change::Workload(facts, stand_in) => self.workload(facts, stand_in, now),
            Change::ObjectGone(kind, namespace, name) if kind.is_template() => {
                self.inventory.remove_stand_in((kind, &namespace, &name), &mut self.namespaces);
                self.templates.remove(kind, &namespace, &name, &mut self.namespaces);
            }
            Change::ObjectGone(kind, namespace, name) => {
                self.objects.remove(kind, &namespace, &name, &mut self.namespaces);
            }
            Change::Job(job) => self.inventory.apply_job(job, &mut self.namespaces),
            Change::JobGone(uid) => self.job_gone(uid),
            Change::Policy(record) => {
                if self.plan.would_change(&record) {
                    self.settle(now);
                }
                let name = record.name.clone();
                if self.plan.apply(record) == Told::New {
                    self.new_policies.insert(name);
                    self.drop_unneeded(now);
                }
            }
            Change::PolicyGone(name) => self.policy_gone(&name, now),
            Change::RelistStarted(kind) => self.relist_started(kind),
            Change::RelistFinished(kind) => self.relist_finished(kind, now),
            Change::Access(kind, granted) => {
                self.settle_before_waiting(now);
                if self.kinds.access(kind, granted) {
                    self.denied_changed();
                }
            }
            Change::Unusable(_) => self.unusable += 1,
            Change::Unsupported(object) => self.unsupported.push(object),
            Change::OwnerGone(namespace, kind, name) => {
                self.namespaces.owner_gone(&namespace, workload::workload_hash(&kind, &name));
            }
            Change::Record(shards) => self.tell_record(shards),
        }
    }

    fn job_gone(&mut self, uid: u128) {
        if let Some(job) = self.inventory.remove_job(uid, &mut self.namespaces) {
            self.namespaces.owner_gone(&job.namespace, workload::workload_hash("Job", &job.name));
        }
    }

    fn policy_gone(&mut self, name: &str, now: Timestamp) {
        if self.plan.contains(name) {
            self.settle(now);
            self.plan.remove(name);
            self.new_policies.remove(name);
            self.drop_unneeded(now);
        }
    }

    /// Drops what no policy needs any more, as if it were listed and nothing told.
    fn drop_unneeded(&mut self, now: Timestamp) {
        for kind in self.kinds.need(self.plan.needs(), self.plan.asked()) {
            if self.feed == Feed::Live {
                self.relist_started(kind);
                self.forget_untold(kind, now);
            }
        }
    }

    fn relist_started(&mut self, kind: Resource) {
        match kind {
            Resource::Pods => self.inventory.relist_started(),
            Resource::Namespaces => self.namespaces.relist_started(),
            Resource::NetworkPolicies => self.namespaces.policies_relist_started(),
            Resource::Jobs => self.inventory.jobs_relist_started(),
            Resource::ImagePolicies => self.plan.relist_started(),
            kind if kind.is_template() => {
                self.inventory.stand_ins.relist_started(kind);
                self.templates.relist_started(kind);
            }
            _ => self.objects.relist_started(kind, &self.namespaces),
        }
    }

    fn relist_finished(&mut self, kind: Resource, now: Timestamp) {
        self.forget_untold(kind, now);
        self.settle_before_waiting(now);
        if self.kinds.finished(kind) {
            self.denied_changed();
        }
    }

    /// What may not be read is not what it was.
    fn denied_changed(&mut self) {
        self.objects.deny(&self.kinds.denied);
        self.templates.deny(self.kinds.denied.iter().copied());
        self.namespaces.mark_all();
    }

    fn forget_untold(&mut self, kind: Resource, now: Timestamp) {
        match kind {
            Resource::Pods => self.inventory.relist_finished(&mut self.namespaces),
            Resource::Namespaces => self.namespaces.relist_finished(),
            Resource::NetworkPolicies => self.namespaces.policies_relist_finished(),
            Resource::Jobs => {
                for job in self.inventory.jobs_relist_finished(&mut self.namespaces) {
                    self.namespaces.owner_gone(&job.namespace, workload::workload_hash("Job", &job.name));
                }
            }
            Resource::ImagePolicies => {
                self.plan.not_told().iter().for_each(|name| self.policy_gone(name, now));
            }
            kind if kind.is_template() => {
                self.inventory.stand_ins_relist_finished(kind, &mut self.namespaces);
                self.templates.relist_finished(kind, &mut self.namespaces);
            }
            _ => self.objects.relist_finished(kind, &mut self.namespaces),
        }
    }

    /// Rolls up what waits under the plan as it is, before the plan changes: what happened until now is told.
    fn settle(&mut self, now: Timestamp) {
        if self.was_complete && !self.plan.is_stale() && self.changed && self.is_complete() {
            self.follow_runtimes();
            self.judge_under(None, now);
        }
    }

    /// The same before a policy that waits may come into force.
    fn settle_before_waiting(&mut self, now: Timestamp) {
        if self.plan.is_waiting() {
            self.changed = true;
            self.settle(now);
        }
    }

    /// Takes in that time has passed: graces, exemptions and hold-downs end.
    pub fn tick(&mut self, now: Timestamp) {
        let Self { inventory, namespaces, plan, .. } = self;
        inventory.tick(namespaces, &plan.policies, &plan.graces, now);
        namespaces.tick(now);
        self.suspicion.tick(now);
        self.end_exemptions(now);
        let mut deadlines = [self.reference_deadline, self.cluster_deadline].into_iter().flatten();
        if self.namespaces.any_dirty() || deadlines.any(|deadline| deadline <= now) {
            self.changed_at(now);
        }
    }

    /// Exemptions whose time has come end: all that they may have covered is looked at again.
    fn end_exemptions(&mut self, now: Timestamp) {
        if self.next_expiry.is_some_and(|expiry| expiry <= now) {
            self.namespaces.mark_all();
            self.inventory.references.mark_all();
            self.objects.judge_again();
            self.next_expiry = self.plan.next_expiry(now);
        }
    }

    /// When the next grace, exemption, hold-down or dormancy ends; none while nothing is judged.
    pub fn next_deadline(&self) -> Option<Timestamp> {
        if !self.is_complete() {
            return None;
        }
        let clocks =
            self.inventory.clocks.next_deadline().and_then(|second| Timestamp::from_second(second).ok());
        let (namespaces, held) = (self.namespaces.next_deadline(), self.suspicion.next_deadline());
        [clocks, namespaces, held, self.reference_deadline, self.cluster_deadline, self.next_expiry]
            .into_iter()
            .flatten()
            .min()
    }
}
