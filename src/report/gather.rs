//! From verdicts, told one by one, to the report of `revisor audit`.

use std::borrow::Cow;
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::panic::resume_unwind;
use std::sync::Arc;
use std::thread;

use jiff::Timestamp;

use crate::auditor::audit::{Judgement, Wanted};
use crate::auditor::findings::FindingId;
use crate::auditor::snapshot::Seen;
use crate::policy::compile::CompiledPolicy;

use super::result::{AppliedPolicy, AuditReport, AuditResult, Place, Shown, Summary, Tool};

/// Which rows are listed, the fewest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Listed {
    /// `fail` and `unknown`.
    Findings,
    /// `exempt` too.
    Permitted,
    /// Every verdict.
    All,
}

impl Listed {
    /// The verdicts to ask for.
    pub fn wanted(self) -> Wanted {
        if self == Self::All { Wanted::All } else { Wanted::Findings }
    }

    fn lists(self, verdict: Shown) -> bool {
        match self {
            Self::Findings => verdict.is_finding(),
            Self::Permitted => verdict.is_finding() || verdict == Shown::Exempt,
            Self::All => true,
        }
    }
}

impl AuditReport {
    /// The report with fewer rows: one audit serves outputs that list more and outputs that list less.
    pub fn listing(&self, listed: Listed) -> Cow<'_, Self> {
        let counts_all = listed == Listed::All || self.summary.pass.is_none();
        if counts_all && self.results.iter().all(|row| listed.lists(row.verdict)) {
            return Cow::Borrowed(self);
        }
        let mut summary = self.summary;
        if listed != Listed::All {
            (summary.pass, summary.na) = (None, None);
        }
        Cow::Owned(Self {
            version: self.version,
            tool: self.tool,
            observed_at: self.observed_at,
            policies: self.policies.clone(),
            summary,
            results: self.results.iter().filter(|row| listed.lists(row.verdict)).cloned().collect(),
            begins: self.begins.clone(),
        })
    }
}

/// The rows of a report in the making: one a policy, rule and subject. A subject that stands in the input
/// several times (the pods of a Deployment) is shown once, with the worst of its verdicts.
#[derive(Debug)]
pub struct Gathering {
    listed: Listed,
    // A row is large: in a box it does not move when the table grows and when rows are sorted.
    rows: HashMap<(FindingId, Arc<str>), Box<AuditResult>>,
}

impl Gathering {
    /// No rows.
    pub fn new(listed: Listed) -> Self {
        Self { listed, rows: HashMap::new() }
    }

    /// Takes in a verdict, in any order.
    pub fn tell(&mut self, judgement: &Judgement<'_>) {
        let shown = Shown::of(judgement);
        if self.listed != Listed::All && matches!(shown, Shown::Pass | Shown::Na) {
            return;
        }
        match self.rows.entry((judgement.id, judgement.policy.name.clone())) {
            Entry::Vacant(place) => {
                place.insert(Box::new(judgement.into()));
            }
            Entry::Occupied(mut known) => {
                let row = &mut **known.get_mut();
                match shown.cmp(&row.verdict) {
                    std::cmp::Ordering::Less => *row = judgement.into(),
                    std::cmp::Ordering::Equal => agree(row, judgement),
                    std::cmp::Ordering::Greater => {}
                }
            }
        }
    }

    /// The report.
    pub fn report(
        self,
        observed_at: Timestamp,
        policies: &[Arc<CompiledPolicy>],
        seen: &Seen,
    ) -> AuditReport {
        Self::report_of(vec![self], observed_at, policies, seen)
    }

    /// The report of rows that were gathered apart, each subject's in one place.
    pub fn report_of(
        gathered: Vec<Self>,
        observed_at: Timestamp,
        policies: &[Arc<CompiledPolicy>],
        seen: &Seen,
    ) -> AuditReport {
        let listed = gathered.iter().map(|gathering| gathering.listed).max().unwrap_or(Listed::Findings);
        let rows = in_order(gathered);
        let mut summary = Summary {
            namespaces: seen.namespaces,
            image_uses: seen.parts.image_uses,
            images: seen.images,
            malformed: seen.malformed,
            unsupported: seen.unsupported,
            ..Summary::default()
        };
        let (mut pass, mut na) = (0, 0);
        for row in &rows {
            match row.verdict {
                Shown::Fail => {
                    summary.fail += 1;
                    summary.fail_by_severity.count(row.severity);
                }
                Shown::Unknown => summary.unknown += 1,
                Shown::Exempt => summary.exempt += 1,
                Shown::Pass => pass += 1,
                Shown::Na => na += 1,
            }
        }
        if listed == Listed::All {
            (summary.pass, summary.na) = (Some(pass), Some(na));
        }
        let results = rows.into_iter().filter(|row| listed.lists(row.verdict)).map(|row| *row).collect();
        AuditReport {
            version: "v1",
            tool: Tool { version: env!("CARGO_PKG_VERSION") },
            observed_at,
            policies: policies.iter().map(|policy| AppliedPolicy::from(&**policy)).collect(),
            summary,
            results,
            begins: None,
        }
    }
}

