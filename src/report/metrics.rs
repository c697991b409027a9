//! `/metrics`: rendered from the Snapshot at every scrape, so that no gauge can drift, in the Prometheus text
//! format 0.0.4 and in OpenMetrics 1.0.0.

use std::fmt;
use std::sync::Arc;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{
    DescriptorEncoder, EncodeGaugeValue, EncodeLabelSet, EncodeMetric as _, MetricEncoder, prometheus_text,
    text,
};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Registry;

use crate::auditor::snapshot::Snapshot;
use crate::policy::status::ConditionStatus;
use crate::rules::SubjectKind;

pub use super::exposition::Format;

use super::conditions::conditions;
use super::exemption_states::encode as exemptions;
use super::finding_series::encode as findings;
use super::namespace_series::{HELP, NAME as NAMESPACE_FINDINGS, NamespaceSeries};
use super::operational::{Operational, seconds};

/// How many series `revisor_namespace_findings` has at most, unless told otherwise.
pub const NAMESPACE_SERIES_DEFAULT: usize = 50_000;

/// What the shell reads from `/proc`.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Process {
    /// Resident memory.
    pub resident_memory_bytes: u64,
    /// User and system time spent.
    pub cpu_seconds: f64,
    /// Start of the process, seconds since the epoch.
    pub start_time_seconds: f64,
}

/// One replica's part in a leader election.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Election {
    /// The Lease's name.
    pub lease: String,
    /// Whether this replica leads.
    pub leads: bool,
}

/// All that one scrape shows.
#[derive(Debug)]
pub struct Scrape {
    /// What was found; none before the first Snapshot.
    pub snapshot: Option<Arc<Snapshot>>,
    /// The leader election; none where there is none. What was found is shown by the leader alone, so that sums
    /// over replicas are right.
    pub election: Option<Election>,
    /// What the operator does.
    pub operational: Arc<Operational>,
    /// The process; none where `/proc` cannot be read.
    pub process: Option<Process>,
    /// How many series `revisor_namespace_findings` has at most.
    pub namespace_series: usize,
}

impl Scrape {
    /// The body of the answer.
    pub fn render(self, format: Format) -> Result<String, fmt::Error> {
        let shown = self.snapshot.as_deref().filter(|_| self.election.as_ref().is_none_or(|it| it.leads));
        let series = shown.map(|snapshot| NamespaceSeries::choose(snapshot, self.namespace_series));
        let mut body = String::with_capacity(16 * 1_024);
        let mut registry = Registry::default();
        registry.register_collector(Box::new(Families { scrape: self, series }));
        match format {
            Format::Text => prometheus_text::encode(&mut body, &registry)?,
            Format::OpenMetrics => text::encode(&mut body, &registry)?,
        }
        Ok(body)
    }
}

#[derive(Debug)]
struct Families {
    scrape: Scrape,
    series: Option<NamespaceSeries>,
}

impl Collector for Families {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let encoder = &mut encoder;
        let complete = self.scrape.snapshot.as_ref().is_some_and(|snapshot| snapshot.complete);
        let mut family =
            gauges(encoder, "revisor_snapshot_complete", "Whether every watched kind has been told once.")?;
        ConstGauge::new(u32::from(complete)).encode(family.encode_family::<[(&str, &str); 0]>(&[])?)?;
        if let Some(Election { lease, leads }) = &self.scrape.election {
            // The name that Kubernetes' own components have for it.
            let help = "Whether this replica leads (1) or not (0).";
            let mut family = gauges(encoder, "leader_election_master_status", help)?;
            sample(&mut family, &[("name", &**lease)], u32::from(*leads))?;
        }
        if let Some((snapshot, series)) = self.scrape.snapshot.as_ref().zip(self.series.as_ref()) {
            cluster(encoder, snapshot)?;
            policies(encoder, snapshot)?;
            if !series.is_empty() {
                let mut family = gauges(encoder, NAMESPACE_FINDINGS, HELP)?;
                series.encode(snapshot, &mut family)?;
            }
            let mut family = gauges(
                encoder,
                "revisor_metrics_series_dropped",
                "Series left out of a metric to keep it bounded.",
            )?;
            sample(
                &mut family,
                &[("metric", NAMESPACE_FINDINGS)],
                u64::try_from(series.dropped).unwrap_or(u64::MAX),
            )?;
        }
        self.scrape.operational.encode(encoder)?;
        if let Some(process) = &self.scrape.process {
            encode_process(encoder, process)?;
        }
        let mut family = encoder.encode_descriptor("revisor_build", "This build.", None, MetricType::Info)?;
        let revision = option_env!("REVISOR_REVISION").unwrap_or("unknown");
        family.encode_info(&[("version", env!("CARGO_PKG_VERSION")), ("revision", revision)])
    }
}

