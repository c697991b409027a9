//! What tenants ask for: an exemption as an object of their namespace, or as an annotation in place. It permits nothing
//! by itself; a policy's [`super::delegation`] decides.

use std::fmt;

use jiff::Timestamp;
use jiff::civil::Date;

use super::exemption::{Exemption, rule_of};
use super::problem::{Problem, quoted};
use crate::rules::{RuleId, nearest};
use crate::subject::facts::{EXEMPTION_PREFIX, Fact, Facts};
use crate::subject::objects::{Content, ObjectFacts};

/// How it is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Origin {
    /// By an Exemption object.
    Object,
    /// By an annotation of the pod.
    Annotation,
}

impl Origin {
    /// The word used in reports.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Object => "object",
            Self::Annotation => "annotation",
        }
    }
}

/// An exemption that somebody asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// What it would permit.
    pub exemption: Exemption,
    /// How it is asked for.
    pub origin: Origin,
    /// When the object was made; none in files and for annotations.
    pub created: Option<Timestamp>,
    /// Somebody has approved the object as it stands.
    pub approved: bool,
}

/// An Exemption object, compiled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestObject {
    /// `metadata.name`
    pub name: Box<str>,
    /// `metadata.generation`
    pub generation: i64,
    /// The condition `Effective` as it stands there.
    pub effective: Option<serde_json::Value>,
    /// What it asks for; none when it cannot be read in full.
    pub request: Option<Request>,
    /// What in it cannot be used.
    pub problems: Box<[Problem]>,
}

impl RequestObject {
    /// Compiles an Exemption object; none for an object of another kind.
    pub fn compile(object: &ObjectFacts) -> Option<Self> {
        let Content::Exemption(facts) = &object.content else { return None };
        let mut problems = Vec::new();
        let exemption = Exemption::compile_requested(&object.name, &facts.spec, &mut problems);
        let request = exemption.map(|exemption| Request {
            exemption,
            origin: Origin::Object,
            created: facts.created,
            approved: facts.approved,
        });
        Some(Self {
            name: object.name.clone(),
            generation: facts.generation,
            effective: facts.effective.clone(),
            request,
            problems: problems.into(),
        })
    }
}

/// What a policy says of a request, and when time alone changes that.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Said {
    /// What it says.
    pub standing: Standing,
    /// When to ask again at the latest.
    pub next: Option<Timestamp>,
}

/// What a policy says of a request, from the worst to the best.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Standing {
    /// No delegation gives this rule to this namespace.
    NotDelegated,
    /// A delegation selects namespaces by label, and this one's labels are not known.
    LabelsUnknown,
    /// It ended, as it says itself.
    Expired {
        /// When.
        at: Timestamp,
    },
    /// It ended, since the policy delegates no more days.
    Cut {
        /// When.
        at: Timestamp,
        /// How many days are delegated.
        max_days: u32,
    },
    /// It is an annotation, and the delegation takes none.
    AnnotationNotTaken,
    /// It is an annotation, and the delegation asks for an approval.
    AnnotationNotApproved,
    /// It is an annotation that ends later than the policy delegates.
    TooLong {
        /// From when on it counts.
        begin: Timestamp,
        /// How many days are delegated.
        max_days: u32,
    },
    /// It waits for somebody to approve it.
    NotApproved,
    /// It names workloads, and the owner of these pods is not confirmed.
    OwnerUnverified,
    /// It permits.
    Effective {
        /// Until then.
        until: Timestamp,
        /// So many days are delegated, which is less than it asks for.
        cut: Option<u32>,
    },
}

impl Standing {
    /// Whether it permits.
    pub fn is_effective(self) -> bool {
        matches!(self, Self::Effective { .. })
    }

    /// Whether it is over.
    pub fn is_over(self) -> bool {
        matches!(self, Self::Expired { .. } | Self::Cut { .. })
    }

    /// In one word, as the condition `Effective` says it.
    pub fn reason(self) -> &'static str {
        match self {
            Self::NotDelegated => "NotDelegated",
            Self::LabelsUnknown => "NamespaceUnknown",
            Self::Expired { .. } => "Expired",
            Self::Cut { .. } => "DaysUsedUp",
            Self::AnnotationNotTaken => "AnnotationNotTaken",
            Self::AnnotationNotApproved | Self::NotApproved => "ApprovalRequired",
            Self::TooLong { .. } => "TooLong",
            Self::OwnerUnverified => "OwnerUnverified",
            Self::Effective { cut: None, .. } => "Effective",
            Self::Effective { cut: Some(_), .. } => "Shortened",
        }
    }
}

