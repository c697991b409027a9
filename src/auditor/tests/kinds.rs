//! Kinds that are read only while a policy asks for them.

use serde_json::json;

use super::{Cluster, baseline, policy, web};
use crate::decode::{Change, PolicyRecord};
use crate::subject::Resource;

#[test]
fn a_permission_that_is_missing_is_unknown_and_comes_back_without_a_storm() {
    let mut cluster = Cluster::with_policies(&[policy("p", json!({"rules": {"defaultDenyIngress": {}}}))]);
    cluster.tell(Change::Access(Resource::NetworkPolicies, false));
    assert_eq!(cluster.found(), ["DefaultDenyIngress unknown Namespace/team-a"]);
    assert_eq!(cluster.snapshot().policies[0].missing_permissions.len(), 1);
    cluster.tell(Change::Access(Resource::NetworkPolicies, true));
    assert_eq!(cluster.found(), ["DefaultDenyIngress fail Namespace/team-a"]);
    assert!(cluster.told().is_empty(), "it was open all the time");
}

pub(super) fn default_deny(name: &str) -> Change {
    let object = json!({
        "metadata": {"name": name, "namespace": "team-a"},
        "spec": {"podSelector": {}, "policyTypes": ["Ingress"]},
    });
    let (namespace, facts) = crate::decode::network_policy::read(&object).unwrap();
    Change::NetworkPolicy(namespace, facts)
}

/// Kinds that these tests tell by themselves.
const BESIDE: [Resource; 5] = [
    Resource::Pods,
    Resource::Namespaces,
    Resource::Jobs,
    Resource::ImagePolicies,
    Resource::NetworkPolicies,
];

pub(super) fn reads_network_policies() -> PolicyRecord {
    policy("reader", json!({"rules": {"defaultDenyIngress": {}}}))
}

#[test]
fn a_policy_that_reads_another_kind_takes_effect_when_that_kind_was_told_and_nothing_false_shows_before() {
    let mut cluster = Cluster::with_policies(&[baseline()]);
    assert_eq!(*cluster.auditor.needed(), Resource::ALWAYS.into());
    let before = cluster.snapshot();
    cluster.tell(Change::Policy(reads_network_policies()));
    assert!(cluster.auditor.needed().contains(&Resource::NetworkPolicies));
    cluster.tell(Change::RelistStarted(Resource::NetworkPolicies));
    cluster.put(&web(1, "nginx:1.27"));
    cluster.pass(3600);
    assert!(!cluster.auditor.is_complete() && std::sync::Arc::ptr_eq(&before, &cluster.snapshot()));
    assert_eq!(cluster.auditor.next_deadline(), None);
    cluster.tell(default_deny("deny"));
    cluster.tell(Change::RelistFinished(Resource::NetworkPolicies));
    cluster.list_others(&BESIDE);
    assert!(cluster.snapshot().complete && cluster.snapshot().policies.len() == 2);
    assert!(cluster.found().is_empty());
    let first_audits = cluster.auditor.drain_first_audits();
    assert_eq!(first_audits.last().map(|first| &*first.policy), Some("reader"));
}

#[test]
fn a_kind_that_no_policy_reads_any_more_is_dropped_and_told_anew_when_one_does_again() {
    let mut cluster = Cluster::with_policies(&[]);
    cluster.tell(Change::Policy(reads_network_policies()));
    cluster.list(Resource::NetworkPolicies, [default_deny("deny")]);
    cluster.list_others(&BESIDE);
    assert!(cluster.found().is_empty());
    cluster.tell(Change::PolicyGone("reader".into()));
    assert_eq!(*cluster.auditor.needed(), Resource::ALWAYS.into());
    cluster.tell(default_deny("left over"));
    cluster.list(Resource::NetworkPolicies, [default_deny("left over")]);
    assert!(cluster.snapshot().complete && cluster.snapshot().policies.is_empty());
    cluster.tell(Change::Policy(reads_network_policies()));
    cluster.tell(default_deny("left over"));
    cluster.tell(Change::RelistFinished(Resource::NetworkPolicies));
    cluster.list_others(&BESIDE);
    assert!(!cluster.auditor.is_complete(), "the end of a list that began before");
    cluster.list(Resource::NetworkPolicies, []);
    assert_eq!(cluster.found(), ["DefaultDenyIngress fail Namespace/team-a"]);
}
