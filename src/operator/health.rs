//! What the operator knows of itself: whether each watch lives and the first audit is done. Told by the tasks,
//! read by `/readyz`. Log lines about the API server coming and going are written
//! here, once each way, however many watches notice.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::clock::Clock;
use super::pace::{Rate, TokenBucket};
use super::pulse::Pulse;
use crate::report::operational::Operational;
use crate::subject::Resource;

/// Watch requests of one kind beyond this pace are held back: a server that ends every watch at once must not
/// make a hot loop (a watch that ends without an error goes on without a pause).
const WATCH_RATE: Rate = Rate::new(1.0, 10);

/// Where the watch of one kind stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum WatchState {
    /// No policy needs it.
    Unneeded,
    /// Everything has not been told yet.
    Starting,
    /// Everything has been told, changes follow.
    Synced,
    /// These verbs are not permitted.
    Forbidden(&'static str),
    /// The API server does not serve this kind.
    Missing,
}

/// One watch.
#[derive(Debug)]
struct Watch {
    state: WatchState,
    /// Everything has been told at least once since the start.
    synced_once: bool,
    /// The API server does not answer for this kind just now.
    away: bool,
    opening: TokenBucket,
}

#[derive(Debug)]
struct Status {
    /// In the order of [`Resource::ALL`].
    watches: [Watch; Resource::ALL.len()],
    first_audit: bool,
    /// What keeps this replica out of the leader election.
    election: Option<String>,
}

/// The shared state.
#[derive(Debug)]
pub(crate) struct Health {
    status: Mutex<Status>,
    /// Whether the tasks make progress.
    pub(crate) pulse: Pulse,
    /// What is only counted.
    pub(crate) operational: Arc<Operational>,
    clock: Clock,
}

impl Health {
    /// Nothing is known yet.
    pub(crate) fn new(operational: Arc<Operational>, now: Instant, clock: Clock) -> Self {
        let state = |resource| match Resource::ALWAYS.contains(resource) {
            true => WatchState::Starting,
            false => WatchState::Unneeded,
        };
        let watch = |place: usize| Watch {
            state: state(&Resource::ALL[place]),
            synced_once: false,
            away: false,
            opening: TokenBucket::new(WATCH_RATE, now),
        };
        let status = Status { watches: std::array::from_fn(watch), first_audit: false, election: None };
        Self { status: Mutex::new(status), pulse: Pulse::new(now, Duration::ZERO), operational, clock }
    }

    /// With watches that may wait for so long by themselves.
    pub(crate) fn with_longest_pause(self, now: Instant, pause: Duration) -> Self {
        Self { pulse: Pulse::new(now, pause), ..self }
    }

    fn lock(&self) -> MutexGuard<'_, Status> {
        self.status.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Where the watch of a kind stands now.
    pub(crate) fn set_state(&self, resource: Resource, state: WatchState) {
        let mut status = self.lock();
        let watch = &mut status.watches[resource as usize];
        watch.state = state;
        watch.synced_once |= state == WatchState::Synced;
        match state {
            WatchState::Starting | WatchState::Synced => {
                self.operational.watch_synced(resource, state == WatchState::Synced);
            }
            WatchState::Unneeded | WatchState::Forbidden(_) | WatchState::Missing => {
                watch.away = false;
                self.operational.watch_ended(resource);
            }
        }
    }

    /// How long a watch request should wait before it is sent.
    pub(crate) fn watch_delay(&self, resource: Resource, now: Instant) -> Duration {
        self.lock().watches[resource as usize].opening.take(now)
    }

    /// The API server said something about a kind: a page, an event, a bookmark. Logs when all watches are back.
    pub(crate) fn answered(&self, resource: Resource) {
        self.operational.watch_heard(resource, self.clock.now());
        let mut status = self.lock();
        let watch = &mut status.watches[resource as usize];
        let was = std::mem::take(&mut watch.away);
        if was && watch.state == WatchState::Synced {
            self.operational.watch_synced(resource, true);
        }
        if was && !status.watches.iter().any(|watch| watch.away) {
            drop(status);
            tracing::info!("the API server answers again; the watches are catching up");
        }
    }

    /// The API server does not answer for a kind. Logs at the first of them.
    pub(crate) fn away(&self, resource: Resource, error: &str) {
        let mut status = self.lock();
        let was = status.watches.iter().any(|watch| watch.away);
        let watch = &mut status.watches[resource as usize];
        watch.away = true;
        if watch.state == WatchState::Synced {
            // It follows no more: what is shown may be stale.
            self.operational.watch_synced(resource, false);
        }
        drop(status);
        if !was {
            tracing::warn!(%resource, error, "the API server does not answer; the last results are kept and may be stale");
        }
    }

