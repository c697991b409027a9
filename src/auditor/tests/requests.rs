//! Exemptions that tenants ask for: who permits what, from when on and until when.

use std::sync::Arc;

use serde_json::{Value, json};

use super::{Cluster, namespace, policy, web, with};
use crate::auditor::findings::{Finding, State};
use crate::auditor::requests::RequestOutcome;
use crate::auditor::snapshot::Snapshot;
use crate::auditor::transitions::TransitionKind;
use crate::decode::{Change, PolicyRecord, object};
use crate::policy::request::Standing;
use crate::subject::Resource;

fn delegating(delegation: Value) -> PolicyRecord {
    policy("baseline", json!({"rules": {"noMutableTag": {}}, "delegation": delegation}))
}

/// An Exemption of NoMutableTag in `team-a`, made an hour ago.
fn exemption(name: &str, spec: Value, approved_at: Option<i64>) -> Change {
    let mut whole = json!({"rules": ["NoMutableTag"], "reason": "r", "expiresAt": "2026-02-01T00:00:00Z"});
    for (field, value) in spec.as_object().unwrap() {
        whole[field] = value.clone();
    }
    let conditions = approved_at
        .map(|generation| json!([{"type": "Approved", "status": "True", "observedGeneration": generation}]));
    let value = json!({
        "metadata": {"name": name, "namespace": "team-a", "generation": 1, "creationTimestamp": "2026-01-01T11:00:00Z"},
        "spec": whole, "status": {"conditions": conditions},
    });
    Change::Object(object::read(Resource::Exemptions, &value).unwrap())
}

/// A cluster with a pod of `nginx` in `team-a`, which delegates, and these Exemptions.
fn cluster(delegation: Value, exemptions: Vec<Change>) -> Cluster {
    let mut cluster = Cluster::with_policies(&[delegating(delegation)]);
    cluster.put(&web(1, "nginx"));
    cluster.list(Resource::Exemptions, exemptions);
    cluster
}

fn only(snapshot: &Snapshot) -> Finding {
    let findings: Vec<_> = snapshot.findings().cloned().collect();
    assert_eq!(findings.len(), 1, "{findings:?}");
    findings[0].clone()
}

fn outcomes(snapshot: &Snapshot) -> Arc<[RequestOutcome]> {
    snapshot.namespace("team-a").unwrap().requests.clone()
}

const FREE: &str = r#"[{"rules": ["NoMutableTag"], "approval": "None"}]"#;

fn free() -> Value {
    serde_json::from_str(FREE).unwrap()
}

#[test]
fn what_nobody_delegates_is_not_read_and_what_is_delegated_is_waited_for() {
    let nothing = Cluster::with_policies(&[policy("baseline", json!({"rules": {"noMutableTag": {}}}))]);
    assert!(!nothing.auditor.needed().contains(&Resource::Exemptions));
    let mut waiting = nothing;
    waiting.tell(Change::Policy(delegating(free())));
    assert!(waiting.auditor.needed().contains(&Resource::Exemptions));
    let judged_by = |waiting: &mut Cluster| waiting.snapshot().policies[0].policy.delegation.len();
    assert_eq!(judged_by(&mut waiting), 0);
    waiting.list(Resource::Exemptions, []);
    assert_eq!(judged_by(&mut waiting), 0, "an Exemption may name workloads, which controllers confirm");
    Resource::CONTROLLERS.into_iter().for_each(|kind| waiting.list(kind, []));
    assert_eq!(judged_by(&mut waiting), 1);
}

#[test]
fn a_delegated_exemption_permits_with_its_own_reason_and_end() {
    let mut cluster = cluster(free(), vec![exemption("loader", json!({"ticket": "OPS-1"}), None)]);
    let snapshot = cluster.snapshot();
    let finding = only(&snapshot);
    assert_eq!(finding.state, State::Exempt(State::REQUESTED));
    let permits = finding.exemption(&snapshot.policies[0].policy).unwrap();
    assert_eq!((&*permits.name, &*permits.reason, permits.ticket.as_deref()), ("loader", "r", Some("OPS-1")));
    assert_eq!(permits.expires_at, "2026-02-01T00:00:00Z".parse().ok());
    assert!(!snapshot.explain(&finding).contains("requested"));
    let outcome = &outcomes(&snapshot)[0];
    assert_eq!((&*outcome.object.name, outcome.uses), ("loader", 1));
}

