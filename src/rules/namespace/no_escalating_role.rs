//! NoEscalatingRole: no role grants what leads to more than it grants.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::roles::{Exempt, judge};
use crate::rules::{Asks, Control, NamespaceRule, Rule, RuleInfo, SettingError, rule_settings};
use crate::subject::Resource;
use crate::subject::cluster::ClusterSubject;
use crate::subject::namespace::NamespaceSubject;
use crate::subject::rbac::AccessRule;
use crate::verdict::{Note, Severity, Verdict};

rule_settings! {
    /// No Role and no ClusterRole grants a right that can be turned into others: handing on roles, being somebody
    /// else, reading Secrets, starting or entering pods, and some more.
    struct Settings {
        /// Rights that are fine in every role. Default: none.
        #[schemars(length(max = 16))]
        allow: Vec<Right>,
        /// Roles that are fine, as globs over names: ClusterRoles, and Roles in kube-system, kube-public and
        /// kube-node-lease. Default: what Kubernetes and kubeadm make by themselves (`system:*`, `kubeadm:*`,
        /// cluster-admin, admin, edit, view).
        #[schemars(length(max = 256), inner(length(min = 1, max = 253)))]
        exempt_roles: Vec<String>,
        /// Judge ClusterRoles that are put together from others (`aggregationRule`), too. Those others are judged
        /// in any case. Default: false.
        judge_aggregated: bool,
    }
}

/// A right that leads to others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Right {
    /// `bind` on roles: give away what one has not.
    BindRoles,
    /// `escalate` on roles: write into a role what one has not.
    EscalateRoles,
    /// `impersonate`: be another user, group or service account.
    Impersonate,
    /// Read Secrets: tokens and passwords of others. Reading a few by name is fine.
    ReadSecrets,
    /// Create pods: with any service account of the namespace.
    CreatePods,
    /// `pods/exec`, `pods/attach` and `pods/ephemeralcontainers`: enter what runs.
    EnterPods,
    /// `serviceaccounts/token`: get tokens of any service account.
    CreateTokens,
    /// `nodes/proxy`: talk to the kubelet, past admission and audit.
    ProxyNodes,
    /// Create persistent volumes: of any path of a node.
    CreateVolumes,
    /// Approve certificate requests: for any user.
    ApproveCertificates,
    /// Write or delete admission webhooks: read and change every request, or let it pass.
    WriteWebhooks,
    /// Change namespaces: lower their pod security level.
    ChangeNamespaces,
}

/// One way to a right: verbs on resources of a group.
struct Way {
    right: Right,
    group: &'static str,
    resources: &'static [&'static str],
    verbs: &'static [&'static str],
    /// Resources that lie in no namespace: a Role cannot grant them. A namespace lies in itself.
    cluster: bool,
    /// It counts even when the rule is limited to some names.
    by_name: bool,
}

const fn way(
    right: Right,
    group: &'static str,
    resources: &'static [&'static str],
    verbs: &'static [&'static str],
) -> Way {
    Way { right, group, resources, verbs, cluster: false, by_name: true }
}

impl Way {
    const fn of_cluster(self) -> Self {
        Self { cluster: true, ..self }
    }

    /// A rule with names is narrow enough, or (for `create`, whose request has no name) grants nothing.
    const fn unless_named(self) -> Self {
        Self { by_name: false, ..self }
    }
}

const RBAC: &str = "rbac.authorization.k8s.io";
const CERTIFICATES: &str = "certificates.k8s.io";
const WEBHOOKS: &[&str] = &["validatingwebhookconfigurations", "mutatingwebhookconfigurations"];
const ADMISSION: &str = "admissionregistration.k8s.io";

