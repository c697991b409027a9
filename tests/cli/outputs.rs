//! `revisor audit --output`: formats, files, and what goes to standard output.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::harness::{POLICY, bad_pod, command, folder, pipe, run};

/// A Deployment whose second container is bad, behind another document; `image:` stands on line 18.
const DEPLOYMENT: &str = "\
apiVersion: v1
kind: Namespace
metadata: {name: team-a}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: team-a}
spec:
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers:
      - name: app
        image: registry.example.com/app:1.2.3
      - name: side
        # not ours
        image: evil.test/side:1
        imagePullPolicy: Never
";

fn input(name: &str) -> PathBuf {
    let rules = "\n    pullPolicyAlways: {}\n    noMutableTag: {}\n";
    let exemptions = "  exemptions:\n  - {name: old, rules: [NoMutableTag], namespaces: [team-b], permanent: true, reason: 'agreed in = 2026'}\n";
    let latest = bad_pod("late").replace(":1.2.3", ":latest").replace("team-a", "team-b");
    let policy = format!("{}{rules}{exemptions}", POLICY.trim_end());
    folder(name, &[("deploy/web.yaml", DEPLOYMENT), ("deploy/late.yaml", &latest), ("policy.yaml", &policy)])
}

fn read(folder: &Path, file: &str) -> String {
    fs::read_to_string(folder.join(file)).unwrap_or_else(|error| panic!("{file}: {error}"))
}

#[test]
fn several_outputs_come_of_one_audit_and_one_of_them_is_printed() {
    let folder = input("outputs");
    let formats = ["json", "sarif", "junit", "markdown", "html", "csv", "table"];
    let files: Vec<_> = formats.iter().map(|format| format!("{format}=out.{format}")).collect();
    let mut args = vec!["audit", "deploy", "policy.yaml", "--now", "2026-11-25T08:00:00Z"];
    args.extend(files.iter().flat_map(|file| ["-o", file]));
    let silent = run(&folder, &args);
    assert_eq!((silent.code, &*silent.out, &*silent.err), (1, "", ""));
    for format in formats {
        let mut alone = args[..5].to_vec();
        alone.extend(["-o", format]);
        let alone = run(&folder, &alone);
        assert_eq!(alone.out, read(&folder, &format!("out.{format}")), "{format} says the same alone");
        assert_eq!(alone.code, 1);
    }
    let left: Vec<_> = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left.len(), formats.len() + 2, "no temporary file is left: {left:?}");
}

#[test]
fn outputs_that_cannot_be_written_are_told_before_anything_is_audited() {
    let folder = input("outputs-wrong");
    let audit = |outputs: &[&str]| {
        let outputs = outputs.iter().flat_map(|output| ["-o", output]);
        run(&folder, &["audit", "deploy"].into_iter().chain(outputs).collect::<Vec<_>>())
    };
    for (outputs, message, help) in [
        (vec!["table", "json"], "only one output can go to standard output", "--output json=FILE"),
        (vec!["json=a", "csv=a"], "two outputs go to a", "a file of its own"),
        (vec!["csv=no/a.csv"], "the folder of no/a.csv does not exist", "mkdir -p no"),
        (vec!["csv=deploy"], "deploy is a folder", "Name a file in it"),
    ] {
        let ran = audit(&outputs);
        assert_eq!((ran.code, &*ran.out), (2, ""), "{outputs:?}");
        assert!(ran.err.contains(message), "{}", ran.err);
        assert!(
            ran.err.contains(help) || outputs[0] == "table" && ran.err.contains("--output json"),
            "{}",
            ran.err
        );
    }
    let unknown = audit(&["yaml"]);
    assert!(
        unknown.code == 2 && unknown.err.contains("sarif, junit, markdown, html, csv"),
        "{}",
        unknown.err
    );
}

#[test]
fn quiet_prints_nothing_but_errors() {
    let folder = input("quiet");
    let ran = run(&folder, &["audit", "deploy", "policy.yaml", "-q", "-o", "table", "-o", "csv=out.csv"]);
    assert_eq!((ran.code, &*ran.out, &*ran.err), (1, "", ""));
    assert!(read(&folder, "out.csv").starts_with("verdict,severity,rule,"));
    let missing = run(&folder, &["audit", "missing.yaml", "--quiet"]);
    assert_eq!((missing.code, &*missing.out), (2, ""));
    assert!(missing.err.contains("error: missing.yaml: no such file"), "{}", missing.err);
}

