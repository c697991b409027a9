//! The user: not root. In a user namespace root is nobody on the node, so that such pods have been let off since
//! v1.35.

use super::check::{Check, LetOff, Minor, containers};
use super::fault::{Detail, Fault};
use crate::rules::namespace::pod_security::Level;
use crate::subject::facts::{Fact, Facts};
use crate::subject::pod::PodShape;

pub(super) static RUN_AS_NON_ROOT: Check = Check {
    id: "runAsNonRoot",
    level: Level::Restricted,
    since: 0,
    lets_off: Some((35, LetOff::UserNamespace)),
    overrides: None,
    find: perhaps_root,
};

pub(super) static RUN_AS_USER: Check = Check {
    id: "runAsUser",
    level: Level::Restricted,
    since: 23,
    lets_off: Some((35, LetOff::UserNamespace)),
    overrides: None,
    find: root,
};

/// A `false` is refused wherever it stands, also where every container says better; what says nothing is covered
/// by the pod's `true`.
fn perhaps_root(pod: &PodShape, _: Minor) -> Option<Fault<'_>> {
    let of_the_pod = pod.facts().flag(Fact::RunAsNonRoot);
    let set_to_false =
        Detail::of_containers(containers(pod, says_no)).and_pod(of_the_pod == Some(false)).with(["false"]);
    let open = |facts: &Facts| of_the_pod != Some(true) && !facts.has(Fact::RunAsNonRoot);
    let not_set = Detail::of_containers(containers(pod, open)).with(["not set"]);
    Fault::of("runAsNonRoot != true", [set_to_false, not_set])
}

fn says_no(facts: &Facts) -> bool {
    facts.flag(Fact::RunAsNonRoot) == Some(false)
}

fn root(pod: &PodShape, _: Minor) -> Option<Fault<'_>> {
    let is_root = |facts: &Facts| facts.text(Fact::RunAsUser) == Some("root");
    let detail = Detail::of_containers(containers(pod, is_root)).and_pod(is_root(pod.facts()));
    Fault::of("runAsUser=0", [detail])
}

#[cfg(test)]
mod tests {
    use super::super::testing::{faults, restricted};
    use super::*;

    /// What is said of the user in a pod that is sound otherwise.
    fn found(minor: Minor, of_the_pod: &str, of_the_container: &str) -> String {
        let profile = "seccompProfile: {type: RuntimeDefault}";
        faults(Level::Restricted, minor, &restricted(of_the_pod, &format!("{profile}, {of_the_container}")))
    }

    #[test]
    fn the_pod_speaks_for_containers_that_say_nothing() {
        assert_eq!(found(37, "securityContext: {runAsNonRoot: true}", ""), "");
        assert_eq!(found(37, "", "runAsNonRoot: true"), "");
        assert_eq!(found(37, "", ""), "runAsNonRoot != true (container \"app\": not set)");
        let false_in_one = found(37, "securityContext: {runAsNonRoot: true}", "runAsNonRoot: false");
        assert_eq!(false_in_one, "runAsNonRoot != true (container \"app\": false)");
    }

    #[test]
    fn a_false_of_the_pod_is_refused_even_if_every_container_says_true() {
        let found = found(0, "securityContext: {runAsNonRoot: false}", "runAsNonRoot: true");
        assert_eq!(found, "runAsNonRoot != true (pod: false)");
    }

    #[test]
    fn user_0_is_refused_since_v1_23_and_any_other_or_none_is_fine() {
        let root =
            |minor| found(minor, "securityContext: {runAsNonRoot: true, runAsUser: 0}", "runAsUser: 1000");
        assert_eq!((&*root(23), &*root(22)), ("runAsUser=0 (pod)", ""));
        let in_one = found(37, "securityContext: {runAsNonRoot: true, runAsUser: 1000}", "runAsUser: 0");
        assert_eq!(in_one, "runAsUser=0 (container \"app\")");
        assert_eq!(found(37, "", "runAsNonRoot: true, runAsUser: 65534"), "");
    }

    #[test]
    fn a_user_namespace_lets_off_since_v1_35() {
        let root = "securityContext: {runAsUser: 0}";
        assert_eq!(found(35, &format!("hostUsers: false\n{root}"), ""), "");
        for (minor, users) in [(34, "false"), (35, "true")] {
            let found = found(minor, &format!("hostUsers: {users}\n{root}"), "");
            assert_eq!(found, "runAsNonRoot != true (container \"app\": not set), runAsUser=0 (pod)");
        }
    }
}
