//! The one task that owns the auditor. It takes changes in batches, makes one Snapshot a batch, publishes it and
//! hands on what happened. It never waits for a writer: what does not fit into a writer's channel is counted.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

use super::clock::Clock;
use super::health::Health;
use super::needs::Needs;
use super::notices::{Kept, Notice, Notices};
use super::pace::Pacing;
use super::record::Ask;
use super::stop::Stop;
use super::watch::Received;
use crate::auditor::Auditor;
use crate::auditor::snapshot::Snapshot;
use crate::auditor::suspicion::Activity;
use crate::auditor::transitions::{FirstAudit, Transition, WantedOwner};
use crate::decode::Change;
use crate::report::activity::ActivityRecord;
use crate::report::log::TransitionRecord;
use crate::report::operational::{EventResult, Operational};
use crate::subject::Resource;

/// How many changes are applied before a Snapshot may be made.
const BATCH: usize = 1024;
/// Snapshots are at least this far apart while changes keep coming.
const SHORTEST_GAP: Duration = Duration::from_millis(5);
/// The same while the first lists are still being told: nobody can use what is incomplete.
const GAP_BEFORE_COMPLETE: Duration = Duration::from_secs(1);
/// The wall clock is looked at again after this long, so that a clock that is set does not delay a deadline more.
const LONGEST_SLEEP: Duration = Duration::from_secs(60);
/// So long an earlier record is waited for when everything else is known.
const RECORD_PATIENCE: Duration = Duration::from_secs(30);
/// A deadline that is over already still lets others run.
const SHORTEST_SLEEP: Duration = Duration::from_millis(10);

/// Where the engine's results go.
pub(crate) struct Outlets {
    /// The newest Snapshot; none before the first.
    pub(crate) snapshots: watch::Sender<Option<Arc<Snapshot>>>,
    /// Transitions, first audits and suspicious activity.
    pub(crate) notices: Arc<Notices>,
    /// Owners to look for.
    pub(crate) owners: mpsc::Sender<WantedOwner>,
    /// Kinds to watch.
    pub(crate) needs: Arc<Needs>,
}

/// The engine.
pub(crate) struct Engine {
    auditor: Auditor,
    changes: mpsc::Receiver<Received>,
    outlets: Outlets,
    health: Arc<Health>,
    clock: Clock,
    pacing: Pacing,
    /// Something is applied that no Snapshot shows.
    dirty: bool,
    /// Everything has been told once.
    complete: bool,
    /// When the changes came in that no Snapshot shows yet.
    waiting: Vec<Instant>,
    /// Who asks for the record; none where none is kept.
    record: Option<mpsc::Receiver<Ask>>,
    /// How many records were taken in, and how many of them a Snapshot was judged by.
    records: u64,
    records_judged: u64,
    /// Until when an earlier record is waited for.
    record_due: Option<Instant>,
    /// Events left out since that was last said, and when that was.
    dropped: u64,
    dropped_said: Option<Instant>,
}

impl Engine {
    /// An engine around an auditor that has seen nothing.
    pub(crate) fn new(
        auditor: Auditor,
        changes: mpsc::Receiver<Received>,
        outlets: Outlets,
        health: Arc<Health>,
        clock: Clock,
    ) -> Self {
        Self {
            auditor,
            changes,
            outlets,
            health,
            clock,
            pacing: Pacing::new(SHORTEST_GAP, Instant::now()),
            dirty: false,
            complete: false,
            waiting: Vec::new(),
            record: None,
            records: 0,
            records_judged: 0,
            record_due: None,
            dropped: 0,
            dropped_said: None,
        }
    }

    /// Keeps a record, which others ask for. To be called before it runs.
    pub(crate) fn keep_record(&mut self, asks: mpsc::Receiver<Ask>) {
        self.auditor.keep_record();
        self.record = Some(asks);
    }

    /// Runs until told to stop.
    pub(crate) async fn run(mut self, mut stop: Stop) {
        let mut batch = Vec::with_capacity(BATCH);
        loop {
            self.health.pulse.engine();
            let snapshot_due = self.dirty.then(|| self.pacing.due(Instant::now()));
            let tick_due = sleep_until(self.auditor.next_deadline(), self.clock.now());
            tokio::select! {
                biased;
                () = stop.wait() => return,
                () = at(snapshot_due) => self.publish(),
                taken = self.changes.recv_many(&mut batch, BATCH) => {
                    if taken == 0 {
                        return;
                    }
                    self.apply(&mut batch);
                }
                ask = next_ask(&mut self.record) => self.answer(ask),
                () = at(self.record_due) => self.go_on_without_record(),
                () = tokio::time::sleep(tick_due) => self.tick(),
            }
            // One task of one thread must not starve the others while its channel is never empty.
            tokio::task::yield_now().await;
        }
    }

