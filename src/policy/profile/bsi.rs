//! BSI: the rules that serve IT-Grundschutz, modules SYS.1.6 and APP.4.4, of all three levels. Which requirement
//! each rule serves, and what no rule can show, stands in [`crate::rules::bsi`]; `revisor rules --profile BSI`
//! prints both. Pod Security is asked at the level `baseline`, since the modules ask for separation and for no
//! privileges beyond the need, and leave exceptions to be documented: that is what exemptions are for.
//!
//! The table is written out, since a released version must not change when a rule gains a requirement.

use super::{Line, line, with};

const WHY: &str = "serves requirements of SYS.1.6 and APP.4.4";

pub(super) const TABLE: &[Line] = &[
    line("ValidReference", WHY),
    line("FullyQualifiedReference", WHY),
    with("PullPolicyAlways", r#"{"mode": "AlwaysUnlessDigest"}"#, WHY),
    line("PullPolicyNotNever", WHY),
    line("NoMutableTag", WHY),
    line("DigestPinned", WHY),
    line("DigestSkew", WHY),
    line("RunningDigestMatches", WHY),
    line("DeprecatedRegistry", WHY),
    line("SuspiciousRegistryHost", WHY),
    line("HostLocalImage", WHY),
    line("PodImageMatchesOwner", WHY),
    line("EphemeralContainerPresent", WHY),
    with("PodSecurityEnforced", r#"{"minLevel": "baseline"}"#, WHY),
    line("PodSecurityLabelsValid", WHY),
    line("PodSecurityVersionPinned", WHY),
    line("PodSecurityAuditWarnSet", WHY),
    with("PodMeetsLevel", r#"{"level": "baseline"}"#, WHY),
    line("NoRuntimeAccess", WHY),
    line("NoPrivileged", WHY),
    line("NoHostNamespaces", WHY),
    line("NoHostPath", WHY),
    line("NoDangerousCapabilities", WHY),
    line("NoPrivilegeEscalation", WHY),
    line("RunAsNonRoot", WHY),
    line("ReadOnlyRootFilesystem", WHY),
    line("SecretsInEnv", WHY),
    line("DefaultDenyIngress", WHY),
    line("DefaultDenyEgress", WHY),
    line("NetworkPolicyCoversPods", WHY),
    line("DanglingNetworkPolicy", WHY),
    line("ExternalExposure", WHY),
    line("NoWorkloadsInDefaultNamespace", WHY),
    line("NoUserWorkloadsInSystemNamespace", WHY),
    line("ResourceQuotaPresent", WHY),
    line("LimitRangePresent", WHY),
    line("DefaultServiceAccountTokenOff", WHY),
    line("DefaultServiceAccountUnused", WHY),
    line("TokenMountedFromDefaultServiceAccount", WHY),
    line("DefaultServiceAccountUnbound", WHY),
    line("NonExistentServiceAccount", WHY),
    line("NoBindingsToAnonymous", WHY),
    line("NoBindingsToAuthenticated", WHY),
    line("NoBindingsToAllServiceAccounts", WHY),
    line("NoClusterAdminRoleBinding", WHY),
    line("NoWildcardRole", WHY),
    line("NoEscalatingRole", WHY),
    line("NamespaceOptedOut", WHY),
    line("PolicyCoverage", WHY),
];
