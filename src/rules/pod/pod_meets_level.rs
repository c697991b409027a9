//! PodMeetsLevel: pod security admission would let the pod in at a level of the Pod Security Standards.
//!
//! What Kubernetes checks is `policy/check_*.go` of `k8s.io/pod-security-admission`, as of v1.37. One file here for
//! each family of checks; [`check`] is the table.

mod app_armor;
mod capabilities;
mod check;
mod fault;
mod host_namespaces;
mod host_ports;
mod host_process;
mod privilege_escalation;
mod privileged;
mod probe_hosts;
mod proc_mount;
mod run_as;
mod seccomp;
mod selinux;
mod sysctls;
#[cfg(test)]
mod testing;
mod volumes;

use std::fmt;

use crate::rules::namespace::pod_security::{Level, Version};
use crate::rules::{Control, PodRule, Rule, RuleInfo, SettingError, rule_settings};
use crate::subject::pod::PodShape;
use crate::verdict::{Note, Severity, Verdict};
use check::{Check, Minor};

rule_settings! {
    /// The pod keeps to a level of the Pod Security Standards, as pod security admission would judge it if it were
    /// created now.
    struct Settings {
        /// The level: privileged (nothing is checked), baseline or restricted. Findings of restricted are medium
        /// unless `severity` says otherwise. Default: baseline.
        level: Level,
        /// The release of Kubernetes whose definition of the level counts: `latest`, or one such as `v1.31`. One
        /// that is newer than all that Revisor knows (v1.37) is latest. Default: latest.
        #[schemars(length(min = 4, max = 16), regex(pattern = r"^(latest|v1\.(0|[1-9][0-9]{0,8}))$"))]
        version: String,
    }
}

/// The rule, its checks picked.
#[derive(Debug)]
pub struct PodMeetsLevel {
    level: Level,
    minor: Minor,
    checks: Box<[&'static Check]>,
}

impl Rule for PodMeetsLevel {
    const INFO: RuleInfo = RuleInfo {
        id: "PodMeetsLevel",
        title: "Pods keep to a level of the Pod Security Standards",
        rationale: "Baseline closes the known ways out of a container, restricted also those that \
                    need a hole in the kernel. Pod security admission looks at a pod only when it \
                    is created, and only where a namespace's label says so: what was there before \
                    the label, and what runs where there is none, nobody has checked. A container \
                    that reaches its node can replace any image on it, so that signatures and \
                    digests prove nothing any more.",
        remedy: "Set in the workload's template what the message names. This much makes a pod \
                 restricted:\n\n  \
                 spec:\n    \
                 securityContext:\n      \
                 runAsNonRoot: true\n      \
                 seccompProfile: {type: RuntimeDefault}\n    \
                 containers:\n    \
                 - name: CONTAINER\n      \
                 securityContext:\n        \
                 allowPrivilegeEscalation: false\n        \
                 capabilities: {drop: [ALL]}\n\n\
                 Then let admission keep it so (the first command only shows which pods would be \
                 refused):\n\n  \
                 kubectl label --dry-run=server --overwrite namespace NAMESPACE \
                 pod-security.kubernetes.io/enforce=restricted\n  \
                 kubectl label --overwrite namespace NAMESPACE \
                 pod-security.kubernetes.io/enforce=restricted",
        severity: Severity::High,
        controls: &[
            Control::cis("5.2.2"),
            Control::cis("5.2.3"),
            Control::cis("5.2.4"),
            Control::cis("5.2.5"),
            Control::cis("5.2.6"),
            Control::cis("5.2.7"),
            Control::cis("5.2.8"),
            Control::cis("5.2.10"),
            Control::cis("5.2.11"),
            Control::bsi("SYS.1.6.A17"),
            Control::bsi("SYS.1.6.A21"),
            Control::bsi("APP.4.4.A4"),
            Control::bsi("APP.4.4.A13"),
            Control::nist("3.4.3"),
            Control::owasp("K01"),
            Control::owasp("K04"),
            Control::attack("T1611"),
            Control::nsa("Pod security enforcement"),
        ],
        reads: &[],
        false_positives: "Agents of the network, of storage and of monitoring need privileged: an \
                          exemption with a reason. What admission itself lets in by its own \
                          configuration (exempt users, namespaces and runtime classes) cannot be \
                          seen through the API and is told here. A template in a file is judged \
                          as it is written; webhooks that add a securityContext are not run.",
    };
    type Settings = Settings;

    fn prepare(settings: &Settings) -> Result<Self, SettingError> {
        let minor = match settings.version.as_deref().map_or(Version::Latest, Version::read) {
            Version::Latest => Minor::MAX,
            Version::Pinned(minor) => minor,
            Version::Invalid => {
                let written = settings.version.as_deref().unwrap_or_default();
                let message = format_args!("{written:?} is neither latest nor a version such as v1.31");
                return Err(SettingError::new("version", message));
            }
        };
        let level = settings.level.unwrap_or(Level::Baseline);
        Ok(Self { level, minor, checks: Check::all_of(level, minor).collect() })
    }

