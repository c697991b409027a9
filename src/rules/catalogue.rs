//! The table of all rules. One line a rule, sorted by id within its subject.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    Check, CommonSettings as _, ContainerRule, Entry, ImageRule, NamespaceRule, OwnerRule, PodRule,
    PreparedRule, ReferenceRule, Rule, RuleInfo, RunningRule, SettingError, SubjectKind, cluster, container,
    guard, image, namespace, pod, read_settings, reference, running,
};
use crate::subject::Resource;

/// A rule of the catalogue, by its place in the table.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RuleId(u8);

impl RuleId {
    /// Every rule, in the table's order.
    pub fn all() -> impl Iterator<Item = Self> {
        (0..CATALOGUE.len()).filter_map(|index| u8::try_from(index).ok().map(Self))
    }

    /// The rule of this id or key.
    pub fn named(name: &str) -> Option<Self> {
        Self::all().find(|id| id.entry().info.id == name || id.entry().key == name)
    }

    /// The rule at a place in the table.
    pub fn at(index: usize) -> Option<Self> {
        (index < CATALOGUE.len()).then_some(u8::try_from(index).ok().map(Self)).flatten()
    }

    /// Its place in the table.
    pub fn index(self) -> usize {
        usize::from(self.0)
    }

    /// Its line in the table.
    pub fn entry(self) -> &'static Entry {
        &CATALOGUE[self.index()]
    }

    /// Its description.
    pub fn info(self) -> &'static RuleInfo {
        self.entry().info
    }

    /// Whether it compares a pod with its controller's template.
    pub fn compares_owners(self) -> bool {
        self.info().reads.iter().any(|read| read.is_template())
    }

    /// What it reads besides where that is permitted.
    pub fn also_reads(self) -> &'static [Resource] {
        self.entry().also_reads
    }

    /// Whether it reads which container runtimes the nodes have.
    pub fn reads_runtimes(self) -> bool {
        self.also_reads().contains(&Resource::Nodes)
    }

    /// Its id: `TrustedRegistry`.
    pub fn as_str(self) -> &'static str {
        self.info().id
    }
}

impl fmt::Debug for RuleId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Display for RuleId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

fn prepared<R: Rule>(
    index: u8,
    settings: &serde_json::Value,
    check: impl FnOnce(R) -> (Check, Box<[std::time::Duration]>),
) -> Result<Option<PreparedRule>, SettingError> {
    let read: R::Settings = read_settings(settings)?;
    if read.enabled() == Some(false) {
        return Ok(None);
    }
    let severity = read.severity().unwrap_or_else(|| R::severity(&read));
    let (check, graces) = check(R::prepare(&read)?);
    Ok(Some(PreparedRule {
        id: RuleId(index),
        severity,
        settings: settings.clone(),
        check,
        graces,
        alternative: None,
    }))
}

pub(super) fn image_rule<R: ImageRule>(rule: R) -> (Check, Box<[std::time::Duration]>) {
    (
        Check::Image(Box::new(move |subject, note| guard::verdict(note, |note| rule.check(subject, note)))),
        Box::default(),
    )
}

fn running_rule<R: RunningRule>(rule: R) -> (Check, Box<[std::time::Duration]>) {
    let graces = rule.graces().into();
    (
        Check::Running(Box::new(move |subject, note| guard::verdict(note, |note| rule.check(subject, note)))),
        graces,
    )
}

fn owner_rule<R: OwnerRule>(rule: R) -> (Check, Box<[std::time::Duration]>) {
    (
        Check::Owner(Box::new(move |subject, owner, note| {
            guard::verdict(note, |note| rule.check(subject, owner, note))
        })),
        Box::default(),
    )
}

fn container_rule<R: ContainerRule>(rule: R) -> (Check, Box<[std::time::Duration]>) {
    (
        Check::Container(Box::new(move |subject, note| {
            guard::verdict(note, |note| rule.check(subject, note))
        })),
        Box::default(),
    )
}

fn pod_rule<R: PodRule>(rule: R) -> (Check, Box<[std::time::Duration]>) {
    (
        Check::Pod(Box::new(move |pod, note| guard::verdict(note, |note| rule.check(pod, note)))),
        Box::default(),
    )
}

fn namespace_rule<R: NamespaceRule>(rule: R) -> (Check, Box<[std::time::Duration]>) {
    (Check::Namespace(Box::new(rule)), Box::default())
}

