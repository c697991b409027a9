//! `revisor_findings`: how many findings each rule of each policy has, by the kind of what they are about.

use std::fmt;

use prometheus_client::encoding::MetricEncoder;

use crate::auditor::findings::Finding;
use crate::auditor::snapshot::{Count, PolicySnapshot, Snapshot};
use crate::rules::{Asks, PreparedRule, SubjectKind};

use super::metrics::sample;
use super::status::severity_of;

/// Writes the series of all policies.
pub(super) fn encode(family: &mut MetricEncoder<'_>, snapshot: &Snapshot) -> fmt::Result {
    for (policy, part) in snapshot.policies.iter().enumerate() {
        let of_it =
            |finding: &&Finding| usize::from(finding.policy) == policy && finding.dormant_since.is_none();
        let cluster: Vec<&Finding> = snapshot.cluster.iter().filter(of_it).collect();
        of_policy(family, part, &cluster)?;
    }
    Ok(())
}

/// Every effective rule and state, zeros included. A rule that judges the cluster beside namespaces has series of
/// both: `cluster` are the policy's findings on the cluster.
fn of_policy(family: &mut MetricEncoder<'_>, part: &PolicySnapshot, cluster: &[&Finding]) -> fmt::Result {
    for line in &part.rules {
        let asks = part.policy.rule(line.rule).map_or(Asks::NOTHING, PreparedRule::asks);
        let severity = severity_of(part, line.rule).as_str();
        let Count { fail, unknown, exempt } = line.live;
        for (state, all) in [("fail", fail), ("unknown", unknown), ("exempt", exempt)] {
            let of_cluster = |it: &&&Finding| it.rule == line.rule && it.state.as_str() == state;
            let in_cluster = cluster.iter().filter(of_cluster).map(|_| 1).sum::<u32>();
            let series = [
                (!asks.only_cluster, line.rule.entry().subject, all.saturating_sub(in_cluster)),
                (asks.cluster, SubjectKind::Cluster, in_cluster),
            ];
            for (_, kind, count) in series.into_iter().filter(|(shown, ..)| *shown) {
                let labels = [
                    ("policy", &*part.policy.name),
                    ("rule", line.rule.as_str()),
                    ("severity", severity),
                    ("subject_kind", kind.as_str()),
                    ("state", state),
                ];
                sample(family, &labels, count)?;
            }
        }
    }
    Ok(())
}
