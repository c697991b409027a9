//! Exemptions: reasoned, dated permissions. A covered finding stays visible, with the state `exempt`.
//!
//! An exemption that cannot be read in full covers nothing: every part of it narrows it, so leaving one out would
//! widen it. One exception: a rule that is not known (of a newer version, or misspelt) is a problem, and the
//! exemption still covers the rules beside it, since that exempts nothing that was not asked for.

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use super::problem::{Problem, Reader, quoted};
use crate::reference::{Glob, Pattern, Reference};
use crate::rules::{RuleId, nearest};
use crate::subject::Resource;

/// How long before its end an exemption is said to expire soon.
pub const EXPIRING: SignedDuration = SignedDuration::from_hours(14 * 24);

/// A reasoned, dated permission, compiled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exemption {
    /// Its name.
    pub name: Box<str>,
    /// Why.
    pub reason: Box<str>,
    /// Where it was agreed.
    pub ticket: Option<Box<str>>,
    /// When it ends; none for a permanent one.
    pub expires_at: Option<Timestamp>,
    /// Never empty.
    rules: Box<[RuleId]>,
    namespaces: Option<Box<[Glob]>>,
    workloads: Option<Box<[WorkloadGlob]>>,
    images: Option<Box<[Pattern]>>,
}

/// A glob over workloads, `Kind/name`.
#[derive(Clone, Debug, PartialEq, Eq)]
struct WorkloadGlob {
    kind: Glob,
    name: Glob,
}

impl WorkloadGlob {
    fn parse(text: &str) -> Result<Self, String> {
        let (kind, name) = text
            .split_once('/')
            .ok_or_else(|| format!("{} names no kind: write Deployment/{text} or */{text}", quoted(text)))?;
        if name.contains('/') {
            return Err(format!("{} is not a workload such as Deployment/web: one '/' only", quoted(text)));
        }
        let glob = |part| Glob::parse(part).map_err(|error| format!("{}: {error}", quoted(text)));
        Ok(Self { kind: glob(kind)?, name: glob(name)? })
    }

    fn matches(&self, kind: &str, name: &str) -> bool {
        self.kind.matches(kind) && self.name.matches(name)
    }
}

/// What an exemption is asked about.
#[derive(Clone, Copy, Debug)]
pub struct Candidate<'a> {
    /// The rule.
    pub rule: RuleId,
    /// The namespace; none for a reference across the cluster.
    pub namespace: Option<&'a str>,
    /// Kind and name of the workload, for image uses.
    pub workload: Option<(&'a str, &'a str)>,
    /// The owner is confirmed by uid, or is the pod itself, or stands in a file.
    pub owner_verified: bool,
    /// The image, for image uses and references.
    pub image: Option<&'a Reference>,
}

/// What an exemption says of a candidate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cover {
    /// It permits it.
    Covered,
    /// It would, but it names workloads and the candidate's owner is not confirmed.
    OwnerUnverified,
    /// It has nothing to do with it, or has expired.
    No,
}

impl Exemption {
    /// Compiles `spec.exemptions`. What cannot be used is a problem, and left out.
    pub fn compile_all(value: &Value, problems: &mut Vec<Problem>) -> Box<[Self]> {
        let Some(items) = value.as_array() else {
            problems.push(Problem::setting("spec.exemptions", "expected a list of exemptions"));
            return Box::default();
        };
        let mut exemptions: Vec<Self> = Vec::new();
        for (index, item) in items.iter().enumerate() {
            let path = format!("spec.exemptions[{index}]");
            let Some(exemption) = Self::compile(item, &path, problems) else {
                continue;
            };
            if exemptions.iter().any(|earlier| earlier.name == exemption.name) {
                let message = format!("{} is the name of an earlier exemption", quoted(&exemption.name));
                problems.push(Problem::setting(format!("{path}.name"), message));
            } else {
                exemptions.push(exemption);
            }
        }
        exemptions.into()
    }

    fn compile(value: &Value, path: &str, problems: &mut Vec<Problem>) -> Option<Self> {
        let known = [
            "name",
            "rules",
            "namespaces",
            "workloads",
            "images",
            "reason",
            "ticket",
            "expiresAt",
            "permanent",
        ];
        let mut reader = Reader::new(value, path, &known, problems)?;
        let name = reader.text("name");
        let reason = reader.text("reason");
        refuse_blank("name", name, &mut reader);
        refuse_blank("reason", reason, &mut reader);
        let ticket = reader.text("ticket").map(Into::into);
        let (namespaces, workloads, images) = (
            reader.texts("namespaces", Glob::parse),
            reader.texts("workloads", WorkloadGlob::parse),
            reader.texts("images", Pattern::parse),
        );
        refuse_empty(&["namespaces", "workloads", "images"], &mut reader);
        if ["namespaces", "workloads", "images"].iter().all(|field| reader.value(field).is_none()) {
            reader.wrong(
                "",
                "name at least one of namespaces, workloads and images; an exemption never covers everything",
            );
        }
        let expires_at = Self::end(&mut reader);
        let written = written_rules(&mut reader);
        // From here on only rules that are not known.
        let usable = reader.is_clean();
        let rules = known_rules(&written, &mut reader);
        if !usable || rules.is_empty() {
            return None;
        }
        Some(Self {
            name: name?.into(),
            reason: reason?.into(),
            ticket,
            expires_at,
            rules: rules.into(),
            namespaces: namespaces.map(Into::into),
            workloads: workloads.map(Into::into),
            images: images.map(Into::into),
        })
    }

