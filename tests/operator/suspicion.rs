//! Suspicious activity: from a change in the cluster to Event, metric and log.

use revisor::operator::Settings;
use serde_json::{Value, json};
use testkit::apiserver::{ApiServer, Fault};

use crate::support::{POLICY, Running, deployment, eventually, in_pages, settings, status, tidy_namespace};

fn on(settings: Settings) -> Settings {
    Settings { suspicious_activity: true, ..settings }
}

/// A cluster with a policy, a tidy namespace and one Deployment that is right.
async fn cluster() -> ApiServer {
    let server = ApiServer::builder().start().await;
    server.apply(POLICY);
    tidy_namespace(&server, "team-a");
    deployment(&server, "team-a", "web", "registry.example.com/x:1");
    server
}

/// Reasons of the Events of suspicious activity, sorted.
fn signals(server: &ApiServer) -> Vec<String> {
    let events = server.list("Event", "");
    let noticed = events.iter().filter(|event| event["action"] == "Noticed");
    let mut reasons: Vec<String> =
        noticed.map(|event| event["reason"].as_str().unwrap_or_default().to_owned()).collect();
    reasons.sort();
    reasons
}

fn event(server: &ApiServer, reason: &str) -> Option<Value> {
    server.list("Event", "").into_iter().find(|event| event["reason"] == reason)
}

/// Makes one signal more. Events are written one after the other, so that all that was seen before stands before it.
async fn nothing_but(server: &ApiServer, before: &[&str]) {
    server.delete("ImagePolicy", "", "baseline");
    eventually("a later Event", async || event(server, "PolicyDeleted").is_some()).await;
    let mut expected = [before, &["PolicyDeleted"]].concat();
    expected.sort_unstable();
    assert_eq!(signals(server), expected);
}

