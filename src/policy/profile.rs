//! Profiles: presets of rules, by name and version. A released version never gains a rule or a stricter setting;
//! what a newer Revisor adds goes into the next version.
//!
//! A profile is a few tables, one upon the other, of rule ids and settings. TrustedRegistry and RequiredLabels are
//! in none of them, since nobody but the user can say which registries and which labels.

use serde_json::Value;

use crate::rules::RuleId;

/// A rule's id and its settings in JSON.
type Line = (&'static str, &'static str);

/// A preset of rules.
#[derive(Clone, Copy, Debug)]
pub struct Profile {
    /// Its name.
    pub name: &'static str,
    /// Its version.
    pub version: &'static str,
    /// Whom it is for, in one line.
    pub description: &'static str,
    /// What is in it. A later table overrides the settings of an earlier one.
    tables: &'static [&'static [Line]],
}

/// Every profile, every version.
pub static ALL: &[Profile] = &[
    Profile {
        name: "Essential",
        version: "v1",
        description: "What is broken or dangerous in any cluster, and next to nothing to argue about",
        tables: &[ESSENTIAL],
    },
    Profile {
        name: "Baseline",
        version: "v1",
        description: "What every cluster should keep: Essential, fresh and named images, Pod Security and network isolation",
        tables: &[ESSENTIAL, BASELINE],
    },
    Profile {
        name: "Strict",
        version: "v1",
        description: "For clusters that pin digests and deny by default: Baseline and its stricter settings",
        tables: &[ESSENTIAL, BASELINE, STRICT],
    },
    Profile {
        name: "BSI",
        version: "v1",
        description: "The rules that serve BSI IT-Grundschutz (SYS.1.6 Containerisierung, APP.4.4 Kubernetes)",
        tables: &[BSI],
    },
];

const ESSENTIAL: &[Line] = &[
    ("ValidReference", "{}"),
    ("PullPolicyNotNever", "{}"),
    ("RunningDigestMatches", "{}"),
    ("DigestSkew", "{}"),
    ("ImagePullFailing", "{}"),
    ("DeprecatedRegistry", "{}"),
    ("SuspiciousRegistryHost", "{}"),
    ("PodSecurityLabelsValid", "{}"),
];

