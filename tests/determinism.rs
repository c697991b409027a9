//! The engine's promise: whatever happened, in whatever order, what is found is what an audit from scratch of
//! the final state finds; what was told adds up to what is open; and an engine that begins anew from the record of the
//! one before knows what that knew, and tells nothing.

#![expect(clippy::unwrap_used, reason = "fixtures are right")]

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;
use revisor::auditor::Auditor;
use revisor::auditor::findings::{Finding, FindingId};
use revisor::auditor::snapshot::Snapshot;
use revisor::auditor::transitions::TransitionKind;
use revisor::decode::Change;
use revisor::decode::pod::PodRecord;
use revisor::subject::Resource;

#[path = "determinism/objects.rs"]
mod objects;

use objects::{
    OTHERS, exemption_change, exemption_name, job, job_uid, namespace_change, network_policy_change,
    other_change, other_kind, other_name, pod, policy_change,
};

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
    exemptions: BTreeMap<u8, u8>,
}

#[derive(Clone, Debug)]
enum Step {
    Pod(u8, Option<u8>),
    Namespace(u8, Option<u8>),
    NetworkPolicy(u8, Option<u8>),
    Job(u8, bool),
    Policy(u8, Option<u8>),
    Other(u8, Option<u8>),
    Exemption(u8, Option<u8>),
    /// Somebody approves what stands there now.
    Approve(u8),
    Relist(u8),
    /// The engine ends, and another one begins from its record in two to the power of so many shards.
    Restart(u8),
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
        3 => (0..6u8, variant()).prop_map(|(index, variant)| Step::Exemption(index, variant)),
        2 => (0..6u8).prop_map(Step::Approve),
        4 => (0..OTHERS, variant()).prop_map(|(index, variant)| Step::Other(index, variant)),
        1 => (0..Resource::ALL.len() as u8).prop_map(Step::Relist),
        1 => (0..7u8).prop_map(Step::Restart),
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
            Resource::Exemptions => {
                self.exemptions.iter().map(|(index, variant)| exemption_change(*index, *variant)).collect()
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
            Step::Exemption(index, Some(variant)) => {
                self.exemptions.insert(index, variant);
                vec![exemption_change(index, variant)]
            }
            Step::Exemption(index, None) => {
                self.exemptions.remove(&index);
                let (namespace, name) = exemption_name(index);
                vec![Change::ObjectGone(Resource::Exemptions, namespace.into(), name.into())]
            }
            Step::Approve(index) => {
                let Some(variant) = self.exemptions.get_mut(&index) else { return vec![] };
                *variant |= 0b110_0000;
                vec![exemption_change(index, *variant)]
            }
            Step::Relist(kind) => {
                let kind = Resource::ALL[usize::from(kind)];
                let mut changes = vec![Change::RelistStarted(kind)];
                changes.extend(self.objects(kind));
                changes.push(Change::RelistFinished(kind));
                changes
            }
            Step::Wait(_) | Step::Look | Step::Restart(_) => vec![],
        }
    }
}

/// What is found, without the history that an audit from scratch cannot know.
fn facts(snapshot: &Snapshot) -> Vec<String> {
    let show = |finding: &Finding| {
        let exemption = finding.exemption(&snapshot.policies[usize::from(finding.policy)].policy);
        format!(
            "{} {} {} {} {} {} {:?} pods={} {} {:?}",
            finding.id,
            snapshot.policies[usize::from(finding.policy)].policy.name,
            finding.rule,
            finding.state.as_str(),
            finding.reason,
            finding.subject.name(),
            finding.subject.namespace(),
            finding.pods,
            snapshot.explain(finding),
            exemption.map(|exemption| (&exemption.name, exemption.expires_at)),
        )
    };
    let mut facts: Vec<String> =
        snapshot.findings().filter(|finding| finding.dormant_since.is_none()).map(show).collect();
    for policy in snapshot.policies.iter() {
        // Dormant findings are history, and stand in the other counts.
        let live: Vec<_> = policy.rules.iter().map(|rule| (rule.rule, rule.live)).collect();
        facts.push(format!("{} {live:?} {}", policy.policy.name, policy.requests_denied));
    }
    for namespace in snapshot.namespaces.iter() {
        for outcome in namespace.requests.iter() {
            let is_by = |finding: &&Finding| {
                let asked = finding.asked.as_ref().filter(|asked| asked.permits().is_some());
                asked.is_some_and(|asked| asked.name == outcome.object.name)
            };
            let dormant = namespace.findings.iter().filter(|finding| finding.dormant_since.is_some());
            let uses = outcome.uses as usize - dormant.filter(is_by).count();
            facts.push(format!("{} {} {:?} {uses}", namespace.name, outcome.object.name, outcome.said));
        }
    }
    facts
}