/// A day where it is one, else the instant.
struct Day(Timestamp);

impl fmt::Display for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.as_second().rem_euclid(86_400) {
            0 => write!(f, "{}", self.0.strftime("%Y-%m-%d")),
            _ => write!(f, "{}", self.0.strftime("%Y-%m-%dT%H:%M:%SZ")),
        }
    }
}

impl fmt::Display for Standing {
    /// Goes on after "it": `it waits for an approval`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::NotDelegated => f.write_str("the policy does not delegate this rule to this namespace"),
            Self::LabelsUnknown => f.write_str(
                "the policy delegates by labels of namespaces, and this namespace's labels are not known",
            ),
            Self::Expired { at } => write!(f, "it ended on {}", Day(at)),
            Self::Cut { at, max_days } => {
                write!(f, "it ended on {}: the policy delegates {max_days} days from its creation", Day(at))
            }
            Self::AnnotationNotTaken => {
                f.write_str("the policy takes no annotations here: ask with an Exemption object")
            }
            Self::AnnotationNotApproved => f.write_str(
                "the policy asks for an approval, which an annotation cannot have: ask with an Exemption object",
            ),
            Self::TooLong { begin, max_days } => write!(
                f,
                "it reaches more than {max_days} days ahead, which is all that the policy delegates: it counts \
                 from {} on",
                Day(begin)
            ),
            Self::NotApproved => f.write_str("it waits for an approval"),
            Self::OwnerUnverified => {
                f.write_str("it names workloads, and which one owns this pod is not confirmed")
            }
            Self::Effective { until, cut: None } => write!(f, "it permits this until {}", Day(until)),
            Self::Effective { until, cut: Some(days) } => write!(
                f,
                "it permits this until {}, {days} days from its creation: the policy delegates no more",
                Day(until)
            ),
        }
    }
}

/// What the annotations of a pod ask for a rule; none when they do not. The error says what is expected.
pub fn annotated(facts: &Facts, rule: RuleId) -> Option<Result<Request, String>> {
    let asked = facts.all(Fact::ExemptionAnnotation).filter_map(|text| text.split_once('='));
    let mut misspelt = None;
    for (id, value) in asked {
        if id == rule.as_str() {
            return Some(read_annotation(rule, value));
        }
        // Who misspells the rule would wait for ever.
        if misspelt.is_none() && rule_of(id).is_none() && nearest(id) == Some(rule) {
            let message = format!("{} names no rule: did you mean {rule}?", quoted(id));
            misspelt = Some(Err(message));
        }
    }
    misspelt
}

/// Reads `OPS-412 until 2027-01-31: nodes are preloaded`.
fn read_annotation(rule: RuleId, value: &str) -> Result<Request, String> {
    let wrong =
        |what: &str| format!("{}: {what}, expected \"TICKET until 2027-01-31: reason\"", quoted(value));
    let value = value.trim();
    let (ticket, rest) = match value.strip_prefix("until ") {
        Some(rest) => ("", rest),
        None => value.split_once(" until ").ok_or_else(|| wrong("it names no end"))?,
    };
    // An instant has colons of its own, so the end is what stands before the first space.
    let (end, reason) = rest.split_once(": ").ok_or_else(|| wrong("it gives no reason"))?;
    let (end, ticket, reason) = (end.trim(), ticket.trim(), reason.trim());
    let midnight = |date: Date| date.to_zoned(jiff::tz::TimeZone::UTC).ok().map(|zoned| zoned.timestamp());
    let end = match end.parse::<Date>() {
        Ok(date) if end.len() == 10 => midnight(date),
        _ => end.parse::<Timestamp>().ok(),
    };
    let end = end.ok_or_else(|| wrong("its end is no date"))?;
    if reason.is_empty() {
        return Err(wrong("it gives no reason"));
    }
    if ticket.is_empty() {
        return Err(wrong("it names no ticket"));
    }
    let name = format!("{EXEMPTION_PREFIX}{rule}");
    let exemption = Exemption::in_place(&name, rule, (Some(ticket), reason), end);
    Ok(Request { exemption, origin: Origin::Annotation, created: None, approved: false })
}

#[cfg(test)]
mod tests;
