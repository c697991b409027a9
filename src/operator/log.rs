//! The log: JSON lines (or plain text, at a terminal) on standard error.

use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::ParseError;
use tracing_subscriber::util::{SubscriberInitExt as _, TryInitError};

/// How lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// One JSON object a line, fields at the root.
    Json,
    /// For people.
    Text,
}

/// Libraries that are not heard unless the filter names them. kube logs every failed try, whole bodies at WARN
/// included; what matters of it is said by the operator, once.
const QUIET: &str = "kube_client=off,tower=off,hyper=off,hyper_util=off";

/// Why the log could not begin.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The filter cannot be read.
    #[error("the log filter {filter:?} cannot be read; write for example: info,revisor=debug")]
    Filter {
        /// As given.
        filter: String,
        /// Where it fails.
        source: ParseError,
    },
    /// There is a log already.
    #[error("the log is set up already")]
    Twice(#[from] TryInitError),
}

/// Begins the log with a level or a filter, as `RUST_LOG` has it.
pub fn init(format: Format, filter: &str) -> Result<(), Error> {
    let filter = parse(filter)?;
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    match format {
        Format::Json => {
            builder
                .json()
                .flatten_event(true)
                .with_current_span(false)
                .with_span_list(false)
                .finish()
                .try_init()?;
        }
        Format::Text => {
            let colours = std::io::IsTerminal::is_terminal(&std::io::stderr());
            builder.with_target(false).with_ansi(colours).finish().try_init()?;
        }
    }
    Ok(())
}

fn parse(filter: &str) -> Result<EnvFilter, Error> {
    EnvFilter::builder()
        .parse(format!("{QUIET},{filter}"))
        .map_err(|source| Error::Filter { filter: filter.to_owned(), source })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_comes_on_top_of_what_is_quiet_and_a_bad_one_is_named() {
        assert!(parse("info").unwrap().to_string().contains("kube_client=off"));
        let filter = parse("revisor=debug,kube_client=debug").unwrap().to_string();
        assert!(filter.contains("kube_client=debug") && !filter.contains("kube_client=off"), "{filter}");
        let error = parse("revisor=loud").unwrap_err().to_string();
        assert!(error.contains("\"revisor=loud\"") && error.contains("info,revisor=debug"), "{error}");
    }
}
