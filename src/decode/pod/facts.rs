//! The facts of a pod and its containers, by a table of the fields that are read and one visitor that walks it. What
//! is not in the table is skipped.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::applied;
use super::buffer::Buffer;
use super::known::Remembered;
use super::tables::Node::{
    self, Flag, List, Mounts, Named, NotEmpty, Object, Port, Some as NotNone, Text as Word, Typed, User,
};
use super::tables::{NAME, TYPE, Table};
use crate::decode::lenient::{Fields, Text, came_before};
use crate::subject::canonical::{Reader, put_text};
use crate::subject::facts::{Fact, put_fact, sort_facts};

/// The facts of a pod while it is read. Pods without any cost no space.
#[derive(Default)]
pub(super) struct Told {
    /// Those of the pod.
    pod: Buffer,
    /// Those of the container that is being read.
    container: Buffer,
    /// Volumes that are folders of the node: name and path.
    hosts: Buffer,
    /// What containers mount, name and `r` or `w`; not kept while it is known that no volume is a folder of the node.
    mounts: Buffer,
    volumes_known: bool,
    /// The pod is read from text, not from a tree.
    pub(super) from_text: bool,
    /// The field of the container that is being read, and that from which each of [`SHARED`] came last.
    field: &'static str,
    last: [&'static str; SHARED.len()],
    /// What several fields tell of came in another order than that of their names.
    pub(super) disordered: bool,
}

/// Facts that come from several fields of a container. A tree gives fields in the order of their names, a stream in
/// that of the text.
const SHARED: [Fact; 3] = [Fact::SecretInEnv, Fact::ProbeHost, Fact::LifecycleHost];

/// What `kubectl apply` was given of a template, to be told with it.
#[derive(Default)]
pub(crate) struct Applied(pub(super) Told);

impl Applied {
    /// Of an object's annotation, where it has one, and the path of the template in it.
    pub(crate) fn of(last_applied: Option<(&str, &[&str])>) -> Self {
        let mut told = Told::default();
        if let Some((annotation, path)) = last_applied {
            applied::tell(annotation, &[path, &["spec"]].concat(), &mut told);
        }
        Self(told)
    }
}

impl fmt::Debug for Applied {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Applied")
    }
}

fn begun(buffer: &mut Buffer) -> &mut Vec<u8> {
    if buffer.capacity() == 0 {
        *buffer = Buffer::empty();
    }
    buffer
}

impl Told {
    /// None yet, of a pod that is read from text.
    pub(super) fn from_text() -> Self {
        Self { from_text: true, ..Self::default() }
    }

    /// A fact of the pod.
    pub(super) fn put(&mut self, fact: Fact, text: &str) {
        put_fact(begun(&mut self.pod), fact, text);
    }

    /// A field of the container is read next.
    pub(super) fn begin_field(&mut self, name: &'static str) {
        self.field = name;
    }

    fn note_order(&mut self, fact: Fact) {
        let Some(at) = SHARED.iter().position(|shared| *shared == fact) else { return };
        let (field, last) = (self.field, std::mem::replace(&mut self.last[at], self.field));
        // The environment is a list, which has one order; one probe may name several hosts.
        self.disordered |= field < last || (field == last && fact != Fact::SecretInEnv);
    }

    /// A volume that is a folder of the node.
    pub(super) fn host_path(&mut self, volume: &str, path: &str) {
        let hosts = begun(&mut self.hosts);
        put_text(hosts, volume);
        put_text(hosts, path);
    }

    /// Every volume has been told.
    pub(super) fn volumes_told(&mut self) {
        self.volumes_known = true;
    }

    /// The facts of the container that was read, sorted.
    pub(super) fn container_facts(&mut self) -> &[u8] {
        if !self.container.is_empty() {
            sort_facts(&mut self.container, 0);
        }
        &self.container
    }

    /// The next container begins.
    pub(super) fn forget_container(&mut self) {
        self.container.clear();
        self.last = Default::default();
    }

