//! What a person reads in a terminal: findings by namespace and subject, worst first, and one line that sums
//! them up.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use unicode_width::UnicodeWidthStr as _;

use crate::verdict::{Severity, reason};

use super::columns::{self, Colour, Tone, line};
use super::escape::{IMAGE_LIMIT, NAME_LIMIT, visible_within};
use super::result::{AuditReport, AuditResult, Shown};
use super::row;
use super::words::{Counted, list};

/// Widest column of a container, of an image: what is wider pushes its own line only. The names of rules are ours.
const LIMITS: [usize; 5] = [8, usize::MAX, 32, 64, usize::MAX];

/// Rows that say the same under several policies.
struct Line<'a> {
    /// Of the highest severity, the first by policy.
    row: &'a AuditResult,
    policies: Vec<&'a str>,
}

impl Line<'_> {
    fn badness(&self) -> (Shown, Reverse<Severity>) {
        (self.row.verdict, Reverse(self.row.severity))
    }

    fn cells(&self, name_policies: bool) -> [String; 5] {
        let row = self.row;
        let container = row::container(row);
        let image = row.image.as_deref().unwrap_or_default();
        if container.is_empty() && image.is_empty() {
            // Nothing stands between: the sentence begins where the container would.
            let sentence = self.message(name_policies);
            return [row::word(row).to_owned(), row.rule.to_owned(), sentence, String::new(), String::new()];
        }
        [
            row::word(row).to_owned(),
            row.rule.to_owned(),
            container,
            visible_within(image, IMAGE_LIMIT).into_owned(),
            self.message(name_policies),
        ]
    }

    fn message(&self, name_policies: bool) -> String {
        let row = self.row;
        let mut text = row::message(row);
        let mut add = |more: &str| {
            if !text.is_empty() && !more.starts_with(' ') {
                text.push_str("; ");
            }
            text.push_str(more);
        };
        if let Some(permission) = &row.exemption {
            add(&row::permission(permission));
        }
        if let Some(pods @ 2..) = row.pods {
            add(&format!(" ({pods} pods)"));
        }
        if name_policies {
            let names: Vec<_> = self.policies.iter().map(|name| visible_within(name, NAME_LIMIT)).collect();
            add(&format!(" [{}]", names.join(", ")));
        }
        text
    }
}

/// Namespace, subject kind and subject name.
type Place<'a> = (Option<&'a str>, &'a str, &'a str);

/// Rows to lines, by subject: worst subjects first within their namespace, worst namespaces first.
fn grouped(report: &AuditReport) -> Vec<(Place<'_>, Vec<Line<'_>>)> {
    let mut merged: BTreeMap<_, Line<'_>> = BTreeMap::new();
    for row in &report.results {
        let line =
            merged.entry((&*row.id, row.verdict)).or_insert_with(|| Line { row, policies: Vec::new() });
        line.policies.push(&row.policy);
        if row.severity > line.row.severity {
            line.row = row;
        }
    }
    let mut by_subject: BTreeMap<Place<'_>, Vec<Line<'_>>> = BTreeMap::new();
    for line in merged.into_values() {
        let place = (line.row.namespace.as_deref(), &*line.row.subject.kind, &*line.row.subject.name);
        by_subject.entry(place).or_default().push(line);
    }
    let mut worst_of_namespace = BTreeMap::new();
    for (place, lines) in &mut by_subject {
        lines.sort_by(|left, right| {
            let key = |line: &Line<'_>| (line.badness(), line.row.rule);
            let place =
                |line: &Line<'_>| (line.row.container.clone(), line.row.image.clone(), line.row.id.clone());
            key(left).cmp(&key(right)).then_with(|| place(left).cmp(&place(right)))
        });
        let worst = worst_of_namespace.entry(place.0).or_insert(lines[0].badness());
        *worst = (*worst).min(lines[0].badness());
    }
    let mut groups: Vec<_> = by_subject.into_iter().collect();
    // Stable: subjects of equal badness stay in the order of their names.
    groups.sort_by_key(|(place, lines)| (worst_of_namespace[&place.0], place.0, lines[0].badness()));
    groups
}

/// The indentation of a finding, and the gap between two columns.
const INDENT: usize = 4;
const GAP: usize = 2;
/// What is left of a sentence, of an image: less says nothing, and the terminal had better break the line itself.
const LEAST_SENTENCE: usize = 24;
const LEAST_IMAGE: usize = 16;
/// What is left of the column of rules, of which none is cut: where there is little room, long ones push their line.
const LEAST_RULE: usize = 20;

