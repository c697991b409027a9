//! How far the writer of Events has come: the record of a transition is written after its Event.

use std::sync::Mutex;
use std::sync::PoisonError;

use tokio::sync::Notify;

/// Notices that were handed to the writer of Events, and those that it is done with.
#[derive(Debug, Default)]
pub(crate) struct Told {
    counts: Mutex<(u64, u64)>,
    news: Notify,
}

impl Told {
    fn update(&self, update: impl FnOnce(&mut (u64, u64))) -> (u64, u64) {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        update(&mut counts);
        *counts
    }

    /// One more was handed on.
    pub(crate) fn handed_on(&self) {
        self.update(|(handed_on, _)| *handed_on += 1);
    }

    /// How many were handed on so far.
    pub(crate) fn so_far(&self) -> u64 {
        self.update(|_| {}).0
    }

    /// One is written, or given up.
    pub(crate) fn done(&self) {
        self.update(|(_, done)| *done += 1);
        self.news.notify_one();
    }

    /// Returns when so many are done. For one listener.
    pub(crate) async fn until(&self, many: u64) {
        while self.update(|_| {}).1 < many {
            self.news.notified().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_record_waits_until_the_events_before_it_are_done() {
        let told = Told::default();
        told.handed_on();
        told.handed_on();
        let upto = told.so_far();
        told.done();
        let waiting = tokio::time::timeout(Duration::from_secs(1), told.until(upto));
        assert!(waiting.await.is_err());
        told.done();
        told.until(upto).await;
    }
}
