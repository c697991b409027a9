//! ValidReference: the image is a reference that container runtimes can read.

use crate::rules::{Control, ImageRule, Rule, RuleInfo, SettingError, rule_settings};
use crate::subject::pod::ImageSubject;
use crate::verdict::{Note, Severity, Verdict};

rule_settings! {
    /// The image is a reference that container runtimes can read. The API server does not check that.
    struct Settings {}
}

/// The rule; it has no settings of its own.
#[derive(Debug)]
pub struct ValidReference;

impl Rule for ValidReference {
    const INFO: RuleInfo = RuleInfo {
        id: "ValidReference",
        title: "Image references are valid",
        rationale: "The API server takes any text for an image; only the kubelet finds out, at \
                    the next start of the pod, and reports InvalidImageName. Tools that read such \
                    a text as something else judge an image that nobody will ever run.",
        remedy: "Correct the reference in the workload's template, or in the file on the node for \
                 a static pod:\n\n  \
                 kubectl -n NAMESPACE set image KIND/NAME \
                 CONTAINER=registry.example.com/team/app:1.2.3\n\n\
                 Names are lower case, a tag follows a colon, a digest is @sha256: and 64 \
                 hexadecimal characters.",
        severity: Severity::High,
        controls: &[Control::bsi("SYS.1.6.A6"), Control::nist("4.1.5")],
        reads: &[],
        false_positives: "Templates that another tool fills in before they reach the cluster, \
                          such as $(IMAGE) or a Helm chart that was not rendered.",
    };
    type Settings = Settings;

    fn prepare(_: &Settings) -> Result<Self, SettingError> {
        Ok(Self)
    }
}

impl ImageRule for ValidReference {
    fn check(&self, subject: &ImageSubject<'_>, note: &mut Note<'_>) -> Verdict {
        match subject.reference() {
            Ok(_) => Verdict::Pass,
            Err(error) => note.fail("InvalidReference", format_args!("{error}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::testing::{image_explained, image_verdict};

    #[test]
    fn what_runtimes_can_read_passes() {
        let digest = "a".repeat(64);
        for image in [
            "nginx",
            "foo:5000",
            "localhost/app",
            "registry.example.com:5000/team/app:1.2.3",
            &format!("nginx:1.27@sha256:{digest}"),
            &format!("sha256:{digest}"),
        ] {
            assert_eq!(image_verdict::<ValidReference>("{}", image), Verdict::Pass, "{image}");
        }
    }

    #[test]
    fn what_they_cannot_read_fails_and_says_what_is_wrong() {
        for (image, why) in [
            ("", "empty"),
            ("docker.io/library/Nginx", "lower case"),
            ("registry.example.com//app:1", "empty segment"),
            ("nginx@abc", "digest"),
            ("nginx@md5:d41d8cd98f00b204e9800998ecf8427e", "algorithm"),
            ("https://registry.example.com/app", "scheme"),
            ("$(IMAGE)", "placeholder"),
            (" ", "not allowed"),
        ] {
            let (verdict, text) = image_explained::<ValidReference>("{}", image);
            assert_eq!(verdict, Verdict::Fail("InvalidReference"), "{image:?}");
            assert!(text.contains(why), "{image:?}: {text}");
        }
    }

    #[test]
    fn a_hostile_text_does_not_fill_the_message() {
        let (_, text) = image_explained::<ValidReference>("{}", &"A".repeat(1_000_000));
        assert!(text.len() < 300, "{}", text.len());
    }
}
