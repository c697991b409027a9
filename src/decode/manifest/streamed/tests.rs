//! What is read as it comes reads the same from a tree, whatever order and however often keys come.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::super::Reader;
use crate::decode::Change;
use crate::decode::pod::Section;

const SECTIONS: [Section; 7] = [
    Section::Name,
    Section::Namespace,
    Section::Labels,
    Section::Owner,
    Section::Account,
    Section::Shape,
    Section::Running,
];

/// What is told of a text, and what is wrong with it. Where fields stand is found in trees only, so whoever asks for
/// that reads nothing as it comes.
fn read(text: &str, file: &str, by_tree: bool) -> (Vec<String>, String) {
    let mut reader = Reader::new("default");
    if by_tree {
        reader = reader.with_places();
    }
    let mut told = Vec::new();
    reader.read(file.into(), text, &mut |change| {
        told.push(match change {
            Change::Pod(pod) => {
                let sections = SECTIONS.map(|section| pod.section(section).to_vec());
                format!("{:?} {:?} {:?} {sections:?}", pod.uid, pod.flags, pod.source)
            }
            other => format!("{other:?}"),
        });
    });
    (told, format!("{:?} {} {}", reader.errors, reader.objects, reader.documents))
}

/// An object as it is written: keys in any order, some twice.
#[derive(Clone, Debug)]
enum Written {
    Object(Vec<(String, Self)>),
    List(Vec<Self>),
    Other(Value),
}

/// What chance decides.
struct Chance(u64);

impl Chance {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % bound
    }

    fn once_in(&mut self, count: usize) -> bool {
        self.below(count) == 0
    }
}

fn written(value: &Value, chance: &mut Chance, rarely: usize, depth: usize) -> Written {
    let others = [
        json!(null),
        json!(7),
        json!(1.5),
        json!("x"),
        json!(true),
        json!([]),
        json!({}),
        json!([{"name": "y"}]),
    ];
    if depth > 3 && chance.once_in(rarely) {
        return Written::Other(others[chance.below(others.len())].clone());
    }
    match value {
        Value::Object(fields) => {
            let mut found: Vec<_> = fields
                .iter()
                .map(|(key, value)| (key.clone(), written(value, chance, rarely, depth + 1)))
                .collect();
            // The first level says what it is, as a rule before everything else.
            if depth > 0 || chance.once_in(4) {
                for at in (1..found.len()).rev() {
                    found.swap(at, chance.below(at + 1));
                }
            }
            if !found.is_empty() && chance.once_in(rarely) {
                let (key, _) = found[chance.below(found.len())].clone();
                let again = written(&fields[&key], chance, 2, depth + 1);
                let at = chance.below(found.len() + 1);
                found.insert(at, (key, again));
            }
            Written::Object(found)
        }
        Value::Array(items) => {
            Written::List(items.iter().map(|item| written(item, chance, rarely, depth + 1)).collect())
        }
        other => Written::Other(other.clone()),
    }
}

fn in_order(value: &Value) -> Written {
    match value {
        Value::Object(fields) => {
            Written::Object(fields.iter().map(|(key, value)| (key.clone(), in_order(value))).collect())
        }
        Value::Array(items) => Written::List(items.iter().map(in_order).collect()),
        other => Written::Other(other.clone()),
    }
}

fn as_json(written: &Written) -> String {
    let list = |parts: Vec<String>, open: &str, close: &str| format!("{open}{}{close}", parts.join(",\n "));
    match written {
        Written::Object(fields) => {
            list(fields.iter().map(|(key, value)| format!("{key:?}: {}", as_json(value))).collect(), "{", "}")
        }
        Written::List(items) => list(items.iter().map(as_json).collect(), "[", "]"),
        Written::Other(value) => value.to_string(),
    }
}

fn as_yaml(written: &Written, indent: usize) -> String {
    let pad = "  ".repeat(indent);
    match written {
        Written::Object(fields) if !fields.is_empty() => {
            fields.iter().map(|(key, value)| format!("\n{pad}{key}:{}", as_yaml(value, indent + 1))).collect()
        }
        Written::List(items) if !items.is_empty() => {
            items.iter().map(|item| format!("\n{pad}-{}", as_yaml(item, indent + 1))).collect()
        }
        Written::Object(_) => " {}".to_owned(),
        Written::List(_) => " []".to_owned(),
        Written::Other(value) => format!(" {value}"),
    }
}

fn container(name: &str) -> Value {
    json!({
        "args": ["--a", "--b"], "image": "registry.example.com/a/b:1", "imagePullPolicy": "Always", "name": name,
        "env": [{"name": "A", "value": "1"}, {"name": "B", "valueFrom": {"secretKeyRef": {"key": "k", "name": "s"}}}],
        "envFrom": [{"secretRef": {"name": "s"}}],
        "ports": [{"containerPort": 80, "hostPort": 8080}],
        "livenessProbe": {"httpGet": {"host": "h", "path": "/"}, "periodSeconds": 1},
        "lifecycle": {"preStop": {"tcpSocket": {"host": "h", "port": 1}}},
        "securityContext": {
            "capabilities": {"add": ["NET_ADMIN"], "drop": ["ALL"]}, "privileged": true, "runAsUser": 0,
            "seccompProfile": {"localhostProfile": "p", "type": "Localhost"}, "seLinuxOptions": {"type": "t"},
        },
        "volumeMounts": [{"mountPath": "/h", "name": "host", "readOnly": true}, {"mountPath": "/c", "name": "conf"}],
    })
}

