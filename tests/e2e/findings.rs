//! What is wrong shows up everywhere, and is gone everywhere when it is mended.

use std::time::{Duration, Instant};

use serde_json::Value;
use testkit::controlplane::ControlPlane;

use crate::objects::{EVIL, TRUSTED, cron_job, deny_ingress, deployment, pod, policy};
use crate::operator::Operator;
use crate::wait::{check, until};
use crate::world::{
    World, await_audited, await_event, await_findings, await_violations, condition, events, events_about,
    findings, image_policy, namespace_audit, shared,
};

/// The two rules of these tests that look at images, and the one that looks at namespaces.
const RULES: &str = "{trustedRegistry: {severity: critical, allow: [registry.example]}, \
                     noMutableTag: {}, defaultDenyIngress: {}}";

/// Waits until a policy's findings in a namespace are so many in `/metrics`; none for zero.
#[track_caller]
fn await_metric(operator: &Operator, policy: &str, namespace: &str, rule: &str, count: f64) {
    until(&format!("{count} findings of {rule} in {namespace} in /metrics"), || {
        let metrics = operator.metrics();
        let labels = [("policy", policy), ("rule", rule), ("state", "fail")];
        let total = metrics.sum("revisor_findings", &labels);
        let here = metrics
            .sum("revisor_namespace_findings", &[&labels[..], &[("resource_namespace", namespace)]].concat());
        check(total == Some(count) && here.unwrap_or(0.0) == count, || metrics.lines_of(policy))
    });
}

/// Waits for a transition in the log, and returns its line.
#[track_caller]
fn await_log(operator: &Operator, id: &Value, transition: &str) -> Value {
    until(&format!("finding {id} {transition} in the log"), || {
        let lines = operator.log();
        let found = lines.iter().find(|line| line["finding"] == *id && line["transition"] == transition);
        found.cloned().ok_or_else(|| operator.tail())
    })
}

/// The id under which a NamespaceAudit lists a finding.
#[track_caller]
fn id_of(audit: &Value, rule: &str, subject: &str) -> Value {
    let findings = audit["findings"].as_array().expect("a list");
    let found = findings.iter().find(|finding| finding["rule"] == rule && finding["subject"] == subject);
    found.unwrap_or_else(|| panic!("{rule} of {subject} in {audit}"))["id"].clone()
}

/// A policy over one namespace, audited before there is anything to find: then findings are news.
#[track_caller]
fn watch_over(world: &World, namespace: &str, rules: &str) {
    world.cluster.apply(&policy(namespace, namespace, rules));
    await_audited(world.cluster, namespace);
}

