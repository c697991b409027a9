//! What namespace rules read: the namespace's own object, what is in it, and what the cluster says of it.

use std::fmt;
use std::sync::Arc;

use jiff::Timestamp;

use super::Resource;
use super::addresses::AddressBlocks;
use super::canonical::{Reader, put_text};
use super::cluster::ClusterFacts;
use super::isolation::Way;
use super::objects::{ObjectFacts, Objects};
use super::selector::LabelSelector;

/// Labels or annotations: key and value, sorted by key, in one piece of memory.
#[derive(Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
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
        // Only what is found is checked to be text.
        let mut reader = Reader::new(&self.0);
        while !reader.is_empty() {
            if reader.bytes() == key.as_bytes() {
                return Some(reader.text());
            }
            reader.bytes();
        }
        None
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

/// A NetworkPolicy, as far as rules read it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NetworkPolicyFacts {
    /// Its name.
    pub name: Box<str>,
    /// The pod selector is empty: every pod of the namespace.
    pub selects_all: bool,
    /// The pod selector itself.
    pub pods: LabelSelector,
    /// What it does to incoming traffic; none when it does not isolate that direction.
    pub ingress: Option<Direction>,
    /// What it does to outgoing traffic.
    pub egress: Option<Direction>,
    /// Addresses from which it lets anything in, where it does not allow everything by itself.
    pub ingress_blocks: Option<Box<AddressBlocks>>,
    /// Addresses to which it lets anything out.
    pub egress_blocks: Option<Box<AddressBlocks>>,
    /// Some field had another type than its API says.
    pub malformed: bool,
}

impl NetworkPolicyFacts {
    /// What it does to the traffic of this way; none when it does not isolate it.
    pub fn direction(&self, way: Way) -> Option<Direction> {
        match way {
            Way::Ingress => self.ingress,
            Way::Egress => self.egress,
        }
    }

    /// The addresses that it allows, where it does not allow everything by itself.
    pub fn blocks(&self, way: Way) -> Option<&AddressBlocks> {
        match way {
            Way::Ingress => self.ingress_blocks.as_deref(),
            Way::Egress => self.egress_blocks.as_deref(),
        }
    }
}

/// The label that every namespace has, with its own name as value.
const NAME_LABEL: &str = "kubernetes.io/metadata.name";

/// The namespace's own object.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NamespaceObject {
    /// `metadata.labels`
    pub labels: TextPairs,
    /// `metadata.annotations`, without `kubectl.kubernetes.io/last-applied-configuration`
    pub annotations: TextPairs,
    /// `metadata.uid`, for Events
    pub uid: Arc<str>,
    /// When it was made, in seconds since 1970; 0 where that is not said.
    pub created_at: u32,
    /// Being deleted.
    pub terminating: bool,
    /// Some field had another type than its API says.
    pub malformed: bool,
    /// Since when it is being deleted, and what it waits for.
    pub deletion: Option<Box<Deletion>>,
}

/// A deletion that is not over yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Deletion {
    /// When it was asked for.
    pub since: Timestamp,
    /// Conditions of the namespace that say what is left, and finalizers that are still there.
    pub waits_for: Box<[Box<str>]>,
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
    /// What only some rules read; empty while none of them is asked for.
    pub beyond: Arc<Beyond>,
}

/// What only some rules read of a namespace and its surroundings.
#[derive(Clone, Debug, Default)]
pub struct Beyond {
    /// Objects in the namespace.
    pub objects: Objects,
    /// ClusterRoleBindings, and RoleBindings of other namespaces, that reach just this namespace's service accounts.
    pub granted: Objects,
    /// What the cluster says of all namespaces.
    pub cluster: Arc<ClusterFacts>,
    /// Its pods by workload, as far as an active rule reads them.
    pub pods: Arc<[PodFacts]>,
    /// Whether some policy's scope reaches it; none where that depends on labels that are not known.
    pub reached: Option<bool>,
    /// When this was put together.
    pub judged_at: Timestamp,
}

/// Pods of one workload that agree in all that namespace rules read of pods.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct PodFacts {
    /// The workload's kind.
    pub kind: Arc<str>,
    /// Its name.
    pub name: Arc<str>,
    /// `spec.serviceAccountName`; `default` where none is written.
    pub service_account: Arc<str>,
    /// `spec.automountServiceAccountToken`
    pub automount: Option<bool>,
    /// `spec.hostNetwork`
    pub host_network: bool,
    /// A static pod: it mirrors a file on the node.
    pub is_static: bool,
    /// The pods have ended.
    pub ended: bool,
    /// Some field had another type than its API says.
    pub malformed: bool,
    /// Their labels; only where a rule reads them.
    pub labels: TextPairs,
}

impl PodFacts {
    /// The value of a label.
    pub fn label(&self, key: &str) -> Option<&str> {
        self.labels.get(key)
    }
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

    /// The value of a label of the namespace. The API server sets the one that repeats its name, files leave it out.
    pub fn label(&self, key: &str) -> Option<&'a str> {
        match key {
            NAME_LABEL => Some(self.name()),
            _ => self.object.labels.get(key),
        }
    }

    /// Its objects of one kind.
    pub fn objects(&self, kind: Resource) -> &'a [Arc<ObjectFacts>] {
        self.facts.beyond.objects.of(kind)
    }

    /// Its pods that have not ended, by workload.
    pub fn live_pods(&self) -> impl Iterator<Item = &'a PodFacts> {
        self.facts.beyond.pods.iter().filter(|pods| !pods.ended)
    }

    /// The value of an annotation of the namespace.
    pub fn annotation(&self, key: &str) -> Option<&'a str> {
        self.object.annotations.get(key)
    }
}
