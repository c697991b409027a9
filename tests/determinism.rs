//! The engine's promise: whatever happened, in whatever order, what is found is what an audit from scratch of
//! the final state finds; and what was told adds up to what is open.

#![expect(clippy::unwrap_used, reason = "fixtures are right")]

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;
use revisor::auditor::Auditor;
use revisor::auditor::findings::{Finding, FindingId};
use revisor::auditor::snapshot::Snapshot;
use revisor::auditor::transitions::TransitionKind;
use revisor::decode::pod::PodRecord;
use revisor::decode::{Change, JobRecord, PolicyRecord, namespace, network_policy, object};
use revisor::subject::Resource;
use serde_json::{Value, json};

const START: i64 = 1_767_268_800;

/// The state of a small cluster: which variant of each object is there.
#[derive(Clone, Debug, Default)]
struct State {
    pods: BTreeMap<u8, u8>,
    namespaces: BTreeMap<u8, u8>,
    network_policies: BTreeMap<u8, u8>,
    jobs: BTreeSet<u8>,
    policies: BTreeMap<u8, u8>,
    others: BTreeMap<u8, u8>,
}

fn digest(variant: u8) -> String {
    format!("docker.io/library/nginx@sha256:{}", ["a", "b", "c"][usize::from(variant % 3)].repeat(64))
}

