//! Nodes: which images they list, and what runs their containers.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::Value;

use super::super::selector::{fields, list, text, texts};
use crate::reference::Reference;
use crate::subject::objects::NodeFacts;
use crate::subject::runtime::Runtime;

/// Longest name that is kept of what is no reference.
const LONGEST: usize = 256;

/// Reads a Node; none when a field has another type than the API says.
pub(super) fn read(value: &Value) -> Option<NodeFacts> {
    let status = fields(value, "status")?;
    let images = list(status, "images")?;
    let mut repositories = BTreeSet::new();
    for image in images {
        image.as_object()?;
        for name in &texts(image, "names")? {
            repositories.extend(repository(name));
        }
    }
    let listed = u32::try_from(images.len()).unwrap_or(u32::MAX);
    let runtime = Runtime::from_version(text(fields(status, "nodeInfo")?, "containerRuntimeVersion")?);
    Some(NodeFacts { repositories: repositories.into_iter().collect(), listed, runtime })
}

/// The repository of a name. Runtimes write `<none>` in the place of a repository, tag or digest that is not known.
fn repository(name: &str) -> Option<Arc<str>> {
    let name = name.strip_suffix("@<none>").unwrap_or(name);
    let name = name.strip_suffix(":<none>").unwrap_or(name);
    if name.is_empty() || name.starts_with("<none>") {
        return None;
    }
    Some(match Reference::parse(name) {
        Ok(reference) => reference.name().into(),
        Err(_) => name.chars().take(LONGEST).collect::<String>().into(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn images(images: &Value) -> Option<(Vec<String>, u32)> {
        let node = read(&json!({"metadata": {"name": "n"}, "status": {"images": images}}))?;
        Some((node.repositories.iter().map(ToString::to_string).collect(), node.listed))
    }

    #[test]
    fn an_image_is_kept_by_its_repositories_whatever_its_tags_and_digests() {
        let digest = format!("registry.example.com/app@sha256:{}", "a".repeat(64));
        let listed = json!([{"names": [digest, "registry.example.com/app:1"]}, {"names": ["nginx:1.27"]}]);
        let expected = vec!["docker.io/library/nginx".to_owned(), "registry.example.com/app".to_owned()];
        assert_eq!(images(&listed), Some((expected, 2)));
    }

    #[test]
    fn what_has_no_name_is_listed_and_names_nothing() {
        let none = json!([{"names": ["<none>@<none>", "<none>:<none>"]}, {"names": null}, {}]);
        assert_eq!(images(&none), Some((vec![], 3)));
        assert_eq!(images(&json!([{"names": ["a.test/x:<none>"]}])).unwrap().0, ["a.test/x"]);
        assert_eq!(images(&json!([{"names": ["Evil"]}])).unwrap().0, ["Evil"]);
        assert_eq!(images(&Value::Null), Some((vec![], 0)));
    }

    #[test]
    fn a_status_of_another_shape_is_malformed() {
        assert!(images(&json!("none")).is_none() && images(&json!(["x"])).is_none());
        assert!(images(&json!([{"names": "x"}])).is_none());
        assert!(read(&json!({"status": {"nodeInfo": {"containerRuntimeVersion": 2}}})).is_none());
        assert!(read(&json!({"status": {"nodeInfo": "containerd"}})).is_none());
    }

    #[test]
    fn a_node_says_what_runs_its_containers_or_nothing() {
        let runtime = |info: Value| read(&json!({"status": {"nodeInfo": info}})).unwrap().runtime;
        assert_eq!(runtime(json!({"containerRuntimeVersion": "cri-o://1.30.3"})), Some(Runtime::CriO));
        for nothing in [json!({"containerRuntimeVersion": ""}), json!({}), json!(null)] {
            assert_eq!(runtime(nothing), None);
        }
    }
}
