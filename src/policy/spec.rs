//! ImagePolicy: what is asked. The doc comments are what `kubectl explain imagepolicies.revisor.dev` prints.
//!
//! These types exist for their schema. The operator does not read policies through them: it reads `spec` as raw
//! JSON, field by field ([`super::compile`]), so that one bad field never costs the rest of the policy.
//!
//! # Nothing under `rules` is lost on the way
//!
//! What follows was tried against kube-apiserver and kubectl 1.37.2.
//!
//! *Unknown.* By default the API server drops fields that a schema does not know, and whether it says so depends
//! on the client: kubectl asks for strict validation and server-side apply refuses, but a plain create or replace
//! (client libraries, many GitOps tools) gets no more than a warning header. A misspelt rule, or a rule of a newer
//! Revisor, would be gone without anybody noticing, and the policy would look healthy without it. So `rules` and
//! each rule, and nothing else, keep what they do not know (`x-kubernetes-preserve-unknown-fields`): every client
//! can store it, the operator sees it and answers `Ready=False`, reason `UnknownRule` or `BadSetting`, with the
//! nearest known name. Each rule keeps it too, because below a preserving object even server-side apply drops
//! unknown fields in silence. What is known is checked by the server as ever: types, words, bounds.
//!
//! - CEL cannot do this: it does not see keys that a schema does not declare. A ValidatingAdmissionPolicy does,
//!   and with the action Warn it could tell the user at once.
//!
//! *Empty.* An empty rule (`pullPolicyAlways:`, which is null) would switch the rule off. A field that is not
//! nullable does *not* refuse null: create, replace and client-side apply drop it in silence, only server-side
//! apply refuses. So rules are nullable, which keeps the null, and then refused by a `not` on the object around
//! them ([`super::crd`]): CEL cannot tell null from absent. The message is poor (`"spec.rules" must not validate the
//! schema (not)`), and the description of `rules` explains it. The same for `namespaces`, `workloads` and `images`
//! of an exemption, where an empty list would widen it. Elsewhere an empty field means its default, as everywhere
//! in Kubernetes; that never takes away a check.
//!
//! - Client-side `kubectl apply` takes nulls out before the server sees them. They are still in the annotation
//!   that it leaves, where [`super::compile::restore_nulls`] finds them.

#![expect(unreachable_pub, reason = "KubeSchema repeats the structs inside a function")]
#![expect(clippy::duplicated_attributes, reason = "each printer column has its own type")]

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::schema::{date_time, image_patterns, namespace_globs, reason, rule_ids, workload_globs};
use super::status::ImagePolicyStatus;
use crate::rules::Rules;

/// What to audit: which rules with which settings, over which namespaces and pods, and which violations are
/// permitted for a time.
#[derive(CustomResource, KubeSchema, Clone, Debug, Default, Serialize, Deserialize)]
#[kube(
    group = "revisor.dev",
    version = "v1alpha1",
    kind = "ImagePolicy",
    plural = "imagepolicies",
    singular = "imagepolicy",
    shortname = "imgpol",
    category = "revisor",
    status = "ImagePolicyStatus",
    doc = "ImagePolicy says which rules a cluster's images and namespaces are audited by. Revisor never blocks \
           anything: it judges what runs, and shows the verdicts in this object's status, in the NamespaceAudit \
           of each namespace, as Events and as metrics.",
    printcolumn(
        name = "Ready",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"Ready\")].status",
        description = "Whether the whole policy is in force; False if a rule or setting cannot be used"
    ),
    printcolumn(
        name = "Compliant",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"Compliant\")].status",
        description = "Whether everything in scope keeps every rule"
    ),
    printcolumn(
        name = "Violations",
        type_ = "integer",
        json_path = ".status.summary.violations",
        description = "Violations that are not exempt"
    ),
    printcolumn(
        name = "Critical",
        type_ = "integer",
        json_path = ".status.summary.critical",
        description = "Critical ones among them"
    ),
    printcolumn(
        name = "Unknown",
        type_ = "integer",
        json_path = ".status.summary.unknown",
        description = "What could not be decided"
    ),
    printcolumn(
        name = "Rules",
        type_ = "integer",
        json_path = ".status.summary.rules",
        description = "Rules in force"
    ),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[x_kube(validation = Rule::new("has(self.profile) || has(self.rules)")
    .message("name a profile, or at least one rule under rules"))]
