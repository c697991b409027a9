//! Rules about a namespace.

mod default_deny;
pub mod default_deny_egress;
pub mod default_deny_ingress;
pub mod namespace_opted_out;
pub mod no_workloads_in_default_namespace;
pub(super) mod pod_security;
pub mod pod_security_enforced;
pub mod pod_security_labels_valid;
pub mod pod_security_version_pinned;
pub mod required_labels;
