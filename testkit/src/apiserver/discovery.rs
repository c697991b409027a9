//! Discovery and the other paths that lead to no resource.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use serde_json::{Value, json};

use super::answer::{self, Answer};
use super::refusal::Refusal;
use super::request::RequestFacts;
use super::resource::{Catalogue, ResourceType};

const AGGREGATED: &str = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList";

pub(super) fn answer(catalogue: &Catalogue, facts: &RequestFacts, accept: &str) -> Result<Answer, Refusal> {
    if facts.method != http::Method::GET {
        return Err(Refusal::method_not_allowed());
    }
    let aggregated = accept.contains("as=APIGroupDiscoveryList") && accept.contains("v=v2");
    let segments: Vec<&str> = facts.path.split('/').filter(|segment| !segment.is_empty()).collect();
    let found = match segments[..] {
        ["readyz" | "livez" | "healthz", ..] => {
            return Ok(answer::bytes(200, "text/plain; charset=utf-8", Bytes::from_static(b"ok")));
        }
        ["version"] => Some(version()),
        ["api" | "apis"] if aggregated => {
            let body = aggregate(catalogue, segments[0] == "api").to_string();
            return Ok(answer::bytes(200, AGGREGATED, Bytes::from(body)));
        }
        ["api"] => Some(json!({"kind": "APIVersions", "versions": ["v1"],
            "serverAddressByClientCIDRs": []})),
        ["apis"] => Some(groups(catalogue)),
        ["api", version] => resources(catalogue, "", version),
        ["apis", name] => group(catalogue, name),
        ["apis", group, version] => resources(catalogue, group, version),
        _ => None,
    };
    found.map(|value| answer::json(200, &value)).ok_or_else(Refusal::no_such_resource)
}

fn version() -> Value {
    json!({
        "major": "1", "minor": "37", "gitVersion": "v1.37.2", "gitCommit": "",
        "gitTreeState": "clean", "buildDate": "2026-01-01T00:00:00Z", "goVersion": "",
        "compiler": "", "platform": "linux/amd64",
    })
}

type ByVersion = BTreeMap<String, Vec<Arc<ResourceType>>>;

/// Group, then version, then types; the core group apart.
fn by_group(catalogue: &Catalogue, core: bool) -> BTreeMap<String, ByVersion> {
    let mut groups: BTreeMap<String, ByVersion> = BTreeMap::new();
    for kind in catalogue.types() {
        if kind.group.is_empty() == core {
            let versions = groups.entry(kind.group.clone()).or_default();
            versions.entry(kind.version.clone()).or_default().push(Arc::clone(kind));
        }
    }
    groups
}

fn groups(catalogue: &Catalogue) -> Value {
    let groups: Vec<Value> =
        by_group(catalogue, false).keys().filter_map(|name| group(catalogue, name)).collect();
    json!({"kind": "APIGroupList", "apiVersion": "v1", "groups": groups})
}

fn group(catalogue: &Catalogue, name: &str) -> Option<Value> {
    let versions: Vec<Value> = by_group(catalogue, false)
        .get(name)?
        .keys()
        .map(|version| json!({"groupVersion": format!("{name}/{version}"), "version": version}))
        .collect();
    Some(json!({
        "kind": "APIGroup", "apiVersion": "v1", "name": name,
        "preferredVersion": versions.last(), "versions": versions,
    }))
}

fn resources(catalogue: &Catalogue, group: &str, version: &str) -> Option<Value> {
    let groups = by_group(catalogue, group.is_empty());
    let kinds = groups.get(group)?.get(version)?;
    let mut resources = Vec::new();
    for kind in kinds {
        resources.push(json!({
            "name": kind.plural, "singularName": kind.singular(), "kind": kind.kind,
            "namespaced": kind.namespaced, "verbs": verbs(kind),
        }));
        if kind.status {
            resources.push(json!({
                "name": format!("{}/status", kind.plural), "singularName": "",
                "kind": kind.kind, "namespaced": kind.namespaced, "verbs": STATUS_VERBS,
            }));
        }
    }
    Some(json!({
        "kind": "APIResourceList", "apiVersion": "v1",
        "groupVersion": kinds.first()?.api_version(), "resources": resources,
    }))
}

const STATUS_VERBS: &[&str] = &["get", "patch", "update"];

fn verbs(kind: &ResourceType) -> &'static [&'static str] {
    if kind.is_review() {
        &["create"]
    } else {
        &["create", "delete", "get", "list", "patch", "update", "watch"]
    }
}

/// Everything in one document, as newer clients ask for it.
fn aggregate(catalogue: &Catalogue, core: bool) -> Value {
    let items: Vec<Value> = by_group(catalogue, core)
        .into_iter()
        .map(|(name, versions)| {
            let versions: Vec<Value> = versions
                .into_iter()
                .map(|(version, kinds)| {
                    let resources: Vec<Value> = kinds.iter().map(|kind| aggregated_resource(kind)).collect();
                    json!({"version": version, "freshness": "Current", "resources": resources})
                })
                .collect();
            let metadata = if core { json!({}) } else { json!({"name": name}) };
            json!({"metadata": metadata, "versions": versions})
        })
        .collect();
    json!({"kind": "APIGroupDiscoveryList", "apiVersion": "apidiscovery.k8s.io/v2",
        "metadata": {}, "items": items})
}

fn aggregated_resource(kind: &ResourceType) -> Value {
    let response = json!({"group": kind.group, "version": kind.version, "kind": kind.kind});
    let mut resource = json!({
        "resource": kind.plural, "responseKind": response, "verbs": verbs(kind),
        "scope": if kind.namespaced { "Namespaced" } else { "Cluster" },
        "singularResource": kind.singular(),
    });
    if kind.status {
        resource["subresources"] = json!([
            {"subresource": "status", "responseKind": response, "verbs": STATUS_VERBS},
        ]);
    }
    resource
}
