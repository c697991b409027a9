//! A program under guard: a small shell beside it reads a pipe from the test process
//! and kills the program when the pipe ends, which it does however that process ends.
//! (Without unsafe code there is no other way to ask for the death of a child.)

use std::ffi::OsStr;
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use super::binaries::Binaries;
use super::folder::Folder;

/// Runs its arguments. Each line of standard input is the name of a signal to pass
/// on; at its end the program is killed. It ends when the program does, with its code.
const GUARD: &str = r#"
exec 3<&0 </dev/null
"$@" 3<&- &
program=$!
{
    while read -r signal <&3; do kill -s "$signal" "$program"; done
    kill -s KILL "$program"
} 2>/dev/null &
reader=$!
wait "$program"
code=$?
kill "$reader" 2>/dev/null
exit $code
"#;

/// How much of a log a failure shows.
const TAIL_LINES: usize = 25;

/// A running program; dropping it kills it and waits for its end.
#[derive(Debug)]
pub(super) struct Process {
    program: &'static str,
    guard: Child,
    signals: Option<ChildStdin>,
    log: PathBuf,
}

impl Process {
    /// Starts a program with its output appended to `<program>.log` in the folder.
    pub(super) fn spawn<A: AsRef<OsStr>>(
        program: &'static str,
        binaries: &Binaries,
        folder: &Folder,
        args: &[A],
    ) -> Result<Self, String> {
        let failed = |e: std::io::Error| format!("starting {program}: {e}");
        let log = folder.log_file(program);
        let output: File = OpenOptions::new().create(true).append(true).open(&log).map_err(failed)?;
        let errors = output.try_clone().map_err(failed)?;
        let mut guard = Command::new("sh")
            .args(["-c", GUARD, "guard"])
            .arg(binaries.path(program))
            .args(args)
            .current_dir(folder.path())
            .env("HOME", folder.path())
            .stdin(Stdio::piped())
            .stdout(output)
            .stderr(errors)
            // Ctrl-C in a terminal ends the test process; the pipe then ends the rest.
            .process_group(0)
            .spawn()
            .map_err(failed)?;
        Ok(Self { program, signals: guard.stdin.take(), guard, log })
    }

    /// Waits until `is_up`, and fails early when the program ends.
    pub(super) fn await_up(
        &mut self,
        limit: Duration,
        mut is_up: impl FnMut() -> bool,
    ) -> Result<(), String> {
        let started = Instant::now();
        loop {
            if is_up() {
                return Ok(());
            }
            if let Ok(Some(status)) = self.guard.try_wait() {
                return Err(self.failure(&format!("ended at once ({status})")));
            }
            if started.elapsed() > limit {
                return Err(self.failure(&format!("is not up after {limit:?}")));
            }
            thread::sleep(Duration::from_millis(50));
        }
    }

    /// Asks the program to end, and kills it when it does not within the limit.
    pub(super) fn stop(&mut self, limit: Duration) {
        if let Some(signals) = &mut self.signals {
            // An error means that the guard, and so the program, has ended.
            let _ = signals.write_all(b"TERM\n");
        }
        let started = Instant::now();
        while matches!(self.guard.try_wait(), Ok(None)) && started.elapsed() < limit {
            thread::sleep(Duration::from_millis(20));
        }
        self.kill();
    }

    /// What went wrong, with the end of the log.
    pub(super) fn failure(&self, what: &str) -> String {
        let bytes = std::fs::read(&self.log).unwrap_or_default();
        let text = String::from_utf8_lossy(&bytes);
        let lines: Vec<&str> = text.lines().collect();
        let tail = &lines[lines.len().saturating_sub(TAIL_LINES)..];
        format!("{} {what}; the end of its log:\n{}", self.program, tail.join("\n"))
    }

    fn kill(&mut self) {
        drop(self.signals.take());
        let _ = self.guard.wait();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}
