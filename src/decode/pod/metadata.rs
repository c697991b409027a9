//! The metadata of a pod: name, namespace, uid, labels, the controlling owner, and whether it is static.

use serde::de::{MapAccess, SeqAccess};

use super::applied;
use super::facts::Told;
use super::version::Version;
use super::{PodRecord, Section};
use crate::decode::lenient::{Boolean, DeepList, Entries, Fields, Items, List, Object, Text, TextMap};
use crate::subject::canonical::{Reader, put_text};
use crate::subject::facts::{EXEMPTION_MAX, EXEMPTION_PREFIX, Fact};
use crate::subject::pod::PodShape;
use crate::subject::uid::parse_uid;

pub(super) struct MetadataFields<'x>(pub(super) &'x mut PodRecord, pub(super) &'x mut Told);

impl MetadataFields<'_> {
    fn text<'de, A: MapAccess<'de>>(&mut self, section: Section, map: &mut A) -> Result<(), A::Error> {
        let (start, mut wrong) = (self.0.bytes.len(), false);
        let bytes = &mut self.0.bytes;
        map.next_value_seed(Text {
            wrong: &mut wrong,
            take: |text: &str| bytes.extend_from_slice(text.as_bytes()),
        })?;
        self.0.cut(section, start);
        if wrong {
            self.0.malformed();
        }
        Ok(())
    }
}

impl<'de> Fields<'de> for MetadataFields<'_> {
    fn key(name: &str) -> u8 {
        match name {
            "name" => 1,
            "namespace" => 2,
            "uid" => 3,
            "resourceVersion" => 4,
            "labels" => 5,
            "annotations" => 6,
            "ownerReferences" => 7,
            "managedFields" => 8,
            _ => 0,
        }
    }

    fn field<A: MapAccess<'de>>(&mut self, key: u8, map: &mut A) -> Result<(), A::Error> {
        let mut wrong = false;
        match key {
            1 => return self.text(Section::Name, map),
            2 => return self.text(Section::Namespace, map),
            3 => {
                let uid = &mut self.0.uid;
                map.next_value_seed(Text { wrong: &mut wrong, take: |text: &str| *uid = parse_uid(text) })?;
            }
            4 => {
                let version = &mut self.0.resource_version;
                map.next_value_seed(Text {
                    wrong: &mut wrong,
                    take: |text: &str| *version = Version::new(text),
                })?;
            }
            5 => return read_labels(self.0, map),
            6 => {
                let mut annotations = Annotations {
                    told: self.1,
                    wanted: None,
                    last_applied: false,
                    known: Vec::new(),
                    is_static: false,
                    wrong: false,
                };
                map.next_value_seed(TextMap(&mut annotations))?;
                wrong = annotations.wrong;
                if annotations.is_static {
                    self.0.flags |= PodShape::STATIC;
                }
            }
            8 => return map.next_value_seed(List(&mut DeepList)),
            _ => {
                let start = self.0.bytes.len();
                map.next_value_seed(List(&mut OwnerItems(self.0)))?;
                self.0.cut(Section::Owner, start);
            }
        }
        if wrong {
            self.0.malformed();
        }
        Ok(())
    }

    fn wrong(&mut self) {
        self.0.malformed();
    }
}

/// Whether the pod mirrors a static one (`pkg/kubelet/types/pod_update.go`), the profiles of AppArmor and seccomp
/// that were written as annotations before they were fields (`pkg/apis/core/annotation_key_constants.go`), and
/// exemptions that are asked for in place.
struct Annotations<'x> {
    told: &'x mut Told,
    /// The fact that the key is, with the start of its text.
    wanted: Option<(Fact, String)>,
    last_applied: bool,
    /// Keys that were read.
    known: Vec<Box<str>>,
    is_static: bool,
    wrong: bool,
}

