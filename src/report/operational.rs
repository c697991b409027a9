//! What the operator does, in numbers: filled by the shell, read at scrape time. Every series that can exist
//! does from the start, with zero, so that the first event is an increase.

use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use jiff::Timestamp;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric as _};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::metrics::histogram::Histogram;

use crate::auditor::suspicion::Signal;
use crate::auditor::transitions::TransitionKind;
use crate::subject::Resource;

/// Declares the values of a label: a small fixed set of words.
macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident = $word:literal,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum $name {
            $($(#[$variant_doc])* $variant,)*
        }
        impl $name {
            /// All values.
            pub const ALL: &[Self] = &[$(Self::$variant,)*];
            /// The label's value.
            pub fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $word,)*
                }
            }
        }
    };
}

words! {
    /// What became of an Event.
    EventResult {
        /// Written.
        Created = "created",
        /// It was there already: a retry, or another leader.
        Exists = "exists",
        /// Refused by the API server.
        Failed = "failed",
        /// Never sent: the token bucket or the queue was full.
        Dropped = "dropped",
    }
}

words! {
    /// What became of a status write.
    WriteResult {
        /// Written.
        Written = "written",
        /// The object had changed; it is written again from the newest Snapshot.
        Conflict = "conflict",
        /// Refused by the API server.
        Failed = "failed",
    }
}

words! {
    /// Why a watch began anew.
    RestartReason {
        /// 410: the resource version is too old.
        Expired = "expired",
        /// The connection ended or timed out.
        Disconnected = "disconnected",
        /// Not permitted.
        Forbidden = "forbidden",
        /// Any other answer.
        Failed = "failed",
    }
}

/// Upper bounds of the detection latency's buckets, in seconds.
const LATENCY_BUCKETS: [f64; 12] = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 15.0, 60.0];

/// Numbers of one watch.
#[derive(Debug, Default)]
struct Watch {
    started: AtomicBool,
    synced: AtomicBool,
    last_event_milliseconds: AtomicI64,
    restarts: [AtomicU64; RestartReason::ALL.len()],
}

/// What the operator does, in numbers. Shared by everything that counts; nothing here locks but the histogram.
pub struct Operational {
    detection_latency: Histogram,
    watches: [Watch; Resource::ALL.len()],
    events: [AtomicU64; EventResult::ALL.len()],
    status_writes: [AtomicU64; WriteResult::ALL.len()],
    transitions: [AtomicU64; TRANSITIONS.len()],
    activities: [AtomicU64; Signal::ALL.len()],
}

const TRANSITIONS: [TransitionKind; 3] =
    [TransitionKind::Opened, TransitionKind::Resolved, TransitionKind::Exempted];

impl fmt::Debug for Operational {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Operational")
    }
}

impl Default for Operational {
    fn default() -> Self {
        Self {
            detection_latency: Histogram::new(LATENCY_BUCKETS),
            watches: std::array::from_fn(|_| Watch::default()),
            events: Default::default(),
            status_writes: Default::default(),
            transitions: Default::default(),
            activities: Default::default(),
        }
    }
}

impl Operational {
    /// All zeros.
    pub fn new() -> Self {
        Self::default()
    }

    /// A change was received this long before its verdict could be read.
    pub fn detected(&self, after: Duration) {
        self.detection_latency.observe(after.as_secs_f64());
    }

    /// Something was heard on a watch, a bookmark included.
    pub fn watch_heard(&self, resource: Resource, at: Timestamp) {
        let watch = self.watch(resource);
        watch.last_event_milliseconds.fetch_max(at.as_millisecond(), Relaxed);
        watch.started.store(true, Relaxed);
    }

    /// Whether a watch has told everything and follows. A watch that was never named is not shown.
    pub fn watch_synced(&self, resource: Resource, synced: bool) {
        let watch = self.watch(resource);
        watch.synced.store(synced, Relaxed);
        watch.started.store(true, Relaxed);
    }

    /// A watch is not wanted any more: no policy reads the resource, or it may not be read.
    pub fn watch_ended(&self, resource: Resource) {
        let watch = self.watch(resource);
        watch.started.store(false, Relaxed);
        // One that is wanted again is not stale from the start.
        watch.last_event_milliseconds.store(0, Relaxed);
    }

    /// A watch began anew.
    pub fn watch_restarted(&self, resource: Resource, reason: RestartReason) {
        let watch = self.watch(resource);
        watch.restarts[reason as usize].fetch_add(1, Relaxed);
        watch.started.store(true, Relaxed);
    }

    /// An Event was due.
    pub fn event(&self, result: EventResult) {
        self.events[result as usize].fetch_add(1, Relaxed);
    }

