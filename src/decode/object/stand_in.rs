//! The pod that a workload of a cluster would make, from its template: judged in place of its pods while it has none.

use serde_json::Value;

use super::metadata;
use crate::decode::pod::{LAST_APPLIED, PodRecord, TemplateOwner};
use crate::subject::Resource;
use crate::subject::canonical::{combine, text_hash};
use crate::subject::pod::PodShape;

const TEMPLATE: &[&str] = &["spec", "template"];
const TEMPLATE_OF_JOBS: &[&str] = &["spec", "jobTemplate", "spec", "template"];

/// The uid under which the template of this workload is kept. No API server gives it to anybody.
pub fn uid(kind: Resource, namespace: &str, name: &str) -> u128 {
    let texts = [kind.label(), namespace, name].map(text_hash);
    let half = |salt| combine(&[&[salt], texts.as_slice()].concat());
    u128::from(half(1)) << 64 | u128::from(half(2))
}

/// Reads the pod that a workload would make. None if it will make none, or if the workload that controls it makes
/// them: a ReplicaSet of a Deployment, a Job of a CronJob.
pub fn read(kind: Resource, value: &Value) -> Option<PodRecord> {
    let at = |path: &[&str]| path.iter().try_fold(value, |value, key| value.get(key));
    let controller = controller(value);
    let makes_none = match kind {
        // What a rollout leaves behind is scaled to nothing.
        Resource::ReplicaSets => {
            controller == Some("Deployment")
                || controller.is_some() && at(&["spec", "replicas"]).and_then(Value::as_i64) == Some(0)
        }
        Resource::JobTemplates => controller == Some("CronJob") || has_ended(value),
        _ => false,
    };
    if makes_none || !metadata(value, "deletionTimestamp").is_empty() {
        return None;
    }
    let path = if kind == Resource::CronJobs { TEMPLATE_OF_JOBS } else { TEMPLATE };
    let template = at(path).unwrap_or(&Value::Null);
    let (name, namespace) = (metadata(value, "name"), metadata(value, "namespace"));
    let annotation = at(&["metadata", "annotations", LAST_APPLIED]).and_then(Value::as_str);
    let api_version = match kind.group() {
        "" => kind.version().to_owned(),
        group => format!("{group}/{}", kind.version()),
    };
    let owner = TemplateOwner {
        api_version: &api_version,
        kind: kind.kind(),
        name,
        namespace,
        uid: metadata(value, "uid"),
        last_applied: annotation.map(|annotation| (annotation, path)),
    };
    let mut record = PodRecord::from_template(&owner, template, uid(kind, namespace, name), None);
    record.flags |= PodShape::STAND_IN;
    Some(record)
}

/// The kind of the object that controls this one.
fn controller(value: &Value) -> Option<&str> {
    let owners = value.get("metadata")?.get("ownerReferences")?.as_array()?;
    let owner = owners.iter().find(|owner| owner.get("controller") == Some(&Value::Bool(true)))?;
    owner.get("kind")?.as_str()
}

/// Whether a Job has completed or failed.
pub fn has_ended(job: &Value) -> bool {
    let conditions = job.get("status").and_then(|status| status.get("conditions")?.as_array());
    conditions.into_iter().flatten().any(|condition| {
        let is = |field: &str, words: &[&str]| {
            condition.get(field).and_then(Value::as_str).is_some_and(|word| words.contains(&word))
        };
        is("type", &["Complete", "Failed"]) && is("status", &["True"])
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decode::pod::Section;
    use serde_json::json;

    fn workload(owner: &str, replicas: i64) -> Value {
        let owners =
            json!([{"apiVersion": "x/v1", "kind": owner, "name": "o", "uid": "o", "controller": true}]);
        json!({
            "metadata": {
                "name": "web", "namespace": "team-a", "uid": "u",
                "ownerReferences": if owner.is_empty() { json!([]) } else { owners },
            },
            "spec": {
                "replicas": replicas,
                "template": {"spec": {"containers": [{"name": "app", "image": "nginx"}]}},
            },
        })
    }

    #[test]
    fn a_workload_that_is_scaled_to_nothing_stands_in_for_its_pods() {
        let record = read(Resource::Deployments, &workload("", 0)).unwrap();
        assert_eq!(record.flags, PodShape::TEMPLATE | PodShape::STAND_IN);
        assert_eq!((record.name(), record.namespace()), ("web", "team-a"));
        assert_eq!(record.uid, uid(Resource::Deployments, "team-a", "web"));
        assert_ne!(record.uid, uid(Resource::StatefulSets, "team-a", "web"));
        assert!(read(Resource::StatefulSets, &workload("Database", 0)).is_some());
    }

    #[test]
    fn what_another_workload_makes_or_a_rollout_left_behind_stands_in_for_nothing() {
        assert!(read(Resource::ReplicaSets, &workload("", 0)).is_some());
        assert!(read(Resource::ReplicaSets, &workload("Deployment", 1)).is_none());
        assert!(read(Resource::ReplicaSets, &workload("Rollout", 1)).is_some());
        assert!(read(Resource::ReplicaSets, &workload("Rollout", 0)).is_none());
        assert!(read(Resource::JobTemplates, &workload("CronJob", 1)).is_none());
        assert!(read(Resource::JobTemplates, &workload("Workflow", 1)).is_some());
    }

    #[test]
    fn a_job_that_has_ended_and_what_is_being_deleted_make_no_pod() {
        let mut job = workload("", 1);
        job["status"] = json!({"conditions": [{"type": "Complete", "status": "False"}]});
        assert!(read(Resource::JobTemplates, &job).is_some());
        job["status"] = json!({"conditions": [{"type": "Failed", "status": "True"}]});
        assert!(read(Resource::JobTemplates, &job).is_none());
        let mut deleted = workload("", 1);
        deleted["metadata"]["deletionTimestamp"] = json!("2026-01-01T12:00:00Z");
        assert!(read(Resource::Deployments, &deleted).is_none());
    }

    #[test]
    fn a_cron_job_has_its_template_one_level_deeper_and_a_template_of_any_shape_is_kept() {
        let mut cron_job = workload("", 1);
        cron_job["spec"] = json!({"jobTemplate": {"spec": cron_job["spec"].take()}});
        let record = read(Resource::CronJobs, &cron_job).unwrap();
        assert_eq!(record.flags & PodShape::MALFORMED, 0);
        assert!(!record.section(Section::Shape).is_empty());
        let record = read(Resource::Deployments, &cron_job).unwrap();
        assert_ne!(record.flags & PodShape::MALFORMED, 0);
    }
}
