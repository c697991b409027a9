//! Writes: status and spec apart, apply, conflicts, names, deletions, definitions.

use serde_json::{Value, json};
use testkit::apiserver::ApiServer;

use super::client::{APPLY, Frames, MERGE, POLICIES, call, get, pod, policy, read, seen, send, version_of};

#[tokio::test]
async fn a_status_and_its_spec_are_written_apart() {
    let server = ApiServer::builder().start().await;
    let mut object = policy("baseline");
    object["status"] = json!({"summary": {"violations": 9}});
    let json_type = "application/json";
    let (code, created) = call(&server, "POST", POLICIES, json_type, &object).await;
    assert_eq!((code, created.get("status")), (201, None));
    assert_eq!(created["metadata"]["generation"], 1);

    let path = format!("{POLICIES}/baseline/status");
    let change = json!({"spec": {"rules": {"x": {}}}, "status": {"summary": {"violations": 1}}});
    let (_, written) = call(&server, "PATCH", &path, MERGE, &change).await;
    assert_eq!(written["status"]["summary"]["violations"], 1);
    assert_eq!((&written["spec"], &written["metadata"]["generation"]), (&created["spec"], &json!(1)));

    let path = format!("{POLICIES}/baseline");
    let change = json!({"spec": {"rules": {"y": {}}}, "status": {"summary": {"violations": 2}}});
    let (_, changed) = call(&server, "PATCH", &path, MERGE, &change).await;
    assert_eq!(changed["status"]["summary"]["violations"], 1);
    assert_eq!(changed["metadata"]["generation"], 2);

    let audits = "/apis/revisor.dev/v1alpha1/namespaces/default/namespaceaudits/revisor/status";
    assert_eq!(call(&server, "PATCH", audits, MERGE, &json!({"status": {}})).await.0, 404);
}

#[tokio::test]
async fn an_apply_that_changes_nothing_is_no_write() {
    let server = ApiServer::builder().start().await;
    server.create(policy("baseline"));
    let path = format!("{POLICIES}/baseline/status?fieldManager=revisor&force=true");
    let intent = |status: Value| {
        json!({"apiVersion": "revisor.dev/v1alpha1", "kind": "ImagePolicy",
            "metadata": {"name": "baseline"}, "status": status})
    };
    let full = intent(json!({"summary": {"violations": 3}, "namespaces": [{"name": "a"}]}));
    let (_, first) = call(&server, "PATCH", &path, APPLY, &full).await;
    let (_, again) = call(&server, "PATCH", &path, APPLY, &full).await;
    assert_eq!(first, again);
    assert_eq!(version_of(&first), server.version().to_string());
    let less = intent(json!({"summary": {"violations": 3}}));
    let (_, pruned) = call(&server, "PATCH", &path, APPLY, &less).await;
    assert_eq!(pruned["status"], json!({"summary": {"violations": 3}}));
    let manager_missing = format!("{POLICIES}/baseline/status");
    assert_eq!(call(&server, "PATCH", &manager_missing, APPLY, &less).await.0, 422);
}

#[tokio::test]
async fn an_apply_in_yaml_creates_what_is_missing() {
    let server = ApiServer::builder().start().await;
    let path = "/apis/revisor.dev/v1alpha1/namespaces/default/namespaceaudits/revisor\
                ?fieldManager=revisor";
    let body = "apiVersion: revisor.dev/v1alpha1\nkind: NamespaceAudit\nmetadata:\n  \
                name: revisor\nsummary: {violations: 1}\n";
    let answer = send(&server, "PATCH", path, &[("content-type", APPLY)], body).await;
    assert_eq!(read(answer.expect("an answer")).await.0, 201);
    let stored = server.get("NamespaceAudit", "default", "revisor").expect("stored");
    assert_eq!(stored["summary"]["violations"], 1);
    assert_eq!(server.writes()[0].body["summary"]["violations"], 1);
}

