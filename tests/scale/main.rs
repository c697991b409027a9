//! The scale rig (docs/scale.md): the release operator as a process of its own against a generated cluster of any size,
//! beside a client that does nothing with the same bytes. `make scale` runs it; without arguments it is a test of
//! `make test`: a small cluster, and ratios as gates. One program plays all parts but the operator's.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a rig talks")]

mod audit;
mod churn;
mod compare;
mod cores;
mod drive;
mod exposition;
mod figures;
mod gates;
mod null_client;
mod operator;
mod plot;
mod process;
mod real;
mod report;
mod server;
mod settings;
mod steps;

use std::process::ExitCode;

use settings::Settings;

/// Whatever ends a run, told to people.
type Failure = Box<dyn std::error::Error + Send + Sync>;
type Result<T, E = Failure> = std::result::Result<T, E>;

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let command = arguments.next();
    let done = match command.as_deref() {
        Some("server") => Settings::from_env().and_then(server::main),
        Some("null-client") => Settings::from_env().and_then(null_client::main),
        Some("run") => Settings::from_env().and_then(drive::main),
        Some("plot") => plot::main(),
        None => gates::main(),
        // What `cargo test` hands to every test program: switches of libtest, or names of tests, of which this has none.
        Some(_) => Ok(()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("scale: {error}");
            ExitCode::FAILURE
        }
    }
}
