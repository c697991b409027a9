//! What the server's connections share, each part behind its own lock.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::watch;

use super::access::Access;
use super::fault::Faults;
use super::record::Records;
use super::store::Store;

/// Settings that do not change while the server runs.
#[derive(Clone, Debug)]
pub(super) struct Options {
    pub(super) bookmark_interval: Duration,
    pub(super) watch_list: bool,
    pub(super) history: usize,
    pub(super) crds_required: bool,
    pub(super) keeps_bodies: bool,
}

/// The server without its sockets.
pub(super) struct Shared {
    store: Mutex<Store>,
    access: Mutex<Access>,
    pub(super) faults: Arc<Faults>,
    pub(super) records: Arc<Records>,
    pub(super) bookmark_orders: watch::Sender<u64>,
    pub(super) options: Options,
}

impl Shared {
    pub(super) fn new(store: Store, access: Access, options: Options) -> Self {
        let records = Arc::new(Records::default());
        Self {
            store: Mutex::new(store),
            access: Mutex::new(access),
            faults: Arc::new(Faults::new(Arc::clone(&records))),
            records,
            bookmark_orders: watch::Sender::new(0),
            options,
        }
    }

    /// The cluster's state. Never held across an await.
    pub(super) fn store(&self) -> MutexGuard<'_, Store> {
        self.store.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Users and denials. Never held across an await.
    pub(super) fn access(&self) -> MutexGuard<'_, Access> {
        self.access.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
