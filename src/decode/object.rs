//! Objects that only some rules read, each as what is read of it. They are few and deep: they are read through a
//! tree, not by a visitor. A field of another type than its API says makes the object malformed; nothing is refused.

mod admission;
mod exemption;
mod network;
mod node;
mod rbac;
mod service;
pub mod stand_in;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use serde_json::Value;

use super::pod::{PodRecord, Section};
use super::selector::{list, part, texts};
use crate::subject::Resource;
use crate::subject::facts::Facts;
use crate::subject::objects::{Content, ObjectFacts, QuotaFacts};
use crate::subject::owner::{TemplateFacts, TemplateUse};
use crate::subject::pod::{Image, PodShape};
use crate::subject::uid::parse_uid;

/// Whether an object can be kept: it has a name, and a namespace where its kind lies in one.
pub fn is_usable(facts: &ObjectFacts) -> bool {
    !facts.name.is_empty() && (facts.kind.is_namespaced() != facts.namespace.is_empty())
}

/// Reads an object of a kind from a parsed document; none when it cannot be kept.
pub fn read(kind: Resource, value: &Value) -> Option<ObjectFacts> {
    Some(facts(kind, value)).filter(is_usable)
}

/// Reads an object of a kind that lies in `namespace`, whatever it says of that itself.
pub fn read_in(kind: Resource, value: &Value, namespace: &str) -> Option<ObjectFacts> {
    Some(ObjectFacts { namespace: namespace.into(), ..facts(kind, value) }).filter(is_usable)
}

/// A text of the metadata; empty where there is none.
pub(super) fn metadata<'v>(value: &'v Value, field: &str) -> &'v str {
    value.get("metadata").and_then(|metadata| metadata.get(field)?.as_str()).unwrap_or_default()
}

/// Reads an object of a kind as far as it goes; see [`is_usable`].
pub(super) fn facts(kind: Resource, value: &Value) -> ObjectFacts {
    let namespace = if kind.is_namespaced() { metadata(value, "namespace") } else { "" };
    let content = content(kind, value, namespace).unwrap_or(Content::Malformed);
    ObjectFacts { kind, namespace: namespace.into(), name: metadata(value, "name").into(), content }
}

/// An object of which nothing more can be read.
pub(super) fn malformed(kind: Resource, namespace: Box<str>, name: Box<str>) -> ObjectFacts {
    let namespace = if kind.is_namespaced() { namespace } else { Box::default() };
    ObjectFacts { kind, namespace, name, content: Content::Malformed }
}

/// What is read of an object; none when a field has another type than its API says.
fn content(kind: Resource, value: &Value, namespace: &str) -> Option<Content> {
    match kind {
        Resource::ResourceQuotas => quota(value).map(Content::Quota),
        Resource::LimitRanges => limits(value).map(Content::Limits),
        Resource::ServiceAccounts => account(value).map(Content::Account),
        Resource::Services => service::read(value).map(Content::Service),
        Resource::Ingresses => service::ingress(value).map(Content::Ingress),
        Resource::Roles | Resource::ClusterRoles => rbac::role(value).map(Content::Role),
        Resource::RoleBindings | Resource::ClusterRoleBindings => {
            rbac::binding(value, namespace).map(Content::Binding)
        }
        Resource::ValidatingWebhooks | Resource::MutatingWebhooks => {
            admission::webhooks(value).map(Content::Webhooks)
        }
        Resource::AdmissionPolicies => admission::policy(value).map(Content::AdmissionPolicy),
        Resource::AdmissionPolicyBindings => admission::binding(value).map(Content::AdmissionBinding),
        Resource::AdminNetworkPolicies
        | Resource::BaselineAdminNetworkPolicies
        | Resource::ClusterNetworkPolicies => network::read(kind, value).map(Content::AdminPolicy),
        Resource::Exemptions => Some(Content::Exemption(Box::new(exemption::read(value)))),
        Resource::ReplicaSets
        | Resource::StatefulSets
        | Resource::DaemonSets
        | Resource::ReplicationControllers
        | Resource::JobTemplates => template(value).map(|facts| Content::Template(Arc::new(facts))),
        Resource::Nodes => node::read(value).map(Content::Node),
        _ => Some(Content::Present),
    }
}

