//! Judging references across the cluster: what runs under one written reference, whoever wrote it.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;

use super::findings::{Finding, ReferenceSpread, State, Subject, name_id};
use super::inventory::Inventory;
use super::marks::Telling;
use super::namespaces::Namespaces;
use super::references::Running;
use super::requests::exemption;
use super::{Auditor, Feed};
use crate::policy::compile::CompiledPolicy;
use crate::policy::scope::Membership;
use crate::rules::{Check, PreparedRule};
use crate::subject::canonical::text_hash;
use crate::subject::reference::ReferenceFacts;
use crate::verdict::{Note, Verdict};

/// What judging a reference reads.
pub(super) struct Spreading<'a> {
    pub(super) inventory: &'a Inventory,
    pub(super) namespaces: &'a Namespaces,
    pub(super) policies: &'a [Arc<CompiledPolicy>],
    pub(super) now: Timestamp,
}

impl Spreading<'_> {
    /// What runs under a reference.
    fn facts(&self, name: &Arc<str>, running: &Running) -> ReferenceFacts {
        let pods = |groups: &[u32]| groups.iter().map(|group| self.inventory.groups.get(*group).count).sum();
        let contents = running.contents.iter().map(|(content, groups)| (content.clone(), pods(groups)));
        ReferenceFacts { canonical: name.clone(), contents: contents.collect() }
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
                since: self.now,
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
        quiet: bool,
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
        moved.iter().for_each(|name| self.inventory.references.mark_reference(name));
        let due = self.reference_deadline.is_some_and(|deadline| deadline <= now);
        if !self.inventory.references.any_dirty() && !due {
            return self.snapshot.references.clone();
        }
        let dirty = self.inventory.references.take_dirty();
        let spreading = Spreading {
            inventory: &self.inventory,
            namespaces: &self.namespaces,
            policies: &self.plan.policies,
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
            self.reference_deadline = self.reference_marks.update(&before, &mut findings, &mut telling);
        }
        findings.into()
    }
}
