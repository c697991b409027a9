//! The masks over /proc. In a user namespace, what they hide does no harm, so that baseline has let such pods off
//! since v1.35; from there on restricted keeps the older check as one of its own.

use super::check::{Check, LetOff, Minor, containers};
use super::fault::{Detail, Fault};
use crate::rules::namespace::pod_security::Level;
use crate::subject::facts::{Fact, Facts};
use crate::subject::pod::PodShape;

pub(super) static PROC_MOUNT: Check = Check {
    id: "procMount",
    level: Level::Baseline,
    since: 0,
    lets_off: Some((35, LetOff::UserNamespace)),
    overrides: None,
    find: unmasked,
};

pub(super) static PROC_MOUNT_RESTRICTED: Check = Check {
    id: "procMount_restricted",
    level: Level::Restricted,
    since: 35,
    lets_off: None,
    overrides: Some("procMount"),
    find: unmasked,
};

fn unmasked(pod: &PodShape, _: Minor) -> Option<Fault<'_>> {
    let detail = Detail::of_containers(containers(pod, |facts| other_mount(facts).is_some()))
        .with(pod.containers().filter_map(|container| other_mount(container.facts())));
    Fault::of("procMount", [detail])
}

fn other_mount(facts: &Facts) -> Option<&str> {
    facts.text(Fact::ProcMount).filter(|mount| *mount != "Default")
}

#[cfg(test)]
mod tests {
    use super::super::testing::{pod, reasons};
    use super::*;

    #[test]
    fn a_user_namespace_lets_baseline_off_since_v1_35_and_restricted_never() {
        let fails = |level, minor, users: &str, mount: &str| {
            let spec = format!(
                "{users}initContainers: [{{name: i, image: a, securityContext: {{procMount: {mount}}}}}]\n"
            );
            reasons(level, minor, &pod(&spec)).contains("procMount")
        };
        for (level, minor, users, refused) in [
            (Level::Baseline, u64::MAX, "hostUsers: false\n", false),
            (Level::Baseline, 35, "hostUsers: false\n", false),
            (Level::Baseline, 34, "hostUsers: false\n", true),
            (Level::Baseline, 35, "hostUsers: true\n", true),
            (Level::Baseline, 35, "", true),
            (Level::Restricted, 34, "hostUsers: false\n", true),
            (Level::Restricted, u64::MAX, "hostUsers: false\n", true),
        ] {
            assert_eq!(fails(level, minor, users, "Unmasked"), refused, "{level} v1.{minor} {users}");
            assert!(!fails(level, minor, users, "Default"), "{level} v1.{minor} {users}");
        }
    }
}
