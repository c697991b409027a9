//! Edits of policies: what is judged again, and what is told again.

use std::sync::Arc;

use jiff::SignedDuration;
use serde_json::{Value, json};

use super::{Cluster, namespace, policy, web};
use crate::auditor::findings::{State, Subject};
use crate::auditor::snapshot::{NamespaceSnapshot, Snapshot};
use crate::decode::{Change, PolicyRecord};
use crate::subject::Resource;

fn edited(generation: i64, spec: Value) -> Change {
    Change::Policy(PolicyRecord { generation, ..policy("baseline", spec) })
}

/// Namespace `team-a` with an image that has no tag, and `team-b` in which nothing is wrong.
fn two_namespaces(spec: Value) -> (Cluster, Arc<Snapshot>) {
    let mut cluster = Cluster::with_policies(&[policy("baseline", spec)]);
    cluster.list(
        Resource::Namespaces,
        [namespace("team-a", json!({})), namespace("team-b", json!({"tier": "x"}))],
    );
    cluster.put(&web(1, "nginx"));
    let snapshot = cluster.snapshot();
    (cluster, snapshot)
}

fn edit(cluster: &mut Cluster, spec: Value) -> Arc<Snapshot> {
    cluster.tell(edited(2, spec));
    cluster.snapshot()
}

fn part<'s>(snapshot: &'s Snapshot, name: &str) -> &'s Arc<NamespaceSnapshot> {
    snapshot.namespace(name).unwrap()
}

#[test]
fn another_severity_is_told_again_where_there_are_findings_and_nowhere_else() {
    let (mut cluster, before) = two_namespaces(json!({"rules": {"noMutableTag": {}}}));
    let after = edit(&mut cluster, json!({"rules": {"noMutableTag": {"severity": "critical"}}}));
    assert_eq!(part(&after, "team-a").revision, part(&before, "team-a").revision + 1);
    assert!(Arc::ptr_eq(&part(&after, "team-a").findings, &part(&before, "team-a").findings));
    assert!(Arc::ptr_eq(part(&after, "team-b"), part(&before, "team-b")));
    assert_eq!(after.policies[0].policy.generation, 2);
}

#[test]
fn a_rule_that_comes_in_is_judged_everywhere_and_one_that_goes_takes_its_findings_along() {
    let (mut cluster, before) = two_namespaces(json!({"rules": {"noMutableTag": {}}}));
    let required = json!({"requiredLabels": {"labels": {"tier": ".+"}}});
    let after = edit(&mut cluster, json!({ "rules": required }));
    let rules =
        |snapshot: &Snapshot| snapshot.findings().map(|finding| finding.rule.as_str()).collect::<Vec<_>>();
    assert_eq!((rules(&before), rules(&after)), (vec!["NoMutableTag"], vec!["RequiredLabels"]));
    assert!(Arc::ptr_eq(part(&after, "team-b"), part(&before, "team-b")), "its label is there");
}

#[test]
fn an_exemption_that_is_edited_in_is_seen_at_once() {
    let (mut cluster, _) = two_namespaces(json!({"rules": {"noMutableTag": {}}}));
    let exemption = json!({"name": "e", "rules": ["NoMutableTag"], "namespaces": ["team-a"], "reason": "r", "permanent": true});
    let after = edit(&mut cluster, json!({"rules": {"noMutableTag": {}}, "exemptions": [exemption]}));
    let states: Vec<_> = after.findings().map(|finding| finding.state).collect();
    assert_eq!(states, [State::Exempt(0)]);
}

#[test]
fn a_scope_that_leaves_a_namespace_out_closes_its_findings_and_touches_no_other_one() {
    let (mut cluster, before) = two_namespaces(json!({"rules": {"noMutableTag": {}}}));
    let after = edit(
        &mut cluster,
        json!({"rules": {"noMutableTag": {}}, "scope": {"excludeNamespaces": ["team-a"]}}),
    );
    assert_eq!(after.findings().count(), 0);
    assert!(Arc::ptr_eq(part(&after, "team-b"), part(&before, "team-b")));
}

