//! Two replicas: one writes, the other one is ready to.

use std::collections::BTreeMap;
use std::time::Duration;

use revisor::operator::Settings;
use revisor::operator::lease::LeaderElection;
use revisor::operator::pace::Rate;
use serde_json::json;
use testkit::apiserver::{ApiServer, Denial, Fault};

use crate::support::{
    POLICY, Running, deployment, eventually, in_pages, remembering, settings, tidy_namespace, violations,
};

/// Settings of one of several replicas, with a lease that does not make a test wait.
fn replica(name: &str) -> Settings {
    let lease = LeaderElection {
        lease_duration: Duration::from_millis(600),
        renew_deadline: Duration::from_millis(400),
        retry_period: Duration::from_millis(40),
        ..LeaderElection::new("default", "revisor")
    };
    Settings { instance: name.to_owned(), leader_election: Some(lease), ..in_pages() }
}

const LEADS: &str = r#"leader_election_master_status{name="revisor"}"#;

async fn leads(operator: &Running) -> bool {
    operator.metric(LEADS).await == Some(1.0)
}

async fn until_leading(operator: &Running) {
    eventually("the leadership", async || leads(operator).await).await;
}

/// The holder that stands in the Lease.
fn holder(server: &ApiServer) -> String {
    let lease = server.get("Lease", "default", "revisor").unwrap_or_default();
    lease["spec"]["holderIdentity"].as_str().unwrap_or_default().to_owned()
}

fn transitions(server: &ApiServer) -> u64 {
    let lease = server.get("Lease", "default", "revisor").unwrap_or_default();
    lease["spec"]["leaseTransitions"].as_u64().unwrap_or_default()
}

/// How many Events there are about each workload.
fn events_by_workload(server: &ApiServer) -> BTreeMap<String, usize> {
    let mut count = BTreeMap::new();
    for event in server.list("Event", "team-a") {
        *count.entry(event["involvedObject"]["name"].as_str().unwrap_or_default().to_owned()).or_default() +=
            1;
    }
    count
}

async fn cluster() -> ApiServer {
    let server = ApiServer::builder().start().await;
    server.apply(POLICY);
    tidy_namespace(&server, "team-a");
    server
}

