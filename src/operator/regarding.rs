//! Which object an Event regards, so that it reaches the person: `kubectl describe` shows an Event only on the
//! object whose uid it carries.

use serde_json::{Value, json};

use super::lookup::{Found, ObjectKey, api_version_of};
use crate::auditor::findings::{OwnerReference, Subject, Workload};
use crate::auditor::suspicion::About;

/// Where Events about objects of the cluster live: the API server accepts no other place.
const CLUSTER_EVENTS: &str = "default";

/// The object that an Event should regard, and what to fall back on.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Plan {
    wanted: ObjectKey,
    /// Its uid, where it is known already.
    uid: Option<Box<str>>,
    /// The owner in between, whose uid the pod itself names; the note always names the wanted one.
    through: Option<OwnerReference>,
}

/// The object that an Event regards.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Regarding {
    object: ObjectKey,
    uid: Box<str>,
}

impl Plan {
    /// For a finding on `subject` under the first of `policies` (name and uid).
    pub(crate) fn of(subject: &Subject, policies: &[(impl AsRef<str>, impl AsRef<str>)]) -> Self {
        match subject {
            Subject::Workload(image_use) => Self::workload(&image_use.namespace, &image_use.workload),
            Subject::Namespace(facts) => {
                let name: &str = &facts.name;
                let uid = facts.object.as_ref().map(|object| (*object.uid).into());
                Self::plain("v1", "Namespace", name, name, uid.unwrap_or_default())
            }
            Subject::Reference(_) | Subject::Cluster(_) => {
                let (name, uid) =
                    policies.first().map_or(("", ""), |(name, uid)| (name.as_ref(), uid.as_ref()));
                Self::policy(name, uid)
            }
        }
    }

    /// For suspicious activity.
    pub(crate) fn about(about: &About) -> Self {
        match about {
            About::Pod { namespace, workload, .. } => Self::workload(namespace, workload),
            About::Namespace { name, uid } => Self::plain("v1", "Namespace", name, name, (**uid).into()),
            About::ClusterRoleBinding(name) => {
                let api_version = "rbac.authorization.k8s.io/v1";
                Self::plain(api_version, "ClusterRoleBinding", "", name, Box::default())
            }
            About::Policy { name, uid } => Self::policy(name, uid),
        }
    }

    /// For a policy.
    pub(crate) fn policy(name: &str, uid: &str) -> Self {
        Self::plain("revisor.dev/v1alpha1", "ImagePolicy", "", name, uid.into())
    }

    fn plain(api_version: &str, kind: &str, namespace: &str, name: &str, uid: Box<str>) -> Self {
        let (api_version, kind, namespace, name) =
            (api_version.into(), kind.into(), namespace.into(), name.into());
        let uid = (!uid.is_empty()).then_some(uid);
        Self { wanted: ObjectKey { api_version, kind, namespace, name }, uid, through: None }
    }

    fn workload(namespace: &str, workload: &Workload) -> Self {
        // The owner of a static pod is its Node, which lies in no namespace.
        let namespace = if &*workload.kind == "Node" { "" } else { namespace };
        let api_version = match &*workload.api_version {
            "" => api_version_of(&workload.kind),
            api_version => api_version,
        };
        let plain =
            Self::plain(api_version, &workload.kind, namespace, &workload.name, workload.uid().into());
        Self { through: workload.through.as_deref().cloned(), ..plain }
    }

    /// The object to look up first; none where the uid is known.
    pub(crate) fn to_look_up(&self) -> Option<&ObjectKey> {
        self.uid.is_none().then_some(&self.wanted)
    }

    /// Decides by what the look-up came to.
    pub(crate) fn decide(self, found: Found) -> Regarding {
        let Self { wanted, uid, through } = self;
        if let (Some(uid), _) | (None, Found::Uid(uid)) = (uid, found) {
            return Regarding { object: wanted, uid };
        }
        match through {
            Some(OwnerReference { kind, name, api_version, uid }) => {
                let object = ObjectKey {
                    kind: (&*kind).into(),
                    name,
                    api_version: (&*api_version).into(),
                    namespace: wanted.namespace,
                };
                Regarding { object, uid: uid.to_string().into() }
            }
            None => Regarding { object: wanted, uid: Box::default() },
        }
    }
}