fn reference_rule<R: ReferenceRule>(rule: R) -> (Check, Box<[std::time::Duration]>) {
    let graces = rule.graces().into();
    (
        Check::Reference(Box::new(move |subject, note| {
            guard::verdict(note, |note| rule.check(subject, note))
        })),
        graces,
    )
}

macro_rules! catalogue {
    ($($index:literal $subject:ident $prepare:ident $key:literal $module:ident::$field:ident::$rule:ident;)*) => {
        /// Every rule.
        pub static CATALOGUE: &[Entry] = &[$(
            Entry {
                key: $key,
                info: &<$module::$field::$rule as Rule>::INFO,
                also_reads: <$module::$field::$rule as Rule>::ALSO_READS,
                subject: SubjectKind::$subject,
                prepare: |settings| prepared::<$module::$field::$rule>($index, settings, $prepare),
                schema: || schemars::schema_for!(<$module::$field::$rule as Rule>::Settings),
            },
        )*];

        /// `spec.rules`: which rules, with which settings. A rule named here overrides the profile's settings
        /// field by field; `{}` takes its defaults; `{enabled: false}` switches a rule of the profile off.
        #[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
        #[serde(deny_unknown_fields)]
        pub struct Rules {$(
            #[serde(rename = $key, default, skip_serializing_if = "Option::is_none")]
            #[expect(missing_docs, reason = "the settings' own description is shown")]
            pub $field: Option<<$module::$field::$rule as Rule>::Settings>,
        )*}
    };
}

