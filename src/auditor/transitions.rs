//! Transitions: a finding that opened, resolved or became exempt, merged over policies.

use std::collections::BTreeSet;
use std::sync::Arc;

use jiff::Timestamp;

use super::findings::{FindingId, Subject};
use super::{Auditor, Feed};
use crate::rules::RuleId;
use crate::verdict::{Reason, Severity};

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TransitionKind {
    /// A violation opened (also: an exemption of it ended).
    Opened,
    /// A violation is over.
    Resolved,
    /// A violation became exempt.
    Exempted,
}

impl TransitionKind {
    /// The word used in logs and metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Opened => "opened",
            Self::Resolved => "resolved",
            Self::Exempted => "exempted",
        }
    }
}

/// A finding opened, resolved or became exempt. `unknown` findings make no transitions: they are counted.
#[derive(Clone, Debug)]
pub struct Transition {
    /// What happened.
    pub kind: TransitionKind,
    /// The finding.
    pub id: FindingId,
    /// The number of this transition of the finding. With id and kind it names the transition, in every replica, after
    /// every retry and after a restart.
    pub sequence: u32,
    /// The rule.
    pub rule: RuleId,
    /// The highest severity any of the policies gives it.
    pub severity: Severity,
    /// The policies under which it happened, with their uids, sorted by name.
    pub policies: Vec<(Arc<str>, Arc<str>)>,
    /// What the finding is about.
    pub subject: Subject,
    /// Why, in one word.
    pub reason: Reason,
    /// The rule's sentence.
    pub message: String,
    /// Since when the finding was open.
    pub since: Timestamp,
    /// When it happened.
    pub at: Timestamp,
}

/// The first audit of a new or edited policy, told in one summary instead of one transition a finding.
#[derive(Clone, Debug)]
pub struct FirstAudit {
    /// The policy's name.
    pub policy: Arc<str>,
    /// Its uid.
    pub uid: Arc<str>,
    /// Its generation.
    pub generation: i64,
    /// Violations found.
    pub violations: u32,
    /// Undecided.
    pub unknown: u32,
    /// Namespaces with violations.
    pub namespaces: u32,
    /// When.
    pub at: Timestamp,
}

/// A workload whose findings are dormant: whether it still exists should be looked up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WantedOwner {
    /// Its namespace.
    pub namespace: Arc<str>,
    /// Its kind.
    pub kind: Arc<str>,
    /// Its name.
    pub name: Box<str>,
    /// Its API version, as far as known.
    pub api_version: Arc<str>,
}

impl Auditor {
    /// Tells the first audits of policies that were new.
    pub(super) fn tell_first_audits(&mut self, now: Timestamp) {
        let new = std::mem::take(&mut self.new_policies);
        let (in_force, waiting) = new.into_iter().partition(|name| self.plan.is_in_force(name));
        self.new_policies = waiting;
        let in_force: BTreeSet<Box<str>> = in_force;
        for name in in_force {
            let Some((_, part)) = self.snapshot.policy(&name) else { continue };
            let (policy, total) = (&part.policy, part.total());
            if self.feed == Feed::Live && self.plan.observed_generation(&name) < policy.generation {
                self.first_audits.push(FirstAudit {
                    policy: policy.name.clone(),
                    uid: policy.uid.clone(),
                    generation: policy.generation,
                    violations: total.fail,
                    unknown: total.unknown,
                    namespaces: part.violating_namespaces,
                    at: now,
                });
            }
        }
    }

    /// What happened since this was last asked; known after [`Self::snapshot`].
    pub fn drain_transitions(&mut self) -> Vec<Transition> {
        std::mem::take(&mut self.transitions)
    }

    /// First audits of policies since this was last asked.
    pub fn drain_first_audits(&mut self) -> Vec<FirstAudit> {
        std::mem::take(&mut self.first_audits)
    }

    /// Workloads whose existence should be looked up (answered with [`Change::OwnerGone`]).
    pub fn drain_wanted_owners(&mut self) -> Vec<WantedOwner> {
        std::mem::take(&mut self.wanted)
    }
}
