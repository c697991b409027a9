//! Capabilities: baseline lets a container add those that a runtime gives anyway, NET_RAW aside; restricted
//! demands that all are dropped and lets back only the one that binds ports below 1024.

use super::check::{Check, LetOff, Minor, containers};
use super::fault::{Detail, Fault};
use crate::rules::namespace::pod_security::Level;
use crate::subject::facts::{Fact, Facts};
use crate::subject::pod::PodShape;

pub(super) static CAPABILITIES_BASELINE: Check = Check {
    id: "capabilities_baseline",
    level: Level::Baseline,
    since: 0,
    lets_off: None,
    overrides: None,
    find: beyond_the_default,
};

pub(super) static CAPABILITIES_RESTRICTED: Check = Check {
    id: "capabilities_restricted",
    level: Level::Restricted,
    since: 22,
    lets_off: Some((25, LetOff::Windows)),
    overrides: Some("capabilities_baseline"),
    find: not_all_dropped,
};

/// What may be added under baseline. Compared as written: `chown` and `CAP_CHOWN` are others.
const DEFAULT: [&str; 13] = [
    "AUDIT_WRITE",
    "CHOWN",
    "DAC_OVERRIDE",
    "FOWNER",
    "FSETID",
    "KILL",
    "MKNOD",
    "NET_BIND_SERVICE",
    "SETFCAP",
    "SETGID",
    "SETPCAP",
    "SETUID",
    "SYS_CHROOT",
];

/// Containers that add what is not allowed, and what.
fn adding<'a>(pod: &'a PodShape, allowed: &'static [&'static str]) -> Detail<'a> {
    Detail::of_containers(containers(pod, |facts| added(facts, allowed).next().is_some()))
        .with(pod.containers().flat_map(|container| added(container.facts(), allowed)))
}

fn added<'a>(facts: &'a Facts, allowed: &'static [&'static str]) -> impl Iterator<Item = &'a str> {
    facts.all(Fact::AddedCapability).filter(move |capability| !allowed.contains(capability))
}

fn beyond_the_default(pod: &PodShape, _: Minor) -> Option<Fault<'_>> {
    Fault::of("non-default capabilities", [adding(pod, &DEFAULT)])
}

fn not_all_dropped(pod: &PodShape, _: Minor) -> Option<Fault<'_>> {
    let keeps_some =
        |facts: &Facts| !facts.all(Fact::DroppedCapability).any(|capability| capability == "ALL");
    let keeping = Detail::of_containers(containers(pod, keeps_some)).with(["ALL not dropped"]);
    Fault::of("unrestricted capabilities", [keeping, adding(pod, &["NET_BIND_SERVICE"])])
}

#[cfg(test)]
mod tests {
    use super::super::testing::{container, pod, reasons};
    use super::*;

    fn baseline(capability: &str) -> String {
        reasons(Level::Baseline, u64::MAX, &container(&format!("capabilities: {{add: ['{capability}']}}")))
    }

    #[test]
    fn baseline_lets_add_what_a_runtime_gives_and_nothing_else() {
        for capability in DEFAULT {
            assert_eq!(baseline(capability), "", "{capability}");
        }
        for capability in ["NET_RAW", "chown", "CAP_CHOWN", "SYS_ADMIN", "ALL", ""] {
            assert_eq!(baseline(capability), "non-default capabilities", "{capability:?}");
        }
    }

    #[test]
    fn restricted_wants_all_dropped_by_every_container_since_v1_22() {
        let of = |minor, written: &str| {
            let found = reasons(Level::Restricted, minor, &container(written));
            found.split(", ").any(|reason| reason == "unrestricted capabilities")
        };
        assert!(!of(u64::MAX, "capabilities: {drop: [ALL]}"));
        assert!(!of(u64::MAX, "capabilities: {drop: [NET_RAW, ALL], add: [NET_BIND_SERVICE]}"));
        for bad in [
            "",
            "capabilities: {drop: [all]}",
            "capabilities: {drop: [NET_RAW]}",
            "capabilities: {drop: [ALL], add: [CHOWN]}",
            "capabilities: {add: [NET_BIND_SERVICE]}",
        ] {
            assert!(of(u64::MAX, bad) && of(22, bad) && !of(21, bad), "{bad}");
        }
    }

    #[test]
    fn pods_of_windows_drop_nothing_since_v1_25() {
        let windows = pod("os: {name: windows}\nsecurityContext: {runAsNonRoot: true}\n");
        assert_eq!(reasons(Level::Restricted, 25, &windows), "");
        assert!(reasons(Level::Restricted, 24, &windows).contains("unrestricted capabilities"));
    }

    #[test]
    fn both_faults_of_restricted_are_told_apart() {
        let bad = container("capabilities: {add: [SYS_ADMIN, NET_ADMIN]}");
        let found = super::super::testing::faults(Level::Restricted, 22, &bad);
        let told = "unrestricted capabilities (container \"app\": ALL not dropped; \
                    container \"app\": NET_ADMIN, SYS_ADMIN)";
        assert!(found.contains(told), "{found}");
    }
}
