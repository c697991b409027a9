//! The ImagePolicy and NamespaceAudit types, and what a policy compiles to.

pub mod compile;
pub mod exemption;
pub mod scope;
