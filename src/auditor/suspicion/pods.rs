//! What is suspicious about a pod: its image changed while it lives, an ephemeral container, a registry that nobody
//! used, a tag that moved back.

use std::sync::Arc;

use jiff::Timestamp;

use super::gathered::{Edit, Edits};
use super::tags::MovedBack;
use super::{About, Signal};
use crate::auditor::Auditor;
use crate::auditor::findings::Judged;
use crate::decode::pod::PodRecord;
use crate::rules::shown::{Cut, ShortDigest};
use crate::subject::pod::{Image, ImageUse, PodShape, Slot};
use crate::subject::running::Phase;

/// How many registries a message names.
const NAMED: usize = 4;

pub(super) fn word(slot: Slot) -> &'static str {
    match slot {
        Slot::ImageVolume => "volume",
        Slot::InitContainer => "init container",
        Slot::Container => "container",
        Slot::EphemeralContainer => "ephemeral container",
    }
}

/// The same place of a pod, as it was.
fn same_place<'a>(before: &'a PodShape, image_use: &ImageUse) -> Option<&'a ImageUse> {
    before.uses.iter().find(|it| it.slot == image_use.slot && it.name == image_use.name)
}

fn and_others(count: usize) -> String {
    match count {
        0 => String::new(),
        _ => format!("; {count} more likewise"),
    }
}

fn images_changed(before: &PodShape, now: &PodShape) -> Option<Edits> {
    let changed = |image_use: &ImageUse| {
        let before = same_place(before, image_use)?;
        let (slot, name) = (image_use.slot, image_use.name.clone());
        let (old, new) = (before.image.clone(), image_use.image.clone());
        (old.hash != new.hash).then_some(Edit::Image { slot, name, old, new })
    };
    Edits::of(now.uses.iter().filter_map(changed))
}

fn ephemeral_added(before: &PodShape, now: &PodShape) -> Option<Edits> {
    let is_new = |it: &&ImageUse| it.slot == Slot::EphemeralContainer && same_place(before, it).is_none();
    let edit = |it: &ImageUse| Edit::Ephemeral { name: it.name.clone(), image: it.image.clone() };
    Edits::of(now.uses.iter().filter(is_new).map(edit))
}

fn first_used(fresh: &[Arc<Image>], now: &PodShape, pod: &str) -> Option<String> {
    let host = |image: &Arc<Image>| image.reference.as_ref().ok().map(|it| Cut(it.host()).to_string());
    let mut hosts: Vec<String> = fresh.iter().filter_map(host).collect();
    hosts.dedup();
    let image = fresh.first()?;
    let (what, verb) = if hosts.len() == 1 { ("registry", "was") } else { ("registries", "were") };
    let more = match hosts.len().checked_sub(NAMED) {
        Some(more @ 1..) => format!(" and {more} more"),
        _ => String::new(),
    };
    hosts.truncate(NAMED);
    let place = now.uses.iter().find(|image_use| image_use.image.hash == image.hash);
    let place = place.map_or_else(String::new, |it| format!("{} {} of ", word(it.slot), Cut(&it.name)));
    Some(format!(
        "{what} {}{more} {verb} not used in the cluster before: {place}pod {pod} names {}",
        hosts.join(", "),
        Cut(image.display())
    ))
}

fn moved_back(back: &[MovedBack], pod: &str) -> Option<String> {
    let MovedBack { reference, container, digest, before } = back.first()?;
    let (reference, digest, before) = (Cut(reference), ShortDigest(digest), ShortDigest(before));
    let (container, others) = (Cut(container), and_others(back.len() - 1));
    Some(format!(
        "{reference} is {digest} again, which {before} had replaced: {container} of pod {pod} has started it{others}"
    ))
}

impl Auditor {
    /// Compares a pod that was applied with what was judged of it before, and looks at what it starts.
    pub(in crate::auditor) fn compare_pod(
        &mut self,
        record: &PodRecord,
        group: u32,
        before: Option<&Judged>,
        now: Timestamp,
    ) {
        if !self.suspicion.watching {
            return;
        }
        let fresh = self.inventory.hosts.take_fresh();
        let back = self.inventory.tags.take_back();
        let key = self.inventory.groups.get(group).key;
        let after = self.inventory.pairs.judged(key.pair).clone();
        let shape = &*after.shape;
        // Of an object that cannot be read in part, what is missing may only be unreadable.
        let edited = before
            .map(|before| &*before.shape)
            .filter(|before| !std::ptr::eq(*before, shape) && !before.malformed && !shape.malformed);
        if edited.is_none() && fresh.is_empty() && back.is_empty() {
            return;
        }
        let Some(workload) = self.inventory.owners.value(key.owner).cloned() else { return };
        let namespace = self.namespaces.get(key.namespace).name.clone();
        let pod = record.name();
        let about = About::Pod { namespace, pod: pod.into(), workload };
        let lives = after.running.phase != Phase::Terminated;
        let edits = [
            edited.filter(|_| lives).and_then(|it| images_changed(it, shape)),
            edited.and_then(|it| ephemeral_added(it, shape)),
        ];
        for edits in edits.into_iter().flatten() {
            self.suspicion.gather(edits, about.clone(), record.uid, now);
        }
        // These are told once in the whole cluster, so that replicas add nothing.
        let found = [
            (Signal::RegistryFirstUsed, first_used(&fresh, shape, pod)),
            (Signal::TagMovedBack, moved_back(&back, pod)),
        ];
        for (signal, message) in found {
            if let Some(message) = message {
                self.suspicion.add(signal, about.clone(), message, now);
            }
        }
    }
}
