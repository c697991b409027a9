//! What the decoder keeps, leaves out and never refuses.

use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::*;
use crate::reference::PullPolicy;
use crate::subject::facts::Facts;
use crate::subject::pod::{Image, Slot};
use crate::subject::running::{RunningState, Waiting};

fn record(value: &Value) -> PodRecord {
    let from_value = PodRecord::from_value(value);
    let from_text: PodRecord = serde_json::from_str(&value.to_string()).unwrap();
    assert_eq!(
        from_value.section(Section::Shape),
        from_text.section(Section::Shape),
        "a tree and a text read alike"
    );
    from_text
}

fn shape(record: &PodRecord) -> PodShape {
    PodShape::read(
        record.section(Section::Shape),
        record.flags,
        |name| name.into(),
        |image| Image::new(image).into(),
        |facts| Facts::new(facts).into(),
    )
}

fn running(record: &PodRecord) -> RunningState {
    RunningState::read(record.section(Section::Running), |name| name.into())
}

fn pod() -> Value {
    json!({
        "metadata": {
            "name": "p", "namespace": "team-a", "uid": "6f9619ff-8b86-4011-b42d-00cf4fc964ff", "resourceVersion": "7",
            "labels": {"app": "web", "tier": "front"},
            "ownerReferences": [
                {"apiVersion": "v1", "kind": "Other", "name": "o", "uid": "1"},
                {"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "web-1", "uid": "2", "controller": true},
            ],
            "managedFields": [{"manager": "kubelet", "fieldsV1": {"f:status": {}}}],
        },
        "spec": {
            "volumes": [
                {"name": "data", "emptyDir": {}},
                {"name": "model", "image": {"reference": "registry.example.com/m:1", "pullPolicy": "Never"}},
            ],
            "initContainers": [{"name": "setup", "image": "busybox:1", "imagePullPolicy": "Always"}],
            "containers": [{"name": "app", "image": "nginx:1.27", "env": [{"name": "image", "value": "x"}]}],
            "ephemeralContainers": [{"name": "debug", "image": "busybox:2", "targetContainerName": "app"}],
        },
        "status": {
            "phase": "Running",
            "conditions": [
                {"type": "Ready", "status": "False", "lastTransitionTime": "2026-01-01T09:00:00Z"},
                {"type": "ContainersReady", "status": "False", "lastTransitionTime": "2026-01-01T12:00:00Z"},
            ],
            "containerStatuses": [{"name": "app", "image": "other", "imageID": "", "state": {"waiting": {"reason": "ErrImagePull"}}}],
        },
    })
}

#[test]
fn all_four_kinds_of_slot_are_kept_in_one_order() {
    let shape = shape(&record(&pod()));
    let uses: Vec<_> =
        shape.uses.iter().map(|at| (at.slot, &*at.name, at.image.written(), at.pull_policy)).collect();
    assert_eq!(
        uses,
        [
            (Slot::ImageVolume, "model", "registry.example.com/m:1", Some(PullPolicy::Never)),
            (Slot::InitContainer, "setup", "busybox:1", Some(PullPolicy::Always)),
            (Slot::Container, "app", "nginx:1.27", None),
            (Slot::EphemeralContainer, "debug", "busybox:2", None),
        ]
    );
    assert!(!shape.malformed && !shape.is_static && !shape.is_template);
}

#[test]
fn metadata_status_and_the_controller_are_kept() {
    let record = record(&pod());
    assert_eq!((record.name(), record.namespace(), record.resource_version.as_str()), ("p", "team-a", "7"));
    assert_eq!(crate::subject::uid::uid_text(record.uid), "6f9619ff-8b86-4011-b42d-00cf4fc964ff");
    let mut owner = crate::subject::canonical::Reader::new(record.section(Section::Owner));
    assert_eq!(
        [owner.text(), owner.text(), owner.text(), owner.text()],
        ["apps/v1", "ReplicaSet", "web-1", "2"]
    );
    let running = running(&record);
    assert_eq!((running.phase, running.containers.len()), (Phase::Running, 1));
    assert_eq!(running.containers[0].waiting, Waiting::PullFailing);
    assert_eq!(record.unready_since, "2026-01-01T12:00:00Z".parse::<jiff::Timestamp>().unwrap().as_second());
}

#[test]
fn a_pod_whose_images_do_not_wait_has_no_clock() {
    let mut pod = pod();
    pod["status"]["containerStatuses"][0]["state"] = json!({"waiting": {"reason": "ContainerCreating"}});
    assert_eq!(record(&pod).unready_since, 0);
}

#[test]
fn an_ended_pod_keeps_its_phase_and_nothing_that_ran() {
    let mut pod = pod();
    pod["status"]["phase"] = json!("Failed");
    let running = running(&record(&pod));
    assert_eq!((running.phase, running.containers.len()), (Phase::Terminated, 0));
}

#[test]
fn a_mirror_annotation_makes_a_static_pod() {
    let mut pod = pod();
    pod["metadata"]["annotations"] = json!({"kubernetes.io/config.mirror": "hash", "other": "x"});
    assert!(shape(&record(&pod)).is_static);
}

#[test]
fn values_of_another_type_flag_the_pod_and_null_reads_as_absent() {
    let changes = [
        ("/spec/containers", json!("all")),
        ("/spec/containers/0/image", json!(7)),
        ("/spec/initContainers/0/imagePullPolicy", json!("Sometimes")),
        ("/spec/containers/0", json!([])),
        ("/spec", json!(true)),
        ("/metadata/labels/app", json!(1)),
        ("/status/containerStatuses", json!({})),
        ("/status/phase", json!(1)),
    ];
    for (pointer, value) in changes {
        let mut pod = pod();
        *pod.pointer_mut(pointer).unwrap() = value;
        let record = record(&pod);
        assert_eq!(record.flags, PodShape::MALFORMED, "{pointer}");
        assert_eq!(
            (record.name(), record.resource_version.as_str()),
            ("p", "7"),
            "{pointer}: it can still be kept"
        );
    }
    let mut pod = pod();
    for pointer in [
        "/spec/initContainers",
        "/spec/volumes",
        "/status/conditions",
        "/metadata/managedFields",
        "/spec/containers/0/env",
    ] {
        *pod.pointer_mut(pointer).unwrap() = Value::Null;
    }
    assert_eq!(record(&pod).flags, 0);
}

#[test]
fn a_pod_without_containers_is_malformed() {
    let mut pod = pod();
    pod["spec"]["containers"] = json!([]);
    assert_eq!(record(&pod).flags, PodShape::MALFORMED);
}

#[test]
fn a_field_that_comes_twice_is_malformed() {
    let text = r#"{"metadata":{"name":"p","uid":"1"},"spec":{"containers":[{"name":"a","image":"good","image":"evil"}]}}"#;
    let record: PodRecord = serde_json::from_str(text).unwrap();
    assert_eq!(record.flags, PodShape::MALFORMED);
}

#[test]
fn a_template_gives_the_pods_of_its_workload() {
    let owner = TemplateOwner {
        api_version: "apps/v1",
        kind: "Deployment",
        name: "web",
        namespace: "team-a",
        uid: "",
        last_applied: None,
    };
    let template = json!({"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [{"image": "nginx", "name": "app"}]}});
    let record = PodRecord::from_template(&owner, &template, 7, None);
    assert_eq!((record.name(), record.namespace(), record.uid), ("web", "team-a", 7));
    assert!(shape(&record).is_template && record.is_usable());
    assert_eq!(running(&record).phase, Phase::None);
}

/// The same object with the keys of every map in another order.
fn reordered(value: &Value, seed: u64) -> String {
    match value {
        Value::Object(map) => {
            let mut entries: Vec<_> = map.iter().collect();
            entries.sort_by_key(|(key, _)| {
                crate::subject::canonical::combine(&[seed, crate::subject::canonical::text_hash(key)])
            });
            let entries: Vec<String> = entries
                .iter()
                .map(|(key, value)| format!("{}:{}", Value::from(key.as_str()), reordered(value, seed)))
                .collect();
            format!("{{{}}}", entries.join(","))
        }
        Value::Array(items) => {
            let items: Vec<String> = items.iter().map(|item| reordered(item, seed)).collect();
            format!("[{}]", items.join(","))
        }
        other => other.to_string(),
    }
}

pub(in crate::decode) fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i32>().prop_map(Value::from),
        Just(json!(1.5)),
        "[a-zA-Z:./@]{0,12}".prop_map(Value::from),
    ];
    let keys = prop::sample::select(vec![
        "metadata",
        "spec",
        "status",
        "name",
        "uid",
        "labels",
        "annotations",
        "ownerReferences",
        "controller",
        "containers",
        "initContainers",
        "volumes",
        "image",
        "reference",
        "pullPolicy",
        "imagePullPolicy",
        "phase",
        "conditions",
        "type",
        "lastTransitionTime",
        "containerStatuses",
        "imageID",
        "state",
        "waiting",
        "reason",
    ]);
    leaf.prop_recursive(6, 64, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::vec((keys.clone(), inner), 0..6).prop_map(|entries| Value::Object(
                entries.into_iter().map(|(key, value)| (key.to_owned(), value)).collect::<Map<_, _>>()
            )),
        ]
    })
}

proptest! {
    #[test]
    fn the_order_of_keys_changes_nothing(seed in any::<u64>()) {
        let (plain, other) = (record(&pod()), serde_json::from_str::<PodRecord>(&reordered(&pod(), seed)).unwrap());
        for section in [Section::Name, Section::Namespace, Section::Labels, Section::Owner, Section::Shape, Section::Running] {
            prop_assert_eq!(plain.section(section), other.section(section));
        }
        prop_assert_eq!((plain.uid, plain.flags, plain.unready_since), (other.uid, other.flags, other.unready_since));
    }

    #[test]
    fn no_json_is_ever_refused(value in any_json()) {
        let record: PodRecord = serde_json::from_str(&value.to_string()).unwrap();
        let read = shape(&record);
        prop_assert!(read.malformed || read.uses.iter().any(|at| at.slot == Slot::Container) );
    }
}
