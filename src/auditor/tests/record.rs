//! Restarts with the record of the run before.

use super::*;
use crate::auditor::record::{SHARDS_MOST, Unreadable, label};

type Shards = crate::decode::RecordShards;

/// The record as it stands after the last Snapshot.
fn record(auditor: &Auditor, of: u8) -> Shards {
    (0..of).map(|shard| Some(auditor.record_shard(shard, of).bytes.into())).collect()
}

/// What an auditor holds that has seen nothing but the record and these objects.
fn started(
    policies: &[PolicyRecord],
    namespaces: &[&str],
    pods: &[Value],
    shards: Option<Shards>,
    now: Timestamp,
) -> Cluster {
    let mut cluster = Cluster { auditor: Auditor::new(), now };
    cluster.auditor.keep_record();
    if let Some(shards) = shards {
        cluster.tell(Change::Record(shards));
    }
    cluster.list(Resource::ImagePolicies, policies.iter().cloned().map(Change::Policy));
    cluster.list(Resource::Namespaces, namespaces.iter().map(|name| namespace(name, json!({}))));
    let pods = pods.iter().map(|pod| Change::Pod(PodRecord::from_value(pod)));
    cluster.list(Resource::Pods, pods.collect::<Vec<_>>());
    cluster.list_others(&[Resource::ImagePolicies, Resource::Namespaces, Resource::Pods]);
    cluster.snapshot();
    cluster
}

/// A first run over these pods, one hour old, with all it told taken.
fn first(policies: &[PolicyRecord], pods: &[Value]) -> Cluster {
    let mut cluster =
        started(policies, &["team-a"], pods, Some(Box::default()), "2026-01-01T12:00:00Z".parse().unwrap());
    cluster.pass(3600);
    cluster.snapshot();
    cluster.auditor.drain_transitions();
    cluster
}

fn since(cluster: &mut Cluster) -> Vec<String> {
    cluster.snapshot().findings().map(|finding| format!("{} {}", finding.id, finding.since)).collect()
}

fn clean(policy: PolicyRecord) -> PolicyRecord {
    PolicyRecord { observed_generation: policy.generation, ..policy }
}

/// A pod of another Deployment.
fn shop(index: u8, image: &str) -> Value {
    let pod = web(index, image);
    let text = pod.to_string().replace("web", "shop").replace("4000-8000", "4000-9000");
    serde_json::from_str(&text).unwrap()
}

#[test]
fn an_unchanged_cluster_tells_nothing_after_a_restart_and_keeps_its_times() {
    let policies = [clean(baseline())];
    let mut before = first(&policies, &[web(1, "nginx"), web(2, "nginx")]);
    for of in [1, 2, SHARDS_MOST] {
        let shards = record(&before.auditor, of);
        let mut after =
            started(&policies, &["team-a"], &[web(1, "nginx"), web(2, "nginx")], Some(shards), before.now);
        assert_eq!(after.told(), Vec::<String>::new());
        assert_eq!(since(&mut after), since(&mut before));
        assert!(since(&mut after)[0].ends_with("2026-01-01T12:00:00Z"));
        for shard in 0..of {
            let digests = [&before, &after].map(|cluster| cluster.auditor.record_digest(shard, of));
            assert_eq!(digests[0], digests[1], "nothing to be written");
        }
        assert!(after.auditor.drain_first_audits().is_empty());
    }
}

#[test]
fn nothing_is_judged_before_the_record_is_told() {
    let policies = [clean(baseline())];
    let now = "2026-01-01T12:00:00Z".parse().unwrap();
    let mut cluster = started(&policies, &["team-a"], &[web(1, "nginx")], None, now);
    assert!(!cluster.auditor.is_complete() && !cluster.snapshot().complete);
    cluster.tell(Change::Record(Box::default()));
    assert!(cluster.auditor.is_complete() && cluster.snapshot().complete);
    assert_eq!(cluster.found(), ["NoMutableTag fail Deployment/web"]);
    assert_eq!(cluster.told(), Vec::<String>::new(), "there was no record: that is a first audit");
}

