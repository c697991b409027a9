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
        while let Some(process) = process(&segments)
            && let Some("root" | "cwd") = segments.get(process).map(String::as_str)
        {
            segments.drain(..=process);
        }
        if segments.first().map(String::as_str) == Some("var")
            && segments.get(1).map(String::as_str) == Some("run")
        {
            segments.remove(0);
        }
        Self(segments)
    }

    /// Whether it is the node's /proc, or a folder of processes or threads in it.
    pub(super) fn shows_processes(&self) -> bool {
        let is_proc = self.0.first().is_some_and(|first| first == "proc");
        let threads = usize::from(self.0.last().is_some_and(|last| last == "task"));
        is_proc && (self.0.len() == 1 || process(&self.0) == Some(self.0.len() - threads))
    }

    /// Whether it is `folder` or lies in it.
    pub(super) fn is_in(&self, folder: &Self) -> bool {
        self.0.starts_with(&folder.0)
    }
}

/// How many segments name a process or thread, where the path begins with one: `/proc/1`, `/proc/self/task/7`.
fn process(segments: &[String]) -> Option<usize> {
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let words: Vec<&str> = segments.iter().take(4).map(String::as_str).collect();
    match words[..] {
        ["proc", "self" | "thread-self", ..] if words.get(2) != Some(&"task") => Some(2),
        ["proc", process, "task", thread]
            if (process == "self" || is_number(process)) && is_number(thread) =>
        {
            Some(4)
        }
        ["proc", process, ..] if is_number(process) => Some(2),
        _ => None,
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
    fn what_proc_shows_of_a_process_is_what_the_process_sees() {
        for root in [
            "/proc/1/root",
            "/proc/self/cwd",
            "/proc/thread-self/root",
            "/proc/1/task/1/root",
            "/proc/1/root/proc/2/root",
        ] {
            assert_eq!(path(&format!("{root}/run/crio")), path("/run/crio"), "{root}");
        }
        assert!(path("/proc").shows_processes() && path("/proc/17").shows_processes());
        assert!(path("/proc/17/task").shows_processes() && path("/proc/17/task/18").shows_processes());
        for other in ["/", "/proc/sys", "/proc/1/ns", "/proc/x", "/proc/task", "/data/proc"] {
            assert!(!path(other).shows_processes(), "{other}");
        }
    }

    #[test]
    fn a_path_lies_in_a_folder_by_whole_segments() {
        assert!(path("/run/containerd/containerd.sock").is_in(&path("/run/containerd")));
        assert!(path("/run").is_in(&path("/")) && path("/run").is_in(&path("/run")));
        assert!(!path("/run/containerd-shim-data").is_in(&path("/run/containerd")));
        assert!(!path("/").is_in(&path("/run")));
    }
}