/// All rows in the fixed order. No two are equal in policy and id, so the order is one whatever the tables' is.
#[expect(clippy::vec_box, reason = "a row is large, and in a box it does not move while rows are sorted")]
fn in_order(gathered: Vec<Gathering>) -> Vec<Box<AuditResult>> {
    let sorted = |gathering: Gathering| {
        let mut rows: Vec<_> = gathering.rows.into_values().collect();
        rows.sort_unstable_by(|left, right| key(left).cmp(&key(right)));
        rows
    };
    let mut gathered = gathered.into_iter();
    let Some(first) = gathered.next() else { return Vec::new() };
    thread::scope(|scope| {
        let others: Vec<_> = gathered.map(|gathering| scope.spawn(|| sorted(gathering))).collect();
        let mut rows = sorted(first);
        if others.is_empty() {
            return rows;
        }
        for other in others {
            rows.extend(other.join().unwrap_or_else(|panic| resume_unwind(panic)));
        }
        // A sort that finds what is sorted already.
        rows.sort_by(|left, right| key(left).cmp(&key(right)));
        rows
    })
}

/// Another object says the same of the subject: it is counted, and of two sentences or places the lesser is
/// shown, so that the order of the input does not matter.
fn agree(row: &mut AuditResult, judgement: &Judgement<'_>) {
    let pods = row.pods.unwrap_or(0) + judgement.pods;
    let is_static = row.is_static || judgement.subject.is_static();
    let source = match (row.source.take(), judgement.source.map(Place::from)) {
        (Some(known), Some(other)) => Some(known.min(other)),
        (known, other) => known.or(other),
    };
    let other = (judgement.verdict.reason(), judgement.message);
    if other < (row.reason, row.message.as_deref().unwrap_or_default()) {
        *row = judgement.into();
    }
    row.pods = Some(pods).filter(|pods| *pods > 0);
    row.source = source;
    row.is_static = is_static;
}

/// The fixed order of rows.
fn key(row: &AuditResult) -> impl Ord + '_ {
    let place = (&row.namespace, &row.subject, row.slot, &row.container, &row.image);
    (place, row.rule, &row.policy, row.verdict, &row.id)
}

#[cfg(test)]
mod tests {
    use super::super::testing::{World, gather, image_subject, namespace_subject, report};
    use super::*;
    use crate::auditor::findings::{State, Subject};
    use crate::verdict::{Severity, Verdict};

    fn judged(world: World, change: impl Fn(usize, &mut Judgement<'_>), listed: Listed) -> AuditReport {
        report(&world.snapshot(), listed, change)
    }

    fn web() -> Subject {
        image_subject("team-a", "Deployment/web", "app", "evil.test/x:1")
    }

    #[test]
    fn rows_stand_in_a_fixed_order_whatever_order_they_came_in() {
        let subjects = [
            namespace_subject("team-b"),
            image_subject("team-b", "Deployment/web", "b", "evil.test/x:1"),
            image_subject("team-b", "Deployment/web", "a", "evil.test/x:1"),
            image_subject("team-a", "Pod/web", "a", "evil.test/x:1"),
        ];
        let order = |subjects: &mut dyn Iterator<Item = &Subject>| {
            let world = subjects.fold(World::baseline(), |world, it| world.on(0, it.clone(), State::Fail));
            let row = |row: AuditResult| (row.namespace, row.subject.name, row.container);
            judged(world, |_, _| {}, Listed::Findings).results.into_iter().map(row).collect::<Vec<_>>()
        };
        let sorted = order(&mut subjects.iter());
        assert_eq!(sorted, order(&mut subjects.iter().rev()));
        assert_eq!(sorted[0].0.as_deref(), Some("team-a"));
        assert_eq!(sorted[1].2.as_deref(), Some("a"));
    }

    #[test]
    fn pods_of_one_workload_are_one_row_with_the_worst_verdict_and_the_first_place() {
        let world = || (0..4).fold(World::baseline(), |world, _| world.on(0, web(), State::Fail));
        let differ = |index: usize, judgement: &mut Judgement<'_>| {
            judgement.pods = 1;
            (judgement.verdict, judgement.message) = [
                (Verdict::Pass, ""),
                (Verdict::Fail("NotAllowed"), "b"),
                (Verdict::Fail("NotAllowed"), "a"),
                (Verdict::Unknown("Malformed"), "c"),
            ][index];
        };
        for reversed in [false, true] {
            let order = |index| if reversed { 3 - index } else { index };
            let report = judged(world(), |index, it| differ(order(index), it), Listed::All);
            let [row] = &*report.results else { panic!("{report:?}") };
            assert_eq!((row.verdict, row.pods, row.message.as_deref()), (Shown::Fail, Some(2), Some("a")));
            assert_eq!((report.summary.fail, report.summary.pass), (1, Some(0)));
        }
    }

