//! SIGTERM in every phase: the end comes in time, and the next start is right.

use std::time::Duration;

use revisor::operator::Settings;
use revisor::operator::pace::Rate;
use revisor::operator::record::RecordSettings;
use testkit::apiserver::{ApiServer, Fault};

use super::cluster::{builder, cluster, deployment, in_pages, settled, streaming, violations};
use super::{HOUR, MINUTE, SECOND};
use crate::world::World;

/// An end without writes that hang waits for nothing.
const AT_ONCE: Duration = SECOND;

/// Ends the operator, and begins anew where all is well.
async fn ends_and_begins(mut world: World, within: Duration) {
    let took = world.stop_operator().await;
    assert!(took <= within, "{took:?}");
    world.server().come_back().await;
    world.server().clear_faults();
    world.start_operator().await;
    world.ends_well().await;
}

fn remembering() -> Settings {
    let record = RecordSettings { writes: Rate::new(10.0, 10), ..RecordSettings::new("revisor-system") };
    Settings { record: Some(record), ..in_pages() }
}

async fn over(settings: Settings, fault: impl FnOnce(&ApiServer)) -> World {
    World::over(builder(), settings, |server| {
        cluster(server);
        fault(server);
    })
    .await
}

#[tokio::test(start_paused = true)]
async fn an_operator_whose_api_server_never_answered_ends() {
    for settings in [in_pages(), streaming(), Settings::default(), remembering()] {
        let world = World::over(builder(), settings, cluster).await;
        world.server().go_away().await;
        tokio::time::sleep(MINUTE).await;
        ends_and_begins(world, AT_ONCE).await;
    }
    for settings in [in_pages(), streaming(), Settings::default(), remembering()] {
        let world = over(settings, |server| drop(server.fault(Fault::delay(HOUR)))).await;
        tokio::time::sleep(10 * SECOND).await;
        ends_and_begins(world, AT_ONCE).await;
    }
}

#[tokio::test(start_paused = true)]
async fn an_operator_that_is_still_told_the_first_lists_ends() {
    for settings in [in_pages(), streaming(), remembering()] {
        let world = over(settings, |server| {
            server.fault(Fault::delay(HOUR).on("pods"));
        });
        let world = world.await;
        tokio::time::sleep(10 * SECOND).await;
        assert_eq!(violations(world.server()), 0);
        ends_and_begins(world, AT_ONCE).await;
    }
    let world = over(streaming(), |server| drop(server.fault(Fault::stall_watch().on("pods")))).await;
    tokio::time::sleep(10 * SECOND).await;
    ends_and_begins(world, AT_ONCE).await;
}

#[tokio::test(start_paused = true)]
async fn an_operator_that_ends_at_any_moment_of_its_first_audit_is_right_after_the_next_start() {
    for settings in [in_pages(), remembering()] {
        for milliseconds in [0, 1, 2, 5, 10, 20, 50, 100, 500, 1_000, 2_000, 5_000] {
            let world = over(settings.clone(), |_| {}).await;
            tokio::time::sleep(Duration::from_millis(milliseconds)).await;
            ends_and_begins(world, 10 * SECOND).await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn an_operator_that_ends_after_so_many_requests_of_its_first_audit_is_right_after_the_next_start() {
    for requests in (1..40).step_by(3) {
        let world = over(remembering(), |_| {}).await;
        let server = world.server().clone();
        let many = server.until(|server| server.requests().total() >= requests);
        let _ = tokio::time::timeout(MINUTE, many).await;
        ends_and_begins(world, 10 * SECOND).await;
    }
}

#[tokio::test(start_paused = true)]
async fn an_operator_that_ends_between_an_event_and_the_record_tells_nothing_twice() {
    let world = settled(remembering()).await;
    let server = world.server().clone();
    let events = server.list("Event", "team-b").len();
    let hang = server.fault(Fault::delay(HOUR).on("configmaps"));
    deployment(&server, "team-b", "batch", "evil.test/y:1");
    server.until(|server| server.list("Event", "team-b").len() > events).await;
    server.until(|_| hang.hits() > 0).await;
    let mut world = world;
    let took = world.stop_operator().await;
    assert!(took <= 10 * SECOND, "{took:?}");
    server.clear_faults();
    world.start_operator().await;
    tokio::time::sleep(5 * MINUTE).await;
    let opened = |event: &&serde_json::Value| event["action"] == "Opened";
    assert_eq!(server.list("Event", "team-b").iter().filter(opened).count(), 1);
    world.ends_well().await;
}

#[tokio::test(start_paused = true)]
async fn writes_that_hang_do_not_hold_up_the_end_longer_than_they_may() {
    for resource in ["imagepolicies/status", "namespaceaudits", "events", "configmaps"] {
        for deadline in [2, 10] {
            let settings = Settings {
                shutdown_deadline: Duration::from_secs(deadline),
                write_deadline: MINUTE,
                ..remembering()
            };
            let world = settled(settings).await;
            let server = world.server();
            let hang = server.fault(Fault::delay(HOUR).on(resource));
            deployment(server, "team-b", "batch", "evil.test/y:1");
            server.until(|_| hang.hits() > 0).await;
            ends_and_begins(world, Duration::from_secs(deadline) + SECOND).await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_write_in_flight_is_finished_before_the_end() {
    let world = settled(in_pages()).await;
    let server = world.server().clone();
    let slow = server.fault(Fault::delay(3 * SECOND).on("imagepolicies/status"));
    deployment(&server, "team-b", "batch", "evil.test/y:1");
    server.until(|_| slow.hits() > 0).await;
    let mut world = world;
    let took = world.stop_operator().await;
    assert!((2 * SECOND..5 * SECOND).contains(&took), "{took:?}");
    assert_eq!(violations(&server), 3);
    server.clear_faults();
    world.start_operator().await;
    world.ends_well().await;
}
