//! The plan: every policy, compiled, in the order in which Snapshots number them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use crate::decode::PolicyRecord;
use crate::policy::compile::CompiledPolicy;
use crate::policy::exemption::EXPIRING;
use crate::rules::{Asks, PreparedRule};
use crate::subject::Resource;

#[derive(Debug)]
struct Entry {
    record: PolicyRecord,
    compiled: Arc<CompiledPolicy>,
    /// What is judged by: an earlier spec, or none yet, while a kind that the newest one reads is not known.
    in_force: Option<Arc<CompiledPolicy>>,
    generation: u32,
}

/// Every policy.
#[derive(Debug, Default)]
pub(super) struct Plan {
    entries: BTreeMap<Box<str>, Entry>,
    generation: u32,
    /// The policies that are in force, sorted by name.
    pub(super) policies: Arc<[Arc<CompiledPolicy>]>,
    /// The kinds that they read; asked for all the time.
    reads: BTreeSet<Resource>,
    /// All graces that some rule gives, sorted, each once.
    pub(super) graces: Vec<Duration>,
    /// Some rule compares pods with their controllers' templates.
    pub(super) compares_owners: bool,
    /// Some scope includes templates of workloads without pods.
    pub(super) includes_templates: bool,
    /// What rules about namespaces ask, all together.
    pub(super) asks: Asks,
    stale: bool,
    /// Some policy waits to come into force.
    waiting: bool,
}

/// All graces that some rule of these policies gives to pods, sorted, each once.
pub(super) fn graces(policies: &[Arc<CompiledPolicy>]) -> Vec<Duration> {
    let rules = policies.iter().flat_map(|policy| policy.rules.iter());
    let rules = rules.filter(|rule| rule.id.entry().subject.is_of_pods());
    let graces: BTreeSet<Duration> = rules.flat_map(|rule| rule.graces.iter().copied()).collect();
    graces.into_iter().collect()
}

/// What rules about namespaces ask of the engine, all together.
pub(super) fn asks(policies: &[Arc<CompiledPolicy>]) -> Asks {
    let rules = policies.iter().flat_map(|policy| policy.rules.iter());
    rules.map(PreparedRule::asks).fold(Asks::NOTHING, Asks::and)
}

/// The kinds that a policy reads. What nobody delegates nobody has to know.
fn needs(policy: &Arc<CompiledPolicy>) -> impl Iterator<Item = Resource> {
    let requests = (!policy.delegation.is_empty()).then_some(Resource::Exemptions);
    policy.needs().chain(requests)
}

/// What a policy that was told means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Told {
    /// The rules are the same as before.
    Same,
    /// A new policy, or another spec.
    New,
}

impl Plan {
    /// Whether a record would change the plan.
    pub(super) fn would_change(&self, record: &PolicyRecord) -> bool {
        self.entries
            .get(&record.name)
            .is_none_or(|entry| entry.record.uid != record.uid || entry.record.spec != record.spec)
    }

    /// Takes in a policy.
    pub(super) fn apply(&mut self, record: PolicyRecord) -> Told {
        let generation = self.generation;
        if !self.would_change(&record) {
            if let Some(entry) = self.entries.get_mut(&record.name) {
                entry.record = record;
                entry.generation = generation;
            }
            return Told::Same;
        }
        let compiled = Arc::new(CompiledPolicy::compile(&record));
        let before = self.entries.remove(&record.name).filter(|before| before.record.uid == record.uid);
        let in_force = before.and_then(|before| before.in_force);
        self.entries.insert(record.name.clone(), Entry { record, compiled, in_force, generation });
        self.stale = true;
        Told::New
    }

    /// The policy of this name as it was told last.
    pub(super) fn compiled(&self, name: &str) -> Option<&Arc<CompiledPolicy>> {
        self.entries.get(name).map(|entry| &entry.compiled)
    }

    /// Every policy as it was told last.
    pub(super) fn all_compiled(&self) -> impl Iterator<Item = &Arc<CompiledPolicy>> {
        self.entries.values().map(|entry| &entry.compiled)
    }

    /// Whether a policy of this name is there.
    pub(super) fn contains(&self, name: &str) -> bool {
        self.entries.contains_key(name)
    }

