//! A profile as it is shown: `revisor rules --profile NAME`, with the reason of each rule; for the profile BSI, the
//! requirements of IT-Grundschutz one by one. Its Markdown is docs/profiles.md.

use serde::Serialize;
use serde_json::Value;

use crate::policy::profile::{ON_REQUEST, Profile};
use crate::rules::bsi::{self, Means, Requirement};
use crate::verdict::Severity;

use super::columns::{Colour, Tone, line, widths, wrap};
use super::rules::{cell, markdown};

/// How wide prose is set for a terminal.
const WIDTH: usize = 96;

/// A rule of a profile.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ProfileRule {
    /// Its id.
    pub id: &'static str,
    /// Severity of its findings under the profile.
    pub severity: Severity,
    /// The settings that differ from the rule's own defaults.
    pub settings: Value,
    /// Why it is in the profile.
    pub why: String,
}

/// A rule that is in no profile.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct OnRequest {
    /// Its id.
    pub id: &'static str,
    /// What only the user can say.
    pub needs: &'static str,
}

/// A requirement, and the rules that serve it.
#[derive(Clone, Debug, Serialize)]
pub struct MappedRequirement {
    /// The requirement.
    #[serde(flatten)]
    pub requirement: Requirement,
    /// Rules of the catalogue that show violations of it.
    pub rules: Vec<&'static str>,
}

impl MappedRequirement {
    /// How it can be seen whether it is met, in words.
    fn checked(&self) -> &'static str {
        match self.requirement.means {
            Means::Rules if self.rules.is_empty() => "not by this version",
            means => means.as_str(),
        }
    }
}

/// All there is to say of a profile.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ProfileDoc {
    /// Its name.
    pub name: &'static str,
    /// Its version.
    pub version: &'static str,
    /// Whom it is for.
    pub description: &'static str,
    /// Its rules, those of the profile below it first.
    pub rules: Vec<ProfileRule>,
    /// Rules that a policy adds by itself, since they need settings.
    pub on_request: Vec<OnRequest>,
    /// For BSI: every requirement of both modules.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub requirements: Vec<MappedRequirement>,
}

impl ProfileDoc {
    /// Reads the profile and the catalogue.
    pub fn of(profile: &Profile) -> Self {
        let is_bsi = profile.name == "BSI";
        let rules = profile.lines().filter_map(|line| {
            let (rule, settings) = (line.rule()?, line.settings()?);
            let prepared = (rule.entry().prepare)(&settings).ok().flatten()?;
            let why = match is_bsi {
                true => bsi::serves(rule).map(|requirement| requirement.id).collect::<Vec<_>>().join(", "),
                false => line.why.to_owned(),
            };
            Some(ProfileRule { id: rule.as_str(), severity: prepared.severity, settings, why })
        });
        let known = |id: &str| crate::rules::RuleId::named(id).is_some();
        let on_request = ON_REQUEST.iter().filter(|(id, _)| known(id));
        let mapped = |requirement: &Requirement| MappedRequirement {
            requirement: *requirement,
            rules: requirement.served_by().map(|rule| rule.as_str()).collect(),
        };
        Self {
            name: profile.name,
            version: profile.version,
            description: profile.description,
            rules: rules.collect(),
            on_request: on_request.map(|&(id, needs)| OnRequest { id, needs }).collect(),
            requirements: bsi::requirements().filter(|_| is_bsi).map(mapped).collect(),
        }
    }
}

/// `mode: Always`, one setting after the other.
fn settings_words(settings: &Value) -> String {
    let words = |(name, value): (&String, &Value)| match value {
        Value::String(text) => format!("{name}: {text}"),
        other => format!("{name}: {other}"),
    };
    settings.as_object().into_iter().flatten().map(words).collect::<Vec<_>>().join(", ")
}

