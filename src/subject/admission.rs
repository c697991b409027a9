//! Admission webhooks and ValidatingAdmissionPolicies, as far as the rule about coverage reads them.

use super::selector::LabelSelector;

/// What a webhook or an admission policy looks at.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Matching {
    /// Namespaces whose labels match; the default is all.
    pub namespaces: LabelSelector,
    /// Only objects with some labels are looked at.
    pub by_object: bool,
    /// Expressions decide that cannot be evaluated here (`matchConditions`).
    pub by_expression: bool,
    /// It is called when a pod is created.
    pub pods: bool,
}

/// One webhook of a configuration.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Webhook {
    /// Its own name, fully qualified.
    pub name: Box<str>,
    /// Requests pass when it cannot be reached: `failurePolicy: Ignore`.
    pub fails_open: bool,
    /// What it looks at.
    pub matching: Matching,
}

/// A ValidatingAdmissionPolicy.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AdmissionPolicy {
    /// Requests pass when an expression cannot be evaluated: `failurePolicy: Ignore`.
    pub fails_open: bool,
    /// What it looks at.
    pub matching: Matching,
}

/// A ValidatingAdmissionPolicyBinding.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AdmissionBinding {
    /// The policy's name.
    pub policy: Box<str>,
    /// Violations are refused: `Deny` is among the `validationActions`.
    pub denies: bool,
    /// What it narrows the policy to; it is for pods unless it names other resources.
    pub matching: Matching,
}
