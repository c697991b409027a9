//! `revisor audit --cluster`: the same engine, once, with the user's own rights.

use std::collections::BTreeSet;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;
use testkit::controlplane::ControlPlane;

use crate::objects::{EVIL, TRUSTED, cron_job, deployment, pod, policy};
use crate::operator::REVISOR;
use crate::wait::{check, until};
use crate::world::{await_audited, await_findings, shared, text};

/// Runs `revisor audit` with the rights of a kubeconfig.
fn audit(kubeconfig: &Path, args: &[&str]) -> Output {
    let mut command = Command::new(REVISOR);
    command.arg("audit").args(args).env("KUBECONFIG", kubeconfig).env_remove("RUST_LOG");
    command.output().expect("running revisor audit")
}

/// What it found, with its exit code checked: 1, findings.
#[track_caller]
fn results(output: &Output) -> Vec<Value> {
    assert_eq!(output.status.code(), Some(1), "{}{}", text(&output.stdout), text(&output.stderr));
    let report: Value = serde_json::from_slice(&output.stdout).expect("a report in JSON");
    assert_eq!(report["version"], "v1", "{report}");
    report["results"].as_array().expect("results").clone()
}

/// A policy in a file.
fn policy_file(cluster: &ControlPlane, name: &str, text: &str) -> PathBuf {
    let path = cluster.folder().join(format!("{name}.yaml"));
    let mut file = std::fs::File::create(&path).expect("a file");
    file.write_all(text.as_bytes()).expect("writing it");
    path
}

fn word(value: &Value) -> &str {
    value.as_str().unwrap_or("-")
}

/// Rule, verdict, reason, subject and container of results.
fn of_results(results: &[Value], namespace: &str) -> BTreeSet<String> {
    let here = results.iter().filter(|result| result["namespace"] == namespace);
    here.map(|result| {
        let subject = format!("{}/{}", word(&result["subject"]["kind"]), word(&result["subject"]["name"]));
        let words = [&result["rule"], &result["verdict"], &result["reason"], &result["container"]].map(word);
        format!("{} {subject}", words.join(" "))
    })
    .collect()
}

/// The same of a NamespaceAudit.
fn of_audit(audit: &Value) -> BTreeSet<String> {
    let findings = audit["findings"].as_array().map_or(&[][..], Vec::as_slice);
    let line = |finding: &Value| {
        let words =
            [&finding["rule"], &finding["state"], &finding["reason"], &finding["container"]].map(word);
        format!("{} {}", words.join(" "), word(&finding["subject"]))
    };
    findings.iter().map(line).collect()
}

#[test]
#[ignore = "needs the real control plane (make e2e)"]
fn audit_of_the_cluster_and_namespace_audit_agree() {
    let world = shared();
    let cluster = world.cluster;
    let name = "agreement";
    let rules = "{trustedRegistry: {severity: critical, allow: [registry.example]}, noMutableTag: {}, \
                 pullPolicyAlways: {mode: Always}, digestPinned: {}, defaultDenyIngress: {}, \
                 podSecurityEnforced: {minLevel: baseline}, requiredLabels: {labels: {owner: 'team-.+'}}, \
                 runningDigestMatches: {}}";
    let policy = policy(name, name, rules);
    cluster.create_namespace(name);
    cluster.apply(
        &(deployment(name, "web", "evil.test/web:latest")
            + &deployment(name, "good", TRUSTED)
            + &pod(name, "bare", &format!("{EVIL}@sha256:{}", "a".repeat(64)))
            + &cron_job(name, "nightly", EVIL)),
    );
    cluster.apply(&policy);
    await_audited(cluster, name);
    let file = policy_file(cluster, name, &policy);
    let file = file.display().to_string();

    until("audit and NamespaceAudit agree", || {
        let output =
            audit(cluster.kubeconfig(), &["--cluster", "-n", name, "--policy", &file, "--output=json"]);
        let once = of_results(&results(&output), name);
        let object = crate::world::namespace_audit(cluster, name).ok_or("no NamespaceAudit")?;
        let continuous = of_audit(&object);
        let (only_once, only_continuous): (Vec<_>, Vec<_>) =
            (once.difference(&continuous).collect(), continuous.difference(&once).collect());
        check(once == continuous && once.len() >= 9, || {
            format!(
                "{} findings; only audit: {only_once:#?}\nonly NamespaceAudit: {only_continuous:#?}",
                once.len()
            )
        })
    });
}

#[test]
#[ignore = "needs the real control plane (make e2e)"]
fn audit_with_a_tenants_rights_says_what_it_may_not_read() {
    let world = shared();
    let cluster = world.cluster;
    let name = "agreement-tenant";
    cluster.create_namespace(name);
    cluster.apply(&pod(name, "bare", EVIL));
    cluster.kubectl_ok(&["create", "serviceaccount", "tenant", "-n", name]);
    let account = format!("--serviceaccount={name}:tenant");
    // Pods alone: neither the namespace nor its network policies.
    cluster.kubectl_ok(&["create", "role", "pods", "--verb=get,list,watch", "--resource=pods", "-n", name]);
    cluster.kubectl_ok(&["create", "rolebinding", "tenant", "--role=pods", &account, "-n", name]);
    let tenant = cluster.kubeconfig_with_token(&cluster.token_for_service_account(name, "tenant"));
    let policy = policy(name, name, "{trustedRegistry: {allow: [registry.example]}, defaultDenyIngress: {}}");
    let file = policy_file(cluster, name, &policy).display().to_string();

    let args = ["--cluster", "-n", name, "--policy", &file, "--output=json"];
    let found = until("the tenant's rights count", || {
        let output = audit(&tenant, &args);
        check(output.status.code() == Some(1), || text(&output.stderr))?;
        Ok(of_results(&results(&output), name))
    });
    let lines: Vec<&str> = found.iter().map(|line| &**line).collect();
    let subject = format!("Namespace/{name}");
    let unknown = format!("DefaultDenyIngress unknown MissingPermission - {subject}");
    assert!(lines.contains(&&*unknown), "{lines:?}");
    assert!(lines.iter().any(|line| line.starts_with("TrustedRegistry fail")), "{lines:?}");

    let all = audit(&tenant, &["--cluster", "-A", "--policy", &file, "--output=json"]);
    assert_eq!(all.status.code(), Some(2), "without pods there is nothing to audit: {}", text(&all.stdout));
    assert!(text(&all.stderr).contains("pods"), "it says what is missing: {}", text(&all.stderr));
}

#[test]
#[ignore = "needs the real control plane (make e2e)"]
fn audit_of_the_cluster_uses_the_policies_that_are_there() {
    let world = shared();
    let cluster = world.cluster;
    let name = "agreement-own";
    cluster.create_namespace(name);
    cluster.apply(&pod(name, "bare", EVIL));
    cluster.apply(&policy(name, name, crate::objects::TRUST));
    await_findings(cluster, name, &["TrustedRegistry Pod/bare fail"]);
    let output = audit(cluster.kubeconfig(), &["--cluster", "-n", name, "--output=json"]);
    let found = of_results(&results(&output), name);
    assert_eq!(found.len(), 1, "{found:?}");
    let table = audit(cluster.kubeconfig(), &["--cluster", "-n", name]);
    assert!(text(&table.stdout).contains("TrustedRegistry"), "{}", text(&table.stdout));
}
