//! The shape of a pod: all that rules read of its spec. Replicas share one shape.

use std::sync::Arc;

use super::canonical::{Reader, combine, put_bytes, put_text, text_hash};
use super::facts::{Fact, Facts};
use crate::reference::{PullPolicy, Reference, ReferenceError};

/// The service account that a pod runs under when it names none.
pub const DEFAULT_SERVICE_ACCOUNT: &str = "default";

/// The kind of place in a pod that names an image. The order is that of the canonical form.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Slot {
    /// `spec.volumes[].image` (OCI volume, KEP-4639)
    ImageVolume = 0,
    /// `spec.initContainers[]`, sidecars included
    InitContainer = 1,
    /// `spec.containers[]`
    Container = 2,
    /// `spec.ephemeralContainers[]`
    EphemeralContainer = 3,
}

impl Slot {
    const ALL: [Self; 4] =
        [Self::ImageVolume, Self::InitContainer, Self::Container, Self::EphemeralContainer];

    /// The word used in reports.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ImageVolume => "imageVolume",
            Self::InitContainer => "initContainer",
            Self::Container => "container",
            Self::EphemeralContainer => "ephemeralContainer",
        }
    }

    pub(crate) fn from_byte(byte: u8) -> Option<Self> {
        Self::ALL.get(usize::from(byte)).copied()
    }
}

/// An image as written in a spec, with what the parser says of it.
#[derive(Debug)]
pub struct Image {
    /// The text of the `image` field, untouched; none where it is the canonical form.
    written: Option<Box<str>>,
    /// Its parsed form, or why it has none.
    pub reference: Result<Reference, ReferenceError>,
    /// Stable hash of the canonical form (of the written text where there is none).
    pub hash: u64,
}

impl Image {
    /// Parses `written` once.
    pub fn new(written: &str) -> Self {
        let reference = Reference::parse(written);
        let hash = text_hash(reference.as_ref().map_or(written, Reference::canonical));
        let is_canonical = reference.as_ref().is_ok_and(|reference| reference.canonical() == written);
        Self { written: (!is_canonical).then(|| written.into()), reference, hash }
    }

    /// The text of the `image` field, untouched.
    pub fn written(&self) -> &str {
        match (&self.written, &self.reference) {
            (Some(written), _) => written,
            (None, Ok(reference)) => reference.canonical(),
            (None, Err(_)) => "",
        }
    }

    /// The canonical form, or the written text where it does not parse.
    pub fn display(&self) -> &str {
        self.reference.as_ref().map_or(self.written(), Reference::canonical)
    }
}

/// One slot of a pod that names an image.
#[derive(Clone, Debug)]
pub struct ImageUse {
    /// Which kind of slot.
    pub slot: Slot,
    /// The container's or volume's name.
    pub name: Arc<str>,
    /// The image it names.
    pub image: Arc<Image>,
    /// `imagePullPolicy` (`pullPolicy` of an image volume) where it is written.
    pub pull_policy: Option<PullPolicy>,
    /// The container's facts, where there are any.
    pub facts: Option<Arc<Facts>>,
}

impl ImageUse {
    /// The container's facts; none of an image volume.
    pub fn facts(&self) -> &Facts {
        self.facts.as_deref().unwrap_or(Facts::none())
    }

    /// Whether it is a container, not an image volume.
    pub fn is_container(&self) -> bool {
        self.slot != Slot::ImageVolume
    }
}

/// All that rules read of a pod's spec.
#[derive(Debug, Default)]
pub struct PodShape {
    /// Every image use, in the order of [`Slot`] and, within it, of the spec.
    pub uses: Box<[ImageUse]>,
    /// The pod's own facts, where there are any.
    pub facts: Option<Arc<Facts>>,
    /// A static pod: the API object mirrors a file on the node.
    pub is_static: bool,
    /// Made from a workload's template: no live pod.
    pub is_template: bool,
    /// The template of a workload of a cluster, judged in place of its pods while there are none.
    pub is_stand_in: bool,
    /// As people wrote it: no API server has filled in defaults.
    pub is_as_written: bool,
    /// Some field had another type than its API says, so that nothing can be said of the pod.
    pub malformed: bool,
    /// No pod at all, but an object of an unknown kind with its one image: in which slot it would stand is not
    /// known. For reports; never judged.
    pub unsupported: bool,
    /// Stable hash of slot, name and canonical image of each use: part of finding ids.
    pub use_hashes: Box<[u64]>,
    /// Stable hash of the content, for a fixed order among shapes.
    pub hash: u64,
}

impl PodShape {
    /// Bit of the record's flags: a static pod.
    pub const STATIC: u8 = 1;
    /// Bit of the record's flags: malformed.
    pub const MALFORMED: u8 = 2;
    /// Bit of the record's flags: made from a template, no live pod.
    pub const TEMPLATE: u8 = 4;
    /// Bit of the record's flags: as people wrote it, without what the API server fills in.
    pub const AS_WRITTEN: u8 = 8;
    /// Bit of the record's flags: of a template, judged only while its workload has no pods.
    pub const STAND_IN: u8 = 16;

    /// Bit of an entry's class in the canonical form: the container's facts follow.
    pub const FACTS: u8 = 0x80;
    /// In the place of a slot in the canonical form: the pod's own facts follow, and nothing after them.
    pub const OWN_FACTS: u8 = 0xff;

