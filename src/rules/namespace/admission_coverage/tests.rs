//! Webhooks, policies and their bindings, and what each leaves open.

use super::*;
use crate::rules::testing::{beyond, namespace, namespace_explained, object, settings_error};
use crate::subject::admission::AdmissionPolicy;
use crate::subject::cluster::ClusterFacts;
use crate::subject::namespace::Beyond;
use crate::subject::selector::{LabelSelector, Requirement, Test};

fn matching() -> Matching {
    Matching { pods: true, ..Matching::default() }
}

fn only(key: &str, test: Test) -> Matching {
    let namespaces = LabelSelector::new(vec![Requirement { key: key.into(), test }]);
    Matching { namespaces, ..matching() }
}

fn hook(matching: Matching, fails_open: bool) -> Webhook {
    Webhook { name: "v.example.com".into(), fails_open, matching }
}

fn configuration(name: &str, webhook: Webhook) -> ObjectFacts {
    object(Resource::ValidatingWebhooks, name, Content::Webhooks([webhook].into()))
}

fn webhook(matching: Matching) -> Vec<ObjectFacts> {
    vec![configuration("policy", hook(matching, false))]
}

fn bound(binding: Matching, policy: Matching, denies: bool, fails_open: bool) -> Vec<ObjectFacts> {
    let binding = AdmissionBinding { policy: "p".into(), denies, matching: binding };
    let policy = AdmissionPolicy { fails_open, matching: policy };
    vec![
        object(Resource::AdmissionPolicyBindings, "b", Content::AdmissionBinding(binding)),
        object(Resource::AdmissionPolicies, "p", Content::AdmissionPolicy(policy)),
    ]
}

fn explained(settings: &str, objects: Vec<ObjectFacts>) -> (Verdict, String) {
    let mut facts = namespace(&[("team", "a")], &[]);
    facts.beyond = beyond(objects, Vec::new()).into();
    namespace_explained::<AdmissionCoverage>(settings, &facts)
}

fn verdict(settings: &str, objects: Vec<ObjectFacts>) -> Verdict {
    explained(settings, objects).0
}

const NAMED: &str = r#"{"webhooks": ["v.example.com"]}"#;
const CLOSED: &str = r#"{"webhooks": ["v.example.com"], "requireFailClosed": true}"#;
const BOUND: &str = r#"{"bindings": ["b"]}"#;

const NOT_SELECTED: Verdict = Verdict::Fail("NotSelected");
const NOT_INSTALLED: Verdict = Verdict::Fail("NotInstalled");

fn values(values: &[&str]) -> Box<[Box<str>]> {
    values.iter().map(|value| Box::from(*value)).collect()
}

#[test]
fn a_webhook_covers_the_namespaces_that_its_selector_takes_in() {
    for (matching, expected) in [
        (matching(), Verdict::Pass),
        (only("team", Test::In(values(&["a"]))), Verdict::Pass),
        (only("team", Test::In(values(&["b"]))), NOT_SELECTED),
        (only("ignore", Test::DoesNotExist), Verdict::Pass),
        (only("team", Test::DoesNotExist), NOT_SELECTED),
        // The API server gives every namespace its name as a label.
        (only("kubernetes.io/metadata.name", Test::NotIn(values(&["team-a"]))), NOT_SELECTED),
        (only("kubernetes.io/metadata.name", Test::NotIn(values(&["kube-system"]))), Verdict::Pass),
        (Matching { pods: false, ..matching() }, Verdict::Fail("NotForPods")),
        (Matching { by_expression: true, ..matching() }, Verdict::Unknown("DependsOnExpression")),
        (Matching { by_object: true, ..matching() }, Verdict::Unknown("DependsOnObject")),
    ] {
        assert_eq!(verdict(NAMED, webhook(matching.clone())), expected, "{matching:?}");
    }
    let excluded = Matching { by_expression: true, ..only("team", Test::DoesNotExist) };
    assert_eq!(verdict(NAMED, webhook(excluded)), NOT_SELECTED, "no expression can take it in again");
    let (_, text) = explained(NAMED, webhook(only("team", Test::DoesNotExist)));
    assert_eq!(text, "webhook v.example.com of policy does not select this namespace");
}

