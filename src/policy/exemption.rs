//! Exemptions.

use jiff::Timestamp;

use crate::reference::Reference;
use crate::rules::RuleId;

/// A reasoned, dated permission, compiled.
#[derive(Debug)]
pub struct Exemption {
    /// Its name.
    pub name: Box<str>,
    /// Why.
    pub reason: Box<str>,
    /// Where it was agreed.
    pub ticket: Option<Box<str>>,
    /// When it ends; none for a permanent one.
    pub expires_at: Option<Timestamp>,
}

/// What an exemption is asked about.
#[derive(Clone, Copy, Debug)]
pub struct Candidate<'a> {
    /// The rule.
    pub rule: RuleId,
    /// The namespace; none for a reference across the cluster.
    pub namespace: Option<&'a str>,
    /// Kind and name of the workload, for image uses.
    pub workload: Option<(&'a str, &'a str)>,
    /// The owner is confirmed by uid, or is the pod itself, or stands in a file.
    pub owner_verified: bool,
    /// The image, for image uses and references.
    pub image: Option<&'a Reference>,
}

impl Exemption {
    /// Whether it covers the candidate at `now`.
    pub fn covers(&self, _candidate: &Candidate<'_>, _now: Timestamp) -> bool {
        false
    }
}
