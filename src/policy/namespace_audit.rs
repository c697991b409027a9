//! NamespaceAudit: what was found in one namespace, where its owner may read it. One object named `revisor` in
//! each namespace that has findings, written by the operator. It has neither spec nor status, and nothing in it
//! changes while no verdict changes.
//!
//! The server refuses an object with a text beyond its bound, so whoever writes one cuts texts that come from
//! elsewhere (image names, messages) with [`cut`] to the bounds here.

#![expect(clippy::duplicated_attributes, reason = "each printer column has its own type")]

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::schema::date_time;
use super::status::ConditionStatus;
use crate::verdict::Severity;

/// The name of the object in each namespace.
pub const NAME: &str = "revisor";
/// How many findings are listed at most.
pub const FINDINGS_MAX: usize = 100;
/// How many policies a finding names at most.
pub const POLICIES_MAX: usize = 32;
/// How many characters an id, a rule, a reason or a slot has at most.
pub const WORD_MAX: usize = 64;
/// How many characters a container's name or a policy's name has at most.
pub const NAME_MAX: usize = 253;
/// How many characters a subject or an image has at most.
pub const REFERENCE_MAX: usize = 1024;
/// How many characters a message, a remedy, or an exemption's reason has at most.
pub const TEXT_MAX: usize = 2048;

/// What was found in the namespace.
#[derive(CustomResource, Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[kube(
    group = "revisor.dev",
    version = "v1alpha1",
    kind = "NamespaceAudit",
    plural = "namespaceaudits",
    singular = "namespaceaudit",
    category = "revisor",
    namespaced,
    no_spec,
    derive = "PartialEq",
    doc = "NamespaceAudit lists what Revisor found in this namespace, under all policies. The operator writes it \
           and removes it when the namespace is clean; edits are overwritten.",
    printcolumn(
        name = "Compliant",
        type_ = "string",
        json_path = ".compliant",
        description = "False if there are violations, else Unknown if something could not be decided, else True"
    ),
    printcolumn(
        name = "Critical",
        type_ = "integer",
        json_path = ".summary.critical",
        description = "Violations of severity critical"
    ),
    printcolumn(
        name = "Violations",
        type_ = "integer",
        json_path = ".summary.violations",
        description = "Violations that are not exempt"
    ),
    printcolumn(
        name = "Unknown",
        type_ = "integer",
        json_path = ".summary.unknown",
        description = "What could not be decided"
    ),
    printcolumn(
        name = "Exempt",
        type_ = "integer",
        json_path = ".summary.exempt",
        description = "What an exemption permits"
    ),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[serde(rename_all = "camelCase")]
pub struct NamespaceAuditContent {
    /// False if there are violations; else Unknown if something could not be decided; else True (all that is listed
    /// is exempt).
    pub compliant: ConditionStatus,
    /// Findings in numbers, those that are left out of the list included.
    pub summary: NamespaceSummary,
    /// The findings, worst first, at most 100 of them.
    #[serde(default)]
    #[schemars(length(max = 100), extend("x-kubernetes-list-type" = "atomic"))]
    pub findings: Vec<NamespaceFinding>,
    /// How many more findings there are than are listed.
    pub omitted: u32,
}

/// Findings in numbers. A finding under several policies counts once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct NamespaceSummary {
    /// Violations that are not exempt.
    pub violations: u32,
    /// Those of severity critical.
    pub critical: u32,
    /// What applies and could not be decided.
    pub unknown: u32,
    /// What an exemption permits.
    pub exempt: u32,
}

