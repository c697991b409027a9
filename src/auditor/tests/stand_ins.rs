//! Templates that are judged in place of pods.

use serde_json::{Value, json};

use super::{Cluster, policy, web, with};
use crate::auditor::Auditor;
use crate::auditor::audit::Wanted;
use crate::auditor::findings::Subject;
use crate::decode::{Change, PolicyRecord, object};
use crate::subject::Resource;

fn including(rules: &Value) -> PolicyRecord {
    policy("p", json!({"rules": rules, "scope": {"includeTemplates": true}}))
}

fn cluster() -> Cluster {
    Cluster::with_policies(&[including(&json!({"noMutableTag": {}, "runningDigestMatches": {}}))])
}

/// A workload as its watch tells it.
fn workload(kind: Resource, name: &str, template: &Value) -> Change {
    let spec = match kind {
        Resource::CronJobs => json!({"suspend": true, "jobTemplate": {"spec": {"template": template}}}),
        _ => json!({"replicas": 0, "template": template}),
    };
    let value = json!({"metadata": {"name": name, "namespace": "team-a", "uid": name}, "spec": spec});
    let facts = object::read(kind, &value).unwrap();
    Change::Workload(facts, object::stand_in::read(kind, &value).map(Box::new))
}

fn image(image: &str) -> Value {
    json!({"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [{"name": "app", "image": image}]}})
}

fn deployment(name: &str) -> Change {
    workload(Resource::Deployments, "web", &image(name))
}

const FOUND: &str = "NoMutableTag fail Deployment/web";

#[test]
fn a_template_is_judged_while_its_workload_has_no_pod_and_the_finding_stays_the_same_one() {
    let mut cluster = cluster();
    cluster.tell(deployment("nginx"));
    assert_eq!(cluster.found(), [FOUND]);
    assert_eq!(cluster.told(), ["NoMutableTag opened"]);
    let of_template = cluster.snapshot().findings().next().unwrap().clone();
    assert_eq!(of_template.pods, 0);
    cluster.pass(60);
    cluster.put(&web(1, "nginx"));
    assert_eq!(cluster.found(), [FOUND]);
    let of_pod = cluster.snapshot().findings().next().unwrap().clone();
    assert_eq!((of_pod.id, of_pod.since, of_pod.pods), (of_template.id, of_template.since, 1));
    let Subject::Workload(at) = &of_pod.subject else { panic!("a workload") };
    assert!(!at.judged.shape.is_template);
    cluster.gone(&web(1, "nginx"));
    assert_eq!(cluster.found(), [FOUND], "judged, not dormant");
    cluster.tell(Change::ObjectGone(Resource::Deployments, "team-a".into(), "web".into()));
    assert!(cluster.found().is_empty());
    cluster.pass(15);
    assert_eq!(cluster.told(), ["NoMutableTag resolved"]);
}

#[test]
fn what_a_template_says_counts_once_the_pods_are_gone_and_no_day_is_waited_for() {
    let mut cluster = cluster();
    cluster.tell(deployment("nginx:1.27"));
    cluster.put(&web(1, "nginx"));
    assert_eq!(cluster.found(), [FOUND]);
    cluster.gone(&web(1, "nginx"));
    assert!(cluster.found().is_empty(), "the template was mended");
}

#[test]
fn what_only_a_pod_shows_stays_dormant_beside_its_template() {
    let mut cluster = cluster();
    cluster.tell(deployment("nginx:1.27"));
    let mut injected = web(1, "nginx:1.27");
    injected["spec"]["containers"] =
        json!([{"name": "app", "image": "nginx:1.27"}, {"name": "proxy", "image": "proxy"}]);
    cluster.put(&injected);
    assert_eq!(cluster.found(), [FOUND]);
    cluster.gone(&injected);
    assert_eq!(cluster.found(), [format!("{FOUND} dormant")]);
}

#[test]
fn templates_of_all_kinds_are_judged_and_none_counts_as_a_pod() {
    let mut cluster = cluster();
    let kinds = [
        (Resource::Deployments, "Deployment"),
        (Resource::StatefulSets, "StatefulSet"),
        (Resource::DaemonSets, "DaemonSet"),
        (Resource::ReplicaSets, "ReplicaSet"),
        (Resource::ReplicationControllers, "ReplicationController"),
        (Resource::JobTemplates, "Job"),
        (Resource::CronJobs, "CronJob"),
    ];
    for (resource, kind) in kinds {
        cluster.list(resource, [workload(resource, "w", &image("nginx"))]);
        assert_eq!(cluster.found(), [format!("NoMutableTag fail {kind}/w")]);
        let snapshot = cluster.snapshot();
        let part = &snapshot.namespaces[0];
        assert_eq!((part.pods, part.live_pods, snapshot.seen.pods), (0, 0, 0));
        cluster.list(Resource::Pods, []);
        assert_eq!(cluster.found().len(), 1, "a list of pods says nothing of templates");
        cluster.list(resource, []);
        assert!(cluster.found().is_empty(), "not told again: gone");
    }
}

#[test]
fn only_a_policy_that_includes_templates_judges_them_and_only_it_needs_to_read_workloads() {
    let rules = json!({"noMutableTag": {}});
    let mut cluster = Cluster::with_policies(&[policy("p", json!({"rules": rules}))]);
    assert!(!cluster.auditor.needed().contains(&Resource::CronJobs));
    cluster.tell(Change::Policy(including(&rules)));
    assert!(Resource::TEMPLATES.iter().all(|kind| cluster.auditor.needed().contains(kind)));
    for kind in Resource::TEMPLATES {
        cluster.list(kind, [workload(kind, "w", &image("nginx"))]);
    }
    assert_eq!(cluster.found().len(), Resource::TEMPLATES.len());
    cluster.tell(Change::Policy(policy("p", json!({"rules": rules}))));
    assert!(cluster.found().is_empty());
}

#[test]
fn a_template_that_cannot_be_read_is_unknown_and_a_scope_selects_by_its_labels() {
    let mut cluster = cluster();
    cluster.tell(workload(Resource::Deployments, "web", &json!({"spec": {"containers": "none"}})));
    assert!(cluster.found().iter().all(|found| found.contains(" unknown Deployment/web")));
    assert!(!cluster.found().is_empty());
    let scope = json!({"includeTemplates": true, "podSelector": {"matchLabels": {"app": "other"}}});
    cluster.tell(Change::Policy(policy("p", json!({"rules": {"noMutableTag": {}}, "scope": scope}))));
    cluster.tell(deployment("nginx"));
    assert!(cluster.found().is_empty());
}

#[test]
fn workloads_that_may_not_be_read_are_told_with_the_policy() {
    let mut cluster = cluster();
    cluster.tell(Change::Access(Resource::CronJobs, false));
    assert_eq!(*cluster.snapshot().policies[0].unread_templates, [Resource::CronJobs]);
    cluster.tell(Change::Access(Resource::CronJobs, true));
    assert!(cluster.snapshot().policies[0].unread_templates.is_empty());
}

#[test]
fn an_audit_of_a_cluster_tells_a_template_only_where_there_is_no_pod() {
    let now = "2026-01-01T12:00:00Z".parse().unwrap();
    for (pods, expected) in [(0, 1), (1, 0)] {
        let mut auditor = Auditor::over_input(true);
        auditor.apply(Change::Policy(including(&json!({"noMutableTag": {}}))), now);
        auditor.apply(deployment("nginx"), now);
        if pods > 0 {
            let pod = with(web(1, "nginx"), "/metadata/name", json!("web-6f7-x"));
            auditor.apply(Change::Pod(crate::decode::pod::PodRecord::from_value(&pod)), now);
        }
        let (mut templates, mut live) = (0, 0);
        auditor.audit(now, Wanted::All, &mut |judgement| match judgement.subject {
            Subject::Workload(at) if at.judged.shape.is_template => templates += 1,
            Subject::Workload(_) => live += judgement.pods,
            _ => {}
        });
        assert_eq!((templates, live), (expected, pods));
    }
}
