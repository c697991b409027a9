//! One case through the engine: what it finds beside what the case expects.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::{self, ScopedJoinHandle};

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::case::Case;
use crate::auditor::Auditor;
use crate::auditor::audit::{Judgement, Wanted};
use crate::auditor::findings::Subject;
use crate::decode::manifest::{ManifestError, Reader};
use crate::decode::{Change, PolicyRecord, Source};
use crate::policy::compile::{CompiledPolicy, Problem};
use crate::report::cases::{BAD_INPUT, BAD_SETTING, CaseError, CaseFailure, CaseReport, Expected};
use crate::report::gather::{Gathering, Listed};
use crate::report::result::{AuditReport, AuditResult, Shown};
use crate::rules::RuleId;
use crate::subject::pod::Slot;

/// Runs the case in `text`. Without a policy, the rules that it expects are in force, with its own settings.
pub(super) fn trial(file: &str, text: &str, policy: Option<&PolicyRecord>, now: Timestamp) -> CaseReport {
    let mut case = Case::read(text);
    let now = case.now.unwrap_or(now);
    let why = case.why.take();
    let mut errors = std::mem::take(&mut case.errors);
    let mut auditor = Auditor::over_input(true);
    let mut records = read(file, text, now, &mut auditor, &mut errors);
    records.push(asked(&case, policy, &records));
    let aside = case.canonical.is_some().then(|| aside(&records));
    let aside_name = aside.as_ref().map(|record| record.name.clone());
    for record in &records {
        let compiled = CompiledPolicy::compile(record);
        // Whoever names no policy may switch off the only rule of the case.
        let is_own = policy.is_none() && record.source.is_none();
        let counts = |problem: &&Problem| !(is_own && problem.field == "spec.rules");
        errors.extend(compiled.problems.iter().filter(counts).map(|problem| unusable(record, problem)));
    }
    for record in records.into_iter().chain(aside) {
        auditor.apply(Change::Policy(record), now);
    }
    let is_aside = |policy: &CompiledPolicy| aside_name.as_deref() == Some(&*policy.name);

    let (mut gathering, mut first) = (Gathering::new(Listed::All), None);
    auditor.audit(now, Wanted::All, &mut |judgement| match is_aside(judgement.policy) {
        true => take_first(&mut first, judgement),
        false => gathering.tell(judgement),
    });
    let seen = auditor.snapshot(now).seen;
    let report = gathering.report(now, auditor.policies(), &seen);
    let mut failures = Vec::new();
    for (rule, expected) in &case.expect {
        let mut asked = auditor.policies().iter().filter(|policy| !is_aside(policy));
        let is_on = asked.any(|policy| policy.rule(*rule).is_some());
        if !is_on && !errors.is_empty() {
            // The error is why it is not in force.
            continue;
        }
        // Whoever names no policy asks about rules; there what is switched off does not apply.
        let is_off = !is_on && (policy.is_some() || *expected == Expected::Off);
        failures.extend(failure(&report, *rule, *expected, is_off));
    }
    failures.extend(case.canonical.as_deref().and_then(|expected| canonical(expected, first)));
    CaseReport::new(file.to_owned(), why, failures, errors)
}

/// Tells the auditor the objects of the case, and returns its policies.
fn read(
    file: &str,
    text: &str,
    now: Timestamp,
    auditor: &mut Auditor,
    errors: &mut Vec<CaseError>,
) -> Vec<PolicyRecord> {
    let mut records = Vec::new();
    let mut reader = Reader::new("default");
    reader.read(file.into(), text, &mut |change| match change {
        Change::Policy(record) => records.push(record),
        change => auditor.apply(change, now),
    });
    let unreadable = |error: &ManifestError| CaseError {
        line: Some(error.line),
        reason: BAD_INPUT,
        message: error.message.clone(),
    };
    errors.extend(reader.errors.iter().map(unreadable));
    if reader.objects == 0 && reader.errors.is_empty() {
        let message = "no Kubernetes objects in it".to_owned();
        errors.push(CaseError { line: None, reason: BAD_INPUT, message });
    }
    records
}

