//! Which kinds the policies need, and what is known of each.

use std::collections::BTreeSet;

use crate::decode::Change;
use crate::subject::Resource;

/// All kinds.
#[derive(Debug)]
pub(super) struct Kinds {
    /// Kinds that are always read, and those that an active rule reads.
    needed: BTreeSet<Resource>,
    /// Those of them that the newest policies read, in force or not yet.
    asked: BTreeSet<Resource>,
    /// Kinds whose list has begun since they are needed. What is told of another one is left over from a watch
    /// that nobody needs any more.
    begun: BTreeSet<Resource>,
    /// Kinds that were told to the end since they are needed.
    told: BTreeSet<Resource>,
    /// Kinds that may not be read, as far as what is judged goes: one that may be read again stays among them until it
    /// was told.
    pub(super) denied: BTreeSet<Resource>,
    /// Those of them that may be read again.
    granted: BTreeSet<Resource>,
}

impl Default for Kinds {
    fn default() -> Self {
        let always = BTreeSet::from(Resource::ALWAYS);
        Self {
            needed: always.clone(),
            asked: always.clone(),
            begun: always,
            told: BTreeSet::new(),
            denied: BTreeSet::new(),
            granted: BTreeSet::new(),
        }
    }
}

impl Kinds {
    /// Kinds that are needed now.
    pub(super) fn needed(&self) -> &BTreeSet<Resource> {
        &self.needed
    }

    /// Whether every needed kind was told or refused.
    pub(super) fn are_known(&self) -> bool {
        self.needed.iter().all(|kind| self.is_known(*kind))
    }

    /// Whether a kind was told or refused, and is not just to be told.
    pub(super) fn is_known(&self, kind: Resource) -> bool {
        self.told.contains(&kind) || self.denied.contains(&kind) && !self.granted.contains(&kind)
    }

    /// Whether what is judged by a kind can be judged: it was told, or counts as refused.
    pub(super) fn is_judged(&self, kind: Resource) -> bool {
        self.told.contains(&kind) || self.denied.contains(&kind)
    }

    /// From now on these are needed, some of them only by policies that are about to be out of force. Returns those that are not any more: what is known of them is to be dropped.
    pub(super) fn need(&mut self, needed: BTreeSet<Resource>, asked: BTreeSet<Resource>) -> Vec<Resource> {
        self.asked = asked;
        let before = std::mem::replace(&mut self.needed, needed);
        let dropped: Vec<Resource> = before.difference(&self.needed).copied().collect();
        for kind in &dropped {
            self.begun.remove(kind);
            self.told.remove(kind);
            if self.granted.remove(kind) {
                self.denied.remove(kind);
            }
        }
        dropped
    }

    /// Whether a change counts; a list that begins makes what follows count.
    pub(super) fn count(&mut self, change: &Change) -> bool {
        if let Change::RelistStarted(kind) = change
            && self.needed.contains(kind)
        {
            self.begun.insert(*kind);
        }
        told_by(change).is_none_or(|kind| self.begun.contains(&kind))
    }

    /// Whether a change of this kind is news: it was told to the end since it is needed, and the newest policies read it.
    /// So whoever asks gets the same answer however often a Snapshot was taken.
    pub(super) fn is_followed(&self, kind: Resource) -> bool {
        self.told.contains(&kind) && self.asked.contains(&kind)
    }

    /// A kind was told to the end. Returns whether it counted as refused until now.
    pub(super) fn finished(&mut self, kind: Resource) -> bool {
        self.told.insert(kind);
        self.granted.remove(&kind) && self.denied.remove(&kind)
    }

    /// A kind may be read, or may not. Returns whether that changes what is judged: what may be read again must be told
    /// first.
    pub(super) fn access(&mut self, kind: Resource, granted: bool) -> bool {
        if !granted {
            self.granted.remove(&kind);
            return self.denied.insert(kind);
        }
        if self.needed.contains(&kind) && !self.told.contains(&kind) {
            if self.denied.contains(&kind) {
                self.granted.insert(kind);
            }
            return false;
        }
        self.denied.remove(&kind)
    }
}

/// The kind whose watch tells this; none for what is known otherwise.
fn told_by(change: &Change) -> Option<Resource> {
    match change {
        Change::Pod(_) | Change::PodGone(_) => Some(Resource::Pods),
        Change::Namespace(..) | Change::NamespaceGone(_) => Some(Resource::Namespaces),
        Change::NetworkPolicy(..) | Change::NetworkPolicyGone(..) => Some(Resource::NetworkPolicies),
        Change::Object(facts) | Change::Workload(facts, _) => Some(facts.kind),
        Change::ObjectGone(kind, ..) => Some(*kind),
        Change::Job(_) | Change::JobGone(_) => Some(Resource::Jobs),
        Change::Policy(_) | Change::PolicyGone(_) => Some(Resource::ImagePolicies),
        Change::RelistStarted(kind) | Change::RelistFinished(kind) | Change::Unusable(kind) => Some(*kind),
        Change::Access(..) | Change::Unsupported(_) | Change::OwnerGone(..) | Change::Record(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KIND: Resource = Resource::NetworkPolicies;

    fn with_it() -> BTreeSet<Resource> {
        Resource::ALWAYS.into_iter().chain([KIND]).collect()
    }

    fn known_but_for_it() -> Kinds {
        let mut kinds = Kinds::default();
        for kind in Resource::ALWAYS {
            kinds.finished(kind);
        }
        kinds
    }

    #[test]
    fn a_kind_that_is_needed_is_waited_for_until_it_is_told_or_refused() {
        let mut kinds = known_but_for_it();
        assert!(kinds.are_known());
        assert!(kinds.need(with_it(), with_it()).is_empty() && !kinds.are_known());
        assert!(kinds.access(KIND, false) && kinds.are_known());
        assert!(!kinds.access(KIND, true) && !kinds.are_known() && kinds.is_judged(KIND));
        assert!(kinds.finished(KIND) && kinds.are_known() && kinds.denied.is_empty());
        assert!(!kinds.finished(KIND), "that is no news");
    }

    #[test]
    fn a_kind_that_is_needed_again_must_be_told_again_from_the_beginning() {
        let mut kinds = known_but_for_it();
        assert!(!kinds.count(&Change::RelistStarted(KIND)), "nobody needs it");
        kinds.need(with_it(), with_it());
        assert!(!kinds.count(&Change::RelistFinished(KIND)), "the end of a list that began before");
        assert!(kinds.count(&Change::RelistStarted(KIND)) && kinds.count(&Change::RelistFinished(KIND)));
        kinds.finished(KIND);
        let always = || BTreeSet::from(Resource::ALWAYS);
        assert!(kinds.is_followed(KIND));
        assert!(kinds.need(with_it(), always()).is_empty() && !kinds.is_followed(KIND));
        assert_eq!(kinds.need(always(), always()), [KIND]);
        kinds.need(with_it(), with_it());
        assert!(!kinds.are_known() && !kinds.count(&Change::RelistFinished(KIND)));
    }
}
