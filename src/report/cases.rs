//! What `revisor test` found: worked cases, and what in them is not as expected. The JSON is a contract, version
//! `v1`, like that of an audit.

use std::fmt;
use std::str::FromStr;

use serde::{Serialize, Serializer};

use super::columns::{Colour, Tone};
use super::escape::{IMAGE_LIMIT, MESSAGE_LIMIT, visible, visible_within};
use super::junit::xml;
use super::result::{AuditResult, Shown, Tool};
use super::words::Counted;

/// A rule that this version does not know.
pub const UNKNOWN_RULE: &str = "UnknownRule";
/// A comment of the case that cannot be read.
pub const BAD_COMMENT: &str = "BadComment";
/// A setting, a scope or a policy that cannot be used.
pub const BAD_SETTING: &str = "BadSetting";
/// The file or its objects cannot be read.
pub const BAD_INPUT: &str = "BadInput";

/// What is expected of a rule, or what it said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expected {
    /// The worst verdict over all subjects.
    Verdict(Shown),
    /// No policy puts the rule in force.
    Off,
}

impl Expected {
    /// The word that stands in a case.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Verdict(verdict) => verdict.as_str(),
            Self::Off => "off",
        }
    }
}

impl fmt::Display for Expected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for Expected {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        [Shown::Pass, Shown::Fail, Shown::Unknown, Shown::Na, Shown::Exempt]
            .map(Self::Verdict)
            .into_iter()
            .chain([Self::Off])
            .find(|word| word.as_str() == text)
            .ok_or("expected pass, fail, unknown, na, exempt or off")
    }
}

impl Serialize for Expected {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

/// Why a case cannot be run, or not in full.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CaseError {
    /// The line, where one is at fault.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<u32>,
    /// In one word: `UnknownRule`, `BadComment`, `BadSetting` or `BadInput`.
    pub reason: &'static str,
    /// In a sentence.
    pub message: String,
}

/// Something that is not as expected.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CaseFailure {
    /// The rule, or `canonical`.
    pub check: &'static str,
    /// What the case says.
    pub expected: String,
    /// What was found.
    pub found: String,
    /// The rows that gave what was found.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub results: Vec<AuditResult>,
}

/// How a case ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum CaseVerdict {
    /// Everything is as expected.
    Pass,
    /// Something is not.
    Fail,
    /// It could not be run in full.
    Error,
}

/// One case.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CaseReport {
    /// Its file as given.
    pub file: String,
    /// How it ended.
    pub verdict: CaseVerdict,
    /// Its reason, in the case's own words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
    /// What is not as expected.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub failures: Vec<CaseFailure>,
    /// Why it could not be run in full.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<CaseError>,
}

impl CaseReport {
    /// A case that ended so.
    pub fn new(
        file: String,
        why: Option<String>,
        failures: Vec<CaseFailure>,
        errors: Vec<CaseError>,
    ) -> Self {
        let verdict = match (errors.is_empty(), failures.is_empty()) {
            (false, _) => CaseVerdict::Error,
            (true, false) => CaseVerdict::Fail,
            (true, true) => CaseVerdict::Pass,
        };
        Self { file, verdict, why, failures, errors }
    }
}

/// The cases in numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct CasesSummary {
    /// All.
    pub cases: usize,
    /// As expected.
    pub passed: usize,
    /// Not as expected.
    pub failed: usize,
    /// Not run in full.
    pub errors: usize,
}

/// All cases.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CasesReport {
    /// Version of the contract.
    pub version: &'static str,
    /// Who wrote it.
    pub tool: Tool,
    /// In numbers.
    pub summary: CasesSummary,
    /// The cases, in the order of the input.
    pub cases: Vec<CaseReport>,
}

impl CasesReport {
    /// The report of these cases.
    pub fn new(cases: Vec<CaseReport>) -> Self {
        let count = |verdict| cases.iter().filter(|case| case.verdict == verdict).count();
        let summary = CasesSummary {
            cases: cases.len(),
            passed: count(CaseVerdict::Pass),
            failed: count(CaseVerdict::Fail),
            errors: count(CaseVerdict::Error),
        };
        Self { version: "v1", tool: Tool { version: env!("CARGO_PKG_VERSION") }, summary, cases }
    }
}

/// Rows shown below what is not as expected.
const ROWS: usize = 5;

