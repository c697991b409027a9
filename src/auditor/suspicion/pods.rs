//! What is suspicious about a pod: its image changed while it lives, an ephemeral container, a registry that nobody
//! used, a tag that moved back.

use std::sync::Arc;

use jiff::Timestamp;

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

fn word(slot: Slot) -> &'static str {
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

fn image_changed(before: &PodShape, now: &PodShape, pod: &str) -> Option<String> {
    let changed = |image_use: &ImageUse| {
        let before = same_place(before, image_use)?;
        (before.image.hash != image_use.image.hash).then(|| before.image.clone())
    };
    let mut all = now.uses.iter().filter_map(|image_use| Some((image_use, changed(image_use)?)));
    let (image_use, before) = all.next()?;
    let (slot, name) = (word(image_use.slot), Cut(&image_use.name));
    let (old, new) = (Cut(before.display()), Cut(image_use.image.display()));
    let others = and_others(all.count());
    Some(format!("{slot} {name} of pod {pod} has image {new} instead of {old}, while the pod lives{others}"))
}

fn ephemeral_added(before: &PodShape, now: &PodShape, pod: &str) -> Option<String> {
    let is_new = |it: &&ImageUse| it.slot == Slot::EphemeralContainer && same_place(before, it).is_none();
    let mut all = now.uses.iter().filter(is_new);
    let first = all.next()?;
    let (name, image) = (Cut(&first.name), Cut(first.image.display()));
    let others = and_others(all.count());
    Some(format!("pod {pod} has a new ephemeral container {name} with image {image}{others}"))
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
        let lives = after.running.phase != Phase::Terminated;
        let found = [
            (Signal::PodImageChanged, edited.filter(|_| lives).and_then(|it| image_changed(it, shape, pod))),
            (Signal::EphemeralContainerAdded, edited.and_then(|it| ephemeral_added(it, shape, pod))),
            (Signal::RegistryFirstUsed, first_used(&fresh, shape, pod)),
            (Signal::TagMovedBack, moved_back(&back, pod)),
        ];
        for (signal, message) in found {
            let Some(message) = message else { continue };
            let (namespace, workload) = (namespace.clone(), workload.clone());
            let about = About::Pod { namespace, pod: pod.into(), workload };
            self.suspicion.add(signal, about, message, now);
        }
    }
}
