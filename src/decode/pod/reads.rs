//! Which fields of a pod's spec are read, for who builds a tree of it first.

use super::spec::{ContainerFields, SpecFields};
use super::tables::{self, Node};
use crate::decode::lenient::Fields as _;

/// A field of a container of which only some fields are read.
#[derive(Clone, Copy)]
pub(crate) struct Walked(&'static Node);

impl std::fmt::Debug for Walked {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Walked")
    }
}

impl Walked {
    fn of(node: &'static Node) -> Option<Self> {
        matches!(node, Node::Object(_) | Node::List(_)).then_some(Self(node))
    }

    /// Whether a field of it is read, and what of that (`None`: all).
    pub(crate) fn field(self, name: &str) -> Option<Option<Self>> {
        match self.0 {
            Node::Object(table) => {
                table.place(name).map(|place| Self::of(&table.fields[usize::from(place)].1))
            }
            // Something else than a list: told, so that it is found wrong.
            _ => Some(None),
        }
    }

    /// What is read of each item of it.
    pub(crate) fn item(self) -> Option<Self> {
        match self.0 {
            Node::List(item) => Self::of(item),
            _ => None,
        }
    }
}

/// Whether a field of a pod's spec is a list of containers.
pub(crate) fn is_containers(name: &str) -> bool {
    matches!(name, "containers" | "initContainers" | "ephemeralContainers")
}

/// Whether a field of a pod's spec is read.
pub(crate) fn reads_of_spec(name: &str) -> bool {
    SpecFields::key(name) != 0
}

/// Whether a field of a container is read, and what of it (`None`: all).
pub(crate) fn of_container(name: &str) -> Option<Option<Walked>> {
    let walked = || {
        let place = tables::CONTAINER.place(name)?;
        Walked::of(&tables::CONTAINER.fields[usize::from(place)].1)
    };
    (ContainerFields::key(name) != 0).then(walked)
}
