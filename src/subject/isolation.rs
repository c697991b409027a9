//! What the network policies of a namespace say together about all of its pods.

use super::addresses::AddressBlocks;
use super::namespace::{Direction, NetworkPolicyFacts};

/// A way of traffic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// Into pods.
    Ingress,
    /// Out of pods.
    Egress,
}

impl Way {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Ingress, Self::Egress];

    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ingress => "ingress",
            Self::Egress => "egress",
        }
    }
}

/// The policies that isolate every pod for a way, and what they do to it; those that cannot be read are left out.
pub fn isolating(
    policies: &[NetworkPolicyFacts],
    way: Way,
) -> impl Iterator<Item = (&NetworkPolicyFacts, Direction)> {
    let readable = policies.iter().filter(|policy| !policy.malformed && policy.selects_all);
    readable.filter_map(move |policy| Some((policy, policy.direction(way)?)))
}

/// How policies that isolate every pod let everything through all the same. Policies add up, and none can undo that.
#[derive(Debug, PartialEq, Eq)]
pub enum Opened<'a> {
    /// One of them allows everything.
    Alone(&'a NetworkPolicyFacts),
    /// None does, but together they allow every address.
    Together(Vec<&'a NetworkPolicyFacts>),
}

/// Whether, and by which policies, every pod is open for a way in spite of those that isolate it.
pub fn opened(policies: &[NetworkPolicyFacts], way: Way) -> Option<Opened<'_>> {
    if let Some((policy, _)) = isolating(policies, way).find(|(_, direction)| direction.allows_everything) {
        return Some(Opened::Alone(policy));
    }
    let mut all = AddressBlocks::default();
    let allowing = || isolating(policies, way).filter_map(|(policy, _)| Some((policy, policy.blocks(way)?)));
    allowing().for_each(|(_, blocks)| all.extend(blocks));
    all.cover_all().then(|| Opened::Together(allowing().map(|(policy, _)| policy).collect()))
}

/// Whether every pod is isolated for a way and not opened again; none where a policy cannot be read that may decide it.
pub fn deny_by_default(policies: &[NetworkPolicyFacts], way: Way) -> Option<bool> {
    if opened(policies, way).is_some() {
        return Some(false);
    }
    if policies.iter().any(|policy| policy.malformed) {
        return None;
    }
    Some(isolating(policies, way).next().is_some())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy(name: &str, cidrs: &[&str], allows_everything: bool) -> NetworkPolicyFacts {
        let mut blocks = AddressBlocks::default();
        cidrs.iter().for_each(|cidr| blocks.push(cidr));
        let has_rules = allows_everything || !cidrs.is_empty();
        NetworkPolicyFacts {
            name: name.into(),
            selects_all: true,
            egress: Some(Direction { has_rules, allows_everything }),
            egress_blocks: (!cidrs.is_empty()).then(|| Box::new(blocks)),
            ..NetworkPolicyFacts::default()
        }
    }

    #[test]
    fn a_way_is_denied_by_default_while_policies_neither_alone_nor_together_allow_everything() {
        let (none, all) = (policy("none", &[], false), policy("all", &[], true));
        let (low, high) = (policy("low", &["0.0.0.0/1"], false), policy("high", &["128.0.0.0/1"], false));
        let egress = |policies: &[&NetworkPolicyFacts]| {
            let policies: Vec<_> = policies.iter().copied().cloned().collect();
            deny_by_default(&policies, Way::Egress)
        };
        assert_eq!(egress(&[]), Some(false));
        assert_eq!(egress(&[&none]), Some(true));
        assert_eq!(egress(&[&none, &all]), Some(false));
        assert_eq!(egress(&[&none, &low]), Some(true));
        assert_eq!(egress(&[&low, &high]), Some(false));
        assert_eq!(deny_by_default(&[none], Way::Ingress), Some(false), "the other way is not isolated");
    }

    #[test]
    fn what_cannot_be_read_leaves_open_what_the_others_do_not_settle() {
        let garbled = NetworkPolicyFacts { malformed: true, ..policy("garbled", &[], false) };
        let none = policy("none", &[], false);
        assert_eq!(deny_by_default(&[garbled.clone(), none], Way::Egress), None);
        assert_eq!(deny_by_default(&[garbled, policy("all", &[], true)], Way::Egress), Some(false));
    }
}
