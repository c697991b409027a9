//! Exemptions that tenants ask for: who may ask, who may approve, and what then counts.

use std::process::Command;

use crate::objects::{EVIL, delegating, exemption, pod};
use crate::wait::{check, until};
use crate::world::{
    await_audited, await_findings, condition, image_policy, kubectl_as, object, shared, text,
};

/// A kubeconfig of a ServiceAccount with this ClusterRole in the namespace.
fn account(namespace: &str, name: &str, role: &str) -> std::path::PathBuf {
    let cluster = shared().cluster;
    cluster.kubectl_ok(&["create", "serviceaccount", name, "-n", namespace]);
    let (role, subject) = (format!("--clusterrole={role}"), format!("--serviceaccount={namespace}:{name}"));
    cluster.kubectl_ok(&["create", "rolebinding", name, &role, &subject, "-n", namespace]);
    cluster.kubeconfig_with_token(&cluster.token_for_service_account(namespace, name))
}

/// `revisor approve` with a kubeconfig: whether it worked, and what it said.
fn approve(kubeconfig: &std::path::Path, args: &[&str]) -> (bool, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_revisor"));
    let output =
        command.env("KUBECONFIG", kubeconfig).arg("approve").args(args).output().expect("revisor runs");
    (output.status.success(), text(&output.stdout) + &text(&output.stderr))
}

/// Waits until the condition Effective says this.
#[track_caller]
fn await_effective(namespace: &str, reason: &str) {
    until("what came of the exemption", || {
        let exemption =
            object(shared().cluster, &["exemption", "bare", "-n", namespace]).ok_or("no Exemption")?;
        let effective = condition(&exemption, "Effective");
        check(effective["reason"] == reason, || effective.to_string())
    });
}

#[test]
#[ignore = "needs the real control plane (make e2e)"]
fn a_tenant_asks_somebody_else_approves_and_an_edit_needs_a_new_approval() {
    let (cluster, name) = (shared().cluster, "exempt-asked");
    cluster.create_namespace(name);
    cluster.apply(&pod(name, "bare", EVIL));
    cluster.apply(&delegating(name, name, "{rules: [TrustedRegistry], maxDays: 30}"));
    await_findings(cluster, name, &["TrustedRegistry Pod/bare fail"]);
    let (tenant, approver) =
        (account(name, "tenant", "edit"), account(name, "approver", "revisor-exemption-approver"));

    until("the tenant may ask", || {
        let may =
            kubectl_as(cluster, &tenant, &["auth", "can-i", "create", "exemptions.revisor.dev", "-n", name]);
        check(may.status.success(), || text(&may.stdout))
    });
    let kubeconfig = format!("--kubeconfig={}", tenant.display());
    let asked = cluster
        .kubectl_with_input(&[&kubeconfig, "apply", "-f", "-"], &exemption(name, "bare", "TrustedRegistry"));
    assert!(asked.status.success(), "{}", text(&asked.stderr));
    await_effective(name, "ApprovalRequired");
    let audit = await_findings(cluster, name, &["TrustedRegistry Pod/bare fail"]).expect("a NamespaceAudit");
    until("the request is told with the finding", || {
        let audit = crate::world::namespace_audit(cluster, name).ok_or("no NamespaceAudit")?;
        check(audit["findings"][0]["exemptionRequested"] == true, || audit.to_string())
    });
    assert_eq!(audit["summary"]["violations"], 1, "{audit}");

    // Nobody approves what he asks for.
    let place = format!("{name}/bare");
    let (approved, told) = approve(&tenant, &[&place]);
    assert!(!approved && told.contains("revisor-exemption-approver"), "{told}");
    let patch =
        r#"{"status": {"conditions": [{"type": "Approved", "status": "True", "observedGeneration": 1}]}}"#;
    let args =
        ["patch", "exemption", "bare", "-n", name, "--subresource=status", "--type=merge", "-p", patch];
    let refused = kubectl_as(cluster, &tenant, &args);
    assert!(text(&refused.stderr).contains("orbidden"), "{}", text(&refused.stdout));

    let (approved, told) = approve(&approver, &[&place, "-m", "agreed"]);
    assert!(approved && told.contains("rules: TrustedRegistry"), "{told}");
    await_findings(cluster, name, &["TrustedRegistry Pod/bare exempt"]);
    await_effective(name, "Shortened");
    let stored = object(cluster, &["exemption", "bare", "-n", name]).expect("the Exemption");
    let message = condition(&stored, "Approved")["message"].as_str().unwrap_or_default();
    assert_eq!(message, format!("approved by system:serviceaccount:{name}:approver: agreed"));
    let (again, told) = approve(&approver, &[&place]);
    assert!(again && told.contains("was approved already"), "{told}");

    let edit = r#"{"spec": {"reason": "another one"}}"#;
    let edited =
        kubectl_as(cluster, &tenant, &["patch", "exemption", "bare", "-n", name, "--type=merge", "-p", edit]);
    assert!(edited.status.success(), "{}", text(&edited.stderr));
    await_findings(cluster, name, &["TrustedRegistry Pod/bare fail"]);
    let (approved, told) = approve(&approver, &[&place, "--generation=1"]);
    assert!(!approved && told.contains("generation 2"), "{told}");

    let plain = patch.replace("\"observedGeneration\": 1", "\"observedGeneration\": 2");
    let args =
        ["patch", "exemption", "bare", "-n", name, "--subresource=status", "--type=merge", "-p", &plain];
    let patched = kubectl_as(cluster, &approver, &args);
    assert!(patched.status.success(), "plain kubectl does as well: {}", text(&patched.stderr));
    await_findings(cluster, name, &["TrustedRegistry Pod/bare exempt"]);
    let (revoked, told) = approve(&approver, &[&place, "--revoke"]);
    assert!(revoked, "{told}");
    await_findings(cluster, name, &["TrustedRegistry Pod/bare fail"]);
}

