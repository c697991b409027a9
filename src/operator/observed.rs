//! What the API server last showed of each policy's status: writers compare with it and write nothing that is
//! there already. Fed by the watch of policies, so it costs no request.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::Value;
use tokio::sync::Notify;

use super::wire::Policy;

/// A policy as last seen.
#[derive(Clone, Debug, Default)]
pub(crate) struct Seen {
    /// `metadata.uid`
    pub(crate) uid: Box<str>,
    /// `metadata.resourceVersion`: a write on top of an older one is refused.
    pub(crate) resource_version: Box<str>,
    /// `status`
    pub(crate) status: Arc<Value>,
}

/// All policies by name.
#[derive(Debug, Default)]
pub(crate) struct Observed {
    seen: Mutex<HashMap<Box<str>, Seen>>,
    news: Notify,
}

impl Observed {
    fn lock(&self) -> MutexGuard<'_, HashMap<Box<str>, Seen>> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps what a policy looks like now.
    pub(crate) fn keep(&self, policy: &Policy) {
        let seen = Seen {
            uid: policy.uid().into(),
            resource_version: policy.resource_version().into(),
            status: Arc::new(policy.status.clone()),
        };
        self.lock().insert(policy.name().into(), seen);
        self.news.notify_one();
    }

    /// Returns when some policy was seen since this last returned. For one listener.
    pub(crate) async fn changed(&self) {
        self.news.notified().await;
    }

    /// What `name` looked like.
    pub(crate) fn get(&self, name: &str) -> Option<Seen> {
        self.lock().get(name).cloned()
    }

    /// Forgets a policy that is gone. (One that goes unseen, during a relist, stays: nobody asks for it.)
    pub(crate) fn forget(&self, policy: &Policy) {
        self.lock().remove(policy.name());
    }
}
