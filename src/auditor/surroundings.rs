//! What stands around a namespace, as far as active rules read it, and the verdicts of rules about namespaces.

use std::sync::Arc;

use jiff::Timestamp;

use super::findings::{Finding, State, Subject, name_id, whole_second};
use super::namespaces::Namespace;
use super::rollup::Rolling;
use crate::policy::compile::CompiledPolicy;
use crate::policy::scope::Membership;
use crate::rules::{Check, PodsRead, PreparedRule};
use crate::subject::Resource;
use crate::subject::cluster::ClusterFacts;
use crate::subject::facts::Fact;
use crate::subject::namespace::{
    Beyond, NamespaceFacts, NamespaceObject, NamespaceSubject, PodFacts, TextPairs,
};
use crate::subject::pod::DEFAULT_SERVICE_ACCOUNT;
use crate::verdict::{Note, Verdict, reason};

/// What stands around namespaces in which there is nothing special, which is most of them: they share it.
#[derive(Debug, Default)]
pub(super) struct Plain {
    nothing: Arc<Beyond>,
    reached: Arc<Beyond>,
    missed: Arc<Beyond>,
}

impl Plain {
    /// For all that is rolled up at `now`.
    pub(super) fn renew(&mut self, cluster: &Arc<ClusterFacts>, now: Timestamp) {
        let plain = |reached| {
            let cluster = cluster.clone();
            Arc::new(Beyond { cluster, reached: Some(reached), judged_at: now, ..Beyond::default() })
        };
        (self.reached, self.missed) = (plain(true), plain(false));
    }
}

impl<'a> Rolling<'a> {
    /// What stands around a namespace; nothing while no rule reads it.
    pub(super) fn beyond(&self, namespace: &'a Namespace) -> Arc<Beyond> {
        if !self.plan.asks.beyond {
            return self.plain.nothing.clone();
        }
        let beyond = Beyond {
            objects: namespace.objects.clone(),
            granted: namespace.granted.clone(),
            cluster: self.cluster.clone(),
            pods: self.pods_of(namespace),
            reached: self.is_reached(namespace),
            judged_at: self.now,
        };
        let plain = match beyond.reached {
            Some(true) => &self.plain.reached,
            _ => &self.plain.missed,
        };
        let is_plain = beyond.objects.is_empty() && beyond.granted.is_empty() && beyond.pods.is_empty();
        let is_same = (beyond.reached, beyond.judged_at) == (plain.reached, plain.judged_at)
            && Arc::ptr_eq(&beyond.cluster, &plain.cluster);
        if is_plain && is_same { plain.clone() } else { Arc::new(beyond) }
    }

    /// The pods of a namespace by workload.
    fn pods_of(&self, namespace: &'a Namespace) -> Arc<[PodFacts]> {
        let reads = self.plan.asks.pods;
        if reads == PodsRead::Number {
            return Arc::default();
        }
        let inventory = self.inventory;
        let default: Arc<str> = DEFAULT_SERVICE_ACCOUNT.into();
        let facts = self.groups(namespace).filter_map(|(group, outline)| {
            let (workload, judged) = (inventory.workload(group)?, inventory.judged(group));
            let pod = judged.shape.facts();
            let labels = match reads {
                PodsRead::Labels => inventory.labels.texts(group.key.class),
                PodsRead::Workloads | PodsRead::Number => TextPairs::default(),
            };
            Some(PodFacts {
                kind: workload.kind.clone(),
                name: (&*workload.name).into(),
                service_account: match workload.service_account() {
                    DEFAULT_SERVICE_ACCOUNT => default.clone(),
                    account => account.into(),
                },
                automount: pod.flag(Fact::AutomountToken),
                host_network: pod.is(Fact::HostNetwork),
                is_static: judged.shape.is_static,
                ended: outline.ended,
                malformed: outline.malformed,
                labels,
            })
        });
        let mut facts: Vec<PodFacts> = facts.collect();
        facts.sort_unstable();
        facts.dedup();
        facts.into()
    }

    /// Whether the scope of some policy that judges more than that reaches a namespace.
    fn is_reached(&self, namespace: &Namespace) -> Option<bool> {
        let judges = |policy: &CompiledPolicy| policy.rules.iter().any(|rule| !rule.asks().any_scope);
        let policies = || self.plan.policies.iter();
        // Where no policy judges more, whoever tries the rule out means the scope of that very policy.
        let only_coverage = !policies().any(|policy| judges(policy));
        let policies = policies().filter(|policy| only_coverage || judges(policy));
        let mut reached = Some(false);
        for policy in policies {
            match policy.scope.namespace(&namespace.name, namespace.labels()) {
                Membership::In => return Some(true),
                Membership::Undecided => reached = None,
                Membership::Out => {}
            }
        }
        reached
    }

