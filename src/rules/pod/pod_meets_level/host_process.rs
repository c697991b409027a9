//! HostProcess containers of Windows, which run on the node itself.

use super::check::{Check, Minor, containers};
use super::fault::{Detail, Fault};
use crate::rules::namespace::pod_security::Level;
use crate::subject::facts::Fact;
use crate::subject::pod::PodShape;

pub(super) static WINDOWS_HOST_PROCESS: Check = Check {
    id: "windowsHostProcess",
    level: Level::Baseline,
    since: 0,
    lets_off: None,
    overrides: None,
    find: on_the_node,
};

fn on_the_node(pod: &PodShape, _: Minor) -> Option<Fault<'_>> {
    let detail = Detail::of_containers(containers(pod, |facts| facts.is(Fact::HostProcess)))
        .and_pod(pod.facts().is(Fact::HostProcess));
    Fault::of("hostProcess", [detail])
}

#[cfg(test)]
mod tests {
    use super::super::testing::{container, faults, pod};
    use super::*;

    #[test]
    fn host_process_is_refused_of_the_pod_and_of_a_container() {
        let of_the_pod = pod("securityContext: {windowsOptions: {hostProcess: true}}\n");
        assert_eq!(faults(Level::Baseline, 0, &of_the_pod), "hostProcess (pod)");
        let of_one = container("windowsOptions: {hostProcess: true}");
        assert_eq!(faults(Level::Baseline, 0, &of_one), "hostProcess (container \"app\")");
        assert_eq!(faults(Level::Baseline, 0, &container("windowsOptions: {hostProcess: false}")), "");
    }
}