#[test]
fn what_opened_and_what_was_mended_meanwhile_is_told_once() {
    let policies = [clean(baseline())];
    let before = first(&policies, &[web(1, "nginx")]);
    let shards = record(&before.auditor, 1);
    let pods = [web(1, "nginx:1.27"), shop(1, "nginx")];
    let mut after = started(&policies, &["team-a"], &pods, Some(shards), before.now);
    assert_eq!(after.found(), ["NoMutableTag fail Deployment/shop"]);
    assert_eq!(after.told(), ["NoMutableTag opened"]);
    after.pass(15);
    after.snapshot();
    let told = after.auditor.drain_transitions();
    let [resolved] = &*told else { panic!("{told:?}") };
    assert_eq!((resolved.kind, resolved.subject.name()), (TransitionKind::Resolved, "web"));
    assert_eq!(resolved.since, "2026-01-01T12:00:00Z".parse().unwrap());
    assert_eq!(
        resolved.subject.image_use().map(|at| at.image.display()),
        Some("docker.io/library/nginx:latest")
    );
    assert!(after.told().is_empty());
}

#[test]
fn a_namespace_of_which_the_record_knows_nothing_tells_what_opened_in_it() {
    let policies = [clean(baseline())];
    let before = first(&policies, &[]);
    let mut after =
        started(&policies, &["team-a"], &[web(1, "nginx")], Some(record(&before.auditor, 1)), before.now);
    assert_eq!(after.told(), ["NoMutableTag opened"]);
}

#[test]
fn a_finding_whose_pods_vanished_meanwhile_is_dormant_and_comes_back_with_its_time() {
    let policies = [clean(baseline())];
    let before = first(&policies, &[web(1, "nginx")]);
    let mut after = started(&policies, &["team-a"], &[], Some(record(&before.auditor, 1)), before.now);
    assert_eq!(after.found(), ["NoMutableTag fail Deployment/web dormant"]);
    let snapshot = after.snapshot();
    let finding = snapshot.findings().next().unwrap();
    assert!(snapshot.explain(finding).contains("nginx"), "what was judged is in the record");
    after.pass(3600);
    after.put(&web(2, "nginx"));
    assert_eq!(after.found(), ["NoMutableTag fail Deployment/web"]);
    assert!(since(&mut after)[0].ends_with("2026-01-01T12:00:00Z"));
    assert!(after.told().is_empty());
    // And it is over when nobody sees it for a day.
    let mut after = started(&policies, &["team-a"], &[], Some(record(&before.auditor, 1)), before.now);
    after.pass(24 * 3600);
    assert_eq!(after.found(), Vec::<String>::new());
    after.pass(15);
    assert_eq!(after.told(), ["NoMutableTag resolved"]);
}

#[test]
fn a_dormant_finding_is_as_dormant_after_a_restart() {
    let policies = [clean(baseline())];
    let mut before = first(&policies, &[web(1, "nginx")]);
    before.gone(&web(1, "nginx"));
    before.pass(3600);
    let dormant = |cluster: &mut Cluster| {
        let snapshot = cluster.snapshot();
        let finding = snapshot.findings().next().unwrap().clone();
        (finding.dormant_since.clone(), finding.since, finding.reason, snapshot.explain(&finding))
    };
    let expected = dormant(&mut before);
    let mut after = started(&policies, &["team-a"], &[], Some(record(&before.auditor, 1)), before.now);
    assert_eq!(dormant(&mut after), expected);
    assert!(after.told().is_empty());
}

#[test]
fn a_deleted_namespace_resolves_what_was_open_in_it() {
    let policies = [clean(baseline())];
    let before = first(&policies, &[web(1, "nginx")]);
    let mut after = started(&policies, &[], &[], Some(record(&before.auditor, 1)), before.now);
    assert_eq!(after.found(), Vec::<String>::new());
    after.pass(15);
    assert_eq!(after.told(), ["NoMutableTag resolved"]);
    assert_eq!(after.snapshot().namespaces.len(), 0);
}

