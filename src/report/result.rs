//! The report of `revisor audit`: one row a policy, rule and subject. Its JSON is a contract, version `v1`:
//! fields are added, never renamed or removed, and what is absent is left out.

use jiff::Timestamp;
use serde::Serialize;

use crate::auditor::audit::Judgement;
use crate::auditor::findings::{State, Subject};
use crate::auditor::requests::Asked;
use crate::decode::Source;
use crate::policy::compile::CompiledPolicy;
use crate::policy::exemption::Exemption;
use crate::rules::Control;
use crate::verdict::{Reason, Severity, Verdict, reason};

/// A verdict as it is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Shown {
    /// A violation.
    Fail,
    /// Undecided.
    Unknown,
    /// A violation, or undecided, and permitted.
    Exempt,
    /// Kept.
    Pass,
    /// Does not apply.
    Na,
}

impl Shown {
    /// How a judgement is shown.
    pub fn of(judgement: &Judgement<'_>) -> Self {
        match (judgement.state(), judgement.verdict) {
            (Some(State::Exempt(_)), _) => Self::Exempt,
            (_, Verdict::Fail(_)) => Self::Fail,
            (_, Verdict::Unknown(_)) => Self::Unknown,
            (_, Verdict::Pass) => Self::Pass,
            (_, Verdict::NotApplicable(_)) => Self::Na,
        }
    }

    /// The word used in every output.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Fail => "fail",
            Self::Unknown => "unknown",
            Self::Exempt => "exempt",
            Self::Pass => "pass",
            Self::Na => "na",
        }
    }

    /// Whether it is listed unless all verdicts are asked for.
    pub fn is_finding(self) -> bool {
        matches!(self, Self::Fail | Self::Unknown)
    }
}

/// What a row is about.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct SubjectName {
    /// `Deployment`, `Namespace`, `Image`, ...
    pub kind: String,
    /// Its name.
    pub name: String,
}

/// Where the object stands in the input.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Place {
    /// The file, `-` for standard input.
    pub file: String,
    /// The line where the object begins.
    pub line: u32,
}

impl From<&Source> for Place {
    fn from(source: &Source) -> Self {
        Self { file: source.file.to_string(), line: source.line }
    }
}

/// What permits a row whose verdict is `exempt`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Permission {
    /// The exemption's name.
    pub name: String,
    /// Why it is permitted.
    pub reason: String,
    /// Where it was agreed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ticket: Option<String>,
    /// When it ends.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Timestamp>,
    /// How a tenant asked for it, under a delegation of the policy: `object`, an Exemption of the namespace, or
    /// `annotation`; left out for an exemption that stands in the policy.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub delegated: Option<&'static str>,
}

impl From<&Exemption> for Permission {
    fn from(exemption: &Exemption) -> Self {
        Self {
            name: exemption.name.to_string(),
            reason: exemption.reason.to_string(),
            ticket: exemption.ticket.as_deref().map(str::to_owned),
            expires_at: exemption.expires_at,
            delegated: None,
        }
    }
}

/// One row.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AuditResult {
    /// Names rule and subject, the same in every run.
    pub id: String,
    /// The policy.
    pub policy: String,
    /// The rule.
    pub rule: &'static str,
    /// The verdict.
    pub verdict: Shown,
    /// Why, in one word.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<Reason>,
    /// How much a violation matters under this policy.
    pub severity: Severity,
    /// The namespace; none for a reference across the cluster.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// What it is about.
    pub subject: SubjectName,
    /// The pod is a static one, which the API server only mirrors; left out when it is not.
    #[serde(rename = "static", skip_serializing_if = "std::ops::Not::not")]
    pub is_static: bool,
    /// `container`, `initContainer`, `ephemeralContainer` or `imageVolume`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub slot: Option<&'static str>,
    /// The container's or volume's name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub container: Option<String>,
    /// The image as written.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
    /// The image in its canonical form, where it has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub canonical: Option<String>,
    /// Why, in a sentence.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// What to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remedy: Option<&'static str>,
    /// The requirements that the rule serves.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    pub controls: &'static [Control],
    /// How many live pods show it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pods: Option<u32>,
    /// Where the object stands in the input.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<Place>,
    /// What permits it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exemption: Option<Permission>,
    /// A tenant asks for an exemption that does not permit it; the message says why. Left out when nobody does.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub exemption_requested: bool,
    /// A finding that is not in the baseline; left out when it is, and where no baseline was given.
    #[serde(rename = "new", skip_serializing_if = "std::ops::Not::not")]
    pub is_new: bool,
    /// Where the field to change stands. Looked for only for reports that point at lines, so not part of the JSON.
    #[serde(skip)]
    pub located: Option<Place>,
}

