//! Policies as they come over the wire. Other kinds are read by [`crate::decode::wire`]: what a policy says is the
//! business of a higher floor.

use std::borrow::Cow;
use std::sync::Arc;

use kube::core::{ClusterResourceScope, ObjectMeta};
use serde::{Deserialize, Deserializer};
use serde_json::Value;
use serde_json::value::RawValue;

use super::observed::Observed;
use crate::decode::wire::Kind;
use crate::decode::{Change, PolicyRecord};
use crate::policy::compile::take_spec;
use crate::subject::Resource;

/// An ImagePolicy as it comes: nothing in it can fail to decode, its spec is judged rule by rule later.
#[derive(Clone, Debug, Default)]
pub(crate) struct Policy {
    meta: ObjectMeta,
    /// `spec`, as it was written.
    spec: Value,
    /// `status`, untouched.
    pub(crate) status: Value,
}

/// What is read of the metadata, whatever else stands there.
fn metadata_of(object: &Value) -> ObjectMeta {
    let metadata = &object["metadata"];
    let text = |key: &str| metadata[key].as_str().map(str::to_owned);
    ObjectMeta {
        name: text("name"),
        uid: text("uid"),
        resource_version: text("resourceVersion"),
        generation: metadata["generation"].as_i64(),
        ..ObjectMeta::default()
    }
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

    fn from_text(text: &str) -> Self {
        let Ok(mut object) = serde_json::from_str::<Value>(text) else { return Self::too_deep(text) };
        let meta = metadata_of(&object);
        let spec = take_spec(&mut object);
        let status = object.get_mut("status").map(Value::take).unwrap_or_default();
        Self { meta, spec, status }
    }

    /// A policy that the parser makes no tree of. Its name is known, and that nothing it says can be read.
    fn too_deep(text: &str) -> Self {
        #[derive(Deserialize)]
        struct Outline<'a> {
            #[serde(borrow)]
            metadata: &'a RawValue,
        }
        let metadata = serde_json::from_str::<Outline<'_>>(text).map(|outline| outline.metadata.get());
        let metadata = metadata.ok().and_then(|metadata| serde_json::from_str::<Value>(metadata).ok());
        Self {
            meta: metadata_of(&serde_json::json!({ "metadata": metadata })),
            spec: "a document that nests too deeply to be read".into(),
            status: Value::Null,
        }
    }
}

impl<'de> Deserialize<'de> for Policy {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Self::from_text(<&RawValue>::deserialize(deserializer)?.get()))
    }
}

impl kube::Resource for Policy {
    type DynamicType = ();
    type Scope = ClusterResourceScope;

    fn kind((): &()) -> Cow<'_, str> {
        Resource::ImagePolicies.kind().into()
    }

    fn group((): &()) -> Cow<'_, str> {
        Resource::ImagePolicies.group().into()
    }

    fn version((): &()) -> Cow<'_, str> {
        Resource::ImagePolicies.version().into()
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

/// The kind of policies. What writers need of one is kept before it becomes a change.
pub(crate) struct Policies(pub(crate) Arc<Observed>);

impl Kind for Policies {
    type Record = Policy;

    fn read<'de, D: Deserializer<'de>>(&self, deserializer: D) -> Result<Policy, D::Error> {
        Policy::deserialize(deserializer)
    }

    fn resource_version<'r>(&self, policy: &'r Policy) -> &'r str {
        policy.resource_version()
    }

    fn change(&self, policy: Policy) -> Change {
        if policy.name().is_empty() {
            return Change::Unusable(Resource::ImagePolicies);
        }
        self.0.keep(&policy);
        Change::Policy(PolicyRecord {
            name: policy.name().into(),
            uid: policy.uid().into(),
            generation: policy.meta.generation.unwrap_or_default(),
            observed_generation: policy
                .status
                .get("observedGeneration")
                .and_then(Value::as_i64)
                .unwrap_or_default(),
            spec: policy.spec,
            source: None,
        })
    }

    fn gone(&self, policy: Policy) -> Option<Change> {
        self.0.forget(&policy);
        (!policy.name().is_empty()).then(|| Change::PolicyGone(policy.name().into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(text: &str) -> Change {
        let kind = Policies(Arc::default());
        kind.change(serde_json::from_str(text).unwrap())
    }

    #[test]
    fn a_policy_keeps_its_spec_as_written_and_its_observed_generation() {
        let policy: Policy = serde_json::from_str(
            r#"{"apiVersion":"revisor.dev/v1alpha1","kind":"ImagePolicy",
                "metadata":{"name":"baseline","uid":"u","resourceVersion":"9","generation":4,"managedFields":[{}]},
                "spec":{"rules":{"noSuchRule":{}}},"status":{"observedGeneration":3}}"#,
        )
        .unwrap();
        assert_eq!((policy.name(), policy.uid(), policy.resource_version()), ("baseline", "u", "9"));
        let kind = Policies(Arc::default());
        let Change::Policy(record) = kind.change(policy) else { panic!("a policy") };
        assert_eq!((record.generation, record.observed_generation), (4, 3));
        assert_eq!(record.spec, serde_json::json!({"rules": {"noSuchRule": {}}}));
        let seen = kind.0.get("baseline").unwrap();
        assert_eq!(
            (&*seen.uid, &*seen.resource_version, &seen.status["observedGeneration"]),
            ("u", "9", &3.into())
        );
    }

    #[test]
    fn a_policy_that_is_gone_is_not_compared_with_any_more() {
        let kind = Policies(Arc::default());
        let policy: Policy = serde_json::from_str(r#"{"metadata":{"name":"baseline"}}"#).unwrap();
        kind.change(policy.clone());
        assert!(matches!(kind.gone(policy), Some(Change::PolicyGone(name)) if &*name == "baseline"));
        assert!(kind.0.get("baseline").is_none());
    }

    #[test]
    fn a_policy_of_any_shape_decodes_so_that_no_page_fails() {
        for text in [r#"{"metadata":7,"spec":null}"#, "[]", "null", r#"{"metadata":{"name":{}},"status":1}"#]
        {
            assert!(matches!(change(text), Change::Unusable(Resource::ImagePolicies)), "{text}");
        }
    }

    #[test]
    fn a_policy_that_nests_too_deeply_is_known_by_name_and_says_what_is_wrong() {
        let deep = format!("{}{}", "[".repeat(1_000), "]".repeat(1_000));
        let text = format!(
            r#"{{"spec":{{"rules":{{"a":{deep}}}}},"metadata":{{"name":"baseline","uid":"u","resourceVersion":"9"}}}}"#
        );
        let Change::Policy(record) = change(&text) else { panic!("a policy") };
        assert_eq!((&*record.name, &*record.uid), ("baseline", "u"));
        let policy = crate::policy::compile::CompiledPolicy::compile(&record);
        assert!(!policy.problems.is_empty() && policy.rules.is_empty(), "{:?}", policy.problems);
    }
}
