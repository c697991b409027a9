//! Watches: a stream of frames that follows a resource's history.
//!
//! Frames are made only as the connection takes them, so that a slow client
//! costs no memory; it falls behind the history instead and is told 410.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::{BufMut, Bytes, BytesMut};
use futures::stream;
use serde_json::json;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

use super::answer::{self, Answer};
use super::fault::Effect;
use super::list::parse_version;
use super::object::{Form, PARTIAL_TYPE, StoredObject, put_json};
use super::refusal::Refusal;
use super::request::RequestFacts;
use super::resource::ResourceType;
use super::selector::Selector;
use super::state::Shared;
use super::store::{Change, ChangeKind, News};

/// Bytes gathered before they are handed to the connection.
const CHUNK: usize = 64 * 1024;
/// Changes taken from the history at once.
const BATCH: usize = 64;
/// How long a watch lasts if the client does not say.
pub(super) const LONGEST: Duration = Duration::from_secs(3_600);

#[derive(Clone, Copy, PartialEq, Eq)]
enum Phase {
    Running,
    /// Half a frame was sent: the connection breaks next.
    Broken,
    Ended,
}

enum Wake {
    Look,
    Bookmark,
    TimeIsUp,
}

/// One client's watch.
struct Watch {
    shared: Arc<Shared>,
    facts: RequestFacts,
    kind: Arc<ResourceType>,
    selector: Selector,
    form: Form,
    number: u64,
    /// All changes up to this version were sent or did not match.
    seen: u64,
    bookmarks: bool,
    initial: std::vec::IntoIter<Arc<StoredObject>>,
    /// The bookmark that ends the initial events is still to be sent.
    initial_end: bool,
    phase: Phase,
    stalled: bool,
    /// What the last wait ended for, to be done once all news are sent.
    due: Wake,
    /// Why the watch cannot start; told in its first frame, as the real server does.
    refusal: Option<Refusal>,
    news: watch::Receiver<u64>,
    faults: watch::Receiver<u64>,
    bookmark_orders: watch::Receiver<u64>,
    next_bookmark: Instant,
    deadline: Instant,
}

pub(super) fn answer(
    shared: &Arc<Shared>,
    facts: &RequestFacts,
    kind: &Arc<ResourceType>,
    form: Form,
) -> Result<Answer, Refusal> {
    let watch = Watch::open(shared, facts, kind, form)?;
    Ok(answer::stream(stream::unfold(watch, |mut watch| async move {
        watch.next().await.map(|frame| (frame, watch))
    })))
}

/// Whether the client asks for the initial events, if it may.
pub(super) fn asks_initial_events(shared: &Shared, facts: &RequestFacts) -> Result<Option<bool>, Refusal> {
    let matching = facts.query.get("resourceVersionMatch");
    let refuse = |field: &str, problem: &str| Err(Refusal::invalid_options("ListOptions", field, problem));
    if !facts.query.has("sendInitialEvents") {
        if matching.is_empty() {
            return Ok(None);
        }
        let problem = "Forbidden: resourceVersionMatch is forbidden for watch unless \
                       sendInitialEvents is provided";
        return refuse("resourceVersionMatch", problem);
    }
    if !shared.options.watch_list {
        let problem = "Forbidden: sendInitialEvents is forbidden for watch unless the WatchList \
                       feature gate is enabled";
        return refuse("sendInitialEvents", problem);
    }
    if matching != "NotOlderThan" {
        let problem = "Forbidden: sendInitialEvents requires setting resourceVersionMatch to \
                       NotOlderThan";
        return refuse("resourceVersionMatch", problem);
    }
    Ok(Some(matches!(facts.query.get("sendInitialEvents"), "true" | "1")))
}

/// Where a watch starts, read under one lock so that no change is missed.
struct Start {
    initial: Vec<Arc<StoredObject>>,
    seen: u64,
    refusal: Option<Refusal>,
    news: watch::Receiver<u64>,
}

impl Start {
    fn read(
        shared: &Shared,
        facts: &RequestFacts,
        kind: &ResourceType,
        selector: &Selector,
        version: u64,
        sends_state: bool,
    ) -> Result<Self, Refusal> {
        let namespace = Some(facts.namespace.as_str()).filter(|namespace| !namespace.is_empty());
        let store = shared.store();
        let news = store.subscribe(kind).ok_or_else(Refusal::no_such_resource)?;
        let mut initial = Vec::new();
        if sends_state {
            initial = store.objects(kind, namespace);
        }
        let seen = if sends_state || version == 0 { store.version() } else { version };
        let refusal = store.too_old(kind, seen).map(|oldest| Refusal::too_old(seen, oldest));
        drop(store);
        initial.retain(|object| selector.matches(object));
        Ok(Self { initial, seen, refusal, news })
    }
}

