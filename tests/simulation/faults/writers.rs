//! Writes that are refused, and another writer of the same status.

use kube::Client;
use kube::api::{Api, ApiResource, DynamicObject, Patch, PatchParams};
use serde_json::json;
use testkit::apiserver::{ApiServer, Fault};
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::cluster::{arrivals, cluster, deployment, gaps, in_pages, settled, violations};
use super::{MINUTE, SECOND};
use crate::world::World;

#[tokio::test(start_paused = true)]
async fn writes_that_are_too_many_are_made_when_the_server_wants_them() {
    for (verb, resource) in
        [("patch", "imagepolicies/status"), ("patch", "namespaceaudits"), ("create", "events")]
    {
        let world = settled(in_pages()).await;
        let server = world.server();
        let busy = server.fault(Fault::too_many_requests(40).on(resource).verb(verb).times(3));
        deployment(server, "team-b", "batch", "evil.test/y:1");
        let waits = gaps(&arrivals(server, verb, resource, 4 * MINUTE).await);
        assert_eq!(busy.hits(), 3, "{resource}");
        assert!(
            waits.len() >= 3 && waits[..3].iter().all(|wait| *wait >= 40 * SECOND),
            "{resource}: {waits:?}"
        );
        world.ends_well().await;
    }
}

#[tokio::test(start_paused = true)]
async fn writes_that_fail_for_minutes_are_made_in_the_end() {
    for fault in [Fault::answer(500), Fault::answer(503), Fault::hang_up()] {
        let world = settled(in_pages()).await;
        let server = world.server();
        let resources = ["imagepolicies/status", "namespaceaudits", "events"];
        let faults = resources.map(|resource| server.fault(fault.clone().always().on(resource)));
        deployment(server, "team-b", "batch", "evil.test/y:1");
        tokio::time::sleep(5 * MINUTE).await;
        assert!(faults.iter().all(|fault| (3..200).contains(&fault.hits())), "{faults:?}");
        assert_eq!(violations(server), 2);
        server.clear_faults();
        tokio::time::sleep(2 * MINUTE).await;
        assert_eq!(violations(server), 3);
        world.ends_well().await;
    }
}

#[tokio::test(start_paused = true)]
async fn an_edit_is_seen_in_the_status_within_a_second_whatever_was_looked_at_before() {
    let world = settled(in_pages()).await;
    let server = world.server();
    deployment(server, "team-b", "batch", "evil.test/y:1");
    tokio::time::sleep(5 * SECOND + SECOND / 2).await;
    assert_eq!(violations(server), 3);
    // Something changes of which the status says nothing.
    deployment(server, "team-b", "tidy", "registry.example.com/app:1.2.3");
    tokio::time::sleep(SECOND / 2).await;
    server.patch("ImagePolicy", "", "baseline", json!({"spec": {"rules": {"defaultDenyIngress": null}}}));
    tokio::time::sleep(SECOND).await;
    let policy = server.get("ImagePolicy", "", "baseline").unwrap();
    assert_eq!(policy["status"]["observedGeneration"], policy["metadata"]["generation"]);
    world.ends_well().await;
}

#[tokio::test(start_paused = true)]
async fn the_first_audit_is_shown_when_the_last_list_has_ended() {
    let began = Instant::now();
    // More than a page, so that some of it is told before its end.
    let many = |server: &ApiServer| {
        cluster(server);
        (0..600).for_each(|number| deployment(server, "team-b", &format!("web-{number}"), "evil.test/y:1"));
    };
    let world = World::over(ApiServer::builder(), in_pages(), many).await;
    let shown = || violations(world.server()) > 0;
    while !shown() && began.elapsed() < MINUTE {
        tokio::time::sleep(SECOND / 20).await;
    }
    assert!(began.elapsed() < SECOND / 2, "{:?}", began.elapsed());
    world.ends_well().await;
}

/// How another writer spoils a status.
#[derive(Clone, Copy, Debug)]
enum Manner {
    /// As the server's own hand does: a field of ours changes.
    Overwrites,
    /// By a merge patch under its own name: fields that we do not know are added, ours removed.
    Merges,
    /// By server-side apply under its own name, with force.
    Applies,
}

