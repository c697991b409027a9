//! From a policy as written to the rules it runs. Nothing stops the rest: what cannot be used is a problem
//! with a field, and the other rules run.

use std::sync::Arc;

use crate::decode::PolicyRecord;
use crate::rules::{PreparedRule, RuleId};

use super::exemption::Exemption;
use super::scope::Scope;

/// A policy, ready to judge.
#[derive(Debug)]
pub struct CompiledPolicy {
    /// `metadata.name`
    pub name: Arc<str>,
    /// `metadata.uid`; empty in files
    pub uid: Arc<str>,
    /// `metadata.generation`; 0 in files
    pub generation: i64,
    /// `status.observedGeneration` when the policy was last read
    pub observed_generation: i64,
    /// Name of the profile, and its version.
    pub profile: Option<(&'static str, &'static str)>,
    /// SHA-256 over the canonical JSON of the spec, in hex.
    pub spec_sha256: Box<str>,
    /// What is judged.
    pub scope: Scope,
    /// The effective rules, sorted by [`RuleId`].
    pub rules: Box<[PreparedRule]>,
    /// How many of them are set in the policy itself (the others come from the profile).
    pub rules_set_here: u32,
    /// Dated permissions.
    pub exemptions: Box<[Exemption]>,
    /// What could not be used.
    pub problems: Box<[Problem]>,
}

/// Something in a policy that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// `UnknownRule` or `BadSetting`.
    pub reason: &'static str,
    /// The field: `spec.rules.trustedRegistry.allow[1]`.
    pub field: String,
    /// What is wrong, what is expected, the nearest known name.
    pub message: String,
}

impl CompiledPolicy {
    /// Compiles what is written. Never fails: see [`Self::problems`].
    pub fn compile(_record: &PolicyRecord) -> Self {
        unimplemented!()
    }

    /// An effective rule.
    pub fn rule(&self, id: RuleId) -> Option<&PreparedRule> {
        let at = self.rules.binary_search_by_key(&id, |rule| rule.id).ok()?;
        Some(&self.rules[at])
    }
}
