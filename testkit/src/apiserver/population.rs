//! Pods of a synthetic cluster that nobody stores: of each a few numbers are kept, and its text is written when a
//! page of a list or a frame of a watch needs it. So a server of 500,000 pods takes some tens of megabytes.
//!
//! What clients see is what they would see of stored pods: one resourceVersion with everything else, pages of one
//! state, a bounded history, 410 where it does not reach back.

mod list;
mod watch;

use std::collections::VecDeque;
use std::sync::Arc;

use tokio::sync::watch::Sender;

use super::ApiServer;
use super::answer::Answer;
use super::object::Form;
use super::refusal::Refusal;
use super::request::RequestFacts;
use super::state::Shared;
use super::store::{ChangeKind, Store};
use crate::generate::{Cluster, Variation};

/// Paged lists whose later pages can still be asked for.
const KEPT_SNAPSHOTS: usize = 4;

/// A pod: its variation has its resourceVersion.
#[derive(Clone, Copy, Debug)]
struct Row {
    there: bool,
    variation: Variation,
}

type Rows = Arc<Vec<Row>>;

/// One entry of the history.
#[derive(Clone, Copy, Debug)]
struct PodChange {
    kind: ChangeKind,
    index: usize,
    variation: Variation,
}

/// All pods, and what became of them lately.
pub(super) struct Population {
    cluster: Cluster,
    rows: Rows,
    history: VecDeque<PodChange>,
    limit: usize,
    /// The newest version that the history has forgotten.
    forgotten: u64,
    /// How often all watches were ended because the history was forgotten.
    expiries: u64,
    news: Sender<u64>,
    snapshots: VecDeque<(u64, u64, Rows)>,
    lists: u64,
}

/// What a watch finds when it looks for news.
enum News {
    Changes(Vec<PodChange>, u64),
    /// The history does not reach back so far; the oldest version to begin at.
    Forgotten(u64),
}

impl Population {
    pub(super) fn new(cluster: Cluster, limit: usize) -> Self {
        let row = Row { there: true, variation: Variation { version: 1, ..Variation::default() } };
        Self {
            cluster,
            rows: Arc::new(vec![row; cluster.pods]),
            history: VecDeque::new(),
            limit,
            forgotten: 0,
            expiries: 0,
            news: Sender::new(0),
            snapshots: VecDeque::new(),
            lists: 0,
        }
    }

    fn remember(&mut self, change: PodChange) {
        self.history.push_back(change);
        while self.history.len() > self.limit {
            if let Some(oldest) = self.history.pop_front() {
                self.forgotten = oldest.variation.version;
            }
        }
    }

    /// At most `most` changes after a version; `now` is the newest version of all.
    fn news_since(&self, version: u64, expiries: u64, most: usize, now: u64) -> News {
        if version < self.forgotten || expiries != self.expiries {
            return News::Forgotten(self.forgotten);
        }
        let start = self.history.partition_point(|change| change.variation.version <= version);
        let changes: Vec<_> = self.history.range(start..).take(most).copied().collect();
        let seen = match changes.last() {
            Some(last) if start + changes.len() < self.history.len() => last.variation.version,
            _ => now.max(version),
        };
        News::Changes(changes, seen)
    }

    /// Begins a list, paged or streamed.
    fn begin_list(&mut self) -> Rows {
        self.lists += 1;
        Arc::clone(&self.rows)
    }
}

impl Store {
    /// The population, of a store that has one.
    fn pods(&mut self) -> Result<&mut Population, Refusal> {
        self.population.as_mut().ok_or_else(Refusal::no_such_resource)
    }
}

/// Answers a list or watch of the pods of all namespaces.
pub(super) fn answer(shared: &Arc<Shared>, facts: &RequestFacts, form: Form) -> Result<Answer, Refusal> {
    let selects = ["labelSelector", "fieldSelector"].into_iter().any(|key| !facts.query.get(key).is_empty());
    if selects || !facts.namespace.is_empty() || form == Form::Partial {
        return Err(Refusal::bad_request("generated pods are served whole and all together"));
    }
    match facts.verb.as_str() {
        "watch" => watch::answer(shared, facts),
        _ => list::answer(shared, facts),
    }
}

