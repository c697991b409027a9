//! NoBindingsToAnonymous: nobody may do anything without saying who they are.

use super::bindings::{BindingExemption, BindingRule, Exempt, Grant, JOINING, wrong_grants};
use crate::rules::{Control, Rule, RuleInfo, SettingError, rule_settings};
use crate::subject::Resource;
use crate::subject::objects::ObjectFacts;
use crate::verdict::Severity;

rule_settings! {
    /// No binding names the user `system:anonymous` or the group `system:unauthenticated`.
    struct Settings {
        /// Bindings that are fine, beside the two of Kubernetes and kubeadm (`system:public-info-viewer`, and
        /// `kubeadm:bootstrap-signer-clusterinfo` in kube-public). Default: none but those.
        #[schemars(length(max = 64))]
        exempt: Vec<BindingExemption>,
    }
}

/// The rule.
#[derive(Debug)]
pub struct NoBindingsToAnonymous {
    exempt: Exempt,
}

impl Rule for NoBindingsToAnonymous {
    const INFO: RuleInfo = RuleInfo {
        id: "NoBindingsToAnonymous",
        title: "No rights for anonymous requests",
        rationale: "What is bound to system:anonymous or system:unauthenticated is granted to \
                    whoever reaches the API server's port, without any credentials. Scanners look \
                    for exactly this, and what follows leaves no name in the audit log.",
        remedy: "See what the binding grants, then delete it, and give the rights to a service \
                 account or a group of users instead:\n\n  \
                 kubectl describe clusterrolebinding NAME\n  \
                 kubectl delete clusterrolebinding NAME\n  \
                 kubectl -n NAMESPACE delete rolebinding NAME\n\n\
                 Look in the API server's audit log for requests of system:anonymous since the \
                 binding was made.",
        severity: Severity::Critical,
        controls: &[
            Control::cis("5.1.1"),
            Control::bsi("APP.4.4.A3"),
            Control::owasp("K09"),
            Control::attack("T1078.001"),
        ],
        reads: &[Resource::RoleBindings, Resource::ClusterRoleBindings],
        false_positives: "Health checks of a load balancer that cannot send credentials: they need \
                          only /livez and /readyz, which system:public-info-viewer already grants. \
                          Whether the API server takes anonymous requests at all (--anonymous-auth) \
                          cannot be seen through the API.",
    };
    type Settings = Settings;

    fn prepare(settings: &Settings) -> Result<Self, SettingError> {
        Ok(Self { exempt: Exempt::new(JOINING, settings.exempt.as_ref())? })
    }
}

fn is_wrong(grant: &Grant<'_>) -> bool {
    grant.grantee.is_anonymous()
}

/// The grants of a binding that give something to requests without credentials, in words.
pub fn grants(binding: &ObjectFacts) -> Vec<String> {
    wrong_grants(binding, JOINING, is_wrong)
}

impl BindingRule for NoBindingsToAnonymous {
    const WHAT: (&'static str, &'static str) =
        ("BoundToAnonymous", "requests without credentials are granted rights");

    fn exempt(&self) -> &Exempt {
        &self.exempt
    }

    fn is_wrong(&self, grant: &Grant<'_>) -> bool {
        is_wrong(grant)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::testing::{binding, cluster_explained, surrounded};
    use crate::subject::rbac::Grantee;
    use crate::verdict::Verdict;

    fn anonymous() -> [Grantee; 1] {
        [Grantee::User("system:anonymous".into())]
    }

    fn in_namespace(name: &str, grantee: Grantee) -> Verdict {
        let binding = binding(Resource::RoleBindings, name, "view", &[grantee]);
        surrounded::<NoBindingsToAnonymous>("{}", vec![binding]).0
    }

    #[test]
    fn the_user_and_the_group_of_requests_without_credentials_fail_and_others_pass() {
        let bound = Verdict::Fail("BoundToAnonymous");
        assert_eq!(in_namespace("b", Grantee::User("system:anonymous".into())), bound);
        assert_eq!(in_namespace("b", Grantee::Group("system:unauthenticated".into())), bound);
        assert_eq!(in_namespace("b", Grantee::Group("system:anonymous".into())), Verdict::Pass);
        assert_eq!(in_namespace("b", Grantee::User("anna".into())), Verdict::Pass);
    }

    #[test]
    fn a_cluster_role_binding_is_the_clusters_and_only_kubernetes_own_is_fine() {
        let cluster = |name: &str, role: &str| {
            let binding = binding(Resource::ClusterRoleBindings, name, role, &anonymous());
            cluster_explained::<NoBindingsToAnonymous>("{}", vec![binding])
        };
        let (verdict, text) = cluster("open", "view");
        assert_eq!(verdict, Verdict::Fail("BoundToAnonymous"));
        assert!(
            text.contains("ClusterRoleBinding open gives ClusterRole view to user system:anonymous"),
            "{text}"
        );
        assert_eq!(cluster("system:public-info-viewer", "system:public-info-viewer").0, Verdict::Pass);
        let abused = cluster("system:public-info-viewer", "cluster-admin");
        assert_eq!(abused.0, Verdict::Fail("BoundToAnonymous"), "the known name with another role");
    }

    #[test]
    fn an_own_exemption_names_binding_role_and_namespace() {
        let settings = r#"{"exempt": [{"binding": "b", "role": "view", "namespace": "team-a"}]}"#;
        let verdict = |name: &str| {
            let binding = binding(Resource::RoleBindings, name, "view", &anonymous());
            surrounded::<NoBindingsToAnonymous>(settings, vec![binding]).0
        };
        assert_eq!(verdict("b"), Verdict::Pass);
        assert_eq!(verdict("c"), Verdict::Fail("BoundToAnonymous"));
    }
}
