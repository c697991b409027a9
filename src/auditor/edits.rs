//! Edits of policies: what a policy says otherwise than before, so that only that is judged again, and only
//! namespaces whose verdicts moved are rolled up. Whatever changes more than rules, exemptions and the namespaces in
//! scope (a policy came or went, another pod selector, other graces, another delegation) is not an edit in this sense, and everything is
//! judged anew.

use std::sync::Arc;

use jiff::Timestamp;

use super::Auditor;
use super::cores::shared_out;
use super::findings::{Finding, State, name_id};
use super::namespaces::{Dirty, Namespace};
use super::pairs::Outline;
use super::plan::{asks, graces};
use super::requests::Answer;
use super::rollup::{Rolled, Rolling, Space, bit};
use crate::policy::compile::CompiledPolicy;
use crate::policy::exemption::Cover;
use crate::policy::scope::Membership;
use crate::rules::{PreparedRule, RuleId, SubjectKind};
use crate::verdict::{Note, Verdict};

/// From how many namespaces on a thread is worth its start.
const MANY: usize = 1_000;

/// An edit of one policy.
#[derive(Debug)]
pub(super) struct Edit {
    /// Its index, before and now.
    pub(super) policy: usize,
    /// What it said.
    pub(super) before: Arc<CompiledPolicy>,
    /// What it says.
    pub(super) now: Arc<CompiledPolicy>,
    /// The rules that are set otherwise, or are set only in one of the two.
    pub(super) rules: Vec<RuleId>,
    /// Some rule is set only in one of the two.
    pub(super) adds_or_removes: bool,
    exemptions: bool,
    scope: bool,
}

/// What a change of the plan means.
#[derive(Debug)]
pub(super) struct Replanned {
    /// The new number of each policy of the old plan.
    pub(super) numbers: Vec<Option<u16>>,
    /// The edits that lead from one to the other; none where there is more to it.
    pub(super) edits: Vec<Edit>,
}

/// What follows for a namespace.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Effect {
    /// Nothing.
    None,
    /// The findings are the same, but their words or severities may not be.
    TellAgain,
    /// What the rules say that are set otherwise.
    Edited,
    /// It must be rolled up as a whole.
    RollUp,
}

/// The edits that lead from one list of policies to the other; none when they differ in more than that.
pub(super) fn edits(before: &[Arc<CompiledPolicy>], now: &[Arc<CompiledPolicy>]) -> Option<Vec<Edit>> {
    if before.len() != now.len() || graces(before) != graces(now) || asks(before).pods != asks(now).pods {
        return None;
    }
    let changed = before.iter().zip(now).enumerate().filter(|(_, (before, now))| !Arc::ptr_eq(before, now));
    changed.map(|(policy, (before, now))| edit(policy, before, now)).collect()
}

fn edit(policy: usize, before: &Arc<CompiledPolicy>, now: &Arc<CompiledPolicy>) -> Option<Edit> {
    if (&before.name, &before.uid) != (&now.name, &now.uid)
        || !before.scope.covers_pods_as(&now.scope)
        || before.delegation != now.delegation
    {
        return None;
    }
    let alike = |left: &PreparedRule, right: &PreparedRule| {
        left.severity == right.severity && left.settings == right.settings
    };
    let (mut rules, mut adds_or_removes) = (Vec::new(), false);
    for rule in RuleId::all() {
        match (before.rule(rule), now.rule(rule)) {
            (None, None) => {}
            (Some(left), Some(right)) if alike(left, right) => {}
            (left, right) => {
                adds_or_removes |= left.is_none() || right.is_none();
                rules.push(rule);
            }
        }
    }
    Some(Edit {
        policy,
        rules,
        adds_or_removes,
        exemptions: before.exemptions != now.exemptions,
        scope: before.scope != now.scope,
        before: before.clone(),
        now: now.clone(),
    })
}

impl Edit {
    fn concerns(&self, kind: SubjectKind) -> bool {
        self.rules.iter().any(|rule| rule.entry().subject == kind)
    }

    fn index(&self) -> u16 {
        u16::try_from(self.policy).unwrap_or(u16::MAX)
    }

    /// What it means for a namespace, where it is not to be rolled up anyway.
    fn effect_unless_known(&self, namespace: &Namespace, rolling: &Rolling<'_>) -> Effect {
        match namespace.dirty {
            Dirty::Whole => Effect::None,
            // Whether rolling up the edited rules is enough is found out there.
            Dirty::Edited if !self.exemptions && !self.scope => Effect::None,
            Dirty::Edited | Dirty::No => self.effect(namespace, rolling),
        }
    }

