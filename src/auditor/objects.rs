//! Objects that only some rules read. Those of a namespace lie with it, the others here. A binding lies where it is,
//! and also with the namespaces whose service accounts it reaches.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use super::Auditor;
use super::namespaces::Namespaces;
use crate::subject::Resource;
use crate::subject::cluster::{ClusterFacts, ClusterSubject};
use crate::subject::objects::{Content, ObjectFacts, Objects};
use crate::subject::rbac::Reach;
use crate::subject::runtime::Runtimes;

/// Namespace (empty for none) and name.
type Key = (Box<str>, Box<str>);

/// What lies in no namespace.
#[derive(Debug, Default)]
pub(super) struct ClusterObjects {
    shared: Objects,
    reaching_all: Objects,
    rbac: Objects,
    nodes: Objects,
    /// Texts that nodes share.
    names: Names,
    denied: Box<[Resource]>,
    partial: bool,
    /// Of kinds that are being told again: what was not told yet.
    untold: HashMap<Resource, HashSet<Key>>,
    /// What namespaces share, as it was when it was last asked for.
    facts: Arc<ClusterFacts>,
    stale: bool,
    /// The cluster itself must be judged again.
    dirty: bool,
    /// Nodes came, went or changed.
    nodes_changed: bool,
}

/// The namespaces whose service accounts a binding reaches from elsewhere, and whether it reaches all of them.
fn reach(object: &ObjectFacts) -> (BTreeSet<&str>, bool) {
    let (mut namespaces, mut everyone) = (BTreeSet::new(), false);
    if let Content::Binding(binding) = &object.content {
        for grantee in &binding.subjects {
            match grantee.reach() {
                Reach::Namespace(namespace) if *namespace != *object.namespace => {
                    namespaces.insert(namespace);
                }
                Reach::Everyone => everyone = true,
                Reach::Namespace(_) | Reach::Nobody => {}
            }
        }
    }
    (namespaces, everyone)
}

/// Texts of which many objects have the same.
#[derive(Debug, Default)]
struct Names {
    texts: HashSet<Arc<str>>,
    /// How many were in use when it was last looked.
    used: usize,
}

impl Names {
    /// Lets an object share the texts that others have too.
    fn share(&mut self, content: &mut Content) {
        let Content::Node(node) = content else { return };
        for name in &mut node.repositories {
            match self.texts.get(name) {
                Some(shared) => *name = shared.clone(),
                None => {
                    self.texts.insert(name.clone());
                }
            }
        }
        if self.texts.len() > 2 * self.used.max(512) {
            self.texts.retain(|text| Arc::strong_count(text) > 1);
            self.used = self.texts.len();
        }
    }
}

impl ClusterObjects {
    /// Of a whole cluster, or of some objects.
    pub(super) fn of(partial: bool) -> Self {
        Self { partial, stale: partial, ..Self::default() }
    }

    /// Takes in an object, wherever it lies.
    pub(super) fn apply(&mut self, mut facts: ObjectFacts, namespaces: &mut Namespaces) {
        self.names.share(&mut facts.content);
        let (kind, namespace, name) = (facts.kind, &facts.namespace, &facts.name);
        if let Some(untold) = self.untold.get_mut(&kind) {
            untold.remove(&(namespace.clone(), name.clone()));
        }
        let before = self.find(kind, namespace, name, namespaces).cloned();
        if before.as_deref() == Some(&facts) {
            return;
        }
        if let Some(before) = before {
            self.withdraw(&before, namespaces);
        }
        let object = Arc::new(facts);
        let (reached, everyone) = reach(&object);
        reached.into_iter().for_each(|namespace| namespaces.grant(namespace, object.clone()));
        if everyone {
            self.reaching_all.insert(object.clone());
            self.stale = true;
        }
        match kind {
            _ if kind.is_namespaced() => namespaces.put_object(object),
            _ => {
                self.stale |= self.place(kind).1;
                self.dirty = true;
                self.place(kind).0.insert(object);
            }
        }
    }

    /// Where an object of this kind lies that is in no namespace, and whether namespaces share it.
    fn place(&mut self, kind: Resource) -> (&mut Objects, bool) {
        match kind {
            Resource::ClusterRoles | Resource::ClusterRoleBindings => (&mut self.rbac, false),
            Resource::Nodes => {
                self.nodes_changed = true;
                (&mut self.nodes, false)
            }
            _ => (&mut self.shared, true),
        }
    }

