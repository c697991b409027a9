//! What goes wrong between the API server and the operator.

use std::time::Duration;

use testkit::apiserver::{ApiServer, Denial, Fault};

use super::random::Random;

const KINDS: [&str; 8] = [
    "pods",
    "namespaces",
    "imagepolicies",
    "networkpolicies",
    "jobs",
    "imagepolicies/status",
    "namespaceaudits",
    "events",
];

/// One thing goes wrong, for a while or until the end.
pub(crate) async fn strike(server: &ApiServer, random: &mut Random) {
    let kind = random.pick(&KINDS);
    let times = u32::try_from(1 + random.below(3)).unwrap();
    match random.below(17) {
        0 => drop(server.fault(Fault::answer(random.pick(&[500, 503, 504, 401])).on(kind).times(times))),
        1 => drop(server.fault(Fault::too_many_requests(times).on(kind).times(times))),
        2 => drop(server.fault(Fault::hang_up().on(kind).times(times))),
        3 => drop(server.fault(Fault::cut_watch().on(kind).times(times))),
        4 => drop(server.fault(Fault::stall_watch().on(kind).times(1))),
        5 => drop(server.fault(Fault::expire_watches().on(kind))),
        6 => drop(server.fault(Fault::duplicate_events().on(kind))),
        7 => drop(server.fault(Fault::mute_bookmarks().on(kind))),
        8 => {
            drop(server.fault(Fault::delay(Duration::from_millis(random.below(5_000))).on(kind).times(times)))
        }
        9 => server.compact(),
        10 => server.deny(Denial::new("list", "", "pods")),
        11 => server.deny(Denial::new("watch", "networking.k8s.io", "networkpolicies")),
        12 => server.allow_all(),
        13 => server.clear_faults(),
        14 => drop(server.fault(Fault::swap_events().on(kind))),
        15 => drop(server.fault(Fault::retell_events().on(kind).times(times))),
        _ => server.go_away().await,
    }
}

/// All is well again.
pub(crate) async fn end(server: &ApiServer) {
    server.come_back().await;
    server.clear_faults();
    server.allow_all();
}
