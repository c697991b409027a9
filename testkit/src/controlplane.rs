//! A real control plane for tests: etcd, kube-apiserver, kube-controller-manager
//! and kwok, built from pinned Go modules by `testkit/controlplane/build`.
//!
//! Everything listens on free ports of 127.0.0.1, keeps its data in one temporary
//! folder, and is gone when the [`ControlPlane`] is dropped or the test process
//! dies, however it dies. All calls block; from async code on a current-thread
//! runtime, wrap long ones in `spawn_blocking`. Failures panic with what was
//! printed, because a test can do nothing better with them.

mod binaries;
mod builder;
mod credentials;
mod folder;
mod kubectl;
mod process;

use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

pub use builder::Builder;

use binaries::Binaries;
use folder::Folder;
use process::Process;

/// How long a program may take to come up: seconds on an idle machine, far more
/// when a build runs beside it.
const START_LIMIT: Duration = Duration::from_secs(180);

/// How long the API server may take to end its requests before it is killed. With
/// open watches it takes more than ten seconds.
const STOP_LIMIT: Duration = Duration::from_secs(2);

/// The node that kwok plays. Name it as `nodeName` in every pod and pod template, those
/// of a `DaemonSet` included: there is no scheduler.
pub const NODE: &str = "node-0";

/// The pod annotation that sets `imageID` of all its containers once kwok runs them;
/// with `.<container>` appended it sets that of one container.
pub const IMAGE_ID_ANNOTATION: &str = "testkit.revisor.dev/image-id";

/// A running control plane, torn down on drop.
// The fields drop in this order: clients first, then the API server before etcd
// (else it hangs for minutes), the folder last, when nobody writes to it any more.
#[derive(Debug)]
pub struct ControlPlane {
    kwok: Option<Process>,
    controller_manager: Option<Process>,
    apiserver: Mutex<Option<Process>>,
    apiserver_args: Vec<String>,
    etcd: Process,
    binaries: Binaries,
    server_url: String,
    admin_token: String,
    kubeconfig: PathBuf,
    has_controller_manager: bool,
    folder: Folder,
}

impl ControlPlane {
    /// Starts everything with the defaults: with the controller manager and kwok.
    ///
    /// # Panics
    ///
    /// When a program is missing (see [`available`]) or does not come up; the
    /// message holds the end of its log.
    #[must_use]
    #[track_caller]
    pub fn start() -> Self {
        Self::builder().start()
    }

    /// Chooses what is started, and with which flags.
    #[must_use]
    pub fn builder() -> Builder {
        Builder::default()
    }

    /// The kubeconfig of an administrator (group `system:masters`).
    #[must_use]
    pub fn kubeconfig(&self) -> &Path {
        &self.kubeconfig
    }

    /// The address of the API server, `https://127.0.0.1:<port>`; a restart keeps it.
    #[must_use]
    pub fn server_url(&self) -> &str {
        &self.server_url
    }

    /// The administrator's bearer token.
    #[must_use]
    pub fn admin_token(&self) -> &str {
        &self.admin_token
    }

    /// The CA to trust for the API server, in PEM.
    ///
    /// # Panics
    ///
    /// When its file was taken away.
    #[must_use]
    pub fn ca_pem(&self) -> String {
        let path = self.folder.ca_file();
        std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("reading {}: {e}", path.display()))
    }

    /// The temporary folder: logs as `<program>.log`, and room for a test's own files.
    /// It is removed with the control plane, unless `REVISOR_KEEP_CONTROL_PLANE` is set.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The log of one program so far, such as `kube-apiserver`.
    #[must_use]
    pub fn log(&self, program: &str) -> String {
        let bytes = std::fs::read(self.folder.log_file(program)).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// The requests that the API server answered so far, as audit events at level
    /// Metadata (`user.username`, `verb`, `objectRef`, `responseStatus.code`);
    /// empty unless [`Builder::audit_log`] was asked for.
    #[must_use]
    pub fn audit_events(&self) -> Vec<serde_json::Value> {
        let text = std::fs::read_to_string(self.folder.audit_log()).unwrap_or_default();
        // The last line may be half written.
        text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
    }

    /// Stops the API server and leaves etcd running: new connections are refused until
    /// [`start_apiserver`](Self::start_apiserver), and watches break within two
    /// seconds. No effect when it is stopped.
    ///
    /// Not for the [`shared`] one: other tests talk to it at the same time.
    pub fn stop_apiserver(&self) {
        if let Some(mut process) = self.lock_apiserver().take() {
            process.stop(STOP_LIMIT);
        }
    }

    /// Starts the API server again at the same address, with the same data, and waits
    /// until it is ready. No effect when it runs.
    ///
    /// # Panics
    ///
    /// When it does not come up.
    #[track_caller]
    pub fn start_apiserver(&self) {
        let mut slot = self.lock_apiserver();
        if slot.is_some() {
            return;
        }
        let started = self.spawn_apiserver().and_then(|mut process| {
            self.await_ready(&mut process)?;
            Ok(process)
        });
        match started {
            Ok(process) => *slot = Some(process),
            Err(message) => {
                // A panic under the lock would poison it for the other tests.
                drop(slot);
                panic!("{message}");
            }
        }
    }

    /// Stops the API server and starts it again: watches break, the data stays.
    ///
    /// # Panics
    ///
    /// When it does not come up.
    #[track_caller]
    pub fn restart_apiserver(&self) {
        self.stop_apiserver();
        self.start_apiserver();
    }

    fn lock_apiserver(&self) -> MutexGuard<'_, Option<Process>> {
        self.apiserver.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn spawn_apiserver(&self) -> Result<Process, String> {
        Process::spawn("kube-apiserver", &self.binaries, &self.folder, &self.apiserver_args)
    }

    /// Waits until `/readyz` answers with success.
    fn await_ready(&self, process: &mut Process) -> Result<(), String> {
        process.await_up(START_LIMIT, || {
            self.folder.extract_ca() && self.kubectl(&["get", "--raw", "/readyz"]).status.success()
        })
    }
}

/// The control plane that all tests of this test binary share, with the defaults;
/// started by the first call. Use a namespace for each test, and a
/// [`ControlPlane`] of one's own to restart the API server or load it heavily.
///
/// # Panics
///
/// As [`ControlPlane::start`].
pub fn shared() -> &'static ControlPlane {
    static SHARED: OnceLock<ControlPlane> = OnceLock::new();
    // Statics are never dropped; what ends the programs and removes the folder is
    // the end of the pipes that their guards read.
    SHARED.get_or_init(ControlPlane::start)
}

/// The folder that holds the built programs, or a message that says what is missing.
///
/// # Errors
///
/// When a program has not been built in the version that its `go.mod` names.
pub fn available() -> Result<PathBuf, String> {
    Binaries::find().map(|binaries| binaries.root().to_owned())
}

/// Waits until a condition holds, asking every 100 ms.
///
/// # Panics
///
/// When it does not within the limit; `what` says what was awaited.
#[track_caller]
pub fn eventually(what: &str, limit: Duration, mut condition: impl FnMut() -> bool) {
    let started = Instant::now();
    while !condition() {
        assert!(started.elapsed() < limit, "not within {limit:?}: {what}");
        thread::sleep(Duration::from_millis(100));
    }
}