    /// The facts of the pod, sorted.
    pub(super) fn finish(&mut self) -> &[u8] {
        let (hosts, mounts) = (std::mem::take(&mut self.hosts), std::mem::take(&mut self.mounts));
        let mut hosts = Reader::new(&hosts);
        while !hosts.is_empty() {
            let (volume, path) = (hosts.text(), hosts.text());
            let mut mounts = Reader::new(&mounts);
            let (mut mounted, mut writable) = (false, false);
            while !mounts.is_empty() {
                let (name, read_only) = (mounts.text(), mounts.byte() == Some(b'r'));
                mounted |= name == volume;
                writable |= name == volume && !read_only;
            }
            // One that nothing mounts may be mounted by an ephemeral container.
            writable |= !mounted;
            self.put(if writable { Fact::WritableHostPath } else { Fact::HostPath }, path);
        }
        if !self.pod.is_empty() {
            sort_facts(&mut self.pod, 0);
        }
        &self.pod
    }
}

/// Walks one field of a table. Facts of the pod and of a container go to different places.
pub(super) struct Walk<'x> {
    pub(super) node: &'static Node,
    pub(super) told: &'x mut Told,
    pub(super) of_pod: bool,
    pub(super) wrong: &'x mut bool,
}

impl Walk<'_> {
    /// Where its facts go.
    pub(super) fn buffer(&mut self) -> &mut Vec<u8> {
        begun(if self.of_pod { &mut self.told.pod } else { &mut self.told.container })
    }

    fn put(&mut self, fact: Fact, text: &str) {
        if !self.of_pod {
            self.told.note_order(fact);
        }
        put_fact(self.buffer(), fact, text);
    }

    /// Walks one field of the pod or of a container.
    #[inline]
    pub(super) fn field<'de, A: MapAccess<'de>>(self, map: &mut A) -> Result<(), A::Error> {
        match self.node {
            Object(_) | List(_) if self.told.from_text => map.next_value_seed(Remembered(self)),
            _ => map.next_value_seed(self),
        }
    }

    pub(super) fn at<'y>(&'y mut self, node: &'static Node) -> Walk<'y> {
        Walk { node, told: self.told, of_pod: self.of_pod, wrong: self.wrong }
    }

    fn wrong(&mut self) {
        *self.wrong = true;
    }

    fn number(mut self, number: i128) {
        match (self.node, number) {
            (Port(_), 0) => {}
            (Port(fact), _) => self.put(*fact, &number.to_string()),
            (User(fact), 0) => self.put(*fact, "root"),
            (User(fact), _) => self.put(*fact, "other"),
            _ => self.wrong(),
        }
    }
}

