//! The objects, the one resourceVersion and the bounded history of each resource.
//!
//! Plain data behind the server's lock: nothing here waits, parses a request or
//! encodes an answer.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;

use serde_json::Value;
use tokio::sync::watch;

use super::object::{Applied, Labels, StoredObject};
use super::population::Population;
use super::refusal::Refusal;
use super::resource::{Catalogue, ResourceType};

/// Paged lists whose later pages can still be asked for; the oldest goes first.
const KEPT_SNAPSHOTS: usize = 8;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ChangeKind {
    Added,
    Modified,
    Deleted,
}

/// One entry of a resource's history.
#[derive(Debug)]
pub(super) struct Change {
    pub(super) version: u64,
    pub(super) kind: ChangeKind,
    pub(super) object: Arc<StoredObject>,
    /// The labels before, by which a selector may have matched.
    pub(super) labels_before: Option<Labels>,
}

/// Namespace and name.
type Key = (String, String);

/// A resource across its versions.
type CollectionKey = (String, String);

struct Collection {
    objects: BTreeMap<Key, Arc<StoredObject>>,
    history: VecDeque<Arc<Change>>,
    /// The newest version that the history has forgotten.
    forgotten: u64,
    /// No new watch may start before this version; running ones go on.
    compacted: u64,
    news: watch::Sender<u64>,
}

impl Collection {
    fn new(version: u64) -> Self {
        Self {
            objects: BTreeMap::new(),
            history: VecDeque::new(),
            forgotten: version,
            compacted: version,
            news: watch::Sender::new(version),
        }
    }
}

/// A paged list as it was when its first page was read.
#[derive(Clone)]
pub(super) struct Snapshot {
    pub(super) version: u64,
    pub(super) objects: Arc<Vec<Arc<StoredObject>>>,
}

/// What a watch finds when it looks for news.
pub(super) enum News {
    /// The changes since, and the version up to which this was all.
    Changes(Vec<Arc<Change>>, u64),
    /// The history no longer reaches back that far; the oldest kept version.
    Forgotten(u64),
    /// The resource is no longer served.
    Gone,
}

/// The state of the cluster.
pub(super) struct Store {
    pub(super) catalogue: Catalogue,
    collections: HashMap<CollectionKey, Collection>,
    version: u64,
    made: u64,
    history_limit: usize,
    snapshots: VecDeque<(u64, Snapshot)>,
    snapshots_taken: u64,
    /// Pods that are not stored.
    pub(super) population: Option<Population>,
}

impl Store {
    pub(super) fn new(catalogue: Catalogue, history_limit: usize) -> Self {
        let mut store = Self {
            catalogue,
            collections: HashMap::new(),
            version: 1,
            made: 0,
            history_limit,
            snapshots: VecDeque::new(),
            snapshots_taken: 0,
            population: None,
        };
        for kind in store.catalogue.types().to_vec() {
            store.open(&kind);
        }
        store
    }

    /// Starts to serve a type's objects.
    pub(super) fn open(&mut self, kind: &ResourceType) {
        let version = self.version;
        self.collections.entry(collection_key(kind)).or_insert_with(|| Collection::new(version));
    }

    /// Forgets a type with all its objects; its watches end.
    pub(super) fn close(&mut self, group: &str, plural: &str) {
        self.catalogue.unregister(group, plural);
        self.collections.remove(&(group.to_owned(), plural.to_owned()));
    }

    pub(super) fn version(&self) -> u64 {
        self.version
    }

    /// The next version, for a change that is not stored here.
    pub(super) fn next_version(&mut self) -> u64 {
        self.version += 1;
        self.version
    }

    /// Whether objects of this type are generated and not stored.
    pub(super) fn populates(&self, kind: &ResourceType) -> bool {
        self.population.is_some() && kind.group.is_empty() && kind.plural == "pods"
    }

    /// A number never given before, for uids and generated names.
    pub(super) fn next_number(&mut self) -> u64 {
        self.made += 1;
        self.made
    }

    pub(super) fn get(&self, kind: &ResourceType, namespace: &str, name: &str) -> Option<Arc<StoredObject>> {
        let key = (namespace.to_owned(), name.to_owned());
        self.collections.get(&collection_key(kind))?.objects.get(&key).cloned()
    }

    /// All objects of a type, or those of one namespace, in the order of their keys.
    pub(super) fn objects(&self, kind: &ResourceType, namespace: Option<&str>) -> Vec<Arc<StoredObject>> {
        let Some(collection) = self.collections.get(&collection_key(kind)) else {
            return Vec::new();
        };
        match namespace {
            None => collection.objects.values().cloned().collect(),
            Some(namespace) => collection
                .objects
                .range((namespace.to_owned(), String::new())..)
                .take_while(|((found, _), _)| found == namespace)
                .map(|(_, object)| Arc::clone(object))
                .collect(),
        }
    }

    /// Stores a new version of an object and tells the watches.
    pub(super) fn put(
        &mut self,
        kind: &ResourceType,
        object: &mut Value,
        applied: Applied,
    ) -> Arc<StoredObject> {
        let version = self.stamp(object);
        let stored = Arc::new(StoredObject::encode(kind, object, version, applied));
        let key = (stored.namespace.clone(), stored.name.clone());
        let limit = self.history_limit;
        let collection = self.collection(kind);
        let before = collection.objects.insert(key, Arc::clone(&stored));
        let change = Change {
            version,
            kind: if before.is_some() { ChangeKind::Modified } else { ChangeKind::Added },
            object: Arc::clone(&stored),
            labels_before: before.map(|object| Arc::clone(&object.labels)),
        };
        remember(collection, limit, change);
        stored
    }

