//! From the auditor to standard output and the exit code. The only place that names the report's types.

use std::io::{self, Write};

use jiff::Timestamp;

use super::super::colour;
use super::by_control::ByControl;
use super::{Output, Verdicts};
use crate::auditor::Auditor;
use crate::report::gather::{Gathering, Listed};
use crate::report::json::json;
use crate::report::table::table;
use crate::verdict::Severity;

/// What is asked for.
pub(super) struct Ask {
    pub(super) now: Timestamp,
    pub(super) output: Output,
    pub(super) by_control: Option<ByControl>,
    pub(super) verdicts: Verdicts,
    pub(super) fail_on: Severity,
    pub(super) fail_on_unknown: bool,
    /// The input and the policies could be read in full.
    pub(super) all_read: bool,
}

/// Judges everything, writes it, and says whether it is clean.
pub(super) fn write(auditor: &mut Auditor, ask: &Ask, out: &mut dyn Write) -> io::Result<bool> {
    let mut gathering = Gathering::new(match ask.verdicts {
        Verdicts::Findings if ask.by_control.is_none() => Listed::Findings,
        _ => Listed::All,
    });
    auditor.audit(ask.now, &mut |judgement| gathering.tell(judgement));
    let seen = auditor.snapshot(ask.now).seen;
    let mut report = gathering.report(ask.now, auditor.policies(), &seen);
    report.summary.incomplete = !ask.all_read;
    if report.summary.incomplete && report.is_about_nothing() {
        // The errors are told; a report of nothing would look clean.
        return Ok(false);
    }
    let text = match (&ask.by_control, ask.output) {
        (Some(by_control), output) => by_control.render(&report, auditor.policies(), output)?,
        (None, Output::Json) => json(&report)?,
        (None, Output::Table | Output::Csv) => table(&report, colour()),
    };
    out.write_all(text.as_bytes())?;
    let undecided = ask.fail_on_unknown && report.has_unknown();
    Ok(!undecided && !report.has_fail(ask.fail_on))
}
