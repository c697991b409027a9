//! NoRuntimeAccess: no pod reaches the container runtime or the kubelet past the API server.

use super::host_path::NodePath;
use crate::rules::container::no_dangerous_capabilities::plain;
use crate::rules::shown::Cut;
use crate::rules::{Control, PodRule, Rule, RuleInfo, SettingError, rule_settings};
use crate::subject::facts::Fact;
use crate::subject::pod::{ImageUse, PodShape};
use crate::verdict::{Note, Severity, Verdict};

rule_settings! {
    /// No hostPath volume is, contains or lies under a socket of the container runtime, its image store, the kubelet's
    /// folder or the folder of static pods. Read-only mounts count too: a socket mounted read-only takes commands. The
    /// node's /proc counts where some container may trace the node's processes (privileged, or with the capability
    /// SYS_PTRACE): below each process it shows the node's root.
    struct Settings {
        /// Further paths on the node that are as bad, such as the socket of another runtime. Default: none.
        #[schemars(length(max = 64), inner(length(min = 1, max = 512)))]
        paths: Vec<String>,
        /// Folders that may be mounted all the same, with all that is in them: /var/lib/kubelet/plugins for CSI
        /// drivers, for example. Default: none.
        #[schemars(length(max = 64), inner(length(min = 1, max = 512)))]
        allow: Vec<String>,
    }
}

/// Sockets of runtimes, where they and the kubelet keep what they run, and from where static pods come.
const RUNTIME: [&str; 20] = [
    "/run/containerd",
    "/run/crio",
    "/run/docker.sock",
    "/run/docker",
    "/run/dockershim.sock",
    "/run/cri-dockerd.sock",
    "/run/podman",
    "/run/k3s/containerd",
    "/run/k0s/containerd.sock",
    "/run/frakti.sock",
    "/var/lib/containerd",
    "/var/lib/containers",
    "/var/lib/docker",
    "/var/lib/kubelet",
    "/var/lib/rancher",
    "/etc/kubernetes/manifests",
    // Windows: named pipes and folders.
    "/pipe/docker_engine",
    "/pipe/containerd-containerd",
    "/programdata/containerd",
    "/programdata/docker",
];

/// The rule, paths read.
#[derive(Debug)]
pub struct NoRuntimeAccess {
    paths: Vec<NodePath>,
    allow: Vec<NodePath>,
}

fn read(field: &str, written: Option<&Vec<String>>) -> Result<Vec<NodePath>, SettingError> {
    let paths =
        written.into_iter().flatten().enumerate().map(|(index, path)| match path.starts_with(['/', '\\']) {
            true => Ok(NodePath::new(path)),
            false if path.as_bytes().get(1) == Some(&b':') => Ok(NodePath::new(path)),
            false => {
                let message = format_args!("{path:?} is no absolute path on a node").to_string();
                Err(SettingError::new(format!("{field}[{index}]"), message))
            }
        });
    paths.collect()
}

impl Rule for NoRuntimeAccess {
    const INFO: RuleInfo = RuleInfo {
        id: "NoRuntimeAccess",
        title: "No pod reaches the container runtime",
        rationale: "Who can talk to the runtime's socket, or write where the runtime and the kubelet keep what they \
                    run, starts and replaces images past the API server: no policy, no audit log, no signature \
                    check sees it. The folder of static pods is the same by another door.",
        remedy: "Take the volume out of the workload's template. What is built in the cluster needs no socket \
                 (BuildKit rootless, Kaniko); logs and metrics have APIs. Node agents that cannot do without (CNI, \
                 CSI) get an exemption, or the one folder they need in `allow`:\n\n  \
                 noRuntimeAccess:\n    allow: [/var/lib/kubelet/plugins, /var/lib/kubelet/plugins_registry]",
        severity: Severity::Critical,
        controls: &[
            Control::cis("5.2.11"),
            Control::bsi("SYS.1.6.A17"),
            Control::bsi("SYS.1.6.A19"),
            Control::nist("3.5.5"),
            Control::attack("T1611"),
            Control::attack("T1612"),
            Control::attack("T1552.007"),
        ],
        reads: &[],
        false_positives: "CNI and CSI plugins, log collectors that read /var/lib/docker/containers. A symbolic link \
                          on the node cannot be seen. The node's /proc without the right to trace passes here, \
                          as agents that count processes mount it; where it is writable, NoHostPath finds it.",
    };
    type Settings = Settings;

    fn prepare(settings: &Settings) -> Result<Self, SettingError> {
        let mut paths: Vec<NodePath> = RUNTIME.iter().copied().map(NodePath::new).collect();
        paths.extend(read("paths", settings.paths.as_ref())?);
        Ok(Self { paths, allow: read("allow", settings.allow.as_ref())? })
    }
}

impl PodRule for NoRuntimeAccess {
    fn check(&self, pod: &PodShape, note: &mut Note<'_>) -> Verdict {
        let facts = pod.facts();
        for written in facts.all(Fact::WritableHostPath).chain(facts.all(Fact::HostPath)) {
            let path = path_of(written);
            if self.allow.iter().any(|folder| path.is_in(folder)) {
                continue;
            }
            if path.shows_processes()
                && let Some(container) = pod.containers().find(|container| may_trace(pod, container))
            {
                let message = format_args!(
                    "hostPath {} shows the node's root below each process, and container {} may trace them",
                    Cut(written),
                    Cut(&container.name)
                );
                return note.fail("RuntimePath", message);
            }
            if self.paths.iter().any(|runtime| path.is_in(runtime) || runtime.is_in(&path)) {
                let message = format_args!(
                    "hostPath {} is, contains or lies under what the container runtime or the kubelet keeps",
                    Cut(written)
                );
                return note.fail("RuntimePath", message);
            }
        }
        Verdict::Pass
    }
}

