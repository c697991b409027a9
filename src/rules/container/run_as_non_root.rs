//! RunAsNonRoot: no container runs as root.

use crate::rules::{ContainerRule, Control, Rule, RuleInfo, SettingError, rule_settings};
use crate::subject::facts::Fact;
use crate::subject::pod::ContainerSubject;
use crate::verdict::{Note, Severity, Verdict};

rule_settings! {
    /// No container can run as root: it says `runAsNonRoot: true`, or names another user than 0.
    struct Settings {}
}

/// The rule; it has no settings of its own.
#[derive(Debug)]
pub struct RunAsNonRoot;

impl Rule for RunAsNonRoot {
    const INFO: RuleInfo = RuleInfo {
        id: "RunAsNonRoot",
        title: "No container runs as root",
        rationale: "Root in a container is root on the node as soon as one wall has a hole, and most ways out of a \
                    container begin with it. Where nothing is said, the image decides, and most images say root.",
        remedy: "Set it in the workload's template; the kubelet then refuses to start an image that would run as \
                 root:\n\n  securityContext:\n    runAsNonRoot: true\n    runAsUser: 1000\n\n\
                 The number is only needed where the image names its user by a name, or root.",
        severity: Severity::Medium,
        controls: &[
            Control::cis("5.2.7"),
            Control::bsi("SYS.1.6.A17"),
            Control::nist("4.4.3"),
            Control::nsa("Non-root containers and rootless container engines"),
            Control::owasp("K01"),
            Control::attack("T1611"),
        ],
        reads: &[],
        false_positives: "Programs that bind low ports without NET_BIND_SERVICE, or that change their user by \
                          themselves. Pod Security restricted is stricter: it asks for runAsNonRoot even beside a \
                          user other than 0 (PodMeetsLevel).",
    };
    type Settings = Settings;

    fn prepare(_: &Settings) -> Result<Self, SettingError> {
        Ok(Self)
    }
}

impl ContainerRule for RunAsNonRoot {
    fn check(&self, subject: &ContainerSubject<'_>, note: &mut Note<'_>) -> Verdict {
        // The container's own fields win over the pod's, each by itself.
        match (subject.inherited(Fact::RunAsUser), subject.inherited(Fact::RunAsNonRoot)) {
            (Some("root"), _) => {
                note.fail("RunAsUser0", format_args!("the container runs as user 0, which is root"))
            }
            (Some(_), _) | (None, Some("true")) => Verdict::Pass,
            (None, Some(_)) => note.fail(
                "RootAllowed",
                format_args!("the container says runAsNonRoot: false and names no user"),
            ),
            (None, None) => note.fail(
                "NotForbidden",
                format_args!("neither container nor pod says runAsNonRoot: true, so the image decides"),
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::testing::container_verdict;

    fn verdict(pod: &str, container: &str) -> Verdict {
        let spec = format!(
            "{{securityContext: {{{pod}}}, containers: [{{name: app, image: a, securityContext: {{{container}}}}}]}}"
        );
        container_verdict::<RunAsNonRoot>("{}", &spec)
    }

    #[test]
    fn the_container_wins_over_its_pod_field_by_field() {
        assert_eq!(verdict("runAsNonRoot: true", ""), Verdict::Pass);
        assert_eq!(verdict("runAsNonRoot: true", "runAsNonRoot: false"), Verdict::Fail("RootAllowed"));
        assert_eq!(verdict("runAsNonRoot: false", "runAsNonRoot: true"), Verdict::Pass);
        assert_eq!(verdict("runAsUser: 0", "runAsUser: 1000"), Verdict::Pass);
        assert_eq!(verdict("runAsUser: 1000", "runAsUser: 0"), Verdict::Fail("RunAsUser0"));
        assert_eq!(verdict("runAsNonRoot: true", "runAsUser: 0"), Verdict::Fail("RunAsUser0"));
    }

    #[test]
    fn where_nothing_is_said_the_image_decides() {
        assert_eq!(verdict("", ""), Verdict::Fail("NotForbidden"));
        assert_eq!(verdict("", "runAsGroup: 1000"), Verdict::Fail("NotForbidden"));
        assert_eq!(verdict("", "runAsUser: 1000"), Verdict::Pass);
    }
}
