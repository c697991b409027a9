//! Markdown for comments on a pull request: a table worst first, what to do about each rule, what is permitted.
//! Whatever comes from the input is text, and mentions nobody.

use std::collections::BTreeMap;

use crate::rules::RuleId;

use super::result::{AuditReport, AuditResult, Shown};
use super::row;
use super::rules::prose;
use super::words::Counted;

/// Comments end at 65,536 characters on GitHub; elsewhere later. Some room is left for what others add.
const LIMIT: usize = 60_000;
/// The comment by which a CI job finds what it wrote before.
const MARK: &str = "<!-- revisor audit -->";

/// The whole report, within the size of a comment. What does not fit is counted.
pub fn markdown(report: &AuditReport) -> String {
    let mut text = format!("{MARK}\n## Revisor: {}\n\n", row::counts(report));
    text.push_str(&format!(
        "{} in {}, judged at {} by {}.\n",
        Counted(report.summary.image_uses, "image use"),
        Counted(report.summary.namespaces, "namespace"),
        row::instant(report),
        inline(&row::policies(report)),
    ));
    if let Some(compared) = report.summary.baseline {
        text.push_str(&format!("\nBeside the baseline: {}.\n", row::compared(compared)));
    }
    if report.summary.incomplete {
        text.push_str("\n**Part of the input could not be read, so this is not all.**\n");
    }
    let name_policies = report.policies.len() > 1;
    let of = |verdicts: &[Shown]| {
        row::worst_first(report.results.iter().filter(|row| verdicts.contains(&row.verdict)))
    };
    let findings = of(&[Shown::Fail, Shown::Unknown]);
    if !findings.is_empty() {
        text.push_str("\n| Severity | Object | Rule | Why | Where |\n|---|---|---|---|---|\n");
        lines(&mut text, &findings, LIMIT / 2, |row| finding(row, name_policies));
        rules(&mut text, &findings);
    }
    let exempt = of(&[Shown::Exempt]);
    if !exempt.is_empty() {
        text.push_str(&format!("\n<details><summary>Permitted: {}</summary>\n\n", exempt.len()));
        text.push_str("| Object | Rule | Permission | Where |\n|---|---|---|---|\n");
        let limit = LIMIT - text.len().min(LIMIT - 1_000);
        lines(&mut text, &exempt, limit, permitted);
        text.push_str("\n</details>\n");
    }
    text
}

/// As many lines as fit into `limit`, and how many do not.
fn lines(text: &mut String, rows: &[&AuditResult], limit: usize, line: impl Fn(&AuditResult) -> String) {
    let end = text.len() + limit;
    for (index, row) in rows.iter().enumerate() {
        let line = line(row);
        if text.len() + line.len() > end {
            let more = rows.len() - index;
            text.push_str(&format!("\n{more} more rows do not fit into a comment: see the whole report.\n"));
            return;
        }
        text.push_str(&line);
    }
}

fn finding(row: &AuditResult, name_policies: bool) -> String {
    let mut why = inline(&row::message(row));
    if name_policies {
        why.push_str(&format!(" ({})", inline(&row.policy)));
    }
    let place = row::place(row).map(|place| code(&place)).unwrap_or_default();
    let new = if row.is_new { "**new** " } else { "" };
    format!("| {new}{} | {} | {} | {why} | {place} |\n", row::word(row), subject(row), row.rule)
}

fn permitted(row: &AuditResult) -> String {
    let permission = row.exemption.as_ref().map(row::whole_permission).unwrap_or_default();
    let place = row::place(row).map(|place| code(&place)).unwrap_or_default();
    format!("| {} | {} | {} | {place} |\n", subject(row), row.rule, inline(&permission))
}

fn subject(row: &AuditResult) -> String {
    let image = row::image(row);
    let subject = inline(&row::subject(row));
    if image.is_empty() || row.subject.kind == "Image" {
        subject
    } else {
        format!("{subject}: {}", code(&image))
    }
}

/// What to do, once a rule, folded.
fn rules(text: &mut String, findings: &[&AuditResult]) {
    let mut counts: BTreeMap<RuleId, usize> = BTreeMap::new();
    // What a rule advises is about what it judged.
    for rule in findings.iter().filter(|row| row.remedy.is_some()).filter_map(|row| RuleId::named(row.rule)) {
        *counts.entry(rule).or_default() += 1;
    }
    for (rule, count) in counts {
        let info = rule.info();
        let section = format!(
            "\n<details><summary>{rule}: {} ({count})</summary>\n\n{}\n**What to do.** {}\n</details>\n",
            html(info.title),
            prose(info.rationale),
            prose(info.remedy),
        );
        if text.len() + section.len() > LIMIT {
            text.push_str(&format!("\n{rule}: `revisor rules {rule}` says why it matters and what to do.\n"));
        } else {
            text.push_str(&section);
        }
    }
}

