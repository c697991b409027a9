//! From the auditor to the outputs and the exit code. The only place that names the report's types.

use std::io;
use std::mem::ManuallyDrop;
use std::sync::atomic::{AtomicU64, Ordering};

use jiff::Timestamp;

use super::adoption;
use super::by_control::ByControl;
use super::output::{self, Format, Lists, Output};
use super::{Input, Verdicts};
use crate::auditor::Auditor;
use crate::auditor::audit::Judgement;
use crate::cli::Streams;
use crate::cli::progress::Progress;
use crate::decode::PolicyRecord;
use crate::report::baseline::Baseline;
use crate::report::columns::Colour;
use crate::report::csv::csv;
use crate::report::exemptions::Terms;
use crate::report::gather::{Gathering, Listed};
use crate::report::html::html;
use crate::report::json::json;
use crate::report::junit::junit;
use crate::report::located::locate;
use crate::report::markdown::markdown;
use crate::report::result::AuditReport;
use crate::report::sarif::sarif;
use crate::report::table::table;
use crate::verdict::Severity;

/// What is asked for.
pub(super) struct Ask<'a> {
    pub(super) now: Timestamp,
    pub(super) outputs: &'a [Output],
    pub(super) by_control: Option<ByControl>,
    pub(super) verdicts: Verdicts,
    pub(super) fail_on: Severity,
    pub(super) fail_on_unknown: bool,
    /// Nothing goes to standard output.
    pub(super) quiet: bool,
    /// The policies, to which exemptions may be proposed.
    pub(super) records: &'a [PolicyRecord],
    pub(super) terms: Terms,
    pub(super) baseline: Option<&'a Baseline>,
    /// Only what is not in the baseline counts.
    pub(super) fail_on_new: bool,
}

/// How it went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    Clean,
    Findings,
    /// Some output could not be written; it was told.
    NotWritten,
}

/// Judges everything, writes it, and says whether it is clean.
pub(super) fn write(
    auditor: &mut Auditor,
    ask: &Ask<'_>,
    input: &Input,
    progress: &mut Progress,
    streams: &mut Streams<'_>,
) -> io::Result<Outcome> {
    let lists = |output: &Output| match ask.by_control {
        Some(_) => Lists::All,
        None => output.format.lists(ask.verdicts),
    };
    let most = ask.outputs.iter().map(lists).max().unwrap_or(Lists::Findings);
    // Not given back piece by piece, as the auditor is not.
    let mut report = ManuallyDrop::new(audit(auditor, ask.now, listed(most), progress, streams));
    report.summary.incomplete = !input.all_read;
    if report.summary.incomplete && report.is_about_nothing() {
        // The errors are told; a report of nothing would look clean.
        if ask.outputs.iter().any(|output| output.file.is_some()) {
            streams.note("nothing could be audited, so no file is written");
        }
        return Ok(Outcome::Clean);
    }
    if let Some(places) = &input.places {
        locate(&mut report, places);
    }
    if let Some(baseline) = ask.baseline {
        baseline.compare(&mut report);
    }
    let is_exemptions = |output: &&Output| output.format == Format::Exemptions;
    let permitted = ask
        .outputs
        .iter()
        .find(is_exemptions)
        .map(|_| adoption::permit(auditor, &report, ask.records, ask.terms.clone(), streams));
    let exemptions = permitted.as_ref().map_or("", |permitted| &*permitted.text);
    let mut all_written = true;
    for output in ask.outputs {
        let Some(file) = &output.file else { continue };
        let listing = report.listing(listed(lists(output)));
        let text = render(output.format, ask, auditor, &listing, exemptions, (Colour::Never, None))?;
        if let Err(error) = output::write(file, &text) {
            all_written = false;
            streams.error(&format!("{}: {error}", file.display()));
        }
    }
    if let Some(output) = ask.outputs.iter().find(|output| output.file.is_none() && !ask.quiet) {
        let report = report.listing(listed(lists(output)));
        let text = render(output.format, ask, auditor, &report, exemptions, (streams.colour, streams.width))?;
        streams.out.write_all(text.as_bytes())?;
    }
    // Whoever asks for exemptions alone wants to know what is left with them.
    let alone = permitted.filter(|_| ask.outputs.iter().all(|output| is_exemptions(&output)));
    Ok(match (all_written, alone) {
        (false, _) => Outcome::NotWritten,
        (true, Some(permitted)) => outcome(ask, &permitted.left, false),
        (true, None) => outcome(ask, &report, ask.fail_on_new),
    })
}

fn audit(
    auditor: &mut Auditor,
    now: Timestamp,
    listed: Listed,
    progress: &mut Progress,
    streams: &mut Streams<'_>,
) -> AuditReport {
    let judged = AtomicU64::new(0);
    let tell = |gathering: &mut Gathering, judgement: &Judgement<'_>| {
        judged.fetch_add(1, Ordering::Relaxed);
        gathering.tell(judgement);
    };
    let mut tell_mine = |gathering: &mut Gathering, judgement: &Judgement<'_>| {
        tell(gathering, judgement);
        progress.tell(streams.err, || format!("{} verdicts", judged.load(Ordering::Relaxed)));
    };
    let new = || Gathering::new(listed);
    let gathered = auditor.audit_on_cores(now, listed.wanted(), &new, &mut tell_mine, &tell);
    progress.clear(streams.err);
    let seen = auditor.snapshot(now).seen;
    Gathering::report_of(gathered, now, auditor.policies(), &seen)
}

fn outcome(ask: &Ask<'_>, report: &AuditReport, only_new: bool) -> Outcome {
    let (fails, undecided) = match only_new {
        true => (report.has_new_fail(ask.fail_on), report.has_new_unknown()),
        false => (report.has_fail(ask.fail_on), report.has_unknown()),
    };
    if fails || (ask.fail_on_unknown && undecided) { Outcome::Findings } else { Outcome::Clean }
}

fn listed(lists: Lists) -> Listed {
    match lists {
        Lists::Findings => Listed::Findings,
        Lists::Permitted => Listed::Permitted,
        Lists::All => Listed::All,
    }
}

fn render(
    format: Format,
    ask: &Ask<'_>,
    auditor: &Auditor,
    report: &AuditReport,
    exemptions: &str,
    (colour, width): (Colour, Option<usize>),
) -> io::Result<String> {
    if let Some(by_control) = &ask.by_control {
        return Ok(by_control.render(report, auditor.policies(), format, colour)?);
    }
    Ok(match format {
        Format::Table => table(report, colour, width),
        Format::Json => json(report)?,
        Format::Sarif => {
            let folder = std::env::current_dir().ok();
            json(&sarif(report, folder.as_deref().and_then(|folder| folder.to_str())))?
        }
        Format::Junit => junit(report, ask.fail_on_new),
        Format::Markdown => markdown(report),
        Format::Html => html(report),
        Format::Csv => csv(report),
        Format::Exemptions => exemptions.to_owned(),
    })
}