    /// What it means for a namespace. One in which verdicts on image uses moved is judged again by these rules anyway.
    fn effect(&self, namespace: &Namespace, rolling: &Rolling<'_>) -> Effect {
        if self.scope {
            let labels = namespace.labels();
            let covers = |policy: &CompiledPolicy| policy.scope.namespace(&namespace.name, labels);
            if covers(&self.before) != covers(&self.now) {
                return Effect::RollUp;
            }
        }
        if self.rules.iter().any(|rule| rule.compares_owners()) {
            // What pods are compared with is not remembered.
            return Effect::RollUp;
        }
        let counts = namespace.part.counts.iter().filter(|count| count.policy == self.index());
        let mut effect = Effect::None;
        for count in counts.filter(|count| self.rules.contains(&count.rule)) {
            // Whether a dormant finding would still be found is asked when it is rolled up.
            effect = effect.max(match count.count == count.live {
                true => Effect::TellAgain,
                false => Effect::RollUp,
            });
        }
        if self.exemptions {
            effect = effect.max(self.effect_of_exemptions(namespace, rolling));
        }
        if effect < Effect::Edited
            && namespace.dirty == Dirty::No
            && (self.adds_or_removes || self.concerns(SubjectKind::Namespace))
        {
            effect = effect.max(self.effect_on_namespace(namespace, rolling));
        }
        effect
    }

    fn effect_of_exemptions(&self, namespace: &Namespace, rolling: &Rolling<'_>) -> Effect {
        let own = namespace.part.findings.iter().filter(|finding| finding.policy == self.index());
        let effect = own.map(|finding| {
            let was = match finding.state {
                State::Exempt(index) => Some(index),
                State::Fail | State::Unknown => None,
            };
            let is = rolling.own_exemption(&self.now, finding.rule, &finding.subject);
            // Why one does not permit it is part of the finding.
            let told = finding.asked.as_deref().is_some_and(|asked| asked.answer == Answer::NotConfirmed);
            match (was, is) {
                (None, None) if !told => Effect::None,
                (Some(was), Some((is, Cover::Covered))) if was == is => Effect::TellAgain,
                _ => Effect::RollUp,
            }
        });
        effect.max().unwrap_or(Effect::None)
    }

    /// Whether a rule judges namespaces that its policy's scope leaves out.
    fn judges_outside(&self, rule: RuleId) -> bool {
        let both = [&self.before, &self.now].into_iter().filter_map(|policy| policy.rule(rule));
        both.into_iter().any(|rule| rule.asks().any_scope)
    }

    fn effect_on_namespace(&self, namespace: &Namespace, rolling: &Rolling<'_>) -> Effect {
        let labels = namespace.labels();
        let membership = self.now.scope.namespace(&namespace.name, labels);
        if membership == Membership::Undecided && self.adds_or_removes {
            return Effect::RollUp;
        }
        let out = membership == Membership::Out;
        let about = self.rules.iter().filter(|rule| rule.entry().subject == SubjectKind::Namespace);
        let mut about = about.filter(|rule| !out || self.judges_outside(**rule)).peekable();
        if about.peek().is_none() {
            return Effect::None;
        }
        let facts = rolling.unchanged_facts(namespace);
        let effect = about.map(|&rule| {
            let key = (name_id(rule, namespace.hash), self.index());
            let findings = &namespace.part.findings;
            let was = findings.binary_search_by_key(&key, |finding| (finding.id, finding.policy));
            let was = was.ok().map(|at| (findings[at].state, findings[at].reason));
            let now = self.now.rule(rule);
            if now.is_some_and(|rule| rolling.due(rule, &facts).is_some()) {
                // It must be rolled up for the time to be kept.
                return Effect::RollUp;
            }
            let now = now.and_then(|rule| rolling.namespace_verdict(rule, &facts, &mut Note::silent()));
            match (was, now) {
                (None, None | Some(Verdict::Pass | Verdict::NotApplicable(_))) => Effect::None,
                (Some((State::Fail, was)), Some(Verdict::Fail(now))) if was == now => Effect::TellAgain,
                (Some((State::Unknown, was)), Some(Verdict::Unknown(now))) if was == now => Effect::TellAgain,
                _ => Effect::Edited,
            }
        });
        effect.max().unwrap_or(Effect::None)
    }
}

