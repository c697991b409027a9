//! PodImageMatchesOwner: a live pod runs the images that its controller's template names.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::rules::shown::Cut;
use crate::rules::{Control, OwnerRule, Rule, RuleInfo, SettingError, rule_settings};
use crate::subject::Resource;
use crate::subject::owner::Owner;
use crate::subject::pod::ImageSubject;
use crate::verdict::{Note, Severity, Verdict, reason};

rule_settings! {
    /// Every container of a live pod whose name stands in the template of the pod's controller has the template's image.
    /// Containers that are not in the template were injected, and are not compared.
    struct Settings {
        /// What a webhook of yours rewrites when pods are made, so that the rewritten image counts as the same. The first
        /// that fits is taken. Default: none.
        #[schemars(length(max = 32))]
        rewrites: Vec<Rewrite>,
    }
}

/// The beginning of a canonical reference, and what stands in its place in pods.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Rewrite {
    /// How the template's canonical reference begins, up to a slash: `docker.io`, `docker.io/library`.
    #[schemars(length(min = 1, max = 255))]
    pub from: String,
    /// What stands there in the pod: `mirror.example.com/docker.io`.
    #[schemars(length(min = 1, max = 255))]
    pub to: String,
}

/// The rule, its rewrites read.
#[derive(Debug)]
pub struct PodImageMatchesOwner {
    rewrites: Vec<Rewrite>,
}

impl Rule for PodImageMatchesOwner {
    const INFO: RuleInfo = RuleInfo {
        id: "PodImageMatchesOwner",
        title: "Pods run the images of their workload",
        rationale: "The image of a live pod can be changed past its workload: the Deployment still names the image \
                    that was reviewed, and one of its pods runs another. Nothing in the manifests or their history \
                    shows it, and it lasts until the pod goes.",
        remedy: "Find out who changed the pod (the API server's audit log names the user of the patch), keep the \
                 evidence, then let the controller make a new one:\n\n  \
                 kubectl -n NAMESPACE get pod POD -o yaml > evidence.yaml\n  \
                 kubectl -n NAMESPACE delete pod POD",
        severity: Severity::High,
        controls: &[
            Control::nist("3.4.5"),
            Control::bsi("SYS.1.6.A20"),
            Control::bsi("APP.4.4.A8"),
            Control::attack("T1525"),
            Control::attack("T1610"),
        ],
        reads: &[
            Resource::ReplicaSets,
            Resource::StatefulSets,
            Resource::DaemonSets,
            Resource::ReplicationControllers,
            Resource::JobTemplates,
        ],
        false_positives: "Webhooks that rewrite images when pods are made, such as mirrors: name what they do under \
                          rewrites. StatefulSets and DaemonSets during a rollout, and with the update strategy \
                          OnDelete: pods of the former template differ from the new one.",
    };
    type Settings = Settings;

    fn prepare(settings: &Settings) -> Result<Self, SettingError> {
        let trimmed = |text: &str| text.trim_end_matches('/').to_owned();
        let mut rewrites = Vec::new();
        for (index, Rewrite { from, to }) in settings.rewrites.iter().flatten().enumerate() {
            for (field, text) in [("from", from), ("to", to)] {
                if trimmed(text).is_empty() || text.contains(['@', ' ']) {
                    let message =
                        format_args!("{text:?} is no beginning of a reference such as docker.io/library")
                            .to_string();
                    return Err(SettingError::new(format!("rewrites[{index}].{field}"), message));
                }
            }
            rewrites.push(Rewrite { from: trimmed(from), to: trimmed(to) });
        }
        Ok(Self { rewrites })
    }
}

impl PodImageMatchesOwner {
    /// Whether a pod's image is what comes out of a rewrite of the template's.
    fn is_rewritten(&self, template: &str, pod: &str) -> bool {
        let rest = |text: &str, start: &str| {
            text.strip_prefix(start).filter(|rest| rest.starts_with('/')).map(str::to_owned)
        };
        let rewrite =
            self.rewrites.iter().find_map(|rewrite| Some((rewrite, rest(template, &rewrite.from)?)));
        rewrite.is_some_and(|(rewrite, kept)| rest(pod, &rewrite.to) == Some(kept))
    }
}

