//! NamespaceOptedOut: no label takes the namespace out of the checks that an admission controller makes.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::rules::settings::check_key;
use crate::rules::shown::Cut;
use crate::rules::{Control, NamespaceRule, Rule, RuleInfo, SettingError, rule_settings};
use crate::subject::namespace::{NamespaceSubject, TextPairs};
use crate::verdict::{Note, Severity, Verdict};

rule_settings! {
    /// No label of the namespace opts out of an admission controller, and every label that opts in is there.
    struct Settings {
        /// Labels that opt out, beside the known ones: `admission.gatekeeper.sh/ignore` with any value,
        /// `securesystemsengineering.connaisseur/webhook=ignore`,
        /// `securityenforcement.admission.cloud.ibm.com/namespace=skip`. Default: none but those.
        #[schemars(length(max = 64))]
        labels: Vec<OptOutLabel>,
        /// `true`: only the labels named here opt out, not the known ones. Default: false.
        replace_defaults: bool,
        /// Labels that opt in, and the value each must have, such as `policy.sigstore.dev/include: "true"`. A
        /// namespace without one of them fails. Default: none.
        #[schemars(extend("maxProperties" = 64, "additionalProperties" = {"type": "string", "maxLength": 63}))]
        require_include: BTreeMap<String, String>,
    }
}

/// A label that opts out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct OptOutLabel {
    /// The label's key.
    #[schemars(length(min = 1, max = 317))]
    pub key: String,
    /// The value that opts out. Absent: any value does, even `false` (the webhook's selector is DoesNotExist).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 63))]
    pub value: Option<String>,
}

/// Labels that take a namespace out of a webhook: key, and value where only one does.
const KNOWN: [(&str, Option<&str>); 3] = [
    ("admission.gatekeeper.sh/ignore", None),
    ("securesystemsengineering.connaisseur/webhook", Some("ignore")),
    ("securityenforcement.admission.cloud.ibm.com/namespace", Some("skip")),
];

/// The known labels that opt out, of a namespace with these labels.
pub fn known_opt_outs(labels: &TextPairs) -> impl Iterator<Item = &'static str> {
    let opts_out = |(key, value): &(&'static str, Option<&'static str>)| {
        labels.get(key).is_some_and(|found| value.is_none_or(|value| value == found))
    };
    KNOWN.into_iter().filter(opts_out).map(|(key, _)| key)
}

/// The rule, tables joined.
#[derive(Debug)]
pub struct NamespaceOptedOut {
    opt_out: Vec<OptOutLabel>,
    require_include: BTreeMap<String, String>,
}

impl Rule for NamespaceOptedOut {
    const INFO: RuleInfo = RuleInfo {
        id: "NamespaceOptedOut",
        title: "The namespace does not opt out of admission control",
        rationale: "Admission controllers look away where a label tells them to. Whoever may edit \
                    a namespace can set it, and from then on nothing there is checked: no \
                    signature, no policy.",
        remedy: "Remove the label that opts out, or set the one that opts in:\n\n  \
                 kubectl label namespace NAMESPACE admission.gatekeeper.sh/ignore-\n  \
                 kubectl label namespace NAMESPACE policy.sigstore.dev/include=true\n\n\
                 Look who sets it: kubectl get namespace NAMESPACE --show-managed-fields -o yaml",
        severity: Severity::High,
        controls: &[Control::cis("5.2.1"), Control::owasp("K04"), Control::attack("T1562.001")],
        reads: &[],
        false_positives: "The namespaces of the admission controller itself and of the control \
                          plane opt out on purpose: leave them out of the policy's scope, or \
                          write an exemption. A label counts even where its admission controller \
                          is not installed. Exclusions in a webhook's own configuration are not \
                          read.",
    };
    type Settings = Settings;

    fn prepare(settings: &Settings) -> Result<Self, SettingError> {
        let require_include = settings.require_include.clone().unwrap_or_default();
        let mut opt_out = settings.labels.clone().unwrap_or_default();
        for (index, label) in opt_out.iter().enumerate() {
            check_key(&format!("labels[{index}].key"), &label.key)?;
        }
        for key in require_include.keys() {
            check_key(&format!("requireInclude[{key}]"), key)?;
        }
        if settings.replace_defaults != Some(true) {
            opt_out.extend(
                KNOWN
                    .map(|(key, value)| OptOutLabel { key: key.to_owned(), value: value.map(str::to_owned) }),
            );
        }
        if opt_out.is_empty() && require_include.is_empty() {
            let message = "with replaceDefaults, name at least one label here or under requireInclude";
            return Err(SettingError::new("labels", message));
        }
        Ok(Self { opt_out, require_include })
    }
}

