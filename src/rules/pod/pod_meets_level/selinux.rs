//! SELinux: nobody chooses a type beyond those of containers, or a user or role of his own. The level is free.

use super::check::{Check, Listed, Minor, containers, lists};
use super::fault::{Detail, Fault};
use crate::rules::namespace::pod_security::Level;
use crate::subject::facts::{Fact, Facts};
use crate::subject::pod::PodShape;

pub(super) static SE_LINUX_OPTIONS: Check = Check {
    id: "seLinuxOptions",
    level: Level::Baseline,
    since: 0,
    lets_off: None,
    overrides: None,
    find: own_options,
};

/// Types that may be chosen.
const TYPES: [Listed; 5] = [
    (0, ""),
    (0, "container_t"),
    (0, "container_init_t"),
    (0, "container_kvm_t"),
    (31, "container_engine_t"),
];

/// What is wrong with one set of options, in words.
fn wrong(facts: &Facts, minor: Minor) -> impl Iterator<Item = &str> {
    let own = |fact, word| facts.text(fact).filter(|value| !value.is_empty()).map(|_| word);
    let types = facts.all(Fact::SeLinuxType).filter(move |word| !lists(&TYPES, minor, word));
    types.chain(own(Fact::SeLinuxUser, "user is set")).chain(own(Fact::SeLinuxRole, "role is set"))
}

fn own_options(pod: &PodShape, minor: Minor) -> Option<Fault<'_>> {
    let is_wrong = |facts: &Facts| wrong(facts, minor).next().is_some();
    let everywhere = std::iter::once(pod.facts()).chain(pod.containers().map(|container| container.facts()));
    let detail = Detail::of_containers(containers(pod, is_wrong))
        .and_pod(is_wrong(pod.facts()))
        .with(everywhere.flat_map(|facts| wrong(facts, minor)));
    Fault::of("seLinuxOptions", [detail])
}

#[cfg(test)]
mod tests {
    use super::super::testing::{container, faults, pod};
    use super::*;

    #[test]
    fn types_of_containers_may_be_chosen_and_that_of_engines_since_v1_31() {
        let of = |minor, word| {
            faults(
                Level::Baseline,
                minor,
                &container(&format!("seLinuxOptions: {{type: {word}, level: 's0'}}")),
            )
        };
        for word in ["container_t", "container_init_t", "container_kvm_t", "''"] {
            assert_eq!(of(0, word), "", "{word}");
        }
        assert_eq!(of(31, "container_engine_t"), "");
        assert_eq!(of(30, "container_engine_t"), "seLinuxOptions (container \"app\": container_engine_t)");
        assert_eq!(of(37, "spc_t"), "seLinuxOptions (container \"app\": spc_t)");
    }

    #[test]
    fn user_and_role_may_not_be_set_at_all() {
        let spec = "securityContext: {seLinuxOptions: {user: system_u}}\n\
                    initContainers: [{name: i, image: a, securityContext: {seLinuxOptions: {role: r, type: t}}}]\n";
        let found = faults(Level::Baseline, 0, &pod(spec));
        assert_eq!(found, "seLinuxOptions (pod and container \"i\": role is set, t, user is set)");
        assert_eq!(faults(Level::Baseline, 0, &container("seLinuxOptions: {user: '', role: ''}")), "");
    }
}