impl OwnerRule for PodImageMatchesOwner {
    fn check(&self, subject: &ImageSubject<'_>, owner: &Owner, note: &mut Note<'_>) -> Verdict {
        let template = match owner {
            Owner::Other => {
                let message = format_args!("no controller's template says which image the pod should have");
                return note.not_applicable("NoController", message);
            }
            Owner::Absent => {
                return note
                    .not_applicable("OwnerNotFound", format_args!("the pod's controller is not there"));
            }
            Owner::Denied => {
                let message = format_args!("the pod's controller may not be read");
                return note.unknown(reason::MISSING_PERMISSION, message);
            }
            Owner::Malformed => {
                let message = format_args!("the template of the pod's controller could not be decoded");
                return note.unknown("MalformedOwner", message);
            }
            Owner::Template(template) => template,
        };
        let (slot, name) = (subject.image_use.slot, &*subject.image_use.name);
        let Some(expected) = template.image(slot, name) else {
            let message = format_args!("the template of the pod's controller has no {}", slot.as_str());
            return note.not_applicable("Injected", message);
        };
        let image = subject.image_use.image.display();
        if expected == image || self.is_rewritten(expected, image) {
            return Verdict::Pass;
        }
        let (image, expected) = (Cut(image), Cut(expected));
        note.fail("OtherImage", format_args!("the pod has {image}, its controller's template {expected}"))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::rules::testing::{image_use, rule, settings_error};
    use crate::subject::owner::{TemplateFacts, TemplateUse};
    use crate::subject::pod::{ImageUse, PodShape, Slot};

    fn template(slot: Slot, name: &str, image: &str) -> Owner {
        let uses = Box::new([TemplateUse { slot, name: name.into(), image: image.into() }]);
        Owner::Template(Arc::new(TemplateFacts { uid: 1, deployment: None, uses }))
    }

    fn verdict(settings: &str, image_use: &ImageUse, owner: &Owner) -> Verdict {
        let (pod, rule) = (PodShape::default(), rule::<PodImageMatchesOwner>(settings));
        rule.check(&ImageSubject { pod: &pod, image_use }, owner, &mut Note::silent())
    }

    #[test]
    fn images_are_compared_in_their_canonical_form() {
        let owner = template(Slot::Container, "app", "docker.io/library/nginx:1.27");
        assert_eq!(verdict("{}", &image_use("nginx:1.27"), &owner), Verdict::Pass);
        assert_eq!(verdict("{}", &image_use("nginx:1.28"), &owner), Verdict::Fail("OtherImage"));
        assert_eq!(verdict("{}", &image_use("Nginx"), &owner), Verdict::Fail("OtherImage"));
    }

    #[test]
    fn what_the_template_does_not_name_was_injected() {
        let owner = template(Slot::Container, "other", "docker.io/library/nginx:1.27");
        assert_eq!(verdict("{}", &image_use("evil.test/x"), &owner), Verdict::NotApplicable("Injected"));
        let volume = template(Slot::ImageVolume, "app", "docker.io/library/nginx:1.27");
        assert_eq!(verdict("{}", &image_use("evil.test/x"), &volume), Verdict::NotApplicable("Injected"));
        let init = template(Slot::InitContainer, "app", "docker.io/library/nginx:1.27");
        assert_eq!(
            verdict("{}", &image_use("evil.test/x"), &init),
            Verdict::Fail("OtherImage"),
            "names are unique"
        );
    }

    #[test]
    fn without_a_template_there_is_nothing_to_compare_and_what_may_not_be_read_is_unknown() {
        let verdict = |owner| verdict("{}", &image_use("nginx"), &owner);
        assert_eq!(verdict(Owner::Other), Verdict::NotApplicable("NoController"));
        assert_eq!(verdict(Owner::Absent), Verdict::NotApplicable("OwnerNotFound"));
        assert_eq!(verdict(Owner::Denied), Verdict::Unknown(reason::MISSING_PERMISSION));
        assert_eq!(verdict(Owner::Malformed), Verdict::Unknown("MalformedOwner"));
    }

    #[test]
    fn a_rewrite_of_a_mirror_is_the_same_image_and_nothing_else_is() {
        let settings = r#"{"rewrites": [{"from": "docker.io/", "to": "mirror.example.com/hub"}]}"#;
        let owner = template(Slot::Container, "app", "docker.io/library/nginx:1.27");
        let image = |image| verdict(settings, &image_use(image), &owner);
        assert_eq!(image("mirror.example.com/hub/library/nginx:1.27"), Verdict::Pass);
        assert_eq!(image("mirror.example.com/hub/library/nginx:1.28"), Verdict::Fail("OtherImage"));
        assert_eq!(image("mirror.example.com/hub2/library/nginx:1.27"), Verdict::Fail("OtherImage"));
        let wrong = r#"{"rewrites": [{"from": "/", "to": "x"}]}"#;
        assert_eq!(settings_error::<PodImageMatchesOwner>(wrong).field, "rewrites[0].from");
    }
}
