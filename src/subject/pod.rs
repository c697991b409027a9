//! The shape of a pod: all that rules read of its spec. Replicas share one shape.

use std::sync::Arc;

use super::canonical::{Reader, combine, text_hash};
use crate::reference::{PullPolicy, Reference, ReferenceError};

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
}

/// All that rules read of a pod's spec.
#[derive(Debug, Default)]
pub struct PodShape {
    /// Every image use, in the order of [`Slot`] and, within it, of the spec.
    pub uses: Box<[ImageUse]>,
    /// A static pod: the API object mirrors a file on the node.
    pub is_static: bool,
    /// Made from a workload's template: no live pod.
    pub is_template: bool,
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

    /// Reads the canonical form written by the decoder. `name` and `image` intern.
    pub fn read(
        canonical: &[u8],
        flags: u8,
        mut name: impl FnMut(&str) -> Arc<str>,
        mut image: impl FnMut(&str) -> Arc<Image>,
    ) -> Self {
        let mut reader = Reader::new(canonical);
        let mut uses = Vec::new();
        while let Some((slot, pull_policy)) = reader.byte().zip(reader.byte()) {
            let (slot_name, slot_image) = (reader.text(), reader.text());
            let Some(slot) = Slot::from_byte(slot) else { break };
            uses.push(ImageUse {
                slot,
                name: name(slot_name),
                image: image(slot_image),
                pull_policy: PullPolicy::from_byte(pull_policy),
            });
        }
        let hash_of = |image_use: &ImageUse| {
            combine(&[image_use.slot as u64, text_hash(&image_use.name), image_use.image.hash])
        };
        Self {
            use_hashes: uses.iter().map(hash_of).collect(),
            uses: uses.into(),
            is_static: flags & Self::STATIC != 0,
            is_template: flags & Self::TEMPLATE != 0,
            malformed: flags & Self::MALFORMED != 0,
            unsupported: false,
            hash: super::canonical::bytes_hash(canonical) ^ u64::from(flags),
        }
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
