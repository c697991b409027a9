//! What an exemption covers, and until when.

use proptest::prelude::*;
use serde_json::json;

use super::*;

fn compile(value: Value) -> (Box<[Exemption]>, Vec<Problem>) {
    let mut problems = Vec::new();
    let exemptions = Exemption::compile_all(&json!([value]), &mut problems);
    (exemptions, problems)
}

fn exemption(value: Value) -> Exemption {
    let (exemptions, problems) = compile(value);
    assert_eq!(problems, []);
    exemptions[0].clone()
}

/// The smallest exemption, with `fields` set or, where null, left out.
fn written(fields: Value) -> Value {
    let mut value = json!({"name": "e", "rules": ["TrustedRegistry"], "namespaces": ["etl-*"], "reason": "why", "permanent": true});
    for (field, content) in fields.as_object().unwrap() {
        match content {
            Value::Null => value.as_object_mut().unwrap().remove(field),
            content => value.as_object_mut().unwrap().insert(field.clone(), content.clone()),
        };
    }
    value
}

fn rule() -> RuleId {
    RuleId::named("TrustedRegistry").unwrap()
}

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn image_use<'a>(namespace: &'a str, workload: (&'a str, &'a str), image: &'a Reference) -> Candidate<'a> {
    Candidate {
        rule: rule(),
        namespace: Some(namespace),
        workload: Some(workload),
        owner_verified: true,
        image: Some(image),
    }
}

#[test]
fn everything_that_is_named_must_match() {
    let exemption = exemption(written(json!({
        "workloads": ["Deployment/load*", "*/cron"], "images": ["registry.example.com/etl/**"],
    })));
    let (etl, other) = (
        Reference::parse("Registry.Example.com:443/etl/loader:1").unwrap(),
        Reference::parse("registry.example.com/web:1").unwrap(),
    );
    let now = at("2026-11-23T00:00:00Z");
    for (namespace, workload, image, covered) in [
        ("etl-a", ("Deployment", "loader"), &etl, true),
        ("etl-a", ("CronJob", "cron"), &etl, true),
        ("team-a", ("Deployment", "loader"), &etl, false),
        ("etl-a", ("StatefulSet", "loader"), &etl, false),
        ("etl-a", ("Deployment", "web"), &etl, false),
        ("etl-a", ("Deployment", "loader"), &other, false),
    ] {
        let candidate = image_use(namespace, workload, image);
        assert_eq!(exemption.covers(&candidate, now), covered, "{candidate:?}");
        assert!(exemption.cover(&candidate, now) != Cover::OwnerUnverified);
    }
}

#[test]
fn what_a_candidate_lacks_matches_nothing_that_is_named() {
    let reference = Reference::parse("nginx").unwrap();
    let now = at("2026-11-23T00:00:00Z");
    let spread = Candidate {
        rule: rule(),
        namespace: None,
        workload: None,
        owner_verified: true,
        image: Some(&reference),
    };
    assert!(!exemption(written(json!({}))).covers(&spread, now), "a namespace is named");
    let images = exemption(written(json!({"namespaces": null, "images": ["nginx"]})));
    assert!(images.covers(&spread, now));
    let namespace = Candidate {
        rule: rule(),
        namespace: Some("etl-a"),
        workload: None,
        owner_verified: true,
        image: None,
    };
    assert!(exemption(written(json!({}))).covers(&namespace, now));
    assert!(!images.covers(&namespace, now));
    assert!(!exemption(written(json!({"workloads": ["*/*"]}))).covers(&namespace, now));
}

#[test]
fn a_workload_counts_only_if_its_owner_is_confirmed() {
    let (reference, now) = (Reference::parse("nginx").unwrap(), at("2026-11-23T00:00:00Z"));
    let forged =
        Candidate { owner_verified: false, ..image_use("etl-a", ("Deployment", "loader"), &reference) };
    let named = exemption(written(json!({"workloads": ["Deployment/loader"]})));
    assert!(!named.covers(&forged, now) && named.cover(&forged, now) == Cover::OwnerUnverified);
    assert_eq!(named.cover(&forged, now), Cover::OwnerUnverified);
    assert!(
        exemption(written(json!({}))).covers(&forged, now),
        "no workload is named, so nothing rests on the owner"
    );
    let elsewhere = Candidate { namespace: Some("team-a"), ..forged };
    assert_eq!(named.cover(&elsewhere, now), Cover::No);
}

#[test]
fn from_its_end_on_it_covers_nothing() {
    let exemption = exemption(written(json!({"permanent": null, "expiresAt": "2027-01-31T00:00:00Z"})));
    let reference = Reference::parse("nginx").unwrap();
    let candidate = image_use("etl-a", ("Pod", "x"), &reference);
    assert!(exemption.covers(&candidate, at("2027-01-30T23:59:59.999Z")));
    assert!(!exemption.covers(&candidate, at("2027-01-31T00:00:00Z")));
    assert!(!exemption.covers(&candidate, at("2027-02-01T00:00:00Z")));
}

