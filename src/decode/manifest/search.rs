//! Objects of unknown kinds, searched for pod templates: an object `{metadata?, spec: {containers: [...]}}`
//! at any depth is one, whoever's it is (Argo Rollouts, Knative, OpenShift, ...). The tree is bounded already.

use serde_json::Value;

/// What was found in an object.
#[derive(Debug, Default)]
pub(super) struct Found<'v> {
    /// Every pod template, with its path.
    pub(super) templates: Vec<(String, &'v Value)>,
    /// The first image named outside of a template.
    pub(super) image: Option<&'v str>,
}

impl Found<'_> {
    /// Whether nothing names an image.
    pub(super) fn is_empty(&self) -> bool {
        self.templates.is_empty() && self.image.is_none()
    }
}

/// Templates of one object that are judged; more is no manifest.
const MAX_TEMPLATES: usize = 1_000;

/// Searches an object.
pub(super) fn search(object: &Value) -> Found<'_> {
    let mut found = Found::default();
    let Value::Object(fields) = object else { return found };
    if is_template(object) {
        found.templates.push((String::new(), object));
    }
    for (key, value) in fields {
        // What the object was observed to be is no wish, and metadata holds copies
        // (`last-applied-configuration`) and other people's notes.
        if !matches!(key.as_str(), "metadata" | "status") {
            field(key, value, is_template(object), &mut String::new(), &mut found);
        }
    }
    found
}

fn field<'v>(key: &str, value: &'v Value, of_template: bool, path: &mut String, found: &mut Found<'v>) {
    let here = path.len();
    path.push('.');
    path.push_str(key);
    match value {
        Value::String(image) if key == "image" && !image.is_empty() => {
            found.image.get_or_insert(image);
        }
        // A template's pod spec is judged, but for what is no field of a pod.
        Value::Object(spec) if of_template && key == "spec" => {
            for (key, value) in spec.iter().filter(|(key, _)| !POD_FIELDS.contains(&key.as_str())) {
                field(key, value, false, path, found);
            }
        }
        _ => visit(value, path, found),
    }
    path.truncate(here);
}

const POD_FIELDS: [&str; 4] = ["containers", "initContainers", "ephemeralContainers", "volumes"];

fn visit<'v>(value: &'v Value, path: &mut String, found: &mut Found<'v>) {
    let here = path.len();
    match value {
        Value::Object(fields) => {
            let is_template = is_template(value);
            if is_template && found.templates.len() < MAX_TEMPLATES {
                found.templates.push((path.clone(), value));
            }
            for (key, value) in fields {
                field(key, value, is_template, path, found);
            }
        }
        Value::Array(values) => {
            for (index, value) in values.iter().enumerate() {
                path.push_str(&format!("[{index}]"));
                visit(value, path, found);
                path.truncate(here);
            }
        }
        _ => {}
    }
}

/// Some container that names an image makes it a template: a list of patches without images does not.
fn is_template(value: &Value) -> bool {
    let containers = value.get("spec").and_then(|spec| spec.get("containers")).and_then(Value::as_array);
    containers.is_some_and(|containers| containers.iter().any(|container| container.get("image").is_some()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn paths(object: &Value) -> Vec<String> {
        search(object).templates.into_iter().map(|(path, _)| path).collect()
    }

    #[test]
    fn templates_are_found_at_any_depth() {
        let template = json!({"spec": {"containers": [{"name": "app", "image": "nginx"}]}});
        let object = json!({"spec": {"template": template, "groups": [{"jobTemplate": {"spec": {"template": template}}}]}});
        assert_eq!(paths(&object), [".spec.groups[0].jobTemplate.spec.template", ".spec.template"]);
        assert_eq!(search(&object).image, None);
    }

    #[test]
    fn patches_without_images_are_no_template_but_an_image_beside_them_is_seen() {
        let object =
            json!({"spec": {"image": "prom:v3", "containers": [{"name": "config-reloader", "args": []}]}});
        assert!(paths(&object).is_empty());
        assert_eq!(search(&object).image, Some("prom:v3"));
    }

    #[test]
    fn an_object_may_be_its_own_template_and_name_an_image_beside_it() {
        let object = json!({"spec": {"containers": [{"name": "a", "image": "x"}]}});
        assert_eq!(paths(&object), [""]);
        assert_eq!(search(&object).image, None);
        let object = json!({"spec": {"containers": [{"image": "x"}], "web": {"image": "y"}}});
        assert_eq!(search(&object).image, Some("y"));
    }

    #[test]
    fn status_and_metadata_are_not_searched() {
        let object = json!({"metadata": {"annotations": {"image": "a"}}, "status": {"image": "b"}});
        assert_eq!(search(&object).image, None);
    }
}
