//! The engine's behaviour, as a list of changes and instants.

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::Auditor;
use super::audit::Wanted;
use super::findings::{Finding, State};
use super::snapshot::{Count, Snapshot};
use super::transitions::{Transition, TransitionKind};
use crate::decode::pod::PodRecord;
use crate::decode::{Change, JobRecord, PolicyRecord};
use crate::subject::Resource;
use kinds::{default_deny, reads_network_policies};

mod cores;
mod edits;
mod kinds;
mod meanwhile;
mod objects;
mod owners;
mod record;
mod requests;
mod runtimes;
mod stand_ins;
mod suspicion;

/// An auditor with a clock that only the test moves.
struct Cluster {
    auditor: Auditor,
    now: Timestamp,
}

fn policy(name: &str, spec: Value) -> PolicyRecord {
    PolicyRecord {
        name: name.into(),
        uid: name.into(),
        generation: 1,
        observed_generation: 0,
        spec,
        source: None,
    }
}

/// A policy with the rules that these tests break.
fn baseline() -> PolicyRecord {
    policy(
        "baseline",
        json!({"rules": {"noMutableTag": {}, "imagePullFailing": {}, "runningDigestMatches": {}, "digestSkew": {}}}),
    )
}

/// A running pod of a ReplicaSet of Deployment `web`.
fn web(index: u8, image: &str) -> Value {
    json!({
        "metadata": {
            "name": format!("web-6f7-{index}"), "namespace": "team-a", "uid": format!("00000000-0000-4000-8000-0000000000{index:02}"),
            "labels": {"app": "web", "pod-template-hash": "6f7"},
            "ownerReferences": [{"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "web-6f7", "uid": "rs", "controller": true}],
        },
        "spec": {"containers": [{"name": "app", "image": image}]},
        "status": {"phase": "Running", "containerStatuses": [{"name": "app", "imageID": "", "state": {"running": {}}}]},
    })
}

fn with(mut object: Value, pointer: &str, value: Value) -> Value {
    *object.pointer_mut(pointer).expect("a pointer into the object") = value;
    object
}

fn namespace(name: &str, labels: Value) -> Change {
    let (name, object) =
        crate::decode::namespace::read(&json!({"metadata": {"name": name, "uid": name, "labels": labels}}))
            .unwrap();
    Change::Namespace(name, object)
}

impl Cluster {
    /// A cluster with namespace `team-a` and these policies, complete.
    fn with_policies(policies: &[PolicyRecord]) -> Self {
        let mut cluster = Self { auditor: Auditor::new(), now: "2026-01-01T12:00:00Z".parse().unwrap() };
        cluster.list(Resource::ImagePolicies, policies.iter().cloned().map(Change::Policy));
        cluster.list(Resource::Namespaces, [namespace("team-a", json!({}))]);
        cluster.list_others(&[Resource::ImagePolicies, Resource::Namespaces]);
        cluster.auditor.snapshot(cluster.now);
        cluster
    }

    fn tell(&mut self, change: Change) {
        self.auditor.apply(change, self.now);
    }

    /// Tells all objects of a kind.
    fn list(&mut self, kind: Resource, objects: impl IntoIterator<Item = Change>) {
        self.tell(Change::RelistStarted(kind));
        objects.into_iter().for_each(|object| self.tell(object));
        self.tell(Change::RelistFinished(kind));
    }

    fn put(&mut self, pod: &Value) {
        self.tell(Change::Pod(PodRecord::from_value(pod)));
    }

    fn gone(&mut self, pod: &Value) {
        self.tell(Change::PodGone(PodRecord::from_value(pod).uid));
    }

    fn pass(&mut self, seconds: i64) {
        self.now += SignedDuration::from_secs(seconds);
        self.auditor.tick(self.now);
    }

    fn snapshot(&mut self) -> std::sync::Arc<Snapshot> {
        self.auditor.snapshot(self.now)
    }

    /// What is found, in short: `Rule state Kind/name`.
    fn found(&mut self) -> Vec<String> {
        let show = |finding: &Finding| {
            let dormant = if finding.dormant_since.is_some() { " dormant" } else { "" };
            format!(
                "{} {} {}/{}{dormant}",
                finding.rule,
                finding.state.as_str(),
                finding.subject.kind(),
                finding.subject.name()
            )
        };
        let mut found: Vec<String> = self.snapshot().findings().map(show).collect();
        found.sort();
        found
    }

    /// What was told since the last time, in short.
    fn told(&mut self) -> Vec<String> {
        self.snapshot();
        let show = |transition: Transition| format!("{} {}", transition.rule, transition.kind.as_str());
        self.auditor.drain_transitions().into_iter().map(show).collect()
    }
}

#[test]
fn replicas_share_one_finding_that_opens_once_and_resolves_after_the_hold_down() {
    let mut cluster = Cluster::with_policies(&[baseline()]);
    (1..=3).for_each(|index| cluster.put(&web(index, "nginx")));
    assert_eq!(cluster.found(), ["NoMutableTag fail Deployment/web"]);
    assert_eq!(cluster.snapshot().findings().next().unwrap().pods, 3);
    assert_eq!(cluster.told(), ["NoMutableTag opened"]);
    (1..=3).for_each(|index| cluster.put(&web(index, "nginx:1.27")));
    assert_eq!((cluster.found(), cluster.told()), (vec![], vec![]), "gone at once, told later");
    cluster.pass(15);
    assert_eq!(cluster.told(), ["NoMutableTag resolved"]);
    cluster.pass(600);
    assert_eq!(cluster.auditor.next_deadline(), None);
}

#[test]
fn a_violation_that_comes_back_within_the_hold_down_is_not_told_and_keeps_its_since_time() {
    let mut cluster = Cluster::with_policies(&[baseline()]);
    cluster.put(&web(1, "nginx"));
    cluster.told();
    let since = cluster.snapshot().findings().next().unwrap().since;
    cluster.pass(100);
    cluster.put(&web(1, "nginx:1.27"));
    cluster.told();
    cluster.pass(5);
    cluster.put(&web(1, "nginx"));
    assert!(cluster.told().is_empty());
    assert_eq!(cluster.snapshot().findings().next().unwrap().since, since);
    cluster.pass(60);
    assert!(cluster.told().is_empty());
}

#[test]
fn nothing_is_found_before_everything_was_told_and_then_only_a_summary() {
    let mut auditor = Auditor::new();
    let now = Timestamp::UNIX_EPOCH;
    auditor.apply(namespace("team-a", json!({})), now);
    let spec = json!({"rules": {"noMutableTag": {}, "defaultDenyIngress": {}}});
    auditor.apply(Change::Policy(policy("p", spec)), now);
    auditor.apply(Change::Pod(PodRecord::from_value(&web(1, "nginx"))), now);
    assert!(!auditor.snapshot(now).complete);
    for kind in auditor.needed().clone().into_iter().filter(|kind| *kind != Resource::NetworkPolicies) {
        if !Resource::ALWAYS.contains(&kind) {
            auditor.apply(Change::RelistStarted(kind), now);
        }
        auditor.apply(Change::RelistFinished(kind), now);
    }
    assert!(!auditor.snapshot(now).complete);
    auditor.apply(Change::Access(Resource::NetworkPolicies, false), now);
    let snapshot = auditor.snapshot(now);
    assert!(snapshot.complete && snapshot.findings().count() == 2);
    assert!(auditor.drain_transitions().is_empty());
    let summary = auditor.drain_first_audits();
    assert_eq!((summary.len(), summary[0].violations, summary[0].namespaces), (1, 1, 1));
}

#[test]
fn an_edited_policy_gives_a_summary_and_no_transitions_but_what_happened_before_is_told() {
    let mut cluster = Cluster::with_policies(&[baseline()]);
    cluster.auditor.drain_first_audits();
    cluster.put(&web(1, "nginx"));
    let edited = PolicyRecord {
        generation: 2,
        observed_generation: 1,
        ..policy("baseline", json!({"rules": {"digestPinned": {}, "noMutableTag": {}}}))
    };
    cluster.tell(Change::Policy(edited));
    assert_eq!(cluster.found(), ["DigestPinned fail Deployment/web", "NoMutableTag fail Deployment/web"]);
    assert_eq!(cluster.told(), ["NoMutableTag opened"]);
    assert_eq!(cluster.auditor.drain_first_audits()[0].generation, 2);
    cluster.tell(Change::PolicyGone("baseline".into()));
    assert!(cluster.found().is_empty());
    cluster.pass(3600);
    assert!(cluster.told().is_empty());
}

#[test]
fn a_status_write_of_a_policy_is_no_change_of_the_plan() {
    let mut cluster = Cluster::with_policies(&[baseline()]);
    cluster.put(&web(1, "nginx"));
    let before = cluster.snapshot();
    cluster.tell(Change::Policy(PolicyRecord { observed_generation: 1, ..baseline() }));
    assert_eq!(before.namespaces[0].revision, cluster.snapshot().namespaces[0].revision);
}

#[test]
fn an_update_that_changes_nothing_that_is_read_gives_the_same_snapshot() {
    let mut cluster = Cluster::with_policies(&[baseline()]);
    cluster.put(&web(1, "nginx"));
    let before = cluster.snapshot();
    cluster.put(&with(
        web(1, "nginx"),
        "/status/containerStatuses/0/state",
        json!({"running": {"startedAt": "x"}}),
    ));
    assert!(std::sync::Arc::ptr_eq(&before, &cluster.snapshot()));
}

#[test]
fn a_workload_without_pods_keeps_its_finding_dormant_until_it_passes() {
    let mut cluster = Cluster::with_policies(&[baseline()]);
    cluster.put(&web(1, "nginx"));
    cluster.told();
    cluster.gone(&web(1, "nginx"));
    assert_eq!(cluster.found(), ["NoMutableTag fail Deployment/web dormant"]);
    let snapshot = cluster.snapshot();
    let part = &snapshot.policies[0];
    assert_eq!(part.total().fail, 1, "the status does not move with every nightly run");
    assert!(part.rules.iter().all(|rule| rule.live == Count::default()), "metrics follow at once");
    cluster.pass(3600);
    assert!(cluster.told().is_empty());
    assert_eq!(
        cluster.auditor.drain_wanted_owners().first().map(|owner| owner.name.to_string()),
        Some("web".to_owned())
    );
    cluster.put(&web(2, "nginx:1.27"));
    assert!(cluster.found().is_empty());
    cluster.pass(15);
    assert_eq!(cluster.told(), ["NoMutableTag resolved"]);
}

#[test]
fn a_dormant_finding_is_over_when_its_owner_is_gone_and_after_a_day_at_the_latest() {
    for by_lookup in [true, false] {
        let mut cluster = Cluster::with_policies(&[baseline()]);
        cluster.put(&web(1, "nginx"));
        cluster.told();
        cluster.gone(&web(1, "nginx"));
        cluster.found();
        if by_lookup {
            cluster.tell(Change::OwnerGone("team-a".into(), "Deployment".into(), "web".into()));
        } else {
            for _ in 0..30 {
                cluster.pass(3600);
                cluster.snapshot();
            }
        }
        assert!(cluster.found().is_empty());
        cluster.pass(15);
        assert_eq!(cluster.told(), ["NoMutableTag resolved"]);
    }
}

#[test]
fn ten_runs_of_a_failing_cron_job_are_one_finding_that_opens_once() {
    let mut cluster = Cluster::with_policies(&[baseline()]);
    for run in 0..10u8 {
        let mut pod = web(run, "nginx");
        pod["metadata"]["labels"] = json!({});
        let uid = format!("00000000-0000-4000-8000-1000000000{run:02}");
        pod["metadata"]["ownerReferences"] = json!([{"apiVersion": "batch/v1", "kind": "Job", "name": format!("nightly-{run}"), "uid": uid, "controller": true}]);
        cluster.put(&pod);
        cluster.tell(Change::Job(JobRecord {
            uid: crate::subject::uid::parse_uid(&uid),
            namespace: "team-a".into(),
            name: format!("nightly-{run}").into(),
            cron_job: Some("nightly".into()),
        }));
        assert_eq!(cluster.found(), ["NoMutableTag fail CronJob/nightly"]);
        cluster.put(&with(pod, "/status", json!({"phase": "Succeeded"})));
        cluster.pass(600);
        assert_eq!(cluster.found(), ["NoMutableTag fail CronJob/nightly dormant"]);
    }
    assert_eq!(cluster.told(), ["NoMutableTag opened"]);
}

#[test]
fn a_pull_that_fails_is_a_finding_when_its_grace_is_over_and_not_before() {
    let mut cluster = Cluster::with_policies(&[baseline()]);
    let since = cluster.now.to_string();
    let mut pod = web(1, "nginx:1.27");
    pod["status"] = json!({
        "phase": "Pending",
        "conditions": [{"type": "ContainersReady", "status": "False", "lastTransitionTime": since}],
        "containerStatuses": [{"name": "app", "imageID": "", "state": {"waiting": {"reason": "ErrImagePull"}}}],
    });
    cluster.put(&pod);
    assert!(cluster.found().is_empty());
    cluster.put(&with(
        pod.clone(),
        "/status/containerStatuses/0/state/waiting/reason",
        json!("ImagePullBackOff"),
    ));
    cluster.pass(599);
    assert!(cluster.found().is_empty());
    assert_eq!(cluster.auditor.next_deadline(), Some(cluster.now + SignedDuration::from_secs(1)));
    cluster.pass(1);
    assert_eq!(cluster.found(), ["ImagePullFailing fail Deployment/web"]);
}

#[test]
fn one_reference_with_two_contents_anywhere_in_the_cluster_is_one_finding() {
    let mut cluster = Cluster::with_policies(&[baseline()]);
    let digest = |letter: &str| format!("docker.io/library/nginx@sha256:{}", letter.repeat(64));
    let running = |index, letter| {
        with(web(index, "nginx:1.27"), "/status/containerStatuses/0/imageID", json!(digest(letter)))
    };
    cluster.put(&running(1, "a"));
    assert!(cluster.found().is_empty());
    cluster.put(&with(running(2, "b"), "/metadata/namespace", json!("team-b")));
    assert!(cluster.found().is_empty(), "it may be a tag that is being rolled out");
    cluster.pass(299);
    assert!(cluster.found().is_empty());
    cluster.pass(1);
    assert_eq!(cluster.found(), ["DigestSkew fail Image/docker.io/library/nginx:1.27"]);
    let snapshot = cluster.snapshot();
    assert_eq!(snapshot.references_in("team-a").map(|(_, pods)| pods).collect::<Vec<_>>(), [1]);
    assert_eq!(cluster.told(), ["DigestSkew opened"]);
    cluster.put(&with(running(2, "a"), "/metadata/namespace", json!("team-b")));
    assert!(cluster.found().is_empty());
    cluster.pass(15);
    assert_eq!((cluster.found(), cluster.told()), (vec![], vec!["DigestSkew resolved".to_owned()]));
}

#[test]
fn a_tag_that_was_rolled_out_within_the_grace_is_no_finding_and_the_next_one_has_a_grace_of_its_own() {
    let mut cluster = Cluster::with_policies(&[baseline()]);
    let running = |index, letter: &str| {
        let digest = format!("docker.io/library/nginx@sha256:{}", letter.repeat(64));
        with(web(index, "nginx:1.27"), "/status/containerStatuses/0/imageID", json!(digest))
    };
    for letter in ["a", "b", "c"] {
        cluster.put(&running(1, letter));
        cluster.pass(200);
        cluster.put(&running(2, letter));
        cluster.pass(200);
        assert!(cluster.found().is_empty() && cluster.told().is_empty(), "{letter}");
    }
}

#[test]
fn a_malformed_pod_is_unknown_and_never_a_pass() {
    let mut cluster = Cluster::with_policies(&[policy("p", json!({"rules": {"noMutableTag": {}}}))]);
    cluster.put(&with(web(1, "nginx:1.27"), "/spec/containers", json!("all of them")));
    assert_eq!(cluster.found(), ["NoMutableTag unknown Deployment/web"]);
    assert_eq!(cluster.snapshot().seen.malformed, 1);
    assert!(cluster.told().is_empty(), "what cannot be decided is counted, not told");
}

#[test]
fn what_is_told_of_an_input_is_kept_before_a_policy_reads_it() {
    let mut auditor = Auditor::over_input(true);
    let now = Timestamp::UNIX_EPOCH;
    let changes =
        [namespace("team-a", json!({})), default_deny("deny"), Change::Policy(reads_network_policies())];
    changes.into_iter().for_each(|change| auditor.apply(change, now));
    assert_eq!(auditor.snapshot(now).findings().count(), 0);
}

#[test]
fn a_namespace_without_an_object_has_no_labels_only_where_the_input_is_the_whole_cluster() {
    let spec = json!({"rules": {"noMutableTag": {}}, "scope": {"namespaceSelector": {"matchLabels": {"env": "prod"}}}});
    for (whole, expected) in [(true, "OutOfScope"), (false, "NamespaceUnknown")] {
        let (mut auditor, now) = (Auditor::over_input(whole), Timestamp::UNIX_EPOCH);
        auditor.apply(Change::Policy(policy("prod", spec.clone())), now);
        auditor.apply(Change::Pod(PodRecord::from_value(&web(1, "nginx"))), now);
        assert_eq!(auditor.snapshot(now).findings().count(), usize::from(!whole));
        let mut reasons = Vec::new();
        auditor.audit(now, Wanted::All, &mut |judgement| reasons.extend(judgement.verdict.reason()));
        assert_eq!(reasons, [expected]);
    }
}

#[test]
fn an_exemption_shows_the_finding_as_exempt_until_the_second_it_ends() {
    let spec = json!({
        "rules": {"noMutableTag": {}},
        "exemptions": [{"name": "legacy", "rules": ["NoMutableTag"], "namespaces": ["team-*"], "reason": "preloaded", "expiresAt": "2026-01-01T12:10:00Z"}],
    });
    let mut cluster = Cluster::with_policies(&[policy("p", spec)]);
    cluster.put(&web(1, "nginx"));
    assert_eq!(cluster.found(), ["NoMutableTag exempt Deployment/web"]);
    assert_eq!(cluster.snapshot().policies[0].total(), Count { fail: 0, unknown: 0, exempt: 1 });
    assert!(cluster.told().is_empty());
    cluster.pass(599);
    assert_eq!(cluster.found(), ["NoMutableTag exempt Deployment/web"]);
    assert_eq!(cluster.auditor.next_deadline(), Some(cluster.now + SignedDuration::from_secs(1)));
    cluster.pass(1);
    assert_eq!(cluster.found(), ["NoMutableTag fail Deployment/web"]);
    assert_eq!(cluster.told(), ["NoMutableTag opened"]);
}

#[test]
fn pods_that_are_not_told_again_in_a_relist_are_gone() {
    let mut cluster = Cluster::with_policies(&[baseline()]);
    let mut bare = web(1, "nginx");
    bare["metadata"]["ownerReferences"] = json!([]);
    cluster.put(&bare);
    cluster.put(&web(2, "redis"));
    cluster.told();
    cluster.tell(Change::RelistStarted(Resource::Pods));
    cluster.put(&web(2, "redis"));
    assert_eq!(cluster.found().len(), 2, "until the relist is finished nothing is gone");
    cluster.tell(Change::RelistFinished(Resource::Pods));
    assert_eq!(cluster.found(), ["NoMutableTag fail Deployment/web"]);
}

#[test]
fn a_pod_selector_takes_pods_by_their_labels_and_a_new_policy_classifies_those_that_are_there() {
    let mut cluster = Cluster::with_policies(&[]);
    cluster.put(&web(1, "nginx"));
    let mut other = web(2, "redis");
    other["metadata"]["labels"] = json!({"app": "other"});
    other["metadata"]["ownerReferences"] = json!([]);
    cluster.put(&other);
    let spec =
        json!({"rules": {"noMutableTag": {}}, "scope": {"podSelector": {"matchLabels": {"app": "web"}}}});
    cluster.tell(Change::Policy(policy("p", spec)));
    assert_eq!(cluster.found(), ["NoMutableTag fail Deployment/web"]);
    cluster.put(&with(web(1, "nginx"), "/metadata/labels/app", json!("worker")));
    assert!(cluster.found().iter().all(|found| found.ends_with("dormant")) || cluster.found().is_empty());
}

#[test]
fn two_policies_count_for_themselves_and_are_told_as_one() {
    let strict = policy("strict", json!({"rules": {"noMutableTag": {"severity": "critical"}}}));
    let mut cluster = Cluster::with_policies(&[baseline(), strict]);
    cluster.put(&web(1, "nginx"));
    let snapshot = cluster.snapshot();
    assert!(snapshot.policies.iter().all(|policy| policy.total().fail == 1));
    let told = cluster.auditor.drain_transitions();
    assert_eq!((told.len(), told[0].kind, told[0].policies.len()), (1, TransitionKind::Opened, 2));
    assert_eq!(told[0].severity, crate::verdict::Severity::Critical);
    assert!(snapshot.findings().all(|finding| finding.state == State::Fail));
}

#[test]
fn terminated_pods_do_not_apply_unless_the_scope_includes_them() {
    let ended = with(web(1, "nginx"), "/status", json!({"phase": "Failed"}));
    let mut cluster = Cluster::with_policies(&[baseline()]);
    cluster.put(&ended);
    assert!(cluster.found().is_empty());
    let mut cluster = Cluster::with_policies(&[policy(
        "p",
        json!({"rules": {"noMutableTag": {}}, "scope": {"includeTerminated": true}}),
    )]);
    cluster.put(&ended);
    assert_eq!(cluster.found(), ["NoMutableTag fail Deployment/web"]);
}
