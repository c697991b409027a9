//! The temporary folder of a control plane, which names every file in it and goes
//! away with it, also when the test process is killed.

use std::fs::{self, DirBuilder, OpenOptions};
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::{env, process};

/// Set to anything, it keeps the folder for a look at the logs.
const KEEP: &str = "REVISOR_KEEP_CONTROL_PLANE";

/// Waits for the end of the pipe, then removes the folder if it is still there. It
/// tries again, and once more at the end, because then the test process was killed,
/// and its programs are ending at the same time.
const JANITOR: &str = r#"
cat >/dev/null
[ -e "$1" ] || exit 0
tries=0
until rm -rf "$1" 2>/dev/null || [ "$tries" -ge 100 ]; do
    tries=$((tries + 1))
    sleep 0.1
done
sleep 1
rm -rf "$1"
"#;

/// A folder that only its owner can enter: it holds tokens and keys.
#[derive(Debug)]
pub(super) struct Folder {
    path: PathBuf,
    janitor: Option<Child>,
}

impl Folder {
    pub(super) fn create() -> Result<Self, String> {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let path = env::temp_dir().join(format!(
            "revisor-controlplane-{}-{}",
            process::id(),
            COUNT.fetch_add(1, Ordering::Relaxed),
        ));
        DirBuilder::new()
            .mode(0o700)
            .create(&path)
            .map_err(|e| format!("creating {}: {e}", path.display()))?;
        let mut folder = Self { path, janitor: None };
        if env::var_os(KEEP).is_none() {
            folder.janitor = Some(folder.spawn_janitor()?);
        }
        Ok(folder)
    }

    fn spawn_janitor(&self) -> Result<Child, String> {
        Command::new("sh")
            .args(["-c", JANITOR, "janitor"])
            .arg(&self.path)
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            // Ctrl-C in a terminal must not reach it.
            .process_group(0)
            .spawn()
            .map_err(|e| format!("starting sh to guard {}: {e}", self.path.display()))
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Where kube-apiserver writes its certificate and the CA that it made up for it.
    pub(super) fn certificates(&self) -> PathBuf {
        self.path.join("certificates")
    }

    /// The CA alone; there from the moment [`extract_ca`](Self::extract_ca) succeeds.
    pub(super) fn ca_file(&self) -> PathBuf {
        self.path.join("ca.crt")
    }

    /// Copies the CA out of the chain that kube-apiserver wrote, the server's own
    /// certificate first: a published trust bundle may hold nothing but CAs. Says
    /// whether the CA is there.
    pub(super) fn extract_ca(&self) -> bool {
        const BEGIN: &str = "-----BEGIN CERTIFICATE-----";
        const END: &str = "-----END CERTIFICATE-----";
        if self.ca_file().exists() {
            return true;
        }
        let chain = fs::read_to_string(self.certificates().join("apiserver.crt"));
        let chain = chain.unwrap_or_default();
        // Two ends: until then it is being written.
        match chain.rfind(BEGIN) {
            Some(last) if chain.matches(END).count() == 2 => self.write("ca.crt", &chain[last..]).is_ok(),
            _ => false,
        }
    }

    pub(super) fn log_file(&self, program: &str) -> PathBuf {
        self.path.join(format!("{program}.log"))
    }

    pub(super) fn audit_log(&self) -> PathBuf {
        self.path.join("audit.log")
    }

    /// Writes a file that only its owner can read.
    pub(super) fn write(&self, name: &str, text: &str) -> Result<PathBuf, String> {
        let path = self.path.join(name);
        OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&path)
            .and_then(|mut file| file.write_all(text.as_bytes()))
            .map_err(|e| format!("writing {}: {e}", path.display()))?;
        Ok(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let Some(janitor) = &mut self.janitor else {
            return;
        };
        // Here all programs have ended, so once is enough; the janitor finds nothing left.
        let _ = fs::remove_dir_all(&self.path);
        drop(janitor.stdin.take());
        let _ = janitor.wait();
    }
}
