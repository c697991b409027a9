//! What a policy compiles to, and what it says about the parts that cannot be used.

use proptest::prelude::*;
use serde_json::json;

use super::*;

fn record(spec: Value) -> PolicyRecord {
    PolicyRecord {
        name: "p".into(),
        uid: "u".into(),
        generation: 4,
        observed_generation: 3,
        spec,
        source: None,
    }
}

fn compile(spec: Value) -> CompiledPolicy {
    CompiledPolicy::compile(&record(spec))
}

fn told(policy: &CompiledPolicy) -> Vec<(&str, &str, &str)> {
    policy.problems.iter().map(|p| (p.reason, p.field.as_str(), p.message.as_str())).collect()
}

fn ids(policy: &CompiledPolicy) -> Vec<&'static str> {
    policy.rules.iter().map(|rule| rule.id.as_str()).collect()
}

const TRUSTED: &str = r#"{"allow": ["registry.example.com"]}"#;

fn trusted() -> Value {
    serde_json::from_str(TRUSTED).unwrap()
}

#[test]
fn a_rule_of_ones_own_runs_with_its_severity() {
    let policy =
        compile(json!({"rules": {"trustedRegistry": {"allow": ["a.test"], "severity": "critical"}}}));
    assert_eq!(told(&policy), []);
    assert_eq!(ids(&policy), ["TrustedRegistry"]);
    assert_eq!((policy.rules_set_here, policy.from_profile_count()), (1, 0));
    let rule = RuleId::named("TrustedRegistry").unwrap();
    assert_eq!(policy.rule(rule).unwrap().severity.as_str(), "critical");
    assert_eq!(
        (&*policy.name, &*policy.uid, policy.generation, policy.observed_generation),
        ("p", "u", 4, 3)
    );
}

#[test]
fn an_unknown_rule_is_told_with_the_nearest_name_and_the_others_run() {
    let policy = compile(
        json!({"rules": {"trustedRegistry": trusted(), "trustedRegistri": {}, "TrustedRegistry": {}, "zzz": null}}),
    );
    assert_eq!(ids(&policy), ["TrustedRegistry"]);
    assert_eq!(
        told(&policy),
        [
            (
                "UnknownRule",
                "spec.rules.TrustedRegistry",
                "unknown rule \"TrustedRegistry\": did you mean trustedRegistry?"
            ),
            (
                "UnknownRule",
                "spec.rules.trustedRegistri",
                "unknown rule \"trustedRegistri\": did you mean trustedRegistry?"
            ),
            ("UnknownRule", "spec.rules.zzz", "unknown rule \"zzz\": `revisor rules` lists all"),
        ]
    );
}

#[test]
fn what_cannot_be_used_is_told_with_its_full_field() {
    for (settings, field, message) in [
        (json!(null), "", "write {} for its defaults"),
        (json!(true), "", "expected settings such as {}, found true or false"),
        (json!([]), "", "found a list"),
        (json!({"allow": null}), ".allow", "is empty"),
        (json!({"allow": ["a.test", null]}), ".allow[1]", "is empty"),
        (json!({"severity": null, "allow": ["a.test"]}), ".severity", "is empty"),
        (json!({"alow": ["a.test"]}), ".alow", "did you mean allow?"),
        (json!({"allow": ["a.test"], "severity": "fatal"}), ".severity", "fatal"),
        (json!({"allow": ["a.test"], "enabled": "no"}), ".enabled", "expected a boolean"),
        (json!({"allow": "a.test"}), ".allow", "expected a sequence"),
        (json!({"allow": ["a.test", "b*"]}), ".allow[1]", "'*' must stand alone"),
        (json!({}), ".allow", "at least one trusted registry"),
    ] {
        let policy = compile(json!({"rules": {"trustedRegistry": settings}}));
        assert_eq!(ids(&policy), Vec::<&str>::new(), "{settings}");
        assert_eq!(policy.problems.len(), 1, "{settings}: {:?}", policy.problems);
        let problem = &policy.problems[0];
        assert_eq!(
            (problem.reason, problem.field.clone()),
            ("BadSetting", format!("spec.rules.trustedRegistry{field}"))
        );
        assert!(problem.message.contains(message), "{settings}: {}", problem.message);
    }
}

