//! The running state of a pod: all that rules read of its status. Classes only, never readiness, restart
//! counts or times, so that a rollout's noise does not make new states.

use std::sync::Arc;
use std::time::Duration;

use super::canonical::{Reader, bytes_hash, put_text};
use super::pod::{ImageUse, PodShape, Slot};
use super::runtime::Runtimes;
use crate::reference::Reference;

/// `status.phase`, as far as it matters here.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(u8)]
pub enum Phase {
    /// No status: a file, or a pod nobody has picked up.
    #[default]
    None = 0,
    /// `Pending`
    Pending = 1,
    /// `Running`
    Running = 2,
    /// `Succeeded` or `Failed`
    Terminated = 3,
    /// `Unknown`, or a word that this version does not know
    Other = 4,
}

impl Phase {
    /// Reads the API's word.
    pub fn from_word(word: &str) -> Self {
        match word {
            "" => Self::None,
            "Pending" => Self::Pending,
            "Running" => Self::Running,
            "Succeeded" | "Failed" => Self::Terminated,
            _ => Self::Other,
        }
    }

    fn from_byte(byte: u8) -> Self {
        match byte {
            0 => Self::None,
            1 => Self::Pending,
            2 => Self::Running,
            3 => Self::Terminated,
            _ => Self::Other,
        }
    }
}

/// Why a container waits, in classes: reasons that alternate for one cause are one class.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(u8)]
pub enum Waiting {
    /// It does not wait, or for something that is no concern of an image rule.
    #[default]
    No = 0,
    /// `ErrImagePull` and `ImagePullBackOff` (they alternate)
    PullFailing = 1,
    /// `InvalidImageName`
    InvalidName = 2,
    /// `ErrImageNeverPull`
    NeverPull = 3,
    /// `ImageInspectError`
    InspectFailing = 4,
    /// `RegistryUnavailable`
    RegistryUnavailable = 5,
    /// `SignatureValidationFailed` (CRI-O and others with a node-side policy)
    SignatureRefused = 6,
    /// `ContainerCreating` and `PodInitializing`: no failure, but what is reported as running does not run yet
    Starting = 7,
}

impl Waiting {
    const ALL: [Self; 8] = [
        Self::No,
        Self::PullFailing,
        Self::InvalidName,
        Self::NeverPull,
        Self::InspectFailing,
        Self::RegistryUnavailable,
        Self::SignatureRefused,
        Self::Starting,
    ];

    /// Reads `state.waiting.reason`, the kubelet's words (`pkg/kubelet/images/types.go`).
    pub fn from_word(word: &str) -> Self {
        match word {
            "ErrImagePull" | "ImagePullBackOff" => Self::PullFailing,
            "InvalidImageName" => Self::InvalidName,
            "ErrImageNeverPull" => Self::NeverPull,
            "ImageInspectError" => Self::InspectFailing,
            "RegistryUnavailable" => Self::RegistryUnavailable,
            "SignatureValidationFailed" => Self::SignatureRefused,
            "ContainerCreating" | "PodInitializing" => Self::Starting,
            _ => Self::No,
        }
    }

    /// The kubelet's word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::No => "",
            Self::PullFailing => "ImagePullBackOff",
            Self::InvalidName => "InvalidImageName",
            Self::NeverPull => "ErrImageNeverPull",
            Self::InspectFailing => "ImageInspectError",
            Self::RegistryUnavailable => "RegistryUnavailable",
            Self::SignatureRefused => "SignatureValidationFailed",
            Self::Starting => "ContainerCreating",
        }
    }

    /// Whether an image is what it waits for.
    pub fn is_about_image(self) -> bool {
        !matches!(self, Self::No | Self::Starting)
    }

    fn from_byte(byte: u8) -> Self {
        Self::ALL.get(usize::from(byte)).copied().unwrap_or_default()
    }
}

