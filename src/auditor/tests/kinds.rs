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
    cluster.tell(Change::RelistStarted(Resource::NetworkPolicies));
    assert!(cluster.snapshot().complete);
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

/// The same kind may be read again after it was refused before it was ever told.
#[test]
fn a_kind_that_may_be_read_at_last_counts_as_refused_until_it_was_told() {
    let mut cluster = Cluster::with_policies(&[]);
    cluster.tell(Change::Policy(reads_network_policies()));
    cluster.list_others(&BESIDE);
    cluster.tell(Change::Access(Resource::NetworkPolicies, false));
    assert_eq!(cluster.found(), ["DefaultDenyIngress unknown Namespace/team-a"]);
    cluster.tell(Change::Access(Resource::NetworkPolicies, true));
    cluster.tell(Change::RelistStarted(Resource::NetworkPolicies));
    assert_eq!(cluster.found(), ["DefaultDenyIngress unknown Namespace/team-a"]);
    assert!(cluster.snapshot().complete, "nothing stands still meanwhile");
    cluster.tell(default_deny("deny"));
    cluster.tell(Change::RelistFinished(Resource::NetworkPolicies));
    assert!(cluster.found().is_empty() && cluster.snapshot().policies[0].missing_permissions.is_empty());
}

#[test]
fn a_policy_that_reads_another_kind_comes_into_force_when_that_kind_was_told_and_holds_up_no_other() {
    let mut cluster = Cluster::with_policies(&[baseline()]);
    assert_eq!(*cluster.auditor.needed(), Resource::ALWAYS.into());
    cluster.tell(Change::Policy(reads_network_policies()));
    assert!(cluster.auditor.needed().contains(&Resource::NetworkPolicies));
    cluster.tell(Change::RelistStarted(Resource::NetworkPolicies));
    cluster.put(&web(1, "nginx"));
    assert_eq!(cluster.found(), ["NoMutableTag fail Deployment/web"]);
    assert!(cluster.snapshot().complete && cluster.snapshot().policies.len() == 1);
    assert!(cluster.auditor.drain_first_audits().iter().all(|first| &*first.policy == "baseline"));
    cluster.list_others(&BESIDE);
    cluster.put(&web(2, "redis"));
    cluster.tell(default_deny("deny"));
    cluster.tell(Change::RelistFinished(Resource::NetworkPolicies));
    assert_eq!(cluster.snapshot().policies.len(), 2);
    let opened = ["NoMutableTag opened", "NoMutableTag opened"];
    assert_eq!(cluster.told(), opened, "what happened until then is told");
    assert_eq!(cluster.found().len(), 2);
    let first_audits = cluster.auditor.drain_first_audits();
    assert_eq!(first_audits.last().map(|first| &*first.policy), Some("reader"));
}

#[test]
fn an_edit_that_reads_another_kind_leaves_what_the_policy_said_before_in_force_until_that_kind_was_told() {
    let denied = || policy("p", json!({"rules": {"defaultDenyIngress": {}}}));
    let quota = || policy("p", json!({"rules": {"resourceQuotaPresent": {}}}));
    let mut cluster = Cluster::with_policies(&[]);
    cluster.tell(Change::Policy(denied()));
    cluster.list(Resource::NetworkPolicies, []);
    cluster.list_others(&[&BESIDE[..], &[Resource::ResourceQuotas]].concat());
    assert_eq!(cluster.found(), ["DefaultDenyIngress fail Namespace/team-a"]);
    cluster.tell(Change::Policy(quota()));
    cluster.tell(default_deny("deny"));
    assert!(cluster.found().is_empty() && cluster.auditor.is_complete(), "it is still judged");
    let both = [Resource::NetworkPolicies, Resource::ResourceQuotas];
    assert!(both.iter().all(|kind| cluster.auditor.needed().contains(kind)));
    cluster.list(Resource::ResourceQuotas, []);
    assert_eq!(cluster.found(), ["ResourceQuotaPresent fail Namespace/team-a"]);
    assert!(!cluster.auditor.needed().contains(&Resource::NetworkPolicies), "nobody reads it any more");
    // Of another policy of the same name nothing was in force.
    let mut other = quota();
    other.uid = "another".into();
    other.spec = json!({"rules": {"limitRangePresent": {}}});
    cluster.tell(Change::Policy(other));
    assert!(cluster.snapshot().policies.is_empty() && cluster.found().is_empty());
}

#[test]
fn a_kind_that_no_policy_reads_any_more_is_dropped_and_told_anew_when_one_does_again() {
    let mut cluster = Cluster::with_policies(&[]);
    cluster.tell(Change::Policy(reads_network_policies()));
    cluster.list(Resource::NetworkPolicies, [default_deny("deny")]);
    cluster.list_others(&BESIDE);
    assert!(cluster.found().is_empty());
    cluster.tell(Change::PolicyGone("reader".into()));
    cluster.snapshot();
    assert_eq!(*cluster.auditor.needed(), Resource::ALWAYS.into());
    cluster.tell(default_deny("left over"));
    cluster.list(Resource::NetworkPolicies, [default_deny("left over")]);
    assert!(cluster.snapshot().complete && cluster.snapshot().policies.is_empty());
    cluster.tell(Change::Policy(reads_network_policies()));
    cluster.tell(default_deny("left over"));
    cluster.tell(Change::RelistFinished(Resource::NetworkPolicies));
    cluster.list_others(&BESIDE);
    assert!(cluster.snapshot().policies.is_empty(), "the end of a list that began before");
    cluster.list(Resource::NetworkPolicies, []);
    assert_eq!(cluster.found(), ["DefaultDenyIngress fail Namespace/team-a"]);
}
