//! Writes the condition `Effective` of Exemptions, so that tenants see what came of what they asked for. Nothing else
//! of an Exemption is ever written.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::Client;
use kube::api::{Api, ApiResource, DynamicObject, Patch, PatchParams};
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::time::Instant;

use super::leadership::Writer;
use super::pace::{Rate, TokenBucket};
use super::stop::Stop;
use super::write::{Complaints, Failure, MANAGER, within};
use crate::auditor::requests::RequestOutcome;
use crate::auditor::snapshot::Snapshot;
use crate::policy::exemption_object::{Exemption, ExemptionCondition};
use crate::policy::request::RequestObject;
use crate::report::effective::effective;
use crate::report::operational::{Operational, WriteResult};

/// Snapshots are looked at at most this often.
const GAP: Duration = Duration::from_secs(1);
/// How long to wait after a refusal.
const AFTER_REFUSAL: Duration = Duration::from_secs(60);

/// Namespace and name.
type Key = (Arc<str>, Box<str>);

/// What was said of an Exemption as it was then.
#[derive(Debug)]
struct Said {
    object: Arc<RequestObject>,
    condition: ExemptionCondition,
}

/// The writer.
pub(crate) struct EffectiveWriter {
    client: Client,
    operational: Arc<Operational>,
    snapshots: watch::Receiver<Option<Arc<Snapshot>>>,
    bucket: TokenBucket,
    deadline: Duration,
    /// What was said of each Exemption last, by namespace and name: where a server drops fields, what stands there
    /// differs from it for ever.
    said: HashMap<Key, Said>,
    complaints: Complaints,
}

impl Writer for EffectiveWriter {
    async fn lead(&mut self, mut stop: Stop) {
        loop {
            let newest = self.snapshots.borrow_and_update().clone();
            let mut again = None;
            if let Some(newest) = newest.filter(|newest| newest.complete) {
                let Some(pause) = self.look_at(&newest, &mut stop).await else { return };
                again = pause.map(|pause| Instant::now() + pause);
            }
            let snapshots = &mut self.snapshots;
            let news = async {
                tokio::select! {
                    changed = snapshots.changed() => {
                        tokio::time::sleep(GAP).await;
                        changed.is_ok()
                    }
                    () = super::engine::at(again) => true,
                }
            };
            if stop.unless(news).await != Some(true) {
                return;
            }
        }
    }
}

impl EffectiveWriter {
    pub(crate) fn new(
        client: Client,
        operational: Arc<Operational>,
        snapshots: watch::Receiver<Option<Arc<Snapshot>>>,
        rate: Rate,
        deadline: Duration,
    ) -> Self {
        Self {
            client,
            operational,
            snapshots,
            bucket: TokenBucket::new(rate, Instant::now()),
            deadline,
            said: HashMap::new(),
            complaints: Complaints::default(),
        }
    }

    /// Writes what is new. Returns how long to wait before it is tried again, if something failed; none when the
    /// operator ends.
    async fn look_at(&mut self, snapshot: &Snapshot, stop: &mut Stop) -> Option<Option<Duration>> {
        let mut known = HashMap::new();
        let mut again: Option<Duration> = None;
        for part in snapshot.namespaces.iter().filter(|part| !part.terminating) {
            for outcome in part.requests.iter() {
                let key = (Arc::clone(&part.name), outcome.object.name.clone());
                let condition = effective(snapshot, outcome);
                let said = Said { object: Arc::clone(&outcome.object), condition: condition.clone() };
                if stands(outcome, &condition) || self.was_said(&key, outcome, &condition) {
                    known.insert(key, said);
                    continue;
                }
                stop.unless(tokio::time::sleep(self.bucket.take(Instant::now()))).await?;
                match self.write(&part.name, outcome, &condition, snapshot.observed_at).await {
                    Ok(()) => {
                        known.insert(key, said);
                    }
                    Err(pause) => again = again.into_iter().chain(pause).min(),
                }
            }
        }
        self.said = known;
        Some(again)
    }

    /// Whether this was written already: the watch has not told of it yet, or something else than what was written
    /// stands there. Where nothing stands there the object is another one of that name.
    fn was_said(&self, key: &Key, outcome: &RequestOutcome, condition: &ExemptionCondition) -> bool {
        self.said.get(key).is_some_and(|said| {
            let same_object = Arc::ptr_eq(&said.object, &outcome.object);
            said.condition == *condition && (same_object || outcome.object.effective.is_some())
        })
    }

    /// Writes the condition; the error is how long to wait before the next try, if that makes sense.
    async fn write(
        &mut self,
        namespace: &str,
        outcome: &RequestOutcome,
        condition: &ExemptionCondition,
        now: Timestamp,
    ) -> Result<(), Option<Duration>> {
        let (resource, name) = (ApiResource::erase::<Exemption>(&()), &*outcome.object.name);
        let api = Api::<DynamicObject>::namespaced_with(self.client.clone(), namespace, &resource);
        let patch = Patch::Apply(json!({
            "apiVersion": resource.api_version,
            "kind": resource.kind,
            "metadata": {"name": name, "namespace": namespace},
            "status": {"conditions": [with_time(outcome, condition.clone(), now)]},
        }));
        let parameters = PatchParams::apply(MANAGER).force();
        let request = api.patch_status(name, &parameters, &patch);
        let failure = match within(self.deadline, request).await {
            Ok(_) => {
                self.operational.status_write(WriteResult::Written);
                if self.complaints.mended("write") {
                    tracing::info!("the status of Exemptions can be written again");
                }
                return Ok(());
            }
            Err(failure) => failure,
        };
        // It is gone; the watch will say so.
        if matches!(failure, Failure::NotFound(_)) || failure.namespace_is_gone() {
            return Err(None);
        }
        self.operational.status_write(failure.result());
        if self.complaints.is_new("write") {
            tracing::warn!(namespace, exemption = name, error = %failure, "the status of Exemptions cannot be written; they count all the same");
        }
        Err(Some(match failure {
            Failure::Later(wait, _) => wait,
            Failure::Conflict => GAP,
            _ => AFTER_REFUSAL,
        }))
    }
}

/// Whether the condition stands there already, whenever it was written.
fn stands(outcome: &RequestOutcome, condition: &ExemptionCondition) -> bool {
    read(outcome)
        .is_some_and(|standing| ExemptionCondition { last_transition_time: None, ..standing } == *condition)
}

fn read(outcome: &RequestOutcome) -> Option<ExemptionCondition> {
    serde_json::from_value(outcome.object.effective.clone()?).ok()
}

/// The condition with its time: that of the one that stands there, unless the status is another one.
fn with_time(outcome: &RequestOutcome, condition: ExemptionCondition, now: Timestamp) -> Value {
    let standing = read(outcome).filter(|standing| standing.status == condition.status);
    let time = standing.and_then(|standing| standing.last_transition_time);
    let now = || Time(Timestamp::from_second(now.as_second()).unwrap_or(now));
    let condition = ExemptionCondition { last_transition_time: Some(time.unwrap_or_else(now)), ..condition };
    serde_json::to_value(condition).unwrap_or_default()
}
