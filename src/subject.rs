//! What rules read, as plain data: a pod's shape and running state, a namespace's facts, a reference across
//! the cluster. No client, no clock, no wire format.

pub mod addresses;
pub mod admission;
pub mod canonical;
pub mod cluster;
pub mod facts;
pub mod isolation;
pub mod namespace;
pub mod network;
pub mod objects;
pub mod owner;
pub mod pod;
pub mod rbac;
pub mod reference;
pub mod running;
pub mod runtime;
pub mod selector;
pub mod uid;

use std::fmt;

/// What a kind costs to be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Tier {
    /// What nothing works without.
    Base,
    /// Says nothing that an attacker could use.
    Harmless,
    /// Reveals who may do what.
    Rbac,
    /// Reveals what admission control lets through.
    Admission,
    /// Whole workloads, with the environment of their containers.
    Workloads,
    /// Reveals the machines: addresses, versions, what lies on them.
    Nodes,
}

struct Row {
    group: &'static str,
    version: &'static str,
    plural: &'static str,
    full: &'static str,
    kind: &'static str,
    namespaced: bool,
    tier: Tier,
    custom: bool,
}

macro_rules! resources {
    ($count:literal: $($(#[$doc:meta])* $name:ident =
        $group:literal $version:literal $plural:literal $kind:literal $scope:ident $tier:ident $origin:ident;)*) => {
        /// A Kubernetes resource that is read: always, or because a rule needs it.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Resource {
            $($(#[$doc])* $name,)*
        }

        impl Resource {
            /// Every resource that is watched, in the order in which they are named to people.
            pub const ALL: [Self; $count] = [$(Self::$name,)*];

            fn row(self) -> Row {
                match self {
                    $(Self::$name => Row {
                        group: $group,
                        version: $version,
                        plural: $plural,
                        full: concat!($plural, ".", $group),
                        kind: $kind,
                        namespaced: stringify!($scope).len() == "Namespaced".len(),
                        tier: Tier::$tier,
                        custom: stringify!($origin).len() == "Custom".len(),
                    },)*
                }
            }
        }
    };
}

resources! {
    36:
    /// `pods`
    Pods = "" "v1" "pods" "Pod" Namespaced Base Own;
    /// `namespaces`
    Namespaces = "" "v1" "namespaces" "Namespace" Cluster Base Own;
    /// `networking.k8s.io/networkpolicies`
    NetworkPolicies = "networking.k8s.io" "v1" "networkpolicies" "NetworkPolicy" Namespaced Harmless Own;
    /// `batch/jobs`, metadata only, to attribute a pod to its CronJob
    Jobs = "batch" "v1" "jobs" "Job" Namespaced Base Own;
    /// `revisor.dev/imagepolicies`
    ImagePolicies = "revisor.dev" "v1alpha1" "imagepolicies" "ImagePolicy" Cluster Base Own;
    /// `revisor.dev/exemptions`, while some policy delegates exemptions
    Exemptions = "revisor.dev" "v1alpha1" "exemptions" "Exemption" Namespaced Base Custom;
    /// `resourcequotas`
    ResourceQuotas = "" "v1" "resourcequotas" "ResourceQuota" Namespaced Harmless Own;
    /// `limitranges`
    LimitRanges = "" "v1" "limitranges" "LimitRange" Namespaced Harmless Own;
    /// `serviceaccounts`
    ServiceAccounts = "" "v1" "serviceaccounts" "ServiceAccount" Namespaced Harmless Own;
    /// `services`
    Services = "" "v1" "services" "Service" Namespaced Harmless Own;
    /// `networking.k8s.io/ingresses`
    Ingresses = "networking.k8s.io" "v1" "ingresses" "Ingress" Namespaced Harmless Own;
    /// `rbac.authorization.k8s.io/roles`
    Roles = "rbac.authorization.k8s.io" "v1" "roles" "Role" Namespaced Rbac Own;
    /// `rbac.authorization.k8s.io/rolebindings`
    RoleBindings = "rbac.authorization.k8s.io" "v1" "rolebindings" "RoleBinding" Namespaced Rbac Own;
    /// `rbac.authorization.k8s.io/clusterroles`
    ClusterRoles = "rbac.authorization.k8s.io" "v1" "clusterroles" "ClusterRole" Cluster Rbac Own;
    /// `rbac.authorization.k8s.io/clusterrolebindings`
    ClusterRoleBindings =
        "rbac.authorization.k8s.io" "v1" "clusterrolebindings" "ClusterRoleBinding" Cluster Rbac Own;
    /// `admissionregistration.k8s.io/validatingwebhookconfigurations`
    ValidatingWebhooks = "admissionregistration.k8s.io" "v1" "validatingwebhookconfigurations"
        "ValidatingWebhookConfiguration" Cluster Admission Own;
    /// `admissionregistration.k8s.io/mutatingwebhookconfigurations`
    MutatingWebhooks = "admissionregistration.k8s.io" "v1" "mutatingwebhookconfigurations"
        "MutatingWebhookConfiguration" Cluster Admission Own;
    /// `admissionregistration.k8s.io/validatingadmissionpolicies`
    AdmissionPolicies = "admissionregistration.k8s.io" "v1" "validatingadmissionpolicies"
        "ValidatingAdmissionPolicy" Cluster Admission Own;
    /// `admissionregistration.k8s.io/validatingadmissionpolicybindings`
    AdmissionPolicyBindings = "admissionregistration.k8s.io" "v1" "validatingadmissionpolicybindings"
        "ValidatingAdmissionPolicyBinding" Cluster Admission Own;
    /// `apps/replicasets`, for their templates
    ReplicaSets = "apps" "v1" "replicasets" "ReplicaSet" Namespaced Workloads Own;
    /// `apps/statefulsets`, for their templates
    StatefulSets = "apps" "v1" "statefulsets" "StatefulSet" Namespaced Workloads Own;
    /// `apps/daemonsets`, for their templates
    DaemonSets = "apps" "v1" "daemonsets" "DaemonSet" Namespaced Workloads Own;
    /// `replicationcontrollers`, for their templates
    ReplicationControllers = "" "v1" "replicationcontrollers" "ReplicationController" Namespaced Workloads Own;
    /// `batch/jobs` as a whole, for their templates
    JobTemplates = "batch" "v1" "jobs" "Job" Namespaced Workloads Own;
    /// `apps/deployments`, for their templates
    Deployments = "apps" "v1" "deployments" "Deployment" Namespaced Workloads Own;
    /// `batch/cronjobs`, for their templates
    CronJobs = "batch" "v1" "cronjobs" "CronJob" Namespaced Workloads Own;
    /// `nodes`, for the images that they list and their container runtimes
    Nodes = "" "v1" "nodes" "Node" Cluster Nodes Own;
    /// `policy.networking.k8s.io/adminnetworkpolicies`
    AdminNetworkPolicies = "policy.networking.k8s.io" "v1alpha1" "adminnetworkpolicies"
        "AdminNetworkPolicy" Cluster Harmless Custom;
    /// `policy.networking.k8s.io/baselineadminnetworkpolicies`
    BaselineAdminNetworkPolicies = "policy.networking.k8s.io" "v1alpha1" "baselineadminnetworkpolicies"
        "BaselineAdminNetworkPolicy" Cluster Harmless Custom;
    /// `policy.networking.k8s.io/clusternetworkpolicies`
    ClusterNetworkPolicies = "policy.networking.k8s.io" "v1alpha2" "clusternetworkpolicies"
        "ClusterNetworkPolicy" Cluster Harmless Custom;
    /// `cilium.io/ciliumnetworkpolicies`, metadata only
    CiliumNetworkPolicies =
        "cilium.io" "v2" "ciliumnetworkpolicies" "CiliumNetworkPolicy" Namespaced Harmless Custom;
    /// `cilium.io/ciliumclusterwidenetworkpolicies`, metadata only
    CiliumClusterwideNetworkPolicies = "cilium.io" "v2" "ciliumclusterwidenetworkpolicies"
        "CiliumClusterwideNetworkPolicy" Cluster Harmless Custom;
    /// `crd.projectcalico.org/networkpolicies`, metadata only
    CalicoNetworkPolicies =
        "crd.projectcalico.org" "v1" "networkpolicies" "NetworkPolicy" Namespaced Harmless Custom;
    /// `crd.projectcalico.org/globalnetworkpolicies`, metadata only
    CalicoGlobalNetworkPolicies = "crd.projectcalico.org" "v1" "globalnetworkpolicies"
        "GlobalNetworkPolicy" Cluster Harmless Custom;
    /// `projectcalico.org/networkpolicies`, metadata only: Calico's own API server, where there is one
    CalicoApiNetworkPolicies =
        "projectcalico.org" "v3" "networkpolicies" "NetworkPolicy" Namespaced Harmless Custom;
    /// `projectcalico.org/globalnetworkpolicies`, metadata only
    CalicoApiGlobalNetworkPolicies = "projectcalico.org" "v3" "globalnetworkpolicies"
        "GlobalNetworkPolicy" Cluster Harmless Custom;
}

impl Resource {
    /// Those that are read whatever the policies ask; the others are if an active rule reads them.
    pub const ALWAYS: [Self; 4] = [Self::Pods, Self::Namespaces, Self::Jobs, Self::ImagePolicies];

    /// Those whose templates are judged where a policy includes templates.
    pub const TEMPLATES: [Self; 7] = [
        Self::ReplicaSets,
        Self::StatefulSets,
        Self::DaemonSets,
        Self::ReplicationControllers,
        Self::JobTemplates,
        Self::Deployments,
        Self::CronJobs,
    ];

    /// Network policies of Cilium and Calico, of which nothing is read but that they are there.
    pub const OTHER_NETWORK_POLICIES: [Self; 6] = [
        Self::CiliumNetworkPolicies,
        Self::CiliumClusterwideNetworkPolicies,
        Self::CalicoNetworkPolicies,
        Self::CalicoGlobalNetworkPolicies,
        Self::CalicoApiNetworkPolicies,
        Self::CalicoApiGlobalNetworkPolicies,
    ];

    /// Those that confirm whose a pod is. Jobs do, too, and are read whatever the policies ask.
    pub const CONTROLLERS: [Self; 4] =
        [Self::ReplicaSets, Self::StatefulSets, Self::DaemonSets, Self::ReplicationControllers];

    /// The API group; empty for the core group.
    pub fn group(self) -> &'static str {
        self.row().group
    }

    /// The version that is read.
    pub fn version(self) -> &'static str {
        self.row().version
    }

    /// The plural name, as in RBAC rules and URLs.
    pub fn plural(self) -> &'static str {
        self.row().plural
    }

    /// The kind of its objects.
    pub fn kind(self) -> &'static str {
        self.row().kind
    }

    /// Whether its objects lie in namespaces.
    pub fn is_namespaced(self) -> bool {
        self.row().namespaced
    }

    /// A word that no other one has, for metrics: the plural, with the group for kinds of somebody else.
    pub fn label(self) -> &'static str {
        match self {
            Self::JobTemplates => "jobtemplates",
            _ if self.is_custom() => self.row().full,
            _ => self.plural(),
        }
    }

    /// Whether pods are made from its objects, and their templates are what is read.
    pub fn is_template(self) -> bool {
        self.tier() == Tier::Workloads
    }

    /// What reading it costs.
    pub fn tier(self) -> Tier {
        self.row().tier
    }

    /// Whether a CustomResourceDefinition of somebody else brings it: where the API server does not serve it, there
    /// are no such objects, which is an answer. A rule that may not read it decides by itself what follows.
    pub fn is_custom(self) -> bool {
        self.row().custom
    }

    /// Whether an API server may do without it: a kind of somebody else, or one that older servers do not have. Where
    /// discovery does not know it, there are no such objects. Any other kind that is not served is a fault, not an
    /// answer.
    pub fn may_be_absent(self) -> bool {
        // `v1` of both came with Kubernetes 1.30.
        self.is_custom() || matches!(self, Self::AdmissionPolicies | Self::AdmissionPolicyBindings)
    }

    /// Whether only the metadata of its objects is asked for: that they are there is all that is read.
    pub fn is_presence(self) -> bool {
        Self::OTHER_NETWORK_POLICIES.contains(&self)
    }

    /// The path of its API: `/api/v1`, `/apis/batch/v1`.
    pub fn api_path(self) -> String {
        match self.group() {
            "" => format!("/api/{}", self.version()),
            group => format!("/apis/{group}/{}", self.version()),
        }
    }

    /// The resource whose template the pods of such a controller are made from.
    pub fn of_controller(group: &str, kind: &str) -> Option<Self> {
        match (group, kind) {
            ("apps" | "extensions", "ReplicaSet") => Some(Self::ReplicaSets),
            ("apps", "StatefulSet") => Some(Self::StatefulSets),
            ("apps" | "extensions", "DaemonSet") => Some(Self::DaemonSets),
            ("", "ReplicationController") => Some(Self::ReplicationControllers),
            ("batch", "Job") => Some(Self::JobTemplates),
            _ => None,
        }
    }

    /// The resource of an object of this group, version and kind, where it is one that is read.
    pub fn of_object(group: &str, kind: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|resource| resource.kind() == kind && resource.group() == group)
    }
}

