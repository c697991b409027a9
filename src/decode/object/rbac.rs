//! Roles and bindings.

use serde_json::Value;

use super::super::selector::{fields, list, part, text, texts};
use crate::subject::rbac::{AccessRule, BindingFacts, Grantee, RoleFacts};

/// What Kubernetes labels the roles and bindings with that it makes and mends itself.
const BOOTSTRAPPING: &str = "kubernetes.io/bootstrapping";

/// Reads a Role or a ClusterRole.
pub(super) fn role(value: &Value) -> Option<RoleFacts> {
    let rules = list(value, "rules")?.iter().map(access_rule).collect::<Option<_>>()?;
    let label =
        value.get("metadata").and_then(|metadata| metadata.get("labels")?.get(BOOTSTRAPPING)?.as_str());
    let aggregated = part(value, "aggregationRule").is_some();
    Some(RoleFacts { rules, aggregated, bootstrap: label == Some("rbac-defaults") })
}

fn access_rule(rule: &Value) -> Option<AccessRule> {
    rule.as_object()?;
    Some(AccessRule {
        groups: texts(rule, "apiGroups")?,
        resources: texts(rule, "resources")?,
        verbs: texts(rule, "verbs")?,
        urls: texts(rule, "nonResourceURLs")?,
        named: !list(rule, "resourceNames")?.is_empty(),
    })
}

/// Reads a RoleBinding or a ClusterRoleBinding. A service account without a namespace is one of the binding's own
/// namespace (the authorizer's `appliesToUser`).
pub(super) fn binding(value: &Value, namespace: &str) -> Option<BindingFacts> {
    let role = fields(value, "roleRef")?;
    let subjects = list(value, "subjects")?.iter().map(|subject| grantee(subject, namespace));
    Some(BindingFacts {
        of_cluster_role: text(role, "kind")? == "ClusterRole",
        role: text(role, "name")?.into(),
        subjects: subjects.collect::<Option<Vec<_>>>()?.into_iter().flatten().collect(),
    })
}

/// Inner none: a kind of subject that the authorizer does not know, so that nobody gets anything.
fn grantee(subject: &Value, namespace: &str) -> Option<Option<Grantee>> {
    subject.as_object()?;
    let name: Box<str> = text(subject, "name")?.into();
    Some(match text(subject, "kind")? {
        "ServiceAccount" => {
            let own = text(subject, "namespace")?;
            let namespace = if own.is_empty() { namespace } else { own };
            (!namespace.is_empty()).then(|| Grantee::Account(namespace.into(), name))
        }
        "User" => Some(Grantee::User(name)),
        "Group" => Some(Grantee::Group(name)),
        _ => None,
    })
}
