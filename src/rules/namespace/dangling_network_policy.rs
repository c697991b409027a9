//! DanglingNetworkPolicy: every network policy is about some pod.

use super::offenders::Offenders;
use crate::rules::shown::Cut;
use crate::rules::{Asks, Control, NamespaceRule, PodsRead, Rule, RuleInfo, SettingError, rule_settings};
use crate::subject::Resource;
use crate::subject::namespace::NamespaceSubject;
use crate::verdict::{Note, Severity, Verdict, reason};

rule_settings! {
    /// The podSelector of every NetworkPolicy selects a pod of its namespace. An empty one, which is about every pod
    /// that ever comes, is fine without any.
    struct Settings {}
}

/// The rule; it has no settings of its own.
#[derive(Debug)]
pub struct DanglingNetworkPolicy;

impl Rule for DanglingNetworkPolicy {
    const INFO: RuleInfo = RuleInfo {
        id: "DanglingNetworkPolicy",
        title: "Network policies select pods",
        rationale: "A policy that selects no pod protects nothing. Mostly a label was mistyped or \
                    renamed, and the pods it was written for are open; whoever reads the list of \
                    policies believes the opposite.",
        remedy: "Compare the policy's podSelector with the labels of the pods, then mend it or \
                 delete the policy:\n\n  \
                 kubectl -n NAMESPACE get networkpolicy NAME -o jsonpath='{.spec.podSelector}'\n  \
                 kubectl -n NAMESPACE get pods --show-labels\n  \
                 kubectl -n NAMESPACE delete networkpolicy NAME",
        severity: Severity::Low,
        controls: &[Control::cis("5.3.2")],
        reads: &[Resource::NetworkPolicies],
        false_positives: "Workloads that are scaled to zero, CronJobs whose pods have been cleaned \
                          up, and policies that are applied before their workload: the finding goes \
                          with the first pod. Pods that have ended count.",
    };
    type Settings = Settings;

    fn prepare(_: &Settings) -> Result<Self, SettingError> {
        Ok(Self)
    }
}

impl NamespaceRule for DanglingNetworkPolicy {
    const ASKS: Asks = Asks { pods: PodsRead::Labels, ..Asks::BEYOND };

    fn check(&self, subject: &NamespaceSubject<'_>, note: &mut Note<'_>) -> Verdict {
        let (policies, pods) = (&subject.facts.network_policies, &subject.facts.beyond.pods);
        let mut dangling = Offenders::default();
        for policy in policies.iter().filter(|policy| !policy.malformed && !policy.selects_all) {
            if !pods.iter().any(|pods| !pods.malformed && policy.pods.matches(|key| pods.label(key))) {
                dangling.push(Cut(&policy.name));
            }
        }
        // Labels that cannot be read may be those that the policy names.
        if !dangling.is_empty() && pods.iter().any(|pods| pods.malformed) {
            return note.unknown(
                reason::MALFORMED,
                format_args!("a pod cannot be read that network policy {dangling} may select"),
            );
        }
        if !dangling.is_empty() {
            return note
                .fail("SelectsNoPod", format_args!("no pod is selected by network policy {dangling}"));
        }
        match policies.iter().find(|policy| policy.malformed) {
            Some(policy) => {
                let name = Cut(&policy.name);
                note.unknown(reason::MALFORMED, format_args!("network policy {name} cannot be read"))
            }
            None => Verdict::Pass,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::testing::{beyond, namespace, namespace_explained, pods};
    use crate::subject::namespace::{NetworkPolicyFacts, PodFacts, TextPairs};
    use crate::subject::selector::{LabelSelector, Requirement, Test};

    fn policy(name: &str, test: Option<Test>) -> NetworkPolicyFacts {
        let requirement = |test| Requirement { key: "app".into(), test };
        NetworkPolicyFacts {
            name: name.into(),
            selects_all: test.is_none(),
            pods: LabelSelector::new(test.map(requirement).into_iter().collect()),
            ..NetworkPolicyFacts::default()
        }
    }

    fn app(name: &str) -> Option<Test> {
        Some(Test::In([name.into()].into()))
    }

    fn explained(policies: &[NetworkPolicyFacts], pods: Vec<PodFacts>) -> (Verdict, String) {
        let mut facts = namespace(&[], &[]);
        facts.network_policies = policies.into();
        facts.beyond = beyond(Vec::new(), pods).into();
        namespace_explained::<DanglingNetworkPolicy>("{}", &facts)
    }

    fn verdict(policies: &[NetworkPolicyFacts], pods: Vec<PodFacts>) -> Verdict {
        explained(policies, pods).0
    }

    fn web() -> PodFacts {
        PodFacts { labels: TextPairs::new(vec![("app", "web")]), ..pods("web") }
    }

    const DANGLING: Verdict = Verdict::Fail("SelectsNoPod");

    #[test]
    fn a_policy_that_selects_no_pod_fails_and_is_named() {
        let (found, text) = explained(&[policy("a", app("web")), policy("b", app("wbe"))], vec![web()]);
        assert_eq!((found, &*text), (DANGLING, "no pod is selected by network policy b"));
        assert_eq!(verdict(&[policy("a", app("web"))], vec![web()]), Verdict::Pass);
        assert_eq!(verdict(&[policy("a", app("web"))], vec![]), DANGLING);
        assert_eq!(verdict(&[], vec![web()]), Verdict::Pass);
    }

    #[test]
    fn an_empty_selector_and_conditions_that_hold_are_about_pods() {
        assert_eq!(verdict(&[policy("all", None)], vec![]), Verdict::Pass);
        assert_eq!(
            verdict(&[policy("not", Some(Test::NotIn(["db".into()].into())))], vec![pods("web")]),
            Verdict::Pass
        );
        assert_eq!(verdict(&[policy("no", Some(Test::DoesNotExist))], vec![web()]), DANGLING);
    }

    #[test]
    fn pods_that_have_ended_and_pods_on_the_hosts_network_count() {
        let policy = || [policy("a", app("web"))];
        assert_eq!(verdict(&policy(), vec![PodFacts { ended: true, ..web() }]), Verdict::Pass);
        assert_eq!(verdict(&policy(), vec![PodFacts { host_network: true, ..web() }]), Verdict::Pass);
    }

    #[test]
    fn what_cannot_be_read_leaves_it_open() {
        let unknown = Verdict::Unknown("Malformed");
        let pod = PodFacts { malformed: true, ..pods("garbled") };
        assert_eq!(verdict(&[policy("a", app("web"))], vec![pod.clone()]), unknown);
        assert_eq!(verdict(&[policy("a", app("web"))], vec![pod, web()]), Verdict::Pass);
        let garbled = || NetworkPolicyFacts { malformed: true, ..policy("garbled", None) };
        assert_eq!(verdict(&[garbled()], vec![web()]), unknown);
        assert_eq!(verdict(&[garbled(), policy("b", app("db"))], vec![web()]), DANGLING);
    }
}
