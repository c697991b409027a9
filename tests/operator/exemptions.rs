//! Exemptions of tenants: what the operator reads, and the one thing that it writes of them.

use revisor::operator::approve::{ApproveError, Decision, decide};
use serde_json::{Value, json};
use testkit::apiserver::ApiServer;

use crate::support::{Running, deployment, eventually, in_pages, tidy_namespace};

const DELEGATING: &str = "
apiVersion: revisor.dev/v1alpha1
kind: ImagePolicy
metadata: {name: baseline}
spec:
  scope: {includeNamespaces: ['team-*']}
  rules:
    trustedRegistry: {severity: critical, allow: ['registry.example.com/**']}
  delegation: [{rules: [TrustedRegistry], approval: None}]
";

fn exemption(server: &ApiServer, reason: &str) {
    server.apply(&format!(
        "
apiVersion: revisor.dev/v1alpha1
kind: Exemption
metadata: {{name: web, namespace: team-a}}
spec: {{rules: [TrustedRegistry], reason: {reason}, expiresAt: '2999-01-01T00:00:00Z'}}
"
    ));
}

fn effective(server: &ApiServer) -> Value {
    let exemption = server.get("Exemption", "team-a", "web").unwrap_or_default();
    let conditions = exemption["status"]["conditions"].as_array().cloned().unwrap_or_default();
    conditions.into_iter().find(|condition| condition["type"] == "Effective").unwrap_or_default()
}

fn summary(server: &ApiServer) -> Value {
    server.get("ImagePolicy", "", "baseline").unwrap_or_default()["status"]["summary"].clone()
}

#[tokio::test]
async fn a_delegated_exemption_permits_and_is_told_what_came_of_it_once() {
    let server = ApiServer::builder().start().await;
    tidy_namespace(&server, "team-a");
    deployment(&server, "team-a", "web", "evil.test/x:1");
    server.apply(DELEGATING);
    let operator = Running::ready(&server, in_pages()).await;
    eventually("one violation", async || summary(&server)["violations"] == 1).await;
    exemption(&server, "preloaded");
    eventually("permitted", async || summary(&server)["exempt"] == 1).await;
    eventually("told", async || effective(&server)["status"] == "True").await;
    assert_eq!(
        effective(&server)["reason"],
        "Shortened",
        "ninety days are delegated: {}",
        effective(&server)
    );
    server.reset_records();
    tidy_namespace(&server, "team-b");
    deployment(&server, "team-b", "web", "evil.test/x:1");
    eventually("something else", async || summary(&server)["violations"] == 1).await;
    server.delete("Namespace", "", "team-b");
    eventually("and its end", async || summary(&server)["violations"] == 0).await;

    server.apply(&DELEGATING.replace("None", "Required"));
    eventually("it waits", async || effective(&server)["reason"] == "ApprovalRequired").await;
    eventually("a violation again", async || summary(&server)["violations"] == 1).await;
    let told = server.writes().into_iter().filter(|write| write.path.contains("/exemptions/web")).count();
    assert_eq!(told, 1, "nothing is written while nothing changes");
    assert_eq!(effective(&server)["status"], "False");
    operator.stop().await;
}

#[tokio::test]
async fn an_exemption_of_the_same_name_made_anew_is_told_anew() {
    let server = ApiServer::builder().start().await;
    tidy_namespace(&server, "team-a");
    server.apply(DELEGATING);
    let operator = Running::ready(&server, in_pages()).await;
    exemption(&server, "preloaded");
    eventually("told", async || effective(&server)["status"] == "True").await;
    server.delete("Exemption", "team-a", "web");
    exemption(&server, "preloaded");
    eventually("told again", async || effective(&server)["status"] == "True").await;
    operator.stop().await;
}

#[tokio::test]
async fn while_nobody_delegates_exemptions_are_not_even_watched() {
    let server = ApiServer::builder().start().await;
    tidy_namespace(&server, "team-a");
    server.apply(crate::support::POLICY);
    exemption(&server, "preloaded");
    let operator = Running::ready(&server, in_pages()).await;
    eventually("an audit", async || summary(&server).is_object()).await;
    assert_eq!(effective(&server), json!(null));
    assert_eq!(server.requests().of_resource("exemptions"), 0);
    operator.stop().await;
}

#[tokio::test]
async fn an_approval_is_of_the_generation_that_stands_there_and_beside_the_operators_condition() {
    let server = ApiServer::builder().start().await;
    tidy_namespace(&server, "team-a");
    deployment(&server, "team-a", "web", "evil.test/x:1");
    server.apply(&DELEGATING.replace("None", "Required"));
    exemption(&server, "preloaded");
    let operator = Running::ready(&server, in_pages()).await;
    eventually("it waits", async || effective(&server)["reason"] == "ApprovalRequired").await;
    let client =
        kube::Client::try_from(kube::Config::new(server.url().parse().expect("a URL"))).expect("a client");
    let now = jiff::Timestamp::now();
    let decision = Decision {
        namespace: "team-a",
        name: "web",
        approve: true,
        generation: None,
        message: Some("agreed"),
    };
    let decided = decide(&client, &decision, now).await.expect("an approval");
    assert_eq!((decided.generation, decided.unchanged), (1, false));
    assert_eq!(decided.spec["reason"], "preloaded");
    eventually("permitted", async || summary(&server)["exempt"] == 1).await;
    eventually("told", async || effective(&server)["status"] == "True").await;
    assert!(decide(&client, &decision, now).await.expect("an answer").unchanged);

    exemption(&server, "edited");
    eventually("a violation again", async || summary(&server)["violations"] == 1).await;
    let before = Decision { generation: Some(1), ..decision.clone() };
    assert!(matches!(decide(&client, &before, now).await, Err(ApproveError::Changed(_))));
    assert_eq!(decide(&client, &decision, now).await.expect("an approval").generation, 2);
    eventually("permitted again", async || summary(&server)["exempt"] == 1).await;
    let revoke = Decision { approve: false, ..decision.clone() };
    decide(&client, &revoke, now).await.expect("a revocation");
    eventually("revoked", async || summary(&server)["violations"] == 1).await;
    let nobody = Decision { name: "nobody", ..decision };
    assert!(matches!(decide(&client, &nobody, now).await, Err(ApproveError::NotFound(_))));
    operator.stop().await;
}
