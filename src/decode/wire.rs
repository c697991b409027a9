//! Lean types for kube's watcher: what it needs of an object (its resourceVersion) beside what we keep.
//!
//! They never refuse an object, so one malformed item cannot stop a page or a watch. The resourceVersion is
//! filled even then: without it kube lists everything again.

use std::borrow::Cow;
use std::fmt::Debug;
use std::marker::PhantomData;
use std::sync::OnceLock;

use kube::core::{ClusterResourceScope, NamespaceResourceScope, ObjectMeta, Resource};
use serde::{Deserialize, Deserializer};
use serde_json::Value;

use super::namespace::NamespaceRecord;
use super::network_policy::NetworkPolicyRecord;
use super::object::{self, is_usable};
use super::pod::PodRecord;
use super::{Change, metadata::JobMetadata};
use crate::subject;
use crate::subject::objects::ObjectFacts;

/// A record read from the wire.
pub trait Lean: Clone + Debug + for<'de> Deserialize<'de> {
    /// Namespaced or not.
    type Scope;
    /// Which resource it is.
    const RESOURCE: subject::Resource;
    /// Only its metadata is asked for.
    const METADATA_ONLY: bool = false;
    /// The resourceVersion, for the watch to go on.
    fn resource_version(&self) -> &str;
    /// The change that this object's presence is.
    fn change(self) -> Change;
    /// The change that this object's disappearance is; none for one that could never be kept.
    fn gone(self) -> Option<Change>;
}

/// A record with the metadata that kube's watcher asks for.
#[derive(Clone, Debug)]
pub struct Wire<T> {
    /// Made when it is asked for: it is several times the record's size, and of a list nobody asks.
    metadata: OnceLock<Box<ObjectMeta>>,
    /// What we keep.
    pub record: T,
}

impl<'de, T: Lean> Deserialize<'de> for Wire<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Self { metadata: OnceLock::new(), record: T::deserialize(deserializer)? })
    }
}

impl<T: Lean> Resource for Wire<T> {
    type DynamicType = ();
    type Scope = T::Scope;

    fn kind((): &()) -> Cow<'_, str> {
        T::RESOURCE.kind().into()
    }

    fn group((): &()) -> Cow<'_, str> {
        T::RESOURCE.group().into()
    }

    fn version((): &()) -> Cow<'_, str> {
        T::RESOURCE.version().into()
    }

    fn plural((): &()) -> Cow<'_, str> {
        T::RESOURCE.plural().into()
    }

    fn metadata_api() -> bool {
        T::METADATA_ONLY
    }

    fn meta(&self) -> &ObjectMeta {
        self.metadata.get_or_init(|| {
            let resource_version = Some(self.record.resource_version().to_owned());
            Box::new(ObjectMeta { resource_version, ..ObjectMeta::default() })
        })
    }

    fn meta_mut(&mut self) -> &mut ObjectMeta {
        self.meta();
        match self.metadata.get_mut() {
            Some(metadata) => metadata,
            None => unreachable!("it has just been made"),
        }
    }
}

impl Lean for PodRecord {
    type Scope = NamespaceResourceScope;
    const RESOURCE: subject::Resource = subject::Resource::Pods;

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
    type Scope = ClusterResourceScope;
    const RESOURCE: subject::Resource = subject::Resource::Namespaces;

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
    type Scope = NamespaceResourceScope;
    const RESOURCE: subject::Resource = subject::Resource::NetworkPolicies;

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
    type Scope = NamespaceResourceScope;
    const RESOURCE: subject::Resource = subject::Resource::Jobs;
    const METADATA_ONLY: bool = true;

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

/// Which kind of object a watch carries.
pub trait Kind: Clone + Debug + Send + Sync + 'static {
    /// Namespaced or not.
    type Scope: 'static;
    /// Which resource it is.
    const RESOURCE: subject::Resource;
    /// Only its metadata is asked for.
    const METADATA_ONLY: bool;
}

