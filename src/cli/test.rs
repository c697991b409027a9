//! `revisor test`: worked cases, so that users test their policies as this project tests its rules.

mod case;
mod trial;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::{ValueEnum, ValueHint};
use jiff::Timestamp;

use super::audit::files::{self, Files};
use super::audit::policies::Policies;
use super::output::{self, Output};
use super::{Exit, Failure, Streams};
use crate::decode::PolicyRecord;
use crate::report::cases::{CaseReport, CasesReport, cases_junit, cases_text};
use crate::report::columns::Colour;
use crate::report::json::json;
use case::Case;

/// Runs worked cases: files of objects whose comments say which verdicts are expected.
///
/// A case is the whole of a small cluster. `# expect: NoMutableTag=fail` names the worst verdict of a rule: pass,
/// fail, unknown, na, exempt, or off where the policy does not use it. Exit code: 0 all as expected, 1 some are not,
/// 2 some could not be run.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    /// Cases, and folders with cases.
    #[arg(value_name = "PATH", required = true)]
    paths: Vec<PathBuf>,
    /// A file with the ImagePolicy under test; `# params:` of a case override its settings. Without it, the rules that
    /// a case expects are in force.
    #[arg(long, value_name = "FILE")]
    policy: Option<PathBuf>,
    /// How the results are written: table, json or junit. With =FILE into a file; several may be given, of which one
    /// goes to standard output.
    #[arg(
        short, long = "output", value_name = "FORMAT[=FILE]", default_value = "table", value_hint = ValueHint::Other
    )]
    outputs: Vec<Output<Format>>,
    /// The instant at which cases without one of their own are judged, RFC 3339 [default: now].
    #[arg(long, value_name = "TIME")]
    now: Option<Timestamp>,
    /// Tell the cases that are as expected, too.
    #[arg(short, long)]
    verbose: bool,
}

const EXAMPLES: &str = "\
Examples:
  revisor test tests/policies/                             the rules with the settings of each case
  revisor test --policy policy.yaml tests/policies/        a policy of your own
  revisor test tests/policies/ -o table -o junit=cases.xml    for a CI system, and for its log

A case:
  # expect: TrustedRegistry=fail NoMutableTag=pass
  # why: Docker Hub is not one of our registries
  apiVersion: v1
  kind: Pod
  ...";

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For people.
    Table,
    /// For machines; the form is versioned.
    Json,
    /// JUnit XML, for CI systems.
    Junit,
}

/// Runs the cases.
pub(super) fn run(args: Args, streams: &mut Streams<'_>) -> Result<Exit, Failure> {
    let Args { paths, policy, outputs, now, verbose } = args;
    output::check(&outputs)?;
    let policy = policy.as_deref().map(|path| policy_of(path, streams)).transpose()?;
    let (cases, all_read) = find(&paths, streams);
    if cases.is_empty() {
        return Err(Failure::new("no case to run: a case is a file with a comment `# expect: Rule=verdict`")
            .help(EXAMPLES));
    }
    let report = run_all(&cases, policy.as_ref(), now.unwrap_or_else(Timestamp::now));
    let all_written = write(&report, &outputs, verbose, streams)?;
    Ok(match (all_read && all_written && report.summary.errors == 0, report.summary.failed) {
        (false, _) => Exit::Failed,
        (true, 0) => Exit::Clean,
        (true, _) => Exit::Findings,
    })
}

/// Writes the report to files first and then to standard output. Returns whether every file was written; what went
/// wrong is told.
fn write(
    report: &CasesReport,
    outputs: &[Output<Format>],
    verbose: bool,
    streams: &mut Streams<'_>,
) -> io::Result<bool> {
    let render = |format, colour| {
        Ok::<_, io::Error>(match format {
            Format::Json => json(report)?,
            Format::Junit => cases_junit(report),
            Format::Table => cases_text(report, verbose, colour),
        })
    };
    let mut all_written = true;
    for output in outputs {
        let Some(file) = &output.file else { continue };
        if let Err(error) = output::write(file, &render(output.format, Colour::Never)?) {
            all_written = false;
            streams.error(&format!("{}: {error}", file.display()));
        }
    }
    if let Some(output) = outputs.iter().find(|output| output.file.is_none()) {
        streams.out.write_all(render(output.format, streams.colour)?.as_bytes())?;
    }
    Ok(all_written)
}

fn run_all(cases: &[(Arc<str>, String)], policy: Option<&PolicyRecord>, now: Timestamp) -> CasesReport {
    let reports: Vec<CaseReport> = trial::trials(cases, policy, now);
    CasesReport::new(reports)
}

/// The one policy in a file.
fn policy_of(path: &Path, streams: &mut Streams<'_>) -> Result<PolicyRecord, Failure> {
    let mut policies = Policies::default();
    policies.read(&[path.to_owned()]);
    let (mut records, problems) = policies.finish();
    problems.iter().for_each(|problem| streams.error(problem));
    let shown = path.display();
    match (records.pop(), records.is_empty()) {
        _ if !problems.is_empty() => {
            Err(Failure::new(format!("{shown}: the policy cannot be used; nothing was run")))
        }
        (Some(record), true) => Ok(record),
        _ => {
            Err(Failure::new(format!("{shown}: expected one ImagePolicy, found several: test one at a time")))
        }
    }
}

/// How many files without a case are named.
const NAMED: usize = 5;

/// The cases among the files, and whether every file could be read. A file in a folder that is no case is left out,
/// and said; one that is named is meant to be one.
fn find(paths: &[PathBuf], streams: &mut Streams<'_>) -> (Vec<(Arc<str>, String)>, bool) {
    let found = Files::find(paths);
    let mut all_read = found.errors.is_empty();
    found.errors.iter().for_each(|error| streams.error(error));
    let (mut cases, mut others) = (Vec::new(), Vec::new());
    for path in &found.files {
        let file: Arc<str> = path.display().to_string().into();
        match files::read(path) {
            Ok(text) if Case::is_one(&text) || paths.contains(path) => cases.push((file, text)),
            Ok(_) => others.push(file),
            Err(error) => {
                all_read = false;
                streams.error(&format!("{file}: {error}"));
            }
        }
    }
    found.hints.iter().for_each(|hint| streams.note(hint));
    if !others.is_empty() {
        let names = others.iter().take(NAMED).map(|file| &**file).collect::<Vec<_>>().join(", ");
        let more = others.len().saturating_sub(NAMED);
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        streams.note(&format!("without `# expect:`, left out: {names}{more}"));
    }
    (cases, all_read)
}
