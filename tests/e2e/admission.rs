//! What the rules about admission say of a namespace is what the real API server does with pods in it.

use testkit::controlplane::ControlPlane;

use crate::objects::policy;
use crate::operator::Operator;
use crate::wait::{check, until};
use crate::world::{await_findings, deploy_folder, installed, text};

/// Whether the API server would take a pod, which is privileged or not.
fn admits(cluster: &ControlPlane, namespace: &str, privileged: bool) -> bool {
    let pod = format!(
        "apiVersion: v1
kind: Pod
metadata: {{name: trial, namespace: {namespace}}}
spec: {{containers: [{{name: main, image: registry.example/a, securityContext: {{privileged: {privileged}}}}}]}}
"
    );
    let answer = cluster.kubectl_with_input(&["create", "--dry-run=server", "-f", "-"], &pod);
    let (admitted, message) = (answer.status.success(), text(&answer.stderr));
    assert!(admitted || message.contains("orbidden") || message.contains("denied"), "{message}");
    admitted
}

#[track_caller]
fn await_admission(cluster: &ControlPlane, namespace: &str, privileged: bool, admitted: bool) {
    until(&format!("a pod in {namespace}: admitted is {admitted}"), || {
        check(admits(cluster, namespace, privileged) == admitted, String::new)
    });
}

#[track_caller]
fn label(cluster: &ControlPlane, namespace: &str, labels: &[&str]) {
    cluster.kubectl_ok(&[&["label", "--overwrite", "namespace", namespace], labels].concat());
}

/// A policy that refuses every pod, where its binding's selector takes the namespace in.
const REFUSE_ALL: &str = "apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicy
metadata: {name: refuse-all}
spec:
  failurePolicy: Fail
  matchConstraints:
    resourceRules: [{apiGroups: [''], apiVersions: [v1], operations: [CREATE], resources: [pods]}]
  validations: [{expression: 'false', message: 'denied for the test'}]
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicyBinding
metadata: {name: refuse-all}
spec:
  policyName: refuse-all
  validationActions: [Deny]
  matchResources:
    namespaceSelector:
      matchExpressions:
      - {key: admission.gatekeeper.sh/ignore, operator: DoesNotExist}
      - {key: kubernetes.io/metadata.name, operator: In, values: [covered, opted-out]}
";

#[test]
#[ignore = "needs the real control plane (make e2e)"]
fn a_namespace_is_covered_where_the_api_server_asks_and_opted_out_where_a_label_keeps_it_from_asking() {
    let (cluster, kubeconfig) = installed(ControlPlane::builder().kwok(false));
    cluster.kubectl_ok(&["apply", "-f", &format!("{}/tiers/3-admission.yaml", deploy_folder())]);
    let namespaces = ["covered", "opted-out", "other"];
    namespaces.iter().for_each(|name| cluster.create_namespace(name));
    label(&cluster, "opted-out", &["admission.gatekeeper.sh/ignore=no"]);
    for name in namespaces {
        let rules = "{admissionCoverage: {bindings: [refuse-all]}, namespaceOptedOut: {}}";
        cluster.apply(&policy(name, name, rules));
    }
    let operator = Operator::start(&kubeconfig, &[]);
    await_findings(&cluster, "covered", &["AdmissionCoverage Namespace/covered fail"]);
    cluster.apply(REFUSE_ALL);
    await_admission(&cluster, "covered", false, false);
    await_findings(&cluster, "covered", &[]);
    await_admission(&cluster, "other", false, true);
    await_findings(&cluster, "other", &["AdmissionCoverage Namespace/other fail"]);
    await_admission(&cluster, "opted-out", false, true);
    let opted_out =
        ["AdmissionCoverage Namespace/opted-out fail", "NamespaceOptedOut Namespace/opted-out fail"];
    await_findings(&cluster, "opted-out", &opted_out);
    label(&cluster, "opted-out", &["admission.gatekeeper.sh/ignore-"]);
    await_admission(&cluster, "opted-out", false, false);
    await_findings(&cluster, "opted-out", &[]);
    operator.terminate();
}

#[test]
#[ignore = "needs the real control plane (make e2e)"]
fn pod_security_is_enforced_where_the_api_server_refuses_privileged_pods() {
    let (cluster, kubeconfig) = installed(ControlPlane::builder().kwok(false));
    let name = "pod-security";
    cluster.create_namespace(name);
    let rules = "{podSecurityEnforced: {minLevel: baseline}, podSecurityVersionPinned: {}, podSecurityAuditWarnSet: {}}";
    cluster.apply(&policy(name, name, rules));
    let operator = Operator::start(&kubeconfig, &[]);
    let found = |rules: &[&str]| {
        let lines: Vec<String> = rules.iter().map(|rule| format!("{rule} Namespace/{name} fail")).collect();
        await_findings(&cluster, name, &lines.iter().map(|line| &**line).collect::<Vec<_>>());
    };
    let level = |mode: &str, level: &str| format!("pod-security.kubernetes.io/{mode}={level}");
    found(&["PodSecurityEnforced", "PodSecurityAuditWarnSet"]);
    assert!(admits(&cluster, name, true));
    // The version alone enforces nothing, and neither do warnings.
    label(
        &cluster,
        name,
        &[&level("enforce-version", "v1.30"), &level("warn", "restricted"), &level("audit", "restricted")],
    );
    found(&["PodSecurityEnforced"]);
    assert!(admits(&cluster, name, true));
    label(&cluster, name, &[&level("enforce", "privileged")]);
    assert!(admits(&cluster, name, true));
    found(&["PodSecurityEnforced"]);
    for enforced in ["baseline", "restricted"] {
        label(&cluster, name, &[&level("enforce", enforced)]);
        await_admission(&cluster, name, true, false);
        found(&[]);
    }
    label(&cluster, name, &["pod-security.kubernetes.io/enforce-version-"]);
    found(&["PodSecurityVersionPinned"]);
    let refused =
        cluster.kubectl(&["label", "--overwrite", "namespace", name, &level("enforce", "Baseline")]);
    assert!(
        !refused.status.success(),
        "a level that is none is refused, so that it stands only in old namespaces"
    );
    operator.terminate();
}
