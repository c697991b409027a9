//! The pure engine: it owns all state, is fed with changes and instants, and renders nothing.

pub mod findings;
pub mod snapshot;
pub mod transitions;

use std::sync::Arc;

use jiff::Timestamp;

use crate::decode::Change;
use snapshot::Snapshot;
use transitions::{FirstAudit, Transition, WantedOwner};

/// The auditor. Deterministic: the same objects and instants give the same Snapshot, in any order of changes.
#[derive(Debug, Default)]
pub struct Auditor {}

impl Auditor {
    /// An auditor that has seen nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes in a change that was seen at `now`.
    pub fn apply(&mut self, _change: Change, _now: Timestamp) {
        unimplemented!()
    }

    /// Takes in that time has passed: graces and exemptions end.
    pub fn tick(&mut self, _now: Timestamp) {
        unimplemented!()
    }

    /// When the next grace, exemption or hold-down ends.
    pub fn next_deadline(&self) -> Option<Timestamp> {
        unimplemented!()
    }

    /// Judges what changed and returns what is found now; the same one when nothing changed.
    pub fn snapshot(&mut self, _now: Timestamp) -> Arc<Snapshot> {
        unimplemented!()
    }

    /// What happened since this was last asked; known after [`Self::snapshot`].
    pub fn drain_transitions(&mut self) -> Vec<Transition> {
        unimplemented!()
    }

    /// First audits of policies since this was last asked.
    pub fn drain_first_audits(&mut self) -> Vec<FirstAudit> {
        unimplemented!()
    }

    /// Workloads whose existence should be looked up (answered with [`Change::OwnerGone`]).
    pub fn drain_wanted_owners(&mut self) -> Vec<WantedOwner> {
        unimplemented!()
    }
}
