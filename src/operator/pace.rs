//! How often things may happen: token buckets for writes, and the pace of Snapshots. Pure: instants are given.

use std::collections::HashMap;
use std::time::Duration;

use tokio::time::Instant;

/// So many a second, so many at once.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rate {
    /// How many a second in the long run; more than 0.
    pub per_second: f64,
    /// How many at once after a quiet time; at least 1.
    pub burst: u32,
}

impl Rate {
    /// `per_second` in the long run and `burst` at once.
    pub const fn new(per_second: f64, burst: u32) -> Self {
        Self { per_second, burst }
    }
}

/// A token bucket.
#[derive(Clone, Debug)]
pub(crate) struct TokenBucket {
    rate: Rate,
    tokens: f64,
    at: Instant,
}

impl TokenBucket {
    /// A full bucket.
    pub(crate) fn new(rate: Rate, now: Instant) -> Self {
        let rate = Rate { per_second: rate.per_second.max(1e-6), burst: rate.burst.max(1) };
        Self { rate, tokens: f64::from(rate.burst), at: now }
    }

    /// Takes a token and returns how long to wait before using it: zero while there are some. Whoever gives up
    /// waiting has spent the token all the same.
    pub(crate) fn take(&mut self, now: Instant) -> Duration {
        self.fill(now);
        self.tokens -= 1.0;
        Duration::try_from_secs_f64((-self.tokens / self.rate.per_second).max(0.0)).unwrap_or(Duration::MAX)
    }
}

impl TokenBucket {
    /// Takes a token if there is one.
    pub(crate) fn take_if_any(&mut self, now: Instant) -> bool {
        self.fill(now);
        let any = self.tokens >= 1.0;
        if any {
            self.tokens -= 1.0;
        }
        any
    }

    /// Whether it is as full as a new one.
    pub(crate) fn is_full(&mut self, now: Instant) -> bool {
        self.fill(now);
        self.tokens >= f64::from(self.rate.burst)
    }

    fn fill(&mut self, now: Instant) {
        let elapsed = now.saturating_duration_since(self.at).as_secs_f64();
        self.tokens = (self.tokens + elapsed * self.rate.per_second).min(f64::from(self.rate.burst));
        self.at = self.at.max(now);
    }
}

/// A token bucket for each namespace. One that is full again is as good as a new one and is forgotten; where too
/// many are in use at once, the others share one.
#[derive(Debug)]
pub(crate) struct Buckets {
    rate: Rate,
    most: usize,
    by_name: HashMap<Box<str>, TokenBucket>,
    shared: TokenBucket,
}

impl Buckets {
    /// At most `most` buckets.
    pub(crate) fn new(rate: Rate, most: usize, now: Instant) -> Self {
        Self { rate, most, by_name: HashMap::new(), shared: TokenBucket::new(rate, now) }
    }

    /// Takes a token of `name` if there is one.
    pub(crate) fn take_if_any(&mut self, name: &str, now: Instant) -> bool {
        if let Some(bucket) = self.by_name.get_mut(name) {
            return bucket.take_if_any(now);
        }
        if self.by_name.len() >= self.most {
            self.by_name.retain(|_, bucket| !bucket.is_full(now));
        }
        if self.by_name.len() >= self.most {
            return self.shared.take_if_any(now);
        }
        self.by_name.entry(name.into()).or_insert_with(|| TokenBucket::new(self.rate, now)).take_if_any(now)
    }
}

/// When the next Snapshot is due. At once when idle; else with a gap that lets changes gather, and that grows
/// with what a Snapshot costs, so that Snapshots never take more than a fourth of the time.
#[derive(Clone, Debug)]
pub(crate) struct Pacing {
    shortest_gap: Duration,
    next: Instant,
    /// Not before, unless it is let go.
    held: Option<Instant>,
}

impl Pacing {
    /// Snapshots at least `shortest_gap` apart.
    pub(crate) fn new(shortest_gap: Duration, now: Instant) -> Self {
        Self { shortest_gap, next: now, held: None }
    }

    /// When what has changed by `now` is due.
    pub(crate) fn due(&self, now: Instant) -> Instant {
        self.next.max(now).max(self.held.unwrap_or(now))
    }

