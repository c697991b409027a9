//! Faults on demand: what should go wrong, for which requests, how often.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::watch;

use super::record::Records;
use super::request::RequestFacts;

/// What goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Effect {
    Answer { code: u16, retry_after: Option<u32>, message: Option<&'static str> },
    Delay(Duration),
    HangUp,
    CutWatch,
    StallWatch,
    ExpireWatch,
    MuteBookmarks,
    DuplicateEvents,
    SwapEvents,
    RetellEvents,
}

/// Something that goes wrong for the requests it is narrowed to.
///
/// Without narrowing it meets every request. Answers, hang-ups and cuts happen
/// once, the others until they are cleared, unless [`Fault::times`] or
/// [`Fault::always`] says otherwise.
#[derive(Clone, Debug)]
pub struct Fault {
    effect: Effect,
    times: Option<u32>,
    verb: Option<String>,
    method: Option<String>,
    resource: Option<String>,
    namespace: Option<String>,
    name: Option<String>,
}

impl Fault {
    fn new(effect: Effect, times: Option<u32>) -> Self {
        Self { effect, times, verb: None, method: None, resource: None, namespace: None, name: None }
    }

    /// The request is answered with this HTTP status, such as 500 or 503.
    pub fn answer(code: u16) -> Self {
        Self::new(Effect::Answer { code, retry_after: None, message: None }, Some(1))
    }

    /// The request is answered 429 with `Retry-After` in seconds.
    pub fn too_many_requests(retry_after: u32) -> Self {
        Self::new(Effect::Answer { code: 429, retry_after: Some(retry_after), message: None }, Some(1))
    }

    /// The request is answered later.
    pub fn delay(by: Duration) -> Self {
        Self::new(Effect::Delay(by), None)
    }

    /// The connection is closed without an answer; nothing is done.
    pub fn hang_up() -> Self {
        Self::new(Effect::HangUp, Some(1))
    }

    /// The connection is closed in the middle of the watch's next frame.
    pub fn cut_watch() -> Self {
        Self::new(Effect::CutWatch, Some(1))
    }

    /// The watch stays open and says nothing, not even that its time is up.
    pub fn stall_watch() -> Self {
        Self::new(Effect::StallWatch, None)
    }

    /// Every watch that runs now ends with 410 Gone, and no version given out
    /// so far can be watched from.
    pub fn expire_watches() -> Self {
        Self::new(Effect::ExpireWatch, None)
    }

    /// The watch gets no bookmarks, except the one that ends the initial events.
    pub fn mute_bookmarks() -> Self {
        Self::new(Effect::MuteBookmarks, None)
    }

    /// The watch gets every event twice.
    pub fn duplicate_events() -> Self {
        Self::new(Effect::DuplicateEvents, None)
    }

    /// Events that are told at once come in pairs whose second is told first, where they are about different objects.
    pub fn swap_events() -> Self {
        Self::new(Effect::SwapEvents, None)
    }

    /// After an event of an object its version before is told once more.
    pub fn retell_events() -> Self {
        Self::new(Effect::RetellEvents, None)
    }

    /// An answer with these words.
    #[must_use]
    pub fn saying(mut self, words: &'static str) -> Self {
        if let Effect::Answer { message, .. } = &mut self.effect {
            *message = Some(words);
        }
        self
    }

    /// Only requests for this plural; a subresource is named as `imagepolicies/status`.
    #[must_use]
    pub fn on(mut self, resource: &str) -> Self {
        self.resource = Some(resource.to_owned());
        self
    }

    /// Only requests with this verb of access control, such as `list`.
    #[must_use]
    pub fn verb(mut self, verb: &str) -> Self {
        self.verb = Some(verb.to_owned());
        self
    }

    /// Only requests with this HTTP method.
    #[must_use]
    pub fn method(mut self, method: &str) -> Self {
        self.method = Some(method.to_owned());
        self
    }

    /// Only requests for this namespace.
    #[must_use]
    pub fn in_namespace(mut self, namespace: &str) -> Self {
        self.namespace = Some(namespace.to_owned());
        self
    }

    /// Only requests for an object of this name.
    #[must_use]
    pub fn named(mut self, name: &str) -> Self {
        self.name = Some(name.to_owned());
        self
    }

    /// The next `times` requests.
    #[must_use]
    pub fn times(mut self, times: u32) -> Self {
        self.times = Some(times);
        self
    }

    /// Until it is cleared.
    #[must_use]
    pub fn always(mut self) -> Self {
        self.times = None;
        self
    }