impl Watch {
    fn open(
        shared: &Arc<Shared>,
        facts: &RequestFacts,
        kind: &Arc<ResourceType>,
        form: Form,
    ) -> Result<Self, Refusal> {
        let query = &facts.query;
        let selector = Selector::parse(query.get("labelSelector"), query.get("fieldSelector"))?;
        let bookmarks = matches!(query.get("allowWatchBookmarks"), "true" | "1");
        let asks_initial = asks_initial_events(shared, facts)?;
        let version = parse_version(query.get("resourceVersion"))?;
        let sends_state = asks_initial.unwrap_or(version == 0);
        let lasts = query.get("timeoutSeconds").parse().map_or(LONGEST, Duration::from_secs);

        let start = Start::read(shared, facts, kind, &selector, version, sends_state)?;

        Ok(Self {
            number: shared.records.watch_opened(&facts.plural),
            facts: facts.clone(),
            kind: Arc::clone(kind),
            selector,
            form,
            seen: start.seen,
            bookmarks,
            initial: start.initial.into_iter(),
            initial_end: bookmarks && asks_initial == Some(true),
            phase: Phase::Running,
            stalled: false,
            due: Wake::Look,
            refusal: start.refusal,
            news: start.news,
            faults: shared.faults.subscribe(),
            bookmark_orders: shared.bookmark_orders.subscribe(),
            next_bookmark: Instant::now() + shared.options.bookmark_interval,
            deadline: Instant::now() + lasts,
            shared: Arc::clone(shared),
        })
    }

    /// The next bytes of the body.
    async fn next(&mut self) -> Option<Result<Bytes, io::Error>> {
        loop {
            match self.phase {
                Phase::Running => {}
                Phase::Ended => return None,
                Phase::Broken => {
                    // The connection flushes the half frame while this waits.
                    tokio::task::yield_now().await;
                    self.phase = Phase::Ended;
                    return Some(Err(io::ErrorKind::ConnectionReset.into()));
                }
            }
            if let Some(refusal) = self.refusal.take() {
                return Some(Ok(self.end_with(&refusal)));
            }
            self.faults.borrow_and_update();
            if self.strikes(Effect::ExpireWatch) {
                let refusal = Refusal::too_old(self.seen, self.shared.store().version());
                return Some(Ok(self.end_with(&refusal)));
            }
            if self.is_stalled() {
                if self.faults.changed().await.is_err() {
                    return None;
                }
                continue;
            }
            if let Some(frames) = self.ready() {
                return Some(Ok(self.perhaps_cut(frames)));
            }
            if self.phase == Phase::Ended {
                return None;
            }
            match std::mem::replace(&mut self.due, Wake::Look) {
                Wake::Look => self.due = self.wait().await,
                Wake::Bookmark => {
                    self.next_bookmark = Instant::now() + self.shared.options.bookmark_interval;
                    if let Some(frame) = self.due_bookmark() {
                        return Some(Ok(frame));
                    }
                }
                Wake::TimeIsUp => {
                    self.phase = Phase::Ended;
                    return self.due_bookmark().map(Ok);
                }
            }
        }
    }

    async fn wait(&mut self) -> Wake {
        tokio::select! {
            biased;
            () = sleep_until(self.deadline) => Wake::TimeIsUp,
            changed = self.news.changed() => match changed {
                Ok(()) => Wake::Look,
                // The resource is gone with its CRD.
                Err(_) => Wake::TimeIsUp,
            },
            _ = self.faults.changed() => Wake::Look,
            _ = self.bookmark_orders.changed() => Wake::Bookmark,
            () = sleep_until(self.next_bookmark) => Wake::Bookmark,
        }
    }

    /// Frames that can be sent at once.
    fn ready(&mut self) -> Option<Bytes> {
        let mut buffer = BytesMut::new();
        for object in self.initial.by_ref() {
            put_frame(&mut buffer, "ADDED", &object, self.form);
            if buffer.len() >= CHUNK {
                break;
            }
        }
        if buffer.is_empty() && self.initial_end {
            self.initial_end = false;
            self.put_bookmark(&mut buffer, true);
        }
        while buffer.is_empty() {
            let news = self.shared.store().news_since(&self.kind, self.seen, BATCH);
            match news {
                News::Changes(changes, seen) => {
                    self.seen = seen;
                    if changes.is_empty() {
                        return None;
                    }
                    self.put_changes(&mut buffer, &changes);
                }
                News::Forgotten(oldest) => {
                    return Some(self.end_with(&Refusal::too_old(self.seen, oldest)));
                }
                News::Gone => {
                    self.phase = Phase::Ended;
                    return None;
                }
            }
        }
        Some(buffer.freeze())
    }

