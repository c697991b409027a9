//! Lists and watches that are refused, cut, silent, doubled, out of order.

use testkit::apiserver::Fault;

use super::cluster::{
    arrivals, builder, cluster, delete_deployment, deployment, gaps, in_pages, set_image, settled, streaming,
    violations,
};
use super::{HOUR, MINUTE, SECOND};
use crate::world::World;

#[tokio::test(start_paused = true)]
async fn history_that_is_gone_in_mid_watch_is_told_anew() {
    for settings in [in_pages(), streaming()] {
        let world = settled(settings).await;
        let server = world.server();
        let gone = server.fault(Fault::expire_watches());
        deployment(server, "team-b", "batch", "evil.test/y:1");
        delete_deployment(server, "team-a", "web");
        tokio::time::sleep(MINUTE).await;
        assert!(gone.hits() >= 4, "every watch: {}", gone.hits());
        assert_eq!(violations(server), 3, "the one of the Deployment that is gone is dormant");
        world.ends_well().await;
    }
}

#[tokio::test(start_paused = true)]
async fn lists_and_watches_that_are_too_many_are_asked_for_again_when_the_server_wants_it() {
    for (verb, times) in [("list", 3), ("watch", 2)] {
        let world = World::over(builder(), in_pages(), |server| {
            cluster(server);
            server.fault(Fault::too_many_requests(40).on("pods").verb(verb).times(times));
        });
        let world = world.await;
        let at = arrivals(world.server(), verb, "pods", 4 * MINUTE).await;
        let waits = gaps(&at);
        let waits = &waits[..usize::try_from(times).unwrap()];
        assert!(waits.iter().all(|wait| *wait >= 40 * SECOND && *wait < 2 * MINUTE), "{verb}: {waits:?}");
        world.ends_well().await;
    }
}

