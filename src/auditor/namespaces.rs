//! Every namespace that is known: by its own object, its network policies, its pods, or findings that are
//! not yet over.

mod network_policies;

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, LazyLock};

use jiff::Timestamp;

use super::intern::{NONE, place};
use super::marks::Marks;
use super::meanwhile::Meanwhile;
use super::snapshot::NamespaceSnapshot;
use crate::policy::request::RequestObject;
use crate::subject::Resource;
use crate::subject::canonical::text_hash;
use crate::subject::namespace::{NamespaceObject, NetworkPolicyFacts, TextPairs};
use crate::subject::objects::{ObjectFacts, Objects};

/// How much of a namespace waits to be rolled up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Dirty {
    /// Nothing.
    No,
    /// What the rules say that an edit of policies sets otherwise.
    Edited,
    /// All of it.
    Whole,
}

/// One namespace.
#[derive(Debug)]
pub(super) struct Namespace {
    /// Its name.
    pub(super) name: Arc<str>,
    /// Stable hash of the name.
    pub(super) hash: u64,
    /// Its own object.
    pub(super) object: Option<Arc<NamespaceObject>>,
    object_generation: u32,
    /// Its network policies, sorted by name.
    pub(super) network_policies: Arc<[NetworkPolicyFacts]>,
    /// In which list each was told last.
    policy_generations: Box<[u32]>,
    /// Objects in it that only some rules read.
    pub(super) objects: Objects,
    /// What its Exemption objects ask for, sorted by name.
    pub(super) requests: Arc<[Arc<RequestObject>]>,
    /// Bindings that reach just its service accounts, from elsewhere.
    pub(super) granted: Objects,
    references: u32,
    /// Its first group.
    pub(super) first_group: u32,
    /// How many pods are in it.
    pub(super) pods: u32,
    /// What of it waits to be rolled up.
    pub(super) dirty: Dirty,
    /// It lies in an input that is the whole cluster: without an object of its own it has no labels.
    in_whole: bool,
    /// What was found when it was last rolled up.
    pub(super) part: Arc<NamespaceSnapshot>,
    /// What was told of its findings.
    pub(super) marks: Marks,
    /// What happened since it was last rolled up.
    pub(super) meanwhile: Option<Box<Meanwhile>>,
    /// When it was last rolled up.
    pub(super) rolled_at: Option<Timestamp>,
    /// When it must be rolled up again at the latest.
    pub(super) deadline: Option<Timestamp>,
    /// By policy whether it says the same as in a record that was just taken in: what happened since is told.
    pub(super) same: Option<Arc<[bool]>>,
    /// What the record says of it, in one number.
    pub(super) digest: u64,
}

impl Namespace {
    fn new(name: Arc<str>, in_whole: bool) -> Self {
        Self {
            in_whole,
            hash: text_hash(&name),
            part: Arc::new(NamespaceSnapshot::empty(name.clone())),
            name,
            object: None,
            object_generation: 0,
            network_policies: Arc::default(),
            policy_generations: Box::default(),
            objects: Objects::default(),
            requests: Arc::default(),
            granted: Objects::default(),
            references: 0,
            first_group: NONE,
            pods: 0,
            dirty: Dirty::No,
            marks: Marks::default(),
            meanwhile: None,
            rolled_at: None,
            deadline: None,
            same: None,
            digest: 0,
        }
    }

    /// Its labels, where they are known: those of its own object, and none where nothing was left out of the input.
    pub(super) fn labels(&self) -> Option<&TextPairs> {
        static NO_LABELS: LazyLock<TextPairs> = LazyLock::new(TextPairs::default);
        let own = self.object.as_deref().map(|object| &object.labels);
        own.or_else(|| self.is_implied().then(|| &*NO_LABELS))
    }

    /// Whether it has no object of its own in an input that is the whole cluster.
    pub(super) fn is_implied(&self) -> bool {
        self.in_whole && self.object.is_none() && !self.is_only_named()
    }

