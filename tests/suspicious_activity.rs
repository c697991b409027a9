//! What is promised of suspicious activity: how a history is cut into batches does not matter, what is told again is
//! no news, a restart tells nothing, and one change is told at most once a signal.

#![expect(clippy::unwrap_used, reason = "fixtures are right")]

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;
use revisor::auditor::Auditor;
use revisor::auditor::suspicion::{Activity, Signal};
use revisor::decode::pod::PodRecord;
use revisor::decode::{Change, PolicyRecord, namespace, network_policy, object};
use revisor::subject::Resource;
use serde_json::{Value, json};

const PODS: u8 = 8;
const NAMESPACES: u8 = 2;

/// Which variant of each object is there, by kind and number.
type State = BTreeMap<(Resource, u8), u8>;

fn place(index: u8) -> String {
    format!("team-{}", index % NAMESPACES)
}

fn pod(index: u8, variant: u8) -> Value {
    let images = ["nginx:1", "nginx:2", "a.test/app:1", "b.test/app:1", "Nginx", "nginx"];
    let image = images[usize::from(variant % 6)];
    let digest = ["a", "b", "c"][usize::from(variant / 6 % 3)].repeat(64);
    let phase = if variant % 9 == 8 { "Succeeded" } else { "Running" };
    let ephemeral =
        if variant % 4 == 3 { json!([{"name": "dbg", "image": "c.test/dbg:1"}]) } else { json!([]) };
    let owners = match index % 2 {
        0 => json!([]),
        _ => {
            json!([{"apiVersion": "apps/v1", "kind": "StatefulSet", "name": "db", "uid": "s", "controller": true}])
        }
    };
    json!({
        "metadata": {
            "name": format!("pod-{index}"), "namespace": place(index), "uid": format!("pod-{index}"),
            "ownerReferences": owners,
        },
        "spec": {"containers": [{"name": "app", "image": image}], "ephemeralContainers": ephemeral},
        "status": {
            "phase": phase,
            "containerStatuses": [{"name": "app", "imageID": format!("docker.io/library/nginx@sha256:{digest}")}],
        },
    })
}

fn policy(index: u8, variant: u8) -> Change {
    let bit = |bit: u8| variant >> bit & 1 == 1;
    let allow = if bit(0) { json!(["a.test"]) } else { json!(["a.test", "b.test"]) };
    let exemption = json!({
        "name": "e", "rules": ["TrustedRegistry"], "namespaces": ["x"], "reason": "r", "permanent": true,
    });
    Change::Policy(PolicyRecord {
        name: format!("policy-{index}").into(),
        uid: format!("policy-{index}").into(),
        generation: i64::from(variant),
        observed_generation: 0,
        spec: json!({
            "rules": {
                "trustedRegistry": {"allow": allow}, "noMutableTag": {"enabled": bit(1)},
                "defaultDenyIngress": {"enabled": bit(2)}, "noBindingsToAnonymous": {"enabled": bit(3)},
            },
            "exemptions": if bit(4) { json!([exemption]) } else { json!([]) },
        }),
        source: None,
    })
}

fn told((kind, index): (Resource, u8), variant: u8) -> Change {
    let bit = |bit: u8| variant >> bit & 1 == 1;
    match kind {
        Resource::Pods => Change::Pod(PodRecord::from_value(&pod(index, variant))),
        Resource::Namespaces => {
            let level = ["privileged", "baseline", "restricted"][usize::from(variant % 3)];
            let mut labels = json!({});
            for (set, key, value) in [
                (bit(2), "pod-security.kubernetes.io/enforce", level),
                (bit(3), "admission.gatekeeper.sh/ignore", ""),
            ] {
                if set {
                    labels[key] = json!(value);
                }
            }
            let object = json!({"metadata": {"name": place(index), "uid": place(index), "labels": labels}});
            let (name, object) = namespace::read(&object).unwrap();
            Change::Namespace(name, object)
        }
        Resource::NetworkPolicies => {
            let rules = if bit(0) { json!([{}]) } else { json!([]) };
            let object = json!({
                "metadata": {"name": format!("np-{index}"), "namespace": place(index)},
                "spec": {"podSelector": {}, "policyTypes": ["Ingress"], "ingress": rules},
            });
            let (namespace, facts) = network_policy::read(&object).unwrap();
            Change::NetworkPolicy(namespace, facts)
        }
        Resource::RoleBindings => {
            let names = ["system:anonymous", "anna"].map(|name| json!({"kind": "User", "name": name}));
            let object = json!({
                "metadata": {"name": format!("rb-{index}"), "namespace": place(index)},
                "subjects": if bit(0) { &names[..] } else { &names[1..] },
                "roleRef": {"kind": "ClusterRole", "name": if bit(1) { "cluster-admin" } else { "view" }},
            });
            Change::Object(object::read(kind, &object).unwrap())
        }
        _ => policy(index, variant),
    }
}

fn gone((kind, index): (Resource, u8)) -> Change {
    match kind {
        Resource::Pods => Change::PodGone(PodRecord::from_value(&pod(index, 0)).uid),
        Resource::Namespaces => Change::NamespaceGone(place(index).into()),
        Resource::NetworkPolicies => {
            Change::NetworkPolicyGone(place(index).into(), format!("np-{index}").into())
        }
        Resource::RoleBindings => {
            Change::ObjectGone(Resource::RoleBindings, place(index).into(), format!("rb-{index}").into())
        }
        _ => Change::PolicyGone(format!("policy-{index}").into()),
    }
}

#[derive(Clone, Debug)]
enum Step {
    Put((Resource, u8), u8),
    Remove((Resource, u8)),
    Relist(Resource),
    Wait(u8),
}

