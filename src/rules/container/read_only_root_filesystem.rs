//! ReadOnlyRootFilesystem: what runs in a container stays what its image holds.

use crate::rules::{ContainerRule, Control, Rule, RuleInfo, SettingError, rule_settings};
use crate::subject::facts::Fact;
use crate::subject::pod::ContainerSubject;
use crate::verdict::{Note, Severity, Verdict};

rule_settings! {
    /// Every container says `readOnlyRootFilesystem: true`.
    struct Settings {}
}

/// The rule; it has no settings of its own.
#[derive(Debug)]
pub struct ReadOnlyRootFilesystem;

impl Rule for ReadOnlyRootFilesystem {
    const INFO: RuleInfo = RuleInfo {
        id: "ReadOnlyRootFilesystem",
        title: "Containers cannot change their own files",
        rationale: "A signature and a digest say what the image holds when the container starts. Where the root file \
                    system can be written, a process can replace the very program that was checked, and no rule \
                    about images will notice.",
        remedy: "Set it in the workload's template, and give a volume where something must be written:\n\n  \
                 securityContext:\n    readOnlyRootFilesystem: true\n  volumeMounts:\n  - {name: tmp, mountPath: /tmp}\n\n  \
                 volumes:\n  - {name: tmp, emptyDir: {}}",
        severity: Severity::Low,
        controls: &[Control::bsi("SYS.1.6.A23"), Control::nsa("Immutable container file systems")],
        reads: &[],
        false_positives: "Programs that write beside themselves; most take an emptyDir.",
    };
    type Settings = Settings;

    fn prepare(_: &Settings) -> Result<Self, SettingError> {
        Ok(Self)
    }
}

impl ContainerRule for ReadOnlyRootFilesystem {
    fn check(&self, subject: &ContainerSubject<'_>, note: &mut Note<'_>) -> Verdict {
        if subject.is_windows() {
            return note.not_applicable("Windows", format_args!("the field has no meaning on Windows"));
        }
        match subject.facts().is(Fact::ReadOnlyRootFilesystem) {
            true => Verdict::Pass,
            false => note.fail("Writable", format_args!("the container can write to its root file system")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::testing::container_verdict;

    #[test]
    fn only_a_written_true_passes() {
        for (field, verdict) in [
            ("readOnlyRootFilesystem: true", Verdict::Pass),
            ("readOnlyRootFilesystem: false", Verdict::Fail("Writable")),
            ("", Verdict::Fail("Writable")),
        ] {
            let spec = format!("containers: [{{name: app, image: a, securityContext: {{{field}}}}}]");
            assert_eq!(container_verdict::<ReadOnlyRootFilesystem>("{}", &spec), verdict, "{field}");
        }
    }
}
