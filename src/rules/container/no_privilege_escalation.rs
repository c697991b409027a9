//! NoPrivilegeEscalation: no process of a container can gain more rights than the one that started it.

use crate::rules::{ContainerRule, Control, Rule, RuleInfo, SettingError, rule_settings};
use crate::subject::facts::Fact;
use crate::subject::pod::ContainerSubject;
use crate::verdict::{Note, Severity, Verdict};

rule_settings! {
    /// Every container says `allowPrivilegeEscalation: false`.
    struct Settings {}
}

/// The rule; it has no settings of its own.
#[derive(Debug)]
pub struct NoPrivilegeEscalation;

impl Rule for NoPrivilegeEscalation {
    const INFO: RuleInfo = RuleInfo {
        id: "NoPrivilegeEscalation",
        title: "No process of a container gains rights",
        rationale: "Where the field is not false, a program with the setuid bit or with file capabilities gives its \
                    caller more rights than the container was started with: a process that runs as nobody becomes \
                    root by one forgotten binary in the image.",
        remedy: "Set it in the workload's template, for every container:\n\n  \
                 securityContext:\n    allowPrivilegeEscalation: false",
        severity: Severity::Medium,
        controls: &[
            Control::cis("5.2.6"),
            Control::bsi("SYS.1.6.A17"),
            Control::nsa("Kubernetes Pod security"),
            Control::owasp("K01"),
            Control::attack("T1611"),
        ],
        reads: &[],
        false_positives: "Images that need setuid programs, such as ping or sudo.",
    };
    type Settings = Settings;

    fn prepare(_: &Settings) -> Result<Self, SettingError> {
        Ok(Self)
    }
}

impl ContainerRule for NoPrivilegeEscalation {
    fn check(&self, subject: &ContainerSubject<'_>, note: &mut Note<'_>) -> Verdict {
        if subject.is_windows() {
            return note.not_applicable("Windows", format_args!("the field has no meaning on Windows"));
        }
        match subject.facts().flag(Fact::AllowPrivilegeEscalation) {
            Some(false) => Verdict::Pass,
            Some(true) => {
                note.fail("Allowed", format_args!("the container says allowPrivilegeEscalation: true"))
            }
            None => note.fail(
                "NotForbidden",
                format_args!(
                    "the container does not say allowPrivilegeEscalation: false, and the default is true"
                ),
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::testing::container_verdict;

    fn verdict(field: &str) -> Verdict {
        let spec = format!("containers: [{{name: app, image: a, securityContext: {{{field}}}}}]");
        container_verdict::<NoPrivilegeEscalation>("{}", &spec)
    }

    #[test]
    fn only_a_written_false_passes() {
        assert_eq!(verdict("allowPrivilegeEscalation: false"), Verdict::Pass);
        assert_eq!(verdict("allowPrivilegeEscalation: true"), Verdict::Fail("Allowed"));
        assert_eq!(verdict(""), Verdict::Fail("NotForbidden"));
    }

    #[test]
    fn a_windows_pod_has_no_such_thing() {
        let spec = "{os: {name: windows}, containers: [{name: app, image: a}]}";
        assert_eq!(container_verdict::<NoPrivilegeEscalation>("{}", spec), Verdict::NotApplicable("Windows"));
    }
}
