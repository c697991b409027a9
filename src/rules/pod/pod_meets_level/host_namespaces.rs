//! Namespaces of the host: its network, its processes, its IPC.

use super::check::{Check, Minor};
use super::fault::{Detail, Fault};
use crate::rules::namespace::pod_security::Level;
use crate::subject::facts::Fact;
use crate::subject::pod::PodShape;

pub(super) static HOST_NAMESPACES: Check = Check {
    id: "hostNamespaces",
    level: Level::Baseline,
    since: 0,
    lets_off: None,
    overrides: None,
    find: shared,
};

fn shared(pod: &PodShape, _: Minor) -> Option<Fault<'_>> {
    let fields = [(Fact::HostNetwork, "hostNetwork"), (Fact::HostPid, "hostPID"), (Fact::HostIpc, "hostIPC")];
    let set = fields.into_iter().filter(|(fact, _)| pod.facts().is(*fact)).map(|(_, name)| name);
    Fault::of("host namespaces", [Detail::default().with(set)])
}

#[cfg(test)]
mod tests {
    use super::super::testing::{faults, pod};
    use super::*;

    #[test]
    fn each_namespace_of_the_host_is_refused_and_named() {
        for (spec, fault) in [
            ("hostNetwork: true\n", "host namespaces (hostNetwork)"),
            ("hostPID: true\nhostIPC: true\n", "host namespaces (hostIPC, hostPID)"),
            ("hostPID: false\n", ""),
        ] {
            assert_eq!(faults(Level::Baseline, 0, &pod(spec)), fault, "{spec}");
        }
    }
}
