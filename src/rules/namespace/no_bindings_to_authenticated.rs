//! NoBindingsToAuthenticated: no right is granted just for having logged in.

use super::bindings::{BindingExemption, BindingRule, DISCOVERY, Exempt, Grant};
use crate::rules::{Control, Rule, RuleInfo, SettingError, rule_settings};
use crate::subject::Resource;
use crate::subject::rbac::AUTHENTICATED;
use crate::verdict::Severity;

rule_settings! {
    /// No binding names the group `system:authenticated`.
    struct Settings {
        /// Bindings that are fine, beside those of Kubernetes (`system:discovery`, `system:basic-user`,
        /// `system:public-info-viewer`). Default: none but those.
        #[schemars(length(max = 64))]
        exempt: Vec<BindingExemption>,
    }
}

/// The rule.
#[derive(Debug)]
pub struct NoBindingsToAuthenticated {
    exempt: Exempt,
}

impl Rule for NoBindingsToAuthenticated {
    const INFO: RuleInfo = RuleInfo {
        id: "NoBindingsToAuthenticated",
        title: "No rights for everybody who is logged in",
        rationale: "The group system:authenticated holds every user and every service account, so \
                    every pod with a token. On some managed clusters it also holds anybody who has \
                    an account with the cloud provider, in whatever company.",
        remedy: "Delete the binding, and name the groups that really need the right:\n\n  \
                 kubectl delete clusterrolebinding NAME\n  \
                 kubectl create clusterrolebinding NAME --clusterrole=ROLE --group=GROUP\n  \
                 kubectl -n NAMESPACE delete rolebinding NAME",
        severity: Severity::High,
        controls: &[Control::cis("5.1.1"), Control::bsi("APP.4.4.A3"), Control::owasp("K02")],
        reads: &[Resource::RoleBindings, Resource::ClusterRoleBindings],
        false_positives: "Platforms that let every user create projects or read a public catalogue \
                          (OpenShift's self-provisioners, some dashboards): exempt those bindings \
                          by name and role.",
    };
    type Settings = Settings;

    fn prepare(settings: &Settings) -> Result<Self, SettingError> {
        Ok(Self { exempt: Exempt::new(DISCOVERY, settings.exempt.as_ref())? })
    }
}

impl BindingRule for NoBindingsToAuthenticated {
    const WHAT: (&'static str, &'static str) =
        ("BoundToAuthenticated", "everybody who is logged in is granted rights");

    fn exempt(&self) -> &Exempt {
        &self.exempt
    }

    fn is_wrong(&self, grant: &Grant<'_>) -> bool {
        grant.grantee.is_group(AUTHENTICATED)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::testing::{binding, cluster_explained, surrounded};
    use crate::subject::rbac::Grantee;
    use crate::verdict::Verdict;

    fn everybody() -> [Grantee; 1] {
        [Grantee::Group(AUTHENTICATED.into())]
    }

    #[test]
    fn in_a_namespace_and_in_the_cluster_a_binding_to_the_group_fails() {
        let bound = Verdict::Fail("BoundToAuthenticated");
        let own = binding(Resource::RoleBindings, "b", "view", &everybody());
        assert_eq!(surrounded::<NoBindingsToAuthenticated>("{}", vec![own]).0, bound);
        let cluster = binding(Resource::ClusterRoleBindings, "b", "view", &everybody());
        assert_eq!(cluster_explained::<NoBindingsToAuthenticated>("{}", vec![cluster]).0, bound);
    }

    #[test]
    fn what_kubernetes_itself_grants_is_fine_and_a_user_of_the_same_name_is_another_matter() {
        for name in ["system:discovery", "system:basic-user", "system:public-info-viewer"] {
            let known = binding(Resource::ClusterRoleBindings, name, name, &everybody());
            assert_eq!(cluster_explained::<NoBindingsToAuthenticated>("{}", vec![known]).0, Verdict::Pass);
        }
        let user = binding(Resource::RoleBindings, "b", "view", &[Grantee::User(AUTHENTICATED.into())]);
        assert_eq!(surrounded::<NoBindingsToAuthenticated>("{}", vec![user]).0, Verdict::Pass);
    }
}
