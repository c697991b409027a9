//! What `--output sarif` writes keeps the public schema of SARIF 2.1.0.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;

use jsonschema::Validator;
use serde_json::{Value, json};

use super::harness::{CLEAN, POLICY, Ran, bad_pod, folder, pipe, run};

/// The schema, formats included.
static SCHEMA: LazyLock<Validator> = LazyLock::new(|| {
    let mut schema: Value = serde_json::from_str(&fs::read_to_string(schema_file()).unwrap()).unwrap();
    // The pattern of languages has a bracket too many, and is no regular expression. Revisor names no language.
    for part in ["run", "toolComponent"] {
        let language = &mut schema["definitions"][part]["properties"]["language"];
        language.as_object_mut().unwrap().remove("pattern");
    }
    jsonschema::draft7::options().should_validate_formats(true).build(&schema).unwrap()
});

/// Where cargo keeps the crate that has the schema in it. Cargo.toml says why nothing compiles it.
fn schema_file() -> PathBuf {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo"));
    let mut metadata = Command::new(cargo);
    metadata.args(["metadata", "--locked", "--format-version", "1"]).current_dir(env!("CARGO_MANIFEST_DIR"));
    let output = metadata.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    let packages = metadata["packages"].as_array().unwrap();
    let package = packages.iter().find(|package| package["name"] == "serde-sarif").unwrap();
    let manifest = package["manifest_path"].as_str().unwrap();
    Path::new(manifest).with_file_name("src").join("schema.json")
}

/// Where and how a log departs from the schema.
fn departures(log: &Value) -> Vec<String> {
    SCHEMA.iter_errors(log).map(|error| format!("{}: {error}", error.instance_path())).collect()
}

/// The results of a log that keeps the schema.
fn results(ran: &Ran) -> Vec<Value> {
    let log = ran.json();
    let departures = departures(&log);
    assert!(departures.is_empty(), "{departures:#?}");
    log["runs"][0]["results"].as_array().unwrap().clone()
}

/// The values of one member of all results, each once.
fn all(results: &[Value], pointer: &str) -> Vec<String> {
    let mut values: Vec<_> =
        results.iter().filter_map(|result| result.pointer(pointer)).map(ToString::to_string).collect();
    values.sort();
    values.dedup();
    values
}

#[test]
fn the_schema_refuses_what_is_not_sarif() {
    let folder = folder("sarif-refused", &[("a.yaml", &bad_pod("a")), ("policy.yaml", POLICY)]);
    let log = run(&folder, &["audit", "a.yaml", "policy.yaml", "-o", "sarif"]).json();
    for (pointer, value) in [
        ("/version", json!("2.0.0")),
        ("/$schema", json!("no uri")),
        ("/runs/0/tool/driver", json!({"name": "Revisor", "colour": "red"})),
        ("/runs/0/results/0/message", json!({})),
        ("/runs/0/results/0/level", json!("high")),
        ("/runs/0/results/0/locations/0/physicalLocation/region/startLine", json!(0)),
        ("/runs/0/results/0/locations/0/physicalLocation/artifactLocation/uri", json!("a file")),
        ("/runs/0/results/0/ruleIndex", json!(-2)),
    ] {
        let mut wrong = log.clone();
        *wrong.pointer_mut(pointer).unwrap_or_else(|| panic!("{pointer}: {log}")) = value;
        assert!(!departures(&wrong).is_empty(), "{pointer}");
    }
}

#[test]
fn a_log_without_results_keeps_the_schema() {
    let folder = folder("sarif-clean", &[("a.yaml", CLEAN), ("policy.yaml", POLICY)]);
    let ran = run(&folder, &["audit", "a.yaml", "policy.yaml", "-o", "sarif"]);
    assert_eq!((ran.code, results(&ran)), (0, vec![]));
}

#[test]
fn a_log_of_many_rules_keeps_the_schema() {
    let policy = "apiVersion: revisor.dev/v1alpha1\nkind: ImagePolicy\nmetadata: {name: strict}\n\
                  spec: {profile: {name: Strict, version: v1}}\n";
    let text = format!("{}---\napiVersion: v1\nkind: Namespace\nmetadata: {{name: team-a}}\n", bad_pod("a"));
    let folder = folder("sarif-many", &[("a.yaml", &text), ("policy.yaml", policy)]);
    let ran =
        run(&folder, &["audit", "a.yaml", "policy.yaml", "--complete", "-o", "sarif", "--verdicts", "all"]);
    let results = results(&ran);
    assert!(all(&results, "/ruleId").len() > 10, "{:?}", all(&results, "/ruleId"));
}

#[test]
fn permitted_results_and_states_against_a_baseline_keep_the_schema() {
    let exemptions = "  exemptions:\n  - {name: old, rules: [TrustedRegistry], workloads: [Pod/old], \
                      expiresAt: '2031-01-31T00:00:00Z', ticket: OPS-7, reason: 'agreed = \"yes\"'}\n";
    let policy = format!("{POLICY}{exemptions}");
    let files = [("a.yaml", &*bad_pod("known")), ("old.yaml", &*bad_pod("old")), ("policy.yaml", &*policy)];
    let folder = folder("sarif-baseline", &files);
    let audit = |more: &[&str]| {
        run(
            &folder,
            &[&["audit", ".", "--policy", "policy.yaml", "--now", "2026-11-25T10:00:00Z"], more].concat(),
        )
    };
    assert_eq!(audit(&["-o", "json=baseline.json"]).code, 1);
    fs::write(folder.join("b.yaml"), bad_pod("new")).unwrap();
    let ran = audit(&["-o", "sarif", "--baseline", "baseline.json"]);
    let results = results(&ran);
    assert_eq!(all(&results, "/baselineState"), ["\"new\"", "\"unchanged\""], "{}", ran.err);
    assert_eq!(all(&results, "/suppressions/0/status"), ["\"accepted\""]);
}

#[test]
fn input_that_cannot_be_read_and_names_of_every_kind_keep_the_schema() {
    let strange = CLEAN
        .replace("name: web", "name: \"b\\u202Eäß 漢字\\u0000\"")
        .replace("'registry.example.com/app:1.2.3'", "\"evil.test/\\u001b[31m äöü:latest\"");
    let text = format!("{strange}---\nkind: [Pod\n---\n{}", bad_pod("two"));
    let files = [("ä b/%20#?.yaml", &*text), ("policy.yaml", POLICY)];
    let folder = folder("sarif-strange", &files);
    let ran = run(&folder, &["audit", ".", "--policy", "policy.yaml", "-o", "sarif"]);
    assert_eq!(ran.code, 2, "{}", ran.err);
    assert_eq!(ran.json()["runs"][0]["invocations"][0]["executionSuccessful"], false);
    let uris = all(&results(&ran), "/locations/0/physicalLocation/artifactLocation/uri");
    assert_eq!(uris, ["\"%C3%A4%20b/%2520%23%3F.yaml\""]);
    let piped = pipe(&folder, &["audit", "-", "--policy", "policy.yaml", "-o", "sarif"], &bad_pod("p"));
    assert_eq!(all(&results(&piped), "/locations/0/physicalLocation/artifactLocation/uri"), ["\"stdin\""]);
}