/// What is known of findings, with their history. (How long ago a pod's spec has changed nobody knows after a restart,
/// and one rule asks for that.)
fn remembered(snapshot: &Snapshot) -> Vec<String> {
    let known = snapshot.findings().filter(|finding| finding.rule.as_str() != "RunningDigestMatches");
    let show = |finding: &Finding| {
        let policy = &snapshot.policies[usize::from(finding.policy)].policy;
        format!(
            "{} {} {} {} {} {} {:?} {}",
            finding.id,
            policy.name,
            finding.rule,
            finding.state.as_str(),
            finding.reason,
            finding.since,
            finding.dormant_since,
            snapshot.explain(finding),
        )
    };
    known.map(show).collect()
}

fn from_scratch(state: &State, now: Timestamp) -> Auditor {
    begun(Auditor::new(), state, now)
}

/// An engine that knows the record of another one.
fn from_record(before: &Auditor, shards: u8, state: &State, now: Timestamp) -> Auditor {
    let mut auditor = Auditor::new();
    auditor.keep_record();
    let record = (0..shards).map(|shard| Some(before.record_shard(shard, shards).bytes.into()));
    auditor.apply(Change::Record(record.collect()), now);
    begun(auditor, state, now)
}

fn begun(mut auditor: Auditor, state: &State, now: Timestamp) -> Auditor {
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
        let mut auditor = Auditor::new();
        auditor.keep_record();
        auditor.apply(Change::Record(Box::default()), now);
        let mut auditor = begun(auditor, &state, now);
        let mut watches = Watches::default();
        let mut told: BTreeMap<FindingId, TransitionKind> = BTreeMap::new();
        let last = [Step::Wait(3600), Step::Look, Step::Wait(20), Step::Look];
        for step in steps.iter().chain(&last) {
            // A change of the plan opens and resolves without telling.
            if matches!(step, Step::Policy(..) | Step::Relist(4)) {
                auditor.snapshot(now);
                watches.end(&auditor);
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
            if matches!(step, Step::Look | Step::Restart(_)) {
                let before = auditor.policies().to_vec();
                auditor.snapshot(now);
                watches.end(&auditor);
                for transition in auditor.drain_transitions() {
                    let before = told.insert(transition.id, transition.kind);
                    prop_assert!(transition.kind != TransitionKind::Opened || before != Some(TransitionKind::Opened), "opened twice in a row");
                    prop_assert!(transition.kind != TransitionKind::Resolved || before != Some(TransitionKind::Resolved), "resolved twice in a row");
                }
                // So does a policy that came into force just now, since what it reads was told.
                let now_in_force = auditor.policies();
                if before.len() != now_in_force.len()
                    || before.iter().zip(now_in_force).any(|(old, new)| !Arc::ptr_eq(old, new))
                {
                    told.clear();
                }
                watches.begin(&mut auditor, &mut state, now);
            }
            if let Step::Restart(power) = step {
                // What a policy newly reads was just told.
                let before = auditor.snapshot(now);
                watches.begin(&mut auditor, &mut state, now);
                let (known, shards) = (remembered(&auditor.snapshot(now)), 1 << power);
                if before.policies.len() != auditor.policies().len() {
                    told.clear();
                }
                for transition in auditor.drain_transitions() {
                    told.insert(transition.id, transition.kind);
                }
                let mut restarted = from_record(&auditor, shards, &state, now);
                prop_assert_eq!(&remembered(&restarted.snapshot(now)), &known);
                for transition in restarted.drain_transitions() {
                    prop_assert_eq!(transition.rule.as_str(), "RunningDigestMatches", "{:?}", transition);
                }
                auditor = restarted;
                watches.running = auditor.needed().iter().copied().collect();
                watches.running.retain(|kind| !Resource::ALWAYS.contains(kind));
                told.clear();
            }
        }
        let snapshot = auditor.snapshot(now);
        let scratch = from_scratch(&state, now).snapshot(now);
        prop_assert_eq!(facts(&snapshot), facts(&scratch));
    }
}
