//! Watches: selections, bookmarks, initial events, what is too old.

use serde_json::json;
use testkit::apiserver::{ApiServer, Fault};

use super::client::{Frames, get, pod, policy, seen, version_of};

#[tokio::test]
async fn selectors_narrow_lists_and_turn_changes_into_coming_and_going() {
    let server = ApiServer::builder().start().await;
    server.create(pod("team", "a"));
    server.create(pod("other", "a"));
    let (_, list) = get(&server, "/api/v1/namespaces/team/pods?labelSelector=app%3Da").await;
    assert_eq!(list["items"].as_array().map(Vec::len), Some(1));
    let (_, list) = get(&server, "/api/v1/pods?fieldSelector=metadata.namespace!=team").await;
    assert_eq!(list["items"][0]["metadata"]["namespace"], "other");

    let path = format!(
        "/api/v1/namespaces/team/pods?watch=true&labelSelector=tier=web&resourceVersion={}",
        version_of(&list)
    );
    let mut frames = Frames::open(&server, &path).await;
    let labels = |tier: &str| json!({"metadata": {"labels": {"tier": tier}}});
    server.patch("Pod", "team", "a", labels("web"));
    server.patch("Pod", "other", "a", labels("web"));
    server.patch("Pod", "team", "a", labels("db"));
    assert_eq!(frames.next_name().await, seen("ADDED", "a"));
    assert_eq!(frames.next_name().await, seen("DELETED", "a"));
}

#[tokio::test(start_paused = true)]
async fn a_watch_follows_changes_and_gets_bookmarks_until_its_time_is_up() {
    let server = ApiServer::builder().start().await;
    let (_, list) = get(&server, "/api/v1/pods").await;
    let path = format!(
        "/api/v1/pods?watch=true&allowWatchBookmarks=true&timeoutSeconds=90&resourceVersion={}",
        version_of(&list)
    );
    let mut frames = Frames::open(&server, &path).await;
    server.create(pod("team", "a"));
    server.patch_status("Pod", "team", "a", json!({"phase": "Running"}));
    let last = server.delete("Pod", "team", "a");
    assert_eq!(frames.next_name().await, seen("ADDED", "a"));
    let (event, object) = frames.next().await;
    assert_eq!((event.as_str(), &object["status"]["phase"]), ("MODIFIED", &json!("Running")));
    assert_eq!(frames.next().await, ("DELETED".to_owned(), last.clone()));
    let (event, bookmark) = frames.next().await;
    assert_eq!(event, "BOOKMARK");
    assert_eq!(version_of(&bookmark), version_of(&last));
    assert_eq!(bookmark["spec"], json!({"containers": null}));
    assert_eq!(frames.next().await.0, "BOOKMARK", "the last one before the end");
    assert_eq!(frames.line().await, Ok(None));
}

#[tokio::test]
async fn bookmarks_name_versions_of_other_resources_and_can_be_muted() {
    let server = ApiServer::builder().start().await;
    let path = "/api/v1/pods?watch=true&allowWatchBookmarks=true";
    let mut frames = Frames::open(&server, path).await;
    let other = server.create(policy("baseline"));
    server.send_bookmarks();
    let (_, bookmark) = frames.next().await;
    assert_eq!(version_of(&bookmark), version_of(&other));
    server.fault(Fault::mute_bookmarks());
    server.send_bookmarks();
    server.create(pod("team", "a"));
    assert_eq!(frames.next_name().await, seen("ADDED", "a"));
}

#[tokio::test]
async fn initial_events_end_with_a_marked_bookmark() {
    let server = ApiServer::builder().start().await;
    server.create(pod("team", "a"));
    server.create(pod("team", "b"));
    let path = "/api/v1/pods?watch=true&allowWatchBookmarks=true&sendInitialEvents=true\
                &resourceVersionMatch=NotOlderThan";
    let mut frames = Frames::open(&server, path).await;
    assert_eq!(frames.next_name().await, seen("ADDED", "a"));
    assert_eq!(frames.next_name().await, seen("ADDED", "b"));
    let (event, object) = frames.next().await;
    assert_eq!(event, "BOOKMARK");
    assert_eq!(object["metadata"]["annotations"]["k8s.io/initial-events-end"], "true");
    server.create(pod("team", "c"));
    assert_eq!(frames.next_name().await, seen("ADDED", "c"));
}

#[tokio::test]
async fn a_server_without_watch_list_refuses_initial_events() {
    let server = ApiServer::builder().without_watch_list().start().await;
    let path = "/api/v1/pods?watch=true&sendInitialEvents=true&resourceVersionMatch=NotOlderThan";
    let (code, status) = get(&server, path).await;
    assert_eq!((code, &status["kind"]), (422, &json!("Status")));
    assert_eq!(status["details"]["causes"][0]["field"], "sendInitialEvents");
}

#[tokio::test]
async fn a_version_older_than_the_history_is_gone() {
    let server = ApiServer::builder().history(2).start().await;
    let old = server.version();
    for name in ["a", "b", "c"] {
        server.create(pod("team", name));
    }
    let path = format!("/api/v1/pods?watch=true&resourceVersion={old}");
    let mut frames = Frames::open(&server, &path).await;
    let (event, status) = frames.next().await;
    assert_eq!((event.as_str(), &status["code"]), ("ERROR", &json!(410)));
    assert_eq!(frames.line().await, Ok(None));
}

#[tokio::test]
async fn a_compaction_leaves_running_watches_alone() {
    let server = ApiServer::builder().start().await;
    let mut frames = Frames::open(&server, "/api/v1/pods?watch=true").await;
    server.compact();
    server.create(pod("team", "a"));
    assert_eq!(frames.next_name().await, seen("ADDED", "a"));
}