/// Cuts cells so that a line takes at most `width` columns: first images, from their beginning, then sentences.
/// True: something was cut.
fn fit(rows: &mut [[String; 5]], widths: &mut [usize; 5], width: usize) -> bool {
    let before = |widths: &[usize]| {
        INDENT + widths.iter().filter(|width| **width > 0).map(|width| width + GAP).sum::<usize>()
    };
    let longest = rows.iter().map(|row| row[4].width()).max().unwrap_or(0);
    for (column, sentence, least) in [(3, 2 * LEAST_SENTENCE, LEAST_IMAGE), (1, LEAST_SENTENCE, LEAST_RULE)] {
        let lacks = (before(&widths[..4]) + longest.min(sentence)).saturating_sub(width);
        widths[column] = widths[column].saturating_sub(lacks).max(widths[column].min(least));
    }
    let mut is_cut = false;
    for row in rows {
        let image = columns::end(&row[3], widths[3]);
        // A sentence stands in the third column where there is neither container nor image.
        let sentence = if row[4].is_empty() { 2 } else { 4 };
        // Of a column that has no text at all, no cell has any: it takes no room either way.
        let pushed: Vec<_> = (0..sentence)
            .map(|column| if column == 3 { widths[3] } else { widths[column].max(row[column].width()) })
            .collect();
        let room = width.saturating_sub(before(&pushed));
        if room < LEAST_SENTENCE.min(row[sentence].width()) {
            continue;
        }
        let cut = columns::beginning(&row[sentence], room);
        is_cut |= image != row[3] || cut != row[sentence];
        row[3] = image;
        row[sentence] = cut;
    }
    is_cut
}

/// The whole report, in lines of at most `width` columns where there is room for that.
pub fn table(report: &AuditReport, colour: Colour, width: Option<usize>) -> String {
    let groups = grouped(report);
    let name_policies = report.policies.len() > 1;
    let cells = |line: &Line<'_>| line.cells(name_policies);
    let mut rows: Vec<_> = groups.iter().flat_map(|(_, lines)| lines).map(cells).collect();
    let mut widths = columns::widths(&rows, LIMITS);
    let placed = columns::widths(rows.iter().filter(|[.., message]| !message.is_empty()), LIMITS);
    (widths[2], widths[3]) = (placed[2], placed[3]);
    let is_cut = width.is_some_and(|width| fit(&mut rows, &mut widths, width));
    let mut text = String::new();
    let mut rows = rows.iter();
    let mut namespace = None;
    for ((in_namespace, kind, name), lines) in &groups {
        if namespace != Some(in_namespace) {
            let title = in_namespace.map_or("Cluster".into(), |name| visible_within(name, NAME_LIMIT));
            text.push_str(&format!("{}\n", Tone::Bold.paint(&title, colour)));
            namespace = Some(in_namespace);
        }
        let subject = format!("{kind}/{name}");
        text.push_str(&format!("  {}", visible_within(&subject, IMAGE_LIMIT)));
        if lines.iter().any(|line| line.row.is_static) {
            text.push_str("  static");
        }
        if let Some(source) = lines.iter().find_map(|line| line.row.source.as_ref()) {
            let source = format!("{}:{}", visible_within(&source.file, IMAGE_LIMIT), source.line);
            text.push_str(&format!("  {}", Tone::Dim.paint(&source, colour)));
        }
        text.push('\n');
        for (finding, cells) in lines.iter().zip(&mut rows) {
            let tone = Tone::of(finding.row.verdict, finding.row.severity);
            let tones = [tone, Tone::Bold, Tone::Plain, Tone::Plain, Tone::Plain];
            let new = if finding.row.is_new { "  + " } else { "" };
            text.push_str(&format!("{new:INDENT$}{}\n", line(cells, widths, GAP, tones, colour)));
        }
    }
    if !groups.is_empty() {
        text.push('\n');
    }
    text.push_str(&last_line(report, &groups, colour));
    if is_cut {
        text.push_str("Cut to the width of the terminal; in full: revisor audit ... | less -S\n");
    }
    text
}

