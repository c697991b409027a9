//! ImagePullSecretsPresent: images of private registries are pulled with credentials of the pod.

use crate::reference::pattern::Pattern;
use crate::rules::settings::registry;
use crate::rules::shown::Cut;
use crate::rules::{Control, ImageRule, Rule, RuleInfo, SettingError, rule_settings};
use crate::subject::facts::Fact;
use crate::subject::pod::ImageSubject;
use crate::verdict::{Note, Severity, Verdict};

rule_settings! {
    /// A pod that takes an image from one of these registries names at least one Secret in `imagePullSecrets`. Those of
    /// its service account are copied into the pod when it is admitted.
    struct Settings {
        /// Registries that ask for credentials, as hosts: registry.example.com, host:5000, *.example.com. At least
        /// one. Default: none, with which the rule is refused.
        #[schemars(length(min = 1, max = 64), inner(length(min = 1, max = 255)))]
        registries: Vec<String>,
    }
}

/// The rule, patterns parsed.
#[derive(Debug)]
pub struct ImagePullSecretsPresent {
    registries: Vec<Pattern>,
}

impl Rule for ImagePullSecretsPresent {
    const INFO: RuleInfo = RuleInfo {
        id: "ImagePullSecretsPresent",
        title: "Private images are pulled with the pod's own credentials",
        rationale: "Without credentials of its own a pod runs a private image only where the node has them, or the \
                    image already: then every pod of the node may use it, and the pod fails on the next node.",
        remedy: "Make the Secret and name it in the service account, so that all its pods get it:\n\n  \
                 kubectl -n NAMESPACE create secret docker-registry REGISTRY --docker-server=HOST \
                 --docker-username=USER --docker-password=TOKEN\n  \
                 kubectl -n NAMESPACE patch serviceaccount NAME -p \
                 '{\"imagePullSecrets\":[{\"name\":\"REGISTRY\"}]}'",
        severity: Severity::Low,
        controls: &[Control::nist("3.2.3"), Control::bsi("APP.4.4.A12"), Control::bsi("SYS.1.6.A8")],
        reads: &[],
        false_positives: "Credentials of the node: the kubelet's credential providers for ECR, GCR and ACR. Files: \
                          what the service account would add is not known. Whether the Secret exists and works is \
                          not looked at.",
    };
    type Settings = Settings;

    fn prepare(settings: &Settings) -> Result<Self, SettingError> {
        let written = settings.registries.as_deref().unwrap_or_default();
        if written.is_empty() {
            return Err(SettingError::new(
                "registries",
                "name at least one registry that asks for credentials",
            ));
        }
        let registries =
            written.iter().enumerate().map(|(index, host)| registry(format!("registries[{index}]"), host));
        Ok(Self { registries: registries.collect::<Result<_, _>>()? })
    }
}

impl ImageRule for ImagePullSecretsPresent {
    fn check(&self, subject: &ImageSubject<'_>, note: &mut Note<'_>) -> Verdict {
        if subject.pod.is_static {
            return note.not_applicable("StaticPod", format_args!("a static pod cannot name pull secrets"));
        }
        let Ok(reference) = subject.reference() else {
            let message = format_args!(
                "{} is no valid reference, so its registry is not known",
                Cut(subject.written())
            );
            return note.unknown("InvalidReference", message);
        };
        if !self.registries.iter().any(|registry| registry.matches(reference)) {
            return note.not_applicable("OtherRegistry", format_args!("the registry is none of those set"));
        }
        match subject.pod.facts().has(Fact::PullSecrets) {
            true => Verdict::Pass,
            false => note.fail("NoPullSecrets", format_args!("the pod names no imagePullSecrets")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::testing::{pod_of, rule, settings_error};

    const SETTINGS: &str = r#"{"registries": ["registry.example.com"]}"#;

    fn verdict(image: &str, fields: &str) -> Verdict {
        let pod = pod_of(&format!("{{containers: [{{name: app, image: '{image}'}}]{fields}}}"));
        let subject = ImageSubject { pod: &pod, image_use: &pod.uses[0] };
        rule::<ImagePullSecretsPresent>(SETTINGS).check(&subject, &mut Note::silent())
    }

    #[test]
    fn only_images_of_the_registries_set_are_judged() {
        assert_eq!(verdict("registry.example.com/a:1", ""), Verdict::Fail("NoPullSecrets"));
        assert_eq!(verdict("registry.example.com/a:1", ", imagePullSecrets: [{name: s}]"), Verdict::Pass);
        assert_eq!(
            verdict("registry.example.com/a:1", ", imagePullSecrets: []"),
            Verdict::Fail("NoPullSecrets")
        );
        assert_eq!(verdict("nginx:1.27", ""), Verdict::NotApplicable("OtherRegistry"));
        assert_eq!(verdict("Nginx", ""), Verdict::Unknown("InvalidReference"));
    }

    #[test]
    fn without_a_registry_the_rule_is_refused() {
        assert_eq!(settings_error::<ImagePullSecretsPresent>("{}").field, "registries");
        assert_eq!(
            settings_error::<ImagePullSecretsPresent>(r#"{"registries": ["a/b"]}"#).field,
            "registries[0]"
        );
    }
}
