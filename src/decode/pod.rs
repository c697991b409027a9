//! A pod as it comes over the wire, written down in one pass as canonical bytes of just what rules read.

mod account;
mod applied;
mod buffer;
mod entry;
mod facts;
mod known;
mod metadata;
pub(crate) mod reads;
mod spec;
mod status;
mod tables;
#[cfg(test)]
pub(super) mod tests;
mod version;

use serde::de::{Deserialize, DeserializeSeed as _, Deserializer, MapAccess};

pub(crate) use applied::LAST_APPLIED;
use buffer::Buffer;
pub(crate) use facts::Applied;
use version::Version;

use super::Source;
use super::lenient::{Fields, Object};
use crate::subject::canonical::{put_bytes, put_text};
use crate::subject::pod::PodShape;
use crate::subject::running::Phase;

/// The part of a pod that a stretch of canonical bytes belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(usize)]
pub enum Section {
    /// `metadata.name`
    Name,
    /// `metadata.namespace`
    Namespace,
    /// `metadata.labels`: key and value, sorted by key
    Labels,
    /// The controlling ownerReference: apiVersion, kind, name, uid
    Owner,
    /// The service account's name; empty for a pod under the one that is called default
    Account,
    /// What [`PodShape`] reads
    Shape,
    /// What [`crate::subject::running::RunningState`] reads
    Running,
}

const SECTIONS: usize = 7;

/// What is kept of one pod: canonical bytes by section, not yet interned.
#[derive(Clone, Debug, Default)]
pub struct PodRecord {
    /// `metadata.uid`
    pub uid: u128,
    /// `metadata.resourceVersion`, for the watch to go on.
    pub resource_version: Version,
    /// Bits [`PodShape::STATIC`], [`PodShape::MALFORMED`], [`PodShape::TEMPLATE`], [`PodShape::AS_WRITTEN`] and
    /// [`PodShape::STAND_IN`].
    pub flags: u8,
    /// Since when the containers are not ready, in seconds since 1970; told only while an image keeps some
    /// container waiting, 0 otherwise and when the status does not say.
    pub unready_since: i64,
    /// Where it stands, for files.
    pub source: Option<Source>,
    bytes: Buffer,
    sections: [(u32, u32); SECTIONS],
}

impl PodRecord {
    /// The canonical bytes of a section.
    #[inline]
    pub fn section(&self, section: Section) -> &[u8] {
        let (start, end) = self.sections[section as usize];
        &self.bytes[start as usize..end as usize]
    }

    /// The pod's name.
    pub fn name(&self) -> &str {
        std::str::from_utf8(self.section(Section::Name)).unwrap_or_default()
    }

    /// The pod's namespace.
    pub fn namespace(&self) -> &str {
        std::str::from_utf8(self.section(Section::Namespace)).unwrap_or_default()
    }

    /// Whether the record can be kept: it has a name and a uid.
    pub fn is_usable(&self) -> bool {
        self.uid != 0 && !self.section(Section::Name).is_empty()
    }

    /// Reads a live pod from a parsed document.
    pub fn from_value(value: &serde_json::Value) -> Self {
        Self::read(value, facts::Told::default())
            .map_or_else(|_| Self { flags: PodShape::MALFORMED, ..Self::default() }, |(record, _)| record)
    }

    /// The record, and whether facts came out of order.
    fn read<'de, D: Deserializer<'de>>(
        deserializer: D,
        mut told: facts::Told,
    ) -> Result<(Self, bool), D::Error> {
        let mut record = Self { bytes: Buffer::empty(), ..Self::default() };
        Object(&mut PodFields(&mut record, &mut told)).deserialize(deserializer)?;
        if record.section(Section::Shape).is_empty() {
            record.malformed();
        }
        record.put_own_facts(told.finish());
        Ok((record, told.disordered))
    }

    /// Reads a pod template as the pods its workload would make: `{metadata, spec}`.
    pub fn from_template(
        owner: &TemplateOwner<'_>,
        template: &serde_json::Value,
        uid: u128,
        source: Option<Source>,
    ) -> Self {
        Self::of_template(template, Applied::of(owner.last_applied))
            .map_or_else(|_| Self { flags: PodShape::MALFORMED, ..Self::default() }, |(record, _)| record)
            .of_owner(owner, uid, source)
    }

    /// Reads a pod template before it is known whose it is; see [`Self::of_owner`]. True beside it where its facts would
    /// come in another order from a tree.
    pub(crate) fn of_template<'de, D: Deserializer<'de>>(
        template: D,
        applied: Applied,
    ) -> Result<(Self, bool), D::Error> {
        Self::read(template, applied.0)
    }

