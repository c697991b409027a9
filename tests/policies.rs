//! The example policies under `deploy/policies/`: one a profile, and presets of exemptions for the system namespaces
//! of distributions, each tried on a small sample of what the distribution installs.
//!
//! A preset may name a rule that this version does not have, as a comment in a list of rules (`# - NoPrivileged`).
//! When the rule is there, `UPDATE_PRESETS=1 cargo test --test policies` takes the comment off.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use revisor::policy::profile;
use revisor::rules::RuleId;
use serde_json::Value;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The YAML files right in a folder, by their name without the end.
fn files(folder: &str) -> Vec<(String, PathBuf)> {
    let paths = fs::read_dir(root().join(folder)).unwrap().map(|entry| entry.unwrap().path());
    let yaml = paths.filter(|path| path.extension().is_some_and(|end| end == "yaml"));
    let mut files: Vec<_> =
        yaml.map(|path| (path.file_stem().unwrap().to_str().unwrap().to_owned(), path)).collect();
    files.sort();
    files
}

/// The JSON report of a sample under a policy, every verdict listed. A policy that cannot be used in full fails.
fn audit(policy: &Path, sample: &Path) -> Vec<Value> {
    let output = Command::new(env!("CARGO_BIN_EXE_revisor"))
        .args(["audit", "--complete", "--verdicts", "all", "--output", "json", "--policy"])
        .args([policy, sample])
        .env_remove("REVISOR_OUTPUT")
        .env_remove("REVISOR_FAIL_ON")
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(matches!(output.status.code(), Some(0 | 1)), "{}: {told}", policy.display());
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    report["results"].as_array().unwrap().clone()
}

fn of_verdict<'r>(results: &'r [Value], verdict: &str) -> Vec<&'r Value> {
    results.iter().filter(|result| result["verdict"] == verdict).collect()
}

#[test]
fn every_profile_has_an_example_and_every_example_can_be_used() {
    let sample = root().join("tests/presets/kubeadm.yaml");
    let mut profiles = BTreeSet::new();
    for (name, path) in files("deploy/policies") {
        let policy: Value = serde_saphyr::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
        assert_eq!(policy["metadata"]["name"], name, "{name}");
        profiles.extend(policy["spec"]["profile"]["name"].as_str().map(str::to_owned));
        let results = audit(&path, &sample);
        assert!(!results.is_empty(), "{name} judges nothing");
    }
    let all: BTreeSet<_> = profile::ALL.iter().map(|profile| profile.name.to_owned()).collect();
    assert_eq!(profiles, all);
}

#[test]
fn essential_finds_nothing_in_what_a_distribution_installs() {
    let policy = root().join("deploy/policies/essential.yaml");
    for (name, sample) in files("tests/presets") {
        let results = audit(&policy, &sample);
        assert_eq!(of_verdict(&results, "fail"), Vec::<&Value>::new(), "{name}");
    }
}

/// Under Baseline, as it is shipped, and under Strict.
#[test]
fn a_preset_exempts_what_the_distribution_installs_and_no_stranger_beside_it() {
    let presets = files("deploy/policies/presets");
    let names = |files: &[(String, PathBuf)]| files.iter().map(|(name, _)| name.clone()).collect::<Vec<_>>();
    assert_eq!(names(&presets), names(&files("tests/presets")), "each preset has a sample");
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("policies");
    fs::create_dir_all(&folder).unwrap();
    for (name, path) in presets {
        let written = fs::read_to_string(&path).unwrap();
        assert!(written.contains("name: Baseline, version: v1"), "{name}");
        let strict = folder.join(format!("{name}.yaml"));
        fs::write(&strict, written.replace("name: Baseline, version: v1", "name: Strict, version: v1"))
            .unwrap();
        let sample = root().join(format!("tests/presets/{name}.yaml"));
        for policy in [&path, &strict] {
            let results = audit(policy, &sample);
            let (fails, strange): (Vec<_>, Vec<_>) =
                of_verdict(&results, "fail").into_iter().partition(|it| it["subject"]["name"] != "intruder");
            assert_eq!(fails, Vec::<&Value>::new(), "{}: not exempt", policy.display());
            assert_eq!(of_verdict(&results, "unknown"), Vec::<&Value>::new(), "{}", policy.display());
            let rules: Vec<_> = strange.iter().map(|it| it["rule"].as_str().unwrap()).collect();
            for rule in ["TrustedRegistry", "NoMutableTag", "PullPolicyAlways"] {
                assert!(rules.contains(&rule), "{}: the stranger keeps {rule}: {rules:?}", policy.display());
            }
            let used: BTreeSet<_> = of_verdict(&results, "exempt")
                .into_iter()
                .map(|it| it["exemption"]["name"].as_str().unwrap().to_owned())
                .collect();
            assert!(used.contains("system-namespaces"), "{}: {used:?}", policy.display());
            assert!(policy != &strict || used.contains("system-images"), "{}: {used:?}", policy.display());
        }
    }
}

#[test]
fn presets_name_every_rule_that_this_version_has() {
    let update = std::env::var_os("UPDATE_PRESETS").is_some();
    for (name, path) in files("deploy/policies/presets") {
        let written = fs::read_to_string(&path).unwrap();
        let line = |line: &str| match line.split_once("# - ") {
            Some((indent, id)) if indent.trim().is_empty() && RuleId::named(id).is_some() => {
                format!("{indent}- {id}\n")
            }
            _ => format!("{line}\n"),
        };
        let fresh: String = written.lines().map(line).collect();
        if update {
            fs::write(&path, &fresh).unwrap();
        } else {
            let how = "run `UPDATE_PRESETS=1 cargo test --test policies` and commit it";
            assert!(fresh == written, "{name} leaves out rules that are there now: {how}");
        }
    }
}
