//! Clusters with Revisor installed, and questions to them.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::Output;
use std::sync::OnceLock;

use serde_json::Value;
use testkit::controlplane::{self, Builder, ControlPlane};

use crate::operator::Operator;
use crate::wait::{check, until};

/// A cluster, and the operator that runs on it.
pub(crate) struct World {
    pub(crate) cluster: &'static ControlPlane,
    pub(crate) operator: Operator,
}

/// The cluster and the operator that most tests share.
pub(crate) fn shared() -> &'static World {
    static SHARED: OnceLock<World> = OnceLock::new();
    SHARED.get_or_init(|| {
        let cluster = controlplane::shared();
        let kubeconfig = install(cluster);
        World { cluster, operator: Operator::start(&kubeconfig, &[]) }
    })
}

/// A cluster of a test's own with Revisor installed, and the kubeconfig of its ServiceAccount.
pub(crate) fn installed(builder: Builder) -> (ControlPlane, PathBuf) {
    let cluster = builder.start();
    let kubeconfig = install(&cluster);
    (cluster, kubeconfig)
}

/// The folder that users install from.
pub(crate) fn deploy_folder() -> String {
    format!("{}/deploy", env!("CARGO_MANIFEST_DIR"))
}

/// Installs from `deploy/` as the documentation says; returns a kubeconfig of the operator's ServiceAccount.
#[track_caller]
pub(crate) fn install(cluster: &ControlPlane) -> PathBuf {
    cluster.kubectl_ok(&["apply", "-k", &deploy_folder()]);
    await_crds(cluster);
    operators_kubeconfig(cluster)
}

/// Waits until the API server serves the kinds.
#[track_caller]
pub(crate) fn await_crds(cluster: &ControlPlane) {
    cluster.await_definitions(&[
        "imagepolicies.revisor.dev",
        "namespaceaudits.revisor.dev",
        "exemptions.revisor.dev",
    ]);
    until("the kinds of revisor.dev are served", || {
        let listed = cluster.kubectl(&[
            "get",
            "imagepolicies.revisor.dev,namespaceaudits.revisor.dev,exemptions.revisor.dev",
            "-A",
        ]);
        check(listed.status.success(), || text(&listed.stderr))
    });
}

/// The rights that the shipped ServiceAccount has, and no others.
#[track_caller]
pub(crate) fn operators_kubeconfig(cluster: &ControlPlane) -> PathBuf {
    cluster.kubeconfig_with_token(&cluster.token_for_service_account("revisor-system", "revisor"))
}

/// Runs kubectl with a kubeconfig other than the administrator's.
pub(crate) fn kubectl_as(cluster: &ControlPlane, kubeconfig: &std::path::Path, args: &[&str]) -> Output {
    let kubeconfig = format!("--kubeconfig={}", kubeconfig.display());
    cluster.kubectl(&[&[&*kubeconfig], args].concat())
}

/// Bytes that a program printed.
pub(crate) fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).trim().to_owned()
}

/// An object as JSON; none if it is not there.
pub(crate) fn object(cluster: &ControlPlane, args: &[&str]) -> Option<Value> {
    let output = cluster.kubectl(&[&["get"], args, &["-o", "json"]].concat());
    if output.status.success() { serde_json::from_slice(&output.stdout).ok() } else { None }
}

/// A policy.
pub(crate) fn image_policy(cluster: &ControlPlane, name: &str) -> Option<Value> {
    object(cluster, &["imagepolicies.revisor.dev", name])
}

/// What was found in a namespace.
pub(crate) fn namespace_audit(cluster: &ControlPlane, namespace: &str) -> Option<Value> {
    object(cluster, &["namespaceaudits.revisor.dev", "revisor", "-n", namespace])
}

/// A condition of an object.
pub(crate) fn condition<'a>(object: &'a Value, type_: &str) -> &'a Value {
    let conditions = object["status"]["conditions"].as_array().map_or(&[][..], Vec::as_slice);
    conditions.iter().find(|condition| condition["type"] == type_).unwrap_or(&Value::Null)
}

