//! Tags that move back: pods start a content under a tag that another content had replaced there.
//!
//! What runs is at hand in the index of references. Beside it only the tags are remembered that have moved while this
//! process watched, or under which nothing runs any more, so that unchanged pods cost nothing. What was there from the
//! beginning, or came in one list, has no order in time, and none of it replaced the other.

use std::collections::{HashMap, VecDeque};

use crate::auditor::findings::Judged;
use crate::auditor::inventory::Inventory;
use crate::auditor::references::{References, Running, content, contents};
use crate::subject::canonical::text_hash;
use crate::subject::reference::RunningContent;
use crate::subject::running::RunningState;

/// How many tags are remembered; the one that was first remembered goes first.
const TAGS: usize = 4_096;
/// How many digests of each.
const DIGESTS: usize = 8;

/// A start of a digest under a reference that another digest had replaced.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct MovedBack {
    /// The reference, in its canonical form.
    pub(super) reference: Box<str>,
    /// The container that runs it.
    pub(super) container: Box<str>,
    /// What runs now.
    pub(super) digest: Box<str>,
    /// What was started last.
    pub(super) before: Box<str>,
}

#[derive(Debug)]
struct Seen {
    digest: Box<str>,
    /// When it was first seen, in turns.
    turn: u64,
    /// It was told since the last digest that was new.
    told: bool,
}

/// What ran under one tag, the first one first.
#[derive(Debug)]
struct History {
    seen: Vec<Seen>,
    current: Box<str>,
    current_turn: u64,
}

impl History {
    fn of(digests: Vec<Box<str>>, turn: u64) -> Self {
        let current = digests.last().cloned().unwrap_or_default();
        let seen = digests.into_iter().map(|digest| Seen { digest, turn, told: false });
        Self { seen: seen.take(DIGESTS).collect(), current, current_turn: turn }
    }

    /// A container started this digest; `turn` is used if it is new. Returns the digest that had replaced it.
    fn start(&mut self, digest: &str, turn: u64) -> Option<Box<str>> {
        let Some(seen) = self.seen.iter_mut().find(|seen| *seen.digest == *digest) else {
            if self.seen.len() >= DIGESTS {
                self.seen.remove(0);
            }
            self.seen.iter_mut().for_each(|seen| seen.told = false);
            self.seen.push(Seen { digest: digest.into(), turn, told: false });
            (self.current, self.current_turn) = (digest.into(), turn);
            return None;
        };
        // Where nodes keep both contents, pods alternate between them: one signal says it all.
        let tell = seen.turn < self.current_turn && !seen.told;
        seen.told |= tell;
        self.current_turn = seen.turn;
        let before = std::mem::replace(&mut self.current, digest.into());
        tell.then_some(before)
    }
}

/// The tags that have moved.
#[derive(Debug, Default)]
pub(in crate::auditor) struct Tags {
    watching: bool,
    /// Pods are being told in a list, in no order of time.
    listing: bool,
    turn: u64,
    histories: HashMap<u64, History>,
    /// Tags in the order in which they came.
    order: VecDeque<u64>,
    back: Vec<MovedBack>,
}

impl Tags {
    /// Whether starts count.
    pub(in crate::auditor) fn is_watching(&self) -> bool {
        self.watching
    }

    /// From now on starts count.
    pub(super) fn watch(&mut self) {
        self.watching = true;
    }

    /// Pods are told in a list from now on, or not any more.
    pub(in crate::auditor) fn list(&mut self, listing: bool) {
        self.listing = listing;
        self.turn += 1;
    }

    /// Tags that moved back.
    pub(super) fn take_back(&mut self) -> Vec<MovedBack> {
        std::mem::take(&mut self.back)
    }

    fn remember(&mut self, tag: u64, history: History) -> &mut History {
        if self.order.len() >= TAGS
            && let Some(oldest) = self.order.pop_front()
        {
            self.histories.remove(&oldest);
        }
        self.order.push_back(tag);
        self.histories.entry(tag).or_insert(history)
    }