    /// Compiles the spec of an Exemption object. It lies in a namespace, so it names none, and it always ends.
    pub(super) fn compile_requested(name: &str, spec: &Value, problems: &mut Vec<Problem>) -> Option<Self> {
        let known = ["rules", "workloads", "images", "reason", "ticket", "expiresAt"];
        let mut reader = Reader::new(spec, "spec", &known, problems)?;
        let reason = reader.text("reason");
        refuse_blank("reason", reason, &mut reader);
        let ticket = reader.text("ticket").map(Into::into);
        let (workloads, images) =
            (reader.texts("workloads", WorkloadGlob::parse), reader.texts("images", Pattern::parse));
        refuse_empty(&["workloads", "images"], &mut reader);
        let expires_at = match reader.text("expiresAt") {
            None if reader.value("expiresAt").is_none() => {
                reader.wrong("expiresAt", "is required: what is permitted here always ends");
                None
            }
            text => text.and_then(|text| instant(text, &mut reader)),
        };
        let written = written_rules(&mut reader);
        let usable = reader.is_clean();
        let rules = known_rules(&written, &mut reader);
        if !usable || rules.is_empty() {
            return None;
        }
        Some(Self {
            name: name.into(),
            reason: reason?.into(),
            ticket,
            expires_at: Some(expires_at?),
            rules: rules.into(),
            namespaces: None,
            workloads: workloads.map(Into::into),
            images: images.map(Into::into),
        })
    }

    /// One that covers everything of one rule until `end`, wherever it is asked about.
    pub(super) fn in_place(
        name: &str,
        rule: RuleId,
        (ticket, reason): (Option<&str>, &str),
        end: Timestamp,
    ) -> Self {
        Self {
            name: name.into(),
            reason: reason.into(),
            ticket: ticket.map(Into::into),
            expires_at: Some(end),
            rules: [rule].into(),
            namespaces: None,
            workloads: None,
            images: None,
        }
    }

    /// When it ends: `expiresAt`, or never with `permanent: true`.
    fn end(reader: &mut Reader<'_, '_>) -> Option<Timestamp> {
        let permanent = reader.flag("permanent").unwrap_or(false);
        match (reader.text("expiresAt"), permanent) {
            (Some(_), true) => {
                reader.wrong("permanent", "a permanent exemption has no expiresAt: leave one of the two out");
                None
            }
            (Some(text), false) => instant(text, reader),
            (None, false) if reader.value("expiresAt").is_none() => {
                reader.wrong("expiresAt", "is required, unless permanent: true is set");
                None
            }
            (None, _) => None,
        }
    }

    /// Whether it covers the candidate at `now`.
    pub fn covers(&self, candidate: &Candidate<'_>, now: Timestamp) -> bool {
        self.cover(candidate, now) == Cover::Covered
    }

    /// What it says of the candidate at `now`. Allocates nothing.
    pub fn cover(&self, candidate: &Candidate<'_>, now: Timestamp) -> Cover {
        if self.has_expired(now) { Cover::No } else { self.cover_in_time(candidate) }
    }

    /// What it says of the candidate while it has not expired.
    pub fn cover_in_time(&self, candidate: &Candidate<'_>) -> Cover {
        let namespace = |globs: &[Glob]| {
            candidate.namespace.is_some_and(|name| globs.iter().any(|glob| glob.matches(name)))
        };
        let workload = |globs: &[WorkloadGlob]| {
            candidate.workload.is_some_and(|(kind, name)| globs.iter().any(|glob| glob.matches(kind, name)))
        };
        let image = |patterns: &[Pattern]| {
            candidate.image.is_some_and(|image| patterns.iter().any(|pattern| pattern.matches(image)))
        };
        if !self.rules.contains(&candidate.rule)
            || !self.namespaces.as_deref().is_none_or(namespace)
            || !self.workloads.as_deref().is_none_or(workload)
            || !self.images.as_deref().is_none_or(image)
        {
            Cover::No
        } else if self.workloads.is_some() && !candidate.owner_verified {
            Cover::OwnerUnverified
        } else {
            Cover::Covered
        }
    }

