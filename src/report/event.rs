//! The text of Kubernetes Events: for a finding that opened, resolved or became exempt, and for the first audit
//! of a policy.
//!
//! `reason` is the rule's id, `action` what happened to the finding. `kubectl describe` shows type, reason and
//! note, and readers filter by reason: with the rule there, a line reads "Warning TrustedRegistry ...", and
//! `kubectl get events --field-selector reason=TrustedRegistry` tells one rule's whole story, `type=Warning` what
//! is wrong. A common reason such as PolicyViolation would say in a word what the type says already, and hide in
//! the note what people look for. What happened stands first in the note, since describe does not show `action`.

use crate::auditor::findings::Subject;
use crate::auditor::transitions::{FirstAudit, Transition, TransitionKind};
use crate::subject::canonical::{combine, text_hash};

use super::escape::{NAME_LIMIT, cut, visible_within};
use super::words::{Counted, first_step, list};

/// The API server refuses a longer note.
pub(super) const NOTE_LIMIT: usize = 1_024;
/// How many policies a note names.
const POLICIES_NAMED: usize = 4;

/// All of an Event but its times, its reporter and the object it regards.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventText {
    /// `metadata.name`: the same after a retry, a restart and in another replica, so that the second `create` is
    /// answered with 409.
    pub name: String,
    /// `Warning` or `Normal`.
    pub type_: &'static str,
    /// Machine-readable: the rule's id, or `Audited`.
    pub reason: &'static str,
    /// What happened: `Opened`, `Resolved`, `Exempted`, or `FirstAudit`.
    pub action: &'static str,
    /// For people, at most 1,024 bytes.
    pub note: String,
}

/// The Event of a transition.
pub fn transition_event(transition: &Transition) -> EventText {
    let Transition { kind, id, rule, .. } = transition;
    let (type_, action) = match kind {
        TransitionKind::Opened => ("Warning", "Opened"),
        TransitionKind::Resolved => ("Normal", "Resolved"),
        TransitionKind::Exempted => ("Normal", "Exempted"),
    };
    // Uids, since a policy that is deleted and made anew tells its own story.
    let mut sequence: Vec<u64> = transition.policies.iter().map(|(_, uid)| text_hash(uid)).collect();
    sequence.push(transition.sequence.into());
    let reason = rule.as_str();
    let name = format!("{}.{id}.{}.{:016x}", reason.to_ascii_lowercase(), kind.as_str(), combine(&sequence));
    EventText { name, type_, reason, action, note: note(transition) }
}

/// What happened, to what, why, under which policies, what to do: the parts are bounded, so that none pushes
/// another out.
fn note(transition: &Transition) -> String {
    let Transition { kind, rule, severity, subject, message, .. } = transition;
    let mut note = match kind {
        TransitionKind::Opened => format!("{} violation: ", capitalized(severity.as_str())),
        TransitionKind::Resolved => "Resolved: ".to_owned(),
        TransitionKind::Exempted => "Permitted by an exemption: ".to_owned(),
    };
    // The Event may regard the ReplicaSet or the Job, so the subject is always named.
    note.push_str(&format!("{}/{}", subject.kind(), visible_within(subject.name(), 160)));
    if let Some(image_use) = subject.image_use() {
        note.push_str(&format!(
            ", {} {}, image {}",
            slot_word(image_use.slot.as_str()),
            visible_within(&image_use.name, 63),
            visible_within(image_use.image.display(), 200)
        ));
    }
    if *kind != TransitionKind::Resolved && !message.is_empty() {
        note.push_str(&format!(": {}", visible_within(message, 300)));
    }
    let names: Vec<_> = transition.policies.iter().map(|(name, _)| visible_within(name, 40)).collect();
    let word = if names.len() == 1 { "policy" } else { "policies" };
    if !names.is_empty() {
        note.push_str(&format!(" ({word} {})", list(&names, POLICIES_NAMED)));
    }
    if *kind == TransitionKind::Opened {
        note.push_str(&format!(". To do: {}", first_step(*rule)));
    }
    cut(&mut note, NOTE_LIMIT);
    note
}

fn capitalized(word: &str) -> String {
    let (first, rest) = word.split_at(1.min(word.len()));
    first.to_ascii_uppercase() + rest
}

fn slot_word(slot: &str) -> &str {
    match slot {
        "initContainer" => "init container",
        "ephemeralContainer" => "ephemeral container",
        "imageVolume" => "volume",
        slot => slot,
    }
}

/// The namespace an Event about `subject` lies in: its own, and `default` for what lies in none.
pub fn event_namespace(subject: &Subject) -> &str {
    subject.namespace().map_or("default", |namespace| namespace)
}