const KINDS: [(Resource, u8); 5] = [
    (Resource::Pods, PODS),
    (Resource::Namespaces, NAMESPACES),
    (Resource::NetworkPolicies, 4),
    (Resource::RoleBindings, 3),
    (Resource::ImagePolicies, 2),
];

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let key = prop_oneof![5 => Just(0), 2 => Just(1), 2 => Just(2), 2 => Just(3), 2 => Just(4usize)]
        .prop_flat_map(|at| (Just(KINDS[at].0), 0..KINDS[at].1));
    let step = prop_oneof![
        8 => (key.clone(), any::<u8>()).prop_map(|(key, variant)| Step::Put(key, variant)),
        2 => key.clone().prop_map(Step::Remove),
        1 => key.prop_map(|(kind, _)| Step::Relist(kind)),
        2 => (1..12u8).prop_map(Step::Wait),
    ];
    proptest::collection::vec(step, 1..80)
}

fn list(state: &State, kind: Resource) -> Vec<Change> {
    let own = state.iter().filter(|((found, _), _)| *found == kind);
    let told = own.map(|(key, variant)| told(*key, *variant));
    [Change::RelistStarted(kind)].into_iter().chain(told).chain([Change::RelistFinished(kind)]).collect()
}

/// A cluster's life, with an auditor that looks at it.
struct Life {
    auditor: Auditor,
    state: State,
    now: Timestamp,
    running: BTreeSet<Resource>,
}

impl Life {
    fn new(state: State, now: Timestamp) -> Self {
        let mut life = Self { auditor: Auditor::new(), state, now, running: BTreeSet::new() };
        life.list(Resource::ImagePolicies);
        life.watch();
        life
    }

    fn list(&mut self, kind: Resource) {
        for change in list(&self.state, kind) {
            self.auditor.apply(change, self.now);
        }
    }

    /// The watches that are needed begin, and the others end.
    fn watch(&mut self) {
        let needed = self.auditor.needed().clone();
        self.running.retain(|kind| needed.contains(kind));
        for kind in needed {
            if kind != Resource::ImagePolicies && self.running.insert(kind) {
                self.list(kind);
            }
        }
    }

    /// Until all is told that was held back, for ten minutes at most.
    fn wait_long(&mut self) {
        (0..3).for_each(|_| self.take(&Step::Wait(250)));
    }

    fn take(&mut self, step: &Step) {
        match *step {
            Step::Put(key, variant) => {
                self.state.insert(key, variant);
                self.auditor.apply(told(key, variant), self.now);
            }
            Step::Remove(key) => {
                if self.state.remove(&key).is_some() {
                    self.auditor.apply(gone(key), self.now);
                }
            }
            Step::Relist(kind) => {
                if self.running.contains(&kind) || kind == Resource::ImagePolicies {
                    self.list(kind);
                }
            }
            Step::Wait(seconds) => {
                self.now += SignedDuration::from_secs(seconds.into());
                self.auditor.tick(self.now);
            }
        }
        self.watch();
    }
}

/// All that is told of a history, with a Snapshot after every so many steps.
fn seen(steps: &[Step], batch: usize) -> Vec<Activity> {
    let mut life = Life::new(State::new(), Timestamp::UNIX_EPOCH);
    let mut seen = Vec::new();
    for (at, step) in steps.iter().enumerate() {
        life.take(step);
        if at % batch == 0 {
            life.auditor.snapshot(life.now);
            // A policy that is in force now may read less than the one before.
            life.watch();
            seen.extend(life.auditor.drain_suspicious_activity());
        }
    }
    life.wait_long();
    seen.extend(life.auditor.drain_suspicious_activity());
    seen
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, ..ProptestConfig::default() })]

    #[test]
    fn the_same_history_in_other_batches_tells_the_same(steps in steps(), batch in 2..20usize) {
        let one_by_one = seen(&steps, 1);
        prop_assert_eq!(&one_by_one, &seen(&steps, batch));
        prop_assert_eq!(&one_by_one, &seen(&steps, usize::MAX));
    }

    #[test]
    fn one_change_is_told_at_most_once_a_signal_and_a_list_told_again_and_a_restart_tell_nothing(steps in steps()) {
        let mut life = Life::new(State::new(), Timestamp::UNIX_EPOCH);
        for step in &steps {
            life.take(step);
            let seen = life.auditor.drain_suspicious_activity();
            let signals: BTreeSet<Signal> = seen.iter().map(|activity| activity.signal).collect();
            let single = matches!(step, Step::Put(..) | Step::Remove(_));
            prop_assert!(!single || signals.len() == seen.len(), "{:?}", seen);
            let told_again = matches!(step, Step::Relist(_));
            prop_assert!(!told_again || seen.is_empty(), "{:?}", seen);
        }
        life.wait_long();
        life.auditor.drain_suspicious_activity();
        for (kind, _) in KINDS {
            life.take(&Step::Relist(kind));
        }
        life.wait_long();
        prop_assert_eq!(life.auditor.drain_suspicious_activity(), vec![]);
        let mut restarted = Life::new(life.state, life.now);
        restarted.wait_long();
        prop_assert_eq!(restarted.auditor.drain_suspicious_activity(), vec![]);
    }
}

/// The histories are worth something only if they have every signal in them.
#[test]
fn random_histories_tell_of_every_signal() {
    use proptest::strategy::ValueTree as _;
    use proptest::test_runner::TestRunner;
    let (mut runner, strategy) = (TestRunner::deterministic(), steps());
    let mut found = BTreeSet::new();
    for _ in 0..200 {
        let steps = strategy.new_tree(&mut runner).unwrap().current();
        found.extend(seen(&steps, 1).iter().map(|activity| activity.signal));
    }
    assert_eq!(found, BTreeSet::from(Signal::ALL));
}
