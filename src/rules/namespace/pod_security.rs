//! Not a rule: how Kubernetes reads the labels of pod security admission (`api/helpers.go` of
//! `k8s.io/pod-security-admission`), for the three rules that judge them and the one that judges pods by the
//! levels themselves.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::rules::Control;
use crate::subject::namespace::{NamespaceSubject, TextPairs};

/// The label that enforces a level.
pub(super) const ENFORCE: &str = "pod-security.kubernetes.io/enforce";

/// The label that says by which release's definition of the level.
pub(super) const ENFORCE_VERSION: &str = "pod-security.kubernetes.io/enforce-version";

/// The labels of the other two modes, which block nothing.
pub(super) const AUDIT_AND_WARN: [&str; 2] =
    ["pod-security.kubernetes.io/audit", "pod-security.kubernetes.io/warn"];

/// Each mode's labels, level and version.
pub(super) const MODES: [(&str, &str); 3] = [
    (ENFORCE, ENFORCE_VERSION),
    ("pod-security.kubernetes.io/audit", "pod-security.kubernetes.io/audit-version"),
    ("pod-security.kubernetes.io/warn", "pod-security.kubernetes.io/warn-version"),
];

/// What the rules about these labels serve.
pub(super) const CONTROLS: &[Control] = &[
    Control::cis("5.2.1"),
    Control::bsi("SYS.1.6.A17"),
    Control::bsi("SYS.1.6.A21"),
    Control::bsi("APP.4.4.A4"),
    Control::bsi("APP.4.4.A13"),
    Control::nist("3.4.3"),
    Control::owasp("K01"),
    Control::owasp("K04"),
    Control::nsa("Pod security enforcement"),
];

/// A level of the Pod Security Standards.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// Allows everything.
    Privileged,
    /// Forbids the known ways out of a container.
    Baseline,
    /// Demands what is good practice.
    Restricted,
}

impl Level {
    /// Reads a label's value; case counts.
    pub(super) fn parse(value: &str) -> Option<Self> {
        match value {
            "privileged" => Some(Self::Privileged),
            "baseline" => Some(Self::Baseline),
            "restricted" => Some(Self::Restricted),
            _ => None,
        }
    }

    /// The level that admission enforces for this value: one that it cannot read it takes for restricted.
    pub(super) fn enforced_by(value: &str) -> Self {
        Self::parse(value).unwrap_or(Self::Restricted)
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Privileged => "privileged",
            Self::Baseline => "baseline",
            Self::Restricted => "restricted",
        })
    }
}

/// The value of a version label.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::rules) enum Version {
    /// `latest`: the definition changes with every upgrade of the cluster.
    Latest,
    /// `v1.32`, of a past or future release: its minor version.
    Pinned(u64),
    /// Admission cannot read it and takes it for `latest`.
    Invalid,
}

impl Version {
    /// Reads a label's value: `latest`, or `v1.` and a number without leading zeros.
    pub(in crate::rules) fn read(value: &str) -> Self {
        if value == "latest" {
            return Self::Latest;
        }
        let minor = value.strip_prefix("v1.").unwrap_or_default();
        let digits = minor.bytes().all(|byte| byte.is_ascii_digit());
        let zeros = minor.len() > 1 && minor.starts_with('0');
        // Go's int holds no more either.
        match minor.parse::<i64>() {
            Ok(minor) if digits && !zeros => Self::Pinned(minor.unsigned_abs()),
            _ => Self::Invalid,
        }
    }
}

/// The level that a namespace with these labels is kept at; none where the cluster's default decides.
pub fn enforced(labels: &TextPairs) -> Option<Level> {
    labels.get(ENFORCE).map(Level::enforced_by)
}

/// Whether audit or warn is set, which many take for enforcement.
pub(super) fn only_warns(subject: &NamespaceSubject<'_>) -> bool {
    AUDIT_AND_WARN.iter().any(|label| subject.label(label).is_some())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_are_case_sensitive_and_an_unreadable_one_is_enforced_as_restricted() {
        assert_eq!(Level::parse("baseline"), Some(Level::Baseline));
        for wrong in ["", "Baseline", "restricted ", "strict"] {
            assert_eq!(
                (Level::parse(wrong), Level::enforced_by(wrong)),
                (None, Level::Restricted),
                "{wrong:?}"
            );
        }
        assert!(Level::Privileged < Level::Baseline && Level::Baseline < Level::Restricted);
    }

    #[test]
    fn a_version_is_latest_or_v1_and_a_number() {
        for (pinned, minor) in [("v1.0", 0), ("v1.9", 9), ("v1.32", 32), ("v1.999", 999)] {
            assert_eq!(Version::read(pinned), Version::Pinned(minor), "{pinned}");
        }
        for invalid in [
            "",
            "1.32",
            "v1.32.1",
            "v1.032",
            "v1.",
            "v1",
            "v2.1",
            "v1.+1",
            "Latest",
            "v1.99999999999999999999",
        ] {
            assert_eq!(Version::read(invalid), Version::Invalid, "{invalid}");
        }
        assert_eq!(Version::read("latest"), Version::Latest);
    }
}
