//! Taking a policy into use where there are findings already: today's as exemptions, or a former report beside which
//! only new ones count.

use std::collections::BTreeSet;
use std::path::PathBuf;

use jiff::Timestamp;
use serde_json::Value;

use super::files;
use super::output::{Format, Output};
use crate::auditor::Auditor;
use crate::auditor::audit::Wanted;
use crate::cli::{Failure, Streams};
use crate::decode::{Change, PolicyRecord};
use crate::report::baseline::Baseline;
use crate::report::exemptions::{Plan, Terms, Written};
use crate::report::gather::{Gathering, Listed};
use crate::report::result::AuditReport;

#[derive(Debug, clap::Args)]
pub(super) struct Adoption {
    /// With --output exemptions: for how many days the findings are permitted [default: 90].
    #[arg(long, value_name = "DAYS", value_parser = clap::value_parser!(u32).range(1..=3650))]
    days: Option<u32>,
    /// With --output exemptions: why.
    #[arg(long, value_name = "TEXT", value_parser = reason)]
    reason: Option<String>,
    /// A former report (JSON or SARIF): findings that are not in it are marked as new.
    #[arg(long, value_name = "FILE")]
    baseline: Option<PathBuf>,
    /// Exit code 1 for findings that are not in the baseline only.
    #[arg(long, requires = "baseline")]
    pub(super) fail_on_new: bool,
}

fn reason(text: &str) -> Result<String, String> {
    match text.trim() {
        "" => Err("expected a sentence, not a blank".to_owned()),
        text if text.chars().any(char::is_control) => Err("expected one line of text".to_owned()),
        text if text.chars().count() > 1_024 => Err("expected at most 1,024 characters".to_owned()),
        text => Ok(text.to_owned()),
    }
}

impl Adoption {
    /// Refuses settings of an output that is not asked for.
    pub(super) fn check(&self, outputs: &[Output]) -> Result<(), Failure> {
        let is_asked = outputs.iter().any(|output| output.format == Format::Exemptions);
        match (is_asked, self.days.is_some() || self.reason.is_some()) {
            (false, true) => Err(Failure::new("--days and --reason are about exemptions")
                .help("Ask for them: --output exemptions, or --output exemptions=FILE")),
            _ => Ok(()),
        }
    }

    /// Reads the former report, where one is named.
    pub(super) fn baseline(&self, streams: &mut Streams<'_>) -> Result<Option<Baseline>, Failure> {
        let Some(path) = &self.baseline else { return Ok(None) };
        let shown = path.display();
        let baseline = files::read(path).and_then(|text| Baseline::read(&text)).map_err(|error| {
            Failure::new(format!("--baseline {shown}: {error}"))
                .help(format!("Write one with this version: revisor audit ... --output json={shown}"))
        })?;
        if baseline.is_incomplete {
            streams.note(&format!("{shown} is a report of a part of its input: what it lacks counts as new"));
        }
        Ok(Some(baseline))
    }

    /// For how long and why findings are permitted.
    pub(super) fn terms(&self, now: Timestamp) -> Terms {
        Terms { now, days: self.days.unwrap_or(90), reason: self.reason.clone() }
    }
}

/// The exemptions, and what they do not cover.
pub(super) struct Permitted {
    pub(super) text: String,
    pub(super) left: AuditReport,
}

/// Permits every finding of the report, by auditing again until nothing is left or nothing wider can be written.
pub(super) fn permit(
    auditor: &mut Auditor,
    report: &AuditReport,
    records: &[PolicyRecord],
    terms: Terms,
    streams: &mut Streams<'_>,
) -> Permitted {
    let now = terms.now;
    let mut plan = Plan::new(report, terms);
    let left = loop {
        for record in records {
            let exemptions = plan.exemptions(&record.name, &names(record));
            auditor.apply(Change::Policy(with(record, &exemptions)), now);
        }
        let left = findings(auditor, now);
        if !plan.widen(&left) {
            break left;
        }
    };
    let mut texts = Vec::new();
    for record in records {
        let taken = names(record);
        let exemptions = plan.exemptions(&record.name, &taken);
        if taken.len() + exemptions.len() > MAX_EXEMPTIONS {
            let name = &record.name;
            streams.note(&format!(
                "ImagePolicy {name} has too many exemptions already: one holds {MAX_EXEMPTIONS}"
            ));
        }
        if !exemptions.is_empty() || records.len() == 1 {
            texts.push(plan.yaml(&record.name, &exemptions));
        }
        // What was tried is no policy of anybody.
        auditor.apply(Change::Policy(record.clone()), now);
    }
    if !left.results.is_empty() {
        let rules: BTreeSet<_> = left.results.iter().map(|row| row.rule).collect();
        let rules = rules.into_iter().collect::<Vec<_>>().join(", ");
        let count = left.results.len();
        streams.note(&format!("no exemption can cover these, they stay findings: {count} of {rules}"));
    }
    Permitted { text: texts.join("---\n"), left }
}

/// What the CRD lets a policy hold.
const MAX_EXEMPTIONS: usize = 256;

fn findings(auditor: &mut Auditor, now: Timestamp) -> AuditReport {
    let mut gathering = Gathering::new(Listed::Findings);
    auditor.audit(now, Wanted::Findings, &mut |judgement| gathering.tell(judgement));
    let seen = auditor.snapshot(now).seen;
    gathering.report(now, auditor.policies(), &seen)
}

/// The names of the exemptions that a policy has.
fn names(record: &PolicyRecord) -> Vec<&str> {
    let exemptions = record.spec.get("exemptions").and_then(Value::as_array);
    exemptions.into_iter().flatten().map(|it| it["name"].as_str().unwrap_or_default()).collect()
}

/// The policy with more exemptions.
fn with(record: &PolicyRecord, exemptions: &[Written]) -> PolicyRecord {
    let mut record = record.clone();
    let more = exemptions.iter().filter_map(|exemption| serde_json::to_value(&exemption.spec).ok());
    if let Some(spec) = record.spec.as_object_mut()
        && let Value::Array(list) = spec.entry("exemptions").or_insert_with(|| Value::Array(Vec::new()))
    {
        list.extend(more);
    }
    record
}
