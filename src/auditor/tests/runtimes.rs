//! What the nodes run, for rules that judge image ids by it.

use serde_json::{Value, json};

use super::{Cluster, policy, web, with};
use crate::decode::{Change, object};
use crate::subject::Resource;

const FAILS: &str = "HostLocalImage fail Deployment/web";
const UNKNOWN: &str = "HostLocalImage unknown Deployment/web";
const CONTAINERD: &str = "containerd://2.1.4";
const CRI_O: &str = "cri-o://1.30.3";

fn node(name: &str, runtime: &str) -> Change {
    let status = json!({"nodeInfo": {"containerRuntimeVersion": runtime}});
    Change::Object(
        object::read(Resource::Nodes, &json!({"metadata": {"name": name}, "status": status})).unwrap(),
    )
}

/// A pod that runs what no registry knows.
fn local(index: u8) -> Value {
    let id = json!(format!("sha256:{}", "a".repeat(64)));
    with(web(index, "nginx:1.27"), "/status/containerStatuses/0/imageID", id)
}

fn cluster() -> Cluster {
    let mut cluster = Cluster::with_policies(&[policy("p", json!({"rules": {"hostLocalImage": {}}}))]);
    cluster.put(&local(1));
    cluster
}

fn sentence(cluster: &mut Cluster) -> String {
    let snapshot = cluster.snapshot();
    snapshot.explain(snapshot.findings().next().unwrap())
}

#[test]
fn verdicts_follow_what_the_nodes_run() {
    let mut cluster = cluster();
    assert_eq!(cluster.found(), [FAILS]);
    assert!(sentence(&mut cluster).ends_with("no node was read that names its runtime)"));
    cluster.tell(node("a", CONTAINERD));
    assert_eq!(cluster.found(), [FAILS]);
    assert!(sentence(&mut cluster).ends_with("so it was not pulled"));
    cluster.tell(node("b", CRI_O));
    assert!(sentence(&mut cluster).ends_with("the nodes run containerd and CRI-O)"));
    cluster.tell(Change::ObjectGone(Resource::Nodes, "".into(), "a".into()));
    assert_eq!(cluster.found(), [UNKNOWN]);
    cluster.put(&local(2));
    assert_eq!(cluster.snapshot().findings().next().unwrap().pods, 2, "one that came later is judged alike");
    cluster.list(Resource::Nodes, [node("a", CONTAINERD)]);
    assert_eq!(cluster.found(), [FAILS]);
}

#[test]
fn a_namespace_is_told_again_only_if_the_nodes_run_something_else() {
    let mut cluster = cluster();
    let revision = |cluster: &mut Cluster| cluster.snapshot().namespace("team-a").unwrap().revision;
    cluster.tell(node("a", CONTAINERD));
    let before = revision(&mut cluster);
    cluster.tell(node("b", "containerd://1.7.20"));
    assert_eq!(revision(&mut cluster), before, "another version");
    cluster.tell(node("b", CRI_O));
    assert_eq!(revision(&mut cluster), before + 1, "the same verdict in other words");
}

#[test]
fn without_the_right_to_read_nodes_the_form_of_the_id_decides_and_nothing_is_missing() {
    let mut cluster = cluster();
    assert!(cluster.auditor.needed().contains(&Resource::Nodes));
    cluster.tell(node("a", CRI_O));
    assert_eq!(cluster.found(), [UNKNOWN]);
    cluster.tell(Change::Access(Resource::Nodes, false));
    assert_eq!(cluster.found(), [FAILS], "what was read before may not be so any more");
    assert!(cluster.snapshot().policies[0].missing_permissions.is_empty());
    cluster.tell(Change::Access(Resource::Nodes, true));
    assert_eq!(cluster.found(), [UNKNOWN]);
}

#[test]
fn a_policy_that_comes_later_finds_what_the_nodes_run() {
    let other = json!({"rules": {"nodeImageUntrusted": {"allow": ["x.test"]}}});
    let mut cluster = Cluster::with_policies(&[policy("other", other)]);
    cluster.put(&local(1));
    cluster.tell(node("a", CRI_O));
    cluster.snapshot();
    cluster.tell(Change::Policy(policy("p", json!({"rules": {"hostLocalImage": {}}}))));
    assert_eq!(cluster.found(), [UNKNOWN, "NodeImageUntrusted unknown Cluster/cluster"]);
    cluster.tell(Change::PolicyGone("other".into()));
    cluster.tell(Change::PolicyGone("p".into()));
    cluster.tell(Change::Policy(policy("p", json!({"rules": {"hostLocalImage": {}}}))));
    cluster.list(Resource::Nodes, []);
    assert_eq!(cluster.found(), [FAILS], "nodes were dropped with the last rule that read them");
}
