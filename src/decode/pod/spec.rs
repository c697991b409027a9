//! The spec of a pod: every slot that names an image, and the facts beside them.

use serde::de::{IgnoredAny, MapAccess, SeqAccess};

use super::account::{self, AccountFields};
use super::entry::{Entered, EntryWriter, sort_entries};
use super::facts::{Told, Walk};
use super::tables;
use super::{PodRecord, Section};
use crate::decode::lenient::{Fields, Items, List, Object, Present, Text};
use crate::reference::PullPolicy;
use crate::subject::facts::Fact;
use crate::subject::pod::Slot;

pub(super) fn read<'de, A: MapAccess<'de>>(
    record: &mut PodRecord,
    told: &mut Told,
    map: &mut A,
) -> Result<(), A::Error> {
    let start = record.bytes.len();
    let mut account = AccountFields::default();
    let mut spec = SpecFields(Entered::new(&mut record.bytes), told, &mut account);
    map.next_value_seed(Object(&mut spec))?;
    let Entered { sorted, wrong, containers, .. } = spec.0;
    if !sorted {
        sort_entries(&mut record.bytes, start);
    }
    record.cut(Section::Shape, start);
    account.finish(record, told);
    if wrong || containers == 0 {
        record.malformed();
    }
    Ok(())
}

pub(super) struct SpecFields<'x>(Entered<'x>, &'x mut Told, &'x mut AccountFields);

/// Keys from here on are places in a table of facts.
const FACTS: u8 = 16;

impl<'de> Fields<'de> for SpecFields<'_> {
    fn key(name: &str) -> u8 {
        match name {
            "volumes" => 1,
            "initContainers" => 2,
            "containers" => 3,
            "ephemeralContainers" => 4,
            _ => match account::key(name) {
                0 => tables::POD.place(name).map_or(0, |place| FACTS + place),
                key => key,
            },
        }
    }

    fn field<A: MapAccess<'de>>(&mut self, key: u8, map: &mut A) -> Result<(), A::Error> {
        let slot = match key {
            1 => {
                map.next_value_seed(List(&mut VolumeItems(&mut self.0, self.1)))?;
                self.1.volumes_told();
                return Ok(());
            }
            2 => Slot::InitContainer,
            3 => Slot::Container,
            4 => Slot::EphemeralContainer,
            FACTS.. => {
                let node = &tables::POD.fields[usize::from(key - FACTS)].1;
                let wrong = &mut self.0.wrong;
                return Walk { node, told: self.1, of_pod: true, wrong }.field(map);
            }
            _ => return self.2.field(key, &mut self.0.wrong, map),
        };
        map.next_value_seed(List(&mut ContainerItems(&mut self.0, self.1, slot)))
    }

    fn wrong(&mut self) {
        self.0.wrong = true;
    }
}

struct ContainerItems<'x, 'y>(&'x mut Entered<'y>, &'x mut Told, Slot);

impl<'de> Items<'de> for ContainerItems<'_, '_> {
    fn item<A: SeqAccess<'de>>(&mut self, list: &mut A) -> Result<bool, A::Error> {
        let Self(entered, told, slot) = self;
        let writer = entered.begin(*slot);
        let mut fields = ContainerFields { bytes: entered.bytes, told, writer, wrong: false };
        let more = list.next_element_seed(Object(&mut fields))?.is_some();
        let ContainerFields { writer, wrong, .. } = fields;
        if more {
            writer.finish_with(self.0.bytes, self.1);
            self.0.containers += u32::from(self.2 == Slot::Container);
        } else {
            writer.forget(self.0.bytes);
        }
        self.0.wrong |= wrong;
        Ok(more)
    }

    fn wrong(&mut self) {
        self.0.wrong = true;
    }
}

pub(super) struct ContainerFields<'x> {
    bytes: &'x mut Vec<u8>,
    told: &'x mut Told,
    writer: EntryWriter,
    wrong: bool,
}

/// The policy's byte in the canonical form. An unknown word is no policy and flags the pod.
fn pull_policy_byte(word: &str) -> Option<u8> {
    match word {
        "" => Some(0),
        "Always" => Some(PullPolicy::Always as u8),
        "IfNotPresent" => Some(PullPolicy::IfNotPresent as u8),
        "Never" => Some(PullPolicy::Never as u8),
        _ => None,
    }
}

