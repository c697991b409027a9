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
mod tests {
    use std::time::Duration;

    use super::super::operational::{EventResult, RestartReason, WriteResult};
    use super::super::testing::{World, at, image_subject, policy};
    use super::*;
    use crate::auditor::findings::State;
    use crate::auditor::suspicion::Signal;
    use crate::auditor::transitions::TransitionKind;
    use crate::subject::Resource;
    use crate::verdict::Severity;

    fn scrape(snapshot: Option<Snapshot>) -> Scrape {
        Scrape {
            snapshot: snapshot.map(Arc::new),
            election: None,
            operational: Arc::new(Operational::new()),
            process: None,
            namespace_series: NAMESPACE_SERIES_DEFAULT,
        }
    }

    fn rendered(snapshot: Option<Snapshot>, format: Format) -> String {
        scrape(snapshot).render(format).unwrap()
    }

    /// The samples of one family.
    fn samples(body: &str, family: &str) -> Vec<String> {
        body.lines().filter_map(|line| line.strip_prefix(family).map(str::to_owned)).collect()
    }

    fn world() -> World {
        World::baseline()
            .fail("team-a", "Deployment/web", "evil.test/x:1")
            .on(0, image_subject("team-b", "Pod/x", "app", "evil.test/x:1"), State::Unknown)
            .on(0, image_subject("team-b", "Pod/y", "app", "evil.test/x:1"), State::Exempt(0))
    }

    #[test]
    fn a_scrape_reads_as_follows_in_prometheus_text() {
        let process = Process {
            resident_memory_bytes: 33_000_000,
            cpu_seconds: 1.5,
            start_time_seconds: 1_795_000_000.25,
        };
        let body = Scrape { process: Some(process), ..scrape(Some(world().snapshot())) }
            .render(Format::Text)
            .unwrap();
        let state = body.split("# HELP revisor_detection").next().unwrap();
        assert_eq!(
            state,
            r#"# HELP revisor_snapshot_complete Whether every watched kind has been told once.
# TYPE revisor_snapshot_complete gauge
revisor_snapshot_complete 1
# HELP revisor_snapshot_timestamp_seconds When the last change in what is shown was applied.
# TYPE revisor_snapshot_timestamp_seconds gauge
revisor_snapshot_timestamp_seconds 1795003600.0
# HELP revisor_subjects What is judged, each once, whatever the policies.
# TYPE revisor_subjects gauge
revisor_subjects{subject_kind="image_use"} 7
revisor_subjects{subject_kind="container"} 0
revisor_subjects{subject_kind="pod"} 0
revisor_subjects{subject_kind="namespace"} 2
revisor_subjects{subject_kind="reference"} 2
revisor_subjects{subject_kind="cluster"} 1
# HELP revisor_objects Objects known.
# TYPE revisor_objects gauge
revisor_objects{kind="Namespace"} 2
revisor_objects{kind="Pod"} 12
# HELP revisor_images Distinct image references.
# TYPE revisor_images gauge
revisor_images 5
# HELP revisor_pod_shapes Distinct pod specs, as far as rules read them.
# TYPE revisor_pod_shapes gauge
revisor_pod_shapes 4
# HELP revisor_malformed_objects_total Objects that could not be decoded, since the start.
# TYPE revisor_malformed_objects_total counter
revisor_malformed_objects_total 1
# HELP revisor_findings Findings by policy, rule and kind of subject; dormant ones are not counted.
# TYPE revisor_findings gauge
revisor_findings{policy="baseline",rule="TrustedRegistry",severity="critical",subject_kind="image_use",state="fail"} 1
revisor_findings{policy="baseline",rule="TrustedRegistry",severity="critical",subject_kind="image_use",state="unknown"} 1
revisor_findings{policy="baseline",rule="TrustedRegistry",severity="critical",subject_kind="image_use",state="exempt"} 1
# HELP revisor_exemptions Exemptions by policy, origin (the policy itself, or an object of a namespace) and state: ending within 14 days, permitting nothing just now.
# TYPE revisor_exemptions gauge
revisor_exemptions{policy="baseline",origin="policy",state="active"} 1
revisor_exemptions{policy="baseline",origin="policy",state="unused"} 0
revisor_exemptions{policy="baseline",origin="policy",state="expiring"} 0
revisor_exemptions{policy="baseline",origin="policy",state="expired"} 0
revisor_exemptions{policy="baseline",origin="object",state="active"} 0
revisor_exemptions{policy="baseline",origin="object",state="unused"} 0
revisor_exemptions{policy="baseline",origin="object",state="expiring"} 0
revisor_exemptions{policy="baseline",origin="object",state="expired"} 0
# HELP revisor_exemption_expiry_timestamp_seconds When an exemption that stands in a policy ends.
# TYPE revisor_exemption_expiry_timestamp_seconds gauge
revisor_exemption_expiry_timestamp_seconds{policy="baseline",exemption="legacy-etl"} 1801353600.0
# HELP revisor_policy_info Policies.
# TYPE revisor_policy_info gauge
revisor_policy_info{policy="baseline",profile="Baseline",profile_version="v1",spec_hash="c0ffee"} 1
# HELP revisor_policy_condition Conditions of policies, a state set.
# TYPE revisor_policy_condition gauge
revisor_policy_condition{policy="baseline",condition="Ready",status="true"} 1
revisor_policy_condition{policy="baseline",condition="Ready",status="false"} 0
revisor_policy_condition{policy="baseline",condition="Ready",status="unknown"} 0
revisor_policy_condition{policy="baseline",condition="Stalled",status="true"} 0
revisor_policy_condition{policy="baseline",condition="Stalled",status="false"} 1
revisor_policy_condition{policy="baseline",condition="Stalled",status="unknown"} 0
revisor_policy_condition{policy="baseline",condition="Compliant",status="true"} 0
revisor_policy_condition{policy="baseline",condition="Compliant",status="false"} 1
revisor_policy_condition{policy="baseline",condition="Compliant",status="unknown"} 0
# HELP revisor_namespace_findings Findings by namespace, policy and rule, where there are any.
# TYPE revisor_namespace_findings gauge
revisor_namespace_findings{resource_namespace="team-a",policy="baseline",rule="TrustedRegistry",severity="critical",state="fail"} 1
revisor_namespace_findings{resource_namespace="team-b",policy="baseline",rule="TrustedRegistry",severity="critical",state="unknown"} 1
revisor_namespace_findings{resource_namespace="team-b",policy="baseline",rule="TrustedRegistry",severity="critical",state="exempt"} 1
# HELP revisor_metrics_series_dropped Series left out of a metric to keep it bounded.
# TYPE revisor_metrics_series_dropped gauge
revisor_metrics_series_dropped{metric="revisor_namespace_findings"} 0
"#
        );
        assert_eq!(
            samples(&body, "process_"),
            ["resident_memory_bytes 33000000", "cpu_seconds_total 1.5", "start_time_seconds 1795000000.25"]
        );
        assert_eq!(
            samples(&body, "revisor_build_info"),
            [format!("{{version=\"{}\",revision=\"unknown\"}} 1", env!("CARGO_PKG_VERSION"))]
        );
    }

