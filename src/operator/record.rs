//! The record in the cluster ([`crate::auditor::record`] says what it holds and why): ConfigMaps in the operator's own
//! namespace, one a shard.
//!
//! ConfigMaps, since they are there in every cluster, take bytes as they are, and can be granted by name in one namespace.
//! They are read once, at the start and whenever this replica begins to write; nothing watches them. A shard is written
//! only when what it says has changed, on top of the version that was read, within a budget, and after the Events of what
//! it says: whoever reads it later tells nothing twice, and an Event that was written and not recorded is told again under
//! the same name. Whoever deletes them loses since-times and the difference to the last run, nothing else.

mod store;
mod writer;

use tokio::sync::oneshot;

pub(crate) use self::store::{Store, recall};
pub(crate) use self::writer::RecordWriter;
use super::pace::Rate;
use crate::auditor::record::Sealed;

/// How the record is kept.
#[derive(Clone, Debug)]
pub struct RecordSettings {
    /// The namespace of its ConfigMaps: the operator's own.
    pub namespace: String,
    /// Writes of shards.
    pub writes: Rate,
    /// What changes within this time is written together.
    pub gather: std::time::Duration,
}

impl RecordSettings {
    /// In this namespace, as spared as API servers want it.
    pub fn new(namespace: &str) -> Self {
        Self {
            namespace: namespace.to_owned(),
            writes: Rate::new(0.2, 64),
            gather: std::time::Duration::from_secs(2),
        }
    }
}

/// What the writer asks the engine, which alone has the auditor. An engine that has not judged by so many records that
/// were told to it does not answer.
#[derive(Debug)]
pub(crate) enum Ask {
    /// What each of so many shards says, in one number.
    Digests {
        /// How many records were told.
        told: u64,
        /// How many shards.
        of: u8,
        /// The answer.
        reply: oneshot::Sender<Vec<u64>>,
    },
    /// One of so many shards, and how many notices were handed on so far.
    Shard {
        /// Which one.
        shard: u8,
        /// Of how many.
        of: u8,
        /// The answer.
        reply: oneshot::Sender<(Sealed, u64)>,
    },
}