impl<'de> Fields<'de> for ContainerFields<'_> {
    fn key(name: &str) -> u8 {
        match name {
            "name" => 1,
            "image" => 2,
            "imagePullPolicy" => 3,
            _ => tables::CONTAINER.place(name).map_or(0, |place| FACTS + place),
        }
    }

    fn field<A: MapAccess<'de>>(&mut self, key: u8, map: &mut A) -> Result<(), A::Error> {
        let Self { bytes, told, writer, wrong } = self;
        if let Some(place) = key.checked_sub(FACTS) {
            let (name, node) = &tables::CONTAINER.fields[usize::from(place)];
            told.begin_field(name);
            return Walk { node, told, of_pod: false, wrong }.field(map);
        }
        let mut fine = true;
        let take = |text: &str| {
            fine = match key {
                1 => writer.name(bytes, text),
                2 => writer.second(bytes, text),
                _ => pull_policy_byte(text).map(|class| writer.class(bytes, class)).is_some(),
            };
        };
        map.next_value_seed(Text { wrong, take })?;
        self.wrong |= !fine;
        Ok(())
    }

    fn wrong(&mut self) {
        self.wrong = true;
    }
}

struct VolumeItems<'x, 'y>(&'x mut Entered<'y>, &'x mut Told);

impl<'de> Items<'de> for VolumeItems<'_, '_> {
    fn item<A: SeqAccess<'de>>(&mut self, list: &mut A) -> Result<bool, A::Error> {
        // Written as if it were an image volume, and taken back when it is another kind.
        let writer = EntryWriter::begin(self.0.bytes, Slot::ImageVolume);
        let mut fields = VolumeFields { bytes: self.0.bytes, writer, source: None, path: None, wrong: false };
        let more = list.next_element_seed(Object(&mut fields))?.is_some();
        let VolumeFields { writer, source, path, wrong, .. } = fields;
        if source == Some(IMAGE) {
            writer.finish(self.0.bytes);
            self.0.sorted &= self.0.last_slot == 0;
        } else {
            if let Some(source) = source.filter(|source| more && !ALLOWED.contains(source)) {
                let name = writer.name_text(self.0.bytes);
                self.1.put(Fact::Volume, &format!("{source}={name}"));
                if source == HOST_PATH {
                    self.1.host_path(name, path.as_deref().unwrap_or_default());
                }
            }
            writer.forget(self.0.bytes);
        }
        self.0.wrong |= wrong;
        Ok(more)
    }

    fn wrong(&mut self) {
        self.0.wrong = true;
    }
}

struct VolumeFields<'x> {
    bytes: &'x mut Vec<u8>,
    writer: EntryWriter,
    /// What the volume is made of.
    source: Option<&'static str>,
    path: Option<Box<str>>,
    wrong: bool,
}

const IMAGE: &str = "image";
const HOST_PATH: &str = "hostPath";

/// Sources that Pod Security "restricted" allows beside images
/// (`staging/src/k8s.io/pod-security-admission/policy/check_restrictedVolumes.go`).
const ALLOWED: [&str; 8] = [
    "configMap",
    "csi",
    "downwardAPI",
    "emptyDir",
    "ephemeral",
    "persistentVolumeClaim",
    "projected",
    "secret",
];

/// The other ones (`VolumeSource` of `staging/src/k8s.io/api/core/v1/types.go`).
const OTHERS: [&str; 21] = [
    HOST_PATH,
    "gcePersistentDisk",
    "awsElasticBlockStore",
    "gitRepo",
    "nfs",
    "iscsi",
    "glusterfs",
    "rbd",
    "flexVolume",
    "cinder",
    "cephfs",
    "flocker",
    "fc",
    "azureFile",
    "vsphereVolume",
    "quobyte",
    "azureDisk",
    "photonPersistentDisk",
    "portworxVolume",
    "scaleIO",
    "storageos",
];

