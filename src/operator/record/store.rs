//! The record's ConfigMaps: reading them, and writing one.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::Client;
use kube::api::{Api, ObjectMeta, PostParams};
use tokio::sync::mpsc;
use tokio::time::Instant;

use crate::auditor::record::{SHARDS_MOST, Sealed, label};
use crate::decode::Change;
use crate::operator::stop::Stop;
use crate::operator::watch::Received;
use crate::operator::write::{Complaints, Failure, MANAGER, within};

/// The key under `binaryData`.
const KEY: &str = "record";
/// How long to wait before a record that may not be read is asked for again.
const AFTER_REFUSAL: Duration = Duration::from_secs(60);
/// What was read this short a time ago is not read again.
const FRESH: Duration = Duration::from_secs(5);

/// What stands in the cluster of one shard.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Written {
    /// Its `resourceVersion`; none where there is no such ConfigMap.
    pub(crate) version: Option<Box<str>>,
    /// What it says, in one number, and of how many shards it is; none where it cannot be read.
    pub(crate) says: Option<(u64, u8)>,
}

/// What is known of the ConfigMaps.
#[derive(Debug, Default)]
struct Known {
    at: Option<Instant>,
    written: Vec<Written>,
    /// How many records were told to the engine.
    told: u64,
}

/// The record's ConfigMaps.
pub(crate) struct Store {
    api: Api<ConfigMap>,
    namespace: Box<str>,
    deadline: Duration,
    known: Mutex<Known>,
    /// One reads at a time.
    reading: tokio::sync::Mutex<Complaints>,
}

/// The name of a shard's ConfigMap.
pub(crate) fn name(shard: u8) -> String {
    format!("revisor-record-{shard}")
}

