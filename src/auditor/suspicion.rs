//! Suspicious activity: changes that are worth a look whatever the policies ask for. Each is found by comparing an
//! object with what was known of it when the change came, so that nothing is kept for it, and how changes are batched
//! does not matter. Nothing counts before everything that is read was told once, and nothing of a kind before that
//! kind was told to its end: a first list is no change.

mod gathered;
pub(super) mod hosts;
mod namespaces;
mod pods;
mod policies;
mod signal;
pub(super) mod tags;

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

pub use signal::Signal;

use self::gathered::{Edits, Gathered};
use super::findings::Workload;
use super::{Auditor, Feed};
use crate::decode::Change;
use crate::policy::compile::CompiledPolicy;
use crate::subject::Resource;
use crate::subject::namespace::{NamespaceObject, NetworkPolicyFacts};
use crate::subject::objects::ObjectFacts;

/// How long a lost default deny is held back: a namespace that is deleted loses its network policies first, or is
/// seen to, since the two come by different watches. So long, too, the edit of one pod waits for those of the others.
pub(super) const HELD_BACK: SignedDuration = SignedDuration::from_secs(5);

/// What somebody did, or something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Activity {
    /// Which kind of activity.
    pub signal: Signal,
    /// The object that it is about.
    pub about: About,
    /// What happened, in one sentence without a full stop. Untrusted text in it is as it was written.
    pub message: String,
    /// When it was seen.
    pub at: Timestamp,
}

/// What an activity is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum About {
    /// Pods of a workload.
    Pod {
        /// Its namespace.
        namespace: Arc<str>,
        /// The name of one of them.
        pod: Box<str>,
        /// What it is attributed to.
        workload: Arc<Workload>,
    },
    /// A namespace, or something in it.
    Namespace {
        /// Its name.
        name: Arc<str>,
        /// Its uid; empty where it is not known.
        uid: Arc<str>,
    },
    /// A ClusterRoleBinding, by name.
    ClusterRoleBinding(Box<str>),
    /// A policy.
    Policy {
        /// Its name.
        name: Arc<str>,
        /// Its uid.
        uid: Arc<str>,
    },
}

impl About {
    /// The namespace it lies in; none for what lies in none.
    pub fn namespace(&self) -> Option<&str> {
        match self {
            Self::Pod { namespace, .. } => Some(namespace),
            Self::Namespace { name, .. } => Some(name),
            Self::ClusterRoleBinding(_) | Self::Policy { .. } => None,
        }
    }

    /// Its kind, of a pod that of its workload.
    pub fn kind(&self) -> &str {
        match self {
            Self::Pod { workload, .. } => &workload.kind,
            Self::Namespace { .. } => "Namespace",
            Self::ClusterRoleBinding(_) => "ClusterRoleBinding",
            Self::Policy { .. } => "ImagePolicy",
        }
    }

    /// Its name, of a pod that of its workload.
    pub fn name(&self) -> &str {
        match self {
            Self::Pod { workload, .. } => &workload.name,
            Self::Namespace { name, .. } | Self::Policy { name, .. } => name,
            Self::ClusterRoleBinding(name) => name,
        }
    }
}

/// What was seen and not told yet.
#[derive(Debug, Default)]
pub(super) struct Suspicion {
    /// Nobody wants to know.
    off: bool,
    /// Everything that is read was told once: from here on changes count.
    watching: bool,
    activities: Vec<Activity>,
    /// Lost default denies that are held back, with the instant until when.
    held: Vec<(Timestamp, Activity)>,
    /// Edits of pods, which wait for those of other replicas.
    gathered: Gathered,
}

impl Suspicion {
    fn add(&mut self, signal: Signal, about: About, message: String, at: Timestamp) {
        self.activities.push(Activity { signal, about, message, at });
    }

    /// An edit of a pod, to be told with those of the other pods of its workload.
    fn gather(&mut self, edits: Edits, about: About, uid: u128, at: Timestamp) {
        self.activities.extend(self.gathered.add(edits, about, uid, at));
    }

    /// When [`Self::tick`] has something to do.
    pub(super) fn next_deadline(&self) -> Option<Timestamp> {
        self.held.iter().map(|(until, _)| *until).chain(self.gathered.next_deadline()).min()
    }

    /// Tells what was held back long enough.
    pub(super) fn tick(&mut self, now: Timestamp) {
        let (due, held) = std::mem::take(&mut self.held).into_iter().partition(|(until, _)| *until <= now);
        self.held = held;
        let due: Vec<_> = due;
        self.activities.extend(due.into_iter().map(|(_, activity)| activity));
        self.activities.extend(self.gathered.due(now));
    }
}

