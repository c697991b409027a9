//! STUB of the operator branch: the texts of Kubernetes Events. Replaced by the report branch.

use crate::auditor::transitions::{FirstAudit, Transition, TransitionKind};

/// The texts of one Event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventText {
    /// `metadata.name`: the same for a retry, another replica, another leader.
    pub name: String,
    /// One PascalCase word.
    pub reason: String,
    /// At most 1,024 bytes.
    pub note: String,
    /// `Warning` or `Normal`.
    pub warning: bool,
}

/// Of a transition.
pub fn transition_event(transition: &Transition) -> EventText {
    let kind = transition.kind.as_str();
    EventText {
        name: format!("revisor.{}.{kind}.{}", transition.id, transition.at.as_millisecond()),
        reason: transition.rule.as_str().to_owned(),
        note: format!("{kind}: {}", transition.message),
        warning: transition.kind == TransitionKind::Opened,
    }
}

/// Of the first audit of a policy.
pub fn first_audit_event(first: &FirstAudit) -> EventText {
    EventText {
        name: format!("revisor.{}.first-audit.{}", first.uid, first.generation),
        reason: "FirstAudit".to_owned(),
        note: format!("{} violations in {} namespaces", first.violations, first.namespaces),
        warning: false,
    }
}
