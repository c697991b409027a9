//! A label selector as it comes over the wire.

use serde_json::Value;

use crate::subject::selector::{LabelSelector, Requirement, Test};

/// A list that may be absent or null; none when something else stands there.
pub(super) fn list<'a>(object: &'a Value, key: &str) -> Option<&'a [Value]> {
    match object.get(key) {
        None | Some(Value::Null) => Some(&[]),
        Some(Value::Array(items)) => Some(items),
        Some(_) => None,
    }
}

/// A list of texts, likewise.
pub(super) fn texts(object: &Value, key: &str) -> Option<Box<[Box<str>]>> {
    text_items(list(object, key)?)
}

/// The items, when all of them are texts.
pub(super) fn text_items(items: &[Value]) -> Option<Box<[Box<str>]>> {
    items.iter().map(|item| item.as_str().map(Box::from)).collect()
}

/// A field that is there and not null.
pub(super) fn part<'a>(object: &'a Value, key: &str) -> Option<&'a Value> {
    object.get(key).filter(|value| !value.is_null())
}

/// A text that may be absent or null; none when something else stands there.
pub(super) fn text<'a>(object: &'a Value, key: &str) -> Option<&'a str> {
    part(object, key).map_or(Some(""), Value::as_str)
}

/// An object that may be absent or null; none when something else stands there.
pub(super) fn fields<'a>(object: &'a Value, key: &str) -> Option<&'a Value> {
    const NOTHING: &Value = &Value::Null;
    match part(object, key) {
        None => Some(NOTHING),
        Some(value) => value.is_object().then_some(value),
    }
}

/// Reads a selector; absent, null and `{}` select everything. None when it cannot be read, or the API server would
/// not take it.
pub(super) fn read(selector: Option<&Value>) -> Option<LabelSelector> {
    let Some(selector) = selector.filter(|selector| !selector.is_null()) else {
        return Some(LabelSelector::default());
    };
    selector.as_object()?;
    let mut requirements = Vec::new();
    if let Some(labels) = part(selector, "matchLabels") {
        for (key, value) in labels.as_object()? {
            let test = Test::In([value.as_str()?.into()].into());
            requirements.push(Requirement { key: key.as_str().into(), test });
        }
    }
    for expression in list(selector, "matchExpressions")? {
        let key = expression.get("key").and_then(Value::as_str)?.into();
        let values = texts(expression, "values")?;
        let test = match (expression.get("operator").and_then(Value::as_str)?, values.is_empty()) {
            ("In", false) => Test::In(values),
            ("NotIn", false) => Test::NotIn(values),
            ("Exists", true) => Test::Exists,
            ("DoesNotExist", true) => Test::DoesNotExist,
            _ => return None,
        };
        requirements.push(Requirement { key, test });
    }
    Some(LabelSelector::new(requirements))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn absent_null_and_empty_selectors_select_everything() {
        for selector in [json!(null), json!({}), json!({"matchLabels": null, "matchExpressions": []})] {
            assert!(read(Some(&selector)).unwrap().is_everything(), "{selector}");
        }
        assert!(read(None).unwrap().is_everything());
    }

    #[test]
    fn a_selector_that_the_api_server_would_not_take_is_not_read() {
        for selector in [
            json!([]),
            json!({"matchLabels": {"a": 1}}),
            json!({"matchExpressions": [{"key": "a", "operator": "in", "values": ["x"]}]}),
            json!({"matchExpressions": [{"key": "a", "operator": "In"}]}),
            json!({"matchExpressions": [{"key": "a", "operator": "Exists", "values": ["x"]}]}),
        ] {
            assert_eq!(read(Some(&selector)), None, "{selector}");
        }
    }
}
