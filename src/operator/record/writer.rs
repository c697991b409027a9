//! Writes the record: a shard when it says something else, after the Events, within the budget.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::Instant;

use super::store::{Store, Written};
use super::{Ask, RecordSettings};
use crate::auditor::record::{SHARD_AIM, SHARDS_MOST, Sealed};
use crate::auditor::snapshot::Snapshot;
use crate::operator::leadership::Writer;
use crate::operator::notices::Notices;
use crate::operator::pace::TokenBucket;
use crate::operator::stop::Stop;
use crate::operator::watch::Received;
use crate::operator::write::{Complaints, Failure};
use crate::report::operational::{Operational, WriteResult};

/// How long to wait when a shard cannot be written at all.
const AFTER_REFUSAL: Duration = Duration::from_secs(60);

/// The writer.
pub(crate) struct RecordWriter {
    store: Arc<Store>,
    engine: mpsc::Sender<Ask>,
    changes: mpsc::Sender<Received>,
    notices: Arc<Notices>,
    snapshots: watch::Receiver<Option<Arc<Snapshot>>>,
    operational: Arc<Operational>,
    bucket: TokenBucket,
    gather: Duration,
    /// How many shards there are.
    of: u8,
    written: Vec<Written>,
    complaints: Complaints,
}

impl Writer for RecordWriter {
    async fn lead(&mut self, mut stop: Stop) {
        // What another replica has written meanwhile is judged by first.
        let Some(written) = self.store.recall(&self.changes, &mut stop).await else { return };
        self.of = written.iter().filter_map(|shard| shard.says).map(|(_, of)| of).max().unwrap_or(1);
        self.written = written;
        loop {
            let complete = |snapshot: &Option<Arc<Snapshot>>| {
                snapshot.as_ref().is_some_and(|snapshot| snapshot.complete)
            };
            match stop.unless(self.snapshots.wait_for(complete)).await {
                Some(Ok(_)) => {}
                Some(Err(_)) | None => return,
            }
            self.snapshots.mark_unchanged();
            let Some(wait) = self.round(&mut stop).await else { return };
            let (snapshots, gather) = (&mut self.snapshots, self.gather);
            let next = async {
                match wait {
                    Some(wait) => tokio::time::sleep(wait).await,
                    None => {
                        // An error means that the engine has ended, and then so will this.
                        let _ = snapshots.changed().await;
                        tokio::time::sleep(gather).await;
                    }
                }
            };
            if stop.unless(next).await.is_none() {
                return;
            }
        }
    }
}

impl RecordWriter {
    pub(crate) fn new(
        store: Arc<Store>,
        (engine, changes): (mpsc::Sender<Ask>, mpsc::Sender<Received>),
        notices: Arc<Notices>,
        snapshots: watch::Receiver<Option<Arc<Snapshot>>>,
        operational: Arc<Operational>,
        settings: &RecordSettings,
    ) -> Self {
        Self {
            store,
            engine,
            changes,
            notices,
            snapshots,
            operational,
            bucket: TokenBucket::new(settings.writes, Instant::now()),
            gather: settings.gather,
            of: 1,
            written: Vec::new(),
            complaints: Complaints::default(),
        }
    }

    /// Writes what differs; returns when to look again without any news. None when it should end.
    async fn round(&mut self, stop: &mut Stop) -> Option<Option<Duration>> {
        self.written.resize(usize::from(self.of).max(self.written.len()), Written::default());
        let (reply, answer) = oneshot::channel();
        let ask = Ask::Digests { told: self.store.told(), of: self.of, reply };
        stop.unless(self.engine.send(ask)).await?.ok()?;
        // The engine does not answer while it has not judged by the record.
        let Ok(digests) = stop.unless(answer).await? else { return Some(Some(self.gather)) };
        // Those that a doubling adds come first, and then the one that says how many there are: whoever reads meanwhile
        // finds everything.
        let (low, high) = digests.split_at(digests.len() / 2);
        let high = (low.len()..).zip(high);
        let order: Vec<(usize, u64)> =
            high.chain(low.iter().enumerate()).map(|(shard, digest)| (shard, *digest)).collect();
        for (shard, digest) in order {
            if self.written[shard].says == Some((digest, self.of)) {
                continue;
            }
            let shard = u8::try_from(shard).unwrap_or(SHARDS_MOST);
            stop.unless(tokio::time::sleep(self.bucket.take(Instant::now()))).await?;
            let (reply, answer) = oneshot::channel();
            stop.unless(self.engine.send(Ask::Shard { shard, of: self.of, reply })).await?.ok()?;
            let Ok((sealed, notices)) = stop.unless(answer).await? else { return Some(Some(self.gather)) };
            if sealed.bytes.len() > SHARD_AIM && sealed.namespaces > 1 && self.of < SHARDS_MOST {
                self.of *= 2;
                return Some(Some(Duration::ZERO));
            }
            stop.unless(self.notices.until_done(notices)).await?;
            if let Some(wait) = self.write(shard, &sealed).await {
                return Some(Some(wait));
            }
            self.store.keep(&self.written);
        }
        Some(None)
    }

    /// Writes one shard; returns how long to pause before the next try, where it has failed.
    async fn write(&mut self, shard: u8, sealed: &Sealed) -> Option<Duration> {
        let at = usize::from(shard);
        let over = self.written[at].version.clone();
        let failure = match self.store.write(shard, self.of, sealed, over.as_deref()).await {
            Ok(version) => {
                self.operational.status_write(WriteResult::Written);
                self.written[at] = Written { version, says: Some((sealed.digest, self.of)) };
                if sealed.omitted > 0 && self.complaints.is_new("omitted") {
                    tracing::warn!(
                        shard,
                        omitted = sealed.omitted,
                        "a part of the record is full; findings are left out"
                    );
                }
                if self.complaints.mended("write") {
                    tracing::info!("the record can be written again");
                }
                return None;
            }
            Err(failure) => failure,
        };
        self.operational.status_write(failure.result());
        match &failure {
            // Somebody else has written, or deleted it: to be written on top of what stands there now.
            Failure::Conflict | Failure::Exists | Failure::NotFound(_) if !failure.namespace_is_gone() => {
                match self.store.look(shard).await {
                    Ok(written) => {
                        self.written[at] = written;
                        return Some(self.gather);
                    }
                    Err(failure) => self.complain(&failure),
                }
            }
            failure => self.complain(failure),
        }
        Some(match failure {
            Failure::Later(wait, _) => wait,
            _ => AFTER_REFUSAL,
        })
    }

    fn complain(&mut self, failure: &Failure) {
        if self.complaints.is_new("write") {
            tracing::warn!(
                error = %failure,
                "the record cannot be written; after a restart it is not known what was found before"
            );
        }
    }
}
