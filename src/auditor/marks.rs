//! Marks: what has been told of each finding of a namespace. Comparing them with what is found now gives the
//! transitions, merged over policies. A violation that is gone is told as resolved only after a hold-down, so
//! that one that flaps is not told at all.
//!
//! Every transition of a finding has a number of its own, one more than the one before, of which the name of its Event is
//! made: another replica that judges the same cluster, or a restarted one that has read the record, counts to the same
//! number whatever its clock says. So that a finding that opens again does not begin anew and meet the names of its
//! earlier Events, the number outlives the finding by [`REMEMBERED`]; after that, and at first, it begins with the day.

use jiff::{SignedDuration, Timestamp};

use super::findings::{Finding, FindingId, State};
use super::transitions::{Transition, TransitionKind};
use crate::policy::compile::CompiledPolicy;

/// How long a violation must be gone before it is told as resolved.
pub(super) const HOLD_DOWN: SignedDuration = SignedDuration::from_secs(15);
/// How long the number of the last transition of a finding that is over is kept: longer than API servers keep Events.
const REMEMBERED: SignedDuration = SignedDuration::from_hours(24);
/// Of so many findings that are over at most; of more, those that were over first are forgotten.
const OVER_MOST: usize = 256;
/// So many numbers belong to each day.
const NUMBERS_A_DAY: i64 = 1 << 16;

/// What has been told of one finding that is not over.
#[derive(Debug)]
pub(super) struct Mark {
    pub(super) id: FindingId,
    /// Gone since a moment ago: this is what will be told, unless it comes back.
    pub(super) closing: Option<Box<Transition>>,
    /// The number of its last transition.
    pub(super) sequence: u32,
    /// Exempt; else it was told as open.
    pub(super) exempt: bool,
}

/// The number of the last transition of a finding that is over, until when it is kept (in seconds).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Over {
    pub(super) id: FindingId,
    pub(super) sequence: u32,
    pub(super) until: i64,
}

/// The marks of one namespace, or of all references.
#[derive(Debug, Default)]
pub(super) struct Marks {
    /// Sorted by id, like all below.
    marks: Vec<Mark>,
    over: Vec<Over>,
}

/// What is told.
#[derive(Clone, Copy, Debug)]
pub(super) enum Quiet<'a> {
    /// Everything.
    No,
    /// Nothing: a first audit, or a change of the plan.
    All,
    /// What is so under a policy that says the same as when the record was written, by the policy's index.
    Unless(&'a [bool]),
}

impl Quiet<'_> {
    fn tells(self, finding: &Finding) -> bool {
        match self {
            Self::No => true,
            Self::All => false,
            Self::Unless(same) => same.get(usize::from(finding.policy)).copied().unwrap_or(false),
        }
    }
}

impl From<bool> for Quiet<'_> {
    fn from(quiet: bool) -> Self {
        if quiet { Self::All } else { Self::No }
    }
}

