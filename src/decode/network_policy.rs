//! A NetworkPolicy as it comes over the wire, read down to what it denies and allows.
//!
//! Semantics of `networking.k8s.io/v1` (`pkg/apis/networking/v1/defaults.go`, API reference): absent or empty
//! policyTypes mean Ingress, and Egress too when there is an egress rule; policies are additive; a rule
//! without peers and ports lets everything through, and so does an empty list of peers.

use std::sync::Arc;

use serde::{Deserialize, Deserializer};
use serde_json::Value;

use super::selector::{self, list};
use crate::subject::addresses::AddressBlocks;
use crate::subject::namespace::{Direction, NetworkPolicyFacts};
use crate::subject::selector::LabelSelector;

/// A network policy.
#[derive(Clone, Debug)]
pub struct NetworkPolicyRecord {
    /// `metadata.resourceVersion`
    pub resource_version: String,
    /// Its namespace.
    pub namespace: Arc<str>,
    /// What rules read.
    pub facts: NetworkPolicyFacts,
}

impl<'de> Deserialize<'de> for NetworkPolicyRecord {
    // Network policies are few and deep: they are read through a tree, not by a visitor.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Self::from_value(&Value::deserialize(deserializer)?))
    }
}

/// Reads a network policy from a parsed document: its namespace and facts; none without a name.
pub fn read(value: &Value) -> Option<(Arc<str>, NetworkPolicyFacts)> {
    let record = NetworkPolicyRecord::from_value(value);
    (!record.facts.name.is_empty()).then_some((record.namespace, record.facts))
}

impl NetworkPolicyRecord {
    fn from_value(value: &Value) -> Self {
        let metadata = |key: &str| {
            value.pointer(&format!("/metadata/{key}")).and_then(Value::as_str).unwrap_or_default()
        };
        let spec = value.get("spec").unwrap_or(&Value::Null);
        let read = Spec::read(spec);
        let malformed = read.is_none();
        let facts = read.map(|spec| NetworkPolicyFacts {
            name: Box::default(),
            selects_all: spec.pods.is_everything(),
            pods: spec.pods,
            ingress: spec.ingress,
            egress: spec.egress,
            ingress_blocks: spec.ingress_blocks,
            egress_blocks: spec.egress_blocks,
            malformed: false,
        });
        Self {
            resource_version: metadata("resourceVersion").to_owned(),
            namespace: metadata("namespace").into(),
            facts: NetworkPolicyFacts {
                name: metadata("name").into(),
                malformed,
                ..facts.unwrap_or_default()
            },
        }
    }
}

struct Spec {
    pods: LabelSelector,
    ingress: Option<Direction>,
    egress: Option<Direction>,
    ingress_blocks: Option<Box<AddressBlocks>>,
    egress_blocks: Option<Box<AddressBlocks>>,
}

/// Whether a label selector is empty (absent, `{}`, or with empty parts); none when it cannot be read.
fn selects_everything(selector: Option<&Value>) -> Option<bool> {
    selector::read(selector).map(|selector| selector.is_everything())
}

impl Spec {
    /// None when a field has another type than the API says.
    fn read(spec: &Value) -> Option<Self> {
        spec.as_object()?;
        let pods = selector::read(spec.get("podSelector"))?;
        let (ingress, egress) = (list(spec, "ingress")?, list(spec, "egress")?);
        let types = list(spec, "policyTypes")?;
        let types: Vec<&str> = types.iter().map(Value::as_str).collect::<Option<_>>()?;
        let isolates =
            |word: &str, by_default: bool| if types.is_empty() { by_default } else { types.contains(&word) };
        let (ingress, ingress_blocks) = direction(ingress, "from", isolates("Ingress", true))?;
        let (egress, egress_blocks) = direction(egress, "to", isolates("Egress", !egress.is_empty()))?;
        Some(Self { pods, ingress, egress, ingress_blocks, egress_blocks })
    }
}

/// What the rules of a direction do. Outer none: cannot be read. Inner none: the direction is not isolated.
/// And the addresses that it allows on every port, where that is not everything by itself.
fn direction(
    rules: &[Value],
    peers: &str,
    isolated: bool,
) -> Option<(Option<Direction>, Option<Box<AddressBlocks>>)> {
    let mut allows_everything = false;
    // Rules add up, so that two halves of the world are the world, also in two rules.
    let mut blocks = AddressBlocks::default();
    for rule in rules {
        if !rule.is_null() {
            rule.as_object()?;
        }
        let (peers, ports) = (list(rule, peers)?, list(rule, "ports")?);
        // Read in any case, so that what cannot be read is told.
        let (mut allowed, every_peer) = (AddressBlocks::default(), allows_every_peer(peers)?);
        blocks_of(peers, &mut allowed)?;
        if ports.is_empty() {
            allows_everything |= every_peer;
            blocks.extend(&allowed);
        }
    }
    allows_everything |= blocks.cover_all();
    let kept = isolated && !allows_everything && !blocks.is_empty();
    let direction = Direction { has_rules: !rules.is_empty(), allows_everything };
    Some((isolated.then_some(direction), kept.then(|| Box::new(blocks))))
}

/// No peers at all, or every pod of the cluster.
fn allows_every_peer(peers: &[Value]) -> Option<bool> {
    if peers.is_empty() {
        return Some(true);
    }
    for peer in peers {
        let peer = peer.as_object()?;
        let part = |key: &str| peer.get(key).filter(|part| !part.is_null());
        if part("ipBlock").is_some() {
            continue;
        }
        if let Some(namespaces) = part("namespaceSelector") {
            // Both selectors of one peer must match; a pod selector that selects all changes nothing.
            if selects_everything(Some(namespaces))? && selects_everything(part("podSelector"))? {
                return Some(true);
            }
        }
    }
    Some(false)
}