#[test]
fn an_exemption_that_waits_for_its_approval_leaves_the_violation_and_is_told() {
    let required = json!([{"rules": ["NoMutableTag"]}]);
    let mut cluster = cluster(required, vec![exemption("loader", json!({}), None)]);
    let snapshot = cluster.snapshot();
    let finding = only(&snapshot);
    assert_eq!(finding.state, State::Fail);
    assert!(finding.asked.as_ref().unwrap().is_pending());
    let told = snapshot.explain(&finding);
    assert!(
        told.ends_with("; exemption requested by Exemption loader, but it waits for an approval"),
        "{told}"
    );

    cluster.auditor.drain_transitions();
    cluster.tell(exemption("loader", json!({}), Some(1)));
    assert_eq!(only(&cluster.snapshot()).state, State::Exempt(State::REQUESTED));
    let kinds: Vec<_> = cluster.auditor.drain_transitions().iter().map(|it| it.kind).collect();
    assert_eq!(kinds, [TransitionKind::Exempted]);

    // An edit counts the generation up, and the approval speaks of the one before.
    cluster.tell(exemption("loader", json!({}), Some(0)));
    assert_eq!(only(&cluster.snapshot()).state, State::Fail);
    let kinds: Vec<_> = cluster.auditor.drain_transitions().iter().map(|it| it.kind).collect();
    assert_eq!(kinds, [TransitionKind::Opened]);
}

#[test]
fn an_exemption_that_nobody_delegates_is_told_and_permits_nothing() {
    let elsewhere = json!([{"rules": ["NoMutableTag"], "approval": "None", "namespaceSelector": {"matchLabels": {"tenant": "yes"}}}]);
    let mut cluster = cluster(elsewhere, vec![exemption("loader", json!({}), None)]);
    let finding = only(&cluster.snapshot());
    assert_eq!(finding.state, State::Fail);
    let told = cluster.snapshot().explain(&finding);
    assert!(
        told.contains("exemption requested by Exemption loader, but the policy does not delegate"),
        "{told}"
    );
    // The label decides, at once.
    cluster.tell(namespace("team-a", json!({"tenant": "yes"})));
    assert_eq!(only(&cluster.snapshot()).state, State::Exempt(State::REQUESTED));
}

#[test]
fn an_exemption_of_another_rule_workload_or_image_has_nothing_to_do_with_the_finding() {
    for spec in [
        json!({"rules": ["TrustedRegistry"]}),
        json!({"workloads": ["Deployment/other"]}),
        json!({"images": ["quay.io/**"]}),
    ] {
        let mut cluster = cluster(free(), vec![exemption("loader", spec.clone(), None)]);
        let finding = only(&cluster.snapshot());
        assert_eq!((finding.state, finding.asked), (State::Fail, None), "{spec}");
    }
}

#[test]
fn a_workload_that_is_only_claimed_is_told() {
    let mut cluster =
        cluster(free(), vec![exemption("loader", json!({"workloads": ["Deployment/web"]}), None)]);
    let snapshot = cluster.snapshot();
    let finding = only(&snapshot);
    assert_eq!(finding.state, State::Fail);
    assert!(snapshot.explain(&finding).contains("which one owns this pod is not confirmed"));
}

#[test]
fn the_end_that_the_policy_gives_comes_at_that_second_and_is_told() {
    let days = json!([{"rules": ["NoMutableTag"], "approval": "None", "maxDays": 1}]);
    let mut cluster = cluster(days, vec![exemption("loader", json!({}), None)]);
    let snapshot = cluster.snapshot();
    let end = "2026-01-02T11:00:00Z".parse().ok();
    assert_eq!(only(&snapshot).exemption(&snapshot.policies[0].policy).unwrap().expires_at, end);
    assert_eq!(cluster.auditor.next_deadline(), end);
    cluster.pass(23 * 3_600 - 1);
    assert_eq!(only(&cluster.snapshot()).state, State::Exempt(State::REQUESTED));
    cluster.pass(1);
    let snapshot = cluster.snapshot();
    let finding = only(&snapshot);
    assert_eq!(finding.state, State::Fail);
    assert!(!finding.asked.as_ref().unwrap().is_pending());
    let told = snapshot.explain(&finding);
    assert!(told.ends_with("; Exemption loader permits it no more: it ended on 2026-01-02T11:00:00Z: the policy delegates 1 days from its creation"), "{told}");
    assert_eq!(outcomes(&snapshot)[0].uses, 0);
}

