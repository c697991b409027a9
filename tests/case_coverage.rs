//! Every rule has worked cases of its own under `tests/cases/<RuleId>/`, one a verdict at least: a rule without them
//! is a rule that nobody has tried.

#![expect(clippy::unwrap_used, reason = "a test ends where it fails")]

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use revisor::rules::RuleId;

/// The verdicts of the cases in the folder of a rule, for that rule.
fn verdicts(rule: &str) -> BTreeSet<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases").join(rule);
    let files = fs::read_dir(folder).into_iter().flatten().map(|entry| entry.unwrap().path());
    let expected = files.flat_map(|file| {
        let text = fs::read_to_string(file).unwrap();
        let line = text.lines().find_map(|line| line.strip_prefix("# expect:")).unwrap_or_default();
        line.split_whitespace().map(str::to_owned).collect::<Vec<_>>()
    });
    expected.filter_map(|word| Some(word.strip_prefix(rule)?.strip_prefix('=')?.to_owned())).collect()
}

#[test]
fn every_rule_has_a_case_of_every_verdict() {
    let mut missing = Vec::new();
    for rule in RuleId::all() {
        let found = verdicts(rule.as_str());
        for verdict in ["pass", "fail", "unknown", "na"] {
            if !found.contains(verdict) {
                missing.push(format!("tests/cases/{rule}/: no case with `# expect: {rule}={verdict}`"));
            }
        }
    }
    assert!(missing.is_empty(), "{}", missing.join("\n"));
}
