//! The API server goes away and comes back; the operator is restarted.

use std::collections::BTreeMap;

use testkit::controlplane::ControlPlane;

use crate::objects::{EVIL, TRUSTED, deployment, pod, policy};
use crate::operator::Operator;
use crate::wait::{check, until};
use crate::world::{await_audited, await_event, await_findings, await_violations, events, installed};

const RULES: &str = "{trustedRegistry: {allow: [registry.example]}, defaultDenyIngress: {}}";

#[test]
#[ignore = "needs the real control plane (make e2e)"]
fn while_the_api_server_is_away_the_last_results_are_kept_and_then_all_is_right_again() {
    let (cluster, kubeconfig) = installed(ControlPlane::builder());
    let name = "outage";
    cluster.apply(&policy(name, name, RULES));
    let operator = Operator::start(&kubeconfig, &[]);
    cluster.create_namespace(name);
    cluster.apply(&pod(name, "bad", EVIL));
    let namespace_finding = "DefaultDenyIngress Namespace/outage fail";
    await_findings(&cluster, name, &[namespace_finding, "TrustedRegistry Pod/bad fail"]);
    let found = |operator: &Operator, rule: &str| {
        operator.metrics().sum("revisor_findings", &[("policy", name), ("rule", rule), ("state", "fail")])
    };
    until("it is in /metrics", || {
        check(found(&operator, "TrustedRegistry") == Some(1.0), || operator.tail())
    });
    let synced =
        |operator: &Operator| operator.metrics().sum("revisor_watch_synced", &[("resource", "pods")]);
    assert_eq!(synced(&operator), Some(1.0));

    cluster.stop_apiserver();
    until("the operator says that it is stale", || {
        check(synced(&operator) == Some(0.0), || operator.metrics().lines_of("revisor_watch"))
    });
    assert_eq!(found(&operator, "TrustedRegistry"), Some(1.0), "the last results are kept");
    assert_eq!(operator.get("/livez").expect("an answer").status, 200, "nobody restarts it for that");

    cluster.start_apiserver();
    // Both kinds of change: one that was there, one that is new.
    cluster.kubectl_ok(&["set", "image", "pod/bad", &format!("main={TRUSTED}"), "-n", name]);
    cluster.apply(&pod(name, "new", EVIL));
    await_findings(&cluster, name, &[namespace_finding, "TrustedRegistry Pod/new fail"]);
    await_event(&cluster, name, "Warning", "Pod/new", "TrustedRegistry");
    await_event(&cluster, name, "Normal", "Pod/bad", "TrustedRegistry");
    until("the operator is up to date", || {
        check(synced(&operator) == Some(1.0), || operator.metrics().lines_of("revisor_watch"))
    });
    let lines = operator.log();
    let away = lines.iter().filter(|line| line["level"] == "WARN" || line["level"] == "ERROR").count();
    assert!(away <= 4, "an outage is told once, not by every watch at each attempt: {}", operator.tail());
    operator.terminate();
}

/// What a second operator must leave as it is, by name: every byte, the resource version among them.
fn written(cluster: &ControlPlane) -> BTreeMap<String, String> {
    let kinds = "imagepolicies.revisor.dev,namespaceaudits.revisor.dev";
    let list = cluster.kubectl_json(&["get", kinds, "-A"]);
    let items = list["items"].as_array().cloned().unwrap_or_default();
    let names = items.iter().map(|item| {
        let metadata = &item["metadata"];
        let name = format!("{} {} {}", item["kind"], metadata["namespace"], metadata["name"]);
        (name, item.to_string())
    });
    names.collect()
}

/// Names of all Events.
fn event_names(cluster: &ControlPlane) -> Vec<String> {
    let namespaces = ["restart", "default"];
    let mut names: Vec<_> = namespaces
        .iter()
        .flat_map(|namespace| events(cluster, namespace))
        .map(|event| event["metadata"]["name"].to_string())
        .collect();
    names.sort();
    names
}

#[test]
#[ignore = "needs the real control plane (make e2e)"]
fn a_restarted_operator_writes_nothing_to_an_unchanged_cluster() {
    let (cluster, kubeconfig) = installed(ControlPlane::builder().audit_log(true));
    let name = "restart";
    cluster.apply(&policy(name, name, RULES));
    let first = Operator::start(&kubeconfig, &[]);
    await_audited(&cluster, name);
    cluster.create_namespace(name);
    cluster.apply(&(deployment(name, "web", EVIL) + &pod(name, "bad", EVIL)));
    let expected = [
        "DefaultDenyIngress Namespace/restart fail",
        "TrustedRegistry Deployment/web fail",
        "TrustedRegistry Pod/bad fail",
    ];
    await_findings(&cluster, name, &expected);
    await_violations(&cluster, name, 3);
    await_event(&cluster, name, "Warning", "Namespace/restart", "DefaultDenyIngress");
    await_event(&cluster, name, "Warning", "Deployment/web", "TrustedRegistry");
    await_event(&cluster, name, "Warning", "Pod/bad", "TrustedRegistry");
    first.terminate();
    let (objects, events) = (written(&cluster), event_names(&cluster));
    assert_eq!(objects.len(), 2, "{objects:?}");

    let second = Operator::start(&kubeconfig, &[]);
    // A change elsewhere that the second one tells shows that it has caught up with all it could have to write.
    cluster.apply(&policy("restart-probe", "restart-probe", RULES));
    await_audited(&cluster, "restart-probe");
    cluster.create_namespace("restart-probe");
    let probe = "DefaultDenyIngress Namespace/restart-probe fail";
    await_findings(&cluster, "restart-probe", &[probe]);
    await_event(&cluster, "restart-probe", "Warning", "Namespace/restart-probe", "DefaultDenyIngress");

    let mut now = written(&cluster);
    now.retain(|name, _| !name.contains("restart-probe"));
    assert_eq!(now, objects, "nothing was written");
    let mut now = event_names(&cluster);
    let news: Vec<_> = now.extract_if(.., |name| !events.contains(name)).collect();
    assert!(news.len() <= 1, "no Events but the summary of the probe's own policy: {news:?}");
    assert_eq!(now, events);
    second.terminate();
}
