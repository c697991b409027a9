//! The fields of a pod and its containers that are read as facts, as tables.

use crate::subject::facts::Fact;

/// The name of a field that some table has.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Key {
    Capabilities,
    Add,
    Drop,
    Privileged,
    SeLinuxOptions,
    User,
    Role,
    Type,
    WindowsOptions,
    HostProcess,
    RunAsUser,
    RunAsNonRoot,
    ReadOnlyRootFilesystem,
    AllowPrivilegeEscalation,
    ProcMount,
    Sysctls,
    SeccompProfile,
    AppArmorProfile,
    Name,
    HttpGet,
    Host,
    TcpSocket,
    Ports,
    HostPort,
    EnvFrom,
    SecretRef,
    Env,
    ValueFrom,
    SecretKeyRef,
    VolumeMounts,
    LivenessProbe,
    ReadinessProbe,
    StartupProbe,
    Lifecycle,
    PostStart,
    PreStop,
    SecurityContext,
    AutomountServiceAccountToken,
    HostNetwork,
    HostPid,
    HostIpc,
    ImagePullSecrets,
    Os,
    HostUsers,
}

impl Key {
    /// Most names that stand in a pod are in no table: a match tells so faster than a search.
    fn of(name: &str) -> Option<Self> {
        Some(match name {
            "capabilities" => Self::Capabilities,
            "add" => Self::Add,
            "drop" => Self::Drop,
            "privileged" => Self::Privileged,
            "seLinuxOptions" => Self::SeLinuxOptions,
            "user" => Self::User,
            "role" => Self::Role,
            "type" => Self::Type,
            "windowsOptions" => Self::WindowsOptions,
            "hostProcess" => Self::HostProcess,
            "runAsUser" => Self::RunAsUser,
            "runAsNonRoot" => Self::RunAsNonRoot,
            "readOnlyRootFilesystem" => Self::ReadOnlyRootFilesystem,
            "allowPrivilegeEscalation" => Self::AllowPrivilegeEscalation,
            "procMount" => Self::ProcMount,
            "sysctls" => Self::Sysctls,
            "seccompProfile" => Self::SeccompProfile,
            "appArmorProfile" => Self::AppArmorProfile,
            "name" => Self::Name,
            "httpGet" => Self::HttpGet,
            "host" => Self::Host,
            "tcpSocket" => Self::TcpSocket,
            "ports" => Self::Ports,
            "hostPort" => Self::HostPort,
            "envFrom" => Self::EnvFrom,
            "secretRef" => Self::SecretRef,
            "env" => Self::Env,
            "valueFrom" => Self::ValueFrom,
            "secretKeyRef" => Self::SecretKeyRef,
            "volumeMounts" => Self::VolumeMounts,
            "livenessProbe" => Self::LivenessProbe,
            "readinessProbe" => Self::ReadinessProbe,
            "startupProbe" => Self::StartupProbe,
            "lifecycle" => Self::Lifecycle,
            "postStart" => Self::PostStart,
            "preStop" => Self::PreStop,
            "securityContext" => Self::SecurityContext,
            "automountServiceAccountToken" => Self::AutomountServiceAccountToken,
            "hostNetwork" => Self::HostNetwork,
            "hostPID" => Self::HostPid,
            "hostIPC" => Self::HostIpc,
            "imagePullSecrets" => Self::ImagePullSecrets,
            "os" => Self::Os,
            "hostUsers" => Self::HostUsers,
            _ => return None,
        })
    }
}

