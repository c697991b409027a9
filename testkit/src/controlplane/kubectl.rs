//! What tests do with the cluster, through the real kubectl.

use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use serde_json::Value;

use super::credentials::kubeconfig;
use super::{ControlPlane, START_LIMIT, eventually};

impl ControlPlane {
    /// Runs kubectl as administrator and returns what came of it, failure included.
    ///
    /// # Panics
    ///
    /// When kubectl cannot be started.
    #[must_use]
    pub fn kubectl(&self, args: &[&str]) -> Output {
        self.kubectl_with_input(args, "")
    }

    /// Runs kubectl as administrator with a text on its standard input.
    ///
    /// # Panics
    ///
    /// When kubectl cannot be started.
    #[must_use]
    pub fn kubectl_with_input(&self, args: &[&str], input: &str) -> Output {
        let mut child = Command::new(self.binaries.path("kubectl"))
            .arg(format!("--kubeconfig={}", self.kubeconfig.display()))
            .args(args)
            // The user's own settings and cache stay out of it.
            .env("HOME", self.folder.path())
            .env("KUBERC", "off")
            .env_remove("KUBECONFIG")
            .env_remove("KUBECACHEDIR")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|e| panic!("starting kubectl: {e}"));
        let stdin = child.stdin.take();
        thread::scope(|scope| {
            scope.spawn(move || {
                // An error means that kubectl did not want the rest.
                let _ = stdin.map(|mut stdin| stdin.write_all(input.as_bytes()));
            });
            child.wait_with_output().unwrap_or_else(|e| panic!("waiting for kubectl: {e}"))
        })
    }

    /// Runs kubectl as administrator and returns what it printed.
    ///
    /// # Panics
    ///
    /// When it fails; the message holds what it said.
    #[track_caller]
    pub fn kubectl_ok(&self, args: &[&str]) -> String {
        succeeded(args, &self.kubectl(args))
    }

    /// Runs kubectl with `-o json` appended and returns the parsed answer.
    ///
    /// # Panics
    ///
    /// When it fails or prints something else.
    #[must_use]
    #[track_caller]
    pub fn kubectl_json(&self, args: &[&str]) -> Value {
        let text = self.kubectl_ok(&[args, &["-o", "json"]].concat());
        serde_json::from_str(&text)
            .unwrap_or_else(|e| panic!("kubectl {} printed no JSON: {e}", args.join(" ")))
    }

    /// Applies one or more objects, server-side, so that no annotation is added.
    ///
    /// # Panics
    ///
    /// When the API server refuses one; the message says why.
    #[track_caller]
    pub fn apply(&self, yaml: &str) -> String {
        let args = ["apply", "--server-side", "--force-conflicts", "-f", "-"];
        succeeded(&args, &self.kubectl_with_input(&args, yaml))
    }

    /// Creates a namespace and, when there is a controller manager, waits until bare
    /// pods can be created in it.
    ///
    /// # Panics
    ///
    /// When that fails.
    #[track_caller]
    pub fn create_namespace(&self, name: &str) {
        self.kubectl_ok(&["create", "namespace", name]);
        if self.has_controller_manager {
            eventually("a service account `default` in a new namespace", START_LIMIT, || {
                self.has_default_service_account(name)
            });
        }
    }

    /// Waits until the API server has established these CustomResourceDefinitions, each by its full name.
    ///
    /// `kubectl wait` will not do: it gives up at once on a definition that has no condition yet.
    ///
    /// # Panics
    ///
    /// When one is not established in time.
    #[track_caller]
    pub fn await_definitions(&self, names: &[&str]) {
        for name in names {
            eventually(&format!("{name} is established"), START_LIMIT, || {
                let definition = self.kubectl_json(&["get", "crd", name]);
                let conditions = definition["status"]["conditions"].as_array();
                conditions
                    .into_iter()
                    .flatten()
                    .any(|condition| condition["type"] == "Established" && condition["status"] == "True")
            });
        }
    }

    /// A fresh token of a service account, good for an hour.
    ///
    /// # Panics
    ///
    /// When there is no such account.
    #[must_use]
    #[track_caller]
    pub fn token_for_service_account(&self, namespace: &str, name: &str) -> String {
        let args = ["create", "token", name, "-n", namespace, "--duration=1h"];
        self.kubectl_ok(&args).trim().to_owned()
    }

    /// Writes a kubeconfig for who shows this token: a service account, or a user of
    /// [`Builder::user`](super::Builder::user).
    ///
    /// # Panics
    ///
    /// When it cannot be written.
    #[must_use]
    pub fn kubeconfig_with_token(&self, token: &str) -> PathBuf {
        static COUNT: AtomicUsize = AtomicUsize::new(1);
        let name = format!("kubeconfig-{}", COUNT.fetch_add(1, Ordering::Relaxed));
        let text = kubeconfig(&self.folder, &self.server_url, token);
        self.folder.write(&name, &text).unwrap_or_else(|message| panic!("{message}"))
    }

    pub(super) fn has_default_service_account(&self, namespace: &str) -> bool {
        self.kubectl(&["get", "serviceaccount", "default", "-n", namespace]).status.success()
    }
}

#[track_caller]
fn succeeded(args: &[&str], output: &Output) -> String {
    assert!(
        output.status.success(),
        "kubectl {} failed: {}",
        args.join(" "),
        String::from_utf8_lossy(&output.stderr).trim(),
    );
    String::from_utf8_lossy(&output.stdout).into_owned()
}
