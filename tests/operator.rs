//! The real operator against the in-memory API server of testkit.

#[path = "operator/exemptions.rs"]
mod exemptions;
#[path = "operator/findings.rs"]
mod findings;
#[path = "operator/kinds.rs"]
mod kinds;
#[path = "operator/leadership.rs"]
mod leadership;
#[path = "operator/needs.rs"]
mod needs;
#[path = "operator/outages.rs"]
mod outages;
#[path = "operator/restarts.rs"]
mod restarts;
#[path = "operator/rights.rs"]
mod rights;
#[path = "operator/support.rs"]
mod support;
#[path = "operator/suspicion.rs"]
mod suspicion;
