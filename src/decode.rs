//! Wire and files to [`Change`]: the only thing the auditor is fed with.

mod lenient;
pub mod manifest;
pub mod metadata;
pub mod namespace;
pub mod network_policy;
pub mod object;
pub mod pod;
mod selector;
pub mod wire;

use std::sync::Arc;

use crate::subject::Resource;
use crate::subject::namespace::{NamespaceObject, NetworkPolicyFacts};
use crate::subject::objects::ObjectFacts;

use pod::PodRecord;

/// The shards of a record of what was found before, by number; none for one that is lost.
pub type RecordShards = Box<[Option<Box<[u8]>>]>;

/// Something happened in the cluster, or was read from a file.
#[derive(Debug)]
pub enum Change {
    /// A pod is there, or is as follows now.
    Pod(PodRecord),
    /// The pod of this uid is gone.
    PodGone(u128),
    /// A namespace is there, or is as follows now.
    Namespace(Arc<str>, NamespaceObject),
    /// A namespace is gone.
    NamespaceGone(Arc<str>),
    /// A network policy is there, in this namespace.
    NetworkPolicy(Arc<str>, NetworkPolicyFacts),
    /// A network policy is gone: namespace and name.
    NetworkPolicyGone(Arc<str>, Box<str>),
    /// An object that only some rules read is there, or is as follows now.
    Object(ObjectFacts),
    /// A workload of the cluster is there, or is as follows now: what its pods are compared with, and the pod that
    /// it would make; none if it will make none.
    Workload(ObjectFacts, Option<Box<PodRecord>>),
    /// Such an object is gone: kind, namespace (empty for none) and name.
    ObjectGone(Resource, Box<str>, Box<str>),
    /// A Job is there: what it is and the CronJob that controls it, if one does.
    Job(JobRecord),
    /// The Job of this uid is gone.
    JobGone(u128),
    /// A policy is there, or is as follows now.
    Policy(PolicyRecord),
    /// The policy of this name is gone.
    PolicyGone(Box<str>),
    /// Everything of this kind will be told again; what is not told again is gone.
    RelistStarted(Resource),
    /// Everything of this kind has been told.
    RelistFinished(Resource),
    /// Whether this kind may be read. Until told otherwise it may.
    Access(Resource, bool),
    /// An object without a usable name or uid: it cannot be kept, only counted.
    Unusable(Resource),
    /// An object that names an image in a place Revisor does not know.
    Unsupported(UnsupportedObject),
    /// The owner of dormant findings was looked for and is not there any more: namespace, kind, name.
    OwnerGone(Box<str>, Box<str>, Box<str>),
    /// The record that an earlier run or another replica has left, shard by shard; none for a shard that is lost, and
    /// no shard at all where there is no record.
    Record(RecordShards),
}

/// A Job, as far as attribution needs it (a pod names only its Job, never its CronJob).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JobRecord {
    /// `metadata.uid`
    pub uid: u128,
    /// Its namespace.
    pub namespace: Box<str>,
    /// Its name.
    pub name: Box<str>,
    /// Name of the CronJob that controls it.
    pub cron_job: Option<Box<str>>,
}

/// A policy as it stands in the cluster or in a file: its `spec` is read rule by rule, later.
#[derive(Clone, Debug, PartialEq)]
pub struct PolicyRecord {
    /// `metadata.name`
    pub name: Box<str>,
    /// `metadata.uid`; empty in files
    pub uid: Box<str>,
    /// `metadata.generation`; 0 in files
    pub generation: i64,
    /// `status.observedGeneration`; 0 when there is no status
    pub observed_generation: i64,
    /// `spec`, untouched
    pub spec: serde_json::Value,
    /// Where it stands, for files
    pub source: Option<Source>,
}

/// An object of a kind that Revisor does not know, with a field `image` and no pod template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnsupportedObject {
    /// Its namespace; empty for none.
    pub namespace: Box<str>,
    /// Its kind.
    pub kind: Box<str>,
    /// Its name.
    pub name: Box<str>,
    /// What stands in its field `image`.
    pub image: Box<str>,
    /// Where it stands.
    pub source: Option<Source>,
}

/// Where an object stands in the input.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Source {
    /// The file's path as given, or `-` for standard input.
    pub file: Arc<str>,
    /// The line where the object begins, counted from 1.
    pub line: u32,
}
