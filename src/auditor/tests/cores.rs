//! Many namespaces are renewed on several cores: nothing that is found or told may show it.

use std::num::NonZeroUsize;

use serde_json::json;

use super::{Cluster, namespace, policy, web, with};
use crate::auditor::Auditor;
use crate::auditor::audit::{Judgement, Wanted};
use crate::decode::pod::PodRecord;
use crate::decode::{Change, PolicyRecord};
use crate::subject::Resource;

/// More than are renewed by one thread.
const NAMESPACES: usize = 1_500;

/// What is found and told in a cluster's life, in order: pods without a tag, a tag for all of them, another label rule.
fn life(cores: usize) -> Vec<String> {
    let spec =
        |label: &str| json!({"rules": {"noMutableTag": {}, "requiredLabels": {"labels": {label: ".+"}}}});
    let auditor = Auditor::new().on_cores(NonZeroUsize::new(cores).unwrap());
    let mut cluster = Cluster { auditor, now: "2026-01-01T12:00:00Z".parse().unwrap() };
    let name = |index: usize| format!("team-{index}");
    let pod = |index: usize, image: &str| {
        let pod = with(web(1, image), "/metadata/namespace", json!(name(index)));
        with(pod, "/metadata/uid", json!(format!("00000000-0000-4000-8000-{index:012}")))
    };
    cluster.list(Resource::ImagePolicies, [Change::Policy(policy("baseline", spec("owner")))]);
    let labelled = (0..NAMESPACES).map(|index| namespace(&name(index), json!({"owner": "x", "tier": "y"})));
    cluster.list(Resource::Namespaces, labelled);
    cluster.list_others(&[Resource::ImagePolicies, Resource::Namespaces]);
    let mut lived = Vec::new();
    let mut note = |cluster: &mut Cluster| {
        lived.extend(cluster.found());
        let parts = cluster.snapshot();
        lived.extend(parts.namespaces.iter().map(|part| format!("{} {}", part.name, part.revision)));
        let told = cluster.auditor.drain_transitions().into_iter();
        lived.extend(told.map(|told| format!("{} {} {}", told.kind.as_str(), told.subject.name(), told.id)));
    };
    note(&mut cluster);
    (0..NAMESPACES).for_each(|index| cluster.put(&pod(index, "nginx")));
    note(&mut cluster);
    cluster.tell(Change::Policy(PolicyRecord { generation: 2, ..policy("baseline", spec("cost")) }));
    note(&mut cluster);
    (0..NAMESPACES).for_each(|index| cluster.put(&pod(index, "nginx:1.27.4")));
    note(&mut cluster);
    cluster.pass(60);
    note(&mut cluster);
    lived
}

#[test]
fn four_cores_find_and_tell_what_one_does_in_the_same_order() {
    let alone = life(1);
    assert!(alone.len() > 5 * NAMESPACES);
    assert_eq!(life(4), alone);
}

/// Every verdict on pods that differ in their images, in a few namespaces, in the order of their ids.
fn verdicts(cores: usize) -> (usize, Vec<String>) {
    let now = "2026-01-01T12:00:00Z".parse().unwrap();
    let mut auditor = Auditor::over_input(false).on_cores(NonZeroUsize::new(cores).unwrap());
    for index in 0..4_500 {
        let pod = with(
            web(1, &format!("nginx:{index}")),
            "/metadata/namespace",
            json!(format!("team-{}", index % 7)),
        );
        let pod = with(pod, "/metadata/uid", json!(format!("00000000-0000-4000-8000-{index:012}")));
        auditor.apply(Change::Pod(PodRecord::from_value(&pod)), now);
    }
    let spec =
        json!({"rules": {"noMutableTag": {}, "digestPinned": {}, "requiredLabels": {"labels": {"a": ".+"}}}});
    auditor.apply(Change::Policy(policy("baseline", spec)), now);
    let note = |told: &mut Vec<String>, it: &Judgement<'_>| {
        told.push(format!("{} {} {:?} {}", it.id, it.subject.name(), it.verdict, it.message));
    };
    let told = auditor.audit_on_cores(now, Wanted::All, &Vec::new, &mut |told, it| note(told, it), &note);
    let shares = told.len();
    let mut told = told.concat();
    told.sort();
    (shares, told)
}

#[test]
fn verdicts_that_are_told_on_four_cores_are_those_of_one() {
    let (alone, four) = (verdicts(1), verdicts(4));
    assert_eq!((alone.0, four.0), (1, 4));
    assert!(alone.1.len() > 9_000);
    assert_eq!(alone.1, four.1);
}
