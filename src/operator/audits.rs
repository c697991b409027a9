//! Writes one NamespaceAudit into each namespace that has findings, and removes it when the namespace is clean.
//! Compares before it writes: first the Snapshot's parts, then the content with what stands in the cluster.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::api::{Api, DeleteParams, DynamicObject, ListParams, Patch, PatchParams};
use kube::{Client, Resource as _};
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::time::Instant;

use super::leadership::{Leadership, Writer};
use super::pace::{Rate, TokenBucket};
use super::stop::Stop;
use super::write::{Complaints, Failure, MANAGER, within};
use crate::auditor::findings::Subject;
use crate::auditor::snapshot::{NamespaceSnapshot, Snapshot};
use crate::policy::namespace_audit::{NAME, NamespaceAudit, NamespaceAuditContent};
use crate::report::namespace_audit::namespace_audit;
use crate::report::operational::{Operational, WriteResult};
use crate::subject::canonical::bytes_hash;

/// Label of what the operator writes.
const MANAGED_BY: &str = "app.kubernetes.io/managed-by";
/// Objects a page; one may have 64 KiB.
const PAGE: u32 = 50;
/// Objects a page where only their metadata is read.
const NAMES: u32 = 500;
/// After so long it is looked whether what was written still stands: somebody may have deleted it, or its definition.
/// Nothing watches NamespaceAudits, which would tell the operator of each of its own writes.
const LOOKED_AFTER: Duration = Duration::from_secs(1800);
/// Snapshots are compared at most this often.
const GAP: Duration = Duration::from_secs(1);
/// How long to wait when nothing can be written at all.
const AFTER_REFUSAL: Duration = Duration::from_secs(60);

/// What changed so long before another replica was seen to lead has been written by it: the budget of half an hour
/// is enough for every namespace of a large cluster.
const WRITTEN_AFTER: Duration = Duration::from_secs(1800);

/// The writer. While another replica leads it follows: it takes what that one writes for written, so that it needs
/// no list when it takes over, and writes again only what changed not long before.
pub(crate) struct AuditWriter {
    client: Client,
    operational: Arc<Operational>,
    snapshots: watch::Receiver<Option<Arc<Snapshot>>>,
    leadership: Leadership,
    /// What stood in the cluster at the start was read.
    has_read: bool,
    /// The Snapshot that was compared last.
    last: Option<Arc<Snapshot>>,
    bucket: TokenBucket,
    deadline: Duration,
    /// What stands in the cluster, by namespace.
    written: HashMap<Box<str>, Written>,
    /// Namespaces to look at, and since when.
    dirty: BTreeMap<Box<str>, Instant>,
    /// When to look again whether what was written still stands.
    look: Instant,
    complaints: Complaints,
}

/// What stands in a namespace.
#[derive(Debug, PartialEq, Eq)]
struct Written {
    /// The namespace's uid when it was written; none for what was there at the start.
    namespace_uid: Option<Arc<str>>,
    /// Hash of the content, for what was there at the start without times ([`timeless_hash`]); none for one
    /// that cannot be read.
    content: Option<u64>,
}

/// What one look at a namespace comes to.
#[derive(Debug, PartialEq)]
enum Step {
    Nothing,
    Forget,
    Write(NamespaceAuditContent, u64),
    Delete,
}

impl Writer for AuditWriter {
    async fn lead(&mut self, mut stop: Stop) {
        if self.begin(&mut stop).await.is_none() {
            return;
        }
        loop {
            if let Some(newest) = self.compare()
                && self.work(&newest, &mut stop).await.is_none()
            {
                return;
            }
            if self.look_after(&mut stop).await.is_none() || self.news(&mut stop).await.is_none() {
                return;
            }
        }
    }

    async fn follow(&mut self, mut stop: Stop) {
        if self.begin(&mut stop).await.is_none() {
            return;
        }
        loop {
            let newest = self.compare();
            let until = self.leadership.seen_elsewhere().and_then(|seen| seen.checked_sub(WRITTEN_AFTER));
            if let (Some(newest), Some(until)) = (newest, until) {
                self.take_for_written(&newest, until);
            }
            // Whoever leads looks.
            self.look = Instant::now() + LOOKED_AFTER;
            if self.news(&mut stop).await.is_none() {
                return;
            }
        }
    }
}

