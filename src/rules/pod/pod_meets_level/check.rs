//! What a check of the Pod Security Standards is, and which of them a level of a version consists of.

use super::fault::Fault;
use super::{
    app_armor, capabilities, host_namespaces, host_ports, host_process, probe_hosts, proc_mount, run_as,
    seccomp, selinux, sysctls, volumes,
};
use super::{privilege_escalation, privileged};
use crate::rules::namespace::pod_security::Level;
use crate::subject::facts::{Fact, Facts};
use crate::subject::pod::{ImageUse, PodShape};

/// A minor version of Kubernetes: 37 for v1.37. `latest` is the greatest there is, so that it and every version
/// newer than the newest one known here mean the same.
pub(super) type Minor = u64;

/// One check, with its history. Admission has it as a list of functions by version; here the differences between
/// the functions are data, and a check that reads more than that is told the version.
#[derive(Debug)]
pub(super) struct Check {
    /// Its name in Kubernetes' sources.
    pub(super) id: &'static str,
    /// The lowest level that it belongs to.
    pub(super) level: Level,
    /// The first version that has it.
    pub(super) since: Minor,
    /// Pods that it lets off, and since which version.
    pub(super) lets_off: Option<(Minor, LetOff)>,
    /// The weaker check of baseline that it stands in for.
    pub(super) overrides: Option<&'static str>,
    /// What is wrong with a pod by the definition of a version.
    pub(super) find: for<'a> fn(&'a PodShape, Minor) -> Option<Fault<'a>>,
}

/// Pods to which a check does not apply.
#[derive(Clone, Copy, Debug)]
pub(super) enum LetOff {
    /// `os.name: windows`: the field means nothing there.
    Windows,
    /// `hostUsers: false`: root in there is nobody on the node.
    UserNamespace,
}

/// Every check, in the order in which admission names them: those of baseline, then those of restricted, each by
/// its name.
pub(super) static CHECKS: [&Check; 19] = [
    &app_armor::APP_ARMOR_PROFILE,
    &capabilities::CAPABILITIES_BASELINE,
    &host_namespaces::HOST_NAMESPACES,
    &volumes::HOST_PATH_VOLUMES,
    &host_ports::HOST_PORTS,
    &probe_hosts::HOST_PROBES_AND_HOST_LIFECYCLE,
    &privileged::PRIVILEGED,
    &proc_mount::PROC_MOUNT,
    &selinux::SE_LINUX_OPTIONS,
    &seccomp::SECCOMP_PROFILE_BASELINE,
    &sysctls::SYSCTLS,
    &host_process::WINDOWS_HOST_PROCESS,
    &privilege_escalation::ALLOW_PRIVILEGE_ESCALATION,
    &capabilities::CAPABILITIES_RESTRICTED,
    &proc_mount::PROC_MOUNT_RESTRICTED,
    &volumes::RESTRICTED_VOLUMES,
    &run_as::RUN_AS_NON_ROOT,
    &run_as::RUN_AS_USER,
    &seccomp::SECCOMP_PROFILE_RESTRICTED,
];

impl Check {
    fn is_of(&self, level: Level, minor: Minor) -> bool {
        self.level <= level && self.since <= minor
    }

    /// The checks of a level, as a version defines it.
    pub(super) fn all_of(level: Level, minor: Minor) -> impl Iterator<Item = &'static Self> {
        let is_of = move |check: &&&'static Self| check.is_of(level, minor);
        let overridden =
            move |id| CHECKS.iter().filter(is_of).any(|stronger: &&Self| stronger.overrides == Some(id));
        CHECKS.iter().filter(is_of).filter(move |check| !overridden(check.id)).copied()
    }

    /// Whether a pod is one of those that the check lets off.
    fn lets_off(&self, pod: &PodShape, minor: Minor) -> bool {
        match self.lets_off {
            Some((since, _)) if minor < since => false,
            Some((_, LetOff::Windows)) => pod.facts().text(Fact::Os) == Some("windows"),
            Some((_, LetOff::UserNamespace)) => pod.facts().flag(Fact::HostUsers) == Some(false),
            None => false,
        }
    }

    /// What is wrong with a pod by the definition of a version.
    pub(super) fn fault<'a>(&self, pod: &'a PodShape, minor: Minor) -> Option<Fault<'a>> {
        if self.lets_off(pod, minor) { None } else { (self.find)(pod, minor) }
    }
}

/// The names of the containers of which something holds, sidecars and ephemeral ones included.
pub(super) fn containers<'a>(
    pod: &'a PodShape,
    mut holds: impl FnMut(&'a Facts) -> bool,
) -> impl Iterator<Item = &'a str> {
    pod.containers()
        .filter(move |container: &&'a ImageUse| holds(container.facts()))
        .map(|container| &*container.name)
}

/// The entry of a list that grew from version to version.
pub(super) type Listed = (Minor, &'static str);

/// Whether a list of that version holds a word.
pub(super) fn lists(list: &[Listed], minor: Minor, word: &str) -> bool {
    list.iter().any(|(since, listed)| *since <= minor && *listed == word)
}