#[test]
fn nothing_is_written_where_nothing_could_be_read() {
    let folder = folder("outputs-nothing", &[("out.json", "former"), ("policy.yaml", POLICY)]);
    let ran = run(&folder, &["audit", "missing.yaml", "policy.yaml", "-o", "json=out.json"]);
    assert_eq!(ran.code, 2);
    assert!(ran.err.contains("note: nothing could be audited, so no file is written"), "{}", ran.err);
    assert_eq!(read(&folder, "out.json"), "former");
}

#[test]
fn sarif_points_at_the_field_to_change_and_suppresses_what_is_permitted() {
    let folder = input("sarif");
    let deploy = folder.join("deploy");
    let ran = run(&folder, &["audit", deploy.to_str().unwrap(), "policy.yaml", "-o", "sarif"]);
    let log = ran.json();
    let results = log["runs"][0]["results"].as_array().unwrap().iter();
    let result = |result: &Value| {
        let place = &result["locations"][0]["physicalLocation"];
        let file = place["artifactLocation"]["uri"].as_str().unwrap();
        let line = place["region"]["startLine"].as_u64().unwrap();
        let suppressed = result.get("suppressions").is_some();
        format!("{} {file}:{line} {suppressed}", result["ruleId"].as_str().unwrap())
    };
    let mut found: Vec<_> = results.map(result).collect();
    found.sort();
    assert_eq!(
        found,
        [
            "NoMutableTag deploy/late.yaml:6 true",
            "PullPolicyAlways deploy/web.yaml:15 false",
            "PullPolicyAlways deploy/web.yaml:19 false",
            "TrustedRegistry deploy/late.yaml:6 false",
            "TrustedRegistry deploy/web.yaml:18 false",
        ]
    );
    let piped = pipe(&folder, &["audit", "-", "--policy", "policy.yaml", "-o", "sarif"], DEPLOYMENT).json();
    let place = &piped["runs"][0]["results"][0]["locations"][0]["physicalLocation"];
    assert_eq!(place["artifactLocation"]["uri"], "stdin");
}

#[test]
fn json_keeps_the_line_of_the_object() {
    let folder = input("object-line");
    let ran = run(&folder, &["audit", "deploy/web.yaml", "policy.yaml", "-o", "json"]);
    assert!(ran.results().iter().all(|row| row.ends_with("web.yaml:5")), "{:?}", ran.results());
}

#[test]
fn junit_lists_what_passes_too_and_what_is_permitted_is_skipped() {
    let folder = input("junit");
    let text = run(&folder, &["audit", "deploy", "policy.yaml", "-o", "junit"]).out;
    assert!(
        text.contains(
            r#"<testsuites name="revisor" tests="9" failures="4" errors="0" skipped="1" time="0">"#
        ),
        "{text}"
    );
    assert!(text.contains(r#"<skipped message="permitted by old: agreed in = 2026"/>"#), "{text}");
    assert!(text.contains(r#"file="deploy/web.yaml" line="18""#), "{text}");
}

#[test]
fn colours_and_cuts_are_for_terminals_only() {
    let folder = input("plain");
    let ran = run(&folder, &["audit", "deploy", "policy.yaml"]);
    assert!(
        !ran.out.contains('\u{1b}') && !ran.out.contains('…') && !ran.err.contains('\u{1b}'),
        "{}",
        ran.out
    );
    let plain = run(&folder, &["--no-color", "audit", "deploy", "policy.yaml"]);
    let after = run(&folder, &["audit", "deploy", "policy.yaml", "--no-color"]);
    assert_eq!((&plain.out, &after.out), (&ran.out, &ran.out));
}

#[test]
fn the_variable_names_the_output() {
    let folder = input("variable");
    let output =
        command(&folder, &["audit", "deploy", "policy.yaml"]).env("REVISOR_OUTPUT", "json=out.json").output();
    let ran = super::harness::ran(output.unwrap());
    assert_eq!((ran.code, &*ran.out), (1, ""));
    assert!(read(&folder, "out.json").starts_with("{\n  \"version\": \"v1\""));
}
