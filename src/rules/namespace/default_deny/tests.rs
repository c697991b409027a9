//! What holds for ingress and egress alike.

use std::sync::Arc;

use super::*;
use crate::rules::NamespaceRule;
use crate::rules::testing::{beyond, namespace, namespace_explained, object, surrounded};
use crate::subject::namespace::{Beyond, Direction, NetworkPolicyFacts};
use crate::subject::network::{AdminPolicy, AdminRule};
use crate::subject::selector::{LabelSelector, Requirement, Test};

const DENY: Direction = Direction { has_rules: false, allows_everything: false };
const SOME: Direction = Direction { has_rules: true, allows_everything: false };
const ALL: Direction = Direction { has_rules: true, allows_everything: true };

const NO_DEFAULT_DENY: Verdict = Verdict::Fail("NoDefaultDeny");
const OPEN: Verdict = Verdict::Fail("AllowsEverything");

fn both_ways(name: &str, selects_all: bool, direction: Option<Direction>) -> NetworkPolicyFacts {
    NetworkPolicyFacts {
        name: name.into(),
        selects_all,
        ingress: direction,
        egress: direction,
        ..NetworkPolicyFacts::default()
    }
}

fn every(direction: Direction) -> NetworkPolicyFacts {
    both_ways("every", true, Some(direction))
}

fn explained<R: NamespaceRule>(settings: &str, policies: &[NetworkPolicyFacts]) -> (Verdict, String) {
    let mut facts = namespace(&[], &[]);
    facts.network_policies = policies.into();
    namespace_explained::<R>(settings, &facts)
}

/// With objects beside the policies of the namespace.
fn beside<R: NamespaceRule>(
    settings: &str,
    policies: &[NetworkPolicyFacts],
    objects: Vec<ObjectFacts>,
) -> Verdict {
    let mut facts = namespace(&[("team", "a")], &[]);
    facts.network_policies = policies.into();
    facts.beyond = Arc::new(beyond(objects, Vec::new()));
    namespace_explained::<R>(settings, &facts).0
}

pub(crate) fn what_holds_for_both_directions<R: NamespaceRule>() {
    own_policies::<R>();
    admin_tiers::<R>();
    subjects_of_admin_policies::<R>();
    other_kinds::<R>();
}

/// `policy` is one with these blocks: those of the rule's own direction, and those of the other.
pub(crate) fn only_its_own_direction_counts<R: NamespaceRule>(
    policy: fn(Option<Direction>, Option<Direction>) -> NetworkPolicyFacts,
) {
    let of_all = |policy| NetworkPolicyFacts { name: "np".into(), selects_all: true, ..policy };
    let verdict = |policy| explained::<R>("{}", &[of_all(policy)]).0;
    assert_eq!(verdict(policy(Some(DENY), Some(ALL))), Verdict::Pass);
    assert_eq!(verdict(policy(Some(ALL), Some(DENY))), OPEN);
}