pub(super) fn gauges<'a>(
    encoder: &'a mut DescriptorEncoder<'_>,
    name: &'a str,
    help: &str,
) -> Result<MetricEncoder<'a>, fmt::Error> {
    encoder.encode_descriptor(name, help, None, MetricType::Gauge)
}

pub(super) fn sample<V: EncodeGaugeValue>(
    family: &mut MetricEncoder<'_>,
    labels: &impl EncodeLabelSet,
    value: V,
) -> fmt::Result {
    family.encode_family(labels)?.encode_gauge(&value)
}

fn gauge<V: EncodeGaugeValue>(
    encoder: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    value: V,
) -> fmt::Result {
    gauges(encoder, name, help)?.encode_gauge(&value)
}

/// What was seen.
fn cluster(encoder: &mut DescriptorEncoder<'_>, snapshot: &Snapshot) -> fmt::Result {
    let seen = &snapshot.seen;
    let at = seconds(snapshot.observed_at.as_millisecond());
    gauge(
        encoder,
        "revisor_snapshot_timestamp_seconds",
        "When the last change in what is shown was applied.",
        at,
    )?;
    let mut family =
        gauges(encoder, "revisor_subjects", "What is judged, each once, whatever the policies.")?;
    for kind in SubjectKind::ALL {
        let count = match kind {
            SubjectKind::ImageUse => seen.parts.image_uses,
            SubjectKind::Container => seen.parts.containers,
            SubjectKind::Pod => seen.parts.workloads,
            SubjectKind::Namespace => seen.namespaces,
            SubjectKind::Reference => seen.references,
            SubjectKind::Cluster => 1,
        };
        sample(&mut family, &[("subject_kind", kind.as_str())], count)?;
    }
    let mut family = gauges(encoder, "revisor_objects", "Objects known.")?;
    for (kind, count) in [("Namespace", seen.namespaces), ("Pod", seen.pods)] {
        sample(&mut family, &[("kind", kind)], count)?;
    }
    gauge(encoder, "revisor_images", "Distinct image references.", seen.images)?;
    gauge(encoder, "revisor_pod_shapes", "Distinct pod specs, as far as rules read them.", seen.shapes)?;
    let help = "Objects that could not be decoded, since the start.";
    let family = encoder.encode_descriptor("revisor_malformed_objects", help, None, MetricType::Counter)?;
    ConstCounter::new(seen.malformed).encode(family)
}

/// What policies found, and how they are.
fn policies(encoder: &mut DescriptorEncoder<'_>, snapshot: &Snapshot) -> fmt::Result {
    if snapshot.policies.is_empty() {
        return Ok(());
    }
    let mut family = gauges(
        encoder,
        "revisor_findings",
        "Findings by policy, rule and kind of subject; dormant ones are not counted.",
    )?;
    findings(&mut family, snapshot)?;
    exemptions(encoder, snapshot)?;
    let mut family = encoder.encode_descriptor("revisor_policy", "Policies.", None, MetricType::Info)?;
    for part in snapshot.policies.iter() {
        let policy = &part.policy;
        let (profile, version) = policy.profile.unwrap_or_default();
        family.encode_info(&[
            ("policy", &*policy.name),
            ("profile", profile),
            ("profile_version", version),
            ("spec_hash", &*policy.spec_sha256),
        ])?;
    }
    let mut family = gauges(encoder, "revisor_policy_condition", "Conditions of policies, a state set.")?;
    for part in snapshot.policies.iter() {
        for condition in conditions(snapshot, part) {
            for (status, word) in [
                (ConditionStatus::True, "true"),
                (ConditionStatus::False, "false"),
                (ConditionStatus::Unknown, "unknown"),
            ] {
                let labels =
                    [("policy", &*part.policy.name), ("condition", condition.type_), ("status", word)];
                sample(&mut family, &labels, u32::from(condition.status == status))?;
            }
        }
    }
    Ok(())
}

/// The families that every process has, under their usual names.
fn encode_process(encoder: &mut DescriptorEncoder<'_>, process: &Process) -> fmt::Result {
    gauge(encoder, "process_resident_memory_bytes", "Resident memory.", process.resident_memory_bytes)?;
    let help = "User and system CPU time spent.";
    let family = encoder.encode_descriptor("process_cpu_seconds", help, None, MetricType::Counter)?;
    ConstCounter::new(process.cpu_seconds).encode(family)?;
    gauge(encoder, "process_start_time_seconds", "Start of the process.", process.start_time_seconds)
}

#[cfg(test)]
#[path = "metrics/tests.rs"]
mod tests;
