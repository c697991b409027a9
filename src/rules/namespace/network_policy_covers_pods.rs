//! NetworkPolicyCoversPods: some network policy is about every pod.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::offenders::Offenders;
use super::other_policies::{and_others, undecided};
use crate::rules::shown::Cut;
use crate::rules::{Asks, Control, NamespaceRule, PodsRead, Rule, RuleInfo, SettingError, rule_settings};
use crate::subject::Resource;
use crate::subject::namespace::{NamespaceSubject, NetworkPolicyFacts, PodFacts};
use crate::verdict::{Note, Severity, Verdict, reason};

rule_settings! {
    /// Every pod that has not ended and has a network of its own is selected by a NetworkPolicy of its namespace.
    struct Settings {
        /// Directions in which some policy has to isolate each pod. Default: none in particular, a policy of either
        /// direction is enough.
        #[schemars(length(min = 1, max = 2))]
        directions: Vec<Isolation>,
    }
}

/// A direction of traffic.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Isolation {
    /// What comes in.
    Ingress,
    /// What goes out.
    Egress,
}

/// The rule.
#[derive(Debug)]
pub struct NetworkPolicyCoversPods {
    directions: Vec<Isolation>,
}

impl Rule for NetworkPolicyCoversPods {
    const INFO: RuleInfo = RuleInfo {
        id: "NetworkPolicyCoversPods",
        title: "Every pod is selected by a network policy",
        rationale: "A pod that no network policy selects is open to the whole cluster and may reach \
                    all of it, however strict the policies of its neighbours are. Often a label was \
                    renamed, and the policy looks as if it still held.",
        remedy: "Apply a policy that isolates every pod, or one whose podSelector names the labels \
                 of this workload:\n\n  \
                 apiVersion: networking.k8s.io/v1\n  \
                 kind: NetworkPolicy\n  \
                 metadata: {name: default-deny, namespace: NAMESPACE}\n  \
                 spec:\n    \
                 podSelector: {}\n    \
                 policyTypes: [Ingress]\n\n\
                 Compare labels and selectors: kubectl -n NAMESPACE get pods --show-labels; kubectl \
                 -n NAMESPACE describe networkpolicies",
        severity: Severity::Medium,
        controls: &[Control::cis("5.3.2"), Control::bsi("APP.4.4.A18"), Control::owasp("K05")],
        reads: &and_others::<1, 7>([Resource::NetworkPolicies]),
        false_positives: "Pods of jobs that live for seconds. Pods on the host's network are left out, \
                          since network policies do not touch them. Policies of Cilium and Calico are \
                          not read: where there are any, a pod that no NetworkPolicy selects is \
                          unknown. AdminNetworkPolicy and its successors do not isolate and do not \
                          count.",
    };
    type Settings = Settings;

    fn prepare(settings: &Settings) -> Result<Self, SettingError> {
        let directions = settings.directions.clone().unwrap_or_default();
        if settings.directions.is_some() && directions.is_empty() {
            let message = "name Ingress, Egress or both, or leave it out";
            return Err(SettingError::new("directions", message));
        }
        Ok(Self { directions })
    }
}

/// Whether some policy that isolates a direction (any, when none is named) is about these pods.
fn is_covered(policies: &[NetworkPolicyFacts], direction: Option<Isolation>, pods: &PodFacts) -> bool {
    let isolates = |policy: &&NetworkPolicyFacts| match direction {
        None => policy.ingress.is_some() || policy.egress.is_some(),
        Some(Isolation::Ingress) => policy.ingress.is_some(),
        Some(Isolation::Egress) => policy.egress.is_some(),
    };
    let mut policies = policies.iter().filter(|policy| !policy.malformed).filter(isolates);
    // Labels that cannot be read are selected only by what selects all.
    policies.any(|policy| policy.selects_all || !pods.malformed && policy.pods.matches(|key| pods.label(key)))
}

impl NetworkPolicyCoversPods {
    fn is_open(&self, policies: &[NetworkPolicyFacts], pods: &PodFacts) -> bool {
        match self.directions.is_empty() {
            true => !is_covered(policies, None, pods),
            false => self.directions.iter().any(|way| !is_covered(policies, Some(*way), pods)),
        }
    }
}

impl NamespaceRule for NetworkPolicyCoversPods {
    const ASKS: Asks = Asks { pods: PodsRead::Labels, ..Asks::BEYOND };

