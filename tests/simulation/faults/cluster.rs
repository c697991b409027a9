//! A small cluster in which faults strike.

use std::time::Duration;

use revisor::operator::{Settings, StreamingLists};
use serde_json::{Value, json};
use testkit::apiserver::{ApiServer, Builder};
use tokio::time::Instant;

use crate::world::World;

/// Rules about images, namespaces and running pods, one with a grace.
pub(super) const POLICY: &str = "
apiVersion: revisor.dev/v1alpha1
kind: ImagePolicy
metadata: {name: baseline}
spec:
  scope: {includeNamespaces: ['team-*']}
  rules:
    trustedRegistry: {severity: critical, allow: ['registry.example.com/**']}
    noMutableTag: {}
    defaultDenyIngress: {}
    runningDigestMatches: {grace: 1h}
";

const GOOD: &str = "registry.example.com/app:1.2.3";

/// The policy, a namespace with violations and one without.
pub(super) fn cluster(server: &ApiServer) {
    server.apply(POLICY);
    namespace(server, "team-a");
    deployment(server, "team-a", "web", "evil.test/x:1");
    deployment(server, "team-a", "cache", GOOD);
    tidy_namespace(server, "team-b");
    deployment(server, "team-b", "shop", GOOD);
}

/// A namespace without anything in it.
pub(super) fn namespace(server: &ApiServer, name: &str) {
    server.create(json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}));
}

/// A namespace with default-deny.
pub(super) fn tidy_namespace(server: &ApiServer, name: &str) {
    namespace(server, name);
    server.create(json!({
        "apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy",
        "metadata": {"name": "default-deny", "namespace": name},
        "spec": {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]},
    }));
}

fn owner(object: &Value) -> Value {
    json!({
        "apiVersion": object["apiVersion"], "kind": object["kind"], "controller": true,
        "name": object["metadata"]["name"], "uid": object["metadata"]["uid"],
    })
}

/// A Deployment with its ReplicaSet and one running pod, `NAME-7f-x`.
pub(super) fn deployment(server: &ApiServer, namespace: &str, name: &str, image: &str) {
    let created = server.create(json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name, "namespace": namespace}, "spec": {},
    }));
    let set = server.create(json!({
        "apiVersion": "apps/v1", "kind": "ReplicaSet", "spec": {},
        "metadata": {"name": format!("{name}-7f"), "namespace": namespace, "ownerReferences": [owner(&created)]},
    }));
    server.create(json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {
            "name": format!("{name}-7f-x"), "namespace": namespace, "ownerReferences": [owner(&set)],
            "labels": {"app": name, "pod-template-hash": "7f"},
        },
        "spec": {"containers": [{"name": "app", "image": image}]},
        "status": {"phase": "Running"},
    }));
}

/// All of a Deployment goes, as after the garbage collector.
pub(super) fn delete_deployment(server: &ApiServer, namespace: &str, name: &str) {
    server.delete("Pod", namespace, &format!("{name}-7f-x"));
    server.delete("ReplicaSet", namespace, &format!("{name}-7f"));
    server.delete("Deployment", namespace, name);
}

/// The pod of a Deployment gets another image.
pub(super) fn set_image(server: &ApiServer, namespace: &str, name: &str, image: &str) {
    let spec = json!({"spec": {"containers": [{"name": "app", "image": image}]}});
    server.patch("Pod", namespace, &format!("{name}-7f-x"), spec);
}

/// Lists in pages, no probe.
pub(super) fn in_pages() -> Settings {
    Settings { streaming_lists: StreamingLists::Off, ..Settings::default() }
}

/// Lists as the beginning of a watch, no probe.
pub(super) fn streaming() -> Settings {
    Settings { streaming_lists: StreamingLists::On, ..Settings::default() }
}

/// Settings of the server.
pub(super) fn builder() -> Builder {
    ApiServer::builder().bookmark_interval(Duration::from_secs(240))
}

/// The cluster, and an operator over it that has audited it.
pub(super) async fn settled(settings: Settings) -> World {
    let world = World::over(builder(), settings, cluster).await;
    tokio::time::sleep(super::MINUTE).await;
    assert_eq!(violations(world.server()), 2, "{}", status(world.server()));
    world
}

/// The policy's status.
pub(super) fn status(server: &ApiServer) -> Value {
    server.get("ImagePolicy", "", "baseline").map(|policy| policy["status"].clone()).unwrap_or_default()
}

/// How many violations it shows.
pub(super) fn violations(server: &ApiServer) -> u64 {
    status(server)["summary"]["violations"].as_u64().unwrap_or_default()
}

/// A condition's status and reason.
pub(super) fn condition(server: &ApiServer, name: &str) -> (String, String) {
    let status = status(server);
    let found = status["conditions"].as_array().into_iter().flatten().find(|found| found["type"] == name);
    let text = |key: &str| found.and_then(|condition| condition[key].as_str()).unwrap_or_default().to_owned();
    (text("status"), text("reason"))
}

/// When each of the next requests with this verb and resource comes in, from now on, while `time` passes.
pub(super) async fn arrivals(
    server: &ApiServer,
    verb: &str,
    resource: &str,
    time: Duration,
) -> Vec<Duration> {
    let (begun, mut seen, mut at) = (Instant::now(), server.count(verb, resource), Vec::new());
    let watching = async {
        loop {
            server.until(|server| server.count(verb, resource) > seen).await;
            let count = server.count(verb, resource);
            at.extend((seen..count).map(|_| begun.elapsed()));
            seen = count;
        }
    };
    let _: Result<(), _> = tokio::time::timeout(time, watching).await;
    at
}

/// The times between what happens.
pub(super) fn gaps(times: &[Duration]) -> Vec<Duration> {
    times.windows(2).map(|pair| pair[1] - pair[0]).collect()
}
