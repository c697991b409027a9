//! Who an object is: group, kind, name, namespace, controller, and a uid of its own.

use std::borrow::Cow;

use serde_json::Value;

use super::kinds::group_of;
use super::tree::type_of;
use crate::subject::canonical::{combine, text_hash};

/// An object with a usable identity.
#[derive(Clone, Copy, Debug)]
pub(super) struct Object<'v> {
    pub(super) value: &'v Value,
    pub(super) api_version: &'v str,
    pub(super) kind: &'v str,
    /// `metadata.name`, else `metadata.generateName`.
    pub(super) name: &'v str,
    /// `metadata.namespace`, where it is written.
    pub(super) namespace: Option<&'v str>,
}

/// The object that controls another one, as its ownerReference says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Controller<'v> {
    pub(super) api_version: &'v str,
    pub(super) kind: &'v str,
    pub(super) name: &'v str,
    pub(super) uid: &'v str,
}

/// `apiVersion` and `kind`. None for what is no Kubernetes object at all: it has neither.
pub(super) fn type_meta(value: &Value) -> Result<Option<(&str, &str)>, String> {
    match (text(value, "apiVersion")?, text(value, "kind")?) {
        (None, None) => Ok(None),
        (Some(api_version), Some(kind)) => Ok(Some((api_version, kind))),
        (None, Some(kind)) => Err(format!("expected apiVersion beside kind {kind}")),
        (Some(api_version), None) => Err(format!("expected kind beside apiVersion {api_version}")),
    }
}

impl<'v> Object<'v> {
    /// Reads the identity; the error says what is missing.
    pub(super) fn read(value: &'v Value, api_version: &'v str, kind: &'v str) -> Result<Self, String> {
        let metadata = value.get("metadata").unwrap_or(&Value::Null);
        if !metadata.is_object() {
            return Err(format!("{kind}: expected an object at metadata, found {}", type_of(metadata)));
        }
        let field = |name| text(metadata, name).map_err(|error| format!("{kind}: metadata.{error}"));
        let name = field("name")?.or(field("generateName")?);
        let name = name.ok_or_else(|| format!("{kind}: expected metadata.name"))?;
        Ok(Self { value, api_version, kind, name, namespace: field("namespace")? })
    }

    pub(super) fn group(&self) -> &'v str {
        group_of(self.api_version)
    }

    /// The object's own uid, where it has a real one.
    pub(super) fn uid(&self) -> Option<&'v str> {
        self.value.get("metadata")?.get("uid")?.as_str().filter(|uid| is_uuid(uid))
    }

    /// The object that controls this one.
    pub(super) fn controller(&self) -> Option<Controller<'v>> {
        let owners = self.value.get("metadata")?.get("ownerReferences")?.as_array()?;
        let owner = owners.iter().find(|owner| owner.get("controller") == Some(&Value::Bool(true)))?;
        let field = |name| owner.get(name)?.as_str().filter(|text| !text.is_empty());
        Some(Controller {
            api_version: field("apiVersion")?,
            kind: field("kind")?,
            name: field("name")?,
            uid: field("uid").unwrap_or_default(),
        })
    }

    /// The value at a path.
    pub(super) fn at(&self, path: &[&str]) -> Option<&'v Value> {
        path.iter().try_fold(self.value, |value, key| value.get(key))
    }
}

/// A field that is text; absent, null and empty are none.
fn text<'v>(value: &'v Value, field: &str) -> Result<Option<&'v str>, String> {
    match value.get(field) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.as_str()).filter(|text| !text.is_empty())),
        Some(other) => Err(format!("{field}: expected text, found {} (quote it)", type_of(other))),
    }
}

fn is_uuid(text: &str) -> bool {
    text.len() == 36
        && text.bytes().enumerate().all(|(at, byte)| match at {
            8 | 13 | 18 | 23 => byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        })
}

/// A uid for what has none: the same in every run, different for different places, so that no object ever
/// overwrites another one by accident.
pub(super) fn place_uid(
    file: &str,
    numbers: [u64; 2],
    object: &Object<'_>,
    namespace: &str,
    path: &str,
) -> u128 {
    let texts = [file, object.api_version, object.kind, namespace, object.name, path].map(text_hash);
    let half = |salt| combine(&[&[salt], numbers.as_slice(), texts.as_slice()].concat());
    u128::from(half(1)) << 64 | u128::from(half(2))
}

/// A word for an object in messages: `Deployment web`.
pub(super) fn label(kind: &str, name: &str) -> String {
    format!("{kind} {name}")
}

/// The name under which an unknown kind is counted: `Rollout.argoproj.io`.
pub(super) fn qualified(group: &str, kind: &str) -> String {
    let dot: Cow<'_, str> = if group.is_empty() { "".into() } else { format!(".{group}").into() };
    format!("{kind}{dot}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn read(value: &Value) -> Result<Object<'_>, String> {
        Object::read(value, "v1", "Pod")
    }

    #[test]
    fn what_is_missing_or_of_the_wrong_type_is_named() {
        assert_eq!(read(&json!({})).unwrap_err(), "Pod: expected an object at metadata, found nothing");
        assert_eq!(read(&json!({"metadata": {}})).unwrap_err(), "Pod: expected metadata.name");
        let number = read(&json!({"metadata": {"name": 1}})).unwrap_err();
        assert_eq!(number, "Pod: metadata.name: expected text, found a number (quote it)");
    }

    #[test]
    fn a_generated_name_is_named_by_its_prefix() {
        assert_eq!(read(&json!({"metadata": {"generateName": "run-"}})).unwrap().name, "run-");
    }

    #[test]
    fn objects_without_apiversion_and_kind_are_none_and_one_of_them_is_an_error() {
        assert_eq!(type_meta(&json!({"services": {}})), Ok(None));
        assert_eq!(type_meta(&json!({"kind": "Pod"})).unwrap_err(), "expected apiVersion beside kind Pod");
        assert_eq!(type_meta(&json!({"apiVersion": "v1", "kind": "Pod"})), Ok(Some(("v1", "Pod"))));
    }

    #[test]
    fn only_a_uuid_is_a_uid() {
        let uid = |uid: &str| read(&json!({"metadata": {"name": "p", "uid": uid}})).unwrap().uid().is_some();
        assert!(uid("0f3c1c2e-92a5-4d0a-8c5e-4b7a9f1d2e3f"));
        assert!(!uid("rs1") && !uid(""));
    }

    #[test]
    fn places_give_different_uids_and_the_same_place_the_same() {
        let value = json!({"metadata": {"name": "p"}});
        let object = read(&value).unwrap();
        let uid = |file, document| place_uid(file, [document, 0], &object, "default", "");
        assert_eq!(uid("a", 1), uid("a", 1));
        assert_ne!(uid("a", 1), uid("a", 2));
        assert_ne!(uid("a", 1), uid("b", 1));
    }

    #[test]
    fn only_the_controlling_owner_is_the_controller() {
        let owner = |controller| json!({"apiVersion": "apps/v1", "kind": "Deployment", "name": "web", "controller": controller});
        let value = json!({"metadata": {"name": "p", "ownerReferences": [owner(false), owner(true)]}});
        assert_eq!(read(&value).unwrap().controller().map(|owner| owner.name), Some("web"));
        let value = json!({"metadata": {"name": "p", "ownerReferences": [owner(false)]}});
        assert_eq!(read(&value).unwrap().controller(), None);
    }
}
