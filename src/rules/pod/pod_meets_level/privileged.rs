//! Privileged containers.

use super::check::{Check, Minor, containers};
use super::fault::Fault;
use crate::rules::namespace::pod_security::Level;
use crate::subject::facts::Fact;
use crate::subject::pod::PodShape;

pub(super) static PRIVILEGED: Check = Check {
    id: "privileged",
    level: Level::Baseline,
    since: 0,
    lets_off: None,
    overrides: None,
    find: privileged,
};

fn privileged(pod: &PodShape, _: Minor) -> Option<Fault<'_>> {
    Fault::of_containers("privileged", containers(pod, |facts| facts.is(Fact::Privileged)))
}

#[cfg(test)]
mod tests {
    use super::super::testing::{container, faults, pod};
    use super::*;

    #[test]
    fn privileged_is_refused_of_every_kind_of_container() {
        let spec = "initContainers: [{name: i, image: a, restartPolicy: Always, securityContext: {privileged: true}}]\n\
                    ephemeralContainers: [{name: e, image: a, securityContext: {privileged: true}}]\n";
        assert_eq!(faults(Level::Baseline, 0, &pod(spec)), "privileged (containers \"i\", \"e\")");
        assert_eq!(faults(Level::Baseline, 0, &container("privileged: false")), "");
    }
}
