//! A former report, beside which only new findings count: JSON of `revisor audit`, or its SARIF.
//!
//! A finding is known by its id, which is that of its rule and subject. A violation that could not be decided then is
//! new: nobody has seen it yet. What was permitted then is new too, once the permission has ended.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;

use super::result::{AuditReport, Compared, Shown};

/// The findings of a former report.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Baseline {
    /// By id: whether it was a violation, or else undecided.
    findings: BTreeMap<String, bool>,
    /// It was of a part of the input only.
    pub is_incomplete: bool,
}

/// Either form. What a report has beside this does not matter.
#[derive(Deserialize)]
struct Former {
    version: Option<String>,
    results: Option<Vec<Row>>,
    #[serde(default)]
    summary: FormerSummary,
    runs: Option<Vec<Run>>,
}

#[derive(Default, Deserialize)]
struct FormerSummary {
    #[serde(default)]
    incomplete: bool,
}

#[derive(Deserialize)]
struct Row {
    id: String,
    verdict: String,
}

#[derive(Deserialize)]
struct Run {
    tool: RunTool,
    #[serde(default)]
    invocations: Vec<Invocation>,
    #[serde(default)]
    results: Option<Vec<SarifResult>>,
}

#[derive(Deserialize)]
struct RunTool {
    driver: Driver,
}

