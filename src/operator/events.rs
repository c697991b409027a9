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
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::engine::Notice;
use super::lookup::{Found, Lookup};
use super::pace::{Rate, TokenBucket};
use super::record::Told;
use super::regarding::{Plan, Regarding};
use super::stop::Stop;
use super::write::{Complaints, Failure, MANAGER, within};
use crate::report::activity::activity_event;
use crate::report::event::{EventText, first_audit_event, transition_event};
use crate::report::operational::{EventResult, Operational};

/// How often one Event is tried before it is given up.
const TRIES: u32 = 8;

/// The writer.
pub(crate) struct EventWriter {
    client: Client,
    lookup: Lookup,
    bucket: TokenBucket,
    deadline: Duration,
    /// Which replica writes: the pod's name.
    instance: Box<str>,
    operational: Arc<Operational>,
    /// The record of what was told is written after its Events.
    told: Arc<Told>,
    complaints: Complaints,
}

/// An Event to write.
struct Due {
    text: EventText,
    plan: Plan,
    at: Timestamp,
}

impl Due {
    fn of(notice: &Notice) -> Self {
        match notice {
            Notice::Transition(transition) => Self {
                text: transition_event(transition),
                plan: Plan::of(&transition.subject, &transition.policies),
                at: transition.at,
            },
            Notice::Activity(activity) => {
                Self { text: activity_event(activity), plan: Plan::about(&activity.about), at: activity.at }
            }
            Notice::FirstAudit(first) => Self {
                text: first_audit_event(first),
                plan: Plan::policy(&first.policy, &first.uid),
                at: first.at,
            },
        }
    }
}

impl EventWriter {
    pub(crate) fn new(
        client: Client,
        (operational, told): (Arc<Operational>, Arc<Told>),
        rate: Rate,
        deadline: Duration,
        instance: &str,
    ) -> Self {
        Self {
            lookup: Lookup::new(client.clone(), deadline),
            client,
            bucket: TokenBucket::new(rate, Instant::now()),
            deadline,
            instance: instance.into(),
            operational,
            told,
            complaints: Complaints::default(),
        }
    }

    /// Runs until told to stop; a write that has begun is finished, what waits is counted as dropped.
    pub(crate) async fn run(mut self, mut notices: mpsc::Receiver<Notice>, mut stop: Stop) {
        while let Some(Some(notice)) = stop.unless(notices.recv()).await {
            let result = self.write(Due::of(&notice), &mut stop).await;
            self.operational.event(result);
            self.told.done();
        }
        notices.close();
        let mut dropped = 0_u64;
        while notices.try_recv().is_ok() {
            self.operational.event(EventResult::Dropped);
            dropped += 1;
        }
        if dropped > 0 {
            tracing::warn!(dropped, "Events were not written before the end; the log has every transition");
        }
    }

    async fn write(&mut self, due: Due, stop: &mut Stop) -> EventResult {
        let wait = self.bucket.take(Instant::now());
        if stop.unless(tokio::time::sleep(wait)).await.is_none() {
            return EventResult::Dropped;
        }
        let found = match due.plan.to_look_up() {
            Some(key) => self.lookup.uid(key).await,
            None => Found::Unknown,
        };
        let regarding = due.plan.decide(found);
        let event = event(due.text, &regarding, due.at, &self.instance);
        for _ in 0..TRIES {
            let failure = match self.create(regarding.event_namespace(), &event).await {
                Ok(()) => {
                    self.complaints.mended("create");
                    return EventResult::Created;
                }
                Err(failure) => failure,
            };
            match failure {
                Failure::Exists | Failure::Conflict => return EventResult::Exists,
                failure if failure.namespace_is_gone() => return EventResult::Dropped,
                Failure::Later(wait, _) => {
                    self.complain(&failure);
                    if stop.unless(tokio::time::sleep(wait)).await.is_none() {
                        return EventResult::Dropped;
                    }
                }
                failure => {
                    self.complain(&failure);
                    return EventResult::Failed;
                }
            }
        }
        EventResult::Failed
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
