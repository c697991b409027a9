//! DigestPinned: the image is named by the digest of its content.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::rules::{Control, ImageRule, Rule, RuleInfo, SettingError, rule_settings};
use crate::subject::pod::ImageSubject;
use crate::verdict::{Note, Severity, Verdict};

rule_settings! {
    /// The image is named by a digest, as in `registry.example.com/app:1.2.3@sha256:...`. A tag beside it is a
    /// comment for people.
    struct Settings {
        /// Digest algorithms that are good enough. Default: sha256, sha384, sha512, which are all there are.
        #[schemars(length(min = 1, max = 3))]
        algorithms: Vec<Algorithm>,
    }
}

/// A digest algorithm that container runtimes know.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Algorithm {
    /// 64 hexadecimal characters.
    Sha256,
    /// 96 hexadecimal characters.
    Sha384,
    /// 128 hexadecimal characters.
    Sha512,
}

impl Algorithm {
    const ALL: [Self; 3] = [Self::Sha256, Self::Sha384, Self::Sha512];

    fn as_str(self) -> &'static str {
        match self {
            Self::Sha256 => "sha256",
            Self::Sha384 => "sha384",
            Self::Sha512 => "sha512",
        }
    }
}

/// The rule, defaults filled in.
#[derive(Debug)]
pub struct DigestPinned {
    algorithms: Vec<Algorithm>,
}

impl Rule for DigestPinned {
    const INFO: RuleInfo = RuleInfo {
        id: "DigestPinned",
        title: "Images are pinned by digest",
        rationale: "A tag says what somebody called the image; a digest says what it is. With a \
                    digest, a registry that is broken into or a tag that is moved cannot change \
                    what runs, and what was tested, signed and scanned is what starts.",
        remedy: "Find the digest and write it behind the tag, which stays for people to read:\n\n  \
                 crane digest registry.example.com/team/app:1.2.3\n  \
                 kubectl -n NAMESPACE set image KIND/NAME \
                 CONTAINER=registry.example.com/team/app:1.2.3@sha256:...\n\n\
                 Renovate keeps digests fresh (pinDigests). The image of a static pod is changed \
                 in its file on the node.",
        severity: Severity::Low,
        controls: &[Control::nist("4.1.5"), Control::bsi("SYS.1.6.A12")],
        reads: &[],
        false_positives: "Side cars that a mesh injects by tag, and image updaters that move tags \
                          on purpose.",
    };
    type Settings = Settings;

    fn prepare(settings: &Settings) -> Result<Self, SettingError> {
        let algorithms = settings.algorithms.clone().unwrap_or(Algorithm::ALL.to_vec());
        if algorithms.is_empty() {
            return Err(SettingError::new("algorithms", "name at least one of sha256, sha384 and sha512"));
        }
        Ok(Self { algorithms })
    }
}

impl ImageRule for DigestPinned {
    fn check(&self, subject: &ImageSubject<'_>, note: &mut Note<'_>) -> Verdict {
        let reference = match subject.reference() {
            Ok(reference) => reference,
            Err(error) => {
                return note.fail("InvalidReference", format_args!("no digest can be read: {error}"));
            }
        };
        let Some(digest) = reference.digest() else {
            return note.fail("NoDigest", format_args!("{reference} has no digest"));
        };
        let found = digest.algorithm();
        if !self.algorithms.iter().any(|algorithm| algorithm.as_str() == found) {
            return note
                .fail("AlgorithmNotAccepted", format_args!("a digest by {found} is not accepted here"));
        }
        Verdict::Pass
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::testing::{image_verdict, settings_error};

    fn verdict(image: &str) -> Verdict {
        image_verdict::<DigestPinned>("{}", image)
    }

    #[test]
    fn a_digest_passes_with_or_without_a_tag() {
        let hex = "a".repeat(64);
        for image in [
            format!("nginx@sha256:{hex}"),
            format!("nginx:1.27@sha256:{hex}"),
            format!("nginx@sha512:{hex}{hex}"),
        ] {
            assert_eq!(verdict(&image), Verdict::Pass, "{image}");
        }
    }

    #[test]
    fn a_tag_is_no_digest_however_it_looks() {
        let hex = "a".repeat(64);
        for image in ["nginx", "nginx:1.27", &format!("app:sha256-{hex}.sig"), &format!("sha256:{hex}")] {
            assert_eq!(verdict(image), Verdict::Fail("NoDigest"), "{image}");
        }
    }

    #[test]
    fn an_at_sign_alone_pins_nothing() {
        let short = "a".repeat(63);
        let upper = "A".repeat(64);
        for image in [
            "nginx@abc",
            "nginx@",
            &format!("nginx@sha256:{short}"),
            &format!("nginx@sha256:{upper}"),
            "nginx@md5:d41d8cd98f00b204e9800998ecf8427e",
        ] {
            assert_eq!(verdict(image), Verdict::Fail("InvalidReference"), "{image}");
        }
    }

    #[test]
    fn a_policy_may_accept_fewer_algorithms_but_not_none() {
        let hex = "a".repeat(64);
        let settings = r#"{"algorithms": ["sha384", "sha512"]}"#;
        let verdict = |image: String| image_verdict::<DigestPinned>(settings, &image);
        assert_eq!(verdict(format!("nginx@sha256:{hex}")), Verdict::Fail("AlgorithmNotAccepted"));
        assert_eq!(verdict(format!("nginx@sha512:{hex}{hex}")), Verdict::Pass);
        assert_eq!(settings_error::<DigestPinned>(r#"{"algorithms": []}"#).field, "algorithms");
        assert!(serde_json::from_str::<Settings>(r#"{"algorithms": ["md5"]}"#).is_err());
    }
}
