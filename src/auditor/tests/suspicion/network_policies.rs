//! A default deny that is lost.

use serde_json::json;

use super::super::{Cluster, policy};
use super::{deny, network_policy, no_network_policy, nothing, reading};
use crate::decode::Change;
use crate::subject::Resource;

#[test]
fn the_last_default_deny_is_told_when_it_is_deleted_narrowed_or_undone() {
    let mut cluster = Cluster::with_policies(&[policy("p", reading())]);
    [deny("a"), deny("b")].into_iter().for_each(|change| cluster.tell(change));
    let mut told = |change: Change| {
        cluster.tell(change);
        cluster.pass(5);
        cluster.seen().into_iter().map(|it| it.message).collect::<Vec<_>>()
    };
    assert_eq!(told(no_network_policy("b")), nothing(), "one is left");
    let both = "no network policy denies ingress and egress by default any more: ";
    assert_eq!(told(no_network_policy("a")), [format!("{both}network policy a was deleted")]);
    assert_eq!(told(deny("a")), nothing());
    let narrow = json!({"podSelector": {"matchLabels": {"app": "x"}}, "policyTypes": ["Ingress", "Egress"]});
    assert_eq!(told(network_policy("a", narrow)), [format!("{both}network policy a was changed")]);
    assert_eq!(told(deny("a")), nothing());
    let all = json!({"podSelector": {}, "policyTypes": ["Ingress"], "ingress": [{}]});
    assert_eq!(
        told(network_policy("open", all)),
        ["no network policy denies ingress by default any more: network policy open allows everything"]
    );
}

#[test]
fn network_policies_that_go_with_their_namespace_or_with_the_rule_are_no_activity() {
    let object = |deleted: bool| {
        let mut object = json!({"metadata": {"name": "team-a", "uid": "team-a"}});
        if deleted {
            object["metadata"]["deletionTimestamp"] = json!("2026-01-01T12:00:00Z");
            object["status"] = json!({"phase": "Terminating"});
        }
        let (name, object) = crate::decode::namespace::read(&object).unwrap();
        Change::Namespace(name, object)
    };
    for order in ["terminating policy gone", "policy terminating gone", "policy gone"] {
        let mut cluster = Cluster::with_policies(&[policy("p", reading())]);
        [object(false), deny("a")].into_iter().for_each(|change| cluster.tell(change));
        for what in order.split(' ') {
            cluster.tell(match what {
                "terminating" => object(true),
                "policy" => no_network_policy("a"),
                _ => Change::NamespaceGone("team-a".into()),
            });
        }
        cluster.pass(60);
        assert_eq!(cluster.signals(), nothing());
    }
    let mut cluster = Cluster::with_policies(&[policy("p", reading())]);
    cluster.tell(deny("a"));
    cluster.tell(Change::Policy(policy(
        "p",
        json!({"rules": {"noMutableTag": {}, "noClusterAdminRoleBinding": {}}}),
    )));
    cluster.pass(60);
    cluster.snapshot();
    assert_eq!(cluster.signals(), ["PolicyWeakened ImagePolicy/p"], "nobody reads them any more");
    cluster.tell(Change::Policy(policy("p", reading())));
    cluster.list_others(&Resource::ALWAYS);
    cluster.pass(60);
    assert_eq!(cluster.signals(), nothing(), "the first list since they are read again");
}

#[test]
fn a_lost_default_deny_is_held_back_and_the_deadline_says_until_when() {
    let mut cluster = Cluster::with_policies(&[policy("p", reading())]);
    cluster.tell(deny("a"));
    cluster.snapshot();
    let removed = cluster.now;
    cluster.tell(no_network_policy("a"));
    cluster.snapshot();
    let deadline = cluster.auditor.next_deadline().unwrap();
    assert_eq!(deadline.duration_since(removed).as_secs(), 5);
    cluster.tell(deny("a"));
    assert_eq!(cluster.signals(), nothing());
    cluster.pass(5);
    let seen = cluster.seen();
    assert_eq!((seen.len(), seen[0].at), (1, removed), "even if it is there again: it was away");
    assert_eq!(cluster.auditor.next_deadline(), None);
}

#[test]
fn what_policies_allow_only_together_undoes_a_default_deny_as_it_does_for_the_rule() {
    let mut cluster = Cluster::with_policies(&[policy("p", reading())]);
    let half = |cidr: &str| {
        let from = json!([{"from": [{"ipBlock": {"cidr": cidr}}]}]);
        json!({"podSelector": {}, "policyTypes": ["Ingress"], "ingress": from})
    };
    cluster.tell(network_policy("low", half("0.0.0.0/1")));
    cluster.snapshot();
    cluster.tell(network_policy("high", half("128.0.0.0/1")));
    assert_eq!(cluster.found(), ["DefaultDenyIngress fail Namespace/team-a"]);
    cluster.pass(5);
    let told = cluster.seen().into_iter().map(|it| it.message).collect::<Vec<_>>();
    assert_eq!(
        told,
        [
            "no network policy denies ingress by default any more: network policy high and others together allow \
            every address"
        ]
    );
}