impl AuditWriter {
    pub(crate) fn new(
        client: Client,
        operational: Arc<Operational>,
        (snapshots, leadership): (watch::Receiver<Option<Arc<Snapshot>>>, Leadership),
        rate: Rate,
        deadline: Duration,
    ) -> Self {
        Self {
            client,
            operational,
            snapshots,
            leadership,
            has_read: false,
            last: None,
            bucket: TokenBucket::new(rate, Instant::now()),
            deadline,
            written: HashMap::new(),
            dirty: BTreeMap::new(),
            look: Instant::now() + LOOKED_AFTER,
            complaints: Complaints::default(),
        }
    }

    /// Waits for the first audit and reads what was written before this start, once. None when told to stop.
    async fn begin(&mut self, stop: &mut Stop) -> Option<()> {
        let complete =
            |snapshot: &Option<Arc<Snapshot>>| snapshot.as_ref().is_some_and(|snapshot| snapshot.complete);
        stop.unless(self.snapshots.wait_for(complete)).await?.ok()?;
        while !self.has_read {
            match self.read_existing().await {
                Ok(()) => self.has_read = true,
                Err(failure) => {
                    let wait = self.complain("list", &failure);
                    stop.unless(tokio::time::sleep(wait)).await?;
                }
            }
        }
        Some(())
    }

    /// Marks what the newest Snapshot changed.
    fn compare(&mut self) -> Option<Arc<Snapshot>> {
        let newest = self.snapshots.borrow_and_update().clone()?;
        let mut changed = changed(self.last.as_deref(), &newest);
        if self.last.is_none() {
            changed.extend(self.written.keys().cloned());
        }
        let now = Instant::now();
        self.dirty.extend(changed.into_iter().map(|namespace| (namespace, now)));
        self.last = Some(Arc::clone(&newest));
        Some(newest)
    }

    /// Waits for a newer Snapshot, or for a moment if there is something left to do. None when told to stop.
    async fn news(&mut self, stop: &mut Stop) -> Option<()> {
        let (nothing_left, look) = (self.dirty.is_empty(), self.look);
        let snapshots = &mut self.snapshots;
        let news = async { (snapshots.changed().await, tokio::time::sleep(GAP).await).0 };
        let retry = async {
            if nothing_left { tokio::time::sleep_until(look).await } else { tokio::time::sleep(GAP).await }
        };
        let next = async {
            tokio::select! { news = news => news.is_ok(), () = retry => true }
        };
        stop.unless(next).await.filter(|goes_on| *goes_on).map(drop)
    }

    /// Now and then marks the namespaces whose NamespaceAudit is gone. None when told to stop.
    async fn look_after(&mut self, stop: &mut Stop) -> Option<()> {
        let now = Instant::now();
        if now < self.look {
            return Some(());
        }
        self.look = now + LOOKED_AFTER;
        match stop.unless(self.standing()).await? {
            Ok(standing) => {
                let gone: Vec<_> = self
                    .written
                    .keys()
                    .filter(|namespace| !standing.contains(&***namespace))
                    .cloned()
                    .collect();
                for namespace in gone {
                    self.written.remove(&namespace);
                    self.dirty.entry(namespace).or_insert(now);
                }
            }
            // Whoever writes says what is wrong.
            Err(failure) => {
                tracing::debug!(error = %failure, "NamespaceAudits cannot be looked after just now")
            }
        }
        Some(())
    }

    /// The namespaces in which a NamespaceAudit of ours stands.
    async fn standing(&self) -> Result<BTreeSet<String>, Failure> {
        let resource = kube::core::ApiResource::erase::<NamespaceAudit>(&());
        let api = Api::<DynamicObject>::all_with(self.client.clone(), &resource);
        let mut parameters = ListParams::default().labels(&format!("{MANAGED_BY}={MANAGER}")).limit(NAMES);
        let mut standing = BTreeSet::new();
        loop {
            let page = within(self.deadline, api.list_metadata(&parameters)).await?;
            let ours = page.items.into_iter().filter(|object| object.metadata.name.as_deref() == Some(NAME));
            standing.extend(ours.filter_map(|object| object.metadata.namespace));
            match page.metadata.continue_.filter(|token| !token.is_empty()) {
                Some(token) => parameters = parameters.continue_token(&token),
                None => return Ok(standing),
            }
        }
    }

    /// Another replica has written what changed up to `until`.
    fn take_for_written(&mut self, snapshot: &Snapshot, until: Instant) {
        let mut written = Vec::new();
        self.dirty.retain(|namespace, since| {
            let is_written = *since <= until;
            if is_written {
                written.push(namespace.clone());
            }
            !is_written
        });
        for namespace in written {
            match self.step(snapshot, &namespace) {
                Step::Nothing => {}
                Step::Forget | Step::Delete => {
                    self.written.remove(&namespace);
                }
                Step::Write(_, hash) => {
                    let uid = snapshot.namespace(&namespace).map(|part| part.uid.clone());
                    self.written.insert(namespace, Written { namespace_uid: uid, content: Some(hash) });
                }
            }
        }
    }

