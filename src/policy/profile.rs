//! Profiles: presets of rules, by name and version. A released version never gains a rule or a stricter setting;
//! what a newer Revisor adds goes into the next version.
//!
//! A profile is a few tables, one upon the other, of rule ids and settings, each with the reason why it is there;
//! the files below say how rules were chosen. A table may name a rule that the catalogue does not have (yet): it is
//! passed over. [`ON_REQUEST`] are the rules that are in none, since nobody but the user can say what they need.

mod baseline;
mod bsi;
mod essential;
mod strict;

use serde_json::Value;

use crate::rules::RuleId;

/// One rule of a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Line {
    /// The rule's id.
    pub id: &'static str,
    /// Its settings in JSON.
    settings: &'static str,
    /// Why it is in the profile, in one line.
    pub why: &'static str,
}

/// A rule with its own defaults.
const fn line(id: &'static str, why: &'static str) -> Line {
    with(id, "{}", why)
}

/// A rule with settings.
const fn with(id: &'static str, settings: &'static str, why: &'static str) -> Line {
    Line { id, settings, why }
}

impl Line {
    /// The rule, if the catalogue has it.
    pub fn rule(&self) -> Option<RuleId> {
        RuleId::named(self.id)
    }

    /// Its settings.
    pub fn settings(&self) -> Option<Value> {
        serde_json::from_str(self.settings).ok()
    }
}

/// A preset of rules.
#[derive(Clone, Copy, Debug)]
pub struct Profile {
    /// Its name.
    pub name: &'static str,
    /// Its version.
    pub version: &'static str,
    /// Whom it is for, in one line.
    pub description: &'static str,
    /// What is in it. A line of a later table stands in place of an earlier one of the same rule.
    tables: &'static [&'static [Line]],
}

/// Every profile, every version; of one name, the newest version last.
pub static ALL: &[Profile] = &[
    Profile {
        name: "Essential",
        version: "v1",
        description: "What is broken or dangerous in any cluster, and next to nothing to argue about",
        tables: &[essential::TABLE],
    },
    Profile {
        name: "Baseline",
        version: "v1",
        description: "What every cluster should keep: Essential, fresh and named images, separated pods and networks",
        tables: &[essential::TABLE, baseline::TABLE],
    },
    Profile {
        name: "Strict",
        version: "v1",
        description: "For clusters that pin digests, deny by default and harden workloads: Baseline, and stricter",
        tables: &[essential::TABLE, baseline::TABLE, strict::TABLE],
    },
    Profile {
        name: "BSI",
        version: "v1",
        description: "The rules that serve BSI IT-Grundschutz (SYS.1.6 Containerisierung, APP.4.4 Kubernetes)",
        tables: &[bsi::TABLE],
    },
];

/// Rules that are in no profile, and what only the user can say.
pub static ON_REQUEST: &[(&str, &str)] = &[
    ("TrustedRegistry", "which registries you trust"),
    ("NodeImageUntrusted", "which registries you trust"),
    ("ImagePullSecretsPresent", "which registries ask for credentials that the nodes do not have"),
    ("RequiredLabels", "which labels you ask for"),
    (
        "AdmissionCoverage",
        "which webhooks or admission policies must reach every namespace, beside Pod Security",
    ),
];

impl Profile {
    /// What is in it, each rule once, whether the catalogue has it or not.
    pub fn lines(&self) -> impl Iterator<Item = Line> + '_ {
        let tables = self.tables;
        let last_of =
            |id: &str| tables.iter().rev().flat_map(|table| table.iter()).find(|line| line.id == id);
        tables.iter().enumerate().flat_map(move |(index, table)| {
            let is_new = move |line: &&Line| {
                !tables[..index].iter().any(|earlier| earlier.iter().any(|other| other.id == line.id))
            };
            table.iter().filter(is_new).filter_map(move |line| last_of(line.id).copied())
        })
    }

    /// The rules in it, by id, each once.
    pub fn ids(&self) -> impl Iterator<Item = &'static str> + '_ {
        self.lines().filter_map(|line| Some(line.rule()?.as_str()))
    }

    /// The settings of a rule that is in it.
    pub fn settings(&self, rule: RuleId) -> Option<Value> {
        let lines = self.tables.iter().rev().flat_map(|table| table.iter());
        lines.into_iter().find(|line| line.id == rule.as_str())?.settings()
    }
}

/// The profile of this name and version.
pub fn find(name: &str, version: &str) -> Option<&'static Profile> {
    ALL.iter().find(|profile| profile.name == name && profile.version == version)
}

/// The newest version of the profile of this name, in any case.
pub fn newest(name: &str) -> Option<&'static Profile> {
    ALL.iter().rev().find(|profile| profile.name.eq_ignore_ascii_case(name))
}

/// The profile whose name is nearest to `name`, for "did you mean".
pub fn nearest(name: &str) -> Option<&'static Profile> {
    newest(super::problem::nearest(name, ALL.iter().map(|profile| profile.name))?)
}

#[cfg(test)]
mod tests;
