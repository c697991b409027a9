//! Which kinds of objects are known, and where a pod template stands in them. The group is part of a kind: a
//! Knative `Service` is no core `Service`.

use crate::subject::Resource;

/// What is done with an object of some kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// A pod itself.
    Pod,
    /// Its pods come from the template at this path.
    Workload(&'static [&'static str]),
    /// Likewise; it may itself be controlled by the workload that its pods are reported under.
    ReplicaSet,
    /// Likewise, and pods are attributed through it.
    Job,
    /// A namespace.
    Namespace,
    /// A network policy.
    NetworkPolicy,
    /// An object that only some rules about namespaces and the cluster read.
    Object(Resource),
    /// A policy of Revisor.
    ImagePolicy,
    /// A kustomization: no object of a cluster, but the recipe for some.
    Kustomization,
    /// A known kind that says nothing about images or namespaces. Never looked into.
    Harmless,
    /// A kind that is not known: searched for pod templates.
    Unknown,
}

/// Where a pod template stands in most workloads.
pub(super) const TEMPLATE: &[&str] = &["spec", "template"];

/// The role of a kind.
pub(super) fn role(group: &str, kind: &str) -> Role {
    match (group, kind) {
        ("", "Pod") => Role::Pod,
        ("", "ReplicationController") | ("apps" | "extensions", "Deployment" | "DaemonSet") => {
            Role::Workload(TEMPLATE)
        }
        ("apps", "StatefulSet") => Role::Workload(TEMPLATE),
        ("", "PodTemplate") => Role::Workload(&["template"]),
        ("apps" | "extensions", "ReplicaSet") => Role::ReplicaSet,
        ("batch", "Job") => Role::Job,
        ("batch", "CronJob") => Role::Workload(&["spec", "jobTemplate", "spec", "template"]),
        ("", "Namespace") => Role::Namespace,
        ("networking.k8s.io", "NetworkPolicy") => Role::NetworkPolicy,
        ("revisor.dev", "ImagePolicy") => Role::ImagePolicy,
        ("kustomize.config.k8s.io", _) => Role::Kustomization,
        ("extensions", "Ingress") => Role::Object(Resource::Ingresses),
        _ => match Resource::of_object(group, kind) {
            Some(resource) => Role::Object(resource),
            None if is_harmless(group, kind) => Role::Harmless,
            None => Role::Unknown,
        },
    }
}

fn is_harmless(group: &str, kind: &str) -> bool {
    match group {
        "" => matches!(
            kind,
            "Binding"
                | "ComponentStatus"
                | "ConfigMap"
                | "Endpoints"
                | "Event"
                | "PersistentVolume"
                | "PersistentVolumeClaim"
                | "Secret"
        ),
        "apps" => kind == "ControllerRevision",
        "revisor.dev" => kind == "NamespaceAudit",
        // Groups of Kubernetes itself in which nothing names an image. A CRD's schema may have a field `image`.
        "admissionregistration.k8s.io"
        | "apiextensions.k8s.io"
        | "apiregistration.k8s.io"
        | "authentication.k8s.io"
        | "authorization.k8s.io"
        | "autoscaling"
        | "certificates.k8s.io"
        | "coordination.k8s.io"
        | "discovery.k8s.io"
        | "events.k8s.io"
        | "flowcontrol.apiserver.k8s.io"
        | "internal.apiserver.k8s.io"
        | "metrics.k8s.io"
        | "networking.k8s.io"
        | "node.k8s.io"
        | "policy"
        | "rbac.authorization.k8s.io"
        | "resource.k8s.io"
        | "scheduling.k8s.io"
        | "storage.k8s.io"
        | "storagemigration.k8s.io" => true,
        _ => false,
    }
}

/// The group of an `apiVersion`; empty for the core group.
pub(super) fn group_of(api_version: &str) -> &str {
    api_version.split_once('/').map_or("", |(group, _)| group)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_group_is_part_of_the_kind() {
        assert_eq!(role("", "Service"), Role::Object(Resource::Services));
        assert_eq!(role("cilium.io", "CiliumNetworkPolicy"), Role::Object(Resource::CiliumNetworkPolicies));
        assert_eq!(role("serving.knative.dev", "Service"), Role::Unknown);
        assert_eq!(role("apps", "Deployment"), Role::Workload(TEMPLATE));
        assert_eq!(role("example.com", "Deployment"), Role::Unknown);
        assert_eq!(role("config.openshift.io", "ImagePolicy"), Role::Unknown);
    }

    #[test]
    fn a_misspelt_core_kind_is_unknown() {
        assert_eq!(role("", "Pods"), Role::Unknown);
        assert_eq!(role("apps", "Deploymnet"), Role::Unknown);
    }

    #[test]
    fn the_group_is_what_stands_before_the_version() {
        assert_eq!((group_of("v1"), group_of("apps/v1"), group_of("")), ("", "apps", ""));
    }
}
