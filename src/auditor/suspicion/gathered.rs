//! Edits of pods, gathered by workload: ten replicas that are edited alike are one activity, which says how many
//! they were.
//!
//! The first one waits a moment for the others. What comes later, as from a controller that updates pods in place one
//! after the other, is told at long intervals: never once a replica, and never in silence.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use super::{About, Activity, HELD_BACK, Signal};
use crate::rules::shown::Cut;
use crate::subject::canonical::{combine, text_hash};
use crate::subject::pod::{Image, Slot};

/// How often the same edit of further pods of the same workload is told.
const INTERVAL: SignedDuration = SignedDuration::from_mins(10);
/// How many kinds of edits are gathered at once. One beyond that is told by itself: anybody who may edit pods can
/// make any number of different edits, and memory must have an end.
const GATHERED: usize = 4_096;
/// How many pods are told apart in one activity.
const COUNTED: usize = 10_000;

/// What was done to a pod.
#[derive(Clone, Debug)]
pub(super) enum Edit {
    /// A container has another image.
    Image {
        /// The kind of place.
        slot: Slot,
        /// The container's name.
        name: Arc<str>,
        /// The image before.
        old: Arc<Image>,
        /// The image now.
        new: Arc<Image>,
    },
    /// An ephemeral container came.
    Ephemeral {
        /// Its name, which `kubectl debug` makes up anew each time.
        name: Arc<str>,
        /// Its image.
        image: Arc<Image>,
    },
}

impl Edit {
    fn signal(&self) -> Signal {
        match self {
            Self::Image { .. } => Signal::PodImageChanged,
            Self::Ephemeral { .. } => Signal::EphemeralContainerAdded,
        }
    }

    /// The same for replicas that are edited alike, whatever they had before.
    fn key(&self) -> u64 {
        match self {
            Self::Image { slot, name, new, .. } => combine(&[*slot as u64, text_hash(name), new.hash]),
            Self::Ephemeral { image, .. } => image.hash,
        }
    }

    fn sentence(&self, pods: &Pods<'_>) -> String {
        match self {
            Self::Image { slot, name, old, new } => {
                let (slot, name) = (super::pods::word(*slot), Cut(name));
                let (old, new) = (Cut(old.display()), Cut(new.display()));
                let live = if pods.are_many() { "they live" } else { "the pod lives" };
                format!("{slot} {name} of {pods} has image {new} instead of {old}, while {live}")
            }
            Self::Ephemeral { name, image } => {
                let (name, image) = (Cut(name), Cut(image.display()));
                let has = if pods.are_many() { "have" } else { "has" };
                format!("{pods} {has} a new ephemeral container {name} with image {image}")
            }
        }
    }
}

/// The pods of one activity, as a sentence names them.
struct Pods<'a> {
    one: &'a str,
    count: usize,
}

impl Pods<'_> {
    fn are_many(&self) -> bool {
        self.count > 1
    }
}

impl fmt::Display for Pods<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { one, count } = self;
        let or_more = if *count >= COUNTED { " or more" } else { "" };
        match count {
            0 | 1 => write!(f, "pod {one}"),
            _ => write!(f, "{count}{or_more} pods ({one} is one)"),
        }
    }
}

/// The edits of a pod that are of one signal.
#[derive(Debug)]
pub(super) struct Edits {
    edit: Edit,
    /// How many other containers of the pod were edited likewise.
    others: usize,
    key: u64,
}

impl Edits {
    /// All of one signal that a change did to one pod; none where it did none.
    pub(super) fn of(edits: impl Iterator<Item = Edit>) -> Option<Self> {
        let edits: Vec<Edit> = edits.collect();
        let keys: Vec<u64> = edits.iter().map(Edit::key).collect();
        let edit = edits.into_iter().next()?;
        let (others, key) = (keys.len() - 1, combine(&[edit.signal() as u64, combine(&keys)]));
        Some(Self { edit, others, key })
    }

    fn sentence(&self, pods: &Pods<'_>) -> String {
        let sentence = self.edit.sentence(pods);
        match self.others {
            0 => sentence,
            others => format!("{sentence}; {others} more likewise"),
        }
    }
}

/// The same edits of pods of one workload.
#[derive(Debug)]
struct Gathering {
    edits: Edits,
    /// The workload, and the first of the pods that wait.
    about: About,
    /// When the first of those that wait was edited.
    at: Timestamp,
    /// Uids of the pods that were not told.
    pods: HashSet<u128>,
    /// Until when to wait.
    until: Timestamp,
    /// It was told of others.
    further: bool,
}

