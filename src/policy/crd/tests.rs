//! The schema rules that the API server holds us to, read off the generated CRDs.

use serde_json::json;

use super::*;
use crate::rules::{CATALOGUE, RuleId};

fn schema(plural: &str) -> Value {
    let crd = crds().into_iter().find(|crd| crd.spec.names.plural == plural).unwrap();
    let schema = crd.spec.versions[0].schema.clone().unwrap().open_api_v3_schema.unwrap();
    serde_json::to_value(schema).unwrap()
}

/// Calls `visit` with every schema and its path.
fn walk(schema: &Value, path: &str, visit: &mut dyn FnMut(&str, &Map<String, Value>)) {
    let object = schema.as_object().unwrap_or_else(|| panic!("{path} is no schema: {schema}"));
    visit(path, object);
    for (name, property) in object.get("properties").and_then(Value::as_object).into_iter().flatten() {
        walk(property, &format!("{path}.{name}"), visit);
    }
    for (keyword, shown) in [("items", "[]"), ("additionalProperties", "{}")] {
        if let Some(inner) = object.get(keyword) {
            walk(inner, &format!("{path}{shown}"), visit);
        }
    }
    let unseen = ["allOf", "anyOf", "oneOf", "patternProperties"].into_iter();
    for keyword in unseen.chain((!REFUSING_EMPTY.contains(&path)).then_some("not")) {
        assert!(!object.contains_key(keyword), "{path} has {keyword}, which no test looks into");
    }
}

/// Where `not` refuses empty fields.
const REFUSING_EMPTY: [&str; 4] = [
    "imagepolicies.spec.rules",
    "imagepolicies.spec.exemptions[]",
    "imagepolicies.spec.delegation[]",
    "exemptions.spec",
];

fn every_schema(mut visit: impl FnMut(&str, &Map<String, Value>)) {
    for plural in ["imagepolicies", "namespaceaudits", "exemptions"] {
        walk(&schema(plural), plural, &mut visit);
    }
}

#[test]
fn every_text_list_and_map_has_a_bound() {
    every_schema(|path, schema| {
        let has = |keyword: &str| schema.contains_key(keyword);
        match schema.get("type").and_then(Value::as_str) {
            Some("string") => {
                let bounded =
                    has("maxLength") || has("enum") || schema.get("format") == Some(&json!("date-time"));
                assert!(bounded, "{path} has no maxLength");
            }
            Some("array") => assert!(has("maxItems") && has("items"), "{path} has no maxItems"),
            Some("object") if has("additionalProperties") => {
                assert!(has("maxProperties"), "{path} has no maxProperties")
            }
            Some("object") => assert!(has("properties"), "{path} says nothing of its fields"),
            Some("integer") => {
                let format = schema.get("format").and_then(Value::as_str);
                assert!(matches!(format, Some("int32" | "int64")), "{path}: {format:?}");
            }
            Some("boolean") => {}
            other => assert!(has("x-kubernetes-int-or-string"), "{path} has type {other:?}"),
        }
    });
}

#[test]
fn nothing_has_a_default_and_a_field_that_may_be_null_is_refused_when_it_is() {
    let mut nullable = Vec::new();
    every_schema(|path, schema| {
        for keyword in ["default", "x-kubernetes-embedded-resource"] {
            assert!(!schema.contains_key(keyword), "{path} has {keyword}");
        }
        if schema.contains_key("nullable") {
            nullable.push(path.to_owned());
        }
        let words = schema.get("enum").and_then(Value::as_array);
        assert!(words.is_none_or(|words| !words.is_empty() && words.iter().all(Value::is_string)), "{path}");
    });
    let mut refused = Vec::new();
    every_schema(|path, schema| {
        let empty = schema.get("not").and_then(|not| not["anyOf"].as_array()).into_iter().flatten();
        refused.extend(empty.map(|empty| format!("{path}.{}", empty["required"][0].as_str().unwrap())));
    });
    refused.sort();
    nullable.sort();
    assert_eq!(nullable, refused);
    assert_eq!(nullable.len(), CATALOGUE.len() + 6);
}

#[test]
fn only_the_rules_keep_what_the_schema_does_not_know() {
    let mut keeping = Vec::new();
    every_schema(|path, schema| {
        if schema.contains_key("x-kubernetes-preserve-unknown-fields") {
            keeping.push(path.to_owned());
        }
    });
    let rules = RuleId::all().map(|rule| format!("imagepolicies.spec.rules.{}", rule.entry().key));
    let mut expected: Vec<_> = rules.chain(["imagepolicies.spec.rules".to_owned()]).collect();
    expected.sort();
    keeping.sort();
    assert_eq!(keeping, expected);
    for crd in crds() {
        assert_eq!(crd.spec.preserve_unknown_fields, None);
    }
}

