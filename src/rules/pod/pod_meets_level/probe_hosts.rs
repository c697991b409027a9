//! Hosts in probes and lifecycle handlers: the kubelet would knock at whatever host a pod names. Any is refused,
//! the node's own loopback too.

use super::check::{Check, Minor, containers};
use super::fault::{Detail, Fault};
use crate::rules::namespace::pod_security::Level;
use crate::subject::facts::{Fact, Facts};
use crate::subject::pod::PodShape;

pub(super) static HOST_PROBES_AND_HOST_LIFECYCLE: Check = Check {
    id: "hostProbesAndHostLifecycle",
    level: Level::Baseline,
    since: 34,
    lets_off: None,
    overrides: None,
    find: named,
};

fn hosts(facts: &Facts) -> impl Iterator<Item = &str> {
    facts.all(Fact::ProbeHost).chain(facts.all(Fact::LifecycleHost))
}

fn named(pod: &PodShape, _: Minor) -> Option<Fault<'_>> {
    let detail = Detail::of_containers(containers(pod, |facts| hosts(facts).next().is_some()))
        .with(pod.containers().flat_map(|container| hosts(container.facts())));
    Fault::of("probe or lifecycle host", [detail])
}

#[cfg(test)]
mod tests {
    use super::super::testing::{faults, pod};
    use super::*;

    fn found(minor: u64, field: &str) -> String {
        let spec = format!("initContainers: [{{name: i, image: a, restartPolicy: Always, {field}}}]\n");
        faults(Level::Baseline, minor, &pod(&spec))
    }

    #[test]
    fn a_host_is_refused_in_every_probe_and_handler() {
        for place in ["livenessProbe", "readinessProbe", "startupProbe"] {
            for kind in ["httpGet", "tcpSocket"] {
                let field = format!("{place}: {{{kind}: {{port: 80, host: ::1}}}}").replace("::1", "'::1'");
                let told = "probe or lifecycle host (container \"i\": ::1)";
                assert_eq!((&*found(u64::MAX, &field), &*found(33, &field)), (told, ""), "{field}");
            }
        }
        for place in ["postStart", "preStop"] {
            let field = format!("lifecycle: {{{place}: {{httpGet: {{port: 80, host: bad.host}}}}}}");
            let told = "probe or lifecycle host (container \"i\": bad.host)";
            assert_eq!((&*found(34, &field), &*found(33, &field)), (told, ""), "{field}");
        }
    }

    #[test]
    fn no_host_and_an_empty_one_are_fine() {
        for field in [
            "livenessProbe: {httpGet: {port: 80}}",
            "livenessProbe: {tcpSocket: {port: 80, host: ''}}",
            "readinessProbe: {exec: {command: [curl, bad.host]}}",
        ] {
            assert_eq!(found(u64::MAX, field), "", "{field}");
        }
    }
}
