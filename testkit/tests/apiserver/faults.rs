//! Faults on demand, and a server that comes and goes.

use std::time::Duration;

use testkit::apiserver::{ApiServer, Fault};
use tokio::net::TcpStream;

use super::client::{Frames, call, get, pod, read, seen, send};

#[tokio::test]
async fn expired_watches_end_with_410_and_cannot_be_resumed() {
    let server = ApiServer::builder().start().await;
    let path = format!("/api/v1/pods?watch=true&resourceVersion={}", server.version());
    let mut frames = Frames::open(&server, &path).await;
    let fault = server.fault(Fault::expire_watches().on("pods"));
    assert_eq!(frames.next().await.1["reason"], "Expired");
    assert_eq!(fault.hits(), 1);
    assert_eq!(Frames::open(&server, &path).await.next().await.0, "ERROR");
    let path = format!("/api/v1/pods?watch=true&resourceVersion={}", server.version());
    let mut frames = Frames::open(&server, &path).await;
    server.create(pod("team", "a"));
    assert_eq!(frames.next().await.0, "ADDED", "a new watch is not expired");
}

#[tokio::test]
async fn answers_can_be_faults_for_some_requests_and_some_time() {
    let server = ApiServer::builder().start().await;
    server.fault(Fault::too_many_requests(7).on("pods").verb("list").times(2));
    for _ in 0..2 {
        let answer = send(&server, "GET", "/api/v1/pods", &[], "").await.expect("an answer");
        assert_eq!(answer.headers()["retry-after"], "7");
        assert_eq!(read(answer).await.1["details"]["retryAfterSeconds"], 7);
    }
    assert_eq!(get(&server, "/api/v1/pods").await.0, 200);
    let broken = server.fault(Fault::answer(503).method("POST").always());
    let path = "/api/v1/namespaces/default/pods";
    assert_eq!(call(&server, "POST", path, "", &pod("default", "a")).await.0, 503);
    broken.clear();
    assert_eq!(call(&server, "POST", path, "", &pod("default", "a")).await.0, 201);
    let codes: Vec<u16> = server.writes().iter().map(|write| write.code).collect();
    assert_eq!(codes, [503, 201]);
    assert_eq!(server.count("list", "pods"), 3);
}

#[tokio::test(start_paused = true)]
async fn answers_can_be_late_or_never_come() {
    let server = ApiServer::builder().start().await;
    server.fault(Fault::delay(Duration::from_secs(30)).times(1));
    let before = tokio::time::Instant::now();
    assert_eq!(get(&server, "/version").await.0, 200);
    assert!(before.elapsed() >= Duration::from_secs(30));
    server.fault(Fault::hang_up().named("default"));
    assert!(send(&server, "GET", "/api/v1/namespaces/default", &[], "").await.is_err());
    assert_eq!(get(&server, "/api/v1/namespaces/default").await.0, 200);
}

#[tokio::test]
async fn a_watch_can_break_in_the_middle_of_a_frame() {
    let server = ApiServer::builder().start().await;
    let mut frames = Frames::open(&server, "/api/v1/pods?watch=true").await;
    server.fault(Fault::cut_watch().on("pods"));
    server.create(pod("team", "a"));
    let rest = frames.line().await.expect_err("a broken frame");
    assert!(rest.starts_with(r#"{"type":"ADDED","object":{"#), "{rest}");
    server.until(|server| server.open_watches("pods") == 0).await;
}

#[tokio::test]
async fn a_stalled_watch_says_nothing_until_the_fault_is_cleared() {
    let server = ApiServer::builder().start().await;
    let mut frames = Frames::open(&server, "/api/v1/pods?watch=true").await;
    let stall = server.fault(Fault::stall_watch().times(1));
    server.until(|_| stall.hits() == 1).await;
    server.create(pod("team", "a"));
    let mut other = Frames::open(&server, "/api/v1/pods?watch=true").await;
    assert_eq!(other.next_name().await, seen("ADDED", "a"));
    assert!(futures::FutureExt::now_or_never(frames.line()).is_none());
    stall.clear();
    assert_eq!(frames.next_name().await, seen("ADDED", "a"));
}

#[tokio::test]
async fn events_can_come_twice() {
    let server = ApiServer::builder().start().await;
    let mut frames = Frames::open(&server, "/api/v1/pods?watch=true").await;
    server.fault(Fault::duplicate_events());
    server.create(pod("team", "a"));
    assert_eq!(frames.next().await, frames.next().await);
}

#[tokio::test]
async fn a_server_that_went_away_comes_back_with_its_objects() {
    let server = ApiServer::builder().start().await;
    server.create(pod("team", "a"));
    let mut frames = Frames::open(&server, "/api/v1/pods?watch=true").await;
    assert_eq!(frames.next_name().await, seen("ADDED", "a"));
    server.go_away().await;
    assert!(frames.line().await.is_err());
    assert!(TcpStream::connect(server.address()).await.is_err());
    server.come_back().await;
    assert_eq!(get(&server, "/api/v1/namespaces/team/pods/a").await.0, 200);
}

#[tokio::test]
async fn the_last_handle_stops_the_server() {
    let server = ApiServer::builder().on_own_thread().start().await;
    let clone = server.clone();
    let mut frames = Frames::open(&server, "/api/v1/pods?watch=true").await;
    drop(server);
    clone.create(pod("team", "a"));
    assert_eq!(frames.next_name().await, seen("ADDED", "a"));
    drop(clone);
    assert!(frames.line().await.is_err());
}
