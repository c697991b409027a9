//! Default deny, as the real API server defaults and stores network policies, and with kinds that others install.

use testkit::controlplane::ControlPlane;

use crate::objects::policy;
use crate::operator::Operator;
use crate::world::{await_findings, installed};

fn network_policy(namespace: &str, name: &str, spec: &str) -> String {
    format!(
        "---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {{name: {name}, namespace: {namespace}}}
spec: {spec}
"
    )
}

/// A definition of a kind of somebody else, with a schema that takes anything.
fn definition(group: &str, version: &str, plural: &str, kind: &str, scope: &str) -> String {
    format!(
        "---
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata:
  name: {plural}.{group}
  annotations: {{api-approved.kubernetes.io: 'unapproved, test-only'}}
spec:
  group: {group}
  scope: {scope}
  names: {{kind: {kind}, plural: {plural}, singular: {singular}}}
  versions:
  - name: {version}
    served: true
    storage: true
    schema: {{openAPIV3Schema: {{type: object, x-kubernetes-preserve-unknown-fields: true}}}}
",
        singular = kind.to_lowercase()
    )
}

#[track_caller]
fn install_kind(cluster: &ControlPlane, definition: &str, name: &str) {
    cluster.apply(definition);
    cluster.await_definitions(&[name]);
}

const INGRESS: &str = "DefaultDenyIngress Namespace/isolation fail";
const EGRESS: &str = "DefaultDenyEgress Namespace/isolation fail";

#[test]
#[ignore = "needs the real control plane (make e2e)"]
fn a_default_deny_counts_as_the_api_server_stores_it() {
    let (cluster, kubeconfig) = installed(ControlPlane::builder().kwok(false));
    let name = "isolation";
    cluster.create_namespace(name);
    cluster.apply(&policy(name, name, "{defaultDenyIngress: {}, defaultDenyEgress: {}}"));
    let operator = Operator::start(&kubeconfig, &[]);
    await_findings(&cluster, name, &[INGRESS, EGRESS]);
    // No policyTypes: Ingress, and Egress only with a rule about it.
    cluster.apply(&network_policy(name, "default", "{podSelector: {}}"));
    await_findings(&cluster, name, &[EGRESS]);
    cluster.apply(&network_policy(
        name,
        "dns",
        "{podSelector: {}, egress: [{ports: [{protocol: UDP, port: 53}]}]}",
    ));
    await_findings(&cluster, name, &[]);
    // Policies add up: one that allows everything to every pod undoes the deny.
    cluster.apply(&network_policy(name, "open", "{podSelector: {}, policyTypes: [Ingress], ingress: [{}]}"));
    await_findings(&cluster, name, &[INGRESS]);
    cluster.apply(&network_policy(
        name,
        "open",
        "{podSelector: {matchLabels: {app: web}}, policyTypes: [Ingress], ingress: [{}]}",
    ));
    await_findings(&cluster, name, &[]);
    cluster.kubectl_ok(&["delete", "networkpolicy", "--all", "-n", name]);
    await_findings(&cluster, name, &[INGRESS, EGRESS]);
    operator.terminate();
}

#[test]
#[ignore = "needs the real control plane (make e2e)"]
fn policies_of_the_whole_cluster_count_from_the_moment_their_kind_is_installed() {
    let (cluster, kubeconfig) = installed(ControlPlane::builder().kwok(false));
    let name = "isolation";
    cluster.create_namespace(name);
    cluster.apply(&policy(name, name, "{defaultDenyIngress: {adminPolicies: true}}"));
    let operator = Operator::start(&kubeconfig, &["--recheck-interval=2s"]);
    await_findings(&cluster, name, &[INGRESS]);
    let of_cluster = definition(
        "policy.networking.k8s.io",
        "v1alpha2",
        "clusternetworkpolicies",
        "ClusterNetworkPolicy",
        "Cluster",
    );
    install_kind(&cluster, &of_cluster, "clusternetworkpolicies.policy.networking.k8s.io");
    cluster.apply(
        "apiVersion: policy.networking.k8s.io/v1alpha2
kind: ClusterNetworkPolicy
metadata: {name: deny}
spec:
  tier: Baseline
  priority: 10
  subject: {namespaces: {}}
  ingress: [{action: Deny, from: [{namespaces: {}}]}]
",
    );
    await_findings(&cluster, name, &[]);
    cluster.kubectl_ok(&["delete", "clusternetworkpolicies.policy.networking.k8s.io", "deny"]);
    await_findings(&cluster, name, &[INGRESS]);
    operator.terminate();
}

#[test]
#[ignore = "needs the real control plane (make e2e)"]
fn policies_of_cilium_leave_open_what_kubernetes_own_do_not_decide() {
    let (cluster, kubeconfig) = installed(ControlPlane::builder().kwok(false));
    let name = "isolation";
    cluster.create_namespace(name);
    let cilium = definition("cilium.io", "v2", "ciliumnetworkpolicies", "CiliumNetworkPolicy", "Namespaced");
    install_kind(&cluster, &cilium, "ciliumnetworkpolicies.cilium.io");
    cluster.apply(&policy(name, name, "{defaultDenyIngress: {}}"));
    let operator = Operator::start(&kubeconfig, &["--recheck-interval=2s"]);
    await_findings(&cluster, name, &[INGRESS]);
    cluster.apply(&format!(
        "apiVersion: cilium.io/v2
kind: CiliumNetworkPolicy
metadata: {{name: something, namespace: {name}}}
spec: {{endpointSelector: {{}}}}
"
    ));
    await_findings(&cluster, name, &["DefaultDenyIngress Namespace/isolation unknown"]);
    cluster.apply(&network_policy(name, "deny", "{podSelector: {}, policyTypes: [Ingress]}"));
    await_findings(&cluster, name, &[]);
    operator.terminate();
}
