//! Objects that only rules about namespaces and the cluster read, each as what is read of it and no more.

use std::fmt;
use std::sync::Arc;

use jiff::Timestamp;
use serde_json::Value;

use super::Resource;
use super::admission::{AdmissionBinding, AdmissionPolicy, Webhook};
use super::namespace::TextPairs;
use super::network::AdminPolicy;
use super::owner::TemplateFacts;
use super::rbac::{BindingFacts, RoleFacts};
use super::runtime::Runtime;

/// One object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObjectFacts {
    /// Which kind.
    pub kind: Resource,
    /// Its namespace; empty for none.
    pub namespace: Box<str>,
    /// Its name.
    pub name: Box<str>,
    /// What is read of it.
    pub content: Content,
}

impl ObjectFacts {
    fn key(&self) -> (Resource, &str, &str) {
        (self.kind, &self.namespace, &self.name)
    }

    /// Whether a field had another type than its API says.
    pub fn is_malformed(&self) -> bool {
        self.content == Content::Malformed
    }
}

/// What is read of an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Content {
    /// Some field had another type than its API says, so that nothing can be said of it.
    Malformed,
    /// That it is there.
    Present,
    /// A ResourceQuota.
    Quota(QuotaFacts),
    /// A LimitRange: whether a container gets limits by it.
    Limits(bool),
    /// A ServiceAccount: `automountServiceAccountToken`.
    Account(Option<bool>),
    /// A Service.
    Service(ServiceFacts),
    /// An Ingress.
    Ingress(IngressFacts),
    /// A Role or ClusterRole.
    Role(RoleFacts),
    /// A RoleBinding or ClusterRoleBinding.
    Binding(BindingFacts),
    /// A configuration of webhooks.
    Webhooks(Box<[Webhook]>),
    /// A ValidatingAdmissionPolicy.
    AdmissionPolicy(AdmissionPolicy),
    /// A ValidatingAdmissionPolicyBinding.
    AdmissionBinding(AdmissionBinding),
    /// A network policy of the whole cluster.
    AdminPolicy(AdminPolicy),
    /// The template of a controller of pods.
    Template(Arc<TemplateFacts>),
    /// A Node.
    Node(NodeFacts),
    /// An Exemption.
    Exemption(Box<ExemptionFacts>),
}

/// The condition of an Exemption by which somebody else than the tenant permits it.
pub const APPROVED: &str = "Approved";
/// The condition of an Exemption by which the operator says what came of it.
pub const EFFECTIVE: &str = "Effective";

/// An Exemption: what a tenant asks for. No rule reads it; what it means is decided under each policy.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ExemptionFacts {
    /// `spec`, untouched.
    pub spec: Value,
    /// `metadata.generation`; 0 in files.
    pub generation: i64,
    /// `metadata.creationTimestamp`; none in files.
    pub created: Option<Timestamp>,
    /// The condition `Approved` is True, and speaks of this very generation.
    pub approved: bool,
    /// The condition `Effective` as it stands in the status.
    pub effective: Option<Value>,
}

/// A ResourceQuota.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct QuotaFacts {
    /// It counts only some objects (`scopes`, `scopeSelector`).
    pub scoped: bool,
    /// What it limits.
    pub hard: Box<[Box<str>]>,
}

/// What a Node says of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NodeFacts {
    /// Repositories of the images that it lists, sorted, each once; as it is what is no reference. Nodes share the texts.
    pub repositories: Box<[Arc<str>]>,
    /// How many images are listed.
    pub listed: u32,
    /// What runs its containers, where it says so.
    pub runtime: Option<Runtime>,
}

/// How a Service can be reached.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Exposed {
    /// Not from outside.
    #[default]
    No,
    /// On a port of every node.
    NodePort,
    /// Through a load balancer.
    LoadBalancer,
}

/// A Service.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ServiceFacts {
    /// How it can be reached.
    pub exposed: Exposed,
    /// Some `externalIPs` are set.
    pub external_ips: bool,
    /// Annotations of a load balancer: only these may say that it is internal.
    pub annotations: TextPairs,
}

