//! Which process runs on which core: the server and this program on one, the client that is measured on the other.

use std::process::{Command, Stdio};
use std::thread;

/// The core of the server, and of whoever only looks on.
pub(crate) const SERVER: usize = 0;
/// The core of what is measured.
pub(crate) const CLIENT: usize = 1;

/// Whether processes can be kept on their cores here.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cores {
    pub(crate) pinned: bool,
}

impl Cores {
    /// Looks, says so when it is not possible, and keeps this process with the server.
    pub(crate) fn find() -> Self {
        let own = std::process::id().to_string();
        let pin =
            Command::new("taskset").args(["-cp", &SERVER.to_string(), &own]).stdout(Stdio::null()).status();
        let cores = thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let possible = pin.is_ok_and(|status| status.success());
        if !possible {
            eprintln!(
                "scale: no taskset, or one core only: nothing is pinned, and times say less ({cores} cores)"
            );
        }
        Self { pinned: possible }
    }

    /// A command that runs on one core.
    pub(crate) fn command(self, core: usize, program: &str) -> Command {
        if !self.pinned {
            return Command::new(program);
        }
        let mut command = Command::new("taskset");
        command.args(["-c", &core.to_string(), program]);
        command
    }
}
