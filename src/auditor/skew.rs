//! Judging references across the cluster: what runs under one written reference, whoever wrote it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use super::findings::{Finding, ReferenceSpread, State, Subject, name_id, whole_second};
use super::inventory::Inventory;
use super::marks::{Quiet, Telling};
use super::namespaces::Namespaces;
use super::references::Running;
use super::requests::exemption;
use super::{Auditor, Feed};
use crate::policy::compile::CompiledPolicy;
use crate::policy::scope::Membership;
use crate::rules::{Check, PreparedRule};
use crate::subject::canonical::text_hash;
use crate::subject::reference::ReferenceFacts;
use crate::subject::running::Lasted;
use crate::verdict::{Note, Verdict};

/// What judging a reference reads.
pub(super) struct Spreading<'a> {
    pub(super) inventory: &'a Inventory,
    pub(super) namespaces: &'a Namespaces,
    pub(super) policies: &'a [Arc<CompiledPolicy>],
    pub(super) skews: &'a Skews,
    pub(super) now: Timestamp,
}

/// Since when several contents have been running under a reference.
#[derive(Debug, Default)]
pub(super) struct Skews {
    /// By reference; none where it was so before anything was watched.
    since: BTreeMap<Arc<str>, Option<Timestamp>>,
    /// References whose grace is not over, and when it is.
    due: BTreeMap<Arc<str>, Timestamp>,
}

impl Skews {
    /// Takes in what runs under a reference now.
    fn note(&mut self, name: &Arc<str>, running: Option<&Running>, since: Option<Timestamp>) {
        self.due.remove(name);
        match running {
            Some(running) if running.contents.len() > 1 => {
                self.since.entry(name.clone()).or_insert(since);
            }
            _ => drop(self.since.remove(name)),
        }
    }

    /// What an earlier run, or another replica, knew.
    pub(super) fn recall(&mut self, name: Arc<str>, since: Option<Timestamp>) {
        self.since.insert(name, since);
    }

    /// Every reference with several contents, by name.
    pub(super) fn all(&self) -> impl Iterator<Item = (&Arc<str>, Option<Timestamp>)> {
        self.since.iter().map(|(name, since)| (name, *since))
    }

    fn lasted(&self, name: &str, now: Timestamp) -> Lasted {
        match self.since.get(name) {
            Some(Some(since)) => {
                let seconds = now.duration_since(*since).as_secs();
                Lasted::seconds(u32::try_from(seconds.max(0)).unwrap_or(u32::MAX))
            }
            _ => Lasted::FOREVER,
        }
    }

    /// Looks at the reference again when the next of these graces is over.
    fn wait(&mut self, name: &Arc<str>, graces: &[Duration], now: Timestamp) {
        let Some(Some(since)) = self.since.get(name) else { return };
        let ends = graces.iter().filter_map(|grace| since.checked_add(*grace).ok());
        if let Some(end) = ends.filter(|end| *end > now).min() {
            self.due.insert(name.clone(), end);
        }
    }

    fn overdue(&self, now: Timestamp) -> Vec<Arc<str>> {
        self.due.iter().filter(|(_, due)| **due <= now).map(|(name, _)| name.clone()).collect()
    }

    fn next_deadline(&self) -> Option<Timestamp> {
        self.due.values().min().copied()
    }
}

