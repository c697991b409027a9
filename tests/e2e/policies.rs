//! The life of a policy and of a namespace: edited, deleted.

use crate::objects::{EVIL, TRUST, pod, policy};
use crate::wait::{check, until};
use crate::world::{
    await_event, await_findings, await_violations, events, events_about, image_policy, namespace_audit,
    shared,
};

/// Waits until no series of `/metrics` speaks of a name.
#[track_caller]
fn await_unmentioned(name: &str, label: &str) {
    until(&format!("{name} is gone from /metrics"), || {
        let left = shared().operator.metrics().lines_of(&format!("{label}=\"{name}\""));
        check(left.is_empty(), || left.clone())
    });
}

#[test]
#[ignore = "needs the real control plane (make e2e)"]
fn an_edited_policy_is_judged_anew_and_told_in_one_summary_event() {
    let world = shared();
    let cluster = world.cluster;
    let name = "policies-edited";
    cluster.create_namespace(name);
    for pod_name in ["one", "two", "three"] {
        cluster.apply(&pod(name, pod_name, EVIL));
    }
    cluster.apply(&pod(name, "four", "registry.example/app:latest"));
    cluster.apply(&policy(name, name, TRUST));
    let before = await_violations(cluster, name, 3);
    let subject = format!("ImagePolicy/{name}");
    let first = until("one summary of the new policy", || {
        let events = events(cluster, "default");
        let found: Vec<_> = events_about(&events, &subject, "").into_iter().cloned().collect();
        check(found.len() == 1, || format!("{found:?}"))?;
        Ok(found[0]["message"].as_str().unwrap_or_default().to_owned())
    });
    assert!(first.contains('3'), "it counts the violations: {first}");

    cluster.apply(&policy(name, name, "{noMutableTag: {}}"));
    let after = await_violations(cluster, name, 1);
    let generation = |policy: &serde_json::Value| policy["status"]["observedGeneration"].as_i64();
    assert!(generation(&after) > generation(&before), "{after}");
    await_findings(cluster, name, &["NoMutableTag Pod/four fail"]);
    until("one summary of the edit", || {
        let events = events(cluster, "default");
        let count = events_about(&events, &subject, "").len();
        check(count == 2, || format!("{count} Events about the policy: {events:?}"))
    });

    // The Event of a finding that opens now stands behind all that the edit could have caused.
    cluster.apply(&pod(name, "five", "registry.example/app:latest"));
    await_event(cluster, name, "Warning", "Pod/five", "NoMutableTag");
    let events = events(cluster, name);
    let opened: Vec<_> = events.iter().filter(|event| event["type"] == "Warning").collect();
    assert_eq!(opened.len(), 1, "no Event a finding for what the edit found: {opened:?}");
}

#[test]
#[ignore = "needs the real control plane (make e2e)"]
fn a_deleted_policy_takes_its_findings_along() {
    let world = shared();
    let cluster = world.cluster;
    let name = "policies-deleted";
    cluster.create_namespace(name);
    cluster.apply(&pod(name, "one", EVIL));
    cluster.apply(&policy(name, name, TRUST));
    await_findings(cluster, name, &["TrustedRegistry Pod/one fail"]);
    until("it is in /metrics", || {
        let metrics = world.operator.metrics();
        let count = metrics.sum("revisor_namespace_findings", &[("policy", name)]);
        check(count == Some(1.0), || metrics.lines_of(name))
    });

    cluster.kubectl_ok(&["delete", "imagepolicies.revisor.dev", name]);
    await_findings(cluster, name, &[]);
    await_unmentioned(name, "policy");
    assert!(image_policy(cluster, name).is_none(), "nothing brings it back");
}

#[test]
#[ignore = "needs the real control plane (make e2e)"]
fn a_deleted_namespace_takes_its_findings_along() {
    let world = shared();
    let cluster = world.cluster;
    for namespace in ["policies-gone", "policies-stays"] {
        cluster.create_namespace(namespace);
        cluster.apply(&pod(namespace, "one", EVIL));
    }
    let both = "policies-gone', 'policies-stays";
    cluster.apply(&policy("policies-namespaces", both, TRUST));
    await_violations(cluster, "policies-namespaces", 2);
    await_findings(cluster, "policies-gone", &["TrustedRegistry Pod/one fail"]);

    cluster.kubectl_ok(&["delete", "namespace", "policies-gone", "--timeout=60s"]);
    let policy = await_violations(cluster, "policies-namespaces", 1);
    assert_eq!(policy["status"]["namespaces"][0]["name"], "policies-stays");
    await_unmentioned("policies-gone", "resource_namespace");
    assert!(namespace_audit(cluster, "policies-stays").is_some());
    let complaints = world.operator.log_lines("policies-gone");
    let complaints: Vec<_> =
        complaints.iter().filter(|line| line.contains("\"WARN\"") || line.contains("\"ERROR\"")).collect();
    assert!(complaints.is_empty(), "a namespace that goes is nothing to complain about: {complaints:?}");
}