/// What an update is made under.
pub(super) struct Telling<'a> {
    /// The instant.
    pub(super) now: Timestamp,
    /// What is not told.
    pub(super) quiet: Quiet<'a>,
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
        (kind, sequence): (TransitionKind, u32),
        findings: &[Finding],
        among: impl Fn(&Finding) -> bool,
    ) -> Option<Transition> {
        let among = |finding: &&Finding| among(finding) && self.quiet.tells(finding);
        let first = findings.iter().find(among)?;
        let told = findings.iter().filter(among);
        let policies: Vec<_> = told.map(|finding| &self.policies[usize::from(finding.policy)]).collect();
        let severity =
            policies.iter().filter_map(|policy| policy.rule(first.rule)).map(|rule| rule.severity).max();
        Some(Transition {
            kind,
            id: first.id,
            sequence,
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
    fn tell(&mut self, kind: (TransitionKind, u32), findings: &[Finding], among: impl Fn(&Finding) -> bool) {
        let transition = self.transition(kind, findings, among);
        self.transitions.extend(transition);
    }

    /// The number of a finding's first transition. A day that ends just now may make two replicas differ, once.
    fn first_number(&self) -> u32 {
        let day = self.now.as_second().max(0) / 86_400;
        u32::try_from(day.saturating_mul(NUMBERS_A_DAY)).unwrap_or(u32::MAX)
    }
}

fn is_fail(finding: &Finding) -> bool {
    finding.state == State::Fail
}

impl Marks {
    /// Those that an earlier run, or another replica, has left.
    pub(super) fn recalled(mut marks: Vec<Mark>, mut over: Vec<Over>) -> Self {
        marks.sort_by_key(|mark| mark.id);
        marks.dedup_by_key(|mark| mark.id);
        over.sort_by_key(|over| over.id);
        over.dedup_by_key(|over| over.id);
        Self { marks, over }
    }

    /// Whether nothing was told that is not over.
    pub(super) fn is_empty(&self) -> bool {
        self.marks.is_empty()
    }

    /// Every finding that is not over and was told, by id.
    pub(super) fn all(&self) -> &[Mark] {
        &self.marks
    }

    /// The numbers of findings that are over, by id.
    pub(super) fn over(&self) -> &[Over] {
        &self.over
    }

    /// Compares with what is found now. Both lists are sorted by id; `before` numbers the same policies,
    /// unless the update is quiet. Returns when it must be called again at the latest.
    pub(super) fn update(
        &mut self,
        before: &[Finding],
        findings: &mut [Finding],
        telling: &mut Telling<'_>,
    ) -> Option<Timestamp> {
        let mut old = std::mem::take(&mut self.marks).into_iter().peekable();
        let now = telling.now.as_second();
        self.over.retain(|over| over.until > now);
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
        self.marks.shrink_to_fit();
        deadline
    }

    fn found(&mut self, mark: Option<Mark>, findings: &mut [Finding], telling: &mut Telling<'_>) {
        let id = findings[0].id;
        let Some(worst) = worst(findings) else { return };
        let Some(Mark { closing, sequence, exempt, .. }) = mark else {
            if worst != State::Unknown {
                let sequence = self.dig_up(id).unwrap_or_else(|| telling.first_number());
                let exempt = worst != State::Fail;
                if !exempt {
                    telling.tell((TransitionKind::Opened, sequence), findings, is_fail);
                }
                self.marks.push(Mark { id, closing: None, sequence, exempt });
            }
            return;
        };
        let next = sequence.saturating_add(1);
        let (sequence, exempt) = match (exempt, worst) {
            (true, State::Fail) => {
                telling.tell((TransitionKind::Opened, next), findings, is_fail);
                (next, false)
            }
            (false, State::Exempt(_)) => {
                telling.tell((TransitionKind::Exempted, next), findings, |_| true);
                (next, true)
            }
            (exempt, _) => (sequence, exempt),
        };
        if let Some(closing) = closing.filter(|_| !exempt) {
            findings.iter_mut().for_each(|finding| finding.since = finding.since.min(closing.since));
        }
        self.marks.push(Mark { id, closing: None, sequence, exempt });
    }

    fn gone(
        &mut self,
        mark: Mark,
        before: &[Finding],
        telling: &mut Telling<'_>,
        deadline: &mut Option<Timestamp>,
    ) {
        let Mark { id, closing, sequence, exempt } = mark;
        // What was closing was over before anything was quiet, so it is told all the same.
        let closing = closing.or_else(|| {
            let start = before.partition_point(|finding| finding.id < id);
            let same = before[start..].iter().take_while(|finding| finding.id == id).count();
            let was = &before[start..start + same];
            let among = |finding: &Finding| is_fail(finding) || was.iter().all(|finding| !is_fail(finding));
            if exempt || matches!(telling.quiet, Quiet::All) {
                return None;
            }
            let kind = (TransitionKind::Resolved, sequence.saturating_add(1));
            telling.transition(kind, was, among).map(Box::new)
        });
        let Some(closing) = closing else { return self.bury(id, sequence, telling.now) };
        let end = closing.at.saturating_add(HOLD_DOWN).unwrap_or(Timestamp::MAX);
        if telling.now >= end {
            self.bury(id, closing.sequence, telling.now);
            telling.transitions.push(Transition { at: telling.now, ..*closing });
            return;
        }
        *deadline = Some(deadline.map_or(end, |other: Timestamp| other.min(end)));
        self.marks.push(Mark { id, closing: Some(closing), sequence, exempt });
    }

    /// Keeps the number of a finding that is over.
    fn bury(&mut self, id: FindingId, sequence: u32, now: Timestamp) {
        if self.over.len() >= OVER_MOST
            && let Some(at) = (0..self.over.len()).min_by_key(|at| self.over[*at].until)
        {
            self.over.remove(at);
        }
        let until = now.as_second().saturating_add(REMEMBERED.as_secs());
        let over = Over { id, sequence, until };
        match self.over.binary_search_by_key(&id, |over| over.id) {
            Ok(at) => self.over[at] = over,
            Err(at) => self.over.insert(at, over),
        }
    }

    /// The next number of a finding that was over and is there again.
    fn dig_up(&mut self, id: FindingId) -> Option<u32> {
        let at = self.over.binary_search_by_key(&id, |over| over.id).ok()?;
        Some(self.over.remove(at).sequence.saturating_add(1))
    }
}
