//! Rules about a namespace.

mod bindings;
mod default_deny;
pub mod default_deny_egress;
pub mod default_deny_ingress;
pub mod default_service_account_token_off;
pub mod default_service_account_unbound;
pub mod limit_range_present;
pub mod namespace_opted_out;
pub mod no_bindings_to_all_service_accounts;
pub mod no_bindings_to_anonymous;
pub mod no_bindings_to_authenticated;
pub mod no_cluster_admin_role_binding;
pub mod no_escalating_role;
pub mod no_wildcard_role;
pub mod no_workloads_in_default_namespace;
pub mod non_existent_service_account;
mod offenders;
mod pod_security;
pub mod pod_security_enforced;
pub mod pod_security_labels_valid;
pub mod pod_security_version_pinned;
pub mod required_labels;
pub mod resource_quota_present;
mod roles;
pub mod token_mounted_from_default_service_account;
