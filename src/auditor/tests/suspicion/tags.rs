//! Tags that move back.

use serde_json::{Value, json};

use super::super::{Cluster, baseline, web, with};
use super::nothing;
use crate::decode::Change;
use crate::decode::pod::PodRecord;
use crate::subject::Resource;

const BACK: &str = "TagMovedBack Deployment/web";

fn running(index: u8, letter: &str) -> Value {
    let digest = format!("docker.io/library/nginx@sha256:{}", letter.repeat(64));
    with(web(index, "nginx:1.27"), "/status/containerStatuses/0/imageID", json!(digest))
}

fn change(pod: &Value) -> Change {
    Change::Pod(PodRecord::from_value(pod))
}

/// A cluster in which these pods are since the first list.
fn with_pods(pods: &[Value]) -> Cluster {
    let mut cluster = Cluster::with_policies(&[baseline()]);
    cluster.list(Resource::Pods, pods.iter().map(change));
    cluster.seen();
    cluster
}

#[test]
fn an_earlier_content_under_a_tag_is_told_when_pods_start_it_again() {
    let mut cluster = with_pods(&[running(1, "a")]);
    cluster.put(&running(2, "b"));
    cluster.put(&running(3, "b"));
    cluster.put(&running(1, "b"));
    assert_eq!(cluster.signals(), nothing(), "forward");
    cluster.put(&running(4, "a"));
    let seen = cluster.seen();
    assert_eq!(
        seen[0].message,
        "docker.io/library/nginx:1.27 is sha256:aaaaaaaaaaaa again, which sha256:bbbbbbbbbbbb had replaced: app of \
         pod web-6f7-4 has started it"
    );
    assert_eq!((seen.len(), seen[0].signal.as_str()), (1, "TagMovedBack"));
    cluster.put(&running(5, "a"));
    cluster.put(&running(6, "b"));
    cluster.put(&running(7, "a"));
    assert_eq!(cluster.signals(), nothing(), "nodes that keep both alternate: once is enough");
    cluster.put(&running(8, "c"));
    cluster.put(&running(9, "b"));
    assert_eq!(cluster.signals(), [BACK]);
}

#[test]
fn a_pod_that_is_told_again_or_begins_to_run_what_is_newest_is_no_move() {
    let mut cluster = with_pods(&[running(1, "a"), running(2, "b")]);
    cluster.put(&with(running(1, "a"), "/metadata/labels/app", json!("x")));
    cluster.put(&running(3, "a"));
    cluster.put(&running(4, "b"));
    cluster.put(&running(5, "a"));
    assert_eq!(cluster.signals(), nothing(), "which came first in the first list says nothing");
    cluster.put(&running(6, "c"));
    cluster.put(&with(running(1, "a"), "/metadata/labels/app", json!("y")));
    cluster.put(&web(7, "nginx:1.27"));
    assert_eq!(cluster.signals(), nothing(), "old pods go on, and one has not started");
    cluster.put(&running(7, "a"));
    assert_eq!(cluster.signals(), [BACK]);
}

#[test]
fn a_tag_is_remembered_while_nothing_runs_under_it() {
    let mut cluster = with_pods(&[running(1, "a")]);
    for (index, letter) in [(2, "b"), (3, "a")] {
        cluster.gone(&running(index - 1, "x"));
        cluster.snapshot();
        assert_eq!(cluster.signals(), nothing());
        cluster.put(&running(index, letter));
    }
    assert_eq!(cluster.signals(), [BACK]);
}

#[test]
fn what_comes_in_one_list_has_no_order() {
    let mut cluster = with_pods(&[running(1, "a")]);
    let told = [running(1, "a"), running(2, "c"), running(3, "b"), running(4, "c"), running(5, "b")];
    cluster.list(Resource::Pods, told.iter().map(change));
    assert_eq!(cluster.signals(), nothing());
    cluster.put(&running(6, "b"));
    cluster.put(&running(7, "c"));
    cluster.put(&running(8, "a"));
    assert_eq!(cluster.signals(), nothing());
    cluster.put(&running(9, "d"));
    cluster.list(Resource::Pods, [running(9, "d"), running(10, "e"), running(11, "e")].iter().map(change));
    cluster.put(&running(12, "d"));
    assert_eq!(cluster.signals(), [BACK], "newer than all that was known before the list");
}

#[test]
fn a_digest_in_the_reference_and_another_tag_say_nothing_of_a_tag() {
    let mut cluster = with_pods(&[running(1, "a")]);
    let pinned = format!("nginx:1.27@sha256:{}", "a".repeat(64));
    cluster.put(&running(2, "b"));
    cluster.put(&with(running(3, "a"), "/spec/containers/0/image", json!(pinned)));
    cluster.put(&with(running(4, "a"), "/spec/containers/0/image", json!("nginx:1.26")));
    cluster.put(&with(running(4, "a"), "/spec/containers/0/image", json!("nginx:1.27")));
    cluster.pass(5);
    assert_eq!(cluster.signals(), ["PodImageChanged Deployment/web"], "it has not started yet");
}
