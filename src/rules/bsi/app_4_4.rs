//! APP.4.4 Kubernetes, requirement by requirement.

use super::Level::{Basis, Hoch, Standard};
use super::Means::{OtherTool, People, Revisor, Rules};
use super::{Requirement, requirement};

pub(super) const REQUIREMENTS: &[Requirement] = &[
    requirement(
        "APP.4.4.A1",
        Basis,
        "Planung der Separierung der Anwendungen",
        "Applications and environments are separated by plan: namespaces, labels, clusters, networks, resources.",
        (
            Rules,
            &[
                "NoWorkloadsInDefaultNamespace",
                "NoUserWorkloadsInSystemNamespace",
                "RequiredLabels",
                "ResourceQuotaPresent",
                "LimitRangePresent",
            ],
        ),
        "The plan itself is a document, and which applications belong together is for people to say.",
    ),
    requirement(
        "APP.4.4.A2",
        Basis,
        "Planung der Automatisierung mit CI/CD",
        "Automation is planned, with its roles, its rights and its secrets.",
        (People, &[]),
        "It is a plan.",
    ),
    requirement(
        "APP.4.4.A3",
        Basis,
        "Identitäts- und Berechtigungsmanagement bei Kubernetes",
        "Every action is authenticated and authorised, none is anonymous, and rights are few.",
        (
            Rules,
            &[
                "NoBindingsToAnonymous",
                "NoBindingsToAuthenticated",
                "NoBindingsToAllServiceAccounts",
                "NoClusterAdminRoleBinding",
                "NoWildcardRole",
                "NoEscalatingRole",
            ],
        ),
        "Who is behind a name or in a group is known to the identity provider; which rights a person needs is for \
         people to say; how the API server authenticates is a setting of it.",
    ),
    requirement(
        "APP.4.4.A4",
        Basis,
        "Separierung von Pods",
        "The kernel keeps pods apart: processes, communication, users, files, network and host name.",
        (
            Rules,
            &[
                "PodSecurityEnforced",
                "PodSecurityLabelsValid",
                "PodSecurityVersionPinned",
                "PodSecurityAuditWarnSet",
                "PodMeetsLevel",
                "NoPrivileged",
                "NoHostNamespaces",
                "NoHostPath",
                "NoRuntimeAccess",
                "NoDangerousCapabilities",
            ],
        ),
        "That the kernel of a node has these mechanisms, and uses them, is on the node.",
    ),
    requirement(
        "APP.4.4.A5",
        Basis,
        "Datensicherung im Cluster",
        "The cluster is backed up: volumes, configuration, etcd, infrastructure, registries.",
        (OtherTool, &[]),
        "Backups are made, and proved by a restore, outside of what the API shows.",
    ),
    requirement(
        "APP.4.4.A6",
        Standard,
        "Initialisierung von Pods",
        "Initialisation happens in init containers, and only its success starts the rest.",
        (People, &[]),
        "Kubernetes starts the rest only after its success. Whether an application initialises itself elsewhere is \
         not in the API.",
    ),
    requirement(
        "APP.4.4.A7",
        Standard,
        "Separierung der Netze bei Kubernetes",
        "Networks are separated; between namespaces everything is denied that is not needed.",
        (Rules, &["DefaultDenyIngress", "DefaultDenyEgress", "ExternalExposure", "NoHostNamespaces"]),
        "Networks of nodes and of the control plane are outside of the API; so is whether the network plug-in \
         enforces policies. Which ports are needed is for people to say.",
    ),
    requirement(
        "APP.4.4.A8",
        Standard,
        "Absicherung von Konfigurationsdateien bei Kubernetes",
        "Configuration files are versioned and annotated, and few can change them.",
        (Rules, &["RequiredLabels", "PodImageMatchesOwner"]),
        "Version control and the files of the control plane are outside of the API.",
    ),
    requirement(
        "APP.4.4.A9",
        Standard,
        "Nutzung von Kubernetes Service-Accounts",
        "Each application has a service account of its own, with the rights it needs; default has none.",
        (
            Rules,
            &[
                "DefaultServiceAccountUnused",
                "DefaultServiceAccountTokenOff",
                "DefaultServiceAccountUnbound",
                "TokenMountedFromDefaultServiceAccount",
                "NonExistentServiceAccount",
                "NoBindingsToAllServiceAccounts",
                "NoClusterAdminRoleBinding",
                "NoWildcardRole",
                "NoEscalatingRole",
            ],
        ),
        "Which rights an application needs is for people to say.",
    ),
    requirement(
        "APP.4.4.A10",
        Standard,
        "Absicherung von Prozessen der Automatisierung",
        "Pipelines have only the rights that they need, and each group of users has its own.",
        (Rules, &["NoClusterAdminRoleBinding", "NoEscalatingRole"]),
        "The rules show accounts with too many rights, not which of them belong to automation. Rights inside of the \
         CI system are there.",
    ),
    requirement(
        "APP.4.4.A11",
        Standard,
        "Überwachung der Container",
        "Every container has checks for its start and its operation.",
        (OtherTool, &[]),
        "Revisor does not judge probes; kube-linter and Polaris do. Whether a probe notices a failure is for people \
         to test.",
    ),
    requirement(
        "APP.4.4.A12",
        Standard,
        "Absicherung der Infrastruktur-Anwendungen",
        "Registries, automation and storage are secured: accounts, encryption, rights, logs, backups.",
        (Rules, &["ImagePullSecretsPresent"]),
        "The rule shows pods that take images from a named registry without credentials. How the registry and the \
         other applications are secured is to be seen there.",
    ),
    requirement(
        "APP.4.4.A13",
        Hoch,
        "Automatisierte Auditierung der Konfiguration",
        "Nodes, Kubernetes and pods are audited by a machine, and tools enforce the settings allowed.",
        (
            Revisor,
            &[
                "PodSecurityEnforced",
                "PodSecurityLabelsValid",
                "PodSecurityVersionPinned",
                "PodSecurityAuditWarnSet",
                "AdmissionCoverage",
                "NamespaceOptedOut",
                "PolicyCoverage",
            ],
        ),
        "To run Revisor is this audit, for pods, namespaces and rights. Settings of nodes and of the control plane \
         need another tool, such as kube-bench.",
    ),
    requirement(
        "APP.4.4.A14",
        Hoch,
        "Verwendung dedizierter Nodes",
        "Nodes have dedicated tasks: bastion, management, storage, applications.",
        (OtherTool, &[]),
        "Revisor does not judge where pods are scheduled; which node has which task is a plan.",
    ),
    requirement(
        "APP.4.4.A15",
        Hoch,
        "Trennung von Anwendungen auf Node- und Cluster-Ebene",
        "Applications of very high need have nodes or clusters of their own.",
        (People, &[]),
        "The need is for people to say, and what else runs in other clusters cannot be seen from here.",
    ),
    requirement(
        "APP.4.4.A16",
        Hoch,
        "Verwendung von Operatoren",
        "Operators automate the operation of critical applications and of the control plane.",
        (People, &[]),
        "It is a decision about how to operate.",
    ),
    requirement(
        "APP.4.4.A17",
        Hoch,
        "Attestierung von Nodes",
        "Only nodes that prove their integrity become part of the cluster.",
        (OtherTool, &[]),
        "It needs attestation of the nodes, best with a TPM, before they join.",
    ),
    requirement(
        "APP.4.4.A18",
        Hoch,
        "Verwendung von Mikro-Segmentierung",
        "Inside of a namespace, too, pods talk only over the ports that they need.",
        (
            Rules,
            &["DefaultDenyIngress", "DefaultDenyEgress", "NetworkPolicyCoversPods", "DanglingNetworkPolicy"],
        ),
        "Which ports are needed is for people to say; whether the network plug-in enforces policies is not in the \
         API.",
    ),
    requirement(
        "APP.4.4.A19",
        Hoch,
        "Hochverfügbarkeit von Kubernetes",
        "The cluster and its applications outlive the loss of a site.",
        (OtherTool, &[]),
        "Revisor does not judge replicas and their distribution; a restart at another site is to be tested.",
    ),
    requirement(
        "APP.4.4.A20",
        Hoch,
        "Verschlüsselte Datenhaltung bei Pods",
        "File systems with lasting data, etcd first, are encrypted.",
        (OtherTool, &[]),
        "Encryption is a setting of the API server and of the storage, not in the API.",
    ),
    requirement(
        "APP.4.4.A21",
        Hoch,
        "Regelmäßiger Restart von Pods",
        "Where the risk is high, pods are restarted, at least every 24 hours.",
        (OtherTool, &[]),
        "Revisor does not judge the age of pods; a descheduler restarts them.",
    ),
];
