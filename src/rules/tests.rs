//! What holds for every rule of the table.

use serde_json::{Value, json};

use super::{Check, RuleId, SubjectKind};

#[test]
fn ids_are_sorted_within_their_subject_and_unlike() {
    let ids: Vec<_> = RuleId::all().collect();
    for pair in ids.windows(2) {
        let [left, right] = pair else { unreachable!() };
        let is_sorted = left.as_str() < right.as_str();
        let next_section = !same_section(*left, *right);
        assert!(is_sorted || next_section, "{left} before {right}");
    }
    let mut names: Vec<_> = ids.iter().map(|id| id.as_str()).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), ids.len());
}

fn same_section(left: RuleId, right: RuleId) -> bool {
    let section = |id: RuleId| {
        let settings = least_settings(id);
        let prepared = (id.entry().prepare)(&settings).unwrap().unwrap();
        (id.entry().subject, std::mem::discriminant(&prepared.check))
    };
    section(left) == section(right)
}

/// `{}`, or what a rule cannot do without.
fn least_settings(id: RuleId) -> Value {
    match id.as_str() {
        "NodeImageUntrusted" | "TrustedRegistry" => json!({"allow": ["registry.example.com"]}),
        "ImagePullSecretsPresent" => json!({"registries": ["registry.example.com"]}),
        "RequiredLabels" => json!({"labels": {"owner": ".*"}}),
        _ => json!({}),
    }
}

#[test]
fn every_rule_runs_with_its_defaults_and_takes_the_common_settings() {
    for id in RuleId::all() {
        let prepare = id.entry().prepare;
        let mut settings = least_settings(id);
        let prepared = prepare(&settings).unwrap().unwrap();
        assert_eq!((prepared.id, prepared.severity), (id, id.info().severity));
        let fits = match prepared.check {
            Check::Image(_) | Check::Running(_) | Check::Owner(_) => SubjectKind::ImageUse,
            Check::Namespace(judge) if judge.asks().only_cluster => SubjectKind::Cluster,
            Check::Namespace(_) => SubjectKind::Namespace,
            Check::Container(_) => SubjectKind::Container,
            Check::Pod(_) => SubjectKind::Pod,
            Check::Reference(_) => SubjectKind::Reference,
        };
        assert_eq!(id.entry().subject, fits, "{id}");

        settings["severity"] = json!("low");
        assert_eq!(prepare(&settings).unwrap().unwrap().severity.as_str(), "low", "{id}");
        assert!(prepare(&json!({"enabled": false})).unwrap().is_none(), "{id}");
        for wrong in [json!({"nonsense": 1}), json!({"severity": "LOW"}), json!(null), json!([])] {
            assert!(prepare(&wrong).is_err(), "{id} takes {wrong}");
        }
    }
}

#[test]
fn every_rule_is_described() {
    for id in RuleId::all() {
        let info = id.info();
        assert!(!info.title.ends_with('.') && info.title.len() < 60, "{id}: {}", info.title);
        for text in [info.title, info.rationale, info.remedy, info.false_positives] {
            assert!(!text.is_empty() && text.trim() == text && !text.contains(" \n"), "{id}: {text:?}");
        }
        for text in [info.rationale, info.false_positives] {
            assert!(text.ends_with('.') && !text.contains("  "), "{id}: {text:?}");
        }
        assert!(info.remedy.contains("\n\n  "), "{id}: something to copy stands by itself");
        assert!(!info.controls.is_empty(), "{id}");
        for (index, control) in info.controls.iter().enumerate() {
            assert!(!info.controls[..index].contains(control), "{id}: {control} twice");
        }
    }
}

#[test]
fn a_setting_that_cannot_be_read_is_named() {
    let field = |rule: &str, settings: Value| {
        (RuleId::named(rule).unwrap().entry().prepare)(&settings).unwrap_err().field
    };
    assert_eq!(field("PullPolicyAlways", json!({"enabled": true, "mode": "always"})), "mode");
    assert_eq!(field("PullPolicyAlways", json!({"mod": "Always"})), "mod");
    assert_eq!(field("ImagePullFailing", json!({"for": "10"})), "for");
    assert_eq!(field("ImagePullFailing", json!(["low"])), "");
}

/// Without bounds, the API server refuses the CRD or takes settings without end.
#[test]
fn every_setting_is_described_and_bounded_and_has_no_default() {
    fn walk(path: &str, schema: &Value) {
        match schema {
            Value::Object(fields) => {
                let is = |kind: &str| match fields.get("type") {
                    Some(Value::Array(kinds)) => kinds.iter().any(|found| found == kind),
                    found => found == Some(&json!(kind)),
                };
                let bounded = |bounds: &[&str]| bounds.iter().any(|bound| fields.contains_key(*bound));
                assert!(!is("string") || bounded(&["maxLength", "enum", "const"]), "{path}: {schema}");
                assert!(!is("array") || bounded(&["maxItems"]), "{path}: {schema}");
                let is_map = fields.get("additionalProperties").is_some_and(Value::is_object);
                assert!(!is_map || bounded(&["maxProperties"]), "{path}: {schema}");
                assert!(!fields.contains_key("default") || path.ends_with("/properties"), "{path}: {schema}");
                for (name, inner) in fields {
                    walk(&format!("{path}/{name}"), inner);
                }
            }
            Value::Array(items) => items.iter().for_each(|inner| walk(path, inner)),
            _ => {}
        }
    }
    for id in RuleId::all() {
        let schema = (id.entry().schema)().to_value();
        assert!(schema["description"].is_string(), "{id}");
        for (name, field) in schema["properties"].as_object().unwrap() {
            let text = field["description"].as_str().unwrap_or_default();
            let common = ["severity", "enabled"].contains(&name.as_str());
            assert!(common || text.contains("Default: "), "{id}.{name}: {text:?}");
        }
        walk(id.as_str(), &schema);
    }
}