#[test]
fn a_reason_that_changes_without_the_verdict_is_seen() {
    let rule = |settings: Value| json!({"rules": {"trustedRegistry": settings}});
    let (mut cluster, before) = two_namespaces(rule(json!({"allow": ["quay.io/**"]})));
    let after = edit(&mut cluster, rule(json!({"allow": ["quay.io/**"], "deny": ["docker.io/**"]})));
    let reasons = |snapshot: &Snapshot| snapshot.findings().map(|finding| finding.reason).collect::<Vec<_>>();
    assert_ne!(reasons(&before), reasons(&after));
    assert_eq!(after.findings().count(), 1);
}

#[test]
fn an_exemption_that_ends_just_before_an_edit_has_ended_all_the_same() {
    let exemption = json!({
        "name": "e", "rules": ["NoMutableTag"], "namespaces": ["team-a"], "reason": "r", "expiresAt": "2026-01-01T12:00:30Z",
    });
    let spec = |rules: Value| json!({"rules": rules, "exemptions": [exemption]});
    let (mut cluster, before) = two_namespaces(spec(json!({"noMutableTag": {}})));
    assert_eq!(before.findings().next().unwrap().state, State::Exempt(0));
    // The edit is seen before the clock has been asked.
    cluster.now += SignedDuration::from_secs(31);
    let after = edit(&mut cluster, spec(json!({"noMutableTag": {}, "validReference": {}})));
    assert_eq!(after.findings().next().unwrap().state, State::Fail);
}

/// Both rules find something in both namespaces; the edit changes what the first one asks for.
#[test]
fn an_edit_that_moves_verdicts_leaves_the_findings_of_other_rules_as_they_are() {
    let spec = |label: &str, deny: &str| {
        json!({"rules": {
            "requiredLabels": {"labels": {label: ".+"}}, "podSecurityEnforced": {},
            "noMutableTag": {}, "trustedRegistry": {"allow": ["registry.test/**"], "deny": [deny]},
        }})
    };
    let (mut cluster, before) = two_namespaces(spec("owner", "quay.io/**"));
    cluster.pass(60);
    let after = edit(&mut cluster, spec("cost", "docker.io/**"));
    let of = |snapshot: &Snapshot, rule: &str| {
        let found = part(snapshot, "team-a").findings.iter().find(|finding| finding.rule.as_str() == rule);
        found.unwrap().clone()
    };
    let facts = |snapshot: &Snapshot, rule: &str| match of(snapshot, rule).subject {
        Subject::Namespace(facts) => facts,
        other => panic!("not about a namespace: {other:?}"),
    };
    assert!(Arc::ptr_eq(&facts(&before, "PodSecurityEnforced"), &facts(&after, "PodSecurityEnforced")));
    for rule in ["RequiredLabels", "NoMutableTag", "TrustedRegistry", "PodSecurityEnforced"] {
        assert_eq!(of(&before, rule).since, of(&after, rule).since, "{rule} was open all the time");
        assert_eq!(of(&before, rule).pods, of(&after, rule).pods);
    }
    let said = |snapshot: &Snapshot, rule| snapshot.explain(&of(snapshot, rule));
    assert!(
        said(&before, "RequiredLabels").contains("owner") && said(&after, "RequiredLabels").contains("cost")
    );
    assert_ne!(said(&before, "TrustedRegistry"), said(&after, "TrustedRegistry"));
    assert_eq!(part(&after, "team-a").counts.len(), 4);
    // A pod that changes in the same Snapshot is looked at as well.
    cluster.put(&web(1, "registry.test/nginx:1.27.4"));
    let last = edit(&mut cluster, spec("owner", "docker.io/**"));
    let rules: Vec<_> = part(&last, "team-a").findings.iter().map(|finding| finding.rule.as_str()).collect();
    assert_eq!(rules.len(), 2, "{rules:?}");
}