fn own_policies<R: NamespaceRule>() {
    let every = |direction| both_ways("every", true, direction);
    let some = |direction| both_ways("some", false, direction);
    let garbled = || NetworkPolicyFacts { malformed: true, ..both_ways("garbled", false, None) };
    let (isolated, strict) = ("{}", r#"{"mode": "strict"}"#);
    let malformed = Verdict::Unknown("Malformed");
    for (settings, policies, expected) in [
        // A namespace without policies is open, even one without pods.
        (isolated, vec![], NO_DEFAULT_DENY),
        // Pods without the label stay open, whatever the selecting policy says.
        (isolated, vec![some(Some(DENY))], NO_DEFAULT_DENY),
        // A policy of the other direction isolates nothing in this one.
        (isolated, vec![every(None)], NO_DEFAULT_DENY),
        (isolated, vec![every(Some(DENY))], Verdict::Pass),
        (isolated, vec![every(Some(SOME))], Verdict::Pass),
        (strict, vec![every(Some(DENY))], Verdict::Pass),
        (strict, vec![every(Some(SOME))], Verdict::Fail("HasRules")),
        // In mode strict, what is allowed stands in policies for some pods.
        (strict, vec![every(Some(DENY)), some(Some(SOME))], Verdict::Pass),
        // Policies add up: one allow-all undoes the deny, but not on other pods.
        (isolated, vec![every(Some(DENY)), every(Some(ALL))], OPEN),
        (strict, vec![every(Some(DENY)), every(Some(ALL))], OPEN),
        (isolated, vec![every(Some(DENY)), some(Some(ALL))], Verdict::Pass),
        // What cannot be read may be the deny, or an allow-all; it cannot undo an allow-all.
        (isolated, vec![garbled()], malformed),
        (isolated, vec![every(Some(DENY)), garbled()], malformed),
        (isolated, vec![every(Some(ALL)), garbled()], OPEN),
        (strict, vec![every(Some(SOME)), garbled()], Verdict::Fail("HasRules")),
    ] {
        assert_eq!(explained::<R>(settings, &policies).0, expected, "{settings} {policies:?}");
    }
    let (_, text) = explained::<R>(isolated, &[every(Some(ALL))]);
    assert!(text.contains("network policy every selects"), "{text}");
}

fn policy(kind: Resource, name: &str, tier: AdminTier, priority: i64, actions: &[Action]) -> ObjectFacts {
    let rules: Box<[AdminRule]> =
        actions.iter().map(|action| AdminRule { action: *action, everything: true }).collect();
    let policy = AdminPolicy {
        tier,
        priority,
        namespaces: LabelSelector::default(),
        every_pod: true,
        ingress: rules.clone(),
        egress: rules,
    };
    object(kind, name, Content::AdminPolicy(policy))
}

fn admin(priority: i64, action: Action) -> ObjectFacts {
    let name = format!("admin-{priority}");
    policy(Resource::AdminNetworkPolicies, &name, AdminTier::Admin, priority, &[action])
}

fn baseline(actions: &[Action]) -> ObjectFacts {
    policy(Resource::BaselineAdminNetworkPolicies, "default", AdminTier::Baseline, 0, actions)
}

const ON: &str = r#"{"adminPolicies": true}"#;

fn admin_tiers<R: NamespaceRule>() {
    use Action::{Allow, Deny, Pass};
    // They count only where that is asked for.
    assert_eq!(beside::<R>("{}", &[], vec![baseline(&[Deny])]), NO_DEFAULT_DENY);
    assert_eq!(beside::<R>("{}", &[every(DENY)], vec![admin(1, Allow)]), Verdict::Pass);
    for (own, objects, expected) in [
        (vec![], vec![], NO_DEFAULT_DENY),
        (vec![], vec![baseline(&[Deny])], Verdict::Pass),
        (vec![], vec![baseline(&[Allow])], NO_DEFAULT_DENY),
        // The first rule that matches decides.
        (vec![], vec![baseline(&[Allow, Deny])], NO_DEFAULT_DENY),
        (vec![], vec![baseline(&[Deny, Allow])], Verdict::Pass),
        // What a network policy allows, the tier after it does not deny.
        (vec![every(ALL)], vec![baseline(&[Deny])], OPEN),
        (vec![every(SOME)], vec![baseline(&[Allow])], Verdict::Pass),
        // The tier before it decides first.
        (vec![], vec![admin(1, Deny)], Verdict::Pass),
        (vec![every(ALL)], vec![admin(1, Deny)], Verdict::Pass),
        (vec![every(DENY)], vec![admin(1, Allow)], OPEN),
        (vec![every(DENY)], vec![admin(1, Pass)], Verdict::Pass),
        (vec![], vec![admin(1, Pass), admin(2, Deny)], NO_DEFAULT_DENY),
        (vec![], vec![admin(1, Pass), admin(2, Allow), baseline(&[Deny])], Verdict::Pass),
        // The lower number comes first, whatever the name.
        (vec![], vec![admin(10, Allow), admin(9, Deny)], Verdict::Pass),
        (vec![], vec![admin(-1, Allow), admin(0, Deny)], OPEN),
    ] {
        assert_eq!(beside::<R>(ON, &own, objects.clone()), expected, "{own:?} {objects:?}");
    }
    let successor = |tier| policy(Resource::ClusterNetworkPolicies, "c", tier, 1, &[Deny]);
    assert_eq!(beside::<R>(ON, &[], vec![successor(AdminTier::Admin)]), Verdict::Pass);
    assert_eq!(beside::<R>(ON, &[], vec![successor(AdminTier::Baseline)]), Verdict::Pass);
}

fn changed(mut object: ObjectFacts, change: impl FnOnce(&mut AdminPolicy)) -> ObjectFacts {
    if let Content::AdminPolicy(policy) = &mut object.content {
        change(policy);
    }
    object
}

fn subjects_of_admin_policies<R: NamespaceRule>() {
    let of = |value: &str| {
        let test = Test::In([value.into()].into());
        LabelSelector::new(vec![Requirement { key: "team".into(), test }])
    };
    let deny = || baseline(&[Action::Deny]);
    let verdict = |object| beside::<R>(ON, &[], vec![object]);
    assert_eq!(verdict(changed(deny(), |policy| policy.namespaces = of("a"))), Verdict::Pass);
    assert_eq!(verdict(changed(deny(), |policy| policy.namespaces = of("b"))), NO_DEFAULT_DENY);
    assert_eq!(verdict(changed(deny(), |policy| policy.every_pod = false)), NO_DEFAULT_DENY);
    let narrow = |rules: &mut Box<[AdminRule]>| rules.iter_mut().for_each(|rule| rule.everything = false);
    let narrowed = changed(deny(), |policy| {
        narrow(&mut policy.ingress);
        narrow(&mut policy.egress);
    });
    assert_eq!(verdict(narrowed), NO_DEFAULT_DENY);
    let mut other_name = deny();
    other_name.name = "other".into();
    assert_eq!(verdict(other_name), NO_DEFAULT_DENY, "the API server takes only one called default");

    let garbled = object(Resource::AdminNetworkPolicies, "garbled", Content::Malformed);
    assert_eq!(beside::<R>(ON, &[every(DENY)], vec![garbled.clone()]), Verdict::Unknown("Malformed"));
    assert_eq!(beside::<R>("{}", &[every(DENY)], vec![garbled]), Verdict::Pass);
}

fn other_kinds<R: NamespaceRule>() {
    let unknown = Verdict::Unknown("OtherPolicies");
    let present = |kind, name| object(kind, name, Content::Present);
    for kind in Resource::ALL.into_iter().filter(|kind| kind.is_presence()) {
        let one = || vec![present(kind, "one")];
        assert_eq!(surrounded::<R>("{}", one()).0, unknown, "{kind}");
        // What Kubernetes' own policies decide, they leave as it is.
        assert_eq!(beside::<R>("{}", &[every(DENY)], one()), Verdict::Pass, "{kind}");
        assert_eq!(beside::<R>("{}", &[every(ALL)], one()), OPEN, "{kind}");
        assert_eq!(beside::<R>(ON, &[], [one(), vec![baseline(&[Action::Deny])]].concat()), Verdict::Pass);
    }
    let mut elsewhere = present(Resource::CiliumNetworkPolicies, "one");
    elsewhere.namespace = "team-b".into();
    assert_eq!(surrounded::<R>("{}", vec![elsewhere]).0, NO_DEFAULT_DENY, "another namespace's");
    let mirrored = present(Resource::CalicoApiNetworkPolicies, "knp.default.web");
    assert_eq!(surrounded::<R>("{}", vec![mirrored]).0, NO_DEFAULT_DENY, "Kubernetes' own, shown twice");

    let denied = |settings, kind, own: &[NetworkPolicyFacts]| {
        let mut facts = namespace(&[], &[]);
        let mut beyond = Beyond::default();
        Arc::make_mut(&mut beyond.cluster).denied = [kind].into();
        facts.beyond = Arc::new(beyond);
        facts.network_policies = own.into();
        namespace_explained::<R>(settings, &facts).0
    };
    let missing = Verdict::Unknown("MissingPermission");
    assert_eq!(denied("{}", Resource::CiliumNetworkPolicies, &[]), missing);
    assert_eq!(denied("{}", Resource::CiliumNetworkPolicies, &[every(DENY)]), Verdict::Pass);
    assert_eq!(denied("{}", Resource::AdminNetworkPolicies, &[]), NO_DEFAULT_DENY);
    assert_eq!(denied(ON, Resource::AdminNetworkPolicies, &[every(DENY)]), missing);
}
