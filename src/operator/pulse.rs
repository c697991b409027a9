//! Whether the operator's own tasks make progress: `/livez`. Whether the API server answers is no matter here: a
//! watch whose server is away tries again, and that is progress. What is looked for is a task that nothing wakes any
//! more, which only a restart mends.

use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::task::{Context, Poll};
use std::time::Duration;

use futures::future::BoxFuture;
use tokio::time::Instant;

use crate::subject::Resource;

/// The engine looks up at least once a minute.
const ENGINE: Duration = Duration::from_secs(180);
/// A turn of the election is a few requests, each with its deadline.
const ELECTION: Duration = Duration::from_secs(120);
/// A watch hears something or asks again: servers end watches after some 5 minutes, the client gives up a silent
/// connection a little later, and a refusal is looked at again after 5 minutes unless the settings say otherwise.
const WATCH: Duration = Duration::from_secs(900);

/// When each task was seen last.
#[derive(Debug)]
pub(crate) struct Pulse {
    start: Instant,
    /// How long a watch may be quiet.
    watch_limit: Duration,
    engine: Beat,
    election: Beat,
    watches: [Beat; Resource::ALL.len()],
}

/// Of one task.
#[derive(Debug, Default)]
struct Beat {
    /// It runs, and something is expected of it.
    expected: AtomicBool,
    /// Milliseconds after the start.
    last: AtomicU64,
}

impl Beat {
    fn beat(&self, at: u64) {
        self.last.store(at, Relaxed);
        self.expected.store(true, Relaxed);
    }

    /// For how many milliseconds nothing was seen, where something is expected.
    fn quiet(&self, now: u64) -> Option<Duration> {
        let quiet = now.saturating_sub(self.last.load(Relaxed));
        self.expected.load(Relaxed).then(|| Duration::from_millis(quiet))
    }
}

impl Pulse {
    /// `longest_pause` is the longest that a watch waits by itself.
    pub(crate) fn new(start: Instant, longest_pause: Duration) -> Self {
        Self {
            start,
            watch_limit: WATCH.max(longest_pause.saturating_mul(2)),
            engine: Beat::default(),
            election: Beat::default(),
            watches: std::array::from_fn(|_| Beat::default()),
        }
    }

    fn milliseconds(&self, now: Instant) -> u64 {
        u64::try_from(now.saturating_duration_since(self.start).as_millis()).unwrap_or(u64::MAX)
    }

    /// The engine took a turn.
    pub(crate) fn engine(&self) {
        self.engine.beat(self.milliseconds(Instant::now()));
    }

    /// The election took a turn.
    pub(crate) fn election(&self) {
        self.election.beat(self.milliseconds(Instant::now()));
    }

    /// Something woke the watch of a kind.
    fn watch(&self, resource: Resource) {
        self.watches[resource as usize].beat(self.milliseconds(Instant::now()));
    }

    /// Nothing is expected of the watch of a kind: nobody needs it.
    pub(crate) fn watch_rests(&self, resource: Resource) {
        self.watches[resource as usize].expected.store(false, Relaxed);
    }

    /// What makes no progress, one line each; empty when all is well.
    pub(crate) fn stuck(&self, now: Instant) -> Vec<String> {
        let now = self.milliseconds(now);
        let watches = Resource::ALL
            .iter()
            .zip(&self.watches)
            .map(|(resource, beat)| (format!("the watch of {resource}"), beat, self.watch_limit));
        let others = [
            ("the engine".to_owned(), &self.engine, ENGINE),
            ("the leader election".to_owned(), &self.election, ELECTION),
        ];
        let mut stuck = Vec::new();
        for (task, beat, limit) in others.into_iter().chain(watches) {
            if let Some(quiet) = beat.quiet(now).filter(|quiet| *quiet > limit) {
                stuck.push(format!("{task}: no progress for {} s", quiet.as_secs()));
            }
        }
        stuck
    }
}

/// A watch whose every waking is noticed.
pub(crate) struct Watched {
    pub(crate) resource: Resource,
    pub(crate) health: std::sync::Arc<super::health::Health>,
    pub(crate) watch: BoxFuture<'static, ()>,
}

impl Future for Watched {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let resource = self.resource;
        // Before it is polled: it may say that it rests.
        self.health.pulse.watch(resource);
        let polled = self.watch.as_mut().poll(context);
        if !self.health.is_needed(resource) {
            self.health.pulse.watch_rests(resource);
        }
        polled
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use futures::FutureExt as _;

    use super::super::health::{Health, WatchState};
    use super::*;
    use crate::operator::clock::Clock;

    const SECOND: Duration = Duration::from_secs(1);

    #[tokio::test(start_paused = true)]
    async fn an_engine_that_takes_no_turn_is_stuck_and_one_that_never_began_is_not() {
        let pulse = Pulse::new(Instant::now(), SECOND);
        tokio::time::advance(3600 * SECOND).await;
        assert!(pulse.stuck(Instant::now()).is_empty());
        pulse.engine();
        tokio::time::advance(ENGINE).await;
        assert!(pulse.stuck(Instant::now()).is_empty());
        tokio::time::advance(SECOND).await;
        assert_eq!(pulse.stuck(Instant::now()), ["the engine: no progress for 181 s"]);
        pulse.engine();
        assert!(pulse.stuck(Instant::now()).is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn a_watch_that_nothing_wakes_is_stuck_unless_nobody_needs_it() {
        let health = Arc::new(Health::new(Arc::default(), Instant::now(), Clock::default()));
        health.set_state(Resource::Pods, WatchState::Synced);
        for resource in [Resource::Pods, Resource::NetworkPolicies] {
            let watch = std::future::pending().boxed();
            let mut watched = Watched { resource, health: Arc::clone(&health), watch };
            assert!((&mut watched).now_or_never().is_none());
        }
        tokio::time::advance(WATCH + SECOND).await;
        assert_eq!(health.pulse.stuck(Instant::now()), ["the watch of pods: no progress for 901 s"]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_watch_whose_server_is_away_tries_again_and_lives() {
        let health = Arc::new(Health::new(Arc::default(), Instant::now(), Clock::default()));
        let watch = async {
            loop {
                tokio::time::sleep(30 * SECOND).await;
            }
        };
        let watched = Watched { resource: Resource::Pods, health: Arc::clone(&health), watch: watch.boxed() };
        tokio::spawn(watched);
        for _ in 0..100 {
            tokio::time::sleep(60 * SECOND).await;
            health.away(Resource::Pods, "connection refused");
            assert!(health.pulse.stuck(Instant::now()).is_empty());
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_refusal_that_is_looked_at_again_seldom_is_waited_for() {
        let pulse = Pulse::new(Instant::now(), 3600 * SECOND);
        pulse.watch(Resource::Pods);
        tokio::time::advance(7000 * SECOND).await;
        assert!(pulse.stuck(Instant::now()).is_empty());
    }
}
