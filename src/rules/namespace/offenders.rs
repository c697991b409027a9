//! Not a rule: what rules about several objects of a namespace share. One verdict names a few of them.

use std::fmt;
use std::sync::Arc;

use crate::rules::shown::Cut;
use crate::subject::objects::ObjectFacts;
use crate::verdict::{Note, Reason, Verdict, reason};

/// How many are named.
const NAMED: usize = 3;

/// What is wrong with which objects.
#[derive(Debug, Default)]
pub(super) struct Offenders {
    named: Vec<String>,
    last: String,
    count: usize,
}

impl Offenders {
    /// One more.
    pub(super) fn push(&mut self, offender: impl fmt::Display) {
        let offender = offender.to_string();
        // One object may offend in several ways that read alike; those stand side by side.
        if offender == self.last || self.named.contains(&offender) {
            return;
        }
        self.count += 1;
        if self.named.len() < NAMED {
            self.named.push(offender.clone());
        }
        self.last = offender;
    }

    /// Whether there are none.
    pub(super) fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Fails with the offenders after `what`; without any, an object that cannot be read leaves the verdict open.
    pub(super) fn verdict<'a>(
        &self,
        reason: Reason,
        what: &str,
        mut read: impl Iterator<Item = &'a Arc<ObjectFacts>>,
        note: &mut Note<'_>,
    ) -> Verdict {
        if !self.is_empty() {
            return note.fail(reason, format_args!("{what}: {self}"));
        }
        match read.find(|object| object.is_malformed()) {
            Some(object) => unreadable(object, note),
            None => Verdict::Pass,
        }
    }
}

impl fmt::Display for Offenders {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, offender) in self.named.iter().enumerate() {
            f.write_str(if place == 0 { "" } else { ", " })?;
            f.write_str(offender)?;
        }
        match self.count - self.named.len() {
            0 => Ok(()),
            more => write!(f, " and {more} more"),
        }
    }
}

/// An object that cannot be read: nothing can be said.
pub(super) fn unreadable(object: &ObjectFacts, note: &mut Note<'_>) -> Verdict {
    note.unknown(reason::MALFORMED, format_args!("{} cannot be read", Named(object)))
}

/// An object as messages name it.
pub(super) struct Named<'a>(pub(super) &'a ObjectFacts);

impl fmt::Display for Named<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.0.kind.kind(), Cut(&self.0.name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_few_are_named_and_the_others_counted() {
        let mut offenders = Offenders::default();
        ["a", "b", "b", "c"].iter().for_each(|name| offenders.push(name));
        assert_eq!(offenders.to_string(), "a, b, c");
        ["d", "d", "a", "e"].iter().for_each(|name| offenders.push(name));
        assert_eq!(offenders.to_string(), "a, b, c and 2 more");
    }
}