    /// The same with this end.
    pub fn ending(self, end: Timestamp) -> Self {
        Self { expires_at: Some(end), ..self }
    }

    /// Whether it has ended: from `expires_at` on.
    pub fn has_expired(&self, now: Timestamp) -> bool {
        self.expires_at.is_some_and(|end| now >= end)
    }

    /// Whether it permits something that the same exemption did not permit before: more rules, more subjects, longer.
    pub fn permits_more_than(&self, before: &Self) -> bool {
        let longer = match (before.expires_at, self.expires_at) {
            (Some(before), Some(now)) => now > before,
            (before, now) => before.is_some() && now.is_none(),
        };
        let workload = |wide: &WorkloadGlob, narrow: &WorkloadGlob| {
            wide.kind.covers(&narrow.kind) && wide.name.covers(&narrow.name)
        };
        longer
            || self.rules.iter().any(|rule| !before.rules.contains(rule))
            || lists_more(self.namespaces.as_deref(), before.namespaces.as_deref(), Glob::covers)
            || lists_more(self.workloads.as_deref(), before.workloads.as_deref(), workload)
            || lists_more(self.images.as_deref(), before.images.as_deref(), Pattern::covers)
    }

    /// Whether it is limited to some workloads, so that it may permit something to one pod and not to the next.
    pub fn names_workloads(&self) -> bool {
        self.workloads.is_some()
    }

    /// The kinds that confirm whose pods they are that it names by their workload.
    pub fn confirmed_by(&self) -> impl Iterator<Item = Resource> + '_ {
        let names = |kind: &str| self.workloads.iter().flatten().any(|glob| glob.kind.matches(kind));
        Resource::CONTROLLERS.into_iter().filter(move |resource| {
            // A pod of a Deployment names a ReplicaSet, and that one names the Deployment.
            names(resource.kind()) || *resource == Resource::ReplicaSets && names("Deployment")
        })
    }

    /// The rules that it permits not to keep.
    pub fn rules(&self) -> &[RuleId] {
        &self.rules
    }
}

/// Whether a list covers something that the one before did not; none covers everything.
fn lists_more<T>(now: Option<&[T]>, before: Option<&[T]>, covers: impl Fn(&T, &T) -> bool) -> bool {
    let Some(before) = before else { return false };
    let is_new = |item: &T| !before.iter().any(|other| covers(other, item));
    now.is_none_or(|now| now.iter().any(is_new))
}

fn instant(text: &str, reader: &mut Reader<'_, '_>) -> Option<Timestamp> {
    let end = text.parse();
    if end.is_err() {
        reader.wrong("expiresAt", format!("{} is not an instant such as 2027-01-31T00:00:00Z", quoted(text)));
    }
    end.ok()
}

fn refuse_blank(field: &str, text: Option<&str>, reader: &mut Reader<'_, '_>) {
    if reader.value(field).is_none() || text.is_some_and(|text| text.trim().is_empty()) {
        reader.wrong(field, "is required, and must not be blank");
    }
}

fn refuse_empty(fields: &[&str], reader: &mut Reader<'_, '_>) {
    for field in fields {
        if reader.value(field).and_then(Value::as_array).is_some_and(Vec::is_empty) {
            reader.wrong(field, "an empty list would cover nothing: leave it out to cover any");
        }
    }
}

/// The field `rules`, as it is written.
pub(super) fn written_rules<'a>(reader: &mut Reader<'a, '_>) -> Vec<&'a str> {
    let written = reader.texts("rules", Ok::<_, std::convert::Infallible>).unwrap_or_default();
    if reader.value("rules").is_none() || (written.is_empty() && reader.is_clean()) {
        reader.wrong("rules", "name at least one rule that need not be kept");
    }
    written
}

/// The rules among those that are written; of the others each is a problem.
pub(super) fn known_rules(written: &[&str], reader: &mut Reader<'_, '_>) -> Vec<RuleId> {
    let mut rules = Vec::new();
    for (index, id) in written.iter().enumerate() {
        match rule_of(id) {
            Some(rule) => rules.push(rule),
            None => {
                let hint = nearest(id).map_or(String::new(), |near| format!(": did you mean {near}?"));
                let message = format!("unknown rule {}{hint}", quoted(id));
                let field = reader.path(&format!("rules[{index}]"));
                reader.problems().push(Problem::rule(field, message));
            }
        }
    }
    rules
}

/// The rule of exactly this id.
pub(super) fn rule_of(id: &str) -> Option<RuleId> {
    RuleId::named(id).filter(|rule| rule.as_str() == id)
}

#[cfg(test)]
mod tests;
