//! What the checks' tests are written with: pods in YAML, through the real decoder.

use super::check::{Check, Minor};
use crate::rules::namespace::pod_security::Level;
use crate::rules::testing::pod_shape;

/// A pod with one container and these more fields of its spec, each on a line of its own.
pub(super) fn pod(spec: &str) -> String {
    let fields: String = spec.lines().map(|line| format!("  {line}\n")).collect();
    format!("metadata: {{name: p}}\nspec:\n{fields}  containers: [{{name: app, image: a}}]\n")
}

/// A pod with one container that has this security context.
pub(super) fn container(context: &str) -> String {
    format!(
        "metadata: {{name: p}}\nspec: {{containers: [{{name: app, image: a, securityContext: {{{context}}}}}]}}\n"
    )
}

/// What a level of a version says of a pod, the faults in order.
pub(super) fn faults(level: Level, minor: Minor, text: &str) -> String {
    let shape = pod_shape(text);
    let faults = Check::all_of(level, minor).filter_map(|check| check.fault(&shape, minor));
    faults.map(|fault| fault.to_string()).collect::<Vec<_>>().join(", ")
}

/// The same without the names of who is at fault.
pub(super) fn reasons(level: Level, minor: Minor, text: &str) -> String {
    let shape = pod_shape(text);
    let faults = Check::all_of(level, minor).filter_map(|check| check.fault(&shape, minor));
    faults.map(|fault| fault.reason).collect::<Vec<_>>().join(", ")
}