/// A profile for a terminal.
pub fn profile_text(profile: &ProfileDoc, colour: Colour) -> String {
    let title = format!("{} {}", profile.name, profile.version);
    let mut text = format!("{}: {}\n\n", Tone::Bold.paint(&title, colour), profile.description);
    let last = if profile.requirements.is_empty() { "WHY" } else { "SERVES" };
    let mut rows = vec![["RULE", "SEVERITY", "SETTINGS", last].map(str::to_owned)];
    rows.extend(profile.rules.iter().map(|rule| {
        let settings = settings_words(&rule.settings);
        [rule.id.to_owned(), rule.severity.to_string(), settings, rule.why.clone()]
    }));
    let widths = widths(&rows, [usize::MAX; 4]);
    let tones = [Tone::Bold, Tone::Plain, Tone::Plain, Tone::Plain];
    rows.iter().for_each(|row| text.push_str(&(line(row, widths, 3, tones, colour) + "\n")));
    text.push_str(&format!("\n{}\n", Tone::Bold.paint("In no profile, since only you can say", colour)));
    for OnRequest { id, needs } in &profile.on_request {
        text.push_str(&format!("  {id}: {needs}\n"));
    }
    for mapped in &profile.requirements {
        let MappedRequirement { requirement, rules } = mapped;
        let Requirement { id, level, title, about, limits, .. } = requirement;
        text.push_str(&format!("\n{} {title} ({})\n", Tone::Bold.paint(id, colour), level.as_str()));
        let mut add = |paragraph: &str| {
            for line in wrap(paragraph, WIDTH) {
                text.push_str(&format!("  {line}\n"));
            }
        };
        add(about);
        match &**rules {
            [] => add(&format!("Checked: {}. {limits}", mapped.checked())),
            rules => add(&format!("Checked: {}: {}. {limits}", mapped.checked(), rules.join(", "))),
        }
    }
    text
}

/// A profile as a chapter of a page.
pub fn profile_markdown(profile: &ProfileDoc) -> String {
    let ProfileDoc { name, version, description, .. } = profile;
    let mut text = format!("## {name} {version}\n\n{}.\n\n", markdown(description));
    let last = if profile.requirements.is_empty() { "Why" } else { "Serves" };
    text.push_str(&format!("| Rule | Severity | Settings | {last} |\n|---|---|---|---|\n"));
    for ProfileRule { id, severity, settings, why } in &profile.rules {
        let settings = settings_words(settings);
        let settings = if settings.is_empty() { settings } else { format!("`{settings}`") };
        text.push_str(&format!("| {} | {severity} | {settings} | {} |\n", link(id), cell(why)));
    }
    if profile.requirements.is_empty() {
        return text;
    }
    for module in ["SYS.1.6 Containerisierung", "APP.4.4 Kubernetes"] {
        text.push_str(&format!(
            "\n### {module}\n\n| Requirement | Level | What it is about | Checked | Rules | What that does not show \
             |\n|---|---|---|---|---|---|\n"
        ));
        let number = module.split(' ').next().unwrap_or_default();
        let of_module = |it: &&MappedRequirement| it.requirement.id.starts_with(number);
        for mapped in profile.requirements.iter().filter(of_module) {
            let MappedRequirement { requirement, rules } = mapped;
            let Requirement { id, level, title, about, limits, .. } = requirement;
            let rules: Vec<_> = rules.iter().map(|id| link(id)).collect();
            text.push_str(&format!(
                "| {id} {} | {} | {} | {} | {} | {} |\n",
                cell(title),
                level.as_str(),
                cell(about),
                mapped.checked(),
                rules.join(", "),
                cell(limits)
            ));
        }
    }
    text
}

fn link(id: &str) -> String {
    format!("[{id}](rules.md#{})", id.to_ascii_lowercase())
}