    /// Reads its Exemption objects anew, where the object that came or went is one.
    fn read_requests(&mut self, changed: Resource) {
        if changed == Resource::Exemptions {
            let objects = self.objects.of(Resource::Exemptions).iter();
            self.requests =
                objects.filter_map(|object| RequestObject::compile(object)).map(Arc::new).collect();
        }
    }

    /// Whether nothing of it is known but that bindings elsewhere name its service accounts.
    pub(super) fn is_only_named(&self) -> bool {
        self.references == 0
            && self.object.is_none()
            && self.network_policies.is_empty()
            && self.objects.is_empty()
    }

    /// Whether nothing of it is known at all, but what was found in it: that must not keep itself alive.
    pub(super) fn is_gone(&self) -> bool {
        self.is_only_named() && self.granted.is_empty()
    }

    /// Whether nothing is known or told of it any more.
    pub(super) fn is_over(&self) -> bool {
        self.is_gone() && self.marks.is_empty() && self.part.findings.is_empty() && self.dirty == Dirty::No
    }
}

/// All namespaces.
#[derive(Debug, Default)]
pub(super) struct Namespaces {
    by_name: HashMap<Arc<str>, u32>,
    /// Each by itself: the space kept for those to come is that of a pointer.
    slots: Vec<Option<Box<Namespace>>>,
    free: Vec<u32>,
    dirty: Vec<u32>,
    deadlines: BTreeSet<(Timestamp, u32)>,
    generation: u32,
    policy_generation: u32,
    /// Indexes sorted by name; none after one came or went.
    order: Option<Vec<u32>>,
    /// They are those of an input that is the whole cluster.
    are_whole: bool,
}

impl Namespaces {
    /// None yet. `are_whole` says that the input is the whole cluster.
    pub(super) fn new(are_whole: bool) -> Self {
        Self { are_whole, ..Self::default() }
    }

    /// The namespace of an index that is in use.
    pub(super) fn get(&self, id: u32) -> &Namespace {
        match &self.slots[id as usize] {
            Some(namespace) => namespace,
            None => unreachable!("a namespace is kept while something refers to it"),
        }
    }

    /// The namespace of an index that is in use.
    pub(super) fn get_mut(&mut self, id: u32) -> &mut Namespace {
        match &mut self.slots[id as usize] {
            Some(namespace) => namespace,
            None => unreachable!("a namespace is kept while something refers to it"),
        }
    }

    /// The namespace of this name, where something refers to it.
    pub(super) fn find(&self, name: &str) -> Option<&Namespace> {
        self.by_name.get(name).map(|id| self.get(*id))
    }

    /// The index of the namespace of this name, which is known from now on.
    pub(super) fn named(&mut self, name: &str) -> u32 {
        if let Some(id) = self.by_name.get(name) {
            return *id;
        }
        let name: Arc<str> = name.into();
        let id = place(
            &mut self.slots,
            &mut self.free,
            Some(Box::new(Namespace::new(name.clone(), self.are_whole))),
        );
        self.by_name.insert(name, id);
        self.order = None;
        id
    }

    /// The index of a namespace, with one more group referring to it.
    pub(super) fn acquire(&mut self, name: &str) -> u32 {
        let id = self.named(name);
        self.retain(id);
        id
    }

    /// One more group.
    pub(super) fn retain(&mut self, id: u32) {
        self.get_mut(id).references += 1;
    }

    /// One group less.
    pub(super) fn release(&mut self, id: u32) {
        self.get_mut(id).references -= 1;
        self.mark(id);
    }

    /// The first group of a namespace.
    pub(super) fn first_group(&self, id: u32) -> u32 {
        self.get(id).first_group
    }

    /// Sets the first group.
    pub(super) fn set_first_group(&mut self, id: u32, group: u32) {
        self.get_mut(id).first_group = group;
    }

    /// Pods came or went.
    pub(super) fn changed_pods(&mut self, id: u32, by: i32) {
        let namespace = self.get_mut(id);
        namespace.pods = namespace.pods.saturating_add_signed(by);
        self.mark(id);
    }

