//! What lies in no namespace: what all namespaces share, and what is judged of the cluster itself.

use std::sync::Arc;

use super::Resource;
use super::objects::Objects;

/// What the rules about any namespace read of the cluster.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClusterFacts {
    /// Admission control and the network policies of the whole cluster.
    pub objects: Objects,
    /// Bindings, also those inside namespaces, that reach the service accounts of every namespace.
    pub reaching_all: Objects,
    /// What is there and may not be read.
    pub denied: Box<[Resource]>,
    /// Some objects were given, not the whole cluster: what is absent may be there all the same.
    pub partial: bool,
}

/// The cluster as a subject of its own.
#[derive(Clone, Debug, Default)]
pub struct ClusterSubject {
    /// What namespaces share.
    pub shared: Arc<ClusterFacts>,
    /// ClusterRoles and ClusterRoleBindings.
    pub rbac: Objects,
    /// Nodes.
    pub nodes: Objects,
}