#[test]
fn an_exemption_that_is_gone_permits_nothing_any_more() {
    let mut cluster = cluster(free(), vec![exemption("loader", json!({}), None)]);
    assert_eq!(only(&cluster.snapshot()).state, State::Exempt(State::REQUESTED));
    cluster.tell(Change::ObjectGone(Resource::Exemptions, "team-a".into(), "loader".into()));
    let snapshot = cluster.snapshot();
    assert_eq!((only(&snapshot).state, only(&snapshot).asked), (State::Fail, None));
    assert!(outcomes(&snapshot).is_empty());
    cluster.tell(exemption("loader", json!({}), None));
    assert_eq!(only(&cluster.snapshot()).state, State::Exempt(State::REQUESTED));
    cluster.list(Resource::Exemptions, []);
    assert_eq!(only(&cluster.snapshot()).state, State::Fail, "it was not told again");
}

#[test]
fn only_the_namespace_of_an_exemption_is_rolled_up_again() {
    let mut cluster = cluster(free(), vec![]);
    cluster.tell(namespace("team-b", json!({})));
    let before = cluster.snapshot();
    cluster.tell(exemption("loader", json!({}), None));
    let after = cluster.snapshot();
    assert!(Arc::ptr_eq(before.namespace("team-b").unwrap(), after.namespace("team-b").unwrap()));
    assert_eq!(after.namespace("team-a").unwrap().revision, before.namespace("team-a").unwrap().revision + 1);
}

#[test]
fn a_delegation_that_is_edited_out_takes_its_permissions_along() {
    let mut cluster = cluster(free(), vec![exemption("loader", json!({}), None)]);
    assert_eq!(only(&cluster.snapshot()).state, State::Exempt(State::REQUESTED));
    cluster.tell(Change::Policy(delegating(json!([{"rules": ["NoMutableTag"], "approval": "Required"}]))));
    assert_eq!(only(&cluster.snapshot()).state, State::Fail);
    let mut none = delegating(json!([]));
    none.spec.as_object_mut().unwrap().remove("delegation");
    cluster.tell(Change::Policy(none));
    assert_eq!(only(&cluster.snapshot()).asked, None, "nobody reads Exemptions any more");
}

#[test]
fn the_policys_own_exemption_comes_first() {
    let own = json!({"name": "own", "rules": ["NoMutableTag"], "namespaces": ["team-a"], "reason": "r", "permanent": true});
    let mut record = delegating(free());
    record.spec["exemptions"] = json!([own]);
    let mut cluster = Cluster::with_policies(&[record]);
    cluster.put(&web(1, "nginx"));
    cluster.list(Resource::Exemptions, [exemption("loader", json!({}), None)]);
    let snapshot = cluster.snapshot();
    assert_eq!((only(&snapshot).state, only(&snapshot).asked), (State::Exempt(0), None));
    assert_eq!(outcomes(&snapshot)[0].uses, 0);
}

fn annotated(index: u8, value: &str) -> Value {
    let mut pod = web(index, "nginx");
    pod["metadata"]["annotations"] = json!({"exempt.revisor.dev/NoMutableTag": value});
    pod
}

fn in_place() -> Value {
    json!([{"rules": ["NoMutableTag"], "approval": "None", "annotations": true, "maxDays": 30}])
}

#[test]
fn an_annotation_permits_in_place_until_its_day() {
    let mut cluster = Cluster::with_policies(&[delegating(in_place())]);
    cluster.list(Resource::Exemptions, []);
    cluster.put(&annotated(1, "OPS-1 until 2026-01-03: nodes are preloaded"));
    let snapshot = cluster.snapshot();
    let finding = only(&snapshot);
    let permits = finding.exemption(&snapshot.policies[0].policy).unwrap();
    assert_eq!(
        (&*permits.reason, &*permits.name),
        ("nodes are preloaded", "exempt.revisor.dev/NoMutableTag")
    );
    cluster.pass(36 * 3_600);
    assert_eq!(only(&cluster.snapshot()).state, State::Fail);
}

#[test]
fn an_annotation_that_cannot_be_read_or_is_not_taken_leaves_the_violation_and_is_told() {
    let mut cluster = Cluster::with_policies(&[delegating(in_place())]);
    cluster.list(Resource::Exemptions, []);
    cluster.put(&annotated(1, "yes"));
    let finding = only(&cluster.snapshot());
    let told = cluster.snapshot().explain(&finding);
    assert_eq!(finding.state, State::Fail);
    assert!(
        told.contains("exempt.revisor.dev/NoMutableTag, which cannot be read: \"yes\": it names no end"),
        "{told}"
    );
    cluster.tell(Change::Policy(delegating(free())));
    cluster.put(&annotated(1, "OPS-1 until 2026-01-03: r"));
    let finding = only(&cluster.snapshot());
    assert_eq!(finding.state, State::Fail);
    assert!(cluster.snapshot().explain(&finding).contains("takes no annotations here"));
}