    fn start(&mut self, reference: &str, running: Option<&Running>, digest: &str, container: &str) {
        let tag = text_hash(reference);
        let turn = self.turn;
        if !self.histories.contains_key(&tag) {
            let known: Vec<Box<str>> = running.into_iter().flat_map(manifests).map(Into::into).collect();
            if known.iter().all(|known| **known == *digest) {
                return;
            }
            self.remember(tag, History::of(known, turn));
        }
        if !self.listing {
            self.turn += 1;
        }
        let Some(history) = self.histories.get_mut(&tag) else { return };
        if let Some(before) = history.start(digest, self.turn) {
            let (reference, container) = (reference.into(), container.into());
            self.back.push(MovedBack { reference, container, digest: digest.into(), before });
        }
    }

    /// The last pods of a group are gone: what nothing runs any more under its tag is remembered for when it comes.
    pub(in crate::auditor) fn left(&mut self, judged: &Judged, references: &References) {
        if !self.watching {
            return;
        }
        for (image, content) in contents(judged) {
            let (RunningContent::Manifest(digest), None) = (content, references.get(image.display())) else {
                continue;
            };
            let tag = text_hash(image.display());
            if !self.histories.contains_key(&tag) {
                self.remember(tag, History::of(vec![digest], self.turn));
            }
        }
    }
}

fn manifests(running: &Running) -> impl Iterator<Item = &str> {
    running.contents.iter().filter_map(|(content, _)| match content {
        RunningContent::Manifest(digest) => Some(&**digest),
        RunningContent::Incomparable(_) => None,
    })
}

impl Inventory {
    /// Notes what the containers of a pod have started that ran something else before, or nothing. To be called
    /// before the pod is counted among its like.
    pub(in crate::auditor) fn note_starts(&mut self, before: Option<&Judged>, shape: u32, running: u32) {
        let Self { shapes, runnings, references, tags, .. } = self;
        let (Some(shape), Some(running)) = (shapes.value(shape), runnings.value(running)) else { return };
        let was = |state: &RunningState, slot, name: &str| {
            let mut containers = state.containers.iter();
            containers.find(|it| it.slot == slot && *it.name == *name).map(|it| it.image_id.clone())
        };
        for image_use in &shape.uses {
            let Some((image, RunningContent::Manifest(digest))) = content(image_use, running) else {
                continue;
            };
            let (slot, name) = (image_use.slot, &*image_use.name);
            // An image that was changed in the spec, and still runs as before, is no start.
            let same = before.is_some_and(|it| was(&it.running, slot, name) == was(running, slot, name));
            if !same {
                tags.start(image.display(), references.get(image.display()), &digest, name);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_something_newer_had_replaced_moves_back_and_is_told_once() {
        let mut history = History::of(vec!["a".into()], 1);
        assert_eq!(history.start("b", 2), None);
        assert_eq!(history.start("b", 3), None, "the next replica");
        assert_eq!(history.start("a", 4).as_deref(), Some("b"));
        assert_eq!(history.start("b", 5), None, "forward again");
        assert_eq!(history.start("a", 6), None, "told already");
        assert_eq!(history.start("c", 7), None);
        assert_eq!(history.start("a", 8).as_deref(), Some("c"), "something new has come between");
    }

    #[test]
    fn what_came_at_the_same_time_replaced_nothing() {
        let mut history = History::of(vec!["a".into(), "b".into()], 1);
        assert_eq!((history.start("a", 2), history.start("b", 3), history.start("a", 4)), (None, None, None));
    }

    #[test]
    fn a_history_and_their_number_have_an_end() {
        let mut history = History::of(vec!["0".into()], 0);
        for turn in 1..100_u64 {
            assert_eq!(history.start(&turn.to_string(), turn), None);
        }
        assert_eq!(history.seen.len(), DIGESTS);
        assert_eq!(history.start("0", 100), None, "forgotten");
        let mut tags = Tags::default();
        for tag in 0..5_000 {
            tags.remember(tag, History::of(Vec::new(), 0));
        }
        assert_eq!((tags.histories.len(), tags.order.len()), (TAGS, TAGS));
        assert!(tags.histories.contains_key(&4_999) && !tags.histories.contains_key(&0));
    }
}
