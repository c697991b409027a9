use std::collections::BTreeSet;

use serde_json::Value;

use super::*;

fn parsed(write: impl FnOnce(&mut String)) -> Value {
    let mut text = String::new();
    write(&mut text);
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

fn kinds() -> [Cluster; 3] {
    let shared = Cluster::of_size(3_000);
    [shared, Cluster { labels: Labels::Unique, ..shared }, Cluster { all_different: true, ..shared }]
}

#[test]
fn a_pod_has_about_ten_kilobytes_a_third_of_them_managed_fields() {
    for cluster in kinds() {
        let (mut pods, mut managed) = (String::new(), 0);
        for index in 0..cluster.pods {
            cluster.pod(&mut pods, index, Variation::default());
        }
        for index in 0..200 {
            managed +=
                parsed(|out| cluster.pod(out, index, Variation::default()))["metadata"]["managedFields"]
                    .to_string()
                    .len();
        }
        let (mean, managed) = (pods.len() / cluster.pods, managed / 200);
        assert!((9_500..11_000).contains(&mean), "{mean} bytes");
        assert!((3_200..4_000).contains(&managed), "{managed} bytes of managedFields");
    }
}

#[test]
fn names_and_uids_are_distinct_and_the_same_on_every_run() {
    for cluster in kinds() {
        let (mut names, mut uids) = (BTreeSet::new(), BTreeSet::new());
        for index in 0..cluster.pods {
            let pod = parsed(|out| cluster.pod(out, index, Variation::default()));
            let metadata = &pod["metadata"];
            assert_eq!(metadata["namespace"], cluster.namespace_name(cluster.namespace_of(index)));
            names.insert((metadata["namespace"].to_string(), metadata["name"].to_string()));
            uids.insert(metadata["uid"].to_string());
        }
        assert_eq!((names.len(), uids.len()), (cluster.pods, cluster.pods));
    }
    let once = parsed(|out| kinds()[0].pod(out, 17, Variation::default()));
    assert_eq!(once, parsed(|out| kinds()[0].pod(out, 17, Variation::default())));
    let other_seed = Cluster { seed: 2, ..kinds()[0] };
    assert_ne!(once, parsed(|out| other_seed.pod(out, 17, Variation::default())));
}

#[test]
fn the_cluster_has_as_many_shapes_workloads_and_namespaces_as_it_says() {
    let cluster = Cluster { clean_percent: 0, ..Cluster::of_size(3_000) };
    let (mut shapes, mut workloads, mut namespaces) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
    for index in 0..cluster.pods {
        let pod = parsed(|out| cluster.pod(out, index, Variation::default()));
        let uses = |list: &str| -> Vec<String> {
            let containers = pod["spec"][list].as_array();
            let used = |container: &Value| {
                ["name", "image", "imagePullPolicy"].map(|key| container[key].to_string()).join(" ")
            };
            containers.into_iter().flatten().map(used).collect()
        };
        shapes.insert((uses("initContainers"), uses("containers")));
        workloads.insert(pod["metadata"]["ownerReferences"][0]["uid"].to_string());
        namespaces.insert(pod["metadata"]["namespace"].to_string());
    }
    assert_eq!(
        (shapes.len(), workloads.len(), namespaces.len()),
        (cluster.shapes, cluster.workloads, cluster.namespaces)
    );
}

#[test]
fn a_replica_set_is_named_after_its_deployment_and_the_template_hash() {
    let pod = parsed(|out| kinds()[0].pod(out, 5, Variation::default()));
    let labels = &pod["metadata"]["labels"];
    let owner =
        format!("{}-{}", labels["app"].as_str().unwrap(), labels["pod-template-hash"].as_str().unwrap());
    assert_eq!(pod["metadata"]["ownerReferences"][0]["name"], owner);
    assert!(pod["metadata"]["name"].as_str().unwrap().starts_with(&owner));
}

#[test]
fn variations_change_what_they_say_and_nothing_else() {
    let cluster = Cluster::of_size(3_000);
    let what_rules_read = |variation: Variation| {
        let pod = parsed(|out| cluster.pod(out, 5, variation));
        let of = |part: &str, list: &str, key: &str| pod[part][list][0][key].to_string();
        (of("spec", "containers", "image"), of("status", "containerStatuses", "imageID"))
    };
    let (image, id) = what_rules_read(Variation::default());
    assert_eq!(what_rules_read(Variation { beat: 9, ..Variation::default() }), (image.clone(), id.clone()));
    let (other_image, other_id) = what_rules_read(Variation { build: 1, ..Variation::default() });
    assert!(other_image != image && other_id != id);
    let (same_image, other_id) = what_rules_read(Variation { other_digest: true, ..Variation::default() });
    assert!(same_image == image && other_id != id);
}

#[test]
fn pages_frames_namespaces_network_policies_and_the_policy_parse() {
    let cluster = Cluster::of_size(1_500);
    let page = parsed(|out| cluster.pod_page(out, 500..1_000, Variation::default()));
    assert_eq!(page["items"].as_array().map(Vec::len), Some(500));
    assert_eq!(page["metadata"]["remainingItemCount"], 500);
    let frame = parsed(|out| cluster.pod_frame(out, "MODIFIED", 7, Variation::default()));
    assert_eq!((&frame["type"], &frame["object"]["kind"]), (&"MODIFIED".into(), &"Pod".into()));
    assert_eq!(
        frame["object"]["metadata"]["uid"],
        parsed(|out| cluster.pod(out, 7, Variation::default()))["metadata"]["uid"]
    );
    let namespaces = parsed(|out| cluster.namespace_page(out, 0..cluster.namespaces));
    assert_eq!(namespaces["items"].as_array().map(Vec::len), Some(cluster.namespaces));
    assert!(namespaces["metadata"].get("continue").is_none());
    for namespace in 0..cluster.namespaces {
        for index in 0..cluster.network_policies(namespace) {
            let policy = parsed(|out| cluster.network_policy(out, namespace, index));
            assert_eq!(policy["metadata"]["namespace"], cluster.namespace_name(namespace));
        }
    }
    let policy = |edit| parsed(|out| cluster.policy(out, "baseline", edit));
    assert_eq!(policy(0)["spec"]["rules"].as_object().map(serde_json::Map::len), Some(20));
    assert_ne!(policy(0)["spec"], policy(1)["spec"]);
}
