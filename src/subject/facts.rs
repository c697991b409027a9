//! What rules read of a pod beside its images: an allow-list of single facts, each a text, none where the field is
//! absent or says what Kubernetes would do anyway. Pods and containers have the same kind of facts.

use std::fmt;
use std::sync::LazyLock;

use super::canonical::{Reader, put_text};

/// A field that is read. The numbers are part of the canonical form; within a container and within a pod they
/// follow the order in which the API server writes the fields, so that live objects come sorted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Fact {
    /// An annotation `container.apparmor.security.beta.kubernetes.io/<container>`: `<container>=<value>`
    AppArmorAnnotation = 1,
    /// An annotation `seccomp.security.alpha.kubernetes.io/pod` (`=<value>`) or
    /// `container.seccomp.security.alpha.kubernetes.io/<container>` (`<container>=<value>`)
    SeccompAnnotation = 2,
    /// A volume that Pod Security "restricted" does not allow: `<source>=<volume>`, `hostPath=data`; `unknown=data`
    /// for one whose source is none that is known
    Volume = 3,
    /// The path of a hostPath volume that is not mounted read-only wherever it is mounted
    WritableHostPath = 4,
    /// The path of a hostPath volume that is mounted, and read-only everywhere
    HostPath = 5,
    /// `automountServiceAccountToken`
    AutomountToken = 7,
    /// `hostNetwork`
    HostNetwork = 8,
    /// `hostPID`
    HostPid = 9,
    /// `hostIPC`
    HostIpc = 10,
    /// `ports[].hostPort`, where it is not 0
    HostPort = 11,
    /// `envFrom[].secretRef` or `env[].valueFrom.secretKeyRef`: the Secret's name
    SecretInEnv = 12,
    /// `host` of a probe's `httpGet` or `tcpSocket`, where it is not empty
    ProbeHost = 13,
    /// `host` of a lifecycle handler's `httpGet` or `tcpSocket`, where it is not empty
    LifecycleHost = 14,
    /// `securityContext.capabilities.add[]`
    AddedCapability = 15,
    /// `securityContext.capabilities.drop[]`
    DroppedCapability = 16,
    /// `securityContext.privileged`
    Privileged = 17,
    /// `securityContext.seLinuxOptions.user`, where it is not empty
    SeLinuxUser = 18,
    /// `securityContext.seLinuxOptions.role`, where it is not empty
    SeLinuxRole = 19,
    /// `securityContext.seLinuxOptions.type`, where it is not empty
    SeLinuxType = 20,
    /// `securityContext.windowsOptions.hostProcess`
    HostProcess = 21,
    /// `securityContext.runAsUser`: `root` for 0, `other` for any other one. Not the number: OpenShift gives each
    /// namespace its own.
    RunAsUser = 22,
    /// `securityContext.runAsNonRoot`
    RunAsNonRoot = 23,
    /// `securityContext.readOnlyRootFilesystem`
    ReadOnlyRootFilesystem = 24,
    /// `securityContext.allowPrivilegeEscalation`
    AllowPrivilegeEscalation = 25,
    /// `securityContext.procMount`
    ProcMount = 26,
    /// `securityContext.sysctls[].name`
    Sysctl = 27,
    /// `securityContext.seccompProfile.type`
    Seccomp = 28,
    /// `securityContext.appArmorProfile.type`
    AppArmor = 29,
    /// `imagePullSecrets`: there is one
    PullSecrets = 30,
    /// `os.name`
    Os = 31,
    /// `hostUsers`
    HostUsers = 32,
    /// A container that `kubectl apply` was given with an `imagePullPolicy`; `volume/<name>` for an image volume
    AppliedWithPolicy = 33,
    /// One that it was given without
    AppliedWithoutPolicy = 34,
    /// `serviceAccountName` is another one than `default`; not its name. It is told when the whole spec is known, so it
    /// comes last.
    ServiceAccount = 63,
    /// An annotation `exempt.revisor.dev/<rule>`: `<rule>=<value>`, the value cut at [`EXEMPTION_MAX`]. No rule reads
    /// it.
    ExemptionAnnotation = 35,
}

