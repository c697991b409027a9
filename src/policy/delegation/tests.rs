//! What policies delegate, for how long, and what they say of requests.

use serde_json::json;

use super::*;
use crate::policy::request::{RequestObject, annotated};
use crate::subject::Resource;
use crate::subject::facts::{Fact, Facts, put_fact};
use crate::subject::objects::{Content, ExemptionFacts, ObjectFacts};

fn compile(value: Value) -> (Box<[Delegation]>, Vec<Problem>) {
    let mut problems = Vec::new();
    let delegations = Delegation::compile_all(&json!([value]), &mut problems);
    (delegations, problems)
}

fn delegations(values: Value) -> Box<[Delegation]> {
    let mut problems = Vec::new();
    let delegations = Delegation::compile_all(&values, &mut problems);
    assert_eq!(problems, []);
    delegations
}

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn rule(id: &str) -> RuleId {
    RuleId::named(id).unwrap()
}

/// An object of the first of November that ends with the year.
fn request(approved: bool) -> Request {
    let spec = json!({"rules": ["NoMutableTag"], "reason": "r", "expiresAt": "2027-01-01T00:00:00Z"});
    let created = Some(at("2026-11-01T00:00:00Z"));
    let facts = ExemptionFacts { spec, generation: 1, created, approved, effective: None };
    let object = ObjectFacts {
        kind: Resource::Exemptions,
        namespace: "team-a".into(),
        name: "e".into(),
        content: Content::Exemption(Box::new(facts)),
    };
    RequestObject::compile(&object).unwrap().request.unwrap()
}

fn annotation(value: &str) -> Request {
    let mut bytes = Vec::new();
    put_fact(&mut bytes, Fact::ExemptionAnnotation, &format!("NoMutableTag={value}"));
    annotated(&Facts::new(&bytes), rule("NoMutableTag")).unwrap().unwrap()
}

fn said(delegation: Value, request: &Request, now: &str) -> Said {
    say(&delegations(json!([delegation])), request, rule("NoMutableTag"), ("team-a", None), at(now))
}

#[test]
fn approval_is_needed_unless_the_policy_says_otherwise() {
    let now = "2026-11-10T00:00:00Z";
    let standing = |delegation: Value, approved| said(delegation, &request(approved), now).standing;
    let until = at("2027-01-01T00:00:00Z");
    for delegation in
        [json!({"rules": ["NoMutableTag"]}), json!({"rules": ["NoMutableTag"], "approval": "Required"})]
    {
        assert_eq!(standing(delegation.clone(), false), Standing::NotApproved);
        assert_eq!(standing(delegation, true), Standing::Effective { until, cut: None });
    }
    let free = json!({"rules": ["NoMutableTag"], "approval": "None"});
    assert!(standing(free, false).is_effective());
}

#[test]
fn more_days_than_are_delegated_are_cut_off_and_the_end_is_exact() {
    let delegation = json!({"rules": ["NoMutableTag"], "approval": "None", "maxDays": 30});
    let (request, until) = (request(false), at("2026-12-01T00:00:00Z"));
    let early = said(delegation.clone(), &request, "2026-11-30T23:59:59Z");
    assert_eq!(early, Said { standing: Standing::Effective { until, cut: Some(30) }, next: Some(until) });
    assert!(
        early
            .standing
            .to_string()
            .ends_with("until 2026-12-01, 30 days from its creation: the policy delegates no more")
    );
    let late = said(delegation.clone(), &request, "2026-12-01T00:00:00Z").standing;
    assert_eq!(late, Standing::Cut { at: until, max_days: 30 });
    assert!(late.is_over() && late.to_string().contains("2026-12-01"), "{late}");
    let over = said(delegation, &request, "2027-01-01T00:00:00Z");
    assert_eq!(over, Said { standing: Standing::Expired { at: at("2027-01-01T00:00:00Z") }, next: None });
}

#[test]
fn ninety_days_are_delegated_where_nothing_is_said() {
    let delegation = json!({"rules": ["NoMutableTag"], "approval": "None"});
    let mut request = request(false);
    request.exemption = request.exemption.ending(at("2030-01-01T00:00:00Z"));
    let said = said(delegation, &request, "2026-11-10T00:00:00Z");
    assert_eq!(said.standing, Standing::Effective { until: at("2027-01-30T00:00:00Z"), cut: Some(90) });
}

#[test]
fn another_rule_and_another_namespace_are_not_delegated_and_unknown_labels_are_no_permission() {
    let by_label = json!({"rules": ["NoMutableTag"], "approval": "None", "namespaceSelector": {"matchLabels": {"tenant": "yes"}}});
    let delegations = delegations(json!([by_label]));
    let (request, now) = (request(false), at("2026-11-10T00:00:00Z"));
    let standing = |rule_id: &str, labels: Option<&TextPairs>| {
        say(&delegations, &request, rule(rule_id), ("team-a", labels), now).standing
    };
    let (tenant, other) = (TextPairs::new(vec![("tenant", "yes")]), TextPairs::new(vec![("tenant", "no")]));
    assert!(standing("NoMutableTag", Some(&tenant)).is_effective());
    assert_eq!(standing("NoMutableTag", Some(&other)), Standing::NotDelegated);
    assert_eq!(standing("NoMutableTag", None), Standing::LabelsUnknown);
    assert_eq!(standing("TrustedRegistry", Some(&tenant)), Standing::NotDelegated);
    assert_eq!(
        say(&[], &request, rule("NoMutableTag"), ("team-a", None), now).standing,
        Standing::NotDelegated
    );
}