    /// What was written before this start.
    async fn read_existing(&mut self) -> Result<(), Failure> {
        let resource = kube::core::ApiResource::erase::<NamespaceAudit>(&());
        let api = Api::<DynamicObject>::all_with(self.client.clone(), &resource);
        let mut parameters = ListParams::default().labels(&format!("{MANAGED_BY}={MANAGER}")).limit(PAGE);
        self.written.clear();
        loop {
            let page = within(self.deadline, api.list(&parameters)).await?;
            for object in page.items {
                let Some(namespace) = object.metadata.namespace.clone() else { continue };
                if object.metadata.name.as_deref() != Some(NAME) {
                    continue;
                }
                let content = serde_json::from_value::<NamespaceAuditContent>(object.data).ok();
                let content = content.map(timeless_hash);
                self.written.insert(namespace.into(), Written { namespace_uid: None, content });
            }
            match page.metadata.continue_.filter(|token| !token.is_empty()) {
                Some(token) => parameters = parameters.continue_token(&token),
                None => return Ok(()),
            }
        }
    }

    /// Looks at dirty namespaces until there are none, or until a newer Snapshot is there and the pace allows to
    /// compare it; none when the operator ends. A namespace stays dirty until it is dealt with.
    async fn work(&mut self, snapshot: &Snapshot, stop: &mut Stop) -> Option<()> {
        let begun = Instant::now();
        while let Some(namespace) = self.dirty.first_key_value().map(|(namespace, _)| namespace.clone()) {
            let wait = match self.step(snapshot, &namespace) {
                Step::Nothing => {
                    self.dirty.remove(&namespace);
                    Duration::ZERO
                }
                Step::Forget => {
                    self.dirty.remove(&namespace);
                    self.written.remove(&namespace);
                    Duration::ZERO
                }
                step => {
                    stop.unless(tokio::time::sleep(self.bucket.take(Instant::now()))).await?;
                    self.write(snapshot, namespace, step).await
                }
            };
            tokio::task::yield_now().await;
            stop.unless(tokio::time::sleep(wait)).await?;
            if begun.elapsed() >= GAP && self.snapshots.has_changed().unwrap_or(true) {
                break;
            }
        }
        Some(())
    }

    fn step(&self, snapshot: &Snapshot, namespace: &str) -> Step {
        let part = snapshot.namespace(namespace).filter(|part| part.exists);
        let written = self.written.get(namespace);
        let Some(part) = part else { return if written.is_some() { Step::Forget } else { Step::Nothing } };
        if part.terminating {
            return Step::Nothing;
        }
        decide(part, namespace_audit(snapshot, namespace), written)
    }

    /// Writes or deletes; returns how long to pause.
    async fn write(&mut self, snapshot: &Snapshot, namespace: Box<str>, step: Step) -> Duration {
        let api = Api::<DynamicObject>::namespaced_with(
            self.client.clone(),
            &namespace,
            &kube::core::ApiResource::erase::<NamespaceAudit>(&()),
        );
        let (done, written) = match step {
            Step::Write(content, hash) => {
                let parameters = PatchParams::apply(MANAGER).force();
                let patch = Patch::Apply(object(&namespace, &content));
                let request = api.patch(NAME, &parameters, &patch);
                let uid = snapshot.namespace(&namespace).map(|part| part.uid.clone());
                let written = Written { namespace_uid: uid, content: Some(hash) };
                (within(self.deadline, request).await.map(drop), Some(written))
            }
            _ => {
                let deleted =
                    within(self.deadline, api.delete(NAME, &DeleteParams::default())).await.map(drop);
                // Gone is gone.
                (
                    deleted.or_else(|failure| {
                        if matches!(failure, Failure::NotFound(_)) { Ok(()) } else { Err(failure) }
                    }),
                    None,
                )
            }
        };
        self.account(namespace, done, written)
    }

    fn account(
        &mut self,
        namespace: Box<str>,
        done: Result<(), Failure>,
        written: Option<Written>,
    ) -> Duration {
        let since = self.dirty.remove(&namespace).unwrap_or_else(Instant::now);
        let failure = match done {
            Ok(()) => {
                self.operational.status_write(WriteResult::Written);
                match written {
                    Some(written) => self.written.insert(namespace, written),
                    None => self.written.remove(&namespace),
                };
                if self.complaints.mended("write") {
                    tracing::info!("NamespaceAudits can be written again");
                }
                return Duration::ZERO;
            }
            Err(failure) => failure,
        };
        if failure.namespace_is_gone() {
            self.written.remove(&namespace);
            return Duration::ZERO;
        }
        self.operational.status_write(failure.result());
        if let Failure::Refused(_) = failure {
            // Only another content can change that.
            if self.complaints.is_new(&namespace) {
                tracing::warn!(namespace = &*namespace, error = %failure, "the NamespaceAudit cannot be written");
            }
            return Duration::ZERO;
        }
        self.dirty.insert(namespace, since);
        self.complain("write", &failure)
    }

