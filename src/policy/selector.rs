//! Label selectors, with Kubernetes' semantics: all conditions must hold, an empty selector selects everything,
//! and NotIn holds where the label is absent.

use serde_json::Value;

use super::problem::{Problem, Reader, kind_of, quoted, unknown_field};

/// A compiled label selector. The default selects everything.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selector {
    requirements: Box<[Requirement]>,
}

/// A condition on one label.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Requirement {
    key: Box<str>,
    test: Test,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Test {
    In(Box<[Box<str>]>),
    NotIn(Box<[Box<str>]>),
    Exists,
    DoesNotExist,
}

impl Test {
    fn holds(&self, value: Option<&str>) -> bool {
        match self {
            Self::In(values) => value.is_some_and(|value| values.iter().any(|wanted| **wanted == *value)),
            Self::NotIn(values) => value.is_none_or(|value| values.iter().all(|refused| **refused != *value)),
            Self::Exists => value.is_some(),
            Self::DoesNotExist => value.is_none(),
        }
    }
}

/// What is known of a label.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Label<'a> {
    /// It has this value, or is absent.
    Known(Option<&'a str>),
    /// The object's labels are not known.
    Unknown,
}

impl Selector {
    /// Compiles a `LabelSelector`. What cannot be used is a problem, and then the selector means nothing.
    pub(super) fn compile(value: &Value, path: &str, problems: &mut Vec<Problem>) -> Option<Self> {
        let known = ["matchLabels", "matchExpressions"];
        let mut reader = Reader::new(value, path, &known, problems)?;
        let mut requirements = Vec::new();
        if let Some(labels) = reader.value("matchLabels") {
            match labels.as_object() {
                Some(labels) => {
                    for (key, value) in labels {
                        let field = format!("matchLabels.{key}");
                        let read = label_key(key).and_then(|()| match value.as_str() {
                            Some(value) => label_value(value),
                            None => Err(format!("expected a text, found {}; quote it", kind_of(value))),
                        });
                        match read {
                            Ok(value) => {
                                requirements.push(Requirement {
                                    key: key.as_str().into(),
                                    test: Test::In([value].into()),
                                });
                            }
                            Err(message) => reader.wrong(&field, message),
                        }
                    }
                }
                None => reader.wrong("matchLabels", format!("expected labels, found {}", kind_of(labels))),
            }
        }
        for (index, expression) in reader.list("matchExpressions").unwrap_or_default().iter().enumerate() {
            let path = reader.path(&format!("matchExpressions[{index}]"));
            requirements.extend(Requirement::compile(expression, path, reader.problems()));
        }
        reader.is_clean().then(|| Self { requirements: requirements.into() })
    }

    /// Whether everything that another one selects is selected, as far as it follows condition by condition.
    pub fn covers(&self, other: &Self) -> bool {
        let follows = |wanted: &Requirement| other.requirements.iter().any(|given| given.implies(wanted));
        self.requirements.iter().all(follows)
    }

    /// Whether everything is selected, whatever its labels.
    pub fn is_everything(&self) -> bool {
        self.requirements.is_empty()
    }

    /// Whether an object is selected. None where that depends on labels that are not known.
    pub fn selects<'a>(&self, label: impl Fn(&str) -> Label<'a>) -> Option<bool> {
        let mut all_known = true;
        for Requirement { key, test } in &self.requirements {
            match label(key) {
                Label::Known(value) if !test.holds(value) => return Some(false),
                Label::Known(_) => {}
                Label::Unknown => all_known = false,
            }
        }
        all_known.then_some(true)
    }
}

impl Requirement {
    /// Whether the other condition holds wherever this one does.
    fn implies(&self, other: &Self) -> bool {
        let within = |some: &[Box<str>], all: &[Box<str>]| some.iter().all(|value| all.contains(value));
        self.key == other.key
            && match (&self.test, &other.test) {
                (Test::In(some), Test::In(all)) | (Test::NotIn(all), Test::NotIn(some)) => within(some, all),
                (Test::In(values), Test::NotIn(refused)) => {
                    !values.iter().any(|value| refused.contains(value))
                }
                (Test::In(_) | Test::Exists, Test::Exists)
                | (Test::DoesNotExist, Test::DoesNotExist | Test::NotIn(_)) => true,
                _ => false,
            }
    }

