//! Kinds that others install, and findings on the cluster itself.

use serde_json::json;
use testkit::apiserver::{ApiServer, Denial, Fault};

use crate::support::{POLICY, Running, condition, eventually, settings, status, violations};

const CILIUM: &str = "ciliumnetworkpolicies";

/// A namespace that no network policy of Kubernetes closes.
const OPEN: &str = "
apiVersion: v1
kind: Namespace
metadata: {name: team-a}
";

fn install_cilium(server: &ApiServer) {
    server.create(json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": "ciliumnetworkpolicies.cilium.io"},
        "spec": {
            "group": "cilium.io", "scope": "Namespaced",
            "names": {"kind": "CiliumNetworkPolicy", "plural": CILIUM},
            "versions": [{"name": "v2", "served": true, "storage": true}],
        },
    }));
}

async fn undecided(server: &ApiServer, count: u64) {
    eventually("so many undecided", async || status(server)["summary"]["unknown"] == count).await;
}

#[tokio::test]
async fn a_kind_that_nobody_has_installed_has_no_objects_until_somebody_does() {
    let server = ApiServer::builder().start().await;
    server.apply(OPEN);
    server.apply(POLICY);
    let operator = Running::ready(&server, settings()).await;
    violations(&server, 1).await;
    assert_eq!(condition(&server, "Ready"), ("True".into(), "Audited".into()), "no permission is missing");
    assert_eq!(server.count("list", CILIUM) + server.count("watch", CILIUM), 0, "discovery says it");
    install_cilium(&server);
    server.create(json!({
        "apiVersion": "cilium.io/v2", "kind": "CiliumNetworkPolicy",
        "metadata": {"name": "some", "namespace": "team-a"}, "spec": {},
    }));
    undecided(&server, 1).await;
    server.delete("CiliumNetworkPolicy", "team-a", "some");
    violations(&server, 1).await;
    operator.stop().await;
}

/// `admissionregistration.k8s.io/v1` has these two since Kubernetes 1.30.
#[tokio::test]
async fn a_kind_that_an_older_api_server_does_not_serve_has_no_objects() {
    let server = ApiServer::builder().start().await;
    for plural in ["validatingadmissionpolicies", "validatingadmissionpolicybindings"] {
        server.fault(Fault::answer(404).on(plural).always());
    }
    server.apply(OPEN);
    server.apply(
        "
apiVersion: revisor.dev/v1alpha1
kind: ImagePolicy
metadata: {name: baseline}
spec: {scope: {includeNamespaces: ['team-*']}, rules: {admissionCoverage: {}}}
",
    );
    let operator = Running::ready(&server, settings()).await;
    violations(&server, 1).await;
    assert_eq!(condition(&server, "Ready"), ("True".into(), "Audited".into()), "no permission is missing");
    assert_eq!(status(&server)["summary"]["unknown"], 0);
    operator.stop().await;
}

#[tokio::test]
async fn an_installed_kind_that_may_not_be_read_leaves_open_only_what_it_could_decide() {
    let server = ApiServer::builder().start().await;
    install_cilium(&server);
    server.deny(Denial::new("*", "cilium.io", CILIUM));
    server.apply(OPEN);
    server.apply(POLICY);
    let operator = Running::ready(&server, settings()).await;
    undecided(&server, 1).await;
    server.apply(
        "
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: deny, namespace: team-a}
spec: {podSelector: {}, policyTypes: [Ingress]}
",
    );
    undecided(&server, 0).await;
    operator.stop().await;
}

#[tokio::test]
async fn a_server_of_somebody_elses_kind_that_is_away_delays_only_the_rules_that_read_it() {
    let server = ApiServer::builder().start().await;
    install_cilium(&server);
    server.fault(Fault::answer(503).on(CILIUM).always());
    server.apply(OPEN);
    server.apply(POLICY);
    let operator = Running::ready(&server, settings()).await;
    undecided(&server, 1).await;
    operator.stop().await;
}

#[tokio::test]
async fn a_finding_on_the_cluster_is_an_event_in_default_and_counts_without_a_namespace() {
    let server = ApiServer::builder().start().await;
    server.apply(
        "
apiVersion: revisor.dev/v1alpha1
kind: ImagePolicy
metadata: {name: baseline}
spec: {rules: {noBindingsToAnonymous: {}}}
",
    );
    let operator = Running::ready(&server, settings()).await;
    violations(&server, 0).await;
    server.create(json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding", "metadata": {"name": "open"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "view"},
        "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "system:anonymous"}],
    }));
    violations(&server, 1).await;
    let told = || {
        let events = server.list("Event", "default");
        events.into_iter().find(|event| event.to_string().contains("ClusterRoleBinding open"))
    };
    eventually("an Event", async || told().is_some()).await;
    let event = told().expect("it is there");
    assert_eq!(
        (&event["type"], &event["involvedObject"]["kind"]),
        (&json!("Warning"), &json!("ImagePolicy"))
    );
    let series = r#"revisor_findings{policy="baseline",rule="NoBindingsToAnonymous",severity="critical",subject_kind="cluster",state="fail"}"#;
    eventually("the metric", async || operator.metric(series).await == Some(1.0)).await;
    let of_namespaces = series.replace("cluster", "namespace");
    assert_eq!(operator.metric(&of_namespaces).await, Some(0.0), "counted once");
    assert!(server.list("NamespaceAudit", "default").is_empty());
    operator.stop().await;
}