const WAYS: &[Way] = &[
    way(Right::BindRoles, RBAC, &["roles", "clusterroles"], &["bind"]),
    way(Right::EscalateRoles, RBAC, &["roles", "clusterroles"], &["escalate"]),
    way(Right::Impersonate, "", &["users", "groups"], &["impersonate"]).of_cluster(),
    way(Right::Impersonate, "", &["serviceaccounts"], &["impersonate"]),
    way(Right::Impersonate, "authentication.k8s.io", &["uids"], &["impersonate"]).of_cluster(),
    way(Right::ReadSecrets, "", &["secrets"], &["get", "list", "watch"]).unless_named(),
    way(Right::CreatePods, "", &["pods"], &["create"]).unless_named(),
    // exec over websockets is a get.
    way(Right::EnterPods, "", &["pods/exec", "pods/attach"], &["create", "get"]),
    way(Right::EnterPods, "", &["pods/ephemeralcontainers"], &["update", "patch"]),
    way(Right::CreateTokens, "", &["serviceaccounts/token"], &["create"]),
    way(Right::ProxyNodes, "", &["nodes/proxy"], &["get", "create", "update", "patch", "delete"])
        .of_cluster(),
    way(Right::CreateVolumes, "", &["persistentvolumes"], &["create"]).of_cluster().unless_named(),
    way(
        Right::ApproveCertificates,
        CERTIFICATES,
        &["certificatesigningrequests/approval"],
        &["update", "patch"],
    )
    .of_cluster(),
    way(Right::ApproveCertificates, CERTIFICATES, &["signers"], &["approve"]).of_cluster(),
    way(Right::WriteWebhooks, ADMISSION, WEBHOOKS, &["update", "patch", "delete"]).of_cluster(),
    way(Right::WriteWebhooks, ADMISSION, WEBHOOKS, &["deletecollection"]).of_cluster().unless_named(),
    way(Right::WriteWebhooks, ADMISSION, WEBHOOKS, &["create"]).of_cluster().unless_named(),
    way(Right::ChangeNamespaces, "", &["namespaces"], &["update", "patch"]),
];

/// The rule.
#[derive(Debug)]
pub struct NoEscalatingRole {
    allow: Vec<Right>,
    exempt: Exempt,
}

impl Rule for NoEscalatingRole {
    const INFO: RuleInfo = RuleInfo {
        id: "NoEscalatingRole",
        title: "No role leads to more rights than it grants",
        rationale: "Some rights are stairs: who may create pods may use every service account of \
                    the namespace, who may read Secrets has the passwords of others, who may bind \
                    roles has all of them, who may edit a namespace can switch its pod security \
                    off. Roles that hold one are roles of administrators, whatever they are called.",
        remedy: "Take the right out, or name the few objects that are meant (resourceNames):\n\n  \
                 kubectl -n NAMESPACE get role NAME -o yaml\n  \
                 kubectl -n NAMESPACE edit role NAME\n\n\
                 See who holds it: kubectl get rolebindings,clusterrolebindings -A -o wide",
        severity: Severity::High,
        controls: &[
            Control::cis("5.1.2"),
            Control::cis("5.1.4"),
            Control::cis("5.1.8"),
            Control::cis("5.1.9"),
            Control::cis("5.1.10"),
            Control::cis("5.1.11"),
            Control::cis("5.1.12"),
            Control::cis("5.1.13"),
            Control::bsi("APP.4.4.A3"),
            Control::owasp("K02"),
        ],
        reads: &[Resource::Roles, Resource::ClusterRoles],
        false_positives: "Operators and CI systems need some of these to do their work: allow the \
                          right, or exempt the role by name, so that the next one is seen. Roles \
                          are judged whether or not anybody is bound to them. Creating Deployments \
                          and other workloads is not counted, though it leads to pods.",
    };
    type Settings = Settings;

    fn prepare(settings: &Settings) -> Result<Self, SettingError> {
        Ok(Self {
            allow: settings.allow.clone().unwrap_or_default(),
            exempt: Exempt::new(settings.exempt_roles.as_ref(), settings.judge_aggregated)?,
        })
    }
}

impl NoEscalatingRole {
    fn wrong(&self, rule: &AccessRule, everywhere: bool) -> Option<String> {
        let granted = |way: &&Way| {
            !self.allow.contains(&way.right)
                && (everywhere || !way.cluster)
                && (way.by_name || !rule.named)
                && way.verbs.iter().any(|verb| rule.grants_verb(verb))
                && way.resources.iter().any(|resource| rule.covers(way.group, resource))
        };
        WAYS.iter().find(granted).map(|way| format!("{:?}", way.right))
    }
}

const WHAT: (&str, &str) = ("Escalates", "rights that lead to more");

impl NamespaceRule for NoEscalatingRole {
    const ASKS: Asks = Asks::PRESENCE_AND_CLUSTER;

