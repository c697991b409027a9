//! One signal ends everything: each task holds a [`Stop`] and looks at it between two steps, so that a write
//! that has begun is finished. (When a leadership ends, `leadership.rs` drops a write that has begun.)

use tokio::sync::watch;

/// Sets every [`Stop`] made from it; so does dropping it.
#[derive(Debug)]
pub(crate) struct Stopper(watch::Sender<bool>);

impl Stopper {
    /// A stopper and the first stop.
    pub(crate) fn new() -> (Self, Stop) {
        let (sender, receiver) = watch::channel(false);
        (Self(sender), Stop(receiver))
    }

    /// Ends all that listens.
    pub(crate) fn stop(&self) {
        self.0.send_replace(true);
    }
}

/// Tells a task to end.
#[derive(Clone, Debug)]
pub(crate) struct Stop(watch::Receiver<bool>);

impl Stop {
    /// Returns when the task should end.
    pub(crate) async fn wait(&mut self) {
        // An error means that the stopper is gone, which says the same.
        let _ = self.0.wait_for(|stop| *stop).await;
    }

    /// Whether the task should end.
    pub(crate) fn is_set(&self) -> bool {
        *self.0.borrow() || self.0.has_changed().is_err()
    }

    /// Waits for `future`; none when the task should end first.
    pub(crate) async fn unless<T>(&mut self, future: impl Future<Output = T>) -> Option<T> {
        tokio::select! {
            biased;
            () = self.wait() => None,
            value = future => Some(value),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_stop_ends_waiting_and_so_does_a_stopper_that_is_gone() {
        let (stopper, mut stop) = Stopper::new();
        assert_eq!(stop.unless(async { 1 }).await, Some(1));
        let mut other = stop.clone();
        stopper.stop();
        assert_eq!(stop.unless(std::future::pending::<u8>()).await, None);
        drop(stopper);
        assert_eq!(other.unless(std::future::pending::<u8>()).await, None);
    }
}
