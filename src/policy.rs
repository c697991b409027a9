//! The ImagePolicy and NamespaceAudit types, and what a policy compiles to.

pub mod compile;
pub mod exemption;
pub mod namespace_audit;
pub mod scope;
pub mod status;
