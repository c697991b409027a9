//! The ImagePolicy and NamespaceAudit types, and what a policy compiles to.
//!
//! [`spec`], [`status`] and [`namespace_audit`] are the API as written down in the CRDs ([`crd`]); [`compile`]
//! turns a policy as it stands in the cluster or in a file into the rules, the [`scope`] and the [`exemption`]s
//! that the auditor works with. [`profile`] holds the presets, [`weakening`] what an
//! edit takes away.

pub mod compile;
pub mod crd;
pub mod delegation;
pub mod exemption;
pub mod exemption_object;
pub mod namespace_audit;
pub mod problem;
pub mod profile;
pub mod request;
mod schema;
pub mod scope;
pub mod selector;
pub mod spec;
pub mod status;
pub mod weakening;
