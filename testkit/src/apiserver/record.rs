//! What clients asked and wrote, so that a test can say "no status was written".

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde_json::Value;
use tokio::sync::watch;

use super::request::RequestFacts;

/// Requests and writes kept in full; counts are never cut.
const KEPT: usize = 100_000;

/// A request as it arrived.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// HTTP method.
    pub method: String,
    /// Path with query.
    pub path: String,
    /// The verb of access control: `list`, `watch`, `get`, `create`, ...
    pub verb: String,
    /// Plural, with the subresource: `imagepolicies/status`.
    pub resource: String,
    /// The user it came from.
    pub user: String,
}

/// A write by a client, with what it was answered. Reviews are no writes.
#[derive(Clone, Debug, PartialEq)]
pub struct Write {
    /// HTTP method.
    pub method: String,
    /// Path with query.
    pub path: String,
    /// Plural, with the subresource: `imagepolicies/status`.
    pub resource: String,
    /// The body, null if there was none that could be read, or none is kept.
    pub body: Value,
    /// HTTP status of the answer, refusals included.
    pub code: u16,
}

/// The requests so far.
#[derive(Clone, Debug, Default)]
pub struct Requests {
    counts: BTreeMap<(String, String), u64>,
    log: VecDeque<Request>,
}

impl Requests {
    /// How many requests had this verb and resource (`imagepolicies/status` for a subresource).
    pub fn count(&self, verb: &str, resource: &str) -> u64 {
        self.counts.get(&(verb.to_owned(), resource.to_owned())).copied().unwrap_or_default()
    }

    /// How many requests named this resource, whatever the verb.
    pub fn of_resource(&self, resource: &str) -> u64 {
        self.counts.iter().filter(|((_, found), _)| found == resource).map(|(_, count)| count).sum()
    }

    /// How many requests there were of each verb and resource.
    pub fn counts(&self) -> impl Iterator<Item = (&str, &str, u64)> {
        self.counts.iter().map(|((verb, resource), count)| (verb.as_str(), resource.as_str(), *count))
    }

    /// All requests.
    pub fn total(&self) -> u64 {
        self.counts.values().sum()
    }

    /// The newest requests in order.
    pub fn log(&self) -> impl Iterator<Item = &Request> {
        self.log.iter()
    }
}

/// Wakes those who wait for something to happen at the server.
#[derive(Debug, Default)]
pub(super) struct Activity(watch::Sender<()>);

impl Activity {
    pub(super) fn bump(&self) {
        self.0.send_replace(());
    }

    pub(super) fn subscribe(&self) -> watch::Receiver<()> {
        self.0.subscribe()
    }
}

#[derive(Debug, Default)]
struct Ledger {
    requests: Requests,
    writes: VecDeque<Write>,
    watches: BTreeMap<u64, String>,
    watches_opened: u64,
}

/// The server's memory of its clients.
#[derive(Debug, Default)]
pub(super) struct Records {
    ledger: Mutex<Ledger>,
    pub(super) activity: Activity,
}

impl Records {
    fn ledger(&self) -> MutexGuard<'_, Ledger> {
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn arrived(&self, facts: &RequestFacts, user: &str) {
        let request = Request {
            method: facts.method.to_string(),
            path: facts.path_and_query(),
            verb: facts.verb.clone(),
            resource: facts.resource(),
            user: user.to_owned(),
        };
        let mut ledger = self.ledger();
        let key = (request.verb.clone(), request.resource.clone());
        *ledger.requests.counts.entry(key).or_default() += 1;
        keep(&mut ledger.requests.log, request);
        drop(ledger);
        self.activity.bump();
    }

    pub(super) fn wrote(&self, write: Write) {
        keep(&mut self.ledger().writes, write);
        self.activity.bump();
    }

    /// Registers a watch and numbers it.
    pub(super) fn watch_opened(&self, plural: &str) -> u64 {
        let mut ledger = self.ledger();
        ledger.watches_opened += 1;
        let number = ledger.watches_opened;
        ledger.watches.insert(number, plural.to_owned());
        drop(ledger);
        self.activity.bump();
        number
    }

    pub(super) fn watch_closed(&self, number: u64) {
        self.ledger().watches.remove(&number);
        self.activity.bump();
    }

    pub(super) fn newest_watch(&self) -> u64 {
        self.ledger().watches_opened
    }

    pub(super) fn open_watches(&self, plural: &str) -> usize {
        self.ledger().watches.values().filter(|found| *found == plural).count()
    }

    pub(super) fn count(&self, verb: &str, resource: &str) -> u64 {
        self.ledger().requests.count(verb, resource)
    }

    pub(super) fn requests(&self) -> Requests {
        self.ledger().requests.clone()
    }

    pub(super) fn writes(&self) -> Vec<Write> {
        self.ledger().writes.iter().cloned().collect()
    }

    pub(super) fn reset(&self) {
        let mut ledger = self.ledger();
        ledger.requests = Requests::default();
        ledger.writes.clear();
    }
}

fn keep<T>(kept: &mut VecDeque<T>, newest: T) {
    if kept.len() == KEPT {
        kept.pop_front();
    }
    kept.push_back(newest);
}