fn spec() -> Value {
    json!({
        "automountServiceAccountToken": false, "hostNetwork": true, "hostPID": false,
        "containers": [container("a"), container("b")], "initContainers": [container("c")],
        "imagePullSecrets": [{"name": "x"}], "nodeSelector": {"a": "b"}, "os": {"name": "linux"},
        "securityContext": {"runAsNonRoot": true, "sysctls": [{"name": "a", "value": "b"}]},
        "serviceAccount": "old", "serviceAccountName": "new",
        "volumes": [
            {"hostPath": {"path": "/etc"}, "name": "host"}, {"configMap": {"name": "m"}, "name": "conf"},
            {"image": {"pullPolicy": "Never", "reference": "registry.example.com/v:1"}, "name": "image"},
            {"name": "two", "nfs": {"path": "/n", "server": "s"}, "hostPath": {"path": "/var"}},
        ],
    })
}

fn objects() -> Vec<Value> {
    let template = json!({
        "metadata": {
            "annotations": {"exempt.revisor.dev/NoHostPath": "until then", "kubernetes.io/config.mirror": "x", "other": "y"},
            "labels": {"a": "b", "c": "d"}, "name": "inner",
        },
        "spec": spec(),
    });
    let metadata = json!({
        "annotations": {"kubectl.kubernetes.io/last-applied-configuration": r#"{"spec":{"template":{"spec":{"containers":[{"name":"a"}]}}}}"#},
        "name": "web", "namespace": "team-a",
        "ownerReferences": [{"apiVersion": "apps/v1", "controller": true, "kind": "Deployment", "name": "o", "uid": "u"}],
    });
    let object = |version: &str, kind: &str, spec: Value| json!({"apiVersion": version, "kind": kind, "metadata": metadata, "spec": spec});
    let plain = || json!({"replicas": 2, "selector": {"matchLabels": {"a": "b"}}, "template": template});
    let mut objects: Vec<_> = ["Deployment", "StatefulSet", "ReplicaSet", "DaemonSet"]
        .into_iter()
        .map(|kind| object("apps/v1", kind, plain()))
        .collect();
    let mut ended = object("batch/v1", "Job", plain());
    ended["status"] = json!({"conditions": [{"status": "True", "type": "Complete"}]});
    objects.extend([object("batch/v1", "Job", plain()), ended]);
    objects.push(object("batch/v1", "CronJob", json!({"jobTemplate": {"spec": plain()}})));
    objects
        .push(json!({"apiVersion": "v1", "kind": "PodTemplate", "metadata": metadata, "template": template}));
    objects.push(object("v1", "Pod", spec()));
    objects
}

fn list(items: &[Written]) -> Written {
    let text = |text: &str| Written::Other(text.into());
    Written::Object(vec![
        ("apiVersion".into(), text("v1")),
        ("items".into(), Written::List(items.to_vec())),
        ("kind".into(), text("List")),
    ])
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn what_is_read_as_it_comes_reads_the_same_from_a_tree(seed in any::<u64>(), rarely in prop::sample::select(vec![15, 60, 1_000_000])) {
        let mut chance = Chance(seed);
        let objects: Vec<_> = objects().iter().map(|object| written(object, &mut chance, rarely, 0)).collect();
        let json = objects.iter().map(as_json).collect::<Vec<_>>().join("\n");
        let yaml: String = objects.iter().map(|object| format!("---{}\n", as_yaml(object, 0))).collect();
        let list = list(&objects);
        for (text, file) in [
            (json, "a.json"), (yaml, "a.yaml"), (as_json(&list), "b.json"), (format!("---{}\n", as_yaml(&list, 0)), "b.yaml"),
        ] {
            let (streamed, by_tree) = (read(&text, file, false), read(&text, file, true));
            prop_assert_eq!(&streamed.1, &by_tree.1, "{}", text);
            for (streamed, by_tree) in streamed.0.iter().zip(&by_tree.0) {
                prop_assert_eq!(streamed, by_tree, "{}", text);
            }
            prop_assert_eq!(streamed.0.len(), by_tree.0.len());
        }
    }
}

#[test]
fn what_is_as_usual_is_read_as_it_comes() {
    use super::Streamed;
    for object in objects().iter().filter(|object| object["kind"] != "Pod") {
        let written = in_order(object);
        let streamed = Streamed::default();
        let mut templates = 0;
        let text = as_json(&written);
        super::super::json::read(
            &super::super::json::Stretch::whole(&text),
            Some(&streamed),
            &mut |_, _| {},
            &mut |document| {
                templates += usize::from(document.template.is_some());
            },
        );
        let yaml = format!("---{}\n", as_yaml(&written, 0));
        super::super::yaml::read(&yaml, Some(&streamed), &mut |_| {}).unwrap();
        assert!(templates == 1 && streamed.take().is_some(), "{text}\n{yaml}");
    }
}
