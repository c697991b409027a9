//! EphemeralContainerPresent: nobody is debugging in a live pod.

use crate::rules::{Control, ImageRule, Rule, RuleInfo, SettingError, rule_settings};
use crate::subject::pod::{ImageSubject, Slot};
use crate::verdict::{Note, Severity, Verdict};

rule_settings! {
    /// No live pod has an ephemeral container, which `kubectl debug` adds.
    struct Settings {}
}

/// The rule; it has no settings of its own.
#[derive(Debug)]
pub struct EphemeralContainerPresent;

impl Rule for EphemeralContainerPresent {
    const INFO: RuleInfo = RuleInfo {
        id: "EphemeralContainerPresent",
        title: "No pod has an ephemeral container",
        rationale: "An ephemeral container puts any image, with a shell, beside a running program: into its network \
                    and often into its processes. No template names it, no review has seen it, and it stays until \
                    the pod goes.",
        remedy: "Find out who needed it (the API server's audit log names the user), then replace the pod; an \
                 ephemeral container cannot be taken out of a pod:\n\n  kubectl -n NAMESPACE delete pod NAME",
        severity: Severity::Low,
        controls: &[Control::bsi("SYS.1.6.A16"), Control::attack("T1609"), Control::attack("T1610")],
        reads: &[],
        false_positives: "Debugging that was agreed upon.",
    };
    type Settings = Settings;

    fn prepare(_: &Settings) -> Result<Self, SettingError> {
        Ok(Self)
    }
}

impl ImageRule for EphemeralContainerPresent {
    fn check(&self, subject: &ImageSubject<'_>, note: &mut Note<'_>) -> Verdict {
        match subject.image_use.slot {
            Slot::EphemeralContainer => note.fail(
                "EphemeralContainer",
                format_args!("the container was added to a pod that was running"),
            ),
            Slot::ImageVolume | Slot::InitContainer | Slot::Container => Verdict::Pass,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::testing::{image_use, image_use_explained};
    use crate::subject::pod::ImageUse;

    #[test]
    fn only_ephemeral_containers_fail() {
        let verdict = |slot| {
            let image_use = ImageUse { slot, ..image_use("nginx:1.27") };
            image_use_explained::<EphemeralContainerPresent>("{}", &image_use).0
        };
        assert_eq!(verdict(Slot::EphemeralContainer), Verdict::Fail("EphemeralContainer"));
        for slot in [Slot::ImageVolume, Slot::InitContainer, Slot::Container] {
            assert_eq!(verdict(slot), Verdict::Pass);
        }
    }
}
