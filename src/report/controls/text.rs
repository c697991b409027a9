//! The report by control for a terminal: an overview of each catalogue, and what stands behind it.

use super::super::columns::{Colour, Tone, line, widths, wrap};
use super::super::escape::{IMAGE_LIMIT, MESSAGE_LIMIT, NAME_LIMIT, visible_within};
use super::super::result::Shown;
use super::super::words::Counted;
use super::{ControlPart, ControlReport, ExemptionPart, FindingPart, PolicyInForce};
use crate::rules::Control;

/// How wide prose is set.
const WIDTH: usize = 96;
/// Most findings that are written out under one control; JSON and CSV have all.
const FINDINGS: usize = 10;
pub(super) const HEADER: [&str; 7] = ["CONTROL", "JUDGED", "PASS", "FAIL", "UNKNOWN", "EXEMPT", "RULES"];

/// The whole report.
pub fn controls_text(report: &ControlReport, colour: Colour) -> String {
    let mut text = head(report, colour);
    for of_catalogue in by_catalogue(report) {
        let Control { framework, version, .. } = of_catalogue[0].control;
        let title = format!("{framework} {version}");
        text.push_str(&format!("\n{}\n", Tone::Bold.paint(&title, colour)));
        overview(&mut text, of_catalogue, colour);
        of_catalogue.iter().for_each(|part| details(&mut text, part, colour));
    }
    text
}

/// The controls, a group each catalogue and edition; none is empty.
pub(super) fn by_catalogue(report: &ControlReport) -> impl Iterator<Item = &[ControlPart]> {
    report.controls.chunk_by(|left, right| {
        (left.control.framework, left.control.version) == (right.control.framework, right.control.version)
    })
}

/// When, what and by which policies.
fn head(report: &ControlReport, colour: Colour) -> String {
    let title = format!("Audit by control, as of {}", report.observed_at);
    let mut text = format!("{} (revisor {})\n", Tone::Bold.paint(&title, colour), report.tool.version);
    text.push_str(&format!("Looked at: {}\n", looked_at_line(report)));
    for policy in &report.policies {
        text.push_str(&format!("Policy: {}\n", policy_line(policy)));
    }
    if report.summary.incomplete {
        text.push_str("Part of the input could not be read: this is not all.\n");
    }
    text
}

/// What was looked at, in one line.
pub(super) fn looked_at_line(report: &ControlReport) -> String {
    let input: Vec<_> = report.looked_at.input.iter().map(|it| visible_within(it, IMAGE_LIMIT)).collect();
    let whole = if report.looked_at.whole_cluster {
        "the whole cluster"
    } else {
        "not a whole cluster, so that only what is there was judged"
    };
    format!(
        "{} ({whole}): {}, {}",
        input.join(", "),
        Counted(report.summary.image_uses, "image use"),
        Counted(report.summary.namespaces, "namespace"),
    )
}

/// A policy, in one line.
pub(super) fn policy_line(policy: &PolicyInForce) -> String {
    let PolicyInForce { applied, profile, scope, problems } = policy;
    let mut parts = vec![visible_within(&applied.name, NAME_LIMIT).into_owned()];
    parts.extend(applied.generation.map(|generation| format!("generation {generation}")));
    parts.extend(profile.as_ref().map(|profile| format!("profile {profile}")));
    parts.push(match scope {
        None => "scope the whole cluster".to_owned(),
        Some(scope) => format!("scope {}", visible_within(&scope.to_string(), MESSAGE_LIMIT)),
    });
    if *problems > 0 {
        let problems = Counted(u32::try_from(*problems).unwrap_or(u32::MAX), "field");
        parts.push(format!("{problems} that could not be used"));
    }
    parts.push(format!("sha256 {}", applied.sha256));
    parts.join(", ")
}

fn overview(text: &mut String, controls: &[ControlPart], colour: Colour) {
    let mut rows = vec![HEADER.map(str::to_owned)];
    rows.extend(controls.iter().map(cells));
    let widths = widths(&rows, [usize::MAX; HEADER.len()]);
    for (row, part) in rows.iter().zip([None].into_iter().chain(controls.iter().map(Some))) {
        let tone = match part.map(|part| part.counts) {
            Some(counts) if counts.fail > 0 => Tone::Red,
            Some(counts) if counts.unknown > 0 => Tone::Magenta,
            Some(counts) if counts.judged > 0 => Tone::Green,
            _ => Tone::Plain,
        };
        let mut tones = [Tone::Plain; HEADER.len()];
        tones[0] = tone;
        text.push_str(&format!("  {}\n", line(row, widths, 2, tones, colour)));
    }
}