/// The images of a controller's template, read as those of its pods are.
fn template(value: &Value) -> Option<TemplateFacts> {
    let template = value.get("spec").and_then(|spec| spec.get("template"))?;
    template_of(value, &PodRecord::from_value(template))
}

/// Reads a controller that lies in `namespace`, and whose template has been read already; as [`read_in`] reads others.
pub(crate) fn controller_in(
    kind: Resource,
    value: &Value,
    template: &PodRecord,
    namespace: &str,
) -> Option<ObjectFacts> {
    let content = template_of(value, template);
    let content = content.map_or(Content::Malformed, |facts| Content::Template(Arc::new(facts)));
    let facts =
        ObjectFacts { kind, namespace: namespace.into(), name: metadata(value, "name").into(), content };
    Some(facts).filter(is_usable)
}

fn template_of(value: &Value, pod: &PodRecord) -> Option<TemplateFacts> {
    if pod.flags & PodShape::MALFORMED != 0 {
        return None;
    }
    let image = |text: &str| Arc::new(Image::new(text));
    let facts = |bytes: &[u8]| Arc::new(Facts::new(bytes));
    let shape = PodShape::read(pod.section(Section::Shape), pod.flags, |text| text.into(), image, facts);
    let uses = shape.uses.iter().map(|image_use| TemplateUse {
        slot: image_use.slot,
        name: (*image_use.name).into(),
        image: image_use.image.display().into(),
    });
    let uid = parse_uid(metadata(value, "uid"));
    Some(TemplateFacts { uid, deployment: deployment(value), uses: uses.collect() })
}

/// The Deployment that a controller names as its own controller.
fn deployment(value: &Value) -> Option<Box<str>> {
    let references = value.get("metadata")?.get("ownerReferences")?.as_array()?;
    let text = |reference: &Value, field: &str| reference.get(field).and_then(Value::as_str).map(Box::from);
    let is_deployment = |reference: &&Value| {
        reference.get("controller").and_then(Value::as_bool) == Some(true)
            && text(reference, "kind").as_deref() == Some("Deployment")
            && text(reference, "apiVersion").is_some_and(|version: Box<str>| version.starts_with("apps/"))
    };
    references.iter().find(is_deployment).and_then(|reference| text(reference, "name"))
}

fn spec(value: &Value) -> Option<&Value> {
    super::selector::fields(value, "spec")
}

fn quota(value: &Value) -> Option<QuotaFacts> {
    let spec = spec(value)?;
    let hard = match part(spec, "hard") {
        Some(hard) => hard.as_object()?.keys().map(|key| key.as_str().into()).collect(),
        None => Box::default(),
    };
    // An empty scopeSelector selects every object, as no selector does.
    let selector = super::selector::fields(spec, "scopeSelector")?;
    let scoped = !texts(spec, "scopes")?.is_empty() || !list(selector, "matchExpressions")?.is_empty();
    Some(QuotaFacts { scoped, hard })
}

/// Whether a container that names no limits gets some. The API server makes a default of a max.
fn limits(value: &Value) -> Option<bool> {
    let mut limits_containers = false;
    for item in list(spec(value)?, "limits")? {
        item.as_object()?;
        let named = |key: &str| part(item, key).map_or(Some(false), |it| Some(!it.as_object()?.is_empty()));
        let some = named("default")? || named("max")?;
        limits_containers |= some && super::selector::text(item, "type")? == "Container";
    }
    Some(limits_containers)
}

fn account(value: &Value) -> Option<Option<bool>> {
    match part(value, "automountServiceAccountToken") {
        Some(automount) => automount.as_bool().map(Some),
        None => Some(None),
    }
}