/// What a person reads: the cases that are not as expected, those that are too if `all`, and the numbers last.
pub fn cases_text(report: &CasesReport, all: bool, colour: Colour) -> String {
    let mut text = String::new();
    for case in &report.cases {
        let (word, tone) = match case.verdict {
            CaseVerdict::Pass if !all => continue,
            CaseVerdict::Pass => ("pass ", Tone::Green),
            CaseVerdict::Fail => ("FAIL ", Tone::BoldRed),
            CaseVerdict::Error => ("ERROR", Tone::Magenta),
        };
        text.push_str(&format!("{} {}", tone.paint(word, colour), visible_within(&case.file, IMAGE_LIMIT)));
        if let Some(why) = &case.why {
            let why = visible_within(why, MESSAGE_LIMIT);
            text.push_str(&format!("  {}", Tone::Dim.paint(&why, colour)));
        }
        text.push('\n');
        put_details(&mut text, case);
    }
    let CasesSummary { cases, passed, failed, errors } = report.summary;
    let mut parts = vec![format!("{passed} passed")];
    parts.extend((failed > 0).then(|| format!("{failed} failed")));
    parts.extend((errors > 0).then(|| format!("{errors} could not be run in full")));
    let tone = if failed + errors == 0 { Tone::Green } else { Tone::BoldRed };
    let cases = Counted(u32::try_from(cases).unwrap_or(u32::MAX), "case");
    text.push_str(&format!("{cases}: {}\n", tone.paint(&parts.join(", "), colour)));
    text
}

/// JUnit XML for CI systems: a test case a file. What is not as expected is a failure, what could not be run an error.
pub fn cases_junit(report: &CasesReport) -> String {
    let CasesSummary { cases, failed, errors, .. } = report.summary;
    let counts =
        format!("tests=\"{cases}\" failures=\"{failed}\" errors=\"{errors}\" skipped=\"0\" time=\"0\"");
    let mut text = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites name=\"revisor test\" {counts}>\n  \
         <testsuite name=\"revisor test\" {counts}>\n"
    );
    for case in &report.cases {
        let file = xml(&visible_within(&case.file, IMAGE_LIMIT));
        text.push_str(&format!(
            "    <testcase classname=\"revisor test\" name=\"{file}\" file=\"{file}\" time=\"0\""
        ));
        let outcome = match case.verdict {
            CaseVerdict::Pass => {
                text.push_str("/>\n");
                continue;
            }
            CaseVerdict::Fail => "failure",
            CaseVerdict::Error => "error",
        };
        let mut details = String::new();
        put_details(&mut details, case);
        let first = xml(details.lines().next().unwrap_or_default().trim());
        let details = xml(&details);
        text.push_str(&format!(
            ">\n      <{outcome} message=\"{first}\">{details}</{outcome}>\n    </testcase>\n"
        ));
    }
    text.push_str("  </testsuite>\n</testsuites>\n");
    text
}

/// Why a case could not be run in full, and what in it is not as expected.
fn put_details(text: &mut String, case: &CaseReport) {
    for error in &case.errors {
        let line = error.line.map(|line| format!("line {line}: ")).unwrap_or_default();
        text.push_str(&format!("      {line}{}\n", visible(&error.message)));
    }
    case.failures.iter().for_each(|failure| put_failure(text, failure, &case.file));
}

fn put_failure(text: &mut String, failure: &CaseFailure, file: &str) {
    let CaseFailure { check, expected, found, results } = failure;
    let (expected, found) = (visible_within(expected, IMAGE_LIMIT), visible_within(found, IMAGE_LIMIT));
    text.push_str(&format!("      {check}: expected {expected}, found {found}\n"));
    if found == Expected::Off.as_str() {
        text.push_str("        the policy does not put this rule in force\n");
    } else if results.is_empty() && *check != "canonical" {
        text.push_str("        nothing in the file is what this rule judges\n");
    }
    for row in results.iter().take(ROWS) {
        text.push_str(&format!("        {}\n", visible_within(&sentence(row, file), 2 * MESSAGE_LIMIT)));
    }
    if results.len() > ROWS {
        text.push_str(&format!("        and {} more\n", results.len() - ROWS));
    }
}