fn counter(signal: &str) -> String {
    format!(r#"revisor_suspicious_activity_total{{signal="{signal}"}}"#)
}

#[tokio::test]
async fn a_changed_image_is_an_event_at_the_workload_and_counted() {
    for settings in [settings(), in_pages()] {
        let server = cluster().await;
        let operator = Running::ready(&server, on(settings)).await;
        assert_eq!(operator.metric(&counter("PodImageChanged")).await, Some(0.0), "from zero on");
        let image =
            json!({"spec": {"containers": [{"name": "app", "image": "registry.example.com/other:1"}]}});
        server.patch("Pod", "team-a", "web-7f-x", image);
        eventually("an Event", async || event(&server, "PodImageChanged").is_some()).await;
        let event = event(&server, "PodImageChanged").expect("the Event");
        let uid =
            server.get("Deployment", "team-a", "web").expect("the Deployment")["metadata"]["uid"].clone();
        assert_eq!((&event["type"], &event["involvedObject"]["uid"]), (&json!("Warning"), &uid), "{event}");
        assert_eq!(event["metadata"]["namespace"], "team-a");
        let note = event["message"].as_str().unwrap_or_default();
        assert!(
            note.starts_with("Suspicious: Deployment/web: container app of pod web-7f-x has image"),
            "{note}"
        );
        assert_eq!(operator.metric(&counter("PodImageChanged")).await, Some(1.0));
        nothing_but(&server, &["PodImageChanged"]).await;
        operator.stop().await;
    }
}

/// Ten replicas are one Event, and one in the counter.
#[tokio::test]
async fn ten_replicas_that_are_edited_alike_are_one_event_that_says_how_many() {
    let server = cluster().await;
    let names: Vec<String> = (0..9).map(|index| format!("web-7f-{index}")).collect();
    let first = server.get("Pod", "team-a", "web-7f-x").expect("the first replica");
    for name in &names {
        let mut pod = first.clone();
        pod["metadata"] = json!({
            "name": name, "namespace": "team-a", "labels": first["metadata"]["labels"],
            "ownerReferences": first["metadata"]["ownerReferences"],
        });
        server.create(pod);
    }
    let operator = Running::ready(&server, on(settings())).await;
    let image = json!({"spec": {"containers": [{"name": "app", "image": "registry.example.com/other:1"}]}});
    for name in names.iter().map(String::as_str).chain(["web-7f-x"]) {
        server.patch("Pod", "team-a", name, image.clone());
    }
    eventually("an Event", async || event(&server, "PodImageChanged").is_some()).await;
    let event = event(&server, "PodImageChanged").expect("the Event");
    let note = event["message"].as_str().unwrap_or_default();
    assert!(note.starts_with("Suspicious: Deployment/web: container app of 10 pods ("), "{note}");
    nothing_but(&server, &["PodImageChanged"]).await;
    assert_eq!(operator.metric(&counter("PodImageChanged")).await, Some(1.0));
    operator.stop().await;
}

#[tokio::test]
async fn a_namespace_and_a_policy_are_regarded_by_their_own_events() {
    let server = cluster().await;
    let operator = Running::ready(&server, on(settings())).await;
    let labels = json!({"metadata": {"labels": {"admission.gatekeeper.sh/ignore": "x"}}});
    server.patch("Namespace", "", "team-a", labels);
    server.delete("NetworkPolicy", "team-a", "default-deny");
    server.patch(
        "ImagePolicy",
        "",
        "baseline",
        json!({"spec": {"scope": {"excludeNamespaces": ["team-b"]}}}),
    );
    let all = ["DefaultDenyRemoved", "OptOutLabelAdded", "PolicyWeakened"];
    eventually("all Events", async || signals(&server) == all).await;
    for (reason, kind, name, namespace) in [
        ("DefaultDenyRemoved", "Namespace", "team-a", "team-a"),
        ("OptOutLabelAdded", "Namespace", "team-a", "team-a"),
        ("PolicyWeakened", "ImagePolicy", "baseline", "default"),
    ] {
        let event = event(&server, reason).expect("the Event");
        let regards = &event["involvedObject"];
        assert_eq!((&regards["kind"], &regards["name"]), (&json!(kind), &json!(name)), "{event}");
        assert!(regards["uid"].as_str().is_some_and(|uid| !uid.is_empty()), "{event}");
        assert_eq!(event["metadata"]["namespace"], namespace, "{event}");
        assert_eq!(operator.metric(&counter(reason)).await, Some(1.0));
    }
    server.delete("ImagePolicy", "", "baseline");
    eventually("the end of the policy", async || event(&server, "PolicyDeleted").is_some()).await;
    operator.stop().await;
}

#[tokio::test]
async fn a_namespace_that_is_deleted_with_all_that_is_in_it_is_no_activity() {
    let server = cluster().await;
    tidy_namespace(&server, "team-b");
    let operator = Running::ready(&server, on(settings())).await;
    server.delete("NetworkPolicy", "team-a", "default-deny");
    server.delete("Pod", "team-a", "web-7f-x");
    server.delete("Namespace", "", "team-a");
    // What is held back is told in order: what is lost later in another namespace proves that this was not told.
    server.delete("NetworkPolicy", "team-b", "default-deny");
    eventually("an Event of the other namespace", async || !signals(&server).is_empty()).await;
    assert_eq!(signals(&server), ["DefaultDenyRemoved"]);
    let event = event(&server, "DefaultDenyRemoved").expect("the Event");
    assert_eq!(event["involvedObject"]["name"], "team-b", "{event}");
    operator.stop().await;
}

#[tokio::test]
async fn a_restart_and_a_list_told_again_are_no_activity_and_write_nothing() {
    let server = cluster().await;
    let first = Running::ready(&server, on(in_pages())).await;
    eventually("a status", async || status(&server).is_object()).await;
    first.stop().await;
    server.reset_records();
    let second = Running::ready(&server, on(in_pages())).await;
    let kinds = ["pods", "imagepolicies"];
    let lists = kinds.map(|kind| server.count("list", kind));
    server.fault(Fault::expire_watches());
    // A list that was read to its end is followed.
    let again =
        |(kind, before): (&str, &u64)| server.count("list", kind) > *before && server.open_watches(kind) == 1;
    eventually("other lists", async || kinds.into_iter().zip(&lists).all(again)).await;
    nothing_but(&server, &[]).await;
    let written: Vec<_> = server.writes().into_iter().map(|write| write.path).collect();
    assert!(written.len() == 1 && written[0].contains("/namespaces/default/events"), "{written:?}");
    second.stop().await;
}

#[tokio::test]
async fn switched_off_it_tells_nothing() {
    let server = cluster().await;
    let operator = Running::ready(&server, settings()).await;
    server.delete("ImagePolicy", "", "baseline");
    deployment(&server, "team-a", "other", "evil.test/x:1");
    let pods = async || operator.metric(r#"revisor_subjects{subject_kind="pod"}"#).await == Some(2.0);
    eventually("a later pod is seen", pods).await;
    assert_eq!(signals(&server), Vec::<String>::new());
    assert_eq!(operator.metric(&counter("PolicyDeleted")).await, Some(0.0));
    operator.stop().await;
}
