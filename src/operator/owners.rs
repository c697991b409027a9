//! Looks for owners of dormant findings, slowly, and tells the engine of those that are gone.

use std::time::Duration;

use kube::Client;
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::lookup::{Found, Lookup, ObjectKey};
use super::pace::{Rate, TokenBucket};
use super::stop::Stop;
use super::watch::Received;
use crate::auditor::transitions::WantedOwner;
use crate::decode::Change;

/// Answers until told to stop.
pub(crate) async fn run(
    client: Client,
    rate: Rate,
    deadline: Duration,
    mut wanted: mpsc::Receiver<WantedOwner>,
    changes: mpsc::Sender<Received>,
    mut stop: Stop,
) {
    let lookup = Lookup::new(client, deadline);
    let mut bucket = TokenBucket::new(rate, Instant::now());
    while let Some(Some(owner)) = stop.unless(wanted.recv()).await {
        let wait = bucket.take(Instant::now());
        if stop.unless(tokio::time::sleep(wait)).await.is_none() {
            return;
        }
        let WantedOwner { namespace, kind, name, api_version } = owner;
        let key = ObjectKey {
            api_version: (&*api_version).into(),
            kind: (&*kind).into(),
            namespace: (&*namespace).into(),
            name,
        };
        if lookup.look(&key).await == Found::Gone {
            let change = Change::OwnerGone(key.namespace, key.kind, key.name);
            if !matches!(stop.unless(changes.send(Received { change, at: None })).await, Some(Ok(()))) {
                return;
            }
        }
    }
}