/// Every profile as a page of documentation.
pub fn profiles_markdown(profiles: &[ProfileDoc]) -> String {
    let mut text = "# Profiles\n\nGenerated by `revisor rules --profile all --output markdown`; do not edit.\n\n\
                    A profile is a preset of rules. A policy names one with its version and changes what it likes: a rule \
                    under `spec.rules` overrides the settings of the profile, field by field. A released version never \
                    gains a rule or a stricter setting.\n"
        .to_owned();
    if let Some(profile) = profiles.first() {
        text.push_str("\nIn no profile, since only you can say what they need:\n\n");
        for OnRequest { id, needs } in &profile.on_request {
            text.push_str(&format!("- {}: {}\n", link(id), markdown(needs)));
        }
    }
    for profile in profiles {
        text.push('\n');
        text.push_str(&profile_markdown(profile));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::profile::{ALL, newest};

    fn doc(name: &str) -> ProfileDoc {
        ProfileDoc::of(newest(name).unwrap())
    }

    /// The profile with one rule and, if it has any, two requirements.
    fn small(name: &str, rule: &str) -> ProfileDoc {
        let mut doc = doc(name);
        doc.rules.retain(|line| line.id == rule);
        doc.on_request.retain(|line| line.id == "TrustedRegistry");
        doc.requirements.retain(|it| ["SYS.1.6.A1", "SYS.1.6.A6"].contains(&it.requirement.id));
        doc.requirements.iter_mut().for_each(|it| it.rules.retain(|id| *id == "NoMutableTag"));
        doc
    }

    #[test]
    fn a_profile_is_a_table_with_reasons() {
        assert_eq!(
            profile_text(&small("Strict", "DigestPinned"), Colour::Never),
            "\
Strict v1: For clusters that pin digests, deny by default and harden workloads: Baseline, and stricter

RULE           SEVERITY   SETTINGS         WHY
DigestPinned   high       severity: high   a digest is the program; a tag is a promise

In no profile, since only you can say
  TrustedRegistry: which registries you trust
"
        );
    }

    #[test]
    fn bsi_is_told_requirement_by_requirement() {
        let text = profile_text(&small("BSI", "NoMutableTag"), Colour::Never);
        assert!(text.contains("NoMutableTag   medium                SYS.1.6.A6\n"), "{text}");
        assert!(
            text.contains(
                "\nSYS.1.6.A1 Planung des Container-Einsatzes (Basis)\n  Decide and write down what containers are used \
                 for.\n  Checked: not by a machine. It is a decision and a document.\n"
            ),
            "{text}"
        );
        let checked = "\nSYS.1.6.A6 Verwendung sicherer Images (Basis)\n  Images come from trusted sources, with an \
                       author, a version and no end of life.\n  Checked: in part, by rules: NoMutableTag. Whether an";
        assert!(text.contains(checked), "{text}");
        let page = profile_markdown(&small("BSI", "NoMutableTag"));
        let row = "| SYS.1.6.A6 Verwendung sicherer Images | Basis | Images come from trusted sources, with an author, a \
                   version and no end of life. | in part, by rules | [NoMutableTag](rules.md#nomutabletag) | Whether";
        assert!(page.contains(row) && page.contains("### APP.4.4 Kubernetes"), "{page}");
    }

    #[test]
    fn every_rule_of_a_profile_is_shown_and_every_requirement_has_a_row() {
        let page = profiles_markdown(&ALL.iter().map(ProfileDoc::of).collect::<Vec<_>>());
        for profile in ALL {
            assert_eq!(ProfileDoc::of(profile).rules.len(), profile.ids().count(), "{}", profile.name);
            assert!(page.contains(&format!("## {} {}\n", profile.name, profile.version)));
        }
        assert_eq!(page.lines().filter(|line| line.starts_with("| SYS.1.6.A")).count(), 26);
        assert_eq!(page.lines().filter(|line| line.starts_with("| APP.4.4.A")).count(), 21);
        assert!(
            page.lines().filter(|line| line.starts_with("| SYS")).all(|row| row.matches(" | ").count() == 5)
        );
    }

    #[test]
    fn a_profile_in_json_has_settings_and_the_mapping() {
        let json: Value = serde_json::from_str(&super::super::json::json(&doc("BSI")).unwrap()).unwrap();
        assert_eq!(json["requirements"][5]["id"], "SYS.1.6.A6");
        assert_eq!(json["requirements"][5]["means"], "rules");
        assert!(json["requirements"][5]["rules"].as_array().unwrap().contains(&"TrustedRegistry".into()));
        assert_eq!(json["onRequest"][0]["id"], "TrustedRegistry");
        let strict: Value = serde_json::to_value(doc("Strict")).unwrap();
        assert!(strict.get("requirements").is_none());
    }
}
