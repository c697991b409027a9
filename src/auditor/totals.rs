//! Assembling a Snapshot: totals are sums over namespaces, never kept on the side.

use std::num::NonZeroUsize;
use std::sync::Arc;

use jiff::Timestamp;

use super::Auditor;
use super::cores::shared_out;
use super::findings::{Finding, State, Subject};
use super::rollup::add;
use super::snapshot::{Count, NamespaceSnapshot, Parts, PolicySnapshot, RuleTotal, Seen, Snapshot};
use crate::rules::CATALOGUE;
use crate::subject::Resource;

impl Snapshot {
    /// A Snapshot of nothing, not complete.
    pub fn empty() -> Self {
        Self {
            observed_at: Timestamp::UNIX_EPOCH,
            complete: false,
            policies: Arc::default(),
            namespaces: Arc::default(),
            references: Arc::default(),
            cluster: Arc::default(),
            seen: Seen::default(),
        }
    }
}

/// How many namespaces are summed up together: a sum is made anew only where one of them has changed.
const BLOCK: usize = 128;
/// From how many blocks on a thread is worth its start.
const MANY: usize = 16;

/// Counts of every rule of one policy, by the rule's place in the catalogue.
#[derive(Clone, Debug)]
struct Sums {
    counts: Vec<Count>,
    live: Vec<Count>,
    namespaces: Vec<u32>,
    violating_namespaces: u32,
    /// By the exemption's place in the policy; shorter where the last ones permit nothing.
    exempted: Vec<u32>,
}

impl Sums {
    fn none() -> Self {
        Self {
            counts: vec![Count::default(); CATALOGUE.len()],
            live: vec![Count::default(); CATALOGUE.len()],
            namespaces: vec![0; CATALOGUE.len()],
            violating_namespaces: 0,
            exempted: Vec::new(),
        }
    }

    /// One more finding in this state.
    fn count_exempted(&mut self, state: State) {
        if let State::Exempt(index) = state
            && index != State::REQUESTED
        {
            self.add_exempted(usize::from(index), 1);
        }
    }

    fn add_exempted(&mut self, index: usize, findings: u32) {
        if self.exempted.len() <= index {
            self.exempted.resize(index + 1, 0);
        }
        self.exempted[index] += findings;
    }

    fn add(&mut self, other: &Self) {
        for rule in 0..CATALOGUE.len() {
            self.counts[rule] += other.counts[rule];
            self.live[rule] += other.live[rule];
            self.namespaces[rule] += other.namespaces[rule];
        }
        self.violating_namespaces += other.violating_namespaces;
        for (index, findings) in other.exempted.iter().enumerate() {
            self.add_exempted(index, *findings);
        }
    }
}

/// The sums of each block of the last Snapshot's namespaces, policy by policy. They follow from its parts, which
/// never change; a block whose parts are the same ones has the same sums.
#[derive(Debug, Default)]
pub(super) struct BlockSums(Vec<Vec<Sums>>);

fn number(length: usize) -> u32 {
    u32::try_from(length).unwrap_or(u32::MAX)
}

/// Sums up the namespaces of one block.
fn sum_block(policies: usize, parts: &[Arc<NamespaceSnapshot>]) -> Vec<Sums> {
    let mut sums = vec![Sums::none(); policies];
    for part in parts {
        let mut counted = None;
        for count in part.counts.iter() {
            let sums = &mut sums[usize::from(count.policy)];
            let rule = count.rule.index();
            sums.counts[rule] += count.count;
            sums.live[rule] += count.live;
            if count.count.fail > 0 {
                sums.namespaces[rule] += 1;
                if counted != Some(count.policy) {
                    sums.violating_namespaces += 1;
                    counted = Some(count.policy);
                }
            }
        }
        if part.counts.iter().any(|count| count.count.exempt > 0) {
            let findings = part.findings.iter();
            findings.for_each(|finding| sums[usize::from(finding.policy)].count_exempted(finding.state));
        }
    }
    sums
}

