//! The table of resource types the server knows: the built-in ones, and those
//! that a CustomResourceDefinition or a test adds.

use std::sync::Arc;

/// One resource type: where it is served and which of the server's rules hold for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResourceType {
    /// API group, empty for the core group.
    pub group: String,
    /// API version, such as `v1`.
    pub version: String,
    /// Lower-case plural used in paths, such as `pods`.
    pub plural: String,
    /// Kind, such as `Pod`.
    pub kind: String,
    /// Whether its objects live in namespaces.
    pub namespaced: bool,
    /// Whether `/status` exists, and the main resource leaves the status alone.
    pub status: bool,
    /// Whether `metadata.generation` counts changes of the spec.
    pub generation: bool,
    /// Defined by a CustomResourceDefinition: list items carry `kind` and
    /// `apiVersion`, and a PUT must name the resourceVersion.
    pub custom: bool,
}

impl ResourceType {
    /// A type as a CustomResourceDefinition would define it, without `/status`.
    pub fn custom(group: &str, version: &str, plural: &str, kind: &str) -> Self {
        Self {
            group: group.into(),
            version: version.into(),
            plural: plural.into(),
            kind: kind.into(),
            namespaced: true,
            status: false,
            generation: true,
            custom: true,
        }
    }

    /// Makes the type cluster-scoped.
    #[must_use]
    pub fn cluster_scoped(self) -> Self {
        Self { namespaced: false, ..self }
    }

    /// Gives the type a `/status` subresource.
    #[must_use]
    pub fn with_status(self) -> Self {
        Self { status: true, ..self }
    }

    /// `v1` or `apps/v1`.
    pub fn api_version(&self) -> String {
        if self.group.is_empty() { self.version.clone() } else { format!("{}/{}", self.group, self.version) }
    }

    /// `pods` or `deployments.apps`, as error messages name it.
    pub fn qualified(&self) -> String {
        if self.group.is_empty() { self.plural.clone() } else { format!("{}.{}", self.plural, self.group) }
    }

    /// The singular of the name in paths.
    pub(super) fn singular(&self) -> String {
        self.kind.to_lowercase()
    }

    /// Reviews are answered, never stored.
    pub(super) fn is_review(&self) -> bool {
        self.group == "authorization.k8s.io"
    }

    /// What the real server leaves in the otherwise empty object of a bookmark:
    /// required fields of a typed object appear as nulls.
    pub(super) fn bookmark_rest(&self) -> &'static str {
        match self.kind.as_str() {
            _ if self.custom => "",
            "Pod" => r#","spec":{"containers":null},"status":{}"#,
            "Namespace" | "Node" | "Service" | "ResourceQuota" | "CustomResourceDefinition" => {
                r#","spec":{},"status":{}"#
            }
            "Deployment" | "StatefulSet" | "DaemonSet" | "ReplicaSet" => {
                r#","spec":{"selector":null,"template":{"metadata":{},"spec":{"containers":null}}},"status":{}"#
            }
            "Job" => r#","spec":{"template":{"metadata":{},"spec":{"containers":null}}},"status":{}"#,
            "LimitRange" => r#","spec":{"limits":null}"#,
            "Ingress" => r#","spec":{},"status":{"loadBalancer":{}}"#,
            "Role" | "ClusterRole" => r#","rules":null"#,
            "RoleBinding" | "ClusterRoleBinding" => r#","roleRef":{"apiGroup":"","kind":"","name":""}"#,
            "ValidatingAdmissionPolicy" => r#","spec":{},"status":{}"#,
            "NetworkPolicy" | "Lease" | "ValidatingAdmissionPolicyBinding" => r#","spec":{}"#,
            _ => "",
        }
    }
}

const NAMESPACED: bool = true;
const CLUSTER: bool = false;
const STATUS: bool = true;
const NO_STATUS: bool = false;
const GENERATION: bool = true;
const NO_GENERATION: bool = false;

type Row = (&'static str, &'static str, &'static str, &'static str, bool, bool, bool);

