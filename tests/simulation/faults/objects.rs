//! Objects that are large, malformed, or gone in an unexpected order.

use serde_json::{Value, json};
use testkit::apiserver::{ApiServer, Fault};

use super::cluster::{
    builder, cluster, deployment, in_pages, settled, status, streaming, tidy_namespace, violations,
};
use super::{HOUR, MINUTE};
use crate::world::World;

/// A pod with an annotation of 1.5 MB, and one of 1,000 containers.
fn large_pods(server: &ApiServer) {
    let long = "x".repeat(1_500_000);
    server.create(json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": "annotated", "namespace": "team-b", "annotations": {"note": long}},
        "spec": {"containers": [{"name": "app", "image": "evil.test/a:1"}]}, "status": {"phase": "Running"},
    }));
    let container = |number: usize| {
        let environment = json!([{"name": "PADDING", "value": "x".repeat(1_300)}]);
        json!({"name": format!("c-{number}"), "image": format!("evil.test/many-{number}:1"), "env": environment})
    };
    let containers: Vec<Value> = (0..1_000).map(container).collect();
    server.create(json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": "crowded", "namespace": "team-b"},
        "spec": {"containers": containers}, "status": {"phase": "Running"},
    }));
}

#[tokio::test(start_paused = true)]
async fn objects_of_a_megabyte_and_a_half_are_read_from_lists_and_from_watches() {
    for settings in [in_pages(), streaming()] {
        let world = settled(settings.clone()).await;
        large_pods(world.server());
        tokio::time::sleep(MINUTE).await;
        assert_eq!(violations(world.server()), 1_003, "told by a watch");
        world.ends_well().await;

        let world = World::over(builder(), settings, |server| {
            cluster(server);
            large_pods(server);
        });
        let world = world.await;
        tokio::time::sleep(MINUTE).await;
        assert_eq!(violations(world.server()), 1_003, "told by a list");
        world.ends_well().await;
    }
}

