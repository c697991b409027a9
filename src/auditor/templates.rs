//! The templates of controllers of pods, kept while a rule compares pods with them. A verdict that needs one is made
//! when a namespace is rolled up: it is a comparison of two things that change on their own.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::findings::Workload;
use super::namespaces::Namespaces;
use crate::subject::Resource;
use crate::subject::objects::{Content, ObjectFacts};
use crate::subject::owner::{Owner, TemplateFacts};
use crate::subject::uid::parse_uid;

/// Kind, namespace and name.
type Key = (Resource, Box<str>, Box<str>);

/// All templates.
#[derive(Debug, Default)]
pub(super) struct Templates {
    /// None for a template that could not be decoded.
    by_name: HashMap<Key, Option<Arc<TemplateFacts>>>,
    /// With the namespace: a pod's controller lies in its own.
    by_uid: HashMap<u128, (Box<str>, Arc<TemplateFacts>)>,
    untold: HashMap<Resource, HashSet<Key>>,
    denied: Vec<Resource>,
}

impl Templates {
    /// Takes in a controller.
    pub(super) fn apply(&mut self, facts: ObjectFacts, namespaces: &mut Namespaces) {
        let key = (facts.kind, facts.namespace, facts.name);
        if let Some(untold) = self.untold.get_mut(&key.0) {
            untold.remove(&key);
        }
        let template = match facts.content {
            Content::Template(template) => Some(template),
            _ => None,
        };
        if self.by_name.get(&key) == Some(&template) {
            return;
        }
        self.forget(&key, namespaces);
        if let Some(template) = template.as_ref().filter(|template| template.uid != 0) {
            self.by_uid.insert(template.uid, (key.1.clone(), template.clone()));
        }
        namespaces.mark_named(&key.1);
        self.by_name.insert(key, template);
    }

    /// A controller is gone.
    pub(super) fn remove(
        &mut self,
        kind: Resource,
        namespace: &str,
        name: &str,
        namespaces: &mut Namespaces,
    ) {
        self.forget(&(kind, namespace.into(), name.into()), namespaces);
    }

    fn forget(&mut self, key: &Key, namespaces: &mut Namespaces) {
        let Some(template) = self.by_name.remove(key) else { return };
        if let Some(template) = template {
            self.by_uid.remove(&template.uid);
        }
        namespaces.mark_named(&key.1);
    }

    /// From now on controllers of this kind are told again.
    pub(super) fn relist_started(&mut self, kind: Resource) {
        let untold = self.by_name.keys().filter(|key| key.0 == kind).cloned().collect();
        self.untold.insert(kind, untold);
    }

    /// Those that were not told again are gone.
    pub(super) fn relist_finished(&mut self, kind: Resource, namespaces: &mut Namespaces) {
        for key in self.untold.remove(&kind).unwrap_or_default() {
            self.forget(&key, namespaces);
        }
    }

    /// These kinds may not be read.
    pub(super) fn deny(&mut self, denied: impl Iterator<Item = Resource>) {
        self.denied = denied.filter(|kind| kind.is_template()).collect();
    }

    /// Whether the controller that a workload's pods name is there: of this kind, name and uid, in their namespace. Of
    /// a Deployment it is a ReplicaSet, which has to name the Deployment as its own controller. False where controllers
    /// of that kind are not read.
    pub(super) fn confirms(&self, namespace: &str, workload: &Workload) -> bool {
        let (api_version, kind, name, uid) = controller(workload);
        let group = api_version.split_once('/').map_or("", |(group, _)| group);
        let Some(resource) = Resource::of_controller(group, kind) else { return false };
        let Some(Some(template)) = self.by_name.get(&(resource, namespace.into(), name.into())) else {
            return false;
        };
        let is_itself =
            || workload.through.is_none() || template.deployment.as_deref() == Some(&*workload.name);
        uid != 0 && template.uid == uid && is_itself()
    }

    /// The kind that would confirm whose a workload's pods are, where it may not be read.
    pub(super) fn unread(&self, workload: &Workload) -> Option<Resource> {
        let (api_version, kind, ..) = controller(workload);
        let group = api_version.split_once('/').map_or("", |(group, _)| group);
        Resource::of_controller(group, kind).filter(|resource| self.denied.contains(resource))
    }

    /// The controller of a workload's pods.
    pub(super) fn owner(&self, namespace: &str, workload: &Workload) -> Owner {
        let (api_version, kind, name, uid) = controller(workload);
        let group = api_version.split_once('/').map_or("", |(group, _)| group);
        let Some(resource) = Resource::of_controller(group, kind) else { return Owner::Other };
        if self.denied.contains(&resource) {
            return Owner::Denied;
        }
        if let Some((_, template)) = self.by_uid.get(&uid).filter(|(lies_in, _)| **lies_in == *namespace) {
            return Owner::Template(template.clone());
        }
        match self.by_name.get(&(resource, namespace.into(), name.into())) {
            // Another one of that name, which the pod does not mean.
            Some(Some(template)) if template.uid != 0 && uid != 0 => Owner::Absent,
            Some(Some(template)) => Owner::Template(template.clone()),
            Some(None) => Owner::Malformed,
            None => Owner::Absent,
        }
    }
}

/// What a workload's pods name as their controller: API version, kind, name and uid.
fn controller(workload: &Workload) -> (&str, &str, &str, u128) {
    match &workload.through {
        Some(owner) => (&owner.api_version, &owner.kind, &owner.name, owner.uid.number()),
        None => (&workload.api_version, &workload.kind, &workload.name, parse_uid(workload.uid())),
    }
}