impl fmt::Display for Resource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.group() {
            "" => f.write_str(self.plural()),
            group => write!(f, "{}.{group}", self.plural()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_place_of_a_resource_is_its_number_and_no_two_are_alike() {
        for (place, resource) in Resource::ALL.into_iter().enumerate() {
            assert_eq!(resource as usize, place);
            // A Job is read in two ways.
            let named = if resource == Resource::JobTemplates { Resource::Jobs } else { resource };
            assert_eq!(Resource::of_object(resource.group(), resource.kind()), Some(named));
            assert!(Resource::ALL[..place].iter().all(|other| other.label() != resource.label()));
        }
    }

    #[test]
    fn what_the_table_says_of_a_resource_is_read_as_meant() {
        assert!(Resource::Pods.is_namespaced() && !Resource::ClusterRoles.is_namespaced());
        assert!(!Resource::Roles.is_custom() && Resource::AdminNetworkPolicies.is_custom());
        assert!(Resource::CiliumNetworkPolicies.is_presence() && !Resource::Roles.is_presence());
        let of_webhooks = Resource::ValidatingWebhooks;
        assert!(Resource::AdmissionPolicies.may_be_absent() && !of_webhooks.may_be_absent());
        assert_eq!(Resource::Pods.api_path(), "/api/v1");
        assert_eq!(Resource::CiliumNetworkPolicies.api_path(), "/apis/cilium.io/v2");
        assert_eq!(Resource::of_object("", "Deployment"), None);
    }
}