/// The policy that the case asks for: the one that is given, with the case's settings over its own.
fn asked(case: &Case, policy: Option<&PolicyRecord>, beside: &[PolicyRecord]) -> PolicyRecord {
    let mut record = policy.cloned().unwrap_or_else(|| record("case", json!({})));
    while beside.iter().any(|other| other.name == record.name) {
        // A policy among the objects is one of its own, whatever its name.
        record.name = format!("{}-case", record.name).into();
    }
    let Some(spec) = record.spec.as_object_mut() else { return record };
    if let Some(scope) = &case.scope {
        spec.insert("scope".to_owned(), scope.clone());
    }
    let Value::Object(rules) = spec.entry("rules").or_insert_with(|| json!({})) else { return record };
    if policy.is_none() {
        case.expect.keys().for_each(|rule| set(rules, *rule, &json!({})));
    }
    case.settings.iter().for_each(|(rule, settings)| set(rules, *rule, settings));
    record
}

/// A policy that makes the engine tell of every image, whatever the case's own policy asks; its verdicts do not count.
fn aside(beside: &[PolicyRecord]) -> PolicyRecord {
    let mut name = "canonical".to_owned();
    while beside.iter().any(|other| *other.name == *name) {
        name.push_str("-case");
    }
    record(&name, json!({"rules": {"validReference": {}}}))
}

fn record(name: &str, spec: Value) -> PolicyRecord {
    PolicyRecord {
        name: name.into(),
        uid: Box::default(),
        generation: 0,
        observed_generation: 0,
        spec,
        source: None,
    }
}

/// Sets a rule's settings, field by field over those that are there. What is no settings replaces them, to be told.
fn set(rules: &mut Map<String, Value>, rule: RuleId, settings: &Value) {
    match (rules.entry(rule.entry().key).or_insert_with(|| json!({})), settings) {
        (Value::Object(known), Value::Object(settings)) => known.extend(settings.clone()),
        (known, other) => *known = other.clone(),
    }
}

fn unusable(record: &PolicyRecord, problem: &Problem) -> CaseError {
    let line = record.source.as_ref().map(|source| source.line);
    let message = format!("{}: {}", problem.field, problem.message);
    match line {
        Some(_) => CaseError {
            line,
            reason: BAD_SETTING,
            message: format!("ImagePolicy {}: {message}", record.name),
        },
        None => CaseError { line, reason: BAD_SETTING, message: format!("`# params:`: {message}") },
    }
}

fn failure(report: &AuditReport, rule: RuleId, expected: Expected, is_off: bool) -> Option<CaseFailure> {
    let rows = || report.results.iter().filter(|row| row.rule == rule.as_str());
    // The worst verdict is the least one; without any, the rule has nothing to judge.
    let worst = rows().map(|row| row.verdict).min();
    let found = if is_off { Expected::Off } else { Expected::Verdict(worst.unwrap_or(Shown::Na)) };
    (found != expected).then(|| CaseFailure {
        check: rule.as_str(),
        expected: expected.to_string(),
        found: found.to_string(),
        results: rows().filter(|row| Some(row.verdict) == worst).cloned().collect::<Vec<AuditResult>>(),
    })
}

/// The first container of the input: where its object stands, its place there, and its image's canonical reference.
type First = (Option<Source>, Option<u16>, Option<String>);

fn take_first(first: &mut Option<First>, judgement: &Judgement<'_>) {
    let (Subject::Workload(at), Some(image_use)) = (judgement.subject, judgement.subject.image_use()) else {
        return;
    };
    let is_earlier =
        |(source, place, _): &First| (judgement.source, at.image_use) < (source.as_ref(), *place);
    if image_use.slot == Slot::Container && first.as_ref().is_none_or(is_earlier) {
        let canonical =
            image_use.image.reference.as_ref().ok().map(|reference| reference.canonical().to_owned());
        *first = Some((judgement.source.cloned(), at.image_use, canonical));
    }
}

