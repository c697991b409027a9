//! From a change in the cluster to what people see.

use serde_json::json;
use testkit::apiserver::{ApiServer, Fault};

use crate::support::{
    POLICY, Running, condition, deployment, eventually, in_pages, settings, status, tidy_namespace,
    violations,
};

#[tokio::test]
async fn a_violation_shows_everywhere_and_clears_after_the_fix() {
    let server = ApiServer::builder().start().await;
    server.apply(POLICY);
    tidy_namespace(&server, "team-a");
    let operator = Running::ready(&server, settings()).await;
    violations(&server, 0).await;

    deployment(&server, "team-a", "web", "evil.test/x:1");
    violations(&server, 1).await;
    assert_eq!(condition(&server, "Compliant").0, "False");
    eventually("a NamespaceAudit", async || server.get("NamespaceAudit", "team-a", "revisor").is_some())
        .await;
    let audit = server.get("NamespaceAudit", "team-a", "revisor").expect("an audit");
    assert_eq!(audit["findings"][0]["subject"], "Deployment/web");
    let series = r#"revisor_findings{policy="baseline",rule="TrustedRegistry",severity="critical",subject_kind="image_use",state="fail"}"#;
    eventually("the metric", async || operator.metric(series).await == Some(1.0)).await;

    eventually("an Event", async || server.list("Event", "team-a").len() == 1).await;
    let event = &server.list("Event", "team-a")[0];
    let deployment = server.get("Deployment", "team-a", "web").expect("the Deployment");
    assert_eq!(event["involvedObject"]["kind"], "Deployment");
    assert_eq!(
        event["involvedObject"]["uid"], deployment["metadata"]["uid"],
        "kubectl describe looks for the uid"
    );
    assert_eq!(event["type"], "Warning");

    server.patch(
        "Pod",
        "team-a",
        "web-7f-x",
        json!({"spec": {"containers": [{"name": "app", "image": "registry.example.com/x:1"}]}}),
    );
    violations(&server, 0).await;
    assert_eq!(condition(&server, "Compliant").0, "True");
    eventually("no audit", async || server.get("NamespaceAudit", "team-a", "revisor").is_none()).await;
    eventually("a second Event", async || server.list("Event", "team-a").len() == 2).await;
    operator.stop().await;
}

#[tokio::test]
async fn an_unchanged_cluster_and_a_restarted_operator_make_no_write() {
    let server = ApiServer::builder().start().await;
    server.apply(POLICY);
    tidy_namespace(&server, "team-a");
    deployment(&server, "team-a", "web", "evil.test/x:1");
    let first = Running::ready(&server, in_pages()).await;
    violations(&server, 1).await;
    eventually("a NamespaceAudit", async || server.get("NamespaceAudit", "team-a", "revisor").is_some())
        .await;
    eventually("the Event of the first audit", async || !server.list("Event", "").is_empty()).await;
    first.stop().await;

    server.reset_records();
    let second = Running::ready(&server, in_pages()).await;
    eventually("a look at existing audits", async || server.count("list", "namespaceaudits") > 0).await;
    // Each writer writes something new in the end, and nothing before it.
    deployment(&server, "team-a", "shop", "evil.test/y:1");
    violations(&server, 2).await;
    let audit = || server.get("NamespaceAudit", "team-a", "revisor").unwrap_or_default();
    eventually("the NamespaceAudit", async || audit()["summary"]["violations"] == 2).await;
    eventually("an Event", async || !server.list("Event", "team-a").is_empty()).await;
    let mut written: Vec<_> = server.writes().into_iter().map(|write| write.resource).collect();
    written.sort();
    assert_eq!(written, ["events", "imagepolicies/status", "namespaceaudits"]);
    second.stop().await;
}

#[tokio::test]
async fn the_first_audit_of_a_policy_is_one_event_however_many_violations_there_are() {
    let server = ApiServer::builder().start().await;
    server.apply(POLICY);
    tidy_namespace(&server, "team-a");
    for number in 0..20 {
        deployment(&server, "team-a", &format!("web-{number}"), "evil.test/x:1");
    }
    let operator = Running::ready(&server, settings()).await;
    violations(&server, 20).await;
    eventually("an Event", async || !server.list("Event", "").is_empty()).await;
    // Events are written one after the other: whatever was to be said of the first audit stands before this one.
    deployment(&server, "team-a", "later", "evil.test/x:1");
    eventually("a later Event", async || !server.list("Event", "team-a").is_empty()).await;
    let regards = |event: &serde_json::Value| {
        let (object, namespace) = (&event["involvedObject"], &event["metadata"]["namespace"]);
        (object["kind"].clone(), object["name"].clone(), namespace.clone())
    };
    let mut events: Vec<_> = server.list("Event", "").iter().map(regards).collect();
    events.sort_by_key(|event| event.0.to_string());
    assert_eq!(
        events,
        [
            (json!("Deployment"), json!("later"), json!("team-a")),
            (json!("ImagePolicy"), json!("baseline"), json!("default"))
        ]
    );
    operator.stop().await;
}