#[test]
fn of_several_delegations_the_one_that_permits_most_counts() {
    let several = json!([
        {"rules": ["NoMutableTag"], "maxDays": 20, "approval": "None"},
        {"rules": ["NoMutableTag"], "maxDays": 365},
        {"rules": ["NoMutableTag"], "maxDays": 40, "approval": "None"},
    ]);
    let said = say(
        &delegations(several),
        &request(false),
        rule("NoMutableTag"),
        ("team-a", None),
        at("2026-11-10T00:00:00Z"),
    );
    assert_eq!(said.standing, Standing::Effective { until: at("2026-12-11T00:00:00Z"), cut: Some(40) });
    assert_eq!(said.next, Some(at("2026-11-21T00:00:00Z")), "then the first of them ends");
}

#[test]
fn an_annotation_counts_only_where_annotations_are_taken_and_no_approval_is_asked_for() {
    let request = annotation("OPS-1 until 2026-12-01: r");
    let standing = |delegation: Value| said(delegation, &request, "2026-11-10T00:00:00Z").standing;
    assert_eq!(
        standing(json!({"rules": ["NoMutableTag"], "approval": "None"})),
        Standing::AnnotationNotTaken
    );
    assert_eq!(
        standing(json!({"rules": ["NoMutableTag"], "annotations": true})),
        Standing::AnnotationNotApproved
    );
    let taken = json!({"rules": ["NoMutableTag"], "approval": "None", "annotations": true});
    assert_eq!(standing(taken), Standing::Effective { until: at("2026-12-01T00:00:00Z"), cut: None });
}

#[test]
fn an_annotation_never_counts_for_more_days_than_are_delegated() {
    let delegation =
        json!({"rules": ["NoMutableTag"], "approval": "None", "annotations": true, "maxDays": 10});
    let request = annotation("OPS-1 until 2026-12-01: r");
    let begin = at("2026-11-21T00:00:00Z");
    let early = said(delegation.clone(), &request, "2026-11-20T23:59:59Z");
    assert_eq!(early, Said { standing: Standing::TooLong { begin, max_days: 10 }, next: Some(begin) });
    assert!(said(delegation.clone(), &request, "2026-11-21T00:00:00Z").standing.is_effective());
    assert!(said(delegation, &request, "2026-12-01T00:00:00Z").standing.is_over());
}

#[test]
fn a_delegation_that_cannot_be_read_in_full_delegates_nothing() {
    for (value, field) in [
        (json!({}), "spec.delegation[0].rules"),
        (json!({"rules": []}), "spec.delegation[0].rules"),
        (json!({"rules": ["NoMutableTag"], "maxDays": 0}), "spec.delegation[0].maxDays"),
        (json!({"rules": ["NoMutableTag"], "maxDays": "30"}), "spec.delegation[0].maxDays"),
        (json!({"rules": ["NoMutableTag"], "maxDays": 1e9}), "spec.delegation[0].maxDays"),
        (json!({"rules": ["NoMutableTag"], "approval": "none"}), "spec.delegation[0].approval"),
        (json!({"rules": ["NoMutableTag"], "annotations": "yes"}), "spec.delegation[0].annotations"),
        (json!({"rules": ["NoMutableTag"], "namespaces": ["a"]}), "spec.delegation[0].namespaces"),
        (
            json!({"rules": ["NoMutableTag"], "namespaceSelector": null}),
            "spec.delegation[0].namespaceSelector",
        ),
        (
            json!({"rules": ["NoMutableTag"], "namespaceSelector": {"matchLabels": {"a": 1}}}),
            "spec.delegation[0].namespaceSelector.matchLabels.a",
        ),
        (json!(["NoMutableTag"]), "spec.delegation[0]"),
    ] {
        let (delegations, problems) = compile(value.clone());
        assert!(delegations.is_empty(), "{value}");
        assert_eq!(problems.iter().map(|problem| &*problem.field).collect::<Vec<_>>(), [field], "{value}");
    }
}

#[test]
fn a_rule_that_is_not_known_is_told_and_the_others_are_delegated() {
    let (delegations, problems) = compile(json!({"rules": ["NoMutableTags", "TrustedRegistry"]}));
    assert_eq!(delegations.len(), 1);
    assert_eq!(problems[0].reason, crate::policy::problem::UNKNOWN_RULE);
    assert!(problems[0].message.contains("did you mean NoMutableTag?"), "{problems:?}");
    let mut problems = Vec::new();
    assert!(Delegation::compile_all(&json!({"rules": []}), &mut problems).is_empty() && problems.len() == 1);
}
