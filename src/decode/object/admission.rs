//! Configurations of admission webhooks, ValidatingAdmissionPolicies and their bindings.

use serde_json::Value;

use super::super::selector::{fields, list, part, read as selector, text, texts};
use crate::subject::admission::{AdmissionBinding, AdmissionPolicy, Matching, Webhook};

/// Reads the webhooks of a configuration.
pub(super) fn webhooks(value: &Value) -> Option<Box<[Webhook]>> {
    list(value, "webhooks")?
        .iter()
        .map(|webhook| {
            webhook.as_object()?;
            let rules = list(webhook, "rules")?;
            Some(Webhook {
                name: text(webhook, "name")?.into(),
                fails_open: fails_open(webhook)?,
                matching: Matching {
                    by_expression: !list(webhook, "matchConditions")?.is_empty(),
                    pods: any_creates_pods(rules)?,
                    ..selectors(webhook)?
                },
            })
        })
        .collect()
}

/// Reads a policy.
pub(super) fn policy(value: &Value) -> Option<AdmissionPolicy> {
    let spec = super::spec(value)?;
    let constraints = fields(spec, "matchConstraints")?;
    let pods = any_creates_pods(list(constraints, "resourceRules")?)?;
    Some(AdmissionPolicy {
        fails_open: fails_open(spec)?,
        matching: Matching {
            by_expression: !list(spec, "matchConditions")?.is_empty(),
            pods: pods && !any_creates_pods(list(constraints, "excludeResourceRules")?)?,
            ..selectors(constraints)?
        },
    })
}

/// Reads a binding.
pub(super) fn binding(value: &Value) -> Option<AdmissionBinding> {
    let spec = super::spec(value)?;
    let resources = fields(spec, "matchResources")?;
    let rules = list(resources, "resourceRules")?;
    let pods = rules.is_empty() || any_creates_pods(rules)?;
    Some(AdmissionBinding {
        policy: text(spec, "policyName")?.into(),
        denies: texts(spec, "validationActions")?.iter().any(|action| **action == *"Deny"),
        matching: Matching {
            pods: pods && !any_creates_pods(list(resources, "excludeResourceRules")?)?,
            ..selectors(resources)?
        },
    })
}

/// Absent means Fail in every version that is still served.
fn fails_open(object: &Value) -> Option<bool> {
    Some(text(object, "failurePolicy")? == "Ignore")
}

fn selectors(object: &Value) -> Option<Matching> {
    Some(Matching {
        namespaces: selector(part(object, "namespaceSelector"))?,
        by_object: !selector(part(object, "objectSelector"))?.is_everything(),
        ..Matching::default()
    })
}

fn any_creates_pods(rules: &[Value]) -> Option<bool> {
    let mut any = false;
    for rule in rules {
        any |= creates_pods(rule)?;
    }
    Some(any)
}

fn creates_pods(rule: &Value) -> Option<bool> {
    rule.as_object()?;
    let names = |key: &str, words: &[&str]| {
        Some(texts(rule, key)?.iter().any(|found| words.contains(&&**found) || **found == *"*"))
    };
    Some(
        names("apiGroups", &[""])?
            && names("apiVersions", &["v1"])?
            && names("operations", &["CREATE"])?
            && names("resources", &["pods", "pods/*", "*/*"])?
            && text(rule, "scope")? != "Cluster"
            && list(rule, "resourceNames")?.is_empty(),
    )
}
