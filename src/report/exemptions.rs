//! Today's findings as dated exemptions, so that a policy can be put in force over a cluster that has findings, and
//! only new ones count.
//!
//! Each finding is permitted as narrowly as can be: by workload; where the owner is not confirmed, by image; where
//! there is no image to name, by namespace. What an exemption covers is not guessed here: the caller audits again
//! with the exemptions, and [`Plan::widen`] takes the next wider form for what is left.

mod yaml;

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use crate::policy::spec::ExemptionSpec;
use crate::reference::{Pattern, Reference};

use super::result::{AuditReport, AuditResult};

/// Bounds of the CRD.
const MAX_EXEMPTIONS: usize = 256;
const MAX_ITEMS: usize = 256;
const MAX_RULES: usize = 64;
const MAX_NAME: usize = 63;
const DAY: i64 = 86_400;

/// What an exemption names beside the namespace, the narrowest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Form {
    Workload,
    Image,
    Namespace,
}

/// A finding to permit.
#[derive(Debug)]
struct Wanted {
    rule: &'static str,
    namespace: Option<String>,
    workload: Option<String>,
    image: Option<String>,
    is_namespace: bool,
    form: Option<Form>,
}

impl Wanted {
    fn of(row: &AuditResult) -> Self {
        let workload = format!("{}/{}", row.subject.kind, row.subject.name);
        let mut wanted = Self {
            rule: row.rule,
            namespace: row.namespace.clone(),
            workload: Some(workload).filter(|text| is_workload(text)),
            image: row.canonical.as_deref().and_then(repository),
            is_namespace: row.subject.kind == "Namespace",
            form: None,
        };
        wanted.form = wanted.next(None);
        wanted
    }

    /// The next wider form that can be written; none where nothing can.
    fn next(&self, form: Option<Form>) -> Option<Form> {
        if self.namespace.as_deref().is_some_and(|name| !is_namespace(name)) {
            return None;
        }
        let can = |form: &Form| match form {
            Form::Workload => self.workload.is_some() && !self.is_namespace,
            Form::Image => self.image.is_some(),
            Form::Namespace => self.namespace.is_some(),
        };
        [Form::Workload, Form::Image, Form::Namespace].into_iter().filter(can).find(|next| Some(*next) > form)
    }

    fn target(&self, form: Form) -> Option<&str> {
        match form {
            Form::Workload => self.workload.as_deref(),
            Form::Image => self.image.as_deref(),
            Form::Namespace => None,
        }
    }
}

/// An exemption in the making.
#[derive(Clone, Debug)]
struct Draft {
    rules: BTreeSet<&'static str>,
    namespaces: BTreeSet<String>,
    form: Form,
    targets: BTreeSet<String>,
    /// It was meant for workloads, and permits more than what was found.
    is_wide: bool,
}

/// For how long, and why.
#[derive(Clone, Debug)]
pub struct Terms {
    /// The instant of the audit.
    pub now: Timestamp,
    /// For how many days at least; the exemptions end at the midnight after them.
    pub days: u32,
    /// Why; a sentence of ours where there is none.
    pub reason: Option<String>,
}

impl Terms {
    /// When the exemptions end.
    pub fn end(&self) -> Timestamp {
        let days = SignedDuration::from_secs(i64::from(self.days) * DAY);
        let end = self.now.checked_add(days).unwrap_or(Timestamp::MAX);
        let (seconds, rest) = (end.as_second(), end.subsec_nanosecond());
        let midnight = (seconds.div_euclid(DAY) + i64::from(rest > 0 || seconds.rem_euclid(DAY) > 0)) * DAY;
        Timestamp::from_second(midnight).unwrap_or(end)
    }

    fn reason(&self) -> String {
        let day = |at: Timestamp| at.strftime("%Y-%m-%d").to_string();
        let ours =
            || format!("found on {} and permitted until {} to be mended", day(self.now), day(self.end()));
        self.reason.clone().unwrap_or_else(ours)
    }
}

/// An exemption, ready to be written.
#[derive(Clone, Debug)]
pub struct Written {
    /// What stands in the policy.
    pub spec: ExemptionSpec,
    form: Form,
    is_wide: bool,
}

/// The findings of every policy, and how each is to be permitted.
#[derive(Debug)]
pub struct Plan {
    terms: Terms,
    wanted: BTreeMap<(String, String), Wanted>,
}

impl Plan {
    /// Permits every finding of the report, each as narrowly as can be written.
    pub fn new(report: &AuditReport, terms: Terms) -> Self {
        let findings = report.results.iter().filter(|row| row.verdict.is_finding());
        let wanted = findings.map(|row| ((row.policy.clone(), row.id.clone()), Wanted::of(row))).collect();
        Self { terms, wanted }
    }

