//! Services and Ingresses: how each can be reached from outside.

use serde_json::Value;

use super::super::selector::{fields, part, text, texts};
use crate::subject::namespace::TextPairs;
use crate::subject::objects::{Exposed, IngressFacts, ServiceFacts};

/// Longest annotation that is kept: what marks a load balancer as internal is a word.
const LONGEST: usize = 64;

/// Reads a Service; none when a field has another type than the API says.
pub(super) fn read(value: &Value) -> Option<ServiceFacts> {
    let spec = super::spec(value)?;
    let exposed = match text(spec, "type")? {
        "NodePort" => Exposed::NodePort,
        "LoadBalancer" => Exposed::LoadBalancer,
        _ => Exposed::No,
    };
    // No proxy forwards anything for a name outside.
    let external_ips = text(spec, "type")? != "ExternalName" && !texts(spec, "externalIPs")?.is_empty();
    let annotations = match exposed {
        Exposed::LoadBalancer => annotations(value)?,
        Exposed::No | Exposed::NodePort => TextPairs::default(),
    };
    Some(ServiceFacts { exposed, external_ips, annotations })
}

/// Before the field `ingressClassName` there was this annotation; controllers still read it first.
const CLASS: &str = "kubernetes.io/ingress.class";

/// Reads an Ingress; none when a field has another type than the API says.
pub(super) fn ingress(value: &Value) -> Option<IngressFacts> {
    let annotations = annotations(value)?;
    let class = match annotations.get(CLASS) {
        Some(class) => class.into(),
        None => text(super::spec(value)?, "ingressClassName")?.into(),
    };
    Some(IngressFacts { class, annotations })
}

fn annotations(value: &Value) -> Option<TextPairs> {
    let Some(annotations) = part(fields(value, "metadata")?, "annotations") else {
        return Some(TextPairs::default());
    };
    let mut pairs = Vec::new();
    for (key, value) in annotations.as_object()? {
        let value = value.as_str()?;
        if value.len() <= LONGEST {
            pairs.push((key.as_str(), value));
        }
    }
    Some(TextPairs::new(pairs))
}
