//! Pods that come and go between two Snapshots.

use serde_json::json;

use super::{Cluster, baseline, policy, web};

#[test]
fn a_clean_run_that_nobody_saw_ends_a_dormant_finding() {
    for ends in [true, false] {
        let mut cluster = Cluster::with_policies(&[baseline()]);
        cluster.put(&web(1, "nginx"));
        cluster.told();
        cluster.gone(&web(1, "nginx"));
        assert_eq!(cluster.found(), ["NoMutableTag fail Deployment/web dormant"]);
        let clean = web(2, "nginx:1.27");
        cluster.put(&clean);
        match ends {
            true => cluster.put(&super::with(clean, "/status", json!({"phase": "Succeeded"}))),
            false => cluster.gone(&clean),
        }
        assert!(cluster.found().is_empty());
        cluster.pass(15);
        assert_eq!(cluster.told(), ["NoMutableTag resolved"]);
    }
}

#[test]
fn a_run_that_nobody_saw_and_that_shows_the_finding_keeps_it_for_another_day() {
    let mut cluster = Cluster::with_policies(&[baseline()]);
    cluster.put(&web(1, "nginx"));
    cluster.told();
    cluster.gone(&web(1, "nginx"));
    cluster.found();
    for _ in 0..3 {
        cluster.pass(12 * 3600);
        cluster.put(&web(2, "nginx"));
        cluster.gone(&web(2, "nginx"));
        assert_eq!(cluster.found(), ["NoMutableTag fail Deployment/web dormant"]);
    }
    assert!(cluster.told().is_empty());
}

#[test]
fn of_several_unseen_pods_the_last_one_says_what_is_found() {
    for (first, last, found) in [("nginx", "nginx:1.27", 0), ("nginx:1.27", "nginx", 1)] {
        let mut cluster = Cluster::with_policies(&[baseline()]);
        cluster.put(&web(1, "nginx"));
        cluster.gone(&web(1, "nginx"));
        cluster.put(&web(1, "nginx"));
        cluster.told();
        cluster.gone(&web(1, "nginx"));
        cluster.put(&web(2, first));
        cluster.put(&web(3, last));
        cluster.gone(&web(2, first));
        cluster.gone(&web(3, last));
        assert_eq!(cluster.found().len(), found);
    }
}

#[test]
fn a_pod_of_another_workload_or_one_that_the_policy_leaves_out_is_told_apart() {
    let spec =
        json!({"scope": {"podSelector": {"matchLabels": {"app": "web"}}}, "rules": {"noMutableTag": {}}});
    let mut cluster = Cluster::with_policies(&[policy("p", spec)]);
    cluster.put(&web(1, "nginx"));
    cluster.told();
    cluster.gone(&web(1, "nginx"));
    cluster.found();
    let mut other = web(2, "nginx:1.27");
    other["metadata"]["ownerReferences"][0]["name"] = json!("api-5d4");
    other["metadata"]["labels"]["pod-template-hash"] = json!("5d4");
    cluster.put(&other);
    cluster.gone(&other);
    assert_eq!(cluster.found(), ["NoMutableTag fail Deployment/web dormant"]);
    let mut left_out = web(3, "nginx");
    left_out["metadata"]["labels"]["app"] = json!("other");
    cluster.put(&left_out);
    cluster.gone(&left_out);
    assert!(cluster.found().is_empty(), "a pod of the workload lived that the policy finds nothing of");
}
