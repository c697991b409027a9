//! Sysctls: only those that touch nobody but the pod. The list grows with the kernels that Kubernetes supports.

use super::check::{Check, Listed, Minor, lists};
use super::fault::{Detail, Fault};
use crate::rules::namespace::pod_security::Level;
use crate::subject::facts::Fact;
use crate::subject::pod::PodShape;

pub(super) static SYSCTLS: Check = Check {
    id: "sysctls",
    level: Level::Baseline,
    since: 0,
    lets_off: None,
    overrides: None,
    find: unsafe_ones,
};

/// Sysctls that may be set. Compared as written: the same name with slashes is another.
const SAFE: [Listed; 14] = [
    (0, "kernel.shm_rmid_forced"),
    (0, "net.ipv4.ip_local_port_range"),
    (0, "net.ipv4.tcp_syncookies"),
    (0, "net.ipv4.ping_group_range"),
    (0, "net.ipv4.ip_unprivileged_port_start"),
    (27, "net.ipv4.ip_local_reserved_ports"),
    (29, "net.ipv4.tcp_keepalive_time"),
    (29, "net.ipv4.tcp_fin_timeout"),
    (29, "net.ipv4.tcp_keepalive_intvl"),
    (29, "net.ipv4.tcp_keepalive_probes"),
    (32, "net.ipv4.tcp_rmem"),
    (32, "net.ipv4.tcp_wmem"),
    (37, "net.ipv4.tcp_slow_start_after_idle"),
    (37, "net.ipv4.tcp_notsent_lowat"),
];

fn unsafe_ones(pod: &PodShape, minor: Minor) -> Option<Fault<'_>> {
    let set = pod.facts().all(Fact::Sysctl).filter(|name| !lists(&SAFE, minor, name));
    Fault::of("forbidden sysctls", [Detail::default().with(set)])
}

#[cfg(test)]
mod tests {
    use super::super::testing::{faults, pod};
    use super::*;

    fn found(minor: Minor, name: &str) -> String {
        let spec = format!("securityContext: {{sysctls: [{{name: {name}, value: '1'}}]}}\n");
        faults(Level::Baseline, minor, &pod(&spec))
    }

    #[test]
    fn each_safe_one_is_safe_from_its_version_on() {
        for (since, name) in SAFE {
            assert_eq!(found(since, name), "", "{name}");
            let before = since.checked_sub(1).map(|minor| found(minor, name));
            let told = format!("forbidden sysctls ({name})");
            assert_eq!(before.as_deref(), (since > 0).then_some(&*told), "{name}");
        }
    }

    #[test]
    fn all_others_are_refused_as_written() {
        for name in ["kernel.msgmax", "net/ipv4/tcp_syncookies", "NET.IPV4.TCP_SYNCOOKIES"] {
            assert_eq!(found(Minor::MAX, name), format!("forbidden sysctls ({name})"));
        }
    }
}
