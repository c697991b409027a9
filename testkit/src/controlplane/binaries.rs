//! Where the built programs are. The versions are those of the `go.mod` files from
//! which `testkit/controlplane/build` builds them, so the two cannot disagree.

use std::env;
use std::path::{Path, PathBuf};

const KUBERNETES: &str = include_str!("../../controlplane/kubernetes/go.mod");
const ETCD: &str = include_str!("../../controlplane/etcd/go.mod");
const KWOK: &str = include_str!("../../controlplane/kwok/go.mod");

/// Program, its `go.mod`, the module whose version counts.
const PROGRAMS: [(&str, &str, &str); 5] = [
    ("etcd", ETCD, "go.etcd.io/etcd/server/v3"),
    ("kube-apiserver", KUBERNETES, "k8s.io/kubernetes"),
    ("kube-controller-manager", KUBERNETES, "k8s.io/kubernetes"),
    ("kubectl", KUBERNETES, "k8s.io/kubernetes"),
    ("kwok", KWOK, "sigs.k8s.io/kwok"),
];

/// The cache folder, known to hold every program.
#[derive(Debug, Clone)]
pub(super) struct Binaries {
    root: PathBuf,
}

impl Binaries {
    /// Looks in the user's cache folder.
    pub(super) fn find() -> Result<Self, String> {
        let binaries = Self { root: cache_folder()?.join("revisor/controlplane") };
        let missing: Vec<&str> = PROGRAMS
            .iter()
            .map(|&(program, ..)| program)
            .filter(|program| !binaries.path(program).is_file())
            .collect();
        if missing.is_empty() {
            Ok(binaries)
        } else {
            Err(format!(
                "the real control plane is not built: {} missing in {}; run testkit/controlplane/build",
                missing.join(", "),
                binaries.root.display(),
            ))
        }
    }

    pub(super) fn root(&self) -> &Path {
        &self.root
    }

    /// `<root>/<program>-<version>/<program>`, as the build script lays it out.
    pub(super) fn path(&self, program: &str) -> PathBuf {
        let (_, go_mod, module) = PROGRAMS
            .iter()
            .find(|(name, ..)| *name == program)
            .unwrap_or_else(|| panic!("{program} is not a program of the control plane"));
        let version = required_version(go_mod, module)
            .unwrap_or_else(|| panic!("the go.mod of {program} does not require {module}"));
        self.root.join(format!("{program}-{version}")).join(program)
    }
}

fn cache_folder() -> Result<PathBuf, String> {
    let set = |name| env::var_os(name).filter(|value| !value.is_empty());
    set("XDG_CACHE_HOME")
        .map(PathBuf::from)
        .or_else(|| set("HOME").map(|home| Path::new(&home).join(".cache")))
        .ok_or_else(|| "neither XDG_CACHE_HOME nor HOME is set".to_owned())
}

/// The version in `require <module> <version>` or in a line of a `require (...)` block.
fn required_version<'a>(go_mod: &'a str, module: &str) -> Option<&'a str> {
    go_mod.lines().find_map(|line| {
        let line = line.trim_start();
        let mut words = line.strip_prefix("require ").unwrap_or(line).split_whitespace();
        let found = words.next() == Some(module);
        words.next().filter(|word| found && word.starts_with('v'))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_program_has_a_version() {
        for (program, go_mod, module) in PROGRAMS {
            let version = required_version(go_mod, module);
            assert!(version.is_some_and(|v| v.starts_with('v') && v.contains('.')), "{program}: {version:?}");
        }
    }
}
