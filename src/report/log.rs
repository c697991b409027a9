//! One record a transition: what the shell logs as one JSON line.

use serde::Serialize;

use crate::auditor::transitions::Transition;

use super::escape::{IMAGE_LIMIT, MESSAGE_LIMIT, NAME_LIMIT, visible_within};

/// How many policies a record names.
const POLICIES_NAMED: usize = 32;

/// A finding opened, resolved or became exempt. Every text is visible and bounded.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct TransitionRecord {
    /// The finding, as in every report.
    pub finding: String,
    /// `opened`, `resolved` or `exempted`.
    pub kind: &'static str,
    /// The rule.
    pub rule: &'static str,
    /// The highest severity among the policies.
    pub severity: &'static str,
    /// Why, in one word.
    pub reason: &'static str,
    /// The policies, by name.
    pub policies: Vec<String>,
    /// The namespace; none for a reference across the cluster.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// `Deployment/web`
    pub subject: String,
    /// The container or volume.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub container: Option<String>,
    /// The image in its canonical form.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
    /// The rule's sentence.
    pub message: String,
    /// Since when the finding was open.
    pub since: String,
    /// When it happened.
    pub at: String,
}

impl From<&Transition> for TransitionRecord {
    fn from(transition: &Transition) -> Self {
        let Transition { kind, id, rule, severity, policies, subject, reason, message, since, at, .. } =
            transition;
        let text = |text: &str, limit| visible_within(text, limit).into_owned();
        let image_use = subject.image_use();
        Self {
            finding: id.to_string(),
            kind: kind.as_str(),
            rule: rule.as_str(),
            severity: severity.as_str(),
            reason,
            policies: policies.iter().take(POLICIES_NAMED).map(|(name, _)| text(name, NAME_LIMIT)).collect(),
            namespace: subject.namespace().map(|name| text(name, NAME_LIMIT)),
            subject: format!("{}/{}", text(subject.kind(), NAME_LIMIT), text(subject.name(), IMAGE_LIMIT)),
            container: image_use.map(|image_use| text(&image_use.name, NAME_LIMIT)),
            image: image_use.map(|image_use| text(image_use.image.display(), IMAGE_LIMIT)),
            message: text(message, MESSAGE_LIMIT),
            since: since.to_string(),
            at: at.to_string(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{image_subject, namespace_subject, transition};
    use super::*;
    use crate::auditor::transitions::TransitionKind;

    #[test]
    fn a_transition_is_one_line_that_names_the_finding() {
        let record = TransitionRecord::from(&transition(TransitionKind::Opened));
        assert_eq!(
            serde_json::to_string(&record).unwrap(),
            concat!(
                r#"{"finding":"5f2c9a4100000001","kind":"opened","rule":"TrustedRegistry","severity":"critical","#,
                r#""reason":"NotAllowed","policies":["baseline","strict"],"namespace":"team-a","#,
                r#""subject":"Deployment/web","container":"app","image":"evil.test/x:1","#,
                r#""message":"evil.test/x is in none of the trusted repositories","#,
                r#""since":"2026-11-18T11:06:40Z","at":"2026-11-18T11:07:40Z"}"#,
            )
        );
    }

    #[test]
    fn a_namespace_has_neither_container_nor_image() {
        let mut of_namespace = transition(TransitionKind::Resolved);
        of_namespace.subject = namespace_subject("team-a");
        let record = TransitionRecord::from(&of_namespace);
        assert_eq!((&*record.subject, record.container, record.image), ("Namespace/team-a", None, None));
    }

    #[test]
    fn no_text_forges_a_line_or_fills_the_log() {
        let mut hostile = transition(TransitionKind::Opened);
        hostile.message = format!("\n{{\"level\":\"INFO\"}}\u{9b}{}", "m".repeat(99_999));
        hostile.subject =
            image_subject("team-a", "Pod/x", "c", &format!("Evil\n\u{202e}{}", "i".repeat(99_999)));
        let record = TransitionRecord::from(&hostile);
        assert!(record.message.starts_with("\\u{a}{\"level\":\"INFO\"}\\u{9b}m"));
        assert!(record.image.as_deref().unwrap().starts_with("Evil\\u{a}\\u{202e}i"));
        assert!(serde_json::to_string(&record).unwrap().len() < 3_000);
    }
}
