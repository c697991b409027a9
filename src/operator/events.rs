//! Writes Kubernetes Events: `create` only, each under a name that is the same for a retry and for another
//! leader, so that nothing doubles.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::core::v1::Event;
use kube::Client;
use kube::api::{Api, PostParams};
use kube::core::{ApiResource, DynamicObject};
use serde_json::json;
use tokio::sync::watch;
use tokio::time::Instant;

use super::engine;
use super::leadership::{Leadership, Writer};
use super::lookup::{Found, Lookup};
use super::notices::{Due, Notice, Notices};
use super::pace::{Rate, TokenBucket};
use super::regarding::{Plan, Regarding};
use super::stop::Stop;
use super::write::{Complaints, Failure, MANAGER, within};
use crate::auditor::snapshot::Snapshot;
use crate::auditor::suspicion::About;
use crate::report::event::EventText;
use crate::report::left_out::{LeftOut, left_out_event};
use crate::report::operational::{EventResult, Operational};

/// How often one Event is tried before it is given up.
const TRIES: u32 = 8;

/// The writer.
pub(crate) struct EventWriter {
    client: Client,
    lookup: Lookup,
    notices: Arc<Notices>,
    snapshots: watch::Receiver<Option<Arc<Snapshot>>>,
    leadership: Leadership,
    /// What happened so long before another replica was seen to lead has been written by it.
    written_after: Duration,
    /// What is left out is summed up after this long.
    left_out_period: Duration,
    bucket: TokenBucket,
    deadline: Duration,
    /// Which replica writes: the pod's name.
    instance: Box<str>,
    operational: Arc<Operational>,
    complaints: Complaints,
}

/// Where Events come from and go to.
pub(crate) struct EventSettings {
    pub(crate) rate: Rate,
    pub(crate) deadline: Duration,
    pub(crate) written_after: Duration,
    pub(crate) left_out_period: Duration,
    pub(crate) instance: Box<str>,
}

/// An Event to write.
struct Draft {
    text: EventText,
    plan: Plan,
    at: Timestamp,
}

impl Draft {
    fn of(notice: &Notice) -> Self {
        let (plan, at) = match notice {
            Notice::Transition(transition) => {
                (Plan::of(&transition.subject, &transition.policies), transition.at)
            }
            Notice::Activity(activity) => (Plan::about(&activity.about), activity.at),
            Notice::FirstAudit(first) => (Plan::policy(&first.policy, &first.uid), first.at),
        };
        Self { text: notice.text(), plan, at }
    }
}

impl Writer for EventWriter {
    /// What waits when it is told to stop, or when the leadership ends, stays in the queue.
    async fn lead(&mut self, mut stop: Stop) {
        self.notices.set_leading(true);
        let notices = Arc::clone(&self.notices);
        while let Some(due) = stop.unless(notices.next()).await {
            let draft = match &due {
                Due::Notice(waiting) => Draft::of(&waiting.notice),
                Due::LeftOut(left_out) => self.summary(left_out),
            };
            let Some(result) = self.write(draft, &mut stop).await else { return };
            notices.done(&due);
            self.operational.event(result);
            if let Due::Notice(waiting) = &due
                && !waiting.logged
                && result != EventResult::Exists
            {
                // It happened when nobody led, or the leader died over it.
                engine::tell(&self.operational, &waiting.notice);
            }
        }
    }

    async fn follow(&mut self, mut stop: Stop) {
        self.notices.set_leading(false);
        loop {
            if let Some(until) =
                self.leadership.seen_elsewhere().and_then(|seen| seen.checked_sub(self.written_after))
            {
                self.notices.written_elsewhere(until);
            }
            if stop.unless(self.leadership.changed()).await.is_none() {
                return;
            }
        }
    }
}

impl EventWriter {
    pub(crate) fn new(
        client: Client,
        operational: Arc<Operational>,
        notices: Arc<Notices>,
        snapshots: watch::Receiver<Option<Arc<Snapshot>>>,
        leadership: Leadership,
        settings: EventSettings,
    ) -> Self {
        let EventSettings { rate, deadline, written_after, left_out_period, instance } = settings;
        Self {
            lookup: Lookup::new(client.clone(), deadline),
            client,
            notices,
            snapshots,
            leadership,
            written_after,
            left_out_period,
            bucket: TokenBucket::new(rate, Instant::now()),
            deadline,
            instance,
            operational,
            complaints: Complaints::default(),
        }
    }