    fn compile(value: &Value, path: String, problems: &mut Vec<Problem>) -> Option<Self> {
        let mut reader = Reader::new(value, path, &["key", "operator", "values"], problems)?;
        let key = reader.text("key");
        match key {
            Some(key) => {
                if let Err(message) = label_key(key) {
                    reader.wrong("key", message);
                }
            }
            None if reader.value("key").is_none() => reader.wrong("key", "is required"),
            None => {}
        }
        let values = reader.texts("values", label_value).unwrap_or_default().into_boxed_slice();
        let operator = reader.text("operator");
        let test = match operator {
            Some("In") => Test::In(values),
            Some("NotIn") => Test::NotIn(values),
            Some("Exists") => Test::Exists,
            Some("DoesNotExist") => Test::DoesNotExist,
            Some(other) => {
                let known = ["In", "NotIn", "Exists", "DoesNotExist"];
                let message = unknown_field(other, &known).replace("field", "operator");
                reader.wrong("operator", message);
                return None;
            }
            None => {
                if reader.value("operator").is_none() {
                    reader.wrong("operator", "is required: In, NotIn, Exists or DoesNotExist");
                }
                return None;
            }
        };
        let given = reader.value("values").and_then(Value::as_array).map_or(0, Vec::len);
        let takes_values = matches!(test, Test::In(_) | Test::NotIn(_));
        if takes_values && given == 0 {
            reader.wrong("values", "In and NotIn need at least one value");
        } else if !takes_values && given > 0 {
            reader.wrong("values", "Exists and DoesNotExist take no values");
        }
        let key = key?;
        reader.is_clean().then(|| Self { key: key.into(), test })
    }
}

/// Checks a label's key: an optional DNS name and `/`, then a name.
pub(super) fn label_key(key: &str) -> Result<(), String> {
    let (prefix, name) = match key.split_once('/') {
        Some((prefix, name)) => (Some(prefix), name),
        None => (None, key),
    };
    let good_prefix = prefix.is_none_or(|prefix| {
        !prefix.is_empty() && prefix.len() <= 253 && prefix.split('.').all(is_dns_label)
    });
    if good_prefix && !name.is_empty() && is_label_text(name) {
        Ok(())
    } else {
        Err(format!("{} is not a label key such as app or example.com/app", quoted(key)))
    }
}

/// Checks a label's value: at most 63 letters, digits, `-`, `_` and `.`, beginning and ending with one of the
/// first two kinds; or nothing.
fn label_value(value: &str) -> Result<Box<str>, String> {
    if is_label_text(value) {
        Ok(value.into())
    } else {
        Err(format!("{} is not a value that a label can have", quoted(value)))
    }
}

fn is_label_text(text: &str) -> bool {
    let edge = |byte: Option<&u8>| byte.is_none_or(u8::is_ascii_alphanumeric);
    let bytes = text.as_bytes();
    bytes.len() <= 63
        && edge(bytes.first())
        && edge(bytes.last())
        && bytes.iter().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(byte))
}

