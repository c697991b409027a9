//! Ports of the host.

use super::check::{Check, Minor, containers};
use super::fault::{Detail, Fault};
use crate::rules::namespace::pod_security::Level;
use crate::subject::facts::Fact;
use crate::subject::pod::PodShape;

pub(super) static HOST_PORTS: Check =
    Check { id: "hostPorts", level: Level::Baseline, since: 0, lets_off: None, overrides: None, find: taken };

fn taken(pod: &PodShape, _: Minor) -> Option<Fault<'_>> {
    let ports = pod.containers().flat_map(|container| container.facts().all(Fact::HostPort));
    let detail = Detail::of_containers(containers(pod, |facts| facts.has(Fact::HostPort))).with(ports);
    Fault::of("hostPort", [detail])
}

#[cfg(test)]
mod tests {
    use super::super::testing::{faults, pod};
    use super::*;

    #[test]
    fn a_port_of_the_host_is_refused_unless_it_is_0() {
        let with = |ports: &str| pod(&format!("initContainers: [{{name: i, image: a, ports: {ports}}}]\n"));
        let found = faults(Level::Baseline, 0, &with("[{containerPort: 80, hostPort: 8080}]"));
        assert_eq!(found, "hostPort (container \"i\": 8080)");
        for fine in ["[{containerPort: 80, hostPort: 0}]", "[{containerPort: 80}]", "[]"] {
            assert_eq!(faults(Level::Baseline, 0, &with(fine)), "", "{fine}");
        }
    }
}
