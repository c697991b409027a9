//! Judging the cluster itself: what lies in no namespace.

use std::sync::{Arc, LazyLock};

use jiff::Timestamp;

use super::audit::Judgement;
use super::findings::{Finding, FindingId, State, Subject, name_id, whole_second};
use super::marks::{Quiet, Telling};
use super::requests::exemption;
use super::rollup::Rolling;
use super::{Auditor, Feed};
use crate::policy::compile::CompiledPolicy;
use crate::rules::{Check, PreparedRule, RuleId};
use crate::subject::canonical::{combine, text_hash};
use crate::subject::cluster::ClusterSubject;
use crate::verdict::{Note, Verdict, reason};

/// The id of a finding on the cluster. No namespace has the same, whatever its name.
fn cluster_id(rule: RuleId) -> FindingId {
    static HASH: LazyLock<u64> = LazyLock::new(|| combine(&[text_hash("cluster"), 0]));
    name_id(rule, *HASH)
}

impl Rolling<'_> {
    /// The verdict of a rule on the cluster; none for a rule that does not judge it.
    fn cluster_verdict(
        &self,
        policy: &CompiledPolicy,
        rule: &PreparedRule,
        cluster: &ClusterSubject,
        note: &mut Note<'_>,
    ) -> Option<Verdict> {
        let Check::Namespace(judge) = &rule.check else { return None };
        if !judge.asks().cluster {
            return None;
        }
        Some(match policy.scope.cluster() {
            false => Verdict::NotApplicable(reason::OUT_OF_SCOPE),
            true if self.is_denied(rule) => Verdict::Unknown(reason::MISSING_PERMISSION),
            true => judge.judge_cluster(cluster, note),
        })
    }

    fn cluster_findings(&self, cluster: &Arc<ClusterSubject>) -> Vec<Finding> {
        let mut findings = Vec::new();
        for (index, policy) in self.plan.policies.iter().enumerate() {
            for rule in &policy.rules {
                let verdict = self.cluster_verdict(policy, rule, cluster, &mut Note::silent());
                let (state, reason) = match verdict {
                    Some(Verdict::Fail(reason)) => (State::Fail, reason),
                    Some(Verdict::Unknown(reason)) => (State::Unknown, reason),
                    None | Some(Verdict::Pass | Verdict::NotApplicable(_)) => continue,
                };
                let mut finding = Finding {
                    id: cluster_id(rule.id),
                    policy: u16::try_from(index).unwrap_or(u16::MAX),
                    rule: rule.id,
                    state,
                    reason,
                    subject: Subject::Cluster(cluster.clone()),
                    pods: 0,
                    since: whole_second(self.now),
                    dormant_since: None,
                    asked: None,
                };
                self.exempt(policy, None, &mut finding);
                findings.push(finding);
            }
        }
        findings.sort_by_key(|finding| (finding.id, finding.policy));
        findings
    }
}

impl Auditor {
    /// The findings on the cluster; the same ones while nothing has changed that decides about them.
    pub(super) fn judge_cluster(
        &mut self,
        quiet: Quiet<'_>,
        renumbered: Option<&[Option<u16>]>,
        now: Timestamp,
    ) -> Arc<[Finding]> {
        let due = self.cluster_deadline.is_some_and(|deadline| deadline <= now);
        if !self.objects.take_dirty() && !due {
            return self.snapshot.cluster.clone();
        }
        let before = self.snapshot.cluster.clone();
        let mut findings = match self.plan.asks.cluster {
            true => self.rolling(now).cluster_findings(&Arc::new(self.objects.subject())),
            false => Vec::new(),
        };
        for old in before.iter() {
            let policy = renumbered.map_or(Some(old.policy), |numbers| numbers[usize::from(old.policy)]);
            let Some(policy) = policy else { continue };
            let place = findings.binary_search_by_key(&(old.id, policy), |new| (new.id, new.policy));
            if let Ok(at) = place {
                findings[at].since = old.since;
            }
        }
        if self.feed == Feed::Live {
            let policies = &self.plan.policies;
            let mut telling = Telling { now, quiet, policies, transitions: &mut self.transitions };
            self.cluster_deadline = self.cluster_marks.update(&before, &mut findings, &mut telling);
        }
        findings.into()
    }

    /// Tells every verdict on the cluster.
    pub(super) fn audit_cluster(&self, now: Timestamp, tell: &mut dyn FnMut(&Judgement<'_>)) {
        let (rolling, cluster) = (self.rolling(now), Arc::new(self.objects.subject()));
        let subject = Subject::Cluster(cluster.clone());
        let mut text = String::new();
        for policy in self.plan.policies.iter() {
            for rule in &policy.rules {
                text.clear();
                let note = &mut Note::listening(&mut text);
                let Some(verdict) = rolling.cluster_verdict(policy, rule, &cluster, note) else { continue };
                if let (true, Some(reason)) = (text.is_empty(), verdict.reason()) {
                    super::findings::explain_reason(rule.id, reason, &mut text);
                }
                let is_finding = verdict.is_finding();
                tell(&Judgement {
                    id: cluster_id(rule.id),
                    policy,
                    rule,
                    subject: &subject,
                    verdict,
                    asked: None,
                    exemption: is_finding.then(|| exemption(policy, rule.id, &subject, now)).flatten(),
                    message: &text,
                    pods: 0,
                    source: None,
                });
            }
        }
    }
}
