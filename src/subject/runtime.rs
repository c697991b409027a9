//! Container runtimes, as far as it is known what the image ids mean that they report.

use std::fmt;

/// A container runtime.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Runtime {
    /// containerd
    Containerd = 1,
    /// CRI-O
    CriO = 2,
    /// Docker Engine, behind cri-dockerd
    Docker = 4,
    /// One that nothing is known of.
    Other = 8,
}

impl Runtime {
    const ALL: [Self; 4] = [Self::Containerd, Self::CriO, Self::Docker, Self::Other];

    /// Reads `status.nodeInfo.containerRuntimeVersion`, such as `containerd://2.1.4`; none where it is empty.
    pub fn from_version(version: &str) -> Option<Self> {
        match version.split_once("://").map_or(version, |(name, _)| name) {
            "" => None,
            "containerd" => Some(Self::Containerd),
            "cri-o" => Some(Self::CriO),
            "docker" => Some(Self::Docker),
            _ => Some(Self::Other),
        }
    }

    /// Its name, as people write it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Containerd => "containerd",
            Self::CriO => "CRI-O",
            Self::Docker => "Docker",
            Self::Other => "another runtime",
        }
    }
}

/// The runtimes that the nodes of a cluster name, all together. Nodes that name none do not count: virtual ones, which
/// have no images either.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Runtimes(u8);

impl Runtimes {
    /// No node was read, or none names a runtime.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Whether some node runs this one.
    pub fn has(self, runtime: Runtime) -> bool {
        self.0 & runtime as u8 != 0
    }

    /// The one that all nodes agree on.
    pub fn only(self) -> Option<Runtime> {
        Runtime::ALL.into_iter().find(|runtime| self.0 == *runtime as u8)
    }
}

impl FromIterator<Runtime> for Runtimes {
    fn from_iter<I: IntoIterator<Item = Runtime>>(runtimes: I) -> Self {
        Self(runtimes.into_iter().fold(0, |all, runtime| all | runtime as u8))
    }
}

impl fmt::Display for Runtimes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut runtimes = Runtime::ALL.into_iter().filter(|runtime| self.has(*runtime)).peekable();
        let mut before = "";
        while let Some(runtime) = runtimes.next() {
            let joint = match (before, runtimes.peek()) {
                ("", _) => "",
                (_, None) => " and ",
                _ => ", ",
            };
            before = runtime.as_str();
            write!(f, "{joint}{before}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(versions: &[&str]) -> Runtimes {
        versions.iter().filter_map(|version| Runtime::from_version(version)).collect()
    }

    #[test]
    fn a_runtime_is_told_by_its_name_whatever_its_version() {
        for (version, runtime) in [
            ("containerd://2.1.4", Some(Runtime::Containerd)),
            ("containerd://1.7.11-k3s2", Some(Runtime::Containerd)),
            ("cri-o://1.30.3", Some(Runtime::CriO)),
            ("docker://27.3.1", Some(Runtime::Docker)),
            ("iSulad://2.1.0", Some(Runtime::Other)),
            ("containerd", Some(Runtime::Containerd)),
            ("", None),
            ("://1.0", None),
        ] {
            assert_eq!(Runtime::from_version(version), runtime, "{version}");
        }
    }

    #[test]
    fn nodes_agree_if_all_that_name_a_runtime_name_the_same() {
        assert_eq!(of(&["containerd://2.1.4", "", "containerd://1.7.0"]).only(), Some(Runtime::Containerd));
        assert_eq!(of(&["containerd://2.1.4", "cri-o://1.30.3"]).only(), None);
        assert!(of(&[""]).is_empty() && of(&[""]).only().is_none());
    }

    #[test]
    fn runtimes_are_named_in_one_order() {
        assert_eq!(of(&["cri-o://1", "containerd://2"]).to_string(), "containerd and CRI-O");
        assert_eq!(
            of(&["docker://1", "x://1", "cri-o://1"]).to_string(),
            "CRI-O, Docker and another runtime"
        );
        assert_eq!(of(&["docker://1"]).to_string(), "Docker");
    }
}
