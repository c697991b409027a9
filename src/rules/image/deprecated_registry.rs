//! DeprecatedRegistry: no image comes from a registry that is given up.

use crate::reference::pattern::Pattern;
use crate::rules::settings::registry;
use crate::rules::{Control, ImageRule, Rule, RuleInfo, SettingError, rule_settings};
use crate::subject::pod::ImageSubject;
use crate::verdict::{Note, Severity, Verdict};

rule_settings! {
    /// No image comes from a registry that is given up. Only the host is compared.
    struct Settings {
        /// Registries that are given up: hosts, with a port where there is one; `*` stands for one label.
        /// Default: k8s.gcr.io, docker.pkg.github.com.
        #[schemars(length(max = 100), inner(length(min = 1, max = 255)))]
        registries: Vec<String>,
    }
}

/// The first is frozen since 2023, the other gave way to ghcr.io.
const GIVEN_UP: [&str; 2] = ["k8s.gcr.io", "docker.pkg.github.com"];

/// The rule, hosts parsed.
#[derive(Debug)]
pub struct DeprecatedRegistry {
    registries: Vec<Pattern>,
}

impl Rule for DeprecatedRegistry {
    const INFO: RuleInfo = RuleInfo {
        id: "DeprecatedRegistry",
        title: "Registries that are given up are not used",
        rationale: "A registry that is given up gets no new images, so that what comes from there \
                    has holes nobody mends, and one day it does not answer any more.",
        remedy: "Take the image from the registry's successor (k8s.gcr.io: registry.k8s.io, \
                 docker.pkg.github.com: ghcr.io):\n\n  \
                 kubectl -n NAMESPACE set image KIND/NAME \
                 CONTAINER=registry.k8s.io/pause:3.10\n\n\
                 The image of a static pod is changed in its file on the node.",
        severity: Severity::Medium,
        controls: &[Control::bsi("SYS.1.6.A6")],
        reads: &[],
        false_positives: "Nodes that rewrite the host to a mirror of one's own.",
    };
    type Settings = Settings;

    fn prepare(settings: &Settings) -> Result<Self, SettingError> {
        let written: Vec<&str> = match &settings.registries {
            Some(written) => written.iter().map(String::as_str).collect(),
            None => GIVEN_UP.to_vec(),
        };
        let parse = |(index, written)| registry(format!("registries[{index}]"), written);
        let registries: Vec<Pattern> =
            written.into_iter().enumerate().map(parse).collect::<Result<_, _>>()?;
        if registries.is_empty() {
            return Err(SettingError::new(
                "registries",
                "name at least one registry, or leave the field out",
            ));
        }
        Ok(Self { registries })
    }
}

impl ImageRule for DeprecatedRegistry {
    fn check(&self, subject: &ImageSubject<'_>, note: &mut Note<'_>) -> Verdict {
        match subject.reference() {
            Err(error) => note.unknown("InvalidReference", format_args!("no registry can be read: {error}")),
            Ok(reference) if self.registries.iter().any(|registry| registry.matches(reference)) => {
                note.fail("Deprecated", format_args!("the registry {} is given up", reference.host()))
            }
            Ok(_) => Verdict::Pass,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::testing::{image_verdict, settings_error};

    #[test]
    fn only_the_host_is_compared_and_that_as_a_whole() {
        for image in [
            "k8s.gcr.io/pause:3.9",
            "K8S.gcr.io/a/b/c",
            "k8s.gcr.io:443/pause",
            "docker.pkg.github.com/o/r/i:1",
        ] {
            assert_eq!(
                image_verdict::<DeprecatedRegistry>("{}", image),
                Verdict::Fail("Deprecated"),
                "{image}"
            );
        }
        for image in [
            "registry.k8s.io/pause:3.9",
            "k8s.gcr.io.evil.test/pause",
            "mirror.k8s.gcr.io/pause",
            "registry.example.com/k8s.gcr.io/pause",
            "k8s.gcr.io:5000/pause",
            "nginx",
        ] {
            assert_eq!(image_verdict::<DeprecatedRegistry>("{}", image), Verdict::Pass, "{image}");
        }
    }

    #[test]
    fn own_registries_replace_the_list_and_docker_hub_has_one_name() {
        let own = r#"{"registries": ["old.example.com:5000", "docker.io"]}"#;
        for image in ["old.example.com:5000/app", "nginx", "registry-1.docker.io/library/nginx"] {
            assert_eq!(
                image_verdict::<DeprecatedRegistry>(own, image),
                Verdict::Fail("Deprecated"),
                "{image}"
            );
        }
        for image in ["old.example.com/app", "k8s.gcr.io/pause:3.9"] {
            assert_eq!(image_verdict::<DeprecatedRegistry>(own, image), Verdict::Pass, "{image}");
        }
    }

    #[test]
    fn a_reference_that_does_not_parse_never_passes() {
        assert_eq!(
            image_verdict::<DeprecatedRegistry>("{}", "k8s.gcr.io//x"),
            Verdict::Unknown("InvalidReference")
        );
    }

    #[test]
    fn what_is_no_host_is_an_error_that_names_the_field() {
        let error = |settings| settings_error::<DeprecatedRegistry>(settings).field;
        assert_eq!(error(r#"{"registries": ["a.test", "a.test/x"]}"#), "registries[1]");
        assert_eq!(error(r#"{"registries": ["nginx"]}"#), "registries[0]");
        assert_eq!(error(r#"{"registries": []}"#), "registries");
    }
}
