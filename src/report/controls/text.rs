//! The report by control for a terminal: an overview of each catalogue, and what stands behind it.

use super::super::columns::{Colour, Tone, line, widths, wrap};
use super::words::{self, COUNTS};
use super::{ControlPart, ControlReport, ExemptionPart, FindingPart};

/// How wide prose is set.
const WIDTH: usize = 96;
/// Most findings that are written out under one control; the other formats have all.
const FINDINGS: usize = 10;
/// The number of a control, its counts, its rules.
const COLUMNS: usize = COUNTS.len() + 2;

/// The whole report.
pub fn controls_text(report: &ControlReport, colour: Colour) -> String {
    let mut text = head(report, colour);
    for (catalogue, controls) in words::catalogues(&report.controls) {
        text.push_str(&format!("\n{}\n", Tone::Bold.paint(&catalogue, colour)));
        overview(&mut text, controls, colour);
        controls.iter().for_each(|part| details(&mut text, part, colour));
    }
    text
}

/// When, what and by which policies.
fn head(report: &ControlReport, colour: Colour) -> String {
    let title = format!("Audit by control, as of {}", report.observed_at);
    let mut text = format!("{} (revisor {})\n", Tone::Bold.paint(&title, colour), report.tool.version);
    text.push_str(&format!("Looked at: {}\n", words::looked_at(report)));
    for policy in &report.policies {
        text.push_str(&format!("Policy: {}\n", words::policy(policy)));
    }
    if report.summary.incomplete {
        text.push_str("Part of the input could not be read: this is not all.\n");
    }
    text
}

fn overview(text: &mut String, controls: &[ControlPart], colour: Colour) {
    let [judged, pass, fail, unknown, exempt] = COUNTS.map(str::to_ascii_uppercase);
    let header = ["CONTROL".to_owned(), judged, pass, fail, unknown, exempt, "RULES".to_owned()];
    let rows: Vec<_> = std::iter::once(header).chain(controls.iter().map(cells)).collect();
    let widths = widths(&rows, [usize::MAX; COLUMNS]);
    let tones = std::iter::once(Tone::Plain).chain(controls.iter().map(tone));
    for (row, tone) in rows.iter().zip(tones) {
        let mut tones = [Tone::Plain; COLUMNS];
        tones[0] = tone;
        text.push_str(&format!("  {}\n", line(row, widths, 2, tones, colour)));
    }
}

fn tone(part: &ControlPart) -> Tone {
    match part.counts {
        counts if counts.fail > 0 => Tone::Red,
        counts if counts.unknown > 0 => Tone::Magenta,
        counts if counts.judged > 0 => Tone::Green,
        _ => Tone::Plain,
    }
}

fn cells(part: &ControlPart) -> [String; COLUMNS] {
    let [judged, pass, fail, unknown, exempt] = words::counts(part);
    let rules: Vec<_> = part.rules.iter().map(|rule| rule.rule).collect();
    let rules = if rules.is_empty() { part.checked().to_owned() } else { rules.join(", ") };
    [part.control.id.to_owned(), judged, pass, fail, unknown, exempt, rules]
}

fn details(text: &mut String, part: &ControlPart, colour: Colour) {
    if !words::has_details(part) {
        return;
    }
    let id = Tone::Bold.paint(part.control.id, colour);
    text.push_str(&format!("\n  {id}{}\n", words::title(part)));
    for remark in words::remarks(part) {
        for line in wrap(&remark, WIDTH) {
            text.push_str(&format!("    {line}\n"));
        }
    }
    let open: Vec<_> = part.findings.iter().filter(|finding| finding.verdict.is_finding()).collect();
    for finding in open.iter().take(FINDINGS) {
        text.push_str(&format!("    {}\n", finding_line(finding, colour)));
    }
    if open.len() > FINDINGS {
        text.push_str(&format!("    and {} more: every other --output has all\n", open.len() - FINDINGS));
    }
    for exemption in &part.exemptions {
        text.push_str(&format!("    {}\n", exemption_line(exemption)));
    }
}

fn finding_line(finding: &FindingPart, colour: Colour) -> String {
    let word = Tone::of(finding.verdict, finding.severity).paint(words::word(finding), colour);
    let mut parts = vec![word, finding.rule.to_owned(), words::subject(finding)];
    parts.extend(finding.container.as_deref().map(words::name));
    format!("{}: {}", parts.join("  "), words::why(finding))
}

fn exemption_line(exemption: &ExemptionPart) -> String {
    format!(
        "exemption {} of policy {}, {}: {}; permits {}",
        words::name(&exemption.permission.name),
        words::name(&exemption.policy),
        words::end(exemption),
        words::reason(exemption),
        words::permits(exemption),
    )
}