/// The one Event of a policy's first audit, which regards the ImagePolicy.
pub fn first_audit_event(audit: &FirstAudit) -> EventText {
    let FirstAudit { policy, uid, generation, violations, unknown, namespaces, .. } = audit;
    let found = match (violations, namespaces) {
        (0, _) => "no violations".to_owned(),
        (violations, 0) => Counted(*violations, "violation").to_string(),
        (violations, namespaces) => {
            format!("{} in {}", Counted(*violations, "violation"), Counted(*namespaces, "namespace"))
        }
    };
    let undecided = if *unknown > 0 { format!(", {unknown} undecided") } else { String::new() };
    let details = match violations + unknown {
        0 => String::new(),
        _ => "; from here on every change is an Event of its own, what is open now is in status and in each \
              namespace's NamespaceAudit"
            .to_owned(),
    };
    let shown = visible_within(policy, NAME_LIMIT);
    let mut note =
        format!("First audit of policy {shown}, generation {generation}: {found}{undecided}{details}");
    cut(&mut note, NOTE_LIMIT);
    EventText {
        // Not of its time: a restart before the status is written audits the same generation again.
        name: format!("firstaudit.{:016x}.{generation}", combine(&[text_hash(uid), text_hash(policy)])),
        type_: if *violations > 0 { "Warning" } else { "Normal" },
        reason: "Audited",
        action: "FirstAudit",
        note,
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{at, image_subject, namespace_subject, transition};
    use super::*;

    fn first_audit(violations: u32, unknown: u32, namespaces: u32) -> FirstAudit {
        FirstAudit {
            policy: "baseline".into(),
            uid: "uid".into(),
            generation: 4,
            violations,
            unknown,
            namespaces,
            at: at(0),
        }
    }

    #[test]
    fn an_opened_finding_reads_as_what_where_why_who_and_what_to_do() {
        let event = transition_event(&transition(TransitionKind::Opened));
        assert_eq!((event.type_, event.reason, event.action), ("Warning", "TrustedRegistry", "Opened"));
        assert_eq!(
            event.note,
            "Critical violation: Deployment/web, container app, image evil.test/x:1: evil.test/x is in none of the \
             trusted repositories (policies baseline and strict). To do: Copy the image to a trusted registry and \
             name it there"
        );
    }

    #[test]
    fn what_is_over_or_permitted_is_normal() {
        let event = transition_event(&transition(TransitionKind::Resolved));
        assert_eq!((event.type_, event.action), ("Normal", "Resolved"));
        assert_eq!(
            event.note,
            "Resolved: Deployment/web, container app, image evil.test/x:1 (policies baseline and strict)"
        );
        let event = transition_event(&transition(TransitionKind::Exempted));
        assert_eq!((event.type_, event.action), ("Normal", "Exempted"));
        assert!(event.note.starts_with("Permitted by an exemption: Deployment/web, container app"));
    }

    #[test]
    fn a_namespace_finding_lies_in_its_namespace_and_a_reference_in_default() {
        let mut of_namespace = transition(TransitionKind::Opened);
        of_namespace.subject = namespace_subject("team-a");
        assert!(transition_event(&of_namespace).note.starts_with("Critical violation: Namespace/team-a: "));
        assert_eq!(event_namespace(&of_namespace.subject), "team-a");
        let snapshot = super::super::testing::World::baseline().skew("nginx:1", &[("a", 1)]).snapshot();
        assert_eq!(event_namespace(&snapshot.references[0].subject), "default");
    }

    #[test]
    fn the_name_is_a_dns_name_and_differs_exactly_when_the_transition_does() {
        let name = |change: fn(&mut Transition)| {
            let mut transition = transition(TransitionKind::Opened);
            change(&mut transition);
            let name = transition_event(&transition).name;
            assert!(name.len() <= 253, "{name}");
            for label in name.split('.') {
                assert!(!label.is_empty() && !label.starts_with('-') && !label.ends_with('-'), "{name}");
                assert!(
                    label
                        .bytes()
                        .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
                );
            }
            name
        };
        let same = name(|_| {});
        assert!(same.starts_with("trustedregistry.5f2c9a4100000001.opened."), "{same}");
        assert_eq!(same, name(|it| it.message = "told otherwise".into()));
        assert_eq!(same, name(|it| it.at = at(61)), "another replica saw it a little later");
        let others = [
            name(|it| it.kind = TransitionKind::Resolved),
            name(|it| it.id.0 += 1),
            name(|it| it.sequence += 1),
            name(|it| it.policies[1].1 = "made anew".into()),
        ];
        for (index, other) in others.iter().enumerate() {
            assert!(*other != same && !others[..index].contains(other));
        }
    }

    #[test]
    fn a_hostile_and_endless_text_is_data_and_bounded() {
        let mut hostile = transition(TransitionKind::Opened);
        let image = format!("Evil.test/\u{1b}[31m\n{}", "é".repeat(5_000));
        hostile.subject =
            image_subject("team-a", &format!("Deployment/{}", "w".repeat(253)), &"c".repeat(63), &image);
        hostile.message = format!("\u{202e}{}", "m".repeat(9_000));
        hostile.policies =
            (0..40).map(|index| (format!("{index}{}", "p".repeat(250)).into(), "uid".into())).collect();
        let note = transition_event(&hostile).note;
        assert!(note.len() <= 1_024, "{}", note.len());
        assert!(!note.contains(['\u{1b}', '\n', '\u{202e}']) && note.contains("Evil.test/\\u{1b}[31m\\u{a}"));
        assert!(note.contains(" and 36 more)") && note.contains("To do: Copy"), "{note}");
    }

    #[test]
    fn a_first_audit_is_one_event_for_one_generation_of_a_policy() {
        let event = first_audit_event(&first_audit(37, 2, 9));
        assert_eq!((event.type_, event.reason, event.action), ("Warning", "Audited", "FirstAudit"));
        assert_eq!(
            event.note,
            "First audit of policy baseline, generation 4: 37 violations in 9 namespaces, 2 undecided; from here on \
             every change is an Event of its own, what is open now is in status and in each namespace's NamespaceAudit"
        );
        let clean = first_audit_event(&first_audit(0, 0, 0));
        assert_eq!(
            (clean.type_, &*clean.note),
            ("Normal", "First audit of policy baseline, generation 4: no violations")
        );
        assert_eq!(clean.name, event.name, "a retry finds the Event there");
        let next = FirstAudit { generation: 5, ..first_audit(0, 0, 0) };
        assert_ne!(first_audit_event(&next).name, clean.name);
    }
}
