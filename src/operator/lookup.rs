//! Looks one object up by its metadata: its uid, or that it is not there. Of the kinds that own pods only; any
//! other is not asked about, since no role of ours could permit it.

use std::collections::HashMap;
use std::time::Duration;

use kube::Client;
use kube::api::{Api, DynamicObject};
use kube::core::{ApiResource, GroupVersionKind, PartialObjectMeta};
use tokio::time::Instant;

use super::write::{Failure, within};

/// How long a uid is believed.
const BELIEVED: Duration = Duration::from_secs(60);
/// How many are kept.
const CACHED: usize = 1024;

/// An object's name in full.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct ObjectKey {
    /// `apps/v1`; guessed from the kind where nothing tells.
    pub(crate) api_version: Box<str>,
    pub(crate) kind: Box<str>,
    /// Empty for objects of the cluster.
    pub(crate) namespace: Box<str>,
    pub(crate) name: Box<str>,
}

/// What a look came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Found {
    /// It is there, with this uid.
    Uid(Box<str>),
    /// It is not there.
    Gone,
    /// It cannot be said: not permitted, an unknown kind, no answer.
    Unknown,
}

/// Group and version, plural, and whether it is namespaced.
fn known(kind: &str) -> Option<(&'static str, &'static str, bool)> {
    Some(match kind {
        "Deployment" => ("apps/v1", "deployments", true),
        "ReplicaSet" => ("apps/v1", "replicasets", true),
        "StatefulSet" => ("apps/v1", "statefulsets", true),
        "DaemonSet" => ("apps/v1", "daemonsets", true),
        "Job" => ("batch/v1", "jobs", true),
        "CronJob" => ("batch/v1", "cronjobs", true),
        "ReplicationController" => ("v1", "replicationcontrollers", true),
        "Pod" => ("v1", "pods", true),
        "Namespace" => ("v1", "namespaces", false),
        _ => return None,
    })
}

/// The API version of a known kind, where an object's own is not known.
pub(crate) fn api_version_of(kind: &str) -> &'static str {
    known(kind).map_or("", |(api_version, ..)| api_version)
}

impl ObjectKey {
    /// Its URL's parts; none for a kind that is not asked about, or another group's kind of the same name.
    fn resource(&self) -> Option<(ApiResource, bool)> {
        let (api_version, plural, namespaced) = known(&self.kind)?;
        if !self.api_version.is_empty() && *self.api_version != *api_version {
            return None;
        }
        let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
        let kind = GroupVersionKind::gvk(group, version, &self.kind);
        Some((ApiResource::from_gvk_with_plural(&kind, plural), namespaced))
    }
}

/// Looks objects up and remembers uids for a short time: one rollout is several Events for one owner.
pub(crate) struct Lookup {
    client: Client,
    deadline: Duration,
    uids: HashMap<ObjectKey, (Box<str>, Instant)>,
}

impl Lookup {
    pub(crate) fn new(client: Client, deadline: Duration) -> Self {
        Self { client, deadline, uids: HashMap::new() }
    }

    /// The uid of an object, as it was not long ago.
    pub(crate) async fn uid(&mut self, key: &ObjectKey) -> Found {
        let now = Instant::now();
        match self.uids.get(key) {
            Some((uid, at)) if now.saturating_duration_since(*at) < BELIEVED => {
                return Found::Uid(uid.clone());
            }
            _ => {}
        }
        let found = self.look(key).await;
        if let Found::Uid(uid) = &found {
            if self.uids.len() >= CACHED {
                self.uids.clear();
            }
            self.uids.insert(key.clone(), (uid.clone(), now));
        }
        found
    }

    /// Whether an object is there now.
    pub(crate) async fn look(&self, key: &ObjectKey) -> Found {
        let Some((resource, namespaced)) = key.resource() else { return Found::Unknown };
        let client = self.client.clone();
        let api: Api<PartialObjectMeta<DynamicObject>> = match namespaced {
            true => Api::namespaced_with(client, &key.namespace, &resource),
            false => Api::all_with(client, &resource),
        };
        match within(self.deadline, api.get(&key.name)).await {
            Ok(object) => object.metadata.uid.map_or(Found::Unknown, |uid| Found::Uid(uid.into())),
            Err(Failure::NotFound(_)) => Found::Gone,
            Err(failure) => {
                tracing::debug!(kind = &*key.kind, error = %failure, "an owner could not be looked up");
                Found::Unknown
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(api_version: &str, kind: &str) -> ObjectKey {
        ObjectKey {
            api_version: api_version.into(),
            kind: kind.into(),
            namespace: "a".into(),
            name: "x".into(),
        }
    }

    #[test]
    fn kinds_that_own_pods_are_looked_up_and_others_are_not() {
        let (resource, namespaced) = key("apps/v1", "Deployment").resource().unwrap();
        assert_eq!((&*resource.group, &*resource.version, &*resource.plural), ("apps", "v1", "deployments"));
        assert!(namespaced);
        assert_eq!(key("", "CronJob").resource().unwrap().0.api_version, "batch/v1");
        assert_eq!(key("argoproj.io/v1alpha1", "Rollout").resource(), None);
        assert_eq!(key("example.com/v1", "Deployment").resource(), None, "another group's Deployment");
    }
}
