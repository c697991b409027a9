//! The synthetic cluster of testkit as Revisor reads it: what benchmarks measure must be what it claims to be.

#![expect(clippy::unwrap_used, reason = "fixtures are right")]

use std::collections::BTreeSet;
use std::sync::Arc;

use jiff::Timestamp;
use revisor::auditor::Auditor;
use revisor::auditor::snapshot::Snapshot;
use revisor::decode::namespace::NamespaceRecord;
use revisor::decode::network_policy::NetworkPolicyRecord;
use revisor::decode::pod::{PodRecord, Section};
use revisor::decode::wire::Lean;
use revisor::decode::{Change, PolicyRecord};
use revisor::rules::SubjectKind;
use revisor::subject::Resource;
use revisor::subject::facts::Facts;
use revisor::subject::pod::{Image, PodShape};
use revisor::subject::running::{Phase, RunningState};
use serde_json::Value;
use testkit::generate::{Cluster, Labels, Variation};

fn now() -> Timestamp {
    Timestamp::from_second(1_795_435_200).unwrap()
}

fn record<T: Lean>(text: &str) -> T {
    serde_json::from_str(text).unwrap()
}

fn written(write: impl FnOnce(&mut String)) -> String {
    let mut text = String::new();
    write(&mut text);
    text
}

fn kinds() -> [Cluster; 3] {
    let shared = Cluster::of_size(1_500);
    [shared, Cluster { labels: Labels::Unique, ..shared }, Cluster { all_different: true, ..shared }]
}

fn policy(cluster: &Cluster) -> Change {
    let mut object: Value = serde_json::from_str(&written(|out| cluster.policy(out, "baseline", 0))).unwrap();
    Change::Policy(PolicyRecord {
        name: "baseline".into(),
        uid: object["metadata"]["uid"].as_str().unwrap().into(),
        generation: 1,
        observed_generation: 0,
        spec: object["spec"].take(),
        source: None,
    })
}

fn audited(cluster: &Cluster) -> Arc<Snapshot> {
    let mut auditor = Auditor::new();
    // First the policy: what only some rules read counts only once it needs that.
    auditor.apply(policy(cluster), now());
    let needed = auditor.needed().clone();
    for kind in needed.iter().filter(|kind| !Resource::ALWAYS.contains(kind)) {
        auditor.apply(Change::RelistStarted(*kind), now());
    }
    for pod in 0..cluster.pods {
        let pod = written(|out| cluster.pod(out, pod, Variation::default()));
        auditor.apply(record::<PodRecord>(&pod).change(), now());
    }
    for namespace in 0..cluster.namespaces {
        let text = written(|out| cluster.namespace(out, namespace));
        auditor.apply(record::<NamespaceRecord>(&text).change(), now());
        for policy in 0..cluster.network_policies(namespace) {
            let text = written(|out| cluster.network_policy(out, namespace, policy));
            auditor.apply(record::<NetworkPolicyRecord>(&text).change(), now());
        }
    }
    needed.into_iter().for_each(|kind| auditor.apply(Change::RelistFinished(kind), now()));
    auditor.snapshot(now())
}

#[test]
fn every_image_use_and_every_container_status_of_a_pod_is_read() {
    for cluster in kinds() {
        for index in (0..cluster.pods).step_by(7) {
            let text = written(|out| cluster.pod(out, index, Variation::default()));
            let object: Value = serde_json::from_str(&text).unwrap();
            let count = |part: &str, list: &str| object[part][list].as_array().map_or(0, Vec::len);
            let pod = record::<PodRecord>(&text);
            assert_eq!((pod.flags, pod.is_usable()), (0, true), "{text}");
            let shape = PodShape::read(
                pod.section(Section::Shape),
                0,
                |text| text.into(),
                |text| Arc::new(Image::new(text)),
                |bytes| Arc::new(Facts::new(bytes)),
            );
            assert_eq!(shape.uses.len(), count("spec", "initContainers") + count("spec", "containers"));
            assert!(shape.uses.iter().all(|image_use| image_use.image.reference.is_ok()), "{text}");
            let running = RunningState::read(pod.section(Section::Running), |text| text.into());
            let statuses = count("status", "initContainerStatuses") + count("status", "containerStatuses");
            assert_eq!(running.containers.len(), statuses);
            assert!(matches!(running.phase, Phase::Running | Phase::Pending));
        }
    }
}

#[test]
fn the_policy_has_the_twenty_rules_of_the_figures_and_no_problem() {
    let snapshot = audited(&Cluster::of_size(150));
    let policy = &snapshot.policies[0].policy;
    assert_eq!(policy.problems, Box::default());
    assert_eq!(policy.rules.len(), 20);
    let kinds = policy.rules.iter().map(|rule| rule.id.entry().subject).collect::<BTreeSet<_>>();
    let measured = [SubjectKind::ImageUse, SubjectKind::Namespace, SubjectKind::Reference];
    assert_eq!(kinds, BTreeSet::from(measured));
}

#[test]
fn a_clean_namespace_has_no_findings_and_the_others_about_three_rules_with_some() {
    for cluster in kinds() {
        let cluster = Cluster { clean_percent: 10, ..cluster };
        let snapshot = audited(&cluster);
        assert!(snapshot.complete);
        assert_eq!(snapshot.seen.malformed, 0);
        let (violating, clean): (Vec<_>, Vec<_>) =
            snapshot.namespaces.iter().partition(|namespace| !namespace.counts.is_empty());
        assert_eq!(violating.len() + clean.len(), cluster.namespaces);
        assert!((3..=25).contains(&clean.len()), "{} clean namespaces of 100", clean.len());
        let lines = violating.iter().map(|namespace| namespace.counts.len()).sum::<usize>() as f64;
        let lines = lines / violating.len() as f64;
        let expected = if cluster.all_different { 4.0..6.0 } else { 2.5..3.5 };
        assert!(expected.contains(&lines), "{lines} rules with findings in a violating namespace");
    }
}

#[test]
fn tags_that_moved_and_images_that_cannot_be_pulled_are_found() {
    let snapshot = audited(&Cluster::of_size(6_000));
    let found = |rule: &str| {
        snapshot.policies[0].rules.iter().any(|total| total.rule.as_str() == rule && total.count.fail > 0)
    };
    for rule in [
        "DigestSkew",
        "ImagePullFailing",
        "TrustedRegistry",
        "NoMutableTag",
        "PodSecurityLabelsValid",
        "NamespaceOptedOut",
    ] {
        assert!(found(rule), "{rule}");
    }
}