#[test]
fn what_was_about_to_be_told_as_resolved_is_told_by_the_next_run() {
    let policies = [clean(baseline())];
    let mut before = first(&policies, &[web(1, "nginx")]);
    before.put(&web(1, "nginx:1.27"));
    assert!(before.told().is_empty());
    let shards = record(&before.auditor, 1);
    let mut after = started(&policies, &["team-a"], &[web(1, "nginx:1.27")], Some(shards), before.now);
    assert!(after.told().is_empty());
    after.pass(15);
    assert_eq!(after.told(), ["NoMutableTag resolved"]);
}

#[test]
fn a_policy_that_was_edited_meanwhile_tells_its_summary_and_nothing_else() {
    let before = first(&[clean(baseline())], &[web(1, "nginx"), shop(1, "nginx:1.27@sha256:bad")]);
    let edited = PolicyRecord {
        generation: 2,
        spec: json!({"rules": {"noMutableTag": {}, "validReference": {}}}),
        ..clean(baseline())
    };
    let other = policy("other", json!({"rules": {"noMutableTag": {}}}));
    let pods = [web(1, "nginx"), shop(1, "nginx:1.27@sha256:bad")];
    let mut after =
        started(&[edited, other], &["team-a"], &pods, Some(record(&before.auditor, 1)), before.now);
    assert_eq!(after.told(), Vec::<String>::new());
    let first_audits = after.auditor.drain_first_audits();
    let names: Vec<_> = first_audits.iter().map(|first| &*first.policy).collect();
    assert_eq!(names, ["baseline", "other"]);
    assert!(
        since(&mut after).iter().any(|since| since.ends_with("2026-01-01T12:00:00Z")),
        "it keeps its times"
    );
}

#[test]
fn a_lost_a_damaged_and_a_newer_shard_make_a_first_audit_of_their_namespaces() {
    let policies = [clean(baseline())];
    let before = first(&policies, &[web(1, "nginx")]);
    let bytes = before.auditor.record_shard(0, 1).bytes;
    let (mut damaged, mut newer) = (bytes.clone(), bytes.clone());
    *damaged.last_mut().unwrap() ^= 1;
    newer[4] = 9;
    assert_eq!(label(&damaged), Err(Unreadable::Damaged));
    assert_eq!(label(&newer), Err(Unreadable::Newer(9)));
    assert_eq!(label(b"PK"), Err(Unreadable::Foreign));
    assert_eq!(label(&bytes).map(|label| (label.shard, label.of)), Ok((0, 1)));
    for shard in [None, Some(damaged.into()), Some(newer.into()), Some(bytes[..20].into())] {
        let mut after =
            started(&policies, &["team-a"], &[web(1, "nginx")], Some(Box::new([shard])), before.now);
        assert_eq!(after.found(), ["NoMutableTag fail Deployment/web"]);
        assert!(after.told().is_empty());
    }
}

#[test]
fn no_bytes_with_a_right_checksum_do_harm() {
    let policies = [clean(baseline())];
    let mut before = first(&policies, &[web(1, "nginx"), shop(1, "nginx")]);
    before.put(&shop(1, "nginx:1.27"));
    before.snapshot();
    let bytes = before.auditor.record_shard(0, 1).bytes;
    for at in 13..bytes.len() {
        for change in [1, 0x80, 0xff] {
            let mut bytes = bytes.clone();
            bytes[at] ^= change;
            let checksum = crate::subject::canonical::bytes_hash(&bytes[13..]);
            bytes[5..13].copy_from_slice(&checksum.to_le_bytes());
            let shards = Box::new([Some(bytes.into())]);
            let mut after = started(&policies, &["team-a"], &[web(1, "nginx")], Some(shards), before.now);
            after.pass(15);
            after.snapshot();
        }
    }
}

