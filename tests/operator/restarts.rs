//! Restarts: what was found before is known after, with the record in the operator's own namespace.

use serde_json::{Value, json};
use testkit::apiserver::{ApiServer, Denial};

use crate::support::{
    POLICY, Running, a_while, deployment, eventually, owner, remembering, status, tidy_namespace, violations,
};

const RECORD: &str = "revisor-record-0";

async fn server() -> ApiServer {
    let server = ApiServer::builder().start().await;
    server.create(json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "revisor-system"}}));
    server.apply(POLICY);
    tidy_namespace(&server, "team-a");
    server
}

fn record(server: &ApiServer) -> Option<Value> {
    server.get("ConfigMap", "revisor-system", RECORD)
}

fn findings_in(record: Option<&Value>) -> Option<u64> {
    let about = record?["data"]["about"].as_str()?;
    about.split("findings: ").nth(1)?.split(',').next()?.parse().ok()
}

/// Waits until the record holds so many findings.
async fn recorded(server: &ApiServer, findings: u64) {
    eventually("the record", async || findings_in(record(server).as_ref()) == Some(findings)).await;
}

/// A first run that has found this Deployment and written all it writes.
async fn first_run(server: &ApiServer) {
    deployment(server, "team-a", "web", "evil.test/x:1");
    let operator = Running::ready(server, remembering()).await;
    violations(server, 1).await;
    eventually("a NamespaceAudit", async || server.get("NamespaceAudit", "team-a", "revisor").is_some())
        .await;
    eventually("the Event of the first audit", async || !server.list("Event", "").is_empty()).await;
    recorded(server, 1).await;
    operator.stop().await;
    server.reset_records();
}

fn since(server: &ApiServer) -> Value {
    server.get("NamespaceAudit", "team-a", "revisor").expect("an audit")["findings"][0]["since"].clone()
}

/// What was written, each resource once, but for access reviews.
fn written(server: &ApiServer) -> Vec<String> {
    let mut written: Vec<String> =
        server.writes().into_iter().map(|write| write.resource.to_string()).collect();
    written.sort();
    written.dedup();
    written
}

async fn with_image(server: &ApiServer, image: &str) {
    let spec = json!({"spec": {"containers": [{"name": "app", "image": image}]}});
    server.patch("Pod", "team-a", "web-7f-x", spec);
}

fn events(server: &ApiServer, namespace: &str) -> Vec<(Value, Value)> {
    let events = server.list("Event", namespace);
    events.iter().map(|event| (event["action"].clone(), event["involvedObject"]["name"].clone())).collect()
}

#[tokio::test]
async fn an_unchanged_cluster_sees_no_write_and_keeps_its_times() {
    let server = server().await;
    first_run(&server).await;
    let before = since(&server);
    tokio::time::sleep(std::time::Duration::from_millis(1_100)).await;
    let operator = Running::ready(&server, remembering()).await;
    a_while().await;
    assert_eq!(written(&server), Vec::<String>::new());
    assert_eq!(since(&server), before);
    // The next word about it has the time of the first run, too.
    deployment(&server, "team-a", "shop", "evil.test/x:1");
    let audit = || server.get("NamespaceAudit", "team-a", "revisor").expect("an audit");
    eventually("both findings", async || audit()["summary"]["violations"] == 2).await;
    let of = |subject: &str| {
        let audit = audit();
        let all = audit["findings"].as_array().cloned().unwrap_or_default();
        all.iter().find(|finding| finding["subject"] == subject).map(|finding| finding["since"].clone())
    };
    assert_eq!(of("Deployment/web"), Some(before.clone()));
    assert_ne!(of("Deployment/shop"), Some(before));
    operator.stop().await;
}

#[tokio::test]
async fn a_violation_that_arose_while_the_operator_was_down_gets_its_one_event() {
    let server = server().await;
    first_run(&server).await;
    deployment(&server, "team-a", "shop", "evil.test/x:1");
    let operator = Running::ready(&server, remembering()).await;
    violations(&server, 2).await;
    recorded(&server, 2).await;
    assert_eq!(events(&server, "team-a"), [(json!("Opened"), json!("shop"))]);
    operator.stop().await;
    // And not again by the run after that.
    let operator = Running::ready(&server, remembering()).await;
    a_while().await;
    assert_eq!(events(&server, "team-a").len(), 1);
    operator.stop().await;
}