    /// A Snapshot was made, from `begun` to `ended`.
    pub(crate) fn made(&mut self, begun: Instant, ended: Instant) {
        self.next = ended + self.shortest_gap.max(3 * ended.saturating_duration_since(begun));
    }

    /// Lets the next one wait until `gap` after `now` at least.
    pub(crate) fn hold(&mut self, now: Instant, gap: Duration) {
        self.held = Some(now + gap);
    }

    /// What was held waits no longer.
    pub(crate) fn let_go(&mut self) {
        self.held = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[tokio::test(start_paused = true)]
    async fn a_bucket_gives_its_burst_at_once_and_then_keeps_the_rate() {
        let now = Instant::now();
        let mut bucket = TokenBucket::new(Rate::new(2.0, 3), now);
        let waits: Vec<_> = (0..5).map(|_| bucket.take(now)).collect();
        assert_eq!(waits, [Duration::ZERO, Duration::ZERO, Duration::ZERO, SECOND / 2, SECOND]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_bucket_fills_up_to_its_burst_and_not_beyond() {
        let mut bucket = TokenBucket::new(Rate::new(1.0, 2), Instant::now());
        for _ in 0..2 {
            assert!(bucket.take(Instant::now()).is_zero());
        }
        tokio::time::advance(3600 * SECOND).await;
        let waits: Vec<_> = (0..3).map(|_| bucket.take(Instant::now())).collect();
        assert_eq!(waits, [Duration::ZERO, Duration::ZERO, SECOND]);
    }

    #[tokio::test(start_paused = true)]
    async fn one_name_uses_up_its_own_bucket_and_no_other() {
        let now = Instant::now();
        let mut buckets = Buckets::new(Rate::new(1.0, 2), 10, now);
        let mut taken = |name, at| buckets.take_if_any(name, at);
        assert!(taken("a", now) && taken("a", now) && !taken("a", now));
        assert!(taken("b", now));
        assert!(taken("a", now + SECOND) && !taken("a", now + SECOND));
    }

    #[tokio::test(start_paused = true)]
    async fn buckets_are_bounded_and_those_that_are_full_again_make_room() {
        let now = Instant::now();
        let mut buckets = Buckets::new(Rate::new(1.0, 2), 2, now);
        for name in ["a", "b", "c", "d"] {
            assert!(buckets.take_if_any(name, now), "{name}");
        }
        assert!(!buckets.take_if_any("e", now), "who finds no room shares one bucket");
        assert_eq!(buckets.by_name.len(), 2);
        assert!(buckets.take_if_any("e", now + SECOND));
        assert!(buckets.by_name.len() == 1 && buckets.by_name.contains_key("e"));
    }

    #[tokio::test(start_paused = true)]
    async fn a_rate_of_nothing_waits_long_and_does_not_panic() {
        let now = Instant::now();
        let mut bucket = TokenBucket::new(Rate::new(0.0, 0), now);
        assert!(bucket.take(now).is_zero());
        assert!(bucket.take(now) > 3600 * SECOND);
    }

    #[tokio::test(start_paused = true)]
    async fn an_idle_engine_answers_at_once_and_a_busy_one_gathers() {
        let gap = Duration::from_millis(5);
        let now = Instant::now();
        let mut pacing = Pacing::new(gap, now);
        assert_eq!(pacing.due(now), now);
        pacing.made(now, now + gap / 10);
        assert_eq!(pacing.due(now + gap / 5), now + gap / 10 + gap, "gathers for the shortest gap");
        assert_eq!(pacing.due(now + 10 * gap), now + 10 * gap, "idle again");
        pacing.hold(now, 100 * gap);
        assert_eq!(pacing.due(now + 10 * gap), now + 100 * gap, "held");
        pacing.let_go();
        assert_eq!(pacing.due(now + 10 * gap), now + 10 * gap, "and let go");
        pacing.made(now, now + 4 * gap);
        assert_eq!(pacing.due(now + 4 * gap), now + 16 * gap, "an expensive Snapshot makes the gap longer");
    }
}
