//! Manifests of what the tests put into the cluster.

use testkit::controlplane::NODE;

/// The only registry that the tests' policies trust.
pub(crate) const TRUSTED: &str = "registry.example/team/app:1.2.3";
/// An image of another one.
pub(crate) const EVIL: &str = "evil.test/app:1.2.3";

/// A policy over namespaces by glob. `rules` is YAML in one line: `{trustedRegistry: {...}}`.
pub(crate) fn policy(name: &str, namespaces: &str, rules: &str) -> String {
    format!(
        "apiVersion: revisor.dev/v1alpha1
kind: ImagePolicy
metadata: {{name: {name}}}
spec:
  scope: {{includeNamespaces: ['{namespaces}']}}
  rules: {rules}
"
    )
}

/// A rule as most policies here have it.
pub(crate) const TRUST: &str = "{trustedRegistry: {severity: critical, allow: [registry.example]}}";

/// A policy that trusts one registry only, and delegates: `{rules: [...], ...}`.
pub(crate) fn delegating(name: &str, namespaces: &str, delegation: &str) -> String {
    policy(name, namespaces, TRUST) + &format!("  delegation: [{delegation}]\n")
}

/// What a tenant asks for: two months from now on.
pub(crate) fn exemption(namespace: &str, name: &str, rule: &str) -> String {
    let end = jiff::Timestamp::now() + jiff::SignedDuration::from_hours(24 * 60);
    format!(
        "---
apiVersion: revisor.dev/v1alpha1
kind: Exemption
metadata: {{name: {name}, namespace: {namespace}}}
spec: {{rules: [{rule}], reason: nodes are preloaded, ticket: OPS-412, expiresAt: '{}'}}
",
        end.strftime("%Y-%m-%dT%H:%M:%SZ")
    )
}

/// A pod of its own.
pub(crate) fn pod(namespace: &str, name: &str, image: &str) -> String {
    format!(
        "---
apiVersion: v1
kind: Pod
metadata: {{name: {name}, namespace: {namespace}, labels: {{app: {name}}}}}
spec:
  nodeName: {NODE}
  containers: [{{name: main, image: '{image}'}}]
"
    )
}

/// A Deployment of two replicas.
pub(crate) fn deployment(namespace: &str, name: &str, image: &str) -> String {
    format!(
        "---
apiVersion: apps/v1
kind: Deployment
metadata: {{name: {name}, namespace: {namespace}}}
spec:
  replicas: 2
  selector: {{matchLabels: {{app: {name}}}}}
  template:
    metadata: {{labels: {{app: {name}}}}}
    spec:
      nodeName: {NODE}
      containers: [{{name: main, image: '{image}'}}]
"
    )
}

/// A CronJob that never runs by itself: `kubectl create job --from` runs it.
pub(crate) fn cron_job(namespace: &str, name: &str, image: &str) -> String {
    format!(
        "---
apiVersion: batch/v1
kind: CronJob
metadata: {{name: {name}, namespace: {namespace}}}
spec:
  schedule: '0 0 1 1 *'
  suspend: true
  jobTemplate:
    spec:
      template:
        spec:
          nodeName: {NODE}
          restartPolicy: Never
          containers: [{{name: main, image: '{image}'}}]
"
    )
}

/// A NetworkPolicy that lets nothing in.
pub(crate) fn deny_ingress(namespace: &str) -> String {
    format!(
        "---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {{name: default-deny, namespace: {namespace}}}
spec: {{podSelector: {{}}, policyTypes: [Ingress]}}
"
    )
}