#[test]
fn a_transition_has_the_same_number_in_every_run_and_another_one_the_next_time() {
    let policies = [clean(baseline())];
    let numbers = |cluster: &mut Cluster| -> Vec<u32> {
        cluster.snapshot();
        cluster.auditor.drain_transitions().iter().map(|told| told.sequence).collect()
    };
    let before = first(&policies, &[]);
    let shards = record(&before.auditor, 1);
    let mut one = started(&policies, &["team-a"], &[], Some(shards.clone()), before.now);
    one.put(&web(1, "nginx"));
    let opened = numbers(&mut one);
    let later = before.now + SignedDuration::from_secs(7);
    let mut other = started(&policies, &["team-a"], &[web(1, "nginx")], Some(shards), later);
    assert_eq!((numbers(&mut other), opened.len()), (opened.clone(), 1), "whoever sees it first");
    other.put(&web(1, "nginx:1.27"));
    other.snapshot();
    other.pass(15);
    assert_eq!(numbers(&mut other), [opened[0] + 1]);
    // What is over keeps its number, across a restart too.
    let shards = record(&other.auditor, 1);
    let mut again = started(&policies, &["team-a"], &[web(1, "nginx")], Some(shards), other.now);
    assert_eq!(numbers(&mut again), [opened[0] + 2]);
}

#[test]
fn another_replica_that_takes_over_tells_what_the_record_does_not_know_and_takes_its_times() {
    let policies = [clean(baseline())];
    let mut leader = first(&policies, &[web(1, "nginx")]);
    // The standby has seen everything later, and something that the leader has not told.
    let now = leader.now + SignedDuration::from_secs(60);
    let mut standby = started(&policies, &["team-a"], &[web(1, "nginx")], Some(Box::default()), now);
    standby.put(&shop(1, "nginx"));
    assert_eq!(standby.told(), ["NoMutableTag opened"]);
    standby.pass(60);
    standby.tell(Change::Record(record(&leader.auditor, 1)));
    assert_eq!(standby.told(), ["NoMutableTag opened"], "only the leader's Events count");
    let times = since(&mut standby);
    assert!(times.contains(&since(&mut leader)[0]), "{times:?}");
    assert!(times.iter().any(|since| since.ends_with("2026-01-01T13:01:00Z")), "{times:?}");
    assert!(standby.told().is_empty());
}

#[test]
fn a_namespace_finding_and_a_reference_are_known_again() {
    let spec =
        json!({"rules": {"defaultDenyIngress": {}, "digestSkew": {}, "noMutableTag": {"enabled": false}}});
    let policies = [clean(policy("baseline", spec))];
    let running = |index: u8, digest: &str| {
        let id = format!("docker.io/library/nginx@sha256:{}", digest.repeat(64));
        with(web(index, "nginx:1"), "/status/containerStatuses/0/imageID", json!(id))
    };
    let pods = [running(1, "a"), running(2, "b")];
    let mut before = first(&policies, &pods);
    let found = before.found();
    assert_eq!(found.len(), 2, "{found:?}");
    let shards = record(&before.auditor, 1);
    let mut after = started(&policies, &["team-a"], &pods, Some(shards.clone()), before.now);
    assert_eq!((after.found(), since(&mut after)), (found, since(&mut before)));
    assert!(after.told().is_empty());
    let mut mended = started(&policies, &["team-a"], &pods[..1], Some(shards), before.now);
    mended.snapshot();
    mended.pass(15);
    assert_eq!(mended.told(), ["DigestSkew resolved"]);
}

#[test]
fn a_finding_takes_a_few_bytes_and_a_namespace_of_a_hundred_a_few_thousand() {
    let policies = [clean(baseline())];
    let deployments = |of: u8| -> Vec<Value> {
        let pod = |index: u8| {
            let text = web(index, "nginx").to_string().replace("web-6f7", &format!("web{index}-6f7"));
            let pod = serde_json::from_str(&text.replace("\"rs\"", &format!("\"rs-{index}\""))).unwrap();
            let image = |number: u8| format!("registry.example.com/team-a/service-{index}-{number}");
            let containers =
                (0..10).map(|number| json!({"name": format!("c{number}"), "image": image(number)}));
            with(pod, "/spec/containers", containers.collect())
        };
        (0..of).map(pod).collect()
    };
    let size = |of: u8| first(&policies, &deployments(of)).auditor.record_shard(0, 1);
    let (one, ten) = (size(1), size(10));
    assert_eq!((one.findings, ten.findings), (10, 100));
    assert!(ten.bytes.len() < 16 * 1_024, "{} bytes", ten.bytes.len());
}
