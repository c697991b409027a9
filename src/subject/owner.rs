//! The controller of a pod, as far as its template says which images the pod should have.

use std::sync::Arc;

use super::pod::Slot;

/// One slot of a template that names an image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TemplateUse {
    /// Which kind of slot.
    pub slot: Slot,
    /// The container's or volume's name.
    pub name: Box<str>,
    /// The image in its canonical form, or as written where it has none.
    pub image: Box<str>,
}

/// The template of a ReplicaSet, StatefulSet, DaemonSet, ReplicationController or Job.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TemplateFacts {
    /// `metadata.uid`; 0 where a file has none.
    pub uid: u128,
    /// The Deployment that controls it, by name.
    pub deployment: Option<Box<str>>,
    /// Every slot that names an image.
    pub uses: Box<[TemplateUse]>,
}

impl TemplateFacts {
    /// The image of the container of this name, or of the image volume: a pod's names are unique among containers of
    /// all kinds.
    pub fn image(&self, slot: Slot, name: &str) -> Option<&str> {
        let is_volume = |slot| slot == Slot::ImageVolume;
        let same =
            |template: &&TemplateUse| is_volume(template.slot) == is_volume(slot) && *template.name == *name;
        self.uses.iter().find(same).map(|template| &*template.image)
    }
}

/// The controller of a pod.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Owner {
    /// There is none whose template is compared: a bare or static pod, a template itself, a controller of another kind.
    #[default]
    Other,
    /// It names one that is not there.
    Absent,
    /// Its kind may not be read.
    Denied,
    /// Its template could not be decoded.
    Malformed,
    /// Its template.
    Template(Arc<TemplateFacts>),
}