/// `3 violations (1 critical, 2 high), 1 unknown, 1 exempt in 2 namespaces`, or that there is nothing.
fn last_line(report: &AuditReport, groups: &[(Place<'_>, Vec<Line<'_>>)], colour: Colour) -> String {
    let lines = || groups.iter().flat_map(|(_, lines)| lines);
    let fails = || lines().filter(|line| line.row.verdict == Shown::Fail);
    let number = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
    let summary = &report.summary;
    let mut more = Vec::new();
    let unknown = lines().filter(|line| line.row.verdict == Shown::Unknown).count();
    if unknown > 0 {
        more.push(format!("{unknown} unknown"));
    }
    if summary.exempt > 0 {
        more.push(format!("{} exempt", summary.exempt));
    }
    if summary.malformed > 0 {
        more.push(format!("{} malformed", summary.malformed));
    }
    let mut parts = vec![];
    let tone = if fails().next().is_some() {
        let severities = Severity::WORST_FIRST.into_iter().filter_map(|severity| {
            let count = fails().filter(|line| line.row.severity == severity).count();
            (count > 0).then(|| format!("{count} {severity}"))
        });
        let severities: Vec<_> = severities.collect();
        parts.push(format!("{} ({})", Counted(number(fails().count()), "violation"), severities.join(", ")));
        Tone::BoldRed
    } else {
        parts.push("No violations".to_owned());
        if more.is_empty() && !summary.incomplete { Tone::Green } else { Tone::Bold }
    };
    parts.extend(more);
    let policies: Vec<_> =
        report.policies.iter().map(|policy| visible_within(&policy.name, NAME_LIMIT)).collect();
    let policies = match &*policies {
        [] => "no policy".to_owned(),
        [one] => format!("policy {one}"),
        many => format!("policies {}", list(many, 5)),
    };
    let mut text = format!(
        "{} in {} and {} ({policies})\n",
        Tone::paint(tone, &parts.join(", "), colour),
        Counted(summary.image_uses, "image use"),
        Counted(summary.namespaces, "namespace"),
    );
    if let Some(compared) = summary.baseline {
        text.push_str(&format!("Beside the baseline: {} (new ones are marked +)\n", row::compared(compared)));
    }
    if summary.incomplete {
        text.push_str("Part of the input could not be read: see the errors above.\n");
    }
    // The rule of an object of an unknown kind says nothing about it.
    let is_explained =
        |row: &AuditResult| row.verdict.is_finding() && row.reason != Some(reason::UNSUPPORTED_KIND);
    if let Some(worst) = lines().find(|line| is_explained(line.row)) {
        text.push_str(&format!("Why a rule matters and what to do: revisor rules {}\n", worst.row.rule));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::super::gather::Listed;
    use super::super::result::Summary;
    use super::super::testing::{self, World, image_subject, policy};
    use super::*;
    use crate::auditor::findings::State;

    fn report(world: World, listed: Listed) -> AuditReport {
        testing::report(&world.snapshot(), listed, |_, _| {})
    }

    fn plain(world: World) -> String {
        table(&report(world, Listed::Findings), Colour::Never, None)
            .replace("1 malformed, ", "")
            .replace(", 1 malformed", "")
    }

    #[test]
    fn findings_stand_by_namespace_and_subject_worst_first() {
        let [a, b] = [policy("a", Severity::Low), policy("b", Severity::Critical)];
        let world = World::new([a, b])
            .on(0, image_subject("alpha", "Deployment/web", "app", "evil.test/x:1"), State::Fail)
            .on(0, image_subject("beta", "Deployment/web", "sidecar", "evil.test/proxy:2"), State::Unknown)
            .on(0, image_subject("beta", "Deployment/web", "app", "evil.test/x:1"), State::Fail)
            .on(1, image_subject("beta", "Deployment/web", "app", "evil.test/x:1"), State::Fail)
            .on(0, image_subject("beta", "CronJob/etl", "app", "evil.test/x:1"), State::Fail);
        assert_eq!(
            plain(world),
            "\
beta
  Deployment/web  deploy/web.yaml:12
    critical  TrustedRegistry  app      evil.test/x:1      evil.test/x is in none of the trusted repositories (3 pods) [a, b]
    unknown   TrustedRegistry  sidecar  evil.test/proxy:2  the object could not be decoded: a field has another type than its API says (3 pods) [a]
  CronJob/etl  deploy/web.yaml:12
    low       TrustedRegistry  app      evil.test/x:1      evil.test/x is in none of the trusted repositories (3 pods) [a]
alpha
  Deployment/web  deploy/web.yaml:12
    low       TrustedRegistry  app      evil.test/x:1      evil.test/x is in none of the trusted repositories (3 pods) [a]

3 violations (1 critical, 2 low), 1 unknown in 7 image uses and 2 namespaces (policies a and b)
Why a rule matters and what to do: revisor rules TrustedRegistry
"
        );
    }

    #[test]
    fn a_clean_run_says_so_in_one_line() {
        assert_eq!(
            plain(World::baseline()),
            "No violations in 7 image uses and 0 namespaces (policy baseline)\n"
        );
    }

    #[test]
    fn what_could_not_be_read_is_never_clean() {
        let mut report = report(World::baseline(), Listed::Findings);
        report.summary = Summary { malformed: 0, incomplete: true, ..report.summary };
        let text = table(&report, Colour::Always, None);
        assert_eq!(
            text,
            "\u{1b}[1mNo violations\u{1b}[0m in 7 image uses and 0 namespaces (policy baseline)\n\
             Part of the input could not be read: see the errors above.\n"
        );
    }

    #[test]
    fn what_is_permitted_is_never_silent() {
        let world =
            World::baseline().on(0, image_subject("a", "Pod/x", "c", "evil.test/x:1"), State::Exempt(0));
        assert_eq!(
            plain(world),
            "No violations, 1 exempt in 7 image uses and 1 namespace (policy baseline)\n"
        );
        let world =
            World::baseline().on(0, image_subject("a", "Pod/x", "c", "evil.test/x:1"), State::Exempt(0));
        let all = report(world, Listed::All);
        let text = table(&all, Colour::Never, None);
        assert!(text.contains("exempt  TrustedRegistry  c  evil.test/x:1  evil.test/x is in none of the trusted repositories; permitted until 2027-01-31 by legacy-etl: nodes are preloaded (3 pods)\n"), "{text}");
    }

    #[test]
    fn a_hostile_image_name_is_data_with_and_without_colour() {
        let hostile = format!("Evil\u{1b}[2J\u{202e}\n{}", "x".repeat(9_000));
        let report = report(World::baseline().fail("a", "Pod/x", &hostile), Listed::Findings);
        let text = table(&report, Colour::Never, None);
        assert!(
            !text.contains('\u{1b}')
                && text.contains("Evil\\u{1b}[2J\\u{202e}\\u{a}xxx")
                && text.len() < 4_000
        );
        assert_eq!(text.lines().count(), 6, "{text}");
        let coloured = table(&report, Colour::Always, None);
        assert!(coloured.contains("\u{1b}[1;31mcritical\u{1b}[0m") && !coloured.contains("\u{1b}[2J"));
    }

    #[test]
    fn a_line_fits_the_terminal_and_says_that_it_was_cut() {
        let world = || {
            World::baseline()
                .fail("a", "Deployment/web", "registry.evil.test/some/team/and/its/application:1.2.3")
                .skew("nginx:1", &[("a", 1)])
        };
        let text = |width| table(&report(world(), Listed::Findings), Colour::Never, Some(width));
        for width in [80, 100] {
            let text = text(width);
            let findings = text.lines().filter(|line| line.starts_with("    "));
            assert!(findings.clone().all(|line| line.width() <= width), "{text}");
            assert_eq!(findings.count(), 2);
            assert!(
                text.contains("application:1.2.3  ") && text.contains("…") && text.ends_with("| less -S\n"),
                "{text}"
            );
        }
        let wide = text(400);
        assert!(
            !wide.contains('…') && wide == table(&report(world(), Listed::Findings), Colour::Never, None)
        );
        assert!(!text(20).contains("less -S"), "where there is no room at all the terminal breaks lines");
    }

    /// Cells of a rule with a long name beside one with a short one.
    fn long_and_short() -> [[String; 5]; 2] {
        let row = |rule: &str| {
            [
                "high",
                rule,
                "app",
                "registry.evil.test/some/team/x:1",
                "a sentence that is long enough to be cut",
            ]
            .map(str::to_owned)
        };
        [row("TokenMountedFromDefaultServiceAccount"), row("NoMutableTag")]
    }

    #[test]
    fn the_longest_name_of_a_rule_aligns_all_lines_where_there_is_room() {
        for width in [120, 200] {
            let mut rows = long_and_short();
            let mut widths = columns::widths(&rows, LIMITS);
            fit(&mut rows, &mut widths, width);
            let lines = rows.each_ref().map(|row| line(row, widths, GAP, [Tone::Plain; 5], Colour::Never));
            assert_eq!(lines[0].find("  app  "), lines[1].find("  app  "), "{lines:#?}");
            assert!(lines.iter().all(|line| INDENT + line.width() <= width), "{lines:#?}");
        }
    }

    #[test]
    fn where_there_is_little_room_a_long_name_pushes_its_own_line_only() {
        let mut rows = long_and_short();
        let mut widths = columns::widths(&rows, LIMITS);
        assert!(fit(&mut rows, &mut widths, 80));
        assert!(rows[0][1] == "TokenMountedFromDefaultServiceAccount" && widths[1] < 30, "{widths:?}");
        let short = line(&rows[1], widths, GAP, [Tone::Plain; 5], Colour::Never);
        assert!(INDENT + short.width() <= 80 && short.ends_with('…'), "{short}");
    }

    #[test]
    fn references_across_the_cluster_stand_first_under_their_own_title() {
        let text = plain(World::baseline().skew("nginx:1", &[("a", 1), ("b", 2)]));
        assert!(text.starts_with("Cluster\n  Image/nginx:1\n    critical  TrustedRegistry  nginx:1 runs as 2 contents (3 pods)\n"), "{text}");
    }
}
