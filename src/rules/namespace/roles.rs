//! Not a rule: what rules about Roles and ClusterRoles share.

use std::fmt;

use super::offenders::{Named, Offenders};
use crate::reference::Glob;
use crate::rules::SettingError;
use crate::subject::Resource;
use crate::subject::objects::{Content, ObjectFacts};
use crate::subject::rbac::{AccessRule, RoleFacts};
use crate::verdict::{Note, Reason, Verdict};

/// Roles that Kubernetes and kubeadm make and mend by themselves, by name.
pub(super) const BUILT_IN: [&str; 6] = ["system:*", "kubeadm:*", "cluster-admin", "admin", "edit", "view"];
/// Where those that are no ClusterRoles stand. Anybody who may write roles elsewhere could take such a name.
const SYSTEM_NAMESPACES: [&str; 3] = ["kube-system", "kube-public", "kube-node-lease"];

/// Roles that a rule lets be.
#[derive(Debug)]
pub(super) struct Exempt {
    roles: Vec<Glob>,
    aggregated: bool,
}

impl Exempt {
    pub(super) fn new(
        roles: Option<&Vec<String>>,
        judge_aggregated: Option<bool>,
    ) -> Result<Self, SettingError> {
        let read = |(index, text): (usize, &str)| {
            Glob::parse(text).map_err(|error| SettingError::new(format!("exemptRoles[{index}]"), error))
        };
        let roles: Result<Vec<Glob>, SettingError> = match roles {
            Some(roles) => roles.iter().map(String::as_str).enumerate().map(read).collect(),
            None => BUILT_IN.into_iter().enumerate().map(read).collect(),
        };
        Ok(Self { roles: roles?, aggregated: judge_aggregated != Some(true) })
    }

    fn covers(&self, object: &ObjectFacts, role: &RoleFacts) -> bool {
        let trusted = object.namespace.is_empty() || SYSTEM_NAMESPACES.contains(&&*object.namespace);
        role.bootstrap && trusted
            || role.aggregated && self.aggregated
            || trusted && self.roles.iter().any(|glob| glob.matches(&object.name))
    }
}

/// An object, and the first thing that is wrong with it.
struct Wrong<'a, T>(&'a ObjectFacts, T);

impl<T: fmt::Display> fmt::Display for Wrong<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", Named(self.0), self.1)
    }
}

/// Judges roles: `wrong` says what is wrong with a rule of one. A Role can grant nothing outside its namespace, so
/// it is told whether the role is a ClusterRole.
pub(super) fn judge<T: fmt::Display>(
    roles: &[std::sync::Arc<ObjectFacts>],
    exempt: &Exempt,
    (reason, what): (Reason, &str),
    wrong: impl Fn(&AccessRule, bool) -> Option<T>,
    note: &mut Note<'_>,
) -> Verdict {
    let mut offenders = Offenders::default();
    for object in roles {
        let Content::Role(role) = &object.content else { continue };
        if exempt.covers(object, role) {
            continue;
        }
        let everywhere = object.kind == Resource::ClusterRoles;
        if let Some(wrong) = role.rules.iter().find_map(|rule| wrong(rule, everywhere)) {
            offenders.push(Wrong(object, wrong));
        }
    }
    offenders.verdict(reason, what, roles.iter(), note)
}
