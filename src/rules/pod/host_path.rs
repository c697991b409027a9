//! Paths on a node, compared as the kernel would: by segment, after `.` and `..`, and with `/var/run` for `/run`.

/// A path on a node in one form: absolute, no empty segment, no `.` or `..`, forward slashes; on Windows in lower case
/// and without the drive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct NodePath(Vec<String>);

impl NodePath {
    /// Reads a path as written in a spec or a setting.
    pub(super) fn new(written: &str) -> Self {
        let drive = written.as_bytes().get(1) == Some(&b':');
        let windows = drive || written.starts_with('\\');
        let text = match windows {
            true => written.replace('\\', "/").to_ascii_lowercase(),
            false => written.to_owned(),
        };
        let text = if drive { text.get(2..).unwrap_or_default() } else { &text };
        let mut segments: Vec<String> = Vec::new();
        for segment in text.split('/') {
            match segment {
                "" | "." => {}
                ".." => drop(segments.pop()),
                _ => segments.push(segment.to_owned()),
            }
        }
        // What /proc shows of a process that sees the node's files as the node does.
        while let [proc, process, "root" | "cwd", ..] =
            segments.iter().map(String::as_str).collect::<Vec<_>>()[..]
            && proc == "proc"
            && (process == "self" || process.bytes().all(|byte| byte.is_ascii_digit()))
        {
            segments.drain(..3);
        }
        if segments.first().map(String::as_str) == Some("var")
            && segments.get(1).map(String::as_str) == Some("run")
        {
            segments.remove(0);
        }
        Self(segments)
    }

    /// Whether it is `folder` or lies in it.
    pub(super) fn is_in(&self, folder: &Self) -> bool {
        self.0.starts_with(&folder.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(written: &str) -> NodePath {
        NodePath::new(written)
    }

    #[test]
    fn paths_are_compared_after_what_the_kernel_would_make_of_them() {
        for same in [
            "/run/containerd",
            "/run/containerd/",
            "//run/./containerd",
            "/var/run/containerd",
            "/run/x/../containerd",
        ] {
            assert_eq!(path(same), path("/run/containerd"), "{same}");
        }
        assert_eq!(path("/../.."), path("/"));
        assert_eq!(path(r"C:\ProgramData\Docker"), path("/programdata/docker"));
        assert_ne!(path("/Run"), path("/run"));
    }

    #[test]
    fn a_path_lies_in_a_folder_by_whole_segments() {
        assert!(path("/run/containerd/containerd.sock").is_in(&path("/run/containerd")));
        assert!(path("/run").is_in(&path("/")) && path("/run").is_in(&path("/run")));
        assert!(!path("/run/containerd-shim-data").is_in(&path("/run/containerd")));
        assert!(!path("/").is_in(&path("/run")));
    }
}
