//! PodSecurityVersionPinned: an upgrade of the cluster does not change what pod security admission refuses.

use super::pod_security::{CONTROLS, ENFORCE, ENFORCE_VERSION, Level, Version};
use crate::rules::shown::Cut;
use crate::rules::{NamespaceRule, Rule, RuleInfo, SettingError, rule_settings};
use crate::subject::namespace::NamespaceSubject;
use crate::verdict::{Note, Severity, Verdict};

rule_settings! {
    /// Where a level is enforced, the label `pod-security.kubernetes.io/enforce-version` says by which release's
    /// definition, such as `v1.32`; not `latest`, which is also what its absence means.
    struct Settings {}
}

/// The rule; it has no settings of its own.
#[derive(Debug)]
pub struct PodSecurityVersionPinned;

impl Rule for PodSecurityVersionPinned {
    const INFO: RuleInfo = RuleInfo {
        id: "PodSecurityVersionPinned",
        title: "The enforced pod security level has a fixed version",
        rationale: "What baseline and restricted refuse changes with releases of Kubernetes. \
                    Without a version, an upgrade of the cluster may refuse pods that it accepted \
                    the day before, at their next start. Whoever pins it must raise it, too, or \
                    new checks never come into force.",
        remedy: "Pin the version that the cluster has, and raise it after each upgrade:\n\n  \
                 kubectl label --overwrite namespace NAMESPACE \
                 pod-security.kubernetes.io/enforce-version=v1.32",
        severity: Severity::Info,
        controls: CONTROLS,
        reads: &[],
        false_positives: "Teams that want the newest checks at once use latest on purpose. A \
                          version that the API server's AdmissionConfiguration sets for all \
                          namespaces cannot be seen.",
    };
    type Settings = Settings;

    fn prepare(_: &Settings) -> Result<Self, SettingError> {
        Ok(Self)
    }
}

impl NamespaceRule for PodSecurityVersionPinned {
    fn check(&self, subject: &NamespaceSubject<'_>, note: &mut Note<'_>) -> Verdict {
        match subject.label(ENFORCE).map(Level::enforced_by) {
            None => {
                return note.not_applicable("NotEnforced", format_args!("no label enforces a level here"));
            }
            Some(Level::Privileged) => {
                return note.not_applicable(
                    "NotEnforced",
                    format_args!("privileged refuses nothing, in any version"),
                );
            }
            Some(Level::Baseline | Level::Restricted) => {}
        }
        match subject.label(ENFORCE_VERSION).map(|value| (value, Version::read(value))) {
            Some((_, Version::Pinned(_))) => Verdict::Pass,
            Some((_, Version::Latest)) => note.fail("NotPinned", format_args!("{ENFORCE_VERSION} is latest")),
            Some((value, Version::Invalid)) => {
                let value = Cut(value);
                note.fail(
                    "NotPinned",
                    format_args!("{ENFORCE_VERSION}=\"{value}\" is no version and counts as latest"),
                )
            }
            None => note
                .fail("NotPinned", format_args!("there is no label {ENFORCE_VERSION}, which means latest")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::testing::namespace_verdict;

    fn verdict(labels: &[(&str, &str)]) -> Verdict {
        namespace_verdict::<PodSecurityVersionPinned>("{}", labels)
    }

    #[test]
    fn a_pinned_version_passes_and_latest_does_not_however_it_comes_about() {
        assert_eq!(verdict(&[(ENFORCE, "restricted"), (ENFORCE_VERSION, "v1.32")]), Verdict::Pass);
        for not_pinned in ["latest", "1.32", ""] {
            let labels = [(ENFORCE, "baseline"), (ENFORCE_VERSION, not_pinned)];
            assert_eq!(verdict(&labels), Verdict::Fail("NotPinned"), "{not_pinned:?}");
        }
        assert_eq!(verdict(&[(ENFORCE, "baseline")]), Verdict::Fail("NotPinned"));
    }

    #[test]
    fn where_nothing_is_enforced_there_is_nothing_to_pin() {
        assert_eq!(verdict(&[]), Verdict::NotApplicable("NotEnforced"));
        assert_eq!(verdict(&[(ENFORCE_VERSION, "v1.32")]), Verdict::NotApplicable("NotEnforced"));
        assert_eq!(verdict(&[(ENFORCE, "privileged")]), Verdict::NotApplicable("NotEnforced"));
        // Unreadable, so that restricted is enforced.
        assert_eq!(verdict(&[(ENFORCE, "Privileged")]), Verdict::Fail("NotPinned"));
    }

    #[test]
    fn versions_of_the_other_modes_do_not_count() {
        let labels = [(ENFORCE, "baseline"), ("pod-security.kubernetes.io/warn-version", "v1.32")];
        assert_eq!(verdict(&labels), Verdict::Fail("NotPinned"));
    }
}
