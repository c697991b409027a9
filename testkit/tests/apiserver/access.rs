//! Users, denials and access reviews.

use serde_json::json;
use testkit::apiserver::{ApiServer, Denial};

use super::client::{call, get, read, send};

#[tokio::test]
async fn what_is_denied_is_forbidden_and_a_review_says_so() {
    let server = ApiServer::builder().start().await;
    server.deny(Denial::new("list", "", "pods").in_namespace("team"));
    let (code, status) = get(&server, "/api/v1/namespaces/team/pods").await;
    assert_eq!((code, &status["reason"]), (403, &json!("Forbidden")));
    assert_eq!(get(&server, "/api/v1/pods").await.0, 200);
    assert_eq!(get(&server, "/api/v1/secrets").await.0, 403);
    let path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews";
    let ask = |namespace: &str| {
        json!({"spec": {"resourceAttributes":
            {"verb": "list", "group": "", "resource": "pods", "namespace": namespace}}})
    };
    let (code, review) = call(&server, "POST", path, "", &ask("team")).await;
    assert_eq!((code, &review["status"]["allowed"]), (201, &json!(false)));
    let (_, review) = call(&server, "POST", path, "", &ask("other")).await;
    assert_eq!(review["status"]["allowed"], true);
    assert_eq!(server.writes(), [], "a review is no write");
}

#[tokio::test]
async fn tokens_tell_users_apart() {
    let server = ApiServer::builder().token("t0ken", "auditor").start().await;
    assert_eq!(get(&server, "/api/v1/pods").await.0, 401);
    server.deny(Denial::new("*", "*", "nodes").for_user("auditor"));
    let headers = [("authorization", "Bearer t0ken")];
    let answer = send(&server, "GET", "/api/v1/nodes", &headers, "").await.expect("an answer");
    let (code, status) = read(answer).await;
    assert_eq!(code, 403);
    assert!(status["message"].as_str().is_some_and(|text| text.contains("\"auditor\"")));
    assert!(server.kubeconfig_yaml().contains("t0ken"));
}