    /// What baseline refuses is as bad as a way out of the container; restricted is a matter of good practice.
    fn severity(settings: &Settings) -> Severity {
        if settings.level == Some(Level::Restricted) { Severity::Medium } else { Self::INFO.severity }
    }
}

/// What a pod fails, as admission says it: `violates "baseline:v1.31": hostPort (container "app": 80), ...`.
struct Failed<'a>(&'a PodMeetsLevel, &'a PodShape);

impl fmt::Display for Failed<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(rule, pod) = self;
        write!(f, "violates \"{}:", rule.level)?;
        match rule.minor {
            Minor::MAX => f.write_str("latest\": ")?,
            minor => write!(f, "v1.{minor}\": ")?,
        }
        for (index, fault) in rule.faults(pod).enumerate() {
            write!(f, "{}{fault}", if index == 0 { "" } else { ", " })?;
        }
        Ok(())
    }
}

impl PodMeetsLevel {
    fn faults<'a>(&'a self, pod: &'a PodShape) -> impl Iterator<Item = fault::Fault<'a>> {
        self.checks.iter().filter_map(|check| check.fault(pod, self.minor))
    }
}

impl PodRule for PodMeetsLevel {
    fn check(&self, pod: &PodShape, note: &mut Note<'_>) -> Verdict {
        match self.faults(pod).next() {
            None => Verdict::Pass,
            Some(_) => note.fail("BelowLevel", format_args!("{}", Failed(self, pod))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::testing::{container, pod};
    use super::*;
    use crate::rules::testing::{pod_explained, settings_error};

    fn verdict(settings: &str, text: &str) -> Verdict {
        pod_explained::<PodMeetsLevel>(settings, text).0
    }

    #[test]
    fn baseline_and_latest_are_the_defaults_and_privileged_allows_everything() {
        assert_eq!(verdict("{}", &pod("")), Verdict::Pass);
        let privileged = container("privileged: true");
        assert_eq!(verdict("{}", &privileged), Verdict::Fail("BelowLevel"));
        assert_eq!(verdict(r#"{"level": "privileged"}"#, &privileged), Verdict::Pass);
        assert_eq!(verdict(r#"{"level": "restricted"}"#, &pod("")), Verdict::Fail("BelowLevel"));
    }

    #[test]
    fn the_message_names_level_version_and_every_failing_check() {
        let bad = container("privileged: true, seccompProfile: {type: Unconfined}");
        let (_, text) = pod_explained::<PodMeetsLevel>("{}", &bad);
        assert_eq!(
            text,
            "violates \"baseline:latest\": privileged (container \"app\"), \
             seccompProfile (container \"app\": Unconfined)"
        );
        let (_, text) =
            pod_explained::<PodMeetsLevel>(r#"{"level": "restricted", "version": "v1.7"}"#, &pod(""));
        assert_eq!(text, "violates \"restricted:v1.7\": runAsNonRoot != true (container \"app\": not set)");
    }

    #[test]
    fn a_version_beyond_the_newest_known_one_is_latest() {
        let with = |version: &str| -> Vec<&str> {
            let settings = format!(r#"{{"level": "restricted", "version": "{version}"}}"#);
            let rule = crate::rules::testing::rule::<PodMeetsLevel>(&settings);
            rule.checks.iter().map(|check| check.id).collect()
        };
        assert_eq!(with("v1.38"), with("latest"));
        assert_eq!(with("v1.999999999"), with("latest"));
        assert_ne!(with("v1.24"), with("v1.34"));
    }

    #[test]
    fn restricted_is_baseline_with_the_stronger_check_in_the_weaker_ones_place() {
        let ids = |level, minor| Check::all_of(level, minor).map(|check| check.id).collect::<Vec<_>>();
        assert_eq!(
            ids(Level::Restricted, Minor::MAX),
            [
                "appArmorProfile",
                "hostNamespaces",
                "hostPorts",
                "hostProbesAndHostLifecycle",
                "privileged",
                "seLinuxOptions",
                "sysctls",
                "windowsHostProcess",
                "allowPrivilegeEscalation",
                "capabilities_restricted",
                "procMount_restricted",
                "restrictedVolumes",
                "runAsNonRoot",
                "runAsUser",
                "seccompProfile_restricted",
            ]
        );
        // Before its version, a stronger check stands in for nothing.
        let oldest = ids(Level::Restricted, 0);
        for weaker in ["capabilities_baseline", "seccompProfile_baseline", "procMount"] {
            assert!(oldest.contains(&weaker), "{weaker}: {oldest:?}");
        }
        assert!(!oldest.contains(&"hostPathVolumes") && oldest.contains(&"restrictedVolumes"), "{oldest:?}");
        assert_eq!(ids(Level::Baseline, Minor::MAX).len(), 12);
        assert_eq!(ids(Level::Baseline, 33).len(), 11);
        assert!(ids(Level::Privileged, Minor::MAX).is_empty());
    }

    #[test]
    fn only_latest_and_versions_of_kubernetes_are_versions() {
        for wrong in ["", "1.31", "v1.31.2", "v2.0", "Latest", "v1.031", "v1.x"] {
            let error = settings_error::<PodMeetsLevel>(&format!(r#"{{"version": "{wrong}"}}"#));
            assert_eq!(error.field, "version", "{wrong}");
        }
    }

    #[test]
    fn severity_follows_the_level_unless_it_is_set() {
        let severity = |settings: serde_json::Value| {
            let entry = crate::rules::RuleId::named("PodMeetsLevel").unwrap().entry();
            (entry.prepare)(&settings).unwrap().unwrap().severity
        };
        assert_eq!(severity(serde_json::json!({})), Severity::High);
        assert_eq!(severity(serde_json::json!({"level": "restricted"})), Severity::Medium);
        assert_eq!(severity(serde_json::json!({"level": "restricted", "severity": "low"})), Severity::Low);
    }
}
