//! Baseline: what every cluster should keep, over and above Essential. Some of it needs work in most clusters
//! (network policies, Pod Security labels), all of it is common advice, and each finding is worth a look. Node
//! agents and network plug-ins break parts of it rightfully: exempt them, with a reason (deploy/policies/presets/
//! has a start for common distributions).
//!
//! Left to Strict: what fails in nearly every workload that nobody has hardened yet (non-root, read-only root file
//! systems, tokens), what asks for a way of working (digests, quotas), and roles, which operators make wide.

use super::{Line, line, with};

pub(super) const TABLE: &[Line] = &[
    with(
        "PullPolicyAlways",
        r#"{"mode": "AlwaysUnlessDigest"}"#,
        "a tag is asked for anew at each start; a digest needs no asking",
    ),
    line("NoMutableTag", "latest is another program tomorrow"),
    line("HostLocalImage", "no registry vouches for an image that somebody put on the node by hand"),
    with(
        "PodSecurityEnforced",
        r#"{"minLevel": "baseline"}"#,
        "without it whoever may create a pod owns the node",
    ),
    line("NoRuntimeAccess", "the runtime's socket or store is the node, and every pod on it"),
    line("NoPrivileged", "a privileged container is root on the node"),
    line("NoHostNamespaces", "the node's processes and network are not walled off any more"),
    line("NoHostPath", "a writable path of the node outlives the pod, and reaches others"),
    line("NoDangerousCapabilities", "these capabilities are known ways out of a container"),
    line("DefaultDenyIngress", "without it every pod of the cluster can talk to these"),
    line("NamespaceOptedOut", "one label switches admission control off"),
    line("NoWorkloadsInDefaultNamespace", "a namespace that nobody owns gathers what nobody meant"),
    line("NoClusterAdminRoleBinding", "unlimited rights should be few, and known by name"),
    line("NoBindingsToAuthenticated", "the right goes to everybody who can log in, and to every pod"),
    line("NoBindingsToAllServiceAccounts", "the right goes to every pod of the cluster or of the namespace"),
    line("DefaultServiceAccountUnbound", "the right goes to every pod that names no account"),
    line("NonExistentServiceAccount", "the workload cannot make another pod, and nobody has noticed"),
];
