//! The operator as its users meet it: the built program and kubectl against a real control plane
//! (`make e2e`). Nothing in here knows the program's inside.
//!
//! Most tests share one cluster with one operator, installed from `deploy/` and running with the rights of its
//! own ServiceAccount ([`world::shared`]); each works in namespaces of its own prefix, with a policy that covers
//! nothing else. What needs a cluster of its own (restarts, missing parts, counting writes) starts one.

mod guard;
mod http;
mod metrics;
mod objects;
mod operator;
mod wait;
mod world;

mod admission;
mod agreement;
mod cronjobs;
mod exemptions;
mod findings;
mod fresh;
mod install;
mod isolation;
mod latency;
mod outages;
mod pod_security;
mod policies;
mod refusals;
mod rights;
mod startup;
mod suspicion;
mod tenants;