#[test]
#[ignore = "needs the real control plane (make e2e)"]
fn a_deployment_is_reported_everywhere_and_cleared_everywhere_after_the_fix() {
    let world = shared();
    let (cluster, operator) = (world.cluster, &world.operator);
    let name = "findings-deployment";
    watch_over(world, name, RULES);
    cluster.create_namespace(name);
    cluster.apply(&deny_ingress(name));
    cluster.apply(&deployment(name, "web", "evil.test/web:latest"));

    let expected = ["NoMutableTag Deployment/web fail", "TrustedRegistry Deployment/web fail"];
    let audit = await_findings(cluster, name, &expected).expect("a NamespaceAudit");
    assert_eq!(audit["compliant"], "False", "{audit}");
    assert_eq!(audit["summary"]["violations"], 2, "{audit}");
    assert_eq!(audit["summary"]["critical"], 1, "{audit}");
    let first = &audit["findings"][0];
    assert_eq!(first["rule"], "TrustedRegistry", "the worst first: {audit}");
    assert_eq!(first["container"], "main", "{audit}");
    assert_eq!(first["image"], "evil.test/web:latest", "{audit}");
    assert_eq!(first["policies"], serde_json::json!([name]), "{audit}");

    let policy = await_violations(cluster, name, 2);
    let generation = &policy["metadata"]["generation"];
    assert_eq!(policy["status"]["observedGeneration"], *generation);
    let summary = &policy["status"]["summary"];
    assert_eq!((&summary["critical"], &summary["namespaces"]), (&1.into(), &1.into()), "{summary}");
    for (type_, status, reason) in [("Ready", "True", "Audited"), ("Compliant", "False", "ViolationsFound")] {
        let condition = condition(&policy, type_);
        assert_eq!(
            (&condition["status"], &condition["reason"]),
            (&status.into(), &reason.into()),
            "{condition}"
        );
        assert_eq!(condition["observedGeneration"], *generation, "{condition}");
    }
    let rules = policy["status"]["rules"].as_array().expect("the rules");
    let counts: Vec<_> = rules.iter().map(|rule| (&rule["rule"], &rule["violations"])).collect();
    assert_eq!(counts.len(), 3, "those without findings too: {counts:?}");
    assert!(counts.contains(&(&"DefaultDenyIngress".into(), &0.into())), "{counts:?}");
    assert!(counts.contains(&(&"TrustedRegistry".into(), &1.into())), "{counts:?}");
    assert_eq!(policy["status"]["namespaces"][0]["name"], name);

    let table = cluster.kubectl_ok(&["get", "imgpol", name]);
    let words: Vec<&str> = table.lines().next().unwrap_or_default().split_whitespace().collect();
    assert_eq!(words, ["NAME", "READY", "COMPLIANT", "VIOLATIONS", "CRITICAL", "UNKNOWN", "RULES", "AGE"]);
    let words: Vec<&str> = table.lines().nth(1).unwrap_or_default().split_whitespace().collect();
    assert_eq!(words[..7], [name, "True", "False", "2", "1", "0", "3"], "{table}");

    await_metric(operator, name, name, "TrustedRegistry", 1.0);
    await_event(cluster, name, "Warning", "Deployment/web", "TrustedRegistry");
    await_event(cluster, name, "Warning", "Deployment/web", "NoMutableTag");
    let described = cluster.kubectl_ok(&["describe", "deployment", "web", "-n", name]);
    let (_, told) = described.split_once("Events:").expect("a section of Events");
    assert!(told.contains("TrustedRegistry"), "{described}");
    let id = id_of(&audit, "TrustedRegistry", "Deployment/web");
    let line = await_log(operator, &id, "opened");
    assert_eq!(line["rule"], "TrustedRegistry", "{line}");

    cluster.kubectl_ok(&["set", "image", "deployment/web", &format!("main={TRUSTED}"), "-n", name]);
    await_findings(cluster, name, &[]);
    let policy = await_violations(cluster, name, 0);
    let compliant = condition(&policy, "Compliant");
    assert_eq!(compliant["status"], "True", "{compliant}");
    await_metric(operator, name, name, "TrustedRegistry", 0.0);
    await_metric(operator, name, name, "NoMutableTag", 0.0);
    await_event(cluster, name, "Normal", "Deployment/web", "TrustedRegistry");
    await_log(operator, &id, "resolved");
    let events = events(cluster, name);
    let about = |rule| events_about(&events, "Deployment/web", rule).len();
    assert_eq!(
        (about("TrustedRegistry"), about("NoMutableTag")),
        (2, 2),
        "no matter how many replicas: {events:?}"
    );
}

#[test]
#[ignore = "needs the real control plane (make e2e)"]
fn a_bare_pod_is_reported_by_itself_and_cleared_when_its_image_is_changed() {
    let world = shared();
    let (cluster, operator) = (world.cluster, &world.operator);
    let name = "findings-pod";
    watch_over(world, name, RULES);
    cluster.create_namespace(name);
    cluster.apply(&deny_ingress(name));
    cluster.apply(&pod(name, "bare", EVIL));

    let audit = await_findings(cluster, name, &["TrustedRegistry Pod/bare fail"]).expect("a NamespaceAudit");
    let id = id_of(&audit, "TrustedRegistry", "Pod/bare");
    let event = await_event(cluster, name, "Warning", "Pod/bare", "TrustedRegistry");
    let pod = cluster.kubectl_json(&["get", "pod", "bare", "-n", name]);
    assert_eq!(event["involvedObject"]["uid"], pod["metadata"]["uid"], "{event}");
    await_log(operator, &id, "opened");
    await_metric(operator, name, name, "TrustedRegistry", 1.0);

    cluster.kubectl_ok(&["set", "image", "pod/bare", &format!("main={TRUSTED}"), "-n", name]);
    await_findings(cluster, name, &[]);
    await_metric(operator, name, name, "TrustedRegistry", 0.0);
    await_event(cluster, name, "Normal", "Pod/bare", "TrustedRegistry");
    await_log(operator, &id, "resolved");
}

