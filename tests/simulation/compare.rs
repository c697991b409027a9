//! What the operator has written to the cluster, beside an audit from scratch of the objects that are there.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use pretty::differences;
use revisor::auditor::Auditor;
use revisor::auditor::snapshot::Snapshot;
use revisor::decode::wire::decoder;
use revisor::decode::{Change, PolicyRecord};
use revisor::report::namespace_audit::namespace_audit;
use revisor::report::status::policy_status;
use revisor::subject::Resource;
use serde_json::{Value, json};
use testkit::apiserver::ApiServer;

/// The objects have been as they are for longer than any grace.
const AS_THEY_ARE: SignedDuration = SignedDuration::from_hours(2);

fn policy(object: &Value) -> Change {
    let text = |key: &str| -> Box<str> { object["metadata"][key].as_str().unwrap_or_default().into() };
    if text("name").is_empty() {
        return Change::Unusable(Resource::ImagePolicies);
    }
    Change::Policy(PolicyRecord {
        name: text("name"),
        uid: text("uid"),
        generation: object["metadata"]["generation"].as_i64().unwrap_or_default(),
        observed_generation: 0,
        spec: object["spec"].clone(),
        source: None,
    })
}

fn from_scratch(server: &ApiServer, now: Timestamp) -> Auditor {
    let mut auditor = Auditor::new();
    let began = now - AS_THEY_ARE;
    let kinds = Resource::ALL.into_iter().filter(|kind| *kind != Resource::ImagePolicies);
    for kind in [Resource::ImagePolicies].into_iter().chain(kinds) {
        auditor.apply(Change::RelistStarted(kind), began);
        // What the server does not serve is not there.
        let name = match kind.group() {
            "" => kind.plural().to_owned(),
            group => format!("{}.{group}", kind.plural()),
        };
        let items = if server.is_served(&name) { server.list(&name, "") } else { Vec::new() };
        match decoder(kind) {
            None => items.iter().for_each(|item| auditor.apply(policy(item), began)),
            Some(decoder) => {
                let page = json!({"metadata": {"resourceVersion": "1"}, "items": items}).to_string();
                decoder.page(page.as_bytes(), &mut |change| auditor.apply(change, began)).unwrap();
            }
        }
        auditor.apply(Change::RelistFinished(kind), began);
    }
    auditor.snapshot(began);
    auditor.tick(now);
    auditor
}

/// What does not depend on when things happened.
fn timeless(mut value: Value) -> Value {
    match &mut value {
        Value::Object(fields) => {
            for field in ["since", "lastTransitionTime"] {
                fields.remove(field);
            }
            fields.values_mut().for_each(|field| *field = timeless(field.take()));
        }
        // Those that have an id, or a name, are told apart by it.
        Value::Array(items) => {
            let key = |item: &Value| {
                ["id", "type", "rule", "name"].iter().find_map(|key| item[*key].as_str().map(str::to_owned))
            };
            let named: Option<serde_json::Map<_, _>> =
                items.iter().map(|item| Some((key(item)?, timeless(item.clone())))).collect();
            if let Some(named) = named.filter(|named| named.len() == items.len()) {
                return named.into();
            }
        }
        _ => {}
    }
    value
}

fn found(snapshot: &Snapshot) -> BTreeMap<String, Value> {
    let mut found = BTreeMap::new();
    for part in snapshot.namespaces.iter().filter(|part| part.exists) {
        if let Some(audit) = namespace_audit(snapshot, &part.name) {
            found.insert(
                format!("NamespaceAudit in {}", part.name),
                timeless(serde_json::to_value(audit).unwrap()),
            );
        }
    }
    for (index, part) in snapshot.policies.iter().enumerate() {
        let status = policy_status(snapshot, u16::try_from(index).unwrap());
        let status = timeless(serde_json::to_value(status).unwrap());
        found.insert(format!("status of {}", part.policy.name), status);
    }
    found
}

fn shown(server: &ApiServer) -> BTreeMap<String, Value> {
    let mut shown = BTreeMap::new();
    for mut audit in server.list("NamespaceAudit", "") {
        let namespace = audit["metadata"]["namespace"].as_str().unwrap_or_default().to_owned();
        if let Some(fields) = audit.as_object_mut() {
            fields.retain(|key, _| !["apiVersion", "kind", "metadata"].contains(&key.as_str()));
        }
        shown.insert(format!("NamespaceAudit in {namespace}"), timeless(audit));
    }
    for policy in server.list("ImagePolicy", "") {
        let name = policy["metadata"]["name"].as_str().unwrap_or_default();
        // One without a name is none: nobody could write its status.
        if !name.is_empty() {
            shown.insert(format!("status of {name}"), timeless(policy["status"].clone()));
        }
    }
    shown
}

/// Fails with what differs.
pub(crate) fn shown_is_what_is_found(server: &ApiServer, now: Timestamp) {
    let snapshot = from_scratch(server, now).snapshot(now);
    assert!(snapshot.complete);
    let (found, shown) = (found(&snapshot), shown(server));
    let differences = differences(&found, &shown);
    assert!(differences.is_empty(), "found from scratch, and shown:\n{}", differences.join("\n"));
}

/// What opened is told as opened once before it is told as resolved, and so on.
pub(crate) fn events_alternate(server: &ApiServer) {
    let mut told: BTreeMap<String, Vec<(u64, String)>> = BTreeMap::new();
    for event in server.list("events", "") {
        let name = event["metadata"]["name"].as_str().unwrap_or_default();
        let mut parts = name.split('.');
        let (Some(rule), Some(id), Some(kind)) = (parts.next(), parts.next(), parts.next()) else { continue };
        if !["opened", "resolved", "exempted"].contains(&kind) {
            continue;
        }
        let version = event["metadata"]["resourceVersion"].as_str().and_then(|version| version.parse().ok());
        told.entry(format!("{rule}.{id}")).or_default().push((version.unwrap(), kind.to_owned()));
    }
    for (finding, mut kinds) in told {
        kinds.sort_unstable();
        let twice = kinds.windows(2).find(|pair| pair[0].1 == pair[1].1);
        assert!(twice.is_none(), "{finding} is told twice in a row: {kinds:?}");
    }
}

/// Differences of two trees, field by field.
mod pretty {
    use std::collections::BTreeMap;

    use serde_json::Value;

    pub(super) fn differences(
        left: &BTreeMap<String, Value>,
        right: &BTreeMap<String, Value>,
    ) -> Vec<String> {
        let keys: std::collections::BTreeSet<_> = left.keys().chain(right.keys()).collect();
        let mut told = Vec::new();
        for key in keys {
            compare(key, left.get(key), right.get(key), &mut told);
        }
        told
    }

    fn compare(path: &str, left: Option<&Value>, right: Option<&Value>, told: &mut Vec<String>) {
        match (left, right) {
            (Some(Value::Object(left)), Some(Value::Object(right))) => {
                let keys: std::collections::BTreeSet<_> = left.keys().chain(right.keys()).collect();
                for key in keys {
                    compare(&format!("{path}.{key}"), left.get(key), right.get(key), told);
                }
            }
            (Some(Value::Array(left)), Some(Value::Array(right))) if left.len() == right.len() => {
                for (at, (left, right)) in left.iter().zip(right).enumerate() {
                    compare(&format!("{path}[{at}]"), Some(left), Some(right), told);
                }
            }
            (left, right) if left == right => {}
            (left, right) => {
                let text = |value: Option<&Value>| value.map_or("nothing".to_owned(), ToString::to_string);
                told.push(format!("{path}: {} / {}", text(left), text(right)));
            }
        }
    }
}
