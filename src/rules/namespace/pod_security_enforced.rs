//! PodSecurityEnforced: pod security admission keeps the namespace at a level, or above it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::pod_security::{CONTROLS, ENFORCE, ENFORCE_VERSION, Level, only_warns};
use crate::rules::shown::Cut;
use crate::rules::{NamespaceRule, Rule, RuleInfo, SettingError, rule_settings};
use crate::subject::namespace::NamespaceSubject;
use crate::verdict::{Note, Severity, Verdict};

rule_settings! {
    /// The namespace's label `pod-security.kubernetes.io/enforce` keeps it at a level of the Pod Security
    /// Standards or above. `warn`, `audit` and `enforce-version` alone enforce nothing.
    struct Settings {
        /// The lowest level that is good enough. Default: baseline.
        min_level: Level,
        /// The level of namespaces without the label, as the API server's AdmissionConfiguration sets it. It
        /// cannot be read through the API. Default: privileged, as Kubernetes' own.
        cluster_default: Level,
        /// A rule that may pass in this one's place, for clusters that another admission controller governs. It is
        /// judged with the settings that this policy gives it, or with its defaults. Default: none.
        accept_alternative: Alternative,
    }
}

/// A rule that may pass in place of this one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Alternative {
    /// Webhooks or admission policies look at the namespace.
    AdmissionCoverage,
}

/// The rule, defaults filled in.
#[derive(Debug)]
pub struct PodSecurityEnforced {
    min_level: Level,
    cluster_default: Level,
    alternative: Option<Alternative>,
}

impl Rule for PodSecurityEnforced {
    const INFO: RuleInfo = RuleInfo {
        id: "PodSecurityEnforced",
        title: "Pod security admission is enforced",
        rationale: "A pod that is privileged or mounts the host can replace any image on its \
                    node, so that signed and pinned images prove nothing any more. Pod security \
                    admission is built into every API server and refuses such pods, but only in \
                    namespaces whose label says so.",
        remedy: "Try first, read the warnings, then set the label:\n\n  \
                 kubectl label --dry-run=server --overwrite namespace NAMESPACE \
                 pod-security.kubernetes.io/enforce=baseline\n  \
                 kubectl label --overwrite namespace NAMESPACE \
                 pod-security.kubernetes.io/enforce=baseline\n\n\
                 Pods that run already are not evicted: look for them with the first command's \
                 warnings.",
        severity: Severity::High,
        controls: CONTROLS,
        reads: &[],
        false_positives: "Namespaces of network, storage and monitoring agents need privileged: \
                          an exemption with a reason. Clusters that Kyverno, Gatekeeper or a \
                          ValidatingAdmissionPolicy governs instead: set acceptAlternative: \
                          AdmissionCoverage. Exempt users, namespaces and runtime classes, and a \
                          cluster where the admission plugin is off, cannot be seen through the \
                          API.",
    };
    type Settings = Settings;

    fn prepare(settings: &Settings) -> Result<Self, SettingError> {
        Ok(Self {
            min_level: settings.min_level.unwrap_or(Level::Baseline),
            cluster_default: settings.cluster_default.unwrap_or(Level::Privileged),
            alternative: settings.accept_alternative,
        })
    }
}

impl PodSecurityEnforced {
    fn not_enforced(&self, subject: &NamespaceSubject<'_>, note: &mut Note<'_>) -> Verdict {
        let default = self.cluster_default;
        let misplaced = subject.object.labels.iter().find(|(key, value)| {
            key.starts_with("pod-security.") && key.ends_with("/enforce") && Level::parse(value).is_some()
        });
        if let Some((key, _)) = misplaced {
            return note.fail(
                "NotEnforced",
                format_args!("nothing reads the label {}; it must be {ENFORCE}", Cut(key)),
            );
        }
        let instead = if subject.annotation(ENFORCE).is_some() {
            "; as an annotation it means nothing"
        } else if only_warns(subject) {
            "; audit and warn block nothing"
        } else if subject.label(ENFORCE_VERSION).is_some() {
            "; a version alone enforces nothing"
        } else {
            ""
        };
        note.fail(
            "NotEnforced",
            format_args!(
                "there is no label {ENFORCE}, so that the cluster's default holds, {default}{instead}"
            ),
        )
    }
}

