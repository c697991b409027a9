//! What is kept of an object while it is read: of kinds whose readers are known, no more than these read. The rest
//! is read past, once the object has said what it is.

use serde_json::{Map, Value};

use super::kinds::{Role, TEMPLATE, group_of, role};
use crate::decode::pod::reads::{self, Walked};

/// What is kept of a value.
#[derive(Clone, Copy, Debug)]
pub(super) enum Keep {
    /// Everything.
    All,
    /// Of an object that nobody reads, who it is.
    Metadata,
    /// A pod or a template stands at this path; everything beside it.
    PodAt(&'static [&'static str]),
    /// What is read of a pod's spec.
    PodSpec,
    /// What is read of each container of a list.
    Containers,
    /// What is read of a container.
    Container,
    /// What is read of a field of a container.
    Facts(Walked),
}

impl Keep {
    /// What is kept of an object of which these fields are known; everything until they say what it is.
    pub(super) fn of(fields: &Map<String, Value>) -> Self {
        let text = |field: &str| fields.get(field).and_then(Value::as_str);
        let (Some(version), Some(kind)) = (text("apiVersion"), text("kind")) else { return Self::All };
        match role(group_of(version), kind) {
            Role::Pod => Self::PodAt(&[]),
            Role::Workload(path) => Self::PodAt(path),
            Role::ReplicaSet | Role::Job => Self::PodAt(TEMPLATE),
            Role::Harmless => Self::Metadata,
            _ => Self::All,
        }
    }

    /// What is kept of a field of an object; none where the field is passed over.
    pub(super) fn field(self, name: &str) -> Option<Self> {
        match self {
            Self::All | Self::Containers => Some(Self::All),
            Self::Metadata => matches!(name, "apiVersion" | "kind" | "metadata").then_some(Self::All),
            Self::PodAt([]) if name == "spec" => Some(Self::PodSpec),
            Self::PodAt([first, rest @ ..]) if name == *first => Some(Self::PodAt(rest)),
            Self::PodAt(_) => Some(Self::All),
            Self::PodSpec if reads::is_containers(name) => Some(Self::Containers),
            Self::PodSpec => reads::reads_of_spec(name).then_some(Self::All),
            Self::Container => reads::of_container(name).map(|read| read.map_or(Self::All, Self::Facts)),
            Self::Facts(walked) => walked.field(name).map(|below| below.map_or(Self::All, Self::Facts)),
        }
    }

    /// What is kept of the items of a list.
    pub(super) fn item(self) -> Self {
        match self {
            Self::Containers => Self::Container,
            Self::Facts(walked) => walked.item().map_or(Self::All, Self::Facts),
            _ => Self::All,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::tree::Tree;
    use super::*;
    use crate::decode::pod::{PodRecord, Section};

    fn kept(value: &Value) -> Value {
        let Tree(kept) = serde_json::from_str(&value.to_string()).unwrap();
        kept
    }

    #[test]
    fn of_a_workload_no_more_is_kept_than_is_read() {
        let container = |full: bool| {
            let mut container = json!({
                "name": "app", "image": "a", "env": [{}, {"valueFrom": {"secretKeyRef": {"name": "s"}}}],
                "securityContext": {"privileged": true}, "volumeMounts": [{"name": "v", "mountPath": "/v"}],
            });
            if full {
                container["args"] = json!(["x"]);
                container["env"][0] = json!({"name": "PASSWORD", "value": "hunter2"});
                container["securityContext"]["other"] = json!({"a": 1});
            }
            container
        };
        let deployment = |full: bool| {
            let mut deployment = json!({
                "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"},
                "spec": {"replicas": 1, "template": {"metadata": {"labels": {"a": "b"}}, "spec": {
                    "containers": [container(full)], "hostPID": true,
                }}},
            });
            if full {
                deployment["spec"]["template"]["spec"]["affinity"] = json!({"a": {"b": ["c"]}});
            }
            deployment
        };
        assert_eq!(kept(&deployment(true)), deployment(false));
    }

    #[test]
    fn what_has_another_type_than_expected_is_kept_so_that_it_is_told() {
        for spec in [
            json!({"containers": {"args": 1}}),
            json!({"containers": [{"env": "A=b"}]}),
            json!({"containers": [{"env": ["A=b"], "securityContext": [1]}]}),
            json!(["containers"]),
        ] {
            let pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}, "spec": spec});
            assert_eq!(kept(&pod), pod);
        }
    }

    #[test]
    fn what_nobody_reads_is_passed_over_once_the_kind_is_known() {
        let text = r#"{"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}, "data": {"a": "b"}}"#;
        let Tree(value) = serde_json::from_str(text).unwrap();
        assert_eq!(value, json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}}));
    }

    #[test]
    fn everything_is_kept_until_the_kind_is_known_and_of_kinds_that_are_not() {
        let unknown =
            json!({"apiVersion": "x/v1", "kind": "Rollout", "spec": {"containers": [{"args": [1]}]}});
        assert_eq!(kept(&unknown), unknown);
        let text = r#"{"spec": {"containers": [{"args": ["x"]}]}, "apiVersion": "v1", "kind": "Pod"}"#;
        let Tree(value) = serde_json::from_str(text).unwrap();
        assert_eq!(value, serde_json::from_str::<Value>(text).unwrap());
    }

    #[test]
    fn a_pod_reads_the_same_from_what_is_kept_of_it() {
        let mut pod = String::new();
        let cluster = testkit::generate::Cluster::of_size(50);
        for index in 0..50 {
            pod.clear();
            cluster.pod(&mut pod, index, testkit::generate::Variation::default());
            let mut whole: Value = serde_json::from_str(&pod).unwrap();
            whole["apiVersion"] = "v1".into();
            whole["kind"] = "Pod".into();
            let (whole, kept) = (PodRecord::from_value(&whole), PodRecord::from_value(&kept(&whole)));
            assert_eq!(whole.flags, kept.flags);
            for section in
                [Section::Shape, Section::Running, Section::Labels, Section::Owner, Section::Account]
            {
                assert_eq!(whole.section(section), kept.section(section), "{pod}");
            }
        }
    }
}
