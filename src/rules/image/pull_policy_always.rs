//! PullPolicyAlways: the kubelet asks the registry at every start, so that nothing runs from a node's cache alone.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::reference::PullPolicy;
use crate::rules::{Control, ImageRule, Rule, RuleInfo, SettingError, rule_settings};
use crate::subject::pod::{ImageSubject, Slot};
use crate::verdict::{Note, Severity, Verdict};

rule_settings! {
    /// The pull policy in force is Always: what is written, or what Kubernetes fills in, which is Always only for
    /// the tag `latest`, written or implied.
    struct Settings {
        /// `Always`: every image. `AlwaysUnlessDigest`: images with a digest may also be IfNotPresent, since the
        /// digest fixes the content. Default: Always.
        mode: Mode,
    }
}

/// Which images have to be pulled always.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Mode {
    /// Every image.
    Always,
    /// Those without a digest.
    AlwaysUnlessDigest,
}

/// The rule, its mode read.
#[derive(Debug)]
pub struct PullPolicyAlways {
    mode: Mode,
}

impl Rule for PullPolicyAlways {
    const INFO: RuleInfo = RuleInfo {
        id: "PullPolicyAlways",
        title: "Images are pulled at every start",
        rationale: "With any other pull policy, a pod runs whatever the node holds under that \
                    name: an old build, or an image that somebody put there. With Always, the \
                    kubelet asks the registry which content the name means and whether the pod \
                    may have it; layers stay cached. It is no proof of integrity: behind a tag \
                    that was hijacked, Always fetches the attacker's image sooner. Only a digest \
                    (DigestPinned) or a signature helps against that.",
        remedy: "Set it in the workload's template, not in the pod:\n\n  \
                 kubectl -n NAMESPACE patch KIND NAME -p \
                 '{\"spec\":{\"template\":{\"spec\":{\"containers\":[{\"name\":\"CONTAINER\",\"imagePullPolicy\":\"Always\"}]}}}}'\n\n\
                 For an image volume the field is volumes[].image.pullPolicy. The file of a \
                 static pod is changed on the node. The admission plugin AlwaysPullImages sets it \
                 for all pods of a cluster. Then pin the digest too.",
        severity: Severity::Medium,
        controls: &[
            Control::cis("1.2 (AlwaysPullImages)"),
            Control::bsi("SYS.1.6.A6"),
            Control::bsi("SYS.1.6.A14"),
            Control::nist("3.1.5"),
            Control::nist("3.4.5"),
        ],
        reads: &[],
        false_positives: "Images that are loaded into the nodes on purpose (kind, minikube, \
                          air-gapped and edge clusters), agents that have to start while the \
                          registry is down, static pods in kube-system. Admission plugins change \
                          the mirror of a static pod, not its file, so that its pull policy may \
                          be shown as Always and be another on the node.",
    };
    type Settings = Settings;

    fn prepare(settings: &Settings) -> Result<Self, SettingError> {
        Ok(Self { mode: settings.mode.unwrap_or(Mode::Always) })
    }
}

