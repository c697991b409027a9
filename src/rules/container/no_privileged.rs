//! NoPrivileged: no container runs without the walls that make it one.

use crate::rules::{ContainerRule, Control, Rule, RuleInfo, SettingError, rule_settings};
use crate::subject::facts::Fact;
use crate::subject::pod::ContainerSubject;
use crate::verdict::{Note, Severity, Verdict};

rule_settings! {
    /// No container is privileged, and none is a host process on Windows.
    struct Settings {}
}

/// The rule; it has no settings of its own.
#[derive(Debug)]
pub struct NoPrivileged;

impl Rule for NoPrivileged {
    const INFO: RuleInfo = RuleInfo {
        id: "NoPrivileged",
        title: "No container is privileged",
        rationale: "A privileged container has every capability, sees every device and is not held by seccomp, \
                    AppArmor or SELinux: whoever is in it owns the node. What its image says of itself no longer \
                    matters, since it can change the images of all others.",
        remedy: "Take the setting out of the workload's template and give the one capability that is needed:\n\n  \
                 securityContext:\n    privileged: false\n    capabilities:\n      drop: [ALL]\n      \
                 add: [NET_BIND_SERVICE]\n\n\
                 On Windows take out windowsOptions.hostProcess. Agents that must manage the node (CNI, CSI, device \
                 plugins) get an exemption with a reason.",
        severity: Severity::Critical,
        controls: &[
            Control::cis("5.2.2"),
            Control::cis("5.2.10"),
            Control::bsi("SYS.1.6.A17"),
            Control::nist("4.4.3"),
            Control::nsa("Kubernetes Pod security"),
            Control::owasp("K01"),
            Control::attack("T1610"),
            Control::attack("T1611"),
        ],
        reads: &[],
        false_positives: "Node agents: CNI and CSI plugins, kube-proxy, device plugins, node problem detectors.",
    };
    type Settings = Settings;

    fn prepare(_: &Settings) -> Result<Self, SettingError> {
        Ok(Self)
    }
}

impl ContainerRule for NoPrivileged {
    fn check(&self, subject: &ContainerSubject<'_>, note: &mut Note<'_>) -> Verdict {
        if subject.facts().is(Fact::Privileged) {
            return note.fail("Privileged", format_args!("the container is privileged: it owns the node"));
        }
        if subject.inherited(Fact::HostProcess) == Some("true") {
            let message = format_args!("the container is a host process: it runs on the Windows node itself");
            return note.fail("HostProcess", message);
        }
        Verdict::Pass
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::testing::container_verdict;

    fn verdict(spec: &str) -> Verdict {
        container_verdict::<NoPrivileged>("{}", spec)
    }

    #[test]
    fn privileged_fails_in_every_kind_of_container() {
        for list in ["containers", "initContainers", "ephemeralContainers"] {
            let container = "[{name: app, image: a, securityContext: {privileged: true}}]";
            assert_eq!(verdict(&format!("{list}: {container}")), Verdict::Fail("Privileged"), "{list}");
        }
        assert_eq!(verdict("containers: [{name: app, image: a}]"), Verdict::Pass);
        let written = "containers: [{name: app, image: a, securityContext: {privileged: false}}]";
        assert_eq!(verdict(written), Verdict::Pass);
    }

    #[test]
    fn a_host_process_fails_and_a_container_may_take_back_what_its_pod_says() {
        let pod = "securityContext: {windowsOptions: {hostProcess: true}}";
        assert_eq!(
            verdict(&format!("{{{pod}, containers: [{{name: app, image: a}}]}}")),
            Verdict::Fail("HostProcess")
        );
        let own = "securityContext: {windowsOptions: {hostProcess: false}}";
        assert_eq!(
            verdict(&format!("{{{pod}, containers: [{{name: app, image: a, {own}}}]}}")),
            Verdict::Pass
        );
    }
}