/// Whatever an aggregated server, a webhook or a broken etcd could make of objects.
fn malformed_objects(server: &ApiServer) {
    let pod = |name: &str, more: Value| {
        let mut pod = json!({
            "apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "namespace": "team-b", "uid": name},
            "spec": {"containers": [{"name": "app", "image": "evil.test/m:1"}]}, "status": {"phase": "Running"},
        });
        for (pointer, value) in more.as_object().unwrap() {
            let (parent, key) = pointer.rsplit_once('/').unwrap();
            pod.pointer_mut(parent).unwrap()[key] = value.clone();
        }
        server.plant(pod);
    };
    pod("no-name", json!({"/metadata/name": null}));
    pod("number-as-name", json!({"/metadata/name": 7}));
    pod("no-uid", json!({"/metadata/uid": null}));
    pod("list-as-uid", json!({"/metadata/uid": []}));
    pod("no-namespace", json!({"/metadata/namespace": null}));
    pod("labels-in-a-list", json!({"/metadata/labels": ["app"]}));
    pod("numbers-in-labels", json!({"/metadata/labels": {"app": 7}}));
    pod("owners-in-a-text", json!({"/metadata/ownerReferences": "web"}));
    pod("null-owners", json!({"/metadata/ownerReferences": [null, 7, {"kind": []}]}));
    pod("date-in-a-number", json!({"/metadata/creationTimestamp": 7, "/metadata/deletionTimestamp": {}}));
    pod("null-annotations", json!({"/metadata/annotations": null}));
    pod("null-spec", json!({"/spec": null}));
    pod("spec-in-a-list", json!({"/spec": []}));
    pod("null-containers", json!({"/spec/containers": null}));
    pod("containers-of-nothing", json!({"/spec/containers": [null, 7, {"name": "app"}]}));
    pod("image-in-a-number", json!({"/spec/containers": [{"name": "app", "image": 7}]}));
    pod("null-status", json!({"/status": null}));
    pod("status-in-a-text", json!({"/status": "Running"}));
    pod("statuses-in-a-map", json!({"/status/containerStatuses": {"app": null}}));
    server.plant(json!({
        "apiVersion": "v1", "kind": "Namespace", "spec": 7,
        "metadata": {"name": "team-m", "labels": "none", "annotations": [], "uid": 7}, "status": [],
    }));
    server.plant(json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"labels": null}}));
    for (name, spec) in [("null", Value::Null), ("text", json!("x")), ("list", json!({"podSelector": []}))] {
        server.plant(json!({
            "apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy",
            "metadata": {"name": name, "namespace": "team-b", "uid": name}, "spec": spec,
        }));
    }
    server.plant(json!({"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "spec": {}}));
    for (name, spec) in
        [("null", Value::Null), ("list", json!([7])), ("odd", json!({"scope": 7, "rules": []}))]
    {
        server.plant(json!({
            "apiVersion": "revisor.dev/v1alpha1", "kind": "ImagePolicy",
            "metadata": {"name": name, "uid": name, "generation": 1}, "spec": spec,
        }));
    }
    server.plant(json!({"apiVersion": "revisor.dev/v1alpha1", "kind": "ImagePolicy", "spec": null}));
}

/// What can be judged is, and of the rest it is said that nobody knows.
fn all_is_judged(server: &ApiServer) {
    let unknown = status(server)["summary"]["unknown"].as_u64();
    assert!(violations(server) >= 5 && unknown > Some(30), "{}", status(server));
}

#[tokio::test(start_paused = true)]
async fn malformed_objects_in_a_watch_cost_no_other_one() {
    for settings in [in_pages(), streaming()] {
        let world = settled(settings).await;
        let server = world.server();
        server.reset_records();
        malformed_objects(server);
        deployment(server, "team-b", "batch", "evil.test/y:1");
        tokio::time::sleep(10 * MINUTE).await;
        all_is_judged(server);
        let lists = ["pods", "namespaces", "networkpolicies"].map(|kind| server.count("list", kind));
        assert_eq!(lists, [0; 3], "nothing had to be told anew");
        world.ends_well().await;
    }
}

#[tokio::test(start_paused = true)]
async fn malformed_objects_in_a_list_cost_no_other_one() {
    for settings in [in_pages(), streaming()] {
        let world = World::over(builder(), settings, |server| {
            cluster(server);
            malformed_objects(server);
        });
        let world = world.await;
        tokio::time::sleep(MINUTE).await;
        all_is_judged(world.server());
        world.ends_well().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_namespace_that_is_gone_before_its_pods_takes_its_findings_with_it() {
    let world = settled(in_pages()).await;
    let server = world.server();
    // What the watches of the other kinds tell comes a minute late.
    let late = ["pods", "networkpolicies"].map(|kind| server.fault(Fault::stall_watch().on(kind)));
    server.delete("Namespace", "", "team-a");
    server.reset_records();
    tokio::time::sleep(MINUTE).await;
    assert!(late.iter().all(|stall| stall.hits() > 0));
    assert_eq!(violations(server), 1, "its pods are there as far as anybody has said: {}", status(server));
    late.iter().for_each(testkit::apiserver::FaultHandle::clear);
    tokio::time::sleep(MINUTE).await;
    let writes = server.writes();
    let lost: Vec<_> = writes.iter().filter(|write| write.path.contains("/namespaces/team-a/")).collect();
    assert!(lost.len() < 5, "nobody is there to write for: {lost:?}");
    // It comes back under the same name.
    tidy_namespace(server, "team-a");
    deployment(server, "team-a", "web", "evil.test/x:1");
    world.ends_well().await;
}

#[tokio::test(start_paused = true)]
async fn a_clock_that_goes_back_by_hours_ends_no_grace_too_early_and_loses_no_finding() {
    let world = settled(in_pages()).await;
    let server = world.server();
    let digest = |digit: &str| format!("registry.example.com/app@sha256:{}", digit.repeat(64));
    deployment(server, "team-b", "batch", &digest("0"));
    let running = json!({"status": {"containerStatuses": [{
        "name": "app", "image": "app", "imageID": digest("1"), "state": {"running": {}},
    }]}});
    server.patch("Pod", "team-b", "batch-7f-x", running);
    // The other one is scaled to zero, and its finding dormant.
    server.delete("Pod", "team-a", "web-7f-x");
    tokio::time::sleep(MINUTE).await;
    let before = violations(server);
    world.set_clock_to(-5);
    tokio::time::sleep(30 * MINUTE).await;
    assert_eq!(violations(server), before, "the grace of an hour is not over");
    server.delete("ReplicaSet", "team-a", "web-7f");
    server.delete("Deployment", "team-a", "web");
    tokio::time::sleep(8 * HOUR).await;
    assert_ne!(violations(server), before, "it is over");
    world.ends_well().await;
}
