//! What is shown: pure renderings of a Snapshot and of transitions. No clock, no client.

pub mod activity;
pub mod baseline;
pub mod cases;
pub mod columns;
mod conditions;
pub mod controls;
pub mod csv;
pub mod difference;
pub mod effective;
pub mod escape;
pub mod event;
mod exemption_states;
pub mod exemptions;
mod exposition;
mod finding_series;
pub mod gather;
pub mod html;
pub mod json;
pub mod junit;
pub mod located;
pub mod log;
pub mod markdown;
pub mod metrics;
pub mod namespace_audit;
mod namespace_series;
pub mod operational;
pub mod policies;
pub mod profiles;
pub mod result;
mod row;
pub mod rules;
pub mod sarif;
pub mod status;
pub mod table;
#[cfg(test)]
mod testing;
mod words;