/// The cells of a control in an overview.
pub(super) fn cells(part: &ControlPart) -> [String; HEADER.len()] {
    let counts = part.counts;
    let id = part.control.id.to_owned();
    if part.rules.is_empty() {
        return [id, "-".into(), "-".into(), "-".into(), "-".into(), "-".into(), part.checked().into()];
    }
    let rules: Vec<_> = part.rules.iter().map(|rule| rule.rule).collect();
    let number = |count: u64| count.to_string();
    [
        id,
        number(counts.judged),
        number(counts.pass),
        number(counts.fail),
        number(counts.unknown),
        number(counts.exempt),
        rules.join(", "),
    ]
}

fn details(text: &mut String, part: &ControlPart, colour: Colour) {
    let open: Vec<_> = part.findings.iter().filter(|finding| finding.verdict.is_finding()).collect();
    if open.is_empty() && part.exemptions.is_empty() && part.limits.is_none() {
        return;
    }
    let title = match (part.title, part.level) {
        (Some(title), Some(level)) => format!(" {title} ({})", level.as_str()),
        _ => String::new(),
    };
    text.push_str(&format!("\n  {}{title}\n", Tone::Bold.paint(part.control.id, colour)));
    let unjudged = part.rules.iter().filter(|rule| rule.counts.judged == 0).map(|rule| rule.rule);
    let unjudged: Vec<_> = unjudged.collect();
    let mut paragraph = |words: &str| {
        for line in wrap(words, WIDTH) {
            text.push_str(&format!("    {line}\n"));
        }
    };
    if let Some(limits) = part.limits {
        paragraph(&format!("Checked: {}. {limits}", part.checked()));
    }
    if !unjudged.is_empty() {
        paragraph(&format!("Nothing to judge for {}.", unjudged.join(", ")));
    }
    if !part.rules_not_in_force.is_empty() {
        paragraph(&format!("Not asked for by any policy: {}.", part.rules_not_in_force.join(", ")));
    }
    for finding in open.iter().take(FINDINGS) {
        text.push_str(&format!("    {}\n", finding_line(finding, colour)));
    }
    if open.len() > FINDINGS {
        text.push_str(&format!("    and {} more: --output json and csv have all\n", open.len() - FINDINGS));
    }
    for exemption in &part.exemptions {
        text.push_str(&format!("    {}\n", exemption_line(exemption)));
    }
}

fn finding_line(finding: &FindingPart, colour: Colour) -> String {
    let name = |text: &str| visible_within(text, NAME_LIMIT).into_owned();
    let word = match finding.verdict {
        Shown::Fail => finding.severity.as_str(),
        verdict => verdict.as_str(),
    };
    let tone = Tone::of(finding.verdict, finding.severity);
    let mut subject = format!("{}/{}", name(&finding.subject.kind), name(&finding.subject.name));
    if let Some(namespace) = finding.namespace.as_deref().filter(|_| finding.subject.kind != "Namespace") {
        subject = format!("{}: {subject}", name(namespace));
    }
    let mut parts = vec![tone.paint(word, colour), finding.rule.to_owned(), subject];
    parts.extend(finding.container.as_deref().map(name));
    let message = finding.message.as_deref().unwrap_or_default();
    format!("{}: {}", parts.join("  "), visible_within(message, MESSAGE_LIMIT))
}

/// What is permitted, why and until when, in one line.
pub(super) fn exemption_line(exemption: &ExemptionPart) -> String {
    let ExemptionPart { policy, permission, expired, subjects } = exemption;
    let name = |text: &str| visible_within(text, NAME_LIMIT).into_owned();
    let end = match permission.expires_at {
        Some(end) if *expired => format!("ended {}", end.strftime("%Y-%m-%d")),
        Some(end) => format!("until {}", end.strftime("%Y-%m-%d")),
        None => "permanent".to_owned(),
    };
    let ticket = permission.ticket.as_deref().map(|ticket| format!(" ({})", name(ticket)));
    format!(
        "exemption {} of policy {}, {end}: {}{}; permits {}",
        name(&permission.name),
        name(policy),
        visible_within(&permission.reason, MESSAGE_LIMIT),
        ticket.unwrap_or_default(),
        Counted(u32::try_from(*subjects).unwrap_or(u32::MAX), "subject"),
    )
}
