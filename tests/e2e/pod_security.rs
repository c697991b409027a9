//! PodMeetsLevel and the API server's own pod security admission say the same of every pod: dry-run created in
//! namespaces whose label enforces a level of a version.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};
use testkit::controlplane::ControlPlane;

use crate::operator::REVISOR;
use crate::world::{shared, text};

/// Versions on both sides of every change of a check, and the newest.
const VERSIONS: [&str; 19] = [
    "v1.0", "v1.7", "v1.8", "v1.18", "v1.19", "v1.21", "v1.22", "v1.23", "v1.24", "v1.25", "v1.26", "v1.28",
    "v1.30", "v1.31", "v1.33", "v1.34", "v1.36", "v1.99", "latest",
];

/// Pods of our own beside Kubernetes': what its test data of the newest version does not hold.
const MORE: &str = r#"
securityContext: {runAsUser: 0}
hostUsers: false
---
securityContext: {runAsNonRoot: true, seLinuxOptions: {type: container_engine_t}}
---
securityContext: {runAsNonRoot: true}
volumes: [{name: v, image: {reference: registry.k8s.io/pause}}, {name: w, hostPath: {path: /a}}]
---
securityContext: {sysctls: [{name: net.ipv4.tcp_rmem, value: '1'}, {name: net.ipv4.tcp_keepalive_time, value: '1'}]}
---
hostNetwork: true
hostPID: true
volumes: [{name: v, nfs: {server: a, path: /a}}]
---
securityContext: {runAsNonRoot: false, appArmorProfile: {type: Unconfined}, seccompProfile: {type: Unconfined}}
---
os: {name: windows}
"#;

/// What somebody says of a pod: nothing if it is fine, else the checks that it fails, in order.
type Answers = BTreeMap<String, Vec<String>>;

/// The folder of Kubernetes' test data: beside the repository, or in the module that the control plane is built
/// from.
fn fixtures() -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let beside = root.join("../shared/vectors/pod-security");
    if beside.exists() {
        return beside;
    }
    let mut go = Command::new("go");
    go.args(["mod", "download", "-json", "k8s.io/pod-security-admission"]);
    let output = go.current_dir(root.join("testkit/controlplane/kubernetes")).output().expect("running go");
    let module: Value = serde_json::from_slice(&output.stdout).expect("a module");
    Path::new(module["Dir"].as_str().expect("the module's folder")).join("test/testdata")
}

