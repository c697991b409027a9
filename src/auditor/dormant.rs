//! What stays of earlier findings: their since-times, and findings of workloads that have no pod just now.

use jiff::{SignedDuration, Timestamp};

use super::findings::{Finding, State, Subject, WorkloadUse, judge, whole_second};
use super::namespaces::Namespace;
use super::rollup::{Rolled, Rolling};
use super::transitions::WantedOwner;
use crate::policy::compile::CompiledPolicy;
use crate::policy::scope::Membership;
use crate::rules::Check;
use crate::subject::pod::ImageUse;
use crate::verdict::{Note, Verdict};

/// A dormant finding is over after this time.
const DORMANT_AT_MOST: SignedDuration = SignedDuration::from_hours(24);
/// How long after a workload's last pod its existence is looked up first, and how often after that.
const FIRST_LOOK: SignedDuration = SignedDuration::from_secs(60);
const NEXT_LOOKS: SignedDuration = SignedDuration::from_hours(1);

impl Rolling<'_> {
    /// Carries since-times over from what was found before, and keeps findings dormant whose workload has no
    /// pod just now.
    pub(super) fn carry_over(&self, namespace: &Namespace, rolled: &mut Rolled) {
        let (mut dormant, mut due) = (Vec::new(), None);
        let mut new = rolled.findings.iter_mut().peekable();
        for old in namespace.part.findings.iter() {
            let policy = match self.renumbered {
                None => old.policy,
                Some(numbers) => match numbers[usize::from(old.policy)] {
                    Some(policy) => policy,
                    None => continue,
                },
            };
            let key = (old.id, policy);
            while new.next_if(|finding| (finding.id, finding.policy) < key).is_some() {}
            if let Some(finding) = new.next_if(|finding| (finding.id, finding.policy) == key) {
                finding.since = old.since;
            } else if let Some(finding) = self.dormant(namespace, old, policy, &mut due) {
                dormant.push(finding);
            }
        }
        rolled.deadline = rolled.deadline.into_iter().chain(due).min();
        for finding in &dormant {
            self.schedule(finding, rolled, namespace.rolled_at);
        }
        if !dormant.is_empty() {
            rolled.findings.extend(dormant);
            rolled.findings.sort_by_key(|finding| (finding.id, finding.policy));
        }
    }

    /// The finding as a dormant one, if its workload is controlled, has no live pod just now, has had none since that
    /// did not show it, and is not known to be gone, and the policy would still find it. `due` moves to when what permits it changes, if that is sooner.
    fn dormant(
        &self,
        namespace: &Namespace,
        old: &Finding,
        policy: u16,
        due: &mut Option<Timestamp>,
    ) -> Option<Finding> {
        let Subject::Workload(at) = &old.subject else { return None };
        let workload = &at.workload;
        let alive = self.groups(namespace).any(|(group, outline)| {
            !outline.ended && self.inventory.owner_hashes[group.key.owner as usize] == workload.hash
        });
        let gone = namespace.is_gone_owner(workload.hash);
        let shown = namespace.was_shown(old.id, old.policy);
        let alone = matches!(&*workload.kind, "Pod" | "Node");
        if alive
            || gone
            || alone
            || shown == Some(false)
            || namespace.object.is_none()
            || at.judged.shape.is_template
        {
            return None;
        }
        // A pod that came and went since then showed it again.
        let before = old.dormant_since.as_deref().copied().filter(|_| shown.is_none());
        let since = before.unwrap_or_else(|| whole_second(self.now));
        let compiled = &self.plan.policies[usize::from(policy)];
        let rule = compiled.rule(old.rule)?;
        let labels = namespace.labels();
        if self.is_answered(namespace, compiled, at)
            && !matches!(rule.check, Check::Running(_) | Check::Owner(_))
        {
            return None;
        }
        let in_scope = compiled.scope.namespace(&namespace.name, labels) == Membership::In;
        let still = judge(&rule.check, &old.subject, &mut Note::silent()).is_none_or(Verdict::is_finding);
        if !in_scope || !still || self.now.duration_since(since) >= DORMANT_AT_MOST {
            return None;
        }
        let state = if matches!(old.state, State::Exempt(_)) { State::Fail } else { old.state };
        let mut finding =
            Finding { policy, state, pods: 0, dormant_since: Some(Box::new(since)), ..old.clone() };
        let next = self.exempt(compiled, Some(namespace), &mut finding);
        *due = next.into_iter().chain(*due).min();
        Some(finding)
    }

    /// Whether the template of a workload is judged in place of its pods, and answers for this use too. A container
    /// that it does not have may be injected again into the next pod.
    fn is_answered(&self, namespace: &Namespace, policy: &CompiledPolicy, at: &WorkloadUse) -> bool {
        let mut stand_ins = self.stand_ins(namespace).into_iter();
        let stand_in = stand_ins.find(|(group, _)| self.workload_hash(group) == at.workload.hash);
        let Some((group, _)) = stand_in.filter(|_| policy.scope.include_templates) else { return false };
        let shape = &self.inventory.judged(group).shape;
        at.image_use().is_none_or(|image_use| {
            let same = |other: &ImageUse| (other.slot, &other.name) == (image_use.slot, &image_use.name);
            shape.uses.iter().any(same)
        })
    }

    /// When a dormant finding must be looked at again, and whether its owner is to be looked up now.
    fn schedule(&self, finding: &Finding, rolled: &mut Rolled, last: Option<Timestamp>) {
        let (Some(since), Subject::Workload(at)) =
            (finding.dormant_since.as_deref().copied(), &finding.subject)
        else {
            return;
        };
        let after = |step| since.saturating_add(step).unwrap_or(Timestamp::MAX);
        let hours = self.now.duration_since(since).as_hours();
        let next_hour = SignedDuration::from_hours(hours + 1);
        let steps =
            [FIRST_LOOK, NEXT_LOOKS.max(SignedDuration::from_hours(hours)), next_hour, DORMANT_AT_MOST];
        let looked = last.unwrap_or(since);
        if steps.iter().map(|step| after(*step)).any(|step| looked < step && step <= self.now) {
            let wanted = WantedOwner {
                namespace: at.namespace.clone(),
                kind: at.workload.kind.clone(),
                name: at.workload.name.clone(),
                api_version: at.workload.api_version.clone(),
            };
            if !rolled.wanted.contains(&wanted) {
                rolled.wanted.push(wanted);
            }
        }
        let next = steps.into_iter().map(after).filter(|step| *step > self.now).min();
        rolled.deadline = rolled.deadline.into_iter().chain(next).min();
    }
}
