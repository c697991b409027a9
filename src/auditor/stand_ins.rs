//! Templates of workloads of a cluster. Each is kept like a pod that its workload would make, and is judged only
//! while the workload has no live pod, by policies that include templates.

use std::collections::{HashMap, HashSet};

use jiff::Timestamp;

use super::Auditor;
use super::groups::Group;
use super::inventory::Inventory;
use super::namespaces::{Namespace, Namespaces};
use super::pairs::Outline;
use super::rollup::Rolling;
use crate::decode::object::stand_in;
use crate::decode::pod::PodRecord;
use crate::subject::Resource;
use crate::subject::objects::{Content, ObjectFacts};

/// The uids under which templates are kept, by kind.
#[derive(Debug, Default)]
pub(super) struct StandIns {
    told: HashMap<Resource, HashSet<u128>>,
    untold: HashMap<Resource, HashSet<u128>>,
}

impl StandIns {
    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.told.values().map(HashSet::len).sum()
    }

    /// From now on workloads of this kind are told again.
    pub(super) fn relist_started(&mut self, kind: Resource) {
        let untold = self.told.get(&kind).cloned().unwrap_or_default();
        self.untold.insert(kind, untold);
    }

    fn insert(&mut self, kind: Resource, uid: u128) {
        self.told.entry(kind).or_default().insert(uid);
        if let Some(untold) = self.untold.get_mut(&kind) {
            untold.remove(&uid);
        }
    }

    /// Returns whether it was there.
    fn remove(&mut self, kind: Resource, uid: u128) -> bool {
        self.told.get_mut(&kind).is_some_and(|told| told.remove(&uid))
    }
}

impl Inventory {
    /// The template of a workload is gone: kind, namespace and name.
    pub(super) fn remove_stand_in(
        &mut self,
        (kind, namespace, name): (Resource, &str, &str),
        namespaces: &mut Namespaces,
    ) {
        let uid = stand_in::uid(kind, namespace, name);
        if self.stand_ins.remove(kind, uid) {
            self.remove(uid, namespaces);
        }
    }

    /// Templates of this kind that were not told again are gone.
    pub(super) fn stand_ins_relist_finished(&mut self, kind: Resource, namespaces: &mut Namespaces) {
        for uid in self.stand_ins.untold.remove(&kind).unwrap_or_default() {
            self.stand_ins.remove(kind, uid);
            self.remove(uid, namespaces);
        }
    }
}

impl Auditor {
    /// Takes in a workload of the cluster, with the pod that it would make.
    pub(super) fn workload(&mut self, facts: ObjectFacts, record: Option<Box<PodRecord>>, now: Timestamp) {
        let Self { inventory, namespaces, plan, templates, .. } = self;
        match record {
            Some(record) => {
                inventory.stand_ins.insert(facts.kind, record.uid);
                inventory.apply(&record, namespaces, &plan.policies, &plan.graces, now);
            }
            None => inventory.remove_stand_in((facts.kind, &facts.namespace, &facts.name), namespaces),
        }
        // Pods name neither Deployments nor CronJobs.
        if facts.content != Content::Present {
            templates.apply(facts, namespaces);
        }
    }
}

impl<'a> Rolling<'a> {
    /// The groups of templates whose workloads have no live pod, where some policy includes them.
    pub(super) fn stand_ins(&self, namespace: &Namespace) -> Vec<(&'a Group, &'a Outline)> {
        if !self.plan.includes_templates {
            return Vec::new();
        }
        let mut stand_ins: Vec<_> =
            self.all_groups(namespace).filter(|(_, outline)| outline.stands_in).collect();
        if !stand_ins.is_empty() {
            let alive = self.alive(namespace);
            stand_ins.retain(|(group, _)| !alive.contains(&self.workload_hash(group)));
        }
        stand_ins
    }

    /// Whether the workload of a group has a live pod. `alive` keeps what was looked up, by namespace.
    pub(super) fn has_pods(
        &self,
        namespace: &Namespace,
        group: &Group,
        alive: &mut HashMap<u32, HashSet<u64>>,
    ) -> bool {
        let alive = alive.entry(group.key.namespace).or_insert_with(|| self.alive(namespace));
        alive.contains(&self.workload_hash(group))
    }

    /// The hashes of the workloads that have a live pod.
    fn alive(&self, namespace: &Namespace) -> HashSet<u64> {
        let live = self.groups(namespace).filter(|(_, outline)| !outline.ended);
        live.map(|(group, _)| self.workload_hash(group)).collect()
    }

    /// The hash of a group's workload.
    pub(super) fn workload_hash(&self, group: &Group) -> u64 {
        self.inventory.owner_hashes[group.key.owner as usize]
    }
}
