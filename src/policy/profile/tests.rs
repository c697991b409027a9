//! What is in the profiles, and that no rule was forgotten.

use std::collections::BTreeSet;

use super::*;
use crate::rules::bsi;

/// Rules that are known to come (issue "2."). A name that is neither here nor in the catalogue is misspelt.
const TO_COME: &[&str] = &[
    "AdmissionCoverage",
    "DanglingNetworkPolicy",
    "DefaultServiceAccountTokenOff",
    "DefaultServiceAccountUnbound",
    "DefaultServiceAccountUnused",
    "EphemeralContainerPresent",
    "ExternalExposure",
    "HostLocalImage",
    "ImagePullSecretsPresent",
    "LimitRangePresent",
    "NetworkPolicyCoversPods",
    "NoBindingsToAllServiceAccounts",
    "NoBindingsToAnonymous",
    "NoBindingsToAuthenticated",
    "NoClusterAdminRoleBinding",
    "NoDangerousCapabilities",
    "NoEscalatingRole",
    "NoHostNamespaces",
    "NoHostPath",
    "NoPrivilegeEscalation",
    "NoPrivileged",
    "NoRuntimeAccess",
    "NoUserWorkloadsInSystemNamespace",
    "NoWildcardRole",
    "NodeImageUntrusted",
    "NonExistentServiceAccount",
    "PodImageMatchesOwner",
    "PodMeetsLevel",
    "PodSecurityAuditWarnSet",
    "PolicyCoverage",
    "PullPolicyExplicit",
    "ReadOnlyRootFilesystem",
    "ResourceQuotaPresent",
    "RunAsNonRoot",
    "SecretsInEnv",
    "StuckTerminating",
    "TokenMountedFromDefaultServiceAccount",
];

fn v1(name: &str) -> &'static Profile {
    find(name, "v1").unwrap()
}

fn written(name: &str) -> BTreeSet<&'static str> {
    v1(name).lines().map(|line| line.id).collect()
}

#[test]
fn every_rule_of_every_profile_takes_its_settings_and_says_why_it_is_there() {
    for line in ALL.iter().flat_map(Profile::lines) {
        let settings = line.settings();
        assert!(settings.as_ref().is_some_and(Value::is_object), "{line:?}");
        assert!(!line.why.is_empty() && !line.why.ends_with('.'), "{line:?}");
        if let Some(rule) = line.rule() {
            assert_eq!(rule.as_str(), line.id);
            let prepared = (rule.entry().prepare)(&settings.unwrap());
            assert!(matches!(prepared, Ok(Some(_))), "{line:?}: {prepared:?}");
        }
    }
}

#[test]
#[expect(clippy::print_stdout, reason = "a notice for whoever runs the tests")]
fn every_name_is_a_rule_or_one_that_is_to_come() {
    let requested = ON_REQUEST.iter().map(|(id, _)| *id);
    let mapped = bsi::requirements().flat_map(|requirement| requirement.rules).copied();
    let named: BTreeSet<_> =
        ALL.iter().flat_map(Profile::lines).map(|line| line.id).chain(requested).chain(mapped).collect();
    let unknown: Vec<_> = named.into_iter().filter(|id| RuleId::named(id).is_none()).collect();
    for id in &unknown {
        assert!(TO_COME.contains(id), "{id} is no rule, and none that is to come");
    }
    if !unknown.is_empty() {
        println!("notice: rules that profiles name and the catalogue does not have: {}", unknown.join(", "));
    }
}

#[test]
fn every_rule_is_in_strict_or_on_request_and_not_in_both() {
    for rule in RuleId::all() {
        let in_strict = v1("Strict").settings(rule).is_some();
        let on_request = ON_REQUEST.iter().any(|(id, _)| *id == rule.as_str());
        assert!(in_strict != on_request, "{rule}: put it into a table of src/policy/profile/, or ON_REQUEST");
        let in_bsi = v1("BSI").settings(rule).is_some();
        assert!(!(in_bsi && on_request), "{rule}");
    }
}

#[test]
fn a_profile_contains_the_one_before_it_and_each_rule_once() {
    assert!(written("Essential").is_subset(&written("Baseline")));
    assert!(written("Baseline").is_subset(&written("Strict")));
    for (profile, count) in ALL.iter().zip([10, 27, 52, 49]) {
        assert_eq!(profile.lines().count(), count, "{}", profile.name);
        assert_eq!(written(profile.name).len(), count, "{}", profile.name);
        let known = profile.lines().filter(|line| line.rule().is_some()).count();
        assert_eq!(profile.ids().count(), known, "{}", profile.name);
    }
}

#[test]
fn a_later_table_overrides_an_earlier_one() {
    let rule = RuleId::named("PullPolicyAlways").unwrap();
    let mode = |name| v1(name).settings(rule).unwrap()["mode"].clone();
    assert_eq!((mode("Baseline"), mode("Strict")), ("AlwaysUnlessDigest".into(), "Always".into()));
    assert_eq!(v1("Essential").settings(rule), None);
    let strict = v1("Strict").lines().find(|line| line.id == "PullPolicyAlways").unwrap();
    assert!(strict.why.contains("of a digest too"), "the reason is that of the table that counts");
}

#[test]
fn bsi_has_every_rule_that_serves_a_requirement_and_no_other() {
    for rule in RuleId::all() {
        let on_request = ON_REQUEST.iter().any(|(id, _)| *id == rule.as_str());
        let serves = bsi::serves(rule).next().is_some();
        let in_bsi = v1("BSI").settings(rule).is_some();
        assert_eq!(in_bsi, serves && !on_request, "{rule}: src/policy/profile/bsi.rs or src/rules/bsi.rs");
    }
    let mapped: BTreeSet<_> = bsi::requirements().flat_map(|it| it.rules).copied().collect();
    for id in written("BSI") {
        assert!(mapped.contains(id), "{id} is in the profile and serves no requirement");
    }
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
    assert_eq!(newest("bsi").map(|profile| (profile.name, profile.version)), Some(("BSI", "v1")));
    assert!(newest("nonsense").is_none());
}
