//! Clocks of single pods: how long the containers have not been ready, and how long ago the spec was seen to
//! change. Rounded down to the thresholds that some policy asks about, they are part of what is judged; a
//! pod moves to another group when it passes a threshold.

use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

use jiff::Timestamp;

use crate::subject::running::Lasted;

/// Seconds since 1970; 0 where there is no beginning.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Clock {
    /// Since when the containers are not ready.
    pub(super) unready_since: i64,
    /// When the spec was seen to change.
    pub(super) changed_at: i64,
}

/// Seconds since `since`, rounded down to a threshold; `u32::MAX` for ever.
pub(super) fn rounded(since: i64, graces: &[Duration], now: Timestamp) -> u32 {
    if since == 0 {
        return u32::MAX;
    }
    let elapsed = elapsed(since, now);
    match graces.last() {
        Some(longest) if elapsed < longest.as_secs() => graces
            .iter()
            .rev()
            .find(|grace| elapsed >= grace.as_secs())
            .map_or(0, |grace| u32::try_from(grace.as_secs()).unwrap_or(u32::MAX)),
        _ => u32::MAX,
    }
}

fn elapsed(since: i64, now: Timestamp) -> u64 {
    u64::try_from(now.as_second().saturating_sub(since)).unwrap_or(0)
}

/// What rounded seconds mean to a rule.
pub(super) fn lasted(rounded: u32) -> Lasted {
    match rounded {
        u32::MAX => Lasted::FOREVER,
        seconds => Lasted::seconds(seconds),
    }
}

/// The clocks that still run, by row.
#[derive(Debug, Default)]
pub(super) struct Clocks {
    running: HashMap<u32, (Clock, i64)>,
    deadlines: BTreeSet<(i64, u32)>,
}

impl Clocks {
    /// The clock of a row.
    pub(super) fn get(&self, row: u32) -> Clock {
        self.running.get(&row).map_or_else(Clock::default, |(clock, _)| *clock)
    }

    /// When the spec of a row was seen to change.
    pub(super) fn changed_at(&self, row: u32) -> i64 {
        self.get(row).changed_at
    }

    /// Rows whose clock runs.
    pub(super) fn rows(&self) -> impl Iterator<Item = u32> {
        self.running.keys().copied()
    }

    /// Sets the clock of a row; one past every threshold stops (what it says of an unready pod is kept: it is
    /// what a longer grace of a later policy would be measured by).
    pub(super) fn set(&mut self, row: u32, mut clock: Clock, graces: &[Duration], now: Timestamp) {
        self.remove(row);
        if rounded(clock.changed_at, graces, now) == u32::MAX {
            clock.changed_at = 0;
        }
        if clock == Clock::default() {
            return;
        }
        let next = [clock.unready_since, clock.changed_at]
            .into_iter()
            .filter(|since| *since != 0)
            .flat_map(|since| graces.iter().map(move |grace| since.saturating_add_unsigned(grace.as_secs())))
            .filter(|deadline| *deadline > now.as_second())
            .min()
            .unwrap_or(i64::MAX);
        self.running.insert(row, (clock, next));
        if next != i64::MAX {
            self.deadlines.insert((next, row));
        }
    }

    /// Forgets the clock of a row.
    pub(super) fn remove(&mut self, row: u32) {
        if let Some((_, deadline)) = self.running.remove(&row) {
            self.deadlines.remove(&(deadline, row));
        }
    }

    /// The next threshold of any row.
    pub(super) fn next_deadline(&self) -> Option<i64> {
        self.deadlines.first().map(|(deadline, _)| *deadline)
    }

    /// The rows that passed a threshold by `now`.
    pub(super) fn due(&self, now: Timestamp) -> Vec<u32> {
        self.deadlines.range(..=(now.as_second(), u32::MAX)).map(|(_, row)| *row).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GRACES: [Duration; 2] = [Duration::from_secs(120), Duration::from_secs(600)];

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn time_is_rounded_down_to_thresholds_and_no_beginning_is_for_ever() {
        let rounded = |elapsed: i64| rounded(1_000, &GRACES, at(1_000 + elapsed));
        assert_eq!([rounded(0), rounded(119), rounded(120), rounded(599)], [0, 0, 120, 120]);
        assert_eq!(rounded(600), u32::MAX);
        assert_eq!(super::rounded(0, &GRACES, at(5)), u32::MAX);
        assert_eq!(
            super::rounded(1_000, &GRACES, at(10)),
            0,
            "a clock that went backwards gives no verdict early"
        );
    }

    #[test]
    fn a_row_is_due_once_at_each_threshold() {
        let mut clocks = Clocks::default();
        let clock = Clock { unready_since: 1_000, changed_at: 0 };
        clocks.set(7, clock, &GRACES, at(1_000));
        assert_eq!((clocks.next_deadline(), clocks.due(at(1_119))), (Some(1_120), vec![]));
        assert_eq!(clocks.due(at(1_120)), [7]);
        clocks.set(7, clock, &GRACES, at(1_120));
        assert_eq!(clocks.next_deadline(), Some(1_600));
        clocks.set(7, clock, &GRACES, at(1_600));
        assert_eq!((clocks.next_deadline(), clocks.get(7)), (None, clock));
    }
}
