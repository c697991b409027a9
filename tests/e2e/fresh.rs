//! A cluster as Kubernetes makes it: what its own bootstrap policy grants is no finding.

use std::process::Command;

use serde_json::Value;
use testkit::controlplane::ControlPlane;

use crate::operator::REVISOR;
use crate::world::text;

const RULES: [&str; 7] = [
    "noBindingsToAnonymous",
    "noBindingsToAuthenticated",
    "noBindingsToAllServiceAccounts",
    "noClusterAdminRoleBinding",
    "defaultServiceAccountUnbound",
    "noWildcardRole",
    "noEscalatingRole",
];

/// What these rules say of the whole cluster, read with the rights of its administrator.
fn audit(cluster: &ControlPlane) -> Vec<Value> {
    let rules: Vec<String> = RULES.iter().map(|rule| format!("{rule}: {{}}")).collect();
    let policy = format!(
        "{{apiVersion: revisor.dev/v1alpha1, kind: ImagePolicy, metadata: {{name: rights}}, \
         spec: {{rules: {{{}}}}}}}",
        rules.join(", ")
    );
    let file = cluster.folder().join("rights.yaml");
    std::fs::write(&file, policy).expect("writing the policy");
    let mut command = Command::new(REVISOR);
    command.args(["audit", "--cluster", "--all-namespaces", "--verdicts=all", "--output=json", "--policy"]);
    let output =
        command.arg(&file).env("KUBECONFIG", cluster.kubeconfig()).output().expect("running revisor");
    assert!(matches!(output.status.code(), Some(0 | 1)), "{}{}", text(&output.stdout), text(&output.stderr));
    let report: Value = serde_json::from_slice(&output.stdout).expect("a report in JSON");
    report["results"].as_array().expect("results").clone()
}

fn wrong(results: &[Value]) -> Vec<String> {
    let wrong = results.iter().filter(|result| result["verdict"] != "pass" && result["verdict"] != "na");
    wrong.map(|result| format!("{}: {} {}", result["rule"], result["namespace"], result["message"])).collect()
}

#[test]
#[ignore = "needs the real control plane (make e2e)"]
fn what_kubernetes_grants_by_itself_is_no_finding_and_one_more_binding_is() {
    let cluster = ControlPlane::builder().kwok(false).start();
    let results = audit(&cluster);
    assert!(wrong(&results).is_empty(), "{:#?}", wrong(&results));
    for rule in RULES {
        let rule = rule.to_lowercase();
        let judged = results
            .iter()
            .filter(|result| result["rule"].as_str().is_some_and(|it| it.to_lowercase() == rule));
        assert!(judged.count() >= 4, "{rule} judges kube-system and the others");
    }
    cluster.kubectl_ok(&[
        "create",
        "clusterrolebinding",
        "anybody",
        "--clusterrole=view",
        "--user=system:anonymous",
    ]);
    cluster.kubectl_ok(&["create", "clusterrole", "reader", "--verb=get", "--resource=secrets"]);
    let wrong = wrong(&audit(&cluster));
    assert_eq!(wrong.len(), 2, "{wrong:#?}");
    assert!(wrong.iter().any(|line| line.contains("NoBindingsToAnonymous")), "{wrong:#?}");
    assert!(wrong.iter().any(|line| line.contains("NoEscalatingRole")), "{wrong:#?}");
}