pub struct ImagePolicySpec {
    /// A preset of rules to start from. What this policy sets under rules overrides the preset, setting by setting.
    /// Default: none, so that only the rules named under rules are in force.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub profile: Option<ProfileRef>,
    /// Which namespaces and pods are audited. All conditions must hold. Default: the whole cluster, pods that have
    /// ended excepted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scope: Option<ScopeSpec>,
    /// The rules, each under its name with a lower-case first letter. `{}` puts a rule in force with its defaults,
    /// `{enabled: false}` switches off a rule of the profile. Every rule takes severity and enabled. A rule or a
    /// setting that the operator does not know is reported in the condition Ready, and the other rules stay in
    /// force. A rule must not be empty: write `{}`. If the server says that "spec.rules" must not validate the
    /// schema (not), then a rule is empty.
    #[serde(default)]
    #[schemars(extend("x-kubernetes-preserve-unknown-fields" = true))]
    pub rules: Rules,
    /// Permitted violations: each with a reason and an end. They stay visible, with the state exempt.
    /// Default: none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        length(max = 256),
        extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"])
    )]
    pub exemptions: Vec<ExemptionSpec>,
    /// What tenants may ask exemptions from, by an object of the kind Exemption in their namespace. What nobody
    /// delegates stays a violation, marked as requested. Default: nothing.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64), extend("x-kubernetes-list-type" = "atomic"))]
    pub delegation: Vec<DelegationSpec>,
}

/// A preset of rules: its name and its version. A released version never gains a rule or a stricter setting.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ProfileRef {
    /// Essential: what is broken or dangerous in any cluster. Baseline: what every cluster should keep. Strict: for
    /// clusters that pin digests and deny by default. BSI: the rules that serve BSI IT-Grundschutz.
    pub name: ProfileName,
    /// The preset's version.
    pub version: ProfileVersion,
}

/// Names of profiles.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[expect(missing_docs, reason = "described at the field and in the table of profiles")]
pub enum ProfileName {
    Essential,
    Baseline,
    Strict,
    #[serde(rename = "BSI")]
    Bsi,
}

/// Versions of profiles.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[expect(missing_docs, reason = "a version says it all")]
pub enum ProfileVersion {
    V1,
}

/// Which namespaces and pods are audited.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ScopeSpec {
    /// Only namespaces whose name matches one of these globs: `team-*`, `*-prod`. Default: all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "namespace_globs")]
    pub include_namespaces: Option<Vec<String>>,
    /// Not namespaces whose name matches one of these globs, even if they are included above. Default: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(
        length(max = 256),
        inner(length(min = 1, max = 128), regex(pattern = "^[a-z0-9*]([-a-z0-9*]*[a-z0-9*])?$")),
        extend("x-kubernetes-list-type" = "atomic")
    )]
    pub exclude_namespaces: Option<Vec<String>>,
    /// Only namespaces with these labels. Where a namespace's labels are not known (files, missing permission), its
    /// verdicts are unknown. Default: all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace_selector: Option<LabelSelector>,
    /// Only pods with these labels. Rules about namespaces are not affected. Default: all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pod_selector: Option<LabelSelector>,
    /// Judge pods that have ended, too. Default: false.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub include_terminated: Option<bool>,
    /// Judge the templates of workloads that have no pod now, too: suspended CronJobs, Deployments that are scaled to
    /// zero. Needs to read workloads (deploy/tiers/4-workloads.yaml). In files templates are always judged.
    /// Default: false.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub include_templates: Option<bool>,
}

/// Labels that must be there; all conditions must hold. An empty selector selects everything.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct LabelSelector {
    /// Labels with exactly these values.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "label_values")]
    pub match_labels: Option<BTreeMap<String, String>>,
    /// Conditions on labels.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64), extend("x-kubernetes-list-type" = "atomic"))]
    pub match_expressions: Option<Vec<LabelRequirement>>,
}

/// The schema of a map of label values: schemars has no attribute for the bounds of a map.
fn label_values(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    schemars::json_schema!({
        "type": "object",
        "maxProperties": 64,
        "additionalProperties": {
            "type": "string",
            "maxLength": 63,
            "pattern": "^(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?$"
        }
    })
}

/// A condition on one label.
#[derive(KubeSchema, Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[x_kube(validation = Rule::new(
        "self.operator in ['In', 'NotIn'] ? has(self.values) && size(self.values) > 0 \
         : !has(self.values) || size(self.values) == 0")
    .message("In and NotIn need values; Exists and DoesNotExist take none")
    .field_path(".values"))]
