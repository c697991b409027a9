//! Judging what changed, by the plan as it is, and making a Snapshot of it.

use std::sync::Arc;

use jiff::Timestamp;

use super::edits::{self, Edit, Replanned};
use super::marks::Quiet;
use super::record;
use super::renewal::Renewal;
use super::rollup::Rolling;
use super::snapshot::Snapshot;
use super::{Auditor, Feed};
use crate::policy::compile::CompiledPolicy;

impl Auditor {
    /// Judges what changed and returns what is found now; the same one when nothing changed, and while a kind
    /// that is needed is not known yet (an empty one at first): partial counts would only alarm.
    pub fn snapshot(&mut self, now: Timestamp) -> Arc<Snapshot> {
        if !self.changed || !self.is_complete() {
            return self.snapshot.clone();
        }
        self.follow_runtimes();
        let kinds = &self.kinds;
        let before = self.plan.renumber(|kind| self.feed != Feed::Live || kinds.is_known(kind));
        let replanned = before.map(|before| self.replan(&before, now));
        if replanned.is_some() {
            self.drop_unneeded(now);
        }
        if !self.was_complete {
            // At first there is nothing but the record, and that is read by the plan as it is now.
            self.take_in_record();
            return self.judge_under(None, now);
        }
        let snapshot = self.judge_under(replanned, now);
        // The record of another replica: what it does not know and was told here is told again, by the one who writes now.
        if self.take_in_record() { self.judge_under(None, now) } else { snapshot }
    }

    /// Judges what changed under the plan as it is, which is new where it was `replanned`.
    pub(super) fn judge_under(&mut self, replanned: Option<Replanned>, now: Timestamp) -> Arc<Snapshot> {
        self.changed = false;
        let renumbered = replanned.as_ref().map(|replanned| &*replanned.numbers);
        let edits = replanned.as_ref().map_or(&[][..], |replanned| &replanned.edits);
        if self.objects.refresh() && self.plan.asks.beyond {
            self.namespaces.mark_all();
        }
        let first = !std::mem::replace(&mut self.was_complete, true);
        let quiet = renumbered.is_some() || first || self.feed != Feed::Live;
        let recalled = self.same_policies();
        let beyond = recalled.as_deref().map_or_else(|| Quiet::from(quiet), Quiet::Unless);
        let unwatched = first && recalled.is_none();
        let references = self.judge_references((beyond, unwatched), renumbered, now);
        self.roll_up(quiet, (renumbered, edits), now);
        let cluster = self.judge_cluster(beyond, renumbered, now);
        self.snapshot = Arc::new(self.assemble(references, cluster, now));
        self.note_beyond();
        self.tell_first_audits(now);
        self.inventory.sweep();
        self.snapshot.clone()
    }

    /// Judges by the new plan.
    fn replan(&mut self, before: &[Arc<CompiledPolicy>], now: Timestamp) -> Replanned {
        self.objects.judge_again();
        if let Some(edits) = edits::edits(before, &self.plan.policies) {
            // No tick may have told yet of one that ended before the edit.
            self.end_exemptions(now);
            edits.iter().for_each(|edit| self.edit(edit, now));
            self.next_expiry = self.plan.next_expiry(now);
            let numbers = (0..before.len()).map(|policy| u16::try_from(policy).ok()).collect();
            return Replanned { numbers, edits };
        }
        let Self { inventory, namespaces, plan, cores, .. } = self;
        let same = |policy: &Arc<_>| before.iter().position(|other| Arc::ptr_eq(other, policy));
        let unchanged: Vec<Option<usize>> = plan.policies.iter().map(same).collect();
        inventory.pairs.replan(&plan.policies, &unchanged, *cores);
        inventory.replan(namespaces, &plan.policies, plan.asks.pods, &plan.graces, now);
        inventory.references.mark_all();
        namespaces.mark_all();
        self.next_expiry = plan.next_expiry(now);
        let number = |policy: &Arc<CompiledPolicy>| {
            let at = plan
                .policies
                .iter()
                .position(|other| other.name == policy.name && other.uid == policy.uid)?;
            u16::try_from(at).ok()
        };
        Replanned { numbers: before.iter().map(number).collect(), edits: Vec::new() }
    }

    fn roll_up(
        &mut self,
        quiet: bool,
        (renumbered, edits): (Option<&[Option<u16>]>, &[Edit]),
        now: Timestamp,
    ) {
        self.plain.renew(self.objects.facts(), now);
        let rolling = Rolling {
            inventory: &self.inventory,
            plan: &self.plan,
            templates: &self.templates,
            denied: &self.kinds.denied,
            now,
            renumbered,
            edits,
            cluster: self.objects.facts(),
            plain: &self.plain,
        };
        let uids = self.record.is_some().then(|| record::uids(&self.plan.policies));
        let (is_live, uids, cores) = (self.feed == Feed::Live, uids.as_deref(), self.cores);
        let renewal = Renewal { rolling, quiet, is_live, uids, cores };
        let renewed = renewal.renew(self.namespaces.take_dirty());
        self.note_digests(&renewed.digests);
        self.transitions.extend(renewed.transitions);
        self.wanted.extend(renewed.wanted);
        for (id, deadline) in renewed.deadlines {
            self.namespaces.set_deadline(id, deadline);
            self.namespaces.forget_if_over(id);
        }
    }
}
