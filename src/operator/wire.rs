//! What the watches carry: the lean types of [`crate::decode::wire`], and policies.

use std::borrow::Cow;
use std::fmt::Debug;

use kube::core::{ClusterResourceScope, ObjectMeta};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer};
use serde_json::Value;

use super::observed::Observed;
use crate::decode::wire::{Lean, Wire};
use crate::decode::{Change, PolicyRecord};
use crate::policy::compile::take_spec;
use crate::subject::Resource;

/// An object of a watched kind.
pub(crate) trait Told:
    kube::Resource<DynamicType = ()> + Clone + Debug + DeserializeOwned + Send + 'static
{
    /// Which kind it is.
    const RESOURCE: Resource;
    /// Keeps what writers need of it, before it becomes a change.
    fn observe(&self, _: &Observed) {}
    /// Forgets that, when it is gone.
    fn forget(&self, _: &Observed) {}
    /// It is there, or is as follows now.
    fn change(self) -> Change;
    /// It is gone; none when it cannot be named.
    fn gone(self) -> Option<Change>;
}

impl<T: Lean + Send + 'static> Told for Wire<T>
where
    T::Scope: 'static,
{
    const RESOURCE: Resource = T::RESOURCE;

    fn change(self) -> Change {
        self.record.change()
    }

    fn gone(self) -> Option<Change> {
        self.record.gone()
    }
}

/// An ImagePolicy as it comes: nothing in it can fail to decode, its spec is judged rule by rule later.
#[derive(Clone, Debug, Default)]
pub(crate) struct Policy {
    meta: ObjectMeta,
    /// `spec`, as it was written.
    spec: Value,
    /// `status`, untouched.
    pub(crate) status: Value,
}

impl Policy {
    /// `metadata.name`
    pub(crate) fn name(&self) -> &str {
        self.meta.name.as_deref().unwrap_or_default()
    }

    /// `metadata.uid`
    pub(crate) fn uid(&self) -> &str {
        self.meta.uid.as_deref().unwrap_or_default()
    }

    /// `metadata.resourceVersion`
    pub(crate) fn resource_version(&self) -> &str {
        self.meta.resource_version.as_deref().unwrap_or_default()
    }
}

impl<'de> Deserialize<'de> for Policy {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut object = Value::deserialize(deserializer)?;
        let spec = take_spec(&mut object);
        let mut take = |key: &str| object.get_mut(key).map(Value::take).unwrap_or_default();
        let (metadata, status) = (take("metadata"), take("status"));
        let text = |key: &str| metadata.get(key).and_then(Value::as_str).map(str::to_owned);
        let meta = ObjectMeta {
            name: text("name"),
            uid: text("uid"),
            resource_version: text("resourceVersion"),
            generation: metadata.get("generation").and_then(Value::as_i64),
            ..ObjectMeta::default()
        };
        Ok(Self { meta, spec, status })
    }
}

impl kube::Resource for Policy {
    type DynamicType = ();
    type Scope = ClusterResourceScope;

    fn kind((): &()) -> Cow<'_, str> {
        "ImagePolicy".into()
    }

    fn group((): &()) -> Cow<'_, str> {
        Resource::ImagePolicies.group().into()
    }

    fn version((): &()) -> Cow<'_, str> {
        "v1alpha1".into()
    }

    fn plural((): &()) -> Cow<'_, str> {
        Resource::ImagePolicies.plural().into()
    }

    fn meta(&self) -> &ObjectMeta {
        &self.meta
    }

    fn meta_mut(&mut self) -> &mut ObjectMeta {
        &mut self.meta
    }
}

impl Told for Policy {
    const RESOURCE: Resource = Resource::ImagePolicies;

    fn observe(&self, observed: &Observed) {
        observed.keep(self);
    }

    fn forget(&self, observed: &Observed) {
        observed.forget(self);
    }

    fn change(self) -> Change {
        if self.name().is_empty() {
            return Change::Unusable(Resource::ImagePolicies);
        }
        Change::Policy(PolicyRecord {
            name: self.name().into(),
            uid: self.uid().into(),
            generation: self.meta.generation.unwrap_or_default(),
            observed_generation: self
                .status
                .get("observedGeneration")
                .and_then(Value::as_i64)
                .unwrap_or_default(),
            spec: self.spec,
            source: None,
        })
    }

    fn gone(self) -> Option<Change> {
        self.meta.name.map(|name| Change::PolicyGone(name.into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_policy_keeps_its_spec_as_written_and_its_observed_generation() {
        let policy: Policy = serde_json::from_str(
            r#"{"apiVersion":"revisor.dev/v1alpha1","kind":"ImagePolicy",
                "metadata":{"name":"baseline","uid":"u","resourceVersion":"9","generation":4,"managedFields":[{}]},
                "spec":{"rules":{"noSuchRule":{}}},"status":{"observedGeneration":3}}"#,
        )
        .unwrap();
        assert_eq!((policy.name(), policy.uid(), policy.resource_version()), ("baseline", "u", "9"));
        let Change::Policy(record) = policy.change() else { panic!("a policy") };
        assert_eq!((record.generation, record.observed_generation), (4, 3));
        assert_eq!(record.spec, serde_json::json!({"rules": {"noSuchRule": {}}}));
    }

    #[test]
    fn a_policy_of_any_shape_decodes_so_that_no_page_fails() {
        for text in [r#"{"metadata":7,"spec":null}"#, "[]", "null", r#"{"metadata":{"name":{}},"status":1}"#]
        {
            let policy: Policy = serde_json::from_str(text).unwrap();
            assert!(matches!(policy.change(), Change::Unusable(Resource::ImagePolicies)), "{text}");
        }
    }
}
