//! SYS.1.6 Containerisierung, requirement by requirement.

use super::Level::{Basis, Hoch, Standard};
use super::Means::{OtherTool, People, Revisor, Rules};
use super::{Requirement, requirement};

pub(super) const REQUIREMENTS: &[Requirement] = &[
    requirement(
        "SYS.1.6.A1",
        Basis,
        "Planung des Container-Einsatzes",
        "Decide and write down what containers are used for.",
        (People, &[]),
        "It is a decision and a document.",
    ),
    requirement(
        "SYS.1.6.A2",
        Basis,
        "Planung der Verwaltung von Containern",
        "Plan how containers are managed, from the first start to the last stop.",
        (People, &[]),
        "It is a plan. Containers that were started on a node past Kubernetes cannot be seen through its API.",
    ),
    requirement(
        "SYS.1.6.A3",
        Basis,
        "Sicherer Einsatz containerisierter IT-Systeme",
        "Judge whether isolation and networks are enough for what the applications need.",
        (People, &[]),
        "What an application needs is for people to say. What separates the pods now, SYS.1.6.A17, APP.4.4.A4 and \
         APP.4.4.A7 show.",
    ),
    requirement(
        "SYS.1.6.A4",
        Basis,
        "Planung der Bereitstellung und Verteilung von Images",
        "Plan and write down how images are provided and distributed.",
        (People, &[]),
        "It is a process and a document.",
    ),
    requirement(
        "SYS.1.6.A5",
        Basis,
        "Separierung der Administrations- und Zugangsnetze bei Containern",
        "Keep the networks of administration and of access apart; allow only connections that are needed.",
        (Rules, &["DefaultDenyIngress", "DefaultDenyEgress", "NoHostNamespaces"]),
        "Which networks are for administration, and what firewalls around the nodes let through, is not in the \
         Kubernetes API; nor is whether the network plug-in enforces policies.",
    ),
    requirement(
        "SYS.1.6.A6",
        Basis,
        "Verwendung sicherer Images",
        "Images come from trusted sources, with an author, a version and no end of life.",
        (
            Rules,
            &[
                "ValidReference",
                "FullyQualifiedReference",
                "TrustedRegistry",
                "DeprecatedRegistry",
                "SuspiciousRegistryHost",
                "NoMutableTag",
                "PullPolicyAlways",
                "PullPolicyNotNever",
                "HostLocalImage",
                "NodeImageUntrusted",
            ],
        ),
        "Whether an author looks for flaws and mends them is for people to judge when they choose a source. \
         Whether a base image is given up, or a newer version is there, needs a look into images and registries, \
         which Revisor does not take yet.",
    ),
    requirement(
        "SYS.1.6.A7",
        Basis,
        "Persistenz von Protokollierungsdaten der Container",
        "Logs are kept outside of the container.",
        (OtherTool, &[]),
        "The kubelet keeps what a container prints. What an application writes into files of its own cannot be \
         seen through the API.",
    ),
    requirement(
        "SYS.1.6.A8",
        Basis,
        "Sichere Speicherung von Zugangsdaten bei Containern",
        "Credentials are only where the few who may can read them, and in no image.",
        (Rules, &["SecretsInEnv", "ImagePullSecretsPresent"]),
        "Revisor reads no Secret, so it does not know what is in them. Credentials inside of images need a scanner; \
         who may read Secrets, APP.4.4.A3 shows in part; whether etcd encrypts them is a setting of the API server.",
    ),
    requirement(
        "SYS.1.6.A9",
        Standard,
        "Eignung für Container-Betrieb",
        "The application is fit to run in a container, and to be stopped at any time.",
        (People, &[]),
        "Fitness is for people to test and to write down.",
    ),
    requirement(
        "SYS.1.6.A10",
        Standard,
        "Richtlinie für Images und Container-Betrieb",
        "A policy says how containers are run and which images may be.",
        (Revisor, &["PolicyCoverage"]),
        "The ImagePolicy objects in force are the part of such a policy that a machine can apply; this report names \
         them by generation and hash. The rest is a document.",
    ),
    requirement(
        "SYS.1.6.A11",
        Standard,
        "Nur ein Dienst pro Container",
        "Each container provides one service.",
        (People, &[]),
        "How many services a container runs is not in the API.",
    ),
    requirement(
        "SYS.1.6.A12",
        Standard,
        "Verteilung sicherer Images",
        "Trusted sources are named, with reasons; images are signed and tell their history.",
        (Rules, &["TrustedRegistry", "FullyQualifiedReference", "DigestPinned", "RunningDigestMatches"]),
        "Why a source is trusted stands in the reason of an exemption or in a document. Signatures and metadata of \
         images are not looked at yet.",
    ),
    requirement(
        "SYS.1.6.A13",
        Standard,
        "Freigabe von Images",
        "Images are tested and released before they run in production.",
        (Rules, &["TrustedRegistry", "DigestPinned", "RunningDigestMatches"]),
        "The rules show that nothing else runs than what lies in the registry of released images. That it was \
         tested there is for people to say.",
    ),
    requirement(
        "SYS.1.6.A14",
        Standard,
        "Aktualisierung von Images",
        "It is settled when and how updates of images are rolled out.",
        (Rules, &["PullPolicyAlways", "DigestSkew"]),
        "The rules show pods that an update of a tag has not reached. Whether there is an update needs a look into \
         the registry, and when it is due is a decision.",
    ),
    requirement(
        "SYS.1.6.A15",
        Standard,
        "Limitierung der Ressourcen pro Container",
        "Processor, memory, storage and bandwidth are reserved and limited for each container.",
        (Rules, &["ResourceQuotaPresent", "LimitRangePresent"]),
        "Judged by namespace, not container by container; bandwidth is not in the API.",
    ),
    requirement(
        "SYS.1.6.A16",
        Standard,
        "Administrativer Fernzugriff auf Container",
        "No administration from a container to its host; into a container only through the runtime.",
        (Rules, &["EphemeralContainerPresent", "NoRuntimeAccess"]),
        "kubectl exec leaves no object behind: it is in the API server's audit log. Remote access inside of an image \
         needs a scanner.",
    ),
    requirement(
        "SYS.1.6.A17",
        Standard,
        "Ausführung von Containern ohne Privilegien",
        "Containers run under accounts without rights on the host, and cannot gain any.",
        (
            Rules,
            &[
                "PodSecurityEnforced",
                "PodSecurityLabelsValid",
                "PodSecurityVersionPinned",
                "PodSecurityAuditWarnSet",
                "PodMeetsLevel",
                "NoPrivileged",
                "NoPrivilegeEscalation",
                "NoDangerousCapabilities",
                "NoRuntimeAccess",
                "RunAsNonRoot",
            ],
        ),
        "The account of the runtime itself, and how it is encapsulated, is a setting of the node. Documented \
         exceptions are the policies' exemptions, listed with reason and end.",
    ),
    requirement(
        "SYS.1.6.A18",
        Standard,
        "Accounts der Anwendungsdienste",
        "Accounts inside of a container have no rights on the host.",
        (Rules, &["RunAsNonRoot", "NoHostPath", "NoHostNamespaces"]),
        "Which accounts a host knows, and what its files allow them, is on the host.",
    ),
    requirement(
        "SYS.1.6.A19",
        Standard,
        "Einbinden von Datenspeichern in Container",
        "A container reaches only the storage and the directories that it needs.",
        (Rules, &["NoHostPath", "NoRuntimeAccess"]),
        "What an application needs is for people to say; rights on network storage are set there.",
    ),
    requirement(
        "SYS.1.6.A20",
        Standard,
        "Absicherung von Konfigurationsdaten",
        "Configuration is kept in versions, and each change can be traced.",
        (Rules, &["PodImageMatchesOwner"]),
        "The rule shows pods that were changed past their workload. Whether manifests are kept in version control \
         cannot be seen in the cluster.",
    ),
    requirement(
        "SYS.1.6.A21",
        Hoch,
        "Erweiterte Sicherheitsrichtlinien",
        "Enforced policies restrict networks, files and system calls of containers.",
        (
            Rules,
            &[
                "PodSecurityEnforced",
                "PodSecurityLabelsValid",
                "PodSecurityVersionPinned",
                "PodSecurityAuditWarnSet",
                "PodMeetsLevel",
                "NoDangerousCapabilities",
                "DefaultDenyIngress",
                "DefaultDenyEgress",
            ],
        ),
        "What a profile of seccomp, AppArmor or SELinux allows, and whether the node's kernel enforces it, is on the \
         node.",
    ),
    requirement(
        "SYS.1.6.A22",
        Hoch,
        "Vorsorge für Untersuchungen",
        "The state of a container can be saved for an investigation.",
        (OtherTool, &[]),
        "Taking images of containers is a tool's task and a rule of the house.",
    ),
    requirement(
        "SYS.1.6.A23",
        Hoch,
        "Unveränderlichkeit der Container",
        "A container cannot change its own file system.",
        (Rules, &["ReadOnlyRootFilesystem", "NoHostPath"]),
        "Volumes that an application must write to are not judged.",
    ),
    requirement(
        "SYS.1.6.A24",
        Hoch,
        "Hostbasierte Angriffserkennung",
        "The behaviour of containers is watched: connections, processes, files, system calls.",
        (OtherTool, &[]),
        "It happens in the node's kernel: a runtime sensor such as Falco or Tetragon sees it.",
    ),
    requirement(
        "SYS.1.6.A25",
        Hoch,
        "Hochverfügbarkeit von containerisierten Anwendungen",
        "It is settled at which level availability is provided.",
        (People, &[]),
        "It is a decision.",
    ),
    requirement(
        "SYS.1.6.A26",
        Hoch,
        "Weitergehende Isolation und Kapselung von Containern",
        "Where more isolation is needed: fixed hosts, or virtual machines around containers.",
        (People, &[]),
        "Who needs it is for people to say. Runtime classes and node assignments are not judged.",
    ),
];