/// What was known of an object, or of all objects of a kind, before a change.
pub(super) enum Before {
    /// Nothing that would be compared.
    Nothing,
    /// A namespace that is going, by name.
    Going(Arc<str>),
    /// A namespace by name.
    Namespace(Arc<str>, Option<Arc<NamespaceObject>>),
    /// The network policies of namespaces.
    NetworkPolicies(Vec<(Arc<str>, Arc<[NetworkPolicyFacts]>)>),
    /// A binding: kind, namespace and name.
    Binding((Resource, Box<str>, Box<str>), Option<Arc<ObjectFacts>>),
    /// Policies.
    Policies(Vec<Arc<CompiledPolicy>>),
}

impl Auditor {
    /// Suspicious activity is not looked for. To be called before anything is told.
    pub fn ignore_suspicious_activity(&mut self) {
        self.suspicion.off = true;
    }

    /// Suspicious activity since this was last asked.
    pub fn drain_suspicious_activity(&mut self) -> Vec<Activity> {
        std::mem::take(&mut self.suspicion.activities)
    }

    /// From the moment on at which everything was told once, changes count.
    pub(super) fn watch_once_complete(&mut self) {
        let Suspicion { off, watching, .. } = self.suspicion;
        if !watching && !off && self.feed == Feed::Live && self.is_complete() {
            self.suspicion.watching = true;
            self.inventory.hosts.watch();
            self.inventory.tags.watch();
        }
    }

    /// What is known of the object of a change that is about to be applied.
    pub(super) fn before(&self, change: &Change) -> Before {
        let counts = |kind: Resource| self.suspicion.watching && self.kinds.is_followed(kind);
        let is_binding =
            |kind: Resource| matches!(kind, Resource::RoleBindings | Resource::ClusterRoleBindings);
        let network_policies = |namespace: &str| {
            let found = self.namespaces.find(namespace).into_iter();
            found.map(|namespace| (namespace.name.clone(), namespace.network_policies.clone())).collect()
        };
        match change {
            Change::Namespace(name, _) if counts(Resource::Namespaces) => {
                let known = self.namespaces.find(name);
                Before::Namespace(name.clone(), known.and_then(|namespace| namespace.object.clone()))
            }
            Change::NamespaceGone(name) if !self.suspicion.held.is_empty() => Before::Going(name.clone()),
            Change::NetworkPolicy(namespace, _) | Change::NetworkPolicyGone(namespace, _)
                if counts(Resource::NetworkPolicies) =>
            {
                Before::NetworkPolicies(network_policies(namespace))
            }
            Change::RelistFinished(Resource::NetworkPolicies) if counts(Resource::NetworkPolicies) => {
                Before::NetworkPolicies(self.namespaces.network_policies())
            }
            Change::Object(facts) if is_binding(facts.kind) && counts(facts.kind) => {
                let known = self.objects.find(facts.kind, &facts.namespace, &facts.name, &self.namespaces);
                let key = (facts.kind, facts.namespace.clone(), facts.name.clone());
                Before::Binding(key, known.cloned())
            }
            Change::Policy(record) if counts(Resource::ImagePolicies) => {
                Before::Policies(self.plan.compiled(&record.name).cloned().into_iter().collect())
            }
            Change::PolicyGone(name) if counts(Resource::ImagePolicies) => {
                Before::Policies(self.plan.compiled(name).cloned().into_iter().collect())
            }
            Change::RelistFinished(Resource::ImagePolicies) if counts(Resource::ImagePolicies) => {
                Before::Policies(self.plan.all_compiled().cloned().collect())
            }
            _ => Before::Nothing,
        }
    }

    /// Compares what was known with what is, after the change was applied.
    pub(super) fn compare(&mut self, before: Before, now: Timestamp) {
        match before {
            Before::Nothing => {}
            Before::Going(name) => self.namespace_gone(&name),
            Before::Namespace(name, before) => self.compare_namespace(&name, before.as_deref(), now),
            Before::NetworkPolicies(before) => {
                for (namespace, policies) in before {
                    self.compare_network_policies(&namespace, &policies, now);
                }
            }
            Before::Binding(key, before) => self.compare_binding(key, before.as_deref(), now),
            Before::Policies(before) => {
                before.iter().for_each(|policy| self.compare_policy(policy, now));
            }
        }
    }
}

/// `a`, or `a and 2 more`.
fn and_more(first: &str, all: usize) -> String {
    match all {
        0 | 1 => first.to_owned(),
        _ => format!("{first} and {} more", all - 1),
    }
}
