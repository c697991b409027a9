//! The index of references: which content runs under each tagged reference, anywhere in the cluster.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::findings::Judged;
use crate::reference::ImageId;
use crate::subject::pod::{Image, ImageUse};
use crate::subject::reference::RunningContent;
use crate::subject::running::RunningState;

/// What runs under one reference.
#[derive(Debug, Default)]
pub(super) struct Running {
    /// Groups by content, sorted by content (nearly always one); a group stands there once an image use.
    pub(super) contents: Vec<(RunningContent, Vec<u32>)>,
}

impl Running {
    fn place(&self, content: &RunningContent) -> Result<usize, usize> {
        self.contents.binary_search_by(|(other, _)| other.cmp(content))
    }

    /// Adds a group; returns whether the content is new.
    fn add(&mut self, content: RunningContent, group: u32) -> bool {
        match self.place(&content) {
            Ok(at) => {
                self.contents[at].1.push(group);
                false
            }
            Err(at) => {
                self.contents.reserve_exact(1);
                self.contents.insert(at, (content, vec![group]));
                true
            }
        }
    }

    fn remove(&mut self, content: &RunningContent, group: u32) {
        let Ok(place) = self.place(content) else { return };
        let groups = &mut self.contents[place].1;
        if let Some(at) = groups.iter().rposition(|other| *other == group) {
            groups.swap_remove(at);
        }
        if groups.is_empty() {
            self.contents.remove(place);
        }
    }

    /// Every group, once an image use.
    pub(super) fn groups(&self) -> impl Iterator<Item = u32> {
        self.contents.iter().flat_map(|(_, groups)| groups.iter().copied())
    }
}

/// All tagged references without a digest that run somewhere, by canonical form.
#[derive(Debug, Default)]
pub(super) struct References {
    running: BTreeMap<Arc<str>, Running>,
    /// Those under which more than one content runs.
    several: BTreeSet<Arc<str>>,
    dirty: BTreeSet<Arc<str>>,
}

/// What an image use runs, if it takes part: reference with a tag and no digest, and known content.
pub(super) fn content<'a>(
    image_use: &'a ImageUse,
    running: &RunningState,
) -> Option<(&'a Image, RunningContent)> {
    let reference = image_use.image.reference.as_ref().ok()?;
    if reference.digest().is_some() {
        return None;
    }
    let image_id = &*running.of(image_use)?.image_id;
    let content = match ImageId::parse(image_id) {
        ImageId::NotStarted => return None,
        ImageId::RepositoryDigest { digest, .. } => RunningContent::Manifest(digest.as_str().into()),
        _ => RunningContent::Incomparable(image_id.into()),
    };
    Some((&image_use.image, content))
}

/// The image uses of a pair that take part.
pub(super) fn contents(judged: &Judged) -> impl Iterator<Item = (&Image, RunningContent)> {
    judged.shape.uses.iter().filter_map(|image_use| content(image_use, &judged.running))
}

impl References {
    /// A group has come.
    pub(super) fn add(&mut self, group: u32, judged: &Judged) {
        for (image, content) in contents(judged) {
            let running = match self.running.get_mut(image.display()) {
                Some(running) => running,
                None => self.running.entry(image.display().into()).or_default(),
            };
            if running.add(content, group) || running.contents.len() > 1 {
                self.mark(image.display());
                self.note_several(image.display());
            }
        }
    }

    /// A group has gone.
    pub(super) fn remove(&mut self, group: u32, judged: &Judged) {
        for (image, content) in contents(judged) {
            let name = image.display();
            let Some(running) = self.running.get_mut(name) else { continue };
            let changed = running.contents.len() > 1;
            running.remove(&content, group);
            let empty = running.contents.is_empty();
            if changed || empty {
                self.mark(name);
            }
            self.note_several(name);
            if empty {
                self.running.remove(name);
            }
        }
    }

    fn note_several(&mut self, name: &str) {
        let Some((name, running)) = self.running.get_key_value(name) else { return };
        if running.contents.len() > 1 {
            self.several.insert(name.clone());
        } else {
            self.several.remove(name);
        }
    }

    /// References under which more than one content runs.
    pub(super) fn several(&self) -> impl Iterator<Item = (&Arc<str>, &Running)> {
        self.several.iter().filter_map(|name| Some((name, self.running.get(name)?)))
    }

    fn mark(&mut self, name: &str) {
        if !self.dirty.contains(name) {
            let name = self.running.get_key_value(name).map_or_else(|| name.into(), |(name, _)| name.clone());
            self.dirty.insert(name);
        }
    }

    /// Marks a reference to be judged again.
    pub(super) fn mark_reference(&mut self, name: &Arc<str>) {
        self.dirty.insert(name.clone());
    }

    /// Marks every reference.
    pub(super) fn mark_all(&mut self) {
        self.dirty.extend(self.running.keys().cloned());
    }

    /// Whether any waits to be judged.
    pub(super) fn any_dirty(&self) -> bool {
        !self.dirty.is_empty()
    }

    /// Takes the references that wait to be judged.
    pub(super) fn take_dirty(&mut self) -> BTreeSet<Arc<str>> {
        std::mem::take(&mut self.dirty)
    }

    /// What runs under a reference.
    pub(super) fn get(&self, name: &str) -> Option<&Running> {
        self.running.get(name)
    }

    /// Every reference, sorted.
    pub(super) fn names(&self) -> impl Iterator<Item = &Arc<str>> {
        self.running.keys()
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.running.len()
    }
}
