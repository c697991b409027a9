//! An API server that goes away, forgets, refuses, or says nothing.

use std::time::Duration;

use revisor::operator::{Settings, StreamingLists};
use testkit::apiserver::{ApiServer, Fault};

use crate::support::{
    POLICY, Running, a_while, deployment, eventually, in_pages, settings, status, tidy_namespace, violations,
};

#[tokio::test]
async fn results_are_kept_while_the_api_server_is_away_and_it_is_not_pestered_and_all_comes_back() {
    let server = ApiServer::builder().start().await;
    server.apply(POLICY);
    tidy_namespace(&server, "team-a");
    deployment(&server, "team-a", "web", "evil.test/x:1");
    let operator = Running::ready(&server, settings()).await;
    violations(&server, 1).await;

    server.go_away().await;
    let away = r#"revisor_watch_restarts_total{resource="pods",reason="disconnected"}"#;
    eventually("the outage is noticed", async || operator.metric(away).await > Some(0.0)).await;
    assert_eq!(operator.get("/readyz").await.0, 200);
    assert!(operator.get("/metrics").await.1.contains("state=\"fail\"} 1"));
    server.reset_records();
    server.come_back().await;
    deployment(&server, "team-a", "shop", "evil.test/y:1");
    violations(&server, 2).await;
    // Kinds that are not installed are asked for every 100 ms here, as long as this takes.
    let asked = ["pods", "namespaces", "jobs", "imagepolicies", "networkpolicies"];
    let asked = asked.map(|kind| (kind, server.requests().of_resource(kind)));
    assert!(asked.iter().all(|(_, requests)| *requests <= 6), "{asked:?}");
    operator.stop().await;
}

#[tokio::test]
async fn an_operator_that_starts_before_its_api_server_waits_for_it() {
    let server = ApiServer::builder().start().await;
    server.apply(POLICY);
    server.go_away().await;
    let operator = Running::start(&server, settings()).await;
    let said = "the API server does not answer";
    eventually("the outage is said", async || operator.get("/readyz").await.1.contains(said)).await;
    assert_eq!(operator.get("/readyz").await.0, 503);
    assert_eq!(operator.get("/livez").await.0, 200);
    server.come_back().await;
    operator.until_ready().await;
    violations(&server, 0).await;
    operator.stop().await;
}

#[tokio::test]
async fn lists_are_streamed_where_that_works_and_paged_where_it_is_refused() {
    for streams in [true, false] {
        let builder = ApiServer::builder();
        let server = if streams { builder } else { builder.without_watch_list() }.start().await;
        let operator = Running::ready(&server, settings()).await;
        assert_eq!(server.count("list", "pods"), u64::from(!streams));
        operator.stop().await;
    }
}

#[tokio::test]
async fn a_watch_that_is_told_to_stream_and_is_refused_twice_lists_in_pages() {
    let server = ApiServer::builder().without_watch_list().start().await;
    let settings = Settings { streaming_lists: StreamingLists::On, ..settings() };
    let operator = Running::ready(&server, settings).await;
    assert_eq!(server.count("list", "pods"), 1);
    operator.stop().await;
}

#[tokio::test]
async fn a_streamed_list_that_never_ends_is_given_up_for_pages() {
    let server = ApiServer::builder().start().await;
    let stall = server.fault(Fault::stall_watch().on("pods").times(1));
    let limit = Duration::from_millis(200);
    let settings = Settings { streaming_lists: StreamingLists::On, streaming_limit: limit, ..settings() };
    let operator = Running::ready(&server, settings).await;
    assert_eq!((stall.hits(), server.count("list", "pods"), server.count("list", "namespaces")), (1, 1, 0));
    operator.stop().await;
}

