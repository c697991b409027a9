//! Writes the status of each policy: only when it says something else than what stands there, and not more often
//! than the interval allows.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use kube::Client;
use kube::api::{Api, Patch, PatchParams};
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::time::Instant;

use super::leadership::Writer;
use super::observed::{Observed, Seen};
use super::pace::{Rate, TokenBucket};
use super::stop::Stop;
use super::wire::Policy;
use super::write::{Complaints, Failure, MANAGER, within};
use crate::auditor::snapshot::{PolicySnapshot, Snapshot};
use crate::policy::status::{ConditionStatus, ImagePolicyStatus};
use crate::report::operational::{Operational, WriteResult};
use crate::report::status::{may_be_written, policy_status, with_transition_times};

/// So often a status is looked at in the time in which it may be written once: each look renders it.
const LOOKS: u32 = 20;
/// After a conflict the policy is read again and written again soon.
const AFTER_CONFLICT: Duration = Duration::from_secs(1);
/// How long a refusal is believed, and an old schema.
const AFTER_REFUSAL: Duration = Duration::from_secs(300);
const CRD_TOO_OLD: &str = "CrdTooOld";

/// The writer.
pub(crate) struct StatusWriter {
    api: Api<Policy>,
    observed: Arc<Observed>,
    operational: Arc<Operational>,
    snapshots: watch::Receiver<Option<Arc<Snapshot>>>,
    /// Of all policies together.
    bucket: TokenBucket,
    interval: Duration,
    deadline: Duration,
    kept: HashMap<Box<str>, Kept>,
    complaints: Complaints,
}

/// What is remembered of a policy.
#[derive(Debug)]
struct Kept {
    uid: Box<str>,
    /// Not to be looked at before.
    next: Instant,
    /// What was rendered, and what the server made of it: where a server drops fields the two differ for ever.
    settled: Option<(ImagePolicyStatus, Arc<Value>)>,
    /// The schema in the cluster is older than the operator; believed until then.
    schema_too_old: Option<Instant>,
}

impl Writer for StatusWriter {
    async fn lead(&mut self, mut stop: Stop) {
        let mut wake = Some(Instant::now());
        loop {
            let (observed, snapshots) = (Arc::clone(&self.observed), &mut self.snapshots);
            let news = async {
                tokio::select! {
                    changed = snapshots.changed() => changed.is_ok(),
                    () = observed.changed() => true,
                    () = super::engine::at(wake) => true,
                }
            };
            if stop.unless(news).await != Some(true) {
                return;
            }
            wake = None;
            let Some(snapshot) = self.snapshots.borrow_and_update().clone() else { continue };
            wake = self.look_at_all(&snapshot, &mut stop).await;
        }
    }
}

impl StatusWriter {
    pub(crate) fn new(
        client: Client,
        observed: Arc<Observed>,
        operational: Arc<Operational>,
        snapshots: watch::Receiver<Option<Arc<Snapshot>>>,
        rate: Rate,
        (interval, deadline): (Duration, Duration),
    ) -> Self {
        let api = Api::all(client);
        let bucket = TokenBucket::new(rate, Instant::now());
        Self {
            api,
            observed,
            operational,
            snapshots,
            bucket,
            interval,
            deadline,
            kept: HashMap::new(),
            complaints: Complaints::default(),
        }
    }

    /// Looks at every policy that is due; returns when the next one is.
    async fn look_at_all(&mut self, snapshot: &Snapshot, stop: &mut Stop) -> Option<Instant> {
        self.kept.retain(|name, _| snapshot.policy(name).is_some());
        let mut wake: Option<Instant> = None;
        for (index, part) in snapshot.policies.iter().enumerate() {
            if stop.is_set() {
                return None;
            }
            let Ok(index) = u16::try_from(index) else { break };
            let now = Instant::now();
            let name = &*part.policy.name;
            let due = self
                .kept
                .get(name)
                .filter(|kept| *kept.uid == *part.policy.uid)
                .map_or(now, |kept| kept.next);
            let again = if due <= now { self.look_at(snapshot, index, part, stop).await? } else { Some(due) };
            wake = again.into_iter().chain(wake).min();
        }
        wake
    }

    /// Writes what is new; returns when to look again without any news. None when the operator ends.
    async fn look_at(
        &mut self,
        snapshot: &Snapshot,
        index: u16,
        part: &PolicySnapshot,
        stop: &mut Stop,
    ) -> Option<Option<Instant>> {
        let name: &str = &part.policy.name;
        let seen = self.observed.get(name).filter(|seen| *seen.uid == *part.policy.uid);
        let Some(seen) = seen.filter(|_| may_be_written(snapshot, part)) else { return Some(None) };
        let Some(mut rendered) = policy_status(snapshot, index) else { return Some(None) };
        let now = Instant::now();
        let mut kept = match self.kept.remove(name) {
            Some(kept) if kept.uid == seen.uid => kept,
            _ => Kept { uid: seen.uid.clone(), next: now, settled: None, schema_too_old: None },
        };
        kept.schema_too_old = kept.schema_too_old.filter(|until| now < *until);
        let too_old = kept.schema_too_old.is_some();
        if too_old {
            say_schema_too_old(&mut rendered);
        }
        let settled =
            kept.settled.as_ref().is_some_and(|(said, status)| *said == rendered && *status == seen.status);
        let old = serde_json::from_value::<ImagePolicyStatus>((*seen.status).clone()).ok();
        let new = with_transition_times(rendered.clone(), old.as_ref(), snapshot.observed_at);
        // Nothing may be there to write: what comes next is not to wait as long as after a write.
        kept.next = now + self.interval / LOOKS;
        let mut again = kept.schema_too_old;
        if !settled && old.as_ref() != Some(&new) {
            stop.unless(tokio::time::sleep(self.bucket.take(Instant::now()))).await?;
            let written = self.write(name, &seen, &new, too_old).await;
            let failed = self.account(name, &mut kept, rendered, written).await;
            again = failed.then_some(kept.next).or(again);
        }
        self.kept.insert(name.into(), kept);
        Some(again)
    }