    #[test]
    fn what_the_operator_does_is_shown_from_zero_on() {
        let before = rendered(None, Format::Text);
        assert_eq!(samples(&before, "revisor_snapshot_complete "), ["0"]);
        assert!(
            samples(&before, "revisor_findings").is_empty() && samples(&before, "revisor_watch").is_empty()
        );
        assert_eq!(
            samples(&before, "revisor_events_total"),
            [
                r#"{result="created"} 0"#,
                r#"{result="exists"} 0"#,
                r#"{result="failed"} 0"#,
                r#"{result="dropped"} 0"#
            ]
        );
        let scrape = scrape(None);
        let operational = scrape.operational.clone();
        operational.detected(Duration::from_millis(30));
        operational.watch_heard(Resource::Pods, at(0));
        operational.watch_heard(Resource::Pods, at(-9));
        operational.watch_synced(Resource::NetworkPolicies, false);
        operational.watch_restarted(Resource::Pods, RestartReason::Expired);
        operational.watch_heard(Resource::Jobs, at(0));
        operational.watch_ended(Resource::Jobs);
        operational.event(EventResult::Exists);
        operational.status_write(WriteResult::Conflict);
        operational.transition(TransitionKind::Resolved);
        operational.activity(Signal::PolicyDeleted);
        let body = scrape.render(Format::OpenMetrics).unwrap();
        let told: Vec<_> =
            body.lines().filter(|line| !line.starts_with('#') && !line.contains("build")).collect();
        let (told, activities) = told.split_at(told.len() - Signal::ALL.len());
        for (signal, line) in Signal::ALL.into_iter().zip(activities) {
            let (name, count) = (signal.as_str(), u8::from(signal == Signal::PolicyDeleted));
            assert_eq!(*line, format!("revisor_suspicious_activity_total{{signal=\"{name}\"}} {count}"));
        }
        assert_eq!(
            told.join("\n"),
            r#"revisor_snapshot_complete 0
revisor_detection_latency_seconds_sum 0.03
revisor_detection_latency_seconds_count 1
revisor_detection_latency_seconds_bucket{le="0.005"} 0
revisor_detection_latency_seconds_bucket{le="0.01"} 0
revisor_detection_latency_seconds_bucket{le="0.025"} 0
revisor_detection_latency_seconds_bucket{le="0.05"} 1
revisor_detection_latency_seconds_bucket{le="0.1"} 1
revisor_detection_latency_seconds_bucket{le="0.25"} 1
revisor_detection_latency_seconds_bucket{le="0.5"} 1
revisor_detection_latency_seconds_bucket{le="1.0"} 1
revisor_detection_latency_seconds_bucket{le="2.5"} 1
revisor_detection_latency_seconds_bucket{le="5.0"} 1
revisor_detection_latency_seconds_bucket{le="15.0"} 1
revisor_detection_latency_seconds_bucket{le="60.0"} 1
revisor_detection_latency_seconds_bucket{le="+Inf"} 1
revisor_watch_last_event_timestamp_seconds{resource="pods"} 1795000000.0
revisor_watch_synced{resource="pods"} 0
revisor_watch_synced{resource="networkpolicies"} 0
revisor_watch_restarts_total{resource="pods",reason="expired"} 1
revisor_watch_restarts_total{resource="pods",reason="disconnected"} 0
revisor_watch_restarts_total{resource="pods",reason="forbidden"} 0
revisor_watch_restarts_total{resource="pods",reason="failed"} 0
revisor_watch_restarts_total{resource="networkpolicies",reason="expired"} 0
revisor_watch_restarts_total{resource="networkpolicies",reason="disconnected"} 0
revisor_watch_restarts_total{resource="networkpolicies",reason="forbidden"} 0
revisor_watch_restarts_total{resource="networkpolicies",reason="failed"} 0
revisor_events_total{result="created"} 0
revisor_events_total{result="exists"} 1
revisor_events_total{result="failed"} 0
revisor_events_total{result="dropped"} 0
revisor_status_writes_total{result="written"} 0
revisor_status_writes_total{result="conflict"} 1
revisor_status_writes_total{result="failed"} 0
revisor_transitions_total{kind="opened"} 0
revisor_transitions_total{kind="resolved"} 1
revisor_transitions_total{kind="exempted"} 0"#
        );
    }

