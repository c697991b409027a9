//! `revisor crd`: the CustomResourceDefinitions.

use super::{Exit, Failure, Streams};
use crate::policy::crd;

/// Prints the CustomResourceDefinitions: ImagePolicy and NamespaceAudit.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: revisor crd | kubectl apply --server-side -f -")]
pub(super) struct Args {}

/// Writes them as YAML.
pub(super) fn run(_: Args, streams: &mut Streams<'_>) -> Result<Exit, Failure> {
    streams.out.write_all(crd::yaml().as_bytes())?;
    Ok(Exit::Clean)
}