    #[test]
    fn rows_that_were_gathered_apart_make_the_same_report() {
        let subjects: Vec<_> = (0..40)
            .map(|at| {
                image_subject(&format!("team-{}", at % 4), &format!("Pod/p{at}"), "app", "evil.test/x:1")
            })
            .collect();
        let all = subjects.iter().fold(World::baseline(), |world, it| world.on(0, it.clone(), State::Fail));
        let together = judged(all, |_, _| {}, Listed::All);
        let apart = |share: usize| {
            let mine = subjects.iter().enumerate().filter(|(at, _)| at % 4 == share);
            let world = mine.fold(World::baseline(), |world, (_, it)| world.on(0, it.clone(), State::Fail));
            gather(&world.snapshot(), Listed::All, |_, _| {})
        };
        let seen = World::baseline().snapshot().seen;
        let report = Gathering::report_of((0..4).map(apart).collect(), together.observed_at, &[], &seen);
        assert_eq!(report.results, together.results);
        assert_eq!((report.summary.fail, report.summary.pass), (40, Some(0)));
    }

    #[test]
    fn all_verdicts_are_listed_on_request_and_what_was_not_asked_for_is_not_counted() {
        let world = || World::baseline().on(0, web(), State::Fail).on(0, web(), State::Exempt(0));
        let pass = |_: usize, it: &mut Judgement<'_>| it.verdict = Verdict::Pass;
        let all = judged(World::baseline().on(0, web(), State::Fail), pass, Listed::All);
        assert_eq!((all.results.len(), all.summary.pass, all.summary.na), (1, Some(1), Some(0)));
        assert!(all.results[0].remedy.is_none() && all.results[0].reason.is_none());
        let findings = judged(World::baseline().on(0, web(), State::Fail), pass, Listed::Findings);
        assert_eq!((findings.results.len(), findings.summary.pass), (0, None));
        let both = judged(world(), |_, _| {}, Listed::Findings);
        assert_eq!((both.summary.fail, both.summary.exempt), (1, 0), "one subject is one row");
    }

    #[test]
    fn one_audit_serves_outputs_that_list_more_and_less() {
        let world = || {
            World::baseline().fail("a", "Pod/x", "evil.test/x:1").on(
                0,
                image_subject("a", "Pod/y", "app", "evil.test/x:1"),
                State::Exempt(0),
            )
        };
        let all = judged(world(), |_, _| {}, Listed::All);
        for listed in [Listed::Findings, Listed::Permitted, Listed::All] {
            assert_eq!(*all.listing(listed), judged(world(), |_, _| {}, listed), "{listed:?}");
        }
        assert_eq!(all.listing(Listed::Findings).results.len(), 1);
        assert_eq!(all.listing(Listed::Permitted).results.len(), 2);
        assert_eq!(all.listing(Listed::Permitted).summary.pass, None);
    }

    #[test]
    fn a_severity_is_a_threshold() {
        let clean = judged(World::baseline(), |_, _| {}, Listed::Findings);
        assert!(!clean.has_fail(Severity::Info) && !clean.has_unknown());
        let failing = judged(World::baseline().on(0, web(), State::Fail), |_, _| {}, Listed::Findings);
        assert!(failing.has_fail(Severity::Low) && failing.has_fail(Severity::Critical));
    }
}
