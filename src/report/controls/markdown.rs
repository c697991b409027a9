//! The report by control as a page of Markdown, to be kept beside documents. Nothing is cut: it is no comment.

use super::super::markdown::{code, inline};
use super::super::rules::cell;
use super::words::{self, COUNTS};
use super::{ControlPart, ControlReport};

/// The whole report.
pub fn controls_markdown(report: &ControlReport) -> String {
    let mut text = format!(
        "# Audit by control\n\nJudged as of {} by Revisor {}.\n\nLooked at: {}\n\n",
        report.observed_at,
        report.tool.version,
        inline(&words::looked_at(report)),
    );
    for policy in &report.policies {
        text.push_str(&format!("- Policy {}\n", inline(&words::policy(policy))));
    }
    if report.summary.incomplete {
        text.push_str("\n**Part of the input could not be read, so this is not all.**\n");
    }
    for (catalogue, controls) in words::catalogues(&report.controls) {
        text.push_str(&format!("\n## {}\n\n", cell(&catalogue)));
        text.push_str(&row(["Control", "Title"].into_iter().chain(COUNTS).map(str::to_owned)));
        text.push_str("|---|---|---|---|---|---|---|\n");
        for part in controls {
            let title = cell(words::title(part).trim_start());
            let cells = [part.control.id.to_owned(), title].into_iter().chain(words::counts(part));
            text.push_str(&row(cells));
        }
        controls.iter().filter(|part| words::has_details(part)).for_each(|part| details(&mut text, part));
    }
    text
}

/// One row of a table.
fn row(cells: impl Iterator<Item = String>) -> String {
    format!("| {} |\n", cells.collect::<Vec<_>>().join(" | "))
}

fn details(text: &mut String, part: &ControlPart) {
    text.push_str(&format!("\n### {}{}\n\n", part.control.id, cell(&words::title(part))));
    if let Some(about) = part.about {
        text.push_str(&format!("{}\n\n", cell(about)));
    }
    for remark in words::remarks(part) {
        text.push_str(&format!("- {}\n", cell(&remark)));
    }
    if !part.rules.is_empty() {
        let header = ["Rule", "Severity"].into_iter().chain(COUNTS);
        text.push_str(&format!("\n{}|---|---|---|---|---|---|---|\n", row(header.map(str::to_owned))));
        for rule in &part.rules {
            let cells = [rule.rule.to_owned(), rule.severity.to_string()].into_iter();
            text.push_str(&row(cells.chain(words::numbers(rule.counts))));
        }
    }
    if !part.findings.is_empty() {
        text.push_str("\n| Finding | Rule | Object | Container and image | Why |\n|---|---|---|---|---|\n");
        for finding in &part.findings {
            let container = words::name(finding.container.as_deref().unwrap_or_default());
            let image = words::sentence(finding.image.as_deref().unwrap_or_default());
            let place = format!("{} {}", inline(&container), code(&image));
            let cells = [
                words::word(finding).to_owned(),
                finding.rule.to_owned(),
                inline(&words::subject(finding)),
                place.trim().to_owned(),
                inline(&words::why(finding)),
            ];
            text.push_str(&row(cells.into_iter()));
        }
    }
    if !part.exemptions.is_empty() {
        text.push_str("\n| Exemption | Policy | End | Reason | Permits |\n|---|---|---|---|---|\n");
        for exemption in &part.exemptions {
            let cells = [
                inline(&words::name(&exemption.permission.name)),
                inline(&words::name(&exemption.policy)),
                words::end(exemption),
                inline(&words::reason(exemption)),
                words::permits(exemption),
            ];
            text.push_str(&row(cells.into_iter()));
        }
    }
}
