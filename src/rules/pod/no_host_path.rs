//! NoHostPath: no pod can change files of its node.

use super::host_path::NodePath;
use crate::rules::shown::Cut;
use crate::rules::{Control, PodRule, Rule, RuleInfo, SettingError, rule_settings};
use crate::subject::facts::Fact;
use crate::subject::pod::PodShape;
use crate::verdict::{Note, Severity, Verdict};

rule_settings! {
    /// No hostPath volume is writable: each is mounted with `readOnly: true` wherever it is mounted. One that nothing
    /// mounts counts as writable, since an ephemeral container could mount it.
    struct Settings {
        /// Folders of the node that may be mounted writable, with all that is in them. Default: none.
        #[schemars(length(max = 64), inner(length(min = 1, max = 512)))]
        allow: Vec<String>,
        /// Read-only hostPath volumes pass. Default: true; Pod Security baseline allows no hostPath volume at all.
        allow_read_only: bool,
    }
}

/// The rule, paths read.
#[derive(Debug)]
pub struct NoHostPath {
    allow: Vec<NodePath>,
    allow_read_only: bool,
}

impl Rule for NoHostPath {
    const INFO: RuleInfo = RuleInfo {
        id: "NoHostPath",
        title: "No pod can change files of its node",
        rationale: "A folder of the node is shared by all that runs there, outlives the pod and belongs to no one: \
                    who can write it can change the configuration, the programs or the data of the node and of \
                    other pods on it.",
        remedy: "Use an emptyDir, a PersistentVolumeClaim or a ConfigMap. Where an agent only reads, say so in the \
                 workload's template:\n\n  volumeMounts:\n  - {name: logs, mountPath: /var/log, readOnly: true}\n\n\
                 Name folders that agents must write:\n\n  noHostPath:\n    allow: [/var/lib/my-agent]",
        severity: Severity::High,
        controls: &[
            Control::cis("5.2.11"),
            Control::bsi("SYS.1.6.A19"),
            Control::nist("3.5.5"),
            Control::nsa("Kubernetes Pod security"),
            Control::owasp("K01"),
            Control::attack("T1611"),
        ],
        reads: &[],
        false_positives: "Storage and network plugins, and agents that keep state on the node. Folders that are \
                          mounted below a read-only mount can be writable all the same (recursiveReadOnly).",
    };
    type Settings = Settings;

    fn prepare(settings: &Settings) -> Result<Self, SettingError> {
        let written = settings.allow.as_deref().unwrap_or_default();
        if let Some(index) = written.iter().position(|path| !path.starts_with('/') && !path.contains(':')) {
            let message = format_args!("{:?} is no absolute path on a node", written[index]).to_string();
            return Err(SettingError::new(format!("allow[{index}]"), message));
        }
        Ok(Self {
            allow: written.iter().map(|path| NodePath::new(path)).collect(),
            allow_read_only: settings.allow_read_only.unwrap_or(true),
        })
    }
}

impl PodRule for NoHostPath {
    fn check(&self, pod: &PodShape, note: &mut Note<'_>) -> Verdict {
        let allowed = |path: &&str| self.allow.iter().any(|folder| NodePath::new(path).is_in(folder));
        let facts = pod.facts();
        if let Some(path) = facts.all(Fact::WritableHostPath).find(|path| !allowed(path)) {
            return note
                .fail("WritableHostPath", format_args!("hostPath {} of the node is writable", Cut(path)));
        }
        match facts.all(Fact::HostPath).find(|path| !self.allow_read_only && !allowed(path)) {
            Some(path) => {
                note.fail("HostPath", format_args!("hostPath {} of the node is mounted read-only", Cut(path)))
            }
            None => Verdict::Pass,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::testing::{pod_verdict, settings_error};

    fn mounted(settings: &str, mounts: &str) -> Verdict {
        let spec = format!(
            "{{containers: [{{name: app, image: a, volumeMounts: [{mounts}]}}, {{name: side, image: a}}], \
             volumes: [{{name: h, hostPath: {{path: /var/log}}}}, {{name: e, emptyDir: {{}}}}]}}"
        );
        pod_verdict::<NoHostPath>(settings, &spec)
    }

    #[test]
    fn a_folder_of_the_node_must_be_read_only_wherever_it_is_mounted() {
        assert_eq!(mounted("{}", "{name: h, mountPath: /x}"), Verdict::Fail("WritableHostPath"));
        assert_eq!(mounted("{}", "{name: h, mountPath: /x, readOnly: true}"), Verdict::Pass);
        let both = "{name: h, mountPath: /x, readOnly: true}, {name: h, mountPath: /y}";
        assert_eq!(mounted("{}", both), Verdict::Fail("WritableHostPath"));
        assert_eq!(
            mounted("{}", "{name: e, mountPath: /x}"),
            Verdict::Fail("WritableHostPath"),
            "not mounted"
        );
    }

    #[test]
    fn mounts_are_joined_with_volumes_in_any_order_of_the_fields() {
        let (volumes, containers) = (
            "volumes: [{name: h, hostPath: {path: /var/log}}]",
            "containers: [{name: app, image: a, volumeMounts: [{mountPath: /x, readOnly: true, name: h}]}]",
        );
        for spec in [format!("{{{volumes}, {containers}}}"), format!("{{{containers}, {volumes}}}")] {
            assert_eq!(pod_verdict::<NoHostPath>("{}", &spec), Verdict::Pass, "{spec}");
        }
    }

    #[test]
    fn settings_allow_folders_and_forbid_even_reading() {
        assert_eq!(mounted(r#"{"allow": ["/var"]}"#, "{name: h, mountPath: /x}"), Verdict::Pass);
        let strict = r#"{"allowReadOnly": false}"#;
        assert_eq!(mounted(strict, "{name: h, mountPath: /x, readOnly: true}"), Verdict::Fail("HostPath"));
        assert_eq!(settings_error::<NoHostPath>(r#"{"allow": ["var"]}"#).field, "allow[0]");
    }
}