#[tokio::test]
async fn one_of_two_replicas_writes_and_the_other_one_is_ready_and_shows_no_findings() {
    let server = cluster().await;
    let first = Running::ready(&server, replica("first")).await;
    until_leading(&first).await;
    let second = Running::ready(&server, replica("second")).await;
    assert!(holder(&server).starts_with("first_"), "{}", holder(&server));
    deployment(&server, "team-a", "web", "evil.test/x:1");
    violations(&server, 1).await;
    eventually("an Event", async || server.list("Event", "team-a").len() == 1).await;
    eventually("an audit", async || server.get("NamespaceAudit", "team-a", "revisor").is_some()).await;
    let findings = r#"revisor_findings{policy="baseline",rule="TrustedRegistry",severity="critical",subject_kind="image_use",state="fail"}"#;
    assert_eq!(first.metric(findings).await, Some(1.0));
    assert_eq!((second.metric(findings).await, second.metric(LEADS).await), (None, Some(0.0)));
    assert_eq!(second.metric("revisor_snapshot_complete").await, Some(1.0));
    for word in ["written", "conflict", "failed"] {
        let writes = second.metric(&format!(r#"revisor_status_writes_total{{result="{word}"}}"#)).await;
        assert_eq!(writes, Some(0.0), "{word}");
    }
    second.stop().await;
    first.stop().await;
}

#[tokio::test]
async fn a_leader_that_ends_lets_the_lease_go_and_the_other_one_takes_over_without_a_list() {
    let server = cluster().await;
    // A lease that would keep everybody waiting, were it not released.
    let patient = |name| {
        let mut settings = replica(name);
        let lease = settings.leader_election.as_mut().expect("an election");
        (lease.lease_duration, lease.renew_deadline) = (Duration::from_secs(600), Duration::from_secs(400));
        settings
    };
    let first = Running::ready(&server, patient("first")).await;
    until_leading(&first).await;
    deployment(&server, "team-a", "web", "evil.test/x:1");
    violations(&server, 1).await;
    eventually("an audit", async || server.get("NamespaceAudit", "team-a", "revisor").is_some()).await;
    let second = Running::ready(&server, patient("second")).await;
    eventually("a look at existing audits", async || server.count("list", "namespaceaudits") == 2).await;
    let reads = |server: &ApiServer| {
        let requests = server.requests();
        let watched = ["pods", "namespaces", "imagepolicies", "jobs", "networkpolicies", "namespaceaudits"];
        watched.map(|kind| (kind, requests.count("list", kind), requests.count("watch", kind)))
    };
    let before = reads(&server);
    first.stop().await;
    until_leading(&second).await;
    assert_eq!(transitions(&server), 1);
    deployment(&server, "team-a", "shop", "evil.test/x:1");
    violations(&server, 2).await;
    let audit = || server.get("NamespaceAudit", "team-a", "revisor").unwrap_or_default();
    eventually("the audit", async || audit()["summary"]["violations"] == 2).await;
    eventually("both Events", async || events_by_workload(&server).len() == 2).await;
    assert_eq!(reads(&server), before, "whoever takes over knows everything already");
    second.stop().await;
    assert_eq!(holder(&server), "", "released");
}

#[tokio::test]
async fn a_leader_that_dies_is_followed_when_its_lease_has_run_out_and_what_it_left_is_written() {
    let server = cluster().await;
    let first = Running::ready(&server, replica("first")).await;
    until_leading(&first).await;
    let second = Running::ready(&server, replica("second")).await;
    // The first one sees what happens and cannot say it.
    let stuck = server.fault(Fault::answer(500).on("events").method("POST").always());
    deployment(&server, "team-a", "web", "evil.test/x:1");
    eventually("it tried", async || stuck.hits() > 0).await;
    first.kill().await;
    stuck.clear();
    until_leading(&second).await;
    eventually("the Event", async || events_by_workload(&server) == [("web".to_owned(), 1)].into()).await;
    second.stop().await;
}

#[tokio::test]
async fn a_leader_that_cannot_renew_its_lease_stops_writing_before_another_one_begins() {
    let server = ApiServer::builder().token("one", "one").token("two", "two").start().await;
    server.apply(POLICY);
    tidy_namespace(&server, "team-a");
    let first = Running::ready_as(&server, replica("first"), "one").await;
    until_leading(&first).await;
    let second = Running::ready_as(&server, replica("second"), "two").await;
    server.deny(Denial::new("update", "coordination.k8s.io", "leases").for_user("one"));
    eventually("the leadership is given up", async || !leads(&first).await).await;
    let said = "lease default/revisor: no permission to update";
    eventually("readiness says why", async || first.get("/readyz").await.1.contains(said)).await;
    until_leading(&second).await;
    deployment(&server, "team-a", "web", "evil.test/x:1");
    violations(&server, 1).await;
    server.allow_all();
    eventually("it is ready to take over again", async || first.get("/readyz").await.0 == 200).await;
    assert!(!leads(&first).await);
    second.stop().await;
    until_leading(&first).await;
    first.stop().await;
}

#[tokio::test]
async fn without_the_right_to_use_leases_nothing_is_written_and_readiness_says_which_is_missing() {
    let server = cluster().await;
    server.deny(Denial::new("create", "coordination.k8s.io", "leases"));
    let operator = Running::start(&server, replica("alone")).await;
    let said = "lease default/revisor: no permission to create, so this replica does not write; grant it";
    eventually("what is missing", async || operator.get("/readyz").await.1.contains(said)).await;
    deployment(&server, "team-a", "web", "evil.test/x:1");
    crate::support::a_while().await;
    assert_eq!(server.writes().iter().filter(|write| write.resource != "leases").count(), 0);
    assert_eq!(operator.get("/livez").await.0, 200);
    server.allow_all();
    operator.until_ready().await;
    violations(&server, 1).await;
    eventually("the Event of what happened meanwhile", async || !server.list("Event", "").is_empty()).await;
    operator.stop().await;
}

#[tokio::test]
async fn a_lease_that_is_deleted_or_damaged_costs_no_leadership() {
    let server = cluster().await;
    let operator = Running::ready(&server, replica("alone")).await;
    until_leading(&operator).await;
    let own = holder(&server);
    server.delete("Lease", "default", "revisor");
    eventually("a new Lease", async || holder(&server) == own).await;
    assert_eq!(transitions(&server), 0);
    let nonsense = json!({"spec": {
        "leaseDurationSeconds": -1, "renewTime": "9999-12-31T23:59:59.000000Z", "acquireTime": null, "leaseTransitions": -7,
    }});
    server.patch("Lease", "default", "revisor", nonsense);
    eventually("a sound Lease", async || {
        let spec = server.get("Lease", "default", "revisor").unwrap_or_default()["spec"].clone();
        spec["leaseDurationSeconds"] == 1 && spec["leaseTransitions"] == 0 && spec["acquireTime"].is_string()
    })
    .await;
    assert!(leads(&operator).await);
    server.go_away().await;
    eventually("without the API server nobody leads", async || !leads(&operator).await).await;
    assert_eq!(operator.get("/readyz").await.0, 200, "its results are still the best there are");
    server.come_back().await;
    until_leading(&operator).await;
    operator.stop().await;
}

/// Gives the leadership to the other replica, as if it had taken the Lease.
fn hand_over(server: &ApiServer, identity: &str) {
    let lease = server.get("Lease", "default", "revisor").expect("the Lease");
    let transitions = lease["spec"]["leaseTransitions"].as_u64().unwrap_or_default() + 1;
    let spec = json!({"holderIdentity": identity, "leaseTransitions": transitions});
    server.patch("Lease", "default", "revisor", json!({"spec": spec}));
}

#[tokio::test]
async fn a_hundred_failovers_lose_no_event_and_double_none() {
    fail_over(100, replica).await;
}

#[tokio::test]
async fn failovers_with_a_record_lose_no_event_and_double_none() {
    fail_over(20, |name| Settings { record: remembering().record, ..replica(name) }).await;
}

/// Lets two replicas take turns while things happen.
async fn fail_over(rounds: usize, replica: impl Fn(&str) -> Settings) {
    let server = cluster().await;
    tidy_namespace(&server, "revisor-system");
    let first = Running::ready(&server, replica("first")).await;
    until_leading(&first).await;
    let identity = holder(&server);
    let second = Running::ready(&server, replica("second")).await;
    // The second one's name is known once it has led.
    while holder(&server) == identity || holder(&server).is_empty() {
        hand_over(&server, "");
        tokio::time::sleep(Duration::from_millis(60)).await;
    }
    let identities = [identity, holder(&server)];
    let replicas = [&first, &second];
    let lists = server.requests();
    for round in 0..rounds {
        let next = usize::from(holder(&server) == identities[0]);
        // Just before, in the middle of, or just after the change.
        let name = format!("web-{round}");
        match round % 3 {
            0 => {
                deployment(&server, "team-a", &name, "evil.test/x:1");
                hand_over(&server, &identities[next]);
            }
            1 => {
                deployment(&server, "team-a", &name, "evil.test/x:1");
                tokio::time::sleep(Duration::from_millis(5)).await;
                hand_over(&server, &identities[next]);
            }
            _ => {
                hand_over(&server, &identities[next]);
                deployment(&server, "team-a", &name, "evil.test/x:1");
            }
        }
        until_leading(replicas[next]).await;
        eventually("one leader", async || !leads(replicas[1 - next]).await).await;
    }
    violations(&server, rounds as u64).await;
    eventually("an Event a workload", async || events_by_workload(&server).len() == rounds).await;
    let audit = || server.get("NamespaceAudit", "team-a", "revisor").unwrap_or_default();
    eventually("the audit", async || audit()["summary"]["violations"] == rounds).await;
    for replica in replicas {
        assert_eq!(replica.get("/readyz").await.0, 200);
    }
    for kind in ["pods", "namespaces", "imagepolicies", "namespaceaudits"] {
        for verb in ["list", "watch"] {
            assert_eq!(server.count(verb, kind), lists.count(verb, kind), "{verb} {kind}");
        }
    }
    assert!(transitions(&server) >= rounds as u64);
    second.stop().await;
    first.stop().await;
    let doubled: Vec<_> = events_by_workload(&server).into_iter().filter(|(_, count)| *count != 1).collect();
    assert!(doubled.is_empty(), "{doubled:?}");
}

#[tokio::test]
async fn a_namespace_that_makes_too_many_events_gets_some_and_disturbs_no_other_one() {
    let server = cluster().await;
    tidy_namespace(&server, "team-b");
    let budget = Settings {
        namespace_events: Rate::new(0.001, 5),
        left_out_period: Duration::from_secs(2),
        ..settings()
    };
    let operator = Running::ready(&server, budget).await;
    violations(&server, 0).await;
    for number in 0..12 {
        deployment(&server, "team-a", &format!("web-{number}"), "evil.test/x:1");
    }
    violations(&server, 12).await;
    deployment(&server, "team-b", "web", "evil.test/x:1");
    eventually("the Event of the other namespace", async || server.list("Event", "team-b").len() == 1).await;
    let of = |reason: &str| {
        let events = server.list("Event", "team-a");
        events.into_iter().filter(|event| event["reason"] == reason).collect::<Vec<_>>()
    };
    assert_eq!(of("TrustedRegistry").len(), 5);
    let dropped = r#"revisor_events_total{result="dropped"}"#;
    assert_eq!(operator.metric(dropped).await, Some(7.0), "what is left out is counted");
    eventually("one Event for the rest", async || of("EventsLeftOut").len() == 1).await;
    let summary = &of("EventsLeftOut")[0];
    let namespace = server.get("Namespace", "", "team-a").expect("the namespace");
    assert_eq!(summary["involvedObject"]["uid"], namespace["metadata"]["uid"]);
    assert!(summary["message"].as_str().is_some_and(|note| note.starts_with("7 more Events")), "{summary}");
    assert_eq!(of("TrustedRegistry").len(), 5);
    operator.stop().await;
}
