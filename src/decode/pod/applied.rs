//! What `kubectl apply` was given, as its annotation keeps it: which pull policies people wrote. The API server writes
//! the others in, and then nobody can tell.

use serde_json::Value;

use super::facts::Told;
use crate::subject::facts::Fact;

/// The annotation (`staging/src/k8s.io/api/core/v1/annotation_key_constants.go`).
pub(crate) const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

/// Tells which containers and image volumes of the spec at `path` were given with a pull policy, and which without.
/// An annotation that cannot be read tells nothing.
pub(super) fn tell(annotation: &str, path: &[&str], told: &mut Told) {
    let Ok(applied) = serde_json::from_str::<Value>(annotation) else { return };
    let Some(spec) = path.iter().try_fold(&applied, |value, key| value.get(key)) else { return };
    let mut put = |name: String, policy: Option<&Value>| {
        let is_written = policy.and_then(Value::as_str).is_some_and(|policy| !policy.is_empty());
        told.put(if is_written { Fact::AppliedWithPolicy } else { Fact::AppliedWithoutPolicy }, &name);
    };
    for list in ["initContainers", "containers", "ephemeralContainers"] {
        for container in spec.get(list).and_then(Value::as_array).into_iter().flatten() {
            let name = container.get("name").and_then(Value::as_str).unwrap_or_default();
            put(name.to_owned(), container.get("imagePullPolicy"));
        }
    }
    for volume in spec.get("volumes").and_then(Value::as_array).into_iter().flatten() {
        let (name, image) = (volume.get("name").and_then(Value::as_str), volume.get("image"));
        if let (Some(name), Some(image)) = (name, image) {
            put(format!("volume/{name}"), image.get("pullPolicy"));
        }
    }
}
