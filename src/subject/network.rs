//! Network policies of the whole cluster: AdminNetworkPolicy, BaselineAdminNetworkPolicy, ClusterNetworkPolicy.

use super::isolation::Way;
use super::selector::LabelSelector;

/// Before or after the network policies of the namespaces.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum AdminTier {
    /// Decides before them.
    Admin,
    /// Decides what none of them does.
    Baseline,
}

/// What a rule says of the traffic that it matches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// It is let through.
    Allow,
    /// It is refused.
    Deny,
    /// The network policies of the namespace decide.
    Pass,
}

/// One rule, as far as it is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AdminRule {
    /// What it says.
    pub action: Action,
    /// It matches everything: every peer, every port.
    pub everything: bool,
}

/// One policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AdminPolicy {
    /// When it decides.
    pub tier: AdminTier,
    /// Among those of its tier: the lower number first.
    pub priority: i64,
    /// Namespaces whose pods it is about.
    pub namespaces: LabelSelector,
    /// It is about every pod of them.
    pub every_pod: bool,
    /// Rules for incoming traffic, in their order.
    pub ingress: Box<[AdminRule]>,
    /// Rules for outgoing traffic.
    pub egress: Box<[AdminRule]>,
}

impl AdminPolicy {
    /// Rules for the traffic of this way, in their order.
    pub fn rules(&self, way: Way) -> &[AdminRule] {
        match way {
            Way::Ingress => &self.ingress,
            Way::Egress => &self.egress,
        }
    }
}