    fn check(&self, subject: &NamespaceSubject<'_>, note: &mut Note<'_>) -> Verdict {
        let policies = &subject.facts.network_policies;
        let (mut offenders, mut malformed) = (Offenders::default(), false);
        for pods in subject.live_pods().filter(|pods| !pods.host_network && self.is_open(policies, pods)) {
            malformed |= pods.malformed;
            if !pods.malformed {
                offenders.push(format_args!("{} {}", pods.kind, Cut(&pods.name)));
            }
        }
        if offenders.is_empty() {
            return match malformed {
                true => {
                    note.unknown(reason::MALFORMED, format_args!("a pod of the namespace cannot be read"))
                }
                false => Verdict::Pass,
            };
        }
        if let Some(policy) = policies.iter().find(|policy| policy.malformed) {
            let name = Cut(&policy.name);
            return note.unknown(reason::MALFORMED, format_args!("network policy {name} cannot be read"));
        }
        if let Some(verdict) = undecided(subject, note) {
            return verdict;
        }
        note.fail("NotCovered", format_args!("no network policy selects the pods of {offenders}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::testing::{beyond, namespace, namespace_explained, object, pods, settings_error};
    use crate::subject::namespace::{Direction, NamespaceFacts, TextPairs};
    use crate::subject::objects::Content;
    use crate::subject::selector::{LabelSelector, Requirement, Test};

    const DENY: Direction = Direction { has_rules: false, allows_everything: false };

    fn policy(label: Option<&str>) -> NetworkPolicyFacts {
        let requirement =
            |value: &str| Requirement { key: "app".into(), test: Test::In([value.into()].into()) };
        NetworkPolicyFacts {
            name: "np".into(),
            selects_all: label.is_none(),
            pods: LabelSelector::new(label.map(requirement).into_iter().collect()),
            ingress: Some(DENY),
            ..NetworkPolicyFacts::default()
        }
    }

    fn labelled(name: &str, app: &str) -> PodFacts {
        PodFacts { labels: TextPairs::new(vec![("app", app)]), ..pods(name) }
    }

    fn explained(settings: &str, policies: &[NetworkPolicyFacts], pods: Vec<PodFacts>) -> (Verdict, String) {
        let mut facts = namespace(&[], &[]);
        facts.network_policies = policies.into();
        facts.beyond = beyond(Vec::new(), pods).into();
        namespace_explained::<NetworkPolicyCoversPods>(settings, &facts)
    }

    fn verdict(policies: &[NetworkPolicyFacts], pods: Vec<PodFacts>) -> Verdict {
        explained("{}", policies, pods).0
    }

    const NOT_COVERED: Verdict = Verdict::Fail("NotCovered");

    #[test]
    fn every_pod_needs_a_policy_that_selects_it() {
        let both = || vec![labelled("web", "web"), labelled("db", "db")];
        assert_eq!(verdict(&[], both()), NOT_COVERED);
        assert_eq!(verdict(&[policy(None)], both()), Verdict::Pass);
        assert_eq!(verdict(&[policy(Some("web")), policy(Some("db"))], both()), Verdict::Pass);
        let (open, text) = explained("{}", &[policy(Some("web"))], both());
        assert_eq!((open, &*text), (NOT_COVERED, "no network policy selects the pods of Deployment db"));
        assert_eq!(verdict(&[], vec![]), Verdict::Pass, "no pod is open where there is none");
    }

    #[test]
    fn pods_on_the_hosts_network_and_pods_that_have_ended_need_none() {
        assert_eq!(verdict(&[], vec![PodFacts { host_network: true, ..pods("agent") }]), Verdict::Pass);
        assert_eq!(verdict(&[], vec![PodFacts { ended: true, ..pods("job") }]), Verdict::Pass);
    }

    #[test]
    fn a_direction_that_is_asked_for_has_to_be_isolated() {
        let judge = |settings, policy| explained(settings, &[policy], vec![pods("web")]).0;
        let egress = || NetworkPolicyFacts { ingress: None, egress: Some(DENY), ..policy(None) };
        assert_eq!(judge("{}", egress()), Verdict::Pass);
        assert_eq!(judge(r#"{"directions": ["Ingress"]}"#, egress()), NOT_COVERED);
        assert_eq!(judge(r#"{"directions": ["Ingress"]}"#, policy(None)), Verdict::Pass);
        assert_eq!(judge(r#"{"directions": ["Ingress", "Egress"]}"#, policy(None)), NOT_COVERED);
        let neither = NetworkPolicyFacts { ingress: None, ..policy(None) };
        assert_eq!(judge("{}", neither), NOT_COVERED);
        assert_eq!(settings_error::<NetworkPolicyCoversPods>(r#"{"directions": []}"#).field, "directions");
    }

    #[test]
    fn what_cannot_be_read_leaves_open_only_what_it_could_change() {
        let unknown = Verdict::Unknown("Malformed");
        let garbled = || NetworkPolicyFacts { malformed: true, ..NetworkPolicyFacts::default() };
        assert_eq!(verdict(&[garbled()], vec![pods("web")]), unknown);
        assert_eq!(verdict(&[garbled(), policy(None)], vec![pods("web")]), Verdict::Pass);
        let pod = || PodFacts { malformed: true, ..pods("web") };
        assert_eq!(verdict(&[policy(Some("web"))], vec![pod()]), unknown);
        assert_eq!(verdict(&[policy(None)], vec![pod()]), Verdict::Pass);
        assert_eq!(verdict(&[policy(Some("web"))], vec![pod(), labelled("db", "db")]), NOT_COVERED);
    }

    #[test]
    fn where_policies_of_other_kinds_are_an_open_pod_is_unknown() {
        let mut facts = namespace(&[], &[]);
        let cilium = object(Resource::CiliumNetworkPolicies, "one", Content::Present);
        facts.beyond = beyond(vec![cilium], vec![pods("web")]).into();
        let verdict = |facts: &NamespaceFacts| namespace_explained::<NetworkPolicyCoversPods>("{}", facts).0;
        assert_eq!(verdict(&facts), Verdict::Unknown("OtherPolicies"));
        facts.network_policies = [policy(None)].into();
        assert_eq!(verdict(&facts), Verdict::Pass);
    }
}
