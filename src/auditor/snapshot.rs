//! The Snapshot: what the auditor found, immutable and shared, one part a namespace. Everything that is
//! shown (status, metrics, reports) is a pure rendering of it. It keeps no ids of the inventory, only shared
//! facts, so it stays right when the inventory moves on.

use std::sync::Arc;

use jiff::Timestamp;

use super::findings::{Finding, FindingId, Subject};
use super::requests::RequestOutcome;
use crate::policy::compile::CompiledPolicy;
use crate::rules::RuleId;
use crate::subject::Resource;

/// A count of findings by state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Count {
    /// Violations: `fail`, not exempt.
    pub fail: u32,
    /// Undecided: `unknown`, not exempt.
    pub unknown: u32,
    /// Exempt, whichever of the two it would be.
    pub exempt: u32,
}

impl Count {
    /// Whether nothing is counted.
    pub fn is_zero(self) -> bool {
        self == Self::default()
    }
}

impl std::ops::AddAssign for Count {
    fn add_assign(&mut self, other: Self) {
        self.fail += other.fail;
        self.unknown += other.unknown;
        self.exempt += other.exempt;
    }
}

/// Counts of one rule of one policy in one namespace; never zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RuleCount {
    /// Index into [`Snapshot::policies`].
    pub policy: u16,
    /// The rule.
    pub rule: RuleId,
    /// How many findings, dormant ones included: what a status shows must not move with every nightly run.
    pub count: Count,
    /// How many without the dormant ones: metrics follow at once.
    pub live: Count,
}

/// How many subjects the pods of a namespace, or of all, are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Parts {
    /// Workloads; a pod without one is its own.
    pub workloads: u32,
    /// Containers, workload by workload.
    pub containers: u32,
    /// Image uses, workload by workload.
    pub image_uses: u32,
}

impl std::ops::AddAssign for Parts {
    fn add_assign(&mut self, other: Self) {
        self.workloads += other.workloads;
        self.containers += other.containers;
        self.image_uses += other.image_uses;
    }
}

/// What was found in one namespace.
#[derive(Clone, Debug)]
pub struct NamespaceSnapshot {
    /// Its name.
    pub name: Arc<str>,
    /// `metadata.uid`, empty where it is not known.
    pub uid: Arc<str>,
    /// Being deleted: nothing new can be written into it.
    pub terminating: bool,
    /// The Namespace object itself is there (only then can anything be written into it).
    pub exists: bool,
    /// Every finding, by id and policy. Dormant ones included.
    pub findings: Arc<[Finding]>,
    /// Counts by policy and rule, sorted.
    pub counts: Arc<[RuleCount]>,
    /// Its Exemption objects, by name, and what the policies say of them.
    pub requests: Arc<[RequestOutcome]>,
    /// How many pods are in it, ended ones included.
    pub pods: u32,
    /// How many of them have not ended.
    pub live_pods: u32,
    /// How many subjects they are.
    pub parts: Parts,
    /// Rises whenever anything in this part changes: a writer compares it and nothing else.
    pub revision: u64,
}

impl NamespaceSnapshot {
    /// A namespace in which nothing was found.
    pub(super) fn empty(name: Arc<str>) -> Self {
        Self {
            name,
            uid: Arc::default(),
            terminating: false,
            exists: false,
            findings: Arc::default(),
            counts: Arc::default(),
            requests: Arc::default(),
            pods: 0,
            live_pods: 0,
            parts: Parts::default(),
            revision: 0,
        }
    }
}

/// What was found of one rule of one policy in all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RuleTotal {
    /// The rule.
    pub rule: RuleId,
    /// How many findings, dormant ones included.
    pub count: Count,
    /// How many without the dormant ones.
    pub live: Count,
    /// In how many namespaces there are violations.
    pub namespaces: u32,
}