/// Beside them `kubernetes.io/config.mirror` and [`applied::LAST_APPLIED`]; what a key begins with is asked first.
const WANTED: &[(&str, Fact)] = &[
    ("container.apparmor.security.beta.kubernetes.io/", Fact::AppArmorAnnotation),
    ("container.seccomp.security.alpha.kubernetes.io/", Fact::SeccompAnnotation),
    ("seccomp.security.alpha.kubernetes.io/pod", Fact::SeccompAnnotation),
    (EXEMPTION_PREFIX, Fact::ExemptionAnnotation),
];

/// That of a mirror pod.
const MIRROR: &str = "kubernetes.io/config.mirror";

/// Whether a key may be one that is read, by its first letter: most annotations are left at once.
const fn may_be_read(key: &str) -> bool {
    matches!(key.as_bytes(), [b'c' | b'e' | b'k' | b's', ..])
}

const _: () = {
    assert!(may_be_read(MIRROR) && may_be_read(applied::LAST_APPLIED));
    let mut at = 0;
    while at < WANTED.len() {
        assert!(may_be_read(WANTED[at].0), "its first letter is missing above");
        at += 1;
    }
};

impl Entries for Annotations<'_> {
    fn key(&mut self, key: &str) -> bool {
        if !may_be_read(key) {
            return false;
        }
        self.is_static |= key == MIRROR;
        let wanted = WANTED.iter().find_map(|(prefix, fact)| Some((*fact, key.strip_prefix(prefix)?)));
        self.wanted = wanted.map(|(fact, name)| (fact, format!("{name}=")));
        self.last_applied = key == applied::LAST_APPLIED;
        let is_read = self.wanted.is_some() || self.last_applied;
        if is_read {
            self.wrong |= self.known.iter().any(|known| **known == *key);
            self.told.disordered |= self.known.last().is_some_and(|last| **last > *key);
            self.known.push(key.into());
        }
        is_read
    }

    fn value(&mut self, value: &str) {
        if self.last_applied {
            applied::tell(value, &["spec"], self.told);
        } else if let Some((fact, start)) = self.wanted.take() {
            let value = match fact {
                Fact::ExemptionAnnotation => start_of(value, EXEMPTION_MAX),
                _ => value,
            };
            self.told.put(fact, &(start + value));
        }
    }

    fn wrong(&mut self) {
        self.wrong = true;
    }
}

/// The text, or as many whole characters of its start as fit into `most` bytes.
fn start_of(text: &str, most: usize) -> &str {
    let mut end = text.len().min(most);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

struct Labels<'x> {
    bytes: &'x mut Vec<u8>,
    last_key: (usize, usize),
    sorted: bool,
    wrong: bool,
}

impl Entries for Labels<'_> {
    fn key(&mut self, key: &str) -> bool {
        let (start, end) = self.last_key;
        self.sorted &= self.bytes[start..end] < *key.as_bytes() || start == end;
        put_text(self.bytes, key);
        self.last_key = (self.bytes.len() - key.len(), self.bytes.len());
        true
    }

    fn value(&mut self, value: &str) {
        put_text(self.bytes, value);
    }

    fn wrong(&mut self) {
        self.wrong = true;
    }
}

fn read_labels<'de, A: MapAccess<'de>>(record: &mut PodRecord, map: &mut A) -> Result<(), A::Error> {
    let start = record.bytes.len();
    let mut labels = Labels { bytes: &mut record.bytes, last_key: (0, 0), sorted: true, wrong: false };
    map.next_value_seed(TextMap(&mut labels))?;
    let (sorted, wrong) = (labels.sorted, labels.wrong);
    if wrong {
        // Keys and values no longer alternate: the labels cannot be trusted at all.
        record.bytes.truncate(start);
        record.malformed();
    } else if !sorted {
        sort_labels(&mut record.bytes, start);
    }
    record.cut(Section::Labels, start);
    Ok(())
}

/// The API server sorts labels; files do not.
#[cold]
fn sort_labels(bytes: &mut Vec<u8>, start: usize) {
    let unsorted = bytes.split_off(start);
    let mut reader = Reader::new(&unsorted);
    let mut pairs = std::collections::BTreeMap::new();
    while !reader.is_empty() {
        let (key, value) = (reader.text(), reader.text());
        pairs.insert(key, value);
    }
    for (key, value) in pairs {
        put_text(bytes, key);
        put_text(bytes, value);
    }
}

