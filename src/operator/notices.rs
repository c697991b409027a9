//! Events that wait to be written. Every replica keeps them, whoever leads: what a leader had not written when it
//! died is written by the next one. So those that do not lead forget a notice only when another replica was seen to
//! lead long enough after it. What the former leader had written already the API server refuses, since its name is
//! the same.
//!
//! The budget of each namespace is charged here, in all replicas alike, so that one noisy namespace never fills
//! the queue. What is left out is counted, and summed up in one Event a namespace and period.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

use super::pace::{Buckets, Rate};
use crate::auditor::suspicion::Activity;
use crate::auditor::transitions::{FirstAudit, Transition};
use crate::report::activity::activity_event;
use crate::report::event::{EventText, first_audit_event, transition_event};
use crate::report::left_out::LeftOut;

/// Events that wait, at most.
pub(crate) const WAITING: usize = 1024;
/// Namespaces whose budgets, and whose left-out Events, are told apart at once.
const NAMESPACES: usize = 1024;

/// What the writer of Events is told.
#[derive(Clone, Debug)]
pub(crate) enum Notice {
    /// A finding opened, resolved or became exempt.
    Transition(Transition),
    /// A policy was audited for the first time.
    FirstAudit(FirstAudit),
    /// Something suspicious was seen.
    Activity(Activity),
}

impl Notice {
    /// The namespace whose budget it is charged to; empty for the cluster.
    fn namespace(&self) -> &str {
        match self {
            Self::Transition(transition) => transition.subject.namespace().map_or("", |name| name),
            Self::FirstAudit(_) => "",
            Self::Activity(activity) => activity.about.namespace().unwrap_or_default(),
        }
    }

    /// The Event's text.
    pub(crate) fn text(&self) -> EventText {
        match self {
            Self::Transition(transition) => transition_event(transition),
            Self::FirstAudit(first) => first_audit_event(first),
            Self::Activity(activity) => activity_event(activity),
        }
    }
}

/// One that waits.
#[derive(Clone, Debug)]
pub(crate) struct Waiting {
    number: u64,
    at: Instant,
    /// What is to be told.
    pub(crate) notice: Arc<Notice>,
    /// The log has it already: this replica led when it happened.
    pub(crate) logged: bool,
}

/// What is to be written next.
#[derive(Debug)]
pub(crate) enum Due {
    /// This notice.
    Notice(Waiting),
    /// How many were left out.
    LeftOut(LeftOut),
}

/// What became of a notice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kept {
    /// It waits.
    Waits,
    /// It is left out.
    LeftOut,
}

#[derive(Debug)]
struct Sum {
    since: Instant,
    left_out: LeftOut,
}

#[derive(Debug)]
struct Queue {
    leading: bool,
    budgets: Buckets,
    /// What is left out is summed up after this long.
    period: Duration,
    waiting: VecDeque<Waiting>,
    given: u64,
    sums: BTreeMap<Box<str>, Sum>,
}

impl Queue {
    fn new(namespace_rate: Rate, period: Duration, now: Instant) -> Self {
        let budgets = Buckets::new(namespace_rate, NAMESPACES, now);
        Self { leading: false, budgets, period, waiting: VecDeque::new(), given: 0, sums: BTreeMap::new() }
    }

    fn push(&mut self, notice: Notice, now: Instant) -> Kept {
        if !self.budgets.take_if_any(notice.namespace(), now) {
            self.leave_out(&notice, now);
            return Kept::LeftOut;
        }
        if self.waiting.len() >= WAITING {
            if self.leading {
                self.leave_out(&notice, now);
                return Kept::LeftOut;
            }
            // Who does not lead keeps the newest: the oldest are written most likely.
            self.waiting.pop_front();
        }
        self.given += 1;
        let (number, logged) = (self.given, self.leading);
        self.waiting.push_back(Waiting { number, at: now, notice: Arc::new(notice), logged });
        Kept::Waits
    }

    fn leave_out(&mut self, notice: &Notice, now: Instant) {
        let text = notice.text();
        let mut namespace = notice.namespace();
        if self.sums.len() >= NAMESPACES && !self.sums.contains_key(namespace) {
            namespace = "";
        }
        let sum = self.sums.entry(namespace.into()).or_insert_with(|| Sum {
            since: now,
            left_out: LeftOut { namespace: namespace.into(), first: text.name, warnings: 0, others: 0 },
        });
        match text.type_ {
            "Warning" => sum.left_out.warnings += 1,
            _ => sum.left_out.others += 1,
        }
    }

