//! What the API server sends, read in one pass from its bytes: pages of a list and frames of a watch
//! ([`envelope`]), and in them objects of a kind, each as the change that it is.
//!
//! No object is refused, so one malformed item cannot stop a page or a watch. Its resourceVersion is read even then,
//! for the watch to go on from.

pub mod envelope;

use std::marker::PhantomData;

use serde::{Deserialize, Deserializer};
use serde_json::Value;
use serde_json::value::RawValue;

use super::namespace::NamespaceRecord;
use super::network_policy::NetworkPolicyRecord;
use super::object::{self, is_usable};
use super::pod::PodRecord;
use super::{Change, metadata::JobMetadata};
use crate::subject::Resource;
use crate::subject::objects::ObjectFacts;
use envelope::{Frame, PageEnd};

/// A kind of object: how one is read, and which change it is.
pub trait Kind: Send + Sync {
    /// What is read of an object.
    type Record;
    /// Reads an object. Whatever stands there, only broken JSON is an error: it would cost all that came with it.
    fn read<'de, D: Deserializer<'de>>(&self, deserializer: D) -> Result<Self::Record, D::Error>;
    /// The resourceVersion, for the watch to go on; empty where there is none.
    fn resource_version<'r>(&self, record: &'r Self::Record) -> &'r str;
    /// The change that this object's presence is.
    fn change(&self, record: Self::Record) -> Change;
    /// The change that this object's disappearance is; none for one that could never be kept.
    fn gone(&self, record: Self::Record) -> Option<Change>;
}

/// A [`Kind`] behind a pointer: what reads pages and frames is compiled once a type of record, and what talks with the
/// API server once.
pub trait Decoder: Send + Sync {
    /// Reads a page of a list and tells its objects one by one. Those told before an error are right.
    fn page(&self, bytes: &[u8], tell: &mut dyn FnMut(Change)) -> Result<PageEnd, serde_json::Error>;
    /// Reads a frame of a watch. The resourceVersion of what it tells, if it has one, is written to `version`.
    fn frame(&self, bytes: &[u8], version: &mut String) -> Result<Frame, serde_json::Error>;
}

impl<K: Kind> Decoder for K {
    fn page(&self, bytes: &[u8], tell: &mut dyn FnMut(Change)) -> Result<PageEnd, serde_json::Error> {
        envelope::page(self, bytes, tell)
    }

    fn frame(&self, bytes: &[u8], version: &mut String) -> Result<Frame, serde_json::Error> {
        envelope::frame(self, bytes, version)
    }
}

/// The decoder of a kind; none for policies, whose spec is no business of this floor.
pub fn decoder(resource: Resource) -> Option<Box<dyn Decoder>> {
    Some(match resource {
        Resource::Pods => Box::new(Of::<PodRecord>::default()),
        Resource::Namespaces => Box::new(Of::<NamespaceRecord>::default()),
        Resource::NetworkPolicies => Box::new(Of::<NetworkPolicyRecord>::default()),
        Resource::Jobs => Box::new(Of::<JobMetadata>::default()),
        Resource::ImagePolicies => return None,
        other => Box::new(Objects(other)),
    })
}

/// Whether only the metadata of a kind's objects is asked for.
pub fn is_metadata_only(resource: Resource) -> bool {
    resource == Resource::Jobs || resource.is_presence()
}

/// A record that knows by its type of which kind it is.
pub trait Lean: for<'de> Deserialize<'de> {
    /// Which kind it is.
    const RESOURCE: Resource;
    /// See [`Kind::resource_version`].
    fn resource_version(&self) -> &str;
    /// See [`Kind::change`].
    fn change(self) -> Change;
    /// See [`Kind::gone`].
    fn gone(self) -> Option<Change>;
}

/// The kind whose records are `T`.
#[derive(Clone, Copy, Debug)]
pub struct Of<T>(PhantomData<fn() -> T>);

impl<T> Default for Of<T> {
    fn default() -> Self {
        Self(PhantomData)
    }
}

impl<T: Lean> Kind for Of<T> {
    type Record = T;

    #[inline]
    fn read<'de, D: Deserializer<'de>>(&self, deserializer: D) -> Result<T, D::Error> {
        T::deserialize(deserializer)
    }

    fn resource_version<'r>(&self, record: &'r T) -> &'r str {
        record.resource_version()
    }

    fn change(&self, record: T) -> Change {
        record.change()
    }

    fn gone(&self, record: T) -> Option<Change> {
        record.gone()
    }
}

impl Lean for PodRecord {
    const RESOURCE: Resource = Resource::Pods;

    fn resource_version(&self) -> &str {
        self.resource_version.as_str()
    }

    fn change(self) -> Change {
        if self.is_usable() { Change::Pod(self) } else { Change::Unusable(Self::RESOURCE) }
    }

    fn gone(self) -> Option<Change> {
        (self.uid != 0).then_some(Change::PodGone(self.uid))
    }
}

