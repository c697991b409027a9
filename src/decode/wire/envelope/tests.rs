//! Pages and frames of every shape.

use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::decode::pod::PodRecord;
use crate::decode::pod::tests::any_json;
use crate::decode::wire::{Objects, Of};
use crate::subject::Resource;

const POD: &str = r#"{"metadata":{"name":"a","namespace":"n","uid":"1","resourceVersion":"7"},
    "spec":{"containers":[{"name":"c","image":"i"}]}}"#;

fn pods() -> Of<PodRecord> {
    Of::default()
}

/// What a page tells: `+` for a pod, `?` for an object that cannot be kept, and how it ends.
fn read_page(text: &str) -> Result<(String, PageEnd), Error> {
    let mut told = String::new();
    let end = page(&pods(), text.as_bytes(), &mut |change| {
        told.push(match change {
            Change::Pod(_) => '+',
            Change::Unusable(Resource::Pods) => '?',
            other => panic!("not told of pods: {other:?}"),
        });
    })?;
    Ok((told, end))
}

fn read_frame(text: &str) -> (Result<Frame, Error>, String) {
    let mut version = "before".to_owned();
    (frame(&pods(), text.as_bytes(), &mut version), version)
}

#[test]
fn a_page_tells_its_items_in_order_and_how_to_go_on_wherever_its_metadata_stands() {
    let metadata = r#""metadata":{"resourceVersion":"9","continue":"t","remainingItemCount":3}"#;
    let end = PageEnd { version: "9".into(), token: "t".into() };
    for text in [
        format!(r#"{{"kind":"PodList",{metadata},"items":[{POD},{POD}]}}"#),
        format!(r#"{{"items":[{POD},{POD}],"extra":[{{}}],{metadata}}}"#),
    ] {
        assert_eq!(read_page(&text).unwrap(), ("++".to_owned(), end.clone()));
    }
}

#[test]
fn items_of_any_shape_are_told_as_unusable_and_cost_no_other_one() {
    let odd = r#"null,7,"x",[],{},{"metadata":null},{"metadata":{"name":{},"uid":[]}},true"#;
    let text = format!(r#"{{"metadata":{{"resourceVersion":"9"}},"items":[{POD},{odd},{POD}]}}"#);
    assert_eq!(read_page(&text).unwrap().0, "+????????+");
}

#[test]
fn no_items_are_an_empty_list_where_the_server_says_so() {
    for items in ["null", "[]"] {
        let text = format!(r#"{{"metadata":{{"resourceVersion":"9"}},"items":{items}}}"#);
        assert_eq!(
            read_page(&text).unwrap(),
            (String::new(), PageEnd { version: "9".into(), token: String::new() })
        );
    }
}

#[test]
fn what_is_no_list_is_an_error_and_not_an_empty_list() {
    for text in [
        r#"{"kind":"Status","metadata":{},"status":"Failure","code":500}"#,
        r#"{"metadata":{"resourceVersion":"9"},"items":{}}"#,
        r#"{"metadata":{"resourceVersion":"9"},"items":"none"}"#,
        r#"{"metadata":{"resourceVersion":"9"}}"#,
        r#"{"items":[],"items":[]}"#,
        r#"{"metadata":{"resourceVersion":"9"},"items":[]} and more"#,
        r#"{"metadata":{"resourceVersion":"9"},"items":[{}"#,
        "[]",
        "null",
        "",
        "<html>",
    ] {
        assert!(read_page(text).is_err(), "{text}");
    }
}

#[test]
fn metadata_of_any_shape_ends_a_page_without_a_version() {
    for metadata in ["null", "7", r#"{"resourceVersion":9,"continue":{}}"#, r#"{"continue":null}"#] {
        let text = format!(r#"{{"metadata":{metadata},"items":[{POD}]}}"#);
        assert_eq!(read_page(&text).unwrap(), ("+".to_owned(), PageEnd::default()), "{metadata}");
    }
}

#[test]
fn bytes_that_are_no_text_cost_no_page() {
    let mut bytes = format!(r#"{{"metadata":{{"resourceVersion":"9"}},"items":[{POD},{POD}]}}"#).into_bytes();
    let at = bytes.windows(3).position(|window| window == b"\"c\"").unwrap();
    bytes[at + 1] = 0xff;
    let mut pods_told = 0;
    page(&pods(), &bytes, &mut |change| pods_told += usize::from(matches!(change, Change::Pod(_)))).unwrap();
    assert_eq!(pods_told, 2);
}

#[test]
fn an_event_tells_its_object_and_moves_the_watch_on_to_its_version() {
    for (name, here) in [("ADDED", true), ("MODIFIED", true), ("DELETED", false)] {
        for text in [
            format!(r#"{{"type":"{name}","object":{POD}}}"#),
            format!("{{\"object\":{POD},\"type\":\"{name}\"}}\r"),
        ] {
            let (told, version) = read_frame(&text);
            match told.unwrap() {
                Frame::Here(Change::Pod(pod)) => assert!(here && pod.name() == "a"),
                Frame::Gone(Some(Change::PodGone(uid))) => assert!(!here && uid != 0),
                other => panic!("{other:?}"),
            }
            assert_eq!(version, "7");
        }
    }
}

#[test]
fn a_malformed_object_moves_the_watch_on_too_and_one_without_a_version_leaves_it() {
    let (told, version) =
        read_frame(r#"{"type":"MODIFIED","object":{"spec":7,"metadata":{"uid":{},"resourceVersion":"8"}}}"#);
    assert!(matches!(told, Ok(Frame::Here(Change::Unusable(Resource::Pods)))));
    assert_eq!(version, "8");
    for object in ["{}", "null", "7", "[[]]", r#"{"metadata":{"resourceVersion":8}}"#] {
        let (told, version) = read_frame(&format!(r#"{{"type":"DELETED","object":{object}}}"#));
        assert!(matches!(told, Ok(Frame::Gone(None))), "{object}");
        assert_eq!(version, "before", "{object}");
    }
}

#[test]
fn bookmarks_move_the_watch_on_and_one_of_them_ends_a_streamed_list() {
    let end = r#","annotations":{"k8s.io/initial-events-end":"true"}"#;
    for (annotations, ends) in [(end, true), (r#","annotations":{"a":"b"}"#, false), ("", false)] {
        let object =
            format!(r#"{{"kind":"Pod","metadata":{{"resourceVersion":"12"{annotations}}},"spec":{{}}}}"#);
        for text in [
            format!(r#"{{"type":"BOOKMARK","object":{object}}}"#),
            format!(r#"{{"object":{object},"type":"BOOKMARK"}}"#),
        ] {
            let (told, version) = read_frame(&text);
            assert!(matches!(told, Ok(Frame::Bookmark { ends_list }) if ends_list == ends), "{text}");
            assert_eq!(version, "12");
        }
    }
}

#[test]
fn errors_are_told_with_their_code_as_events_and_as_a_bare_status() {
    let status = r#"{"kind":"Status","metadata":{},"status":"Failure","message":"too old","reason":"Expired","code":410}"#;
    for text in [
        format!(r#"{{"type":"ERROR","object":{status}}}"#),
        format!(r#"{{"object":{status},"type":"ERROR"}}"#),
        status.to_owned(),
    ] {
        let (told, version) = read_frame(&text);
        assert!(matches!(told, Ok(Frame::Error { code: 410, message }) if message == "too old"), "{text}");
        assert_eq!(version, "before");
    }
    let (told, _) = read_frame(r#"{"type":"ERROR","object":7}"#);
    assert!(matches!(told, Ok(Frame::Error { code: 0, message }) if message.is_empty()));
}

#[test]
fn what_is_no_event_is_an_error_and_a_type_of_the_future_is_none() {
    for text in [
        r#"{"type":"ADDED"}"#,
        r#"{"type":7,"object":{}}"#,
        r#"{"object":{}}"#,
        "{}",
        "[]",
        r#"{"type":"ADDED","object":{"a":"#,
        r#"{"type":"ADDED","object":{},"object":{}}"#,
        "html",
    ] {
        assert!(read_frame(text).0.is_err(), "{text}");
    }
    let (told, version) = read_frame(r#"{"type":"SPLIT","object":{"metadata":{"resourceVersion":"8"}}}"#);
    assert!(matches!(told, Ok(Frame::Other)));
    assert_eq!(version, "before");
}

#[test]
fn an_object_of_another_kind_is_told_by_its_decoder() {
    let quotas = Objects(Resource::ResourceQuotas);
    let object = json!({"metadata": {"name": "q", "namespace": "n", "resourceVersion": "3"}, "spec": {"hard": {"pods": "1"}}});
    let mut version = String::new();
    let text = json!({"type": "DELETED", "object": object}).to_string();
    let told = frame(&quotas, text.as_bytes(), &mut version).unwrap();
    let Frame::Gone(Some(Change::ObjectGone(Resource::ResourceQuotas, namespace, name))) = told else {
        panic!("{told:?}")
    };
    assert_eq!((&*namespace, &*name, version.as_str()), ("n", "q", "3"));
}

proptest! {
    #[test]
    fn no_item_of_a_page_is_ever_refused(items in prop::collection::vec(any_json(), 0..5)) {
        let text = json!({"metadata": {"resourceVersion": "1"}, "items": items}).to_string();
        prop_assert_eq!(read_page(&text).unwrap().0.len(), items.len());
    }

    #[test]
    fn no_object_of_an_event_is_ever_refused(object in any_json()) {
        let text = json!({"type": "ADDED", "object": object}).to_string();
        prop_assert!(matches!(read_frame(&text).0, Ok(Frame::Here(_))));
    }
}
