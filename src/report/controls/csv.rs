//! The report by control for spreadsheets: one table, in which the first column says what a line is: `policy`,
//! `control`, `rule`, `finding` or `exemption`. Sort and filter by it.

use serde_json::Value;

use super::{ControlPart, ControlReport, Counts, ExemptionPart, FindingPart, PolicyInForce, RulePart};

use super::super::csv::record;
use super::super::escape::{IMAGE_LIMIT, MESSAGE_LIMIT, NAME_LIMIT, visible_within};

const HEADER: [&str; 29] = [
    "record",
    "catalogue",
    "edition",
    "control",
    "title",
    "level",
    "checked",
    "rule",
    "severity",
    "verdict",
    "judged",
    "pass",
    "fail",
    "unknown",
    "exempt",
    "namespace",
    "kind",
    "name",
    "container",
    "image",
    "message",
    "policy",
    "generation",
    "scope",
    "exemption",
    "reason",
    "ticket",
    "expiresAt",
    "observedAt",
];

/// One line in the making: columns by their names, the others empty.
struct Row([String; HEADER.len()]);

impl Row {
    fn new(record: &str, report: &ControlReport) -> Self {
        let mut row = Self(std::array::from_fn(|_| String::new()));
        row.set("record", record).set("observedAt", report.observed_at.to_string());
        row
    }

    fn set(&mut self, column: &str, cell: impl Into<String>) -> &mut Self {
        if let Some(index) = HEADER.iter().position(|name| *name == column) {
            self.0[index] = cell.into();
        }
        self
    }

    /// A name from the input.
    fn name(&mut self, column: &str, cell: Option<&str>) -> &mut Self {
        self.set(column, visible_within(cell.unwrap_or_default(), NAME_LIMIT))
    }

    /// A sentence from the input.
    fn sentence(&mut self, column: &str, cell: Option<&str>) -> &mut Self {
        self.set(column, visible_within(cell.unwrap_or_default(), MESSAGE_LIMIT))
    }

    fn control(&mut self, part: &ControlPart) -> &mut Self {
        self.set("catalogue", part.control.framework)
            .set("edition", part.control.version)
            .set("control", part.control.id)
            .set("title", part.title.unwrap_or_default())
            .set("level", part.level.map(|level| level.as_str()).unwrap_or_default())
    }

    fn counts(&mut self, counts: Counts) -> &mut Self {
        let Counts { judged, pass, fail, unknown, exempt } = counts;
        self.set("judged", judged.to_string())
            .set("pass", pass.to_string())
            .set("fail", fail.to_string())
            .set("unknown", unknown.to_string())
            .set("exempt", exempt.to_string())
    }
}

/// The whole report. Columns are added at the end, never renamed or removed.
pub fn controls_csv(report: &ControlReport) -> String {
    let mut text = String::new();
    record(&mut text, HEADER.map(str::to_owned));
    for policy in &report.policies {
        record(&mut text, policy_row(report, policy).0);
    }
    for part in &report.controls {
        record(&mut text, control_row(report, part).0);
        part.rules.iter().for_each(|rule| record(&mut text, rule_row(report, part, rule).0));
        part.findings.iter().for_each(|it| record(&mut text, finding_row(report, part, it).0));
        part.exemptions.iter().for_each(|it| record(&mut text, exemption_row(report, part, it).0));
    }
    text
}

fn policy_row(report: &ControlReport, policy: &PolicyInForce) -> Row {
    let mut row = Row::new("policy", report);
    let generation = policy.applied.generation.map(|generation| generation.to_string());
    row.name("policy", Some(&policy.applied.name))
        .set("generation", generation.unwrap_or_default())
        .sentence("scope", policy.scope.as_ref().map(Value::to_string).as_deref())
        .set("message", format!("sha256 {}", policy.applied.sha256));
    row
}

fn control_row(report: &ControlReport, part: &ControlPart) -> Row {
    let mut row = Row::new("control", report);
    row.control(part).set("checked", part.checked()).set("message", part.limits.unwrap_or_default());
    if !part.rules.is_empty() {
        row.counts(part.counts);
    }
    row
}

fn rule_row(report: &ControlReport, part: &ControlPart, rule: &RulePart) -> Row {
    let mut row = Row::new("rule", report);
    row.control(part)
        .set("rule", rule.rule)
        .set("severity", rule.severity.as_str())
        .counts(rule.counts)
        .sentence("policy", Some(&rule.policies.join(", ")));
    row
}

fn finding_row(report: &ControlReport, part: &ControlPart, finding: &FindingPart) -> Row {
    let mut row = Row::new("finding", report);
    row.control(part)
        .set("rule", finding.rule)
        .set("severity", finding.severity.as_str())
        .set("verdict", finding.verdict.as_str())
        .name("namespace", finding.namespace.as_deref())
        .name("kind", Some(&finding.subject.kind))
        .sentence("name", Some(&finding.subject.name))
        .name("container", finding.container.as_deref())
        .set("image", visible_within(finding.image.as_deref().unwrap_or_default(), IMAGE_LIMIT))
        .sentence("message", finding.message.as_deref())
        .sentence("policy", Some(&finding.policies.join(", ")))
        .name("exemption", finding.exemption.as_deref());
    row
}

fn exemption_row(report: &ControlReport, part: &ControlPart, exemption: &ExemptionPart) -> Row {
    let ExemptionPart { policy, permission, expired, subjects } = exemption;
    let mut row = Row::new("exemption", report);
    row.control(part)
        .set("verdict", if *expired { "expired" } else { "" })
        .set("exempt", subjects.to_string())
        .name("policy", Some(policy))
        .name("exemption", Some(&permission.name))
        .sentence("reason", Some(&permission.reason))
        .name("ticket", permission.ticket.as_deref())
        .set("expiresAt", permission.expires_at.map(|end| end.to_string()).unwrap_or_default());
    row
}
