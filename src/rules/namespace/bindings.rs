//! Not a rule: what rules about role bindings share. A RoleBinding belongs to its namespace; a ClusterRoleBinding to
//! the namespace whose service accounts it names, else to the cluster.

use std::fmt;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::offenders::{Named, Offenders};
use crate::rules::shown::Cut;
use crate::rules::{Asks, NamespaceRule, Rule, SettingError};
use crate::subject::Resource;
use crate::subject::cluster::ClusterSubject;
use crate::subject::namespace::NamespaceSubject;
use crate::subject::objects::{Content, ObjectFacts};
use crate::subject::rbac::{BindingFacts, Grantee, Reach};
use crate::verdict::{Note, Verdict};

/// A binding that is fine, whomever it names.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct BindingExemption {
    /// The binding's name.
    #[schemars(length(min = 1, max = 253))]
    pub binding: String,
    /// The name of the role that it gives: the same binding with another role is not fine.
    #[schemars(length(min = 1, max = 253))]
    pub role: String,
    /// The binding's namespace. Absent: a ClusterRoleBinding.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 63))]
    pub namespace: Option<String>,
}

/// The bindings that Kubernetes makes by itself, and mends when somebody deletes them: namespace, binding and role.
type Known = (&'static str, &'static str);

/// What every cluster gives to everybody who has shown who they are.
pub(super) const DISCOVERY: &[Known] = &[
    ("", "system:discovery"),
    ("", "system:basic-user"),
    ("", "system:public-info-viewer"),
    ("", "system:service-account-issuer-discovery"),
    ("", "system:cluster-trust-bundle-discovery"),
];
/// What it gives to everybody else, so that they can join.
pub(super) const JOINING: &[Known] =
    &[("", "system:public-info-viewer"), ("kube-public", "kubeadm:bootstrap-signer-clusterinfo")];

/// Bindings that a rule lets be. Built-in ones give a role of their own name.
#[derive(Debug)]
pub(super) struct Exempt {
    known: &'static [Known],
    own: Vec<BindingExemption>,
}

impl Exempt {
    pub(super) fn new(
        known: &'static [Known],
        own: Option<&Vec<BindingExemption>>,
    ) -> Result<Self, SettingError> {
        let own = own.cloned().unwrap_or_default();
        for (index, BindingExemption { binding, role, .. }) in own.iter().enumerate() {
            if binding.is_empty() || role.is_empty() {
                let message = "name both the binding and the role";
                return Err(SettingError::new(format!("exempt[{index}]"), message));
            }
        }
        Ok(Self { known, own })
    }

    fn covers(&self, object: &ObjectFacts, binding: &BindingFacts) -> bool {
        let name = &*object.name;
        self.known.iter().any(|(namespace, known)| {
            *namespace == &*object.namespace && *known == name && *known == &*binding.role
        }) || self.own.iter().any(|own| {
            own.namespace.as_deref().unwrap_or_default() == &*object.namespace
                && own.binding == name
                && own.role == *binding.role
        })
    }
}

/// A binding, and one of those it gives its role to.
#[derive(Clone, Copy, Debug)]
pub(super) struct Grant<'a> {
    object: &'a ObjectFacts,
    pub(super) binding: &'a BindingFacts,
    pub(super) grantee: &'a Grantee,
}

impl Grant<'_> {
    /// A ClusterRoleBinding gives it.
    pub(super) fn everywhere(&self) -> bool {
        self.object.kind == Resource::ClusterRoleBindings
    }

    /// The binding's name.
    pub(super) fn name(&self) -> &str {
        &self.object.name
    }
}

impl fmt::Display for Grant<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = if self.binding.of_cluster_role { "ClusterRole" } else { "Role" };
        write!(f, "{}", Named(self.object))?;
        if !self.object.namespace.is_empty() {
            write!(f, " in {}", Cut(&self.object.namespace))?;
        }
        write!(f, " gives {kind} {} to ", Cut(&self.binding.role))?;
        match self.grantee {
            Grantee::Account(namespace, name) => {
                write!(f, "service account {}/{}", Cut(namespace), Cut(name))
            }
            Grantee::User(name) => write!(f, "user {}", Cut(name)),
            Grantee::Group(name) => write!(f, "group {}", Cut(name)),
        }
    }
}

