//! Suspicious activity, as people meet it: Events at the object, a line in the log, a number in `/metrics`.

use serde_json::Value;
use testkit::controlplane::ControlPlane;

use crate::objects::{deny_ingress, pod, policy};
use crate::operator::Operator;
use crate::wait::{check, until};
use crate::world::{await_audited, await_findings, noticed, shared};

const RULES: &str = "{noMutableTag: {}, defaultDenyIngress: {}}";

/// Waits for the one Event of a signal in a namespace about an object (`Kind/name`), for its line in the log and for
/// its number in `/metrics`; returns the Event.
#[track_caller]
fn await_signal(
    (cluster, operator): (&ControlPlane, &Operator),
    namespace: &str,
    signal: &str,
    subject: &str,
) -> Value {
    let event = until(&format!("an Event {signal} about {subject}"), || {
        let found: Vec<Value> = signals(cluster, namespace, signal, subject);
        check(found.len() == 1, || format!("{found:?}\n{}", operator.tail()))?;
        Ok(found[0].clone())
    });
    assert_eq!(event["type"], "Warning", "{event}");
    until(&format!("{signal} of {subject} in the log"), || {
        let lines = operator.log();
        let of_it = |line: &&Value| {
            let place = line["namespace"].as_str().unwrap_or(namespace);
            line["signal"] == signal && line["subject"] == subject && place == namespace
        };
        let told = lines.iter().filter(of_it).count();
        check(told == 1, || format!("{told} lines\n{}", operator.tail()))
    });
    let count = operator.metrics().sum("revisor_suspicious_activity_total", &[("signal", signal)]);
    assert!(count >= Some(1.0), "{signal}: {count:?}");
    event
}

fn signals(cluster: &ControlPlane, namespace: &str, signal: &str, subject: &str) -> Vec<Value> {
    let about = |event: &Value| {
        let object = &event["involvedObject"];
        format!("{}/{}", object["kind"].as_str().unwrap_or("?"), object["name"].as_str().unwrap_or("?"))
    };
    let events = noticed(cluster, namespace).into_iter();
    events.filter(|event| event["reason"] == signal && about(event) == subject).collect()
}

fn message(event: &Value) -> &str {
    event["message"].as_str().unwrap_or_default()
}

#[test]
#[ignore = "needs the real control plane (make e2e)"]
fn a_pod_that_is_edited_while_it_lives_is_told_at_the_pod() {
    let world = shared();
    let (cluster, place) = (world.cluster, (world.cluster, &world.operator));
    let name = "suspicion-pod";
    cluster.create_namespace(name);
    cluster.apply(&policy(name, name, "{digestPinned: {}}"));
    cluster.apply(&pod(name, "bare", "registry.example/app:1.0"));
    await_findings(cluster, name, &["DigestPinned Pod/bare fail"]);

    cluster.kubectl_ok(&["set", "image", "pod/bare", "main=suspicion.test/other:1.0", "-n", name]);
    let event = await_signal(place, name, "PodImageChanged", "Pod/bare");
    assert!(
        message(&event).contains("has image suspicion.test/other:1.0 instead of registry.example/app:1.0")
    );
    let uid = &cluster.kubectl_json(&["get", "pod", "bare", "-n", name])["metadata"]["uid"];
    assert_eq!(event["involvedObject"]["uid"], *uid, "kubectl describe looks for the uid");
    let event = await_signal(place, name, "RegistryFirstUsed", "Pod/bare");
    assert!(message(&event).contains("registry suspicion.test was not used in the cluster before"));
    let described = cluster.kubectl_ok(&["describe", "pod", "bare", "-n", name]);
    let (_, told) = described.split_once("Events:").expect("a section of Events");
    assert!(told.contains("PodImageChanged"), "{described}");

    let debug = ["debug", "bare", "-n", name, "-q", "--attach=false", "--container=dbg"];
    cluster.kubectl_ok(&[&debug[..], &["--image=suspicion.test/shell:1.0"]].concat());
    let event = await_signal(place, name, "EphemeralContainerAdded", "Pod/bare");
    assert!(message(&event).contains("ephemeral container dbg with image suspicion.test/shell:1.0"));
}

