//! What every rendering says of a row in the same words: its subject, its place, its sentence, its permission.

use crate::verdict::Severity;

use super::escape::{IMAGE_LIMIT, MESSAGE_LIMIT, NAME_LIMIT, visible_within};
use super::result::{AuditReport, AuditResult, Compared, Permission, Place, Shown};
use super::words::Counted;

impl AuditResult {
    /// Where it stands: the field where that is known, else the object.
    pub fn place(&self) -> Option<&Place> {
        self.located.as_ref().or(self.source.as_ref())
    }
}

/// `Deployment team-a/web`, `Namespace team-a`, `Image nginx:1`.
pub(super) fn object(row: &AuditResult) -> String {
    let kind = visible_within(&row.subject.kind, NAME_LIMIT);
    let name = visible_within(&row.subject.name, IMAGE_LIMIT);
    match &row.namespace {
        Some(namespace) if row.subject.kind != "Namespace" => {
            format!("{kind} {}/{name}", visible_within(namespace, NAME_LIMIT))
        }
        _ => format!("{kind} {name}"),
    }
}

/// `app`, `setup (init)`; empty where it is about no container.
pub(super) fn container(row: &AuditResult) -> String {
    let mut text = visible_within(row.container.as_deref().unwrap_or_default(), NAME_LIMIT).into_owned();
    match row.slot {
        Some("initContainer") => text.push_str(" (init)"),
        Some("ephemeralContainer") => text.push_str(" (ephemeral)"),
        Some("imageVolume") => text.push_str(" (volume)"),
        _ => {}
    }
    text
}

/// [`object`] and [`container`] in one.
pub(super) fn subject(row: &AuditResult) -> String {
    match (container(row), row.slot) {
        (text, _) if text.is_empty() => object(row),
        (_, Some("imageVolume")) => {
            let volume = visible_within(row.container.as_deref().unwrap_or_default(), NAME_LIMIT);
            format!("{}, volume {volume}", object(row))
        }
        (text, _) => format!("{}, container {text}", object(row)),
    }
}

/// The image as written, else in its canonical form; empty where it is about none.
pub(super) fn image(row: &AuditResult) -> String {
    let image = row.image.as_deref().or(row.canonical.as_deref()).unwrap_or_default();
    visible_within(image, IMAGE_LIMIT).into_owned()
}

/// Why, in a sentence; in one word where there is no sentence.
pub(super) fn message(row: &AuditResult) -> String {
    let message = row.message.as_deref().or(row.reason).unwrap_or_default();
    visible_within(message, MESSAGE_LIMIT).into_owned()
}

/// `permitted until 2027-01-31 by legacy-etl: nodes are preloaded`
pub(super) fn permission(permission: &Permission) -> String {
    let end = permission.expires_at.map(|at| format!(" until {}", at.strftime("%Y-%m-%d")));
    format!(
        "permitted{} by {}: {}",
        end.unwrap_or_default(),
        visible_within(&permission.name, NAME_LIMIT),
        visible_within(&permission.reason, MESSAGE_LIMIT)
    )
}

/// [`permission`] with where it was agreed.
pub(super) fn whole_permission(of: &Permission) -> String {
    match &of.ticket {
        Some(ticket) => format!("{} ({})", permission(of), visible_within(ticket, NAME_LIMIT)),
        None => permission(of),
    }
}

/// The severity of a violation, else the verdict.
pub(super) fn word(row: &AuditResult) -> &'static str {
    match row.verdict {
        Shown::Fail => row.severity.as_str(),
        verdict => verdict.as_str(),
    }
}

/// Whether a finding stands in the baseline: `new` or `known`; nothing without one, and for what is no finding.
pub(super) fn beside_baseline(report: &AuditReport, row: &AuditResult) -> Option<&'static str> {
    let is_compared = report.summary.baseline.is_some() && row.verdict.is_finding();
    is_compared.then_some(if row.is_new { "new" } else { "known" })
}

/// `2 new, 35 known, 4 gone`
pub(super) fn compared(Compared { new, known, gone }: Compared) -> String {
    format!("{new} new, {known} known, {gone} gone")
}

