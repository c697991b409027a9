//! One line a row for spreadsheets: RFC 4180, with nothing in it that a spreadsheet would run.

use super::escape::{IMAGE_LIMIT, MESSAGE_LIMIT, NAME_LIMIT, visible_within};
use super::result::{AuditReport, AuditResult};
use super::row;

const HEADER: [&str; 25] = [
    "verdict",
    "severity",
    "rule",
    "namespace",
    "kind",
    "name",
    "slot",
    "container",
    "image",
    "canonical",
    "reason",
    "message",
    "pods",
    "policy",
    "controls",
    "exemption",
    "exemptionReason",
    "ticket",
    "expiresAt",
    "file",
    "line",
    "id",
    "observedAt",
    "delegated",
    "baseline",
];

/// The whole report. Fields are added at the end, never renamed or removed.
pub fn csv(report: &AuditReport) -> String {
    let mut text = String::new();
    record(&mut text, HEADER.map(str::to_owned));
    let observed_at = report.observed_at.to_string();
    for row in &report.results {
        record(&mut text, cells(row, &observed_at, row::beside_baseline(report, row)));
    }
    text
}

fn cells(row: &AuditResult, observed_at: &str, baseline: Option<&str>) -> [String; HEADER.len()] {
    let within = |text: Option<&str>, limit| visible_within(text.unwrap_or_default(), limit).into_owned();
    let name = |text: Option<&str>| within(text, NAME_LIMIT);
    let image = |text: Option<&str>| within(text, IMAGE_LIMIT);
    let sentence = |text: Option<&str>| within(text, MESSAGE_LIMIT);
    let controls: Vec<_> = row.controls.iter().map(ToString::to_string).collect();
    let exemption = row.exemption.as_ref();
    let place = row.place();
    [
        row.verdict.as_str().to_owned(),
        row.severity.to_string(),
        row.rule.to_owned(),
        name(row.namespace.as_deref()),
        name(Some(&row.subject.kind)),
        image(Some(&row.subject.name)),
        name(row.slot),
        name(row.container.as_deref()),
        image(row.image.as_deref()),
        image(row.canonical.as_deref()),
        name(row.reason),
        sentence(row.message.as_deref()),
        row.pods.map(|pods| pods.to_string()).unwrap_or_default(),
        name(Some(&row.policy)),
        controls.join("; "),
        name(exemption.map(|of| &*of.name)),
        sentence(exemption.map(|of| &*of.reason)),
        name(exemption.and_then(|of| of.ticket.as_deref())),
        exemption.and_then(|of| of.expires_at).map(|at| at.to_string()).unwrap_or_default(),
        image(place.map(|place| &*place.file)),
        place.map(|place| place.line.to_string()).unwrap_or_default(),
        row.id.clone(),
        observed_at.to_owned(),
        name(exemption.and_then(|of| of.delegated)),
        name(baseline),
    ]
}

/// Adds one record.
pub(super) fn record<const N: usize>(text: &mut String, cells: [String; N]) {
    for (index, cell) in cells.into_iter().enumerate() {
        if index > 0 {
            text.push(',');
        }
        text.push_str(&field(&inert(cell)));
    }
    text.push_str("\r\n");
}

/// Text that begins as a formula does (with any width of the sign) gets a leading apostrophe: spreadsheets then
/// show it instead of computing it.
fn inert(cell: String) -> String {
    const SIGNS: [char; 8] = ['=', '+', '-', '@', '\u{ff1d}', '\u{ff0b}', '\u{ff0d}', '\u{ff20}'];
    match cell.trim_start().starts_with(SIGNS) {
        true => format!("'{cell}"),
        false => cell,
    }
}

fn field(cell: &str) -> String {
    let is_plain = !cell.contains([',', '"', '\r', '\n', ';']) && cell.trim() == cell;
    if is_plain { cell.to_owned() } else { format!("\"{}\"", cell.replace('"', "\"\"")) }
}

#[cfg(test)]
mod tests {
    use super::super::gather::Listed;
    use super::super::testing::{World, image_subject, namespace_subject, report};
    use super::*;
    use crate::auditor::findings::State;

    /// A reader of its own, as RFC 4180 describes it.
    fn read(text: &str) -> Vec<Vec<String>> {
        let (mut records, mut record, mut cell) = (Vec::new(), Vec::new(), String::new());
        let mut characters = text.chars().peekable();
        let mut quoted = false;
        while let Some(character) = characters.next() {
            match character {
                '"' if quoted && characters.peek() == Some(&'"') => cell.extend(characters.next()),
                '"' => quoted = !quoted,
                ',' if !quoted => record.push(std::mem::take(&mut cell)),
                '\r' if !quoted && characters.next_if_eq(&'\n').is_some() => {
                    record.push(std::mem::take(&mut cell));
                    records.push(std::mem::take(&mut record));
                }
                character => cell.push(character),
            }
        }
        assert!(!quoted && record.is_empty() && cell.is_empty(), "no line is left open");
        records
    }

    #[test]
    fn every_row_is_a_record_of_the_same_length() {
        let world = World::baseline()
            .fail("team-a", "Deployment/web", "evil.test/x:1")
            .on(0, image_subject("team-a", "Deployment/old", "app", "evil.test/x:1"), State::Exempt(0))
            .on(0, namespace_subject("b"), State::Unknown);
        let records = read(&csv(&report(&world.snapshot(), Listed::All, |_, _| {})));
        assert_eq!(records.len(), 4);
        assert!(records.iter().all(|record| record.len() == HEADER.len()));
        let row = |name: &str| records.iter().find(|record| record[5] == name).unwrap();
        let cell = |name: &str, column: &str| {
            row(name)[HEADER.iter().position(|header| *header == column).unwrap()].clone()
        };
        assert_eq!(cell("web", "verdict"), "fail");
        assert_eq!(cell("web", "line"), "12");
        assert!(cell("web", "controls").contains("CIS Kubernetes v1.12: 5.5.1"));
        assert_eq!(cell("old", "exemptionReason"), "nodes are preloaded");
        assert_eq!(cell("old", "expiresAt"), "2027-01-31T00:00:00Z");
        assert_eq!((cell("b", "image"), cell("b", "file")), (String::new(), String::new()));
    }

    #[test]
    fn nothing_in_it_is_a_formula_or_breaks_a_record() {
        for hostile in
            ["=1+1", "+cmd|' /C calc'!A0", "-2", "@SUM(A1)", "\u{ff1d}1", "\t=1", " =1", "a\"b,c\r\n=d"]
        {
            let world = World::baseline().fail("a", "Pod/x", hostile);
            let text = csv(&report(&world.snapshot(), Listed::Findings, |_, _| {}));
            let records = read(&text);
            assert_eq!(records.len(), 2, "{text}");
            for cell in records.iter().flatten() {
                assert!(
                    !cell.trim_start().starts_with(['=', '+', '-', '@', '\u{ff1d}', '\t', '\r']),
                    "{cell:?}"
                );
                assert!(!cell.contains(['\r', '\n']), "{cell:?}");
            }
        }
    }
}
