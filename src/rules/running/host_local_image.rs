//! HostLocalImage: no image runs that was put onto the node by hand.

use crate::reference::ImageId;
use crate::rules::shown::ShortDigest;
use crate::rules::{Control, Rule, RuleInfo, RunningRule, SettingError, rule_settings};
use crate::subject::running::RunningSubject;
use crate::verdict::{Note, Severity, Verdict};

rule_settings! {
    /// The runtime names a registry's digest for every image that runs. One without came onto the node by other means
    /// than a pull: imported, loaded, built there.
    struct Settings {}
}

/// The rule; it has no settings of its own.
#[derive(Debug)]
pub struct HostLocalImage;

impl Rule for HostLocalImage {
    const INFO: RuleInfo = RuleInfo {
        id: "HostLocalImage",
        title: "No image was put onto the node by hand",
        rationale: "What was imported into a node's store has passed no registry: nobody scanned it, signed it or \
                    can say where it came from, and it may carry the name of an image that everybody trusts. It is \
                    how an attacker with access to a node replaces an image.",
        remedy: "Find out how the image came onto the node (ctr -n k8s.io images ls, crictl images --digests), \
                 remove it there, and let the kubelet pull it:\n\n  crictl rmi IMAGE\n  \
                 kubectl -n NAMESPACE delete pod NAME\n\n\
                 An image that has to be there without a registry gets an exemption.",
        severity: Severity::High,
        controls: &[
            Control::nist("3.4.5"),
            Control::nist("3.1.5"),
            Control::attack("T1612"),
            Control::attack("T1525"),
        ],
        reads: &[],
        false_positives: "Clusters into which images are loaded (kind load, minikube image load, k3s air-gap \
                          archives), and images that were pulled by the old schema 1. Some releases of CRI-O report \
                          an image's id for every image: those are unknown, not violations.",
    };
    type Settings = Settings;

    fn prepare(_: &Settings) -> Result<Self, SettingError> {
        Ok(Self)
    }
}

impl RunningRule for HostLocalImage {
    fn check(&self, subject: &RunningSubject<'_>, note: &mut Note<'_>) -> Verdict {
        if !subject.image_use.is_container() {
            let message = format_args!("no runtime reports what an image volume holds");
            return note.not_applicable("ImageVolume", message);
        }
        let Some(state) = subject.state() else {
            return note.not_applicable("NotStarted", format_args!("no status is reported yet"));
        };
        let shown = ShortDigest(&state.image_id);
        match ImageId::parse(&state.image_id) {
            ImageId::NotStarted => {
                note.not_applicable("NotStarted", format_args!("the container was not started yet"))
            }
            ImageId::RepositoryDigest { .. } => Verdict::Pass,
            ImageId::ConfigDigest(_) => note.fail(
                "NoRegistryDigest",
                format_args!("containerd knows no registry's digest of {shown}, so it was not pulled"),
            ),
            ImageId::Ambiguous(text) if text.starts_with("docker://") => note.fail(
                "NoRegistryDigest",
                format_args!("Docker knows no registry's digest of {shown}, so it was not pulled"),
            ),
            ImageId::Ambiguous(_) => note.unknown(
                "AmbiguousImageId",
                format_args!("{shown} is what some releases of CRI-O report for pulled images too"),
            ),
            ImageId::Unrecognised(_) => note.unknown(
                "UnrecognisedImageId",
                format_args!("the runtime reports {shown}, which is no known form"),
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::testing::{Running, running_explained, running_verdict};
    use crate::subject::pod::Slot;
    use crate::subject::running::Waiting;

    fn reported(image_id: &str) -> Verdict {
        running_verdict::<HostLocalImage>(
            "{}",
            Running { state: Some((image_id, Waiting::No)), ..Running::default() },
        )
    }

    #[test]
    fn an_image_without_a_registrys_digest_was_not_pulled() {
        let hex = "a".repeat(64);
        assert_eq!(reported(&format!("sha256:{hex}")), Verdict::Fail("NoRegistryDigest"));
        assert_eq!(reported(&format!("docker://sha256:{hex}")), Verdict::Fail("NoRegistryDigest"));
        assert_eq!(reported(&format!("docker.io/library/nginx@sha256:{hex}")), Verdict::Pass);
        assert_eq!(reported(&format!("docker-pullable://nginx@sha256:{hex}")), Verdict::Pass);
    }

    #[test]
    fn what_a_runtime_says_of_every_image_proves_nothing() {
        assert_eq!(reported(&"a".repeat(64)), Verdict::Unknown("AmbiguousImageId"));
        assert_eq!(reported("nginx:1.27"), Verdict::Unknown("UnrecognisedImageId"));
    }

    #[test]
    fn nothing_is_said_before_a_container_starts_or_of_a_volume() {
        assert_eq!(reported(""), Verdict::NotApplicable("NotStarted"));
        let verdict = |case| running_verdict::<HostLocalImage>("{}", case);
        assert_eq!(
            verdict(Running { state: None, ..Running::default() }),
            Verdict::NotApplicable("NotStarted")
        );
        let volume = Running { slot: Slot::ImageVolume, state: None, ..Running::default() };
        assert_eq!(verdict(volume), Verdict::NotApplicable("ImageVolume"));
    }

    #[test]
    fn the_message_names_the_runtime() {
        let id = format!("sha256:{}", "a".repeat(64));
        let case = Running { state: Some((&id, Waiting::No)), ..Running::default() };
        assert!(running_explained::<HostLocalImage>("{}", case).1.starts_with("containerd knows no"));
    }
}
