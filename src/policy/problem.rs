//! What in a policy cannot be used, and the reading of raw JSON that finds it: every field is looked at by itself,
//! so that all mistakes are told at once and none hides another.

use serde_json::{Map, Value};

use crate::rules::edit_distance;

/// A rule that this version does not know.
pub const UNKNOWN_RULE: &str = "UnknownRule";
/// A field that is unknown, or whose value cannot be used.
pub const BAD_SETTING: &str = "BadSetting";

/// Something in a policy that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// `UnknownRule` or `BadSetting`.
    pub reason: &'static str,
    /// The field: `spec.rules.trustedRegistry.allow[1]`.
    pub field: String,
    /// What is wrong, what is expected, the nearest known name.
    pub message: String,
}

impl Problem {
    /// A field that cannot be used.
    pub(super) fn setting(field: impl Into<String>, message: impl Into<String>) -> Self {
        Self { reason: BAD_SETTING, field: field.into(), message: message.into() }
    }

    /// A rule that is not known.
    pub(super) fn rule(field: impl Into<String>, message: impl Into<String>) -> Self {
        Self { reason: UNKNOWN_RULE, field: field.into(), message: message.into() }
    }
}

/// A text from a policy, fit for one line of a message.
pub(super) fn quoted(text: &str) -> String {
    let mut shown: String = text.chars().take(64).collect();
    if shown.len() < text.len() {
        shown.push('…');
    }
    format!("{shown:?}")
}

/// The known name nearest to `name`, if one is near.
pub(super) fn nearest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let lower = name.to_ascii_lowercase();
    known
        .into_iter()
        .map(|candidate| (edit_distance(&lower, &candidate.to_ascii_lowercase()), candidate))
        .filter(|(distance, candidate)| *distance <= 2.max(candidate.len() / 3))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// "unknown field ..., did you mean ...", for a field `name`.
pub(super) fn unknown_field(name: &str, known: &[&str]) -> String {
    let hint = match nearest(name, known.iter().copied()) {
        Some(near) => format!("did you mean {near}?"),
        None => format!("expected one of {}", known.join(", ")),
    };
    format!("unknown field {}: {hint}", quoted(name))
}

/// Where the first null inside `value` stands, relative to it: `.labels.owner`, `[2]`, or nothing for itself.
pub(super) fn null_within(value: &Value) -> Option<String> {
    match value {
        Value::Null => Some(String::new()),
        Value::Array(items) => items
            .iter()
            .enumerate()
            .find_map(|(index, item)| Some(format!("[{index}]{}", null_within(item)?))),
        Value::Object(fields) => {
            fields.iter().find_map(|(name, field)| Some(format!(".{name}{}", null_within(field)?)))
        }
        _ => None,
    }
}

/// Reads the fields of one JSON object and collects what is wrong with them.
#[derive(Debug)]
pub(super) struct Reader<'a, 'p> {
    path: String,
    fields: &'a Map<String, Value>,
    problems: &'p mut Vec<Problem>,
    at_start: usize,
}

impl<'a, 'p> Reader<'a, 'p> {
    /// Reads `value`, which stands at `path` and may have the `known` fields. None if it is no object.
    pub(super) fn new(
        value: &'a Value,
        path: impl Into<String>,
        known: &[&str],
        problems: &'p mut Vec<Problem>,
    ) -> Option<Self> {
        let (path, at_start) = (path.into(), problems.len());
        let Value::Object(fields) = value else {
            let message = match value {
                Value::Null => "is empty: leave it out, or write {}".to_owned(),
                other => format!("expected fields, found {}", kind_of(other)),
            };
            problems.push(Problem::setting(path, message));
            return None;
        };
        for (name, field) in fields {
            if !known.contains(&name.as_str()) {
                problems.push(Problem::setting(format!("{path}.{name}"), unknown_field(name, known)));
            } else if field.is_null() {
                problems.push(Problem::setting(
                    format!("{path}.{name}"),
                    "is empty: leave it out, or give it a value",
                ));
            }
        }
        Some(Self { path, fields, problems, at_start })
    }

    /// Whether nothing was wrong so far.
    pub(super) fn is_clean(&self) -> bool {
        self.problems.len() == self.at_start
    }

