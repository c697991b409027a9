//! What a scrape reads like.

use std::time::Duration;

use super::*;
use crate::auditor::findings::State;
use crate::auditor::suspicion::Signal;
use crate::auditor::transitions::TransitionKind;
use crate::report::operational::{EventResult, RestartReason, WriteResult};
use crate::report::testing::{World, at, image_subject, policy};
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
    let process =
        Process { resident_memory_bytes: 33_000_000, cpu_seconds: 1.5, start_time_seconds: 1_795_000_000.25 };
    let body =
        Scrape { process: Some(process), ..scrape(Some(world().snapshot())) }.render(Format::Text).unwrap();
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
    assert!(samples(&before, "revisor_findings").is_empty() && samples(&before, "revisor_watch").is_empty());
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
    let (told, panics) = told.split_at(told.len() - 1);
    assert_eq!(panics, ["revisor_rule_panics_total 0"]);
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
    let body = Scrape { namespace_series: 2, ..scrape(Some(world.snapshot())) }.render(Format::Text).unwrap();
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
    let body =
        rendered(Some(World::new([policy("a\"} 1\nevil{x=\"\\", Severity::Low)]).snapshot()), Format::Text);
    assert_eq!(
        samples(&body, "revisor_policy_info"),
        [r#"{policy="a\"} 1\nevil{x=\"\\",profile="Baseline",profile_version="v1",spec_hash="c0ffee"} 1"#]
    );
}