impl<'de> DeserializeSeed<'de> for Walk<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Walk<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a field of a pod")
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<(), A::Error> {
        match self.node {
            Object(table) => {
                let mut seen = 0_u64;
                while let Some(at) = map.next_key_seed(PlaceIn(table))? {
                    match at {
                        Some(at) => {
                            *self.wrong |= came_before(&mut seen, at);
                            map.next_value_seed(self.at(&table.fields[usize::from(at)].1))?;
                        }
                        None => map.next_value::<IgnoredAny>().map(drop)?,
                    }
                }
                Ok(())
            }
            Named(fact) | Typed(fact) => {
                let by = if matches!(self.node, Named(_)) { &NAME } else { &TYPE };
                let (fact, mut named, mut wrong) = (*fact, false, false);
                while let Some(is_name) = map.next_key_seed(PlaceIn(by))? {
                    if is_name.is_none() {
                        map.next_value::<IgnoredAny>()?;
                        continue;
                    }
                    let again = named;
                    let take = |name: &str| {
                        named = true;
                        self.put(fact, name);
                    };
                    map.next_value_seed(Text { wrong: &mut wrong, take })?;
                    wrong |= again;
                }
                *self.wrong |= wrong;
                if !named {
                    self.put(fact, "");
                }
                Ok(())
            }
            _ => {
                self.wrong();
                while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
                Ok(())
            }
        }
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut list: A) -> Result<(), A::Error> {
        match self.node {
            List(node) => while list.next_element_seed(self.at(node))?.is_some() {},
            NotNone(fact) => {
                if list.next_element::<IgnoredAny>()?.is_some() {
                    self.put(*fact, "");
                }
                while list.next_element::<IgnoredAny>()?.is_some() {}
            }
            Mounts if self.told.volumes_known && self.told.hosts.is_empty() => {
                while list.next_element::<IgnoredAny>()?.is_some() {}
            }
            Mounts => {
                let mounts = begun(&mut self.told.mounts);
                loop {
                    let start = mounts.len();
                    let mut mount = Mount { mounts, named: false, read_only: false, wrong: false };
                    let more = list.next_element_seed(super::Object(&mut mount))?.is_some();
                    let (read_only, wrong) = (mount.read_only, mount.wrong);
                    *self.wrong |= wrong;
                    if !more {
                        break;
                    }
                    // One without a name mounts nothing.
                    if mounts.len() > start {
                        mounts.push(if read_only { b'r' } else { b'w' });
                    }
                }
            }
            _ => {
                self.wrong();
                while list.next_element::<IgnoredAny>()?.is_some() {}
            }
        }
        Ok(())
    }

    fn visit_str<E: Error>(mut self, text: &str) -> Result<(), E> {
        match self.node {
            Word(fact) => self.put(*fact, text),
            NotEmpty(_) if text.is_empty() => {}
            NotEmpty(fact) => self.put(*fact, text),
            _ => self.wrong(),
        }
        Ok(())
    }

    fn visit_bool<E: Error>(mut self, value: bool) -> Result<(), E> {
        match self.node {
            Flag(fact) => self.put(*fact, if value { "true" } else { "false" }),
            _ => self.wrong(),
        }
        Ok(())
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<(), E> {
        self.number(number.into());
        Ok(())
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<(), E> {
        self.number(number.into());
        Ok(())
    }

    fn visit_f64<E: Error>(mut self, _: f64) -> Result<(), E> {
        self.wrong();
        Ok(())
    }

    // `null` reads as absent.
    fn visit_unit<E: Error>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_none<E: Error>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

/// The place of a key in a table; none for one that is not read.
struct PlaceIn(&'static Table);

impl<'de> DeserializeSeed<'de> for PlaceIn {
    type Value = Option<u8>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Option<u8>, D::Error> {
        deserializer.deserialize_identifier(self)
    }
}

impl<'de> Visitor<'de> for PlaceIn {
    type Value = Option<u8>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_str<E: Error>(self, name: &str) -> Result<Option<u8>, E> {
        Ok(self.0.place(name))
    }
}

/// One item of `volumeMounts`.
struct Mount<'x> {
    mounts: &'x mut Vec<u8>,
    named: bool,
    read_only: bool,
    wrong: bool,
}

impl<'de> Fields<'de> for Mount<'_> {
    fn key(name: &str) -> u8 {
        match name {
            "name" => 1,
            "readOnly" => 2,
            _ => 0,
        }
    }

    fn field<A: MapAccess<'de>>(&mut self, key: u8, map: &mut A) -> Result<(), A::Error> {
        if key == 2 {
            let value = map.next_value_seed(crate::decode::lenient::Boolean(&mut self.wrong))?;
            self.read_only = value == Some(true);
            return Ok(());
        }
        let Self { mounts, named, wrong, .. } = self;
        let mut again = false;
        let take = |name: &str| match std::mem::replace(named, true) {
            false => put_text(mounts, name),
            true => again = true,
        };
        map.next_value_seed(Text { wrong, take })?;
        self.wrong |= again;
        Ok(())
    }

    fn wrong(&mut self) {
        self.wrong = true;
    }
}
