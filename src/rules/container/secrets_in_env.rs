//! SecretsInEnv: secrets are not handed to programs in their environment.

use crate::rules::shown::Cut;
use crate::rules::{ContainerRule, Control, Rule, RuleInfo, SettingError, rule_settings};
use crate::subject::facts::Fact;
use crate::subject::pod::ContainerSubject;
use crate::verdict::{Note, Severity, Verdict};

rule_settings! {
    /// No container takes a Secret into its environment, neither a key (`env[].valueFrom.secretKeyRef`) nor a whole one
    /// (`envFrom[].secretRef`).
    struct Settings {}
}

/// The rule; it has no settings of its own.
#[derive(Debug)]
pub struct SecretsInEnv;

impl Rule for SecretsInEnv {
    const INFO: RuleInfo = RuleInfo {
        id: "SecretsInEnv",
        title: "Secrets are files, not environment variables",
        rationale: "An environment is inherited by every child process, is shown by debuggers and crash reports, is \
                    often logged, and does not change when the Secret is rotated. A file in a volume is read only \
                    by who opens it, and follows the Secret.",
        remedy: "Mount the Secret and read the file:\n\n  volumes:\n  - name: credentials\n    \
                 secret: {secretName: SECRET}\n  containers:\n  - name: app\n    volumeMounts:\n    \
                 - {name: credentials, mountPath: /run/credentials, readOnly: true}",
        severity: Severity::Low,
        controls: &[Control::cis("5.4.1"), Control::bsi("SYS.1.6.A8"), Control::owasp("K03")],
        reads: &[],
        false_positives: "Programs that take their configuration from the environment only. A secret that stands in \
                          `value` as plain text cannot be told from any other text.",
    };
    type Settings = Settings;

    fn prepare(_: &Settings) -> Result<Self, SettingError> {
        Ok(Self)
    }
}

impl ContainerRule for SecretsInEnv {
    fn check(&self, subject: &ContainerSubject<'_>, note: &mut Note<'_>) -> Verdict {
        let mut names: Vec<&str> = subject.facts().all(Fact::SecretInEnv).collect();
        names.sort_unstable();
        names.dedup();
        match names.as_slice() {
            [] => Verdict::Pass,
            [one] => note.fail("SecretInEnv", format_args!("Secret {} is in the environment", Cut(one))),
            [one, others @ ..] => {
                let message =
                    format_args!("Secret {} and {} more are in the environment", Cut(one), others.len());
                note.fail("SecretInEnv", message)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::testing::{container_explained, container_verdict};

    fn verdict(fields: &str) -> Verdict {
        let spec = format!("containers: [{{name: app, image: a, {fields}}}]");
        container_verdict::<SecretsInEnv>("{}", &spec)
    }

    #[test]
    fn a_key_and_a_whole_secret_fail_and_nothing_else_does() {
        assert_eq!(
            verdict("env: [{name: P, valueFrom: {secretKeyRef: {name: s, key: k}}}]"),
            Verdict::Fail("SecretInEnv")
        );
        assert_eq!(verdict("envFrom: [{secretRef: {name: s}}]"), Verdict::Fail("SecretInEnv"));
        assert_eq!(verdict("envFrom: [{secretRef: {optional: true}}]"), Verdict::Fail("SecretInEnv"));
        assert_eq!(verdict("env: [{name: P, value: secret}]"), Verdict::Pass);
        assert_eq!(
            verdict("env: [{name: P, valueFrom: {fieldRef: {fieldPath: metadata.name}}}]"),
            Verdict::Pass
        );
        assert_eq!(verdict("envFrom: [{configMapRef: {name: s}}]"), Verdict::Pass);
    }

    #[test]
    fn each_secret_is_told_once() {
        let key = |secret| format!("{{name: A, valueFrom: {{secretKeyRef: {{name: {secret}, key: k}}}}}}");
        let spec = format!("containers: [{{name: app, image: a, env: [{}, {}]}}]", key("s"), key("s"));
        assert_eq!(container_explained::<SecretsInEnv>("{}", &spec).1, "Secret s is in the environment");
    }
}
