//! A kind that only some rules read is watched while a policy uses one of them.

use serde_json::json;
use testkit::apiserver::{ApiServer, Denial, Fault};

use crate::support::{
    POLICY, Running, a_while, condition, deployment, eventually, in_pages, settings, status, tidy_namespace,
    violations,
};

const KIND: &str = "networkpolicies";

/// A policy that reads images only.
const IMAGES: &str = "
apiVersion: revisor.dev/v1alpha1
kind: ImagePolicy
metadata: {name: images}
spec:
  rules: {noMutableTag: {}}
";

/// How many requests there were about network policies.
fn requests(server: &ApiServer) -> u64 {
    server.requests().of_resource(KIND)
}

fn synced(resource: &str) -> String {
    format!(r#"revisor_watch_synced{{resource="{resource}"}}"#)
}

fn last_event(resource: &str) -> String {
    format!(r#"revisor_watch_last_event_timestamp_seconds{{resource="{resource}"}}"#)
}

#[tokio::test]
async fn network_policies_are_not_asked_for_while_no_policy_reads_them() {
    for settings in [settings(), in_pages()] {
        let server = ApiServer::builder().start().await;
        server.apply(IMAGES);
        tidy_namespace(&server, "team-a");
        let operator = Running::ready(&server, settings).await;
        let audited =
            async || server.get("ImagePolicy", "", "images").is_some_and(|it| it["status"].is_object());
        eventually("an audit", audited).await;
        assert_eq!(requests(&server), 0);
        assert_eq!(operator.metric(&synced("pods")).await, Some(1.0));
        assert_eq!(operator.metric(&synced(KIND)).await, None);
        assert_eq!(operator.metric(&last_event(KIND)).await, None);
        operator.stop().await;
    }
}

#[tokio::test]
async fn a_policy_that_reads_them_starts_the_watch_and_its_removal_ends_it() {
    let server = ApiServer::builder().start().await;
    server.apply(IMAGES);
    tidy_namespace(&server, "team-a");
    let operator = Running::ready(&server, settings()).await;
    for round in 0..2 {
        server.apply(POLICY);
        violations(&server, 0).await;
        assert_eq!(condition(&server, "Compliant").0, "True");
        assert_eq!(server.open_watches(KIND), 1);
        assert_eq!(operator.metric(&synced(KIND)).await, Some(1.0));
        assert!(operator.metric(&last_event(KIND)).await.is_some());
        // What is told by the watch counts.
        server.delete("NetworkPolicy", "team-a", "default-deny");
        violations(&server, 1).await;

        server.delete("ImagePolicy", "", "baseline");
        eventually("no watch", async || server.open_watches(KIND) == 0).await;
        eventually("no series", async || operator.metric(&synced(KIND)).await.is_none()).await;
        assert_eq!(operator.metric(&last_event(KIND)).await, None);
        let before = requests(&server);
        // Nobody tells the operator of this one. Of the namespace that comes after it, it is told.
        let namespaces = async || operator.metric(r#"revisor_subjects{subject_kind="namespace"}"#).await;
        let known = namespaces().await;
        tidy_namespace(&server, "team-a");
        tidy_namespace(&server, &format!("team-{round}"));
        eventually("the namespace", async || namespaces().await > known).await;
        assert_eq!(requests(&server), before, "round {round}");
        assert_eq!(operator.get("/readyz").await.0, 200);
    }
    operator.stop().await;
}

#[tokio::test]
async fn a_rule_that_is_edited_in_takes_effect_when_its_kind_is_listed_and_nothing_false_shows_before() {
    let server = ApiServer::builder().start().await;
    server.apply(POLICY);
    server.patch(
        "ImagePolicy",
        "",
        "baseline",
        json!({"spec": {"rules": {"defaultDenyIngress": {"enabled": false}}}}),
    );
    tidy_namespace(&server, "team-a");
    let operator = Running::ready(&server, in_pages()).await;
    violations(&server, 0).await;
    let away = server.fault(Fault::answer(500).on(KIND).verb("list").always());
    server.patch(
        "ImagePolicy",
        "",
        "baseline",
        json!({"spec": {"rules": {"defaultDenyIngress": {"enabled": true}}}}),
    );
    eventually("a list that was tried again", async || away.hits() > 2).await;
    let policy = server.get("ImagePolicy", "", "baseline").expect("the policy");
    assert_ne!(policy["status"]["observedGeneration"], policy["metadata"]["generation"]);
    assert_eq!(status(&server)["summary"]["violations"], 0);
    assert_eq!(operator.metric(&synced(KIND)).await, Some(0.0));
    assert_eq!(operator.get("/readyz").await.0, 200);
    away.clear();
    eventually("the new generation", async || {
        status(&server)["observedGeneration"] == policy["metadata"]["generation"]
    })
    .await;
    assert_eq!(condition(&server, "Compliant").0, "True");
    assert!(server.list("Event", "team-a").is_empty());
    operator.stop().await;
}

#[tokio::test]
async fn a_permission_is_asked_for_when_a_policy_needs_it_and_a_refusal_does_not_outlive_the_need() {
    let server = ApiServer::builder().start().await;
    server.apply(IMAGES);
    tidy_namespace(&server, "team-a");
    deployment(&server, "team-a", "web", "registry.example.com/x:1");
    server.deny(Denial::new("list", "networking.k8s.io", KIND));
    let operator = Running::ready(&server, settings()).await;
    server.apply(POLICY);
    eventually("undecided rules", async || status(&server)["summary"]["unknown"] == 1).await;
    assert_eq!(condition(&server, "Ready"), ("True".into(), "AuditedPartly".into()));
    assert_eq!(requests(&server), 0, "it asks before it lists");

    server.delete("ImagePolicy", "", "baseline");
    server.allow_all();
    a_while().await;
    assert_eq!(requests(&server), 0);
    server.apply(POLICY);
    eventually("decided rules", async || status(&server)["summary"]["unknown"] == 0).await;
    assert_eq!(condition(&server, "Ready"), ("True".into(), "Audited".into()));
    operator.stop().await;
}

#[tokio::test]
async fn a_policy_that_is_replaced_at_once_is_audited_by_what_is_told_anew() {
    let server = ApiServer::builder().start().await;
    server.apply(POLICY);
    tidy_namespace(&server, "team-a");
    let operator = Running::ready(&server, settings()).await;
    violations(&server, 0).await;
    for _ in 0..5 {
        server.delete("ImagePolicy", "", "baseline");
        server.apply(POLICY);
    }
    violations(&server, 0).await;
    assert_eq!(condition(&server, "Compliant").0, "True");
    assert_eq!(server.open_watches(KIND), 1);
    operator.stop().await;
}

#[tokio::test]
async fn a_suspended_cron_job_is_judged_while_a_policy_includes_templates() {
    let server = ApiServer::builder().start().await;
    server.apply(POLICY);
    tidy_namespace(&server, "team-a");
    let job = |image: &str| json!({"template": {"spec": {"containers": [{"name": "app", "image": image}]}}});
    let spec = |image: &str| json!({"suspend": true, "jobTemplate": {"spec": job(image)}});
    server.create(json!({
        "apiVersion": "batch/v1", "kind": "CronJob", "metadata": {"name": "nightly", "namespace": "team-a"},
        "spec": spec("evil.test/x:1"),
    }));
    let operator = Running::ready(&server, settings()).await;
    violations(&server, 0).await;
    assert_eq!(server.open_watches("cronjobs"), 0);

    let include = |included: bool| {
        let scope = json!({"spec": {"scope": {"includeTemplates": included}}});
        server.patch("ImagePolicy", "", "baseline", scope);
    };
    include(true);
    violations(&server, 1).await;
    eventually("a NamespaceAudit", async || server.get("NamespaceAudit", "team-a", "revisor").is_some())
        .await;
    let audit = server.get("NamespaceAudit", "team-a", "revisor").expect("an audit");
    assert_eq!(audit["findings"][0]["subject"], "CronJob/nightly");

    server.patch("CronJob", "team-a", "nightly", json!({"spec": spec("registry.example.com/x:1")}));
    violations(&server, 0).await;
    server.patch("CronJob", "team-a", "nightly", json!({"spec": spec("evil.test/x:1")}));
    violations(&server, 1).await;
    include(false);
    violations(&server, 0).await;
    eventually("no watch", async || server.open_watches("cronjobs") == 0).await;
    operator.stop().await;
}
