//! Exemption: what a tenant asks for, as an object of its namespace. The doc comments are what
//! `kubectl explain exemptions.revisor.dev` prints.
//!
//! As with policies these types exist for their schema; objects are read field by field ([`super::request`]).

#![expect(unreachable_pub, reason = "KubeSchema repeats the structs inside a function")]
#![expect(clippy::duplicated_attributes, reason = "each printer column has its own type")]

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::schema::{date_time, image_patterns, reason, rule_ids, workload_globs};
use super::status::ConditionStatus;

/// A violation that this namespace asks to be permitted for a time.
#[derive(CustomResource, KubeSchema, Clone, Debug, Serialize, Deserialize)]
#[kube(
    group = "revisor.dev",
    version = "v1alpha1",
    kind = "Exemption",
    plural = "exemptions",
    singular = "exemption",
    category = "revisor",
    namespaced,
    status = "ExemptionStatus",
    doc = "Exemption asks that violations of some rules in this namespace are permitted for a time. It counts where \
           an ImagePolicy delegates these rules to this namespace, and, where that policy says so, once it is \
           approved: the condition Approved at the current generation, so that an edit needs a new approval. Until \
           then the violations stay, marked as requested.",
    printcolumn(
        name = "Rules",
        type_ = "string",
        json_path = ".spec.rules",
        description = "The rules that need not be kept"
    ),
    printcolumn(
        name = "Approved",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"Approved\")].status",
        description = "Whether it was approved; what was edited since needs a new approval"
    ),
    printcolumn(
        name = "Effective",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"Effective\")].status",
        description = "Whether some policy takes it"
    ),
    printcolumn(
        name = "Expires",
        type_ = "string",
        json_path = ".spec.expiresAt",
        description = "When it ends"
    ),
    printcolumn(
        name = "Reason",
        type_ = "string",
        json_path = ".spec.reason",
        description = "Why it is asked for",
        priority = 1
    ),
    printcolumn(
        name = "Why",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"Effective\")].message",
        description = "What policies say of it",
        priority = 1
    ),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ExemptionObjectSpec {
    /// The rules that need not be kept, by id: PullPolicyAlways.
    #[schemars(schema_with = "rule_ids")]
    pub rules: Vec<String>,
    /// Globs of workloads as Kind/name: `Deployment/loader`, `CronJob/*`, `*/loader`. Only an owner that is confirmed
    /// by its uid counts, since names can be forged. Default: any workload of this namespace, and the namespace
    /// itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "workload_globs")]
    pub workloads: Option<Vec<String>>,
    /// Patterns of images, as in the rule trustedRegistry: `registry.example.com/etl/**`. Without tag and digest.
    /// Default: any image.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "image_patterns")]
    pub images: Option<Vec<String>>,
    /// Why it is asked for; not blank.
    #[schemars(schema_with = "reason")]
    pub reason: String,
    /// Where it was agreed: a ticket or a link. Default: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 256))]
    pub ticket: Option<String>,
    /// When it ends: `2027-01-31T00:00:00Z`. From that instant on it covers nothing. It ends earlier where the policy
    /// delegates fewer days, counted from the creation of this object.
    #[schemars(schema_with = "date_time")]
    pub expires_at: Time,
}

/// What others say of the exemption.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ExemptionStatus {
    /// Approved: somebody who may permits it; counts at the current generation only. Effective: what policies say of
    /// it, written by the operator.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        length(max = 16),
        extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"])
    )]
    pub conditions: Vec<ExemptionCondition>,
}

/// One aspect of an exemption.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("self.type != 'Approved' || has(self.observedGeneration)")
    .message("an approval names the generation that it approves: observedGeneration is metadata.generation")
    .field_path(".observedGeneration"))]
pub struct ExemptionCondition {
    /// Which aspect.
    #[serde(rename = "type")]
    #[schemars(length(min = 1, max = 64))]
    pub type_: String,
    /// Whether it holds.
    pub status: ConditionStatus,
    /// The generation of the exemption that this condition speaks of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// When status last changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "date_time")]
    pub last_transition_time: Option<Time>,
    /// Why, in one word.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 64))]
    pub reason: Option<String>,
    /// Why, in a sentence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 2048))]
    pub message: Option<String>,
}
