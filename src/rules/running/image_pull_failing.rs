//! ImagePullFailing: no container waits for an image that does not come.

use std::time::Duration;

use crate::rules::shown::Cut;
use crate::rules::{Control, Rule, RuleInfo, RunningRule, SettingError, Span, rule_settings};
use crate::subject::pod::Slot;
use crate::subject::running::{Phase, RunningSubject, Waiting};
use crate::verdict::{Note, Severity, Verdict, reason};

rule_settings! {
    /// No container waits because its image cannot be pulled, read or verified on its node.
    struct Settings {
        /// How long a pod may be unready before this fails, such as `90s`, `10m`, `1h30m`. A signature that the
        /// node refuses fails at once. Default: 10m.
        r#for: Span,
    }
}

const DEFAULT_FOR: Span = Span(Duration::from_secs(600));

/// The rule, its grace read.
#[derive(Debug)]
pub struct ImagePullFailing {
    grace: [Duration; 1],
}

impl Rule for ImagePullFailing {
    const INFO: RuleInfo = RuleInfo {
        id: "ImagePullFailing",
        title: "Images can be pulled",
        rationale: "A container whose image cannot be pulled does not run. The old pods of a \
                    rollout may hide that for weeks, until a node fails and nothing comes back. \
                    The usual causes are a wrong name, an image that was deleted, missing \
                    credentials or a registry that is down.",
        remedy: "Read what the kubelet says, then mend the name, the credentials or the \
                 registry:\n\n  \
                 kubectl -n NAMESPACE describe pod POD\n  \
                 kubectl -n NAMESPACE get events --field-selector involvedObject.name=POD\n\n\
                 ErrImageNeverPull: the image is not on the node and imagePullPolicy is Never. \
                 SignatureValidationFailed: the node's signature policy refused the image; treat \
                 it as an attack until you know better. The image of a static pod stands in its \
                 file on the node.",
        severity: Severity::Medium,
        controls: &[Control::nist("4.2")],
        reads: &[],
        false_positives: "Registries that are slow or limit their rate: a longer time under for. \
                          Image volumes are reported only through the containers that mount them.",
    };
    type Settings = Settings;

    fn prepare(settings: &Settings) -> Result<Self, SettingError> {
        Ok(Self { grace: [settings.r#for.unwrap_or(DEFAULT_FOR).0] })
    }
}

impl RunningRule for ImagePullFailing {
    fn check(&self, subject: &RunningSubject<'_>, note: &mut Note<'_>) -> Verdict {
        if subject.running.phase == Phase::Terminated {
            return note.not_applicable(reason::TERMINATED, format_args!("the pod has ended"));
        }
        let Some(state) = subject.state() else {
            return match subject.image_use.slot {
                Slot::ImageVolume => note.not_applicable(
                    "NotReported",
                    format_args!("a failing image volume shows on the containers that mount it"),
                ),
                _ => note.not_applicable(
                    reason::NOT_RUNNING,
                    format_args!("the pod's status does not name this container"),
                ),
            };
        };
        let image = Cut(subject.image_use.image.display());
        let word = state.waiting.as_str();
        let [grace] = self.grace;
        match state.waiting {
            Waiting::No | Waiting::Starting => Verdict::Pass,
            Waiting::SignatureRefused => {
                note.fail(word, format_args!("the node refuses the signature of {image}: {word}"))
            }
            _ if !subject.unready.reached(grace) => note.not_applicable(
                "WithinGrace",
                format_args!("{word} on {image}, for less than {}", Span(grace)),
            ),
            _ => note.fail(word, format_args!("the image {image} does not arrive: {word}")),
        }
    }

    fn graces(&self) -> &[Duration] {
        &self.grace
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::testing::{Running, rule, running_explained, running_verdict};
    use crate::subject::running::Lasted;

    const MINUTE: Duration = Duration::from_secs(60);

    fn waits(waiting: Waiting) -> Running<'static> {
        Running { phase: Phase::Pending, state: Some(("", waiting)), ..Running::default() }
    }

    fn verdict(settings: &str, case: Running<'_>) -> Verdict {
        running_verdict::<ImagePullFailing>(settings, case)
    }

    #[test]
    fn every_way_to_have_no_image_fails_under_the_kubelets_own_word() {
        for word in [
            "ImagePullBackOff",
            "InvalidImageName",
            "ErrImageNeverPull",
            "ImageInspectError",
            "RegistryUnavailable",
            "SignatureValidationFailed",
        ] {
            assert_eq!(verdict("{}", waits(Waiting::from_word(word))), Verdict::Fail(word));
        }
        // They alternate, so that they are one.
        assert_eq!(
            verdict("{}", waits(Waiting::from_word("ErrImagePull"))),
            Verdict::Fail("ImagePullBackOff")
        );
    }

    #[test]
    fn a_container_that_runs_or_waits_for_another_reason_passes() {
        assert_eq!(verdict("{}", waits(Waiting::from_word("ContainerCreating"))), Verdict::Pass);
        assert_eq!(verdict("{}", Running::default()), Verdict::Pass);
    }

    #[test]
    fn a_pull_that_has_only_begun_to_fail_gets_a_grace_and_a_refused_signature_none() {
        let young = |waiting| Running { unready: Lasted::seconds(60), ..waits(waiting) };
        assert_eq!(verdict("{}", young(Waiting::PullFailing)), Verdict::NotApplicable("WithinGrace"));
        assert_eq!(
            verdict(r#"{"for": "1m"}"#, young(Waiting::PullFailing)),
            Verdict::Fail("ImagePullBackOff")
        );
        assert_eq!(
            verdict(r#"{"for": "0s"}"#, young(Waiting::NeverPull)),
            Verdict::Fail("ErrImageNeverPull")
        );
        assert_eq!(
            verdict("{}", young(Waiting::SignatureRefused)),
            Verdict::Fail("SignatureValidationFailed")
        );
        let (_, text) = running_explained::<ImagePullFailing>("{}", young(Waiting::PullFailing));
        assert_eq!(text, "ImagePullBackOff on docker.io/library/nginx:1.27, for less than 10m");
    }

    #[test]
    fn it_names_its_grace_to_the_engine() {
        assert_eq!(rule::<ImagePullFailing>("{}").graces(), [10 * MINUTE]);
        assert_eq!(rule::<ImagePullFailing>(r#"{"for": "2m"}"#).graces(), [2 * MINUTE]);
    }

    #[test]
    fn without_a_status_there_is_nothing_to_judge() {
        let unreported = Running { state: None, ..Running::default() };
        for phase in [Phase::None, Phase::Pending] {
            assert_eq!(verdict("{}", Running { phase, ..unreported }), Verdict::NotApplicable("NotRunning"));
        }
        let volume = Running { slot: Slot::ImageVolume, ..unreported };
        assert_eq!(verdict("{}", volume), Verdict::NotApplicable("NotReported"));
        let ended = Running { phase: Phase::Terminated, ..unreported };
        assert_eq!(verdict("{}", ended), Verdict::NotApplicable("Terminated"));
    }

    #[test]
    fn a_hostile_image_name_does_not_fill_the_message() {
        let long = "A".repeat(100_000);
        let (_, text) = running_explained::<ImagePullFailing>(
            "{}",
            Running { image: &long, ..waits(Waiting::InvalidName) },
        );
        assert!(text.len() < 200, "{text}");
    }
}