/// The built-in types, in the order in which names without a group are looked up.
const BUILT_IN: &[Row] = &[
    ("", "v1", "pods", "Pod", NAMESPACED, STATUS, GENERATION),
    ("", "v1", "namespaces", "Namespace", CLUSTER, STATUS, NO_GENERATION),
    ("", "v1", "events", "Event", NAMESPACED, NO_STATUS, NO_GENERATION),
    ("", "v1", "nodes", "Node", CLUSTER, STATUS, NO_GENERATION),
    ("", "v1", "configmaps", "ConfigMap", NAMESPACED, NO_STATUS, NO_GENERATION),
    ("", "v1", "serviceaccounts", "ServiceAccount", NAMESPACED, NO_STATUS, NO_GENERATION),
    ("", "v1", "secrets", "Secret", NAMESPACED, NO_STATUS, NO_GENERATION),
    ("", "v1", "resourcequotas", "ResourceQuota", NAMESPACED, STATUS, NO_GENERATION),
    ("", "v1", "limitranges", "LimitRange", NAMESPACED, NO_STATUS, NO_GENERATION),
    ("", "v1", "services", "Service", NAMESPACED, STATUS, NO_GENERATION),
    ("", "v1", "replicationcontrollers", "ReplicationController", NAMESPACED, STATUS, GENERATION),
    ("apps", "v1", "replicasets", "ReplicaSet", NAMESPACED, STATUS, GENERATION),
    ("apps", "v1", "deployments", "Deployment", NAMESPACED, STATUS, GENERATION),
    ("apps", "v1", "statefulsets", "StatefulSet", NAMESPACED, STATUS, GENERATION),
    ("apps", "v1", "daemonsets", "DaemonSet", NAMESPACED, STATUS, GENERATION),
    ("batch", "v1", "jobs", "Job", NAMESPACED, STATUS, GENERATION),
    ("batch", "v1", "cronjobs", "CronJob", NAMESPACED, STATUS, GENERATION),
    ("networking.k8s.io", "v1", "networkpolicies", "NetworkPolicy", NAMESPACED, NO_STATUS, GENERATION),
    ("networking.k8s.io", "v1", "ingresses", "Ingress", NAMESPACED, STATUS, GENERATION),
    ("rbac.authorization.k8s.io", "v1", "roles", "Role", NAMESPACED, NO_STATUS, NO_GENERATION),
    ("rbac.authorization.k8s.io", "v1", "rolebindings", "RoleBinding", NAMESPACED, NO_STATUS, NO_GENERATION),
    ("rbac.authorization.k8s.io", "v1", "clusterroles", "ClusterRole", CLUSTER, NO_STATUS, NO_GENERATION),
    (
        "rbac.authorization.k8s.io",
        "v1",
        "clusterrolebindings",
        "ClusterRoleBinding",
        CLUSTER,
        NO_STATUS,
        NO_GENERATION,
    ),
    (
        "admissionregistration.k8s.io",
        "v1",
        "validatingwebhookconfigurations",
        "ValidatingWebhookConfiguration",
        CLUSTER,
        NO_STATUS,
        GENERATION,
    ),
    (
        "admissionregistration.k8s.io",
        "v1",
        "mutatingwebhookconfigurations",
        "MutatingWebhookConfiguration",
        CLUSTER,
        NO_STATUS,
        GENERATION,
    ),
    (
        "admissionregistration.k8s.io",
        "v1",
        "validatingadmissionpolicies",
        "ValidatingAdmissionPolicy",
        CLUSTER,
        STATUS,
        GENERATION,
    ),
    (
        "admissionregistration.k8s.io",
        "v1",
        "validatingadmissionpolicybindings",
        "ValidatingAdmissionPolicyBinding",
        CLUSTER,
        NO_STATUS,
        GENERATION,
    ),
    ("coordination.k8s.io", "v1", "leases", "Lease", NAMESPACED, NO_STATUS, NO_GENERATION),
    ("events.k8s.io", "v1", "events", "Event", NAMESPACED, NO_STATUS, NO_GENERATION),
    (
        "authorization.k8s.io",
        "v1",
        "selfsubjectaccessreviews",
        "SelfSubjectAccessReview",
        CLUSTER,
        NO_STATUS,
        NO_GENERATION,
    ),
    (
        "apiextensions.k8s.io",
        "v1",
        "customresourcedefinitions",
        "CustomResourceDefinition",
        CLUSTER,
        STATUS,
        GENERATION,
    ),
];

fn built_in(row: &Row) -> ResourceType {
    let (group, version, plural, kind, namespaced, status, generation) = *row;
    ResourceType {
        namespaced,
        status,
        generation,
        custom: false,
        ..ResourceType::custom(group, version, plural, kind)
    }
}

/// The project's own types, for servers that need no CRD first.
pub(super) fn own_types() -> [ResourceType; 3] {
    let group = "revisor.dev";
    [
        ResourceType::custom(group, "v1alpha1", "imagepolicies", "ImagePolicy")
            .cluster_scoped()
            .with_status(),
        ResourceType::custom(group, "v1alpha1", "namespaceaudits", "NamespaceAudit"),
        ResourceType::custom(group, "v1alpha1", "exemptions", "Exemption").with_status(),
    ]
}

/// Every type the server knows at this moment.
#[derive(Clone, Debug)]
pub(super) struct Catalogue {
    types: Vec<Arc<ResourceType>>,
}

impl Catalogue {
    pub(super) fn built_in() -> Self {
        Self { types: BUILT_IN.iter().map(|row| Arc::new(built_in(row))).collect() }
    }

    pub(super) fn types(&self) -> &[Arc<ResourceType>] {
        &self.types
    }

    /// Adds a type, in place of one with the same group, version and plural.
    pub(super) fn register(&mut self, added: ResourceType) -> Arc<ResourceType> {
        let added = Arc::new(added);
        self.types.retain(|known| {
            (&known.group, &known.version, &known.plural) != (&added.group, &added.version, &added.plural)
        });
        self.types.push(Arc::clone(&added));
        added
    }

    /// Removes all versions of a resource.
    pub(super) fn unregister(&mut self, group: &str, plural: &str) {
        self.types.retain(|known| known.group != group || known.plural != plural);
    }

    pub(super) fn served(&self, group: &str, version: &str, plural: &str) -> Option<Arc<ResourceType>> {
        self.types
            .iter()
            .find(|known| known.group == group && known.version == version && known.plural == plural)
            .cloned()
    }

    pub(super) fn of_object(&self, api_version: &str, kind: &str) -> Option<Arc<ResourceType>> {
        self.types.iter().find(|known| known.kind == kind && known.api_version() == api_version).cloned()
    }

    /// By kind (`Pod`), plural (`pods`) or qualified plural (`events.events.k8s.io`).
    pub(super) fn named(&self, name: &str) -> Option<Arc<ResourceType>> {
        self.types
            .iter()
            .find(|known| known.kind == name || known.plural == name || known.qualified() == name)
            .cloned()
    }
}
