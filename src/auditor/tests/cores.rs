//! Many namespaces are renewed on several cores: nothing that is found or told may show it.

use std::num::NonZeroUsize;

use serde_json::json;

use super::{Cluster, namespace, policy, web, with};
use crate::auditor::Auditor;
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
