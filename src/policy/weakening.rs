//! What an edit of a policy takes away: what was asked before and is not asked any more, as far as it can be told from
//! the two versions alone. Settings whose effect depends on what else is set are not compared.

use jiff::Timestamp;
use serde_json::Value;

use super::compile::CompiledPolicy;
use super::exemption::Exemption;
use crate::reference::Pattern;
use crate::rules::{PreparedRule, RuleId};

/// Lists of what a rule lets pass: a longer one asks for less.
const PERMITTING: [&str; 7] = [
    "allow",
    "exempt",
    "exemptRoles",
    "exemptNamespaces",
    "trustedHosts",
    "internalAnnotations",
    "internalIngressClasses",
];

/// Lists of what a rule refuses: a shorter one asks for less.
const REFUSING: [&str; 1] = ["deny"];

/// The setting that says which Pod Security level is good enough, and its values, the weakest first.
const LEVEL: &str = "minLevel";
const LEVELS: [&str; 3] = ["privileged", "baseline", "restricted"];

/// What an edit takes away, in short sentences.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Weakening {
    /// What is asked less.
    pub weaker: Vec<String>,
    /// Exemptions that were not there.
    pub exemptions: Vec<String>,
}

impl Weakening {
    /// Compares two versions of a policy at `at`, the instant of the edit.
    pub fn between(before: &CompiledPolicy, now: &CompiledPolicy, at: Timestamp) -> Self {
        let mut weaker = Vec::new();
        for rule in RuleId::all() {
            match (before.rule(rule), now.rule(rule)) {
                (Some(_), None) => weaker.push(format!("{rule} is not judged any more")),
                (Some(before), Some(now)) => compare(before, now, &mut weaker),
                (None, _) => {}
            }
        }
        let left_out = before.scope.left_out_by(&now.scope);
        weaker.extend(left_out.into_iter().map(|what| format!("the scope is narrower: {what}")));
        let mut exemptions = Vec::new();
        for exemption in now.exemptions.iter().filter(|exemption| !exemption.has_expired(at)) {
            match before.exemptions.iter().find(|other| other.name == exemption.name) {
                None => exemptions.push(describe(exemption)),
                Some(before) if exemption.permits_more_than(before) => {
                    weaker.push(format!("exemption {} permits more, or longer", exemption.name));
                }
                Some(_) => {}
            }
        }
        Self { weaker, exemptions }
    }
}

/// `legacy-etl, from TrustedRegistry and 2 more rules until 2027-01-31T00:00:00Z: nodes are preloaded`
fn describe(exemption: &Exemption) -> String {
    let rules = match exemption.rules() {
        [] => String::new(),
        [rule] => rule.to_string(),
        [rule, more @ ..] => format!("{rule} and {} more", more.len()),
    };
    let end = match exemption.expires_at {
        Some(end) => format!("until {end}"),
        None => "without an end".to_owned(),
    };
    format!("{}, from {rules}, {end}: {}", exemption.name, exemption.reason)
}

fn compare(before: &PreparedRule, now: &PreparedRule, weaker: &mut Vec<String>) {
    let rule = now.id;
    if now.severity < before.severity {
        weaker.push(format!("{rule} has severity {} instead of {}", now.severity, before.severity));
    }
    if now.settings == before.settings {
        return;
    }
    let list = |of: &PreparedRule, key: &str| -> Vec<Value> {
        of.settings.get(key).and_then(Value::as_array).cloned().unwrap_or_default()
    };
    let is_registry = rule.as_str() == "TrustedRegistry";
    for key in PERMITTING {
        let (old, new) = (list(before, key), list(now, key));
        if is_registry && new.is_empty() {
            // Without the list everything is allowed that is not denied.
            if !old.is_empty() {
                weaker.push(format!("{rule}.{key} is gone: every registry that is not denied is allowed"));
            }
        } else if !(is_registry && old.is_empty()) {
            let added = new.iter().filter(|item| !is_covered(item, &old));
            weaker.extend(added.map(|item| format!("{rule}.{key} has {}", shown(item))));
        }
    }
    for key in REFUSING {
        let new = list(now, key);
        let gone = list(before, key);
        let gone = gone.iter().filter(|item| !is_covered(item, &new));
        weaker.extend(gone.map(|item| format!("{rule}.{key} has no {} any more", shown(item))));
    }
    let level = |of: &PreparedRule| {
        let level = of.settings.get(LEVEL).and_then(Value::as_str)?;
        LEVELS.iter().position(|known| *known == level)
    };
    if let (Some(old), Some(new)) = (level(before), level(now))
        && new < old
    {
        weaker.push(format!("{rule}.{LEVEL} is {} instead of {}", LEVELS[new], LEVELS[old]));
    }
}

/// Whether an item stands in a list, or is a pattern that one of the list covers.
fn is_covered(item: &Value, list: &[Value]) -> bool {
    let pattern = |item: &Value| item.as_str().and_then(|text| Pattern::parse(text).ok());
    let covered = |pattern: &Pattern| {
        list.iter()
            .filter_map(|other| other.as_str())
            .any(|other| Pattern::parse(other).is_ok_and(|other| other.covers(pattern)))
    };
    list.contains(item) || pattern(item).is_some_and(|pattern| covered(&pattern))
}