impl From<&Judgement<'_>> for AuditResult {
    fn from(judgement: &Judgement<'_>) -> Self {
        let Judgement { policy, rule, id, verdict, subject, asked, message, pods, source, exemption: _ } =
            *judgement;
        let permits = asked.filter(|asked| asked.permits().is_some());
        let info = rule.id.info();
        let image_use = subject.image_use();
        let (written, canonical) = match subject {
            Subject::Reference(spread) => (None, Some(spread.facts.canonical.to_string())),
            _ => {
                let image = image_use.map(|image_use| &image_use.image);
                let canonical = image.and_then(|image| image.reference.as_ref().ok());
                (image.map(|image| image.written().to_owned()), canonical.map(|it| it.canonical().to_owned()))
            }
        };
        let namespace = subject.namespace().filter(|namespace| !namespace.is_empty());
        let slot = image_use.filter(|_| !subject.is_unsupported());
        // What a rule advises is about images that it judged.
        let is_advised = verdict.is_finding() && verdict.reason() != Some(reason::UNSUPPORTED_KIND);
        Self {
            id: id.to_string(),
            policy: policy.name.to_string(),
            rule: info.id,
            verdict: Shown::of(judgement),
            reason: verdict.reason(),
            severity: rule.severity,
            namespace: namespace.map(ToString::to_string),
            subject: SubjectName { kind: subject.kind().to_owned(), name: subject.name().to_owned() },
            is_static: subject.is_static(),
            slot: slot.map(|image_use| image_use.slot.as_str()),
            container: slot.map(|image_use| image_use.name.to_string()),
            image: written,
            canonical,
            message: Some(message).filter(|message| !message.is_empty()).map(str::to_owned),
            remedy: is_advised.then_some(info.remedy),
            controls: info.controls,
            pods: Some(pods).filter(|pods| *pods > 0),
            source: source.map(Place::from),
            exemption: judgement.permission().map(|exemption| Permission {
                delegated: permits.map(|asked| asked.origin.as_str()),
                ..Permission::from(exemption)
            }),
            exemption_requested: asked.is_some_and(Asked::is_pending),
            is_new: false,
            located: None,
        }
    }
}

/// A policy that was applied.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct AppliedPolicy {
    /// Its name.
    pub name: String,
    /// Its generation; left out for files.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub generation: Option<i64>,
    /// SHA-256 over its spec.
    pub sha256: String,
}

impl From<&CompiledPolicy> for AppliedPolicy {
    fn from(policy: &CompiledPolicy) -> Self {
        Self {
            name: policy.name.to_string(),
            generation: Some(policy.generation).filter(|generation| *generation > 0),
            sha256: policy.spec_sha256.to_string(),
        }
    }
}

/// This program.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Tool {
    /// Its version.
    pub version: &'static str,
}

/// Violations by severity.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[expect(missing_docs, reason = "the severities")]
pub struct BySeverity {
    pub critical: u64,
    pub high: u64,
    pub medium: u64,
    pub low: u64,
    pub info: u64,
}

impl BySeverity {
    pub(super) fn count(&mut self, severity: Severity) {
        *match severity {
            Severity::Critical => &mut self.critical,
            Severity::High => &mut self.high,
            Severity::Medium => &mut self.medium,
            Severity::Low => &mut self.low,
            Severity::Info => &mut self.info,
        } += 1;
    }
}

/// The report in numbers. Rows are counted, whether they are listed or not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Summary {
    /// Violations.
    pub fail: u64,
    /// Undecided.
    pub unknown: u64,
    /// Permitted.
    pub exempt: u64,
    /// Kept; left out unless all verdicts were asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pass: Option<u64>,
    /// Not applicable; left out unless all verdicts were asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub na: Option<u64>,
    /// Violations by severity.
    pub fail_by_severity: BySeverity,
    /// Namespaces seen.
    pub namespaces: u32,
    /// Image uses seen, workload by workload.
    pub image_uses: u32,
    /// Distinct images seen.
    pub images: u32,
    /// Objects that could not be decoded.
    pub malformed: u64,
    /// Objects of unknown kinds that name an image; each is a row `unknown`, reason `UnsupportedKind`.
    pub unsupported: u32,
    /// Part of the input or of a policy could not be read, so that this is not all; left out when it is.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub incomplete: bool,
    /// Beside a former report; left out where none was given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub baseline: Option<Compared>,
}

/// Findings beside those of a former report. A finding that several policies have counts once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Compared {
    /// Not found then.
    pub new: u64,
    /// Found then too.
    pub known: u64,
    /// Found then, and not any more.
    pub gone: u64,
}

/// The report.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AuditReport {
    /// Version of the contract.
    pub version: &'static str,
    /// Who wrote it.
    pub tool: Tool,
    /// The instant as of which everything was judged.
    pub observed_at: Timestamp,
    /// The policies, by name.
    pub policies: Vec<AppliedPolicy>,
    /// In numbers.
    pub summary: Summary,
    /// The rows, in a fixed order: namespace, subject, container, image, rule, policy.
    pub results: Vec<AuditResult>,
    /// Where the first object stands, where places were looked for; no part of the JSON.
    #[serde(skip)]
    pub begins: Option<Place>,
}

impl AuditReport {
    /// Whether there is a violation of at least this severity.
    pub fn has_fail(&self, at_least: Severity) -> bool {
        self.results.iter().any(|row| row.verdict == Shown::Fail && row.severity >= at_least)
    }

    /// Whether there is a violation of at least this severity that is not in the baseline.
    pub fn has_new_fail(&self, at_least: Severity) -> bool {
        let is_new = |row: &&AuditResult| row.is_new && row.verdict == Shown::Fail;
        self.results.iter().filter(is_new).any(|row| row.severity >= at_least)
    }

    /// Whether anything that is not in the baseline could not be decided.
    pub fn has_new_unknown(&self) -> bool {
        self.results.iter().any(|row| row.is_new && row.verdict == Shown::Unknown)
    }

    /// Whether anything could not be decided.
    pub fn has_unknown(&self) -> bool {
        self.summary.unknown > 0
    }

    /// Whether nothing was there to judge.
    pub fn is_about_nothing(&self) -> bool {
        let Summary { namespaces, image_uses, malformed, unsupported, .. } = self.summary;
        (namespaces, image_uses, malformed, unsupported) == (0, 0, 0, 0)
    }
}