#[test]
fn what_stands_beside_the_rules_is_told_too() {
    for (spec, field, message) in [
        (json!(null), "spec", "is empty"),
        (json!([]), "spec", "expected fields"),
        (json!({}), "spec.rules", "no rule is active"),
        (json!({"rules": {}}), "spec.rules", "no rule is active"),
        (json!({"rules": {"trustedRegistry": {"enabled": false}}}), "spec.rules", "no rule is active"),
        (json!({"rules": null}), "spec.rules", "is empty"),
        (json!({"rules": []}), "spec.rules", "expected rules, found a list"),
        (json!({"rule": {}}), "spec.rule", "did you mean rules?"),
        (json!({"profile": "Baseline"}), "spec.profile", "expected fields, found a text"),
        (json!({"profile": {"name": "Baseline"}}), "spec.profile.version", "is required"),
        (
            json!({"profile": {"name": "baseline", "version": "v1"}}),
            "spec.profile.name",
            "did you mean Baseline?",
        ),
        (
            json!({"profile": {"name": "Nonsense", "version": "v1"}}),
            "spec.profile.name",
            "expected one of Essential, Baseline, Strict, BSI",
        ),
        (json!({"profile": {"name": "Baseline", "version": "v2"}}), "spec.profile.version", "expected v1"),
        (
            json!({"exemptions": {}, "rules": {"trustedRegistry": trusted()}}),
            "spec.exemptions",
            "expected a list",
        ),
        (json!({"scope": null, "rules": {"trustedRegistry": trusted()}}), "spec.scope", "is empty"),
    ] {
        let policy = compile(spec.clone());
        assert_eq!(policy.problems.len(), 1, "{spec}: {:?}", policy.problems);
        assert_eq!(
            (policy.problems[0].reason, policy.problems[0].field.as_str()),
            ("BadSetting", field),
            "{spec}"
        );
        assert!(policy.problems[0].message.contains(message), "{spec}: {}", policy.problems[0].message);
    }
}

#[test]
fn an_unknown_profile_costs_its_rules_only() {
    let policy = compile(
        json!({"profile": {"name": "Basline", "version": "v1"}, "rules": {"trustedRegistry": trusted()}}),
    );
    assert_eq!((ids(&policy), policy.profile), (vec!["TrustedRegistry"], None));
    assert_eq!(policy.problems.len(), 1);
}

#[test]
fn a_scope_that_cannot_be_read_judges_nothing_and_an_absent_one_everything() {
    let rules = json!({"trustedRegistry": trusted()});
    assert!(!compile(json!({"rules": rules})).scope.is_nothing());
    for scope in [json!(null), json!({"excludeNamespace": []}), json!(7)] {
        let policy = compile(json!({"rules": rules, "scope": scope}));
        assert!(policy.scope.is_nothing() && policy.problems.len() == 1, "{:?}", policy.problems);
    }
    assert!(compile(json!("x")).scope.is_nothing());
}

#[test]
fn one_bad_exemption_does_not_cost_the_rules() {
    let policy = compile(json!({"rules": {"trustedRegistry": trusted()}, "exemptions": [{"name": "x"}]}));
    assert_eq!((policy.rules.len(), policy.exemptions.len()), (1, 0));
    assert!(policy.problems.iter().all(|problem| problem.field.starts_with("spec.exemptions[0]")));
}

#[test]
fn settings_override_the_profile_field_by_field() {
    let entry = RuleId::named("TrustedRegistry").unwrap().entry();
    let preset = json!({"allow": ["a.test"], "severity": "low"});
    let mut problems = Vec::new();
    let merged = merge(entry, Some(preset), &json!({"severity": "high", "deny": ["b.test"]}), &mut problems);
    assert_eq!(merged, Some(json!({"allow": ["a.test"], "severity": "high", "deny": ["b.test"]})));
    assert_eq!(problems, []);
}

#[test]
fn the_builtin_policy_is_a_profile_over_everything() {
    let policy = CompiledPolicy::compile(&builtin("Baseline"));
    assert_eq!((&*policy.name, policy.profile), ("baseline", Some(("Baseline", "v1"))));
    let known =
        profile::find("Baseline", "v1").unwrap().ids().filter(|id| RuleId::named(id).is_some()).count();
    assert_eq!((policy.rules.len(), policy.rules_set_here), (known, 0));
    assert!(!policy.scope.is_nothing());
}

#[test]
fn a_rule_of_the_profile_can_be_switched_off_and_changed() {
    let profile = json!({"name": "Baseline", "version": "v1"});
    let whole = compile(json!({"profile": profile}));
    let Some(first) = whole.rules.first().map(|rule| rule.id) else {
        return;
    };
    let key = first.entry().key;
    let off = compile(json!({"profile": profile, "rules": {key: {"enabled": false}}}));
    assert_eq!((off.rules.len() + 1, off.rules_set_here, told(&off)), (whole.rules.len(), 0, vec![]));
    let changed = compile(json!({"profile": profile, "rules": {key: {"severity": "info"}}}));
    assert_eq!((changed.rules.len(), changed.rules_set_here), (whole.rules.len(), 1));
    assert_eq!(changed.from_profile_count() as usize, whole.rules.len() - 1);
    assert_eq!(changed.rule(first).unwrap().severity.as_str(), "info");
}