/// Another writer that answers each write of the status of these policies with one of its own.
fn fight(server: &ApiServer, manner: Manner) -> JoinHandle<()> {
    let server = server.clone();
    let client = Client::try_from(kube::Config::new(server.url().parse().unwrap())).unwrap();
    let resource = ApiResource {
        group: "revisor.dev".to_owned(),
        version: "v1alpha1".to_owned(),
        api_version: "revisor.dev/v1alpha1".to_owned(),
        kind: "ImagePolicy".to_owned(),
        plural: "imagepolicies".to_owned(),
    };
    let api: Api<DynamicObject> = Api::all_with(client, &resource);
    tokio::spawn(async move {
        let mut answered = 0;
        loop {
            let written = |server: &ApiServer| {
                let writes = server.writes().into_iter();
                writes.filter(|write| write.path.contains("/status") && !write.path.contains("rival")).count()
            };
            server.until(|server| written(server) > answered).await;
            answered = written(&server);
            for name in ["baseline", "second"] {
                let status = json!({"summary": {"violations": 77}, "rival": answered.to_string()});
                match manner {
                    Manner::Overwrites => {
                        server.patch("ImagePolicy", "", name, json!({"status": status}));
                    }
                    Manner::Merges => {
                        let parameters =
                            PatchParams { field_manager: Some("rival".to_owned()), ..PatchParams::default() };
                        let patch = json!({"status": {"summary": null, "conditions": null, "rival": status}});
                        let _ = api.patch_status(name, &parameters, &Patch::Merge(patch)).await;
                    }
                    Manner::Applies => {
                        let patch = json!({
                            "apiVersion": "revisor.dev/v1alpha1", "kind": "ImagePolicy", "status": status,
                        });
                        let parameters = PatchParams::apply("rival").force();
                        let _ = api.patch_status(name, &parameters, &Patch::Apply(patch)).await;
                    }
                }
            }
        }
    })
}

#[tokio::test(start_paused = true)]
async fn a_status_that_another_writer_fights_over_is_written_once_an_interval_and_does_not_grow() {
    for manner in [Manner::Overwrites, Manner::Merges, Manner::Applies] {
        let settings = in_pages();
        let interval = settings.status_interval;
        let world = settled(settings).await;
        let server = world.server();
        let mut second = server.get("ImagePolicy", "", "baseline").unwrap();
        second["metadata"] = json!({"name": "second"});
        second["status"].take();
        server.create(second);
        tokio::time::sleep(MINUTE).await;
        server.reset_records();
        let rival = fight(server, manner);
        deployment(server, "team-b", "batch", "evil.test/y:1");
        tokio::time::sleep(10 * MINUTE).await;
        let ours = server.writes().into_iter().filter(|write| {
            write.resource == "imagepolicies/status" && !write.path.contains("fieldManager=rival")
        });
        let (ours, most) =
            (ours.count(), usize::try_from(2 * 10 * MINUTE.as_secs() / interval.as_secs() + 4).unwrap());
        assert!(ours > 4 && ours <= most, "{manner:?}: {ours} writes, at most {most}");
        let size = server.get("ImagePolicy", "", "baseline").unwrap().to_string().len();
        assert!(size < 16_384, "{manner:?}: {size} bytes");
        rival.abort();
        // Who fights no more leaves what only it has written; it is taken away as whoever made it would.
        tokio::time::sleep(MINUTE).await;
        for name in ["baseline", "second"] {
            server.patch("ImagePolicy", "", name, json!({"status": {"rival": null}}));
        }
        world.ends_well().await;
    }
}

#[tokio::test(start_paused = true)]
async fn audits_that_somebody_deletes_are_written_again() {
    let world = settled(in_pages()).await;
    let server = world.server();
    server.delete("NamespaceAudit", "team-a", "revisor");
    world.ends_well().await;
}

#[tokio::test(start_paused = true)]
async fn the_cluster_of_these_tests_has_what_they_speak_of() {
    let server = super::cluster::builder().start().await;
    cluster(&server);
    assert_eq!(server.list("Pod", "").len(), 3);
}