#[test]
#[ignore = "needs the real control plane (make e2e)"]
fn an_exemption_counts_only_in_its_own_namespace_and_only_for_what_is_delegated() {
    let cluster = shared().cluster;
    let (mine, other) = ("exempt-mine", "exempt-other");
    for name in [mine, other] {
        cluster.create_namespace(name);
        cluster.apply(&pod(name, "bare", EVIL));
    }
    cluster.apply(&exemption(mine, "bare", "TrustedRegistry"));
    let selector = format!(
        "{{rules: [TrustedRegistry], approval: None, namespaceSelector: {{matchLabels: {{kubernetes.io/metadata.name: {mine}}}}}}}"
    );
    cluster.apply(&delegating("exempt-pair", "exempt-m*", &selector));
    cluster.apply(&delegating("exempt-pair-other", other, &selector));
    await_findings(cluster, mine, &["TrustedRegistry Pod/bare exempt"]);
    await_findings(cluster, other, &["TrustedRegistry Pod/bare fail"]);
    await_effective(mine, "Effective");
    cluster.apply(&exemption(other, "bare", "TrustedRegistry"));
    await_effective(other, "NotDelegated");
    await_findings(cluster, other, &["TrustedRegistry Pod/bare fail"]);
    await_audited(cluster, "exempt-pair");
    until("the policy counts the exemption", || {
        let policy = image_policy(cluster, "exempt-pair").ok_or("no policy")?;
        check(policy["status"]["exemptions"]["total"] == 1, || policy["status"].to_string())
    });
    cluster.kubectl_ok(&["delete", "exemption", "bare", "-n", mine]);
    await_findings(cluster, mine, &["TrustedRegistry Pod/bare fail"]);
}

#[test]
#[ignore = "needs the real control plane (make e2e)"]
fn an_annotation_permits_where_the_policy_takes_annotations() {
    let (cluster, name) = (shared().cluster, "exempt-in-place");
    cluster.create_namespace(name);
    let end = jiff::Timestamp::now() + jiff::SignedDuration::from_hours(24 * 10);
    let annotated = |value: &str| {
        pod(name, "bare", EVIL).replace(
            "labels:",
            &format!("annotations: {{exempt.revisor.dev/TrustedRegistry: \"{value}\"}}, labels:"),
        )
    };
    let until_then = format!("OPS-412 until {}: nodes are preloaded", end.strftime("%Y-%m-%d"));
    cluster.apply(&annotated(&until_then));
    cluster.apply(&delegating(
        name,
        name,
        "{rules: [TrustedRegistry], approval: None, annotations: true, maxDays: 30}",
    ));
    await_findings(cluster, name, &["TrustedRegistry Pod/bare exempt"]);
    let audit = crate::world::namespace_audit(cluster, name).expect("a NamespaceAudit");
    assert_eq!(audit["findings"][0]["exemption"]["delegated"], "annotation", "{audit}");
    cluster.apply(&annotated("for ever"));
    let audit = await_findings(cluster, name, &["TrustedRegistry Pod/bare fail"]).expect("a NamespaceAudit");
    let message = audit["findings"][0]["message"].as_str().unwrap_or_default();
    assert!(message.contains("which cannot be read"), "{message}");
}
