//! Not a rule: what the default-deny rules for ingress and egress share. They differ in the direction they read.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::offenders::{Named, unreadable};
use super::other_policies::{and_others, denied, undecided};
use crate::rules::Control;
use crate::rules::shown::Cut;
use crate::subject::Resource;
use crate::subject::isolation::{Opened, Way, isolating, opened};
use crate::subject::namespace::NamespaceSubject;
use crate::subject::network::{Action, AdminTier};
use crate::subject::objects::{Content, ObjectFacts};
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

/// Either rule, defaults filled in.
#[derive(Debug)]
pub(super) struct DefaultDeny {
    mode: Mode,
    admin_policies: bool,
}

/// Kinds of network policies of the whole cluster.
const ADMIN: [Resource; 3] = [
    Resource::AdminNetworkPolicies,
    Resource::BaselineAdminNetworkPolicies,
    Resource::ClusterNetworkPolicies,
];

/// What both directions read.
pub(super) const READS: &[Resource] =
    &and_others::<4, 10>([Resource::NetworkPolicies, ADMIN[0], ADMIN[1], ADMIN[2]]);

/// What both directions serve.
pub(super) const CONTROLS: &[Control] = &[
    Control::cis("5.3.2"),
    Control::bsi("APP.4.4.A7"),
    Control::bsi("APP.4.4.A18"),
    Control::bsi("SYS.1.6.A5"),
    Control::nist("3.3.3"),
    Control::nist("3.4.2"),
    Control::owasp("K05"),
    Control::attack("M1030"),
    Control::nsa("Network separation"),
];

/// How many policies a message names that allow everything only together.
const NAMED: usize = 5;

/// The only BaselineAdminNetworkPolicy that the API server takes.
const BASELINE: &str = "default";

impl DefaultDeny {
    pub(super) fn new(mode: Option<Mode>, admin_policies: Option<bool>) -> Self {
        Self { mode: mode.unwrap_or(Mode::Isolated), admin_policies: admin_policies == Some(true) }
    }

    /// Judges one direction of the traffic of all pods of the namespace: the tier Admin decides first, then the
    /// network policies of the namespace, then the tier Baseline.
    pub(super) fn judge(&self, way: Way, subject: &NamespaceSubject<'_>, note: &mut Note<'_>) -> Verdict {
        let word = way.as_str();
        if let Some(verdict) = self.unreadable_tiers(subject, note) {
            return verdict;
        }
        match self.first_of(AdminTier::Admin, way, subject) {
            Some((_, Action::Deny)) => return Verdict::Pass,
            Some((object, Action::Allow)) => {
                let name = Named(object);
                let message = format_args!("{name} allows all {word} before any network policy is asked");
                return note.fail("AllowsEverything", message);
            }
            Some((_, Action::Pass)) | None => {}
        }
        if let Some(verdict) = self.own_policies(way, subject, note) {
            return verdict;
        }
        if let Some((_, Action::Deny)) = self.first_of(AdminTier::Baseline, way, subject) {
            return Verdict::Pass;
        }
        if let Some(verdict) = undecided(subject, note) {
            return verdict;
        }
        let reason = "NoDefaultDeny";
        match subject.facts.network_policies.len() {
            0 => note.fail(reason, format_args!("there is no network policy, so that all {word} is allowed")),
            count => note
                .fail(reason, format_args!("no network policy, of {count}, isolates every pod for {word}")),
        }
    }

    /// What the network policies of the namespace say together; none when none of them is about every pod. Policies
    /// add up: one that allows everything on every pod undoes the deny, and nothing can undo that. So a policy that
    /// cannot be read leaves open every verdict but a fail for what another one allows.
    fn own_policies(&self, way: Way, subject: &NamespaceSubject<'_>, note: &mut Note<'_>) -> Option<Verdict> {
        let (policies, word) = (&subject.facts.network_policies, way.as_str());
        match opened(policies, way) {
            Some(Opened::Alone(policy)) => {
                let name = Cut(&policy.name);
                let message = format_args!("network policy {name} selects every pod and allows all {word}");
                return Some(note.fail("AllowsEverything", message));
            }
            Some(Opened::Together(policies)) => {
                let names = policies.iter().take(NAMED).map(|policy| Cut(&policy.name).to_string());
                let names = names.collect::<Vec<_>>().join(", ");
                let message = format_args!(
                    "network policies {names} select every pod, and together they allow {word} of every address"
                );
                return Some(note.fail("AllowsEverything", message));
            }
            None => {}
        }
        if self.mode == Mode::Strict
            && let Some((policy, _)) = isolating(policies, way).find(|(_, direction)| direction.has_rules)
        {
            let name = Cut(&policy.name);
            return Some(note.fail(
                "HasRules",
                format_args!(
                    "network policy {name} selects every pod and has {word} rules, which mode strict forbids"
                ),
            ));
        }
        if let Some(malformed) = policies.iter().find(|policy| policy.malformed) {
            let name = Cut(&malformed.name);
            return Some(
                note.unknown(reason::MALFORMED, format_args!("network policy {name} cannot be read")),
            );
        }
        isolating(policies, way).next().map(|_| Verdict::Pass)
    }

    /// A policy of a tier that cannot be read may allow everything, and may deny it.
    fn unreadable_tiers(&self, subject: &NamespaceSubject<'_>, note: &mut Note<'_>) -> Option<Verdict> {
        if !self.admin_policies {
            return None;
        }
        let objects = &subject.facts.beyond.cluster.objects;
        if let Some(object) = ADMIN.iter().flat_map(|kind| objects.of(*kind)).find(|it| it.is_malformed()) {
            return Some(unreadable(object, note));
        }
        ADMIN.iter().find_map(|kind| denied(*kind, subject, note))
    }

    /// The first rule of a tier that is about every pod of the namespace and all traffic.
    fn first_of<'a>(
        &self,
        tier: AdminTier,
        way: Way,
        subject: &NamespaceSubject<'a>,
    ) -> Option<(&'a ObjectFacts, Action)> {
        if !self.admin_policies {
            return None;
        }
        let objects = &subject.facts.beyond.cluster.objects;
        let policies = ADMIN.iter().flat_map(|kind| objects.of(*kind)).filter_map(|object| {
            let Content::AdminPolicy(policy) = &object.content else { return None };
            let taken = object.kind != Resource::BaselineAdminNetworkPolicies || *object.name == *BASELINE;
            let applies = taken
                && policy.tier == tier
                && policy.every_pod
                && policy.namespaces.matches(|key| subject.label(key));
            let rule = policy.rules(way).iter().find(|rule| rule.everything)?;
            applies.then_some((policy.priority, &**object, rule.action))
        });
        // Which of two with one priority comes first is up to the network plugin; here it is the first by name.
        let first = policies.min_by_key(|(priority, ..)| *priority);
        first.map(|(_, object, action)| (object, action))
    }
}

/// Both rules' tests run these.
#[cfg(test)]
pub(super) mod tests;
