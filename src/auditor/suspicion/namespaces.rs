//! What is suspicious about a namespace: less Pod Security, a label that opts out, no default deny any more, and
//! bindings that give away what nobody should have.

use std::sync::Arc;

use jiff::Timestamp;

use super::{About, Activity, HELD_BACK, Signal, and_more};
use crate::auditor::Auditor;
use crate::rules::namespace::namespace_opted_out::known_opt_outs;
use crate::rules::namespace::pod_security::enforced;
use crate::rules::namespace::{no_bindings_to_anonymous, no_cluster_admin_role_binding};
use crate::rules::shown::Cut;
use crate::subject::Resource;
use crate::subject::isolation::{Opened, Way, deny_by_default, opened};
use crate::subject::namespace::{NamespaceObject, NetworkPolicyFacts};
use crate::subject::objects::ObjectFacts;

fn downgraded(before: &NamespaceObject, now: &NamespaceObject) -> Option<String> {
    let before = enforced(&before.labels)?;
    match enforced(&now.labels) {
        None => Some(format!(
            "the label pod-security.kubernetes.io/enforce is gone, which said {before}: the cluster's default holds"
        )),
        Some(now) if now < before => Some(format!("Pod Security enforces {now} instead of {before}")),
        Some(_) => None,
    }
}

fn opted_out(before: &NamespaceObject, now: &NamespaceObject) -> Option<String> {
    let was = |label: &&str| known_opt_outs(&before.labels).any(|other| other == *label);
    let added: Vec<&str> = known_opt_outs(&now.labels).filter(|label| !was(label)).collect();
    let first = added.first()?;
    let value = Cut(now.labels.get(first).unwrap_or_default()).to_string();
    let label = and_more(&format!("{first}=\"{value}\""), added.len());
    Some(format!("label {label} was added, which opts out of admission control"))
}

/// The ways of traffic that network policies denied by default, and do not any more.
fn lost(before: &[NetworkPolicyFacts], now: &[NetworkPolicyFacts]) -> Vec<Way> {
    let lost =
        |way: &Way| deny_by_default(before, *way) == Some(true) && deny_by_default(now, *way) == Some(false);
    Way::ALL.into_iter().filter(lost).collect()
}

/// Which policy made the difference: one that is gone, one that was edited, or one that allows everything, alone or
/// with others.
fn cause(before: &[NetworkPolicyFacts], now: &[NetworkPolicyFacts], way: Way) -> String {
    let of_every_pod = |policies: &[NetworkPolicyFacts]| -> Vec<NetworkPolicyFacts> {
        policies.iter().filter(|policy| policy.selects_all).cloned().collect()
    };
    for policy in of_every_pod(before) {
        let name = Cut(&policy.name);
        match now.iter().find(|other| other.name == policy.name) {
            None => return format!("network policy {name} was deleted"),
            Some(other) if *other != policy => return format!("network policy {name} was changed"),
            Some(_) => {}
        }
    }
    let is_new = |policy: &&NetworkPolicyFacts| !before.contains(policy);
    let together = matches!(opened(now, way), Some(Opened::Together(_)));
    match now.iter().find(is_new) {
        Some(policy) if together => {
            format!("network policy {} and others together allow every address", Cut(&policy.name))
        }
        Some(policy) => format!("network policy {} allows everything", Cut(&policy.name)),
        None => "its network policies have changed".to_owned(),
    }
}

impl Auditor {
    fn about_namespace(&self, name: &str) -> About {
        let known = self.namespaces.find(name);
        let uid = known.and_then(|namespace| namespace.object.as_ref()).map(|object| object.uid.clone());
        let name = known.map_or_else(|| name.into(), |namespace| namespace.name.clone());
        About::Namespace { name, uid: uid.unwrap_or_default() }
    }

    pub(super) fn compare_namespace(&mut self, name: &str, before: Option<&NamespaceObject>, now: Timestamp) {
        let object = self.namespaces.find(name).and_then(|namespace| namespace.object.clone());
        let Some(object) = object else { return };
        if object.terminating {
            self.suspicion.held.retain(|(_, activity)| activity.about.namespace() != Some(name));
        }
        // One that was made anew under the same name is another namespace.
        let Some(before) = before.filter(|before| before.uid == object.uid) else { return };
        if before.malformed || object.malformed {
            return;
        }
        let found = [
            (Signal::PodSecurityDowngraded, downgraded(before, &object)),
            (Signal::OptOutLabelAdded, opted_out(before, &object)),
        ];
        for (signal, message) in found {
            if let Some(message) = message {
                let about = self.about_namespace(name);
                self.suspicion.add(signal, about, message, now);
            }
        }
    }

    pub(super) fn compare_network_policies(
        &mut self,
        name: &str,
        before: &Arc<[NetworkPolicyFacts]>,
        now: Timestamp,
    ) {
        let Some(namespace) = self.namespaces.find(name) else { return };
        let exists = namespace.object.as_ref().is_some_and(|object| !object.terminating);
        if !exists || Arc::ptr_eq(before, &namespace.network_policies) {
            return;
        }
        let lost = lost(before, &namespace.network_policies);
        let Some(first) = lost.first() else { return };
        let cause = cause(before, &namespace.network_policies, *first);
        let ways = lost.iter().map(|way| way.as_str()).collect::<Vec<_>>().join(" and ");
        let message = format!("no network policy denies {ways} by default any more: {cause}");
        let (signal, about) = (Signal::DefaultDenyRemoved, self.about_namespace(name));
        let until = now.saturating_add(HELD_BACK).unwrap_or(Timestamp::MAX);
        self.suspicion.held.push((until, Activity { signal, about, message, at: now }));
    }

    /// A namespace is gone: what was held back of it happened because of that.
    pub(super) fn namespace_gone(&mut self, name: &str) {
        let exists = self.namespaces.find(name).is_some_and(|namespace| namespace.object.is_some());
        if !exists {
            self.suspicion.held.retain(|(_, activity)| activity.about.namespace() != Some(name));
        }
    }

    pub(super) fn compare_binding(
        &mut self,
        (kind, namespace, name): (Resource, Box<str>, Box<str>),
        before: Option<&ObjectFacts>,
        now: Timestamp,
    ) {
        let Some(object) = self.objects.find(kind, &namespace, &name, &self.namespaces).cloned() else {
            return;
        };
        if before.is_some_and(|before| std::ptr::eq(before, &*object)) {
            return;
        }
        for (signal, grants) in [
            (
                Signal::ClusterAdminBound,
                no_cluster_admin_role_binding::grants as fn(&ObjectFacts) -> Vec<String>,
            ),
            (Signal::AnonymousBound, no_bindings_to_anonymous::grants),
        ] {
            let was = before.map(grants).unwrap_or_default();
            let new: Vec<String> = grants(&object).into_iter().filter(|grant| !was.contains(grant)).collect();
            let Some(first) = new.first() else { continue };
            let about = match namespace.is_empty() {
                true => About::ClusterRoleBinding(name.clone()),
                false => self.about_namespace(&namespace),
            };
            self.suspicion.add(signal, about, and_more(first, new.len()), now);
        }
    }
}