    /// Notes a problem with a field; an empty name stands for the object as a whole.
    pub(super) fn wrong(&mut self, name: &str, message: impl Into<String>) {
        let field = if name.is_empty() { self.path.clone() } else { format!("{}.{name}", self.path) };
        self.problems.push(Problem::setting(field, message));
    }

    /// Where a field stands.
    pub(super) fn path(&self, name: &str) -> String {
        format!("{}.{name}", self.path)
    }

    /// The list that problems are collected in.
    pub(super) fn problems(&mut self) -> &mut Vec<Problem> {
        self.problems
    }

    /// A field as it stands there; an empty one, which is a problem already, counts as absent.
    pub(super) fn value(&self, name: &str) -> Option<&'a Value> {
        self.fields.get(name).filter(|value| !value.is_null())
    }

    /// A field that is a text.
    pub(super) fn text(&mut self, name: &str) -> Option<&'a str> {
        let value = self.value(name)?;
        if value.as_str().is_none() {
            self.wrong(name, format!("expected a text, found {}", kind_of(value)));
        }
        value.as_str()
    }

    /// A field that is true or false.
    pub(super) fn flag(&mut self, name: &str) -> Option<bool> {
        let value = self.value(name)?;
        if value.as_bool().is_none() {
            self.wrong(name, format!("expected true or false, found {}", kind_of(value)));
        }
        value.as_bool()
    }

    /// A field that is a list.
    pub(super) fn list(&mut self, name: &str) -> Option<&'a [Value]> {
        let value = self.value(name)?;
        if value.as_array().is_none() {
            self.wrong(name, format!("expected a list, found {}", kind_of(value)));
        }
        value.as_array().map(Vec::as_slice)
    }

    /// A field that is a list of texts, each read by `read`. What cannot be read is a problem and left out.
    pub(super) fn texts<T, E: std::fmt::Display>(
        &mut self,
        name: &str,
        read: impl Fn(&'a str) -> Result<T, E>,
    ) -> Option<Vec<T>> {
        let mut texts = Vec::new();
        for (index, item) in self.list(name)?.iter().enumerate() {
            let item_name = format!("{name}[{index}]");
            match item.as_str().map(&read) {
                Some(Ok(text)) => texts.push(text),
                Some(Err(error)) => self.wrong(&item_name, error.to_string()),
                None => self.wrong(&item_name, format!("expected a text, found {}", kind_of(item))),
            }
        }
        Some(texts)
    }
}

/// What a JSON value is, for messages.
pub(super) fn kind_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "nothing",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "fields",
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn every_mistake_of_an_object_is_told_with_its_field() {
        let (mut problems, value) =
            (Vec::new(), json!({"nmae": "x", "list": [1, "b"], "flag": null, "text": 7}));
        let mut reader =
            Reader::new(&value, "spec.x", &["name", "list", "flag", "text"], &mut problems).unwrap();
        assert_eq!(reader.text("text"), None);
        assert_eq!(reader.texts("list", Ok::<_, String>), Some(vec!["b"]));
        assert_eq!(reader.flag("flag"), None);
        assert!(!reader.is_clean());
        let told: Vec<_> = problems.iter().map(|p| (p.field.as_str(), p.message.as_str())).collect();
        assert_eq!(
            told,
            [
                ("spec.x.flag", "is empty: leave it out, or give it a value"),
                ("spec.x.nmae", "unknown field \"nmae\": did you mean name?"),
                ("spec.x.text", "expected a text, found a number"),
                ("spec.x.list[0]", "expected a text, found a number"),
            ]
        );
    }

    #[test]
    fn a_null_is_found_however_deep() {
        assert_eq!(null_within(&json!({"a": [1, {"b": null}]})), Some(".a[1].b".into()));
        assert_eq!(null_within(&json!(null)), Some(String::new()));
        assert_eq!(null_within(&json!({"a": []})), None);
    }

    #[test]
    fn a_hostile_name_stays_on_one_short_line() {
        let shown = quoted(&format!("a\n\u{1b}[31m{}", "x".repeat(1000)));
        assert!(shown.starts_with("\"a\\n\\u{1b}[31m") && shown.chars().count() < 90, "{shown}");
    }
}
