//! The fields of a pod and its containers that are read as facts, as tables.

use crate::subject::facts::Fact;

/// What is read at some place of a spec.
pub(super) enum Node {
    /// An object of which these fields are read.
    Object(&'static [(&'static str, Node)]),
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
const SECURITY: &[(&str, Node)] = &[
    (
        "capabilities",
        Object(&[
            ("add", List(&Word(Fact::AddedCapability))),
            ("drop", List(&Word(Fact::DroppedCapability))),
        ]),
    ),
    ("privileged", Flag(Fact::Privileged)),
    (
        "seLinuxOptions",
        Object(&[
            ("user", NotEmpty(Fact::SeLinuxUser)),
            ("role", NotEmpty(Fact::SeLinuxRole)),
            ("type", NotEmpty(Fact::SeLinuxType)),
        ]),
    ),
    ("windowsOptions", Object(&[("hostProcess", Flag(Fact::HostProcess))])),
    ("runAsUser", User(Fact::RunAsUser)),
    ("runAsNonRoot", Flag(Fact::RunAsNonRoot)),
    ("readOnlyRootFilesystem", Flag(Fact::ReadOnlyRootFilesystem)),
    ("allowPrivilegeEscalation", Flag(Fact::AllowPrivilegeEscalation)),
    ("procMount", NotEmpty(Fact::ProcMount)),
    ("sysctls", List(&Named(Fact::Sysctl))),
    ("seccompProfile", Typed(Fact::Seccomp)),
    ("appArmorProfile", Typed(Fact::AppArmor)),
];

/// By what an object is told; only the key counts.
pub(super) const NAME: &[(&str, Node)] = &[("name", Mounts)];
pub(super) const TYPE: &[(&str, Node)] = &[("type", Mounts)];

const PROBE: Node = Object(&[
    ("httpGet", Object(&[("host", NotEmpty(Fact::ProbeHost))])),
    ("tcpSocket", Object(&[("host", NotEmpty(Fact::ProbeHost))])),
]);

const HANDLER: Node = Object(&[
    ("httpGet", Object(&[("host", NotEmpty(Fact::LifecycleHost))])),
    ("tcpSocket", Object(&[("host", NotEmpty(Fact::LifecycleHost))])),
]);

/// The fields of a container beside its name and image.
pub(super) const CONTAINER: &[(&str, Node)] = &[
    ("ports", List(&Object(&[("hostPort", Port(Fact::HostPort))]))),
    ("envFrom", List(&Object(&[("secretRef", Named(Fact::SecretInEnv))]))),
    ("env", List(&Object(&[("valueFrom", Object(&[("secretKeyRef", Named(Fact::SecretInEnv))]))]))),
    ("volumeMounts", Mounts),
    ("livenessProbe", PROBE),
    ("readinessProbe", PROBE),
    ("startupProbe", PROBE),
    ("lifecycle", Object(&[("postStart", HANDLER), ("preStop", HANDLER)])),
    ("securityContext", Object(SECURITY)),
];

/// The fields of a pod's spec beside its containers, volumes and service account.
pub(super) const POD: &[(&str, Node)] = &[
    ("automountServiceAccountToken", Flag(Fact::AutomountToken)),
    ("hostNetwork", Flag(Fact::HostNetwork)),
    ("hostPID", Flag(Fact::HostPid)),
    ("hostIPC", Flag(Fact::HostIpc)),
    ("securityContext", Object(SECURITY)),
    ("imagePullSecrets", NotNone(Fact::PullSecrets)),
    ("os", Object(&[("name", Word(Fact::Os))])),
    ("hostUsers", Flag(Fact::HostUsers)),
];

/// The place of a field in one of the tables.
pub(super) fn place(table: &[(&str, Node)], name: &str) -> Option<u8> {
    table.iter().position(|(key, _)| *key == name).and_then(|at| u8::try_from(at).ok())
}