const BASELINE: &[Line] = &[
    ("PullPolicyAlways", r#"{"mode": "AlwaysUnlessDigest"}"#),
    ("NoMutableTag", "{}"),
    ("PodSecurityEnforced", r#"{"minLevel": "baseline"}"#),
    ("DefaultDenyIngress", "{}"),
    ("NamespaceOptedOut", "{}"),
    ("NoWorkloadsInDefaultNamespace", "{}"),
];

const STRICT: &[Line] = &[
    ("PullPolicyAlways", r#"{"mode": "Always"}"#),
    ("DigestPinned", r#"{"severity": "high"}"#),
    ("FullyQualifiedReference", "{}"),
    ("PodSecurityEnforced", r#"{"minLevel": "restricted"}"#),
    ("PodSecurityVersionPinned", "{}"),
    ("DefaultDenyEgress", "{}"),
];

const BSI: &[Line] = &[
    ("ValidReference", "{}"),
    ("FullyQualifiedReference", "{}"),
    ("PullPolicyAlways", r#"{"mode": "AlwaysUnlessDigest"}"#),
    ("NoMutableTag", "{}"),
    ("DigestPinned", "{}"),
    ("DigestSkew", "{}"),
    ("DeprecatedRegistry", "{}"),
    ("PodSecurityEnforced", r#"{"minLevel": "baseline"}"#),
    ("PodSecurityLabelsValid", "{}"),
    ("PodSecurityVersionPinned", "{}"),
    ("DefaultDenyIngress", "{}"),
    ("DefaultDenyEgress", "{}"),
    ("NoWorkloadsInDefaultNamespace", "{}"),
];

impl Profile {
    /// The rules in it, by id, each once.
    pub fn ids(&self) -> impl Iterator<Item = &'static str> + '_ {
        let tables = self.tables;
        tables.iter().enumerate().flat_map(move |(index, table)| {
            let earlier = &tables[..index];
            table
                .iter()
                .map(|(id, _)| *id)
                .filter(move |id| !earlier.iter().any(|table| table.iter().any(|(other, _)| other == id)))
        })
    }

    /// The settings of a rule that is in it.
    pub fn settings(&self, rule: RuleId) -> Option<Value> {
        self.settings_of(rule.as_str())
    }

    fn settings_of(&self, id: &str) -> Option<Value> {
        let lines = self.tables.iter().rev().flat_map(|table| table.iter());
        let (_, settings) = lines.into_iter().find(|(other, _)| *other == id)?;
        serde_json::from_str(settings).ok()
    }
}

/// The profile of this name and version.
pub fn find(name: &str, version: &str) -> Option<&'static Profile> {
    ALL.iter().find(|profile| profile.name == name && profile.version == version)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn v1(name: &str) -> &'static Profile {
        find(name, "v1").unwrap()
    }

    fn ids(name: &str) -> BTreeSet<&'static str> {
        v1(name).ids().collect()
    }

    #[test]
    fn every_rule_of_every_profile_exists_and_takes_its_settings() {
        for profile in ALL {
            for id in profile.ids() {
                let settings = profile.settings_of(id);
                assert!(settings.as_ref().is_some_and(Value::is_object), "{} {id}", profile.name);
                let rule = RuleId::named(id).unwrap_or_else(|| panic!("{} names {id}", profile.name));
                assert_eq!(rule.as_str(), id);
                let prepared = (rule.entry().prepare)(&profile.settings(rule).unwrap());
                assert!(matches!(prepared, Ok(Some(_))), "{} {id}: {prepared:?}", profile.name);
            }
        }
    }

    #[test]
    fn a_profile_contains_the_one_before_it_and_each_rule_once() {
        assert!(ids("Essential").is_subset(&ids("Baseline")) && ids("Baseline").is_subset(&ids("Strict")));
        for (profile, count) in ALL.iter().zip([8, 14, 18, 13]) {
            assert_eq!(profile.ids().count(), count, "{}", profile.name);
            assert_eq!(profile.ids().collect::<BTreeSet<_>>().len(), count, "{}", profile.name);
        }
    }

    #[test]
    fn a_later_table_overrides_an_earlier_one() {
        let mode = |name| v1(name).settings_of("PullPolicyAlways").unwrap()["mode"].clone();
        assert_eq!((mode("Baseline"), mode("Strict")), ("AlwaysUnlessDigest".into(), "Always".into()));
        assert_eq!(v1("Essential").settings_of("PullPolicyAlways"), None);
    }

    #[test]
    fn rules_that_need_settings_are_in_no_profile() {
        for profile in ALL {
            assert!(!profile.ids().any(|id| id == "TrustedRegistry" || id == "RequiredLabels"));
        }
    }

    /// The table is written out, since a released version must not change when a rule gains a control.
    #[test]
    fn bsi_has_the_rules_that_name_bsi() {
        let serves =
            |rule: &RuleId| rule.info().controls.iter().any(|control| control.framework.starts_with("BSI"));
        let needs_settings = ["TrustedRegistry", "RequiredLabels"];
        let named: BTreeSet<_> = RuleId::all()
            .filter(serves)
            .map(RuleId::as_str)
            .filter(|id| !needs_settings.contains(id))
            .collect();
        assert_eq!(named, ids("BSI"));
    }

    #[test]
    fn names_and_versions_are_those_of_the_schema() {
        let schema = serde_json::to_value(schemars::schema_for!(crate::policy::spec::ProfileRef)).unwrap();
        for profile in ALL {
            for (field, word) in [("ProfileName", profile.name), ("ProfileVersion", profile.version)] {
                assert!(
                    schema["$defs"][field]["enum"].as_array().unwrap().contains(&word.into()),
                    "{word}: {schema}"
                );
            }
        }
        assert!(find("baseline", "v1").is_none() && find("Baseline", "v2").is_none());
    }
}
