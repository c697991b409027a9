//! A label selector of the API, with Kubernetes' semantics: all conditions must hold, an empty one selects
//! everything, and NotIn holds where the label is absent.

use std::fmt;

use super::canonical::{Reader, put_text};

/// A label selector, in one piece of memory: there are as many as there are network policies. The default selects
/// everything.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct LabelSelector(Box<[u8]>);

/// A condition on one label.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Requirement {
    /// The label's key.
    pub key: Box<str>,
    /// What its value must be.
    pub test: Test,
}

/// What a label's value must be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Test {
    /// One of these.
    In(Box<[Box<str>]>),
    /// None of these; absent is fine.
    NotIn(Box<[Box<str>]>),
    /// Anything.
    Exists,
    /// Absent.
    DoesNotExist,
}

impl LabelSelector {
    /// Of these conditions.
    pub fn new(requirements: Vec<Requirement>) -> Self {
        let mut bytes = Vec::new();
        for Requirement { key, test } in requirements {
            let (kind, values) = match test {
                Test::In(values) => (0, values),
                Test::NotIn(values) => (1, values),
                Test::Exists => (2, Box::default()),
                Test::DoesNotExist => (3, Box::default()),
            };
            bytes.push(kind);
            put_text(&mut bytes, &key);
            for value in &values {
                bytes.push(MORE);
                put_text(&mut bytes, value);
            }
            bytes.push(END);
        }
        Self(bytes.into())
    }

    fn requirements(&self) -> impl Iterator<Item = Requirement> {
        let mut reader = Reader::new(&self.0);
        std::iter::from_fn(move || {
            let kind = reader.byte()?;
            let key = reader.text().into();
            let mut values: Vec<Box<str>> = Vec::new();
            while reader.byte() == Some(MORE) {
                values.push(reader.text().into());
            }
            let test = match kind {
                0 => Test::In(values.into()),
                1 => Test::NotIn(values.into()),
                2 => Test::Exists,
                _ => Test::DoesNotExist,
            };
            Some(Requirement { key, test })
        })
    }

    /// Whether everything is selected, whatever its labels.
    pub fn is_everything(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether an object is selected whose labels have these values.
    pub fn matches<'a>(&self, value: impl Fn(&str) -> Option<&'a str>) -> bool {
        let mut reader = Reader::new(&self.0);
        let mut all = true;
        while let Some(kind) = reader.byte() {
            let value = value(reader.text());
            let mut named = false;
            while reader.byte() == Some(MORE) {
                named |= Some(reader.text()) == value;
            }
            all &= match kind {
                0 => named,
                1 => !named,
                2 => value.is_some(),
                _ => value.is_none(),
            };
        }
        all
    }
}

impl fmt::Debug for LabelSelector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.requirements()).finish()
    }
}

/// Before another value, and after the last one.
const MORE: u8 = 1;
const END: u8 = 0;

#[cfg(test)]
mod tests {
    use super::*;

    fn of(key: &str, test: Test) -> LabelSelector {
        LabelSelector::new(vec![Requirement { key: key.into(), test }])
    }

    #[test]
    fn conditions_hold_as_the_api_says() {
        let label = |key: &str| (key == "app").then_some("web");
        let values = || Box::from(["web".into(), "db".into()]);
        assert!(LabelSelector::default().matches(label));
        assert!(
            of("app", Test::In(values())).matches(label) && !of("tier", Test::In(values())).matches(label)
        );
        assert!(!of("app", Test::NotIn(values())).matches(label));
        assert!(of("tier", Test::NotIn(values())).matches(label), "an absent label is in no list");
        assert!(of("app", Test::Exists).matches(label) && of("tier", Test::DoesNotExist).matches(label));
    }
}