#[test]
fn every_rule_of_the_table_is_in_the_schema_and_described() {
    let schema = schema("imagepolicies");
    let rules = schema["properties"]["spec"]["properties"]["rules"]["properties"].as_object().unwrap();
    assert_eq!(rules.len(), CATALOGUE.len());
    for rule in RuleId::all() {
        let settings = &rules[rule.entry().key];
        assert_eq!(settings["type"], "object", "{rule}");
        assert!(settings["description"].as_str().is_some_and(|text| text.len() > 20), "{rule}");
        assert_eq!(settings.get("required"), None, "{rule}: every setting is optional");
        for (field, setting) in settings["properties"].as_object().unwrap() {
            assert!(setting["description"].as_str().is_some_and(|text| text.len() > 10), "{rule} {field}");
        }
        assert!(
            settings["properties"]["severity"].is_object() && settings["properties"]["enabled"].is_object()
        );
    }
}

#[test]
fn every_field_is_described() {
    every_schema(|path, schema| {
        let itself = path.ends_with("[]") || path.ends_with("{}") || !path.contains('.');
        assert!(itself || schema.contains_key("description"), "{path} has no description");
        let description = schema.get("description").and_then(Value::as_str).unwrap_or_default();
        assert!(!description.contains("Auto-generated"), "{path}");
    });
}

#[test]
fn lists_with_a_key_are_maps() {
    let schema = schema("imagepolicies");
    for (pointer, key) in [
        ("/properties/spec/properties/exemptions", "name"),
        ("/properties/status/properties/conditions", "type"),
    ] {
        let list = schema.pointer(pointer).unwrap();
        assert_eq!(list["x-kubernetes-list-type"], "map");
        assert_eq!(list["x-kubernetes-list-map-keys"], json!([key]));
        assert!(list["items"]["required"].as_array().unwrap().contains(&json!(key)));
    }
}

#[test]
fn the_crds_are_named_and_shown_as_documented() {
    let [policies, audits, exemptions] = &crds()[..] else { panic!("three kinds") };
    let names = &policies.spec.names;
    assert_eq!((policies.spec.scope.as_str(), audits.spec.scope.as_str()), ("Cluster", "Namespaced"));
    assert_eq!(names.short_names.as_deref(), Some(&["imgpol".to_owned()][..]));
    assert_eq!(audits.spec.names.short_names.as_deref().unwrap_or_default(), [""; 0]);
    assert_eq!(exemptions.spec.scope, "Namespaced");
    let asked = ["Rules", "Approved", "Effective", "Expires", "Reason", "Why", "Age"];
    for (crd, expected) in [
        (exemptions, &asked[..]),
        (policies, &["Ready", "Compliant", "Violations", "Critical", "Unknown", "Rules", "Age"][..]),
        (audits, &["Compliant", "Critical", "Violations", "Unknown", "Exempt", "Age"][..]),
    ] {
        assert_eq!(crd.spec.names.categories.as_deref(), Some(&["revisor".to_owned()][..]));
        let columns = crd.spec.versions[0].additional_printer_columns.iter().flatten();
        assert_eq!(columns.map(|column| column.name.as_str()).collect::<Vec<_>>(), expected);
    }
    for crd in [policies, exemptions] {
        assert!(crd.spec.versions[0].subresources.as_ref().unwrap().status.is_some());
    }
    assert!(
        audits.spec.versions[0]
            .subresources
            .as_ref()
            .is_none_or(|subresources| subresources.status.is_none())
    );
}

#[test]
fn each_crd_stays_small() {
    for (name, text) in files() {
        assert!(text.len() < 200_000, "{name} has {} bytes", text.len());
    }
}

/// `UPDATE_CRDS=1 cargo test crd` writes them.
#[test]
fn the_files_under_crds_are_what_is_generated() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("crds");
    for (name, text) in files() {
        let path = folder.join(&name);
        if std::env::var_os("UPDATE_CRDS").is_some() {
            std::fs::write(&path, &text).unwrap();
        }
        let committed = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(committed == text, "crds/{name} is stale: run `UPDATE_CRDS=1 cargo test crd`");
    }
}

#[test]
fn the_yaml_reads_back_as_the_crds_and_is_the_same_every_time() {
    let text = yaml();
    assert_eq!(text, yaml());
    assert!(text.starts_with("# generated by `revisor crd`"));
    let read: Vec<CustomResourceDefinition> = serde_saphyr::from_multiple(&text).unwrap();
    assert_eq!(read, crds());
}

#[test]
fn paragraphs_are_joined_and_lists_are_kept() {
    assert_eq!(reflowed("a\nb\n\nc\n"), "a b\n\nc");
    assert_eq!(reflowed("a:\n- b\n- c\n  d"), "a:\n- b\n- c\n  d");
}

#[test]
fn tightening_leaves_a_property_named_default_alone() {
    let mut schema = json!({
        "type": "object", "default": {}, "nullable": true,
        "properties": {
            "default": {"type": "integer", "format": "uint32", "nullable": true},
            "word": {"type": "string", "enum": ["a", null], "default": "a"},
        },
    });
    tighten(&mut schema);
    assert_eq!(
        schema,
        json!({
            "type": "object",
            "properties": {"default": {"type": "integer", "format": "int64"}, "word": {"type": "string", "enum": ["a"]}},
        })
    );
}