/// One finding.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct NamespaceFinding {
    /// Names the finding in Events, logs and reports; the same across restarts and policies.
    #[schemars(length(min = 1, max = 64))]
    pub id: String,
    /// The policies that say so.
    #[schemars(length(max = 32), inner(length(max = 253)), extend("x-kubernetes-list-type" = "atomic"))]
    pub policies: Vec<String>,
    /// The rule's id. `revisor rules ID` explains it.
    #[schemars(length(min = 1, max = 64))]
    pub rule: String,
    /// The highest severity among the policies.
    pub severity: Severity,
    /// fail: a violation. unknown: it could not be decided. exempt: an exemption permits it.
    pub state: FindingState,
    /// Why, in one word.
    #[schemars(length(max = 64))]
    pub reason: String,
    /// What it is about, as Kind/name: Deployment/web, Namespace/team-a, Image/docker.io/library/nginx:1.27.
    #[schemars(length(max = 1024))]
    pub subject: String,
    /// Whether it is a static pod, which a file on the node defines and the API server only mirrors; absent when not.
    #[serde(rename = "static", default, skip_serializing_if = "Option::is_none")]
    pub is_static: Option<bool>,
    /// The kind of place in the pod that names the image: container, initContainer, ephemeralContainer or
    /// imageVolume.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub slot: Option<String>,
    /// The container's or volume's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 253))]
    pub container: Option<String>,
    /// The image in its canonical form; as it was written, where it cannot be read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1024))]
    pub image: Option<String>,
    /// Since when it has been open.
    #[schemars(schema_with = "date_time")]
    pub since: Time,
    /// Why, in a sentence.
    #[schemars(length(max = 2048))]
    pub message: String,
    /// What to do about it.
    #[schemars(length(max = 2048))]
    pub remedy: String,
    /// What permits it, where the state is exempt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exemption: Option<FindingExemption>,
    /// Whether an exemption was asked for that does not permit it: message says why; absent when not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exemption_requested: Option<bool>,
}

/// How a finding is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[expect(missing_docs, reason = "described at the field")]
pub enum FindingState {
    Fail,
    Unknown,
    Exempt,
}

/// What permits a finding.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct FindingExemption {
    /// The exemption's name.
    #[schemars(length(max = 253))]
    pub name: String,
    /// The policy it stands in, or that delegates it.
    #[schemars(length(max = 253))]
    pub policy: String,
    /// Why it is permitted.
    #[schemars(length(max = 2048))]
    pub reason: String,
    /// Where it was agreed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1024))]
    pub ticket: Option<String>,
    /// When it ends; absent for a permanent one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "date_time")]
    pub expires_at: Option<Time>,
    /// How this namespace asked for it, where the policy delegates it: object, by the Exemption of this name, or
    /// annotation; absent for one that stands in the policy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub delegated: Option<String>,
}

/// The text, or its start and an ellipsis: at most `max` characters, as the API server counts them.
pub fn cut(text: &str, max: usize) -> String {
    match text.char_indices().nth(max) {
        None => text.to_owned(),
        Some(_) => text.chars().take(max.saturating_sub(1)).chain(['…']).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_audit_has_its_fields_at_the_root_in_a_fixed_order() {
        let content = NamespaceAuditContent {
            compliant: ConditionStatus::False,
            summary: NamespaceSummary { violations: 1, ..NamespaceSummary::default() },
            findings: vec![NamespaceFinding {
                id: "5f2c9a41".into(),
                policies: vec!["baseline".into()],
                rule: "TrustedRegistry".into(),
                severity: Severity::Critical,
                state: FindingState::Fail,
                reason: "NotAllowed".into(),
                subject: "Deployment/web".into(),
                is_static: Some(true),
                slot: None,
                container: Some("app".into()),
                image: Some("evil.test/x:1".into()),
                since: Time("2026-11-23T10:00:00Z".parse().unwrap()),
                message: "m".into(),
                remedy: "r".into(),
                exemption: None,
                exemption_requested: None,
            }],
            omitted: 0,
        };
        let text = serde_json::to_string(&NamespaceAudit::new(NAME, content)).unwrap();
        assert_eq!(
            text,
            concat!(
                r#"{"apiVersion":"revisor.dev/v1alpha1","kind":"NamespaceAudit","metadata":{"name":"revisor"},"#,
                r#""compliant":"False","summary":{"violations":1,"critical":0,"unknown":0,"exempt":0},"#,
                r#""findings":[{"id":"5f2c9a41","policies":["baseline"],"rule":"TrustedRegistry","#,
                r#""severity":"critical","state":"fail","reason":"NotAllowed","subject":"Deployment/web","static":true,"#,
                r#""container":"app","image":"evil.test/x:1","since":"2026-11-23T10:00:00Z","#,
                r#""message":"m","remedy":"r"}],"omitted":0}"#,
            )
        );
        let read: NamespaceAudit = serde_json::from_str(&text).unwrap();
        assert_eq!(read.spec.findings[0].subject, "Deployment/web");
    }

    #[test]
    fn a_text_is_cut_at_a_character_and_never_beyond_its_bound() {
        assert_eq!(cut("größe", 5), "größe");
        assert_eq!(cut("größe", 4), "grö…");
        assert_eq!(cut("größe", 1), "…");
        assert_eq!(cut("", 0), "");
    }
}
