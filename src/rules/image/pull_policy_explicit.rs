//! PullPolicyExplicit: every manifest says when its image is pulled.

use crate::rules::{Control, ImageRule, Rule, RuleInfo, SettingError, rule_settings};
use crate::subject::facts::{Fact, Facts};
use crate::subject::pod::{ImageSubject, ImageUse, Slot};
use crate::verdict::{Note, Severity, Verdict};

rule_settings! {
    /// Every container of a manifest writes its `imagePullPolicy`, and every image volume its `pullPolicy`. Live objects
    /// do not show what people wrote, unless `kubectl apply` has kept it in an annotation.
    struct Settings {}
}

/// The rule; it has no settings of its own.
#[derive(Debug)]
pub struct PullPolicyExplicit;

impl Rule for PullPolicyExplicit {
    const INFO: RuleInfo = RuleInfo {
        id: "PullPolicyExplicit",
        title: "Manifests say when images are pulled",
        rationale: "Where nothing is written, the tag decides: Always for latest or none, IfNotPresent for any \
                    other. Whoever changes a tag then changes when the registry is asked, without seeing it in the \
                    manifest.",
        remedy: "Write the field beside the image:\n\n  containers:\n  - name: app\n    \
                 image: registry.example.com/team/app:1.2.3\n    imagePullPolicy: Always",
        severity: Severity::Info,
        controls: &[Control::nist("3.2.2")],
        reads: &[],
        false_positives: "Manifests in which the default is meant. Live objects are judged only where the annotation \
                          of kubectl apply is there; those of server-side apply and of Helm are not applicable.",
    };
    type Settings = Settings;

    fn prepare(_: &Settings) -> Result<Self, SettingError> {
        Ok(Self)
    }
}

/// Whether `kubectl apply` was given the field; none where that is not known.
fn applied(image_use: &ImageUse, facts: &Facts) -> Option<bool> {
    let volume = image_use.slot == Slot::ImageVolume;
    let same = |told: &str| match told.strip_prefix("volume/") {
        Some(name) => volume && name == &*image_use.name,
        None => !volume && told == &*image_use.name,
    };
    if facts.all(Fact::AppliedWithPolicy).any(same) {
        return Some(true);
    }
    facts.all(Fact::AppliedWithoutPolicy).any(same).then_some(false)
}

impl ImageRule for PullPolicyExplicit {
    fn check(&self, subject: &ImageSubject<'_>, note: &mut Note<'_>) -> Verdict {
        let written = match subject.pod.is_as_written {
            true => Some(subject.image_use.pull_policy.is_some()),
            false => applied(subject.image_use, subject.pod.facts()),
        };
        match written {
            Some(true) => Verdict::Pass,
            Some(false) => note.fail(
                "NotWritten",
                format_args!("no pull policy is written; the tag makes it {}", subject.pull_policy()),
            ),
            None => note.not_applicable(
                "NotVisible",
                format_args!("a live object does not show whether its pull policy was written"),
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::testing::{pod_of, pod_of_object, rule};
    use crate::subject::pod::PodShape;

    fn verdicts(pod: &PodShape) -> Vec<Verdict> {
        let rule = rule::<PullPolicyExplicit>("{}");
        let judge = |image_use| rule.check(&ImageSubject { pod, image_use }, &mut Note::silent());
        pod.uses.iter().map(judge).collect()
    }

    #[test]
    fn a_manifest_must_write_it_in_every_slot() {
        let spec = "{volumes: [{name: v, image: {reference: m}}], \
                    containers: [{name: a, image: x}, {name: b, image: x, imagePullPolicy: Always}]}";
        let pod = PodShape { is_as_written: true, ..pod_of(spec) };
        let missing = Verdict::Fail("NotWritten");
        assert_eq!(verdicts(&pod), [missing, missing, Verdict::Pass]);
    }

    #[test]
    fn a_live_pod_shows_only_what_kubectl_apply_has_kept() {
        let live = |annotations: serde_json::Value| {
            verdicts(&pod_of_object(&serde_json::json!({
                "metadata": {"name": "p", "namespace": "n", "uid": "1", "annotations": annotations},
                "spec": {"containers": [
                    {"name": "a", "image": "x", "imagePullPolicy": "Always"},
                    {"name": "b", "image": "x", "imagePullPolicy": "Always"},
                    {"name": "injected", "image": "x", "imagePullPolicy": "Always"},
                ]},
            })))
        };
        let unseen = Verdict::NotApplicable("NotVisible");
        assert_eq!(live(serde_json::json!({})), [unseen; 3]);
        let applied =
            r#"{"spec": {"containers": [{"name": "a"}, {"name": "b", "imagePullPolicy": "Always"}]}}"#;
        let annotations = serde_json::json!({"kubectl.kubernetes.io/last-applied-configuration": applied});
        assert_eq!(live(annotations), [Verdict::Fail("NotWritten"), Verdict::Pass, unseen]);
    }
}
