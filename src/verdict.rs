//! What a rule says of a subject: verdicts, severities, and the note a rule writes while it judges.
//!
//! A rule is one function that is used twice: silently, a hundred thousand times, to judge; and with a
//! listening [`Note`], once, to explain. So it can never say one thing and explain another.

use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Why a verdict is what it is: a PascalCase word from a small fixed set, fit for a label or a filter.
pub type Reason = &'static str;

/// The reasons that are given outside the rules, by the engine itself.
pub mod reason {
    use super::Reason;
    /// The operator or the user may not read a resource that the rule needs.
    pub const MISSING_PERMISSION: Reason = "MissingPermission";
    /// The object could not be decoded: a field has another type than its API says.
    pub const MALFORMED: Reason = "Malformed";
    /// The namespace's own object is not among the objects that were given.
    pub const NOT_IN_INPUT: Reason = "NotInInput";
    /// A kind that names an image in a place Revisor does not know.
    pub const UNSUPPORTED_KIND: Reason = "UnsupportedKind";
    /// The pod has ended; nothing runs.
    pub const TERMINATED: Reason = "Terminated";
    /// The policy's scope leaves the subject out.
    pub const OUT_OF_SCOPE: Reason = "OutOfScope";
    /// The scope selects namespaces by label, and this namespace's labels are not known.
    pub const NAMESPACE_UNKNOWN: Reason = "NamespaceUnknown";
    /// A rule that reads what runs, judged on a template or a pod that has not started.
    pub const NOT_RUNNING: Reason = "NotRunning";
    /// Of a finding that is known from the record of an earlier run only, and cannot be judged again.
    pub const RECORDED: Reason = "Recorded";
}

/// The verdict of one rule on one subject.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The rule applies and is kept.
    Pass,
    /// The rule applies and is broken.
    Fail(Reason),
    /// The rule applies and cannot be decided. Never counted as a pass.
    Unknown(Reason),
    /// The rule does not apply, or not yet.
    NotApplicable(Reason),
}

impl Verdict {
    /// The word used in every output: `pass`, `fail`, `unknown`, `na`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Fail(_) => "fail",
            Self::Unknown(_) => "unknown",
            Self::NotApplicable(_) => "na",
        }
    }

    /// The reason, where there is one.
    pub fn reason(self) -> Option<Reason> {
        match self {
            Self::Pass => None,
            Self::Fail(reason) | Self::Unknown(reason) | Self::NotApplicable(reason) => Some(reason),
        }
    }

    /// Whether this is a finding: a `fail` or an `unknown`.
    pub fn is_finding(self) -> bool {
        matches!(self, Self::Fail(_) | Self::Unknown(_))
    }
}

/// How much a violation matters. Ordered from `Info` to `Critical`; lower-case everywhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Worth knowing.
    Info,
    /// Worth mending when convenient.
    Low,
    /// Worth planning.
    Medium,
    /// Worth mending soon.
    High,
    /// Worth waking somebody.
    Critical,
}

impl Severity {
    /// All severities, worst first.
    pub const WORST_FIRST: [Self; 5] = [Self::Critical, Self::High, Self::Medium, Self::Low, Self::Info];

    /// The word used in every output.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
            Self::Critical => "critical",
        }
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for Severity {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::WORST_FIRST
            .into_iter()
            .find(|severity| severity.as_str() == text)
            .ok_or_else(|| "expected critical, high, medium, low or info".to_owned())
    }
}

/// Where a rule writes why. Silent while judging (the text is never formatted), listening while explaining.
#[derive(Debug)]
pub struct Note<'a> {
    text: Option<&'a mut String>,
}

impl<'a> Note<'a> {
    /// A note nobody reads: what is written costs nothing.
    pub fn silent() -> Self {
        Self { text: None }
    }

    /// A note whose text replaces what `text` holds.
    pub fn listening(text: &'a mut String) -> Self {
        Self { text: Some(text) }
    }

    fn write(&mut self, message: fmt::Arguments<'_>) {
        if let Some(text) = self.text.as_deref_mut() {
            text.clear();
            // Writing to a String cannot fail.
            let _ = fmt::Write::write_fmt(text, message);
        }
    }

    /// The rule is broken: `reason` for machines, `message` (one sentence, no full stop) for people.
    pub fn fail(&mut self, reason: Reason, message: fmt::Arguments<'_>) -> Verdict {
        self.write(message);
        Verdict::Fail(reason)
    }

    /// The rule applies but cannot be decided.
    pub fn unknown(&mut self, reason: Reason, message: fmt::Arguments<'_>) -> Verdict {
        self.write(message);
        Verdict::Unknown(reason)
    }

    /// The rule does not apply, or not yet.
    pub fn not_applicable(&mut self, reason: Reason, message: fmt::Arguments<'_>) -> Verdict {
        self.write(message);
        Verdict::NotApplicable(reason)
    }
}