    /// Permits what is left in `report`, an audit with [`Self::exemptions`], more widely. False: there is nothing
    /// left that could be.
    pub fn widen(&mut self, report: &AuditReport) -> bool {
        let mut is_wider = false;
        for row in report.results.iter().filter(|row| row.verdict.is_finding()) {
            let Some(wanted) = self.wanted.get_mut(&(row.policy.clone(), row.id.clone())) else { continue };
            if wanted.form.is_some() {
                wanted.form = wanted.next(wanted.form);
                is_wider |= wanted.form.is_some();
            }
        }
        is_wider
    }

    /// The exemptions for a policy that already has some of these names.
    pub fn exemptions(&self, policy: &str, taken: &[&str]) -> Vec<Written> {
        let wanted = self.wanted.iter().filter(|((of, _), _)| of == policy).map(|(_, wanted)| wanted);
        let room = MAX_EXEMPTIONS.saturating_sub(taken.len()).max(1);
        let mut names: BTreeSet<String> = taken.iter().map(|name| (*name).to_owned()).collect();
        let drafts = within(drafts(wanted), room);
        drafts.into_iter().map(|draft| self.written(draft, &mut names)).collect()
    }

    fn written(&self, draft: Draft, names: &mut BTreeSet<String>) -> Written {
        let Draft { rules, namespaces, form, targets, is_wide } = draft;
        let name = unique(&title(&rules, &namespaces), names);
        let list =
            |items: BTreeSet<String>| (!items.is_empty()).then(|| items.into_iter().collect::<Vec<_>>());
        let of_form = |wanted| if form == wanted { list(targets.clone()) } else { None };
        let spec = ExemptionSpec {
            name,
            rules: rules.into_iter().map(str::to_owned).collect(),
            workloads: of_form(Form::Workload),
            images: of_form(Form::Image),
            namespaces: list(namespaces),
            reason: self.terms.reason(),
            ticket: None,
            expires_at: Some(Time(self.terms.end())),
            permanent: None,
        };
        Written { spec, form, is_wide }
    }

    /// The list of exemptions as YAML, for a policy's `spec`.
    pub fn yaml(&self, policy: &str, exemptions: &[Written]) -> String {
        let findings = self.wanted.iter().filter(|((of, _), wanted)| of == policy && wanted.form.is_some());
        yaml::list(policy, findings.count(), self.terms.end(), exemptions)
    }
}

/// One exemption a rule and namespace, with the workloads or images in it.
fn drafts<'w>(wanted: impl Iterator<Item = &'w Wanted>) -> Vec<Draft> {
    let mut grouped: BTreeMap<_, BTreeSet<String>> = BTreeMap::new();
    for wanted in wanted {
        let Some(form) = wanted.form else { continue };
        let is_wide = form == Form::Namespace && !wanted.is_namespace;
        let key = (wanted.namespace.clone(), wanted.rule, form, is_wide);
        grouped.entry(key).or_default().extend(wanted.target(form).map(str::to_owned));
    }
    let draft = |((namespace, rule, form, is_wide), targets): (_, BTreeSet<String>)| {
        let namespaces: Option<String> = namespace;
        Draft { rules: [rule].into(), namespaces: namespaces.into_iter().collect(), form, targets, is_wide }
    };
    grouped.into_iter().map(draft).flat_map(cut).collect()
}

/// Fewer exemptions, where there are more than a policy can hold: those that say the same of several namespaces, or
/// of several rules, become one. Only where that is not enough, one permits more than what was found.
fn within(drafts: Vec<Draft>, room: usize) -> Vec<Draft> {
    let same = |draft: &Draft| (draft.form, draft.targets.clone(), draft.is_wide);
    let steps: [&dyn Fn(Vec<Draft>) -> Vec<Draft>; 4] = [
        &|drafts| joined(drafts, |draft| (draft.rules.clone(), draft.namespaces.is_empty(), same(draft))),
        &|drafts| joined(drafts, |draft| (draft.namespaces.clone(), same(draft))),
        &|drafts| joined(drafts.into_iter().map(wide).collect(), |draft| draft.namespaces.clone()),
        &|drafts| joined(drafts, |draft| draft.namespaces.is_empty()),
    ];
    let mut drafts = drafts;
    for step in steps {
        if drafts.len() <= room {
            break;
        }
        drafts = step(drafts);
    }
    drafts
}