    /// It regards the namespace; the one that is about the cluster regards `default`, where it lies.
    fn summary(&self, left_out: &LeftOut) -> Draft {
        let name = if left_out.namespace.is_empty() { "default" } else { &left_out.namespace };
        let snapshot = self.snapshots.borrow().clone();
        let part = snapshot.as_ref().and_then(|snapshot| snapshot.namespace(name));
        let uid = part.map(|part| Arc::clone(&part.uid)).unwrap_or_default();
        Draft {
            text: left_out_event(left_out, self.left_out_period.as_secs().div_ceil(60).max(1)),
            plan: Plan::about(&About::Namespace { name: name.into(), uid }),
            at: Timestamp::now(),
        }
    }

    /// Returns what became of it; none when it is to stop before that is known.
    async fn write(&mut self, draft: Draft, stop: &mut Stop) -> Option<EventResult> {
        let wait = self.bucket.take(Instant::now());
        stop.unless(tokio::time::sleep(wait)).await?;
        let found = match draft.plan.to_look_up() {
            Some(key) => self.lookup.uid(key).await,
            None => Found::Unknown,
        };
        let regarding = draft.plan.decide(found);
        let event = event(draft.text, &regarding, draft.at, &self.instance);
        for _ in 0..TRIES {
            let failure = match self.create(regarding.event_namespace(), &event).await {
                Ok(()) => {
                    self.complaints.mended("create");
                    return Some(EventResult::Created);
                }
                Err(failure) => failure,
            };
            match failure {
                Failure::Exists | Failure::Conflict => return Some(EventResult::Exists),
                failure if failure.namespace_is_gone() => return Some(EventResult::Dropped),
                Failure::Later(wait, _) => {
                    self.complain(&failure);
                    stop.unless(tokio::time::sleep(wait)).await?;
                }
                failure => {
                    self.complain(&failure);
                    return Some(EventResult::Failed);
                }
            }
        }
        Some(EventResult::Failed)
    }

    async fn create(&self, namespace: &str, event: &DynamicObject) -> Result<(), Failure> {
        let resource = ApiResource::erase::<Event>(&());
        let api = Api::<DynamicObject>::namespaced_with(self.client.clone(), namespace, &resource);
        let parameters = PostParams { field_manager: Some(MANAGER.to_owned()), ..PostParams::default() };
        within(self.deadline, api.create(&parameters, event)).await.map(drop)
    }

    fn complain(&mut self, failure: &Failure) {
        if self.complaints.is_new("create") {
            tracing::warn!(error = %failure, "an Event cannot be written; the log has every transition");
        }
    }
}

/// The object as `v1` has it: what the API server demands of new Events, and what older tools read.
fn event(text: EventText, regarding: &Regarding, at: Timestamp, instance: &str) -> DynamicObject {
    let EventText { name, type_, reason, action, note } = text;
    let seconds = Timestamp::from_second(at.as_second()).unwrap_or(at).to_string();
    let resource = ApiResource::erase::<Event>(&());
    let mut object = DynamicObject::new(&name, &resource).within(regarding.event_namespace());
    object.data = json!({
        "involvedObject": regarding.involved_object(),
        "reason": reason,
        "action": action,
        "message": note,
        "type": type_,
        "eventTime": format!("{at:.6}"),
        "firstTimestamp": seconds,
        "lastTimestamp": seconds,
        "count": 1,
        "reportingComponent": MANAGER,
        "reportingInstance": instance,
        "source": {"component": MANAGER},
    });
    object
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    fn text() -> EventText {
        let name = "trustedregistry.1.opened.2".to_owned();
        EventText {
            name,
            type_: "Warning",
            reason: "TrustedRegistry",
            action: "Opened",
            note: "n".to_owned(),
        }
    }

    fn written(text: EventText, plan: Plan) -> Value {
        let at = "2026-11-23T10:00:00.1234567Z".parse().unwrap();
        serde_json::to_value(event(text, &plan.decide(Found::Unknown), at, "revisor-0")).unwrap()
    }

    #[test]
    fn an_event_has_all_that_the_api_server_demands_and_old_tools_read() {
        let event = written(text(), Plan::policy("baseline", "u"));
        assert_eq!((&event["apiVersion"], &event["kind"]), (&json!("v1"), &json!("Event")));
        assert_eq!(event["metadata"], json!({"name": "trustedregistry.1.opened.2", "namespace": "default"}));
        assert_eq!(
            event["eventTime"], "2026-11-23T10:00:00.123456Z",
            "microseconds, as MicroTime wants them"
        );
        assert_eq!(event["lastTimestamp"], "2026-11-23T10:00:00Z");
        for field in ["reason", "message", "type", "action", "reportingComponent", "reportingInstance"] {
            assert!(event[field].as_str().is_some_and(|text| !text.is_empty()), "{field}");
        }
        serde_json::from_value::<Event>(event).unwrap();
    }
}
