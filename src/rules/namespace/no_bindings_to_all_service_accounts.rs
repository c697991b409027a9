//! NoBindingsToAllServiceAccounts: no right is granted to every pod of the cluster at once.

use super::bindings::{BindingExemption, BindingRule, DISCOVERY, Exempt, Grant};
use crate::rules::{Control, Rule, RuleInfo, SettingError, rule_settings};
use crate::subject::Resource;
use crate::subject::rbac::{Grantee, SERVICE_ACCOUNTS};
use crate::verdict::Severity;

rule_settings! {
    /// No binding names the group `system:serviceaccounts`.
    struct Settings {
        /// The groups of all service accounts of one namespace (`system:serviceaccounts:NAMESPACE`) fail too.
        /// Default: false.
        namespace_groups: bool,
        /// Bindings that are fine, beside Kubernetes' own `system:service-account-issuer-discovery` and
        /// `system:cluster-trust-bundle-discovery`. Default: none but those.
        #[schemars(length(max = 64))]
        exempt: Vec<BindingExemption>,
    }
}

/// The rule.
#[derive(Debug)]
pub struct NoBindingsToAllServiceAccounts {
    namespace_groups: bool,
    exempt: Exempt,
}

impl Rule for NoBindingsToAllServiceAccounts {
    const INFO: RuleInfo = RuleInfo {
        id: "NoBindingsToAllServiceAccounts",
        title: "No rights for all service accounts at once",
        rationale: "The group system:serviceaccounts holds every service account of every \
                    namespace, also of those that will be made next year. Whoever breaks into any \
                    container that has a token holds these rights.",
        remedy: "Delete the binding, and name the service accounts that need the right:\n\n  \
                 kubectl delete clusterrolebinding NAME\n  \
                 kubectl -n NAMESPACE create rolebinding NAME --clusterrole=ROLE \
                 --serviceaccount=NAMESPACE:ACCOUNT\n  \
                 kubectl -n NAMESPACE delete rolebinding NAME",
        severity: Severity::High,
        controls: &[
            Control::cis("5.1.1"),
            Control::bsi("APP.4.4.A3"),
            Control::bsi("APP.4.4.A9"),
            Control::owasp("K02"),
        ],
        reads: &[Resource::RoleBindings, Resource::ClusterRoleBindings],
        false_positives: "Rights to pull images from a registry inside the cluster that every pod \
                          needs: exempt that binding by name and role.",
    };
    type Settings = Settings;

    fn prepare(settings: &Settings) -> Result<Self, SettingError> {
        let exempt = Exempt::new(DISCOVERY, settings.exempt.as_ref())?;
        Ok(Self { namespace_groups: settings.namespace_groups == Some(true), exempt })
    }
}

impl BindingRule for NoBindingsToAllServiceAccounts {
    const WHAT: (&'static str, &'static str) =
        ("BoundToAllServiceAccounts", "all service accounts are granted rights at once");

    fn exempt(&self) -> &Exempt {
        &self.exempt
    }

    fn is_wrong(&self, grant: &Grant<'_>) -> bool {
        match grant.grantee {
            Grantee::Group(name) => match name.strip_prefix(SERVICE_ACCOUNTS) {
                Some("") => true,
                Some(rest) => self.namespace_groups && rest.starts_with(':'),
                None => false,
            },
            Grantee::Account(..) | Grantee::User(_) => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::testing::{binding, cluster_explained, surrounded};
    use crate::verdict::Verdict;

    fn group(name: &str) -> [Grantee; 1] {
        [Grantee::Group(name.into())]
    }

    #[test]
    fn the_group_of_all_service_accounts_fails_wherever_it_is_bound() {
        let bound = Verdict::Fail("BoundToAllServiceAccounts");
        let all = group(SERVICE_ACCOUNTS);
        let own = binding(Resource::RoleBindings, "b", "view", &all);
        assert_eq!(surrounded::<NoBindingsToAllServiceAccounts>("{}", vec![own]).0, bound);
        let cluster = binding(Resource::ClusterRoleBindings, "b", "view", &all);
        assert_eq!(cluster_explained::<NoBindingsToAllServiceAccounts>("{}", vec![cluster]).0, bound);
        for name in ["system:service-account-issuer-discovery", "system:cluster-trust-bundle-discovery"] {
            let known = binding(Resource::ClusterRoleBindings, name, name, &all);
            let (verdict, _) = cluster_explained::<NoBindingsToAllServiceAccounts>("{}", vec![known]);
            assert_eq!(verdict, Verdict::Pass, "{name}");
        }
    }

    #[test]
    fn the_group_of_one_namespace_fails_where_that_is_asked_for() {
        let verdict = |settings| {
            let own = binding(Resource::RoleBindings, "b", "view", &group("system:serviceaccounts:team-a"));
            surrounded::<NoBindingsToAllServiceAccounts>(settings, vec![own]).0
        };
        assert_eq!(verdict("{}"), Verdict::Pass);
        assert_eq!(verdict(r#"{"namespaceGroups": true}"#), Verdict::Fail("BoundToAllServiceAccounts"));
    }
}
