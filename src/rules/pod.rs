//! Rules about a pod as a whole.

pub mod default_service_account_unused;
mod host_path;
pub mod no_host_namespaces;
pub mod no_host_path;
pub mod no_runtime_access;
pub mod pod_meets_level;
