//! The status of an ImagePolicy: what was found under it, in all. Everything here is a function of what was
//! judged; nothing changes while no verdict changes.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::schema::date_time;
use crate::verdict::Severity;

/// How many namespaces a status names at most.
pub const NAMESPACES_MAX: usize = 20;
/// How many exemptions a status names at most.
pub const EXEMPTIONS_MAX: usize = 20;
/// How many characters a condition's message has at most.
pub const CONDITION_MESSAGE_MAX: usize = 2048;

/// What was found under this policy. Written by the operator.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ImagePolicyStatus {
    /// The generation of the policy that this status speaks of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// Ready: the whole policy is in force. Stalled: the policy must be edited. Compliant: everything in scope keeps
    /// every rule. EvidenceComplete: registries have answered, where a rule needs that.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        length(max = 16),
        extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"])
    )]
    pub conditions: Vec<Condition>,
    /// Findings under this policy, in numbers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub summary: Option<PolicySummary>,
    /// Every rule in force, in a fixed order, those without findings included.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 256), extend("x-kubernetes-list-type" = "atomic"))]
    pub rules: Vec<RuleStatus>,
    /// The worst namespaces, at most 20. What was found there is in each namespace's NamespaceAudit.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 20), extend("x-kubernetes-list-type" = "atomic"))]
    pub namespaces: Vec<NamespaceStatus>,
    /// Exemptions that count under this policy, in numbers, and those that somebody should look at; absent for none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exemptions: Option<ExemptionsStatus>,
}

/// Exemptions of a policy: its own, and those that it delegates.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ExemptionsStatus {
    /// All of them.
    pub total: u32,
    /// Those that end within 14 days.
    pub expiring: u32,
    /// Those that have ended.
    pub expired: u32,
    /// Those that permit nothing that is found just now.
    pub unused: u32,
    /// The ones to look at, at most 20: ended ones first, then those that end soon, then unused ones.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 20), extend("x-kubernetes-list-type" = "atomic"))]
    pub attention: Vec<ExemptionEntry>,
}

/// An exemption to look at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ExemptionEntry {
    /// Its name.
    #[schemars(length(min = 1, max = 253))]
    pub name: String,
    /// The namespace whose Exemption it is; absent for one that stands in this policy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 63))]
    pub namespace: Option<String>,
    /// Expired: it has ended. Expiring: it ends within 14 days. Unused: it permits nothing that is found just now.
    pub state: ExemptionState,
    /// When it ends under this policy; absent for a permanent one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "date_time")]
    pub expires_at: Option<Time>,
}

/// Why somebody should look at an exemption.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[expect(missing_docs, reason = "described at the field")]
pub enum ExemptionState {
    Expired,
    Expiring,
    Unused,
}

/// One aspect of the state.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Condition {
    /// Which aspect.
    #[serde(rename = "type")]
    #[schemars(length(min = 1, max = 64))]
    pub type_: String,
    /// Whether it holds.
    pub status: ConditionStatus,
    /// The generation of the policy that this condition speaks of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// When status last changed.
    #[schemars(schema_with = "date_time")]
    pub last_transition_time: Time,
    /// Why, in one word.
    #[schemars(length(min = 1, max = 64))]
    pub reason: String,
    /// Why, in a sentence.
    #[schemars(length(max = 2048))]
    pub message: String,
}

/// Whether a condition holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[expect(missing_docs, reason = "the words of metav1")]
pub enum ConditionStatus {
    True,
    False,
    Unknown,
}

/// Findings in numbers. Each is counted once a policy.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PolicySummary {
    /// Violations that are not exempt.
    pub violations: u32,
    /// Those of severity critical.
    pub critical: u32,
    /// What applies and could not be decided.
    pub unknown: u32,
    /// What an exemption permits.
    pub exempt: u32,
    /// Namespaces with violations.
    pub namespaces: u32,
    /// Rules in force.
    pub rules: u32,
}

/// Findings of one rule.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RuleStatus {
    /// The rule's id.
    #[schemars(length(min = 1, max = 63))]
    pub rule: String,
    /// Severity of its violations under this policy.
    pub severity: Severity,
    /// Violations that are not exempt.
    pub violations: u32,
    /// What could not be decided.
    pub unknown: u32,
    /// What an exemption permits.
    pub exempt: u32,
    /// Namespaces with violations.
    pub namespaces: u32,
}

/// Findings of one namespace.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct NamespaceStatus {
    /// The namespace.
    #[schemars(length(min = 1, max = 63))]
    pub name: String,
    /// Violations of severity critical.
    pub critical: u32,
    /// All violations that are not exempt.
    pub violations: u32,
    /// What could not be decided.
    pub unknown: u32,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_is_written_in_a_fixed_order_and_whole_seconds() {
        let status = ImagePolicyStatus {
            observed_generation: Some(4),
            conditions: vec![Condition {
                type_: "Compliant".into(),
                status: ConditionStatus::False,
                observed_generation: Some(4),
                last_transition_time: Time("2026-11-23T10:00:00.123Z".parse().unwrap()),
                reason: "ViolationsFound".into(),
                message: "37 violations".into(),
            }],
            summary: Some(PolicySummary {
                violations: 37,
                critical: 2,
                rules: 14,
                ..PolicySummary::default()
            }),
            rules: vec![],
            namespaces: vec![NamespaceStatus {
                name: "team-a".into(),
                critical: 2,
                violations: 6,
                unknown: 1,
            }],
            exemptions: None,
        };
        assert_eq!(
            serde_json::to_string(&status).unwrap(),
            concat!(
                r#"{"observedGeneration":4,"conditions":[{"type":"Compliant","status":"False","observedGeneration":4,"#,
                r#""lastTransitionTime":"2026-11-23T10:00:00Z","reason":"ViolationsFound","message":"37 violations"}],"#,
                r#""summary":{"violations":37,"critical":2,"unknown":0,"exempt":0,"namespaces":0,"rules":14},"#,
                r#""namespaces":[{"name":"team-a","critical":2,"violations":6,"unknown":1}]}"#,
            )
        );
    }
}
