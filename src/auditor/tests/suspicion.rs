//! Suspicious activity, as changes and what is told of them.

use serde_json::{Value, json};

use super::{Cluster, baseline, policy, web, with};
use crate::auditor::Auditor;
use crate::auditor::suspicion::{About, Activity};
use crate::decode::pod::PodRecord;
use crate::decode::{Change, network_policy, object};
use crate::subject::Resource;

mod network_policies;
mod policies;
mod tags;

/// A policy that reads network policies and bindings.
fn reading() -> Value {
    json!({"rules": {"defaultDenyIngress": {}, "noClusterAdminRoleBinding": {}, "noMutableTag": {}}})
}

impl Cluster {
    fn seen(&mut self) -> Vec<Activity> {
        self.auditor.drain_suspicious_activity()
    }

    /// What was seen since the last time and until edits of pods have waited for others.
    fn gathered(&mut self) -> Vec<Activity> {
        self.pass(5);
        self.seen()
    }

    /// What was seen since the last time, in short: `Signal Kind/name`.
    fn signals(&mut self) -> Vec<String> {
        let show = |it: Activity| format!("{} {}/{}", it.signal.as_str(), it.about.kind(), it.about.name());
        self.seen().into_iter().map(show).collect()
    }
}

fn nothing() -> Vec<String> {
    Vec::new()
}

fn namespace(labels: Value) -> Change {
    super::namespace("team-a", labels)
}

fn network_policy(name: &str, spec: Value) -> Change {
    let object = json!({"metadata": {"name": name, "namespace": "team-a"}, "spec": spec});
    let (namespace, facts) = network_policy::read(&object).unwrap();
    Change::NetworkPolicy(namespace, facts)
}

