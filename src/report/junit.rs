//! JUnit XML for CI systems: a test suite a rule, a test case a subject. A violation is a failure, what could not
//! be decided an error, what is permitted or does not apply is skipped; so is what the baseline knows, where only new
//! findings count.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::escape::{IMAGE_LIMIT, visible_within};
use super::result::{AuditReport, AuditResult, Shown};
use super::row;

/// Numbers of a suite.
#[derive(Clone, Copy, Default)]
struct Counts {
    tests: usize,
    failures: usize,
    errors: usize,
    skipped: usize,
}

impl Counts {
    fn of<'a>(rows: impl IntoIterator<Item = &'a AuditResult>, only_new: bool) -> Self {
        let mut counts = Self::default();
        for row in rows {
            counts.tests += 1;
            match row.verdict {
                _ if is_known(row, only_new) => counts.skipped += 1,
                Shown::Fail => counts.failures += 1,
                Shown::Unknown => counts.errors += 1,
                Shown::Exempt | Shown::Na => counts.skipped += 1,
                Shown::Pass => {}
            }
        }
        counts
    }

    fn attributes(self) -> String {
        let Self { tests, failures, errors, skipped } = self;
        format!(r#"tests="{tests}" failures="{failures}" errors="{errors}" skipped="{skipped}" time="0""#)
    }
}

/// Whether it is a finding that does not count beside the baseline.
fn is_known(row: &AuditResult, only_new: bool) -> bool {
    only_new && row.verdict.is_finding() && !row.is_new
}

/// The whole report. `only_new`: what the baseline knows is no failure.
pub fn junit(report: &AuditReport, only_new: bool) -> String {
    let mut suites: BTreeMap<&str, Vec<&AuditResult>> = BTreeMap::new();
    for row in &report.results {
        suites.entry(row.rule).or_default().push(row);
    }
    let at = report.observed_at.strftime("%Y-%m-%dT%H:%M:%S");
    let mut text = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    let all = Counts::of(&report.results, only_new).attributes();
    add(&mut text, format_args!("<testsuites name=\"revisor\" {all}>\n"));
    let name_policies = report.policies.len() > 1;
    for (rule, rows) in suites {
        let counts = Counts::of(rows.iter().copied(), only_new).attributes();
        add(&mut text, format_args!("  <testsuite name=\"{}\" {counts} timestamp=\"{at}\">\n", xml(rule)));
        for row in rows {
            let name = test_name(row, name_policies);
            case(&mut text, row, &name, row::beside_baseline(report, row), only_new);
        }
        text.push_str("  </testsuite>\n");
    }
    text.push_str("</testsuites>\n");
    text
}

fn test_name(row: &AuditResult, name_policies: bool) -> String {
    let mut name = row::subject(row);
    let image = row::image(row);
    if !image.is_empty() && row.subject.kind != "Image" {
        name = format!("{name}: {image}");
    }
    if name_policies {
        name = format!("{name} [{}]", row.policy);
    }
    name
}

fn case(text: &mut String, row: &AuditResult, name: &str, baseline: Option<&str>, only_new: bool) {
    let class = match &row.namespace {
        Some(namespace) => format!("{}.{namespace}", row.rule),
        None => row.rule.to_owned(),
    };
    let mut attributes = format!("classname=\"{}\" name=\"{}\" time=\"0\"", xml(&class), xml(name));
    if let Some(place) = row.place() {
        let file = visible_within(&place.file, IMAGE_LIMIT);
        add(&mut attributes, format_args!(" file=\"{}\" line=\"{}\"", xml(&file), place.line));
    }
    let message = row::message(row);
    let marked = baseline.map_or_else(|| message.clone(), |word| format!("{word}: {message}"));
    if is_known(row, only_new) {
        return skipped(text, &attributes, &format!("in the baseline, so not counted: {message}"));
    }
    let outcome = match (row.verdict, &row.exemption) {
        (Shown::Pass, _) => None,
        (Shown::Fail, _) => Some("failure"),
        (Shown::Unknown, _) => Some("error"),
        (Shown::Exempt, Some(permission)) => {
            return skipped(text, &attributes, &row::whole_permission(permission));
        }
        (Shown::Exempt | Shown::Na, _) => return skipped(text, &attributes, &message),
    };
    let Some(outcome) = outcome else {
        return add(text, format_args!("    <testcase {attributes}/>\n"));
    };
    add(text, format_args!("    <testcase {attributes}>\n"));
    let kind = xml(row.reason.unwrap_or(row.rule));
    add(text, format_args!("      <{outcome} message=\"{}\" type=\"{kind}\">", xml(&marked)));
    text.push_str(&xml(&details(row, &marked)));
    add(text, format_args!("</{outcome}>\n    </testcase>\n"));
}

