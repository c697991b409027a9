//! `revisor audit --by control`: the same verdicts, grouped by the requirements that rules serve, so that the page
//! can be filed as evidence: when it was judged, by which policies of which generation over which scope, what was
//! judged and kept, what was found, what is permitted until when, and what no rule shows.
//!
//! A subject counts once a control, with the worst of its verdicts: judged = pass + fail + unknown + exempt. What
//! a rule does not apply to is not judged. A control of which nothing was found is not proved by that: see
//! [`crate::rules::bsi`].

mod csv;
mod html;
mod markdown;
mod text;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;

use crate::policy::compile::CompiledPolicy;
use crate::policy::exemption::Exemption;
use crate::rules::bsi::{self, Level, Means, Requirement};
use crate::rules::{Control, RuleId};
use crate::verdict::Severity;

use super::result::{AppliedPolicy, AuditReport, AuditResult, Permission, Shown, SubjectName, Summary, Tool};

pub use csv::controls_csv;
pub use html::controls_html;
pub use markdown::controls_markdown;
pub use text::controls_text;

/// What was looked at.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LookedAt {
    /// Files and folders, or a cluster's address and what of it.
    pub input: Vec<String>,
    /// What is not in the input does not exist.
    pub whole_cluster: bool,
}

/// A policy that was in force.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PolicyInForce {
    /// Name, generation and hash.
    #[serde(flatten)]
    pub applied: AppliedPolicy,
    /// Its profile, with the version.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub profile: Option<String>,
    /// Its scope as written; left out for the whole cluster.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scope: Option<Value>,
    /// How many of its fields could not be used; left out when all could.
    #[serde(skip_serializing_if = "is_zero")]
    pub problems: u64,
}

/// Subjects by their verdict.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[expect(missing_docs, reason = "the verdicts")]
pub struct Counts {
    /// All of the others together.
    pub judged: u64,
    pub pass: u64,
    pub fail: u64,
    pub unknown: u64,
    pub exempt: u64,
}

/// A rule under a control.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RulePart {
    /// The rule.
    pub rule: &'static str,
    /// The highest severity that a policy gives its findings.
    pub severity: Severity,
    /// The policies that ask for it.
    pub policies: Vec<String>,
    /// What it judged.
    #[serde(flatten)]
    pub counts: Counts,
}

/// A finding under a control.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FindingPart {
    /// Names rule and subject.
    pub id: String,
    /// The rule.
    pub rule: &'static str,
    /// `fail`, `unknown` or `exempt`.
    pub verdict: Shown,
    /// How much it matters.
    pub severity: Severity,
    /// The policies that say so.
    pub policies: Vec<String>,
    /// The namespace, if it is in one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// What it is about.
    pub subject: SubjectName,
    /// The container or volume.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub container: Option<String>,
    /// The image as written.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
    /// Why, in a sentence.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// The exemption that permits it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exemption: Option<String>,
}

/// An exemption that permits not to keep a rule of a control.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ExemptionPart {
    /// The policy it stands in.
    pub policy: String,
    /// Name, reason, ticket and end.
    #[serde(flatten)]
    pub permission: Permission,
    /// It has ended, and permits nothing any more.
    pub expired: bool,
    /// How many subjects it permits under this control.
    pub subjects: u64,
}

/// A control: what serves it, and what was found.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ControlPart {
    /// Catalogue, edition and number.
    #[serde(flatten)]
    pub control: Control,
    /// Its title, where it is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub title: Option<&'static str>,
    /// For whom it is meant.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub level: Option<Level>,
    /// How it can be seen whether it is met.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub means: Option<Means>,
    /// What no rule shows.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limits: Option<&'static str>,
    /// Subjects, each once, by the worst of its verdicts.
    #[serde(flatten)]
    pub counts: Counts,
    /// The rules in force that serve it.
    pub rules: Vec<RulePart>,
    /// Rules that would serve it and that no policy asks for.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub rules_not_in_force: Vec<&'static str>,
    /// What was found, worst first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub findings: Vec<FindingPart>,
    /// What is permitted.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub exemptions: Vec<ExemptionPart>,
}

impl ControlPart {
    /// How it was checked, in words.
    fn checked(&self) -> &'static str {
        match self.means {
            Some(Means::Rules) | None if !self.rules.is_empty() => Means::Rules.as_str(),
            Some(Means::Rules) | None if self.rules_not_in_force.is_empty() => "not by this version",
            Some(Means::Rules) | None => "not by the policies in force",
            Some(means) => means.as_str(),
        }
    }
}

/// The report. Version `v1` of a contract: fields are added, never renamed or removed.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ControlReport {
    /// Version of the contract.
    pub version: &'static str,
    /// What it is grouped by.
    pub by: &'static str,
    /// Who wrote it.
    pub tool: Tool,
    /// The instant as of which everything was judged.
    pub observed_at: Timestamp,
    /// What was looked at.
    pub looked_at: LookedAt,
    /// The policies, by name.
    pub policies: Vec<PolicyInForce>,
    /// The audit in numbers.
    pub summary: Summary,
    /// The controls, by catalogue and number.
    pub controls: Vec<ControlPart>,
}