fn grants(object: &ObjectFacts) -> impl Iterator<Item = Grant<'_>> {
    let binding = match &object.content {
        Content::Binding(binding) => Some(binding),
        _ => None,
    };
    binding.into_iter().flat_map(move |binding| {
        binding.subjects.iter().map(move |grantee| Grant { object, binding, grantee })
    })
}

/// Every grant of a binding for which `is_wrong` says so, in words; those of bindings that Kubernetes makes by itself
/// are left out.
pub(super) fn wrong_grants(
    object: &ObjectFacts,
    known: &'static [Known],
    is_wrong: impl Fn(&Grant<'_>) -> bool,
) -> Vec<String> {
    let exempt = Exempt { known, own: Vec::new() };
    let wrong = grants(object).filter(|grant| is_wrong(grant) && !exempt.covers(grant.object, grant.binding));
    wrong.map(|grant| grant.to_string()).collect()
}

/// The bindings that belong to a namespace, and those that reach its service accounts from elsewhere.
fn of_namespace<'a>(
    subject: &NamespaceSubject<'a>,
) -> impl Iterator<Item = &'a Arc<ObjectFacts>> + Clone + use<'a> {
    subject.objects(Resource::RoleBindings).iter().chain(subject.facts.beyond.granted.iter())
}

/// A rule that finds bindings by what they give to whom.
pub(super) trait BindingRule: Rule {
    /// The reason of a violation, and what is wrong, in words.
    const WHAT: (&'static str, &'static str);
    /// Bindings that are fine.
    fn exempt(&self) -> &Exempt;
    /// Whether a grant is wrong, unless its binding is fine.
    fn is_wrong(&self, grant: &Grant<'_>) -> bool;
}

impl<R: BindingRule> NamespaceRule for R {
    const ASKS: Asks = Asks::PRESENCE_AND_CLUSTER;

    /// Judges the bindings that belong to the namespace.
    fn check(&self, subject: &NamespaceSubject<'_>, note: &mut Note<'_>) -> Verdict {
        let own = |grant: &Grant<'_>| match grant.everywhere() {
            true => grant.grantee.reach() == Reach::Namespace(subject.name()),
            false => *grant.object.namespace == *subject.name(),
        };
        judge(self, of_namespace(subject), own, note)
    }

    /// Judges the ClusterRoleBindings that belong to no one namespace.
    fn check_cluster(&self, subject: &ClusterSubject, note: &mut Note<'_>) -> Verdict {
        let own = |grant: &Grant<'_>| !matches!(grant.grantee.reach(), Reach::Namespace(_));
        judge(self, subject.rbac.of(Resource::ClusterRoleBindings).iter(), own, note)
    }
}

/// Judges those grants of some bindings that are the subject's own.
fn judge<'a, R: BindingRule>(
    rule: &R,
    bindings: impl Iterator<Item = &'a Arc<ObjectFacts>> + Clone,
    own: impl Fn(&Grant<'_>) -> bool,
    note: &mut Note<'_>,
) -> Verdict {
    let mut offenders = Offenders::default();
    for grant in bindings.clone().flat_map(|object| grants(object)) {
        if own(&grant) && rule.is_wrong(&grant) && !rule.exempt().covers(grant.object, grant.binding) {
            offenders.push(grant);
        }
    }
    offenders.verdict(R::WHAT.0, R::WHAT.1, bindings, note)
}

/// Judges every grant, wherever it stands, that reaches the service account `default` of a namespace.
pub(super) fn judge_default_account(
    subject: &NamespaceSubject<'_>,
    exempt: &Exempt,
    what: (&'static str, &str),
    note: &mut Note<'_>,
) -> Verdict {
    let mut offenders = Offenders::default();
    let everyone = &subject.facts.beyond.cluster.reaching_all;
    // A binding in this namespace to everyone stands in both.
    let elsewhere = everyone.iter().filter(|object| *object.namespace != *subject.name());
    let bindings = of_namespace(subject).chain(elsewhere);
    for grant in bindings.clone().flat_map(|object| grants(object)) {
        if grant.grantee.includes_account(subject.name(), "default")
            && !exempt.covers(grant.object, grant.binding)
        {
            offenders.push(grant);
        }
    }
    offenders.verdict(what.0, what.1, bindings, note)
}