fn html(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// One line of text from the input: plain words stay, every other one is code, in which nothing is markup, a link,
/// a mention or a reference to an issue.
pub(super) fn inline(text: &str) -> String {
    text.split_whitespace().map(word).collect::<Vec<_>>().join(" ")
}

fn word(word: &str) -> String {
    let inner = word.trim_start_matches('(').trim_end_matches(['.', ',', ';', ':', ')', '?', '!']);
    let is_word = |part: &str| !part.is_empty() && part.chars().all(char::is_alphabetic);
    let is_number = inner.chars().all(|character| character.is_ascii_digit());
    // `GH-12` is a reference, so a dash joins letters only.
    if is_number || inner.split(['-', '\'']).all(is_word) {
        return word.to_owned();
    }
    let (before, after) = word.split_once(inner).unwrap_or_default();
    format!("{before}{}{after}", code(inner))
}

/// Text as code within a cell of a table.
pub(super) fn code(text: &str) -> String {
    if text.is_empty() {
        return String::new();
    }
    let runs = text.split(|character| character != '`').map(str::len);
    let fence = "`".repeat(runs.max().unwrap_or(0) + 1);
    // A back-tick at an end would join the fence.
    let pad = if text.starts_with('`') || text.ends_with('`') { " " } else { "" };
    // A bar ends a cell even within code, unless a back-slash of ours stands before it.
    let text = text.replace("\\|", "\\u{5c}|").replace('|', "\\|");
    format!("{fence}{pad}{text}{pad}{fence}")
}

#[cfg(test)]
mod tests {
    use super::super::gather::Listed;
    use super::super::testing::{World, image_subject, report};
    use super::*;
    use crate::auditor::findings::State;

    #[test]
    fn findings_stand_worst_first_with_what_to_do() {
        let on = |name: &str| image_subject("team-a", &format!("Deployment/{name}"), "app", "evil.test/x:1");
        let world = World::baseline().on(0, on("a"), State::Unknown).on(0, on("b"), State::Fail).on(
            0,
            on("c"),
            State::Exempt(0),
        );
        let mut report = report(&world.snapshot(), Listed::Permitted, |_, _| {});
        report.summary.malformed = 0;
        let text = markdown(&report);
        let start = "<!-- revisor audit -->\n## Revisor: 1 violation (1 critical), 1 unknown, 1 exempt\n\n\
            7 image uses in 1 namespace, judged at 2026-11-18 12:06:40 UTC by policy baseline (generation 4).\n\n\
            | Severity | Object | Rule | Why | Where |\n|---|---|---|---|---|\n\
            | critical | Deployment `team-a/b`, container app: `evil.test/x:1` | TrustedRegistry | `evil.test/x` is in \
            none of the trusted repositories | `deploy/web.yaml:12` |\n| unknown | Deployment `team-a/a`, ";
        assert!(text.starts_with(start), "{text}");
        assert!(text.contains("<details><summary>TrustedRegistry: "), "{text}");
        let end = "<details><summary>Permitted: 1</summary>\n\n| Object | Rule | Permission | Where |\n|---|---|---|---|\n\
            | Deployment `team-a/c`, container app: `evil.test/x:1` | TrustedRegistry | permitted until `2027-01-31` by \
            legacy-etl: nodes are preloaded (`OPS-412`) | `deploy/web.yaml:12` |\n\n</details>\n";
        assert!(text.ends_with(end), "{text}");
    }

    /// What CommonMark reads as text: code ends at as many back-ticks as it began with.
    fn outside_of_code(line: &str) -> String {
        let (mut outside, mut rest) = (String::new(), line);
        while let Some(start) = rest.find('`') {
            outside.push_str(&rest[..start]);
            let inside = rest[start..].trim_start_matches('`');
            let fence = rest.len() - start - inside.len();
            let runs = inside.match_indices('`').map(|(at, _)| at);
            let is_fence = |at: &usize| {
                let run = inside[*at..].len() - inside[*at..].trim_start_matches('`').len();
                run == fence && !inside[..*at].ends_with('`')
            };
            let end = runs.into_iter().find(is_fence).unwrap_or_else(|| panic!("code does not end: {line}"));
            rest = &inside[end + fence..];
        }
        outside + rest
    }

    #[test]
    fn hostile_text_is_code_within_one_cell() {
        for hostile in [
            "a|b",
            "a\\|@b",
            "<img src=x>",
            "@everyone",
            "``` # x",
            "[a](http://evil.test)",
            "#1",
            "GH-1",
            "www.evil.test",
        ] {
            let world = World::baseline().fail("a", "Pod/x", hostile);
            let text = markdown(&report(&world.snapshot(), Listed::Findings, |_, _| {}));
            let line = text.lines().find(|line| line.starts_with("| critical")).unwrap();
            assert_eq!(line.replace("\\|", "").matches('|').count(), 6, "{line}");
            // Outside of code nothing is left that could be markup.
            let outside = outside_of_code(line);
            assert!(!outside.contains(['<', '@', '[', '#', '*', '_', '.']), "{line}");
        }
        assert_eq!(code("a``b"), "```a``b```");
        assert_eq!(code("`"), "`` ` ``");
        assert_eq!(inline("it isn't GH-1, @you (12 times)."), "it isn't `GH-1`, `@you` (12 times).");
    }

    #[test]
    fn a_comment_is_never_too_long() {
        let world = (0..2_000).fold(World::baseline(), |world, index| {
            let subject = image_subject("a", &format!("Pod/{index}"), "app", "evil.test/x:1");
            world.on(0, subject, if index % 2 == 0 { State::Fail } else { State::Exempt(0) })
        });
        let text = markdown(&report(&world.snapshot(), Listed::Permitted, |_, _| {}));
        assert!(text.len() < 65_536, "{}", text.len());
        assert_eq!(text.matches("more rows do not fit").count(), 2);
        assert!(text.contains("What to do."));
    }
}
