//! Missing permissions, a missing CustomResourceDefinition, and an old one.

use serde_json::json;
use testkit::apiserver::{ApiServer, Denial, Fault};

use crate::support::{
    POLICY, Running, condition, deployment, eventually, settings, status, tidy_namespace, violations,
};

/// The definition of a kind of `revisor.dev`.
fn definition(kind: &str, plural: &str, scope: &str) -> serde_json::Value {
    json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": format!("{plural}.revisor.dev")},
        "spec": {
            "group": "revisor.dev", "scope": scope, "names": {"kind": kind, "plural": plural},
            "versions": [{"name": "v1alpha1", "served": true, "storage": true, "subresources": {"status": {}}}],
        },
    })
}

#[tokio::test]
async fn a_missing_definition_is_said_by_readiness_and_waited_for() {
    let server = ApiServer::builder().crds_required().start().await;
    let operator = Running::start(&server, settings()).await;
    eventually("what is missing", async || {
        let (status, body) = operator.get("/readyz").await;
        status == 503 && body.contains("revisor crd | kubectl apply -f -")
    })
    .await;
    server.create(definition("ImagePolicy", "imagepolicies", "Cluster"));
    server.create(definition("NamespaceAudit", "namespaceaudits", "Namespaced"));
    operator.until_ready().await;
    server.apply(POLICY);
    violations(&server, 0).await;
    operator.stop().await;
}

#[tokio::test]
async fn a_missing_right_on_network_policies_costs_their_rules_and_nothing_else_and_comes_back() {
    let server = ApiServer::builder().start().await;
    server.apply(POLICY);
    tidy_namespace(&server, "team-a");
    deployment(&server, "team-a", "web", "evil.test/x:1");
    server.deny(Denial::new("list", "networking.k8s.io", "networkpolicies"));
    let operator = Running::ready(&server, settings()).await;
    violations(&server, 1).await;
    eventually("undecided rules", async || status(&server)["summary"]["unknown"] == 1).await;
    assert_eq!(condition(&server, "Ready"), ("True".into(), "AuditedPartly".into()));
    assert_eq!(server.count("list", "networkpolicies"), 0, "it asks before it lists");
    server.allow_all();
    eventually("decided rules", async || status(&server)["summary"]["unknown"] == 0).await;
    operator.stop().await;
}

#[tokio::test]
async fn a_missing_right_on_pods_is_said_by_readiness_until_it_is_granted() {
    let server = ApiServer::builder().start().await;
    server.deny(Denial::new("watch", "", "pods"));
    server.deny(Denial::new("list", "", "pods"));
    let operator = Running::start(&server, settings()).await;
    let said = "pods: no permission to list and watch";
    eventually("what is missing", async || operator.get("/readyz").await.1.contains(said)).await;
    server.allow_all();
    operator.until_ready().await;
    operator.stop().await;
}

#[tokio::test]
async fn without_the_right_to_read_deployments_an_event_regards_the_replica_set_and_names_the_owner() {
    let server = ApiServer::builder().start().await;
    server.apply(POLICY);
    tidy_namespace(&server, "team-a");
    server.deny(Denial::new("get", "apps", "deployments"));
    let operator = Running::ready(&server, settings()).await;
    violations(&server, 0).await;
    deployment(&server, "team-a", "web", "evil.test/x:1");
    eventually("an Event", async || !server.list("Event", "team-a").is_empty()).await;
    let event = &server.list("Event", "team-a")[0];
    let set = server.get("ReplicaSet", "team-a", "web-7f").expect("the ReplicaSet");
    assert_eq!(event["involvedObject"]["uid"], set["metadata"]["uid"]);
    assert!(event["message"].as_str().is_some_and(|note| note.contains("Deployment/web")), "{event}");
    operator.stop().await;
}

#[tokio::test]
async fn a_right_that_is_taken_away_is_missed_and_the_audit_goes_on() {
    let server = ApiServer::builder().start().await;
    server.apply(POLICY);
    tidy_namespace(&server, "team-a");
    let operator = Running::ready(&server, settings()).await;
    violations(&server, 0).await;
    server.deny(Denial::new("*", "networking.k8s.io", "networkpolicies"));
    server.fault(Fault::expire_watches().on("networkpolicies"));
    eventually("undecided rules", async || status(&server)["summary"]["unknown"] == 1).await;
    let asked = || server.count("create", "selfsubjectaccessreviews");
    let before = asked();
    eventually("it asks again", async || asked() > before + 2).await;
    assert_eq!(operator.get("/readyz").await.0, 200);
    deployment(&server, "team-a", "web", "evil.test/x:1");
    violations(&server, 1).await;
    operator.stop().await;
}
