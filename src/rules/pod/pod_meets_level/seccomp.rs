//! Seccomp: baseline forbids to switch it off, restricted demands that it is switched on. Until v1.18 it was set by
//! annotations, which nothing reads any more.

use super::check::{Check, LetOff, Minor, containers};
use super::fault::{Detail, Fault};
use crate::rules::namespace::pod_security::Level;
use crate::subject::facts::{Fact, Facts};
use crate::subject::pod::PodShape;

/// The first version with fields.
const FIELDS: Minor = 19;

pub(super) static SECCOMP_PROFILE_BASELINE: Check = Check {
    id: "seccompProfile_baseline",
    level: Level::Baseline,
    since: 0,
    lets_off: None,
    overrides: None,
    find: unconfined,
};

pub(super) static SECCOMP_PROFILE_RESTRICTED: Check = Check {
    id: "seccompProfile_restricted",
    level: Level::Restricted,
    since: FIELDS,
    lets_off: Some((25, LetOff::Windows)),
    overrides: Some("seccompProfile_baseline"),
    find: not_confined,
};

const REASON: &str = "seccompProfile";

fn bad_type(facts: &Facts) -> Option<&str> {
    facts.text(Fact::Seccomp).filter(|profile| !matches!(*profile, "RuntimeDefault" | "Localhost"))
}

/// Who sets a type that is none of the two good ones.
fn bad_types(pod: &PodShape) -> Detail<'_> {
    let everywhere = std::iter::once(pod.facts()).chain(pod.containers().map(|container| container.facts()));
    Detail::of_containers(containers(pod, |facts| bad_type(facts).is_some()))
        .and_pod(bad_type(pod.facts()).is_some())
        .with(everywhere.filter_map(bad_type))
}

fn unconfined(pod: &PodShape, minor: Minor) -> Option<Fault<'_>> {
    if minor >= FIELDS {
        return Fault::of(REASON, [bad_types(pod)]);
    }
    let annotations = || pod.facts().all(Fact::SeccompAnnotation).filter_map(|it| bad_annotation(pod, it));
    let of_containers =
        annotations().map(|(container, _)| container).filter(|container| !container.is_empty());
    let old = Detail::of("annotation", of_containers)
        .and_pod(annotations().any(|(container, _)| container.is_empty()))
        .with(annotations().map(|(_, profile)| profile));
    Fault::of(REASON, [old])
}

/// An annotation with a bad value: the container's name, empty for the pod's own, and the value. Annotations for
/// containers that the pod does not have are not looked at.
fn bad_annotation<'a>(pod: &PodShape, annotation: &'a str) -> Option<(&'a str, &'a str)> {
    let (container, profile) = annotation.split_once('=')?;
    let counts = container.is_empty() || pod.containers().any(|named| &*named.name == container);
    let allowed =
        matches!(profile, "runtime/default" | "docker/default") || profile.starts_with("localhost/");
    (counts && !allowed).then_some((container, profile))
}

/// What says nothing is covered by the pod's profile, if that is a good one.
fn not_confined(pod: &PodShape, _: Minor) -> Option<Fault<'_>> {
    let covered = pod.facts().has(Fact::Seccomp) && bad_type(pod.facts()).is_none();
    let open = containers(pod, |facts| !covered && !facts.has(Fact::Seccomp));
    Fault::of(REASON, [bad_types(pod), Detail::of_containers(open).with(["not set"])])
}

#[cfg(test)]
mod tests {
    use super::super::testing::{annotated, container, faults, pod, restricted};
    use super::*;

    #[test]
    fn baseline_refuses_unconfined_and_takes_silence() {
        let of = |minor, written| faults(Level::Baseline, minor, &container(written));
        assert_eq!(
            of(19, "seccompProfile: {type: Unconfined}"),
            "seccompProfile (container \"app\": Unconfined)"
        );
        assert_eq!(of(18, "seccompProfile: {type: Unconfined}"), "");
        // A profile without a type is one that nobody knows, not silence.
        assert_eq!(of(19, "seccompProfile: {}"), "seccompProfile (container \"app\": \"\")");
        for fine in [
            "",
            "seccompProfile: null",
            "seccompProfile: {type: RuntimeDefault}",
            "seccompProfile: {type: Localhost}",
        ] {
            assert_eq!(of(37, fine), "", "{fine}");
        }
    }

    #[test]
    fn annotations_count_until_v1_18_and_only_those_of_containers_that_are_there() {
        let of = annotated;
        let (of_pod, of_app, of_nobody) = (
            "seccomp.security.alpha.kubernetes.io/pod",
            "container.seccomp.security.alpha.kubernetes.io/app",
            "container.seccomp.security.alpha.kubernetes.io/gone",
        );
        assert_eq!(of(18, of_pod, "unconfined"), "seccompProfile (pod: unconfined)");
        assert_eq!(of(0, of_app, "unconfined"), "seccompProfile (annotation \"app\": unconfined)");
        assert_eq!((of(19, of_pod, "unconfined"), of(18, of_nobody, "unconfined")), Default::default());
        for fine in ["runtime/default", "docker/default", "localhost/mine"] {
            assert_eq!((of(18, of_pod, fine), of(18, of_app, fine)), Default::default(), "{fine}");
        }
        assert_eq!(of(18, of_app, ""), "seccompProfile (annotation \"app\": \"\")");
    }

    #[test]
    fn restricted_wants_a_profile_for_every_container_since_v1_19() {
        let of = |minor, of_the_pod: &str, of_the_container: &str| {
            let context = format!("securityContext: {{runAsNonRoot: true, {of_the_pod}}}");
            faults(Level::Restricted, minor, &restricted(&context, of_the_container))
        };
        let (good, bad) = ("seccompProfile: {type: RuntimeDefault}", "seccompProfile: {type: Unconfined}");
        assert_eq!((of(37, good, ""), of(37, "", good), of(18, "", "")), Default::default());
        assert_eq!(of(19, "", ""), "seccompProfile (container \"app\": not set)");
        assert_eq!(of(37, good, bad), "seccompProfile (container \"app\": Unconfined)");
        assert_eq!(of(37, bad, good), "seccompProfile (pod: Unconfined)");
        assert_eq!(of(37, bad, ""), "seccompProfile (pod: Unconfined; container \"app\": not set)");
    }

    #[test]
    fn pods_of_windows_are_let_off_since_v1_25() {
        let windows = pod("os: {name: windows}\nsecurityContext: {runAsNonRoot: true}\n");
        assert_eq!(faults(Level::Restricted, 37, &windows), "");
        assert!(faults(Level::Restricted, 24, &windows).contains("seccompProfile"));
    }
}