    /// A policy is gone.
    pub(super) fn remove(&mut self, name: &str) {
        self.stale |= self.entries.remove(name).is_some();
    }

    /// The kinds that are read: always, and by policies that are in force or wait to be.
    pub(super) fn needs(&self) -> BTreeSet<Resource> {
        self.asked().into_iter().chain(self.judges_by()).collect()
    }

    /// The kinds that are read: always, and by the newest policies, in force or not.
    pub(super) fn asked(&self) -> BTreeSet<Resource> {
        let newest = self.entries.values().map(|entry| &entry.compiled);
        Resource::ALWAYS.into_iter().chain(newest.flat_map(needs)).collect()
    }

    /// The kinds that the policies in force read, and those that are always read.
    pub(super) fn judges_by(&self) -> impl Iterator<Item = Resource> {
        Resource::ALWAYS.into_iter().chain(self.reads.iter().copied())
    }

    /// Whether the newest spec of the policy of this name is the one that is judged by.
    pub(super) fn is_in_force(&self, name: &str) -> bool {
        let is_newest =
            |entry: &Entry| entry.in_force.as_ref().is_some_and(|it| Arc::ptr_eq(it, &entry.compiled));
        self.entries.get(name).is_some_and(is_newest)
    }

    /// Whether some policy waits for a kind that it reads. [`Self::renumber`] puts it in force.
    pub(super) fn is_waiting(&self) -> bool {
        self.waiting
    }

    /// From now on policies are told again.
    pub(super) fn relist_started(&mut self) {
        self.generation = self.generation.wrapping_add(1);
    }

    /// Names of policies that were not told again.
    pub(super) fn not_told(&self) -> Vec<Box<str>> {
        let gone = |entry: &Entry| entry.generation != self.generation;
        self.entries.iter().filter(|(_, entry)| gone(entry)).map(|(name, _)| name.clone()).collect()
    }

    /// `status.observedGeneration` as last told.
    pub(super) fn observed_generation(&self, name: &str) -> i64 {
        self.entries.get(name).map_or(0, |entry| entry.record.observed_generation)
    }

    /// Puts every policy in force whose kinds `is_known` all, and renumbers them; the others keep what they said
    /// before. Returns the policies as they were, none when nothing changed.
    pub(super) fn renumber(
        &mut self,
        is_known: impl Fn(Resource) -> bool,
    ) -> Option<Arc<[Arc<CompiledPolicy>]>> {
        if !std::mem::take(&mut self.stale) && !self.waiting {
            return None;
        }
        self.waiting = false;
        for entry in self.entries.values_mut() {
            match needs(&entry.compiled).all(&is_known) {
                true => entry.in_force = Some(entry.compiled.clone()),
                false => self.waiting = true,
            }
        }
        let policies: Arc<[_]> = self.entries.values().filter_map(|entry| entry.in_force.clone()).collect();
        if policies.len() == self.policies.len()
            && policies.iter().zip(&*self.policies).all(|(new, old)| Arc::ptr_eq(new, old))
        {
            return None;
        }
        let before = std::mem::replace(&mut self.policies, policies);
        self.reads = self.policies.iter().flat_map(needs).collect();
        self.graces = graces(&self.policies);
        self.asks = asks(&self.policies);
        let mut rules = self.policies.iter().flat_map(|policy| policy.rules.iter());
        self.compares_owners = rules.any(|rule| rule.id.compares_owners());
        self.includes_templates = self.policies.iter().any(|policy| policy.scope.include_templates);
        Some(before)
    }

    /// Whether a policy came, went or changed since [`Self::renumber`].
    pub(super) fn is_stale(&self) -> bool {
        self.stale
    }

    /// The next time an exemption ends, or is to be said to end soon, after `now`.
    pub(super) fn next_expiry(&self, now: Timestamp) -> Option<Timestamp> {
        let exemptions = self.policies.iter().flat_map(|policy| policy.exemptions.iter());
        let ends = exemptions.filter_map(|exemption| exemption.expires_at);
        let turns = ends.flat_map(|end| [end.saturating_sub(EXPIRING).unwrap_or(Timestamp::MIN), end]);
        turns.filter(|turn| *turn > now).min()
    }
}
