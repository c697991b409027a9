//! Rules about one container, whatever its image.

pub mod no_dangerous_capabilities;
pub mod no_privilege_escalation;
pub mod no_privileged;
pub mod read_only_root_filesystem;
pub mod run_as_non_root;
pub mod secrets_in_env;
