//! PodSecurityAuditWarnSet: pod security admission tells what a stricter level would refuse.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::pod_security::{AUDIT_AND_WARN, Level};
use crate::rules::shown::Cut;
use crate::rules::{Control, NamespaceRule, Rule, RuleInfo, SettingError, rule_settings};
use crate::subject::namespace::NamespaceSubject;
use crate::verdict::{Note, Severity, Verdict};

rule_settings! {
    /// The namespace's labels `pod-security.kubernetes.io/audit` and `.../warn` name a level of the Pod Security
    /// Standards, or a higher one.
    struct Settings {
        /// The lowest level that is good enough. Default: baseline.
        min_level: Level,
        /// Which of the two have to be set. Default: both.
        #[schemars(length(min = 1, max = 2))]
        modes: Vec<Mode>,
        /// The level of namespaces without the labels, as the API server's AdmissionConfiguration sets it for both
        /// modes. It cannot be read through the API. Default: privileged, as Kubernetes' own.
        cluster_default: Level,
    }
}

/// A mode that refuses nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// Writes into the API server's audit log.
    Audit,
    /// Answers whoever creates the workload.
    Warn,
}

impl Mode {
    fn label(self) -> &'static str {
        let [audit, warn] = AUDIT_AND_WARN;
        match self {
            Self::Audit => audit,
            Self::Warn => warn,
        }
    }
}

/// The rule, defaults filled in.
#[derive(Debug)]
pub struct PodSecurityAuditWarnSet {
    min_level: Level,
    modes: Vec<Mode>,
    cluster_default: Level,
}

impl Rule for PodSecurityAuditWarnSet {
    const INFO: RuleInfo = RuleInfo {
        id: "PodSecurityAuditWarnSet",
        title: "Pod security audits and warns",
        rationale: "The level that is enforced refuses pods, and says nothing to whoever applies a \
                    Deployment. The label warn answers at once, the label audit leaves a trace in \
                    the audit log. Set one step above the enforced level, they tell what would \
                    break before anybody raises it.",
        remedy: "Set both, best to the level that you want to enforce next:\n\n  \
                 kubectl label --overwrite namespace NAMESPACE \
                 pod-security.kubernetes.io/audit=restricted \
                 pod-security.kubernetes.io/warn=restricted",
        severity: Severity::Info,
        controls: &[
            Control::cis("5.2.1"),
            Control::bsi("APP.4.4.A4"),
            Control::bsi("APP.4.4.A13"),
            Control::owasp("K01"),
            Control::nsa("Pod security enforcement"),
        ],
        reads: &[],
        false_positives: "Clusters whose AdmissionConfiguration sets both modes for all namespaces: \
                          say so under clusterDefault.",
    };
    type Settings = Settings;

    fn prepare(settings: &Settings) -> Result<Self, SettingError> {
        let modes = settings.modes.clone().unwrap_or_else(|| vec![Mode::Audit, Mode::Warn]);
        if modes.is_empty() {
            return Err(SettingError::new("modes", "name audit, warn or both"));
        }
        Ok(Self {
            min_level: settings.min_level.unwrap_or(Level::Baseline),
            modes,
            cluster_default: settings.cluster_default.unwrap_or(Level::Privileged),
        })
    }
}

impl NamespaceRule for PodSecurityAuditWarnSet {
    fn check(&self, subject: &NamespaceSubject<'_>, note: &mut Note<'_>) -> Verdict {
        let min = self.min_level;
        for label in self.modes.iter().map(|mode| mode.label()) {
            match subject.label(label).map(|value| (value, Level::parse(value))) {
                None if self.cluster_default < min => {
                    let message = format_args!("there is no label {label}; at least {min} is asked for");
                    return note.fail("NotSet", message);
                }
                Some((_, Some(level))) if level < min => {
                    let message = format_args!("{label} is {level}, at least {min} is asked for");
                    return note.fail("LevelTooLow", message);
                }
                // The opposite of what an unreadable level does where it is enforced.
                Some((value, None)) if min > Level::Privileged => {
                    let value = Cut(value);
                    let message = format_args!("{label}=\"{value}\" is no level and counts as privileged");
                    return note.fail("LevelTooLow", message);
                }
                _ => {}
            }
        }
        Verdict::Pass
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::testing::{namespace_verdict, settings_error};

    const AUDIT: &str = "pod-security.kubernetes.io/audit";
    const WARN: &str = "pod-security.kubernetes.io/warn";

    fn verdict(settings: &str, labels: &[(&str, &str)]) -> Verdict {
        namespace_verdict::<PodSecurityAuditWarnSet>(settings, labels)
    }

    #[test]
    fn both_labels_have_to_name_the_level_or_a_higher_one() {
        assert_eq!(verdict("{}", &[(AUDIT, "baseline"), (WARN, "restricted")]), Verdict::Pass);
        assert_eq!(verdict("{}", &[(AUDIT, "restricted")]), Verdict::Fail("NotSet"));
        assert_eq!(verdict("{}", &[(WARN, "restricted")]), Verdict::Fail("NotSet"));
        assert_eq!(verdict("{}", &[]), Verdict::Fail("NotSet"));
        assert_eq!(verdict("{}", &[(AUDIT, "privileged"), (WARN, "baseline")]), Verdict::Fail("LevelTooLow"));
        let strict = r#"{"minLevel": "restricted"}"#;
        assert_eq!(
            verdict(strict, &[(AUDIT, "baseline"), (WARN, "restricted")]),
            Verdict::Fail("LevelTooLow")
        );
    }

    #[test]
    fn an_unreadable_level_counts_as_privileged_and_what_is_enforced_does_not_count() {
        assert_eq!(verdict("{}", &[(AUDIT, "Restricted"), (WARN, "baseline")]), Verdict::Fail("LevelTooLow"));
        let enforced = [
            ("pod-security.kubernetes.io/enforce", "restricted"),
            ("pod-security.kubernetes.io/warn-version", "v1.32"),
        ];
        assert_eq!(verdict("{}", &enforced), Verdict::Fail("NotSet"));
    }

    #[test]
    fn one_mode_is_enough_where_only_that_one_is_asked_for_and_a_cluster_default_counts() {
        assert_eq!(verdict(r#"{"modes": ["warn"]}"#, &[(WARN, "baseline")]), Verdict::Pass);
        assert_eq!(verdict(r#"{"modes": ["audit"]}"#, &[(WARN, "baseline")]), Verdict::Fail("NotSet"));
        assert_eq!(verdict(r#"{"clusterDefault": "baseline"}"#, &[]), Verdict::Pass);
        let lowered = r#"{"clusterDefault": "restricted"}"#;
        assert_eq!(verdict(lowered, &[(WARN, "privileged")]), Verdict::Fail("LevelTooLow"));
        assert_eq!(settings_error::<PodSecurityAuditWarnSet>(r#"{"modes": []}"#).field, "modes");
    }
}