/// Whether a container may follow `/proc/<process>/root` of processes that are not its own and have more rights than it:
/// the kernel asks for what tracing them needs (`PTRACE_MODE_READ`). In a user namespace of the pod's own the
/// capability does not reach them. A mount is the pod's: whoever does not mount it now may be changed to.
fn may_trace(pod: &PodShape, container: &ImageUse) -> bool {
    let facts = container.facts();
    let traces = |added: &str| matches!(&*plain(added), "SYS_PTRACE" | "ALL");
    let is_node_user = pod.facts().flag(Fact::HostUsers) != Some(false);
    is_node_user && (facts.is(Fact::Privileged) || facts.all(Fact::AddedCapability).any(traces))
}

/// A named pipe of Windows is `\\.\pipe\docker_engine`; `.` is no folder.
fn path_of(written: &str) -> NodePath {
    NodePath::new(written.strip_prefix("npipe://").unwrap_or(written))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::testing::{pod_explained, pod_verdict, settings_error};

    fn mounting(settings: &str, path: &str) -> Verdict {
        let spec = format!(
            "{{containers: [{{name: app, image: a}}], volumes: [{{name: h, hostPath: {{path: '{path}'}}}}]}}"
        );
        pod_verdict::<NoRuntimeAccess>(settings, &spec)
    }

    #[test]
    fn what_is_contains_or_lies_under_the_runtime_fails() {
        for bad in [
            "/run/containerd/containerd.sock",
            "/var/run/docker.sock",
            "/run",
            "/var/run",
            "/",
            "/var",
            "/var/lib",
            "/etc/kubernetes",
            "/etc/kubernetes/manifests/",
            "/var/lib/kubelet/pods",
            "/srv/../run/crio/crio.sock",
            r"\\.\pipe\docker_engine",
            r"C:\ProgramData\containerd\root",
            r"C:\",
        ] {
            assert_eq!(mounting("{}", bad), Verdict::Fail("RuntimePath"), "{bad}");
        }
    }

    #[test]
    fn other_paths_pass_however_they_look() {
        for fine in [
            "/run/containerd-shim-data",
            "/var/log",
            "/data/run/docker.sock",
            "/etc/kubernetes/pki",
            "/var/lib/kubelet-data",
            r"D:\data",
        ] {
            assert_eq!(mounting("{}", fine), Verdict::Pass, "{fine}");
        }
        assert_eq!(
            pod_verdict::<NoRuntimeAccess>("{}", "containers: [{name: app, image: a}]"),
            Verdict::Pass
        );
    }

    #[test]
    fn a_read_only_mount_is_no_excuse() {
        let spec = "{containers: [{name: app, image: a, volumeMounts: [{name: h, mountPath: /x, readOnly: true}]}], \
                    volumes: [{name: h, hostPath: {path: /run/docker.sock}}]}";
        let (verdict, text) = pod_explained::<NoRuntimeAccess>("{}", spec);
        assert_eq!(verdict, Verdict::Fail("RuntimePath"));
        assert!(text.starts_with("hostPath /run/docker.sock is"), "{text}");
    }

    fn mounting_under(settings: &str, path: &str, context: &str, pod: &str) -> Verdict {
        let spec = format!(
            "{{{pod}containers: [{{name: app, image: a, securityContext: {{{context}}}, volumeMounts: [{{name: h, \
             mountPath: /host, readOnly: true}}]}}], volumes: [{{name: h, hostPath: {{path: '{path}'}}}}]}}"
        );
        pod_verdict::<NoRuntimeAccess>(settings, &spec)
    }

    #[test]
    fn the_nodes_proc_leads_to_the_nodes_root_for_whoever_may_trace_its_processes() {
        let fails = Verdict::Fail("RuntimePath");
        for context in [
            "privileged: true",
            "capabilities: {add: [SYS_PTRACE]}",
            "capabilities: {add: [cap_sys_ptrace]}",
            "capabilities: {add: [ALL]}",
        ] {
            for path in ["/proc", "/proc/1", "/proc/", "/proc/self", "/proc/1/task/1"] {
                assert_eq!(mounting_under("{}", path, context, ""), fails, "{path} {context}");
            }
            for path in ["/proc/net", "/proc/sys", "/proc/cpuinfo"] {
                assert_eq!(mounting_under("{}", path, context, ""), Verdict::Pass, "{path} {context}");
            }
            assert_eq!(mounting_under("{}", "/proc", context, "hostUsers: false, "), Verdict::Pass);
            assert_eq!(mounting_under(r#"{"allow": ["/proc"]}"#, "/proc", context, ""), Verdict::Pass);
        }
        for context in ["", "capabilities: {add: [SYS_ADMIN], drop: [SYS_PTRACE]}", "privileged: false"] {
            assert_eq!(mounting_under("{}", "/proc", context, "hostPID: true, "), Verdict::Pass, "{context}");
        }
    }

    #[test]
    fn a_policy_adds_paths_and_allows_folders() {
        let settings = r#"{"paths": ["/opt/runtime"], "allow": ["/var/lib/kubelet/plugins"]}"#;
        assert_eq!(mounting(settings, "/opt/runtime/r.sock"), Verdict::Fail("RuntimePath"));
        assert_eq!(mounting(settings, "/var/lib/kubelet/plugins/x"), Verdict::Pass);
        assert_eq!(mounting(settings, "/var/lib/kubelet"), Verdict::Fail("RuntimePath"));
        assert_eq!(settings_error::<NoRuntimeAccess>(r#"{"allow": ["plugins"]}"#).field, "allow[0]");
    }
}
