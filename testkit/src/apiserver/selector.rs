//! Label and field selectors of lists and watches.

use std::collections::BTreeMap;

use super::object::StoredObject;
use super::refusal::Refusal;

/// What a list or watch is narrowed to.
#[derive(Clone, Debug, Default)]
pub(super) struct Selector {
    labels: Vec<LabelRequirement>,
    fields: Vec<FieldRequirement>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum LabelRequirement {
    In(String, Vec<String>),
    NotIn(String, Vec<String>),
    Exists(String),
    Absent(String),
}

#[derive(Clone, Debug)]
struct FieldRequirement {
    field: Field,
    equal: bool,
    value: String,
}

#[derive(Clone, Copy, Debug)]
enum Field {
    Name,
    Namespace,
}

impl Selector {
    /// Parses the two query parameters; empty text selects everything.
    pub(super) fn parse(labels: &str, fields: &str) -> Result<Self, Refusal> {
        let labels =
            split_requirements(labels).into_iter().map(label_requirement).collect::<Result<_, _>>()?;
        let fields = fields
            .split(',')
            .filter(|part| !part.trim().is_empty())
            .map(field_requirement)
            .collect::<Result<_, _>>()?;
        Ok(Self { labels, fields })
    }

    pub(super) fn is_empty(&self) -> bool {
        self.labels.is_empty() && self.fields.is_empty()
    }

    pub(super) fn matches(&self, object: &StoredObject) -> bool {
        self.matches_fields(object) && self.matches_labels(&object.labels)
    }

    /// Names never change, so these hold for all versions of an object.
    pub(super) fn matches_fields(&self, object: &StoredObject) -> bool {
        self.fields.iter().all(|requirement| {
            let found = match requirement.field {
                Field::Name => &object.name,
                Field::Namespace => &object.namespace,
            };
            (*found == requirement.value) == requirement.equal
        })
    }

    pub(super) fn matches_labels(&self, labels: &BTreeMap<String, String>) -> bool {
        self.labels.iter().all(|requirement| match requirement {
            LabelRequirement::In(key, values) => labels.get(key).is_some_and(|value| values.contains(value)),
            LabelRequirement::NotIn(key, values) => {
                labels.get(key).is_none_or(|value| !values.contains(value))
            }
            LabelRequirement::Exists(key) => labels.contains_key(key),
            LabelRequirement::Absent(key) => !labels.contains_key(key),
        })
    }
}

/// Splits at the commas outside parentheses.
fn split_requirements(text: &str) -> Vec<&str> {
    let mut parts = Vec::new();
    let (mut depth, mut start) = (0_usize, 0);
    for (at, character) in text.char_indices() {
        match character {
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            ',' if depth == 0 => {
                parts.push(&text[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    parts.push(&text[start..]);
    parts.retain(|part| !part.trim().is_empty());
    parts
}

fn label_requirement(text: &str) -> Result<LabelRequirement, Refusal> {
    let text = text.trim();
    let key = |key: &str| key.trim().to_owned();
    if let Some((left, right)) = text.split_once("!=") {
        return Ok(LabelRequirement::NotIn(key(left), vec![key(right)]));
    }
    if let Some((left, right)) = text.split_once("==").or_else(|| text.split_once('=')) {
        return Ok(LabelRequirement::In(key(left), vec![key(right)]));
    }
    if let Some((left, right)) = text.split_once('(') {
        let values = right.trim_end_matches(')').split(',').map(key).collect();
        return match left.split_whitespace().collect::<Vec<_>>()[..] {
            [name, "in"] => Ok(LabelRequirement::In(key(name), values)),
            [name, "notin"] => Ok(LabelRequirement::NotIn(key(name), values)),
            _ => Err(unparsable(text)),
        };
    }
    match text.strip_prefix('!') {
        Some(rest) => Ok(LabelRequirement::Absent(key(rest))),
        None if text.contains(char::is_whitespace) => Err(unparsable(text)),
        None => Ok(LabelRequirement::Exists(key(text))),
    }
}

fn field_requirement(text: &str) -> Result<FieldRequirement, Refusal> {
    let (left, equal, right) = if let Some((left, right)) = text.split_once("!=") {
        (left, false, right)
    } else if let Some((left, right)) = text.split_once("==").or_else(|| text.split_once('=')) {
        (left, true, right)
    } else {
        return Err(Refusal::bad_request(format!("invalid field selector: {text}")));
    };
    let field = match left.trim() {
        "metadata.name" => Field::Name,
        "metadata.namespace" => Field::Namespace,
        other => {
            return Err(Refusal::bad_request(format!("field label not supported: {other}")));
        }
    };
    Ok(FieldRequirement { field, equal, value: right.trim().to_owned() })
}

fn unparsable(text: &str) -> Refusal {
    Refusal::bad_request(format!("unable to parse requirement: {text}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn selects(selector: &str, labels: &[(&str, &str)]) -> bool {
        let labels = labels.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        Selector::parse(selector, "").expect("parses").matches_labels(&labels)
    }

    #[test]
    fn requirements_are_joined_by_and() {
        assert!(selects("a=1,b", &[("a", "1"), ("b", "")]));
        assert!(!selects("a=1,b", &[("a", "1")]));
    }

    #[test]
    fn sets_keep_their_commas() {
        assert!(selects("a in (1, 2),!c", &[("a", "2")]));
        assert!(!selects("a notin (1,2)", &[("a", "2")]));
    }

    #[test]
    fn a_missing_label_is_not_equal_to_anything() {
        assert!(selects("a!=1", &[]));
        assert!(!selects("a==1", &[]));
    }

    #[test]
    fn an_unknown_field_is_refused() {
        assert_eq!(Selector::parse("", "spec.x=1").expect_err("refused").code, 400);
    }
}