#[test]
#[ignore = "needs the real control plane (make e2e)"]
fn a_namespace_is_reported_inside_itself_and_cleared_by_a_network_policy() {
    let world = shared();
    let (cluster, operator) = (world.cluster, &world.operator);
    let name = "findings-namespace";
    watch_over(world, name, RULES);
    cluster.create_namespace(name);

    let subject = format!("Namespace/{name}");
    let expected = format!("DefaultDenyIngress {subject} fail");
    let audit = await_findings(cluster, name, &[&expected]).expect("a NamespaceAudit");
    let id = id_of(&audit, "DefaultDenyIngress", &subject);
    let event = await_event(cluster, name, "Warning", &subject, "DefaultDenyIngress");
    let namespace = cluster.kubectl_json(&["get", "namespace", name]);
    assert_eq!(event["involvedObject"]["uid"], namespace["metadata"]["uid"], "{event}");
    await_log(operator, &id, "opened");
    await_metric(operator, name, name, "DefaultDenyIngress", 1.0);

    cluster.apply(&deny_ingress(name));
    await_findings(cluster, name, &[]);
    await_metric(operator, name, name, "DefaultDenyIngress", 0.0);
    await_event(cluster, name, "Normal", &subject, "DefaultDenyIngress");
    await_log(operator, &id, "resolved");
}

#[test]
#[ignore = "needs the real control plane (make e2e)"]
fn the_job_of_a_cron_job_is_reported_under_the_cron_job_until_a_run_is_clean() {
    let world = shared();
    let (cluster, operator) = (world.cluster, &world.operator);
    let name = "findings-cronjob";
    watch_over(world, name, RULES);
    cluster.create_namespace(name);
    cluster.apply(&deny_ingress(name));
    cluster.apply(&cron_job(name, "nightly", EVIL));
    run(cluster, name, "nightly-1");

    let expected = "TrustedRegistry CronJob/nightly fail";
    let audit = await_findings(cluster, name, &[expected]).expect("a NamespaceAudit");
    let id = id_of(&audit, "TrustedRegistry", "CronJob/nightly");
    await_event(cluster, name, "Warning", "CronJob/nightly", "TrustedRegistry");
    await_log(operator, &id, "opened");
    // It stays a finding after the run: the next one would be the same.
    until("the job is done", || {
        let job = cluster.kubectl_json(&["get", "job", "nightly-1", "-n", name]);
        check(job["status"]["succeeded"] == 1, || job["status"].to_string())
    });
    await_findings(cluster, name, &[expected]);

    cluster.apply(&cron_job(name, "nightly", TRUSTED));
    // A run that begins and ends while the audit waits for a kind that another test's policy needs is not seen to live;
    // a CronJob has a next one.
    let (mut runs, mut last) = (1, None::<Instant>);
    until("a clean run ends the finding", || {
        if last.is_none_or(|last| last.elapsed() > Duration::from_secs(20)) {
            runs += 1;
            last = Some(Instant::now());
            run(cluster, name, &format!("nightly-{runs}"));
        }
        let audit = namespace_audit(cluster, name);
        check(audit.is_none(), || format!("found: {:?}", audit.as_ref().map(findings)))
    });
    await_event(cluster, name, "Normal", "CronJob/nightly", "TrustedRegistry");
    await_log(operator, &id, "resolved");
    await_metric(operator, name, name, "TrustedRegistry", 0.0);
    let policy = image_policy(cluster, name).expect("the policy");
    assert_eq!(condition(&policy, "Compliant")["status"], "True");
}

#[track_caller]
fn run(cluster: &ControlPlane, namespace: &str, job: &str) {
    cluster.kubectl_ok(&["create", "job", job, "--from=cronjob/nightly", "-n", namespace]);
}
