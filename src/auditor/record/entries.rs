//! What is remembered of one place, finding by finding.

use std::sync::Arc;

use super::Place;
use super::bytes::{Cursor, Writer};
use super::subjects::{self, Ground, Subjects};
use crate::auditor::findings::{Finding, FindingId, State, judge};
use crate::auditor::marks::{Mark, Marks, Over};
use crate::auditor::transitions::{Transition, TransitionKind};
use crate::policy::compile::CompiledPolicy;
use crate::rules::RuleId;
use crate::subject::canonical::{combine, text_hash};
use crate::verdict::{Note, Reason, Severity, reason};

/// Transitions are counted from here: the first number of 2026-01-01.
const FIRST_NUMBER: i64 = 20_454 << 16;

// What was told of a finding.
const NOTHING: u8 = 0;
const OPEN: u8 = 1;
const EXEMPT: u8 = 2;
const CLOSING: u8 = 3;

// How a finding was shown.
const FAIL: u8 = 0;
const UNKNOWN: u8 = 1;
const PERMITTED: u8 = 2;
const DORMANT: u8 = 4;

/// What is remembered of a place.
#[derive(Debug, Default)]
pub(super) struct Memory {
    /// Sorted by id and policy.
    pub(super) findings: Vec<Finding>,
    pub(super) marks: Vec<Mark>,
    pub(super) over: Vec<Over>,
}

/// What is remembered of a place as far as it makes a write worth while, in one number; 0 for nothing.
pub(super) fn digest(place: u64, findings: &[Finding], marks: &Marks, uids: &[u64]) -> u64 {
    let mut digest = 0;
    for finding in findings {
        let uid = uids.get(usize::from(finding.policy)).copied().unwrap_or_default();
        digest ^= combine(&[place, finding.id.0, uid, finding.since.as_second().cast_unsigned()]);
    }
    for mark in marks.all() {
        for (name, uid) in mark.closing.iter().flat_map(|closing| &closing.policies) {
            let since = mark.closing.as_ref().map_or(0, |closing| closing.since.as_second());
            let uid = text_hash(uid) ^ text_hash(name).rotate_left(1);
            digest ^= combine(&[place, mark.id.0, uid, since.cast_unsigned()]);
        }
        digest ^= combine(&[place, mark.id.0, u64::from(mark.sequence) << 1 | u64::from(mark.exempt)]);
    }
    digest
}

/// Writes what is remembered of a place.
pub(super) fn write(writer: &mut Writer, place: &Place<'_>, policies: &[Arc<CompiledPolicy>]) {
    // The end of all places is an empty text; what lies in no namespace is a place, too.
    writer.text(if place.name.is_empty() { BEYOND } else { place.name });
    for (findings, marks) in place.findings.iter().zip(&place.marks) {
        write_entries(writer, findings, marks, policies);
    }
}

/// In the place of the name of a namespace: what lies in none. No namespace has such a name.
pub(super) const BEYOND: &str = "/";

fn write_entries(writer: &mut Writer, findings: &[Finding], marks: &Marks, policies: &[Arc<CompiledPolicy>]) {
    let mut ids: Vec<FindingId> = findings.iter().map(|finding| finding.id).collect();
    ids.extend(marks.all().iter().map(|mark| mark.id));
    ids.sort_unstable();
    ids.dedup();
    writer.length(ids.len());
    for id in ids {
        writer.word(id.0);
        let mark = marks.all().binary_search_by_key(&id, |mark| mark.id).ok().map(|at| &marks.all()[at]);
        write_mark(writer, mark);
        let start = findings.partition_point(|finding| finding.id < id);
        let same = findings[start..].iter().take_while(|finding| finding.id == id).count();
        writer.length(same);
        for finding in &findings[start..start + same] {
            write_finding(writer, finding, policies);
        }
    }
    writer.length(marks.over().len());
    for over in marks.over() {
        writer.word(over.id.0);
        writer.signed(i64::from(over.sequence) - FIRST_NUMBER);
        writer.signed(over.until);
    }
}

fn write_mark(writer: &mut Writer, mark: Option<&Mark>) {
    let Some(mark) = mark else { return writer.byte(NOTHING) };
    writer.byte(match (&mark.closing, mark.exempt) {
        (Some(_), _) => CLOSING,
        (None, true) => EXEMPT,
        (None, false) => OPEN,
    });
    writer.signed(i64::from(mark.sequence) - FIRST_NUMBER);
    if let Some(closing) = &mark.closing {
        writer.text(closing.rule.as_str());
        let worst_first = Severity::WORST_FIRST.iter();
        writer.length(worst_first.take_while(|severity| **severity != closing.severity).count());
        writer.length(closing.policies.len());
        for (name, uid) in &closing.policies {
            writer.text(name);
            writer.text(uid);
        }
        writer.text(&closing.message);
        writer.time(closing.since);
        writer.time(closing.at);
        subjects::write(writer, &closing.subject);
    }
}

