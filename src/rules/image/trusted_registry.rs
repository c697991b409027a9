//! TrustedRegistry: images come only from registries and repositories that the policy names.

use crate::rules::trust::Trust;
use crate::rules::{Control, ImageRule, Rule, RuleInfo, SettingError, rule_settings};
use crate::subject::pod::ImageSubject;
use crate::verdict::{Note, Severity, Verdict};

rule_settings! {
    /// Images come only from registries and repositories that are named here. Patterns: `registry.example.com`
    /// (all of it), `registry.example.com/team/app` (exactly that repository), `.../*` (one more segment),
    /// `.../**` (everything below), `*.example.com` (one label). At least one of allow and deny is needed.
    struct Settings {
        /// Patterns of what is trusted. Default: everything that is not denied.
        #[schemars(length(max = 500), inner(length(min = 1, max = 512)))]
        allow: Vec<String>,
        /// Patterns of what is never trusted; deny beats allow. Default: none.
        #[schemars(length(max = 500), inner(length(min = 1, max = 512)))]
        deny: Vec<String>,
    }
}

/// The rule, patterns parsed.
#[derive(Debug)]
pub struct TrustedRegistry(Trust);

impl Rule for TrustedRegistry {
    const INFO: RuleInfo = RuleInfo {
        id: "TrustedRegistry",
        title: "Images come only from trusted registries",
        rationale: "Whoever can make a pod name any registry can run any code. A list of trusted \
                    registries and repositories is the first line of every supply chain, and it \
                    is worth nothing when it is checked by string prefix or skips short names.",
        remedy: "Copy the image to a trusted registry and name it there:\n\n  \
                 crane copy SOURCE registry.example.com/team/app:1.2.3\n  \
                 kubectl -n NAMESPACE set image KIND/NAME \
                 CONTAINER=registry.example.com/team/app:1.2.3\n\n\
                 or add the repository to spec.rules.trustedRegistry.allow of the policy, with a \
                 reason.",
        severity: Severity::High,
        controls: &[
            Control::cis("5.5.1"),
            Control::bsi("SYS.1.6.A6"),
            Control::bsi("SYS.1.6.A12"),
            Control::nist("4.1.5"),
            Control::owasp("K04"),
            Control::attack("T1204.003"),
        ],
        reads: &[],
        false_positives: "Side cars that a mesh injects and the provider's images in kube-system: \
                          add their repositories. A registry mirror or rewrite on the node \
                          changes the true source and cannot be seen through the API.",
    };
    type Settings = Settings;

    fn prepare(settings: &Settings) -> Result<Self, SettingError> {
        Trust::new(settings.allow.as_deref(), settings.deny.as_deref()).map(Self)
    }
}

impl ImageRule for TrustedRegistry {
    fn check(&self, subject: &ImageSubject<'_>, note: &mut Note<'_>) -> Verdict {
        let reference = match subject.reference() {
            Ok(reference) => reference,
            Err(error) => {
                return note.fail("InvalidReference", format_args!("no registry can be read: {error}"));
            }
        };
        match self.0.distrusts(reference) {
            Some(distrust) => note.fail(distrust.reason(), format_args!("{} {distrust}", reference.name())),
            None => Verdict::Pass,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::testing::{image_verdict, settings_error};

    const ONE: &str = r#"{"allow": ["registry.example.com"], "deny": ["registry.example.com/legacy/**"]}"#;

    #[test]
    fn deny_beats_allow_and_a_prefix_is_not_a_match() {
        assert_eq!(image_verdict::<TrustedRegistry>(ONE, "registry.example.com/app:1"), Verdict::Pass);
        assert_eq!(
            image_verdict::<TrustedRegistry>(ONE, "registry.example.com/legacy/app:1"),
            Verdict::Fail("Denied")
        );
        assert_eq!(
            image_verdict::<TrustedRegistry>(ONE, "registry.example.com.evil.test/app:1"),
            Verdict::Fail("NotAllowed")
        );
    }

    #[test]
    fn an_invalid_reference_never_passes_an_allow_list() {
        assert_eq!(image_verdict::<TrustedRegistry>(ONE, "Nginx"), Verdict::Fail("InvalidReference"));
    }

    #[test]
    fn empty_lists_and_bad_patterns_are_errors_that_name_the_field() {
        assert_eq!(settings_error::<TrustedRegistry>("{}").field, "allow");
        assert_eq!(settings_error::<TrustedRegistry>(r#"{"allow": ["a.test", "x*"]}"#).field, "allow[1]");
    }
}
