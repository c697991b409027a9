//! Revisor: an auditor of container images and namespaces for whole Kubernetes clusters.
//!
//! The modules are floors: each names only modules below it (`tests/floors.rs` reads the imports). See
//! `docs/architecture.md` for the flow.

pub mod auditor;
pub mod cli;
pub mod decode;
pub mod operator;
pub mod policy;
pub mod reference;
pub mod report;
pub mod rules;
pub mod subject;
pub mod verdict;
