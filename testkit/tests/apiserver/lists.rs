//! Lists, pages, metadata alone and discovery.

use serde_json::{Value, json};
use testkit::apiserver::ApiServer;

use super::client::{Frames, PARTIAL, get, pod, read, send};

#[tokio::test]
async fn pages_show_one_snapshot_while_objects_come_and_go() {
    let server = ApiServer::builder().start().await;
    for name in ["a", "b", "c", "d", "e"] {
        server.create(pod("team", name));
    }
    let (_, first) = get(&server, "/api/v1/pods?limit=2").await;
    server.delete("Pod", "team", "c");
    server.create(pod("team", "d2"));
    let mut names = Vec::new();
    let mut page = first.clone();
    loop {
        assert_eq!(page["metadata"]["resourceVersion"], first["metadata"]["resourceVersion"]);
        for item in page["items"].as_array().expect("items") {
            assert!(item.get("kind").is_none(), "items of built-in types carry no kind");
            names.push(item["metadata"]["name"].as_str().unwrap_or_default().to_owned());
        }
        let Some(next) = page["metadata"]["continue"].as_str() else {
            break;
        };
        page = get(&server, &format!("/api/v1/pods?limit=2&continue={next}")).await.1;
    }
    assert_eq!(first["metadata"]["remainingItemCount"], 3);
    assert_eq!(names, ["a", "b", "c", "d", "e"]);
}

#[tokio::test]
async fn a_page_after_a_compaction_is_gone() {
    let server = ApiServer::builder().start().await;
    server.create(pod("team", "a"));
    server.create(pod("team", "b"));
    let (_, first) = get(&server, "/api/v1/pods?limit=1").await;
    let next = first["metadata"]["continue"].as_str().expect("a second page");
    server.compact();
    let (code, status) = get(&server, &format!("/api/v1/pods?limit=1&continue={next}")).await;
    assert_eq!((code, &status["reason"]), (410, &json!("Expired")));
}

#[tokio::test]
async fn version_zero_is_answered_without_paging() {
    let server = ApiServer::builder().start().await;
    let (_, list) = get(&server, "/api/v1/namespaces?limit=1&resourceVersion=0").await;
    assert_eq!(list["items"].as_array().map(Vec::len), Some(4));
    let (code, _) = get(&server, "/api/v1/namespaces?resourceVersion=999999").await;
    assert_eq!(code, 504);
}

#[tokio::test]
async fn metadata_alone_is_served_to_those_who_ask() {
    let server = ApiServer::builder().start().await;
    server.create(pod("team", "a"));
    let path = "/api/v1/namespaces/team/pods/a";
    let answer = send(&server, "GET", path, &[("accept", PARTIAL)], "").await;
    let (_, one) = read(answer.expect("an answer")).await;
    assert_eq!((&one["kind"], one.get("spec")), (&json!("PartialObjectMetadata"), None));
    let accept = PARTIAL.replace("Metadata;", "MetadataList;");
    let answer = send(&server, "GET", "/api/v1/pods", &[("accept", &accept)], "").await;
    let (_, list) = read(answer.expect("an answer")).await;
    assert_eq!(list["kind"], "PartialObjectMetadataList");
    assert_eq!(list["items"][0], one);
    let path = "/api/v1/pods?watch=true&allowWatchBookmarks=true";
    let mut frames = Frames::open_as(&server, path, PARTIAL).await;
    assert_eq!(frames.next().await, ("ADDED".to_owned(), one));
    server.send_bookmarks();
    assert_eq!(frames.next().await.1["kind"], "PartialObjectMetadata");
}

#[tokio::test]
async fn discovery_names_every_group_in_either_form() {
    let server = ApiServer::builder().start().await;
    let (_, groups) = get(&server, "/apis").await;
    let named = |groups: &Value| groups.to_string().contains("revisor.dev");
    assert!(named(&groups));
    let accept = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList";
    let answer = send(&server, "GET", "/apis", &[("accept", accept)], "").await;
    let (_, groups) = read(answer.expect("an answer")).await;
    assert_eq!(groups["kind"], "APIGroupDiscoveryList");
    assert!(named(&groups));
    assert_eq!(get(&server, "/version").await.1["minor"], "37");
    assert_eq!(get(&server, "/api/v1").await.1["kind"], "APIResourceList");
}
