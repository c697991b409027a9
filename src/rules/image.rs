//! Rules about one image use, from the spec alone.

pub mod deprecated_registry;
pub mod digest_pinned;
pub mod ephemeral_container_present;
pub mod fully_qualified_reference;
pub mod image_pull_secrets_present;
pub mod no_mutable_tag;
pub mod pull_policy_always;
pub mod pull_policy_explicit;
pub mod pull_policy_not_never;
pub mod suspicious_registry_host;
pub mod trusted_registry;
pub mod valid_reference;
