//! Every worked case of `tests/cases` (and of `../shared/cases`, where that folder is) through `revisor audit`.
//!
//! A case is one file of objects, the whole of a cluster. Its comments say what is expected:
//! `# expect: Rule=verdict ...`; `# params:` JSON by rule id (the rule's settings), with `scope` for the
//! policy's scope and `now` for the instant; `# canonical:` the canonical reference of its image.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test ends where it fails")]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use revisor::rules::RuleId;
use serde_json::{Map, Value, json};

struct Case {
    path: PathBuf,
    expect: BTreeMap<String, String>,
    params: Map<String, Value>,
    canonical: Option<String>,
}

impl Case {
    fn read(path: &Path) -> Self {
        let text = fs::read_to_string(path).unwrap();
        let comment = |name: &str| {
            let prefix = format!("# {name}:");
            text.lines().find_map(|line| line.strip_prefix(&prefix)).map(str::trim)
        };
        let expect = comment("expect").unwrap_or_else(|| panic!("{}: no `# expect:`", path.display()));
        let expect = expect.split_whitespace().map(|word| {
            let (rule, verdict) =
                word.split_once('=').unwrap_or_else(|| panic!("{}: {word}", path.display()));
            assert!(rank(verdict).is_some(), "{}: {word}", path.display());
            (rule.to_owned(), verdict.to_owned())
        });
        let params =
            comment("params").map(|params| serde_json::from_str(params).unwrap()).unwrap_or_default();
        Self {
            path: path.to_owned(),
            expect: expect.collect(),
            params,
            canonical: comment("canonical").map(str::to_owned),
        }
    }

    /// The policy with the rules of the case that this version has.
    fn policy(&self, rules: &[RuleId]) -> Value {
        let settings = rules.iter().map(|rule| {
            let settings = self.params.get(rule.as_str()).cloned().unwrap_or_else(|| json!({}));
            (rule.entry().key.to_owned(), settings)
        });
        let mut spec = json!({"rules": settings.collect::<Map<_, _>>()});
        if let Some(scope) = self.params.get("scope") {
            spec["scope"] = scope.clone();
        }
        json!({"apiVersion": "revisor.dev/v1alpha1", "kind": "ImagePolicy", "metadata": {"name": "case"}, "spec": spec})
    }

    /// Audits the case and returns what is not as expected.
    fn run(&self, rules: &[RuleId], folder: &Path) -> Vec<String> {
        let name = self.path.file_stem().unwrap().to_string_lossy();
        let policy = folder.join(format!("{name}.policy.json"));
        fs::write(&policy, self.policy(rules).to_string()).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_revisor"));
        command.args(["audit", "--complete", "--verdicts", "all", "--output", "json", "--policy"]);
        command.arg(&policy).arg(&self.path).env_remove("REVISOR_OUTPUT").env_remove("REVISOR_FAIL_ON");
        if let Some(now) = self.params.get("now").and_then(Value::as_str) {
            command.args(["--now", now]);
        }
        let output = command.output().unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr);
        if !matches!(output.status.code(), Some(0 | 1)) {
            return vec![format!("{name}: exit {:?}: {stderr}", output.status.code())];
        }
        let report: Value = serde_json::from_slice(&output.stdout).unwrap();
        let results = report["results"].as_array().unwrap();
        let mut wrong = Vec::new();
        for rule in rules {
            let verdict = worst(results, rule.as_str());
            let expected = &self.expect[rule.as_str()];
            if verdict != expected {
                let told = results.iter().filter(|result| result["rule"] == rule.as_str());
                let told = told.map(|result| format!("\n    {result}")).collect::<String>();
                wrong.push(format!("{name}: {rule}: expected {expected}, found {verdict}{told}"));
            }
        }
        if let Some(canonical) = &self.canonical {
            let of_containers = results.iter().filter(|result| result["slot"] == "container");
            let found = of_containers
                .map(|result| result["canonical"].as_str().unwrap_or("none"))
                .collect::<Vec<_>>();
            if found.is_empty() || found.iter().any(|found| found != canonical) {
                wrong.push(format!("{name}: canonical: expected {canonical}, found {found:?}"));
            }
        }
        wrong
    }
}

fn rank(verdict: &str) -> Option<usize> {
    ["na", "pass", "exempt", "unknown", "fail"].iter().position(|known| *known == verdict)
}

/// The worst verdict of a rule; without any, it did not apply.
fn worst<'r>(results: &'r [Value], rule: &str) -> &'r str {
    let verdicts = results
        .iter()
        .filter(|result| result["rule"] == rule)
        .filter_map(|result| result["verdict"].as_str());
    verdicts.max_by_key(|verdict| rank(verdict).unwrap_or(usize::MAX)).unwrap_or("na")
}

fn files(folder: &Path, found: &mut BTreeMap<String, PathBuf>) {
    for entry in fs::read_dir(folder).into_iter().flatten() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "yaml") {
            // A case stands in both folders: the shared one, read last, is what counts.
            found.insert(path.file_name().unwrap().to_string_lossy().into_owned(), path);
        }
    }
}

#[test]
fn every_case_gives_the_verdicts_it_expects() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut found = BTreeMap::new();
    files(&root.join("tests/cases"), &mut found);
    files(&root.join("../shared/cases"), &mut found);
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("cases");
    fs::create_dir_all(&folder).unwrap();
    let (mut ran, mut skipped, mut wrong) = (0, Vec::new(), Vec::new());
    for (name, path) in &found {
        let case = Case::read(path);
        let rules = case.expect.keys().filter_map(|rule| RuleId::named(rule)).collect::<Vec<_>>();
        let unknown = case.expect.keys().filter(|rule| RuleId::named(rule).is_none()).cloned();
        skipped.extend(unknown.map(|rule| format!("{name}: {rule}")));
        if !rules.is_empty() {
            ran += 1;
            wrong.extend(case.run(&rules, &folder));
        }
    }
    println!("{ran} of {} cases ran; no such rule yet: {skipped:#?}", found.len());
    assert!(ran > 0, "no case ran");
    assert!(wrong.is_empty(), "{} of {ran} cases:\n{}", wrong.len(), wrong.join("\n"));
}