fn skipped(text: &mut String, attributes: &str, message: &str) {
    add(
        text,
        format_args!(
            "    <testcase {attributes}>\n      <skipped message=\"{}\"/>\n    </testcase>\n",
            xml(message)
        ),
    );
}

/// What a person reads who opens a failed test.
fn details(row: &AuditResult, message: &str) -> String {
    let mut text = format!("{}: {}\n{message}\n", row.severity, row::subject(row));
    if let Some(place) = row::place(row) {
        text.push_str(&format!("at {place}\n"));
    }
    if let Some(remedy) = row.remedy {
        text.push_str(&format!("\n{remedy}\n"));
    }
    text
}

fn add(text: &mut String, words: std::fmt::Arguments<'_>) {
    // Writing to a String cannot fail.
    let _ = text.write_fmt(words);
}

/// Text as XML data. What XML 1.0 cannot say at all is left out; what acts was made visible before.
pub(super) fn xml(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => shown.push_str("&amp;"),
            '<' => shown.push_str("&lt;"),
            '>' => shown.push_str("&gt;"),
            '"' => shown.push_str("&quot;"),
            '\'' => shown.push_str("&apos;"),
            '\n' | '\t' => shown.push(character),
            character if character.is_control() || matches!(character, '\u{fffe}' | '\u{ffff}') => {}
            character => shown.push(character),
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::super::gather::Listed;
    use super::super::testing::{World, image_subject, namespace_subject, report};
    use super::*;
    use crate::auditor::findings::State;
    use crate::verdict::Verdict;

    #[test]
    fn verdicts_are_outcomes() {
        let on = |name: &str| image_subject("team-a", &format!("Deployment/{name}"), "app", "evil.test/x:1");
        let world = World::baseline()
            .on(0, on("a"), State::Fail)
            .on(0, on("b"), State::Unknown)
            .on(0, on("c"), State::Exempt(0))
            .on(0, on("d"), State::Fail)
            .on(0, namespace_subject("e"), State::Fail);
        let mut report = report(&world.snapshot(), Listed::All, |_, it| match it.subject.name() {
            "d" => (it.verdict, it.message) = (Verdict::Pass, ""),
            "e" => (it.verdict, it.message) = (Verdict::NotApplicable("OutOfScope"), "not in scope"),
            _ => {}
        });
        report.results.iter_mut().for_each(|row| row.remedy = row.remedy.map(|_| "Copy it."));
        let text = junit(&report, false);
        assert_eq!(
            text,
            r#"<?xml version="1.0" encoding="UTF-8"?>
<testsuites name="revisor" tests="5" failures="1" errors="1" skipped="2" time="0">
  <testsuite name="TrustedRegistry" tests="5" failures="1" errors="1" skipped="2" time="0" timestamp="2026-11-18T12:06:40">
    <testcase classname="TrustedRegistry.e" name="Namespace e" time="0">
      <skipped message="not in scope"/>
    </testcase>
    <testcase classname="TrustedRegistry.team-a" name="Deployment team-a/a, container app: evil.test/x:1" time="0" file="deploy/web.yaml" line="12">
      <failure message="evil.test/x is in none of the trusted repositories" type="NotAllowed">critical: Deployment team-a/a, container app
evil.test/x is in none of the trusted repositories
at deploy/web.yaml:12

Copy it.
</failure>
    </testcase>
    <testcase classname="TrustedRegistry.team-a" name="Deployment team-a/b, container app: evil.test/x:1" time="0" file="deploy/web.yaml" line="12">
      <error message="the object could not be decoded: a field has another type than its API says" type="Malformed">critical: Deployment team-a/b, container app
the object could not be decoded: a field has another type than its API says
at deploy/web.yaml:12

Copy it.
</error>
    </testcase>
    <testcase classname="TrustedRegistry.team-a" name="Deployment team-a/c, container app: evil.test/x:1" time="0" file="deploy/web.yaml" line="12">
      <skipped message="permitted until 2027-01-31 by legacy-etl: nodes are preloaded (OPS-412)"/>
    </testcase>
    <testcase classname="TrustedRegistry.team-a" name="Deployment team-a/d, container app: evil.test/x:1" time="0" file="deploy/web.yaml" line="12"/>
  </testsuite>
</testsuites>
"#
        );
    }

    #[test]
    fn hostile_text_is_data() {
        let hostile = "a\"/><failure>&]]>\u{0}\u{1b}\u{ffff}\n'";
        let world = World::baseline().fail("a", "Pod/x", hostile);
        let text = junit(&report(&world.snapshot(), Listed::All, |_, _| {}), false);
        assert_eq!(text.matches("<failure").count(), 1, "{text}");
        assert!(text.contains("a&quot;/&gt;&lt;failure&gt;&amp;]]&gt;"), "{text}");
        let is_xml =
            |character: char| character == '\n' || !character.is_control() && character != '\u{ffff}';
        assert!(text.chars().all(is_xml), "{text}");
    }
}
