//! What rules read, as plain data: a pod's shape and running state, a namespace's facts, a reference across
//! the cluster. No client, no clock, no wire format.

pub mod canonical;
pub mod facts;
pub mod namespace;
pub mod pod;
pub mod reference;
pub mod running;

use std::fmt;

/// A Kubernetes resource that a rule may need to read beyond pods and namespaces.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Resource {
    /// `pods`
    Pods,
    /// `namespaces`
    Namespaces,
    /// `networking.k8s.io/networkpolicies`
    NetworkPolicies,
    /// `batch/jobs`, metadata only, to attribute a pod to its CronJob
    Jobs,
    /// `revisor.dev/imagepolicies`
    ImagePolicies,
}

impl Resource {
    /// Every resource that is watched, in the order in which they are named to people.
    pub const ALL: [Self; 5] =
        [Self::Pods, Self::Namespaces, Self::NetworkPolicies, Self::Jobs, Self::ImagePolicies];

    /// Those that are read whatever the policies ask; the others are if an active rule reads them.
    pub const ALWAYS: [Self; 4] = [Self::Pods, Self::Namespaces, Self::Jobs, Self::ImagePolicies];

    /// The API group; empty for the core group.
    pub fn group(self) -> &'static str {
        match self {
            Self::Pods | Self::Namespaces => "",
            Self::NetworkPolicies => "networking.k8s.io",
            Self::Jobs => "batch",
            Self::ImagePolicies => "revisor.dev",
        }
    }

    /// The plural name, as in RBAC rules and URLs.
    pub fn plural(self) -> &'static str {
        match self {
            Self::Pods => "pods",
            Self::Namespaces => "namespaces",
            Self::NetworkPolicies => "networkpolicies",
            Self::Jobs => "jobs",
            Self::ImagePolicies => "imagepolicies",
        }
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