impl ControlReport {
    /// Groups a report that lists every verdict. `catalogue` keeps only controls of catalogues that contain this
    /// text, in any case.
    pub fn of(
        report: &AuditReport,
        policies: &[Arc<CompiledPolicy>],
        looked_at: LookedAt,
        catalogue: Option<&str>,
    ) -> Self {
        let mut rows: BTreeMap<&'static str, Vec<&AuditResult>> = BTreeMap::new();
        for row in &report.results {
            rows.entry(row.rule).or_default().push(row);
        }
        let wanted = catalogue.unwrap_or_default().to_lowercase();
        let world = World { rows, policies, observed_at: report.observed_at };
        let controls = world.controls().into_iter();
        let controls = controls.filter(|control| control.framework.to_lowercase().contains(&wanted));
        Self {
            version: "v1",
            by: "control",
            tool: report.tool,
            observed_at: report.observed_at,
            looked_at,
            policies: policies.iter().map(|policy| in_force(policy)).collect(),
            summary: report.summary,
            controls: controls.map(|control| world.part(control)).collect(),
        }
    }
}

fn in_force(policy: &CompiledPolicy) -> PolicyInForce {
    PolicyInForce {
        applied: AppliedPolicy::from(policy),
        profile: policy.profile.map(|(name, version)| format!("{name} {version}")),
        scope: policy.scope.written().cloned(),
        problems: policy.problems.len() as u64,
    }
}

fn is_zero(count: &u64) -> bool {
    *count == 0
}

/// The same for all rules that judge it.
type SubjectKey<'a> =
    (Option<&'a str>, &'a SubjectName, Option<&'static str>, Option<&'a str>, Option<&'a str>);

fn subject_of(row: &AuditResult) -> SubjectKey<'_> {
    (row.namespace.as_deref(), &row.subject, row.slot, row.container.as_deref(), row.image.as_deref())
}

/// Counts subjects by the worst of their verdicts.
fn count<'a>(rows: impl Iterator<Item = &'a AuditResult>) -> Counts {
    let mut worst: BTreeMap<SubjectKey<'_>, Shown> = BTreeMap::new();
    for row in rows {
        let known = worst.entry(subject_of(row)).or_insert(row.verdict);
        *known = row.verdict.min(*known);
    }
    let mut counts = Counts::default();
    for verdict in worst.into_values() {
        *match verdict {
            Shown::Pass => &mut counts.pass,
            Shown::Fail => &mut counts.fail,
            Shown::Unknown => &mut counts.unknown,
            Shown::Exempt => &mut counts.exempt,
            Shown::Na => continue,
        } += 1;
        counts.judged += 1;
    }
    counts
}

/// Text in which numbers sort as numbers: A2 before A10.
fn natural(text: &str) -> Vec<(String, u64)> {
    let mut parts = vec![(String::new(), 0_u64)];
    let mut in_number = false;
    for character in text.chars() {
        if let (Some(digit), Some((_, number))) = (character.to_digit(10), parts.last_mut()) {
            *number = number.saturating_mul(10).saturating_add(digit.into());
            in_number = true;
            continue;
        }
        if in_number {
            parts.push((String::new(), 0));
            in_number = false;
        }
        if let Some((word, _)) = parts.last_mut() {
            word.push(character);
        }
    }
    parts
}

/// What controls are made from.
struct World<'a> {
    rows: BTreeMap<&'static str, Vec<&'a AuditResult>>,
    policies: &'a [Arc<CompiledPolicy>],
    observed_at: Timestamp,
}

