//! Network policies of the whole cluster (`policy.networking.k8s.io`): which of their rules match everything.
//!
//! A rule that refuses must match really everything to count as a default deny: for outgoing traffic all addresses
//! (`networks: [0.0.0.0/0]`, which pods' addresses are part of), since `namespaces: {}` leaves the world outside
//! open. A rule that allows or passes on counts as soon as it matches every pod of the cluster.

use serde_json::Value;

use super::super::selector::{fields, list, part, read as selector, text};
use crate::subject::Resource;
use crate::subject::addresses::AddressBlocks;
use crate::subject::network::{Action, AdminPolicy, AdminRule, AdminTier};
use crate::subject::selector::LabelSelector;

/// Reads a policy of one of the three kinds.
pub(super) fn read(kind: Resource, value: &Value) -> Option<AdminPolicy> {
    let spec = super::spec(value)?;
    let tier = match (kind, text(spec, "tier")?) {
        (Resource::AdminNetworkPolicies, _) | (Resource::ClusterNetworkPolicies, "Admin") => AdminTier::Admin,
        (Resource::BaselineAdminNetworkPolicies, _) | (Resource::ClusterNetworkPolicies, "Baseline") => {
            AdminTier::Baseline
        }
        _ => return None,
    };
    let priority = match part(spec, "priority") {
        Some(priority) => priority.as_i64()?,
        None => 0,
    };
    let (namespaces, every_pod) = subject(fields(spec, "subject")?)?;
    let direction = |key, peers| -> Option<Box<[AdminRule]>> {
        list(spec, key)?.iter().map(|rule| read_rule(rule, peers)).collect()
    };
    let (ingress, egress) = (direction("ingress", "from")?, direction("egress", "to")?);
    Some(AdminPolicy { tier, priority, namespaces, every_pod, ingress, egress })
}

fn subject(subject: &Value) -> Option<(LabelSelector, bool)> {
    if let Some(pods) = part(subject, "pods") {
        let namespaces = selector(part(pods, "namespaceSelector"))?;
        return Some((namespaces, selector(part(pods, "podSelector"))?.is_everything()));
    }
    Some((selector(Some(part(subject, "namespaces")?))?, true))
}

/// Whether a peer is every namespace. Earlier releases of the API had the selector one level deeper, and could name
/// labels instead whose values both sides share.
fn every_namespace(peer: &Value) -> Option<bool> {
    if let Some(deeper) = part(peer, "namespaceSelector") {
        return Some(selector(Some(deeper))?.is_everything());
    }
    let is_selector = peer.as_object()?.keys().all(|key| key == "matchLabels" || key == "matchExpressions");
    Some(is_selector && selector(Some(peer))?.is_everything())
}

fn read_rule(rule: &Value, key: &str) -> Option<AdminRule> {
    rule.as_object()?;
    let action = match text(rule, "action")? {
        "Allow" | "Accept" => Action::Allow,
        "Deny" => Action::Deny,
        "Pass" => Action::Pass,
        _ => return None,
    };
    let narrowed = !list(rule, "ports")?.is_empty() || !list(rule, "protocols")?.is_empty();
    let (mut every_pod, mut networks) = (false, Vec::new());
    for peer in list(rule, key)? {
        peer.as_object()?;
        if let Some(namespaces) = part(peer, "namespaces") {
            every_pod |= every_namespace(namespaces)?;
        } else if let Some(pods) = part(peer, "pods") {
            let namespaces = part(pods, "namespaces").map_or(Some(true), every_namespace)?
                && selector(part(pods, "namespaceSelector"))?.is_everything();
            every_pod |= namespaces && selector(part(pods, "podSelector"))?.is_everything();
        }
        for network in list(peer, "networks")? {
            networks.push(network.as_str()?);
        }
    }
    let every_address = {
        let mut blocks = AddressBlocks::default();
        networks.iter().for_each(|network| blocks.push(network));
        blocks.cover_all()
    };
    let everything = match (action, key) {
        (Action::Deny, "to") => every_address,
        _ => every_pod || every_address,
    };
    Some(AdminRule { action, everything: everything && !narrowed })
}
