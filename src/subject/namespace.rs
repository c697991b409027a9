//! What namespace rules read: the namespace's own object and the network policies in it.

use std::fmt;
use std::sync::Arc;

use super::canonical::{Reader, put_text};

/// Labels or annotations: key and value, sorted by key, in one piece of memory.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct TextPairs(Box<[u8]>);

impl TextPairs {
    /// Of these pairs, in any order; of two with one key the first one stays.
    pub fn new<K: AsRef<str>, V: AsRef<str>>(mut pairs: Vec<(K, V)>) -> Self {
        pairs.sort_by(|left, right| left.0.as_ref().cmp(right.0.as_ref()));
        pairs.dedup_by(|later, first| later.0.as_ref() == first.0.as_ref());
        let mut bytes = Vec::new();
        for (key, value) in &pairs {
            put_text(&mut bytes, key.as_ref());
            put_text(&mut bytes, value.as_ref());
        }
        Self(bytes.into())
    }

    /// Every pair.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        let mut reader = Reader::new(&self.0);
        std::iter::from_fn(move || (!reader.is_empty()).then(|| (reader.text(), reader.text())))
    }

    /// The value of `key`.
    pub fn get(&self, key: &str) -> Option<&str> {
        self.iter().find(|(found, _)| *found == key).map(|(_, value)| value)
    }
}

impl fmt::Debug for TextPairs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
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
    pub labels: TextPairs,
    /// `metadata.annotations`, without `kubectl.kubernetes.io/last-applied-configuration`
    pub annotations: TextPairs,
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
        self.object.labels.get(key)
    }

    /// The value of an annotation of the namespace.
    pub fn annotation(&self, key: &str) -> Option<&'a str> {
        self.object.annotations.get(key)
    }
}
