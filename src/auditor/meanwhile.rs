//! What happened in a namespace since it was last rolled up and cannot be seen in what is there now: owners that were
//! found to be gone, and pods that came and went between two Snapshots.

use std::collections::BTreeMap;

use super::findings::{FindingId, Judged, Subject, judged_at, use_id};
use super::inventory::Inventory;
use super::namespaces::{Namespace, Namespaces};
use super::pairs::Bits;

/// What happened since a namespace was last rolled up.
#[derive(Debug, Default)]
pub(super) struct Meanwhile {
    gone_owners: Vec<u64>,
    /// Findings that were open then, by id and policy: whether the last pod of their workload that ended or changed
    /// showed them.
    shown: BTreeMap<(FindingId, u16), bool>,
}

impl Namespace {
    /// Notes that a workload, by its stable hash, was looked for and is gone.
    pub(super) fn note_gone(&mut self, workload: u64) {
        self.meanwhile.get_or_insert_default().gone_owners.push(workload);
    }

    /// Whether the workload was found to be gone.
    pub(super) fn is_gone_owner(&self, workload: u64) -> bool {
        self.meanwhile.as_ref().is_some_and(|meanwhile| meanwhile.gone_owners.contains(&workload))
    }

    /// Whether the last pod that ended or changed showed a finding; none where there was no such pod.
    pub(super) fn was_shown(&self, id: FindingId, policy: u16) -> Option<bool> {
        self.meanwhile.as_ref()?.shown.get(&(id, policy)).copied()
    }

    /// Notes of every open finding of a workload whether a pod that lived until now shows it. `bits_of` are the pod's
    /// verdicts by the policy of an index; none where the policy leaves the pod out.
    fn note_lived<'a>(
        &mut self,
        workload: u64,
        judged: &Judged,
        bits_of: impl Fn(usize) -> Option<&'a [Bits]>,
    ) {
        for finding in self.part.findings.iter() {
            let Subject::Workload(at) = &finding.subject else { continue };
            // What compares owners is not remembered, so the pod says nothing of it.
            if at.workload.hash != workload || finding.rule.compares_owners() {
                continue;
            }
            let is_it = |(at, bits): (usize, &Bits)| {
                bits.has(finding.rule)
                    && judged_at(finding.rule, &judged.shape, at).is_some_and(|(_, hash)| {
                        use_id(finding.rule, self.hash, workload, hash) == finding.id
                    })
            };
            let bits = bits_of(usize::from(finding.policy));
            let shown = bits.is_some_and(|bits| bits.iter().enumerate().any(is_it));
            let meanwhile = self.meanwhile.get_or_insert_default();
            meanwhile.shown.insert((finding.id, finding.policy), shown);
        }
    }
}

impl Inventory {
    /// Notes what the last pod of a group showed, which leaves the group now. To be called under the plan of the last
    /// Snapshot only, by which policies are numbered.
    pub(super) fn note_last(&self, group: u32, namespaces: &mut Namespaces) {
        let group = self.groups.get(group);
        let (key, outline) = (group.key, self.pairs.outline(group.key.pair));
        if group.count > 1 || outline.ended || outline.stands_in || outline.malformed {
            return;
        }
        let workload = self.owner_hashes[key.owner as usize];
        let bits_of = |policy| {
            let covered = self.labels.covers(key.class, policy);
            covered.then(|| self.pairs.bits(key.pair, policy))
        };
        namespaces.get_mut(key.namespace).note_lived(workload, self.pairs.judged(key.pair), bits_of);
    }
}