    /// Remembers who applied what, without a new version of the object.
    pub(super) fn adopt(
        &mut self,
        kind: &ResourceType,
        object: &Arc<StoredObject>,
        applied: Applied,
    ) -> Arc<StoredObject> {
        if Arc::ptr_eq(&object.applied, &applied) {
            return Arc::clone(object);
        }
        let stored = Arc::new(object.with_applied(applied));
        let key = (stored.namespace.clone(), stored.name.clone());
        self.collection(kind).objects.insert(key, Arc::clone(&stored));
        stored
    }

    /// Removes an object; the deletion has a version of its own.
    pub(super) fn remove(&mut self, kind: &ResourceType, object: &StoredObject) -> Arc<StoredObject> {
        let mut last = object.value();
        let version = self.stamp(&mut last);
        let stored = Arc::new(StoredObject::encode(kind, &last, version, Arc::clone(&object.applied)));
        let limit = self.history_limit;
        let collection = self.collection(kind);
        collection.objects.remove(&(object.namespace.clone(), object.name.clone()));
        let change = Change {
            version,
            kind: ChangeKind::Deleted,
            object: Arc::clone(&stored),
            labels_before: Some(Arc::clone(&object.labels)),
        };
        remember(collection, limit, change);
        stored
    }

    /// At most `limit` changes of a type after a version.
    pub(super) fn news_since(&self, kind: &ResourceType, version: u64, limit: usize) -> News {
        let Some(collection) = self.collections.get(&collection_key(kind)) else {
            return News::Gone;
        };
        if version < collection.forgotten {
            return News::Forgotten(collection.forgotten);
        }
        let start = collection.history.partition_point(|change| change.version <= version);
        let changes: Vec<_> = collection.history.range(start..).take(limit).cloned().collect();
        let complete = start + changes.len() == collection.history.len();
        // A watch may start in the future; it must not be taken back.
        let seen = match changes.last() {
            Some(last) if !complete => last.version,
            _ => self.version.max(version),
        };
        News::Changes(changes, seen)
    }

    /// The version of an object before a change, as far as history goes back.
    pub(super) fn before(&self, kind: &ResourceType, change: &Change) -> Option<Arc<Change>> {
        let history = &self.collections.get(&collection_key(kind))?.history;
        let older =
            |found: &&Arc<Change>| found.version < change.version && found.object.uid == change.object.uid;
        history.iter().rev().find(older).cloned()
    }

    /// Wakes its holder after each change of the type.
    pub(super) fn subscribe(&self, kind: &ResourceType) -> Option<watch::Receiver<u64>> {
        Some(self.collections.get(&collection_key(kind))?.news.subscribe())
    }

    /// The oldest version a watch may start at, if this one is older.
    pub(super) fn too_old(&self, kind: &ResourceType, version: u64) -> Option<u64> {
        let collection = self.collections.get(&collection_key(kind))?;
        let oldest = collection.compacted.max(collection.forgotten);
        (version < oldest).then_some(oldest)
    }

    /// Lets no watch start at a version given out so far, of one resource (by
    /// plural) or of all.
    pub(super) fn compact(&mut self, plural: Option<&str>) {
        // A version of its own, so that every version handed out before is too old.
        self.version += 1;
        for ((_, found), collection) in &mut self.collections {
            if plural.is_none_or(|plural| plural == found) {
                collection.compacted = self.version;
            }
        }
        self.snapshots.clear();
    }

    /// Keeps a paged list and returns its number.
    pub(super) fn keep_snapshot(&mut self, snapshot: Snapshot) -> u64 {
        self.snapshots_taken += 1;
        if self.snapshots.len() == KEPT_SNAPSHOTS {
            self.snapshots.pop_front();
        }
        self.snapshots.push_back((self.snapshots_taken, snapshot));
        self.snapshots_taken
    }

    pub(super) fn snapshot(&self, number: u64) -> Result<Snapshot, Refusal> {
        let kept = self.snapshots.iter().find(|(found, _)| *found == number);
        kept.map(|(_, snapshot)| snapshot.clone()).ok_or_else(Refusal::list_expired)
    }

    fn stamp(&mut self, object: &mut Value) -> u64 {
        self.version += 1;
        object["metadata"]["resourceVersion"] = self.version.to_string().into();
        self.version
    }

    fn collection(&mut self, kind: &ResourceType) -> &mut Collection {
        let version = self.version;
        self.collections.entry(collection_key(kind)).or_insert_with(|| Collection::new(version))
    }
}

fn collection_key(kind: &ResourceType) -> CollectionKey {
    (kind.group.clone(), kind.plural.clone())
}

fn remember(collection: &mut Collection, limit: usize, change: Change) {
    let version = change.version;
    collection.history.push_back(Arc::new(change));
    while collection.history.len() > limit {
        if let Some(oldest) = collection.history.pop_front() {
            collection.forgotten = oldest.version;
        }
    }
    collection.news.send_replace(version);
}