/// What was found of one policy in all.
#[derive(Debug)]
pub struct PolicySnapshot {
    /// The policy.
    pub policy: Arc<CompiledPolicy>,
    /// Every effective rule, zeros included, in the catalogue's order.
    pub rules: Box<[RuleTotal]>,
    /// Rules that cannot be decided because a resource may not be read, with that resource.
    pub missing_permissions: Box<[(RuleId, Resource)]>,
    /// Workloads that may not be read although the policy includes their templates.
    pub unread_templates: Box<[Resource]>,
    /// Namespaces with violations.
    pub violating_namespaces: u32,
    /// How many findings each of the policy's own exemptions permits, dormant ones included.
    pub exempted: Box<[u32]>,
    /// The policy delegates exemptions, and what is asked for may not be read.
    pub requests_denied: bool,
}

impl PolicySnapshot {
    /// The sum over all rules, dormant findings included.
    pub fn total(&self) -> Count {
        let mut total = Count::default();
        for rule in &self.rules {
            total += rule.count;
        }
        total
    }
}

/// What the auditor has seen, in numbers that are metrics.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    /// Pods.
    pub pods: u32,
    /// Namespaces.
    pub namespaces: u32,
    /// Distinct image references.
    pub images: u32,
    /// Distinct pod shapes.
    pub shapes: u32,
    /// Workloads, containers and image uses.
    pub parts: Parts,
    /// References with a tag and no digest that run somewhere.
    pub references: u32,
    /// Objects that could not be decoded, in all since the start.
    pub malformed: u64,
    /// Objects of unknown kinds that name an image.
    pub unsupported: u32,
}

/// Everything found, at one instant.
#[derive(Debug)]
pub struct Snapshot {
    /// When the last change in it was applied.
    pub observed_at: Timestamp,
    /// Every watched kind has been told once: before that, verdicts of the whole are not final.
    pub complete: bool,
    /// Every policy, sorted by name.
    pub policies: Arc<[PolicySnapshot]>,
    /// Every namespace with pods or an object of its own, sorted by name.
    pub namespaces: Arc<[Arc<NamespaceSnapshot>]>,
    /// Findings on references across the cluster, by id and policy.
    pub references: Arc<[Finding]>,
    /// Findings on the cluster itself, by id and policy.
    pub cluster: Arc<[Finding]>,
    /// What was seen.
    pub seen: Seen,
}

impl Snapshot {
    /// A namespace's part.
    pub fn namespace(&self, name: &str) -> Option<&Arc<NamespaceSnapshot>> {
        let at = self.namespaces.binary_search_by(|part| (*part.name).cmp(name)).ok()?;
        Some(&self.namespaces[at])
    }

    /// A policy's part and its index.
    pub fn policy(&self, name: &str) -> Option<(u16, &PolicySnapshot)> {
        let at = self.policies.binary_search_by(|part| (*part.policy.name).cmp(name)).ok()?;
        Some((u16::try_from(at).ok()?, &self.policies[at]))
    }

    /// Every finding of namespaces, references and the cluster.
    pub fn findings(&self) -> impl Iterator<Item = &Finding> {
        let namespaces = self.namespaces.iter().flat_map(|part| part.findings.iter());
        namespaces.chain(self.references.iter()).chain(self.cluster.iter())
    }

    /// Explains a finding: the sentence the rule writes about it.
    pub fn explain(&self, finding: &Finding) -> String {
        finding.explain(&self.policies[usize::from(finding.policy)].policy)
    }

    /// The findings on references that concern pods of `namespace`, with how many pods there.
    pub fn references_in<'a>(&'a self, namespace: &'a str) -> impl Iterator<Item = (&'a Finding, u32)> + 'a {
        self.references.iter().filter_map(move |finding| match &finding.subject {
            Subject::Reference(spread) => spread.pods_in(namespace).map(|pods| (finding, pods)),
            _ => None,
        })
    }

    /// The finding of this id under any policy.
    pub fn find(&self, id: FindingId) -> Option<&Finding> {
        self.findings().find(|finding| finding.id == id)
    }
}
