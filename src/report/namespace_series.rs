//! `revisor_namespace_findings`: the one family whose size grows with the cluster. Series that are zero are not
//! shown, and of too many the worst are.

use std::fmt;

use prometheus_client::encoding::MetricEncoder;

use crate::auditor::snapshot::{PolicySnapshot, RuleCount, Snapshot};
use crate::rules::RuleId;
use crate::verdict::Severity;

use super::status::severity_of;

/// The family's name.
pub(super) const NAME: &str = "revisor_namespace_findings";
/// The family's description.
pub(super) const HELP: &str = "Findings by namespace, policy and rule, where there are any.";

const STATES: [&str; 3] = ["fail", "unknown", "exempt"];
/// Series are chosen by class: state, then severity, worst first.
const CLASSES: usize = STATES.len() * Severity::WORST_FIRST.len();

/// Which series are shown.
#[derive(Debug)]
pub(super) struct NamespaceSeries {
    /// How many of each class, the first by namespace, policy and rule.
    shown: [usize; CLASSES],
    /// How many are left out.
    pub(super) dropped: usize,
}

fn class(state: usize, severity: Severity) -> usize {
    state * Severity::WORST_FIRST.len() + (Severity::Critical as usize - severity as usize)
}

fn counts(line: &RuleCount) -> [u32; 3] {
    [line.live.fail, line.live.unknown, line.live.exempt]
}

impl NamespaceSeries {
    /// Chooses at most `limit` series: fail before unknown before exempt, then by severity, then in the order
    /// in which they are shown. Depends on the Snapshot alone.
    pub(super) fn choose(snapshot: &Snapshot, limit: usize) -> Self {
        let mut shown = [0; CLASSES];
        for line in snapshot.namespaces.iter().flat_map(|part| part.counts.iter()) {
            let severity = severity_of(&snapshot.policies[usize::from(line.policy)], line.rule);
            for (state, count) in counts(line).into_iter().enumerate() {
                shown[class(state, severity)] += usize::from(count > 0);
            }
        }
        let (mut room, mut dropped) = (limit, 0);
        for class in &mut shown {
            let kept = room.min(*class);
            dropped += *class - kept;
            room -= kept;
            *class = kept;
        }
        Self { shown, dropped }
    }

    /// Tells every chosen series, in a fixed order: namespace, policy, rule, state.
    fn each(
        &self,
        snapshot: &Snapshot,
        mut tell: impl FnMut(&str, &PolicySnapshot, RuleId, Severity, &'static str, u32) -> fmt::Result,
    ) -> fmt::Result {
        let mut left = self.shown;
        for namespace in snapshot.namespaces.iter() {
            for line in namespace.counts.iter() {
                let policy = &snapshot.policies[usize::from(line.policy)];
                let severity = severity_of(policy, line.rule);
                for (state, count) in counts(line).into_iter().enumerate() {
                    let left = &mut left[class(state, severity)];
                    if count > 0 && *left > 0 {
                        *left -= 1;
                        tell(&namespace.name, policy, line.rule, severity, STATES[state], count)?;
                    }
                }
            }
        }
        Ok(())
    }

    /// Whether there is no series.
    pub(super) fn is_empty(&self) -> bool {
        self.shown == [0; CLASSES]
    }

    pub(super) fn encode(&self, snapshot: &Snapshot, family: &mut MetricEncoder<'_>) -> fmt::Result {
        self.each(snapshot, |namespace, policy, rule, severity, state, count| {
            let labels = [
                ("resource_namespace", namespace),
                ("policy", &*policy.policy.name),
                ("rule", rule.as_str()),
                ("severity", severity.as_str()),
                ("state", state),
            ];
            family.encode_family(&labels)?.encode_gauge(&count)
        })
    }
}