    /// The findings of those of one policy's rules about namespaces that are `asked`. Returns when time alone changes some verdict next.
    pub(super) fn namespace_findings(
        &self,
        namespace: &Namespace,
        facts: &NamespaceFacts,
        (index, policy): (u16, &CompiledPolicy),
        asked: impl Fn(&PreparedRule) -> bool,
        findings: &mut Vec<Finding>,
    ) -> Option<Timestamp> {
        let (mut shared, mut deadline) = (None, None);
        if namespace.is_gone() {
            return None;
        }
        for rule in policy.rules.iter().filter(|rule| asked(rule)) {
            let Some(verdict) = self.namespace_verdict(rule, facts, &mut Note::silent()) else { continue };
            deadline = deadline.into_iter().chain(self.due(rule, facts)).min();
            let (state, reason) = match verdict {
                Verdict::Fail(reason) => (State::Fail, reason),
                Verdict::Unknown(reason) => (State::Unknown, reason),
                Verdict::Pass | Verdict::NotApplicable(_) => continue,
            };
            let facts: &Arc<NamespaceFacts> = shared.get_or_insert_with(|| Arc::new(facts.clone()));
            let mut finding = Finding {
                id: name_id(rule.id, namespace.hash),
                policy: index,
                rule: rule.id,
                state,
                reason,
                subject: Subject::Namespace(facts.clone()),
                pods: 0,
                since: whole_second(self.now),
                dormant_since: None,
                asked: None,
            };
            deadline = deadline.into_iter().chain(self.exempt(policy, Some(namespace), &mut finding)).min();
            findings.push(finding);
        }
        deadline
    }

    /// When time alone changes a rule's verdict next.
    pub(super) fn due(&self, rule: &PreparedRule, facts: &NamespaceFacts) -> Option<Timestamp> {
        let Check::Namespace(judge) = &rule.check else { return None };
        let object = facts.object.as_deref()?;
        judge.due(&NamespaceSubject { facts, object }).filter(|due| *due > self.now)
    }

    /// Whether something that a rule needs may not be read. A rule decides by itself what it means for the verdict
    /// when objects of somebody else's kinds may be there and may not be read.
    pub(super) fn is_denied(&self, rule: &PreparedRule) -> bool {
        rule.id.info().reads.iter().any(|read| !read.is_custom() && self.denied.contains(read))
    }

    /// The verdict of a namespace rule; none for other rules.
    pub(super) fn namespace_verdict(
        &self,
        rule: &PreparedRule,
        facts: &NamespaceFacts,
        note: &mut Note<'_>,
    ) -> Option<Verdict> {
        let Check::Namespace(judge) = &rule.check else { return None };
        if judge.asks().only_cluster {
            return None;
        }
        let denied = self.is_denied(rule);
        match facts.object.as_deref() {
            Some(object) if !object.malformed => match denied {
                true => Some(Verdict::Unknown(reason::MISSING_PERMISSION)),
                false => Some(judge.judge(&NamespaceSubject { facts, object }, note)),
            },
            object => {
                // What is wrong by being there is wrong whatever the namespace's own object says.
                let nothing = NamespaceObject::default();
                let subject = NamespaceSubject { facts, object: object.unwrap_or(&nothing) };
                // In a namespace that does not exist, only what a binding of the cluster grants is worth telling, which
                // is else nobody's: a tenant could name any number of them in bindings of its own.
                let is_absent =
                    object.is_none() && !self.cluster.partial && !self.denied.contains(&Resource::Namespaces);
                let asks = judge.asks();
                if asks.without_object
                    && (asks.cluster || !is_absent)
                    && !denied
                    && let failed @ Verdict::Fail(_) = judge.judge(&subject, note)
                {
                    return Some(failed);
                }
                Some(self.without_object(object.is_some(), denied, note))
            }
        }
    }

    fn without_object(&self, malformed: bool, denied: bool, note: &mut Note<'_>) -> Verdict {
        match malformed {
            true if denied => Verdict::Unknown(reason::MISSING_PERMISSION),
            true => Verdict::Unknown(reason::MALFORMED),
            false if self.denied.contains(&Resource::Namespaces) => {
                Verdict::Unknown(reason::MISSING_PERMISSION)
            }
            false => note.not_applicable(
                reason::NOT_IN_INPUT,
                format_args!("the namespace is not among the objects given"),
            ),
        }
    }
}