/// One of a newer Kubernetes. Without any, the API server makes the volume an emptyDir.
const UNKNOWN: &str = "unknown";

/// The number of [`UNKNOWN`]'s keys.
const UNKNOWN_KEY: u8 = 3;

/// The source whose key has this number.
fn source(key: u8) -> Option<&'static str> {
    let at = usize::from(key.checked_sub(FACTS)?);
    ALLOWED.iter().chain(&OTHERS).nth(at).copied()
}

/// A volume has one source. Of several, which no API server takes, the last by name counts, whatever order they come in.
fn prefer(known: &mut Option<&'static str>, source: &'static str) -> bool {
    let place = |source: &'static str| (source != UNKNOWN, source);
    let is_later = known.is_none_or(|known| place(known) <= place(source));
    if is_later {
        *known = Some(source);
    }
    is_later
}

impl<'de> Fields<'de> for VolumeFields<'_> {
    fn key(name: &str) -> u8 {
        match name {
            "name" => 1,
            "image" => 2,
            _ => {
                let at = ALLOWED.iter().chain(&OTHERS).position(|source| *source == name);
                at.and_then(|at| u8::try_from(at).ok()).map_or(UNKNOWN_KEY, |at| FACTS + at)
            }
        }
    }

    fn may_repeat(key: u8) -> bool {
        key == UNKNOWN_KEY
    }

    fn field<A: MapAccess<'de>>(&mut self, key: u8, map: &mut A) -> Result<(), A::Error> {
        let Self { bytes, writer, source: kind, path, wrong } = self;
        if key == 2 {
            let mut fields = ImageVolumeFields { bytes, writer, wrong };
            if map.next_value_seed(Present(Object(&mut fields)))? {
                prefer(kind, IMAGE);
            }
            return Ok(());
        }
        if key == UNKNOWN_KEY {
            if map.next_value::<Option<IgnoredAny>>()?.is_some() {
                prefer(kind, UNKNOWN);
            }
            return Ok(());
        }
        if let Some(source) = source(key) {
            let mut of_source = None;
            let mut fields = HostPathFields { path: &mut of_source, wrong };
            if map.next_value_seed(Present(Object(&mut fields)))? && prefer(kind, source) {
                *path = of_source;
            }
            return Ok(());
        }
        let mut fine = true;
        map.next_value_seed(Text { wrong, take: |text: &str| fine = writer.name(bytes, text) })?;
        *wrong |= !fine;
        Ok(())
    }

    fn wrong(&mut self) {
        self.wrong = true;
    }
}

/// The source of a volume; of most only that it is there.
struct HostPathFields<'x> {
    path: &'x mut Option<Box<str>>,
    wrong: &'x mut bool,
}

impl<'de> Fields<'de> for HostPathFields<'_> {
    fn key(name: &str) -> u8 {
        u8::from(name == "path")
    }

    fn field<A: MapAccess<'de>>(&mut self, _: u8, map: &mut A) -> Result<(), A::Error> {
        let path = &mut *self.path;
        map.next_value_seed(Text { wrong: self.wrong, take: |text: &str| *path = Some(text.into()) })
    }

    fn wrong(&mut self) {
        *self.wrong = true;
    }
}

struct ImageVolumeFields<'x> {
    bytes: &'x mut Vec<u8>,
    writer: &'x mut EntryWriter,
    wrong: &'x mut bool,
}

impl<'de> Fields<'de> for ImageVolumeFields<'_> {
    fn key(name: &str) -> u8 {
        match name {
            "reference" => 2,
            "pullPolicy" => 3,
            _ => 0,
        }
    }

    fn field<A: MapAccess<'de>>(&mut self, key: u8, map: &mut A) -> Result<(), A::Error> {
        let Self { bytes, writer, wrong } = self;
        let mut fine = true;
        let take = |text: &str| {
            fine = match key {
                2 => writer.second(bytes, text),
                _ => pull_policy_byte(text).map(|class| writer.class(bytes, class)).is_some(),
            };
        };
        map.next_value_seed(Text { wrong, take })?;
        **wrong |= !fine;
        Ok(())
    }

    fn wrong(&mut self) {
        *self.wrong = true;
    }
}