fn write_finding(writer: &mut Writer, finding: &Finding, policies: &[Arc<CompiledPolicy>]) {
    let state = match finding.state {
        State::Fail => FAIL,
        State::Unknown => UNKNOWN,
        State::Exempt(_) => PERMITTED,
    };
    writer.byte(state | if finding.dormant_since.is_some() { DORMANT } else { 0 });
    writer.length(usize::from(finding.policy).min(policies.len()));
    writer.text(finding.rule.as_str());
    writer.text(finding.reason);
    if let State::Exempt(index) = finding.state {
        writer.number(index.into());
    }
    writer.time(finding.since);
    if let Some(since) = finding.dormant_since.as_deref() {
        writer.time(*since);
    }
    subjects::write(writer, &finding.subject);
}

/// Reads what [`write`] wrote of places, one after the other.
pub(super) struct Entries<'a, 'b> {
    pub(super) cursor: &'b mut Cursor<'a>,
    pub(super) subjects: &'b mut Subjects<'a>,
    /// The number that each of the record's policies has now.
    pub(super) numbers: &'b [Option<u16>],
    pub(super) policies: &'b [Arc<CompiledPolicy>],
}

impl Entries<'_, '_> {
    /// Reads one place, or one of the two lists of what lies in no namespace. Findings under policies that are gone, and
    /// of rules that this version does not know, are left out.
    pub(super) fn read(&mut self, ground: &Ground) -> Option<Memory> {
        let mut memory = Memory::default();
        for _ in 0..self.cursor.number()? {
            let id = FindingId(self.cursor.word()?);
            let mark = self.mark(id, ground)?;
            let before = memory.findings.len();
            for _ in 0..self.cursor.number()? {
                memory.findings.extend(self.finding(id, ground)?);
            }
            // What was told of a finding whose policies are all gone is told to nobody any more.
            let is_kept = |mark: &Mark| mark.closing.is_some() || memory.findings.len() > before;
            memory.marks.extend(mark.filter(is_kept));
        }
        for _ in 0..self.cursor.number()? {
            let (id, sequence) = (FindingId(self.cursor.word()?), self.sequence()?);
            memory.over.push(Over { id, sequence, until: self.cursor.signed()? });
        }
        memory.findings.sort_by_key(|finding| (finding.id, finding.policy));
        Some(memory)
    }

    fn sequence(&mut self) -> Option<u32> {
        u32::try_from(self.cursor.signed()?.checked_add(FIRST_NUMBER)?).ok()
    }

    fn mark(&mut self, id: FindingId, ground: &Ground) -> Option<Option<Mark>> {
        let told = self.cursor.byte()?;
        if told == NOTHING {
            return Some(None);
        }
        let sequence = self.sequence()?;
        let mark = Mark { id, closing: None, sequence, exempt: told == EXEMPT };
        if told != CLOSING {
            return Some(Some(mark));
        }
        let rule = RuleId::named(self.cursor.text()?);
        let severity = usize::try_from(self.cursor.number()?).ok()?;
        let mut policies = Vec::new();
        for _ in 0..self.cursor.number()? {
            policies.push((self.cursor.text()?.into(), self.cursor.text()?.into()));
        }
        let message = self.cursor.text()?.to_owned();
        let (since, at) = (self.cursor.time()?, self.cursor.time()?);
        let subject = self.subjects.read(self.cursor, ground)?;
        let closing = rule.map(|rule| Transition {
            kind: TransitionKind::Resolved,
            id,
            sequence: sequence.saturating_add(1),
            rule,
            severity: Severity::WORST_FIRST.get(severity).copied().unwrap_or(Severity::Medium),
            policies,
            subject,
            reason: reason::RECORDED,
            message,
            since,
            at,
        });
        Some(closing.map(|closing| Mark { closing: Some(Box::new(closing)), ..mark }))
    }

    fn finding(&mut self, id: FindingId, ground: &Ground) -> Option<Option<Finding>> {
        let state = self.cursor.byte()?;
        let number = usize::try_from(self.cursor.number()?).ok()?;
        let (rule, reason) = (RuleId::named(self.cursor.text()?), self.cursor.text()?);
        let shown = match state & !DORMANT {
            FAIL => State::Fail,
            UNKNOWN => State::Unknown,
            _ => State::Exempt(u16::try_from(self.cursor.number()?).ok()?),
        };
        let since = self.cursor.time()?;
        let dormant_since = match state & DORMANT {
            0 => None,
            _ => Some(Box::new(self.cursor.time()?)),
        };
        let subject = self.subjects.read(self.cursor, ground)?;
        let policy = self.numbers.get(number).copied().flatten();
        Some(rule.zip(policy).map(|(rule, policy)| {
            let prepared = self.policies.get(usize::from(policy)).and_then(|policy| policy.rule(rule));
            let own = prepared.and_then(|rule| judge(&rule.check, &subject, &mut Note::silent())?.reason());
            Finding {
                id,
                policy,
                rule,
                state: shown,
                reason: own.filter(|own| *own == reason).unwrap_or_else(|| engine_reason(reason)),
                subject,
                pods: 0,
                since,
                dormant_since,
                asked: None,
            }
        }))
    }
}

/// A reason that no rule gives.
fn engine_reason(text: &str) -> Reason {
    let own = [reason::MISSING_PERMISSION, reason::MALFORMED, reason::NAMESPACE_UNKNOWN];
    own.into_iter().find(|reason| *reason == text).unwrap_or(reason::RECORDED)
}
