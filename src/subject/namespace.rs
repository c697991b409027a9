//! What namespace rules read: the namespace's own object and the network policies in it.

use std::sync::Arc;

/// Labels or annotations: key and value, sorted by key.
pub type Pairs = Box<[(Box<str>, Box<str>)]>;

/// Finds the value of `key` in sorted pairs.
pub fn value_of<'a>(pairs: &'a [(Box<str>, Box<str>)], key: &str) -> Option<&'a str> {
    let at = pairs.binary_search_by(|(found, _)| (**found).cmp(key)).ok()?;
    Some(&pairs[at].1)
}

/// What one direction of a NetworkPolicy does to the pods it selects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Direction {
    /// At least one rule stands there (a deny-all has none).
    pub has_rules: bool,
    /// Some rule lets everything through: no peers and no ports, every address, or every pod of the cluster.
    pub allows_everything: bool,
}

/// A NetworkPolicy, as far as default-deny rules read it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NetworkPolicyFacts {
    /// Its name.
    pub name: Box<str>,
    /// The pod selector is empty: every pod of the namespace.
    pub selects_all: bool,
    /// What it does to incoming traffic; none when it does not isolate that direction.
    pub ingress: Option<Direction>,
    /// What it does to outgoing traffic.
    pub egress: Option<Direction>,
    /// Some field had another type than its API says.
    pub malformed: bool,
}

/// The namespace's own object.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NamespaceObject {
    /// `metadata.labels`
    pub labels: Pairs,
    /// `metadata.annotations`, without `kubectl.kubernetes.io/last-applied-configuration`
    pub annotations: Pairs,
    /// `metadata.uid`, for Events
    pub uid: Arc<str>,
    /// Being deleted.
    pub terminating: bool,
    /// Some field had another type than its API says.
    pub malformed: bool,
}

/// All that namespace rules read of one namespace.
#[derive(Clone, Debug)]
pub struct NamespaceFacts {
    /// The namespace's name.
    pub name: Arc<str>,
    /// Its own object; none when only its pods are known and the input is not the whole cluster.
    pub object: Option<Arc<NamespaceObject>>,
    /// Its network policies, sorted by name.
    pub network_policies: Arc<[NetworkPolicyFacts]>,
    /// How many pods are in it that have not ended.
    pub pods: u32,
}

/// What a namespace rule is asked about: the object is there (the engine has answered otherwise already).
#[derive(Clone, Copy, Debug)]
pub struct NamespaceSubject<'a> {
    /// The namespace.
    pub facts: &'a NamespaceFacts,
    /// Its own object.
    pub object: &'a NamespaceObject,
}

impl<'a> NamespaceSubject<'a> {
    /// The namespace's name.
    pub fn name(&self) -> &'a str {
        &self.facts.name
    }

    /// The value of a label of the namespace.
    pub fn label(&self, key: &str) -> Option<&'a str> {
        value_of(&self.object.labels, key)
    }

    /// The value of an annotation of the namespace.
    pub fn annotation(&self, key: &str) -> Option<&'a str> {
        value_of(&self.object.annotations, key)
    }
}
