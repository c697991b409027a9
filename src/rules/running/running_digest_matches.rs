//! RunningDigestMatches: what runs is what the spec's digest says.

use std::time::Duration;

use crate::reference::ImageId;
use crate::rules::shown::ShortDigest;
use crate::rules::{Control, Rule, RuleInfo, RunningRule, SettingError, Span, rule_settings};
use crate::subject::pod::Slot;
use crate::subject::running::{Phase, RunningSubject, Waiting};
use crate::verdict::{Note, Severity, Verdict, reason};

rule_settings! {
    /// Where the spec names a digest, the runtime reports that very digest as running. Judged only where the spec names
    /// a digest.
    struct Settings {
        /// How long after a change of a live pod's spec the status may still speak of what ran before, such as `90s` or
        /// `10m`. Default: 2m.
        grace: Span,
    }
}

const DEFAULT_GRACE: Span = Span(Duration::from_secs(120));

/// The rule, its grace read.
#[derive(Debug)]
pub struct RunningDigestMatches {
    grace: [Duration; 1],
}

impl Rule for RunningDigestMatches {
    const INFO: RuleInfo = RuleInfo {
        id: "RunningDigestMatches",
        title: "What runs is what the digest says",
        rationale: "A digest in the spec fixes the content. If the runtime reports another one \
                    from the same repository, somebody or something replaced the image on the \
                    node, behind Kubernetes' back.",
        remedy: "Treat it as an incident. Keep the evidence first, then replace the pod and look \
                 at its node:\n\n  \
                 kubectl -n NAMESPACE get pod POD -o yaml > evidence.yaml\n  \
                 kubectl cordon NODE\n  \
                 kubectl -n NAMESPACE delete pod POD\n\n\
                 On the node, crictl inspecti IMAGE shows all digests of the image. A static pod \
                 comes back with its file on the node: compare that too.",
        severity: Severity::Critical,
        controls: &[Control::nist("3.4.5"), Control::nist("3.1.5"), Control::attack("T1525")],
        reads: &[],
        false_positives: "A runtime that reports the digest of one platform's manifest where the \
                          spec names the index, or the other way round: their relation is not \
                          looked up. Images that were imported or loaded into the node are \
                          reported without a repository digest and are unknown, as are image \
                          volumes, whose digest is not in the status.",
    };
    type Settings = Settings;

    fn prepare(settings: &Settings) -> Result<Self, SettingError> {
        Ok(Self { grace: [settings.grace.unwrap_or(DEFAULT_GRACE).0] })
    }
}

fn not_running(note: &mut Note<'_>) -> Verdict {
    note.not_applicable(reason::NOT_RUNNING, format_args!("the container does not run just now"))
}

