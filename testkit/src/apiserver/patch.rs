//! Merge patch (RFC 7386) and the merge that server-side apply does here.

use serde_json::{Map, Value};

/// Applies a merge patch: null removes, lists are replaced.
pub(super) fn merge(target: &mut Value, patch: &Value) {
    let Value::Object(patch) = patch else {
        *target = patch.clone();
        return;
    };
    let target = object_mut(target);
    for (key, value) in patch {
        if value.is_null() {
            target.remove(key);
        } else {
            merge(target.entry(key).or_insert(Value::Null), value);
        }
    }
}

/// The one list that is merged item by item: its items are told apart by `type`.
const CONDITIONS: &str = "conditions";

fn items(value: Option<&Value>) -> &[Value] {
    value.and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

fn has_type(items: &[Value], item: &Value) -> bool {
    items.iter().any(|other| other["type"] == item["type"])
}

/// Applies a manager's full intent: its fields are merged (lists replaced, but for conditions) and
/// those it applied before and names no longer are removed.
///
/// Other managers' ownership is not tracked: every apply acts as if forced.
pub(super) fn apply(target: &mut Value, before: Option<&Value>, intent: &Value) {
    if let Some(before) = before {
        prune(target, before, intent);
    }
    overlay(target, intent);
}

fn prune(target: &mut Value, before: &Value, intent: &Value) {
    let (Value::Object(target), Value::Object(before)) = (target, before) else {
        return;
    };
    for (key, was) in before {
        let Some(current) = target.get_mut(key) else {
            continue;
        };
        if let (CONDITIONS, Some(list)) = (key.as_str(), current.as_array_mut()) {
            let named = items(intent.get(key));
            list.retain(|item| !has_type(items(Some(was)), item) || has_type(named, item));
            continue;
        }
        match intent.get(key) {
            Some(now) => prune(current, was, now),
            // Only what was applied goes; another manager's fields beside it stay.
            None if was.is_object() && current.is_object() => {
                prune(current, was, &Value::Null);
                if current.as_object().is_some_and(Map::is_empty) {
                    target.remove(key);
                }
            }
            None => {
                target.remove(key);
            }
        }
    }
}

fn overlay(target: &mut Value, intent: &Value) {
    let Value::Object(intent) = intent else {
        *target = intent.clone();
        return;
    };
    let target = object_mut(target);
    for (key, value) in intent {
        if let (CONDITIONS, Value::Array(new)) = (key.as_str(), value) {
            let mut list = items(target.get(key)).to_vec();
            list.retain(|item| !has_type(new, item));
            list.extend(new.iter().cloned());
            target.insert(key.clone(), Value::Array(list));
        } else if !value.is_null() {
            overlay(target.entry(key).or_insert(Value::Null), value);
        }
    }
}

fn object_mut(value: &mut Value) -> &mut Map<String, Value> {
    if !value.is_object() {
        *value = Value::Object(Map::new());
    }
    match value {
        Value::Object(map) => map,
        _ => unreachable!("made an object above"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_merge_patch_removes_by_null_and_replaces_lists() {
        let mut target = json!({"a": {"b": 1, "c": 2}, "l": [1, 2]});
        merge(&mut target, &json!({"a": {"b": null}, "l": [3]}));
        assert_eq!(target, json!({"a": {"c": 2}, "l": [3]}));
    }

    #[test]
    fn apply_removes_what_its_manager_no_longer_names() {
        let mut target = json!({"a": 1, "b": {"x": 1, "y": 2}, "c": {"z": 1}, "other": 3});
        let before = json!({"a": 1, "b": {"x": 1}, "c": {"z": 1}});
        apply(&mut target, Some(&before), &json!({"b": {}}));
        assert_eq!(target, json!({"b": {"y": 2}, "other": 3}));
    }
}