impl BlockSums {
    /// The sums over all namespaces, and over what lies in none. `before` are the parts that the kept sums are of.
    fn sum(
        &mut self,
        policies: usize,
        before: &[Arc<NamespaceSnapshot>],
        parts: &[Arc<NamespaceSnapshot>],
        [references, cluster]: [&[Finding]; 2],
        cores: NonZeroUsize,
    ) -> Vec<Sums> {
        let known = std::mem::take(&mut self.0);
        let same = |at: usize, block: &[Arc<NamespaceSnapshot>]| {
            let old = before.chunks(BLOCK).nth(at)?;
            let alike =
                old.len() == block.len() && old.iter().zip(block).all(|(old, new)| Arc::ptr_eq(old, new));
            known.get(at).filter(|sums| alike && sums.len() == policies)
        };
        let blocks = parts.chunks(BLOCK).enumerate();
        let mut sums: Vec<_> = blocks.map(|(at, block)| (block, same(at, block).cloned())).collect();
        let mut others: Vec<_> = sums.iter_mut().filter(|(_, known)| known.is_none()).collect();
        let threads = cores.get().min(others.len() / MANY);
        shared_out(&mut others, threads, |others| {
            others.iter_mut().for_each(|(block, sums)| *sums = Some(sum_block(policies, block)));
        });
        self.0 = sums.into_iter().filter_map(|(_, sums)| sums).collect();
        let mut total = vec![Sums::none(); policies];
        for sums in &self.0 {
            total.iter_mut().zip(sums).for_each(|(total, sums)| total.add(sums));
        }
        for finding in references.iter().chain(cluster) {
            let sums = &mut total[usize::from(finding.policy)];
            add(&mut sums.counts[finding.rule.index()], finding.state);
            add(&mut sums.live[finding.rule.index()], finding.state);
            sums.count_exempted(finding.state);
            if let (State::Fail, Subject::Reference(spread)) = (finding.state, &finding.subject) {
                sums.namespaces[finding.rule.index()] += number(spread.namespaces.len());
            }
        }
        total
    }
}

impl Auditor {
    /// Everything found, at `now`.
    pub(super) fn assemble(
        &mut self,
        references: Arc<[Finding]>,
        cluster: Arc<[Finding]>,
        now: Timestamp,
    ) -> Snapshot {
        let namespaces = self.namespaces.parts();
        let (policies, before) = (self.plan.policies.len(), &self.snapshot.namespaces);
        let sums = self.block_sums.sum(policies, before, &namespaces, [&references, &cluster], self.cores);
        let policies = self.plan.policies.iter().zip(sums).map(|(policy, sums)| PolicySnapshot {
            policy: policy.clone(),
            rules: policy
                .rules
                .iter()
                .map(|rule| RuleTotal {
                    rule: rule.id,
                    count: sums.counts[rule.id.index()],
                    live: sums.live[rule.id.index()],
                    namespaces: sums.namespaces[rule.id.index()],
                })
                .collect(),
            missing_permissions: policy
                .rules
                .iter()
                .flat_map(|rule| rule.reads().map(move |read| (rule.id, read)))
                .filter(|(_, read): &(_, Resource)| self.kinds.denied.contains(read))
                .collect(),
            unread_templates: Resource::TEMPLATES
                .into_iter()
                .filter(|kind| policy.scope.include_templates && self.kinds.denied.contains(kind))
                .collect(),
            violating_namespaces: sums.violating_namespaces,
            exempted: (0..policy.exemptions.len())
                .map(|index| sums.exempted.get(index).copied().unwrap_or(0))
                .collect(),
            requests_denied: !policy.delegation.is_empty()
                && self.kinds.denied.contains(&Resource::Exemptions),
        });
        Snapshot {
            observed_at: self.observed_at.max(now),
            complete: self.is_complete(),
            policies: policies.collect(),
            seen: Seen {
                pods: number(self.inventory.pods()),
                namespaces: number(self.namespaces.len()),
                images: number(self.inventory.images()),
                shapes: number(self.inventory.shapes.len()),
                parts: namespaces.iter().fold(Parts::default(), |mut all, part| {
                    all += part.parts;
                    all
                }),
                references: number(self.inventory.references.len()),
                malformed: self.inventory.malformed + self.unusable,
                unsupported: number(self.unsupported.len()),
            },
            namespaces,
            references,
            cluster,
        }
    }
}
