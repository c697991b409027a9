//! What every rendering of the page says in the same words. Whatever comes from the input is visible and bounded.

use super::super::escape::{IMAGE_LIMIT, MESSAGE_LIMIT, NAME_LIMIT, visible_within};
use super::super::result::Shown;
use super::super::words::Counted;
use super::{ControlPart, ControlReport, Counts, ExemptionPart, FindingPart, PolicyInForce};

/// The columns of counts, in this order everywhere.
pub(super) const COUNTS: [&str; 5] = ["Judged", "Pass", "Fail", "Unknown", "Exempt"];

pub(super) fn name(text: &str) -> String {
    visible_within(text, NAME_LIMIT).into_owned()
}

pub(super) fn sentence(text: &str) -> String {
    visible_within(text, MESSAGE_LIMIT).into_owned()
}

fn number(count: u64) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}

/// The controls of one catalogue, with its name and edition.
pub(super) fn catalogues(controls: &[ControlPart]) -> impl Iterator<Item = (String, &[ControlPart])> {
    let of = |part: &ControlPart| (part.control.framework, part.control.version);
    let parts = controls.chunk_by(move |left, right| of(left) == of(right));
    parts
        .map(move |parts| (of(&parts[0]), parts))
        .map(|((framework, version), parts)| (format!("{framework} {version}"), parts))
}

/// `https://10.0.0.1:6443, all namespaces (the whole cluster): 7 image uses, 3 namespaces`
pub(super) fn looked_at(report: &ControlReport) -> String {
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

/// Name, generation, profile, scope and hash of a policy.
pub(super) fn policy(policy: &PolicyInForce) -> String {
    let PolicyInForce { applied, profile, scope, problems } = policy;
    let mut parts = vec![name(&applied.name)];
    parts.extend(applied.generation.map(|generation| format!("generation {generation}")));
    parts.extend(profile.as_ref().map(|profile| format!("profile {profile}")));
    parts.push(match scope {
        None => "scope the whole cluster".to_owned(),
        Some(scope) => format!("scope {}", sentence(&scope.to_string())),
    });
    if *problems > 0 {
        parts.push(format!("{} that could not be used", Counted(number(*problems), "field")));
    }
    parts.push(format!("sha256 {}", applied.sha256));
    parts.join(", ")
}

/// ` Verwendung sicherer Images (Basis)`; empty where only the number is known.
pub(super) fn title(part: &ControlPart) -> String {
    match (part.title, part.level) {
        (Some(title), Some(level)) => format!(" {title} ({})", level.as_str()),
        _ => String::new(),
    }
}

/// The counts in the order of [`COUNTS`]; dashes where no rule in force serves the control.
pub(super) fn counts(part: &ControlPart) -> [String; COUNTS.len()] {
    match part.rules.is_empty() {
        true => std::array::from_fn(|_| "-".to_owned()),
        false => numbers(part.counts),
    }
}

/// The numbers in the order of [`COUNTS`].
pub(super) fn numbers(counts: Counts) -> [String; COUNTS.len()] {
    let Counts { judged, pass, fail, unknown, exempt } = counts;
    [judged, pass, fail, unknown, exempt].map(|count| count.to_string())
}

/// What is said of a control beside numbers: how it was checked and what that does not show, what had nothing to
/// judge, what nobody asks for.
pub(super) fn remarks(part: &ControlPart) -> Vec<String> {
    let mut remarks: Vec<_> =
        part.limits.map(|limits| format!("Checked: {}. {limits}", part.checked())).into_iter().collect();
    let unjudged = part.rules.iter().filter(|rule| rule.counts.judged == 0).map(|rule| rule.rule);
    let unjudged: Vec<_> = unjudged.collect();
    if !unjudged.is_empty() {
        remarks.push(format!("Nothing to judge for {}.", unjudged.join(", ")));
    }
    if !part.rules_not_in_force.is_empty() {
        remarks.push(format!("Not asked for by any policy: {}.", part.rules_not_in_force.join(", ")));
    }
    remarks
}

/// The severity of a violation, else the verdict.
pub(super) fn word(finding: &FindingPart) -> &'static str {
    match finding.verdict {
        Shown::Fail => finding.severity.as_str(),
        verdict => verdict.as_str(),
    }
}

/// `shop: Deployment/web`, `Namespace/shop`
pub(super) fn subject(finding: &FindingPart) -> String {
    let subject = format!("{}/{}", name(&finding.subject.kind), sentence(&finding.subject.name));
    match finding.namespace.as_deref().filter(|_| finding.subject.kind != "Namespace") {
        Some(namespace) => format!("{}: {subject}", name(namespace)),
        None => subject,
    }
}

/// The sentence, and the exemption that permits it.
pub(super) fn why(finding: &FindingPart) -> String {
    let message = sentence(finding.message.as_deref().unwrap_or_default());
    match &finding.exemption {
        Some(exemption) => format!("{message}; permitted by {}", name(exemption)),
        None => message,
    }
}

/// `until 2027-01-31`, `ended 2026-01-31`, `permanent`
pub(super) fn end(exemption: &ExemptionPart) -> String {
    match exemption.permission.expires_at {
        Some(end) if exemption.expired => format!("ended {}", end.strftime("%Y-%m-%d")),
        Some(end) => format!("until {}", end.strftime("%Y-%m-%d")),
        None => "permanent".to_owned(),
    }
}

/// Why it is permitted, and where that was agreed.
pub(super) fn reason(exemption: &ExemptionPart) -> String {
    let reason = sentence(&exemption.permission.reason);
    match &exemption.permission.ticket {
        Some(ticket) => format!("{reason} ({})", name(ticket)),
        None => reason,
    }
}

/// `1 subject`
pub(super) fn permits(exemption: &ExemptionPart) -> String {
    Counted(number(exemption.subjects), "subject").to_string()
}

/// Whether there is anything to say of a control beside its line in the overview.
pub(super) fn has_details(part: &ControlPart) -> bool {
    !part.findings.is_empty() || !part.exemptions.is_empty() || part.limits.is_some()
}
