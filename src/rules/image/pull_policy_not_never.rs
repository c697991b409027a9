//! PullPolicyNotNever: no image runs that can only have come onto the node behind the registry's back.

use crate::reference::PullPolicy;
use crate::rules::{Control, ImageRule, Rule, RuleInfo, SettingError, rule_settings};
use crate::subject::pod::ImageSubject;
use crate::verdict::{Note, Severity, Verdict};

rule_settings! {
    /// The pull policy is not Never, not even beside a digest.
    struct Settings {}
}

/// The rule; it has no settings of its own.
#[derive(Debug)]
pub struct PullPolicyNotNever;

impl Rule for PullPolicyNotNever {
    const INFO: RuleInfo = RuleInfo {
        id: "PullPolicyNotNever",
        title: "Images are not taken from the node only",
        rationale: "Never means that the image was put on the node by other means than a pull: \
                    built there, imported, left behind. No registry has seen it, nobody checked \
                    who may use it, and building images on a host is how attackers get past \
                    registry controls.",
        remedy: "Push the image to a registry and let the kubelet pull it; set this in the \
                 workload's template, not in the pod:\n\n  \
                 kubectl -n NAMESPACE patch KIND NAME -p \
                 '{\"spec\":{\"template\":{\"spec\":{\"containers\":[{\"name\":\"CONTAINER\",\"imagePullPolicy\":\"Always\"}]}}}}'\n\n\
                 The file of a static pod is changed on the node.",
        severity: Severity::High,
        controls: &[Control::nist("3.1.5"), Control::attack("T1612")],
        reads: &[],
        false_positives: "Development clusters into which images are loaded (kind, minikube).",
    };
    type Settings = Settings;

    fn prepare(_: &Settings) -> Result<Self, SettingError> {
        Ok(Self)
    }
}

impl ImageRule for PullPolicyNotNever {
    fn check(&self, subject: &ImageSubject<'_>, note: &mut Note<'_>) -> Verdict {
        match subject.pull_policy() {
            PullPolicy::Never => {
                note.fail("Never", format_args!("the image is never pulled, only taken from the node"))
            }
            PullPolicy::Always | PullPolicy::IfNotPresent => Verdict::Pass,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::testing::{image_use, image_use_explained};
    use crate::subject::pod::{ImageUse, Slot};

    fn verdict(image: &str, slot: Slot, pull_policy: Option<PullPolicy>) -> Verdict {
        let image_use = ImageUse { slot, pull_policy, ..image_use(image) };
        image_use_explained::<PullPolicyNotNever>("{}", &image_use).0
    }

    #[test]
    fn never_fails_in_every_slot_and_a_digest_does_not_excuse_it() {
        let pinned = format!("nginx@sha256:{}", "a".repeat(64));
        for slot in [Slot::InitContainer, Slot::Container, Slot::EphemeralContainer, Slot::ImageVolume] {
            for image in ["nginx:latest", &pinned, "Nginx"] {
                assert_eq!(verdict(image, slot, Some(PullPolicy::Never)), Verdict::Fail("Never"), "{image}");
            }
        }
    }

    #[test]
    fn nothing_defaults_to_never() {
        for image in ["nginx", "nginx:1.27", "Nginx"] {
            for written in [None, Some(PullPolicy::Always), Some(PullPolicy::IfNotPresent)] {
                assert_eq!(verdict(image, Slot::Container, written), Verdict::Pass, "{image}");
            }
        }
    }
}