#[test]
fn what_cannot_be_used_is_told_and_covers_nothing() {
    for (fields, field, message) in [
        (json!({"name": null}), "name", "is required"),
        (json!({"reason": " \t"}), "reason", "must not be blank"),
        (json!({"reason": null}), "reason", "is required"),
        (json!({"rules": null}), "rules", "at least one rule"),
        (json!({"rules": []}), "rules", "at least one rule"),
        (json!({"rules": "TrustedRegistry"}), "rules", "expected a list"),
        (json!({"namespaces": null}), "", "at least one of namespaces, workloads and images"),
        (json!({"namespaces": []}), "namespaces", "cover nothing"),
        (json!({"namespaces": ["etl-?"]}), "namespaces[0]", "?"),
        (json!({"workloads": ["loader"]}), "workloads[0]", "write Deployment/loader or */loader"),
        (json!({"workloads": ["a/b/c"]}), "workloads[0]", "one '/' only"),
        (json!({"workloads": ["/loader"]}), "workloads[0]", "empty"),
        (json!({"images": ["nginx:1.27"]}), "images[0]", "must not have a tag"),
        (json!({"images": ["*"]}), "images[0]", "would cover everything"),
        (json!({"expiresAt": "2027-01-31T00:00:00Z"}), "permanent", "leave one of the two out"),
        (json!({"permanent": null}), "expiresAt", "is required"),
        (json!({"permanent": false}), "expiresAt", "is required"),
        (json!({"permanent": null, "expiresAt": "2027-01-31"}), "expiresAt", "is not an instant"),
        (json!({"permanent": null, "expiresAt": 1}), "expiresAt", "expected a text"),
        (json!({"expires": "2027-01-31T00:00:00Z"}), "expires", "did you mean expiresAt?"),
    ] {
        let (exemptions, problems) = compile(written(fields.clone()));
        assert!(exemptions.is_empty(), "{fields}");
        assert_eq!(problems.len(), 1, "{fields}: {problems:?}");
        let full = format!("spec.exemptions[0].{field}");
        assert_eq!(problems[0].field, full.trim_end_matches('.'), "{problems:?}");
        assert!(problems[0].message.contains(message) && problems[0].reason == "BadSetting", "{problems:?}");
    }
}

#[test]
fn an_unknown_rule_is_told_and_the_rules_beside_it_stay_exempt() {
    let (exemptions, problems) = compile(written(json!({"rules": ["TrustedRegistri", "TrustedRegistry"]})));
    assert_eq!(exemptions[0].rules(), [rule()]);
    assert_eq!(
        (problems[0].reason, problems[0].field.as_str()),
        ("UnknownRule", "spec.exemptions[0].rules[0]")
    );
    assert!(problems[0].message.contains("did you mean TrustedRegistry?"));
    let (exemptions, problems) = compile(written(json!({"rules": ["trustedRegistry"]})));
    assert!(exemptions.is_empty() && problems.len() == 1, "an id is written in full: {problems:?}");
}

#[test]
fn one_bad_exemption_does_not_cost_the_others_and_names_are_unique() {
    let mut problems = Vec::new();
    let list = json!([
        written(json!({"reason": ""})),
        null,
        written(json!({})),
        written(json!({})),
        written(json!({"name": "f"}))
    ]);
    let exemptions = Exemption::compile_all(&list, &mut problems);
    assert_eq!(exemptions.iter().map(|e| &*e.name).collect::<Vec<_>>(), ["e", "f"]);
    let fields: Vec<_> = problems.iter().map(|problem| problem.field.as_str()).collect();
    assert_eq!(fields, ["spec.exemptions[0].reason", "spec.exemptions[1]", "spec.exemptions[3].name"]);
    assert!(Exemption::compile_all(&json!({}), &mut problems).is_empty());
}

proptest! {
    #[test]
    fn a_narrower_exemption_never_covers_more(
        namespace in "(etl|team)-[ab]", kind in "(Deployment|CronJob)", name in "[ab]", image in "(nginx|redis)",
        verified: bool, hour in 0i64..4,
    ) {
        let reference = Reference::parse(&image).unwrap();
        let candidate = Candidate { owner_verified: verified, ..image_use(&namespace, (&kind, &name), &reference) };
        let wide = exemption(written(json!({})));
        let now = at("2026-11-23T00:00:00Z") + jiff::SignedDuration::from_hours(hour);
        for fields in [
            json!({"workloads": ["Deployment/a"]}),
            json!({"images": ["nginx"]}),
            json!({"workloads": ["*/b"], "images": ["redis"]}),
            json!({"permanent": null, "expiresAt": "2026-11-23T02:00:00Z"}),
        ] {
            let narrow = exemption(written(fields));
            prop_assert!(!narrow.covers(&candidate, now) || wide.covers(&candidate, now));
        }
    }
}
