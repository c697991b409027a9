//! Which replica writes: leader election by a Lease. The state machine is pure and knows no remote clock: that
//! another replica's lease has run out is judged only by how long this one has seen no change in it. Every write
//! carries the resourceVersion of what it is based on, so that of two replicas that take the Lease one is refused.
//!
//! A term ends by this replica's own clock when it could not be renewed for the renew deadline, which is shorter
//! than the lease, so that it is over before any other replica may begin one.

use std::hash::{BuildHasher as _, RandomState};
use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::coordination::v1::Lease;
use kube::core::{ApiResource, DynamicObject};
use serde_json::{Value, json};
use tokio::time::Instant;

/// The longest lease of another replica that is believed: a typing error must not leave nobody to write.
const LONGEST_LEASE: Duration = Duration::from_secs(600);

/// How replicas agree on who writes. The defaults are those of Kubernetes' own components.
#[derive(Clone, Debug)]
pub struct LeaderElection {
    /// Name of the Lease.
    pub name: String,
    /// Its namespace.
    pub namespace: String,
    /// Who does not lead waits for so long without a change before it takes the Lease.
    pub lease_duration: Duration,
    /// Who leads gives up when it could not renew the Lease for so long; shorter than the lease.
    pub renew_deadline: Duration,
    /// How often the Lease is renewed, and looked at.
    pub retry_period: Duration,
}

impl LeaderElection {
    /// With the usual times.
    pub fn new(namespace: &str, name: &str) -> Self {
        Self {
            name: name.to_owned(),
            namespace: namespace.to_owned(),
            lease_duration: Duration::from_secs(15),
            renew_deadline: Duration::from_secs(10),
            retry_period: Duration::from_secs(2),
        }
    }

    /// How long one request may take: there is time for three within the renew deadline.
    pub(crate) fn request_deadline(&self) -> Duration {
        self.renew_deadline / 4
    }

    /// The same with times that fit each other.
    fn sound(self) -> Self {
        let renew_deadline = self.renew_deadline.min(self.lease_duration * 9 / 10);
        let retry_period = self.retry_period.min(renew_deadline / 3);
        Self { renew_deadline, retry_period, ..self }
    }

    /// The lease's duration as the API has it, in whole seconds.
    fn seconds(&self) -> i64 {
        i64::try_from(self.lease_duration.as_millis().div_ceil(1000)).unwrap_or(i64::MAX).max(1)
    }
}

/// A name for this process that no other one has.
pub(crate) fn identity(instance: &str) -> String {
    format!("{instance}_{:016x}", random())
}

/// Random enough to keep processes apart.
fn random() -> u64 {
    RandomState::new().hash_one(std::process::id())
}

/// What to do next.
#[derive(Debug, PartialEq)]
pub(crate) enum Step {
    /// Look at the Lease.
    Read,
    /// Create it.
    Create(Box<DynamicObject>),
    /// Replace it: to renew it, or to take it.
    Replace(Box<DynamicObject>),
    /// Nothing: another replica leads.
    Wait,
}

/// The state machine.
#[derive(Debug)]
pub(crate) struct Election {
    settings: LeaderElection,
    identity: Box<str>,
    /// The Lease as last seen; kept when it is gone, since who held it may still believe in it.
    seen: Option<Seen>,
    /// Whether the Lease is known to look as `seen` says.
    fresh: bool,
    /// Until when this replica leads.
    leads_until: Option<Instant>,
}

#[derive(Debug)]
struct Seen {
    object: DynamicObject,
    /// It is not there any more.
    gone: bool,
    /// When it was first seen to say what it says.
    changed: Instant,
}

impl Election {
    pub(crate) fn new(settings: LeaderElection, identity: &str) -> Self {
        let settings = settings.sound();
        Self { settings, identity: identity.into(), seen: None, fresh: false, leads_until: None }
    }

    /// Until when this replica leads; none when it does not.
    pub(crate) fn leads_until(&self, now: Instant) -> Option<Instant> {
        self.leads_until.filter(|until| now < *until)
    }

    /// Who holds the Lease, and when it was last seen to change; none when nobody does.
    pub(crate) fn holder(&self) -> Option<(&str, Instant)> {
        let seen = self.seen.as_ref()?;
        let holder = seen.spec("holderIdentity").as_str().filter(|holder| !holder.is_empty())?;
        Some((holder, seen.changed))
    }

    /// The Lease may have changed: it has to be looked at before anything else.
    pub(crate) fn doubt(&mut self) {
        self.fresh = false;
    }

    /// The Lease was looked at: none where there is none.
    pub(crate) fn observe(&mut self, lease: Option<DynamicObject>, now: Instant) {
        self.fresh = true;
        match (lease, &mut self.seen) {
            (None, None) => {}
            (None, Some(seen)) => seen.gone = true,
            (Some(object), Some(seen)) if seen.says_the_same(&object) => {
                // The resourceVersion may be another one all the same.
                (seen.object, seen.gone) = (object, false);
            }
            (Some(object), seen) => *seen = Some(Seen { object, gone: false, changed: now }),
        }
        if !self.is_own() {
            self.leads_until = None;
        }
    }

    /// The Lease was written, by a request that was sent at `sent`.
    pub(crate) fn written(&mut self, lease: DynamicObject, sent: Instant) {
        self.observe(Some(lease), sent);
        self.leads_until = self.is_own().then_some(sent + self.settings.renew_deadline);
    }