fn deny(name: &str) -> Change {
    network_policy(name, json!({"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}))
}

fn no_network_policy(name: &str) -> Change {
    Change::NetworkPolicyGone("team-a".into(), name.into())
}

fn binding(namespace: &str, name: &str, role: &str, subjects: &[Value]) -> Change {
    let kind = if namespace.is_empty() { Resource::ClusterRoleBindings } else { Resource::RoleBindings };
    let object = json!({
        "metadata": {"name": name, "namespace": namespace}, "subjects": subjects,
        "roleRef": {"kind": "ClusterRole", "name": role},
    });
    Change::Object(object::read(kind, &object).unwrap())
}

fn user(name: &str) -> Value {
    json!({"kind": "User", "name": name})
}

#[test]
fn an_image_that_is_changed_in_a_pod_that_lives_is_told_once() {
    let mut cluster = Cluster::with_policies(&[baseline()]);
    cluster.put(&web(1, "nginx:1.27"));
    cluster.seen();
    cluster.put(&web(1, "redis:7"));
    assert_eq!(cluster.signals(), nothing(), "others may be edited likewise");
    let seen = cluster.gathered();
    assert_eq!(seen.len(), 1);
    assert_eq!(
        seen[0].message,
        "container app of pod web-6f7-1 has image docker.io/library/redis:7 instead of \
         docker.io/library/nginx:1.27, while the pod lives"
    );
    let About::Pod { namespace, pod, workload } = &seen[0].about else { panic!("{:?}", seen[0]) };
    assert_eq!(
        (&**namespace, &**pod, &*workload.kind, &*workload.name),
        ("team-a", "web-6f7-1", "Deployment", "web")
    );
    cluster.put(&web(1, "redis:7"));
    cluster.put(&web(1, "docker.io/library/redis:7"));
    cluster.put(&web(2, "nginx:1.28"));
    cluster.pass(600);
    assert_eq!(
        cluster.signals(),
        nothing(),
        "the same, the same in other words, and another pod of a rollout"
    );
    cluster.put(&web(1, "nginx:1.28"));
    assert_eq!(cluster.gathered().len(), 1, "another image is another edit");
}

#[test]
fn replicas_that_are_edited_alike_are_one_activity_that_says_how_many() {
    let mut cluster = Cluster::with_policies(&[baseline()]);
    (1..=10).for_each(|index| cluster.put(&web(index, &format!("nginx:1.{}", index % 2))));
    cluster.seen();
    (1..=10).for_each(|index| cluster.put(&web(index, "redis:7")));
    cluster.put(&web(1, "redis:7"));
    let seen = cluster.gathered();
    assert_eq!(seen.len(), 1, "{seen:?}");
    assert_eq!(
        seen[0].message,
        "container app of 10 pods (web-6f7-1 is one) has image docker.io/library/redis:7 instead of \
         docker.io/library/nginx:1.1, while they live"
    );
}

#[test]
fn pods_that_are_edited_one_after_the_other_are_told_at_long_intervals_and_none_is_left_out() {
    let mut cluster = Cluster::with_policies(&[baseline()]);
    (1..=12).for_each(|index| cluster.put(&web(index, "nginx:1")));
    cluster.seen();
    let mut told = Vec::new();
    for index in 1..=12 {
        cluster.put(&web(index, "redis:7"));
        (0..6).for_each(|_| cluster.pass(10));
        told.extend(cluster.seen());
    }
    cluster.pass(600);
    told.extend(cluster.seen());
    let starts: Vec<_> = told.iter().map(|it| it.message.split(" has image").next().unwrap()).collect();
    assert_eq!(
        starts,
        [
            "container app of pod web-6f7-1",
            "container app of 10 pods (web-6f7-2 is one)",
            "container app of pod web-6f7-12",
        ]
    );
    assert!(told[1..].iter().all(|it| it.message.ends_with("; the same was told before")), "{told:?}");
    cluster.pass(600);
    assert_eq!((cluster.signals(), cluster.auditor.next_deadline()), (nothing(), None));
}

#[test]
fn the_same_edit_in_pods_of_two_workloads_is_an_activity_of_each() {
    let mut cluster = Cluster::with_policies(&[baseline()]);
    let other = |image: &str| {
        let pod = with(web(7, image), "/metadata/ownerReferences/0/name", json!("db-6f7"));
        with(pod, "/metadata/ownerReferences/0/uid", json!("db"))
    };
    cluster.put(&web(1, "nginx:1"));
    cluster.put(&other("nginx:1"));
    cluster.seen();
    cluster.put(&web(1, "redis:7"));
    cluster.put(&other("redis:7"));
    cluster.pass(5);
    let mut signals = cluster.signals();
    signals.sort();
    assert_eq!(signals, ["PodImageChanged Deployment/db", "PodImageChanged Deployment/web"]);
}

#[test]
fn taking_the_owner_away_in_the_same_edit_does_not_hide_another_image() {
    let mut cluster = Cluster::with_policies(&[baseline()]);
    cluster.put(&web(1, "nginx:1.27"));
    cluster.seen();
    cluster.put(&with(web(1, "redis:7"), "/metadata/ownerReferences", json!([])));
    cluster.pass(5);
    assert_eq!(cluster.signals(), ["PodImageChanged Pod/web-6f7-1"]);
}

#[test]
fn what_has_ended_or_cannot_be_read_has_no_other_image() {
    let mut cluster = Cluster::with_policies(&[baseline()]);
    cluster.put(&web(1, "nginx:1.27"));
    cluster.seen();
    cluster.put(&with(web(1, "redis:7"), "/status", json!({"phase": "Succeeded"})));
    cluster.put(&with(web(1, "redis:7"), "/spec/containers", json!("none")));
    cluster.put(&web(1, "nginx:1.27"));
    cluster.pass(5);
    assert_eq!(cluster.signals(), nothing());
}

#[test]
fn several_images_of_one_edit_are_one_signal() {
    let two = |image: &str| {
        let containers = json!([{"name": "a", "image": image}, {"name": "b", "image": image}]);
        with(web(1, "x"), "/spec/containers", containers)
    };
    let mut cluster = Cluster::with_policies(&[baseline()]);
    cluster.put(&two("nginx:1.27"));
    cluster.seen();
    cluster.put(&two("nginx:1.28"));
    let seen = cluster.gathered();
    assert!(seen.len() == 1 && seen[0].message.ends_with("while the pod lives; 1 more likewise"), "{seen:?}");
}

#[test]
fn an_ephemeral_container_is_told_when_it_is_added_and_not_again() {
    let mut cluster = Cluster::with_policies(&[baseline()]);
    let debugged = |names: &[&str]| {
        let mut pod = web(1, "nginx:1.27");
        let containers = names.iter().map(|name| json!({"name": name, "image": "nginx:debug"}));
        pod["spec"]["ephemeralContainers"] = containers.collect();
        pod
    };
    cluster.put(&web(1, "nginx:1.27"));
    cluster.seen();
    cluster.put(&debugged(&["dbg"]));
    let seen = cluster.gathered();
    assert_eq!(
        seen[0].message,
        "pod web-6f7-1 has a new ephemeral container dbg with image docker.io/library/nginx:debug"
    );
    assert_eq!((seen.len(), seen[0].signal.as_str()), (1, "EphemeralContainerAdded"));
    cluster.put(&with(debugged(&["dbg"]), "/metadata/labels/app", json!("other")));
    cluster.pass(600);
    assert_eq!(cluster.signals(), nothing());
    cluster.put(&debugged(&["dbg", "more"]));
    cluster.pass(5);
    assert_eq!(cluster.signals(), ["EphemeralContainerAdded Deployment/web"]);
}

#[test]
fn a_registry_is_told_at_its_first_use_in_the_cluster_and_never_again() {
    let mut cluster = Cluster::with_policies(&[baseline()]);
    cluster.put(&web(1, "a.test/app:1"));
    let seen = cluster.seen();
    assert_eq!(
        seen[0].message,
        "registry a.test was not used in the cluster before: container app of pod web-6f7-1 names a.test/app:1"
    );
    assert_eq!((seen.len(), seen[0].signal.as_str()), (1, "RegistryFirstUsed"));
    cluster.put(&web(2, "a.test/other:2"));
    cluster.gone(&web(1, "a.test/app:1"));
    cluster.gone(&web(2, "a.test/other:2"));
    cluster.snapshot();
    cluster.put(&web(3, "a.test/app:1"));
    assert_eq!(cluster.signals(), nothing());
    cluster.put(&web(4, "No Image"));
    cluster.pass(5);
    assert_eq!(cluster.signals(), nothing());
}

#[test]
fn registries_of_the_first_list_and_of_a_list_told_again_are_no_news() {
    let mut cluster = Cluster::with_policies(&[baseline()]);
    cluster.put(&web(1, "a.test/app:1"));
    cluster.seen();
    let again = [Change::Pod(PodRecord::from_value(&web(1, "a.test/app:1")))];
    cluster.list(Resource::Pods, again);
    assert_eq!(cluster.signals(), nothing());

    let mut restarted = Cluster { auditor: Auditor::new(), now: cluster.now };
    restarted.list(Resource::ImagePolicies, [Change::Policy(baseline())]);
    restarted.list(Resource::Pods, [Change::Pod(PodRecord::from_value(&web(1, "a.test/app:1")))]);
    restarted.put(&web(1, "b.test/app:1"));
    restarted.list_others(&[Resource::ImagePolicies, Resource::Pods]);
    assert_eq!(restarted.signals(), nothing(), "before everything was told once");
    restarted.put(&web(2, "b.test/app:1"));
    assert_eq!(restarted.signals(), nothing());
    restarted.put(&web(2, "c.test/app:1"));
    assert_eq!(restarted.signals(), ["RegistryFirstUsed Deployment/web"]);
    restarted.pass(5);
    assert_eq!(restarted.signals(), ["PodImageChanged Deployment/web"]);
}

#[test]
fn what_changed_while_the_watch_was_away_is_told_by_the_next_list() {
    let mut cluster = Cluster::with_policies(&[policy("p", reading())]);
    cluster.put(&web(1, "nginx:1.27"));
    cluster.tell(deny("deny"));
    cluster.seen();
    cluster.list(Resource::Pods, [Change::Pod(PodRecord::from_value(&web(1, "redis:7")))]);
    cluster.pass(5);
    assert_eq!(cluster.signals(), ["PodImageChanged Deployment/web"]);
    cluster.list(Resource::NetworkPolicies, []);
    cluster.pass(5);
    assert_eq!(cluster.signals(), ["DefaultDenyRemoved Namespace/team-a"]);
    cluster.list(Resource::ClusterRoleBindings, [binding("", "wide", "cluster-admin", &[user("anna")])]);
    assert_eq!(cluster.signals(), ["ClusterAdminBound ClusterRoleBinding/wide"]);
}

#[test]
fn a_lower_level_of_pod_security_and_no_level_at_all_are_told() {
    let enforce = |level: &str| namespace(json!({"pod-security.kubernetes.io/enforce": level}));
    let mut cluster = Cluster::with_policies(&[baseline()]);
    let mut told = |change: Change| {
        cluster.tell(change);
        cluster.seen().into_iter().map(|it| it.message).collect::<Vec<_>>()
    };
    assert_eq!(told(enforce("baseline")), nothing(), "the cluster's default is not known");
    assert_eq!(told(enforce("restricted")), nothing());
    assert_eq!(told(enforce("baseline")), ["Pod Security enforces baseline instead of restricted"]);
    assert_eq!(told(enforce("Baseline")), nothing(), "what cannot be read is enforced as restricted");
    assert_eq!(told(enforce("privileged")), ["Pod Security enforces privileged instead of restricted"]);
    let warned = json!({"pod-security.kubernetes.io/warn": "restricted"});
    assert_eq!(
        told(namespace(warned)),
        [
            "the label pod-security.kubernetes.io/enforce is gone, which said privileged: the cluster's default holds"
        ]
    );
}

#[test]
fn a_namespace_that_is_made_anew_under_the_same_name_is_another_one() {
    let of = |uid: &str, labels: Value| {
        let object = json!({"metadata": {"name": "team-a", "uid": uid, "labels": labels}});
        let (name, object) = crate::decode::namespace::read(&object).unwrap();
        Change::Namespace(name, object)
    };
    let mut cluster = Cluster::with_policies(&[baseline()]);
    cluster.tell(of("1", json!({"pod-security.kubernetes.io/enforce": "restricted"})));
    cluster.tell(of("2", json!({"admission.gatekeeper.sh/ignore": "x"})));
    assert_eq!(cluster.signals(), nothing());
}

#[test]
fn a_label_that_opts_out_is_told_when_it_is_added() {
    let mut cluster = Cluster::with_policies(&[baseline()]);
    let connaisseur = "securesystemsengineering.connaisseur/webhook";
    cluster.tell(namespace(json!({connaisseur: "validate"})));
    assert_eq!(cluster.signals(), nothing());
    cluster.tell(namespace(json!({connaisseur: "ignore"})));
    let seen = cluster.seen();
    assert_eq!(
        seen[0].message,
        "label securesystemsengineering.connaisseur/webhook=\"ignore\" was added, which opts out of admission control"
    );
    assert_eq!(
        (seen.len(), seen[0].about.name(), seen[0].signal.as_str()),
        (1, "team-a", "OptOutLabelAdded")
    );
    cluster.tell(namespace(json!({connaisseur: "ignore", "other": "label"})));
    assert_eq!(cluster.signals(), nothing(), "it was there");
    cluster.tell(namespace(json!({connaisseur: "ignore", "admission.gatekeeper.sh/ignore": ""})));
    assert_eq!(cluster.signals(), ["OptOutLabelAdded Namespace/team-a"]);
}

#[test]
fn a_binding_to_cluster_admin_or_to_anonymous_is_told_when_it_is_made_or_widened() {
    let mut cluster = Cluster::with_policies(&[policy("p", reading())]);
    cluster.tell(binding("", "wide", "cluster-admin", &[user("anna")]));
    let seen = cluster.seen();
    assert_eq!(seen[0].message, "ClusterRoleBinding wide gives ClusterRole cluster-admin to user anna");
    assert_eq!((seen.len(), seen[0].about.namespace()), (1, None));
    cluster.tell(binding("", "wide", "cluster-admin", &[user("anna")]));
    assert_eq!(cluster.signals(), nothing());
    cluster.tell(binding(
        "",
        "wide",
        "cluster-admin",
        &[user("anna"), user("bert"), user("system:anonymous")],
    ));
    let seen: Vec<_> = cluster.seen().into_iter().map(|it| (it.signal.as_str(), it.message)).collect();
    assert_eq!(seen.len(), 2);
    assert_eq!(seen[0].0, "ClusterAdminBound");
    assert!(seen[0].1.ends_with("to user bert and 1 more"), "{seen:?}");
    assert_eq!(seen[1].0, "AnonymousBound");
    cluster.tell(binding("team-a", "open", "view", &[user("system:anonymous")]));
    assert_eq!(cluster.signals(), ["AnonymousBound Namespace/team-a"]);
    cluster.tell(binding("team-a", "fine", "view", &[user("anna")]));
    let masters = json!({"kind": "Group", "name": "system:masters"});
    cluster.tell(binding("", "cluster-admin", "cluster-admin", &[masters]));
    let viewer = "system:public-info-viewer";
    let unauthenticated = json!({"kind": "Group", "name": "system:unauthenticated"});
    cluster.tell(binding("", viewer, viewer, &[unauthenticated]));
    cluster.tell(Change::ObjectGone(Resource::ClusterRoleBindings, "".into(), "wide".into()));
    assert_eq!(cluster.signals(), nothing(), "what Kubernetes makes by itself, and what is gone");
}

#[test]
fn the_first_list_of_a_kind_that_is_read_from_now_on_is_no_activity() {
    let mut cluster = Cluster::with_policies(&[baseline()]);
    cluster.tell(Change::Policy(policy("p", reading())));
    cluster.list(Resource::ClusterRoleBindings, [binding("", "wide", "cluster-admin", &[user("anna")])]);
    let beside = [&Resource::ALWAYS[..], &[Resource::ClusterRoleBindings]].concat();
    cluster.list_others(&beside);
    assert_eq!(cluster.signals(), nothing());
    cluster.tell(binding("", "more", "cluster-admin", &[user("anna")]));
    assert_eq!(cluster.signals(), ["ClusterAdminBound ClusterRoleBinding/more"]);
}

#[test]
fn nothing_is_looked_for_in_files_or_when_it_is_switched_off() {
    let now = jiff::Timestamp::UNIX_EPOCH;
    let mut off = Auditor::new();
    off.ignore_suspicious_activity();
    for mut auditor in [Auditor::over_input(true), off] {
        for kind in Resource::ALWAYS {
            auditor.apply(Change::RelistStarted(kind), now);
            auditor.apply(Change::RelistFinished(kind), now);
        }
        for image in ["a.test/x:1", "b.test/x:1"] {
            auditor.apply(Change::Pod(PodRecord::from_value(&web(1, image))), now);
        }
        assert!(auditor.is_complete());
        assert_eq!(auditor.drain_suspicious_activity(), []);
    }
}