impl Lean for NamespaceRecord {
    const RESOURCE: Resource = Resource::Namespaces;

    fn resource_version(&self) -> &str {
        &self.resource_version
    }

    fn change(self) -> Change {
        if self.name.is_empty() {
            return Change::Unusable(Self::RESOURCE);
        }
        Change::Namespace(self.name, self.object)
    }

    fn gone(self) -> Option<Change> {
        (!self.name.is_empty()).then_some(Change::NamespaceGone(self.name))
    }
}

impl Lean for NetworkPolicyRecord {
    const RESOURCE: Resource = Resource::NetworkPolicies;

    fn resource_version(&self) -> &str {
        &self.resource_version
    }

    fn change(self) -> Change {
        if self.facts.name.is_empty() || self.namespace.is_empty() {
            return Change::Unusable(Self::RESOURCE);
        }
        Change::NetworkPolicy(self.namespace, self.facts)
    }

    fn gone(self) -> Option<Change> {
        Some(Change::NetworkPolicyGone(self.namespace, self.facts.name))
    }
}

impl Lean for JobMetadata {
    const RESOURCE: Resource = Resource::Jobs;

    fn resource_version(&self) -> &str {
        &self.resource_version
    }

    fn change(self) -> Change {
        if self.job.uid == 0 { Change::Unusable(Self::RESOURCE) } else { Change::Job(self.job) }
    }

    fn gone(self) -> Option<Change> {
        (self.job.uid != 0).then_some(Change::JobGone(self.job.uid))
    }
}

/// A kind that only some rules read.
#[derive(Clone, Copy, Debug)]
pub struct Objects(pub Resource);

/// An object of such a kind.
#[derive(Clone, Debug)]
pub struct ObjectRecord {
    resource_version: String,
    facts: ObjectFacts,
    /// The pod that a workload would make.
    stand_in: Option<Box<PodRecord>>,
}

impl Objects {
    fn record(self, text: &str) -> ObjectRecord {
        let kind = self.0;
        match serde_json::from_str::<Value>(text) {
            Ok(value) => ObjectRecord {
                resource_version: object::metadata(&value, "resourceVersion").to_owned(),
                stand_in: kind
                    .is_template()
                    .then(|| object::stand_in::read(kind, &value))
                    .flatten()
                    .map(Box::new),
                facts: object::facts(kind, &value),
            },
            Err(_) => Self::unreadable(kind, text),
        }
    }

    /// An object that the parser makes no tree of: it nests deeper than any API does. That it is there, and cannot be
    /// judged, is known all the same.
    fn unreadable(kind: Resource, text: &str) -> ObjectRecord {
        let (resource_version, namespace, name) = match serde_json::from_str::<JobMetadata>(text) {
            Ok(JobMetadata { resource_version, job }) => (resource_version, job.namespace, job.name),
            Err(_) => Default::default(),
        };
        let facts = object::malformed(kind, namespace, name);
        ObjectRecord { resource_version, facts, stand_in: None }
    }
}

impl Kind for Objects {
    type Record = ObjectRecord;

    fn read<'de, D: Deserializer<'de>>(&self, deserializer: D) -> Result<ObjectRecord, D::Error> {
        let text = <&RawValue>::deserialize(deserializer)?;
        Ok(self.record(text.get()))
    }

    fn resource_version<'r>(&self, record: &'r ObjectRecord) -> &'r str {
        &record.resource_version
    }

    fn change(&self, record: ObjectRecord) -> Change {
        match is_usable(&record.facts) {
            true if self.0.is_template() => Change::Workload(record.facts, record.stand_in),
            true => Change::Object(record.facts),
            false => Change::Unusable(self.0),
        }
    }

    fn gone(&self, record: ObjectRecord) -> Option<Change> {
        let facts = record.facts;
        is_usable(&facts).then(|| Change::ObjectGone(self.0, facts.namespace, facts.name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_but_policies_has_a_decoder_and_policies_are_read_elsewhere() {
        for resource in Resource::ALL {
            assert_eq!(decoder(resource).is_none(), resource == Resource::ImagePolicies, "{resource}");
        }
    }

    #[test]
    fn an_object_that_nests_too_deeply_is_malformed_and_costs_no_other_one() {
        let deep = format!("{}{}", "[".repeat(1_000), "]".repeat(1_000));
        let text = format!(
            r#"{{"spec":{{"hard":{deep}}},"metadata":{{"name":"q","namespace":"n","resourceVersion":"7"}}}}"#
        );
        let kind = Objects(Resource::ResourceQuotas);
        let record = kind.read(&mut serde_json::Deserializer::from_str(&text)).unwrap();
        assert_eq!(kind.resource_version(&record), "7");
        let Change::Object(facts) = kind.change(record) else { panic!("an object") };
        assert_eq!((&*facts.namespace, &*facts.name), ("n", "q"));
        assert_eq!(facts.content, crate::subject::objects::Content::Malformed);
    }
}