/// Every pod to try, under a name of its own.
fn pods() -> Vec<Value> {
    let mut pods = Vec::new();
    for folder in
        ["baseline/v1.37/pass", "baseline/v1.37/fail", "restricted/v1.37/pass", "restricted/v1.37/fail"]
    {
        let path = fixtures().join(folder);
        let entries = fs::read_dir(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        for entry in entries {
            let path = entry.expect("a file").path();
            let text = fs::read_to_string(&path).expect("a file");
            let mut pod: Value = serde_saphyr::from_str(&text).expect("a pod");
            let stem = path.file_stem().unwrap_or_default().to_string_lossy();
            // Some of their names are none that a pod may have.
            let name = format!("{folder}-{stem}").replace(['/', '_'], "-");
            pod["metadata"]["name"] = name.into();
            pods.push(pod);
        }
    }
    for (index, spec) in MORE.split("---").enumerate() {
        let mut spec: Value = serde_saphyr::from_str(spec).expect("a spec");
        spec["containers"] = json!([{"name": "app", "image": "registry.k8s.io/pause"}]);
        let metadata = json!({"name": format!("more-{index}")});
        pods.push(json!({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}));
    }
    pods.sort_by_key(|pod| pod["metadata"]["name"].to_string());
    pods
}

/// The checks that a message names, without what stands in brackets behind them.
fn checks(message: &str) -> Vec<String> {
    let (mut names, mut depth) = (String::new(), 0);
    for letter in message.chars() {
        match letter {
            '(' => depth += 1,
            ')' => depth -= 1,
            _ if depth == 0 => names.push(letter),
            _ => {}
        }
    }
    // Admission has this one in the plural, too.
    names.split(',').map(|name| name.trim().replace("AppArmor profiles", "AppArmor profile")).collect()
}

/// Said of a pod that the API server refuses before it asks admission. The test data holds what a feature gate allows.
const INVALID: &str = "invalid";

/// What admission says of each pod in a namespace.
fn asked(cluster: &ControlPlane, namespace: &str, manifest: &str) -> Answers {
    let args = ["create", "--dry-run=server", "-n", namespace, "-f", "-"];
    let output = cluster.kubectl_with_input(&args, manifest);
    let mut answers = Answers::new();
    for line in text(&output.stdout).lines() {
        let created = line.strip_prefix("pod/").and_then(|rest| rest.split_once(' '));
        let (name, _) = created.unwrap_or_else(|| panic!("{namespace}: {line}"));
        answers.insert(name.to_owned(), Vec::new());
    }
    for line in text(&output.stderr).lines().filter(|line| !line.is_empty() && !line.starts_with("Warning:"))
    {
        if let Some((_, rest)) = line.split_once(": Pod \"")
            && let Some((name, _)) = rest.split_once("\" is invalid")
        {
            answers.insert(name.to_owned(), vec![INVALID.to_owned()]);
            continue;
        }
        let refused = line.split_once("pods \"").and_then(|(_, rest)| rest.split_once('"'));
        let refused =
            refused.and_then(|(name, rest)| Some((name, rest.split_once("violates PodSecurity \"")?.1)));
        let refused = refused.and_then(|(name, rest)| Some((name, rest.split_once("\": ")?.1)));
        let (name, message) = refused.unwrap_or_else(|| panic!("{namespace}: {line}"));
        answers.insert(name.to_owned(), checks(message));
    }
    answers
}

/// What PodMeetsLevel says of each pod.
fn judged(cluster: &ControlPlane, level: &str, version: &str, manifest: &str) -> Answers {
    let rules = json!({"podMeetsLevel": {"level": level, "version": version}});
    let policy = json!({"apiVersion": "revisor.dev/v1alpha1", "kind": "ImagePolicy",
        "metadata": {"name": "level"}, "spec": {"rules": rules}});
    let file = |name: &str, content: &str| {
        let path = cluster.folder().join(format!("{name}-{level}-{version}.yaml"));
        fs::write(&path, content).expect("writing a file");
        path
    };
    let (policy, manifest) = (file("level", &policy.to_string()), file("pods", manifest));
    let mut command = Command::new(REVISOR);
    command.args(["audit", "--verdicts", "all", "--output", "json", "--policy"]).arg(policy).arg(manifest);
    let output = command.output().expect("running revisor audit");
    let report: Value =
        serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{}", text(&output.stderr)));
    let mut answers = Answers::new();
    for result in report["results"].as_array().expect("results") {
        if result["rule"] != "PodMeetsLevel" {
            continue;
        }
        let name = result["subject"]["name"].as_str().expect("a pod's name");
        let answer = match (&result["verdict"], result["message"].as_str()) {
            (Value::String(verdict), _) if verdict == "pass" => Vec::new(),
            (Value::String(verdict), Some(message)) if verdict == "fail" => {
                checks(message.split_once("\": ").expect("the checks").1)
            }
            _ => panic!("neither pass nor fail: {result}"),
        };
        answers.insert(name.to_owned(), answer);
    }
    answers
}

#[test]
#[ignore = "needs the real control plane (make e2e)"]
fn pod_security_admission_and_pod_meets_level_name_the_same_checks_of_every_pod() {
    let cluster = shared().cluster;
    let pods = pods();
    let manifest: String = pods.iter().map(|pod| format!("---\n{pod}\n")).collect();
    let (mut wrong, mut invalid) = (Vec::new(), BTreeSet::new());
    for (level, versions) in
        [("privileged", &["latest"][..]), ("baseline", &VERSIONS), ("restricted", &VERSIONS)]
    {
        for version in versions {
            let namespace = format!("pod-security-{level}-{}", version.replace('.', "-"));
            cluster.create_namespace(&namespace);
            let label = |mode: &str, value: &str| format!("pod-security.kubernetes.io/{mode}={value}");
            let (enforce, of) = (label("enforce", level), label("enforce-version", version));
            cluster.kubectl_ok(&["label", "namespace", &namespace, &enforce, &of]);
            let (asked, judged) =
                (asked(cluster, &namespace, &manifest), judged(cluster, level, version, &manifest));
            for pod in &pods {
                let name = pod["metadata"]["name"].as_str().unwrap_or_default();
                let (asked, judged) = (asked.get(name), judged.get(name));
                if asked.is_some_and(|asked| asked == &[INVALID]) {
                    invalid.insert(name.to_owned());
                    continue;
                }
                if asked.is_none() || asked != judged {
                    wrong.push(format!("{level} {version} {name}: admission {asked:?}, judged {judged:?}"));
                }
            }
        }
    }
    assert!(pods.len() > 150, "only {} pods", pods.len());
    assert!(invalid.len() <= 6, "admission was not asked of {invalid:?}");
    assert!(wrong.is_empty(), "{}:\n{}", wrong.len(), wrong.join("\n"));
}