/// The whole namespace in place of what is in it.
fn wide(draft: Draft) -> Draft {
    match draft.namespaces.is_empty() {
        true => draft,
        false => Draft {
            is_wide: draft.is_wide || draft.form != Form::Namespace,
            form: Form::Namespace,
            targets: BTreeSet::new(),
            ..draft
        },
    }
}

/// Drafts of the same key as one, cut to the bounds again.
fn joined<K: Ord>(drafts: Vec<Draft>, key: impl Fn(&Draft) -> K) -> Vec<Draft> {
    let mut by_key: BTreeMap<(K, Form), Draft> = BTreeMap::new();
    for draft in drafts {
        let key = (key(&draft), draft.form);
        match by_key.get_mut(&key) {
            Some(known) => {
                known.rules.extend(draft.rules);
                known.namespaces.extend(draft.namespaces);
                known.targets.extend(draft.targets);
                known.is_wide |= draft.is_wide;
            }
            None => {
                by_key.insert(key, draft);
            }
        }
    }
    by_key.into_values().flat_map(cut).collect()
}

/// One draft as several, each within the bounds of the CRD.
fn cut(draft: Draft) -> Vec<Draft> {
    let chunks = |items: &BTreeSet<String>| -> Vec<BTreeSet<String>> {
        let items: Vec<_> = items.iter().cloned().collect();
        match items.is_empty() {
            true => vec![BTreeSet::new()],
            false => items.chunks(MAX_ITEMS).map(|chunk| chunk.iter().cloned().collect()).collect(),
        }
    };
    let rules: Vec<_> = draft.rules.iter().copied().collect();
    let mut drafts = Vec::new();
    for rules in rules.chunks(MAX_RULES) {
        for namespaces in chunks(&draft.namespaces) {
            for targets in chunks(&draft.targets) {
                let rules = rules.iter().copied().collect();
                drafts.push(Draft { rules, namespaces: namespaces.clone(), targets, ..draft });
            }
        }
    }
    drafts
}

/// `no-mutable-tag-team-a`
fn title(rules: &BTreeSet<&'static str>, namespaces: &BTreeSet<String>) -> String {
    let one = |mut items: Vec<String>, several: &str| match items.len() {
        1 => items.remove(0),
        count => format!("{count}-{several}"),
    };
    let rules = one(rules.iter().map(|rule| kebab(rule)).collect(), "rules");
    match namespaces.is_empty() {
        true => rules,
        false => format!("{rules}-{}", one(namespaces.iter().cloned().collect(), "namespaces")),
    }
}

/// `NoMutableTag` as `no-mutable-tag`.
fn kebab(id: &str) -> String {
    let mut text = String::new();
    for character in id.chars() {
        if character.is_ascii_uppercase() && !text.is_empty() {
            text.push('-');
        }
        text.push(character.to_ascii_lowercase());
    }
    text
}

/// The name, cut to the bounds of the CRD, with a number behind it if it is taken.
fn unique(title: &str, names: &mut BTreeSet<String>) -> String {
    let cut = |length: usize| title.chars().take(length).collect::<String>().trim_end_matches('-').to_owned();
    let numbered = (2..).map(|number: usize| {
        let end = format!("-{number}");
        format!("{}{end}", cut(MAX_NAME - end.len()))
    });
    let mut free = std::iter::once(cut(MAX_NAME)).chain(numbered).filter(|name| !names.contains(name));
    let name = free.next().unwrap_or_default();
    names.insert(name.clone());
    name
}

/// The repository of a reference as a pattern that matches it.
fn repository(canonical: &str) -> Option<String> {
    let reference = Reference::parse(canonical).ok()?;
    let is_pattern = Pattern::parse(reference.name()).is_ok_and(|pattern| pattern.matches(&reference));
    is_pattern.then(|| reference.name().to_owned())
}

fn is_namespace(name: &str) -> bool {
    name.len() <= 128 && is_name(name, "-")
}

/// As the CRD wants it, and without globs: names of files may hold anything.
fn is_workload(text: &str) -> bool {
    text.split_once('/').is_some_and(|(kind, name)| {
        let is_kind = kind.starts_with(|first: char| first.is_ascii_alphabetic())
            && kind.bytes().all(|byte| byte.is_ascii_alphanumeric());
        text.len() <= 317 && is_kind && is_name(name, "-.")
    })
}

fn is_name(name: &str, between: &str) -> bool {
    let is_end = |character: char| character.is_ascii_lowercase() || character.is_ascii_digit();
    name.starts_with(is_end)
        && name.ends_with(is_end)
        && name.chars().all(|character| is_end(character) || between.contains(character))
}

#[cfg(test)]
mod tests;
