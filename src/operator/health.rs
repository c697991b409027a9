//! What the operator knows of itself: whether each watch lives, what was written and what was dropped. Told by
//! the tasks, read by `/readyz` and `/metrics`. Log lines about the API server coming and going are written
//! here, once each way, however many watches notice.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::pace::{Rate, TokenBucket};
use crate::subject::Resource;

/// Upper bounds of the detection latency histogram, in seconds.
pub const LATENCY_BOUNDS: [f64; 11] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0, 30.0];

/// Watch requests of one kind beyond this pace are held back: a server that ends every watch at once must not
/// make a hot loop (kube's watcher resumes without a pause when a watch ends without an error).
const WATCH_RATE: Rate = Rate::new(1.0, 10);

/// Where the watch of one kind stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum WatchState {
    /// Everything has not been told yet.
    #[default]
    Starting,
    /// Everything has been told, changes follow.
    Synced,
    /// These verbs are not permitted.
    Forbidden(&'static str),
    /// The API server does not serve this kind.
    Missing,
}

/// One watch.
#[derive(Clone, Debug)]
pub struct WatchHealth {
    /// Where it stands.
    pub state: WatchState,
    /// Everything has been told at least once since the start.
    pub synced_once: bool,
    /// The initial list is streamed.
    pub streaming: bool,
    /// The API server does not answer for this kind just now.
    pub away: bool,
    /// When the API server last answered: a page, an event, a bookmark.
    pub last_answer: Option<Instant>,
    /// How often an object was told by `apply`, `delete` and `init`.
    pub events: BTreeMap<&'static str, u64>,
    /// How often the watch had to start anew, by reason.
    pub restarts: BTreeMap<&'static str, u64>,
    opening: TokenBucket,
}

/// How often a thing was written: `written`, `unchanged`, `conflict`, `failed`, `dropped`.
pub type Writes = BTreeMap<(&'static str, &'static str), u64>;

/// A histogram over [`LATENCY_BOUNDS`].
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Histogram {
    /// Observations by bound, not cumulative; those beyond the last bound stand last.
    pub counts: [u64; LATENCY_BOUNDS.len() + 1],
    /// Sum of all observations in seconds.
    pub sum: f64,
}

impl Histogram {
    /// Counts an observation.
    pub fn observe(&mut self, value: Duration) {
        let value = value.as_secs_f64();
        self.counts[LATENCY_BOUNDS.partition_point(|bound| *bound < value)] += 1;
        self.sum += value;
    }
}

/// Everything, at one instant.
#[derive(Clone, Debug)]
pub struct Status {
    /// The watches, in the order of [`Resource::ALL`].
    pub watches: [WatchHealth; Resource::ALL.len()],
    /// Receive to Snapshot published.
    pub detection: Histogram,
    /// What was written, by target and result.
    pub writes: Writes,
    /// API requests by verb and HTTP status class.
    pub requests: Writes,
    /// A Snapshot of everything was published.
    pub first_audit: bool,
}

/// The shared state.
#[derive(Debug)]
pub struct Health(Mutex<Status>);

impl Default for Health {
    fn default() -> Self {
        let watch = WatchHealth {
            state: WatchState::Starting,
            synced_once: false,
            streaming: false,
            away: false,
            last_answer: None,
            events: BTreeMap::new(),
            restarts: BTreeMap::new(),
            opening: TokenBucket::new(WATCH_RATE, Instant::now()),
        };
        Self(Mutex::new(Status {
            watches: std::array::from_fn(|_| watch.clone()),
            detection: Histogram::default(),
            writes: Writes::new(),
            requests: Writes::new(),
            first_audit: false,
        }))
    }
}

impl Health {
    fn lock(&self) -> MutexGuard<'_, Status> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn watch<T>(&self, resource: Resource, with: impl FnOnce(&mut WatchHealth) -> T) -> T {
        with(&mut self.lock().watches[resource as usize])
    }

    /// Everything, now.
    pub fn status(&self) -> Status {
        self.lock().clone()
    }

    /// Where the watch of a kind stands now.
    pub(crate) fn set_state(&self, resource: Resource, state: WatchState) {
        self.watch(resource, |watch| {
            watch.state = state;
            watch.synced_once |= state == WatchState::Synced;
        });
    }

    /// Whether the initial list of a kind is streamed.
    pub(crate) fn set_streaming(&self, resource: Resource, streaming: bool) {
        self.watch(resource, |watch| watch.streaming = streaming);
    }

    /// Objects were told.
    pub(crate) fn count_event(&self, resource: Resource, what: &'static str) {
        self.watch(resource, |watch| *watch.events.entry(what).or_default() += 1);
    }

    /// The watch of a kind starts anew.
    pub(crate) fn count_restart(&self, resource: Resource, reason: &'static str) {
        self.watch(resource, |watch| *watch.restarts.entry(reason).or_default() += 1);
    }

    /// How long a watch request should wait before it is sent.
    pub(crate) fn watch_delay(&self, resource: Resource) -> Duration {
        self.watch(resource, |watch| watch.opening.take(Instant::now()))
    }

    /// The API server said something about a kind. Logs when all watches are back.
    pub(crate) fn answered(&self, resource: Resource) {
        let mut status = self.lock();
        let watch = &mut status.watches[resource as usize];
        watch.last_answer = Some(Instant::now());
        if std::mem::take(&mut watch.away) && !status.watches.iter().any(|watch| watch.away) {
            drop(status);
            tracing::info!("the API server answers again; results are up to date as soon as the watches have caught up");
        }
    }

    /// The API server does not answer for a kind. Logs at the first of them.
    pub(crate) fn away(&self, resource: Resource, error: &dyn std::fmt::Display) {
        let mut status = self.lock();
        let was = status.watches.iter().any(|watch| watch.away);
        status.watches[resource as usize].away = true;
        drop(status);
        if !was {
            tracing::warn!(%resource, %error, "the API server does not answer; the last results are kept and may be stale");
        }
    }

    /// Time from receiving changes to the Snapshot that has them.
    pub(crate) fn detected(&self, latencies: impl Iterator<Item = Duration>) {
        let mut status = self.lock();
        for latency in latencies {
            status.detection.observe(latency);
        }
    }

    /// The first Snapshot of everything is there.
    pub(crate) fn first_audit_done(&self) {
        self.lock().first_audit = true;
    }

    /// Something was written, or not.
    pub(crate) fn count_write(&self, target: &'static str, result: &'static str) {
        *self.lock().writes.entry((target, result)).or_default() += 1;
    }

    /// An API request was answered.
    pub(crate) fn count_request(&self, verb: &'static str, code: &'static str) {
        *self.lock().requests.entry((verb, code)).or_default() += 1;
    }
}