    /// The pod's own facts.
    pub fn facts(&self) -> &Facts {
        self.facts.as_deref().unwrap_or(Facts::none())
    }

    /// `os.name: windows`
    pub fn is_windows(&self) -> bool {
        self.facts().text(Fact::Os) == Some("windows")
    }

    /// The containers of all kinds.
    pub fn containers(&self) -> impl Iterator<Item = &ImageUse> {
        self.uses.iter().filter(|image_use| image_use.is_container())
    }

    /// Reads the canonical form written by the decoder. `name`, `image` and `facts` intern.
    pub fn read(
        canonical: &[u8],
        flags: u8,
        mut name: impl FnMut(&str) -> Arc<str>,
        mut image: impl FnMut(&str) -> Arc<Image>,
        mut facts: impl FnMut(&[u8]) -> Arc<Facts>,
    ) -> Self {
        let mut reader = Reader::new(canonical);
        let (mut uses, mut own_facts) = (Vec::new(), None);
        while let Some((slot, class)) = reader.byte().zip(reader.byte()) {
            if slot == Self::OWN_FACTS {
                own_facts = Some(facts(reader.bytes()));
                break;
            }
            let (slot_name, slot_image) = (reader.text(), reader.text());
            let Some(slot) = Slot::from_byte(slot) else { break };
            uses.push(ImageUse {
                slot,
                name: name(slot_name),
                image: image(slot_image),
                pull_policy: PullPolicy::from_byte(class & !Self::FACTS),
                facts: (class & Self::FACTS != 0).then(|| facts(reader.bytes())),
            });
        }
        let hash_of = |image_use: &ImageUse| {
            combine(&[image_use.slot as u64, text_hash(&image_use.name), image_use.image.hash])
        };
        Self {
            use_hashes: uses.iter().map(hash_of).collect(),
            uses: uses.into(),
            facts: own_facts,
            is_static: flags & Self::STATIC != 0,
            is_template: flags & Self::TEMPLATE != 0,
            is_stand_in: flags & Self::STAND_IN != 0,
            is_as_written: flags & Self::AS_WRITTEN != 0,
            malformed: flags & Self::MALFORMED != 0,
            unsupported: false,
            hash: super::canonical::bytes_hash(canonical) ^ u64::from(flags),
        }
    }
}

impl PodShape {
    /// The flags that [`Self::read`] was given.
    pub fn flags(&self) -> u8 {
        let bits = [
            (self.is_static, Self::STATIC),
            (self.malformed, Self::MALFORMED),
            (self.is_template, Self::TEMPLATE),
            (self.is_as_written, Self::AS_WRITTEN),
            (self.is_stand_in, Self::STAND_IN),
        ];
        bits.into_iter().filter(|(is_set, _)| *is_set).fold(0, |flags, (_, bit)| flags | bit)
    }

    /// Writes the canonical form that it was read from: [`Self::read`] makes the same shape of it.
    pub fn write(&self, bytes: &mut Vec<u8>) {
        for image_use in &self.uses {
            let policy = image_use.pull_policy.map_or(0, |policy| policy as u8);
            let class = policy | if image_use.facts.is_some() { Self::FACTS } else { 0 };
            bytes.extend_from_slice(&[image_use.slot as u8, class]);
            put_text(bytes, &image_use.name);
            put_text(bytes, image_use.image.written());
            if let Some(facts) = &image_use.facts {
                put_bytes(bytes, facts.as_bytes());
            }
        }
        if let Some(facts) = &self.facts {
            bytes.extend_from_slice(&[Self::OWN_FACTS, 0]);
            put_bytes(bytes, facts.as_bytes());
        }
    }
}

/// What a rule about containers is asked about.
#[derive(Clone, Copy, Debug)]
pub struct ContainerSubject<'a> {
    /// The pod around it.
    pub pod: &'a PodShape,
    /// The container; never an image volume.
    pub container: &'a ImageUse,
}

impl<'a> ContainerSubject<'a> {
    /// The container's facts.
    pub fn facts(&self) -> &'a Facts {
        self.container.facts()
    }

    /// A field of the container's `securityContext`, else of the pod's: `runAsNonRoot`, `seccompProfile.type`, ...
    pub fn inherited(&self, fact: Fact) -> Option<&'a str> {
        self.facts().text(fact).or_else(|| self.pod.facts().text(fact))
    }

    /// A pod that says that it is for Windows, where much of a Linux `securityContext` has no meaning.
    pub fn is_windows(&self) -> bool {
        self.pod.is_windows()
    }
}

/// What an image rule is asked about.
#[derive(Clone, Copy, Debug)]
pub struct ImageSubject<'a> {
    /// The pod around the slot.
    pub pod: &'a PodShape,
    /// The slot.
    pub image_use: &'a ImageUse,
}

impl<'a> ImageSubject<'a> {
    /// The image as written.
    pub fn written(&self) -> &'a str {
        self.image_use.image.written()
    }

    /// The parsed reference, or why it has none.
    pub fn reference(&self) -> Result<&'a Reference, &'a ReferenceError> {
        self.image_use.image.reference.as_ref()
    }

    /// The pull policy in force: what is written, else what the API server defaults to.
    pub fn pull_policy(&self) -> PullPolicy {
        crate::reference::effective_pull_policy(self.image_use.pull_policy, self.written())
    }
}
