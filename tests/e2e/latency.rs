//! How long it takes from a change that the API server has acknowledged to its verdict in `/metrics`.

use std::time::{Duration, Instant};

use k8s_openapi::api::core::v1::Pod;
use kube::api::{Api, Patch, PatchParams};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};
use testkit::controlplane::ControlPlane;

use crate::http::Connection;
use crate::metrics::Metrics;
use crate::objects::{EVIL, TRUST, TRUSTED, pod, policy};
use crate::operator::Operator;
use crate::wait::{LIMIT, check, until};
use crate::world::{await_audited, installed};

const CHANGES: usize = 50;

/// Violations in `/metrics` now.
fn violations(connection: &mut Connection) -> f64 {
    let answer = connection.get("/metrics", "").expect("a scrape");
    let metrics = Metrics(answer.body);
    metrics.sum("revisor_findings", &[("policy", "latency"), ("state", "fail")]).unwrap_or(0.0)
}

#[test]
#[ignore = "needs the real control plane (make e2e)"]
#[expect(clippy::print_stdout, reason = "a measurement, for the documentation")]
fn a_change_is_in_the_metrics_within_seconds() {
    let (cluster, kubeconfig) = installed(ControlPlane::builder());
    cluster.create_namespace("latency");
    let pods: String = (0..CHANGES).map(|index| pod("latency", &format!("pod-{index}"), TRUSTED)).collect();
    cluster.apply(&pods);
    cluster.apply(&policy("latency", "latency", TRUST));
    let operator = Operator::start(&kubeconfig, &[]);
    await_audited(&cluster, "latency");
    until("all pods run", || {
        let list =
            cluster.kubectl_json(&["get", "pods", "-n", "latency", "--field-selector=status.phase=Running"]);
        let running = list["items"].as_array().map_or(0, Vec::len);
        check(running == CHANGES, || format!("{running} run"))
    });

    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let client = runtime.block_on(async {
        let kubeconfig = Kubeconfig::read_from(cluster.kubeconfig()).expect("the kubeconfig");
        let config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await;
        Client::try_from(config.expect("a configuration")).expect("a client")
    });
    let api: Api<Pod> = Api::namespaced(client, "latency");
    let patch =
        Patch::Strategic(serde_json::json!({"spec": {"containers": [{"name": "main", "image": EVIL}]}}));
    let mut connection = operator.connect();
    assert_eq!(violations(&mut connection), 0.0);
    let mut times: Vec<Duration> = Vec::with_capacity(CHANGES);
    let mut expected = 0.0;
    for index in 0..CHANGES {
        let name = format!("pod-{index}");
        runtime.block_on(api.patch(&name, &PatchParams::default(), &patch)).expect("a change");
        let acknowledged = Instant::now();
        expected += 1.0;
        while violations(&mut connection) < expected {
            assert!(acknowledged.elapsed() < LIMIT, "{name} is not in /metrics");
        }
        times.push(acknowledged.elapsed());
    }
    times.sort();
    let milliseconds = |at: usize| times[at].as_secs_f64() * 1_000.0;
    println!(
        "detection latency: p50 {:.1} ms, p99 {:.1} ms, max {:.1} ms ({CHANGES} changes, one at a time, scrape included)",
        milliseconds(CHANGES / 2),
        milliseconds(CHANGES * 99 / 100 - 1),
        milliseconds(CHANGES - 1),
    );
    assert!(times[CHANGES / 2] < Duration::from_secs(1), "{times:?}");
    operator.terminate();
}