impl Spreading<'_> {
    /// What runs under a reference.
    fn facts(&self, name: &Arc<str>, running: &Running) -> ReferenceFacts {
        let pods = |groups: &[u32]| groups.iter().map(|group| self.inventory.groups.get(*group).count).sum();
        let contents = running.contents.iter().map(|(content, groups)| (content.clone(), pods(groups)));
        let several_for = self.skews.lasted(name, self.now);
        ReferenceFacts { canonical: name.clone(), contents: contents.collect(), several_for }
    }

    /// The facts of a reference and the namespaces of its pods.
    pub(super) fn spread(&self, name: &Arc<str>, running: &Running) -> ReferenceSpread {
        let mut namespaces: BTreeMap<Arc<str>, u32> = BTreeMap::new();
        for group in running.groups() {
            let group = self.inventory.groups.get(group);
            let name = &self.namespaces.get(group.key.namespace).name;
            *namespaces.entry(name.clone()).or_default() += group.count;
        }
        ReferenceSpread { facts: self.facts(name, running), namespaces: namespaces.into_iter().collect() }
    }

    /// Whether any pod that uses the reference is in a policy's scope.
    pub(super) fn in_scope(&self, index: usize, running: &Running) -> bool {
        let policy = &self.policies[index];
        running.groups().any(|group| {
            let group = self.inventory.groups.get(group);
            let namespace = self.namespaces.get(group.key.namespace);
            let labels = namespace.labels();
            policy.scope.namespace(&namespace.name, labels) == Membership::In
                && self.inventory.labels.covers(group.key.class, index)
        })
    }

    /// Every rule about references of every policy: index, policy, rule.
    pub(super) fn rules(&self) -> impl Iterator<Item = (usize, &CompiledPolicy, &PreparedRule)> {
        self.policies.iter().enumerate().flat_map(|(index, policy)| {
            let rules = policy.rules.iter().filter(|rule| matches!(rule.check, Check::Reference(_)));
            rules.map(move |rule| (index, &**policy, rule))
        })
    }

    /// The findings on one reference, sorted by id and policy.
    pub(super) fn findings(&self, name: &Arc<str>, running: &Running) -> Vec<Finding> {
        let (mut facts, mut spread) = (None, None);
        let mut findings = Vec::new();
        for (index, policy, rule) in self.rules() {
            let Check::Reference(check) = &rule.check else { continue };
            let facts = facts.get_or_insert_with(|| self.facts(name, running));
            let (state, reason) = match check(facts, &mut Note::silent()) {
                Verdict::Fail(reason) => (State::Fail, reason),
                Verdict::Unknown(reason) => (State::Unknown, reason),
                Verdict::Pass | Verdict::NotApplicable(_) => continue,
            };
            if !self.in_scope(index, running) {
                continue;
            }
            // Nearly every reference runs one content, and nobody asks where.
            let spread: &Arc<ReferenceSpread> =
                spread.get_or_insert_with(|| Arc::new(self.spread(name, running)));
            let mut finding = Finding {
                id: name_id(rule.id, text_hash(name)),
                policy: u16::try_from(index).unwrap_or(u16::MAX),
                rule: rule.id,
                state,
                reason,
                subject: Subject::Reference(spread.clone()),
                pods: spread.namespaces.iter().map(|(_, pods)| pods).sum(),
                since: whole_second(self.now),
                dormant_since: None,
                asked: None,
            };
            if let Some(exemption) = exemption(policy, rule.id, &finding.subject, self.now) {
                finding.state = State::Exempt(exemption);
            }
            findings.push(finding);
        }
        findings.sort_by_key(|finding| (finding.id, finding.policy));
        findings
    }
}

impl Auditor {
    /// The findings on references: those that changed are judged again, the others are kept.
    pub(super) fn judge_references(
        &mut self,
        (quiet, unwatched): (Quiet<'_>, bool),
        renumbered: Option<&[Option<u16>]>,
        now: Timestamp,
    ) -> Arc<[Finding]> {
        let moved = |running: &Running| {
            running
                .groups()
                .any(|group| self.namespaces.is_dirty(self.inventory.groups.get(group).key.namespace))
        };
        let moved: Vec<Arc<str>> = self
            .inventory
            .references
            .several()
            .filter(|(_, running)| moved(running))
            .map(|(name, _)| name.clone())
            .collect();
        let overdue = self.skews.overdue(now);
        moved.iter().chain(&overdue).for_each(|name| self.inventory.references.mark_reference(name));
        let due = self.reference_deadline.is_some_and(|deadline| deadline <= now);
        if !self.inventory.references.any_dirty() && !due {
            return self.snapshot.references.clone();
        }
        let dirty = self.inventory.references.take_dirty();
        let rules = self.plan.policies.iter().flat_map(|policy| policy.rules.iter());
        let rules = rules.filter(|rule| matches!(rule.check, Check::Reference(_)));
        let graces: Vec<Duration> = rules.flat_map(|rule| rule.graces.iter().copied()).collect();
        // What was there at first, or stands in files, has no known beginning.
        let since = (self.feed == Feed::Live && !unwatched).then_some(now);
        for name in &dirty {
            self.skews.note(name, self.inventory.references.get(name), since);
            self.skews.wait(name, &graces, now);
        }
        let spreading = Spreading {
            inventory: &self.inventory,
            namespaces: &self.namespaces,
            policies: &self.plan.policies,
            skews: &self.skews,
            now,
        };
        let before = self.snapshot.references.clone();
        let is_dirty = |finding: &Finding| match &finding.subject {
            Subject::Reference(spread) => dirty.contains(&spread.facts.canonical),
            _ => true,
        };
        // After a change that renumbers the policies everything is dirty, so no kept finding has an old number.
        let mut findings: Vec<Finding> =
            before.iter().filter(|finding| !is_dirty(finding)).cloned().collect();
        for name in &dirty {
            if let Some(running) = self.inventory.references.get(name) {
                findings.extend(spreading.findings(name, running));
            }
        }
        findings.sort_by_key(|finding| (finding.id, finding.policy));
        for old in before.iter() {
            let policy = renumbered.map_or(Some(old.policy), |numbers| numbers[usize::from(old.policy)]);
            let Some(policy) = policy else { continue };
            if let Ok(at) =
                findings.binary_search_by_key(&(old.id, policy), |finding| (finding.id, finding.policy))
            {
                findings[at].since = old.since;
            }
        }
        let mut telling =
            Telling { now, quiet, policies: &self.plan.policies, transitions: &mut self.transitions };
        if self.feed == Feed::Live {
            let closing = self.reference_marks.update(&before, &mut findings, &mut telling);
            self.reference_deadline = closing.into_iter().chain(self.skews.next_deadline()).min();
        }
        findings.into()
    }
}