    /// What is to be written now, or when to look again.
    fn next(&self, now: Instant) -> Result<Due, Option<Instant>> {
        let oldest = self.sums.values().min_by_key(|sum| sum.since);
        let due = oldest.map(|sum| sum.since + self.period);
        match (oldest, self.waiting.front()) {
            (Some(sum), _) if due.is_some_and(|due| due <= now) => Ok(Due::LeftOut(sum.left_out.clone())),
            (_, Some(waiting)) => Ok(Due::Notice(waiting.clone())),
            (_, None) => Err(due),
        }
    }

    fn done(&mut self, due: &Due) {
        match due {
            Due::Notice(done) => {
                if self.waiting.front().is_some_and(|front| front.number == done.number) {
                    self.waiting.pop_front();
                }
            }
            Due::LeftOut(left_out) => {
                self.sums.remove(&left_out.namespace);
            }
        }
    }

    /// Whether nothing waits of the first `many` that came.
    fn is_done(&self, many: u64) -> bool {
        self.waiting.front().is_none_or(|front| front.number > many)
    }

    /// Another replica has dealt with all that happened up to `until`.
    fn written_elsewhere(&mut self, until: Instant) {
        while self.waiting.front().is_some_and(|front| front.at <= until) {
            self.waiting.pop_front();
        }
        self.sums.retain(|_, sum| sum.since + self.period > until);
    }
}

/// The queue, shared by the engine and the writer.
#[derive(Debug)]
pub(crate) struct Notices {
    queue: Mutex<Queue>,
    news: Notify,
    progress: Notify,
}

