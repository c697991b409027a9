//! What tenants write, and how it is read.

use serde_json::{Value, json};

use super::*;
use crate::subject::Resource;
use crate::subject::facts::put_fact;
use crate::subject::objects::ExemptionFacts;

fn object(spec: Value) -> RequestObject {
    let facts = ExemptionFacts { spec, generation: 3, ..ExemptionFacts::default() };
    let object = ObjectFacts {
        kind: Resource::Exemptions,
        namespace: "team-a".into(),
        name: "loader".into(),
        content: Content::Exemption(Box::new(facts)),
    };
    RequestObject::compile(&object).unwrap()
}

fn facts(annotations: &[&str]) -> Facts {
    let mut bytes = Vec::new();
    annotations.iter().for_each(|text| put_fact(&mut bytes, Fact::ExemptionAnnotation, text));
    Facts::new(&bytes)
}

fn rule() -> RuleId {
    RuleId::named("PullPolicyAlways").unwrap()
}

fn read(value: &str) -> Result<Request, String> {
    annotated(&facts(&[&format!("PullPolicyAlways={value}")]), rule()).unwrap()
}

#[test]
fn an_object_asks_under_its_own_name() {
    let read = object(json!({
        "rules": ["PullPolicyAlways"], "workloads": ["Deployment/*"], "reason": "preloaded", "ticket": "OPS-1",
        "expiresAt": "2027-01-31T00:00:00Z",
    }));
    let request = read.request.unwrap();
    assert_eq!((&*read.name, read.generation, &*request.exemption.name), ("loader", 3, "loader"));
    assert_eq!(
        (&*request.exemption.reason, request.exemption.ticket.as_deref()),
        ("preloaded", Some("OPS-1"))
    );
    assert_eq!((request.exemption.rules(), request.origin), (&[rule()][..], Origin::Object));
}

#[test]
fn an_object_that_cannot_be_read_in_full_asks_for_nothing_and_says_why() {
    let good = json!({"rules": ["PullPolicyAlways"], "reason": "r", "expiresAt": "2027-01-31T00:00:00Z"});
    for (field, value) in [
        ("rules", json!([])),
        ("rules", json!(["pullPolicyAlways"])),
        ("reason", json!("  ")),
        ("reason", json!(null)),
        ("expiresAt", json!("2027-01-31")),
        ("workloads", json!(["loader"])),
        ("workloads", json!([])),
        ("images", json!([])),
        ("permanent", json!(true)),
        ("namespaces", json!(["other"])),
    ] {
        let mut spec = good.clone();
        spec[field] = value.clone();
        let read = object(spec);
        assert!(read.request.is_none(), "{field}: {value}");
        assert!(
            read.problems.iter().all(|problem| problem.field.starts_with(&format!("spec.{field}"))),
            "{read:?}"
        );
        assert!(!read.problems.is_empty(), "{field}: {value}");
    }
    for field in ["rules", "reason", "expiresAt"] {
        let mut spec = good.clone();
        spec.as_object_mut().unwrap().remove(field);
        let read = object(spec);
        assert_eq!((read.request, &*read.problems[0].field), (None, &*format!("spec.{field}")));
    }
    assert!(object(Value::Null).request.is_none(), "no spec at all");
}

#[test]
fn an_annotation_names_ticket_end_and_reason() {
    let request = read(" OPS-412 until 2027-01-31: preloaded: nodes until spring ").unwrap();
    assert_eq!(request.exemption.ticket.as_deref(), Some("OPS-412"));
    assert_eq!(&*request.exemption.reason, "preloaded: nodes until spring");
    assert_eq!(request.exemption.expires_at, "2027-01-31T00:00:00Z".parse().ok());
    assert_eq!(&*request.exemption.name, "exempt.revisor.dev/PullPolicyAlways");
    let exact = read("https://tickets.test/1 until 2027-01-31T12:30:00Z: r").unwrap();
    assert_eq!(exact.exemption.expires_at, "2027-01-31T12:30:00Z".parse().ok());
    assert_eq!(exact.exemption.ticket.as_deref(), Some("https://tickets.test/1"));
}

#[test]
fn an_annotation_in_another_form_is_told_with_the_form_that_is_expected() {
    for (value, what) in [
        ("", "it names no end"),
        ("OPS-412", "it names no end"),
        ("OPS-412 until 2027-01-31", "it gives no reason"),
        ("OPS-412 until 2027-01-31:", "it gives no reason"),
        ("OPS-412 until 2027-01-31:  ", "it gives no reason"),
        ("OPS-412 until spring: r", "its end is no date"),
        ("OPS-412 until 2027-02-30: r", "its end is no date"),
        ("OPS-412 until 31.01.2027: r", "its end is no date"),
        ("until 2027-01-31: r", "it names no ticket"),
        (" until 2027-01-31: r", "it names no ticket"),
        ("true", "it names no end"),
    ] {
        let error = read(value).unwrap_err();
        assert!(
            error.contains(what) && error.contains("TICKET until 2027-01-31: reason"),
            "{value:?}: {error}"
        );
    }
    let hostile = read("\u{1b}[31m\n").unwrap_err();
    assert!(!hostile.contains('\u{1b}') && !hostile.contains('\n'), "{hostile}");
}

#[test]
fn an_annotation_is_about_its_rule_only_and_a_misspelt_one_is_told_at_the_rule_that_is_meant() {
    let value = "OPS-412 until 2027-01-31: r";
    let other = RuleId::named("NoMutableTag").unwrap();
    let facts_of = |id: &str| facts(&[&format!("{id}={value}")]);
    assert!(annotated(&facts_of("PullPolicyAlways"), other).is_none());
    assert!(annotated(Facts::none(), rule()).is_none());
    let told = annotated(&facts_of("PullPolicyAlway"), rule()).unwrap().unwrap_err();
    assert!(told.contains("did you mean PullPolicyAlways?"), "{told}");
    assert!(annotated(&facts_of("PullPolicyAlway"), other).is_none());
    let both = facts(&[&format!("pullPolicyAlways={value}"), &format!("PullPolicyAlways={value}")]);
    assert!(annotated(&both, rule()).unwrap().is_ok(), "the right one counts");
}