/// An Ingress.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct IngressFacts {
    /// Its class, by the field or by the annotation that was before it; empty for the default.
    pub class: Box<str>,
    /// Short annotations: one of them may say that it is internal.
    pub annotations: TextPairs,
}

/// Objects, sorted by kind, namespace and name. Shared; copied when one is changed that somebody else looks at.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Objects(Option<Arc<Vec<Arc<ObjectFacts>>>>);

impl Objects {
    /// Of these, in any order; of two with one name the last one stays.
    pub fn new(objects: impl IntoIterator<Item = ObjectFacts>) -> Self {
        let mut all = Self::default();
        for object in objects {
            all.insert(Arc::new(object));
        }
        all
    }

    fn all(&self) -> &[Arc<ObjectFacts>] {
        self.0.as_deref().map_or(&[], Vec::as_slice)
    }

    fn place(&self, (kind, namespace, name): (Resource, &str, &str)) -> Result<usize, usize> {
        self.all().binary_search_by(|object| object.key().cmp(&(kind, namespace, name)))
    }

    /// The object of this kind, namespace (empty for none) and name.
    pub fn find(&self, kind: Resource, namespace: &str, name: &str) -> Option<&Arc<ObjectFacts>> {
        self.place((kind, namespace, name)).ok().map(|at| &self.all()[at])
    }

    /// Puts an object in its place, instead of the one of that name.
    pub fn insert(&mut self, object: Arc<ObjectFacts>) {
        let place = self.place(object.key());
        let objects = Arc::make_mut(self.0.get_or_insert_default());
        match place {
            Ok(at) => objects[at] = object,
            Err(at) => objects.insert(at, object),
        }
    }

    /// Takes an object out.
    pub fn remove(&mut self, kind: Resource, namespace: &str, name: &str) -> Option<Arc<ObjectFacts>> {
        let at = self.place((kind, namespace, name)).ok()?;
        let objects = Arc::make_mut(self.0.as_mut()?);
        let removed = objects.remove(at);
        if objects.is_empty() {
            self.0 = None;
        }
        Some(removed)
    }

    /// Every object.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<ObjectFacts>> + Clone {
        self.all().iter()
    }

    /// Those of one kind.
    pub fn of(&self, kind: Resource) -> &[Arc<ObjectFacts>] {
        let all = self.all();
        let start = all.partition_point(|object| object.kind < kind);
        let end = all.partition_point(|object| object.kind <= kind);
        &all[start..end]
    }

    /// The one of this kind and name, where names are unique.
    pub fn get(&self, kind: Resource, name: &str) -> Option<&Arc<ObjectFacts>> {
        self.of(kind).iter().find(|object| *object.name == *name)
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.all().len()
    }
}

impl fmt::Debug for Objects {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn object(kind: Resource, namespace: &str, name: &str) -> ObjectFacts {
        ObjectFacts { kind, namespace: namespace.into(), name: name.into(), content: Content::Present }
    }

    #[test]
    fn objects_stand_by_kind_namespace_and_name_and_are_found_so() {
        let mut all = Objects::new([
            object(Resource::Services, "a", "x"),
            object(Resource::Roles, "b", "x"),
            object(Resource::Services, "a", "b"),
        ]);
        let names = |kind| all.of(kind).iter().map(|object| &*object.name).collect::<Vec<_>>();
        assert_eq!(names(Resource::Services), ["b", "x"]);
        assert_eq!(names(Resource::Roles), ["x"]);
        assert!(names(Resource::Pods).is_empty());
        assert!(all.get(Resource::Services, "x").is_some());
        assert!(all.remove(Resource::Services, "a", "x").is_some() && all.len() == 2);
        assert!(all.remove(Resource::Services, "b", "b").is_none());
        all.remove(Resource::Services, "a", "b");
        all.remove(Resource::Roles, "b", "x");
        assert_eq!((all.is_empty(), all), (true, Objects::default()), "nothing is left of the last one");
    }

    #[test]
    fn who_holds_the_objects_does_not_see_them_change() {
        let mut all = Objects::new([object(Resource::Services, "a", "x")]);
        let before = all.clone();
        all.insert(Arc::new(object(Resource::Services, "a", "y")));
        assert_eq!((before.len(), all.len()), (1, 2));
    }
}
