//! How long a watch waits after a failure, by the numbers of client-go's reflector: 800 ms, and twice that after each
//! further one up to 30 s, each time up to as much again by chance, so that many do not come at once.

use std::hash::{BuildHasher as _, RandomState};
use std::time::Duration;

use tokio::time::Instant;

const FIRST: Duration = Duration::from_millis(800);
const LONGEST: Duration = Duration::from_secs(30);
/// After so long without a failure the next one is a first one.
const FORGOTTEN: Duration = Duration::from_secs(120);

/// The pauses of one watch.
#[derive(Debug)]
pub(crate) struct Backoff {
    next: Duration,
    last: Option<Instant>,
}

impl Default for Backoff {
    fn default() -> Self {
        Self { next: FIRST, last: None }
    }
}

impl Backoff {
    /// The server tells something: the next failure is a first one.
    pub(crate) fn reset(&mut self) {
        self.next = FIRST;
    }

    /// How long to wait after a failure.
    pub(crate) fn pause(&mut self, now: Instant) -> Duration {
        if self.last.replace(now).is_some_and(|last| now.saturating_duration_since(last) > FORGOTTEN) {
            self.reset();
        }
        let pause = self.next;
        self.next = pause.saturating_mul(2).min(LONGEST);
        pause + pause.mul_f64(chance())
    }
}

/// A number from 0 to 1.
fn chance() -> f64 {
    // The hasher's keys are random; nothing here needs better chance.
    f64::from(u16::try_from(RandomState::new().hash_one(()) & 0xffff).unwrap_or_default())
        / f64::from(u16::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whether a pause is this long, but for its share of chance.
    fn is_about(pause: Duration, base: Duration) -> bool {
        (base..=base * 2).contains(&pause)
    }

    #[test]
    fn pauses_double_up_to_half_a_minute() {
        let (mut backoff, now) = (Backoff::default(), Instant::now());
        for milliseconds in [800, 1_600, 3_200, 6_400, 12_800, 25_600, 30_000, 30_000] {
            let pause = backoff.pause(now);
            assert!(is_about(pause, Duration::from_millis(milliseconds)), "{pause:?} for {milliseconds} ms");
        }
    }

    #[test]
    fn an_answer_makes_the_next_failure_a_first_one_and_so_does_a_long_time_without_one() {
        let (mut backoff, now) = (Backoff::default(), Instant::now());
        assert!((0..3).all(|_| backoff.pause(now) >= FIRST));
        backoff.reset();
        assert!(is_about(backoff.pause(now), FIRST));
        assert!(is_about(backoff.pause(now + FORGOTTEN), FIRST * 2), "not long enough");
        assert!(is_about(backoff.pause(now + FORGOTTEN * 2), FIRST * 4), "not long enough either");
        assert!(is_about(backoff.pause(now + FORGOTTEN * 3 + Duration::from_millis(1)), FIRST));
    }

    #[test]
    fn two_watches_do_not_wait_equally_long() {
        let pauses: std::collections::BTreeSet<_> =
            (0..20).map(|_| Backoff::default().pause(Instant::now())).collect();
        assert!(pauses.len() > 10, "{pauses:?}");
    }
}