    fn check(&self, subject: &NamespaceSubject<'_>, note: &mut Note<'_>) -> Verdict {
        let roles = subject.objects(Resource::Roles);
        judge(roles, &self.exempt, WHAT, |rule, everywhere| self.wrong(rule, everywhere), note)
    }

    fn check_cluster(&self, subject: &ClusterSubject, note: &mut Note<'_>) -> Verdict {
        let roles = subject.rbac.of(Resource::ClusterRoles);
        judge(roles, &self.exempt, WHAT, |rule, everywhere| self.wrong(rule, everywhere), note)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::testing::{cluster_explained, role, surrounded};
    use crate::subject::objects::Content;

    const WRONG: Verdict = Verdict::Fail("Escalates");

    fn of_role(settings: &str, rule: [&[&str]; 3]) -> Verdict {
        surrounded::<NoEscalatingRole>(settings, vec![role(Resource::Roles, "r", rule)]).0
    }

    fn of_cluster_role(rule: [&[&str]; 3]) -> (Verdict, String) {
        cluster_explained::<NoEscalatingRole>("{}", vec![role(Resource::ClusterRoles, "r", rule)])
    }

    #[test]
    fn every_right_that_leads_to_others_fails_in_a_cluster_role() {
        for (right, rule) in [
            ("BindRoles", [&[RBAC][..], &["clusterroles"], &["bind"]]),
            ("EscalateRoles", [&[RBAC], &["roles"], &["escalate"]]),
            ("Impersonate", [&[""], &["users"], &["impersonate"]]),
            ("ReadSecrets", [&[""], &["secrets"], &["watch"]]),
            ("CreatePods", [&[""], &["pods"], &["create"]]),
            ("EnterPods", [&[""], &["pods/exec"], &["create"]]),
            ("CreateTokens", [&[""], &["serviceaccounts/token"], &["create"]]),
            ("ProxyNodes", [&[""], &["nodes/proxy"], &["get"]]),
            ("CreateVolumes", [&[""], &["persistentvolumes"], &["create"]]),
            ("ApproveCertificates", [&[CERTIFICATES], &["certificatesigningrequests/approval"], &["update"]]),
            ("WriteWebhooks", [&[ADMISSION], &["mutatingwebhookconfigurations"], &["patch"]]),
            ("ChangeNamespaces", [&[""], &["namespaces"], &["patch"]]),
        ] {
            let (verdict, text) = of_cluster_role(rule);
            assert_eq!(verdict, WRONG, "{right}");
            assert!(text.ends_with(&format!("ClusterRole r ({right})")), "{text}");
        }
    }

    #[test]
    fn ordinary_rights_pass() {
        for rule in [
            [&[""][..], &["configmaps", "pods", "pods/log"], &["get", "list", "watch"]],
            [&["apps"], &["deployments"], &["*"]],
            [&[RBAC], &["roles"], &["get", "create", "update"]],
            [&[""], &["namespaces"], &["get", "create"]],
            [&["example.com"], &["secrets"], &["get"]],
        ] {
            assert_eq!(of_cluster_role(rule).0, Verdict::Pass, "{rule:?}");
        }
    }

    #[test]
    fn a_role_grants_nothing_outside_its_namespace_but_the_namespace_itself() {
        assert_eq!(of_role("{}", [&[""], &["persistentvolumes"], &["create"]]), Verdict::Pass);
        assert_eq!(of_role("{}", [&[""], &["nodes/proxy"], &["get"]]), Verdict::Pass);
        assert_eq!(of_role("{}", [&[""], &["namespaces"], &["patch"]]), WRONG);
        assert_eq!(of_role("{}", [&["*"], &["*"], &["*"]]), WRONG);
    }

    #[test]
    fn secrets_by_name_and_rights_that_are_allowed_are_fine() {
        let secrets: [&[&str]; 3] = [&[""], &["secrets"], &["get"]];
        let mut named = role(Resource::Roles, "r", secrets);
        if let Content::Role(role) = &mut named.content {
            role.rules[0].named = true;
        }
        assert_eq!(surrounded::<NoEscalatingRole>("{}", vec![named]).0, Verdict::Pass);
        assert_eq!(of_role("{}", secrets), WRONG);
        assert_eq!(of_role(r#"{"allow": ["ReadSecrets"]}"#, secrets), Verdict::Pass);
    }
}