    /// The object of this kind, namespace (empty for none) and name.
    pub(super) fn find<'a>(
        &'a self,
        kind: Resource,
        namespace: &str,
        name: &str,
        namespaces: &'a Namespaces,
    ) -> Option<&'a Arc<ObjectFacts>> {
        match kind {
            _ if kind.is_namespaced() => namespaces.find(namespace)?.objects.find(kind, namespace, name),
            _ => match kind {
                Resource::ClusterRoles | Resource::ClusterRoleBindings => &self.rbac,
                Resource::Nodes => &self.nodes,
                _ => &self.shared,
            }
            .find(kind, namespace, name),
        }
    }

    /// An object is gone.
    pub(super) fn remove(
        &mut self,
        kind: Resource,
        namespace: &str,
        name: &str,
        namespaces: &mut Namespaces,
    ) {
        let Some(object) = self.find(kind, namespace, name, namespaces).cloned() else { return };
        self.withdraw(&object, namespaces);
        match kind {
            _ if kind.is_namespaced() => namespaces.take_object(&object),
            _ => {
                self.stale |= self.place(kind).1;
                self.dirty = true;
                self.place(kind).0.remove(kind, namespace, name);
            }
        }
    }

    /// A binding does not reach any more what it reached.
    fn withdraw(&mut self, object: &ObjectFacts, namespaces: &mut Namespaces) {
        let (reached, everyone) = reach(object);
        reached.into_iter().for_each(|namespace| namespaces.withdraw(namespace, object));
        if everyone {
            self.reaching_all.remove(object.kind, &object.namespace, &object.name);
            self.stale = true;
        }
    }

    /// From now on objects of this kind are told again.
    pub(super) fn relist_started(&mut self, kind: Resource, namespaces: &Namespaces) {
        let own = self.shared.of(kind).iter().chain(self.rbac.of(kind)).chain(self.nodes.of(kind));
        let objects = own.chain(namespaces.objects_of(kind));
        let untold = objects.map(|object| (object.namespace.clone(), object.name.clone())).collect();
        self.untold.insert(kind, untold);
    }

    /// Objects of this kind that were not told again are gone.
    pub(super) fn relist_finished(&mut self, kind: Resource, namespaces: &mut Namespaces) {
        for (namespace, name) in self.untold.remove(&kind).unwrap_or_default() {
            self.remove(kind, &namespace, &name, namespaces);
        }
    }

    /// These kinds may not be read.
    pub(super) fn deny(&mut self, denied: &BTreeSet<Resource>) {
        self.denied = denied.iter().copied().collect();
        (self.stale, self.dirty, self.nodes_changed) = (true, true, true);
    }

    /// The plan or something else that decides about the cluster has changed.
    pub(super) fn judge_again(&mut self) {
        self.dirty = true;
    }

    /// Puts together what namespaces share. Returns whether that has changed.
    pub(super) fn refresh(&mut self) -> bool {
        let stale = std::mem::take(&mut self.stale);
        if stale {
            let facts = ClusterFacts {
                objects: self.shared.clone(),
                reaching_all: self.reaching_all.clone(),
                denied: self.denied.clone(),
                partial: self.partial,
            };
            self.facts = Arc::new(facts);
        }
        stale
    }

    /// What namespaces share.
    pub(super) fn facts(&self) -> &Arc<ClusterFacts> {
        &self.facts
    }

    /// The cluster as a subject.
    pub(super) fn subject(&self) -> ClusterSubject {
        ClusterSubject { shared: self.facts.clone(), rbac: self.rbac.clone(), nodes: self.nodes.clone() }
    }

    /// What the nodes run; none where no node has changed since it was last asked for.
    pub(super) fn changed_runtimes(&mut self) -> Option<Runtimes> {
        let runtime = |node: &Arc<ObjectFacts>| match &node.content {
            Content::Node(node) => node.runtime,
            _ => None,
        };
        if !std::mem::take(&mut self.nodes_changed) {
            return None;
        }
        // What was read before it was forbidden may not be so any more.
        let may_read = !self.denied.contains(&Resource::Nodes);
        Some(self.nodes.iter().filter(|_| may_read).filter_map(runtime).collect())
    }

    /// Whether the cluster must be judged again; asked once.
    pub(super) fn take_dirty(&mut self) -> bool {
        std::mem::take(&mut self.dirty)
    }
}

impl Auditor {
    /// Judges by what the nodes run now.
    pub(super) fn follow_runtimes(&mut self) {
        let Some(runtimes) = self.objects.changed_runtimes() else { return };
        if runtimes == self.inventory.pairs.runtimes() {
            return;
        }
        // By the policies as they are numbered now: a new plan is another matter, and comes after.
        let moved = self.inventory.pairs.run_by(runtimes, &self.plan.policies, self.cores);
        let groups = self.inventory.groups.all().filter(|group| moved[group.key.pair as usize]);
        groups.for_each(|group| self.namespaces.mark(group.key.namespace));
    }
}