#[test]
fn a_null_that_kubectl_took_out_comes_back() {
    let applied = |rules: Value| json!({"kind": "ImagePolicy", "spec": {"rules": rules}}).to_string();
    let mut spec = json!({"rules": {"trustedRegistry": trusted()}});
    restore_nulls(
        &mut spec,
        &applied(json!({"pullPolicyAlways": null, "trustedRegistry": null, "noMutableTag": {}})),
    );
    assert_eq!(spec, json!({"rules": {"trustedRegistry": trusted(), "pullPolicyAlways": null}}));
    let mut spec = json!({"profile": {}});
    restore_nulls(&mut spec, &applied(json!({"trustedRegistry": null})));
    assert_eq!(spec, json!({"profile": {}, "rules": {"trustedRegistry": null}}));
    let mut spec = json!({"exemptions": [{"name": "a", "workloads": ["*/x"]}, {"name": "b"}, {}]});
    let exemptions = json!([{"name": "a", "namespaces": null, "workloads": null}, {"images": null}]);
    restore_nulls(&mut spec, &json!({"spec": {"exemptions": exemptions}}).to_string());
    assert_eq!(
        spec,
        json!({"exemptions": [{"name": "a", "namespaces": null, "workloads": ["*/x"]}, {"name": "b"}, {}]})
    );
    for annotation in ["", "{", "[]", r#"{"spec": null}"#, r#"{"spec": {"rules": {}}}"#] {
        let mut spec = json!({"profile": {}});
        restore_nulls(&mut spec, annotation);
        assert_eq!(spec, json!({"profile": {}}), "{annotation}");
    }
}

#[test]
fn the_hash_is_over_canonical_json() {
    let of = |text: &str| sha256(&serde_json::from_str(text).unwrap());
    assert_eq!(of(r#"{"b": [1, {}], "a": "ä\""}"#), of("{\"a\":\"\\u00e4\\\"\",\n\"b\":[1,{}]}"));
    assert_ne!(of(r#"{"a": [1, 2]}"#), of(r#"{"a": [2, 1]}"#));
    let mut text = String::new();
    write_canonical(&json!({"b": [], "a": [null, true, {"z": 1, "y": "q"}]}), &mut text);
    assert_eq!(text, r#"{"a":[null,true,{"y":"q","z":1}],"b":[]}"#);
    assert_eq!(&*of("{}"), "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a");
}

#[test]
fn the_spec_of_an_object_comes_with_what_was_applied() {
    let applied = json!({"spec": {"rules": {"trustedRegistry": null}}}).to_string();
    let annotations = json!({"kubectl.kubernetes.io/last-applied-configuration": applied});
    let mut object = json!({"metadata": {"annotations": annotations}, "spec": {"profile": {}}});
    assert_eq!(take_spec(&mut object), json!({"profile": {}, "rules": {"trustedRegistry": null}}));
    for mut object in [json!({}), json!([]), json!({"metadata": 1, "spec": null})] {
        assert_eq!(take_spec(&mut object), Value::Null);
    }
}

fn json_value() -> impl Strategy<Value = Value> {
    let key = prop_oneof![
        Just("trustedRegistry"),
        Just("rules"),
        Just("scope"),
        Just("profile"),
        Just("exemptions"),
        Just("allow"),
        Just("name"),
        Just("podSelector"),
        Just("matchLabels"),
        Just("x"),
    ];
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i32>().prop_map(Value::from),
        "[a-z*/.]{0,8}".prop_map(Value::from),
    ];
    leaf.prop_recursive(5, 40, 5, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::vec((key.clone(), inner), 0..5).prop_map(|fields| {
                Value::Object(fields.into_iter().map(|(key, value)| (key.to_owned(), value)).collect())
            }),
        ]
    })
}

#[test]
fn the_controllers_are_read_that_an_exemption_names_or_a_tenant_may_name() {
    let exempting = |workloads: Value| {
        let mut exemption = json!({"name": "e", "rules": ["NoMutableTag"], "images": ["nginx"], "reason": "r", "permanent": true});
        exemption["workloads"] = workloads;
        json!({"rules": {"noMutableTag": {}}, "exemptions": [exemption]})
    };
    let needs = |spec: Value| compile(spec).needs().collect::<Vec<_>>();
    assert_eq!(needs(exempting(json!(["Deployment/web"]))), [Resource::ReplicaSets]);
    assert_eq!(needs(exempting(json!(["StatefulSet/*", "CronJob/x", "Pod/y"]))), [Resource::StatefulSets]);
    assert_eq!(needs(exempting(json!(["*/web"]))), Resource::CONTROLLERS);
    assert!(needs(exempting(json!(["Job/x"]))).is_empty(), "Jobs are read in any case");
    let delegation = json!([{"rules": ["NoMutableTag"]}]);
    assert_eq!(
        needs(json!({"rules": {"noMutableTag": {}}, "delegation": delegation})),
        Resource::CONTROLLERS
    );
}

proptest! {
    #[test]
    fn any_spec_compiles_and_one_that_runs_nothing_says_why(spec in json_value()) {
        let policy = compile(spec);
        prop_assert!(!policy.rules.is_empty() || !policy.problems.is_empty());
        prop_assert!(!policy.scope.is_nothing() || !policy.problems.is_empty());
        prop_assert!(policy.problems.iter().all(|p| p.field.starts_with("spec") && !p.message.is_empty()));
    }
}