/// One container's state.
#[derive(Clone, Debug)]
pub struct ContainerState {
    /// Which list of the status it stands in.
    pub slot: Slot,
    /// The container's name.
    pub name: Arc<str>,
    /// `imageID` as the runtime reports it; empty before the image is there.
    pub image_id: Box<str>,
    /// Why it waits.
    pub waiting: Waiting,
}

/// All that rules read of a pod's status.
#[derive(Debug, Default)]
pub struct RunningState {
    /// The phase.
    pub phase: Phase,
    /// Every container status, in the order of [`Slot`]; none for a terminated pod.
    pub containers: Box<[ContainerState]>,
    /// Stable hash of the content.
    pub hash: u64,
}

impl RunningState {
    /// Reads the canonical form written by the decoder. `name` interns.
    pub fn read(canonical: &[u8], mut name: impl FnMut(&str) -> Arc<str>) -> Self {
        let mut reader = Reader::new(canonical);
        let phase = reader.byte().map_or(Phase::None, Phase::from_byte);
        let mut containers = Vec::new();
        while let Some((slot, waiting)) = reader.byte().zip(reader.byte()) {
            let (container, image_id) = (reader.text(), reader.text());
            let Some(slot) = Slot::from_byte(slot) else { break };
            containers.push(ContainerState {
                slot,
                name: name(container),
                image_id: image_id.into(),
                waiting: Waiting::from_byte(waiting),
            });
        }
        Self { phase, containers: containers.into(), hash: bytes_hash(canonical) }
    }

    /// Writes the canonical form that it was read from.
    pub fn write(&self, bytes: &mut Vec<u8>) {
        bytes.push(self.phase as u8);
        for container in &self.containers {
            bytes.extend_from_slice(&[container.slot as u8, container.waiting as u8]);
            put_text(bytes, &container.name);
            put_text(bytes, &container.image_id);
        }
    }

    /// The state of the container that `image_use` names.
    pub fn of(&self, image_use: &ImageUse) -> Option<&ContainerState> {
        self.containers.iter().find(|state| state.slot == image_use.slot && state.name == image_use.name)
    }
}

/// How long something has lasted, rounded down to the thresholds that some policy asks about. What has no
/// known beginning has lasted for ever: a file, or a status without conditions, gets no grace.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Lasted(u32);

impl Lasted {
    /// No beginning is known, or it does not matter.
    pub const FOREVER: Self = Self(u32::MAX);

    /// It has lasted this many seconds.
    pub const fn seconds(seconds: u32) -> Self {
        Self(seconds)
    }

    /// The seconds; `u32::MAX` for ever. [`Self::seconds`] makes the same of them.
    pub const fn as_seconds(self) -> u32 {
        self.0
    }

    /// Whether it has lasted at least `grace`.
    pub fn reached(self, grace: Duration) -> bool {
        self == Self::FOREVER || u64::from(self.0) >= grace.as_secs() + u64::from(grace.subsec_nanos() > 0)
    }
}

/// What a running-state rule is asked about.
#[derive(Clone, Copy, Debug)]
pub struct RunningSubject<'a> {
    /// The pod around the slot.
    pub pod: &'a PodShape,
    /// The slot.
    pub image_use: &'a ImageUse,
    /// The pod's running state.
    pub running: &'a RunningState,
    /// How long the pod's containers have not been ready.
    pub unready: Lasted,
    /// How long ago the spec was seen to change.
    pub spec_changed: Lasted,
    /// What the cluster's nodes run.
    pub runtimes: Runtimes,
}

impl<'a> RunningSubject<'a> {
    /// The state of this container; none for image volumes and before the kubelet reports.
    pub fn state(&self) -> Option<&'a ContainerState> {
        self.running.of(self.image_use)
    }

    /// The parsed reference, where there is one.
    pub fn reference(&self) -> Option<&'a Reference> {
        self.image_use.image.reference.as_ref().ok()
    }
}
