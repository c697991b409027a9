//! HostLocalImage: no image runs that was put onto the node by hand.
//!
//! What an image id without a registry's digest means depends on the runtime. Where the nodes were read and agree on
//! one, that one is meant; else the form of the id tells it, which is right wherever a runtime keeps to its own form.

use std::fmt;

use crate::reference::ImageId;
use crate::rules::shown::ShortDigest;
use crate::rules::{Control, Rule, RuleInfo, RunningRule, SettingError, rule_settings};
use crate::subject::Resource;
use crate::subject::running::RunningSubject;
use crate::subject::runtime::{Runtime, Runtimes};
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
                          an image's id for every image: those are unknown, not violations. Where nodes may not be \
                          read, and where they run several runtimes, the form of the id tells the runtime, and the \
                          message says so.",
    };
    const ALSO_READS: &'static [Resource] = &[Resource::Nodes];
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
        let (nodes, shown) = (subject.runtimes, ShortDigest(&state.image_id));
        match ImageId::parse(&state.image_id) {
            ImageId::NotStarted => {
                note.not_applicable("NotStarted", format_args!("the container was not started yet"))
            }
            ImageId::RepositoryDigest { .. } => Verdict::Pass,
            ImageId::ConfigDigest(_) if nodes.is_empty() || nodes.has(Runtime::Containerd) => {
                let told = Told { runtime: Runtime::Containerd, nodes };
                note.fail(
                    "NoRegistryDigest",
                    format_args!("containerd knows no registry's digest of {shown}, so it was not pulled{told}"),
                )
            }
            ImageId::ConfigDigest(_) => note.unknown(
                "AmbiguousImageId",
                format_args!(
                    "{shown} is no registry's digest, but the nodes run {nodes}, and what that means by it is not \
                     known"
                ),
            ),
            // The id names its runtime, which is more than the nodes do now: they may have been given another one.
            ImageId::Ambiguous(text) if text.starts_with("docker://") => note.fail(
                "NoRegistryDigest",
                format_args!("Docker knows no registry's digest of {shown}, so it was not pulled"),
            ),
            ImageId::Ambiguous(_) => {
                let told = Told { runtime: Runtime::CriO, nodes };
                note.unknown(
                    "AmbiguousImageId",
                    format_args!("{shown} is what some releases of CRI-O report for pulled images too{told}"),
                )
            }
            ImageId::Unrecognised(_) => {
                let runtime = nodes.only().map_or("the runtime", Runtime::as_str);
                note.unknown(
                    "UnrecognisedImageId",
                    format_args!("{runtime} reports {shown}, which is no known form"),
                )
            }
        }
    }
}

/// Where it comes from that this runtime is meant.
struct Told {
    runtime: Runtime,
    nodes: Runtimes,
}

impl fmt::Display for Told {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { runtime, nodes } = self;
        match nodes.only() {
            Some(only) if only == *runtime => Ok(()),
            None if nodes.is_empty() => {
                write!(
                    f,
                    " ({} by the form of the id: no node was read that names its runtime)",
                    runtime.as_str()
                )
            }
            _ => write!(f, " ({} by the form of the id: the nodes run {nodes})", runtime.as_str()),
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

    fn on(nodes: &[Runtime], image_id: &str) -> (Verdict, String) {
        let state = Some((image_id, Waiting::No));
        let runtimes = nodes.iter().copied().collect();
        running_explained::<HostLocalImage>("{}", Running { state, runtimes, ..Running::default() })
    }

    #[test]
    fn the_message_names_the_runtime_and_how_it_is_known() {
        let id = format!("sha256:{}", "a".repeat(64));
        let sentence = "containerd knows no registry's digest of sha256:aaaaaaaaaaaa, so it was not pulled";
        let fails = Verdict::Fail("NoRegistryDigest");
        assert_eq!(on(&[Runtime::Containerd], &id), (fails, sentence.to_owned()));
        for (nodes, told) in [
            (&[][..], "no node was read that names its runtime"),
            (&[Runtime::Containerd, Runtime::CriO], "the nodes run containerd and CRI-O"),
        ] {
            let message = format!("{sentence} (containerd by the form of the id: {told})");
            assert_eq!(on(nodes, &id), (fails, message));
        }
    }

    #[test]
    fn what_is_no_form_of_the_nodes_runtime_proves_nothing() {
        let id = format!("sha256:{}", "a".repeat(64));
        let unknown = Verdict::Unknown("AmbiguousImageId");
        for nodes in [&[Runtime::CriO][..], &[Runtime::Other], &[Runtime::CriO, Runtime::Docker]] {
            assert_eq!(on(nodes, &id).0, unknown, "{nodes:?}");
        }
        assert!(on(&[Runtime::CriO], &id).1.contains("the nodes run CRI-O"));
        let (verdict, message) = on(&[Runtime::Containerd], &"a".repeat(64));
        assert_eq!(verdict, unknown);
        assert!(message.ends_with("(CRI-O by the form of the id: the nodes run containerd)"), "{message}");
        assert!(on(&[Runtime::CriO], &"a".repeat(64)).1.ends_with("pulled images too"));
        assert_eq!(
            on(&[Runtime::CriO], "nginx"),
            (
                Verdict::Unknown("UnrecognisedImageId"),
                "CRI-O reports nginx, which is no known form".to_owned()
            )
        );
    }

    #[test]
    fn an_id_that_names_docker_is_dockers_whatever_the_nodes_run_now() {
        let id = format!("docker://sha256:{}", "a".repeat(64));
        for nodes in [&[][..], &[Runtime::Docker], &[Runtime::Containerd]] {
            assert_eq!(on(nodes, &id).0, Verdict::Fail("NoRegistryDigest"), "{nodes:?}");
        }
    }

    #[test]
    fn a_registrys_digest_is_one_on_any_node() {
        let id = format!("docker.io/library/nginx@sha256:{}", "a".repeat(64));
        for nodes in [&[][..], &[Runtime::CriO], &[Runtime::Containerd, Runtime::Other]] {
            assert_eq!(on(nodes, &id).0, Verdict::Pass, "{nodes:?}");
        }
    }
}
