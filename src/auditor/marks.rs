//! Marks: what has been told of each finding of a namespace. Comparing them with what is found now gives the
//! transitions, merged over policies. A violation that is gone is told as resolved only after a hold-down, so
//! that one that flaps is not told at all.

use jiff::{SignedDuration, Timestamp};

use super::findings::{Finding, FindingId, State};
use super::transitions::{Transition, TransitionKind};
use crate::policy::compile::CompiledPolicy;

/// How long a violation must be gone before it is told as resolved.
pub(super) const HOLD_DOWN: SignedDuration = SignedDuration::from_secs(15);

/// What a finding is that was not just told as open. Apart, since there are many marks and nearly all are open.
#[derive(Debug)]
enum Phase {
    /// Exempt.
    Exempt,
    /// Gone since a moment ago: this is what will be told, unless it comes back.
    Closing(Transition),
}

#[derive(Debug)]
struct Mark {
    id: FindingId,
    /// None: told as open.
    phase: Option<Box<Phase>>,
}

impl Mark {
    fn open(id: FindingId) -> Self {
        Self { id, phase: None }
    }

    fn exempt(id: FindingId) -> Self {
        Self { id, phase: Some(Box::new(Phase::Exempt)) }
    }
}

/// The marks of one namespace, or of all references.
#[derive(Debug, Default)]
pub(super) struct Marks(Vec<Mark>);

/// What an update is made under.
pub(super) struct Telling<'a> {
    /// The instant.
    pub(super) now: Timestamp,
    /// Nothing is told: a first audit, or a change of the plan.
    pub(super) quiet: bool,
    /// The policies that findings number.
    pub(super) policies: &'a [std::sync::Arc<CompiledPolicy>],
    /// Where transitions go.
    pub(super) transitions: &'a mut Vec<Transition>,
}

/// The worst that any policy says of one finding id.
fn worst(findings: &[Finding]) -> Option<State> {
    if findings.iter().any(|finding| finding.state == State::Fail) {
        return Some(State::Fail);
    }
    findings.iter().map(|finding| finding.state).min()
}

impl Telling<'_> {
    fn transition(
        &self,
        kind: TransitionKind,
        findings: &[Finding],
        among: impl Fn(&Finding) -> bool,
    ) -> Option<Transition> {
        let first = findings.iter().find(|finding| among(finding))?;
        let told = findings.iter().filter(|finding| among(finding));
        let policies: Vec<_> = told.map(|finding| &self.policies[usize::from(finding.policy)]).collect();
        let severity =
            policies.iter().filter_map(|policy| policy.rule(first.rule)).map(|rule| rule.severity).max();
        Some(Transition {
            kind,
            id: first.id,
            rule: first.rule,
            severity: severity.unwrap_or(first.rule.info().severity),
            message: first.explain(&self.policies[usize::from(first.policy)]),
            policies: policies.iter().map(|policy| (policy.name.clone(), policy.uid.clone())).collect(),
            subject: first.subject.clone(),
            reason: first.reason,
            since: first.since,
            at: self.now,
        })
    }

    /// Tells what happened to the findings that `among` names; when quiet, does not even put it into words.
    fn tell(&mut self, kind: TransitionKind, findings: &[Finding], among: impl Fn(&Finding) -> bool) {
        if !self.quiet {
            let transition = self.transition(kind, findings, among);
            self.transitions.extend(transition);
        }
    }
}

fn is_fail(finding: &Finding) -> bool {
    finding.state == State::Fail
}

impl Marks {
    /// Whether nothing was told that is not over.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Compares with what is found now. Both lists are sorted by id; `before` numbers the same policies,
    /// unless the update is quiet. Returns when it must be called again at the latest.
    pub(super) fn update(
        &mut self,
        before: &[Finding],
        findings: &mut [Finding],
        telling: &mut Telling<'_>,
    ) -> Option<Timestamp> {
        let mut old = std::mem::take(&mut self.0).into_iter().peekable();
        let mut deadline = None;
        let mut at = 0;
        while at < findings.len() {
            let id = findings[at].id;
            let end = at + findings[at..].iter().take_while(|finding| finding.id == id).count();
            while let Some(mark) = old.next_if(|mark| mark.id < id) {
                self.gone(mark, before, telling, &mut deadline);
            }
            let mark = old.next_if(|mark| mark.id == id);
            self.found(mark, &mut findings[at..end], telling);
            at = end;
        }
        for mark in old {
            self.gone(mark, before, telling, &mut deadline);
        }
        self.0.shrink_to_fit();
        deadline
    }

    fn found(&mut self, mark: Option<Mark>, findings: &mut [Finding], telling: &mut Telling<'_>) {
        let id = findings[0].id;
        let Some(worst) = worst(findings) else { return };
        let phase = mark.map(|mark| mark.phase.map(|phase| *phase));
        self.0.push(match (phase, worst) {
            (None | Some(Some(Phase::Exempt)), State::Fail) => {
                telling.tell(TransitionKind::Opened, findings, is_fail);
                Mark::open(id)
            }
            (Some(Some(Phase::Closing(closing))), State::Fail | State::Unknown) => {
                findings.iter_mut().for_each(|finding| finding.since = finding.since.min(closing.since));
                Mark::open(id)
            }
            (Some(None), State::Fail | State::Unknown) => Mark::open(id),
            (Some(None | Some(Phase::Closing(_))), State::Exempt(_)) => {
                telling.tell(TransitionKind::Exempted, findings, |_| true);
                Mark::exempt(id)
            }
            (None | Some(Some(Phase::Exempt)), State::Exempt(_))
            | (Some(Some(Phase::Exempt)), State::Unknown) => Mark::exempt(id),
            (None, State::Unknown) => return,
        });
    }

    fn gone(
        &mut self,
        mark: Mark,
        before: &[Finding],
        telling: &mut Telling<'_>,
        deadline: &mut Option<Timestamp>,
    ) {
        let closing = match mark.phase.map(|phase| *phase) {
            Some(Phase::Exempt) => return,
            // It was over before anything was quiet, so it is told all the same.
            Some(Phase::Closing(closing)) => closing,
            None if telling.quiet => return,
            None => {
                let start = before.partition_point(|finding| finding.id < mark.id);
                let same = before[start..].iter().take_while(|finding| finding.id == mark.id).count();
                let was = &before[start..start + same];
                let among =
                    |finding: &Finding| is_fail(finding) || was.iter().all(|finding| !is_fail(finding));
                match telling.transition(TransitionKind::Resolved, was, among) {
                    Some(transition) => transition,
                    None => return,
                }
            }
        };
        let end = closing.at.saturating_add(HOLD_DOWN).unwrap_or(Timestamp::MAX);
        if telling.now >= end {
            telling.transitions.push(Transition { at: telling.now, ..closing });
            return;
        }
        *deadline = Some(deadline.map_or(end, |other: Timestamp| other.min(end)));
        self.0.push(Mark { id: mark.id, phase: Some(Box::new(Phase::Closing(closing))) });
    }
}
