//! `revisor completions`: completion scripts for shells.

use clap::CommandFactory as _;
use clap_complete::{Shell, generate};

use super::{Cli, Exit, Failure, Streams};

/// Prints a completion script for a shell.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: source <(revisor completions bash)")]
pub(super) struct Args {
    /// The shell.
    shell: Shell,
}

/// Writes the script.
pub(super) fn run(args: Args, streams: &mut Streams<'_>) -> Result<Exit, Failure> {
    // clap_complete panics when it cannot write, so it writes to memory.
    let mut script = Vec::new();
    generate(args.shell, &mut Cli::command(), "revisor", &mut script);
    streams.out.write_all(&script)?;
    Ok(Exit::Clean)
}
