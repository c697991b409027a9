//! The commands. What they do is done by the floors below; here are arguments, files, exit codes and messages.
//!
//! Standard output carries results only. Messages go to standard error: `error: ...` and what to do about it.

mod approve;
mod audit;
mod completions;
mod connect;
mod crd;
mod output;
mod panics;
mod progress;
mod rules;
mod run;
mod test;

use std::io::{self, BufWriter, IsTerminal as _, Write};
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::report::columns::Colour;
use crate::report::escape::visible;

/// Audits the container images and namespaces of a whole Kubernetes cluster, continuously.
#[derive(Debug, Parser)]
#[command(version, propagate_version = true, disable_help_subcommand = true, max_term_width = 100)]
struct Cli {
    /// No colours, as if NO_COLOR were set.
    #[arg(long, global = true)]
    no_color: bool,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Run(run::Args),
    Audit(Box<audit::Args>),
    Rules(rules::Args),
    Test(test::Args),
    Approve(approve::Args),
    Crd(crd::Args),
    Completions(completions::Args),
}

/// How a command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// Done; nothing found.
    Clean = 0,
    /// Done; there are findings.
    Findings = 1,
    /// It could not be done, or not for all.
    Failed = 2,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// Why a command could not be done, and what to do about it.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
struct Failure {
    message: String,
    help: String,
}

impl Failure {
    fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), help: String::new() }
    }

    fn help(self, help: impl Into<String>) -> Self {
        Self { help: help.into(), ..self }
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::new(format!("standard output: {error}"))
    }
}

/// Where a command writes.
struct Streams<'s> {
    /// Results.
    out: &'s mut dyn Write,
    /// Messages.
    err: &'s mut dyn Write,
    /// Whether results are coloured.
    colour: Colour,
    /// How wide the terminal is that results are written to; none where they go elsewhere.
    width: Option<usize>,
    /// Only errors are told.
    quiet: bool,
}

impl Streams<'_> {
    /// Says that something could not be done.
    fn error(&mut self, message: &str) {
        self.say("error: ", message);
    }

    /// Says something the user may want to know.
    fn note(&mut self, message: &str) {
        if !self.quiet {
            self.say("note: ", message);
        }
    }

    fn say(&mut self, prefix: &str, message: &str) {
        // Names from files stand in messages: what acts on a terminal is made visible.
        let lines = message.lines().map(visible).collect::<Vec<_>>().join("\n");
        // There is no place left to say that this cannot be said.
        let _ = writeln!(self.err, "{prefix}{lines}");
    }
}

/// Colour for results: on a terminal that can, unless it is not wanted or `NO_COLOR` is set to anything.
fn colour(no_color: bool) -> Colour {
    let is_set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    let is_dumb = std::env::var_os("TERM").is_some_and(|value| value == "dumb");
    match io::stdout().is_terminal() && !is_dumb && !no_color && !is_set("NO_COLOR") {
        true => Colour::Always,
        false => Colour::Never,
    }
}

/// How many columns the terminal of the results has, where they go to one.
fn width() -> Option<usize> {
    let stdout = io::stdout();
    if !stdout.is_terminal() {
        return None;
    }
    terminal_size::terminal_size_of(stdout).map(|(width, _)| usize::from(width.0))
}

/// Runs the command of this process's arguments.
pub fn main() -> Exit {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version are answers; everything else is misuse. A closed stream is no reason to fail.
            let _ = error.print();
            return if error.use_stderr() { Exit::Failed } else { Exit::Clean };
        }
    };
    // Standard error is not locked: whatever other threads have to say must not wait for this one.
    let (stdout, mut err) = (io::stdout().lock(), io::stderr());
    let mut out = Watched { inner: BufWriter::with_capacity(64 << 10, stdout), closed: false };
    let mut streams =
        Streams { out: &mut out, err: &mut err, colour: colour(cli.no_color), width: width(), quiet: false };
    panics::watch(match cli.command {
        Command::Run(_) => run::log_panic,
        _ => |_| {},
    });
    let ended = match cli.command {
        Command::Run(args) => run::run(args),
        Command::Audit(args) => audit::run(*args, &mut streams),
        Command::Rules(args) => rules::run(args, &mut streams),
        Command::Test(args) => test::run(args, &mut streams),
        Command::Approve(args) => approve::run(args, &mut streams),
        Command::Crd(args) => crd::run(args, &mut streams),
        Command::Completions(args) => completions::run(args, &mut streams),
    };
    let ended = ended.and_then(|exit| streams.out.flush().map_err(Failure::from).map(|()| exit));
    let places = panics::places();
    for place in &places {
        streams.error(&format!(
            "a rule failed by an error of its own at {place}, and what it was to judge is unknown/InternalError; this is a \
             bug in Revisor, please report it"
        ));
    }
    let ended = if places.is_empty() { ended } else { ended.map(|_| Exit::Failed) };
    ended.unwrap_or_else(|failure| {
        streams.error(&failure.message);
        if !failure.help.is_empty() {
            // Our own words: columns may stand in them.
            let _ = writeln!(streams.err, "{}", failure.help);
        }
        Exit::Failed
    })
}

/// Standard output. Whoever reads it may stop reading (`| head`): the rest is thrown away and the exit code
/// stays what was found.
struct Watched<W> {
    inner: W,
    closed: bool,
}

impl<W: Write> Watched<W> {
    fn unless_closed<T>(
        &mut self,
        otherwise: T,
        write: impl FnOnce(&mut W) -> io::Result<T>,
    ) -> io::Result<T> {
        if self.closed {
            return Ok(otherwise);
        }
        match write(&mut self.inner) {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {
                self.closed = true;
                Ok(otherwise)
            }
            result => result,
        }
    }
}

impl<W: Write> Write for Watched<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.unless_closed(bytes.len(), |inner| inner.write(bytes))
    }

    fn flush(&mut self) -> io::Result<()> {
        self.unless_closed((), Write::flush)
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_arguments_are_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn a_closed_pipe_is_no_error_and_a_full_disk_is_one() {
        struct Broken(io::ErrorKind);
        impl Write for Broken {
            fn write(&mut self, _: &[u8]) -> io::Result<usize> {
                Err(self.0.into())
            }
            fn flush(&mut self) -> io::Result<()> {
                Err(self.0.into())
            }
        }
        let mut closed = Watched { inner: Broken(io::ErrorKind::BrokenPipe), closed: false };
        assert!(closed.write_all(b"text").is_ok() && closed.closed && closed.flush().is_ok());
        assert!(
            Watched { inner: Broken(io::ErrorKind::StorageFull), closed: false }.write_all(b"text").is_err()
        );
    }

    #[test]
    fn messages_obey_no_control_characters_of_files() {
        let (mut out, mut err) = (Vec::new(), Vec::new());
        let mut streams =
            Streams { out: &mut out, err: &mut err, colour: Colour::Never, width: None, quiet: true };
        streams.note("nobody asked");
        streams.error("kind \u{1b}[31mred\nsecond line");
        assert_eq!(String::from_utf8(err).unwrap(), "error: kind \\u{1b}[31mred\nsecond line\n");
    }
}