    async fn write(
        &self,
        name: &str,
        seen: &Seen,
        new: &ImagePolicyStatus,
        merge: bool,
    ) -> Result<Policy, Failure> {
        let status = serde_json::to_value(new).unwrap_or_default();
        let (parameters, patch) = if merge {
            let patch = json!({"metadata": {"resourceVersion": seen.resource_version}, "status": merged(&seen.status, status)});
            (
                PatchParams { field_manager: Some(MANAGER.to_owned()), ..PatchParams::default() },
                Patch::Merge(patch),
            )
        } else {
            let patch = json!({
                "apiVersion": <Policy as kube::Resource>::api_version(&()),
                "kind": <Policy as kube::Resource>::kind(&()),
                "metadata": {"name": name, "resourceVersion": seen.resource_version},
                "status": status,
            });
            (PatchParams::apply(MANAGER).force(), Patch::Apply(patch))
        };
        within(self.deadline, self.api.patch_status(name, &parameters, &patch)).await
    }

    /// Remembers how a write went; returns whether it failed.
    async fn account(
        &mut self,
        name: &str,
        kept: &mut Kept,
        rendered: ImagePolicyStatus,
        written: Result<Policy, Failure>,
    ) -> bool {
        let now = Instant::now();
        self.operational
            .status_write(written.as_ref().map_or_else(Failure::result, |_| WriteResult::Written));
        let failure = match written {
            Ok(policy) => {
                kept.next = now + self.interval;
                kept.settled = Some((rendered, Arc::new(policy.status.clone())));
                self.observed.keep(&policy);
                if kept.schema_too_old.is_none() && self.complaints.mended(name) {
                    tracing::info!(policy = name, "the status can be written again");
                }
                return false;
            }
            Err(failure) => failure,
        };
        match &failure {
            Failure::Conflict => {
                if let Ok(policy) = within(self.deadline, self.api.get(name)).await {
                    self.observed.keep(&policy);
                }
                kept.next = now + AFTER_CONFLICT;
                return true;
            }
            // The policy is gone; the watch will say so.
            Failure::NotFound(_) => return false,
            Failure::SchemaTooOld => {
                kept.schema_too_old = Some(now + AFTER_REFUSAL);
                kept.next = now;
            }
            Failure::Later(wait, _) => kept.next = now + *wait,
            Failure::Exists | Failure::Forbidden(_) | Failure::Refused(_) => kept.next = now + AFTER_REFUSAL,
        }
        if self.complaints.is_new(name) {
            tracing::warn!(policy = name, error = %failure, "the status cannot be written; auditing goes on");
        }
        true
    }
}

/// The policy's whole status cannot be shown, and its spec may have lost what the old schema does not know.
fn say_schema_too_old(status: &mut ImagePolicyStatus) {
    if let Some(ready) = status.conditions.iter_mut().find(|condition| condition.type_ == "Ready") {
        ready.status = ConditionStatus::False;
        CRD_TOO_OLD.clone_into(&mut ready.reason);
        ready.message = Failure::SchemaTooOld.to_string();
    }
}

/// `new` as a merge patch over `old`: what `new` leaves out is removed.
fn merged(old: &Value, new: Value) -> Value {
    match (old, new) {
        (Value::Object(old), Value::Object(mut new)) => {
            for (key, value) in old {
                let inner = new.remove(key).map_or(Value::Null, |inner| merged(value, inner));
                new.insert(key.clone(), inner);
            }
            Value::Object(new)
        }
        (_, new) => new,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::status::Condition;

    #[test]
    fn a_merge_patch_removes_what_is_not_said_any_more() {
        let old = json!({"summary": {"violations": 1, "unknown": 2}, "rules": [1], "namespaces": [2]});
        let new = json!({"summary": {"violations": 3}, "rules": [4, 5], "observedGeneration": 1});
        let patch = merged(&old, new);
        assert_eq!(
            patch,
            json!({"summary": {"violations": 3, "unknown": null}, "rules": [4, 5], "namespaces": null, "observedGeneration": 1})
        );
        assert_eq!(merged(&Value::Null, json!({"a": 1})), json!({"a": 1}));
    }

    #[test]
    fn an_old_schema_is_told_in_the_condition_ready_with_the_command_that_mends_it() {
        let condition = |name: &str| Condition {
            type_: name.to_owned(),
            status: ConditionStatus::True,
            observed_generation: Some(1),
            last_transition_time: k8s_openapi::apimachinery::pkg::apis::meta::v1::Time(
                jiff::Timestamp::UNIX_EPOCH,
            ),
            reason: "Audited".to_owned(),
            message: String::new(),
        };
        let conditions = vec![condition("Ready"), condition("Compliant")];
        let mut status = ImagePolicyStatus { conditions, ..ImagePolicyStatus::default() };
        say_schema_too_old(&mut status);
        assert_eq!(
            (status.conditions[0].status, &*status.conditions[0].reason),
            (ConditionStatus::False, CRD_TOO_OLD)
        );
        assert!(status.conditions[0].message.contains("revisor crd | kubectl apply -f -"));
        assert_eq!(status.conditions[1].reason, "Audited");
    }
}