#[test]
fn what_is_named_has_to_be_there_under_its_own_name_or_its_configurations() {
    assert_eq!(verdict(NAMED, vec![]), NOT_INSTALLED);
    assert_eq!(verdict(r#"{"webhooks": ["w.example.com"]}"#, webhook(matching())), NOT_INSTALLED);
    assert_eq!(verdict(r#"{"webhooks": ["policy"]}"#, webhook(matching())), Verdict::Pass);
    assert_eq!(verdict(r#"{"webhooks": ["v.*"]}"#, webhook(matching())), Verdict::Pass);
    let mutating =
        object(Resource::MutatingWebhooks, "m", Content::Webhooks([hook(matching(), false)].into()));
    assert_eq!(verdict(NAMED, vec![mutating]), Verdict::Pass);
    let both = r#"{"webhooks": ["v.example.com", "w.example.com"]}"#;
    assert_eq!(verdict(both, webhook(matching())), NOT_INSTALLED, "every one of them");
}

#[test]
fn of_several_with_one_name_the_best_counts() {
    let two =
        |first, second| vec![configuration("a", hook(first, false)), configuration("b", hook(second, false))];
    let excluded = || only("team", Test::DoesNotExist);
    assert_eq!(verdict(NAMED, two(excluded(), matching())), Verdict::Pass);
    assert_eq!(verdict(NAMED, two(excluded(), excluded())), NOT_SELECTED);
    let by_expression = Matching { by_expression: true, ..matching() };
    assert_eq!(verdict(NAMED, two(excluded(), by_expression)), Verdict::Unknown("DependsOnExpression"));
}

#[test]
fn a_webhook_that_fails_open_is_fine_unless_that_is_asked_for() {
    let fails_open = |matching| vec![configuration("policy", hook(matching, true))];
    assert_eq!(verdict(NAMED, fails_open(matching())), Verdict::Pass);
    assert_eq!(verdict(CLOSED, fails_open(matching())), Verdict::Fail("FailsOpen"));
    assert_eq!(verdict(CLOSED, webhook(matching())), Verdict::Pass);
    let by_expression = Matching { by_expression: true, ..matching() };
    assert_eq!(verdict(CLOSED, fails_open(by_expression)), Verdict::Fail("FailsOpen"));
}

#[test]
fn a_binding_covers_what_both_it_and_its_policy_take_in() {
    let excluded = || only("team", Test::DoesNotExist);
    for (objects, expected) in [
        (bound(matching(), matching(), true, false), Verdict::Pass),
        (bound(excluded(), matching(), true, false), NOT_SELECTED),
        (bound(matching(), excluded(), true, false), NOT_SELECTED),
        (bound(matching(), matching(), false, false), Verdict::Fail("NotDenying")),
        (bound(matching(), Matching { pods: false, ..matching() }, true, false), Verdict::Fail("NotForPods")),
        (
            bound(matching(), Matching { by_expression: true, ..matching() }, true, false),
            Verdict::Unknown("DependsOnExpression"),
        ),
        (bound(Matching { by_object: true, ..matching() }, excluded(), true, false), NOT_SELECTED),
    ] {
        assert_eq!(verdict(BOUND, objects.clone()), expected, "{objects:?}");
    }
    let lone = bound(matching(), matching(), true, false).swap_remove(0);
    assert_eq!(verdict(BOUND, vec![lone]), Verdict::Fail("NoPolicy"));
    assert_eq!(verdict(BOUND, vec![]), NOT_INSTALLED);
    let closed = r#"{"bindings": ["b"], "requireFailClosed": true}"#;
    assert_eq!(verdict(closed, bound(matching(), matching(), true, true)), Verdict::Fail("FailsOpen"));
    assert_eq!(verdict(closed, bound(matching(), matching(), true, false)), Verdict::Pass);
}

#[test]
fn without_names_one_that_can_refuse_a_pod_is_enough() {
    assert_eq!(verdict("{}", vec![]), NOT_INSTALLED);
    assert_eq!(verdict("{}", webhook(matching())), Verdict::Pass);
    assert_eq!(verdict("{}", bound(matching(), matching(), true, false)), Verdict::Pass);
    assert_eq!(verdict("{}", webhook(only("team", Test::DoesNotExist))), NOT_SELECTED);
    let other = webhook(Matching { pods: false, ..matching() });
    assert_eq!(verdict("{}", other.clone()), Verdict::Fail("NotForPods"));
    let beside = [other, bound(matching(), matching(), true, false)].concat();
    assert_eq!(verdict("{}", beside), Verdict::Pass);
    let mutating =
        object(Resource::MutatingWebhooks, "m", Content::Webhooks([hook(matching(), false)].into()));
    assert_eq!(verdict("{}", vec![mutating]), NOT_INSTALLED);
    let by_expression = webhook(Matching { by_expression: true, ..matching() });
    assert_eq!(verdict("{}", by_expression), Verdict::Unknown("DependsOnExpression"));
}

#[test]
fn a_configuration_that_cannot_be_read_may_be_the_one_that_is_missing() {
    let garbled = || object(Resource::ValidatingWebhooks, "garbled", Content::Malformed);
    let unknown = Verdict::Unknown("Malformed");
    assert_eq!(verdict(NAMED, vec![garbled()]), unknown);
    assert_eq!(verdict("{}", vec![garbled()]), unknown);
    let beside = |matching| [webhook(matching), vec![garbled()]].concat();
    assert_eq!(verdict(NAMED, beside(matching())), Verdict::Pass);
    assert_eq!(verdict("{}", beside(matching())), Verdict::Pass);
    assert_eq!(verdict("{}", beside(only("team", Test::DoesNotExist))), unknown);
    let policy = object(Resource::AdmissionPolicies, "p", Content::Malformed);
    let binding = bound(matching(), matching(), true, false).swap_remove(0);
    assert_eq!(verdict(BOUND, vec![binding, policy]), unknown);
}

#[test]
fn among_some_objects_nobody_expects_the_clusters_admission_control() {
    let mut facts = namespace(&[], &[]);
    facts.beyond = Beyond {
        cluster: ClusterFacts { partial: true, ..ClusterFacts::default() }.into(),
        ..Beyond::default()
    }
    .into();
    for settings in [NAMED, BOUND, "{}"] {
        let verdict = namespace_explained::<AdmissionCoverage>(settings, &facts).0;
        assert_eq!(verdict, Verdict::NotApplicable("NotInInput"), "{settings}");
    }
}

#[test]
fn a_glob_that_could_match_nothing_is_refused() {
    let field = |settings| settings_error::<AdmissionCoverage>(settings).field;
    assert_eq!(field(r#"{"webhooks": ["a", "b?"]}"#), "webhooks[1]");
    assert_eq!(field(r#"{"bindings": [""]}"#), "bindings[0]");
}