/// Only the controlling reference is kept.
struct OwnerItems<'x>(&'x mut PodRecord);

impl<'de> Items<'de> for OwnerItems<'_> {
    fn item<A: SeqAccess<'de>>(&mut self, list: &mut A) -> Result<bool, A::Error> {
        let start = self.0.bytes.len();
        let mut owner = OwnerFields {
            bytes: &mut self.0.bytes,
            places: [(0, 0); 4],
            told: 0,
            in_order: true,
            controller: false,
            wrong: false,
        };
        let more = list.next_element_seed(Object(&mut owner))?.is_some();
        if owner.controller {
            owner.finish(start);
        } else {
            owner.bytes.truncate(start);
        }
        if owner.wrong {
            self.0.malformed();
        }
        Ok(more)
    }

    fn wrong(&mut self) {
        self.0.malformed();
    }
}

/// An owner while it is read: its texts are written down as they come.
struct OwnerFields<'x> {
    bytes: &'x mut Vec<u8>,
    /// Where apiVersion, kind, name and uid stand, each with its length before it.
    places: [(usize, usize); 4],
    told: u8,
    in_order: bool,
    controller: bool,
    wrong: bool,
}

/// A DNS subdomain has up to 253 bytes. Longer names do not exist in Kubernetes; they are cut.
const LONGEST: usize = 253;

impl OwnerFields<'_> {
    fn text(&mut self, key: u8, text: &str) {
        let start = self.bytes.len();
        put_text(self.bytes, start_of(text, LONGEST));
        self.in_order &= key == self.told + 1;
        self.told = key;
        self.places[usize::from(key) - 1] = (start, self.bytes.len());
    }

    /// Puts the texts into their order: the API server writes all four in it, files may not.
    fn finish(&mut self, start: usize) {
        if self.in_order && self.told == 4 {
            return;
        }
        let written = self.bytes.split_off(start);
        for (from, to) in self.places {
            match from < to {
                true => self.bytes.extend_from_slice(&written[from - start..to - start]),
                false => put_text(self.bytes, ""),
            }
        }
    }
}

impl<'de> Fields<'de> for OwnerFields<'_> {
    fn key(name: &str) -> u8 {
        match name {
            "apiVersion" => 1,
            "kind" => 2,
            "name" => 3,
            "uid" => 4,
            "controller" => 5,
            _ => 0,
        }
    }

    fn field<A: MapAccess<'de>>(&mut self, key: u8, map: &mut A) -> Result<(), A::Error> {
        let mut wrong = false;
        if key == 5 {
            self.controller = map.next_value_seed(Boolean(&mut wrong))? == Some(true);
        } else {
            map.next_value_seed(Text { wrong: &mut wrong, take: |text: &str| self.text(key, text) })?;
        }
        self.wrong |= wrong;
        Ok(())
    }

    fn wrong(&mut self) {
        self.wrong = true;
    }
}

/// A name while it is read: up to [`SHORT`] bytes without an allocation.
#[derive(Default)]
pub(super) struct ShortText {
    bytes: [u8; SHORT],
    length: u8,
    longer: Option<Box<str>>,
}

const SHORT: usize = 32;

impl ShortText {
    pub(super) fn set(&mut self, text: &str) {
        let text = start_of(text, LONGEST);
        match self.bytes.get_mut(..text.len()) {
            Some(bytes) => {
                bytes.copy_from_slice(text.as_bytes());
                (self.length, self.longer) = (u8::try_from(text.len()).unwrap_or(0), None);
            }
            None => self.longer = Some(text.into()),
        }
    }

    pub(super) fn as_str(&self) -> &str {
        match &self.longer {
            Some(text) => text,
            None => std::str::from_utf8(&self.bytes[..usize::from(self.length)]).unwrap_or_default(),
        }
    }
}
