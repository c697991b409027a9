//! What the checks' tests are written with: pods in YAML, through the real decoder.

use super::check::{Check, Minor};
use super::fault::Fault;
use crate::rules::namespace::pod_security::Level;
use crate::rules::testing::{pod_of, pod_of_object};
use crate::subject::pod::PodShape;

/// The spec of a pod with one container and these more fields.
pub(super) fn pod(fields: &str) -> String {
    format!("{fields}\ncontainers: [{{name: app, image: a}}]\n")
}

/// The spec of a pod with one container that has this security context.
pub(super) fn container(context: &str) -> String {
    format!("containers: [{{name: app, image: a, securityContext: {{{context}}}}}]\n")
}

/// The spec of a pod that is restricted but for what these fields of the pod and of its container say of the user
/// and of seccomp.
pub(super) fn restricted(of_the_pod: &str, of_the_container: &str) -> String {
    let sound = "allowPrivilegeEscalation: false, capabilities: {drop: [ALL]}";
    format!("{of_the_pod}\n{}", container(&format!("{sound}, {of_the_container}")))
}

fn join(level: Level, minor: Minor, shape: &PodShape, show: impl Fn(Fault<'_>) -> String) -> String {
    let faults = Check::all_of(level, minor).filter_map(|check| check.fault(shape, minor));
    faults.map(show).collect::<Vec<_>>().join(", ")
}

/// What a level of a version says of a pod with this spec, the faults in order.
pub(super) fn faults(level: Level, minor: Minor, spec: &str) -> String {
    join(level, minor, &pod_of(spec), |fault| fault.to_string())
}

/// The same without the names of who is at fault.
pub(super) fn reasons(level: Level, minor: Minor, spec: &str) -> String {
    join(level, minor, &pod_of(spec), |fault| fault.reason.to_owned())
}

/// What baseline of a version says of a pod with one container `app` and one annotation.
pub(super) fn annotated(minor: Minor, key: &str, value: &str) -> String {
    let pod = serde_json::json!({
        "metadata": {"name": "p", "namespace": "team-a", "uid": "1", "annotations": {key: value}},
        "spec": {"containers": [{"name": "app", "image": "a"}]},
    });
    join(Level::Baseline, minor, &pod_of_object(&pod), |fault| fault.to_string())
}