impl Regarding {
    /// The namespace that the Event lies in.
    pub(crate) fn event_namespace(&self) -> &str {
        if self.object.namespace.is_empty() { CLUSTER_EVENTS } else { &self.object.namespace }
    }

    /// The Event's `involvedObject`.
    pub(crate) fn involved_object(&self) -> Value {
        let ObjectKey { api_version, kind, namespace, name } = &self.object;
        let mut object = json!({"kind": kind, "name": name});
        for (key, value) in [("apiVersion", api_version), ("namespace", namespace), ("uid", &self.uid)] {
            if !value.is_empty() {
                object[key] = json!(value);
            }
        }
        object
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::subject::namespace::{NamespaceFacts, NamespaceObject};
    use crate::subject::uid::Uid;

    const NO_POLICIES: &[(&str, &str)] = &[];

    fn deployment(uid: &str, through: bool) -> Plan {
        let plain = Plan::plain("apps/v1", "Deployment", "team-a", "web", uid.into());
        let replica_set = OwnerReference {
            kind: "ReplicaSet".into(),
            name: "web-7f".into(),
            api_version: "apps/v1".into(),
            uid: Uid::new("rs-uid"),
        };
        Plan { through: through.then_some(replica_set), ..plain }
    }

    #[test]
    fn the_top_controller_is_regarded_with_the_uid_that_was_looked_up() {
        let plan = deployment("", true);
        assert_eq!(&*plan.to_look_up().unwrap().name, "web");
        let regarding = plan.decide(Found::Uid("d-uid".into()));
        let involved = json!({"kind": "Deployment", "name": "web", "apiVersion": "apps/v1", "namespace": "team-a", "uid": "d-uid"});
        assert_eq!(regarding.involved_object(), involved);
        assert_eq!(regarding.event_namespace(), "team-a");
    }

    #[test]
    fn without_that_right_or_when_it_is_gone_the_owner_in_between_stands_in() {
        for found in [Found::Unknown, Found::Gone] {
            let regarding = deployment("", true).decide(found);
            assert_eq!(regarding.involved_object()["uid"], "rs-uid");
            assert_eq!(regarding.involved_object()["kind"], "ReplicaSet");
        }
    }

    #[test]
    fn a_known_uid_needs_no_look_and_nothing_known_is_still_an_event() {
        assert_eq!(deployment("known", true).to_look_up(), None);
        assert_eq!(deployment("known", true).decide(Found::Unknown).involved_object()["uid"], "known");
        let nothing = deployment("", false).decide(Found::Gone).involved_object();
        assert_eq!(
            nothing,
            json!({"kind": "Deployment", "name": "web", "apiVersion": "apps/v1", "namespace": "team-a"})
        );
    }

    #[test]
    fn a_namespace_finding_lies_inside_the_namespace_and_regards_it() {
        let object = Arc::new(NamespaceObject { uid: "ns-uid".into(), ..NamespaceObject::default() });
        let facts = NamespaceFacts {
            name: "team-a".into(),
            object: Some(object),
            network_policies: Arc::new([]),
            beyond: Arc::default(),
            pods: 0,
        };
        let regarding = Plan::of(&Subject::Namespace(Arc::new(facts)), NO_POLICIES).decide(Found::Unknown);
        let involved = json!({"kind": "Namespace", "name": "team-a", "apiVersion": "v1", "namespace": "team-a", "uid": "ns-uid"});
        assert_eq!((regarding.involved_object(), regarding.event_namespace()), (involved, "team-a"));
    }

    #[test]
    fn a_cluster_role_binding_is_regarded_by_its_name_in_the_namespace_default() {
        let plan = Plan::about(&About::ClusterRoleBinding("wide".into()));
        let regarding = plan.decide(Found::Unknown);
        let involved = json!({"kind": "ClusterRoleBinding", "name": "wide", "apiVersion": "rbac.authorization.k8s.io/v1"});
        assert_eq!((regarding.involved_object(), regarding.event_namespace()), (involved, "default"));
    }

    #[test]
    fn a_policy_is_regarded_in_the_namespace_default() {
        let regarding = Plan::policy("baseline", "p-uid").decide(Found::Unknown);
        let involved = json!({"kind": "ImagePolicy", "name": "baseline", "apiVersion": "revisor.dev/v1alpha1", "uid": "p-uid"});
        assert_eq!((regarding.involved_object(), regarding.event_namespace()), (involved, "default"));
    }
}