/// What is read at some place of a spec.
pub(super) enum Node {
    /// An object of which these fields are read.
    Object(&'static [(Key, Node)]),
    /// A list of such items.
    List(&'static Node),
    /// A text.
    Text(Fact),
    /// A text that says nothing while it is empty.
    NotEmpty(Fact),
    /// A boolean.
    Flag(Fact),
    /// A port; 0 is none.
    Port(Fact),
    /// A user id: root or another one.
    User(Fact),
    /// An object, told by its `name`, which may be missing.
    Named(Fact),
    /// The same by its `type`.
    Typed(Fact),
    /// A list that is not empty.
    Some(Fact),
    /// `volumeMounts`.
    Mounts,
}

use Node::{Flag, List, Mounts, Named, NotEmpty, Object, Port, Some as NotNone, Text as Word, Typed, User};

/// `securityContext` of a container and of a pod.
const SECURITY: &[(Key, Node)] = &[
    (
        Key::Capabilities,
        Object(&[
            (Key::Add, List(&Word(Fact::AddedCapability))),
            (Key::Drop, List(&Word(Fact::DroppedCapability))),
        ]),
    ),
    (Key::Privileged, Flag(Fact::Privileged)),
    (
        Key::SeLinuxOptions,
        Object(&[
            (Key::User, NotEmpty(Fact::SeLinuxUser)),
            (Key::Role, NotEmpty(Fact::SeLinuxRole)),
            (Key::Type, NotEmpty(Fact::SeLinuxType)),
        ]),
    ),
    (Key::WindowsOptions, Object(&[(Key::HostProcess, Flag(Fact::HostProcess))])),
    (Key::RunAsUser, User(Fact::RunAsUser)),
    (Key::RunAsNonRoot, Flag(Fact::RunAsNonRoot)),
    (Key::ReadOnlyRootFilesystem, Flag(Fact::ReadOnlyRootFilesystem)),
    (Key::AllowPrivilegeEscalation, Flag(Fact::AllowPrivilegeEscalation)),
    (Key::ProcMount, NotEmpty(Fact::ProcMount)),
    (Key::Sysctls, List(&Named(Fact::Sysctl))),
    (Key::SeccompProfile, Typed(Fact::Seccomp)),
    (Key::AppArmorProfile, Typed(Fact::AppArmor)),
];

/// By what an object is told; only the key counts.
pub(super) const NAME: &[(Key, Node)] = &[(Key::Name, Mounts)];
pub(super) const TYPE: &[(Key, Node)] = &[(Key::Type, Mounts)];

const PROBE: Node = Object(&[
    (Key::HttpGet, Object(&[(Key::Host, NotEmpty(Fact::ProbeHost))])),
    (Key::TcpSocket, Object(&[(Key::Host, NotEmpty(Fact::ProbeHost))])),
]);

const HANDLER: Node = Object(&[
    (Key::HttpGet, Object(&[(Key::Host, NotEmpty(Fact::LifecycleHost))])),
    (Key::TcpSocket, Object(&[(Key::Host, NotEmpty(Fact::LifecycleHost))])),
]);

/// The fields of a container beside its name and image.
pub(super) const CONTAINER: &[(Key, Node)] = &[
    (Key::Ports, List(&Object(&[(Key::HostPort, Port(Fact::HostPort))]))),
    (Key::EnvFrom, List(&Object(&[(Key::SecretRef, Named(Fact::SecretInEnv))]))),
    (Key::Env, List(&Object(&[(Key::ValueFrom, Object(&[(Key::SecretKeyRef, Named(Fact::SecretInEnv))]))]))),
    (Key::VolumeMounts, Mounts),
    (Key::LivenessProbe, PROBE),
    (Key::ReadinessProbe, PROBE),
    (Key::StartupProbe, PROBE),
    (Key::Lifecycle, Object(&[(Key::PostStart, HANDLER), (Key::PreStop, HANDLER)])),
    (Key::SecurityContext, Object(SECURITY)),
];

/// The fields of a pod's spec beside its containers, volumes and service account.
pub(super) const POD: &[(Key, Node)] = &[
    (Key::AutomountServiceAccountToken, Flag(Fact::AutomountToken)),
    (Key::HostNetwork, Flag(Fact::HostNetwork)),
    (Key::HostPid, Flag(Fact::HostPid)),
    (Key::HostIpc, Flag(Fact::HostIpc)),
    (Key::SecurityContext, Object(SECURITY)),
    (Key::ImagePullSecrets, NotNone(Fact::PullSecrets)),
    (Key::Os, Object(&[(Key::Name, Word(Fact::Os))])),
    (Key::HostUsers, Flag(Fact::HostUsers)),
];

/// The place of a field in one of the tables.
pub(super) fn place(table: &[(Key, Node)], name: &str) -> Option<u8> {
    let wanted = Key::of(name)?;
    table.iter().position(|(key, _)| *key == wanted).and_then(|at| u8::try_from(at).ok())
}