impl Store {
    pub(crate) fn new(client: Client, namespace: &str, deadline: Duration) -> Self {
        Self {
            api: Api::namespaced(client, namespace),
            namespace: namespace.into(),
            deadline,
            known: Mutex::default(),
            reading: tokio::sync::Mutex::default(),
        }
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many records were told to the engine.
    pub(crate) fn told(&self) -> u64 {
        self.known().told
    }

    /// What stands in the cluster now, by whoever writes it.
    pub(crate) fn keep(&self, written: &[Written]) {
        self.known().written = written.to_vec();
    }

    /// Reads what stands in the cluster and tells the engine, where that is another record than the last one; returns what
    /// stands there. Tries until it can be read: what may not be read is told as no record, once. None when the operator
    /// ends, or the leadership.
    pub(crate) async fn recall(
        &self,
        changes: &mpsc::Sender<Received>,
        stop: &mut Stop,
    ) -> Option<Vec<Written>> {
        let mut complaints = stop.unless(self.reading.lock()).await?;
        {
            let known = self.known();
            if known.at.is_some_and(|at| at.elapsed() < FRESH) {
                return Some(known.written.clone());
            }
        }
        loop {
            let failure = match stop.unless(self.read()).await? {
                Ok((written, shards)) => {
                    let is_news = {
                        let mut known = self.known();
                        let is_news = known.told == 0 || known.written != written;
                        (known.at, known.written) = (Some(Instant::now()), written.clone());
                        is_news
                    };
                    if is_news {
                        self.tell(shards, changes, stop).await?;
                    }
                    return Some(written);
                }
                Err(failure) => failure,
            };
            let wait = match &failure {
                Failure::Later(wait, _) => *wait,
                _ => AFTER_REFUSAL,
            };
            if complaints.is_new("read") {
                tracing::warn!(
                    namespace = &*self.namespace, error = %failure,
                    "the record of earlier findings cannot be read; it is tried again by itself"
                );
            }
            if !matches!(failure, Failure::Later(..)) && self.told() == 0 {
                self.tell(Vec::new(), changes, stop).await?;
            }
            stop.unless(tokio::time::sleep(wait)).await?;
        }
    }

    async fn tell(
        &self,
        shards: Vec<Option<Box<[u8]>>>,
        changes: &mpsc::Sender<Received>,
        stop: &mut Stop,
    ) -> Option<()> {
        self.known().told += 1;
        let received = Received { change: Change::Record(shards.into()), at: None };
        stop.unless(changes.send(received)).await?.ok()
    }

    /// Every shard: what stands there, and its bytes. The first one says how many there are; where it cannot be read, the
    /// others do.
    async fn read(&self) -> Result<(Vec<Written>, Vec<Option<Box<[u8]>>>), Failure> {
        let (mut written, mut shards, mut of, mut first) = (Vec::new(), Vec::new(), 1, false);
        let mut bytes = 0;
        while written.len() < of {
            let shard = u8::try_from(written.len()).unwrap_or(SHARDS_MOST);
            let map = match within(self.deadline, self.api.get(&name(shard))).await {
                Ok(map) => map,
                Err(Failure::NotFound(_)) => {
                    // Of a record without its first shard the others are looked for one by one.
                    of = if shard == 0 { 2 } else { of };
                    written.push(Written::default());
                    shards.push(None);
                    continue;
                }
                Err(failure) => return Err(failure),
            };
            let content = map.binary_data.and_then(|mut data| data.remove(KEY)).map(|data| data.0);
            let content = content.unwrap_or_default();
            let says = match label(&content) {
                Ok(label) => Some((label.digest, label.of)),
                Err(error) => {
                    let name = name(shard);
                    tracing::warn!(
                        name, %error,
                        "a part of the record of earlier findings is of no use; its namespaces are audited as if for the first time"
                    );
                    None
                }
            };
            match says {
                Some((_, own)) if shard == 0 => (of, first) = (usize::from(own), true),
                Some((_, own)) if !first => of = of.max(usize::from(own)),
                Some(_) => {}
                None => of = of.max(2),
            }
            bytes += content.len();
            written.push(Written { version: map.metadata.resource_version.map(Into::into), says });
            shards.push(says.is_some().then(|| content.into()));
        }
        if shards.iter().all(Option::is_none) {
            tracing::info!(
                "there is no record of earlier findings; everything is audited as if for the first time"
            );
            return Ok((written, Vec::new()));
        }
        tracing::info!(shards = shards.len(), bytes, "the record of earlier findings is read");
        Ok((written, shards))
    }

    /// Writes a shard on top of the version that is known; returns the new one.
    pub(crate) async fn write(
        &self,
        shard: u8,
        of: u8,
        sealed: &Sealed,
        over: Option<&str>,
    ) -> Result<Option<Box<str>>, Failure> {
        let map = object(shard, of, sealed, over);
        let parameters = PostParams { field_manager: Some(MANAGER.to_owned()), ..PostParams::default() };
        let written = match over {
            Some(_) => within(self.deadline, self.api.replace(&name(shard), &parameters, &map)).await?,
            None => within(self.deadline, self.api.create(&parameters, &map)).await?,
        };
        Ok(written.metadata.resource_version.map(Into::into))
    }

    /// What stands in the cluster of a shard.
    pub(crate) async fn look(&self, shard: u8) -> Result<Written, Failure> {
        match within(self.deadline, self.api.get(&name(shard))).await {
            Ok(map) => {
                let content = map.binary_data.and_then(|mut data| data.remove(KEY)).map(|data| data.0);
                let says = label(&content.unwrap_or_default()).ok().map(|label| (label.digest, label.of));
                Ok(Written { version: map.metadata.resource_version.map(Into::into), says })
            }
            Err(Failure::NotFound(_)) => Ok(Written::default()),
            Err(failure) => Err(failure),
        }
    }
}

fn object(shard: u8, of: u8, sealed: &Sealed, over: Option<&str>) -> ConfigMap {
    let labels = [("app.kubernetes.io/managed-by", MANAGER), ("app.kubernetes.io/component", "record")];
    let labels = labels.map(|(key, value)| (key.to_owned(), value.to_owned()));
    let Sealed { findings, omitted, .. } = sealed;
    let about = format!(
        "What Revisor {} has found and told, for its next start. Part {} of {of}; findings: {findings}, left out: {omitted}. \
         What it says is in the NamespaceAudits, for people. If it is deleted, findings that are open begin anew.",
        env!("CARGO_PKG_VERSION"),
        u16::from(shard) + 1
    );
    ConfigMap {
        metadata: ObjectMeta {
            name: Some(name(shard)),
            labels: Some(BTreeMap::from(labels)),
            resource_version: over.map(str::to_owned),
            ..ObjectMeta::default()
        },
        data: Some(BTreeMap::from([("about".to_owned(), about)])),
        binary_data: Some(BTreeMap::from([(KEY.to_owned(), ByteString(sealed.bytes.clone()))])),
        ..ConfigMap::default()
    }
}

/// Reads the record at the start, whoever writes: a replica that stands by knows since-times, too.
pub(crate) async fn recall(store: Arc<Store>, changes: mpsc::Sender<Received>, mut stop: Stop) {
    if store.recall(&changes, &mut stop).await.is_some() {
        // A task that ends by itself is taken for a defect.
        drop(changes);
        stop.wait().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shard_is_a_config_map_that_says_what_it_is() {
        let sealed = Sealed { bytes: vec![1, 2, 3], digest: 7, namespaces: 3, findings: 12, omitted: 0 };
        let map = serde_json::to_value(object(1, 4, &sealed, Some("9"))).unwrap();
        assert_eq!(map["metadata"]["name"], "revisor-record-1");
        assert_eq!(map["metadata"]["resourceVersion"], "9");
        assert_eq!(map["binaryData"]["record"], "AQID");
        assert!(map["data"]["about"].as_str().unwrap().contains("Part 2 of 4; findings: 12, left out: 0."));
    }
}