impl Rolling<'_> {
    /// Rolls up a namespace of which nothing has changed but what the edited rules say: the findings of all others stay
    /// as they are. None where that is not all there is to it.
    pub(super) fn roll_edited(&self, namespace: &Namespace, space: &mut Space) -> Option<Rolled> {
        let part = &namespace.part;
        // Whether a dormant finding stays, and what a request permits, is found out with all the others.
        let dormant = part.counts.iter().any(|count| count.count != count.live);
        if dormant || !namespace.requests.is_empty() || !part.requests.is_empty() || namespace.is_gone() {
            return None;
        }
        let is_edited = |finding: &Finding| {
            let mut edits = self.edits.iter().filter(|edit| edit.index() == finding.policy);
            edits.any(|edit| edit.rules.contains(&finding.rule))
        };
        let (mut findings, mut deadline) = (Vec::with_capacity(part.findings.len() + 4), namespace.deadline);
        findings.extend(part.findings.iter().filter(|finding| !is_edited(finding)).cloned());
        let (facts, labels) = (self.unchanged_facts(namespace), namespace.labels());
        for edit in self.edits {
            let policy = &*self.plan.policies[edit.policy];
            let membership = policy.scope.namespace(&namespace.name, labels);
            let out = membership == Membership::Out;
            let of_pods = edit.rules.iter().fold(0, |rules, rule| rules | bit(*rule));
            if membership == Membership::Undecided || edit.rules.iter().any(|rule| rule.compares_owners()) {
                return None;
            }
            let asked =
                |rule: &PreparedRule| edit.rules.contains(&rule.id) && (!out || rule.asks().any_scope);
            let due =
                self.namespace_findings(namespace, &facts, (edit.index(), policy), asked, &mut findings);
            deadline = deadline.into_iter().chain(due).min();
            if !out && of_pods != 0 {
                let found = |outline: &Outline| outline.malformed || outline.found_by(edit.policy);
                let members = self.members(namespace, found, false);
                space.raw.clear();
                let of = (edit.index(), policy, membership);
                self.collect(namespace, &members, of, of_pods, &mut space.raw);
                let due = self.merge(namespace, &members, &mut space.raw, &mut findings);
                deadline = deadline.into_iter().chain(due).min();
            }
        }
        let key = |finding: &Finding| (finding.id, finding.policy);
        findings.sort_by_key(key);
        for finding in findings.iter_mut().filter(|finding| is_edited(finding)) {
            if let Ok(at) = part.findings.binary_search_by_key(&key(finding), key) {
                finding.since = part.findings[at].since;
            }
        }
        Some(Rolled {
            findings,
            pods: part.pods,
            live_pods: part.live_pods,
            parts: part.parts,
            deadline,
            wanted: Vec::new(),
            requests: part.requests.clone(),
        })
    }
}

impl Auditor {
    /// Judges again what an edit of a policy sets otherwise.
    pub(super) fn edit(&mut self, edit: &Edit, now: Timestamp) {
        let moved = self.inventory.pairs.edit(edit, self.cores);
        if moved.contains(&true) {
            // There are many groups to a namespace, side by side, and the namespaces lie here and there.
            let mut there = vec![false; self.namespaces.slots()];
            let groups = self.inventory.groups.all().filter(|group| moved[group.key.pair as usize]);
            groups.for_each(|group| there[group.key.namespace as usize] = true);
            let there = there.into_iter().zip(0..).filter(|(there, _)| *there);
            there.for_each(|(_, id)| self.namespaces.mark_edited(id));
        }
        if edit.exemptions || edit.scope || edit.concerns(SubjectKind::Reference) {
            self.inventory.references.mark_all();
        }
        if self.plan.asks.any_scope && (edit.scope || edit.adds_or_removes) {
            // Which namespaces a policy reaches, and whether it judges anything there, is asked for by others too.
            self.namespaces.mark_all();
            return;
        }
        let mut ids = self.namespaces.ids();
        let threads = self.cores.get().min(ids.len() / MANY);
        let (namespaces, rolling) = (&self.namespaces, self.rolling(now));
        let effects = shared_out(&mut ids, threads, |ids| {
            let effects = ids.iter().map(|&id| (id, edit.effect_unless_known(namespaces.get(id), &rolling)));
            effects.filter(|(_, effect)| *effect != Effect::None).collect::<Vec<_>>()
        });
        for (id, effect) in effects.into_iter().flatten() {
            match effect {
                Effect::None => {}
                Effect::TellAgain => self.namespaces.tell_again(id),
                Effect::Edited => self.namespaces.mark_edited(id),
                Effect::RollUp => self.namespaces.mark(id),
            }
        }
    }
}
