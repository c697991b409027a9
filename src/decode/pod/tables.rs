//! The fields of a pod and its containers that are read as facts, as tables.

use crate::subject::facts::Fact;

/// Fields by name. Most names that are asked for are in no table, and an index of one byte a name tells.
pub(super) struct Table {
    /// Name and what is read there.
    pub(super) fields: &'static [(&'static str, Node)],
    factor: u8,
    /// By [`bucket`], the place in `fields`; [`ABSENT`] where there is none.
    index: [u8; BUCKETS],
}

const BUCKETS: usize = 64;
const ABSENT: u8 = u8::MAX;

/// Where a name stands in the index; `factor` is chosen so that no two names of a table share a place.
const fn bucket(name: &[u8], factor: u8) -> usize {
    let (first, last) = match name {
        [first, .., last] => (*first, *last),
        [only] => (*only, 0),
        [] => (0, 0),
    };
    #[expect(clippy::cast_possible_truncation, reason = "any byte of the length will do")]
    let length = name.len() as u8;
    (first.wrapping_mul(factor) ^ last.wrapping_add(length.wrapping_mul(5))) as usize % BUCKETS
}

impl Table {
    /// Indexes fields, before the program runs.
    const fn new(fields: &'static [(&'static str, Node)]) -> Self {
        let mut factor = 1;
        loop {
            if let Some(index) = index(fields, factor) {
                return Self { fields, factor, index };
            }
            assert!(factor < u8::MAX, "no factor keeps the names apart");
            factor += 1;
        }
    }

    /// The place of a field.
    #[inline]
    pub(super) fn place(&self, name: &str) -> Option<u8> {
        let place = self.index[bucket(name.as_bytes(), self.factor)];
        let (known, _) = self.fields.get(usize::from(place))?;
        (*known == name).then_some(place)
    }
}

const fn index(fields: &[(&str, Node)], factor: u8) -> Option<[u8; BUCKETS]> {
    assert!(fields.len() < ABSENT as usize, "a place is one byte");
    let mut index = [ABSENT; BUCKETS];
    let mut place = 0u8;
    while (place as usize) < fields.len() {
        let at = bucket(fields[place as usize].0.as_bytes(), factor);
        if index[at] != ABSENT {
            return None;
        }
        index[at] = place;
        place += 1;
    }
    Some(index)
}

/// What is read at some place of a spec.
pub(super) enum Node {
    /// An object of which these fields are read.
    Object(&'static Table),
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

use Node::{Flag, List, Mounts, Named, NotEmpty, Port, Some as NotNone, Text as Word, Typed, User};

/// The fields of an object, indexed.
macro_rules! object {
    ($($field:expr),* $(,)?) => {
        Node::Object(&const { Table::new(&[$($field),*]) })
    };
}

/// `securityContext` of a container and of a pod.
const SECURITY: Node = object![
    (
        "capabilities",
        object![("add", List(&Word(Fact::AddedCapability))), ("drop", List(&Word(Fact::DroppedCapability))),],
    ),
    ("privileged", Flag(Fact::Privileged)),
    (
        "seLinuxOptions",
        object![
            ("user", NotEmpty(Fact::SeLinuxUser)),
            ("role", NotEmpty(Fact::SeLinuxRole)),
            ("type", NotEmpty(Fact::SeLinuxType)),
        ],
    ),
    ("windowsOptions", object![("hostProcess", Flag(Fact::HostProcess))]),
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
pub(super) static NAME: Table = Table::new(&[("name", Mounts)]);
pub(super) static TYPE: Table = Table::new(&[("type", Mounts)]);

const PROBE: Node = object![
    ("httpGet", object![("host", NotEmpty(Fact::ProbeHost))]),
    ("tcpSocket", object![("host", NotEmpty(Fact::ProbeHost))]),
];

const HANDLER: Node = object![
    ("httpGet", object![("host", NotEmpty(Fact::LifecycleHost))]),
    ("tcpSocket", object![("host", NotEmpty(Fact::LifecycleHost))]),
];

/// The fields of a container beside its name and image.
pub(super) static CONTAINER: Table = Table::new(&[
    ("ports", List(&object![("hostPort", Port(Fact::HostPort))])),
    ("envFrom", List(&object![("secretRef", Named(Fact::SecretInEnv))])),
    ("env", List(&object![("valueFrom", object![("secretKeyRef", Named(Fact::SecretInEnv))])])),
    ("volumeMounts", Mounts),
    ("livenessProbe", PROBE),
    ("readinessProbe", PROBE),
    ("startupProbe", PROBE),
    ("lifecycle", object![("postStart", HANDLER), ("preStop", HANDLER)]),
    ("securityContext", SECURITY),
]);

/// The fields of a pod's spec beside its containers, volumes and service account.
pub(super) static POD: Table = Table::new(&[
    ("automountServiceAccountToken", Flag(Fact::AutomountToken)),
    ("hostNetwork", Flag(Fact::HostNetwork)),
    ("hostPID", Flag(Fact::HostPid)),
    ("hostIPC", Flag(Fact::HostIpc)),
    ("securityContext", SECURITY),
    ("imagePullSecrets", NotNone(Fact::PullSecrets)),
    ("os", object![("name", Word(Fact::Os))]),
    ("hostUsers", Flag(Fact::HostUsers)),
]);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_of_a_table_is_found_and_no_other_one() {
        for table in [&POD, &CONTAINER, &NAME] {
            for (place, (name, _)) in table.fields.iter().enumerate() {
                assert_eq!(table.place(name).map(usize::from), Some(place), "{name}");
                let (other, longer) = (name.to_uppercase(), format!("{name}s"));
                assert_eq!((table.place(&other), table.place(&longer)), (None, None));
            }
            assert_eq!((table.place(""), table.place("n")), (None, None));
        }
    }
}