impl RunningRule for RunningDigestMatches {
    fn check(&self, subject: &RunningSubject<'_>, note: &mut Note<'_>) -> Verdict {
        let phase = subject.running.phase;
        if phase == Phase::Terminated {
            return note.not_applicable(reason::TERMINATED, format_args!("the pod has ended"));
        }
        // A container that waits for its image reports what it ran before.
        let image_id =
            subject.state().filter(|state| state.waiting == Waiting::No).map_or("", |state| &state.image_id);
        let Some(reference) = subject.reference() else {
            if image_id.is_empty() {
                return not_running(note);
            }
            return note.unknown(
                "InvalidReference",
                format_args!("the image reference does not parse, so that no digest can be read"),
            );
        };
        let Some(wanted) = reference.digest() else {
            return note.not_applicable("NoDigest", format_args!("{reference} names no digest"));
        };
        if subject.image_use.slot == Slot::ImageVolume && !matches!(phase, Phase::None | Phase::Pending) {
            return note.unknown(
                "NoDigestInStatus",
                format_args!("the status does not say what the image volume holds"),
            );
        }
        let (running, repository) = match ImageId::parse(image_id) {
            ImageId::NotStarted => return not_running(note),
            ImageId::RepositoryDigest { repository, digest } => (digest, repository),
            ImageId::ConfigDigest(_) | ImageId::Ambiguous(_) | ImageId::Unrecognised(_) => {
                return note.unknown(
                    "IncomparableDigests",
                    format_args!(
                        "the runtime reports {}, which is no digest of a repository",
                        ShortDigest(image_id)
                    ),
                );
            }
        };
        if running == wanted {
            // Whatever the repository: the runtime names the first that it knows for the content.
            return Verdict::Pass;
        }
        let (shown, asked) = (ShortDigest(running.as_str()), ShortDigest(wanted.as_str()));
        if running.algorithm() != wanted.algorithm() {
            return note.unknown(
                "IncomparableDigests",
                format_args!("{shown} runs and {asked} is asked for: algorithms differ"),
            );
        }
        let [grace] = self.grace;
        if !subject.spec_changed.reached(grace) {
            return note.not_applicable(
                "WithinGrace",
                format_args!("{shown} runs, {asked} has been asked for since less than {}", Span(grace)),
            );
        }
        if !repository.same_repository(reference) {
            let (name, from) = (reference.name(), repository.name());
            return note.unknown(
                "OtherRepository",
                format_args!(
                    "{shown} of {from} runs, {asked} of {name} is asked for; they may hold the same image"
                ),
            );
        }
        note.fail(
            "DigestMismatch",
            format_args!("{shown} runs, {asked} of {} is asked for", reference.name()),
        )
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

    const A: &str = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
    const B: &str = "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb";

    /// `nginx@sha256:aaa...` in the spec, and this in the status.
    fn reports(image_id: &str) -> Verdict {
        let image = format!("nginx@sha256:{A}");
        let state = Some((image_id, Waiting::No));
        running_verdict::<RunningDigestMatches>("{}", Running { image: &image, state, ..Running::default() })
    }

    #[test]
    fn equal_digests_pass_whatever_the_repository() {
        assert_eq!(reports(&format!("docker.io/library/nginx@sha256:{A}")), Verdict::Pass);
        assert_eq!(reports(&format!("docker-pullable://nginx@sha256:{A}")), Verdict::Pass);
        assert_eq!(reports(&format!("registry.example.com/mirror/nginx@sha256:{A}")), Verdict::Pass);
    }

    #[test]
    fn another_digest_of_the_same_repository_fails_in_any_spelling() {
        for name in ["docker.io/library/nginx", "index.docker.io/library/nginx", "docker-pullable://nginx"] {
            assert_eq!(reports(&format!("{name}@sha256:{B}")), Verdict::Fail("DigestMismatch"), "{name}");
        }
    }

    #[test]
    fn another_digest_of_another_repository_may_be_the_same_image() {
        let other = format!("registry.example.com/mirror/nginx@sha256:{B}");
        assert_eq!(reports(&other), Verdict::Unknown("OtherRepository"));
    }

    #[test]
    fn what_is_no_digest_of_a_repository_cannot_be_compared() {
        for image_id in [
            format!("sha256:{A}"),
            A.to_owned(),
            format!("docker://sha256:{A}"),
            "nginx:1.27".to_owned(),
            "x".to_owned(),
        ] {
            assert_eq!(reports(&image_id), Verdict::Unknown("IncomparableDigests"), "{image_id}");
        }
        let sha512 = format!("nginx@sha512:{A}{A}");
        assert_eq!(reports(&sha512), Verdict::Unknown("IncomparableDigests"));
    }

    #[test]
    fn a_tag_beside_the_digest_changes_nothing() {
        let image = format!("nginx:1.27@sha256:{A}");
        let image_id = format!("docker.io/library/nginx@sha256:{B}");
        let case = Running { image: &image, state: Some((&image_id, Waiting::No)), ..Running::default() };
        let (verdict, text) = running_explained::<RunningDigestMatches>("{}", case);
        assert_eq!(verdict, Verdict::Fail("DigestMismatch"));
        assert_eq!(
            text,
            "sha256:bbbbbbbbbbbb runs, sha256:aaaaaaaaaaaa of docker.io/library/nginx is asked for"
        );
    }

    #[test]
    fn after_a_change_of_the_spec_a_difference_gets_two_minutes() {
        let image = format!("nginx@sha256:{A}");
        let same = format!("docker.io/library/nginx@sha256:{A}");
        let different = format!("docker.io/library/nginx@sha256:{B}");
        let after = |seconds, image_id: &str| {
            let case = Running {
                image: &image,
                state: Some((image_id, Waiting::No)),
                spec_changed: Lasted::seconds(seconds),
                ..Running::default()
            };
            running_verdict::<RunningDigestMatches>("{}", case)
        };
        assert_eq!(after(119, &different), Verdict::NotApplicable("WithinGrace"));
        assert_eq!(after(120, &different), Verdict::Fail("DigestMismatch"));
        assert_eq!(after(0, &same), Verdict::Pass);
        assert_eq!(rule::<RunningDigestMatches>("{}").graces(), [DEFAULT_GRACE.0]);
        assert_eq!(rule::<RunningDigestMatches>(r#"{"grace": "10m"}"#).graces(), [Duration::from_secs(600)]);
    }

    #[test]
    fn without_a_digest_in_the_spec_there_is_nothing_to_match() {
        let image_id = format!("docker.io/library/nginx@sha256:{A}");
        let case = Running { state: Some((&image_id, Waiting::No)), ..Running::default() };
        assert_eq!(running_verdict::<RunningDigestMatches>("{}", case), Verdict::NotApplicable("NoDigest"));
        let volume = Running { slot: Slot::ImageVolume, state: None, ..Running::default() };
        assert_eq!(running_verdict::<RunningDigestMatches>("{}", volume), Verdict::NotApplicable("NoDigest"));
    }

    #[test]
    fn a_reference_that_does_not_parse_is_unknown_where_something_runs() {
        let image_id = format!("docker.io/library/nginx@sha256:{A}");
        let case = Running { image: "nginx@sha256:abc", ..Running::default() };
        let verdict = |case| running_verdict::<RunningDigestMatches>("{}", case);
        assert_eq!(verdict(case), Verdict::NotApplicable("NotRunning"));
        let running = Running { state: Some((&image_id, Waiting::No)), ..case };
        assert_eq!(verdict(running), Verdict::Unknown("InvalidReference"));
    }

    #[test]
    fn what_does_not_run_is_not_judged() {
        let image = format!("nginx@sha256:{A}");
        let case = Running { image: &image, ..Running::default() };
        let verdict = |case| running_verdict::<RunningDigestMatches>("{}", case);
        let not_running = Verdict::NotApplicable("NotRunning");
        // A file or template, a pod nobody has picked up, a container that has not started.
        assert_eq!(verdict(Running { phase: Phase::None, state: None, ..case }), not_running);
        assert_eq!(verdict(Running { phase: Phase::Pending, state: None, ..case }), not_running);
        assert_eq!(verdict(case), not_running);
        // A container that waits for the new image still reports the old one.
        let old = format!("docker.io/library/nginx@sha256:{B}");
        let waits = Running { state: Some((&old, Waiting::PullFailing)), ..case };
        assert_eq!(verdict(waits), not_running);
        let ended = Running { phase: Phase::Terminated, state: None, ..case };
        assert_eq!(verdict(ended), Verdict::NotApplicable("Terminated"));
    }

    #[test]
    fn an_image_volume_is_unknown_once_the_pod_runs() {
        let image = format!("registry.example.com/model@sha256:{A}");
        let volume = Running { image: &image, slot: Slot::ImageVolume, state: None, ..Running::default() };
        let verdict = |phase| running_verdict::<RunningDigestMatches>("{}", Running { phase, ..volume });
        assert_eq!(verdict(Phase::Running), Verdict::Unknown("NoDigestInStatus"));
        // The node is lost: the pod may run.
        assert_eq!(verdict(Phase::Other), Verdict::Unknown("NoDigestInStatus"));
        assert_eq!(verdict(Phase::Pending), Verdict::NotApplicable("NotRunning"));
        assert_eq!(verdict(Phase::None), Verdict::NotApplicable("NotRunning"));
    }
}