/// `deploy/web.yaml:12`
pub(super) fn place(row: &AuditResult) -> Option<String> {
    row.place().map(|place| format!("{}:{}", visible_within(&place.file, IMAGE_LIMIT), place.line))
}

/// Rows worst first, otherwise in the report's own order.
pub(super) fn worst_first<'a>(rows: impl IntoIterator<Item = &'a AuditResult>) -> Vec<&'a AuditResult> {
    let mut rows: Vec<_> = rows.into_iter().collect();
    rows.sort_by_key(|row| (row.verdict, std::cmp::Reverse(row.severity)));
    rows
}

/// `3 violations (1 critical, 2 low), 1 unknown, 1 exempt`, or `No violations`.
pub(super) fn counts(report: &AuditReport) -> String {
    let summary = &report.summary;
    let by = &summary.fail_by_severity;
    let number = |severity| match severity {
        Severity::Critical => by.critical,
        Severity::High => by.high,
        Severity::Medium => by.medium,
        Severity::Low => by.low,
        Severity::Info => by.info,
    };
    let severities = Severity::WORST_FIRST.into_iter().filter(|severity| number(*severity) > 0);
    let severities: Vec<_> = severities.map(|severity| format!("{} {severity}", number(severity))).collect();
    let mut text = match summary.fail {
        0 => "No violations".to_owned(),
        fail => {
            let counted = Counted(u32::try_from(fail).unwrap_or(u32::MAX), "violation");
            format!("{counted} ({})", severities.join(", "))
        }
    };
    for (count, word) in
        [(summary.unknown, "unknown"), (summary.exempt, "exempt"), (summary.malformed, "malformed")]
    {
        if count > 0 {
            text.push_str(&format!(", {count} {word}"));
        }
    }
    text
}

/// When everything was judged: `2026-11-18 12:06:40 UTC`.
pub(super) fn instant(report: &AuditReport) -> String {
    report.observed_at.strftime("%Y-%m-%d %H:%M:%S UTC").to_string()
}

/// `policy baseline (generation 4)`, `policies a and b`.
pub(super) fn policies(report: &AuditReport) -> String {
    let names: Vec<_> = report
        .policies
        .iter()
        .map(|policy| {
            let name = visible_within(&policy.name, NAME_LIMIT);
            match policy.generation {
                Some(generation) => format!("{name} (generation {generation})"),
                None => name.into_owned(),
            }
        })
        .collect();
    match &*names {
        [] => "no policy".to_owned(),
        [one] => format!("policy {one}"),
        many => format!("policies {}", super::words::list(many, 5)),
    }
}

#[cfg(test)]
mod tests {
    use super::super::gather::Listed;
    use super::super::testing::{World, image_subject, namespace_subject, report};
    use super::*;
    use crate::auditor::findings::State;

    #[test]
    fn a_row_is_told_in_the_same_words_everywhere() {
        let world = World::baseline()
            .on(0, image_subject("a", "Deployment/web", "app", "evil.test/x:1"), State::Exempt(0))
            .on(0, namespace_subject("b"), State::Fail)
            .skew("nginx:1", &[("a", 1)]);
        let report = report(&world.snapshot(), Listed::All, |_, _| {});
        let told: Vec<_> = report.results.iter().map(|row| (subject(row), word(row), place(row))).collect();
        assert_eq!(
            told,
            [
                ("Image nginx:1".to_owned(), "critical", None),
                (
                    "Deployment a/web, container app".to_owned(),
                    "exempt",
                    Some("deploy/web.yaml:12".to_owned())
                ),
                ("Namespace b".to_owned(), "critical", None),
            ]
        );
        let of = report.results[1].exemption.as_ref().unwrap();
        assert_eq!(
            whole_permission(of),
            "permitted until 2027-01-31 by legacy-etl: nodes are preloaded (OPS-412)"
        );
        assert_eq!(counts(&report), "2 violations (2 critical), 1 exempt, 1 malformed");
        assert_eq!(policies(&report), "policy baseline (generation 4)");
        let order: Vec<_> = worst_first(&report.results).into_iter().map(word).collect();
        assert_eq!(order, ["critical", "critical", "exempt"]);
    }
}
