//! FullyQualifiedReference: the image names its registry, so that no node can look it up elsewhere.

use crate::rules::{Control, ImageRule, Rule, RuleInfo, SettingError, rule_settings};
use crate::subject::pod::ImageSubject;
use crate::verdict::{Note, Severity, Verdict};

rule_settings! {
    /// The image is written with its registry, as in `docker.io/library/nginx:1.27`. Short names are completed on
    /// the node: CRI-O looks them up as its registries.conf says.
    struct Settings {}
}

/// The rule; it has no settings of its own.
#[derive(Debug)]
pub struct FullyQualifiedReference;

impl Rule for FullyQualifiedReference {
    const INFO: RuleInfo = RuleInfo {
        id: "FullyQualifiedReference",
        title: "Image references name their registry",
        rationale: "A name without a registry means Docker Hub to some runtimes and to others \
                    whatever the node's configuration says. Whoever registers the same name in a \
                    registry that comes first there decides what runs.",
        remedy: "Write the registry, also for Docker Hub and its official images:\n\n  \
                 kubectl -n NAMESPACE set image KIND/NAME \
                 CONTAINER=docker.io/library/nginx:1.27\n\n\
                 The image of a static pod is changed in its file on the node.",
        severity: Severity::Medium,
        controls: &[
            Control::bsi("SYS.1.6.A6"),
            Control::bsi("SYS.1.6.A12"),
            Control::nist("4.1.5"),
            Control::attack("T1036.005"),
        ],
        reads: &[],
        false_positives: "Every image from Docker Hub in most clusters that exist: where all \
                          nodes run containerd, short names always mean Docker Hub.",
    };
    type Settings = Settings;

    fn prepare(_: &Settings) -> Result<Self, SettingError> {
        Ok(Self)
    }
}

impl ImageRule for FullyQualifiedReference {
    fn check(&self, subject: &ImageSubject<'_>, note: &mut Note<'_>) -> Verdict {
        match subject.reference() {
            Err(error) => note.fail("InvalidReference", format_args!("no registry can be read: {error}")),
            Ok(reference) if reference.has_explicit_host() => Verdict::Pass,
            Ok(reference) => note.fail(
                "NoRegistry",
                format_args!(
                    "no registry is written; containerd takes it for {reference}, other runtimes may not"
                ),
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::testing::{image_explained, image_verdict};

    #[test]
    fn a_written_host_passes_even_docker_hubs() {
        for image in [
            "docker.io/nginx",
            "docker.io/library/nginx:1.27",
            "localhost/app",
            "registry:5000/app",
            "quay.io/a/b",
        ] {
            assert_eq!(image_verdict::<FullyQualifiedReference>("{}", image), Verdict::Pass, "{image}");
        }
    }

    #[test]
    fn names_without_a_host_fail_and_a_first_segment_without_a_dot_is_none() {
        for image in ["nginx", "nginx:1.27", "foo:5000", "team/app", "registry/team/app"] {
            assert_eq!(
                image_verdict::<FullyQualifiedReference>("{}", image),
                Verdict::Fail("NoRegistry"),
                "{image}"
            );
        }
        let (_, text) = image_explained::<FullyQualifiedReference>("{}", "nginx");
        assert!(text.contains("docker.io/library/nginx:latest"), "{text}");
    }

    #[test]
    fn what_does_not_parse_names_no_registry() {
        let verdict = image_verdict::<FullyQualifiedReference>("{}", "docker.io/Nginx");
        assert_eq!(verdict, Verdict::Fail("InvalidReference"));
    }
}
