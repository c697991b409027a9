//! Privilege escalation: a process may not gain more rights than its parent had. The API's default is that it may.

use super::check::{Check, LetOff, Minor, containers};
use super::fault::Fault;
use crate::rules::namespace::pod_security::Level;
use crate::subject::facts::Fact;
use crate::subject::pod::PodShape;

pub(super) static ALLOW_PRIVILEGE_ESCALATION: Check = Check {
    id: "allowPrivilegeEscalation",
    level: Level::Restricted,
    // The field came with v1.8.
    since: 8,
    lets_off: Some((25, LetOff::Windows)),
    overrides: None,
    find: may_escalate,
};

fn may_escalate(pod: &PodShape, _: Minor) -> Option<Fault<'_>> {
    let may = containers(pod, |facts| facts.flag(Fact::AllowPrivilegeEscalation) != Some(false));
    Fault::of_containers("allowPrivilegeEscalation != false", may)
}

#[cfg(test)]
mod tests {
    use super::super::testing::{container, pod, reasons};
    use super::*;

    #[test]
    fn only_a_written_false_is_enough_since_v1_8() {
        let fails = |minor, written| {
            reasons(Level::Restricted, minor, &container(written))
                .contains("allowPrivilegeEscalation != false")
        };
        assert!(!fails(u64::MAX, "allowPrivilegeEscalation: false"));
        assert!(fails(u64::MAX, "allowPrivilegeEscalation: true") && fails(8, "") && !fails(7, ""));
    }

    #[test]
    fn pods_of_windows_are_let_off_since_v1_25_and_those_of_linux_are_not() {
        let of = |minor, os: &str| {
            let found = reasons(Level::Restricted, minor, &pod(&format!("os: {{name: {os}}}\n")));
            found.contains("allowPrivilegeEscalation")
        };
        assert!(of(24, "windows") && !of(25, "windows") && of(25, "linux"));
    }
}
