//! Kinds that are not served, or not permitted, for a while.

use testkit::apiserver::{ApiServer, Denial, Fault};

use super::cluster::{
    builder, cluster, condition, deployment, in_pages, set_image, settled, status, violations,
};
use super::{HOUR, MINUTE};
use crate::world::World;

const CRDS: [(&str, &str); 3] = [
    ("imagepolicies.revisor.dev", include_str!("../../../crds/revisor.dev_imagepolicies.yaml")),
    ("namespaceaudits.revisor.dev", include_str!("../../../crds/revisor.dev_namespaceaudits.yaml")),
    ("exemptions.revisor.dev", include_str!("../../../crds/revisor.dev_exemptions.yaml")),
];

fn install(server: &ApiServer) {
    for (_, definition) in CRDS {
        server.apply(definition);
    }
}

#[tokio::test(start_paused = true)]
async fn definitions_that_are_deleted_and_recreated_find_the_operator_as_it_was() {
    let world = World::over(builder().crds_required(), in_pages(), |server| {
        install(server);
        cluster(server);
    });
    let world = world.await;
    let server = world.server();
    tokio::time::sleep(MINUTE).await;
    assert_eq!(violations(server), 2);
    for (name, _) in CRDS {
        server.delete("CustomResourceDefinition", "", name);
    }
    tokio::time::sleep(10 * MINUTE).await;
    assert!(!server.is_served("imagepolicies"));
    install(server);
    assert!(server.list("NamespaceAudit", "").is_empty(), "deleted with their definition");
    server.apply(super::cluster::POLICY);
    tokio::time::sleep(10 * MINUTE).await;
    assert_eq!(violations(server), 2);
    world.ends_well().await;
}

#[tokio::test(start_paused = true)]
async fn audits_that_went_with_their_definition_are_written_again() {
    let world = World::over(builder().crds_required(), in_pages(), |server| {
        install(server);
        cluster(server);
    });
    let world = world.await;
    let server = world.server();
    tokio::time::sleep(MINUTE).await;
    let (name, definition) = CRDS[1];
    server.delete("CustomResourceDefinition", "", name);
    tokio::time::sleep(MINUTE).await;
    server.apply(definition);
    assert!(server.list("NamespaceAudit", "").is_empty());
    world.ends_well().await;
}

#[tokio::test(start_paused = true)]
async fn a_definition_older_than_the_operator_gets_what_it_can_hold_and_the_status_says_so() {
    let world = World::over(builder(), in_pages(), |server| {
        cluster(server);
        let words = "failed to create typed patch object: .status.rules: field not declared in schema";
        server.fault(Fault::answer(500).saying(words).on("imagepolicies/status"));
    });
    let world = world.await;
    let server = world.server();
    tokio::time::sleep(MINUTE).await;
    assert_eq!((violations(server), condition(server, "Ready").1.as_str()), (2, "CrdTooOld"));
    let writes: Vec<_> =
        server.writes().into_iter().filter(|write| write.resource == "imagepolicies/status").collect();
    let codes: Vec<_> = writes.iter().map(|write| write.code).collect();
    assert_eq!(codes[..2], [500, 200], "{codes:?}");
    assert!(writes[1].body.get("kind").is_none(), "a merge patch: {}", writes[1].body);
    tokio::time::sleep(6 * MINUTE).await;
    assert_ne!(condition(server, "Ready").1, "CrdTooOld", "an old schema is believed for five minutes");
    world.ends_well().await;
}

#[tokio::test(start_paused = true)]
async fn a_right_that_is_revoked_and_granted_again_costs_only_the_time_in_between() {
    for (group, kind, needed) in [("networking.k8s.io", "networkpolicies", false), ("", "pods", true)] {
        let world = settled(in_pages()).await;
        let server = world.server();
        for verb in ["list", "watch"] {
            server.deny(Denial::new(verb, group, kind));
        }
        let expired = server.fault(Fault::expire_watches().on(kind));
        tokio::time::sleep(10 * MINUTE).await;
        assert!(expired.hits() > 0);
        let unknown = status(server)["summary"]["unknown"].as_u64().unwrap_or_default();
        // Without what every rule reads the last results are kept; else it is said what cannot be known.
        assert_eq!(unknown == 0, needed, "{kind}: {}", status(server));
        set_image(server, "team-a", "cache", "evil.test/z:1");
        server.delete("NetworkPolicy", "team-b", "default-deny");
        let before = server.requests().of_resource(kind);
        tokio::time::sleep(HOUR).await;
        let asked = server.requests().of_resource(kind) - before;
        assert!(asked <= if needed { 260 } else { 20 }, "{kind} was asked for {asked} times");
        server.allow_all();
        tokio::time::sleep(10 * MINUTE).await;
        assert_eq!(violations(server), 4, "{kind}");
        world.ends_well().await;
    }
}

#[tokio::test(start_paused = true)]
async fn rights_to_write_that_are_revoked_and_granted_again_leave_nothing_unwritten() {
    let world = settled(in_pages()).await;
    let server = world.server();
    for (verb, group, kind) in [
        ("patch", "revisor.dev", "imagepolicies/status"),
        ("patch", "revisor.dev", "namespaceaudits"),
        ("create", "", "events"),
    ] {
        server.deny(Denial::new(verb, group, kind));
    }
    server.reset_records();
    deployment(server, "team-b", "batch", "evil.test/y:1");
    tokio::time::sleep(HOUR).await;
    let refused: Vec<_> = server.writes().into_iter().filter(|write| write.code == 403).collect();
    assert!((3..120).contains(&refused.len()), "{}", refused.len());
    assert_eq!(violations(server), 2, "as it was written last");
    server.allow_all();
    tokio::time::sleep(10 * MINUTE).await;
    assert_eq!(violations(server), 3);
    world.ends_well().await;
}