    /// What to do now. `wall` is only written, never compared.
    pub(crate) fn step(&self, now: Instant, wall: Timestamp) -> Step {
        if !self.fresh {
            return Step::Read;
        }
        let Some(seen) = &self.seen else { return Step::Create(Box::new(self.new_lease(wall))) };
        if !self.is_own() && self.expires_in(now).is_some() {
            return Step::Wait;
        }
        match seen.gone {
            true => Step::Create(Box::new(self.new_lease(wall))),
            false => Step::Replace(Box::new(self.taken(seen, wall))),
        }
    }

    /// How long to wait after a turn that began at `begun`.
    pub(crate) fn pause(&self, begun: Instant, now: Instant) -> Duration {
        let retry = self.settings.retry_period;
        if self.leads_until(now).is_some() {
            return (begun + retry).saturating_duration_since(now);
        }
        // From one to 2.2 times, so that replicas do not march in step.
        let thousandths = u32::try_from(random() % 1_200).unwrap_or_default();
        let jittered = retry + retry * thousandths / 1_000;
        self.expires_in(now).map_or(jittered, |left| left.min(jittered))
    }

    /// The Lease as who ends writes it, so that another replica need not wait; none for one that is not held.
    pub(crate) fn released(&self, wall: Timestamp) -> Option<DynamicObject> {
        let seen = self.seen.as_ref().filter(|seen| self.is_own() && !seen.gone)?;
        let mut object = seen.object.clone();
        let now = micro_time(wall);
        object.data["spec"]["holderIdentity"] = json!("");
        object.data["spec"]["leaseDurationSeconds"] = json!(1);
        object.data["spec"]["renewTime"] = json!(now);
        object.data["spec"]["acquireTime"] = json!(now);
        Some(object)
    }

    fn is_own(&self) -> bool {
        self.holder().is_some_and(|(holder, _)| *holder == *self.identity)
    }

    /// How long the lease of another replica is still believed in; none when it is not.
    fn expires_in(&self, now: Instant) -> Option<Duration> {
        let (_, changed) = self.holder()?;
        let left = (changed + self.believed()).saturating_duration_since(now);
        (!left.is_zero()).then_some(left)
    }

    /// For how long a lease is believed: what its holder says, within reason.
    fn believed(&self) -> Duration {
        let own = self.settings.lease_duration;
        let said = self.seen.as_ref().and_then(|seen| seen.spec("leaseDurationSeconds").as_i64());
        match said.and_then(|seconds| u64::try_from(seconds).ok()).filter(|seconds| *seconds > 0) {
            Some(seconds) if i64::try_from(seconds) != Ok(self.settings.seconds()) => {
                Duration::from_secs(seconds).min(LONGEST_LEASE)
            }
            _ => own,
        }
    }

    fn new_lease(&self, wall: Timestamp) -> DynamicObject {
        let LeaderElection { name, namespace, .. } = &self.settings;
        let mut object = DynamicObject::new(name, &resource()).within(namespace);
        let transitions = self.seen.as_ref().map_or(0, |seen| self.transitions(seen));
        object.data = json!({"spec": self.spec(json!({}), micro_time(wall), None, transitions)});
        object
    }

    /// What was seen, held by this replica. Whatever else stands in it stays.
    fn taken(&self, seen: &Seen, wall: Timestamp) -> DynamicObject {
        let mut object = seen.object.clone();
        let mut now = micro_time(wall);
        if seen.spec("renewTime").as_str() == Some(&*now) {
            // A renewal that changes nothing would be none to see for others.
            now = micro_time(wall + Duration::from_micros(1));
        }
        let acquired = self.is_own().then(|| seen.spec("acquireTime").as_str()).flatten().map(str::to_owned);
        let spec = match seen.object.data.get("spec") {
            Some(spec) if spec.is_object() => spec.clone(),
            _ => json!({}),
        };
        let spec = self.spec(spec, now, acquired, self.transitions(seen));
        if !object.data.is_object() {
            object.data = json!({});
        }
        object.data["spec"] = spec;
        object
    }

    fn spec(&self, mut spec: Value, now: String, acquired: Option<String>, transitions: i64) -> Value {
        spec["holderIdentity"] = json!(*self.identity);
        spec["leaseDurationSeconds"] = json!(self.settings.seconds());
        spec["acquireTime"] = json!(acquired.unwrap_or_else(|| now.clone()));
        spec["renewTime"] = json!(now);
        spec["leaseTransitions"] = json!(transitions);
        spec
    }

    /// How often the Lease has changed hands, counted by who takes it.
    fn transitions(&self, seen: &Seen) -> i64 {
        let before = seen.spec("leaseTransitions").as_i64().unwrap_or_default().max(0);
        let most = i64::from(i32::MAX);
        if self.is_own() { before.min(most) } else { before.saturating_add(1).min(most) }
    }
}

impl Seen {
    fn spec(&self, field: &str) -> &Value {
        self.object.data.get("spec").and_then(|spec| spec.get(field)).unwrap_or(&Value::Null)
    }

    /// Whether `object` is the same Lease and says the same. Others may label it: that renews nothing.
    fn says_the_same(&self, object: &DynamicObject) -> bool {
        self.object.metadata.uid == object.metadata.uid
            && self.object.data.get("spec") == object.data.get("spec")
    }
}

/// The kind.
pub(crate) fn resource() -> ApiResource {
    ApiResource::erase::<Lease>(&())
}

fn micro_time(wall: Timestamp) -> String {
    format!("{wall:.6}")
}

#[cfg(test)]
#[path = "lease/tests.rs"]
mod tests;
