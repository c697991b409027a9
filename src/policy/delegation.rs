//! Delegation: which rules a policy lets tenants ask exemptions from, where, for how long, and whether somebody must
//! approve them.
//!
//! A delegation that cannot be read in full delegates nothing: every part of it narrows it. One exception, as for
//! exemptions: a rule that is not known is a problem, and the rules beside it are delegated.

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use super::exemption::{known_rules, written_rules};
use super::problem::{Problem, Reader, quoted};
use super::request::{Origin, Request, Said, Standing};
use super::scope::select_namespace;
use super::selector::Selector;
use crate::rules::RuleId;
use crate::subject::namespace::TextPairs;

/// For how long is delegated where nothing is said.
pub const MAX_DAYS_DEFAULT: u32 = 90;
/// The longest that can be delegated.
pub const MAX_DAYS_MOST: u32 = 3_650;

/// What a policy lets tenants ask for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delegation {
    /// Never empty.
    rules: Box<[RuleId]>,
    namespaces: Selector,
    max_days: u32,
    needs_approval: bool,
    annotations: bool,
}

impl Delegation {
    /// Compiles `spec.delegation`. What cannot be used is a problem, and left out.
    pub fn compile_all(value: &Value, problems: &mut Vec<Problem>) -> Box<[Self]> {
        let Some(items) = value.as_array() else {
            problems.push(Problem::setting("spec.delegation", "expected a list of delegations"));
            return Box::default();
        };
        let items = items.iter().enumerate();
        items
            .filter_map(|(index, item)| Self::compile(item, &format!("spec.delegation[{index}]"), problems))
            .collect()
    }

    fn compile(value: &Value, path: &str, problems: &mut Vec<Problem>) -> Option<Self> {
        let known = ["rules", "namespaceSelector", "maxDays", "approval", "annotations"];
        let mut reader = Reader::new(value, path, &known, problems)?;
        let namespaces = match reader.value("namespaceSelector") {
            Some(selector) => {
                let path = reader.path("namespaceSelector");
                Selector::compile(selector, &path, reader.problems()).unwrap_or_default()
            }
            None => Selector::default(),
        };
        let max_days = match reader.value("maxDays").map(|days| (days, days.as_u64())) {
            None => MAX_DAYS_DEFAULT,
            Some((_, Some(days))) if (1..=u64::from(MAX_DAYS_MOST)).contains(&days) => {
                u32::try_from(days).unwrap_or(MAX_DAYS_MOST)
            }
            Some((days, _)) => {
                reader.wrong(
                    "maxDays",
                    format!("expected a number of days from 1 to {MAX_DAYS_MOST}, found {days}"),
                );
                MAX_DAYS_DEFAULT
            }
        };
        let needs_approval = match reader.text("approval") {
            None | Some("Required") => true,
            Some("None") => false,
            Some(other) => {
                reader.wrong("approval", format!("expected Required or None, found {}", quoted(other)));
                true
            }
        };
        let annotations = reader.flag("annotations").unwrap_or(false);
        let written = written_rules(&mut reader);
        let usable = reader.is_clean();
        let rules = known_rules(&written, &mut reader);
        (usable && !rules.is_empty()).then(|| Self {
            rules: rules.into(),
            namespaces,
            max_days,
            needs_approval,
            annotations,
        })
    }

    /// What this delegation says of a request for a rule that it names, in a namespace that it selects.
    fn says(&self, request: &Request, now: Timestamp) -> Said {
        let days = SignedDuration::from_hours(24 * i64::from(self.max_days));
        let end = request.exemption.expires_at.unwrap_or(Timestamp::MAX);
        let (standing, turn) = match request.origin {
            Origin::Annotation => {
                // Nobody knows when it was written: it never reaches further than allowed from any instant at which
                // it counts.
                let begin = end.saturating_sub(days).unwrap_or(Timestamp::MIN);
                (self.says_of_annotation(begin, end, now), begin)
            }
            Origin::Object => {
                let latest = request.created.unwrap_or(now).saturating_add(days).unwrap_or(Timestamp::MAX);
                (self.says_of_object(request.approved, latest, end, now), latest)
            }
        };
        Said { standing, next: [end, turn].into_iter().filter(|next| *next > now).min() }
    }

    fn says_of_annotation(&self, begin: Timestamp, end: Timestamp, now: Timestamp) -> Standing {
        if now >= end {
            Standing::Expired { at: end }
        } else if !self.annotations {
            Standing::AnnotationNotTaken
        } else if self.needs_approval {
            Standing::AnnotationNotApproved
        } else if now < begin {
            Standing::TooLong { begin, max_days: self.max_days }
        } else {
            Standing::Effective { until: end, cut: None }
        }
    }

    fn says_of_object(&self, approved: bool, latest: Timestamp, end: Timestamp, now: Timestamp) -> Standing {
        if now >= end {
            Standing::Expired { at: end }
        } else if now >= latest {
            Standing::Cut { at: latest, max_days: self.max_days }
        } else if self.needs_approval && !approved {
            Standing::NotApproved
        } else if end > latest {
            Standing::Effective { until: latest, cut: Some(self.max_days) }
        } else {
            Standing::Effective { until: end, cut: None }
        }
    }
}

/// What a policy with these delegations says of a request for one rule in a namespace: the best that any of them says.
pub fn say(
    delegations: &[Delegation],
    request: &Request,
    rule: RuleId,
    (namespace, labels): (&str, Option<&TextPairs>),
    now: Timestamp,
) -> Said {
    let mut best = Said { standing: Standing::NotDelegated, next: None };
    for delegation in delegations.iter().filter(|delegation| delegation.rules.contains(&rule)) {
        let said = match select_namespace(&delegation.namespaces, namespace, labels) {
            Some(true) => delegation.says(request, now),
            Some(false) => continue,
            None => Said { standing: Standing::LabelsUnknown, next: None },
        };
        best.standing = best.standing.max(said.standing);
        best.next = best.next.into_iter().chain(said.next).min();
    }
    best
}

#[cfg(test)]
mod tests;
