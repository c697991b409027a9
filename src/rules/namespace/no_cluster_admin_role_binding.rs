//! NoClusterAdminRoleBinding: nobody is given the role that may do everything.

use super::bindings::{BindingExemption, BindingRule, Exempt, Grant, wrong_grants};
use crate::rules::{Control, Rule, RuleInfo, SettingError, rule_settings};
use crate::subject::Resource;
use crate::subject::objects::ObjectFacts;
use crate::subject::rbac::MASTERS;
use crate::verdict::Severity;

rule_settings! {
    /// No binding gives the ClusterRole `cluster-admin`, but for Kubernetes' own one to the group `system:masters`
    /// and kubeadm's to its group of administrators.
    struct Settings {
        /// Bindings that are fine, by binding and role (`cluster-admin`). Default: none but the two built-in ones.
        #[schemars(length(max = 64))]
        exempt: Vec<BindingExemption>,
    }
}

/// The rule.
#[derive(Debug)]
pub struct NoClusterAdminRoleBinding {
    exempt: Exempt,
}

impl Rule for NoClusterAdminRoleBinding {
    const INFO: RuleInfo = RuleInfo {
        id: "NoClusterAdminRoleBinding",
        title: "Nobody is bound to cluster-admin",
        rationale: "cluster-admin may do everything, in a RoleBinding everything in its namespace. \
                    A pod that runs with it hands the cluster to whoever breaks into the pod, and \
                    no other rule of this list means anything then.",
        remedy: "Give the rights that are really used, then delete the binding. The API server's \
                 audit log tells which those are:\n\n  \
                 kubectl auth can-i --list --as=system:serviceaccount:NAMESPACE:ACCOUNT\n  \
                 kubectl delete clusterrolebinding NAME\n  \
                 kubectl -n NAMESPACE delete rolebinding NAME",
        severity: Severity::High,
        controls: &[
            Control::cis("5.1.1"),
            Control::bsi("APP.4.4.A3"),
            Control::bsi("APP.4.4.A9"),
            Control::owasp("K02"),
            Control::attack("T1078.001"),
        ],
        reads: &[Resource::RoleBindings, Resource::ClusterRoleBindings],
        false_positives: "Operators that install whatever their users ask for (Helm controllers, \
                          Argo CD), and a team of administrators without another group: exempt those \
                          bindings by name, so that a further one is seen. Other roles that may do \
                          everything are found by NoWildcardRole.",
    };
    type Settings = Settings;

    fn prepare(settings: &Settings) -> Result<Self, SettingError> {
        Ok(Self { exempt: Exempt::new(&[], settings.exempt.as_ref())? })
    }
}

const ROLE: &str = "cluster-admin";
/// kubeadm's binding and its group.
const KUBEADM: &str = "kubeadm:cluster-admins";

fn is_wrong(grant: &Grant<'_>) -> bool {
    // No rule of RBAC can stop that group, so that no binding gives it anything.
    let is_known =
        || grant.grantee.is_group(MASTERS) || grant.name() == KUBEADM && grant.grantee.is_group(KUBEADM);
    grant.binding.of_cluster_role && *grant.binding.role == *ROLE && !(grant.everywhere() && is_known())
}

/// The grants of a binding that give cluster-admin away, in words.
pub fn grants(binding: &ObjectFacts) -> Vec<String> {
    wrong_grants(binding, &[], is_wrong)
}

impl BindingRule for NoClusterAdminRoleBinding {
    const WHAT: (&'static str, &'static str) = ("ClusterAdmin", "cluster-admin is given away");

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
    use crate::rules::testing::{binding, cluster_explained, object, surrounded};
    use crate::subject::objects::Content;
    use crate::subject::rbac::{BindingFacts, Grantee};
    use crate::verdict::Verdict;

    const WRONG: Verdict = Verdict::Fail("ClusterAdmin");

    fn account() -> Grantee {
        Grantee::Account("team-a".into(), "web".into())
    }

    fn cluster(name: &str, grantees: &[Grantee]) -> Verdict {
        let binding = binding(Resource::ClusterRoleBindings, name, ROLE, grantees);
        cluster_explained::<NoClusterAdminRoleBinding>("{}", vec![binding]).0
    }

    #[test]
    fn the_cluster_role_fails_and_a_role_of_that_name_is_another_role() {
        let own = binding(Resource::RoleBindings, "b", ROLE, &[account()]);
        let (verdict, text) = surrounded::<NoClusterAdminRoleBinding>("{}", vec![own]);
        assert_eq!(verdict, WRONG);
        assert!(text.contains("to service account team-a/web"), "{text}");
        let role = BindingFacts { of_cluster_role: false, role: ROLE.into(), subjects: [account()].into() };
        let role = object(Resource::RoleBindings, "b", Content::Binding(role));
        assert_eq!(surrounded::<NoClusterAdminRoleBinding>("{}", vec![role]).0, Verdict::Pass);
        let nobody = binding(Resource::RoleBindings, "b", ROLE, &[]);
        assert_eq!(surrounded::<NoClusterAdminRoleBinding>("{}", vec![nobody]).0, Verdict::Pass);
    }

    #[test]
    fn a_cluster_role_binding_to_a_service_account_is_its_namespaces() {
        let elsewhere = Grantee::Account("team-b".into(), "web".into());
        for (grantee, verdict) in [
            (account(), WRONG),
            (Grantee::User("system:serviceaccount:team-a:web".into()), WRONG),
            (Grantee::Group("system:serviceaccounts:team-a".into()), WRONG),
            (elsewhere, Verdict::Pass),
            (Grantee::User("anna".into()), Verdict::Pass),
        ] {
            let binding = binding(Resource::ClusterRoleBindings, "b", ROLE, std::slice::from_ref(&grantee));
            let found = surrounded::<NoClusterAdminRoleBinding>("{}", vec![binding]).0;
            assert_eq!(found, verdict, "{grantee:?}");
        }
        assert_eq!(cluster("b", &[account()]), Verdict::Pass, "the namespace's finding");
        assert_eq!(cluster("b", &[Grantee::User("anna".into())]), WRONG);
    }

    #[test]
    fn a_binding_to_the_group_that_nothing_can_stop_is_fine_and_kubeadms_is() {
        let masters = Grantee::Group(MASTERS.into());
        assert_eq!(cluster(ROLE, std::slice::from_ref(&masters)), Verdict::Pass);
        assert_eq!(cluster(ROLE, &[masters.clone(), Grantee::User("anna".into())]), WRONG);
        assert_eq!(cluster("mine", std::slice::from_ref(&masters)), Verdict::Pass);
        let own = binding(Resource::RoleBindings, "b", ROLE, &[masters]);
        assert_eq!(surrounded::<NoClusterAdminRoleBinding>("{}", vec![own]).0, WRONG);
        assert_eq!(cluster(ROLE, &[Grantee::Group("admins".into())]), WRONG);
        let kubeadm = Grantee::Group("kubeadm:cluster-admins".into());
        assert_eq!(cluster("kubeadm:cluster-admins", std::slice::from_ref(&kubeadm)), Verdict::Pass);
        assert_eq!(cluster("mine", &[kubeadm]), WRONG);
    }
}
