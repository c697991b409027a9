//! The forms in which an audit is written, and what each lists.

use clap::ValueEnum;

use super::Verdicts;
use crate::cli::output;
pub(super) use crate::cli::output::{check, write};

/// How results are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    /// For people.
    Table,
    /// For machines; the form is versioned.
    Json,
    /// SARIF 2.1.0, for code scanning.
    Sarif,
    /// JUnit XML, for CI systems.
    Junit,
    /// For a comment on a pull request.
    Markdown,
    /// One page for a browser.
    Html,
    /// For spreadsheets.
    Csv,
    /// Today's findings as dated exemptions, for a policy.
    Exemptions,
}

impl Format {
    /// Whether it points at the line of a field, which is looked for only then.
    pub(super) fn points_at_fields(self) -> bool {
        !matches!(self, Self::Table | Self::Json | Self::Exemptions)
    }

    /// Whether it lists what is permitted whatever is asked for, and whether it lists every verdict.
    pub(super) fn lists(self, verdicts: Verdicts) -> Lists {
        match (self, verdicts) {
            // A CI system that is told of no test takes the run for broken.
            (Self::Junit, _) => Lists::All,
            // A code scanner would take a pass for an alert.
            (Self::Sarif, _) => Lists::Permitted,
            (_, Verdicts::All) => Lists::All,
            (Self::Markdown | Self::Html, _) => Lists::Permitted,
            (Self::Table | Self::Json | Self::Csv | Self::Exemptions, _) => Lists::Findings,
        }
    }
}

/// Which rows an output lists.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Lists {
    Findings,
    Permitted,
    All,
}

/// A format, and the file it goes to.
pub(super) type Output = output::Output<Format>;
