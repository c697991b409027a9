//! DefaultDenyEgress: no pod of the namespace sends anything that no network policy allows.

use super::default_deny::{CONTROLS, DefaultDeny, Mode, READS};
use crate::rules::{Asks, NamespaceRule, Rule, RuleInfo, SettingError, rule_settings};
use crate::subject::isolation::Way;
use crate::subject::namespace::NamespaceSubject;
use crate::verdict::{Note, Severity, Verdict};

rule_settings! {
    /// A NetworkPolicy with an empty podSelector isolates every pod of the namespace for egress, and no such
    /// policy allows everything again.
    struct Settings {
        /// What the policies that select every pod may allow. `isolated`: anything but everything (every
        /// address, or every pod of the cluster). `strict`: nothing, they have no egress rules; what is
        /// allowed, DNS included, stands in policies that select pods by label. Default: isolated.
        mode: Mode,
        /// AdminNetworkPolicy, BaselineAdminNetworkPolicy and ClusterNetworkPolicy count, too: one that denies all
        /// egress of every pod of the namespace is a default deny; one of the tier Admin that allows it all undoes
        /// the namespace's own. Default: false.
        admin_policies: bool,
    }
}

/// The rule, defaults filled in.
#[derive(Debug)]
pub struct DefaultDenyEgress(DefaultDeny);

const REMEDY: &str = "\
Apply this, and beside it policies that allow what each workload needs. Without the rule for \
DNS, names do not resolve any more:

  apiVersion: networking.k8s.io/v1
  kind: NetworkPolicy
  metadata: {name: default-deny-egress, namespace: NAMESPACE}
  spec:
    podSelector: {}
    policyTypes: [Egress]
    egress:
    - to:
      - namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: kube-system}}
        podSelector: {matchLabels: {k8s-app: kube-dns}}
      ports:
      - {protocol: UDP, port: 53}
      - {protocol: TCP, port: 53}

Policies add up: one that selects every pod and allows everything undoes this. Narrow its rules or \
its podSelector, or delete it.

In mode strict, leave egress out there and put the rule for DNS into a policy that selects pods \
by label.";

impl Rule for DefaultDenyEgress {
    const INFO: RuleInfo = RuleInfo {
        id: "DefaultDenyEgress",
        title: "Egress is denied by default",
        rationale: "A broken-into container fetches its tools from outside and sends what it \
                    found there. Where egress is denied by default, it reaches only what the \
                    workload needs.",
        remedy: REMEDY,
        severity: Severity::Medium,
        controls: CONTROLS,
        reads: READS,
        false_positives: "Namespaces with pods on the host's network only, which network \
                          policies do not touch. Policies of Cilium and Calico are not read: where \
                          there are any, the verdict is unknown unless a NetworkPolicy decides it. \
                          Whether the network plugin enforces policies at all cannot be seen \
                          through the API; some ignore them silently.",
    };
    type Settings = Settings;

    fn prepare(settings: &Settings) -> Result<Self, SettingError> {
        Ok(Self(DefaultDeny::new(settings.mode, settings.admin_policies)))
    }
}

impl NamespaceRule for DefaultDenyEgress {
    const ASKS: Asks = Asks::BEYOND;

    fn check(&self, subject: &NamespaceSubject<'_>, note: &mut Note<'_>) -> Verdict {
        self.0.judge(Way::Egress, subject, note)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::namespace::default_deny::tests::{
        only_its_own_direction_counts, what_holds_for_both_directions,
    };
    use crate::subject::namespace::NetworkPolicyFacts;

    #[test]
    fn every_pod_must_be_isolated_and_nothing_may_undo_it() {
        what_holds_for_both_directions::<DefaultDenyEgress>();
    }

    #[test]
    fn only_egress_counts() {
        only_its_own_direction_counts::<DefaultDenyEgress>(|own, other| NetworkPolicyFacts {
            ingress: other,
            egress: own,
            ..NetworkPolicyFacts::default()
        });
    }
}
