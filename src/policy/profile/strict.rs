//! Strict: for clusters that pin digests, deny by default and run hardened workloads. Over and above Baseline it
//! asks for a way of working, and it asks it of everybody: expect findings in every namespace at first, and hold
//! to it the namespaces that are ready (`scope.namespaceSelector`). Signatures are not in it, since nobody but the
//! user knows the keys.

use super::{Line, line, with};

pub(super) const TABLE: &[Line] = &[
    with(
        "PullPolicyAlways",
        r#"{"mode": "Always"}"#,
        "the registry checks the credentials at each start, of a digest too",
    ),
    line("PullPolicyExplicit", "who reads the manifest sees what happens, without knowing the defaults"),
    with("DigestPinned", r#"{"severity": "high"}"#, "a digest is the program; a tag is a promise"),
    line("FullyQualifiedReference", "a short name is another registry on another node"),
    line("PodImageMatchesOwner", "somebody changed the image of the pod past its workload"),
    line("EphemeralContainerPresent", "a debugging session left a program in a running pod"),
    with(
        "PodSecurityEnforced",
        r#"{"minLevel": "restricted"}"#,
        "the API server refuses what is not hardened",
    ),
    line("PodSecurityVersionPinned", "an upgrade of the cluster does not change what is refused"),
    line("PodSecurityAuditWarnSet", "authors hear of it before it is enforced"),
    with(
        "PodMeetsLevel",
        r#"{"level": "restricted"}"#,
        "Pod Security never evicts: what was there before the label still runs",
    ),
    line("NoPrivilegeEscalation", "a set-uid program must not make root of anybody"),
    line("RunAsNonRoot", "root in the container is root in the kernel, but for its walls"),
    line("ReadOnlyRootFilesystem", "what runs stays what was built"),
    line("SecretsInEnv", "the environment is printed in logs and crash reports, and every child has it"),
    line("DefaultDenyEgress", "what is broken into cannot call home"),
    line("NetworkPolicyCoversPods", "a pod that no policy selects talks to everybody"),
    line("DanglingNetworkPolicy", "a policy that selects no pod protects none; most often a label changed"),
    line("ExternalExposure", "what is reached from outside should be known by name"),
    line("ResourceQuotaPresent", "one namespace cannot take what all need"),
    line("LimitRangePresent", "a container without limits gets some"),
    line("DefaultServiceAccountTokenOff", "pods that need no token have none"),
    line("DefaultServiceAccountUnused", "each application has an account of its own, and rights of its own"),
    line("TokenMountedFromDefaultServiceAccount", "the token is there for whoever breaks in"),
    line("NoWildcardRole", "a star grants what will be invented tomorrow"),
    line("NoEscalatingRole", "some rights lead to all the others"),
    line("NoUserWorkloadsInSystemNamespace", "who may write in kube-system owns the cluster"),
    line("PolicyCoverage", "a namespace that no policy reaches is clean because nobody looks"),
];