#[tokio::test]
async fn an_event_whose_record_was_lost_is_told_again_under_the_same_name() {
    let server = server().await;
    first_run(&server).await;
    let old = record(&server).expect("a record");
    deployment(&server, "team-a", "shop", "evil.test/x:1");
    let operator = Running::ready(&server, remembering()).await;
    recorded(&server, 2).await;
    operator.stop().await;
    // As if the operator had ended between the Event and the record.
    server.delete("ConfigMap", "revisor-system", RECORD);
    let bare = json!({
        "apiVersion": "v1", "kind": "ConfigMap", "data": old["data"], "binaryData": old["binaryData"],
        "metadata": {"name": RECORD, "namespace": "revisor-system"},
    });
    server.create(bare);
    let operator = Running::ready(&server, remembering()).await;
    recorded(&server, 2).await;
    assert_eq!(events(&server, "team-a"), [(json!("Opened"), json!("shop"))]);
    assert_eq!(operator.metric(r#"revisor_events_total{result="exists"}"#).await, Some(1.0));
    operator.stop().await;
}

#[tokio::test]
async fn what_was_mended_while_the_operator_was_down_is_told_as_resolved() {
    let server = server().await;
    first_run(&server).await;
    with_image(&server, "registry.example.com/x:1").await;
    let operator = Running::ready(&server, remembering()).await;
    violations(&server, 0).await;
    eventually("the end of the hold-down", async || !events(&server, "team-a").is_empty()).await;
    assert_eq!(events(&server, "team-a"), [(json!("Resolved"), json!("web"))]);
    recorded(&server, 0).await;
    operator.stop().await;
}

#[tokio::test]
async fn a_record_that_is_gone_damaged_or_of_a_newer_version_makes_no_storm() {
    let server = server().await;
    first_run(&server).await;
    let mut newer = b"RVSR\x09".to_vec();
    newer.extend([0; 20]);
    let newer = serde_json::to_value(k8s_openapi::ByteString(newer)).expect("base64");
    for bad in [None, Some(json!("AQID")), Some(newer)] {
        match bad {
            None => drop(server.delete("ConfigMap", "revisor-system", RECORD)),
            Some(bad) => {
                drop(server.patch(
                    "ConfigMap",
                    "revisor-system",
                    RECORD,
                    json!({"binaryData": {"record": bad}}),
                ));
            }
        }
        server.reset_records();
        let before = since(&server);
        let operator = Running::ready(&server, remembering()).await;
        recorded(&server, 1).await;
        a_while().await;
        assert_eq!(written(&server), ["configmaps"], "a whole record, and nothing else");
        assert_eq!(since(&server), before, "what people read stays");
        operator.stop().await;
        server.reset_records();
        let operator = Running::ready(&server, remembering()).await;
        a_while().await;
        assert_eq!(written(&server), Vec::<String>::new());
        operator.stop().await;
    }
}

#[tokio::test]
async fn without_the_right_to_keep_a_record_everything_else_works() {
    let server = server().await;
    server.deny(Denial::new("*", "", "configmaps"));
    deployment(&server, "team-a", "web", "evil.test/x:1");
    let operator = Running::ready(&server, remembering()).await;
    violations(&server, 1).await;
    operator.stop().await;
}

#[tokio::test]
async fn three_thousand_findings_of_one_namespace_are_known_after_a_restart() {
    let server = server().await;
    let web = server.create(json!({
        "apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": {"name": "web", "namespace": "team-a"}, "spec": {},
    }));
    for pod in 0..30 {
        let image = |container: u32| format!("evil.test/x{}:{pod}", container % 7);
        let containers: Vec<Value> = (0..100)
            .map(|number| json!({"name": format!("c{pod}-{number}"), "image": image(number)}))
            .collect();
        server.create(json!({
            "apiVersion": "v1", "kind": "Pod",
            "metadata": {"name": format!("web-{pod}"), "namespace": "team-a", "ownerReferences": [owner(&web)]},
            "spec": {"containers": containers}, "status": {"phase": "Running"},
        }));
    }
    let operator = Running::ready(&server, remembering()).await;
    violations(&server, 3_000).await;
    eventually("a NamespaceAudit", async || server.get("NamespaceAudit", "team-a", "revisor").is_some())
        .await;
    let whole = async || {
        let maps = server.list("ConfigMap", "revisor-system");
        maps.iter().filter_map(|map| findings_in(Some(map))).sum::<u64>() == 3_000
    };
    eventually("the record", whole).await;
    eventually("the Event of the first audit", async || !server.list("Event", "").is_empty()).await;
    operator.stop().await;

    server.reset_records();
    let operator = Running::ready(&server, remembering()).await;
    a_while().await;
    assert_eq!(written(&server), Vec::<String>::new());
    let spec = json!({"spec": {"containers": [{"name": "new", "image": "evil.test/x:1"}]}});
    server.create(json!({
        "apiVersion": "v1", "kind": "Pod", "spec": spec["spec"], "status": {"phase": "Running"},
        "metadata": {"name": "web-30", "namespace": "team-a", "ownerReferences": [owner(&web)]},
    }));
    violations(&server, 3_001).await;
    eventually("an Event", async || !server.list("Event", "team-a").is_empty()).await;
    a_while().await;
    assert_eq!(server.list("Event", "team-a").len(), 1, "of what is new, and of nothing else");
    assert_eq!(status(&server)["summary"]["violations"], 3_001);
    operator.stop().await;
}
