//! PodMeetsLevel over the pods that Kubernetes itself tests pod security admission with: for each level and version
//! a folder of those that must pass and one of those that must fail, each named after the check that it is for.
//!
//! Those of the newest version stand in `../shared/vectors/pod-security`; those of every version come with the module
//! from which the test control plane is built (`make e2e`).

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test ends where it fails")]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};

/// By which words a message names the check that a pod is for. Where a check of restricted stands in for one of
/// baseline, the pod fails by the former.
fn words_for(check: &str) -> &'static [&'static str] {
    match check {
        "allowprivilegeescalation" => &["allowPrivilegeEscalation != false ("],
        "apparmorprofile" => &["forbidden AppArmor profile ("],
        "capabilities_baseline" => &["non-default capabilities (", "unrestricted capabilities ("],
        "capabilities_restricted" => &["unrestricted capabilities ("],
        "hostnamespaces" => &["host namespaces ("],
        "hostpathvolumes" => &["hostPath volumes (", "restricted volume types ("],
        "hostports" => &["hostPort ("],
        "hostprobesandhostlifecycle" => &["probe or lifecycle host ("],
        "privileged" => &["privileged ("],
        "procmount" | "procmount_restricted" => &["procMount ("],
        "restrictedvolumes" => &["restricted volume types ("],
        "runasnonroot" => &["runAsNonRoot != true ("],
        "runasuser" => &["runAsUser=0 ("],
        "seccompprofile_baseline" | "seccompprofile_restricted" => &["seccompProfile ("],
        "selinuxoptions" => &["seLinuxOptions ("],
        "sysctls" => &["forbidden sysctls ("],
        "windowshostprocess" => &["hostProcess ("],
        _ => &[],
    }
}

/// Verdict and message for every pod of a folder, by the pod's name.
fn judge(folder: &Path, level: &str, version: &str) -> BTreeMap<String, (String, String)> {
    let rules = json!({"podMeetsLevel": {"level": level, "version": version}});
    let policy = json!({"apiVersion": "revisor.dev/v1alpha1", "kind": "ImagePolicy", "metadata": {"name": "level"},
        "spec": {"rules": rules}});
    let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("pod-security-{level}-{version}.json"));
    fs::write(&file, policy.to_string()).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_revisor"));
    command.args(["audit", "--complete", "--verdicts", "all", "--output", "json", "--policy"]);
    command.arg(&file).arg(folder).env_remove("REVISOR_OUTPUT").env_remove("REVISOR_FAIL_ON");
    let output = command.output().unwrap();
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(matches!(output.status.code(), Some(0 | 1)), "{}: {told}", folder.display());
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    let results = report["results"].as_array().unwrap().iter();
    let results = results.filter(|result| result["rule"] == "PodMeetsLevel");
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    results
        .map(|result| {
            (text(&result["subject"]["name"]), (text(&result["verdict"]), text(&result["message"])))
        })
        .collect()
}

/// The names in a folder, without their extension where it is this one.
fn names(folder: &Path, extension: &str) -> Vec<String> {
    let entries =
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<_> =
        entries.filter_map(|name| name.strip_suffix(extension).map(str::to_owned)).collect();
    names.sort();
    names
}

/// Judges every pod below a folder of levels; returns how many there were, and what is not as its folder says.
fn judge_all(root: &Path) -> (usize, Vec<String>) {
    let (mut pods, mut wrong) = (0, Vec::new());
    for level in names(root, "").iter().filter(|level| matches!(&***level, "baseline" | "restricted")) {
        for version in names(&root.join(level), "") {
            for (folder, expected) in [("pass", "pass"), ("fail", "fail")] {
                let folder = root.join(level).join(&version).join(folder);
                let judged = judge(&folder, level, &version);
                for pod in names(&folder, ".yaml") {
                    pods += 1;
                    let place = format!("{level} {version} {pod}");
                    let Some((verdict, message)) = judged.get(&pod) else {
                        wrong.push(format!("{place}: not judged"));
                        continue;
                    };
                    if verdict != expected {
                        wrong.push(format!("{place}: expected {expected}, found {verdict}: {message}"));
                    }
                    let words = words_for(pod.trim_end_matches(|last: char| last.is_ascii_digit()));
                    if expected == "fail" && !words.iter().any(|word| message.contains(word)) {
                        wrong.push(format!("{place}: does not name one of {words:?}: {message}"));
                    }
                }
            }
        }
    }
    (pods, wrong)
}

#[test]
fn every_pod_of_the_newest_version_gets_the_verdict_of_its_folder() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/vectors/pod-security");
    if !root.exists() {
        assert!(std::env::var_os("CI").is_none(), "{} is missing", root.display());
        println!("skipped: there is no folder {}", root.display());
        return;
    }
    let (pods, wrong) = judge_all(&root);
    println!("{pods} pods judged");
    assert!(pods >= 148, "only {pods} pods");
    assert!(wrong.is_empty(), "{} of {pods} pods:\n{}", wrong.len(), wrong.join("\n"));
}

/// The folder of the module with the test data of every version.
fn module() -> PathBuf {
    let mut go = Command::new("go");
    go.args(["mod", "download", "-json", "k8s.io/pod-security-admission"]);
    go.current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("testkit/controlplane/kubernetes"));
    let output = go.output().unwrap();
    let module: Value = serde_json::from_slice(&output.stdout).unwrap();
    PathBuf::from(module["Dir"].as_str().unwrap_or_else(|| panic!("{module}")))
}

#[test]
#[ignore = "needs the real control plane (make e2e)"]
fn every_pod_of_every_version_gets_the_verdict_of_its_folder() {
    let (pods, wrong) = judge_all(&module().join("test/testdata"));
    println!("{pods} pods judged");
    assert!(pods > 4_000, "only {pods} pods");
    assert!(wrong.is_empty(), "{} of {pods} pods:\n{}", wrong.len(), wrong.join("\n"));
}