impl World<'_> {
    /// The controls that rules in force serve, and every requirement of BSI: an auditor asks for those that nobody
    /// looked at, too.
    fn controls(&self) -> Vec<Control> {
        let in_force = RuleId::all().filter(|rule| self.policies.iter().any(|it| it.rule(*rule).is_some()));
        let mut controls: Vec<_> = in_force.flat_map(|rule| rule.info().controls.iter().copied()).collect();
        controls.extend(bsi::requirements().map(Requirement::control));
        let key = |it: &Control| (it.framework, it.version, natural(it.id));
        controls.sort_by(|left, right| key(left).cmp(&key(right)));
        controls.dedup();
        controls
    }

    fn rows_of(&self, rule: RuleId) -> impl Iterator<Item = &AuditResult> {
        self.rows.get(rule.as_str()).into_iter().flatten().copied()
    }

    fn part(&self, control: Control) -> ControlPart {
        let requirement = bsi::requirements().find(|requirement| requirement.control() == control);
        let serving: Vec<RuleId> = match requirement {
            Some(requirement) => requirement.served_by().collect(),
            None => RuleId::all().filter(|rule| rule.info().controls.contains(&control)).collect(),
        };
        let rules: Vec<_> = serving.iter().filter_map(|rule| self.rule_part(*rule)).collect();
        let is_in_force = |rule: &RuleId| rules.iter().any(|part| part.rule == rule.as_str());
        ControlPart {
            control,
            title: requirement.map(|it| it.title),
            level: requirement.map(|it| it.level),
            means: requirement.map(|it| it.means),
            limits: requirement.map(|it| it.limits),
            counts: count(serving.iter().flat_map(|rule| self.rows_of(*rule))),
            rules_not_in_force: serving.iter().filter(|it| !is_in_force(it)).map(|it| it.as_str()).collect(),
            findings: self.findings(&serving),
            exemptions: self.exemptions(&serving),
            rules,
        }
    }

    /// None for a rule that no policy asks for.
    fn rule_part(&self, rule: RuleId) -> Option<RulePart> {
        let asked = || self.policies.iter().filter_map(|policy| Some((policy, policy.rule(rule)?)));
        Some(RulePart {
            rule: rule.as_str(),
            severity: asked().map(|(_, prepared)| prepared.severity).max()?,
            policies: asked().map(|(policy, _)| policy.name.to_string()).collect(),
            counts: count(self.rows_of(rule)),
        })
    }

    fn findings(&self, rules: &[RuleId]) -> Vec<FindingPart> {
        let mut findings: BTreeMap<(&str, Shown), FindingPart> = BTreeMap::new();
        let shown = |row: &&AuditResult| row.verdict.is_finding() || row.verdict == Shown::Exempt;
        for row in rules.iter().flat_map(|rule| self.rows_of(*rule)).filter(shown) {
            let finding = findings.entry((&row.id, row.verdict)).or_insert_with(|| FindingPart {
                id: row.id.clone(),
                rule: row.rule,
                verdict: row.verdict,
                severity: row.severity,
                policies: Vec::new(),
                namespace: row.namespace.clone(),
                subject: row.subject.clone(),
                container: row.container.clone(),
                image: row.image.clone(),
                message: row.message.clone(),
                exemption: row.exemption.as_ref().map(|permission| permission.name.clone()),
            });
            finding.policies.push(row.policy.clone());
            finding.severity = finding.severity.max(row.severity);
        }
        let mut findings: Vec<_> = findings.into_values().collect();
        let key = |it: &FindingPart| {
            (it.verdict, std::cmp::Reverse(it.severity), it.namespace.clone(), it.subject.clone(), it.rule)
        };
        findings.sort_by(|left, right| {
            key(left)
                .cmp(&key(right))
                .then_with(|| (&left.container, &left.id).cmp(&(&right.container, &right.id)))
        });
        findings
    }

    fn exemptions(&self, rules: &[RuleId]) -> Vec<ExemptionPart> {
        let permits = |exemption: &Exemption| exemption.rules().iter().any(|rule| rules.contains(rule));
        let of_policy = |policy: &CompiledPolicy| -> Vec<ExemptionPart> {
            let part = |exemption: &Exemption| ExemptionPart {
                policy: policy.name.to_string(),
                permission: Permission::from(exemption),
                expired: exemption.has_expired(self.observed_at),
                subjects: self.permitted(policy, exemption, rules),
            };
            policy.exemptions.iter().filter(|it| permits(it)).map(part).collect()
        };
        let own = self.policies.iter().flat_map(|policy| of_policy(policy));
        own.chain(self.delegated(rules)).collect()
    }

    /// Exemptions that tenants asked for and that permit something, each under its namespace.
    fn delegated(&self, rules: &[RuleId]) -> impl Iterator<Item = ExemptionPart> {
        let mut parts: BTreeMap<(String, String), (Permission, BTreeSet<_>)> = BTreeMap::new();
        for row in rules.iter().flat_map(|rule| self.rows_of(*rule)) {
            let Some(permission) = row.exemption.as_ref().filter(|it| it.delegated.is_some()) else {
                continue;
            };
            let place = format!("{}/{}", row.namespace.as_deref().unwrap_or_default(), permission.name);
            let named = Permission { name: place.clone(), ..permission.clone() };
            let part = parts.entry((row.policy.clone(), place)).or_insert((named, BTreeSet::new()));
            part.1.insert(subject_of(row));
        }
        parts.into_iter().map(|((policy, _), (permission, subjects))| ExemptionPart {
            policy,
            permission,
            expired: false,
            subjects: subjects.len() as u64,
        })
    }

    /// How many subjects an exemption permits.
    fn permitted(&self, policy: &CompiledPolicy, exemption: &Exemption, rules: &[RuleId]) -> u64 {
        let by_it = |row: &&AuditResult| {
            let is_it = |it: &Permission| it.delegated.is_none() && it.name == *exemption.name;
            row.policy == *policy.name && row.exemption.as_ref().is_some_and(is_it)
        };
        let rows = rules.iter().flat_map(|rule| self.rows_of(*rule)).filter(by_it);
        rows.map(subject_of).collect::<BTreeSet<_>>().len() as u64
    }
}

#[cfg(test)]
mod tests;
