//! Network policies of namespaces: they are kept by name, and listed apart from all other objects.

use std::sync::Arc;

use super::{Namespace, Namespaces};
use crate::auditor::intern::NONE;
use crate::subject::namespace::NetworkPolicyFacts;

impl Namespace {
    fn place_of_policy(&self, name: &str) -> Result<usize, usize> {
        self.network_policies.binary_search_by(|policy| (*policy.name).cmp(name))
    }

    /// Copies of its network policies and their generations, to be changed and set again.
    fn copy_policies(&self) -> (Vec<NetworkPolicyFacts>, Vec<u32>) {
        (self.network_policies.to_vec(), self.policy_generations.to_vec())
    }
}

impl Namespaces {
    /// Takes in a network policy.
    pub(in crate::auditor) fn apply_policy(&mut self, namespace: &str, policy: NetworkPolicyFacts) {
        let generation = self.policy_generation;
        let id = self.named(namespace);
        let namespace = self.get_mut(id);
        let place = namespace.place_of_policy(&policy.name);
        if let Ok(at) = place {
            namespace.policy_generations[at] = generation;
            if namespace.network_policies[at] == policy {
                return;
            }
        }
        let (mut policies, mut generations) = namespace.copy_policies();
        match place {
            Ok(at) => policies[at] = policy,
            Err(at) => {
                policies.insert(at, policy);
                generations.insert(at, generation);
            }
        }
        self.set_policies(id, policies, generations);
    }

    /// A network policy is gone.
    pub(in crate::auditor) fn remove_policy(&mut self, namespace: &str, name: &str) {
        if let Some(&id) = self.by_name.get(namespace)
            && let Ok(at) = self.get(id).place_of_policy(name)
        {
            let (mut policies, mut generations) = self.get(id).copy_policies();
            policies.remove(at);
            generations.remove(at);
            self.set_policies(id, policies, generations);
        }
    }

    fn set_policies(&mut self, id: u32, policies: Vec<NetworkPolicyFacts>, generations: Vec<u32>) {
        let namespace = self.get_mut(id);
        namespace.network_policies = policies.into();
        namespace.policy_generations = generations.into();
        self.mark(id);
    }

    /// The network policies of every namespace that has some.
    pub(in crate::auditor) fn network_policies(&self) -> Vec<(Arc<str>, Arc<[NetworkPolicyFacts]>)> {
        let all = self.slots.iter().flatten().filter(|namespace| !namespace.network_policies.is_empty());
        all.map(|namespace| (namespace.name.clone(), namespace.network_policies.clone())).collect()
    }

    /// From now on network policies are told again.
    pub(in crate::auditor) fn policies_relist_started(&mut self) {
        self.policy_generation = self.policy_generation.wrapping_add(1);
    }

    /// Network policies that were not told again are gone.
    pub(in crate::auditor) fn policies_relist_finished(&mut self) {
        let generation = self.policy_generation;
        for id in 0..self.slots.len() {
            let Some(namespace) = &self.slots[id] else { continue };
            if namespace.policy_generations.iter().all(|seen| *seen == generation) {
                continue;
            }
            let told = namespace.network_policies.iter().zip(&namespace.policy_generations);
            let told = told.filter(|(_, seen)| **seen == generation);
            let (policies, generations) = told.map(|(policy, seen)| (policy.clone(), *seen)).unzip();
            self.set_policies(u32::try_from(id).unwrap_or(NONE), policies, generations);
        }
    }
}