    /// Something of this namespace has changed.
    pub(super) fn mark(&mut self, id: u32) {
        self.raise(id, Dirty::Whole);
    }

    /// An edit of policies moves verdicts in this namespace.
    pub(super) fn mark_edited(&mut self, id: u32) {
        self.raise(id, Dirty::Edited);
    }

    fn raise(&mut self, id: u32, to: Dirty) {
        let namespace = self.get_mut(id);
        let before = namespace.dirty;
        namespace.dirty = before.max(to);
        if before == Dirty::No {
            self.dirty.push(id);
        }
    }

    /// Nothing was found that was not before, but it would be told in other words or with another weight.
    pub(super) fn tell_again(&mut self, id: u32) {
        let part = Arc::make_mut(&mut self.get_mut(id).part);
        part.revision += 1;
    }

    /// One more than the greatest index.
    pub(super) fn slots(&self) -> usize {
        self.slots.len()
    }

    /// Index of every namespace.
    pub(super) fn ids(&self) -> Vec<u32> {
        let used = self.slots.iter().enumerate().filter(|(_, slot)| slot.is_some());
        used.filter_map(|(id, _)| u32::try_from(id).ok()).collect()
    }

    /// Something of the namespace of this name has changed, if it is known.
    pub(super) fn mark_named(&mut self, name: &str) {
        if let Some(&id) = self.by_name.get(name) {
            self.mark(id);
        }
    }

    /// Everything has changed.
    pub(super) fn mark_all(&mut self) {
        self.ids().into_iter().for_each(|id| self.mark(id));
    }

    /// Whether a namespace waits to be rolled up as a whole.
    pub(super) fn is_dirty(&self, id: u32) -> bool {
        self.get(id).dirty == Dirty::Whole
    }

    /// Whether any waits.
    pub(super) fn any_dirty(&self) -> bool {
        !self.dirty.is_empty()
    }

    /// Takes the namespaces that wait to be rolled up, by index. Whoever rolls one up says that it is not dirty.
    pub(super) fn take_dirty(&mut self) -> Vec<(u32, &mut Namespace)> {
        let mut dirty = std::mem::take(&mut self.dirty);
        dirty.sort_unstable();
        let (mut rest, mut start) = (&mut self.slots[..], 0);
        let mut taken = Vec::with_capacity(dirty.len());
        for id in dirty {
            let (head, tail) = std::mem::take(&mut rest).split_at_mut((id - start) as usize + 1);
            (rest, start) = (tail, id + 1);
            if let Some(Some(namespace)) = head.last_mut() {
                taken.push((id, &mut **namespace));
            }
        }
        taken
    }

    /// Takes in a namespace's own object.
    pub(super) fn apply(&mut self, name: &str, object: NamespaceObject) {
        let generation = self.generation;
        let id = self.named(name);
        let namespace = self.get_mut(id);
        namespace.object_generation = generation;
        if namespace.object.as_deref() != Some(&object) {
            namespace.object = Some(Arc::new(object));
            self.mark(id);
        }
    }

    /// A namespace is gone.
    pub(super) fn remove(&mut self, name: &str) {
        if let Some(&id) = self.by_name.get(name) {
            self.get_mut(id).object = None;
            self.mark(id);
        }
    }

    /// Puts an object into its namespace.
    pub(super) fn put_object(&mut self, object: Arc<ObjectFacts>) {
        let id = self.named(&object.namespace);
        let (namespace, kind) = (self.get_mut(id), object.kind);
        namespace.objects.insert(object);
        namespace.read_requests(kind);
        self.mark(id);
    }

    /// Takes an object out of its namespace.
    pub(super) fn take_object(&mut self, object: &ObjectFacts) {
        if let Some(&id) = self.by_name.get(&*object.namespace) {
            let namespace = self.get_mut(id);
            namespace.objects.remove(object.kind, &object.namespace, &object.name);
            namespace.read_requests(object.kind);
            self.mark(id);
        }
    }