    /// The status of a policy, a NamespaceAudit, or a part of the record was due.
    pub fn status_write(&self, result: WriteResult) {
        self.status_writes[result as usize].fetch_add(1, Relaxed);
    }

    /// A finding opened, resolved or became exempt.
    pub fn transition(&self, kind: TransitionKind) {
        if let Some(at) = TRANSITIONS.iter().position(|known| *known == kind) {
            self.transitions[at].fetch_add(1, Relaxed);
        }
    }

    /// Something suspicious was seen.
    pub fn activity(&self, signal: Signal) {
        self.activities[signal as usize].fetch_add(1, Relaxed);
    }

    fn watch(&self, resource: Resource) -> &Watch {
        &self.watches[Resource::ALL.iter().position(|known| *known == resource).unwrap_or_default()]
    }

    /// Writes the families.
    pub(super) fn encode(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let family = encoder.encode_descriptor(
            "revisor_detection_latency_seconds",
            "Time from a change being received to its verdict being readable.",
            None,
            MetricType::Histogram,
        )?;
        self.detection_latency.encode(family)?;
        self.encode_watches(encoder)?;
        let events = EventResult::ALL.iter().map(|word| word.as_str()).zip(&self.events);
        counters(
            encoder,
            "revisor_events",
            "Kubernetes Events that were due, by what became of them.",
            "result",
            events,
        )?;
        let writes = WriteResult::ALL.iter().map(|word| word.as_str()).zip(&self.status_writes);
        counters(
            encoder,
            "revisor_status_writes",
            "Writes of policy status, NamespaceAudits and the record, by what became of them.",
            "result",
            writes,
        )?;
        let transitions = TRANSITIONS.iter().map(|kind| kind.as_str()).zip(&self.transitions);
        counters(
            encoder,
            "revisor_transitions",
            "Findings that opened, resolved or became exempt.",
            "kind",
            transitions,
        )?;
        // No namespace: most of them would have no series before their first one, which no rate would count.
        let activities = Signal::ALL.iter().map(|signal| signal.as_str()).zip(&self.activities);
        counters(
            encoder,
            "revisor_suspicious_activity",
            "Changes that are worth a look whatever the policies ask for, by signal.",
            "signal",
            activities,
        )
    }

    fn encode_watches(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let watched =
            || Resource::ALL.iter().zip(&self.watches).filter(|(_, watch)| watch.started.load(Relaxed));
        if watched().next().is_none() {
            return Ok(());
        }
        let mut family = encoder.encode_descriptor(
            "revisor_watch_last_event_timestamp_seconds",
            "When something was last heard on the watch of a resource, bookmarks included.",
            None,
            MetricType::Gauge,
        )?;
        for (resource, watch) in watched() {
            let milliseconds = watch.last_event_milliseconds.load(Relaxed);
            if milliseconds != 0 {
                let labels = [("resource", resource.label())];
                ConstGauge::new(seconds(milliseconds)).encode(family.encode_family(&labels)?)?;
            }
        }
        let mut family = encoder.encode_descriptor(
            "revisor_watch_synced",
            "Whether the watch of a resource has told everything and follows.",
            None,
            MetricType::Gauge,
        )?;
        for (resource, watch) in watched() {
            let labels = [("resource", resource.label())];
            ConstGauge::new(u32::from(watch.synced.load(Relaxed))).encode(family.encode_family(&labels)?)?;
        }
        let mut family = encoder.encode_descriptor(
            "revisor_watch_restarts",
            "How often the watch of a resource began anew, by reason.",
            None,
            MetricType::Counter,
        )?;
        for (resource, watch) in watched() {
            for (reason, restarts) in RestartReason::ALL.iter().zip(&watch.restarts) {
                let labels = [("resource", resource.label()), ("reason", reason.as_str())];
                ConstCounter::new(restarts.load(Relaxed)).encode(family.encode_family(&labels)?)?;
            }
        }
        Ok(())
    }
}

/// Milliseconds as the seconds of a sample.
#[expect(clippy::cast_precision_loss, reason = "exact until the year 287396")]
pub(super) fn seconds(milliseconds: i64) -> f64 {
    milliseconds as f64 / 1_000.0
}

/// A family of counters with one label.
fn counters<'a>(
    encoder: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    label: &'static str,
    series: impl Iterator<Item = (&'static str, &'a AtomicU64)>,
) -> fmt::Result {
    let mut family = encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
    for (value, counter) in series {
        ConstCounter::new(counter.load(Relaxed)).encode(family.encode_family(&[(label, value)])?)?;
    }
    Ok(())
}