fn shown(item: &Value) -> String {
    item.as_str().map_or_else(|| item.to_string(), str::to_owned)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::decode::PolicyRecord;

    fn compiled(spec: Value) -> CompiledPolicy {
        let record = PolicyRecord {
            name: "p".into(),
            uid: "u".into(),
            generation: 1,
            observed_generation: 0,
            spec,
            source: None,
        };
        CompiledPolicy::compile(&record)
    }

    fn between(before: Value, now: Value) -> Weakening {
        Weakening::between(&compiled(before), &compiled(now), "2026-01-01T00:00:00Z".parse().unwrap())
    }

    fn weaker(before: Value, now: Value) -> Vec<String> {
        between(before, now).weaker
    }

    fn rules(rules: Value) -> Value {
        json!({ "rules": rules })
    }

    #[test]
    fn a_rule_that_is_taken_out_switched_off_or_unreadable_is_not_judged_any_more() {
        let before = || rules(json!({"noMutableTag": {}, "validReference": {}}));
        let gone = ["NoMutableTag is not judged any more"];
        assert_eq!(weaker(before(), rules(json!({"validReference": {}}))), gone);
        let off = rules(json!({"validReference": {}, "noMutableTag": {"enabled": false}}));
        assert_eq!(weaker(before(), off), gone);
        let wrong = rules(json!({"validReference": {}, "noMutableTag": {"tagz": []}}));
        assert_eq!(weaker(before(), wrong), gone);
        assert_eq!(weaker(rules(json!({"validReference": {}})), before()), Vec::<String>::new());
    }

    #[test]
    fn a_lower_severity_is_weaker_and_a_higher_one_is_not() {
        let of = |severity: &str| rules(json!({"noMutableTag": {"severity": severity}}));
        assert_eq!(weaker(of("high"), of("low")), ["NoMutableTag has severity low instead of high"]);
        assert_eq!(weaker(of("low"), of("high")), Vec::<String>::new());
    }

    #[test]
    fn an_allow_list_is_wider_only_for_what_it_did_not_cover_before() {
        let allow = |allow: &[&str]| rules(json!({"trustedRegistry": {"allow": allow, "deny": ["x.test"]}}));
        assert_eq!(
            weaker(allow(&["a.test"]), allow(&["a.test", "evil.test/**"])),
            ["TrustedRegistry.allow has evil.test/**"]
        );
        assert_eq!(weaker(allow(&["a.test"]), allow(&["a.test/team/**"])), Vec::<String>::new(), "narrower");
        let all = ["TrustedRegistry.allow is gone: every registry that is not denied is allowed"];
        assert_eq!(weaker(allow(&["a.test"]), rules(json!({"trustedRegistry": {"deny": ["x.test"]}}))), all);
        let none = rules(json!({"trustedRegistry": {"deny": ["x.test"]}}));
        assert_eq!(weaker(none, allow(&["a.test"])), Vec::<String>::new(), "now only some are allowed");
        let denied = |deny: &[&str]| rules(json!({"trustedRegistry": {"allow": ["a.test"], "deny": deny}}));
        assert_eq!(
            weaker(denied(&["a.test/old/**"]), denied(&[])),
            ["TrustedRegistry.deny has no a.test/old/** any more"]
        );
        let binding = json!({"exempt": [{"binding": "b", "role": "cluster-admin"}]});
        let now = rules(json!({"noClusterAdminRoleBinding": binding}));
        assert_eq!(weaker(rules(json!({"noClusterAdminRoleBinding": {}})), now).len(), 1);
    }

    #[test]
    fn a_lower_level_and_a_narrower_scope_are_weaker() {
        let level = |level: &str| rules(json!({"podSecurityEnforced": {"minLevel": level}}));
        assert_eq!(
            weaker(level("restricted"), level("baseline")),
            ["PodSecurityEnforced.minLevel is baseline instead of restricted"]
        );
        let narrow = json!({"rules": {"noMutableTag": {}}, "scope": {"excludeNamespaces": ["team-a"]}});
        assert_eq!(
            weaker(rules(json!({"noMutableTag": {}})), narrow),
            ["the scope is narrower: excludeNamespaces has team-a"]
        );
        let baseline = |version: &str| json!({"profile": {"name": version, "version": "v1"}});
        assert!(!weaker(baseline("Strict"), baseline("Essential")).is_empty());
        assert_eq!(weaker(baseline("Essential"), baseline("Essential")), Vec::<String>::new());
    }

    #[test]
    fn a_new_exemption_is_told_by_itself_and_a_longer_or_wider_one_is_weaker() {
        let of = |namespaces: &[&str], end: &str| {
            json!({"rules": {"noMutableTag": {}}, "exemptions": [{
                "name": "e", "rules": ["NoMutableTag"], "namespaces": namespaces, "reason": "old", "expiresAt": end,
            }]})
        };
        let (early, late) = ("2026-06-01T00:00:00Z", "2027-06-01T00:00:00Z");
        let none = || rules(json!({"noMutableTag": {}}));
        let added = between(none(), of(&["team-a"], early));
        assert_eq!(added.exemptions, ["e, from NoMutableTag, until 2026-06-01T00:00:00Z: old"]);
        assert!(added.weaker.is_empty());
        assert_eq!(between(of(&["team-a"], early), none()), Weakening::default());
        assert_eq!(
            between(none(), of(&["team-a"], "2025-01-01T00:00:00Z")),
            Weakening::default(),
            "it is over"
        );
        let more = ["exemption e permits more, or longer"];
        assert_eq!(weaker(of(&["team-a"], early), of(&["team-a"], late)), more);
        assert_eq!(weaker(of(&["team-a"], early), of(&["team-a", "team-b"], early)), more);
        assert_eq!(weaker(of(&["team-*"], late), of(&["team-b"], early)), Vec::<String>::new());
    }
}