/// Adds the blocks of the peers that except nothing.
fn blocks_of(peers: &[Value], blocks: &mut AddressBlocks) -> Option<()> {
    for peer in peers {
        let Some(block) = peer.get("ipBlock").filter(|block| !block.is_null()) else { continue };
        let cidr = block.get("cidr").and_then(Value::as_str)?;
        if list(block, "except")?.is_empty() {
            blocks.push(cidr);
        }
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn facts(spec: Value) -> NetworkPolicyFacts {
        read(&json!({"metadata": {"name": "np", "namespace": "team-a"}, "spec": spec})).unwrap().1
    }

    fn ingress(rules: Value) -> Option<Direction> {
        facts(json!({"podSelector": {}, "policyTypes": ["Ingress"], "ingress": rules})).ingress
    }

    const DENY: Direction = Direction { has_rules: false, allows_everything: false };
    const SOME: Direction = Direction { has_rules: true, allows_everything: false };
    const EVERYTHING: Direction = Direction { has_rules: true, allows_everything: true };

    #[test]
    fn absent_policy_types_mean_ingress_and_egress_only_with_a_rule() {
        let without = facts(json!({"podSelector": {}}));
        assert_eq!((without.ingress, without.egress), (Some(DENY), None));
        let with = facts(json!({"podSelector": {}, "egress": [{"to": [{"podSelector": {}}]}]}));
        assert_eq!((with.ingress, with.egress), (Some(DENY), Some(SOME)));
        let explicit = facts(json!({"podSelector": {}, "policyTypes": ["Egress"], "ingress": [{}]}));
        assert_eq!((explicit.ingress, explicit.egress), (None, Some(DENY)));
    }

    #[test]
    fn an_empty_rule_and_an_empty_peer_list_allow_everything_and_no_rule_allows_nothing() {
        assert_eq!(ingress(json!([])), Some(DENY));
        assert_eq!(ingress(Value::Null), Some(DENY));
        assert_eq!(ingress(json!([{}])), Some(EVERYTHING));
        assert_eq!(ingress(json!([{"from": []}])), Some(EVERYTHING));
        assert_eq!(ingress(json!([{"ports": [{"port": 80}]}])), Some(SOME));
    }

    #[test]
    fn every_namespace_is_everything_unless_the_same_peer_also_selects_pods() {
        assert_eq!(ingress(json!([{"from": [{"namespaceSelector": {}}]}])), Some(EVERYTHING));
        assert_eq!(
            ingress(json!([{"from": [{"namespaceSelector": {}, "podSelector": {}}]}])),
            Some(EVERYTHING)
        );
        let and =
            json!([{"from": [{"namespaceSelector": {}, "podSelector": {"matchLabels": {"app": "prom"}}}]}]);
        assert_eq!(ingress(and), Some(SOME));
        assert_eq!(ingress(json!([{"from": [{"podSelector": {}}]}])), Some(SOME));
    }

    #[test]
    fn blocks_that_together_cover_every_address_are_everything_unless_they_except_some() {
        let blocks = |cidrs: &[&str]| {
            let peers: Vec<Value> = cidrs.iter().map(|cidr| json!({"ipBlock": {"cidr": cidr}})).collect();
            ingress(json!([{"from": peers}]))
        };
        assert_eq!(blocks(&["0.0.0.0/0"]), Some(EVERYTHING));
        assert_eq!(blocks(&["128.0.0.0/1", "0.0.0.0/1"]), Some(EVERYTHING));
        assert_eq!(blocks(&["0.0.0.0/1", "192.0.0.0/2"]), Some(SOME));
        assert_eq!(blocks(&["::/0"]), Some(EVERYTHING));
        let block = |cidr: &str| json!({"from": [{"ipBlock": {"cidr": cidr}}]});
        assert_eq!(ingress(json!([block("0.0.0.0/1"), block("128.0.0.0/1")])), Some(EVERYTHING), "two rules");
        let narrowed = json!({"from": [{"ipBlock": {"cidr": "128.0.0.0/1"}}], "ports": [{"port": 80}]});
        assert_eq!(ingress(json!([block("0.0.0.0/1"), narrowed])), Some(SOME), "one of them for a port only");
        let except = json!([{"from": [{"ipBlock": {"cidr": "0.0.0.0/0", "except": ["10.0.0.0/8"]}}]}]);
        assert_eq!(ingress(except), Some(SOME));
    }

    #[test]
    fn only_an_empty_selector_selects_all() {
        assert!(facts(json!({"podSelector": {"matchLabels": {}, "matchExpressions": []}})).selects_all);
        assert!(facts(json!({})).selects_all);
        assert!(
            !facts(json!({"podSelector": {"matchExpressions": [{"key": "app", "operator": "Exists"}]}}))
                .selects_all
        );
    }

    #[test]
    fn a_field_of_another_type_is_malformed_and_isolates_nothing() {
        for spec in
            [json!({"ingress": "all"}), json!({"podSelector": []}), json!({"policyTypes": [1]}), json!(null)]
        {
            let facts = facts(spec);
            assert!(facts.malformed && !facts.selects_all && facts.ingress.is_none());
        }
    }
}
