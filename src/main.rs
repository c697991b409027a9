//! The binary: the crypto provider, the arguments, an exit code.

use std::process::ExitCode;

fn main() -> ExitCode {
    // kube names no provider of its own choice, so one is chosen for the process; it fails only if one is already.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    revisor::cli::main().into()
}
