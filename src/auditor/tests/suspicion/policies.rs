//! Policies that ask for less, are gone, or permit more.

use serde_json::{Value, json};

use super::super::{Cluster, policy};
use super::nothing;
use crate::auditor::suspicion::About;
use crate::decode::{Change, PolicyRecord};
use crate::subject::Resource;

fn told(spec: Value) -> Change {
    Change::Policy(policy("p", spec))
}

fn strict() -> Value {
    json!({"rules": {"noMutableTag": {"severity": "high"}, "validReference": {}}})
}

#[test]
fn a_policy_that_asks_for_less_is_told_with_what_is_less() {
    let mut cluster = Cluster::with_policies(&[policy("p", strict())]);
    cluster.tell(told(
        json!({"rules": {"noMutableTag": {"severity": "low"}}, "scope": {"excludeNamespaces": ["x"]}}),
    ));
    let seen = cluster.seen();
    assert_eq!(
        seen[0].message,
        "policy p asks for less: NoMutableTag has severity low instead of high; ValidReference is not judged any more; \
         the scope is narrower: excludeNamespaces has x"
    );
    assert_eq!((seen.len(), seen[0].signal.as_str()), (1, "PolicyWeakened"));
    assert_eq!(seen[0].about, About::Policy { name: "p".into(), uid: "p".into() });
    cluster.tell(told(strict()));
    cluster.tell(Change::Policy(PolicyRecord { observed_generation: 7, ..policy("p", strict()) }));
    cluster.tell(Change::Policy(policy("another", json!({"rules": {"noMutableTag": {}}}))));
    assert_eq!(cluster.signals(), nothing(), "more, a status, and a new one");
}

#[test]
fn an_exemption_is_told_when_it_is_added() {
    let mut cluster = Cluster::with_policies(&[policy("p", strict())]);
    let mut spec = strict();
    spec["exemptions"] = json!([{"name": "e", "rules": ["NoMutableTag"], "namespaces": ["x"], "reason": "old", "permanent": true}]);
    cluster.tell(told(spec.clone()));
    let seen = cluster.seen();
    assert_eq!(seen[0].message, "policy p has a new exemption: e, from NoMutableTag, without an end: old");
    assert_eq!((seen.len(), seen[0].signal.as_str()), (1, "ExemptionAdded"));
    spec["exemptions"][0]["namespaces"] = json!(["*"]);
    cluster.tell(told(spec));
    assert_eq!(cluster.signals(), ["PolicyWeakened ImagePolicy/p"]);
    cluster.tell(told(strict()));
    assert_eq!(cluster.signals(), nothing());
}

#[test]
fn a_policy_that_is_deleted_is_told_by_the_watch_and_by_a_list() {
    let mut cluster = Cluster::with_policies(&[policy("p", strict()), policy("q", strict())]);
    cluster.tell(Change::PolicyGone("p".into()));
    let seen = cluster.seen();
    assert_eq!(seen[0].message, "policy p was deleted: its 2 rules are not judged by it any more");
    assert_eq!((seen.len(), seen[0].signal.as_str()), (1, "PolicyDeleted"));
    cluster.tell(Change::PolicyGone("p".into()));
    cluster.list(Resource::ImagePolicies, [Change::Policy(policy("q", strict()))]);
    assert_eq!(cluster.signals(), nothing());
    cluster.list(Resource::ImagePolicies, []);
    assert_eq!(cluster.signals(), ["PolicyDeleted ImagePolicy/q"]);
}

#[test]
fn a_long_list_of_what_is_less_is_cut_and_counted() {
    let rules = ["noMutableTag", "validReference", "digestPinned", "pullPolicyAlways", "pullPolicyNotNever"];
    let more = ["deprecatedRegistry", "noPrivileged"];
    let all: serde_json::Map<_, _> =
        rules.iter().chain(&more).map(|rule| ((*rule).to_owned(), json!({}))).collect();
    let mut cluster = Cluster::with_policies(&[policy("p", json!({ "rules": all }))]);
    cluster.tell(told(json!({"rules": {"podSecurityLabelsValid": {}}})));
    let message = cluster.seen().remove(0).message;
    assert!(message.ends_with("; and 2 more") && message.matches("is not judged").count() == 5, "{message}");
}