    /// Whether the kind is watched, or should be.
    pub(crate) fn is_needed(&self, resource: Resource) -> bool {
        self.lock().watches[resource as usize].state != WatchState::Unneeded
    }

    /// This replica takes part in the leader election.
    pub(crate) fn election_works(&self) {
        self.lock().election = None;
    }

    /// Something keeps it out of the leader election that does not pass by itself.
    pub(crate) fn election_fails(&self, why: String) {
        self.lock().election = Some(why);
    }

    /// The first Snapshot of everything is there.
    pub(crate) fn first_audit_done(&self) {
        self.lock().first_audit = true;
    }

    /// What is missing before the operator is ready, one line each; empty when it is. Results that are stale
    /// do not make it unready: they are still the best there is, and metrics tell their age.
    pub(crate) fn not_ready(&self) -> Vec<String> {
        self.lock().not_ready()
    }
}

impl Status {
    fn not_ready(&self) -> Vec<String> {
        let mut missing: Vec<String> =
            Resource::ALL.into_iter().filter_map(|resource| self.watch_not_ready(resource)).collect();
        if !self.first_audit {
            missing.push("first audit: not complete yet".to_owned());
        }
        missing.extend(self.election.clone());
        missing
    }

    fn watch_not_ready(&self, resource: Resource) -> Option<String> {
        let watch = &self.watches[resource as usize];
        match watch.state {
            WatchState::Synced | WatchState::Unneeded => None,
            WatchState::Starting if watch.synced_once => None,
            // A new policy or a new permission: the audit as it was goes on.
            WatchState::Starting if self.first_audit && is_optional(resource) => None,
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
    !matches!(resource, Resource::Pods | Resource::Namespaces | Resource::ImagePolicies)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn health() -> Health {
        Health::new(Arc::default(), Instant::now(), Clock::default())
    }

    #[tokio::test]
    async fn readiness_waits_for_every_watch_and_the_first_audit() {
        let health = health();
        assert_eq!(health.not_ready().len(), 5, "a kind that nobody needs is not waited for");
        for resource in Resource::ALL {
            health.set_state(resource, WatchState::Starting);
        }
        for resource in Resource::ALL {
            assert!(health.not_ready().iter().any(|line| line.starts_with(&resource.to_string())));
            health.set_state(resource, WatchState::Synced);
        }
        assert_eq!(health.not_ready(), ["first audit: not complete yet"]);
        health.first_audit_done();
        assert!(health.not_ready().is_empty());
    }

    #[tokio::test]
    async fn a_missing_right_on_an_optional_kind_does_not_hold_readiness_back_but_on_pods_it_does() {
        let health = health();
        for resource in Resource::ALL {
            health.set_state(resource, WatchState::Synced);
        }
        health.first_audit_done();
        health.set_state(Resource::Jobs, WatchState::Forbidden("list and watch"));
        health.set_state(Resource::NetworkPolicies, WatchState::Forbidden("list"));
        assert!(health.not_ready().is_empty());
        health.set_state(Resource::Pods, WatchState::Forbidden("watch"));
        health.set_state(Resource::ImagePolicies, WatchState::Missing);
        let missing = health.not_ready();
        assert_eq!(missing[0], "pods: no permission to watch");
        assert!(missing[1].contains("revisor crd | kubectl apply -f -"), "{missing:?}");
    }

    #[tokio::test]
    async fn a_kind_that_a_new_policy_needs_leaves_a_ready_operator_ready() {
        let health = health();
        for resource in Resource::ALWAYS {
            health.set_state(resource, WatchState::Synced);
        }
        health.set_state(Resource::NetworkPolicies, WatchState::Starting);
        assert_eq!(health.not_ready().len(), 2);
        health.set_state(Resource::NetworkPolicies, WatchState::Unneeded);
        health.first_audit_done();
        assert!(health.not_ready().is_empty());
        health.set_state(Resource::NetworkPolicies, WatchState::Starting);
        assert!(health.not_ready().is_empty());
    }

    #[tokio::test]
    async fn a_relist_and_an_absent_api_server_leave_a_ready_operator_ready() {
        let health = health();
        for resource in Resource::ALL {
            health.set_state(resource, WatchState::Synced);
        }
        health.first_audit_done();
        health.set_state(Resource::Pods, WatchState::Starting);
        health.away(Resource::Pods, "connection refused");
        assert!(health.not_ready().is_empty());
        assert!(health.lock().watches[Resource::Pods as usize].away);
        health.answered(Resource::Pods);
        assert!(!health.lock().watches[Resource::Pods as usize].away);
    }
}