    fn apply(&mut self, batch: &mut Vec<Received>) {
        let now = self.clock.now();
        let mut turning_point = false;
        for Received { change, at } in batch.drain(..) {
            self.records += u64::from(matches!(change, Change::Record(_)));
            turning_point |=
                matches!(change, Change::RelistFinished(_) | Change::Access(..) | Change::Record(_));
            self.waiting.extend(at);
            let is_about_policies = is_about_policies(&change);
            self.auditor.apply(change, now);
            if is_about_policies {
                self.outlets.needs.publish(self.auditor.needed());
            }
        }
        self.dirty = true;
        let is_awaited = self.auditor.waits_only_for_record();
        self.record_due = self.record_due.filter(|_| is_awaited);
        if is_awaited && self.record_due.is_none() {
            self.record_due = Some(Instant::now() + RECORD_PATIENCE);
        }
        if !self.complete {
            match self.auditor.is_complete() {
                // Whatever came last, there is something to show.
                true => self.pacing.let_go(),
                false if turning_point => {}
                false => self.pacing.hold(Instant::now(), GAP_BEFORE_COMPLETE),
            }
        }
    }

    fn tick(&mut self) {
        let now = self.clock.now();
        if self.auditor.next_deadline().is_some_and(|deadline| deadline <= now) {
            self.auditor.tick(now);
            self.dirty = true;
        }
    }

    /// The record does not come: what was found before is not known. If it comes later it is judged by all the same.
    fn go_on_without_record(&mut self) {
        tracing::warn!(
            "the record of earlier findings does not come; everything is audited as if for the first time"
        );
        self.record_due = None;
        self.auditor.apply(Change::Record(Box::default()), self.clock.now());
        self.dirty = true;
    }

    /// Answers whoever keeps the record. What is not answered is asked again.
    fn answer(&mut self, ask: Option<Ask>) {
        // An answer that nobody waits for any more is dropped.
        match ask {
            None => self.record = None,
            Some(Ask::Digests { told, of, reply }) => {
                if self.complete && self.records_judged >= told {
                    let digests = (0..of).map(|shard| self.auditor.record_digest(shard, of));
                    let _ = reply.send(digests.collect());
                }
            }
            Some(Ask::Shard { shard, of, reply }) => {
                let _ = reply.send((self.auditor.record_shard(shard, of), self.outlets.notices.so_far()));
            }
        }
    }

    /// Makes a Snapshot of what was applied, publishes it and hands on what it brought to light.
    fn publish(&mut self) {
        let begun = Instant::now();
        let snapshot = self.auditor.snapshot(self.clock.now());
        // A policy that came into force may read less than it did before.
        self.outlets.needs.publish(self.auditor.needed());
        self.dirty = false;
        if self.auditor.is_complete() {
            self.records_judged = self.records;
        }
        if snapshot.complete && !self.complete {
            self.complete = true;
            self.health.first_audit_done();
            tracing::info!(
                pods = snapshot.seen.pods,
                namespaces = snapshot.seen.namespaces,
                policies = snapshot.policies.len(),
                "the first audit is complete"
            );
        }
        let mut former = None;
        self.outlets.snapshots.send_if_modified(|newest| {
            let same = newest.as_ref().is_some_and(|newest| Arc::ptr_eq(newest, &snapshot));
            if !same {
                former = newest.replace(snapshot);
            }
            !same
        });
        // Everybody has the new one before the memory of the former is given back.
        drop(former);
        let ended = Instant::now();
        self.pacing.made(begun, ended);
        if self.auditor.is_complete() {
            for at in self.waiting.drain(..) {
                self.health.operational.detected(ended.saturating_duration_since(at));
            }
        } else {
            // Nothing new is shown while a kind is waited for; the oldest of the changes stand for all.
            self.waiting.truncate(BATCH);
        }
        self.hand_on();
    }

    fn hand_on(&mut self) {
        for transition in self.auditor.drain_transitions() {
            self.notify(Notice::Transition(transition));
        }
        for first_audit in self.auditor.drain_first_audits() {
            self.notify(Notice::FirstAudit(first_audit));
        }
        for activity in self.auditor.drain_suspicious_activity() {
            self.notify(Notice::Activity(activity));
        }
        self.say_dropped();
        for owner in self.auditor.drain_wanted_owners() {
            // One that is left out is asked for again by the auditor.
            let _ = self.outlets.owners.try_send(owner);
        }
    }