    #[test]
    fn a_replica_that_does_not_lead_shows_that_it_is_warm_and_leaves_what_was_found_to_the_leader() {
        let of = |leads| {
            let election = Some(Election { lease: "revisor".to_owned(), leads });
            Scrape { election, ..scrape(Some(world().snapshot())) }.render(Format::Text).unwrap()
        };
        let (leader, standby) = (of(true), of(false));
        assert_eq!(samples(&leader, "leader_election_master_status"), [r#"{name="revisor"} 1"#]);
        assert_eq!(samples(&standby, "leader_election_master_status"), [r#"{name="revisor"} 0"#]);
        for body in [&leader, &standby] {
            assert_eq!(samples(body, "revisor_snapshot_complete "), ["1"]);
        }
        for family in
            ["revisor_findings{", "revisor_namespace_findings{", "revisor_subjects{", "revisor_policy_info{"]
        {
            assert!(!samples(&leader, family).is_empty() && samples(&standby, family).is_empty(), "{family}");
        }
        assert!(!samples(&standby, "revisor_events_total").is_empty());
        assert!(samples(&rendered(Some(world().snapshot()), Format::Text), "leader_election").is_empty());
    }

    #[test]
    fn open_metrics_names_families_without_suffix_and_ends() {
        let body = rendered(Some(world().snapshot()), Format::OpenMetrics);
        assert!(body.ends_with("# EOF\n") && body.matches("# EOF").count() == 1);
        for line in [
            "# TYPE revisor_policy info",
            "# TYPE revisor_malformed_objects counter",
            "# TYPE revisor_build info",
        ] {
            assert!(body.contains(line), "{line}");
        }
        assert!(!rendered(Some(world().snapshot()), Format::Text).contains("EOF"));
    }

    #[test]
    fn the_worst_series_are_kept_and_the_cut_is_told() {
        let world = World::new([policy("a", Severity::Low), policy("b", Severity::Critical)])
            .on(0, image_subject("n-1", "Pod/x", "app", "evil.test/x:1"), State::Fail)
            .on(0, image_subject("n-2", "Pod/x", "app", "evil.test/x:1"), State::Fail)
            .on(1, image_subject("n-2", "Pod/x", "app", "evil.test/x:1"), State::Unknown)
            .on(1, image_subject("n-3", "Pod/x", "app", "evil.test/x:1"), State::Fail)
            .on(1, image_subject("n-1", "Pod/y", "app", "evil.test/x:1"), State::Exempt(0));
        let body =
            Scrape { namespace_series: 2, ..scrape(Some(world.snapshot())) }.render(Format::Text).unwrap();
        let kept = samples(&body, "revisor_namespace_findings{resource_namespace=");
        assert_eq!(
            kept,
            [
                r#""n-1",policy="a",rule="TrustedRegistry",severity="low",state="fail"} 1"#,
                r#""n-3",policy="b",rule="TrustedRegistry",severity="critical",state="fail"} 1"#,
            ]
        );
        assert_eq!(
            samples(&body, "revisor_metrics_series_dropped"),
            [r#"{metric="revisor_namespace_findings"} 3"#]
        );
    }

    #[test]
    fn a_label_cannot_end_its_quotes() {
        let body = rendered(
            Some(World::new([policy("a\"} 1\nevil{x=\"\\", Severity::Low)]).snapshot()),
            Format::Text,
        );
        assert_eq!(
            samples(&body, "revisor_policy_info"),
            [
                r#"{policy="a\"} 1\nevil{x=\"\\",profile="Baseline",profile_version="v1",spec_hash="c0ffee"} 1"#
            ]
        );
    }
}