fn canonical(expected: &str, first: Option<First>) -> Option<CaseFailure> {
    let found = match first {
        Some((.., Some(canonical))) => canonical,
        Some((.., None)) => "none".to_owned(),
        None => "no container".to_owned(),
    };
    (found != expected).then(|| CaseFailure {
        check: "canonical",
        expected: expected.to_owned(),
        found,
        results: Vec::new(),
    })
}

/// Runs every case, on every processor; the reports come in the order of the cases.
pub(super) fn trials(
    cases: &[(Arc<str>, String)],
    policy: Option<&PolicyRecord>,
    now: Timestamp,
) -> Vec<CaseReport> {
    let threads = thread::available_parallelism().map_or(1, usize::from).min(cases.len()).max(1);
    let next = AtomicUsize::new(0);
    let take = || next.fetch_add(1, Ordering::Relaxed);
    let work = || {
        let mut done = Vec::new();
        let mut index = take();
        while let Some((file, text)) = cases.get(index) {
            done.push((index, trial(file, text, policy, now)));
            index = take();
        }
        done
    };
    let mut done: Vec<_> = thread::scope(|scope| {
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        let finished = workers.into_iter().map(ScopedJoinHandle::join);
        finished.flat_map(|done| done.unwrap_or_else(|panic| std::panic::resume_unwind(panic))).collect()
    });
    done.sort_by_key(|(index, _)| *index);
    done.into_iter().map(|(_, report)| report).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::cases::CaseVerdict;

    const PODS: &str = "apiVersion: v1\nkind: Pod\nmetadata: {name: web, namespace: team-a}\nspec:\n  initContainers: \
                        [{name: i, image: 'Bad'}]\n  containers: [{name: a, image: nginx}, {name: b, image: 'x.test/b:1'}]\n";

    fn ran(comments: &str, spec: Option<Value>) -> CaseReport {
        let policy = spec.map(|spec| record("mine", spec));
        trial("case.yaml", &format!("{comments}\n{PODS}"), policy.as_ref(), Timestamp::UNIX_EPOCH)
    }

    fn wrong(report: &CaseReport) -> Vec<String> {
        let failure = |it: &CaseFailure| format!("{} {} {}", it.check, it.expected, it.found);
        let errors = report.errors.iter().map(|error| error.message.clone());
        report.failures.iter().map(failure).chain(errors).collect()
    }

    #[test]
    fn the_worst_verdict_counts_and_the_rows_that_gave_it_are_told() {
        let good = "# expect: NoMutableTag=fail ValidReference=fail DefaultDenyIngress=fail DigestSkew=na";
        assert_eq!(wrong(&ran(good, None)), [""; 0]);
        let report = ran("# expect: NoMutableTag=pass", None);
        assert_eq!(
            (report.verdict, wrong(&report)),
            (CaseVerdict::Fail, vec!["NoMutableTag pass fail".to_owned()])
        );
        let [row] = &*report.failures[0].results else { panic!("{report:?}") };
        assert_eq!(row.container.as_deref(), Some("a"));
    }

    #[test]
    fn settings_scope_and_instant_are_those_of_the_case() {
        let trusted = "# expect: TrustedRegistry=fail\n# params: {\"TrustedRegistry\": {\"allow\": [\"docker.io/**\", \
                       \"x.test\"]}}\n# params: {\"scope\": {\"excludeNamespaces\": [\"team-b\"]}}";
        assert_eq!(wrong(&ran(trusted, None)), [""; 0], "Bad is no reference");
        let scoped = trusted.replace("team-b", "team-a").replace("=fail", "=na");
        assert_eq!(wrong(&ran(&scoped, None)), [""; 0]);
        let bad = trusted.replace("allow", "alow");
        let told = wrong(&ran(&bad, None));
        assert!(told.iter().any(|it| it.starts_with("`# params:`: spec.rules.trustedRegistry")), "{told:?}");
        assert_eq!(
            ran("# expect: NoMutableTag=fail\n# params: {\"now\": \"soon\"}", None).verdict,
            CaseVerdict::Error
        );
    }

    #[test]
    fn with_a_policy_its_settings_count_and_those_of_the_case_override_them() {
        let spec = || {
            json!({
                "rules": {"noMutableTag": {"severity": "low"}, "requiredLabels": {"enabled": false}},
                "exemptions": [{"name": "e", "rules": ["NoMutableTag"], "namespaces": ["team-a"], "reason": "r",
                                "expiresAt": "1970-01-02T00:00:00Z"}]
            })
        };
        assert_eq!(
            wrong(&ran("# expect: NoMutableTag=exempt DigestPinned=off RequiredLabels=off", Some(spec()))),
            [""; 0]
        );
        assert_eq!(wrong(&ran("# expect: DigestPinned=na", Some(spec()))), ["DigestPinned na off"]);
        let later = "# expect: NoMutableTag=fail\n# params: {\"now\": \"1970-01-02T00:00:00Z\"}";
        assert_eq!(wrong(&ran(later, Some(spec()))), [""; 0]);
        let overridden = "# expect: NoMutableTag=off DigestPinned=fail\n# params: {\"NoMutableTag\": {\"enabled\": \
                          false}, \"DigestPinned\": {}}";
        assert_eq!(wrong(&ran(overridden, Some(spec()))), [""; 0]);
    }

    #[test]
    fn canonical_is_that_of_the_first_container_whatever_is_judged() {
        let nginx = "docker.io/library/nginx:latest";
        assert_eq!(
            wrong(&ran(&format!("# expect: DefaultDenyIngress=fail\n# canonical: {nginx}"), None)),
            [""; 0]
        );
        assert_eq!(
            wrong(&ran(
                "# expect: ValidReference=off\n# canonical: x",
                Some(json!({"rules": {"digestSkew": {}}}))
            )),
            [format!("canonical x {nginx}")]
        );
    }

    #[test]
    fn what_cannot_be_read_is_an_error_and_the_rest_is_judged() {
        let report = trial(
            "case.yaml",
            &format!("# expect: NoMutableTag=pass Nope=fail\n{PODS}---\nkind: [Pod\n"),
            None,
            Timestamp::UNIX_EPOCH,
        );
        assert_eq!(report.verdict, CaseVerdict::Error);
        assert_eq!((report.failures.len(), report.errors.len()), (1, 2), "{report:?}");
        let empty = trial("case.yaml", "# expect: NoMutableTag=na\n", None, Timestamp::UNIX_EPOCH);
        assert_eq!(wrong(&empty), ["no Kubernetes objects in it"]);
    }

    #[test]
    fn a_policy_among_the_objects_is_in_force_beside_the_one_asked_about() {
        let beside = "apiVersion: revisor.dev/v1alpha1\nkind: ImagePolicy\nmetadata: {name: mine}\nspec: {rules: {digestPinned: {}}}";
        let text = format!("# expect: DigestPinned=fail NoMutableTag=fail\n{PODS}---\n{beside}\n");
        let policy = record("mine", json!({"rules": {"noMutableTag": {}}}));
        let report = trial("case.yaml", &text, Some(&policy), Timestamp::UNIX_EPOCH);
        assert_eq!(wrong(&report), [""; 0]);
    }

    #[test]
    fn reports_come_in_the_order_of_the_cases() {
        let cases: Vec<(Arc<str>, String)> = (0..50)
            .map(|n| (format!("{n}").into(), format!("# expect: NoMutableTag=fail\n{PODS}")))
            .collect();
        let files: Vec<_> =
            trials(&cases, None, Timestamp::UNIX_EPOCH).into_iter().map(|it| it.file).collect();
        assert_eq!(files, (0..50).map(|n| n.to_string()).collect::<Vec<_>>());
    }
}
