//! Whether what was found is what was found before, as far as it is shown: else nothing is written.

use std::sync::Arc;

use super::findings::{Finding, Subject};
use super::snapshot::NamespaceSnapshot;
use crate::policy::compile::CompiledPolicy;

/// Whether two lists of findings under the same policies would be shown alike. Numbers of pods and dormancy are not
/// shown: they change while no verdict does.
pub(super) fn shown_alike(
    policies: &[Arc<CompiledPolicy>],
    before: &NamespaceSnapshot,
    findings: &[Finding],
) -> bool {
    let reads_beyond = |finding: &Finding| {
        if !matches!(finding.subject, Subject::Namespace(_)) {
            return false;
        }
        let rule = policies[usize::from(finding.policy)].rule(finding.rule);
        rule.is_some_and(|rule| rule.asks().beyond)
    };
    let other_runtimes = |left: &Finding, right: &Finding| match (&left.subject, &right.subject) {
        (Subject::Workload(at), Subject::Workload(now)) if left.rule.reads_runtimes() => {
            at.judged.runtimes != now.judged.runtimes
        }
        _ => false,
    };
    let alike_words = |left: &Finding, right: &Finding| {
        let policy = &policies[usize::from(left.policy)];
        left.explain(policy) == right.explain(policy)
    };
    let alike = |(left, right): (&Finding, &Finding)| {
        (left.id, left.policy, left.rule, left.state, left.reason, left.since)
            == (right.id, right.policy, right.rule, right.state, right.reason, right.since)
            && alike_subject(&left.subject, &right.subject)
            && left.asked == right.asked
            && (!reads_beyond(left) && !other_runtimes(left, right) || alike_words(left, right))
    };
    before.findings.len() == findings.len() && before.findings.iter().zip(findings).all(alike)
}

fn alike_subject(left: &Subject, right: &Subject) -> bool {
    match (left, right) {
        (Subject::Workload(left), Subject::Workload(right)) => {
            (Arc::ptr_eq(&left.judged, &right.judged)
                || (left.judged.shape.hash, left.judged.running.hash)
                    == (right.judged.shape.hash, right.judged.running.hash))
                && left.owner == right.owner
        }
        (Subject::Namespace(left), Subject::Namespace(right)) => {
            left.object == right.object
                && left.network_policies == right.network_policies
                && (left.pods == 0) == (right.pods == 0)
        }
        _ => false,
    }
}