    /// Only the leader logs and counts: another replica sees the same, and says it if it has to take over.
    fn notify(&mut self, notice: Notice) {
        let leads = self.outlets.notices.is_leading();
        if leads {
            tell(&self.health.operational, &notice);
        }
        if self.outlets.notices.push(notice) == Kept::LeftOut && leads {
            self.health.operational.event(EventResult::Dropped);
            self.dropped += 1;
        }
    }

    fn say_dropped(&mut self) {
        let now = Instant::now();
        if self.dropped > 0
            && self.dropped_said.is_none_or(|said| now.saturating_duration_since(said) >= LONGEST_SLEEP)
        {
            self.dropped_said = Some(now);
            let dropped = std::mem::take(&mut self.dropped);
            tracing::warn!(
                dropped,
                "too many Events at once; one Event a namespace says how many, and the log has each"
            );
        }
    }
}

/// Whether a change may change what is needed.
fn is_about_policies(change: &Change) -> bool {
    matches!(
        change,
        Change::Policy(_) | Change::PolicyGone(_) | Change::RelistFinished(Resource::ImagePolicies)
    )
}

/// The next question about the record; never where none is kept.
async fn next_ask(record: &mut Option<mpsc::Receiver<Ask>>) -> Option<Ask> {
    match record {
        Some(asks) => asks.recv().await,
        None => std::future::pending().await,
    }
}

/// How long to sleep until the auditor's `deadline`, by the wall clock.
fn sleep_until(deadline: Option<Timestamp>, now: Timestamp) -> Duration {
    let Some(deadline) = deadline else { return LONGEST_SLEEP };
    let until = Duration::try_from(deadline.duration_since(now)).unwrap_or(Duration::ZERO);
    until.clamp(SHORTEST_SLEEP, LONGEST_SLEEP)
}

/// Returns at `instant`; never when there is none.
pub(crate) async fn at(instant: Option<Instant>) {
    match instant {
        Some(instant) => tokio::time::sleep_until(instant).await,
        None => std::future::pending().await,
    }
}

/// Logs and counts what happened.
pub(crate) fn tell(operational: &Operational, notice: &Notice) {
    match notice {
        Notice::Transition(transition) => {
            log_transition(transition);
            operational.transition(transition.kind);
        }
        Notice::FirstAudit(first_audit) => log_first_audit(first_audit),
        Notice::Activity(activity) => {
            log_activity(activity);
            operational.activity(activity.signal);
        }
    }
}

/// One line a transition; every text is bounded and has no control characters.
fn log_transition(transition: &Transition) {
    let TransitionRecord {
        finding,
        kind,
        rule,
        severity,
        reason,
        policies,
        namespace,
        subject,
        container,
        image,
        message,
        since,
        at,
    } = TransitionRecord::from(transition);
    tracing::info!(
        finding,
        transition = kind,
        rule,
        severity,
        reason,
        policies = policies.join(","),
        namespace,
        subject,
        container,
        image,
        detail = message,
        since,
        at,
        "finding {kind}"
    );
}

fn log_activity(activity: &Activity) {
    let ActivityRecord { signal, namespace, subject, message, at } = ActivityRecord::from(activity);
    tracing::info!(signal, namespace, subject, detail = message, at, "suspicious activity");
}

fn log_first_audit(first: &FirstAudit) {
    tracing::info!(
        policy = &*first.policy,
        generation = first.generation,
        violations = first.violations,
        unknown = first.unknown,
        namespaces = first.namespaces,
        "policy audited for the first time"
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_deadline_is_waited_for_by_the_wall_clock_within_bounds() {
        let now: Timestamp = "2026-11-23T10:00:00Z".parse().unwrap();
        let after = |seconds: i64| sleep_until(Some(now + jiff::SignedDuration::from_secs(seconds)), now);
        assert_eq!(after(7), Duration::from_secs(7));
        assert_eq!(after(0), SHORTEST_SLEEP);
        assert_eq!(after(-3600), SHORTEST_SLEEP, "a deadline in the past makes no hot loop");
        assert_eq!(after(86_400), LONGEST_SLEEP);
        assert_eq!(sleep_until(None, now), LONGEST_SLEEP);
    }
}