/// `Deployment/web in team-a, app, nginx:1.27: why (line 4)`.
fn sentence(row: &AuditResult, file: &str) -> String {
    let mut text = format!("{}/{}", row.subject.kind, row.subject.name);
    if let Some(namespace) = row.namespace.as_deref().filter(|name| *name != row.subject.name) {
        text.push_str(&format!(" in {namespace}"));
    }
    for part in [&row.container, &row.image].into_iter().flatten().filter(|part| !part.is_empty()) {
        text.push_str(&format!(", {part}"));
    }
    if let Some(message) = &row.message {
        text.push_str(&format!(": {message}"));
    }
    if let Some(permission) = &row.exemption {
        text.push_str(&format!("; permitted by {}", permission.name));
    }
    if let Some(source) = row.source.as_ref().filter(|source| source.file == file) {
        text.push_str(&format!(" (line {})", source.line));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::super::gather::Listed;
    use super::super::json::json;
    use super::super::testing::{World, report};
    use super::*;

    #[test]
    fn in_junit_a_file_is_a_test_and_its_text_is_data() {
        let error =
            |message: &str| CaseError { line: Some(2), reason: BAD_COMMENT, message: message.to_owned() };
        let failure = CaseFailure {
            check: "NoMutableTag",
            expected: "pass".to_owned(),
            found: "fail".to_owned(),
            results: Vec::new(),
        };
        let text = cases_junit(&CasesReport::new(vec![
            CaseReport::new("a.yaml".to_owned(), None, Vec::new(), Vec::new()),
            CaseReport::new("b<\".yaml".to_owned(), None, vec![failure], Vec::new()),
            CaseReport::new("c.yaml".to_owned(), None, Vec::new(), vec![error("]]></error>")]),
        ]));
        assert!(
            text.contains("<testsuites name=\"revisor test\" tests=\"3\" failures=\"1\" errors=\"1\""),
            "{text}"
        );
        assert!(text.contains("name=\"a.yaml\" file=\"a.yaml\" time=\"0\"/>"), "{text}");
        assert!(text.contains("name=\"b&lt;&quot;.yaml\""), "{text}");
        assert!(text.contains("<failure message=\"NoMutableTag: expected pass, found fail\">"), "{text}");
        assert!(text.contains("<error message=\"line 2: ]]&gt;&lt;/error&gt;\">"), "{text}");
    }

    fn failure(found: Expected, rows: usize) -> CaseFailure {
        let world = World::baseline().fail("team-a", "Deployment/web", "evil.test/x\u{1b}[2J:1");
        let row = report(&world.snapshot(), Listed::Findings, |_, _| {}).results.remove(0);
        CaseFailure {
            check: "TrustedRegistry",
            expected: "pass".into(),
            found: found.to_string(),
            results: vec![row; rows],
        }
    }

    fn cases() -> CasesReport {
        let error = CaseError { line: Some(2), reason: BAD_COMMENT, message: "no\u{1b}[2J".into() };
        let case = |file: &str, failures, errors| {
            CaseReport::new(file.into(), Some("why not".into()), failures, errors)
        };
        CasesReport::new(vec![
            case("deploy/web.yaml", vec![failure(Expected::Verdict(Shown::Fail), 7)], vec![]),
            case("b.yaml", vec![failure(Expected::Off, 0)], vec![error]),
            case("c.yaml", vec![], vec![]),
        ])
    }

    #[test]
    fn what_is_not_as_expected_is_told_with_what_was_found() {
        let row = "        Deployment/web in team-a, app, evil.test/x\\u{1b}[2J:1: evil.test/x\\u{1b}[2J is in none of \
                   the trusted repositories (line 12)\n";
        let text = cases_text(&cases(), false, Colour::Never);
        let lines: Vec<_> = text.lines().collect();
        assert_eq!(lines[0], "FAIL  deploy/web.yaml  why not");
        assert_eq!(lines[1], "      TrustedRegistry: expected pass, found fail");
        assert!(
            text.matches("Deployment/web in team-a").count() == ROWS && !text.contains('\u{1b}'),
            "{row}{text}"
        );
        assert_eq!(
            lines[2 + ROWS..],
            [
                "        and 2 more",
                "ERROR b.yaml  why not",
                "      line 2: no\\u{1b}[2J",
                "      TrustedRegistry: expected pass, found off",
                "        the policy does not put this rule in force",
                "3 cases: 1 passed, 1 failed, 1 could not be run in full",
            ]
        );
    }

    #[test]
    fn cases_that_pass_are_told_on_request() {
        assert!(cases_text(&cases(), true, Colour::Never).contains("\npass  c.yaml  why not\n"));
        let clean = CasesReport::new(vec![]);
        assert_eq!(cases_text(&clean, false, Colour::Never), "0 cases: 0 passed\n");
    }

    #[test]
    fn the_json_says_the_same() {
        let report = serde_json::from_str::<serde_json::Value>(&json(&cases()).unwrap()).unwrap();
        assert_eq!(report["summary"], serde_json::json!({"cases": 3, "passed": 1, "failed": 1, "errors": 1}));
        let case = &report["cases"][1];
        assert_eq!((&case["verdict"], &case["failures"][0]["found"]), (&"error".into(), &"off".into()));
        assert_eq!(case["errors"][0]["reason"], "BadComment");
        assert!(report["cases"][2].get("failures").is_none());
    }
}