macro_rules! kinds {
    ($($name:ident $scope:ident $metadata_only:literal;)*) => {$(
        #[doc = concat!("[`subject::Resource::", stringify!($name), "`]")]
        #[derive(Clone, Debug)]
        pub struct $name;

        impl Kind for $name {
            type Scope = $scope;
            const RESOURCE: subject::Resource = subject::Resource::$name;
            const METADATA_ONLY: bool = $metadata_only;
        }
    )*};
}

/// Hands every kind of object that only some rules read to a macro, behind what stands in brackets: name, scope, and
/// whether only its metadata is asked for. The one list of them.
macro_rules! object_kinds {
    ($then:ident[$($first:tt)*]) => {
        $then! {
            $($first)*
            Exemptions NamespaceResourceScope false;
            ResourceQuotas NamespaceResourceScope false;
            LimitRanges NamespaceResourceScope false;
            ServiceAccounts NamespaceResourceScope false;
            Services NamespaceResourceScope false;
            Ingresses NamespaceResourceScope false;
            Roles NamespaceResourceScope false;
            RoleBindings NamespaceResourceScope false;
            ClusterRoles ClusterResourceScope false;
            ClusterRoleBindings ClusterResourceScope false;
            ValidatingWebhooks ClusterResourceScope false;
            MutatingWebhooks ClusterResourceScope false;
            AdmissionPolicies ClusterResourceScope false;
            AdmissionPolicyBindings ClusterResourceScope false;
            ReplicaSets NamespaceResourceScope false;
            StatefulSets NamespaceResourceScope false;
            DaemonSets NamespaceResourceScope false;
            ReplicationControllers NamespaceResourceScope false;
            JobTemplates NamespaceResourceScope false;
            Deployments NamespaceResourceScope false;
            CronJobs NamespaceResourceScope false;
            Nodes ClusterResourceScope false;
            AdminNetworkPolicies ClusterResourceScope false;
            BaselineAdminNetworkPolicies ClusterResourceScope false;
            ClusterNetworkPolicies ClusterResourceScope false;
            CiliumNetworkPolicies NamespaceResourceScope true;
            CiliumClusterwideNetworkPolicies ClusterResourceScope true;
            CalicoNetworkPolicies NamespaceResourceScope true;
            CalicoGlobalNetworkPolicies ClusterResourceScope true;
            CalicoApiNetworkPolicies NamespaceResourceScope true;
            CalicoApiGlobalNetworkPolicies ClusterResourceScope true;
        }
    };
}
pub(crate) use object_kinds;

object_kinds!(kinds[]);

/// An object of a kind, with its resourceVersion.
#[derive(Clone, Debug)]
pub struct ObjectRecord<K> {
    /// `metadata.resourceVersion`
    pub resource_version: String,
    /// What rules read.
    pub facts: ObjectFacts,
    /// The pod that a workload would make.
    stand_in: Option<Box<PodRecord>>,
    kind: PhantomData<K>,
}

impl<'de, K: Kind> Deserialize<'de> for ObjectRecord<K> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = Value::deserialize(deserializer)?;
        let resource_version = object::metadata(&value, "resourceVersion").to_owned();
        let stand_in = K::RESOURCE.is_template().then(|| object::stand_in::read(K::RESOURCE, &value));
        Ok(Self {
            resource_version,
            facts: object::facts(K::RESOURCE, &value),
            stand_in: stand_in.flatten().map(Box::new),
            kind: PhantomData,
        })
    }
}

impl<K: Kind> Lean for ObjectRecord<K> {
    type Scope = K::Scope;
    const RESOURCE: subject::Resource = K::RESOURCE;
    const METADATA_ONLY: bool = K::METADATA_ONLY;

    fn resource_version(&self) -> &str {
        &self.resource_version
    }

    fn change(self) -> Change {
        match is_usable(&self.facts) {
            true if K::RESOURCE.is_template() => Change::Workload(self.facts, self.stand_in),
            true => Change::Object(self.facts),
            false => Change::Unusable(K::RESOURCE),
        }
    }

    fn gone(self) -> Option<Change> {
        is_usable(&self.facts).then(|| Change::ObjectGone(K::RESOURCE, self.facts.namespace, self.facts.name))
    }
}
