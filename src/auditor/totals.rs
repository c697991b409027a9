//! Assembling a Snapshot: totals are sums over namespaces, never kept on the side.

use std::sync::Arc;

use jiff::Timestamp;

use super::Auditor;
use super::findings::{Finding, State};
use super::rollup::add;
use super::snapshot::{Count, NamespaceSnapshot, PolicySnapshot, RuleTotal, Seen, Snapshot};
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
            seen: Seen::default(),
        }
    }
}

/// Counts of every rule of one policy, by the rule's place in the catalogue.
struct Sums {
    counts: Vec<Count>,
    live: Vec<Count>,
    namespaces: Vec<u32>,
    violating_namespaces: u32,
}

fn number(length: usize) -> u32 {
    u32::try_from(length).unwrap_or(u32::MAX)
}

fn sum(policies: usize, parts: &[Arc<NamespaceSnapshot>], references: &[Finding]) -> Vec<Sums> {
    let none = || Sums {
        counts: vec![Count::default(); CATALOGUE.len()],
        live: vec![Count::default(); CATALOGUE.len()],
        namespaces: vec![0; CATALOGUE.len()],
        violating_namespaces: 0,
    };
    let mut sums: Vec<Sums> = (0..policies).map(|_| none()).collect();
    for part in parts {
        let mut counted = None;
        for count in &part.counts {
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
    }
    for finding in references {
        let sums = &mut sums[usize::from(finding.policy)];
        add(&mut sums.counts[finding.rule.index()], finding.state);
        add(&mut sums.live[finding.rule.index()], finding.state);
        if let (State::Fail, super::findings::Subject::Reference(spread)) = (finding.state, &finding.subject)
        {
            sums.namespaces[finding.rule.index()] += number(spread.namespaces.len());
        }
    }
    sums
}

impl Auditor {
    /// Everything found, at `now`.
    pub(super) fn assemble(&mut self, references: Arc<[Finding]>, now: Timestamp) -> Snapshot {
        let namespaces = self.namespaces.parts();
        let sums = sum(self.plan.policies.len(), &namespaces, &references);
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
                .flat_map(|rule| rule.id.info().reads.iter().map(move |read| (rule.id, *read)))
                .filter(|(_, read): &(_, Resource)| self.denied.contains(read))
                .collect(),
            violating_namespaces: sums.violating_namespaces,
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
                image_uses: namespaces.iter().map(|part| part.image_uses).sum(),
                references: number(self.inventory.references.len()),
                malformed: self.inventory.malformed + self.unusable,
                unsupported: number(self.unsupported.len()),
            },
            namespaces,
            references,
        }
    }
}