catalogue! {
    0 ImageUse image_rule "deprecatedRegistry" image::deprecated_registry::DeprecatedRegistry;
    1 ImageUse image_rule "digestPinned" image::digest_pinned::DigestPinned;
    2 ImageUse image_rule "ephemeralContainerPresent" image::ephemeral_container_present::EphemeralContainerPresent;
    3 ImageUse image_rule "fullyQualifiedReference" image::fully_qualified_reference::FullyQualifiedReference;
    4 ImageUse image_rule "imagePullSecretsPresent" image::image_pull_secrets_present::ImagePullSecretsPresent;
    5 ImageUse image_rule "noMutableTag" image::no_mutable_tag::NoMutableTag;
    6 ImageUse image_rule "pullPolicyAlways" image::pull_policy_always::PullPolicyAlways;
    7 ImageUse image_rule "pullPolicyExplicit" image::pull_policy_explicit::PullPolicyExplicit;
    8 ImageUse image_rule "pullPolicyNotNever" image::pull_policy_not_never::PullPolicyNotNever;
    9 ImageUse image_rule "suspiciousRegistryHost" image::suspicious_registry_host::SuspiciousRegistryHost;
    10 ImageUse image_rule "trustedRegistry" image::trusted_registry::TrustedRegistry;
    11 ImageUse image_rule "validReference" image::valid_reference::ValidReference;
    12 ImageUse running_rule "hostLocalImage" running::host_local_image::HostLocalImage;
    13 ImageUse running_rule "imagePullFailing" running::image_pull_failing::ImagePullFailing;
    14 ImageUse running_rule "runningDigestMatches" running::running_digest_matches::RunningDigestMatches;
    15 ImageUse owner_rule "podImageMatchesOwner" running::pod_image_matches_owner::PodImageMatchesOwner;
    16 Container container_rule "noDangerousCapabilities" container::no_dangerous_capabilities::NoDangerousCapabilities;
    17 Container container_rule "noPrivilegeEscalation" container::no_privilege_escalation::NoPrivilegeEscalation;
    18 Container container_rule "noPrivileged" container::no_privileged::NoPrivileged;
    19 Container container_rule "readOnlyRootFilesystem" container::read_only_root_filesystem::ReadOnlyRootFilesystem;
    20 Container container_rule "runAsNonRoot" container::run_as_non_root::RunAsNonRoot;
    21 Container container_rule "secretsInEnv" container::secrets_in_env::SecretsInEnv;
    22 Pod pod_rule "defaultServiceAccountUnused" pod::default_service_account_unused::DefaultServiceAccountUnused;
    23 Pod pod_rule "noHostNamespaces" pod::no_host_namespaces::NoHostNamespaces;
    24 Pod pod_rule "noHostPath" pod::no_host_path::NoHostPath;
    25 Pod pod_rule "noRuntimeAccess" pod::no_runtime_access::NoRuntimeAccess;
    26 Pod pod_rule "podMeetsLevel" pod::pod_meets_level::PodMeetsLevel;
    27 Namespace namespace_rule "admissionCoverage" namespace::admission_coverage::AdmissionCoverage;
    28 Namespace namespace_rule "danglingNetworkPolicy" namespace::dangling_network_policy::DanglingNetworkPolicy;
    29 Namespace namespace_rule "defaultDenyEgress" namespace::default_deny_egress::DefaultDenyEgress;
    30 Namespace namespace_rule "defaultDenyIngress" namespace::default_deny_ingress::DefaultDenyIngress;
    31 Namespace namespace_rule "defaultServiceAccountTokenOff" namespace::default_service_account_token_off::DefaultServiceAccountTokenOff;
    32 Namespace namespace_rule "defaultServiceAccountUnbound" namespace::default_service_account_unbound::DefaultServiceAccountUnbound;
    33 Namespace namespace_rule "externalExposure" namespace::external_exposure::ExternalExposure;
    34 Namespace namespace_rule "limitRangePresent" namespace::limit_range_present::LimitRangePresent;
    35 Namespace namespace_rule "namespaceOptedOut" namespace::namespace_opted_out::NamespaceOptedOut;
    36 Namespace namespace_rule "networkPolicyCoversPods" namespace::network_policy_covers_pods::NetworkPolicyCoversPods;
    37 Namespace namespace_rule "noBindingsToAllServiceAccounts" namespace::no_bindings_to_all_service_accounts::NoBindingsToAllServiceAccounts;
    38 Namespace namespace_rule "noBindingsToAnonymous" namespace::no_bindings_to_anonymous::NoBindingsToAnonymous;
    39 Namespace namespace_rule "noBindingsToAuthenticated" namespace::no_bindings_to_authenticated::NoBindingsToAuthenticated;
    40 Namespace namespace_rule "noClusterAdminRoleBinding" namespace::no_cluster_admin_role_binding::NoClusterAdminRoleBinding;
    41 Namespace namespace_rule "noEscalatingRole" namespace::no_escalating_role::NoEscalatingRole;
    42 Namespace namespace_rule "noUserWorkloadsInSystemNamespace" namespace::no_user_workloads_in_system_namespace::NoUserWorkloadsInSystemNamespace;
    43 Namespace namespace_rule "noWildcardRole" namespace::no_wildcard_role::NoWildcardRole;
    44 Namespace namespace_rule "noWorkloadsInDefaultNamespace" namespace::no_workloads_in_default_namespace::NoWorkloadsInDefaultNamespace;
    45 Namespace namespace_rule "nonExistentServiceAccount" namespace::non_existent_service_account::NonExistentServiceAccount;
    46 Namespace namespace_rule "podSecurityAuditWarnSet" namespace::pod_security_audit_warn_set::PodSecurityAuditWarnSet;
    47 Namespace namespace_rule "podSecurityEnforced" namespace::pod_security_enforced::PodSecurityEnforced;
    48 Namespace namespace_rule "podSecurityLabelsValid" namespace::pod_security_labels_valid::PodSecurityLabelsValid;
    49 Namespace namespace_rule "podSecurityVersionPinned" namespace::pod_security_version_pinned::PodSecurityVersionPinned;
    50 Namespace namespace_rule "policyCoverage" namespace::policy_coverage::PolicyCoverage;
    51 Namespace namespace_rule "requiredLabels" namespace::required_labels::RequiredLabels;
    52 Namespace namespace_rule "resourceQuotaPresent" namespace::resource_quota_present::ResourceQuotaPresent;
    53 Namespace namespace_rule "stuckTerminating" namespace::stuck_terminating::StuckTerminating;
    54 Namespace namespace_rule "tokenMountedFromDefaultServiceAccount" namespace::token_mounted_from_default_service_account::TokenMountedFromDefaultServiceAccount;
    55 Cluster namespace_rule "nodeImageUntrusted" cluster::node_image_untrusted::NodeImageUntrusted;
    56 Reference reference_rule "digestSkew" reference::digest_skew::DigestSkew;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_is_its_id_with_a_lower_case_first_letter_and_indexes_are_places() {
        for (place, id) in RuleId::all().enumerate() {
            assert_eq!(place, id.index());
            let (first, rest) = id.as_str().split_at(1);
            assert_eq!(id.entry().key, format!("{}{rest}", first.to_ascii_lowercase()));
            assert!(RuleId::named(id.as_str()) == Some(id) && RuleId::named(id.entry().key) == Some(id));
        }
    }

    #[test]
    fn a_prepared_rule_knows_its_own_place() {
        let prepared = (RuleId::named("ValidReference").unwrap().entry().prepare)(&serde_json::json!({}));
        assert_eq!(prepared.unwrap().unwrap().id.as_str(), "ValidReference");
    }
}
