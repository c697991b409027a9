//! Scope.

/// Whether a subject is in scope.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Membership {
    /// It is.
    In,
    /// It is not.
    Out,
    /// It cannot be decided: the scope selects namespaces by label and the labels are not known.
    Undecided,
}

/// What a policy covers.
#[derive(Debug, Default)]
pub struct Scope {
    /// Judge ended pods too.
    pub include_terminated: bool,
}

impl Scope {
    /// Whether a namespace is covered. `labels` are none when its object is not known.
    pub fn namespace(&self, _name: &str, _labels: Option<&[(Box<str>, Box<str>)]>) -> Membership {
        Membership::In
    }

    /// Whether pods are selected by label.
    pub fn selects_pods(&self) -> bool {
        false
    }

    /// Whether a pod with these labels is covered.
    pub fn pod<'a>(&self, _value: &dyn Fn(&str) -> Option<&'a str>) -> bool {
        true
    }
}
