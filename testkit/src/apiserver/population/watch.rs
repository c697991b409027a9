//! Watches of generated pods. Frames are written only as the connection takes them.

use std::fmt::Write as _;
use std::io;
use std::sync::Arc;

use bytes::Bytes;
use futures::stream;
use tokio::sync::watch::Receiver;
use tokio::time::{Instant, sleep_until};

use super::super::answer::{self, Answer};
use super::super::list::parse_version;
use super::super::refusal::Refusal;
use super::super::request::RequestFacts;
use super::super::state::Shared;
use super::super::store::ChangeKind;
use super::super::watch::{LONGEST, asks_initial_events};
use super::{News, Rows};
use crate::generate::Cluster;

/// Bytes of an initial list that are gathered before they are handed to the connection.
const CHUNK: usize = 64 * 1024;
/// Changes taken from the history at once.
const BATCH: usize = 64;

/// One client's watch.
struct PodWatch {
    shared: Arc<Shared>,
    cluster: Cluster,
    number: u64,
    /// What is still to be told of the initial list, and where it goes on.
    initial: Option<(Rows, usize)>,
    /// The bookmark that ends the initial list is still to be sent.
    initial_end: bool,
    /// All changes up to this version were sent.
    seen: u64,
    expiries: u64,
    bookmarks: bool,
    refusal: Option<Refusal>,
    ended: bool,
    news: Receiver<u64>,
    bookmark_orders: Receiver<u64>,
    next_bookmark: Instant,
    deadline: Instant,
}

pub(super) fn answer(shared: &Arc<Shared>, facts: &RequestFacts) -> Result<Answer, Refusal> {
    let watch = PodWatch::open(shared, facts)?;
    Ok(answer::stream(stream::unfold(watch, |mut watch| async move {
        watch.next().await.map(|frames| (Ok::<_, io::Error>(frames), watch))
    })))
}

impl PodWatch {
    fn open(shared: &Arc<Shared>, facts: &RequestFacts) -> Result<Self, Refusal> {
        let query = &facts.query;
        let bookmarks = matches!(query.get("allowWatchBookmarks"), "true" | "1");
        let asks_initial = asks_initial_events(shared, facts)?;
        let version = parse_version(query.get("resourceVersion"))?;
        let sends_state = asks_initial.unwrap_or(version == 0);
        let lasts = query.get("timeoutSeconds").parse().map_or(LONGEST, std::time::Duration::from_secs);

        let mut store = shared.store();
        let newest = store.version();
        let population = store.pods()?;
        let seen = if sends_state || version == 0 { newest } else { version };
        let too_old = seen < population.forgotten;
        Ok(Self {
            number: shared.records.watch_opened(&facts.plural),
            shared: Arc::clone(shared),
            cluster: population.cluster,
            initial: sends_state.then(|| (population.begin_list(), 0)),
            initial_end: bookmarks && asks_initial == Some(true),
            seen,
            expiries: population.expiries,
            bookmarks,
            refusal: too_old.then(|| Refusal::too_old(seen, population.forgotten)),
            ended: false,
            news: population.news.subscribe(),
            bookmark_orders: shared.bookmark_orders.subscribe(),
            next_bookmark: Instant::now() + shared.options.bookmark_interval,
            deadline: Instant::now() + lasts,
        })
    }

    /// The next bytes of the body.
    async fn next(&mut self) -> Option<Bytes> {
        loop {
            if self.ended {
                return None;
            }
            if let Some(refusal) = self.refusal.take() {
                self.ended = true;
                let frame = format!("{{\"type\":\"ERROR\",\"object\":{}}}\n", refusal.body());
                return Some(Bytes::from(frame));
            }
            if let Some(frames) = self.initial_frames() {
                return Some(frames);
            }
            if std::mem::take(&mut self.initial_end) {
                return Some(self.bookmark(r#","annotations":{"k8s.io/initial-events-end":"true"}"#));
            }
            self.news.borrow_and_update();
            let news = {
                let mut store = self.shared.store();
                let newest = store.version();
                store.pods().ok()?.news_since(self.seen, self.expiries, BATCH, newest)
            };
            match news {
                News::Changes(changes, seen) => {
                    self.seen = seen;
                    if !changes.is_empty() {
                        return Some(self.frames(&changes));
                    }
                }
                News::Forgotten(oldest) => {
                    self.refusal = Some(Refusal::too_old(self.seen, oldest));
                    continue;
                }
            }
            if let Some(bookmark) = self.wait().await {
                return Some(bookmark);
            }
        }
    }

    /// Waits for news; gives the bookmark that became due meanwhile.
    async fn wait(&mut self) -> Option<Bytes> {
        tokio::select! {
            biased;
            () = sleep_until(self.deadline) => self.ended = true,
            changed = self.news.changed() => {
                self.ended |= changed.is_err();
                return None;
            }
            _ = self.bookmark_orders.changed() => {}
            () = sleep_until(self.next_bookmark) => {}
        }
        self.next_bookmark = Instant::now() + self.shared.options.bookmark_interval;
        self.bookmarks.then(|| self.bookmark(""))
    }

    fn initial_frames(&mut self) -> Option<Bytes> {
        let (rows, at) = self.initial.as_mut()?;
        let mut text = String::with_capacity(CHUNK + CHUNK / 4);
        while text.len() < CHUNK
            && let Some(row) = rows.get(*at)
        {
            if row.there {
                self.cluster.add_pod_frame(&mut text, "ADDED", *at, row.variation);
            }
            *at += 1;
        }
        if text.is_empty() {
            self.initial = None;
            return None;
        }
        Some(Bytes::from(text))
    }

    fn frames(&self, changes: &[super::PodChange]) -> Bytes {
        let mut text = String::with_capacity(changes.len() * 12 * 1024);
        for change in changes {
            let kind = match change.kind {
                ChangeKind::Added => "ADDED",
                ChangeKind::Modified => "MODIFIED",
                ChangeKind::Deleted => "DELETED",
            };
            self.cluster.add_pod_frame(&mut text, kind, change.index, change.variation);
        }
        Bytes::from(text)
    }

    fn bookmark(&self, annotations: &str) -> Bytes {
        let mut frame = String::new();
        // As the real server writes an empty Pod; writing into a String cannot fail.
        let _ = writeln!(
            frame,
            r#"{{"type":"BOOKMARK","object":{{"kind":"Pod","apiVersion":"v1","metadata":{{"resourceVersion":"{}"{annotations}}},"spec":{{"containers":null}},"status":{{}}}}}}"#,
            self.seen
        );
        Bytes::from(frame)
    }
}

impl Drop for PodWatch {
    fn drop(&mut self) {
        self.shared.records.watch_closed(self.number);
    }
}