#[tokio::test]
async fn an_audit_of_a_namespace_that_is_clean_now_is_removed_at_the_start() {
    let server = ApiServer::builder().start().await;
    server.apply(POLICY);
    tidy_namespace(&server, "team-a");
    server.create(json!({
        "apiVersion": "revisor.dev/v1alpha1", "kind": "NamespaceAudit",
        "metadata": {"name": "revisor", "namespace": "team-a", "labels": {"app.kubernetes.io/managed-by": "revisor"}},
        "summary": "of an older version",
    }));
    let operator = Running::ready(&server, settings()).await;
    eventually("no audit", async || server.get("NamespaceAudit", "team-a", "revisor").is_none()).await;
    operator.stop().await;
}

#[tokio::test]
async fn a_namespace_finding_lies_in_the_namespace_and_a_deleted_namespace_leaves_nothing() {
    let server = ApiServer::builder().start().await;
    server.apply(POLICY);
    tidy_namespace(&server, "team-a");
    let operator = Running::ready(&server, settings()).await;
    violations(&server, 0).await;
    server.delete("NetworkPolicy", "team-a", "default-deny");
    eventually("an Event", async || !server.list("Event", "team-a").is_empty()).await;
    let regards = server.list("Event", "team-a")[0]["involvedObject"].clone();
    let uid = server.get("Namespace", "", "team-a").expect("the namespace")["metadata"]["uid"].clone();
    assert_eq!(
        regards,
        json!({"apiVersion": "v1", "kind": "Namespace", "name": "team-a", "namespace": "team-a", "uid": uid})
    );
    violations(&server, 1).await;
    server.delete("Namespace", "", "team-a");
    violations(&server, 0).await;
    operator.stop().await;
}

#[tokio::test]
async fn a_status_that_somebody_else_overwrites_is_written_again_and_a_conflict_is_survived() {
    let server = ApiServer::builder().start().await;
    server.apply(POLICY);
    let operator = Running::ready(&server, settings()).await;
    violations(&server, 0).await;
    server.patch_status("ImagePolicy", "", "baseline", json!({"summary": {"violations": 7}}));
    violations(&server, 0).await;

    let conflict = server.fault(Fault::answer(409).on("imagepolicies/status").method("PATCH"));
    tidy_namespace(&server, "team-a");
    deployment(&server, "team-a", "web", "evil.test/x:1");
    violations(&server, 1).await;
    assert_eq!(conflict.hits(), 1);
    operator.stop().await;
}

#[tokio::test]
async fn a_policy_that_is_edited_or_deleted_is_followed() {
    let server = ApiServer::builder().start().await;
    server.apply(POLICY);
    tidy_namespace(&server, "team-a");
    deployment(&server, "team-a", "web", "evil.test/x:1");
    let operator = Running::ready(&server, settings()).await;
    violations(&server, 1).await;
    let rules = json!({"trustedRegistry": {"allow": ["evil.test/**", "registry.example.com/**"]}});
    server.patch("ImagePolicy", "", "baseline", json!({"spec": {"rules": rules}}));
    violations(&server, 0).await;
    eventually("the new generation", async || {
        let policy = server.get("ImagePolicy", "", "baseline").unwrap_or_default();
        policy["status"]["observedGeneration"] == policy["metadata"]["generation"]
    })
    .await;
    server.patch("ImagePolicy", "", "baseline", json!({"spec": {"rules": {"trustedRegistri": {}}}}));
    eventually("not ready", async || condition(&server, "Ready") == ("False".into(), "UnknownRule".into()))
        .await;
    server.delete("ImagePolicy", "", "baseline");
    let series = r#"revisor_policy_info{policy="baseline""#;
    eventually("no policy", async || !operator.get("/metrics").await.1.contains(series)).await;
    assert_eq!(status(&server), json!(null));
    operator.stop().await;
}
