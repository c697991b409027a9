//! What is started, with which flags, in which order.

use std::net::TcpListener;
use std::sync::Mutex;

use super::binaries::Binaries;
use super::credentials::{ServiceAccountKeys, kubeconfig, random_token};
use super::folder::Folder;
use super::process::Process;
use super::{ControlPlane, NODE, START_LIMIT};

const STAGES: &str = include_str!("../../controlplane/kwok/stages.yaml");

/// Who asked for what, without bodies; once a request, when it has been answered
/// (a watch when it begins).
const AUDIT_POLICY: &str = "apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules:
- level: Metadata
";

/// How often a start is tried when another process takes a port in between.
const ATTEMPTS: usize = 3;

/// Options of a [`ControlPlane`].
#[derive(Debug, Clone)]
pub struct Builder {
    controller_manager: bool,
    kwok: bool,
    audit_log: bool,
    apiserver_args: Vec<String>,
    users: Vec<String>,
}

impl Default for Builder {
    fn default() -> Self {
        Self {
            controller_manager: true,
            kwok: true,
            audit_log: false,
            apiserver_args: Vec::new(),
            users: Vec::new(),
        }
    }
}

impl Builder {
    /// Whether Deployments get pods, namespaces a service account `default`, and deleted
    /// owners take their dependents along. Without it pods need no service account.
    #[must_use]
    pub fn controller_manager(mut self, yes: bool) -> Self {
        self.controller_manager = yes;
        self
    }

    /// Whether there is a node, [`NODE`], on which pods become Running.
    #[must_use]
    pub fn kwok(mut self, yes: bool) -> Self {
        self.kwok = yes;
        self
    }

    /// Whether the API server records its requests for
    /// [`audit_events`](ControlPlane::audit_events).
    #[must_use]
    pub fn audit_log(mut self, yes: bool) -> Self {
        self.audit_log = yes;
        self
    }

    /// One more flag of kube-apiserver, as `--name=value`.
    #[must_use]
    pub fn apiserver_arg(mut self, arg: impl Into<String>) -> Self {
        self.apiserver_args.push(arg.into());
        self
    }

    /// Turns a feature gate of the API server on or off, such as `WatchList`.
    #[must_use]
    pub fn feature_gate(self, name: &str, on: bool) -> Self {
        self.apiserver_arg(format!("--feature-gates={name}={on}"))
    }

    /// Adds a user who has a bearer token and is in these groups.
    ///
    /// # Panics
    ///
    /// When a text has a character that would end its field in the token file.
    #[must_use]
    #[track_caller]
    pub fn user(mut self, token: &str, name: &str, groups: &[&str]) -> Self {
        for text in [token, name].iter().chain(groups) {
            assert!(!text.contains(['"', ',', '\n']), "{text:?} does not fit in a token file");
        }
        self.users.push(format!("{token},{name},{name},\"{}\"", groups.join(",")));
        self
    }

    /// Starts it all, in about three seconds on two idle cores.
    ///
    /// # Panics
    ///
    /// As [`ControlPlane::start`].
    #[must_use]
    #[track_caller]
    pub fn start(self) -> ControlPlane {
        let mut attempt = 1;
        loop {
            match self.try_start() {
                Ok(control_plane) => return control_plane,
                // A port is free when chosen, not for certain when it is listened to.
                Err(message) if attempt < ATTEMPTS && message.contains("address already in use") => {
                    attempt += 1;
                }
                Err(message) => panic!("{message}"),
            }
        }
    }

    fn try_start(&self) -> Result<ControlPlane, String> {
        let binaries = Binaries::find()?;
        let folder = Folder::create()?;
        let [etcd_port, apiserver_port] = free_ports()?;
        let etcd_url = format!("http://127.0.0.1:{etcd_port}");
        let server_url = format!("https://127.0.0.1:{apiserver_port}");
        let admin_token = random_token()?;
        let keys = ServiceAccountKeys::create(&folder)?;

        let etcd = Process::spawn("etcd", &binaries, &folder, &etcd_args(&etcd_url))?;
        let mut control_plane = ControlPlane {
            kwok: None,
            controller_manager: None,
            apiserver: Mutex::new(None),
            apiserver_args: self.apiserver_args(&folder, &keys, &etcd_url, apiserver_port, &admin_token)?,
            etcd,
            kubeconfig: folder.write("kubeconfig", &kubeconfig(&folder, &server_url, &admin_token))?,
            binaries,
            server_url,
            admin_token,
            has_controller_manager: self.controller_manager,
            folder,
        };
        control_plane.start_first(&etcd_url)?;
        if self.controller_manager {
            control_plane.start_controller_manager(&keys)?;
        }
        if self.kwok {
            control_plane.start_kwok()?;
        }
        control_plane.await_all()?;
        Ok(control_plane)
    }