impl Notices {
    /// Empty, of a replica that does not lead.
    pub(crate) fn new(namespace_rate: Rate, period: Duration) -> Self {
        Self {
            queue: Mutex::new(Queue::new(namespace_rate, period, Instant::now())),
            news: Notify::new(),
            progress: Notify::new(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Something happened.
    pub(crate) fn push(&self, notice: Notice) -> Kept {
        let kept = self.lock().push(notice, Instant::now());
        self.news.notify_one();
        kept
    }

    /// This replica leads, or not, from now on.
    pub(crate) fn set_leading(&self, leading: bool) {
        self.lock().leading = leading;
    }

    /// Whether this replica leads.
    pub(crate) fn is_leading(&self) -> bool {
        self.lock().leading
    }

    /// Returns what is to be written next. It stays in the queue until it is [`done`](Self::done).
    pub(crate) async fn next(&self) -> Due {
        loop {
            let again = match self.lock().next(Instant::now()) {
                Ok(due) => return due,
                Err(again) => again,
            };
            tokio::select! {
                () = self.news.notified() => {}
                () = super::engine::at(again) => {}
            }
        }
    }

    /// That was written, or given up.
    pub(crate) fn done(&self, due: &Due) {
        self.lock().done(due);
        self.progress.notify_one();
    }

    /// How many came so far.
    pub(crate) fn so_far(&self) -> u64 {
        self.lock().given
    }

    /// Returns when nothing waits of the first `many` that came: what is recorded is recorded after its Event. For
    /// one listener.
    pub(crate) async fn until_done(&self, many: u64) {
        while !self.lock().is_done(many) {
            self.progress.notified().await;
        }
    }

    /// Another replica has dealt with all that happened up to `until`.
    pub(crate) fn written_elsewhere(&self, until: Instant) {
        self.lock().written_elsewhere(until);
        self.progress.notify_one();
    }

    /// How many wait.
    pub(crate) fn waiting(&self) -> usize {
        self.lock().waiting.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auditor::suspicion::{About, Signal};

    const SECOND: Duration = Duration::from_secs(1);
    const PERIOD: Duration = Duration::from_secs(300);

    fn notice(namespace: &str, message: &str) -> Notice {
        let about = About::Namespace { name: namespace.into(), uid: "uid".into() };
        let at = jiff::Timestamp::UNIX_EPOCH;
        Notice::Activity(Activity { signal: Signal::OptOutLabelAdded, about, message: message.into(), at })
    }

    fn queue(leading: bool) -> (Queue, Instant) {
        let now = Instant::now();
        (Queue { leading, ..Queue::new(Rate::new(0.1, 3), PERIOD, now) }, now)
    }

    fn messages(queue: &Queue) -> Vec<&str> {
        queue
            .waiting
            .iter()
            .map(|waiting| match &*waiting.notice {
                Notice::Activity(activity) => &*activity.message,
                _ => "",
            })
            .collect()
    }

    #[tokio::test(start_paused = true)]
    async fn what_waits_stays_until_it_is_done_so_that_a_write_that_was_dropped_is_made_again() {
        let (mut queue, now) = queue(true);
        queue.push(notice("a", "1"), now);
        queue.push(notice("a", "2"), now);
        let first = queue.next(now).unwrap();
        assert!(
            matches!((&first, &queue.next(now).unwrap()), (Due::Notice(a), Due::Notice(b)) if a.number == b.number)
        );
        queue.done(&first);
        queue.done(&first);
        assert_eq!(messages(&queue), ["2"], "done twice is done once");
    }

    #[tokio::test(start_paused = true)]
    async fn the_record_waits_until_the_events_before_it_are_done() {
        let notices = Notices::new(Rate::new(1.0, 9), PERIOD);
        notices.push(notice("a", "1"));
        notices.push(notice("a", "2"));
        let many = notices.so_far();
        notices.push(notice("a", "3"));
        for _ in 0..2 {
            assert!(tokio::time::timeout(SECOND, notices.until_done(many)).await.is_err());
            notices.done(&notices.next().await);
        }
        notices.until_done(many).await;
    }

    #[tokio::test(start_paused = true)]
    async fn a_namespace_beyond_its_budget_is_summed_up_once_a_period_and_disturbs_no_other() {
        let (mut queue, now) = queue(true);
        for number in 0..10 {
            let kept = queue.push(notice("noisy", &number.to_string()), now);
            assert_eq!(kept, if number < 3 { Kept::Waits } else { Kept::LeftOut });
        }
        assert_eq!(queue.push(notice("quiet", "x"), now), Kept::Waits);
        for _ in 0..4 {
            let due = queue.next(now + PERIOD - SECOND).unwrap();
            assert!(matches!(due, Due::Notice(_)));
            queue.done(&due);
        }
        assert_eq!(queue.next(now + SECOND).unwrap_err(), Some(now + PERIOD));
        let due = queue.next(now + PERIOD).unwrap();
        let Due::LeftOut(left_out) = &due else { panic!("{due:?}") };
        assert_eq!((&*left_out.namespace, left_out.warnings, left_out.others), ("noisy", 7, 0));
        queue.done(&due);
        assert_eq!(queue.next(now + 10 * PERIOD).unwrap_err(), None);
    }

    #[tokio::test(start_paused = true)]
    async fn a_replica_that_does_not_lead_forgets_only_what_another_has_had_time_to_write() {
        let (mut queue, now) = queue(false);
        queue.push(notice("a", "1"), now);
        queue.push(notice("a", "2"), now + 10 * SECOND);
        queue.written_elsewhere(now + 5 * SECOND);
        assert_eq!(messages(&queue), ["2"]);
        queue.push(notice("a", "3"), now + 3600 * SECOND);
        assert_eq!(messages(&queue), ["2", "3"], "while nobody leads all is kept");
        assert!(queue.waiting.iter().all(|waiting| !waiting.logged));
    }

    #[tokio::test(start_paused = true)]
    async fn the_queue_is_bounded_a_leader_leaves_out_the_newest_and_others_forget_the_oldest() {
        for leading in [true, false] {
            let (mut queue, now) = queue(leading);
            for number in 0..=WAITING {
                queue.push(notice(&number.to_string(), &number.to_string()), now + 60 * SECOND);
            }
            assert_eq!(queue.waiting.len(), WAITING);
            let first = if leading { "0" } else { "1" };
            assert_eq!((messages(&queue)[0], queue.sums.len()), (first, usize::from(leading)));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_left_out_of_too_many_namespaces_is_summed_up_together() {
        let (mut queue, now) = queue(true);
        for number in 0..NAMESPACES + 5 {
            queue.leave_out(&notice(&format!("n-{number}"), "x"), now);
        }
        assert_eq!(queue.sums.len(), NAMESPACES + 1);
        assert_eq!(queue.sums[""].left_out.warnings, 5);
    }

    #[tokio::test(start_paused = true)]
    async fn a_sum_that_another_leader_has_had_time_to_write_is_forgotten() {
        let (mut queue, now) = queue(false);
        queue.leave_out(&notice("a", "x"), now);
        queue.written_elsewhere(now + PERIOD - SECOND);
        assert_eq!(queue.sums.len(), 1);
        queue.written_elsewhere(now + PERIOD);
        assert!(queue.sums.is_empty());
    }
}