    /// The plural whose history an expiry makes forget, all if not narrowed.
    pub(super) fn forgets(&self) -> Option<Option<&str>> {
        (self.effect == Effect::ExpireWatch).then_some(self.resource.as_deref())
    }

    fn meets(&self, facts: &RequestFacts) -> bool {
        let agrees =
            |wanted: &Option<String>, found: &str| wanted.as_deref().is_none_or(|wanted| wanted == found);
        agrees(&self.verb, &facts.verb)
            && agrees(&self.method, facts.method.as_str())
            && agrees(&self.resource, &facts.resource())
            && agrees(&self.namespace, &facts.namespace)
            && agrees(&self.name, &facts.name)
    }
}

#[derive(Debug)]
struct Entry {
    number: u64,
    fault: Fault,
    left: Option<u32>,
    hits: u32,
    /// An expiry reaches the watches up to this one.
    newest_watch: u64,
}

#[derive(Debug, Default)]
struct Entries {
    given: u64,
    entries: Vec<Entry>,
}

/// The faults in force.
#[derive(Debug)]
pub(super) struct Faults {
    table: Mutex<Entries>,
    changes: watch::Sender<u64>,
    records: Arc<Records>,
}

impl Faults {
    pub(super) fn new(records: Arc<Records>) -> Self {
        Self { table: Mutex::default(), changes: watch::Sender::new(0), records }
    }

    fn table(&self) -> MutexGuard<'_, Entries> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn changed(&self) {
        self.changes.send_modify(|changes| *changes += 1);
        self.records.activity.bump();
    }

    /// Wakes its holder when faults come or go.
    pub(super) fn subscribe(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    pub(super) fn add(&self, fault: Fault) -> u64 {
        let newest_watch = self.records.newest_watch();
        let mut table = self.table();
        table.given += 1;
        let number = table.given;
        let left = fault.times;
        table.entries.push(Entry { number, fault, left, hits: 0, newest_watch });
        drop(table);
        self.changed();
        number
    }

    pub(super) fn clear(&self, number: Option<u64>) {
        self.table().entries.retain(|entry| number.is_some_and(|number| number != entry.number));
        self.changed();
    }

    fn hits(&self, number: u64) -> u32 {
        let table = self.table();
        table.entries.iter().find(|entry| entry.number == number).map_or(0, |entry| entry.hits)
    }

    /// The delay, then the answer or hang-up that a request meets.
    pub(super) fn on_request(&self, facts: &RequestFacts) -> (Duration, Option<Effect>) {
        let mut delay = Duration::ZERO;
        let mut outcome = None;
        let mut hit = false;
        for entry in &mut self.table().entries {
            let wanted = match entry.fault.effect {
                Effect::Delay(_) => true,
                Effect::Answer { .. } | Effect::HangUp => outcome.is_none(),
                _ => false,
            };
            if wanted && entry.take(facts) {
                hit = true;
                match entry.fault.effect {
                    Effect::Delay(by) => delay += by,
                    effect => outcome = Some(effect),
                }
            }
        }
        if hit {
            self.records.activity.bump();
        }
        (delay, outcome)
    }

    /// Whether a watch meets this fault now, which counts as one hit.
    pub(super) fn strikes(&self, effect: Effect, facts: &RequestFacts, watch: u64) -> bool {
        let hit = self.table().entries.iter_mut().any(|entry| {
            entry.fault.effect == effect
                && (effect != Effect::ExpireWatch || watch <= entry.newest_watch)
                && entry.take(facts)
        });
        if hit {
            self.records.activity.bump();
        }
        hit
    }

    /// Whether a lasting fault is there for a watch, used up or not.
    pub(super) fn holds(&self, effect: Effect, facts: &RequestFacts) -> bool {
        self.table().entries.iter().any(|entry| entry.fault.effect == effect && entry.fault.meets(facts))
    }
}

impl Entry {
    fn take(&mut self, facts: &RequestFacts) -> bool {
        if self.left == Some(0) || !self.fault.meets(facts) {
            return false;
        }
        self.left = self.left.map(|left| left - 1);
        self.hits += 1;
        true
    }
}

/// A fault in force: how often it struck, and the way to end it.
#[derive(Clone, Debug)]
pub struct FaultHandle {
    faults: Arc<Faults>,
    number: u64,
}

impl FaultHandle {
    pub(super) fn new(faults: Arc<Faults>, number: u64) -> Self {
        Self { faults, number }
    }

    /// How often it struck; a stall strikes once a watch, and doubled events once for all
    /// that are told at once.
    pub fn hits(&self) -> u32 {
        self.faults.hits(self.number)
    }

    /// Ends the fault.
    pub fn clear(&self) {
        self.faults.clear(Some(self.number));
    }
}
