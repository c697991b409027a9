//! AppArmor: nobody takes a container out of the runtime's own profile. The fields were added to this check in
//! place, so that they count for every version.

use super::check::{Check, Minor, containers};
use super::fault::{Detail, Fault};
use crate::rules::namespace::pod_security::Level;
use crate::subject::facts::{Fact, Facts};
use crate::subject::pod::PodShape;

pub(super) static APP_ARMOR_PROFILE: Check = Check {
    id: "appArmorProfile",
    level: Level::Baseline,
    since: 0,
    lets_off: None,
    overrides: None,
    find: unconfined,
};

fn bad_type(facts: &Facts) -> Option<&str> {
    facts.text(Fact::AppArmor).filter(|profile| !matches!(*profile, "RuntimeDefault" | "Localhost"))
}

/// The old annotation; it counts for every container name, also for one that the pod does not have.
fn bad_annotation(annotation: &str) -> Option<(&str, &str)> {
    let (container, profile) = annotation.split_once('=')?;
    let allowed = profile.is_empty() || profile == "runtime/default" || profile.starts_with("localhost/");
    (!allowed).then_some((container, profile))
}

fn unconfined(pod: &PodShape, _: Minor) -> Option<Fault<'_>> {
    let types = std::iter::once(pod.facts()).chain(pod.containers().map(|container| container.facts()));
    let fields = Detail::of_containers(containers(pod, |facts| bad_type(facts).is_some()))
        .and_pod(bad_type(pod.facts()).is_some())
        .with(types.filter_map(bad_type));
    let annotations = || pod.facts().all(Fact::AppArmorAnnotation).filter_map(bad_annotation);
    let old = Detail::of("annotation", annotations().map(|(container, _)| container))
        .with(annotations().map(|(_, profile)| profile));
    Fault::of("forbidden AppArmor profile", [fields, old])
}

#[cfg(test)]
mod tests {
    use super::super::testing::{annotated, faults, pod};
    use super::*;

    #[test]
    fn runtime_default_and_a_profile_of_ones_own_are_fine_in_fields_and_annotations() {
        for spec in [
            "securityContext: {appArmorProfile: {type: RuntimeDefault}}\n",
            "securityContext: {appArmorProfile: {type: Localhost, localhostProfile: mine}}\n",
        ] {
            assert_eq!(faults(Level::Baseline, u64::MAX, &pod(spec)), "", "{spec}");
        }
        for (value, fault) in [
            ("", ""),
            ("runtime/default", ""),
            ("localhost/mine", ""),
            ("unconfined", "forbidden AppArmor profile (annotation \"app\": unconfined)"),
            ("Runtime/Default", "forbidden AppArmor profile (annotation \"app\": Runtime/Default)"),
        ] {
            let key = "container.apparmor.security.beta.kubernetes.io/app";
            assert_eq!(annotated(u64::MAX, key, value), fault, "{value}");
        }
    }

    #[test]
    fn unconfined_is_refused_wherever_it_stands_and_in_every_version() {
        let spec = "securityContext: {appArmorProfile: {type: Unconfined}}\n\
                    initContainers: [{name: i, image: a, securityContext: {appArmorProfile: {type: Unconfined}}}]\n";
        for minor in [0, 24, u64::MAX] {
            let found = faults(Level::Baseline, minor, &pod(spec));
            assert_eq!(found, "forbidden AppArmor profile (pod and container \"i\": Unconfined)");
        }
    }
}