fn pod(index: u8, variant: u8) -> Value {
    let image =
        ["nginx", "nginx:1.27", "Nginx", "registry.example.com/app:1", "evil.test/x:latest", "nginx:1.27"]
            [usize::from(variant % 6)];
    let owner = match index % 4 {
        0 => json!([]),
        1 => {
            json!([{"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "web-6f7", "uid": "rs", "controller": true}])
        }
        2 => {
            json!([{"apiVersion": "batch/v1", "kind": "Job", "name": format!("job-{}", index % 3), "uid": job_uid(index % 3), "controller": true}])
        }
        _ => {
            json!([{"apiVersion": "apps/v1", "kind": "StatefulSet", "name": "db", "uid": "s", "controller": true}])
        }
    };
    let phase = if variant % 7 == 6 { "Succeeded" } else { "Running" };
    let state = if variant % 5 == 4 {
        json!({"waiting": {"reason": "ErrImagePull"}})
    } else {
        json!({"running": {}})
    };
    let containers =
        if variant % 11 == 10 { json!("none") } else { json!([{"name": "app", "image": image}]) };
    json!({
        "metadata": {
            "name": format!("pod-{index}"), "namespace": format!("team-{}", index % 3), "uid": format!("pod-{index}"),
            "labels": {"app": format!("app-{}", variant % 2), "pod-template-hash": "6f7"}, "ownerReferences": owner,
        },
        "spec": {
            "containers": containers, "automountServiceAccountToken": (variant % 4 == 3).then_some(false),
            "serviceAccountName": (if variant % 3 == 2 { "web" } else { "default" }),
        },
        "status": {
            "phase": phase,
            "conditions": [{"type": "ContainersReady", "status": "False", "lastTransitionTime": "2026-01-01T12:00:00Z"}],
            "containerStatuses": [{"name": "app", "imageID": digest(variant), "state": state}],
        },
    })
}

fn job_uid(index: u8) -> String {
    format!("job-{index}")
}

fn job(index: u8) -> Change {
    let cron_job = (index == 0).then(|| "nightly".into());
    let name = format!("job-{index}");
    let uid = revisor::subject::uid::parse_uid(&job_uid(index));
    Change::Job(JobRecord {
        uid,
        namespace: format!("team-{}", index % 3).into(),
        name: name.into(),
        cron_job,
    })
}

fn namespace_change(index: u8, variant: u8) -> Change {
    let level = ["privileged", "baseline", "Restricted", "restricted"][usize::from(variant % 4)];
    let labels = json!({"pod-security.kubernetes.io/enforce": level, "tier": format!("{}", variant % 2)});
    let (name, object) = namespace::read(&json!({"metadata": {
        "deletionTimestamp": (variant % 5 == 4).then_some("2026-01-01T12:05:00Z"),
        "name": format!("team-{index}"), "labels": labels, "creationTimestamp": "2026-01-01T12:10:00Z",
    }}))
    .unwrap();
    Change::Namespace(name, object)
}

fn network_policy_change(index: u8, variant: u8) -> Change {
    let rules = if variant.is_multiple_of(2) { json!([]) } else { json!([{}]) };
    let selector = match variant % 3 {
        0 => json!({}),
        label => json!({"matchLabels": {"app": format!("app-{}", label % 2)}}),
    };
    let object = json!({
        "metadata": {"name": format!("np-{}", index % 2), "namespace": format!("team-{}", index % 3)},
        "spec": {"podSelector": selector, "policyTypes": ["Ingress"], "ingress": rules},
    });
    let (namespace, facts) = network_policy::read(&object).unwrap();
    Change::NetworkPolicy(namespace, facts)
}

/// How many objects there are of kinds that only some rules read.
const OTHERS: u8 = 19;

fn other_kind(index: u8) -> Resource {
    [
        Resource::RoleBindings,
        Resource::ClusterRoleBindings,
        Resource::ClusterRoles,
        Resource::Roles,
        Resource::ResourceQuotas,
        Resource::ServiceAccounts,
        Resource::LimitRanges,
        Resource::Services,
        Resource::ValidatingWebhooks,
        Resource::ClusterNetworkPolicies,
        Resource::CiliumNetworkPolicies,
        Resource::AdmissionPolicies,
        Resource::ReplicaSets,
        Resource::StatefulSets,
        Resource::Deployments,
        Resource::CronJobs,
        Resource::Nodes,
    ][usize::from(index % 17)]
}

fn other_name(index: u8) -> (String, String) {
    let kind = other_kind(index);
    let namespace = if kind.is_namespaced() { format!("team-{}", index % 3) } else { String::new() };
    match kind {
        Resource::ServiceAccounts => (namespace, "default".into()),
        // The controllers that pods name.
        Resource::ReplicaSets => ("team-1".into(), "web-6f7".into()),
        Resource::StatefulSets => ("team-0".into(), "db".into()),
        Resource::Deployments => ("team-1".into(), "web".into()),
        Resource::CronJobs => ("team-0".into(), "nightly".into()),
        _ => (namespace, format!("object-{index}")),
    }
}

fn other_change(index: u8, variant: u8) -> Change {
    let (namespace, name) = other_name(index);
    let subject = match variant % 6 {
        0 => json!({"kind": "ServiceAccount", "namespace": "team-1", "name": "default"}),
        1 => json!({"kind": "ServiceAccount", "namespace": "team-2", "name": "web"}),
        2 => json!({"kind": "Group", "name": "system:authenticated"}),
        3 => json!({"kind": "User", "name": "system:anonymous"}),
        4 => json!({"kind": "Group", "name": "system:serviceaccounts:team-0"}),
        _ => json!({"kind": "Group"}),
    };
    let is_odd = variant % 2 == 1;
    let limited = if is_odd { "cpu" } else { "pods" };
    let spec = json!({
        "hard": {limited: "1"}, "type": (if is_odd { "NodePort" } else { "ClusterIP" }),
        "tier": "Admin", "priority": variant, "subject": {"namespaces": {}},
        "template": {"spec": {"containers": [{"name": "app", "image": if is_odd { "nginx" } else { "nginx:1.27" }}]}},
        "jobTemplate": {"spec": {"template": {"spec": {"containers": [{"name": "app", "image": "nginx"}]}}}},
        "ingress": [{"action": (if is_odd { "Accept" } else { "Deny" }), "from": [{"namespaces": {}}]}],
    });
    let role = if is_odd { "cluster-admin" } else { "view" };
    let object = json!({
        "metadata": {"name": name, "namespace": namespace, "uid": if name == "db" { "s" } else { "rs" }},
        "subjects": [subject], "spec": spec, "roleRef": {"kind": "ClusterRole", "name": role},
        "rules": [{"apiGroups": [""], "resources": ["secrets"], "verbs": [if is_odd { "get" } else { "*" }]}],
        "automountServiceAccountToken": is_odd,
        "status": {"images": [{"names": [if is_odd { "evil.test/x:1" } else { "nginx:1" }]}]},
    });
    let (kind, facts) = (other_kind(index), object::read(other_kind(index), &object).unwrap());
    match kind.is_template() {
        true => Change::Workload(facts, object::stand_in::read(kind, &object).map(Box::new)),
        false => Change::Object(facts),
    }
}

fn policy_change(index: u8, variant: u8) -> Change {
    // Two variants often agree in most of this: an edit that changes little is judged otherwise than one that
    // changes all.
    let bit = |bit: u8| variant >> bit & 1 == 1;
    let scope = match variant >> 5 {
        0..=2 => json!({}),
        3 => json!({"podSelector": {"matchLabels": {"app": "app-1"}}}),
        4 => json!({"namespaceSelector": {"matchLabels": {"tier": "1"}}}),
        5 => json!({"excludeNamespaces": ["team-2"]}),
        6 => json!({"includeTemplates": true}),
        _ => json!({"excludeNamespaces": ["team-2"], "includeTerminated": true}),
    };
    let mut rules = json!({
        "noMutableTag": {"enabled": bit(0) || bit(1)}, "validReference": {}, "runningDigestMatches": {},
        "imagePullFailing": {"for": if bit(2) && bit(3) { "1m" } else { "2m" }},
        "digestSkew": {"grace": "0s"}, "defaultDenyIngress": {}, "podSecurityLabelsValid": {},
        "podSecurityEnforced": {"minLevel": if bit(1) { "baseline" } else { "restricted" }},
        "trustedRegistry": {"allow": [if bit(4) { "docker.io/**" } else { "docker.io/library/*" }]},
    });
    rules["nodeImageUntrusted"] = json!({"allow": ["docker.io/**"], "enabled": bit(0) != bit(4)});
    for (rule, enabled) in [
        ("noClusterAdminRoleBinding", bit(0)),
        ("noBindingsToAnonymous", bit(1)),
        ("noBindingsToAuthenticated", true),
        ("defaultServiceAccountUnbound", bit(2)),
        ("defaultServiceAccountTokenOff", bit(0) != bit(1)),
        ("nonExistentServiceAccount", bit(3)),
        ("tokenMountedFromDefaultServiceAccount", bit(0) != bit(2)),
        ("noWildcardRole", bit(1) != bit(2)),
        ("resourceQuotaPresent", bit(2) != bit(3)),
        ("limitRangePresent", bit(3) != bit(4)),
        ("danglingNetworkPolicy", bit(0) != bit(4)),
        ("networkPolicyCoversPods", bit(1) && bit(4)),
        ("stuckTerminating", bit(2) != bit(4)),
        ("externalExposure", bit(0)),
        ("admissionCoverage", bit(1) != bit(3)),
        ("policyCoverage", bit(4)),
        ("podImageMatchesOwner", bit(0) != bit(3)),
        ("podMeetsLevel", bit(2)),
        ("defaultServiceAccountUnused", bit(1) != bit(2)),
        ("noPrivilegeEscalation", bit(3) != bit(4)),
    ] {
        rules[rule] = json!({"enabled": enabled});
    }
    // A policy that reads no network policies: they are dropped when it is the only one.
    rules["defaultDenyIngress"]["enabled"] = json!(bit(2) || !bit(0));
    let exemptions = if bit(3) {
        json!([{"name": "e", "rules": ["NoMutableTag"], "namespaces": ["team-1"], "reason": "r", "expiresAt": "2026-01-01T12:30:00Z"}])
    } else {
        json!([])
    };
    Change::Policy(PolicyRecord {
        name: format!("policy-{index}").into(),
        uid: format!("policy-{index}").into(),
        generation: i64::from(variant) + 1,
        observed_generation: 0,
        spec: json!({"scope": scope, "rules": rules, "exemptions": exemptions}),
        source: None,
    })
}

#[derive(Clone, Debug)]
enum Step {
    Pod(u8, Option<u8>),
    Namespace(u8, Option<u8>),
    NetworkPolicy(u8, Option<u8>),
    Job(u8, bool),
    Policy(u8, Option<u8>),
    Other(u8, Option<u8>),
    Relist(u8),
    Wait(u16),
    Look,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let variant = || prop_oneof![3 => any::<u8>().prop_map(Some), 1 => Just(None)];
    let step = prop_oneof![
        8 => (0..12u8, variant()).prop_map(|(index, variant)| Step::Pod(index, variant)),
        2 => (0..3u8, variant()).prop_map(|(index, variant)| Step::Namespace(index, variant)),
        2 => (0..6u8, variant()).prop_map(|(index, variant)| Step::NetworkPolicy(index, variant)),
        1 => (0..3u8, any::<bool>()).prop_map(|(index, there)| Step::Job(index, there)),
        2 => (0..2u8, variant()).prop_map(|(index, variant)| Step::Policy(index, variant)),
        4 => (0..OTHERS, variant()).prop_map(|(index, variant)| Step::Other(index, variant)),
        1 => (0..Resource::ALL.len() as u8).prop_map(Step::Relist),
        2 => (1..2000u16).prop_map(Step::Wait),
        4 => Just(Step::Look),
    ];
    proptest::collection::vec(step, 1..120)
}

impl State {
    /// Every object of a kind as a change.
    fn objects(&self, kind: Resource) -> Vec<Change> {
        match kind {
            Resource::Pods => self
                .pods
                .iter()
                .map(|(index, variant)| Change::Pod(PodRecord::from_value(&pod(*index, *variant))))
                .collect(),
            Resource::Namespaces => {
                self.namespaces.iter().map(|(index, variant)| namespace_change(*index, *variant)).collect()
            }
            Resource::NetworkPolicies => self
                .network_policies
                .iter()
                .map(|(index, variant)| network_policy_change(*index, *variant))
                .collect(),
            Resource::Jobs => self.jobs.iter().map(|index| job(*index)).collect(),
            Resource::ImagePolicies => {
                self.policies.iter().map(|(index, variant)| policy_change(*index, *variant)).collect()
            }
            _ => {
                let own = self.others.iter().filter(|(index, _)| other_kind(**index) == kind);
                own.map(|(index, variant)| other_change(*index, *variant)).collect()
            }
        }
    }

    /// Takes a step: changes the state and returns the changes that a watch would tell.
    fn take(&mut self, step: &Step) -> Vec<Change> {
        match *step {
            Step::Pod(index, Some(variant)) => {
                self.pods.insert(index, variant);
                vec![Change::Pod(PodRecord::from_value(&pod(index, variant)))]
            }
            Step::Pod(index, None) => {
                self.pods.remove(&index);
                vec![Change::PodGone(PodRecord::from_value(&pod(index, 0)).uid)]
            }
            Step::Namespace(index, Some(variant)) => {
                self.namespaces.insert(index, variant);
                vec![namespace_change(index, variant)]
            }
            Step::Namespace(index, None) => {
                self.namespaces.remove(&index);
                vec![Change::NamespaceGone(format!("team-{index}").into())]
            }
            Step::NetworkPolicy(index, Some(variant)) => {
                self.network_policies.insert(index, variant);
                vec![network_policy_change(index, variant)]
            }
            Step::NetworkPolicy(index, None) => {
                self.network_policies.remove(&index);
                vec![Change::NetworkPolicyGone(
                    format!("team-{}", index % 3).into(),
                    format!("np-{}", index % 2).into(),
                )]
            }
            Step::Job(index, true) => {
                self.jobs.insert(index);
                vec![job(index)]
            }
            Step::Job(index, false) => {
                // The garbage collector takes a Job's pods with it; until then they keep their attribution.
                self.jobs.remove(&index);
                let pods: Vec<u8> =
                    self.pods.keys().copied().filter(|pod| pod % 4 == 2 && pod % 3 == index).collect();
                let gone =
                    pods.into_iter().flat_map(|pod| self.take(&Step::Pod(pod, None))).collect::<Vec<_>>();
                [vec![Change::JobGone(revisor::subject::uid::parse_uid(&job_uid(index)))], gone]
                    .into_iter()
                    .flatten()
                    .collect()
            }
            Step::Policy(index, Some(variant)) => {
                self.policies.insert(index, variant);
                vec![policy_change(index, variant)]
            }
            Step::Policy(index, None) => {
                self.policies.remove(&index);
                vec![Change::PolicyGone(format!("policy-{index}").into())]
            }
            Step::Other(index, Some(variant)) => {
                self.others.insert(index, variant);
                vec![other_change(index, variant)]
            }
            Step::Other(index, None) => {
                self.others.remove(&index);
                let (namespace, name) = other_name(index);
                vec![Change::ObjectGone(other_kind(index), namespace.into(), name.into())]
            }
            Step::Relist(kind) => {
                let kind = Resource::ALL[usize::from(kind)];
                let mut changes = vec![Change::RelistStarted(kind)];
                changes.extend(self.objects(kind));
                changes.push(Change::RelistFinished(kind));
                changes
            }
            Step::Wait(_) | Step::Look => vec![],
        }
    }
}

/// What is found, without the history that an audit from scratch cannot know.
fn facts(snapshot: &Snapshot) -> Vec<String> {
    let show = |finding: &Finding| {
        format!(
            "{} {} {} {} {} {} {:?} pods={} {}",
            finding.id,
            snapshot.policies[usize::from(finding.policy)].policy.name,
            finding.rule,
            finding.state.as_str(),
            finding.reason,
            finding.subject.name(),
            finding.subject.namespace(),
            finding.pods,
            snapshot.explain(finding),
        )
    };
    let mut facts: Vec<String> =
        snapshot.findings().filter(|finding| finding.dormant_since.is_none()).map(show).collect();
    for policy in snapshot.policies.iter() {
        // Dormant findings are history, and stand in the other counts.
        let live: Vec<_> = policy.rules.iter().map(|rule| (rule.rule, rule.live)).collect();
        facts.push(format!("{} {live:?}", policy.policy.name));
    }
    facts
}

fn from_scratch(state: &State, now: Timestamp) -> Auditor {
    let mut auditor = Auditor::new();
    // What is needed is known only once the policies are.
    let kinds = Resource::ALL.into_iter().rev().filter(|kind| *kind != Resource::ImagePolicies);
    for kind in [Resource::ImagePolicies].into_iter().chain(kinds) {
        auditor.apply(Change::RelistStarted(kind), now);
        for change in state.objects(kind).into_iter().rev() {
            auditor.apply(change, now);
        }
        auditor.apply(Change::RelistFinished(kind), now);
    }
    auditor.snapshot(now);
    auditor
}

/// The watches of kinds that are read only if a policy asks for them.
#[derive(Default)]
struct Watches {
    running: BTreeSet<Resource>,
}

impl Watches {
    /// Those end whose kind is not needed any more.
    fn end(&mut self, auditor: &Auditor) {
        self.running.retain(|kind| auditor.needed().contains(kind));
    }

    /// Those begin whose kind is needed.
    fn begin(&mut self, auditor: &mut Auditor, state: &mut State, now: Timestamp) {
        let needed: Vec<Resource> = auditor.needed().iter().copied().collect();
        for kind in needed.into_iter().filter(|kind| !Resource::ALWAYS.contains(kind)) {
            if self.running.insert(kind) {
                let told = state.take(&Step::Relist(kind as u8));
                told.into_iter().for_each(|change| auditor.apply(change, now));
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, ..ProptestConfig::default() })]

    #[test]
    fn any_history_ends_where_an_audit_from_scratch_begins(steps in steps()) {
        let (mut state, mut now) = (State::default(), Timestamp::from_second(START).unwrap());
        let mut auditor = from_scratch(&state, now);
        let mut watches = Watches::default();
        let mut told: BTreeMap<FindingId, TransitionKind> = BTreeMap::new();
        let last = [Step::Wait(3600), Step::Look, Step::Wait(20), Step::Look];
        for step in steps.iter().chain(&last) {
            // A change of the plan opens and resolves without telling.
            if matches!(step, Step::Policy(..) | Step::Relist(4)) {
                auditor.snapshot(now);
                auditor.drain_transitions();
                told.clear();
            }
            for change in state.take(step) {
                auditor.apply(change, now);
                watches.end(&auditor);
            }
            if let Step::Wait(seconds) = step {
                now += SignedDuration::from_secs((*seconds).into());
                auditor.tick(now);
            }
            if matches!(step, Step::Look) {
                auditor.snapshot(now);
                for transition in auditor.drain_transitions() {
                    let before = told.insert(transition.id, transition.kind);
                    prop_assert!(transition.kind != TransitionKind::Opened || before != Some(TransitionKind::Opened), "opened twice in a row");
                    prop_assert!(transition.kind != TransitionKind::Resolved || before != Some(TransitionKind::Resolved), "resolved twice in a row");
                }
                watches.begin(&mut auditor, &mut state, now);
            }
        }
        let snapshot = auditor.snapshot(now);
        let scratch = from_scratch(&state, now).snapshot(now);
        prop_assert_eq!(facts(&snapshot), facts(&scratch));
    }
}