    /// Says once that audits cannot be listed or written; returns when to try again.
    fn complain(&mut self, what: &str, failure: &Failure) -> Duration {
        if self.complaints.is_new(what) {
            let crd = matches!(failure, Failure::NotFound(_)).then_some(super::watch::INSTALL_CRDS);
            tracing::warn!(error = %failure, crd, "NamespaceAudits cannot be {what}ed just now; auditing goes on");
        }
        match failure {
            Failure::Later(wait, _) => *wait,
            _ => AFTER_REFUSAL,
        }
    }
}

fn decide(
    part: &NamespaceSnapshot,
    content: Option<NamespaceAuditContent>,
    written: Option<&Written>,
) -> Step {
    let Some(content) = content else {
        return if written.is_some() { Step::Delete } else { Step::Nothing };
    };
    let hash = content_hash(&content);
    let same = written.is_some_and(|written| match &written.namespace_uid {
        Some(uid) => **uid == *part.uid && written.content == Some(hash),
        None => written.content == Some(timeless_hash(content.clone())),
    });
    if same { Step::Nothing } else { Step::Write(content, hash) }
}

fn content_hash(content: &NamespaceAuditContent) -> u64 {
    bytes_hash(&serde_json::to_vec(content).unwrap_or_default())
}

/// The same without since-times. A restarted operator does not know since when a finding is open, and what
/// stands there does: an unchanged cluster keeps it.
fn timeless_hash(mut content: NamespaceAuditContent) -> u64 {
    for finding in &mut content.findings {
        finding.since = Time(Timestamp::UNIX_EPOCH);
    }
    content_hash(&content)
}

fn object(namespace: &str, content: &NamespaceAuditContent) -> Value {
    let mut object = serde_json::to_value(content).unwrap_or_default();
    object["apiVersion"] = NamespaceAudit::api_version(&()).into();
    object["kind"] = NamespaceAudit::kind(&()).into();
    object["metadata"] = json!({"name": NAME, "namespace": namespace, "labels": {MANAGED_BY: MANAGER}});
    object
}

/// The namespaces whose audit may read differently in `new`.
fn changed(old: Option<&Snapshot>, new: &Snapshot) -> BTreeSet<Box<str>> {
    let named = |part: &Arc<NamespaceSnapshot>| Box::<str>::from(&*part.name);
    let Some(old) = old.filter(|old| same_policies(old, new)) else {
        let before = old.into_iter().flat_map(|old| old.namespaces.iter());
        return new.namespaces.iter().chain(before).map(named).collect();
    };
    let mut changed = BTreeSet::new();
    let mut before = old.namespaces.iter().peekable();
    for part in new.namespaces.iter() {
        while let Some(gone) = before.next_if(|before| before.name < part.name) {
            changed.insert(named(gone));
        }
        let same = before
            .next_if(|before| before.name == part.name)
            .is_some_and(|before| Arc::ptr_eq(before, part) || before.revision == part.revision);
        if !same {
            changed.insert(named(part));
        }
    }
    changed.extend(before.map(named));
    if !Arc::ptr_eq(&old.references, &new.references) {
        changed.extend(with_references(old).chain(with_references(new)));
    }
    changed
}

/// Whether both were judged by the same policies: severities, remedies and names stand in every finding.
fn same_policies(old: &Snapshot, new: &Snapshot) -> bool {
    let policies = |snapshot: &Snapshot| {
        snapshot.policies.iter().map(|part| Arc::as_ptr(&part.policy)).collect::<Vec<_>>()
    };
    Arc::ptr_eq(&old.policies, &new.policies) || policies(old) == policies(new)
}

fn with_references(snapshot: &Snapshot) -> impl Iterator<Item = Box<str>> + '_ {
    snapshot.references.iter().flat_map(|finding| match &finding.subject {
        Subject::Reference(spread) => spread.namespaces.iter().map(|(name, _)| Box::from(&**name)).collect(),
        _ => Vec::new(),
    })
}

#[cfg(test)]
#[path = "audits/tests.rs"]
mod tests;