fn after(now: Timestamp, span: SignedDuration) -> Timestamp {
    now.saturating_add(span).unwrap_or(Timestamp::MAX)
}

fn activity(edits: &Edits, about: About, count: usize, further: bool, at: Timestamp) -> Activity {
    let one = match &about {
        About::Pod { pod, .. } => &**pod,
        other => other.name(),
    };
    let mut message = edits.sentence(&Pods { one, count });
    if further {
        message.push_str("; the same was told before");
    }
    Activity { signal: edits.edit.signal(), about, message, at }
}

/// What is gathered, by the hash of workload and edits.
#[derive(Debug, Default)]
pub(super) struct Gathered(HashMap<u64, Gathering>);

impl Gathered {
    /// Takes in what was done to a pod. Returns what has to be told at once.
    #[must_use]
    pub(super) fn add(&mut self, edits: Edits, about: About, uid: u128, now: Timestamp) -> Option<Activity> {
        let place = [about.namespace().unwrap_or_default(), about.kind(), about.name()].map(text_hash);
        let key = combine(&[edits.key, combine(&place)]);
        if let Some(gathering) = self.0.get_mut(&key) {
            if gathering.pods.is_empty() {
                (gathering.edits, gathering.about, gathering.at) = (edits, about, now);
            }
            if gathering.pods.len() < COUNTED {
                gathering.pods.insert(uid);
            }
            return None;
        }
        if self.0.len() >= GATHERED {
            return Some(activity(&edits, about, 1, false, now));
        }
        let (pods, until) = (HashSet::from([uid]), after(now, HELD_BACK));
        self.0.insert(key, Gathering { edits, about, at: now, pods, until, further: false });
        None
    }

    /// When [`Self::due`] has something to do.
    pub(super) fn next_deadline(&self) -> Option<Timestamp> {
        self.0.values().map(|gathering| gathering.until).min()
    }

    /// What has waited long enough, in the order in which it began.
    pub(super) fn due(&mut self, now: Timestamp) -> Vec<Activity> {
        let mut due: Vec<u64> =
            self.0.iter().filter(|(_, gathering)| gathering.until <= now).map(|(key, _)| *key).collect();
        due.sort_by_key(|key| (self.0[key].at, *key));
        due.into_iter().filter_map(|key| self.tell(key, now)).collect()
    }

    fn tell(&mut self, key: u64, now: Timestamp) -> Option<Activity> {
        let gathering = self.0.get_mut(&key)?;
        if gathering.pods.is_empty() {
            self.0.remove(&key);
            return None;
        }
        let Gathering { edits, about, at, pods, until, further } = gathering;
        *until = after(now, INTERVAL);
        let count = std::mem::take(pods).len();
        let further = std::mem::replace(further, true);
        Some(activity(edits, about.clone(), count, further, *at))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn edits(image: &str) -> Edits {
        let image = Arc::new(Image::new(image));
        Edits::of(std::iter::once(Edit::Ephemeral { name: "dbg".into(), image })).unwrap()
    }

    fn about(name: &str) -> About {
        About::Namespace { name: name.into(), uid: "".into() }
    }

    #[test]
    fn memory_has_an_end_and_what_is_beyond_it_is_told_by_itself() {
        let (mut gathered, now) = (Gathered::default(), Timestamp::UNIX_EPOCH);
        let many = u128::try_from(COUNTED).unwrap() + 7;
        assert!((0..many).all(|uid| gathered.add(edits("a"), about("a"), uid, now).is_none()));
        let different = |number: usize| edits(&format!("x:{number}"));
        assert!((1..GATHERED).all(|it| gathered.add(different(it), about("a"), 1, now).is_none()));
        let beyond = gathered.add(different(GATHERED), about("a"), 1, now);
        assert!(beyond.is_some_and(|it| it.message.starts_with("pod a has a new ephemeral container dbg")));
        let told = gathered.due(after(now, HELD_BACK));
        let counted: Vec<_> = told.iter().filter(|it| it.message.starts_with("10000 or more pods")).collect();
        assert_eq!((told.len(), counted.len()), (GATHERED, 1));
        assert_eq!(gathered.due(after(after(now, HELD_BACK), INTERVAL)), [], "and then it is forgotten");
        assert_eq!((gathered.0.len(), gathered.next_deadline()), (0, None));
    }
}
