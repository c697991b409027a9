//! NoHostNamespaces: no pod lives in its node's own network, process or IPC namespace.

use crate::rules::{Control, PodRule, Rule, RuleInfo, SettingError, rule_settings};
use crate::subject::facts::Fact;
use crate::subject::pod::PodShape;
use crate::verdict::{Note, Severity, Verdict};

rule_settings! {
    /// No pod says `hostNetwork`, `hostPID` or `hostIPC`.
    struct Settings {}
}

/// The rule; it has no settings of its own.
#[derive(Debug)]
pub struct NoHostNamespaces;

impl Rule for NoHostNamespaces {
    const INFO: RuleInfo = RuleInfo {
        id: "NoHostNamespaces",
        title: "No pod lives in its node's namespaces",
        rationale: "With hostPID a pod sees and signals every process of the node, and with one more right enters \
                    them. With hostNetwork it listens to the node's traffic, reaches services that trust localhost \
                    and is outside every NetworkPolicy. With hostIPC it reads the shared memory of others.",
        remedy: "Take the fields out of the workload's template; a Service or a hostPort of one port is mostly \
                 enough:\n\n  kubectl -n NAMESPACE patch KIND NAME --type merge -p \
                 '{\"spec\":{\"template\":{\"spec\":{\"hostNetwork\":null,\"hostPID\":null,\"hostIPC\":null}}}}'",
        severity: Severity::High,
        controls: &[
            Control::cis("5.2.3"),
            Control::cis("5.2.4"),
            Control::cis("5.2.5"),
            Control::bsi("SYS.1.6.A17"),
            Control::nist("4.4.3"),
            Control::nsa("Kubernetes Pod security"),
            Control::owasp("K01"),
            Control::attack("T1611"),
        ],
        reads: &[],
        false_positives: "Node agents: network plugins, kube-proxy, node exporters.",
    };
    type Settings = Settings;

    fn prepare(_: &Settings) -> Result<Self, SettingError> {
        Ok(Self)
    }
}

impl PodRule for NoHostNamespaces {
    fn check(&self, pod: &PodShape, note: &mut Note<'_>) -> Verdict {
        let fields =
            [("hostNetwork", Fact::HostNetwork), ("hostPID", Fact::HostPid), ("hostIPC", Fact::HostIpc)];
        let set: Vec<&str> =
            fields.into_iter().filter(|(_, fact)| pod.facts().is(*fact)).map(|(name, _)| name).collect();
        match set.as_slice() {
            [] => Verdict::Pass,
            set => note.fail("HostNamespace", format_args!("the pod says {}", set.join(" and "))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::testing::{pod_explained, pod_verdict};

    #[test]
    fn each_namespace_of_the_node_fails_and_all_are_named() {
        for field in ["hostNetwork", "hostPID", "hostIPC"] {
            let spec = |value| format!("{{{field}: {value}, containers: [{{name: app, image: a}}]}}");
            assert_eq!(pod_verdict::<NoHostNamespaces>("{}", &spec(true)), Verdict::Fail("HostNamespace"));
            assert_eq!(pod_verdict::<NoHostNamespaces>("{}", &spec(false)), Verdict::Pass);
        }
        let spec = "{hostIPC: true, hostNetwork: true, containers: [{name: app, image: a}]}";
        assert_eq!(pod_explained::<NoHostNamespaces>("{}", spec).1, "the pod says hostNetwork and hostIPC");
    }
}