impl ImageRule for PullPolicyAlways {
    fn check(&self, subject: &ImageSubject<'_>, note: &mut Note<'_>) -> Verdict {
        let field = match subject.image_use.slot {
            Slot::ImageVolume => "pullPolicy",
            Slot::InitContainer | Slot::Container | Slot::EphemeralContainer => "imagePullPolicy",
        };
        let pinned = subject.reference().is_ok_and(|reference| reference.digest().is_some());
        match subject.pull_policy() {
            PullPolicy::Always => Verdict::Pass,
            PullPolicy::Never => note.fail("Never", format_args!("{field} is Never")),
            PullPolicy::IfNotPresent if pinned && self.mode == Mode::AlwaysUnlessDigest => Verdict::Pass,
            PullPolicy::IfNotPresent if subject.image_use.pull_policy.is_some() => {
                note.fail("NotAlways", format_args!("{field} is IfNotPresent"))
            }
            PullPolicy::IfNotPresent => match subject.reference() {
                Ok(reference) => note.fail(
                    "NotAlways",
                    format_args!("{field} is not set and defaults to IfNotPresent for {reference}"),
                ),
                Err(error) => note.fail(
                    "NotAlways",
                    format_args!("{field} is not set and defaults to IfNotPresent, since {error}"),
                ),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::testing::{image_explained, image_use, image_use_explained, image_verdict};
    use crate::subject::pod::ImageUse;

    const UNLESS_DIGEST: &str = r#"{"mode": "AlwaysUnlessDigest"}"#;

    fn at_digest(name: &str) -> String {
        format!("{name}@sha256:{}", "a".repeat(64))
    }

    fn written(settings: &str, image: &str, pull_policy: PullPolicy) -> Verdict {
        let image_use = ImageUse { pull_policy: Some(pull_policy), ..image_use(image) };
        image_use_explained::<PullPolicyAlways>(settings, &image_use).0
    }

    #[test]
    fn what_is_not_written_is_what_kubernetes_fills_in() {
        for image in ["nginx", "host:5000/app", "nginx:latest", &at_digest("nginx:latest")] {
            assert_eq!(image_verdict::<PullPolicyAlways>("{}", image), Verdict::Pass, "{image}");
        }
        for image in
            ["nginx:1.27", "nginx:LATEST", &at_digest("nginx"), &at_digest("nginx:1.27"), "Nginx:latest", ""]
        {
            assert_eq!(image_verdict::<PullPolicyAlways>("{}", image), Verdict::Fail("NotAlways"), "{image}");
        }
    }

    #[test]
    fn what_is_written_holds_for_every_image() {
        for image in ["nginx", "nginx:1.27", &at_digest("nginx"), "Nginx"] {
            assert_eq!(written("{}", image, PullPolicy::Always), Verdict::Pass, "{image}");
            assert_eq!(written("{}", image, PullPolicy::IfNotPresent), Verdict::Fail("NotAlways"), "{image}");
            assert_eq!(written("{}", image, PullPolicy::Never), Verdict::Fail("Never"), "{image}");
        }
    }

    #[test]
    fn a_digest_excuses_if_not_present_where_the_policy_says_so_but_never_never() {
        let pinned = at_digest("nginx:1.27");
        assert_eq!(image_verdict::<PullPolicyAlways>(UNLESS_DIGEST, &pinned), Verdict::Pass);
        assert_eq!(written(UNLESS_DIGEST, &pinned, PullPolicy::IfNotPresent), Verdict::Pass);
        assert_eq!(written(UNLESS_DIGEST, &pinned, PullPolicy::Never), Verdict::Fail("Never"));
        for image in ["nginx:1.27", "Nginx", "nginx@abc"] {
            assert_eq!(
                image_verdict::<PullPolicyAlways>(UNLESS_DIGEST, image),
                Verdict::Fail("NotAlways"),
                "{image}"
            );
        }
    }

    #[test]
    fn every_slot_is_judged_and_image_volumes_by_their_own_field() {
        for slot in [Slot::InitContainer, Slot::Container, Slot::EphemeralContainer, Slot::ImageVolume] {
            let image_use = ImageUse { slot, ..image_use("nginx:1.27") };
            let (verdict, text) = image_use_explained::<PullPolicyAlways>("{}", &image_use);
            assert_eq!(verdict, Verdict::Fail("NotAlways"));
            assert_eq!(text.starts_with("pullPolicy "), slot == Slot::ImageVolume, "{text}");
        }
    }

    #[test]
    fn the_message_says_whether_it_was_written() {
        let (_, text) = image_explained::<PullPolicyAlways>("{}", "nginx:1.27");
        assert_eq!(
            text,
            "imagePullPolicy is not set and defaults to IfNotPresent for docker.io/library/nginx:1.27"
        );
    }

    #[test]
    fn modes_are_the_two_words() {
        assert!(serde_json::from_str::<Settings>(r#"{"mode": "always"}"#).is_err());
    }
}
