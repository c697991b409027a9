//! Every worked case of `tests/cases` (and of `../shared/cases`, where that folder is) through `revisor test`.
//!
//! A case is one file of objects, the whole of a cluster, whose comments say what is expected
//! (docs/testing-policies.md).

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test ends where it fails")]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

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

/// The report of `revisor test`, and its exit code.
fn run(more: &[&str], cases: &[&Path]) -> (Value, Option<i32>) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_revisor"));
    let output = command.args(["test", "--output", "json"]).args(more).args(cases).output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    let report = serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {stderr}"));
    (report, output.status.code())
}

fn of<'v>(value: &'v Value, field: &str) -> impl Iterator<Item = &'v Value> {
    value[field].as_array().into_iter().flatten()
}

#[test]
fn every_case_gives_the_verdicts_it_expects() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut found = BTreeMap::new();
    files(&root.join("tests/cases"), &mut found);
    files(&root.join("../shared/cases"), &mut found);
    let cases = found.values().map(PathBuf::as_path).collect::<Vec<_>>();
    let (report, _) = run(&[], &cases);
    let (mut skipped, mut wrong) = (Vec::new(), Vec::new());
    for case in of(&report, "cases") {
        let file = case["file"].as_str().unwrap_or_default();
        for error in of(case, "errors") {
            // A rule that this version does not have yet is named, and the others of its case count.
            let told = if error["reason"] == "UnknownRule" { &mut skipped } else { &mut wrong };
            told.push(format!("{file}: {}", error["message"]));
        }
        wrong.extend(of(case, "failures").map(|failure| format!("{file}: {failure:#}")));
    }
    assert_eq!(of(&report, "cases").count(), found.len(), "every file is a case");
    println!("{}; no such rule yet: {skipped:#?}", report["summary"]);
    assert!(report["summary"]["passed"].as_u64().is_some_and(|passed| passed > 0), "no case ran");
    assert!(wrong.is_empty(), "{} of {} cases:\n{}", wrong.len(), found.len(), wrong.join("\n"));
}

#[test]
fn the_example_of_the_documentation_passes_and_would_notice_a_weaker_policy() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/policy-tests");
    let (policy, cases) = (folder.join("policy.yaml"), folder.join("cases"));
    let (report, code) = run(&["--policy", policy.to_str().unwrap()], &[&cases]);
    assert_eq!((code, &report["summary"]["errors"]), (Some(0), &0.into()), "{report:#}");
    assert!(report["summary"]["passed"].as_u64().is_some_and(|passed| passed >= 3), "{report:#}");

    let weaker = Path::new(env!("CARGO_TARGET_TMPDIR")).join("weaker-policy.yaml");
    let text = fs::read_to_string(&policy).unwrap();
    let weak = text.replace(
        "trustedRegistry: {allow: [registry.example.com/**]",
        "trustedRegistry: {allow: [docker.io/**]",
    );
    assert_ne!(text, weak);
    fs::write(&weaker, weak).unwrap();
    let (report, code) = run(&["--policy", weaker.to_str().unwrap()], &[&cases]);
    assert!(code == Some(1) && report["summary"]["failed"] != 0, "{report:#}");
}
