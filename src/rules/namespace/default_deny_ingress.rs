//! DefaultDenyIngress: no pod of the namespace is reached by what no network policy allows.

use super::default_deny::{CONTROLS, DefaultDeny, Mode, READS};
use crate::rules::{Asks, NamespaceRule, Rule, RuleInfo, SettingError, rule_settings};
use crate::subject::isolation::Way;
use crate::subject::namespace::NamespaceSubject;
use crate::verdict::{Note, Severity, Verdict};

rule_settings! {
    /// A NetworkPolicy with an empty podSelector isolates every pod of the namespace for ingress, and no such
    /// policy allows everything again.
    struct Settings {
        /// What the policies that select every pod may allow. `isolated`: anything but everything (every
        /// address, or every pod of the cluster). `strict`: nothing, they have no ingress rules; what is
        /// allowed stands in policies that select pods by label. Default: isolated.
        mode: Mode,
        /// AdminNetworkPolicy, BaselineAdminNetworkPolicy and ClusterNetworkPolicy count, too: one that denies all
        /// ingress of every pod of the namespace is a default deny; one of the tier Admin that allows it all undoes
        /// the namespace's own. Default: false.
        admin_policies: bool,
    }
}

/// The rule, defaults filled in.
#[derive(Debug)]
pub struct DefaultDenyIngress(DefaultDeny);

const REMEDY: &str = "\
Apply this, and beside it policies that allow what each workload needs:

  apiVersion: networking.k8s.io/v1
  kind: NetworkPolicy
  metadata: {name: default-deny-ingress, namespace: NAMESPACE}
  spec:
    podSelector: {}
    policyTypes: [Ingress]

Policies add up: one that selects every pod and allows everything undoes this. Narrow its rules or \
its podSelector, or delete it.

See which policies there are: kubectl -n NAMESPACE get networkpolicies -o yaml";

impl Rule for DefaultDenyIngress {
    const INFO: RuleInfo = RuleInfo {
        id: "DefaultDenyIngress",
        title: "Ingress is denied by default",
        rationale: "Without a policy, every pod of the cluster reaches every other. One \
                    broken-into container then talks to every database and every internal API. A \
                    policy that selects all pods and allows nothing turns that around: what is \
                    needed is allowed, the rest is not.",
        remedy: REMEDY,
        severity: Severity::High,
        controls: CONTROLS,
        reads: READS,
        false_positives: "Agents outside the namespace that must reach every pod, and namespaces \
                          with pods on the host's network only, which network policies do not \
                          touch. Policies of Cilium and Calico are not read: where there are any, \
                          the verdict is unknown unless a NetworkPolicy decides it. Whether the \
                          network plugin enforces policies at all cannot be seen through the API; \
                          some ignore them silently.",
    };
    type Settings = Settings;

    fn prepare(settings: &Settings) -> Result<Self, SettingError> {
        Ok(Self(DefaultDeny::new(settings.mode, settings.admin_policies)))
    }
}

impl NamespaceRule for DefaultDenyIngress {
    const ASKS: Asks = Asks::BEYOND;

    fn check(&self, subject: &NamespaceSubject<'_>, note: &mut Note<'_>) -> Verdict {
        self.0.judge(Way::Ingress, subject, note)
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
        what_holds_for_both_directions::<DefaultDenyIngress>();
    }

    #[test]
    fn only_ingress_counts() {
        only_its_own_direction_counts::<DefaultDenyIngress>(|own, other| NetworkPolicyFacts {
            ingress: own,
            egress: other,
            ..NetworkPolicyFacts::default()
        });
    }
}