    fn apiserver_args(
        &self,
        folder: &Folder,
        keys: &ServiceAccountKeys,
        etcd_url: &str,
        port: u16,
        admin_token: &str,
    ) -> Result<Vec<String>, String> {
        let mut users = format!("{admin_token},admin,admin,\"system:masters\"\n");
        for user in &self.users {
            users.push_str(user);
            users.push('\n');
        }
        let tokens = folder.write("tokens.csv", &users)?;
        let mut args = vec![
            format!("--etcd-servers={etcd_url}"),
            format!("--cert-dir={}", folder.certificates().display()),
            format!("--secure-port={port}"),
            "--bind-address=127.0.0.1".to_owned(),
            // Loopback is no address for the endpoints of Service `kubernetes`.
            "--endpoint-reconciler-type=none".to_owned(),
            "--service-account-issuer=https://kubernetes.default.svc".to_owned(),
            format!("--service-account-key-file={}", keys.public.display()),
            format!("--service-account-signing-key-file={}", keys.private.display()),
            "--service-cluster-ip-range=10.0.0.0/24".to_owned(),
            "--authorization-mode=RBAC".to_owned(),
            format!("--token-auth-file={}", tokens.display()),
            // Audits need privileged pods to audit.
            "--allow-privileged=true".to_owned(),
        ];
        if !self.controller_manager {
            // Nobody makes the service account `default` that it asks of every pod.
            args.push("--disable-admission-plugins=ServiceAccount".to_owned());
        }
        if self.audit_log {
            let policy = folder.write("audit-policy.yaml", AUDIT_POLICY)?;
            args.push(format!("--audit-policy-file={}", policy.display()));
            args.push(format!("--audit-log-path={}", folder.audit_log().display()));
        }
        args.extend(self.apiserver_args.iter().cloned());
        Ok(args)
    }
}

impl ControlPlane {
    /// Brings up the API server; etcd comes up beside it.
    fn start_first(&mut self, etcd_url: &str) -> Result<(), String> {
        let address = etcd_url.trim_start_matches("http://");
        self.etcd.await_up(START_LIMIT, || std::net::TcpStream::connect(address).is_ok())?;
        let mut apiserver = self.spawn_apiserver()?;
        self.await_ready(&mut apiserver)?;
        *self.lock_apiserver() = Some(apiserver);
        Ok(())
    }

    fn start_controller_manager(&mut self, keys: &ServiceAccountKeys) -> Result<(), String> {
        let args = [
            format!("--kubeconfig={}", self.kubeconfig.display()),
            "--leader-elect=false".to_owned(),
            "--secure-port=0".to_owned(),
            format!("--service-account-private-key-file={}", keys.private.display()),
            format!("--root-ca-file={}", self.folder.ca_file().display()),
            "--kube-api-qps=1000".to_owned(),
            "--kube-api-burst=2000".to_owned(),
        ];
        self.controller_manager =
            Some(Process::spawn("kube-controller-manager", &self.binaries, &self.folder, &args)?);
        Ok(())
    }

    fn start_kwok(&mut self) -> Result<(), String> {
        let stages = self.folder.write("stages.yaml", STAGES)?;
        let args = [
            format!("--kubeconfig={}", self.kubeconfig.display()),
            "--manage-all-nodes=true".to_owned(),
            "--node-ip=127.0.0.1".to_owned(),
            "--node-lease-duration-seconds=40".to_owned(),
            format!("--config={}", stages.display()),
        ];
        self.kwok = Some(Process::spawn("kwok", &self.binaries, &self.folder, &args)?);
        Ok(())
    }

    /// Waits until pods can be created and run.
    fn await_all(&mut self) -> Result<(), String> {
        if let Some(mut process) = self.kwok.take() {
            let node = format!("apiVersion: v1\nkind: Node\nmetadata: {{name: {NODE}}}\n");
            self.apply(&node);
            process.await_up(START_LIMIT, || {
                self.kubectl(&[
                    "get",
                    "node",
                    NODE,
                    "-o=jsonpath={.status.conditions[?(@.type==\"Ready\")].status}",
                ])
                .stdout
                    == b"True"
            })?;
            self.kwok = Some(process);
        }
        if let Some(mut process) = self.controller_manager.take() {
            process.await_up(START_LIMIT, || self.has_default_service_account("default"))?;
            self.controller_manager = Some(process);
        }
        Ok(())
    }
}

fn etcd_args(client_url: &str) -> [String; 6] {
    [
        "--data-dir=etcd".to_owned(),
        format!("--listen-client-urls={client_url}"),
        format!("--advertise-client-urls={client_url}"),
        // No peer ever comes; port 0 spares a free one.
        "--listen-peer-urls=http://127.0.0.1:0".to_owned(),
        "--unsafe-no-fsync".to_owned(),
        "--log-level=warn".to_owned(),
    ]
}

/// Ports that nobody listened to a moment ago, all different.
fn free_ports<const N: usize>() -> Result<[u16; N], String> {
    let mut listeners = Vec::with_capacity(N);
    let mut ports = [0; N];
    for port in &mut ports {
        let listener = TcpListener::bind(("127.0.0.1", 0))
            .map_err(|e| format!("looking for a free port on 127.0.0.1: {e}"))?;
        *port =
            listener.local_addr().map_err(|e| format!("looking for a free port on 127.0.0.1: {e}"))?.port();
        // Held until all are found, so that none is found twice.
        listeners.push(listener);
    }
    Ok(ports)
}
