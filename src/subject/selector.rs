//! A label selector of the API, with Kubernetes' semantics: all conditions must hold, an empty one selects
//! everything, and NotIn holds where the label is absent.

/// A label selector. The default selects everything.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LabelSelector(Box<[Requirement]>);

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
        Self(requirements.into())
    }

    /// Whether everything is selected, whatever its labels.
    pub fn is_everything(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether an object is selected whose labels have these values.
    pub fn matches<'a>(&self, value: impl Fn(&str) -> Option<&'a str>) -> bool {
        self.0.iter().all(|Requirement { key, test }| {
            let value = value(key);
            match test {
                Test::In(values) => value.is_some_and(|value| values.iter().any(|wanted| **wanted == *value)),
                Test::NotIn(values) => value.is_none_or(|value| values.iter().all(|other| **other != *value)),
                Test::Exists => value.is_some(),
                Test::DoesNotExist => value.is_none(),
            }
        })
    }
}

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