fn is_dns_label(text: &str) -> bool {
    let bytes = text.as_bytes();
    let good = |byte: &u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    bytes.first().is_some_and(good)
        && bytes.last().is_some_and(good)
        && bytes.iter().all(|byte| good(byte) || *byte == b'-')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn selector(value: Value) -> Selector {
        let mut problems = Vec::new();
        let selector = Selector::compile(&value, "s", &mut problems);
        assert_eq!(problems, []);
        selector.unwrap()
    }

    fn selects(value: Value, labels: &[(&str, &str)]) -> bool {
        let label = |key: &str| Label::Known(labels.iter().find(|(k, _)| *k == key).map(|(_, v)| *v));
        selector(value).selects(label).unwrap()
    }

    fn problems(value: Value) -> Vec<(String, String)> {
        let mut problems = Vec::new();
        assert_eq!(Selector::compile(&value, "s", &mut problems), None);
        problems.into_iter().map(|problem| (problem.field, problem.message)).collect()
    }

    #[test]
    fn a_selector_covers_another_one_whose_conditions_are_at_least_as_narrow() {
        let covers = |wide: Value, narrow: Value| {
            let selector = |value| Selector::compile(&value, "s", &mut Vec::new()).unwrap();
            selector(wide).covers(&selector(narrow))
        };
        let is = |operator: &str, values: &[&str]| json!({"matchExpressions": [{"key": "tier", "operator": operator, "values": values}]});
        let prod = || json!({"matchLabels": {"tier": "prod"}});
        assert!(covers(json!({}), prod()) && !covers(prod(), json!({})));
        assert!(covers(is("In", &["prod", "dev"]), prod()) && !covers(prod(), is("In", &["prod", "dev"])));
        assert!(covers(is("NotIn", &["dev"]), prod()) && !covers(is("NotIn", &["prod"]), prod()));
        assert!(covers(is("Exists", &[]), prod()) && !covers(is("DoesNotExist", &[]), prod()));
        assert!(covers(is("NotIn", &["a"]), is("NotIn", &["a", "b"])));
        assert!(!covers(is("NotIn", &["a", "b"]), is("NotIn", &["a"])));
        assert!(covers(is("NotIn", &["a"]), is("DoesNotExist", &[])));
        let both = json!({"matchLabels": {"tier": "prod", "team": "a"}});
        assert!(covers(prod(), both.clone()) && !covers(both, prod()));
    }

    #[test]
    fn an_empty_selector_selects_everything() {
        assert!(selector(json!({})).is_everything());
        assert!(selects(json!({"matchLabels": {}, "matchExpressions": []}), &[]));
    }

    #[test]
    fn all_conditions_must_hold() {
        let written = json!({"matchLabels": {"tier": "prod", "app": "web"}});
        assert!(selects(written.clone(), &[("tier", "prod"), ("app", "web")]));
        assert!(!selects(written, &[("tier", "prod")]));
    }

    #[test]
    fn operators_mean_what_they_mean_in_kubernetes() {
        let one = |operator: &str, values: Value| json!({"matchExpressions": [{"key": "a", "operator": operator, "values": values}]});
        for (operator, values, absent, x, y) in [
            ("In", json!(["x"]), false, true, false),
            ("NotIn", json!(["x"]), true, false, true),
            ("Exists", json!([]), false, true, true),
            ("DoesNotExist", json!([]), true, false, false),
        ] {
            assert_eq!(selects(one(operator, values.clone()), &[]), absent, "{operator} absent");
            assert_eq!(selects(one(operator, values.clone()), &[("a", "x")]), x, "{operator} x");
            assert_eq!(selects(one(operator, values), &[("a", "y")]), y, "{operator} y");
        }
        assert!(selects(json!({"matchLabels": {"a": ""}}), &[("a", "")]), "an empty value is a value");
        assert!(!selects(json!({"matchLabels": {"a": ""}}), &[]), "and not the same as absent");
    }

    #[test]
    fn labels_that_are_not_known_leave_it_undecided_unless_a_known_one_decides() {
        let written = json!({"matchLabels": {"known": "x", "other": "y"}});
        let with = |value| {
            move |key: &str| {
                if key == "known" { Label::Known(Some(value)) } else { Label::Unknown }
            }
        };
        assert_eq!(selector(written.clone()).selects(with("x")), None);
        assert_eq!(selector(written).selects(with("z")), Some(false));
        assert_eq!(selector(json!({})).selects(|_| Label::Unknown), Some(true));
    }

    #[test]
    fn what_no_label_can_be_is_told_with_its_field() {
        for (written, field, message) in [
            (json!({"matchLabels": {"app": 1}}), "s.matchLabels.app", "found a number; quote it"),
            (json!({"matchLabels": {"a b": "x"}}), "s.matchLabels.a b", "not a label key"),
            (json!({"matchLabels": []}), "s.matchLabels", "expected labels"),
            (json!({"matchLabel": {}}), "s.matchLabel", "did you mean matchLabels?"),
            (json!({"matchLabels": null}), "s.matchLabels", "is empty"),
            (json!(null), "s", "is empty"),
            (json!("app=web"), "s", "found a text"),
            (
                json!({"matchExpressions": [{"key": "a", "operator": "in", "values": ["x"]}]}),
                "s.matchExpressions[0].operator",
                "did you mean In?",
            ),
            (
                json!({"matchExpressions": [{"key": "a", "operator": "In"}]}),
                "s.matchExpressions[0].values",
                "at least one",
            ),
            (
                json!({"matchExpressions": [{"key": "a", "operator": "Exists", "values": ["x"]}]}),
                "s.matchExpressions[0].values",
                "no values",
            ),
            (json!({"matchExpressions": [{"operator": "Exists"}]}), "s.matchExpressions[0].key", "required"),
            (json!({"matchExpressions": [{"key": "a"}]}), "s.matchExpressions[0].operator", "required"),
            (
                json!({"matchExpressions": [{"key": "/a", "operator": "Exists"}]}),
                "s.matchExpressions[0].key",
                "not a label key",
            ),
            (
                json!({"matchExpressions": [{"key": "a", "operator": "In", "values": ["-x"]}]}),
                "s.matchExpressions[0].values[0]",
                "not a value",
            ),
        ] {
            let told = problems(written.clone());
            assert_eq!(told.len(), 1, "{written}: {told:?}");
            assert!(told[0].0 == field && told[0].1.contains(message), "{written}: {told:?}");
        }
    }

    proptest! {
        #[test]
        fn in_and_not_in_are_opposites_and_so_are_exists_and_does_not_exist(
            values in prop::collection::vec("[ab]{1,2}", 1..4), value in prop::option::of("[ab]{1,2}"),
        ) {
            let label = |_: &str| Label::Known(value.as_deref());
            let one = |operator: &str, values: &[String]| {
                selector(json!({"matchExpressions": [{"key": "k", "operator": operator, "values": values}]}))
            };
            prop_assert_ne!(one("In", &values).selects(label), one("NotIn", &values).selects(label));
            prop_assert_ne!(one("Exists", &[]).selects(label), one("DoesNotExist", &[]).selects(label));
        }

        #[test]
        fn any_json_is_a_selector_or_a_problem(text in r#"[\[\]{}":,a-z0-9]{0,40}"#) {
            if let Ok(value) = serde_json::from_str::<Value>(&text) {
                let mut problems = Vec::new();
                let selector = Selector::compile(&value, "s", &mut problems);
                prop_assert_eq!(selector.is_none(), !problems.is_empty());
            }
        }
    }
}
