//! Exemptions of tenants in files: what `revisor audit` makes of them.

#![expect(clippy::unwrap_used, reason = "a test ends where it fails")]

use std::path::Path;
use std::process::Command;

use serde_json::Value;

const POLICY: &str = "
apiVersion: revisor.dev/v1alpha1
kind: ImagePolicy
metadata: {name: baseline}
spec:
  rules: {noMutableTag: {}}
  delegation:
  - {rules: [NoMutableTag], approval: None, annotations: true, maxDays: 30, namespaceSelector: {matchLabels: {tenant: free}}}
  - {rules: [NoMutableTag], namespaceSelector: {matchLabels: {tenant: asks}}}
---
{apiVersion: v1, kind: Namespace, metadata: {name: free, labels: {tenant: free}}}
---
{apiVersion: v1, kind: Namespace, metadata: {name: asks, labels: {tenant: asks}}}
";

fn deployment(namespace: &str, annotation: &str) -> String {
    format!(
        "---
apiVersion: apps/v1
kind: Deployment
metadata: {{name: web, namespace: {namespace}}}
spec:
  template:
    metadata: {{annotations: {{exempt.revisor.dev/NoMutableTag: '{annotation}'}}}}
    spec: {{containers: [{{name: app, image: nginx}}]}}
"
    )
}

fn exemption(namespace: &str, more: &str) -> String {
    format!(
        "---
apiVersion: revisor.dev/v1alpha1
kind: Exemption
metadata: {{name: web, namespace: {namespace}, generation: 2, creationTimestamp: '2026-11-01T00:00:00Z'}}
spec: {{rules: [NoMutableTag], workloads: [Deployment/web], reason: nodes are preloaded, expiresAt: '2027-01-31T00:00:00Z'}}
{more}
"
    )
}

/// The rows of an audit of these manifests on the tenth of November 2026, what was said, and the exit code.
fn audit(name: &str, manifests: &str) -> (Vec<Value>, String, Option<i32>) {
    let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("exemptions-{name}.yaml"));
    std::fs::write(&file, format!("{POLICY}{manifests}")).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_revisor"));
    command.args(["audit", "--complete", "--verdicts=all", "--output=json", "--now=2026-11-10T00:00:00Z"]);
    let output = command.arg(&file).output().unwrap();
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    let rows = report["results"].as_array().unwrap().iter().filter(|row| row["rule"] == "NoMutableTag");
    (rows.cloned().collect(), String::from_utf8_lossy(&output.stderr).into_owned(), output.status.code())
}

fn only(name: &str, manifests: &str) -> Value {
    let (rows, _, _) = audit(name, manifests);
    assert_eq!(rows.len(), 1, "{rows:#?}");
    rows[0].clone()
}

#[test]
fn an_exemption_among_the_manifests_permits_where_the_policy_delegates_without_approval() {
    let row = only("free", &(deployment("free", "") + &exemption("free", "")));
    assert_eq!(row["verdict"], "exempt", "{row:#}");
    let exemption = &row["exemption"];
    assert_eq!((&exemption["name"], &exemption["delegated"]), (&"web".into(), &"object".into()));
    assert_eq!(exemption["expiresAt"], "2026-12-01T00:00:00Z", "thirty days are delegated");
    assert_eq!(row["exemptionRequested"], Value::Null);
}

#[test]
fn what_needs_an_approval_counts_when_a_dump_shows_it_at_the_current_generation() {
    let condition = |generation: u8| {
        format!(
            "status: {{conditions: [{{type: Approved, status: 'True', observedGeneration: {generation}}}]}}"
        )
    };
    let row = |name: &str, more: &str| only(name, &(deployment("asks", "") + &exemption("asks", more)));
    assert_eq!(row("approved", &condition(2))["verdict"], "exempt");
    for (name, more) in [("edited", condition(1)), ("asked", String::new())] {
        let row = row(name, &more);
        assert_eq!((&row["verdict"], &row["exemptionRequested"]), (&"fail".into(), &true.into()), "{row:#}");
        let message = row["message"].as_str().unwrap();
        assert!(
            message.ends_with("exemption requested by Exemption web, but it waits for an approval"),
            "{message}"
        );
    }
}

#[test]
fn an_annotation_permits_where_the_policy_takes_it_and_says_why_where_not() {
    let annotation = "OPS-412 until 2026-12-01: nodes are preloaded";
    let row = only("annotated", &deployment("free", annotation));
    assert_eq!(
        (&row["verdict"], &row["exemption"]["delegated"]),
        (&"exempt".into(), &"annotation".into()),
        "{row:#}"
    );
    assert_eq!(
        (&row["exemption"]["ticket"], &row["exemption"]["reason"]),
        (&"OPS-412".into(), &"nodes are preloaded".into())
    );
    for (name, namespace, text, why) in [
        ("far", "free", "OPS-412 until 2027-12-01: r", "more than 30 days ahead"),
        ("bad", "free", "for ever", "which cannot be read"),
        ("not-taken", "asks", annotation, "takes no annotations"),
    ] {
        let row = only(name, &deployment(namespace, text));
        let message = row["message"].as_str().unwrap();
        assert!(row["verdict"] == "fail" && message.contains(why), "{name}: {row:#}");
        assert_eq!(row["exemptionRequested"], true, "{name}");
    }
}

#[test]
fn an_exemption_that_cannot_be_read_is_an_error_and_the_rest_is_judged() {
    let broken = exemption("free", "").replace("nodes are preloaded", "' '");
    let (rows, said, code) = audit("broken", &(deployment("free", "") + &broken));
    assert_eq!((code, &rows[0]["verdict"]), (Some(2), &"fail".into()), "{said}");
    assert!(said.contains("Exemption free/web: spec.reason"), "{said}");
}