/// The generated pods, to change them: what is done to them is one step for every client.
pub struct Pods<'a> {
    store: &'a mut Store,
    changed: bool,
}

impl std::fmt::Debug for Pods<'_> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Pods").field("changed", &self.changed).finish_non_exhaustive()
    }
}

impl Pods<'_> {
    /// How a pod is now; none when it is not there.
    pub fn variation(&self, index: usize) -> Option<Variation> {
        let row = self.store.population.as_ref()?.rows.get(index)?;
        row.there.then_some(row.variation)
    }

    /// Makes a pod, or changes the one that is there. The version is the server's to give.
    pub fn put(&mut self, index: usize, variation: Variation) {
        self.change(
            index,
            |there| if there { ChangeKind::Modified } else { ChangeKind::Added },
            Some(variation),
        );
    }

    /// Deletes a pod. What it was like is remembered.
    pub fn remove(&mut self, index: usize) {
        self.change(index, |_| ChangeKind::Deleted, None);
    }

    /// How a pod was last, whether it is there or not.
    ///
    /// # Panics
    ///
    /// If there never was a pod of that index.
    pub fn last_variation(&self, index: usize) -> Variation {
        self.store.population.as_ref().expect("generated pods").rows[index].variation
    }

    fn change(&mut self, index: usize, kind: impl FnOnce(bool) -> ChangeKind, variation: Option<Variation>) {
        let version = self.store.next_version();
        let Some(population) = &mut self.store.population else { return };
        let Some(row) = Arc::make_mut(&mut population.rows).get_mut(index) else { return };
        let kind = kind(row.there);
        if kind == ChangeKind::Deleted && !row.there {
            return;
        }
        row.there = kind != ChangeKind::Deleted;
        row.variation = Variation { version, ..variation.unwrap_or(row.variation) };
        let change = PodChange { kind, index, variation: row.variation };
        population.remember(change);
        self.changed = true;
    }
}

impl ApiServer {
    /// Changes pods of [`Builder::population`](super::Builder::population).
    pub fn change_pods<T>(&self, change: impl FnOnce(&mut Pods<'_>) -> T) -> T {
        let mut store = self.shared.store();
        let mut pods = Pods { store: &mut store, changed: false };
        let result = change(&mut pods);
        let changed = pods.changed;
        let version = store.version();
        if changed && let Some(population) = &store.population {
            population.news.send_replace(version);
        }
        result
    }

    /// Forgets the history of generated pods: every watch of them ends with 410, and all must be listed again.
    pub fn expire_pods(&self) {
        let mut store = self.shared.store();
        let version = store.next_version();
        if let Some(population) = &mut store.population {
            population.history.clear();
            population.snapshots.clear();
            population.forgotten = version;
            population.expiries += 1;
            population.news.send_replace(version);
        }
    }

    /// How many lists of generated pods were begun, paged or streamed.
    pub fn pod_lists(&self) -> u64 {
        self.shared.store().population.as_ref().map_or(0, |population| population.lists)
    }

    /// Tells every generated pod, as it stands by itself; all are of one instant.
    ///
    /// # Errors
    ///
    /// The first of `tell`.
    pub fn each_pod<E>(&self, mut tell: impl FnMut(&str) -> Result<(), E>) -> Result<(), E> {
        let found = self.shared.store().population.as_ref().map(|all| (all.cluster, Arc::clone(&all.rows)));
        let Some((cluster, rows)) = found else { return Ok(()) };
        let mut text = String::new();
        for (index, row) in rows.iter().enumerate().filter(|(_, row)| row.there) {
            text.clear();
            cluster.typed_pod(&mut text, index, row.variation);
            tell(&text)?;
        }
        Ok(())
    }
}
