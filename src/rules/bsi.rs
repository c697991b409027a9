//! BSI IT-Grundschutz, edition 2023, modules SYS.1.6 (Containerisierung) and APP.4.4 (Kubernetes), requirement by
//! requirement: which rules serve it, and what no rule shows. Titles are those of the modules; all else is our own.
//!
//! A rule may be named that the catalogue does not have (yet): it is passed over. A rule that names a requirement
//! among its controls serves it too, whether it stands here or not.
//!
//! No rule proves that a requirement is met. A finding proves that it is not, in that place.

mod app_4_4;
mod sys_1_6;

use serde::Serialize;

use super::{Control, RuleId};

/// For whom a requirement is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub enum Level {
    /// Basis-Anforderung (B): always.
    Basis,
    /// Standard-Anforderung (S): where nothing speaks against it.
    Standard,
    /// Anforderung bei erhöhtem Schutzbedarf (H).
    Hoch,
}

impl Level {
    /// The word of the modules.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Basis => "Basis",
            Self::Standard => "Standard",
            Self::Hoch => "Hoch",
        }
    }
}

/// How it can be seen whether a requirement is met.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Means {
    /// Rules show violations of a part of it.
    Rules,
    /// To run Revisor is a part of meeting it.
    Revisor,
    /// A machine could, and Revisor does not: another tool is needed.
    OtherTool,
    /// No machine can: it is a plan, a decision or a document.
    People,
}

impl Means {
    /// In words.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Rules => "in part, by rules",
            Self::Revisor => "in part, by running Revisor",
            Self::OtherTool => "not by Revisor: another tool",
            Self::People => "not by a machine",
        }
    }
}

/// A requirement of a module.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Requirement {
    /// Its number: `SYS.1.6.A6`.
    pub id: &'static str,
    /// For whom it is meant.
    pub level: Level,
    /// Its title in the module.
    pub title: &'static str,
    /// What it is about, in our words.
    pub about: &'static str,
    /// How it can be seen whether it is met.
    pub means: Means,
    /// Rules that show violations, beside those that name it among their controls.
    #[serde(skip)]
    pub rules: &'static [&'static str],
    /// What these rules do not show, or why no rule shows anything.
    pub limits: &'static str,
}

impl Requirement {
    /// The requirement as a control.
    pub fn control(&self) -> Control {
        Control::bsi(self.id)
    }

    /// The rules of the catalogue that show violations of it, in the catalogue's order.
    pub fn served_by(&self) -> impl Iterator<Item = RuleId> + '_ {
        let control = self.control();
        RuleId::all().filter(move |rule| {
            self.rules.contains(&rule.as_str()) || rule.info().controls.contains(&control)
        })
    }
}

/// Every requirement of both modules, in their order.
pub fn requirements() -> impl Iterator<Item = &'static Requirement> {
    sys_1_6::REQUIREMENTS.iter().chain(app_4_4::REQUIREMENTS)
}

/// The requirements that a rule serves.
pub fn serves(rule: RuleId) -> impl Iterator<Item = &'static Requirement> {
    requirements().filter(move |requirement| requirement.served_by().any(|other| other == rule))
}

const fn requirement(
    id: &'static str,
    level: Level,
    title: &'static str,
    about: &'static str,
    (means, rules): (Means, &'static [&'static str]),
    limits: &'static str,
) -> Requirement {
    Requirement { id, level, title, about, means, rules, limits }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_modules_are_complete_and_in_order() {
        let numbers = |module: &str, count: usize| -> Vec<String> {
            (1..=count).map(|number| format!("{module}.A{number}")).collect()
        };
        let ids: Vec<_> = requirements().map(|requirement| requirement.id.to_owned()).collect();
        assert_eq!(ids, [numbers("SYS.1.6", 26), numbers("APP.4.4", 21)].concat());
    }

    #[test]
    fn levels_follow_one_another_as_in_the_modules() {
        let count = |module: &str, level| {
            requirements().filter(|it| it.id.starts_with(module) && it.level == level).count()
        };
        assert_eq!([Level::Basis, Level::Standard, Level::Hoch].map(|it| count("SYS.1.6", it)), [8, 12, 6]);
        assert_eq!([Level::Basis, Level::Standard, Level::Hoch].map(|it| count("APP.4.4", it)), [5, 7, 9]);
        for module in ["SYS.1.6", "APP.4.4"] {
            let levels: Vec<_> =
                requirements().filter(|it| it.id.starts_with(module)).map(|it| it.level).collect();
            assert!(levels.is_sorted(), "{module}");
        }
    }

    #[test]
    fn what_rules_show_names_rules_and_what_they_do_not_names_none() {
        for requirement in requirements() {
            let Requirement { id, means, rules, limits, about, .. } = requirement;
            let by_rules = matches!(means, Means::Rules | Means::Revisor);
            assert_eq!(by_rules, !rules.is_empty(), "{id}");
            assert!(limits.ends_with('.') && about.ends_with('.'), "{id}");
            assert!(by_rules || requirement.served_by().next().is_none(), "{id} has rules by their controls");
        }
    }

    #[test]
    fn every_requirement_that_a_rule_names_is_one() {
        for rule in RuleId::all() {
            let named = rule.info().controls.iter().filter(|control| control.framework.starts_with("BSI"));
            for control in named {
                let known = requirements().any(|requirement| requirement.control() == *control);
                assert!(known, "{rule} names {control}");
            }
        }
        let trusted = RuleId::named("TrustedRegistry").unwrap();
        let serves: Vec<_> = serves(trusted).map(|requirement| requirement.id).collect();
        assert_eq!(serves, ["SYS.1.6.A6", "SYS.1.6.A12", "SYS.1.6.A13"]);
    }
}
