//! Not a rule: what the default-deny rules for ingress and egress share. They differ in the direction they read.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::rules::SettingError;
use crate::rules::shown::Cut;
use crate::subject::namespace::{Direction, NamespaceSubject, NetworkPolicyFacts};
use crate::verdict::{Note, Verdict, reason};

/// How much the policies that select every pod may let through.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// Anything but everything: no rule of theirs allows all addresses or every pod of the cluster.
    Isolated,
    /// Nothing: they have no rules. What is allowed stands in policies that select pods by label.
    Strict,
}

/// Refuses what a later version will judge: to say nothing of those tiers would be a guess.
pub(super) fn check_admin_policies(admin_policies: Option<bool>) -> Result<(), SettingError> {
    if admin_policies == Some(true) {
        let message = "this version does not read AdminNetworkPolicy, BaselineAdminNetworkPolicy and \
                       ClusterNetworkPolicy; only false is accepted";
        return Err(SettingError::new("adminPolicies", message));
    }
    Ok(())
}

/// Judges one direction, called `word`, of all policies of the namespace together. Policies add up: one that
/// allows everything on every pod undoes the deny, and nothing can undo that. So a policy that cannot be read
/// leaves open every verdict but a fail for what another one allows.
pub(super) fn judge(
    mode: Mode,
    word: &str,
    direction: fn(&NetworkPolicyFacts) -> Option<Direction>,
    subject: &NamespaceSubject<'_>,
    note: &mut Note<'_>,
) -> Verdict {
    let policies = &subject.facts.network_policies;
    let selecting_all = || {
        let readable = policies.iter().filter(|policy| !policy.malformed && policy.selects_all);
        readable.filter_map(|policy| Some((Cut(&policy.name), direction(policy)?)))
    };
    if let Some((name, _)) = selecting_all().find(|(_, direction)| direction.allows_everything) {
        return note.fail(
            "AllowsEverything",
            format_args!("network policy {name} selects every pod and allows all {word}"),
        );
    }
    if mode == Mode::Strict
        && let Some((name, _)) = selecting_all().find(|(_, direction)| direction.has_rules)
    {
        return note.fail(
            "HasRules",
            format_args!(
                "network policy {name} selects every pod and has {word} rules, which mode strict forbids"
            ),
        );
    }
    if let Some(malformed) = policies.iter().find(|policy| policy.malformed) {
        let name = Cut(&malformed.name);
        return note.unknown(reason::MALFORMED, format_args!("network policy {name} cannot be read"));
    }
    if selecting_all().next().is_some() {
        return Verdict::Pass;
    }
    match policies.len() {
        0 => note
            .fail("NoDefaultDeny", format_args!("there is no network policy, so that all {word} is allowed")),
        count => note.fail(
            "NoDefaultDeny",
            format_args!("no network policy, of {count}, isolates every pod for {word}"),
        ),
    }
}

/// Both rules' tests run these.
#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::rules::NamespaceRule;
    use crate::rules::testing::{namespace, namespace_explained, settings_error};

    pub(crate) const DENY: Direction = Direction { has_rules: false, allows_everything: false };
    pub(crate) const SOME: Direction = Direction { has_rules: true, allows_everything: false };
    pub(crate) const ALL: Direction = Direction { has_rules: true, allows_everything: true };

    fn both_ways(name: &str, selects_all: bool, direction: Option<Direction>) -> NetworkPolicyFacts {
        NetworkPolicyFacts {
            name: name.into(),
            pods: crate::subject::selector::LabelSelector::default(),
            selects_all,
            ingress: direction,
            egress: direction,
            malformed: false,
        }
    }

    pub(crate) fn explained<R: NamespaceRule>(
        settings: &str,
        policies: &[NetworkPolicyFacts],
    ) -> (Verdict, String) {
        let mut facts = namespace(&[], &[]);
        facts.network_policies = policies.into();
        namespace_explained::<R>(settings, &facts)
    }

    pub(crate) fn what_holds_for_both_directions<R: NamespaceRule>() {
        let every = |direction| both_ways("every", true, direction);
        let some = |direction| both_ways("some", false, direction);
        let garbled = || NetworkPolicyFacts { malformed: true, ..both_ways("garbled", false, None) };
        let (isolated, strict) = ("{}", r#"{"mode": "strict"}"#);
        let no_default_deny = Verdict::Fail("NoDefaultDeny");
        let malformed = Verdict::Unknown("Malformed");
        for (settings, policies, expected) in [
            // A namespace without policies is open, even one without pods.
            (isolated, vec![], no_default_deny),
            // Pods without the label stay open, whatever the selecting policy says.
            (isolated, vec![some(Some(DENY))], no_default_deny),
            // A policy of the other direction isolates nothing in this one.
            (isolated, vec![every(None)], no_default_deny),
            (isolated, vec![every(Some(DENY))], Verdict::Pass),
            (isolated, vec![every(Some(SOME))], Verdict::Pass),
            (strict, vec![every(Some(DENY))], Verdict::Pass),
            (strict, vec![every(Some(SOME))], Verdict::Fail("HasRules")),
            // In mode strict, what is allowed stands in policies for some pods.
            (strict, vec![every(Some(DENY)), some(Some(SOME))], Verdict::Pass),
            // Policies add up: one allow-all undoes the deny, but not on other pods.
            (isolated, vec![every(Some(DENY)), every(Some(ALL))], Verdict::Fail("AllowsEverything")),
            (strict, vec![every(Some(DENY)), every(Some(ALL))], Verdict::Fail("AllowsEverything")),
            (isolated, vec![every(Some(DENY)), some(Some(ALL))], Verdict::Pass),
            // What cannot be read may be the deny, or an allow-all; it cannot undo an allow-all.
            (isolated, vec![garbled()], malformed),
            (isolated, vec![every(Some(DENY)), garbled()], malformed),
            (isolated, vec![every(Some(ALL)), garbled()], Verdict::Fail("AllowsEverything")),
            (strict, vec![every(Some(SOME)), garbled()], Verdict::Fail("HasRules")),
        ] {
            assert_eq!(explained::<R>(settings, &policies).0, expected, "{settings} {policies:?}");
        }
        let (_, text) = explained::<R>(isolated, &[every(Some(ALL))]);
        assert!(text.contains("network policy every selects"), "{text}");

        assert_eq!(settings_error::<R>(r#"{"adminPolicies": true}"#).field, "adminPolicies");
        assert_eq!(explained::<R>(r#"{"adminPolicies": false}"#, &[]).0, no_default_deny);
    }
}