pub struct LabelRequirement {
    /// The label's key.
    #[schemars(
        length(min = 1, max = 317),
        regex(pattern = "^([a-z0-9]([-a-z0-9.]*[a-z0-9])?/)?([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]$")
    )]
    pub key: String,
    /// In: the label has one of the values. NotIn: it has none of them, or is absent. Exists: the label is there,
    /// whatever its value. DoesNotExist: it is not there.
    pub operator: LabelOperator,
    /// The values, for In and NotIn.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(
        length(max = 256),
        inner(length(max = 63), regex(pattern = "^(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?$")),
        extend("x-kubernetes-list-type" = "atomic")
    )]
    pub values: Option<Vec<String>>,
}

/// How a label is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[expect(missing_docs, reason = "described at the field")]
pub enum LabelOperator {
    In,
    NotIn,
    Exists,
    DoesNotExist,
}

/// A permitted violation. All of rules, namespaces, workloads and images that are given must match; within each of
/// them one match is enough. If the server says that an exemption must not validate the schema (not), then one of
/// namespaces, workloads and images is empty: leave it out.
#[derive(KubeSchema, Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[x_kube(validation = Rule::new("has(self.namespaces) || has(self.workloads) || has(self.images)")
    .message("name at least one of namespaces, workloads and images; an exemption never covers everything"))]
#[x_kube(validation = Rule::new("has(self.expiresAt) || (has(self.permanent) && self.permanent)")
    .message("expiresAt is required, unless permanent: true is set").field_path(".expiresAt"))]
#[x_kube(validation = Rule::new("!has(self.expiresAt) || !has(self.permanent) || !self.permanent")
    .message("a permanent exemption has no expiresAt: leave one of the two out").field_path(".permanent"))]
pub struct ExemptionSpec {
    /// Its name, unique within the policy. Findings, metrics and reports refer to it.
    #[schemars(length(min = 1, max = 63), regex(pattern = "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"))]
    pub name: String,
    /// The rules that need not be kept, by id: PullPolicyAlways.
    #[schemars(schema_with = "rule_ids")]
    pub rules: Vec<String>,
    /// Globs of namespaces: `etl-*`. Default: any namespace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "namespace_globs")]
    pub namespaces: Option<Vec<String>>,
    /// Globs of workloads as Kind/name: `Deployment/loader`, `CronJob/*`, `*/loader`; `Cluster/cluster` for what is found
    /// on the cluster itself. Only an owner that is confirmed
    /// by its uid counts, since names can be forged. Default: any workload.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "workload_globs")]
    pub workloads: Option<Vec<String>>,
    /// Patterns of images, as in the rule trustedRegistry: `registry.example.com/etl/**`. Without tag and digest.
    /// Default: any image.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "image_patterns")]
    pub images: Option<Vec<String>>,
    /// Why it is permitted; not blank. Whoever may read the namespace's findings can read it.
    #[schemars(schema_with = "reason")]
    pub reason: String,
    /// Where it was agreed: a ticket or a link. Default: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 256))]
    pub ticket: Option<String>,
    /// When it ends: `2027-01-31T00:00:00Z`. From that instant on it covers nothing. Required, unless permanent is
    /// true.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "date_time")]
    pub expires_at: Option<Time>,
    /// It has no end. Default: false.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub permanent: Option<bool>,
}

/// Rules from which tenants may ask exemptions. Where several delegations name a rule and select a namespace, the one
/// that permits most counts. If the server says that a delegation must not validate the schema (not), then its
/// namespaceSelector is empty: leave it out, or write `{}`.
#[derive(KubeSchema, Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct DelegationSpec {
    /// The rules that are delegated, by id: PullPolicyAlways. Of others an exemption is asked for in vain.
    #[schemars(schema_with = "rule_ids")]
    pub rules: Vec<String>,
    /// Only to namespaces with these labels. Who may edit the labels of a namespace decides about it. Default: to
    /// every namespace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace_selector: Option<LabelSelector>,
    /// For how many days at most, from the creation of the Exemption. One that ends later ends then. An annotation
    /// counts while it reaches no further ahead. Default: 90.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 3650))]
    pub max_days: Option<i32>,
    /// Required: an Exemption counts once its condition Approved is True at its current generation. None: it counts
    /// at once. Default: Required.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approval: Option<ApprovalMode>,
    /// Take annotations of pods and pod templates, too: `exempt.revisor.dev/PullPolicyAlways: "OPS-412 until
    /// 2027-01-31: preloaded nodes"`. They have no approval, so they count only with approval: None. Default: false.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub annotations: Option<bool>,
}

/// Whether somebody must approve.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[expect(missing_docs, reason = "described at the field")]
pub enum ApprovalMode {
    Required,
    None,
}
