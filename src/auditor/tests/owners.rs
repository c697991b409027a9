//! Pods and the templates of their controllers.

use serde_json::{Value, json};

use super::{Cluster, policy, web, with};
use crate::auditor::findings::State;
use crate::decode::{Change, object};
use crate::subject::Resource;

fn comparing() -> Cluster {
    Cluster::with_policies(&[policy("p", json!({"rules": {"podImageMatchesOwner": {}}}))])
}

/// The ReplicaSet that pods of [`web`] name as their controller.
fn replica_set(image: &str) -> Change {
    let value: Value = json!({
        "metadata": {"name": "web-6f7", "namespace": "team-a", "uid": "rs"},
        "spec": {"template": {"spec": {"containers": [{"name": "app", "image": image}]}}},
    });
    Change::Object(object::read(Resource::ReplicaSets, &value).unwrap())
}

const FOUND: &str = "PodImageMatchesOwner fail Deployment/web";

#[test]
fn a_pod_is_compared_whichever_of_the_two_is_told_first_and_whichever_changes() {
    let mut cluster = comparing();
    cluster.put(&web(1, "nginx:1.27"));
    assert!(cluster.found().is_empty(), "its controller is not there");
    cluster.tell(replica_set("nginx:1.27"));
    assert!(cluster.found().is_empty());
    cluster.put(&with(web(1, "nginx:1.27"), "/spec/containers/0/image", json!("evil.test/x")));
    assert_eq!(cluster.found(), [FOUND]);
    assert_eq!(cluster.told(), ["PodImageMatchesOwner opened"]);
    let snapshot = cluster.snapshot();
    let finding = snapshot.findings().next().unwrap();
    let message = snapshot.explain(finding);
    assert!(message.contains("evil.test/x") && message.contains("docker.io/library/nginx:1.27"), "{message}");
    cluster.tell(replica_set("evil.test/x"));
    assert!(cluster.found().is_empty(), "the template says so now");
    cluster.tell(replica_set("nginx:1.27"));
    assert_eq!(cluster.found(), [FOUND]);
    cluster.tell(Change::ObjectGone(Resource::ReplicaSets, "team-a".into(), "web-6f7".into()));
    assert!(cluster.found().is_empty());
}

#[test]
fn what_may_not_be_read_is_unknown_and_what_was_not_told_again_is_gone() {
    let mut cluster = comparing();
    cluster.put(&web(1, "nginx:1.27"));
    cluster.tell(Change::Access(Resource::ReplicaSets, false));
    assert_eq!(cluster.found(), ["PodImageMatchesOwner unknown Deployment/web"]);
    cluster.tell(Change::Access(Resource::ReplicaSets, true));
    cluster.list(Resource::ReplicaSets, [replica_set("nginx:1.28")]);
    assert_eq!(cluster.found(), [FOUND]);
    cluster.list(Resource::ReplicaSets, []);
    assert!(cluster.found().is_empty());
}

#[test]
fn an_edit_of_the_rule_compares_again() {
    let mut cluster = comparing();
    cluster.put(&web(1, "mirror.test/library/nginx:1.27"));
    cluster.tell(replica_set("nginx:1.27"));
    assert_eq!(cluster.found(), [FOUND]);
    let rewrites = json!({"rewrites": [{"from": "docker.io", "to": "mirror.test"}]});
    cluster.tell(Change::Policy(policy("p", json!({"rules": {"podImageMatchesOwner": rewrites}}))));
    assert!(cluster.found().is_empty());
}

#[test]
fn an_exemption_by_workload_permits_once_the_controller_is_seen_and_never_a_pod_that_only_claims_it() {
    let exemption = json!([{"name": "web", "rules": ["NoMutableTag"], "workloads": ["Deployment/web"],
        "reason": "r", "permanent": true}]);
    let rules = json!({"noMutableTag": {}});
    let mut cluster =
        Cluster::with_policies(&[policy("p", json!({"rules": rules, "exemptions": exemption}))]);
    let states = |cluster: &mut Cluster| -> Vec<State> {
        cluster.snapshot().findings().map(|finding| finding.state).collect()
    };
    cluster.put(&web(1, "nginx"));
    assert_eq!(states(&mut cluster), [State::Fail]);
    let snapshot = cluster.snapshot();
    let message = snapshot.explain(snapshot.findings().next().unwrap());
    assert!(
        message.contains("the policy's exemption web would permit it, but it names workloads"),
        "{message}"
    );
    assert!(!message.contains("may not be read"), "{message}");
    cluster.tell(Change::Access(Resource::ReplicaSets, false));
    let snapshot = cluster.snapshot();
    let message = snapshot.explain(snapshot.findings().next().unwrap());
    assert!(message.contains("replicasets.apps may not be read"), "{message}");
    assert!(snapshot.policies[0].missing_permissions.is_empty(), "all rules are judged all the same");
    assert!(snapshot.policies[0].unread_templates.is_empty());
    cluster.tell(Change::Access(Resource::ReplicaSets, true));
    cluster.tell(replica_set("nginx"));
    assert_eq!(states(&mut cluster), [State::Fail], "nothing says whose ReplicaSet it is");
    let of = |deployment: &str| {
        let value: Value = json!({
            "metadata": {"name": "web-6f7", "namespace": "team-a", "uid": "rs", "ownerReferences":
                [{"apiVersion": "apps/v1", "kind": "Deployment", "name": deployment, "uid": "d", "controller": true}]},
            "spec": {"template": {"spec": {"containers": [{"name": "app", "image": "nginx"}]}}},
        });
        Change::Object(object::read(Resource::ReplicaSets, &value).unwrap())
    };
    cluster.tell(of("other"));
    assert_eq!(states(&mut cluster), [State::Fail]);
    cluster.tell(of("web"));
    assert_eq!(states(&mut cluster), [State::Exempt(0)]);
    cluster.put(&with(web(2, "nginx"), "/metadata/ownerReferences/0/uid", json!("forged")));
    assert_eq!(states(&mut cluster), [State::Fail], "a pod that claims it does not hide behind the others");
}
