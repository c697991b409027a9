//! `revisor audit --cluster` against the in-memory API server: what the user may read, and what he may not.

#![allow(clippy::unwrap_used, reason = "a test ends where it fails")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use kube::{Client, Config};
use revisor::decode::Change;
use revisor::operator::one_shot::{Scope, one_shot};
use serde_json::{Value, json};
use testkit::apiserver::{ApiServer, Denial, Fault};

const POLICY: &str = "\
apiVersion: revisor.dev/v1alpha1
kind: ImagePolicy
metadata: {name: registries}
spec:
  rules:
    trustedRegistry: {allow: [registry.example.com/**]}
    defaultDenyIngress: {}
";

fn pod(namespace: &str, name: &str, app: &str, image: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": name, "namespace": namespace, "labels": {"app": app}},
        "spec": {"containers": [{"name": "app", "image": image, "imagePullPolicy": "Always"}]},
        "status": {"phase": "Running"}
    })
}

async fn cluster() -> ApiServer {
    let server = ApiServer::builder().on_own_thread().start().await;
    for namespace in ["team-a", "team-b"] {
        server.create(json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}}));
    }
    server.create(pod("team-a", "web", "web", "evil.test/web:1"));
    server.create(pod("team-a", "job", "job", "evil.test/job:1"));
    server.create(pod("team-b", "db", "db", "evil.test/db:1"));
    server
}

struct Ran {
    code: Option<i32>,
    findings: Vec<String>,
    report: Value,
    err: String,
}

fn audit(server: &ApiServer, test: &str, args: &[&str]) -> Ran {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("cluster").join(test);
    fs::create_dir_all(&folder).unwrap();
    let kubeconfig: PathBuf = folder.join("kubeconfig");
    fs::write(&kubeconfig, server.kubeconfig_yaml()).unwrap();
    fs::write(folder.join("policy.yaml"), POLICY).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_revisor"));
    command
        .args(["audit", "--cluster", "--output", "json"])
        .args(args)
        .current_dir(&folder)
        .stdin(Stdio::null());
    command
        .env("KUBECONFIG", &kubeconfig)
        .env_remove("REVISOR_FAIL_ON")
        .env_remove("KUBERNETES_SERVICE_HOST");
    let output = command.output().unwrap();
    let report = serde_json::from_slice::<Value>(&output.stdout).unwrap_or_default();
    let text =
        |value: &Value, path: &str| value.pointer(path).and_then(Value::as_str).unwrap_or("-").to_owned();
    let finding = |value: &Value| {
        let [verdict, rule, namespace, name] =
            ["/verdict", "/rule", "/namespace", "/subject/name"].map(|path| text(value, path));
        format!("{verdict} {rule} {namespace} {name}")
    };
    let mut findings = report["results"].as_array().into_iter().flatten().map(finding).collect::<Vec<_>>();
    findings.sort();
    Ran { code: output.status.code(), findings, report, err: String::from_utf8(output.stderr).unwrap() }
}

#[tokio::test]
async fn the_whole_cluster_is_judged_by_its_own_policies() {
    let server = cluster().await;
    server.apply(POLICY);
    let ran = audit(&server, "whole", &["-A"]);
    let images = ran.findings.iter().filter(|found| found.contains("TrustedRegistry")).collect::<Vec<_>>();
    let expected = [
        "fail TrustedRegistry team-a job",
        "fail TrustedRegistry team-a web",
        "fail TrustedRegistry team-b db",
    ];
    assert_eq!(images, expected, "{}", ran.err);
    assert!(ran.findings.contains(&"fail DefaultDenyIngress team-b team-b".to_owned()), "{:?}", ran.findings);
    assert_eq!((ran.code, &*ran.err), (Some(1), ""));
}

#[tokio::test]
async fn one_namespace_and_a_selector_narrow_the_look() {
    let server = cluster().await;
    let ran = audit(&server, "narrow", &["-n", "team-a", "-l", "app=web", "--policy", "policy.yaml"]);
    assert_eq!(
        ran.findings,
        ["fail DefaultDenyIngress team-a team-a", "fail TrustedRegistry team-a web"],
        "{}",
        ran.err
    );
    assert!(server.count("list", "imagepolicies") == 0, "with --policy the cluster's own are not read");
}

#[tokio::test]
async fn what_may_not_be_read_is_unknown_and_said() {
    let server = cluster().await;
    server.deny(Denial::new("list", "networking.k8s.io", "networkpolicies"));
    server.deny(Denial::new("list", "revisor.dev", "imagepolicies"));
    let ran = audit(&server, "denied", &["-n", "team-a", "--policy", "policy.yaml"]);
    assert!(
        ran.findings.contains(&"unknown DefaultDenyIngress team-a team-a".to_owned()),
        "{:?}",
        ran.findings
    );
    assert!(ran.err.contains("listing networkpolicies.networking.k8s.io is not permitted"), "{}", ran.err);
    let without = audit(&server, "denied", &["-n", "team-a"]);
    assert!(without.err.contains("the profile Baseline judges"), "{}", without.err);
}

#[tokio::test]
async fn without_pods_nothing_can_be_said() {
    let server = cluster().await;
    server.deny(Denial::new("list", "", "pods"));
    let ran = audit(&server, "no-pods", &["-A"]);
    assert_eq!((ran.code, ran.findings.len()), (Some(2), 0));
    assert!(ran.err.contains("listing pods in all namespaces is not permitted"), "{}", ran.err);
}

#[tokio::test]
async fn a_namespace_that_is_not_there_is_no_clean_one() {
    let ran = audit(&cluster().await, "no-namespace", &["-n", "team-x"]);
    assert_eq!(ran.code, Some(2));
    assert!(ran.err.contains("there is no namespace team-x"), "{}", ran.err);
}

#[tokio::test]
async fn a_cluster_without_revisor_is_judged_by_baseline() {
    let server = ApiServer::builder().crds_required().on_own_thread().start().await;
    server.create(pod("default", "web", "web", "nginx"));
    let ran = audit(&server, "no-crd", &["-A"]);
    assert!(ran.err.contains("Revisor is not installed there: the profile Baseline judges"), "{}", ran.err);
    assert!(ran.findings.contains(&"fail NoMutableTag default web".to_owned()), "{:?}", ran.findings);
}

#[tokio::test]
async fn lists_longer_than_a_page_are_read_to_their_end() {
    let server = cluster().await;
    for number in 0..1_100 {
        server.create(pod("team-b", &format!("p{number}"), "p", "evil.test/p:1"));
    }
    let ran = audit(&server, "pages", &["-A", "--policy", "policy.yaml"]);
    let found = ran.findings.iter().filter(|found| found.contains("TrustedRegistry team-b")).count();
    assert_eq!((found, server.count("list", "pods")), (1_101, 3), "{}", ran.err);
}

#[tokio::test]
async fn a_list_that_the_server_forgets_half_way_is_begun_anew() {
    let server = cluster().await;
    for number in 0..600 {
        server.create(pod("team-b", &format!("p{number}"), "p", "evil.test/p:1"));
    }
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let client = Client::try_from(Config::new(server.url().parse().unwrap())).unwrap();
    let mut uids = BTreeSet::new();
    let scope = Scope { namespace: None, selector: None, policies: false };
    one_shot(&client, scope, &BTreeSet::new, &mut |change| {
        if let Change::Pod(pod) = change {
            if uids.is_empty() {
                server.compact();
            }
            uids.insert(pod.uid);
        }
    })
    .await
    .unwrap();
    assert_eq!((uids.len(), server.count("list", "pods")), (603, 4));
}

#[tokio::test]
async fn a_list_that_is_refused_is_an_error_that_names_it() {
    let server = cluster().await;
    server.fault(Fault::answer(500).on("networkpolicies").verb("list").always());
    let ran = audit(&server, "refused", &["-A"]);
    assert!(
        ran.code == Some(2) && ran.err.contains("listing networkpolicies.networking.k8s.io: "),
        "{}",
        ran.err
    );
}

#[tokio::test]
async fn a_context_that_is_not_there_is_named() {
    let ran = audit(&cluster().await, "context", &["--context", "nowhere"]);
    assert!(ran.code == Some(2) && ran.err.contains("has no context nowhere"), "{}", ran.err);
}

#[tokio::test]
async fn a_page_by_control_says_which_cluster_and_which_generation_of_which_policy() {
    let server = cluster().await;
    server.apply(POLICY);
    let ran = audit(&server, "by-control", &["-A", "--by", "control", "--catalogue", "cis"]);
    let page = ran.report;
    assert_eq!(page["lookedAt"]["wholeCluster"], true, "{page}");
    let input: Vec<_> = page["lookedAt"]["input"].as_array().unwrap().iter().map(Value::to_string).collect();
    assert!(input[0].starts_with("\"http") && input[1] == "\"all namespaces\"", "{input:?}");
    assert_eq!(page["policies"][0]["generation"], 1, "{page}");
    let control = page["controls"].as_array().unwrap().iter().find(|it| it["id"] == "5.5.1").unwrap();
    assert_eq!((&control["judged"], &control["fail"]), (&3.into(), &3.into()), "{control}");
    let narrow = audit(&server, "by-control", &["-n", "team-a", "-l", "app=web", "--by", "control"]).report;
    let input = &narrow["lookedAt"]["input"];
    assert_eq!((&input[1], &input[2]), (&"namespace team-a".into(), &"pods with app=web".into()), "{narrow}");
    assert_eq!(narrow["lookedAt"]["wholeCluster"], false);
}

#[tokio::test]
async fn a_draft_is_compared_with_a_policy_of_the_cluster() {
    let server = cluster().await;
    server.apply(POLICY);
    let draft = POLICY
        .replace("registries", "draft")
        .replace("    defaultDenyIngress: {}\n", "    noMutableTag: {}\n");
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("cluster").join("against");
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("draft.yaml"), draft).unwrap();
    let ran = audit(&server, "against", &["-A", "--policy", "draft.yaml", "--against", "registries"]);
    assert_eq!((ran.code, &*ran.err), (Some(0), ""), "it opens nothing");
    assert_eq!(server.count("list", "imagepolicies"), 1);
    // The draft has no rule about them, what it is compared with has one.
    assert!(server.count("list", "networkpolicies") > 0);
    let ran = audit(&server, "against", &["-A", "--policy", "draft.yaml", "--against", "registry"]);
    assert!(ran.code == Some(2) && ran.err.contains("found registries"), "{}", ran.err);
}

const TEMPLATES: &str = "\
apiVersion: revisor.dev/v1alpha1
kind: ImagePolicy
metadata: {name: templates}
spec:
  scope: {includeTemplates: true}
  rules:
    trustedRegistry: {allow: [registry.example.com/**]}
";

#[tokio::test]
async fn templates_are_judged_where_a_policy_includes_them_and_all_pods_were_looked_at() {
    let server = cluster().await;
    let template = json!({"spec": {"containers": [{"name": "app", "image": "evil.test/idle:1"}]}});
    server.create(json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "idle", "namespace": "team-a"},
        "spec": {"replicas": 0, "template": template},
    }));
    let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join("templates.yaml");
    fs::write(&file, TEMPLATES).unwrap();
    let policy = file.to_str().unwrap();
    let found = |ran: &Ran| ran.findings.contains(&"fail TrustedRegistry team-a idle".to_owned());
    assert!(!found(&audit(&server, "no-templates", &["-A", "--policy", "policy.yaml"])));
    let ran = audit(&server, "templates", &["-A", "--policy", policy]);
    assert!(found(&ran), "{:?} {}", ran.findings, ran.err);
    assert!(!found(&audit(&server, "some-pods", &["-A", "-l", "app=web", "--policy", policy])));
    server.deny(Denial::new("list", "apps", "deployments"));
    let ran = audit(&server, "no-deployments", &["-A", "--policy", policy]);
    assert!(
        !found(&ran) && ran.err.contains("workloads without pods are not judged"),
        "{:?} {}",
        ran.findings,
        ran.err
    );
}