impl Status {
    /// What is missing before the operator is ready, one line each; empty when it is. Results that are stale
    /// do not make it unready: they are still the best there is, and metrics tell their age.
    pub fn not_ready(&self) -> Vec<String> {
        let mut missing: Vec<String> =
            Resource::ALL.into_iter().filter_map(|resource| self.watch_not_ready(resource)).collect();
        if !self.first_audit {
            missing.push("first audit: not complete yet".to_owned());
        }
        missing
    }

    fn watch_not_ready(&self, resource: Resource) -> Option<String> {
        let watch = &self.watches[resource as usize];
        match watch.state {
            WatchState::Synced => None,
            WatchState::Starting if watch.synced_once => None,
            WatchState::Starting if watch.away => Some(format!("{resource}: the API server does not answer")),
            WatchState::Starting => Some(format!("{resource}: not all objects have been told yet")),
            WatchState::Forbidden(_) if is_optional(resource) => None,
            WatchState::Forbidden(verbs) => Some(format!("{resource}: no permission to {verbs}")),
            WatchState::Missing if is_optional(resource) => None,
            WatchState::Missing => Some(format!("{resource}: {}", super::watch::INSTALL_CRDS)),
        }
    }
}

/// Whether the audit goes on without this kind, with rules undecided or coarser attribution.
pub(crate) fn is_optional(resource: Resource) -> bool {
    matches!(resource, Resource::NetworkPolicies | Resource::Jobs)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn readiness_waits_for_every_watch_and_the_first_audit() {
        let health = Health::default();
        assert_eq!(health.status().not_ready().len(), 6);
        for resource in Resource::ALL {
            assert!(health.status().not_ready().iter().any(|line| line.starts_with(&resource.to_string())));
            health.set_state(resource, WatchState::Synced);
        }
        assert_eq!(health.status().not_ready(), ["first audit: not complete yet"]);
        health.first_audit_done();
        assert!(health.status().not_ready().is_empty());
    }

    #[tokio::test]
    async fn a_missing_right_on_an_optional_kind_does_not_hold_readiness_back_but_on_pods_it_does() {
        let health = Health::default();
        for resource in Resource::ALL {
            health.set_state(resource, WatchState::Synced);
        }
        health.first_audit_done();
        health.set_state(Resource::Jobs, WatchState::Forbidden("list and watch"));
        health.set_state(Resource::NetworkPolicies, WatchState::Forbidden("list"));
        assert!(health.status().not_ready().is_empty());
        health.set_state(Resource::Pods, WatchState::Forbidden("watch"));
        health.set_state(Resource::ImagePolicies, WatchState::Missing);
        let missing = health.status().not_ready();
        assert_eq!(missing[0], "pods: no permission to watch");
        assert!(missing[1].contains("revisor crd | kubectl apply -f -"), "{missing:?}");
    }

    #[tokio::test]
    async fn a_relist_and_an_absent_api_server_leave_a_ready_operator_ready() {
        let health = Health::default();
        for resource in Resource::ALL {
            health.set_state(resource, WatchState::Synced);
        }
        health.first_audit_done();
        health.set_state(Resource::Pods, WatchState::Starting);
        health.away(Resource::Pods, &"connection refused");
        assert!(health.status().not_ready().is_empty());
        assert!(health.status().watches[Resource::Pods as usize].away);
        health.answered(Resource::Pods);
        assert!(!health.status().watches[Resource::Pods as usize].away);
    }

    #[test]
    fn observations_fall_into_the_bucket_of_their_upper_bound() {
        let mut histogram = Histogram::default();
        for millis in [1, 2, 1000, 60_000] {
            histogram.observe(Duration::from_millis(millis));
        }
        assert_eq!((histogram.counts[0], histogram.counts[1], histogram.counts[8], histogram.counts[11]), (1, 1, 1, 1));
        assert!((histogram.sum - 61.003).abs() < 1e-9);
    }
}