    fn put_changes(&self, buffer: &mut BytesMut, changes: &[Arc<Change>]) {
        let mut changes = changes.to_vec();
        self.perhaps_swap(&mut changes);
        let twice = self.strikes(Effect::DuplicateEvents);
        for change in &changes {
            let Some(event) = self.event_of(change) else { continue };
            put_frame(buffer, event, &change.object, self.form);
            if twice {
                put_frame(buffer, event, &change.object, self.form);
            }
            let before = self.shared.store().before(&self.kind, change);
            if let Some(before) = before
                && let Some(event) = self.event_of(&before)
                && self.strikes(Effect::RetellEvents)
            {
                put_frame(buffer, event, &before.object, self.form);
            }
        }
    }

    fn perhaps_swap(&self, changes: &mut [Arc<Change>]) {
        let differ = |pair: &[Arc<Change>]| pair[0].object.uid != pair[1].object.uid;
        if changes.chunks_exact(2).any(differ) && self.strikes(Effect::SwapEvents) {
            changes.chunks_exact_mut(2).filter(|pair| differ(pair)).for_each(|pair| pair.swap(0, 1));
        }
    }

    /// What a change is to this watch: an object may enter or leave its selection.
    fn event_of(&self, change: &Change) -> Option<&'static str> {
        let object = &change.object;
        if !self.facts.namespace.is_empty() && object.namespace != self.facts.namespace {
            return None;
        }
        if !self.selector.matches_fields(object) {
            return None;
        }
        let matched =
            change.labels_before.as_ref().is_some_and(|labels| self.selector.matches_labels(labels));
        let matches = change.kind != ChangeKind::Deleted && self.selector.matches_labels(&object.labels);
        match (matched, matches) {
            (false, true) => Some("ADDED"),
            (true, true) => Some("MODIFIED"),
            (true, false) => Some("DELETED"),
            (false, false) => None,
        }
    }

    fn due_bookmark(&self) -> Option<Bytes> {
        if !self.bookmarks || self.strikes(Effect::MuteBookmarks) {
            return None;
        }
        let mut buffer = BytesMut::new();
        self.put_bookmark(&mut buffer, false);
        Some(buffer.freeze())
    }

    fn put_bookmark(&self, buffer: &mut BytesMut, initial_end: bool) {
        let mut metadata = json!({"resourceVersion": self.seen.to_string()});
        if initial_end {
            metadata["annotations"] = json!({"k8s.io/initial-events-end": "true"});
        }
        buffer.put_slice(br#"{"type":"BOOKMARK","object":{"#);
        match self.form {
            Form::Partial => buffer.put_slice(PARTIAL_TYPE.as_bytes()),
            Form::Full => {
                buffer.put_slice(br#""kind":"#);
                put_json(buffer, &self.kind.kind.clone().into());
                buffer.put_slice(br#","apiVersion":"#);
                put_json(buffer, &self.kind.api_version().into());
            }
        }
        buffer.put_slice(br#","metadata":"#);
        put_json(buffer, &metadata);
        if self.form == Form::Full {
            buffer.put_slice(self.kind.bookmark_rest().as_bytes());
        }
        buffer.put_slice(b"}}\n");
    }

    fn end_with(&mut self, refusal: &Refusal) -> Bytes {
        self.phase = Phase::Ended;
        let mut buffer = BytesMut::new();
        buffer.put_slice(br#"{"type":"ERROR","object":"#);
        put_json(&mut buffer, &refusal.body());
        buffer.put_slice(b"}\n");
        buffer.freeze()
    }

    fn perhaps_cut(&mut self, mut frames: Bytes) -> Bytes {
        if self.phase == Phase::Running && self.strikes(Effect::CutWatch) {
            let first = frames.iter().position(|byte| *byte == b'\n').unwrap_or(frames.len());
            frames.truncate(first / 2);
            self.phase = Phase::Broken;
        }
        frames
    }

    /// Enters or leaves a stall; entering strikes once.
    fn is_stalled(&mut self) -> bool {
        if self.stalled {
            self.stalled = self.shared.faults.holds(Effect::StallWatch, &self.facts);
        } else {
            self.stalled = self.strikes(Effect::StallWatch);
        }
        self.stalled
    }

    fn strikes(&self, effect: Effect) -> bool {
        self.shared.faults.strikes(effect, &self.facts, self.number)
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.shared.records.watch_closed(self.number);
    }
}

/// `type` stands before `object`, as clients that do not buffer rely on.
fn put_frame(buffer: &mut BytesMut, event: &str, object: &StoredObject, form: Form) {
    buffer.reserve(object.len() + 64);
    buffer.put_slice(br#"{"type":""#);
    buffer.put_slice(event.as_bytes());
    buffer.put_slice(br#"","object":"#);
    object.put(buffer, form);
    buffer.put_slice(b"}\n");
}