/// The prefix of annotations that ask for an exemption; the rule's id follows.
pub const EXEMPTION_PREFIX: &str = "exempt.revisor.dev/";
/// How many bytes of such an annotation's value are kept: an annotation may be as large as a quarter of a megabyte.
pub const EXEMPTION_MAX: usize = 1_024;

/// The facts of one pod or one container, sorted by [`Fact`].
#[derive(Clone, Default, PartialEq, Eq, Hash)]
pub struct Facts(Box<[u8]>);

impl Facts {
    /// None.
    pub fn none() -> &'static Self {
        static NONE: LazyLock<Facts> = LazyLock::new(Facts::default);
        &NONE
    }

    /// The facts that [`put_fact`] wrote.
    pub fn new(canonical: &[u8]) -> Self {
        Self(canonical.into())
    }

    /// The canonical form.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Everything that is told of a field.
    pub fn all(&self, fact: Fact) -> impl Iterator<Item = &str> {
        // Rules ask often, and most facts are others: these are passed over unread.
        let mut reader = Reader::new(&self.0);
        std::iter::from_fn(move || {
            loop {
                let (number, text) = (reader.byte()?, reader.bytes());
                if number == fact as u8 {
                    return Some(std::str::from_utf8(text).unwrap_or_default());
                }
            }
        })
    }

    /// What is told of a field, the first if there are several.
    pub fn text(&self, fact: Fact) -> Option<&str> {
        self.all(fact).next()
    }

    /// A boolean field, where it is written.
    pub fn flag(&self, fact: Fact) -> Option<bool> {
        self.text(fact).map(|text| text == "true")
    }

    /// Whether a boolean field is written and true.
    pub fn is(&self, fact: Fact) -> bool {
        self.flag(fact) == Some(true)
    }

    /// Whether anything is told of a field.
    pub fn has(&self, fact: Fact) -> bool {
        self.text(fact).is_some()
    }
}

impl fmt::Debug for Facts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(each_fact(&self.0)).finish()
    }
}

/// Appends one fact.
pub fn put_fact(bytes: &mut Vec<u8>, fact: Fact, text: &str) {
    bytes.push(fact as u8);
    put_text(bytes, text);
}

/// Sorts facts that were appended in another order; those of one field stay in theirs.
pub fn sort_facts(bytes: &mut Vec<u8>, start: usize) {
    if are_sorted(&bytes[start..]) {
        return;
    }
    let unsorted = bytes.split_off(start);
    let mut facts: Vec<(u8, &str)> = each_fact(&unsorted).collect();
    facts.sort_by_key(|(number, _)| *number);
    for (number, text) in facts {
        bytes.push(number);
        put_text(bytes, text);
    }
}

/// Live objects come sorted: this is asked of each, and the texts do not matter.
fn are_sorted(bytes: &[u8]) -> bool {
    let (mut reader, mut last) = (Reader::new(bytes), 0);
    while let Some(number) = reader.byte() {
        if number < last {
            return false;
        }
        last = number;
        reader.bytes();
    }
    true
}

fn each_fact(bytes: &[u8]) -> impl Iterator<Item = (u8, &str)> {
    let mut reader = Reader::new(bytes);
    std::iter::from_fn(move || reader.byte().map(|number| (number, reader.text())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn facts_are_read_by_field_in_whatever_order_they_were_told() {
        let mut bytes = vec![9, 9];
        put_fact(&mut bytes, Fact::Seccomp, "RuntimeDefault");
        put_fact(&mut bytes, Fact::AddedCapability, "NET_ADMIN");
        put_fact(&mut bytes, Fact::AddedCapability, "CHOWN");
        put_fact(&mut bytes, Fact::Privileged, "false");
        sort_facts(&mut bytes, 2);
        assert_eq!(bytes[..2], [9, 9]);
        let facts = Facts::new(&bytes[2..]);
        assert_eq!(facts.all(Fact::AddedCapability).collect::<Vec<_>>(), ["NET_ADMIN", "CHOWN"]);
        assert_eq!((facts.flag(Fact::Privileged), facts.flag(Fact::HostPid)), (Some(false), None));
        assert_eq!((facts.text(Fact::Seccomp), facts.has(Fact::AppArmor)), (Some("RuntimeDefault"), false));
    }
}
