//! The leadership as writers see it, and how a writer lives with it: it leads for a term, follows in between, and
//! keeps what it knows over both. A term is one future. When the leadership ends the future is dropped, and a
//! write in flight with it: nothing is finished later.

use tokio::sync::watch;
use tokio::time::Instant;

use super::stop::Stop;

/// Who leads, as far as this replica knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Term {
    /// This replica, for ever: there is no election.
    Endless,
    /// This replica, until then at least; renewed before.
    Until(Instant),
    /// Not this one. Another one was last seen to renew its lease then, if ever.
    Elsewhere(Option<Instant>),
}

/// Tells who leads.
#[derive(Clone, Debug)]
pub(crate) struct Leadership(watch::Receiver<Term>);

impl Leadership {
    /// The leadership of an election, and where to tell what comes of it. Nobody leads at first.
    pub(crate) fn of_election() -> (watch::Sender<Term>, Self) {
        let (terms, receiver) = watch::channel(Term::Elsewhere(None));
        (terms, Self(receiver))
    }

    /// For one replica alone.
    pub(crate) fn endless() -> Self {
        Self(watch::channel(Term::Endless).1)
    }

    /// Whether this replica leads now. A term that was not renewed in time is over by itself, whatever the
    /// election is doing.
    pub(crate) fn is_held(&self) -> bool {
        match *self.0.borrow() {
            Term::Endless => true,
            Term::Until(end) => Instant::now() < end,
            Term::Elsewhere(_) => false,
        }
    }

    /// When another replica was last seen to lead; none while this one does.
    pub(crate) fn seen_elsewhere(&self) -> Option<Instant> {
        match *self.0.borrow() {
            Term::Elsewhere(seen) => seen,
            Term::Endless | Term::Until(_) => None,
        }
    }

    /// Returns when something was told since this was last asked; never when nothing will be.
    pub(crate) async fn changed(&mut self) {
        if self.0.changed().await.is_err() {
            std::future::pending().await
        }
    }

    /// Returns when this replica leads.
    pub(crate) async fn gained(&mut self) {
        while !self.is_held() {
            self.0.mark_unchanged();
            // Told between the two lines: looked at again.
            if self.is_held() {
                return;
            }
            self.changed().await;
        }
    }

    /// Returns when this replica does not lead.
    pub(crate) async fn lost(&mut self) {
        loop {
            let term = *self.0.borrow_and_update();
            match term {
                Term::Elsewhere(_) => return,
                Term::Endless => self.changed().await,
                Term::Until(end) if end <= Instant::now() => return,
                Term::Until(end) => tokio::select! {
                    () = self.changed() => {}
                    () = tokio::time::sleep_until(end) => {}
                },
            }
        }
    }
}

/// What writes while this replica leads.
pub(crate) trait Writer: Send + 'static {
    /// Writes until told to stop; a write that has begun is then finished. Dropped wherever it waits when the
    /// leadership ends, so what it keeps has to be right at each of these places.
    fn lead(&mut self, stop: Stop) -> impl Future<Output = ()> + Send;

    /// What it does while another replica leads, until told to stop; dropped likewise.
    fn follow(&mut self, mut stop: Stop) -> impl Future<Output = ()> + Send {
        async move { stop.wait().await }
    }
}

/// Lets a writer lead and follow until told to stop.
pub(crate) async fn run(mut writer: impl Writer, mut leadership: Leadership, stop: Stop) {
    while !stop.is_set() {
        tokio::select! {
            biased;
            () = leadership.gained() => {}
            () = writer.follow(stop.clone()) => return,
        }
        tokio::select! {
            biased;
            () = leadership.lost() => {}
            () = writer.lead(stop.clone()) => return,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};
    use std::time::Duration;

    use super::super::stop::Stopper;
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    /// Takes three seconds to write something.
    struct Slow(Arc<Mutex<Vec<&'static str>>>);

    impl Slow {
        fn note(&self, what: &'static str) {
            self.0.lock().unwrap().push(what);
        }
    }

    impl Writer for Slow {
        async fn lead(&mut self, mut stop: Stop) {
            self.note("begun");
            tokio::time::sleep(3 * SECOND).await;
            self.note("written");
            stop.wait().await;
        }
    }

    fn slow(leadership: &Leadership) -> (Arc<Mutex<Vec<&'static str>>>, Stopper) {
        let (stopper, stop) = Stopper::new();
        let notes = Arc::default();
        tokio::spawn(run(Slow(Arc::clone(&notes)), leadership.clone(), stop));
        (notes, stopper)
    }

    #[tokio::test(start_paused = true)]
    async fn a_write_in_flight_when_the_leadership_ends_is_dropped_and_begun_anew_in_the_next_term() {
        let (terms, leadership) = Leadership::of_election();
        let (notes, _stopper) = slow(&leadership);
        tokio::time::sleep(SECOND).await;
        assert!(notes.lock().unwrap().is_empty(), "who does not lead does not write");
        terms.send_replace(Term::Until(Instant::now() + 10 * SECOND));
        tokio::time::sleep(SECOND).await;
        terms.send_replace(Term::Elsewhere(Some(Instant::now())));
        tokio::time::sleep(60 * SECOND).await;
        assert_eq!(*notes.lock().unwrap(), ["begun"]);
        terms.send_replace(Term::Until(Instant::now() + 10 * SECOND));
        tokio::time::sleep(5 * SECOND).await;
        assert_eq!(*notes.lock().unwrap(), ["begun", "begun", "written"]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_term_that_nobody_renews_ends_by_itself_and_one_that_is_renewed_goes_on() {
        let (terms, leadership) = Leadership::of_election();
        terms.send_replace(Term::Until(Instant::now() + 2 * SECOND));
        let (notes, _stopper) = slow(&leadership);
        tokio::time::sleep(SECOND).await;
        assert!(leadership.is_held());
        tokio::time::sleep(10 * SECOND).await;
        assert!(!leadership.is_held());
        assert_eq!(*notes.lock().unwrap(), ["begun"]);
        for _ in 0..5 {
            terms.send_replace(Term::Until(Instant::now() + 2 * SECOND));
            tokio::time::sleep(SECOND).await;
        }
        assert_eq!(*notes.lock().unwrap(), ["begun", "begun", "written"]);
    }

    #[tokio::test(start_paused = true)]
    async fn without_an_election_there_is_one_term_that_never_ends() {
        let mut leadership = Leadership::endless();
        leadership.gained().await;
        assert!(leadership.is_held() && leadership.seen_elsewhere().is_none());
        let lost = tokio::time::timeout(1_000_000 * SECOND, leadership.lost()).await;
        assert!(lost.is_err());
    }
}
