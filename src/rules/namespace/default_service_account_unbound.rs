//! DefaultServiceAccountUnbound: the service account that a pod gets when it names none has no rights.

use super::bindings::{BindingExemption, DISCOVERY, Exempt, judge_default_account};
use crate::rules::{Asks, Control, NamespaceRule, Rule, RuleInfo, SettingError, rule_settings};
use crate::subject::Resource;
use crate::subject::namespace::NamespaceSubject;
use crate::verdict::{Note, Severity, Verdict};

rule_settings! {
    /// No binding, in whatever namespace, reaches the service account `default`: not by its name, not by its user
    /// name, and not by a group that it is in.
    struct Settings {
        /// Bindings that are fine, beside those that Kubernetes gives to everybody (`system:discovery`,
        /// `system:basic-user`, `system:public-info-viewer`, `system:service-account-issuer-discovery`,
        /// `system:cluster-trust-bundle-discovery`).
        ///
        /// Default: none but those.
        #[schemars(length(max = 64))]
        exempt: Vec<BindingExemption>,
    }
}

/// The rule.
#[derive(Debug)]
pub struct DefaultServiceAccountUnbound {
    exempt: Exempt,
}

impl Rule for DefaultServiceAccountUnbound {
    const INFO: RuleInfo = RuleInfo {
        id: "DefaultServiceAccountUnbound",
        title: "The default service account has no rights",
        rationale: "Every pod that names no service account runs as default. Rights given to it \
                    are given to all of them, also to those that somebody deploys next month and \
                    that need none.",
        remedy: "Make a service account for the workload that needs the right, bind that one, and \
                 delete the old binding:\n\n  \
                 kubectl -n NAMESPACE create serviceaccount ACCOUNT\n  \
                 kubectl -n NAMESPACE create rolebinding NAME --clusterrole=ROLE \
                 --serviceaccount=NAMESPACE:ACCOUNT\n  \
                 kubectl -n NAMESPACE delete rolebinding OLD\n\n\
                 Then set serviceAccountName: ACCOUNT in the workload's pod template.",
        severity: Severity::High,
        controls: &[
            Control::cis("5.1.5"),
            Control::bsi("APP.4.4.A9"),
            Control::attack("T1078.001"),
            Control::owasp("K02"),
        ],
        reads: &[Resource::RoleBindings, Resource::ClusterRoleBindings],
        false_positives: "Bindings to all service accounts or to everybody who is logged in are \
                          reported in every namespace, since they reach every default: exempt them \
                          once by name and role where they are meant.",
    };
    type Settings = Settings;

    fn prepare(settings: &Settings) -> Result<Self, SettingError> {
        Ok(Self { exempt: Exempt::new(DISCOVERY, settings.exempt.as_ref())? })
    }
}

const WHAT: (&str, &str) = ("Bound", "the service account default has rights");

impl NamespaceRule for DefaultServiceAccountUnbound {
    const ASKS: Asks = Asks::PRESENCE;

    fn check(&self, subject: &NamespaceSubject<'_>, note: &mut Note<'_>) -> Verdict {
        judge_default_account(subject, &self.exempt, WHAT, note)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::testing::{binding, surrounded};
    use crate::subject::objects::ObjectFacts;
    use crate::subject::rbac::{AUTHENTICATED, Grantee, SERVICE_ACCOUNTS};

    const BOUND: Verdict = Verdict::Fail("Bound");

    fn verdict(binding: ObjectFacts) -> Verdict {
        surrounded::<DefaultServiceAccountUnbound>("{}", vec![binding]).0
    }

    fn group(name: &str) -> Grantee {
        Grantee::Group(name.into())
    }

    #[test]
    fn every_way_to_name_the_account_counts_and_other_accounts_do_not() {
        for (grantee, expected) in [
            (Grantee::Account("team-a".into(), "default".into()), BOUND),
            (Grantee::User("system:serviceaccount:team-a:default".into()), BOUND),
            (group("system:serviceaccounts:team-a"), BOUND),
            (group(SERVICE_ACCOUNTS), BOUND),
            (group(AUTHENTICATED), BOUND),
            (Grantee::Account("team-a".into(), "web".into()), Verdict::Pass),
            (Grantee::Account("team-b".into(), "default".into()), Verdict::Pass),
            (group("system:serviceaccounts:team-b"), Verdict::Pass),
        ] {
            for kind in [Resource::RoleBindings, Resource::ClusterRoleBindings] {
                let binding = binding(kind, "b", "view", std::slice::from_ref(&grantee));
                assert_eq!(verdict(binding), expected, "{kind} {grantee:?}");
            }
        }
    }

    #[test]
    fn a_binding_of_another_namespace_reaches_it_too() {
        let account = Grantee::Account("team-a".into(), "default".into());
        let mut elsewhere = binding(Resource::RoleBindings, "b", "view", &[account]);
        elsewhere.namespace = "team-b".into();
        let (verdict, text) = surrounded::<DefaultServiceAccountUnbound>("{}", vec![elsewhere]);
        assert_eq!(verdict, BOUND);
        assert!(text.contains("RoleBinding b in team-b"), "{text}");
    }

    #[test]
    fn what_kubernetes_gives_to_everybody_is_fine_but_not_with_another_role() {
        for name in ["system:discovery", "system:basic-user", "system:public-info-viewer"] {
            let kind = Resource::ClusterRoleBindings;
            assert_eq!(verdict(binding(kind, name, name, &[group(AUTHENTICATED)])), Verdict::Pass, "{name}");
            assert_eq!(verdict(binding(kind, name, "edit", &[group(AUTHENTICATED)])), BOUND, "{name}");
        }
    }
}
