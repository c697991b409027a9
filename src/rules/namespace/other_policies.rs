//! Not a rule: network policies that no rule reads. Cilium and Calico bring kinds of their own; that such objects are
//! there is all that is known of them, so that they leave open what Kubernetes' own policies do not decide.

use super::offenders::Named;
use crate::rules::shown::Cut;
use crate::subject::Resource;
use crate::subject::namespace::NamespaceSubject;
use crate::subject::objects::ObjectFacts;
use crate::verdict::{Note, Reason, Verdict, reason};

/// Some policy of another kind may decide.
pub(super) const OTHER_POLICIES: Reason = "OtherPolicies";

const KINDS: [Resource; 6] = Resource::OTHER_NETWORK_POLICIES;

/// What a rule reads whose verdict such policies leave open: its own kinds and theirs.
pub(super) const fn and_others<const OWN: usize, const ALL: usize>(own: [Resource; OWN]) -> [Resource; ALL] {
    assert!(ALL == OWN + KINDS.len(), "as many as both");
    let mut all = [KINDS[0]; ALL];
    let mut at = 0;
    while at < ALL {
        all[at] = if at < OWN { own[at] } else { KINDS[at - OWN] };
        at += 1;
    }
    all
}

/// Calico's own API server shows Kubernetes' policies a second time, under names that begin so.
const MIRRORED: [&str; 3] = ["knp.default.", "kanp.adminnetworkpolicy.", "kbanp.baselineadminnetworkpolicy."];

fn is_own(object: &ObjectFacts) -> bool {
    !MIRRORED.iter().any(|prefix| object.name.starts_with(prefix))
}

/// Unknown, where a policy of another kind may apply to the namespace: one that lies in it, or one of the whole
/// cluster; or where such a kind is there and may not be read.
pub(super) fn undecided(subject: &NamespaceSubject<'_>, note: &mut Note<'_>) -> Option<Verdict> {
    let cluster = &subject.facts.beyond.cluster;
    let of_kind = |kind: &Resource| match kind.is_namespaced() {
        true => subject.objects(*kind).iter(),
        false => cluster.objects.of(*kind).iter(),
    };
    if let Some(object) = KINDS.iter().flat_map(of_kind).find(|object| is_own(object)) {
        let (name, group) = (Named(object), Cut(object.kind.group()));
        return Some(note.unknown(
            OTHER_POLICIES,
            format_args!(
                "no network policy of Kubernetes decides it, and {name} of {group} may: it is not read"
            ),
        ));
    }
    KINDS.iter().find_map(|kind| denied(*kind, subject, note))
}

/// Unknown, where a kind is there that the rule depends on, and may not be read.
pub(super) fn denied(kind: Resource, subject: &NamespaceSubject<'_>, note: &mut Note<'_>) -> Option<Verdict> {
    subject.facts.beyond.cluster.denied.contains(&kind).then(|| {
        note.unknown(
            reason::MISSING_PERMISSION,
            format_args!("{kind} may decide it, and the permission to read them is missing"),
        )
    })
}