    /// The pods that this workload would make from a template.
    pub(crate) fn of_owner(mut self, owner: &TemplateOwner<'_>, uid: u128, source: Option<Source>) -> Self {
        let record = &mut self;
        record.flags |= PodShape::TEMPLATE;
        (record.uid, record.source) = (uid, source);
        record.put_section(Section::Name, |bytes| bytes.extend_from_slice(owner.name.as_bytes()));
        record.put_section(Section::Namespace, |bytes| bytes.extend_from_slice(owner.namespace.as_bytes()));
        record.put_section(Section::Running, |bytes| bytes.push(Phase::None as u8));
        record.put_section(Section::Owner, |bytes| {
            for text in [owner.api_version, owner.kind, owner.name, owner.uid] {
                put_text(bytes, text);
            }
        });
        self
    }

    /// Gives the namespace to a pod that names none.
    pub fn default_namespace(&mut self, namespace: &str) {
        if self.section(Section::Namespace).is_empty() {
            self.put_section(Section::Namespace, |bytes| bytes.extend_from_slice(namespace.as_bytes()));
        }
    }

    /// Puts the pod's own facts to the end of the shape: they come from all over the object. What stands behind the
    /// shape makes room, so that everything is written once and a watch compares no byte twice.
    fn put_own_facts(&mut self, facts: &[u8]) {
        if facts.is_empty() {
            return;
        }
        let before = self.bytes.len();
        let shape = self.sections[Section::Shape as usize];
        self.bytes.extend_from_slice(&[PodShape::OWN_FACTS, 0]);
        put_bytes(&mut self.bytes, facts);
        if shape.0 == shape.1 {
            self.cut(Section::Shape, before);
            return;
        }
        let room = self.bytes.len() - before;
        self.bytes[shape.1 as usize..].rotate_right(room);
        let room = u32::try_from(room).unwrap_or(u32::MAX);
        for (start, end) in &mut self.sections {
            if *start >= shape.1 && *start < *end {
                (*start, *end) = (*start + room, *end + room);
            }
        }
        self.sections[Section::Shape as usize].1 += room;
    }

    /// All that is kept: the bytes of the sections, each of them once, and where each section stands in them.
    #[inline]
    pub(crate) fn whole(&self) -> (&[u8], &[(u32, u32)]) {
        (&self.bytes, &self.sections)
    }

    fn put_section(&mut self, section: Section, write: impl FnOnce(&mut Vec<u8>)) {
        let start = self.bytes.len();
        write(&mut self.bytes);
        self.cut(section, start);
    }

    #[inline]
    fn cut(&mut self, section: Section, start: usize) {
        let place = |at: usize| u32::try_from(at).unwrap_or(u32::MAX);
        self.sections[section as usize] = (place(start), place(self.bytes.len()));
    }

    /// Gives back the space that the records of a list have left to be used again: a watch needs far less.
    pub(crate) fn list_is_over() {
        Buffer::forget_spares();
    }

    fn malformed(&mut self) {
        self.flags |= PodShape::MALFORMED;
    }
}

/// The workload a template belongs to.
#[derive(Clone, Copy, Debug)]
pub struct TemplateOwner<'a> {
    /// `apps/v1`, ...
    pub api_version: &'a str,
    /// `Deployment`, ...
    pub kind: &'a str,
    /// Its name.
    pub name: &'a str,
    /// Its namespace.
    pub namespace: &'a str,
    /// Its uid; may be empty.
    pub uid: &'a str,
    /// What `kubectl apply` was given, where its annotation tells, and the path of the template in it.
    pub last_applied: Option<(&'a str, &'a [&'a str])>,
}

impl<'de> Deserialize<'de> for PodRecord {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::read(deserializer, facts::Told::from_text()).map(|(record, _)| record)
    }
}

struct PodFields<'x>(&'x mut PodRecord, &'x mut facts::Told);

impl<'de> Fields<'de> for PodFields<'_> {
    fn key(name: &str) -> u8 {
        match name {
            "metadata" => 1,
            "spec" => 2,
            "status" => 3,
            _ => 0,
        }
    }

    fn field<A: MapAccess<'de>>(&mut self, key: u8, map: &mut A) -> Result<(), A::Error> {
        match key {
            1 => map.next_value_seed(Object(&mut metadata::MetadataFields(self.0, self.1))),
            2 => spec::read(self.0, self.1, map),
            _ => status::read(self.0, map),
        }
    }

    fn wrong(&mut self) {
        self.0.malformed();
    }
}