#[test]
#[ignore = "needs the real control plane (make e2e)"]
fn what_weakens_a_namespace_is_told_at_the_namespace() {
    let world = shared();
    let (cluster, place) = (world.cluster, (world.cluster, &world.operator));
    let name = "suspicion-namespace";
    let subject = format!("Namespace/{name}");
    cluster.apply(&policy(name, name, RULES));
    await_audited(cluster, name);
    cluster.create_namespace(name);
    cluster.apply(&deny_ingress(name));
    let label = |label: &str| cluster.kubectl_ok(&["label", "--overwrite", "namespace", name, label]);
    label("pod-security.kubernetes.io/enforce=restricted");
    label("pod-security.kubernetes.io/enforce=privileged");
    let event = await_signal(place, name, "PodSecurityDowngraded", &subject);
    assert!(message(&event).contains("enforces privileged instead of restricted"), "{event}");
    label("admission.gatekeeper.sh/ignore=please");
    await_signal(place, name, "OptOutLabelAdded", &subject);
    cluster.kubectl_ok(&["delete", "networkpolicy", "default-deny", "-n", name]);
    let event = await_signal(place, name, "DefaultDenyRemoved", &subject);
    assert!(message(&event).contains("network policy default-deny was deleted"), "{event}");
}

#[test]
#[ignore = "needs the real control plane (make e2e)"]
fn a_policy_that_is_weakened_excused_and_deleted_is_told_at_the_policy() {
    let world = shared();
    let (cluster, place) = (world.cluster, (world.cluster, &world.operator));
    let name = "suspicion-policy";
    let subject = format!("ImagePolicy/{name}");
    cluster.apply(&policy(name, name, RULES));
    await_audited(cluster, name);
    cluster.apply(&policy(name, name, "{noMutableTag: {severity: info}, defaultDenyIngress: {}}"));
    let event = await_signal(place, "default", "PolicyWeakened", &subject);
    assert!(message(&event).contains("NoMutableTag has severity info instead of"), "{event}");
    let exemption = "[{name: e, rules: [NoMutableTag], namespaces: [x], reason: tried, permanent: true}]";
    let patch = format!("spec: {{exemptions: {exemption}}}");
    cluster.kubectl_ok(&["patch", "imgpol", name, "--type=merge", "-p", &patch]);
    await_signal(place, "default", "ExemptionAdded", &subject);
    cluster.kubectl_ok(&["delete", "imgpol", name]);
    await_signal(place, "default", "PolicyDeleted", &subject);
}

#[test]
#[ignore = "needs the real control plane (make e2e)"]
fn a_namespace_that_is_deleted_and_a_deployment_that_is_rolled_out_are_no_activity() {
    let world = shared();
    let cluster = world.cluster;
    let name = "suspicion-nothing";
    cluster.apply(&policy(name, name, RULES));
    await_audited(cluster, name);
    cluster.create_namespace(name);
    cluster.apply(&deny_ingress(name));
    cluster.apply(&crate::objects::deployment(name, "web", "registry.example/app:1.0"));
    let rolled_out = ["rollout", "status", "deployment/web", "-n", name, "--timeout=60s"];
    cluster.kubectl_ok(&rolled_out);
    cluster.kubectl_ok(&["set", "image", "deployment/web", "main=registry.example/app:1.1", "-n", name]);
    cluster.kubectl_ok(&rolled_out);
    let later = "suspicion-later";
    cluster.create_namespace(later);
    cluster.apply(&deny_ingress(later));
    cluster.kubectl_ok(&["delete", "namespace", name, "--timeout=60s"]);
    // A lost default deny is held back for 5 s: when one that was lost later is told, the time of this one is over.
    cluster.kubectl_ok(&["delete", "networkpolicy", "default-deny", "-n", later]);
    await_signal((cluster, &world.operator), later, "DefaultDenyRemoved", &format!("Namespace/{later}"));
    let lines = world.operator.log();
    let told: Vec<_> = lines
        .iter()
        .filter(|line| line["namespace"] == name && line["signal"].is_string())
        .filter(|line| line["signal"] != "RegistryFirstUsed")
        .collect();
    assert!(told.is_empty(), "{told:?}");
}