#[tokio::test]
async fn forgotten_history_is_told_anew_and_what_vanished_meanwhile_is_gone() {
    for settings in [settings(), in_pages()] {
        let server = ApiServer::builder().start().await;
        server.apply(POLICY);
        tidy_namespace(&server, "team-a");
        deployment(&server, "team-a", "web", "evil.test/x:1");
        let operator = Running::ready(&server, settings).await;
        violations(&server, 1).await;
        server.go_away().await;
        server.delete("Pod", "team-a", "web-7f-x");
        server.delete("Deployment", "team-a", "web");
        server.compact();
        server.come_back().await;
        // The finding is dormant until its owner is looked up; metrics follow at once.
        let series = r#"revisor_findings{policy="baseline",rule="TrustedRegistry",severity="critical",subject_kind="image_use",state="fail"}"#;
        eventually("no live finding", async || operator.metric(series).await == Some(0.0)).await;
        assert!(
            operator.metric(r#"revisor_watch_restarts_total{resource="pods",reason="expired"}"#).await
                >= Some(1.0)
        );
        operator.stop().await;
    }
}

#[tokio::test]
async fn a_watch_that_is_cut_within_a_frame_goes_on_where_it_was_and_misses_nothing() {
    for settings in [settings(), in_pages()] {
        let server = ApiServer::builder().start().await;
        server.apply(POLICY);
        tidy_namespace(&server, "team-a");
        let operator = Running::ready(&server, settings).await;
        violations(&server, 0).await;
        server.reset_records();
        let cut = server.fault(Fault::cut_watch().on("pods"));
        deployment(&server, "team-a", "web", "evil.test/x:1");
        deployment(&server, "team-a", "shop", "evil.test/y:1");
        violations(&server, 2).await;
        assert_eq!((cut.hits(), server.count("list", "pods"), server.count("watch", "pods")), (1, 0, 1));
        let counted = r#"revisor_watch_restarts_total{resource="pods",reason="disconnected"}"#;
        assert_eq!(operator.metric(counted).await, Some(1.0));
        operator.stop().await;
    }
}

#[tokio::test]
async fn a_watch_that_may_not_go_on_from_where_it_was_is_told_everything_anew() {
    for (code, reason) in [(410, "expired"), (400, "failed")] {
        let server = ApiServer::builder().without_watch_list().start().await;
        server.apply(POLICY);
        tidy_namespace(&server, "team-a");
        let operator = Running::ready(&server, settings()).await;
        violations(&server, 0).await;
        server.reset_records();
        let refused = server.fault(Fault::answer(code).on("pods").verb("watch"));
        server.fault(Fault::cut_watch().on("pods"));
        deployment(&server, "team-a", "web", "evil.test/x:1");
        violations(&server, 1).await;
        assert_eq!((refused.hits(), server.count("list", "pods")), (1, 1), "{code}");
        let counted = format!(r#"revisor_watch_restarts_total{{resource="pods",reason="{reason}"}}"#);
        assert_eq!(operator.metric(&counted).await, Some(1.0), "{code}");
        operator.stop().await;
    }
}

#[tokio::test]
async fn a_server_that_ends_every_watch_at_once_is_not_hammered() {
    let server = ApiServer::builder().start().await;
    let operator = Running::ready(&server, in_pages()).await;
    server.reset_records();
    server.fault(Fault::cut_watch().on("pods").always());
    tidy_namespace(&server, "team-a");
    for number in 0..3 {
        deployment(&server, "team-a", &format!("web-{number}"), "evil.test/x:1");
        // How often it asks within a time is what is measured.
        a_while().await;
    }
    assert!(server.count("watch", "pods") <= 12, "{}", server.count("watch", "pods"));
    operator.stop().await;
}

#[tokio::test]
async fn writes_that_fail_or_get_no_answer_are_made_later() {
    let server = ApiServer::builder().start().await;
    server.apply(POLICY);
    tidy_namespace(&server, "team-a");
    let settings = Settings { write_deadline: Duration::from_millis(200), ..settings() };
    let operator = Running::ready(&server, settings).await;
    violations(&server, 0).await;
    let busy = server.fault(Fault::too_many_requests(1).on("imagepolicies/status"));
    let lost = server.fault(Fault::hang_up().on("namespaceaudits").method("PATCH"));
    let slow = server.fault(Fault::answer(503).on("events").method("POST"));
    deployment(&server, "team-a", "web", "evil.test/x:1");
    violations(&server, 1).await;
    eventually("an audit", async || server.get("NamespaceAudit", "team-a", "revisor").is_some()).await;
    eventually("an Event", async || server.list("Event", "team-a").len() == 1).await;
    assert_eq!((busy.hits(), lost.hits(), slow.hits()), (1, 1, 1));
    assert!(status(&server).is_object());
    operator.stop().await;
}
