//! Generated pods are served like stored ones.

use std::collections::BTreeSet;

use serde_json::Value;
use testkit::apiserver::ApiServer;
use testkit::generate::{Cluster, Variation};

use super::client::{Frames, get, version_of};

const STREAMED: &str = "/api/v1/pods?watch=true&allowWatchBookmarks=true&sendInitialEvents=true&resourceVersionMatch=NotOlderThan";

async fn server() -> ApiServer {
    ApiServer::builder().population(Cluster::of_size(30)).history(10).start().await
}

fn named(list: &Value) -> Vec<String> {
    let items = list["items"].as_array().expect("items");
    items.iter().map(|item| item["metadata"]["name"].as_str().expect("a name").to_owned()).collect()
}

#[tokio::test]
async fn pages_are_of_one_state_whatever_happens_meanwhile() {
    let server = server().await;
    server.change_pods(|pods| pods.remove(1));
    let (code, first) = get(&server, "/api/v1/pods?limit=12").await;
    assert_eq!((code, named(&first).len()), (200, 12));
    assert_eq!(first["metadata"]["remainingItemCount"], 17);
    server.change_pods(|pods| pods.remove(20));
    let mut names: BTreeSet<String> = named(&first).into_iter().collect();
    let mut page = first;
    while let Some(token) = page["metadata"]["continue"].as_str() {
        let version = version_of(&page).to_owned();
        page = get(&server, &format!("/api/v1/pods?limit=12&continue={token}")).await.1;
        assert_eq!(version_of(&page), version, "every page says of which state it is");
        names.extend(named(&page));
    }
    assert_eq!(names.len(), 29);
    let (_, now) = get(&server, "/api/v1/pods").await;
    assert_eq!(named(&now).len(), 28);
}

#[tokio::test]
async fn a_streamed_list_ends_with_its_bookmark_and_changes_follow_with_versions_that_grow() {
    let server = server().await;
    let mut frames = Frames::open(&server, STREAMED).await;
    for _ in 0..30 {
        assert_eq!(frames.next().await.0, "ADDED");
    }
    let (event, bookmark) = frames.next().await;
    assert_eq!(event, "BOOKMARK");
    assert_eq!(bookmark["metadata"]["annotations"]["k8s.io/initial-events-end"], "true");
    let was = server.change_pods(|pods| {
        let was = pods.variation(3).expect("a pod");
        pods.put(3, Variation { foreign: true, ..was });
        pods.remove(3);
        pods.put(3, Variation { incarnation: 1, ..was });
        was
    });
    let mut objects = Vec::new();
    for expected in ["MODIFIED", "DELETED", "ADDED"] {
        let (event, object) = frames.next().await;
        assert_eq!(event, expected);
        objects.push(object);
    }
    let image = objects[0]["spec"]["containers"][0]["image"].as_str().expect("an image");
    assert!(image.starts_with("registry.elsewhere.test/"), "{image}");
    assert_eq!(objects[0]["metadata"]["uid"], objects[1]["metadata"]["uid"]);
    assert_ne!(objects[1]["metadata"]["uid"], objects[2]["metadata"]["uid"], "made anew");
    let versions: Vec<u64> =
        objects.iter().map(|object| version_of(object).parse().expect("a number")).collect();
    assert!(was.version < versions[0] && versions.is_sorted_by(|a, b| a < b), "{versions:?}");
    assert_eq!(server.pod_lists(), 1);
}

#[tokio::test]
async fn who_is_behind_the_history_is_told_410() {
    let server = server().await;
    let (_, list) = get(&server, "/api/v1/pods?limit=1").await;
    let version = version_of(&list).to_owned();
    let path = format!("/api/v1/pods?watch=true&resourceVersion={version}");
    let mut running = Frames::open(&server, &path).await;
    let beat = |index| {
        server.change_pods(|pods| {
            let was = pods.variation(index).expect("a pod");
            pods.put(index, Variation { beat: was.beat + 1, ..was });
        });
    };
    beat(0);
    assert_eq!(running.next().await.0, "MODIFIED");
    (0..30).for_each(beat);
    let (event, status) = Frames::open(&server, &path).await.next().await;
    assert_eq!((event.as_str(), &status["code"]), ("ERROR", &Value::from(410)));

    let (_, list) = get(&server, "/api/v1/pods?limit=1").await;
    let path = format!("/api/v1/pods?watch=true&resourceVersion={}", version_of(&list));
    let mut running = Frames::open(&server, &path).await;
    server.expire_pods();
    let (event, status) = running.next().await;
    assert_eq!((event.as_str(), &status["code"]), ("ERROR", &Value::from(410)), "running watches end, too");
}

#[tokio::test]
async fn every_pod_can_be_told_as_it_stands_by_itself() {
    let server = server().await;
    server.change_pods(|pods| pods.remove(0));
    let mut pods = 0;
    let told: Result<(), serde_json::Error> = server.each_pod(|pod| {
        let pod: Value = serde_json::from_str(pod)?;
        assert_eq!(pod["kind"], "Pod");
        pods += 1;
        Ok(())
    });
    told.expect("JSON");
    assert_eq!(pods, 29);
}