impl NamespaceRule for NamespaceOptedOut {
    fn check(&self, subject: &NamespaceSubject<'_>, note: &mut Note<'_>) -> Verdict {
        for OptOutLabel { key, value } in &self.opt_out {
            if let Some(found) = subject.label(key)
                && value.as_deref().is_none_or(|value| value == found)
            {
                let found = Cut(found);
                return note
                    .fail("OptedOut", format_args!("label {key}=\"{found}\" opts out of admission control"));
            }
        }
        for (key, value) in &self.require_include {
            match subject.label(key) {
                Some(found) if found == value => {}
                Some(found) => {
                    let found = Cut(found);
                    return note.fail(
                        "NotIncluded",
                        format_args!("label {key} is \"{found}\", not \"{value}\", and does not opt in"),
                    );
                }
                None => {
                    return note.fail(
                        "NotIncluded",
                        format_args!("label {key}=\"{value}\", which opts in, is missing"),
                    );
                }
            }
        }
        Verdict::Pass
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::testing::{namespace_verdict, settings_error};

    const GATEKEEPER: &str = "admission.gatekeeper.sh/ignore";

    fn verdict(settings: &str, labels: &[(&str, &str)]) -> Verdict {
        namespace_verdict::<NamespaceOptedOut>(settings, labels)
    }

    #[test]
    fn a_label_that_is_selected_by_its_presence_opts_out_with_any_value() {
        for value in ["false", "", "no-self-managing"] {
            assert_eq!(verdict("{}", &[(GATEKEEPER, value)]), Verdict::Fail("OptedOut"), "{value:?}");
        }
        assert_eq!(verdict("{}", &[]), Verdict::Pass);
    }

    #[test]
    fn a_label_that_is_selected_by_its_value_opts_out_with_that_value_only() {
        let connaisseur = "securesystemsengineering.connaisseur/webhook";
        assert_eq!(verdict("{}", &[(connaisseur, "ignore")]), Verdict::Fail("OptedOut"));
        assert_eq!(verdict("{}", &[(connaisseur, "validate")]), Verdict::Pass);
        let portieris = "securityenforcement.admission.cloud.ibm.com/namespace";
        assert_eq!(verdict("{}", &[(portieris, "skip")]), Verdict::Fail("OptedOut"));
    }

    #[test]
    fn own_labels_come_beside_the_known_ones_or_replace_them() {
        let beside = r#"{"labels": [{"key": "example.com/skip"}, {"key": "audit", "value": "off"}]}"#;
        assert_eq!(verdict(beside, &[("example.com/skip", "")]), Verdict::Fail("OptedOut"));
        assert_eq!(verdict(beside, &[("audit", "off")]), Verdict::Fail("OptedOut"));
        assert_eq!(verdict(beside, &[("audit", "on")]), Verdict::Pass);
        assert_eq!(verdict(beside, &[(GATEKEEPER, "true")]), Verdict::Fail("OptedOut"));
        let instead = r#"{"labels": [{"key": "audit", "value": "off"}], "replaceDefaults": true}"#;
        assert_eq!(verdict(instead, &[(GATEKEEPER, "true")]), Verdict::Pass);
        assert_eq!(verdict(instead, &[("audit", "off")]), Verdict::Fail("OptedOut"));
    }

    #[test]
    fn where_opting_in_is_required_a_missing_label_and_another_value_fail() {
        let settings = r#"{"requireInclude": {"policy.sigstore.dev/include": "true"}}"#;
        let label = "policy.sigstore.dev/include";
        assert_eq!(verdict(settings, &[(label, "true")]), Verdict::Pass);
        assert_eq!(verdict(settings, &[(label, "false")]), Verdict::Fail("NotIncluded"));
        assert_eq!(verdict(settings, &[]), Verdict::Fail("NotIncluded"));
        assert_eq!(verdict(settings, &[(label, "true"), (GATEKEEPER, "")]), Verdict::Fail("OptedOut"));
    }

    #[test]
    fn settings_that_ask_for_nothing_are_refused() {
        let error = |settings| settings_error::<NamespaceOptedOut>(settings).field;
        assert_eq!(error(r#"{"replaceDefaults": true}"#), "labels");
        assert_eq!(error(r#"{"labels": [{"key": "a"}, {"key": "b "}]}"#), "labels[1].key");
        assert_eq!(error(r#"{"requireInclude": {"": "true"}}"#), "requireInclude[]");
    }
}