/// Waits until the operator has looked at a policy as it stands there now, and returns it.
#[track_caller]
pub(crate) fn await_audited(cluster: &ControlPlane, name: &str) -> Value {
    until("the policy's status speaks of its newest generation", || {
        let policy = image_policy(cluster, name).ok_or("no such policy")?;
        let observed = &policy["status"]["observedGeneration"];
        let judged = condition(&policy, "Compliant")["reason"] != "FirstAuditRunning";
        check(*observed == policy["metadata"]["generation"] && judged, || policy["status"].to_string())?;
        Ok(policy)
    })
}

/// Waits until a policy counts so many violations, and returns it.
#[track_caller]
pub(crate) fn await_violations(cluster: &ControlPlane, name: &str, violations: u64) -> Value {
    until(&format!("{violations} violations of {name}"), || {
        let policy = image_policy(cluster, name).ok_or("no such policy")?;
        let observed = policy["status"]["observedGeneration"] == policy["metadata"]["generation"];
        let counted = policy["status"]["summary"]["violations"] == violations;
        check(observed && counted, || policy["status"].to_string())?;
        Ok(policy)
    })
}

/// `rule subject state` of everything that was found in a namespace.
pub(crate) fn findings(audit: &Value) -> BTreeSet<String> {
    let findings = audit["findings"].as_array().map_or(&[][..], Vec::as_slice);
    let word = |value: &Value| value.as_str().unwrap_or("?").to_owned();
    let line =
        |finding: &Value| [&finding["rule"], &finding["subject"], &finding["state"]].map(word).join(" ");
    findings.iter().map(line).collect()
}

/// Waits until exactly this was found in a namespace; nothing means that there is no NamespaceAudit.
#[track_caller]
pub(crate) fn await_findings(cluster: &ControlPlane, namespace: &str, expected: &[&str]) -> Option<Value> {
    let expected: BTreeSet<String> = expected.iter().map(|&line| line.to_owned()).collect();
    until(&format!("the findings of {namespace} are {expected:?}"), || {
        let audit = namespace_audit(cluster, namespace);
        let found = audit.as_ref().map(findings).unwrap_or_default();
        check(found == expected && audit.is_some() != expected.is_empty(), || format!("found: {found:?}"))?;
        Ok(audit)
    })
}

/// The Events of a namespace that the operator wrote of findings and audits.
pub(crate) fn events(cluster: &ControlPlane, namespace: &str) -> Vec<Value> {
    own_events(cluster, namespace).into_iter().filter(|event| event["action"] != "Noticed").collect()
}

/// Those of suspicious activity: other tests cause them by the way.
pub(crate) fn noticed(cluster: &ControlPlane, namespace: &str) -> Vec<Value> {
    own_events(cluster, namespace).into_iter().filter(|event| event["action"] == "Noticed").collect()
}

fn own_events(cluster: &ControlPlane, namespace: &str) -> Vec<Value> {
    let list = cluster.kubectl_json(&["get", "events", "-n", namespace]);
    let items = list["items"].as_array().cloned().unwrap_or_default();
    items.into_iter().filter(is_ours).collect()
}

fn is_ours(event: &Value) -> bool {
    let reporters = [&event["reportingComponent"], &event["source"]["component"]];
    reporters.iter().any(|reporter| reporter.as_str().is_some_and(|name| name.contains("revisor")))
}

/// The Events among them about an object, given as `Kind/name`, that name a rule.
pub(crate) fn events_about<'a>(events: &'a [Value], subject: &str, rule: &str) -> Vec<&'a Value> {
    let about = |event: &&Value| {
        let object = &event["involvedObject"];
        let name =
            format!("{}/{}", object["kind"].as_str().unwrap_or("?"), object["name"].as_str().unwrap_or("?"));
        name == subject && event.to_string().contains(rule)
    };
    events.iter().filter(about).collect()
}

/// Waits for an Event of a type (`Warning`, `Normal`) about an object that names a rule.
#[track_caller]
pub(crate) fn await_event(
    cluster: &ControlPlane,
    namespace: &str,
    type_: &str,
    subject: &str,
    rule: &str,
) -> Value {
    until(&format!("a {type_} Event about {subject} that names {rule}"), || {
        let events = events(cluster, namespace);
        let found = events_about(&events, subject, rule).into_iter().find(|event| event["type"] == type_);
        found.cloned().ok_or_else(|| Value::from(events.clone()).to_string())
    })
}