#[tokio::test]
async fn a_stale_version_is_a_conflict() {
    let server = ApiServer::builder().start().await;
    let old = server.create(policy("baseline"));
    server.patch("imagepolicies", "", "baseline", json!({"spec": {"rules": {"x": {}}}}));
    let path = format!("{POLICIES}/baseline");
    let (code, status) = call(&server, "PUT", &path, "application/json", &old).await;
    assert_eq!((code, &status["reason"]), (409, &json!("Conflict")));
    let intent = json!({"apiVersion": "revisor.dev/v1alpha1", "kind": "ImagePolicy",
        "metadata": {"name": "baseline", "resourceVersion": version_of(&old)}, "status": {}});
    let path = format!("{POLICIES}/baseline/status?fieldManager=revisor");
    assert_eq!(call(&server, "PATCH", &path, APPLY, &intent).await.0, 409);
    let (code, _) = call(&server, "PUT", &format!("{POLICIES}/baseline"), "", &policy("baseline")).await;
    assert_eq!(code, 422, "a custom resource is not replaced without a version");
}

#[tokio::test]
async fn names_are_needed_unique_and_may_be_generated() {
    let server = ApiServer::builder().start().await;
    let mut object = pod("default", "a");
    let path = "/api/v1/namespaces/default/pods";
    assert_eq!(call(&server, "POST", path, "", &object).await.0, 201);
    let (code, status) = call(&server, "POST", path, "", &object).await;
    assert_eq!((code, &status["reason"]), (409, &json!("AlreadyExists")));
    object["metadata"] = json!({"generateName": "web-"});
    let (code, created) = call(&server, "POST", path, "", &object).await;
    assert_eq!(code, 201);
    assert!(created["metadata"]["name"].as_str().is_some_and(|name| name.starts_with("web-")));
    object["metadata"] = json!({});
    assert_eq!(call(&server, "POST", path, "", &object).await.0, 422);
    let (code, status) = call(&server, "POST", "/api/v1/namespaces/none/pods", "", &pod("none", "a")).await;
    assert_eq!((code, &status["message"]), (404, &json!("namespaces \"none\" not found")));
}

#[tokio::test]
async fn a_deleted_namespace_takes_its_objects_along() {
    let server = ApiServer::builder().start().await;
    server.apply("apiVersion: v1\nkind: Namespace\nmetadata: {name: team}\n---\n# nothing\n---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: a, namespace: team}\n");
    let namespace = server.get("Namespace", "", "team").expect("applied");
    assert_eq!(namespace["metadata"]["labels"]["kubernetes.io/metadata.name"], "team");
    let mut frames = Frames::open(&server, "/api/v1/configmaps?watch=true").await;
    assert_eq!(frames.next_name().await, seen("ADDED", "a"));
    let (code, last) = call(&server, "DELETE", "/api/v1/namespaces/team", "", &Value::Null).await;
    assert_eq!((code, &last["status"]["phase"]), (200, &json!("Terminating")));
    assert_eq!(frames.next_name().await, seen("DELETED", "a"));
    assert_eq!(server.list("ConfigMap", ""), Vec::<Value>::new());
}

#[tokio::test]
async fn custom_resources_are_served_once_their_definition_is_there() {
    let server = ApiServer::builder().crds_required().start().await;
    assert_eq!(get(&server, POLICIES).await.0, 404);
    let definition = json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": "imagepolicies.revisor.dev"},
        "spec": {"group": "revisor.dev", "scope": "Cluster",
            "names": {"plural": "imagepolicies", "kind": "ImagePolicy"},
            "versions": [{"name": "v1alpha1", "served": true, "storage": true,
                "subresources": {"status": {}}}]},
    });
    let path = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
    let (_, stored) = call(&server, "POST", path, "", &definition).await;
    assert_eq!(stored["status"]["conditions"][1]["type"], "Established");
    assert_eq!(get(&server, POLICIES).await.0, 200);
    let (_, found) = get(&server, "/apis/revisor.dev/v1alpha1").await;
    assert_eq!(found["resources"][1]["name"], "imagepolicies/status");
    let mut frames = Frames::open(&server, &format!("{POLICIES}?watch=true")).await;
    server.delete("CustomResourceDefinition", "", "imagepolicies.revisor.dev");
    assert_eq!(frames.line().await, Ok(None), "the watch ends with its resource");
    assert_eq!(get(&server, POLICIES).await.0, 404);
}