#[test]
fn an_annotation_on_some_pods_of_a_workload_does_not_cover_the_others() {
    let mut cluster = Cluster::with_policies(&[delegating(in_place())]);
    cluster.list(Resource::Exemptions, []);
    cluster.put(&annotated(1, "OPS-1 until 2026-01-03: r"));
    cluster.put(&web(2, "nginx"));
    let finding = only(&cluster.snapshot());
    assert_eq!((finding.state, finding.pods), (State::Fail, 2));
    cluster.gone(&web(2, "nginx"));
    assert_eq!(only(&cluster.snapshot()).state, State::Exempt(State::REQUESTED));
}

#[test]
fn a_dormant_finding_keeps_what_an_exemption_permits() {
    let mut cluster = cluster(free(), vec![exemption("loader", json!({}), None)]);
    cluster.snapshot();
    cluster.gone(&web(1, "nginx"));
    let finding = only(&cluster.snapshot());
    assert!(finding.dormant_since.is_some() && finding.state == State::Exempt(State::REQUESTED));
}

#[test]
fn what_the_policies_say_of_each_exemption_is_in_the_snapshot_by_rule() {
    let spec = json!({"rules": ["NoMutableTag", "TrustedRegistry"]});
    let mut cluster =
        cluster(free(), vec![exemption("a", spec, None), exemption("b", json!({"reason": " "}), None)]);
    let snapshot = cluster.snapshot();
    let outcomes = outcomes(&snapshot);
    let until = "2026-02-01T00:00:00Z".parse().unwrap();
    let [(0, rule, standing)] = &*outcomes[0].said else {
        panic!("TrustedRegistry is not in force: {outcomes:?}")
    };
    assert_eq!((rule.as_str(), *standing), ("NoMutableTag", Standing::Effective { until, cut: None }));
    assert!(outcomes[1].object.request.is_none() && outcomes[1].said.is_empty());
    assert_eq!(outcomes[1].object.problems[0].field, "spec.reason");
}

#[test]
fn without_the_right_to_read_exemptions_none_counts_and_nothing_else_waits() {
    let mut cluster = Cluster::with_policies(&[delegating(free())]);
    cluster.put(&web(1, "nginx"));
    cluster.tell(Change::Access(Resource::Exemptions, false));
    assert_eq!(only(&cluster.snapshot()).state, State::Fail);
}

#[test]
fn an_exemption_ends_although_its_pod_is_replaced_by_another_one() {
    let mut cluster =
        cluster(free(), vec![exemption("loader", json!({"expiresAt": "2026-01-01T12:30:00Z"}), None)]);
    cluster.snapshot();
    cluster.put(&with(web(1, "nginx"), "/metadata/labels/app", json!("other")));
    assert_eq!(only(&cluster.snapshot()).state, State::Exempt(State::REQUESTED));
    cluster.pass(30 * 60);
    assert_eq!(only(&cluster.snapshot()).state, State::Fail);
}

#[test]
fn what_each_exemption_of_a_policy_permits_is_counted_and_its_end_is_near_fourteen_days_before() {
    let own = |name: &str, namespace: &str| json!({"name": name, "rules": ["NoMutableTag"], "namespaces": [namespace], "reason": "r", "expiresAt": "2026-02-01T00:00:00Z"});
    let exemptions = json!([own("other", "team-b"), own("own", "team-a")]);
    let spec = json!({"rules": {"noMutableTag": {}}, "exemptions": exemptions});
    let mut cluster = Cluster::with_policies(&[policy("baseline", spec)]);
    cluster.put(&web(1, "nginx"));
    assert_eq!(*cluster.snapshot().policies[0].exempted, [0, 1]);
    let soon = "2026-01-18T00:00:00Z".parse().ok();
    assert_eq!(cluster.auditor.next_deadline(), soon);
    cluster.pass(17 * 24 * 3_600);
    assert_eq!(cluster.auditor.next_deadline(), "2026-02-01T00:00:00Z".parse().ok());
    cluster.gone(&web(1, "nginx"));
    cluster.tell(Change::OwnerGone("team-a".into(), "Deployment".into(), "web".into()));
    assert_eq!(*cluster.snapshot().policies[0].exempted, [0, 0]);
}