#[derive(Deserialize)]
struct Driver {
    name: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Invocation {
    execution_successful: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct SarifResult {
    #[serde(default)]
    kind: Option<String>,
    #[serde(default)]
    baseline_state: Option<String>,
    #[serde(default)]
    partial_fingerprints: BTreeMap<String, String>,
    #[serde(default)]
    suppressions: Option<Vec<serde::de::IgnoredAny>>,
}

impl Baseline {
    /// Reads a report. The error says what is wrong with it.
    pub fn read(text: &str) -> Result<Self, String> {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let former: Former = serde_json::from_str(text)
            .map_err(|error| format!("expected a report of `revisor audit`, as JSON or SARIF: {error}"))?;
        match (former.runs, former.results, former.version.as_deref()) {
            (Some(runs), _, Some("2.1.0")) => Self::of_sarif(runs),
            (Some(_), _, version) => Err(format!("expected SARIF 2.1.0, found {}", shown(version))),
            (None, Some(rows), Some("v1")) => Ok(Self::of_rows(rows, former.summary.incomplete)),
            (None, Some(_), version) => {
                Err(format!("expected a report of version \"v1\", found {}", shown(version)))
            }
            (None, None, _) => {
                Err("expected a report of `revisor audit`: it has neither results nor runs".to_owned())
            }
        }
    }

    fn of_rows(rows: Vec<Row>, is_incomplete: bool) -> Self {
        let mut baseline = Self { is_incomplete, ..Self::default() };
        for row in rows {
            match &*row.verdict {
                "fail" => baseline.add(row.id, true),
                "unknown" => baseline.add(row.id, false),
                _ => {}
            }
        }
        baseline
    }

    fn of_sarif(runs: Vec<Run>) -> Result<Self, String> {
        let mut baseline = Self::default();
        for run in runs {
            let name = run.tool.driver.name;
            if !name.eq_ignore_ascii_case("revisor") {
                return Err(format!("expected SARIF of Revisor, found one of {}", shown(Some(&name))));
            }
            baseline.is_incomplete |= run.invocations.iter().any(|it| !it.execution_successful);
            for result in run.results.into_iter().flatten() {
                let is_permitted = result.suppressions.is_some_and(|suppressions| !suppressions.is_empty());
                let is_over = result.baseline_state.as_deref() == Some("absent");
                let is_violation = match result.kind.as_deref() {
                    None | Some("fail") => true,
                    Some("open" | "review") => false,
                    Some(_) => continue,
                };
                let is_ours = |name: &String| name.starts_with("revisor");
                let id = result.partial_fingerprints.into_iter().find(|(name, _)| is_ours(name));
                match id {
                    _ if is_permitted || is_over => {}
                    Some((_, id)) => baseline.add(id, is_violation),
                    None => return Err("a result without Revisor's id (partialFingerprints)".to_owned()),
                }
            }
        }
        Ok(baseline)
    }

    fn add(&mut self, id: String, is_violation: bool) {
        *self.findings.entry(id).or_default() |= is_violation;
    }

    fn knows(&self, id: &str, verdict: Shown) -> bool {
        let known = self.findings.get(id);
        match verdict {
            Shown::Fail => known == Some(&true),
            _ => known.is_some(),
        }
    }

    /// Marks what is new in the report, and counts.
    pub fn compare(&self, report: &mut AuditReport) {
        let (mut new, mut known) = (BTreeSet::new(), BTreeSet::new());
        for row in report.results.iter_mut().filter(|row| row.verdict.is_finding()) {
            row.is_new = !self.knows(&row.id, row.verdict);
            if row.is_new { &mut new } else { &mut known }.insert(&*row.id);
        }
        let count = |number: usize| u64::try_from(number).unwrap_or(u64::MAX);
        let is_gone = |id: &&String| !new.contains(&***id) && !known.contains(&***id);
        let gone = self.findings.keys().filter(is_gone).count();
        // A finding that is new under one policy is new.
        let known = known.difference(&new).count();
        report.summary.baseline =
            Some(Compared { new: count(new.len()), known: count(known), gone: count(gone) });
    }
}

fn shown(text: Option<&str>) -> String {
    match text {
        Some(text) => format!("{:?}", text.chars().take(32).collect::<String>()),
        None => "none".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::columns::Colour;
    use super::super::csv::csv;
    use super::super::gather::Listed;
    use super::super::html::html;
    use super::super::json::json;
    use super::super::junit::junit;
    use super::super::markdown::markdown;
    use super::super::sarif::sarif;
    use super::super::table::table;
    use super::super::testing::{World, image_subject, report};
    use super::*;
    use crate::auditor::findings::{State, Subject};
    use crate::verdict::Severity;

    fn subject(name: &str) -> Subject {
        image_subject("a", name, "app", "evil.test/x:1")
    }

    fn rows(states: &[(&str, State)]) -> AuditReport {
        let world =
            states.iter().fold(World::baseline(), |world, (name, state)| world.on(0, subject(name), *state));
        report(&world.snapshot(), Listed::All, |_, _| {})
    }

    fn before() -> AuditReport {
        rows(&[
            ("Pod/fail", State::Fail),
            ("Pod/gone", State::Fail),
            ("Pod/unknown", State::Unknown),
            ("Pod/decided", State::Unknown),
            ("Pod/permitted", State::Exempt(0)),
        ])
    }

    fn after() -> AuditReport {
        rows(&[
            ("Pod/fail", State::Fail),
            ("Pod/unknown", State::Unknown),
            ("Pod/decided", State::Fail),
            ("Pod/permitted", State::Fail),
            ("Pod/new", State::Fail),
            ("Pod/newly-permitted", State::Exempt(0)),
        ])
    }

    fn of_both(report: &AuditReport) -> [Baseline; 2] {
        let texts = [json(report).unwrap(), sarif(report, None).to_string()];
        texts.map(|text| Baseline::read(&text).unwrap_or_else(|error| panic!("{error}: {text}")))
    }

    #[test]
    fn only_what_is_not_in_the_former_report_is_new_be_it_json_or_sarif() {
        for baseline in of_both(&before()) {
            let mut report = after();
            baseline.compare(&mut report);
            let new: Vec<_> =
                report.results.iter().filter(|row| row.is_new).map(|row| &*row.subject.name).collect();
            assert_eq!(new, ["decided", "new", "permitted"]);
            assert_eq!(report.summary.baseline, Some(Compared { new: 3, known: 2, gone: 1 }));
            assert!(report.has_new_fail(Severity::Critical) && !report.has_new_unknown());
            let mut same = before();
            baseline.compare(&mut same);
            assert!(same.has_fail(Severity::Low) && !same.has_new_fail(Severity::Info));
            assert_eq!(same.summary.baseline, Some(Compared { new: 0, known: 4, gone: 0 }));
        }
    }

    #[test]
    fn every_output_marks_what_is_new() {
        let mut report = after();
        let [baseline, _] = of_both(&before());
        baseline.compare(&mut report);
        let text = table(&report, Colour::Never, None);
        assert_eq!(text.matches("\n  + critical").count(), 3, "{text}");
        assert_eq!(text.matches("\n    critical").count(), 1, "{text}");
        assert!(
            text.contains("\nBeside the baseline: 3 new, 2 known, 1 gone (new ones are marked +)\n"),
            "{text}"
        );
        let page = markdown(&report);
        assert!(page.matches("| **new** critical |").count() == 3 && page.contains("3 new, 2 known, 1 gone"));
        let page = html(&report);
        assert_eq!(page.matches("data-baseline=\"new\"").count(), 3, "{page}");
        assert_eq!(page.matches("<b class=\"new\">new</b>").count(), 3);
        assert!(page.contains("<select name=\"baseline\">") && page.contains("3 new, 2 known, 1 gone"));
        assert!(!html(&after()).contains("<select name=\"baseline\">"));
        let ends = |text: &str, word: &str| text.lines().filter(|line| line.ends_with(word)).count();
        let records = csv(&report);
        assert_eq!((ends(&records, ",new"), ends(&records, ",known")), (3, 2), "{records}");
        let rows = serde_json::from_str::<serde_json::Value>(&json(&report).unwrap()).unwrap();
        assert_eq!(rows["summary"]["baseline"]["gone"], 1);
        assert_eq!(rows["results"].as_array().unwrap().iter().filter(|row| row["new"] == true).count(), 3);
        let log = sarif(&report, None).to_string();
        assert_eq!(log.matches("\"baselineState\":\"new\"").count(), 3);
        assert_eq!(log.matches("\"baselineState\":\"unchanged\"").count(), 2);
        let again = Baseline::read(&log).unwrap();
        assert_eq!(again, Baseline::read(&sarif(&after(), None).to_string()).unwrap());
        assert!(!table(&after(), Colour::Never, None).contains("baseline:"));
    }

    #[test]
    fn in_junit_what_is_known_is_no_failure_where_only_new_findings_count() {
        let mut report = after();
        of_both(&before())[0].compare(&mut report);
        let [all, new] = [false, true].map(|only_new| junit(&report, only_new));
        assert_eq!(all.matches("<failure message=\"new: ").count(), 3, "{all}");
        assert_eq!(all.matches("<failure message=\"known: ").count(), 1, "{all}");
        assert_eq!(new.matches("<failure message=\"new: ").count(), 3, "{new}");
        assert_eq!(new.matches("<skipped message=\"in the baseline, so not counted: ").count(), 2, "{new}");
        assert!(
            new.contains("failures=\"3\" errors=\"0\" skipped=\"3\"") && !new.contains("known: "),
            "{new}"
        );
    }

    #[test]
    fn a_report_of_a_part_says_so() {
        let mut report = before();
        report.summary.incomplete = true;
        assert!(of_both(&report).iter().all(|baseline| baseline.is_incomplete));
        assert!(of_both(&before()).iter().all(|baseline| !baseline.is_incomplete));
    }

    #[test]
    fn what_cannot_be_compared_is_refused_with_what_is_wrong() {
        let run = |name: &str, result: &str| {
            format!(
                r#"{{"version": "2.1.0", "runs": [{{"tool": {{"driver": {{"name": "{name}"}}}}, "results": [{result}]}}]}}"#
            )
        };
        for (text, words) in [
            ("", "expected a report of `revisor audit`"),
            ("[]", "expected a report of `revisor audit`"),
            ("{}", "neither results nor runs"),
            (r#"{"version": "v2", "results": []}"#, "expected a report of version \"v1\", found \"v2\""),
            (r#"{"results": []}"#, "found none"),
            (r#"{"version": "v1", "results": [{"rule": "x"}]}"#, "missing field"),
            (r#"{"version": "2.2.0", "runs": []}"#, "expected SARIF 2.1.0, found \"2.2.0\""),
            (&run("Other", ""), "found one of \"Other\""),
            (&run("Revisor", r#"{"ruleId": "x"}"#), "without Revisor's id"),
        ] {
            let error = Baseline::read(text).unwrap_err();
            assert!(error.contains(words), "{text}: {error}");
        }
    }
}
