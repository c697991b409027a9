//! NoDangerousCapabilities: no container is given a capability that leads out of it.

use crate::rules::shown::Cut;
use crate::rules::{ContainerRule, Control, Rule, RuleInfo, SettingError, rule_settings};
use crate::subject::facts::Fact;
use crate::subject::pod::ContainerSubject;
use crate::verdict::{Note, Severity, Verdict};

rule_settings! {
    /// No container adds a capability that leads out of it (`securityContext.capabilities.add`).
    struct Settings {
        /// Capabilities that must not be added, as capabilities(7) names them, with or without CAP_. Default: ALL,
        /// BPF, CHECKPOINT_RESTORE, DAC_READ_SEARCH, MAC_ADMIN, MAC_OVERRIDE, NET_ADMIN, NET_RAW, PERFMON, SYSLOG,
        /// SYS_ADMIN, SYS_BOOT, SYS_MODULE, SYS_PTRACE, SYS_RAWIO.
        #[schemars(length(min = 1, max = 64), inner(length(min = 1, max = 64)))]
        capabilities: Vec<String>,
    }
}

const DANGEROUS: [&str; 15] = [
    "ALL",
    "BPF",
    "CHECKPOINT_RESTORE",
    "DAC_READ_SEARCH",
    "MAC_ADMIN",
    "MAC_OVERRIDE",
    "NET_ADMIN",
    "NET_RAW",
    "PERFMON",
    "SYSLOG",
    "SYS_ADMIN",
    "SYS_BOOT",
    "SYS_MODULE",
    "SYS_PTRACE",
    "SYS_RAWIO",
];

/// The rule, defaults filled in.
#[derive(Debug)]
pub struct NoDangerousCapabilities {
    capabilities: Vec<String>,
}

/// The name as the runtimes read it: in any case, some with the prefix.
pub(crate) fn plain(capability: &str) -> String {
    let upper = capability.to_ascii_uppercase();
    upper.strip_prefix("CAP_").map_or(upper.clone(), str::to_owned)
}

impl Rule for NoDangerousCapabilities {
    const INFO: RuleInfo = RuleInfo {
        id: "NoDangerousCapabilities",
        title: "No container has a capability that leads out of it",
        rationale: "Capabilities are root's rights in pieces. Some of them are enough to leave the container or to \
                    read and change what runs beside it: SYS_ADMIN mounts, SYS_MODULE loads kernel modules, \
                    SYS_PTRACE and DAC_READ_SEARCH reach into other processes and files, NET_RAW and NET_ADMIN \
                    forge and redirect traffic.",
        remedy: "Drop all capabilities in the workload's template and add the one that is needed:\n\n  \
                 securityContext:\n    capabilities:\n      drop: [ALL]\n      add: [NET_BIND_SERVICE]",
        severity: Severity::High,
        controls: &[
            Control::cis("5.2.8"),
            Control::cis("5.2.9"),
            Control::bsi("SYS.1.6.A17"),
            Control::nist("4.4.3"),
            Control::nsa("Kubernetes Pod security"),
            Control::owasp("K01"),
            Control::attack("T1611"),
        ],
        reads: &[],
        false_positives: "Network plugins (NET_ADMIN), profilers and eBPF agents (BPF, PERFMON, SYS_PTRACE), service \
                          meshes whose init container sets up redirection. A privileged container has all \
                          capabilities without naming one: NoPrivileged finds it.",
    };
    type Settings = Settings;

    fn prepare(settings: &Settings) -> Result<Self, SettingError> {
        let Some(written) = &settings.capabilities else {
            return Ok(Self { capabilities: DANGEROUS.map(str::to_owned).to_vec() });
        };
        if written.is_empty() {
            return Err(SettingError::new(
                "capabilities",
                "an empty list forbids nothing; name a capability",
            ));
        }
        let good = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
        for (index, capability) in written.iter().enumerate() {
            if capability.is_empty() || !capability.bytes().all(good) {
                let message = format_args!("{capability:?} is no capability such as SYS_ADMIN").to_string();
                return Err(SettingError::new(format!("capabilities[{index}]"), message));
            }
        }
        Ok(Self { capabilities: written.iter().map(|capability| plain(capability)).collect() })
    }
}

impl ContainerRule for NoDangerousCapabilities {
    fn check(&self, subject: &ContainerSubject<'_>, note: &mut Note<'_>) -> Verdict {
        if subject.is_windows() {
            return note.not_applicable("Windows", format_args!("there are no capabilities on Windows"));
        }
        let forbidden = |added: &&str| self.capabilities.iter().any(|capability| *capability == plain(added));
        let added: Vec<&str> = subject.facts().all(Fact::AddedCapability).filter(forbidden).collect();
        match added.as_slice() {
            [] => Verdict::Pass,
            added => {
                let names = added.join(", ");
                note.fail("DangerousCapability", format_args!("the container adds {}", Cut(&names)))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::testing::{container_explained, container_verdict, settings_error};

    fn adding(settings: &str, capability: &str) -> Verdict {
        let spec = format!(
            "containers: [{{name: app, image: a, securityContext: {{capabilities: {{add: [{capability}]}}}}}}]"
        );
        container_verdict::<NoDangerousCapabilities>(settings, &spec)
    }

    #[test]
    fn names_are_compared_as_runtimes_read_them() {
        for bad in ["SYS_ADMIN", "sys_admin", "CAP_SYS_ADMIN", "ALL", "all", "NET_RAW"] {
            assert_eq!(adding("{}", bad), Verdict::Fail("DangerousCapability"), "{bad}");
        }
        for fine in ["NET_BIND_SERVICE", "CHOWN", "SYS_ADMINISTRATOR"] {
            assert_eq!(adding("{}", fine), Verdict::Pass, "{fine}");
        }
    }

    #[test]
    fn the_list_of_a_policy_replaces_the_default() {
        let settings = r#"{"capabilities": ["cap_chown"]}"#;
        assert_eq!(adding(settings, "CHOWN"), Verdict::Fail("DangerousCapability"));
        assert_eq!(adding(settings, "SYS_ADMIN"), Verdict::Pass);
        assert_eq!(
            settings_error::<NoDangerousCapabilities>(r#"{"capabilities": []}"#).field,
            "capabilities"
        );
        let wrong = r#"{"capabilities": ["CHOWN", "SYS ADMIN"]}"#;
        assert_eq!(settings_error::<NoDangerousCapabilities>(wrong).field, "capabilities[1]");
    }

    #[test]
    fn all_that_are_added_are_named_and_dropping_is_no_adding() {
        let spec = "containers: [{name: app, image: a, securityContext: {capabilities: \
                    {add: [SYS_PTRACE, CHOWN, BPF], drop: [ALL]}}}]";
        let (_, text) = container_explained::<NoDangerousCapabilities>("{}", spec);
        assert_eq!(text, "the container adds SYS_PTRACE, BPF");
        let spec = "containers: [{name: app, image: a, securityContext: {capabilities: {drop: [ALL]}}}]";
        assert_eq!(container_verdict::<NoDangerousCapabilities>("{}", spec), Verdict::Pass);
    }
}