#[tokio::test(start_paused = true)]
async fn an_api_server_that_fails_for_minutes_is_asked_seldom_and_all_is_right_when_it_is_well() {
    for code in [500, 503, 504] {
        let world = settled(streaming()).await;
        let server = world.server();
        let fault = server.fault(Fault::answer(code).always());
        server.fault(Fault::cut_watch().always());
        deployment(server, "team-b", "batch", "evil.test/y:1");
        set_image(server, "team-a", "cache", "evil.test/z:1");
        let before = server.requests().total();
        tokio::time::sleep(10 * MINUTE).await;
        let asked = server.requests().total() - before;
        assert!(fault.hits() > 10 && asked < 1_000, "{code}: {asked} requests, {} refused", fault.hits());
        server.clear_faults();
        delete_deployment(server, "team-a", "web");
        world.ends_well().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_connection_cut_within_a_frame_loses_nothing_however_often() {
    for settings in [in_pages(), streaming()] {
        let world = settled(settings).await;
        let server = world.server();
        let cut = server.fault(Fault::cut_watch().on("pods").times(5));
        for number in 0..8 {
            deployment(server, "team-b", &format!("batch-{number}"), "evil.test/y:1");
            tokio::time::sleep(SECOND).await;
        }
        tokio::time::sleep(MINUTE).await;
        assert_eq!((cut.hits(), violations(server)), (5, 10));
        world.ends_well().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_streamed_list_that_is_cut_within_a_frame_begins_anew() {
    let world = World::over(builder(), streaming(), |server| {
        cluster(server);
        server.fault(Fault::cut_watch().on("pods").times(3));
    });
    let world = world.await;
    tokio::time::sleep(MINUTE).await;
    assert_eq!(violations(world.server()), 2);
    assert!(world.server().count("list", "pods") > 0, "streams that break twice are given up for pages");
    world.ends_well().await;
}

#[tokio::test(start_paused = true)]
async fn a_watch_that_says_nothing_any_more_is_given_up_and_goes_on() {
    let world = settled(in_pages()).await;
    let server = world.server();
    let stall = server.fault(Fault::stall_watch().on("pods").times(1));
    deployment(server, "team-b", "batch", "evil.test/y:1");
    tokio::time::sleep(MINUTE).await;
    assert_eq!((stall.hits(), violations(server)), (1, 2));
    // A stall lasts until its fault is cleared; only the operator's own patience may end it here.
    tokio::time::sleep(5 * MINUTE).await;
    assert_eq!(violations(server), 3);
    world.ends_well().await;
}

#[tokio::test(start_paused = true)]
async fn a_streamed_list_that_never_ends_is_given_up_for_pages() {
    let world = World::over(builder(), streaming(), |server| {
        cluster(server);
        server.fault(Fault::stall_watch().on("namespaces").times(1));
    });
    let world = world.await;
    tokio::time::sleep(MINUTE).await;
    assert_eq!(violations(world.server()), 0, "without namespaces nothing can be said");
    tokio::time::sleep(2 * MINUTE).await;
    assert_eq!((world.server().count("list", "namespaces"), violations(world.server())), (1, 2));
    world.ends_well().await;
}

#[tokio::test(start_paused = true)]
async fn a_page_that_never_comes_is_asked_for_again() {
    let world = World::over(builder(), in_pages(), |server| {
        cluster(server);
        server.fault(Fault::delay(HOUR).on("pods").verb("list").times(1));
    });
    let world = world.await;
    tokio::time::sleep(4 * MINUTE).await;
    assert_eq!((world.server().count("list", "pods"), violations(world.server())), (2, 2));
    world.ends_well().await;
}

#[tokio::test(start_paused = true)]
async fn without_bookmarks_for_hours_a_quiet_kind_is_told_anew_when_its_history_is_gone_and_not_more_often() {
    let world = settled(in_pages()).await;
    let server = world.server();
    let mute = server.fault(Fault::mute_bookmarks());
    server.reset_records();
    for hour in 0..5 {
        server.compact();
        deployment(server, "team-b", &format!("batch-{hour}"), "evil.test/y:1");
        tokio::time::sleep(HOUR).await;
    }
    assert!(mute.hits() > 100, "{}", mute.hits());
    assert_eq!(violations(server), 7);
    for kind in ["namespaces", "networkpolicies"] {
        let lists = server.count("list", kind);
        assert!((1..=5).contains(&lists), "{kind} was listed {lists} times");
    }
    world.ends_well().await;
}

#[tokio::test(start_paused = true)]
async fn events_that_come_twice_are_told_once() {
    let world = settled(streaming()).await;
    let server = world.server();
    let twice = server.fault(Fault::duplicate_events());
    deployment(server, "team-b", "batch", "evil.test/y:1");
    tokio::time::sleep(MINUTE).await;
    set_image(server, "team-b", "batch", "registry.example.com/app:1.2.3");
    tokio::time::sleep(MINUTE).await;
    delete_deployment(server, "team-b", "batch");
    tokio::time::sleep(MINUTE).await;
    assert!(twice.hits() >= 3, "{}", twice.hits());
    let told = server.list("Event", "team-b");
    let opened = told.iter().filter(|event| event["action"] == "Opened").count();
    assert_eq!((opened, violations(server)), (1, 2));
    world.ends_well().await;
}

/// Watches are ordered by contract. Where something on the way is not, the operator sees it by the versions and asks
/// again from the older one, after which everything is told in order.
#[tokio::test(start_paused = true)]
async fn events_of_different_objects_that_come_in_the_wrong_order_are_all_counted() {
    let world = settled(in_pages()).await;
    let server = world.server();
    let swap = server.fault(Fault::swap_events().on("pods"));
    for number in 0..4 {
        deployment(server, "team-b", &format!("batch-{number}"), "evil.test/y:1");
    }
    delete_deployment(server, "team-a", "cache");
    tokio::time::sleep(MINUTE).await;
    assert!(swap.hits() > 0);
    assert_eq!(violations(server), 6);
    world.ends_well().await;
}

#[tokio::test(start_paused = true)]
async fn an_old_version_told_after_the_newer_one_does_not_stay() {
    let world = settled(in_pages()).await;
    let server = world.server();
    let again = server.fault(Fault::retell_events().on("pods").times(2));
    set_image(server, "team-a", "web", "registry.example.com/app:1.2.3");
    tokio::time::sleep(10 * SECOND).await;
    delete_deployment(server, "team-a", "cache");
    tokio::time::sleep(10 * SECOND).await;
    assert_eq!((again.hits(), violations(server)), (2, 1), "default-deny is all that is missing");
    let asked = arrivals(server, "watch", "pods", 4 * MINUTE).await;
    assert!(asked.is_empty(), "it was put right at once: {asked:?}");
    world.ends_well().await;
}

#[tokio::test(start_paused = true)]
async fn events_that_always_come_in_the_wrong_order_make_no_hot_loop() {
    let world = settled(in_pages()).await;
    let server = world.server();
    let again = server.fault(Fault::retell_events().on("pods"));
    set_image(server, "team-a", "web", "registry.example.com/app:1.2.3");
    server.reset_records();
    tokio::time::sleep(10 * MINUTE).await;
    let asked = server.count("watch", "pods");
    assert!(again.hits() > 2 && asked < 700, "{asked} watches, {} retold", again.hits());
    world.ends_well().await;
}

#[tokio::test(start_paused = true)]
async fn what_was_deleted_while_disconnected_is_gone() {
    for (settings, forgets) in [(in_pages(), false), (in_pages(), true), (streaming(), true)] {
        let world = settled(settings).await;
        let server = world.server();
        server.go_away().await;
        delete_deployment(server, "team-a", "web");
        server.delete("NetworkPolicy", "team-b", "default-deny");
        server.delete("Namespace", "", "team-a");
        deployment(server, "team-b", "batch", "evil.test/y:1");
        if forgets {
            server.compact();
        }
        tokio::time::sleep(10 * MINUTE).await;
        server.come_back().await;
        tokio::time::sleep(5 * MINUTE).await;
        assert_eq!(violations(server), 2, "one image and one missing default-deny");
        world.ends_well().await;
    }
}
