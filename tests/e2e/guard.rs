//! A program that cannot outlive the tests, however they end: a shell beside it reads a pipe from the test
//! process and kills the program when the pipe ends.

use std::io::Write as _;
use std::os::unix::process::CommandExt as _;
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};

/// Runs its arguments. Each line of standard input is the name of a signal to pass on; at its end the program is
/// killed. It ends when the program does, with its code.
const GUARD: &str = r#"
exec 3<&0 </dev/null
"$@" 3<&- &
program=$!
{
    while read -r signal <&3; do kill -s "$signal" "$program"; done
    kill -s KILL "$program"
} >/dev/null 2>&1 &
reader=$!
wait "$program"
code=$?
kill "$reader" 2>/dev/null
exit $code
"#;

/// The guard of one program; dropping it kills the program.
#[derive(Debug)]
pub(crate) struct Guard {
    shell: Child,
    signals: Option<ChildStdin>,
}

impl Guard {
    /// Starts `command`, which is given by `configure`: program, arguments, environment.
    pub(crate) fn spawn(program: &str, configure: impl FnOnce(&mut Command)) -> Self {
        let mut command = Command::new("sh");
        command.args(["-c", GUARD, "guard", program]);
        configure(&mut command);
        let mut shell = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            // Ctrl-C in a terminal ends the test process; the pipe then ends the rest.
            .process_group(0)
            .spawn()
            .unwrap_or_else(|error| panic!("starting {program}: {error}"));
        Self { signals: shell.stdin.take(), shell }
    }

    /// The shell, whose output is the program's.
    pub(crate) fn shell(&mut self) -> &mut Child {
        &mut self.shell
    }

    /// Sends a signal by its name, `TERM`.
    pub(crate) fn signal(&mut self, name: &str) {
        if let Some(signals) = &mut self.signals {
            // An error means that the program has ended.
            let _ = signals.write_all(format!("{name}\n").as_bytes());
        }
    }

    /// How it ended; none while it runs.
    pub(crate) fn ended(&mut self) -> Option<ExitStatus> {
        self.shell.try_wait().unwrap_or_default()
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        drop(self.signals.take());
        let _ = self.shell.wait();
    }
}
