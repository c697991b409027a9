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
    generation: u32,
}

/// Every policy.
#[derive(Debug, Default)]
pub(super) struct Plan {
    entries: BTreeMap<Box<str>, Entry>,
    generation: u32,
    /// Compiled policies, sorted by name.
    pub(super) policies: Arc<[Arc<CompiledPolicy>]>,
    /// All graces that some rule gives, sorted, each once.
    pub(super) graces: Vec<Duration>,
    /// Some rule compares pods with their controllers' templates.
    pub(super) compares_owners: bool,
    /// Some scope includes templates of workloads without pods.
    pub(super) includes_templates: bool,
    /// What rules about namespaces ask, all together.
    pub(super) asks: Asks,
    stale: bool,
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
        self.entries.insert(record.name.clone(), Entry { record, compiled, generation });
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

    /// The kinds that are read: always, by a rule of some policy, or because some policy delegates exemptions.
    pub(super) fn needs(&self) -> BTreeSet<Resource> {
        // What nobody delegates nobody has to know.
        let delegates = self.entries.values().any(|entry| !entry.compiled.delegation.is_empty());
        let requests = delegates.then_some(Resource::Exemptions);
        let needs = self.entries.values().flat_map(|entry| entry.compiled.needs());
        Resource::ALWAYS.into_iter().chain(needs).chain(requests).collect()
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

    /// Renumbers the policies after a change; returns the policies as they were, none when nothing changed.
    pub(super) fn renumber(&mut self) -> Option<Arc<[Arc<CompiledPolicy>]>> {
        if !std::mem::take(&mut self.stale) {
            return None;
        }
        let policies = self.entries.values().map(|entry| entry.compiled.clone()).collect();
        let before = std::mem::replace(&mut self.policies, policies);
        self.graces = graces(&self.policies);
        self.asks = asks(&self.policies);
        let mut rules = self.policies.iter().flat_map(|policy| policy.rules.iter());
        self.compares_owners = rules.any(|rule| rule.id.compares_owners());
        self.includes_templates = self.policies.iter().any(|policy| policy.scope.include_templates);
        Some(before)
    }

    /// Whether [`Self::renumber`] has something to do.
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
