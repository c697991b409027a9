//! The report by control as Markdown: for a wiki, a ticket or a file beside the evidence.

use super::super::escape::{IMAGE_LIMIT, MESSAGE_LIMIT, NAME_LIMIT, visible_within};
use super::super::markdown::{code, inline};
use super::super::result::Shown;
use super::text::{by_catalogue, cells, exemption_line, looked_at_line, policy_line};
use super::{ControlPart, ControlReport, FindingPart};

/// Most findings that are written out under one control; JSON, CSV and HTML have all.
const FINDINGS: usize = 50;

/// The whole report.
pub fn controls_markdown(report: &ControlReport) -> String {
    let at = report.observed_at.strftime("%Y-%m-%d %H:%M:%S UTC");
    let mut text = format!("# Audit by control, as of {at}\n\n");
    text.push_str(&format!("- Written by Revisor {}\n", report.tool.version));
    text.push_str(&format!("- Looked at: {}\n", inline(&looked_at_line(report))));
    for policy in &report.policies {
        text.push_str(&format!("- Policy: {}\n", inline(&policy_line(policy))));
    }
    if report.summary.incomplete {
        text.push_str("\n**Part of the input could not be read: this is not all.**\n");
    }
    for of_catalogue in by_catalogue(report) {
        let control = of_catalogue[0].control;
        text.push_str(&format!("\n## {} {}\n\n", inline(control.framework), inline(control.version)));
        text.push_str("| Control | Judged | Pass | Fail | Unknown | Exempt | Rules |\n");
        text.push_str("|---|---:|---:|---:|---:|---:|---|\n");
        for part in of_catalogue {
            let mut row = cells(part);
            row[0] = code(&row[0]);
            text.push_str(&format!("| {} |\n", row.join(" | ")));
        }
        of_catalogue.iter().for_each(|part| details(&mut text, part));
    }
    text
}

fn details(text: &mut String, part: &ControlPart) {
    let open: Vec<_> = part.findings.iter().filter(|finding| finding.verdict.is_finding()).collect();
    if open.is_empty() && part.exemptions.is_empty() && part.limits.is_none() {
        return;
    }
    text.push_str(&format!("\n### {}", part.control.id));
    if let (Some(title), Some(level)) = (part.title, part.level) {
        text.push_str(&format!(" {} ({})", inline(title), level.as_str()));
    }
    text.push('\n');
    if let Some(limits) = part.limits {
        text.push_str(&format!("\nChecked: {}. {}\n", part.checked(), inline(limits)));
    }
    if !part.rules_not_in_force.is_empty() {
        text.push_str(&format!("\nNot asked for by any policy: {}.\n", part.rules_not_in_force.join(", ")));
    }
    if !open.is_empty() || !part.exemptions.is_empty() {
        text.push('\n');
    }
    for finding in open.iter().take(FINDINGS) {
        text.push_str(&format!("- {}\n", line(finding)));
    }
    if open.len() > FINDINGS {
        let more = open.len() - FINDINGS;
        text.push_str(&format!("- and {more} more: the outputs json, csv and html have all\n"));
    }
    for exemption in &part.exemptions {
        text.push_str(&format!("- {}\n", inline(&exemption_line(exemption))));
    }
}

fn line(finding: &FindingPart) -> String {
    let word = match finding.verdict {
        Shown::Fail => finding.severity.as_str(),
        verdict => verdict.as_str(),
    };
    let container = finding.container.as_deref().map(|name| format!(", container {name}"));
    let message = visible_within(finding.message.as_deref().unwrap_or_default(), MESSAGE_LIMIT);
    let subject =
        format!("{}{}", subject(finding), visible_within(&container.unwrap_or_default(), NAME_LIMIT));
    format!("**{word}** {}: {}: {}", finding.rule, inline(&subject), inline(&message))
}

/// `Deployment team-a/web`
pub(super) fn subject(finding: &FindingPart) -> String {
    let kind = visible_within(&finding.subject.kind, NAME_LIMIT);
    let name = visible_within(&finding.subject.name, IMAGE_LIMIT);
    match finding.namespace.as_deref().filter(|_| finding.subject.kind != "Namespace") {
        Some(namespace) => format!("{kind} {}/{name}", visible_within(namespace, NAME_LIMIT)),
        None => format!("{kind} {name}"),
    }
}