    /// A binding reaches service accounts of a namespace that it does not lie in.
    pub(super) fn grant(&mut self, namespace: &str, binding: Arc<ObjectFacts>) {
        let id = self.named(namespace);
        self.get_mut(id).granted.insert(binding);
        self.mark(id);
    }

    /// It does not reach them any more.
    pub(super) fn withdraw(&mut self, namespace: &str, binding: &ObjectFacts) {
        if let Some(&id) = self.by_name.get(namespace) {
            self.get_mut(id).granted.remove(binding.kind, &binding.namespace, &binding.name);
            self.mark(id);
        }
    }

    /// Objects of one kind in all namespaces.
    pub(super) fn objects_of(&self, kind: Resource) -> impl Iterator<Item = &Arc<ObjectFacts>> {
        self.slots.iter().flatten().flat_map(move |namespace| namespace.objects.of(kind))
    }

    /// From now on namespaces are told again.
    pub(super) fn relist_started(&mut self) {
        self.generation = self.generation.wrapping_add(1);
    }

    /// Namespaces that were not told again are gone.
    pub(super) fn relist_finished(&mut self) {
        let generation = self.generation;
        let gone =
            |namespace: &Namespace| namespace.object.is_some() && namespace.object_generation != generation;
        let gone: Vec<Arc<str>> =
            self.slots.iter().flatten().filter(|slot| gone(slot)).map(|slot| slot.name.clone()).collect();
        gone.iter().for_each(|name| self.remove(name));
    }

    /// A workload was looked for and is gone.
    pub(super) fn owner_gone(&mut self, namespace: &str, workload: u64) {
        if let Some(&id) = self.by_name.get(namespace) {
            self.get_mut(id).note_gone(workload);
            self.mark(id);
        }
    }

    /// Sets when a namespace must be rolled up again at the latest.
    pub(super) fn set_deadline(&mut self, id: u32, deadline: Option<Timestamp>) {
        let before = std::mem::replace(&mut self.get_mut(id).deadline, deadline);
        if let Some(before) = before {
            self.deadlines.remove(&(before, id));
        }
        if let Some(deadline) = deadline {
            self.deadlines.insert((deadline, id));
        }
    }

    /// The next of these.
    pub(super) fn next_deadline(&self) -> Option<Timestamp> {
        self.deadlines.first().map(|(deadline, _)| *deadline)
    }

    /// Marks the namespaces whose deadline has come.
    pub(super) fn tick(&mut self, now: Timestamp) {
        let due: Vec<u32> = self.deadlines.range(..=(now, u32::MAX)).map(|(_, id)| *id).collect();
        due.into_iter().for_each(|id| self.mark(id));
    }

    /// Forgets a namespace that nothing refers to any more.
    pub(super) fn forget_if_over(&mut self, id: u32) {
        if self.slots[id as usize].as_deref().is_some_and(Namespace::is_over) {
            self.set_deadline(id, None);
            if let Some(namespace) = self.slots[id as usize].take() {
                self.by_name.remove(&namespace.name);
            }
            self.free.push(id);
            self.order = None;
        }
    }

    /// Every namespace's index, sorted by name.
    pub(super) fn sorted(&mut self) -> &[u32] {
        let slots = &self.slots;
        self.order.get_or_insert_with(|| {
            let mut named: Vec<(&Arc<str>, u32)> = slots
                .iter()
                .enumerate()
                .filter_map(|(id, slot)| Some((&slot.as_ref()?.name, u32::try_from(id).ok()?)))
                .collect();
            named.sort_unstable();
            named.into_iter().map(|(_, id)| id).collect()
        })
    }

    /// Every namespace's part, sorted by name.
    pub(super) fn parts(&mut self) -> Arc<[Arc<NamespaceSnapshot>]> {
        self.sorted();
        let order = self.order.as_deref().unwrap_or_default();
        order.iter().map(|&id| self.get(id).part.clone()).collect()
    }

    /// How many namespaces have an object of their own.
    pub(super) fn len(&self) -> usize {
        self.by_name.len()
    }
}