impl NamespaceRule for PodSecurityEnforced {
    fn check(&self, subject: &NamespaceSubject<'_>, note: &mut Note<'_>) -> Verdict {
        let min = self.min_level;
        match subject.label(ENFORCE).map(Level::enforced_by) {
            Some(level) if level < min => {
                note.fail("LevelTooLow", format_args!("{level} is enforced, at least {min} is asked for"))
            }
            None if self.cluster_default < min => self.not_enforced(subject, note),
            _ => Verdict::Pass,
        }
    }

    fn alternative(&self) -> Option<&'static str> {
        self.alternative.map(|Alternative::AdmissionCoverage| "AdmissionCoverage")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::testing::{namespace, namespace_explained, namespace_verdict, rule};

    fn verdict(settings: &str, labels: &[(&str, &str)]) -> Verdict {
        namespace_verdict::<PodSecurityEnforced>(settings, labels)
    }

    #[test]
    fn the_enforced_level_must_reach_the_lowest_level() {
        assert_eq!(verdict("{}", &[(ENFORCE, "restricted")]), Verdict::Pass);
        assert_eq!(verdict("{}", &[(ENFORCE, "baseline")]), Verdict::Pass);
        assert_eq!(verdict("{}", &[(ENFORCE, "privileged")]), Verdict::Fail("LevelTooLow"));
        let strict = r#"{"minLevel": "restricted"}"#;
        assert_eq!(verdict(strict, &[(ENFORCE, "restricted")]), Verdict::Pass);
        assert_eq!(verdict(strict, &[(ENFORCE, "baseline")]), Verdict::Fail("LevelTooLow"));
    }

    #[test]
    fn without_the_label_the_cluster_default_holds() {
        assert_eq!(verdict("{}", &[]), Verdict::Fail("NotEnforced"));
        assert_eq!(verdict(r#"{"clusterDefault": "baseline"}"#, &[]), Verdict::Pass);
        let too_low = r#"{"clusterDefault": "baseline", "minLevel": "restricted"}"#;
        assert_eq!(verdict(too_low, &[]), Verdict::Fail("NotEnforced"));
        // The label beats the default, downwards too.
        let default = r#"{"clusterDefault": "restricted"}"#;
        assert_eq!(verdict(default, &[(ENFORCE, "privileged")]), Verdict::Fail("LevelTooLow"));
    }

    #[test]
    fn an_unreadable_level_is_enforced_as_restricted_and_an_unreadable_version_as_latest() {
        let strict = r#"{"minLevel": "restricted"}"#;
        assert_eq!(verdict(strict, &[(ENFORCE, "Baseline")]), Verdict::Pass);
        assert_eq!(verdict("{}", &[(ENFORCE, "baseline"), (ENFORCE_VERSION, "1.32")]), Verdict::Pass);
    }

    #[test]
    fn what_only_looks_like_enforcement_fails_and_the_message_says_why() {
        let verdict_of = |facts| namespace_explained::<PodSecurityEnforced>("{}", &facts);
        let label = |key| verdict_of(namespace(&[(key, "restricted")], &[]));
        for ((verdict, text), why) in [
            (verdict_of(namespace(&[(ENFORCE_VERSION, "v1.32")], &[])), "a version alone"),
            (label("pod-security.kubernetes.io/warn"), "audit and warn"),
            (label("pod-security.kubernetes.io/audit"), "audit and warn"),
            (label("pod-security.k8s.io/enforce"), "nothing reads the label pod-security.k8s.io"),
            (verdict_of(namespace(&[], &[(ENFORCE, "restricted")])), "as an annotation"),
        ] {
            assert_eq!(verdict, Verdict::Fail("NotEnforced"), "{why}");
            assert!(text.contains(why), "{text}");
        }
    }

    #[test]
    fn the_alternative_is_a_rule_of_the_catalogue_and_none_unless_it_is_asked_for() {
        let alternative = |settings| rule::<PodSecurityEnforced>(settings).alternative();
        assert_eq!(alternative("{}"), None);
        let named = alternative(r#"{"acceptAlternative": "AdmissionCoverage"}"#);
        assert!(named.is_some_and(|name| crate::rules::RuleId::named(name).is_some()));
        assert!(serde_json::from_str::<Settings>(r#"{"acceptAlternative": "ValidReference"}"#).is_err());
    }

    #[test]
    fn levels_in_settings_are_the_three_words() {
        assert!(serde_json::from_str::<Settings>(r#"{"minLevel": "Baseline"}"#).is_err());
    }
}
