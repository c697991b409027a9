//! PodSecurityLabelsValid: the labels of pod security admission say something that admission can read.

use super::pod_security::{CONTROLS, Level, MODES, Version};
use crate::rules::shown::Cut;
use crate::rules::{NamespaceRule, Rule, RuleInfo, SettingError, rule_settings};
use crate::subject::namespace::NamespaceSubject;
use crate::verdict::{Note, Severity, Verdict};

rule_settings! {
    /// The namespace's labels `pod-security.kubernetes.io/{enforce,audit,warn}` name a level (privileged,
    /// baseline, restricted) and the three `...-version` labels a version (`latest` or `v1.32`).
    struct Settings {}
}

/// The rule; it has no settings of its own.
#[derive(Debug)]
pub struct PodSecurityLabelsValid;

impl Rule for PodSecurityLabelsValid {
    const INFO: RuleInfo = RuleInfo {
        id: "PodSecurityLabelsValid",
        title: "Pod security labels are valid",
        rationale: "The API server refuses invalid pod security labels when they are set. Where \
                    one exists, it is from before, or pod security admission is off and nothing \
                    is enforced at all. An unreadable enforce level is taken for restricted, an \
                    unreadable audit or warn level for privileged, an unreadable version for \
                    latest: rarely what was meant.",
        remedy: "Set the label to privileged, baseline or restricted, a version to latest or to \
                 v1. and a number:\n\n  \
                 kubectl label --overwrite namespace NAMESPACE \
                 pod-security.kubernetes.io/enforce=baseline \
                 pod-security.kubernetes.io/enforce-version=v1.32\n\n\
                 If the API server takes an invalid value, pod security admission is off: look \
                 for --disable-admission-plugins=PodSecurity in its flags.",
        severity: Severity::Medium,
        controls: CONTROLS,
        reads: &[],
        false_positives: "None known: the labels are read as the API server reads them.",
    };
    type Settings = Settings;

    fn prepare(_: &Settings) -> Result<Self, SettingError> {
        Ok(Self)
    }
}

impl NamespaceRule for PodSecurityLabelsValid {
    fn check(&self, subject: &NamespaceSubject<'_>, note: &mut Note<'_>) -> Verdict {
        let set = |key| subject.label(key).map(|value| (key, value));
        let mut levels = MODES.iter().filter_map(|(level, _)| set(level));
        let mut versions = MODES.iter().filter_map(|(_, version)| set(version));
        if let Some((key, value)) = levels.find(|(_, value)| Level::parse(value).is_none()) {
            let value = Cut(value);
            return note.fail(
                "InvalidLevel",
                format_args!("{key}=\"{value}\" is none of privileged, baseline and restricted"),
            );
        }
        if let Some((key, value)) = versions.find(|(_, value)| Version::read(value) == Version::Invalid) {
            let value = Cut(value);
            return note.fail(
                "InvalidVersion",
                format_args!("{key}=\"{value}\" is no version such as latest or v1.32; it counts as latest"),
            );
        }
        Verdict::Pass
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::testing::namespace_verdict;

    fn verdict(key: &str, value: &str) -> Verdict {
        let key = format!("pod-security.kubernetes.io/{key}");
        namespace_verdict::<PodSecurityLabelsValid>("{}", &[(&key, value)])
    }

    #[test]
    fn no_labels_are_valid_labels() {
        assert_eq!(namespace_verdict::<PodSecurityLabelsValid>("{}", &[]), Verdict::Pass);
    }

    #[test]
    fn every_mode_takes_the_three_levels_and_nothing_else() {
        for mode in ["enforce", "audit", "warn"] {
            for level in ["privileged", "baseline", "restricted"] {
                assert_eq!(verdict(mode, level), Verdict::Pass);
            }
            for wrong in ["Restricted", "", "strict"] {
                assert_eq!(verdict(mode, wrong), Verdict::Fail("InvalidLevel"), "{mode}={wrong:?}");
            }
        }
    }

    #[test]
    fn every_version_is_latest_or_v1_and_a_number() {
        for mode in ["enforce-version", "audit-version", "warn-version"] {
            for version in ["latest", "v1.0", "v1.32", "v1.99"] {
                assert_eq!(verdict(mode, version), Verdict::Pass);
            }
            for wrong in ["1.32", "v1.32.1", "v1.032", ""] {
                assert_eq!(verdict(mode, wrong), Verdict::Fail("InvalidVersion"), "{mode}={wrong:?}");
            }
        }
    }

    #[test]
    fn labels_of_another_prefix_are_none_of_its_concern() {
        let labels = [("pod-security.k8s.io/enforce", "strict")];
        assert_eq!(namespace_verdict::<PodSecurityLabelsValid>("{}", &labels), Verdict::Pass);
    }
}
