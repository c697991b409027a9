//! `--against`: what a draft of a policy would open and resolve, before anyone applies it.

use std::io;
use std::path::{Path, PathBuf};

use jiff::Timestamp;

use super::output::{self, Format, Output};
use super::policies::Policies;
use crate::auditor::Auditor;
use crate::auditor::audit::Wanted;
use crate::cli::{Exit, Failure, Streams};
use crate::decode::{Change, PolicyRecord};
use crate::policy::compile::CompiledPolicy;
use crate::report::columns::Colour;
use crate::report::difference::{Difference, difference_markdown, difference_text};
use crate::report::gather::{Gathering, Listed};
use crate::report::json::json;
use crate::report::result::AuditReport;
use crate::verdict::Severity;

/// What the draft is compared with: a file, or the name of a policy among what is read.
#[derive(Debug)]
pub(super) enum Against<'a> {
    File(PathBuf),
    Name(&'a str),
}

impl<'a> Against<'a> {
    pub(super) fn of(text: &'a str) -> Self {
        // A policy's name holds no '/', and none that is sensible ends like a manifest.
        let is_file = text.contains('/') || [".yaml", ".yml", ".json"].iter().any(|end| text.ends_with(end));
        if is_file || Path::new(text).is_file() { Self::File(text.into()) } else { Self::Name(text) }
    }

    /// Whether the policies of the cluster are needed.
    pub(super) fn is_name(&self) -> bool {
        matches!(self, Self::Name(_))
    }
}

/// Refuses outputs in which the comparison is not written.
pub(super) fn check(outputs: &[Output]) -> Result<(), Failure> {
    let written = |format| matches!(format, Format::Table | Format::Json | Format::Markdown);
    match outputs.iter().all(|output| written(output.format)) {
        true => Ok(()),
        false => Err(Failure::new("--against is written as table, json or markdown")),
    }
}

/// The policies to compare with, among `beside`, which were read with the objects.
pub(super) fn find(
    against: &Against<'_>,
    draft: &[PolicyRecord],
    beside: Vec<PolicyRecord>,
    streams: &mut Streams<'_>,
) -> Result<Vec<PolicyRecord>, Failure> {
    let name = match against {
        Against::Name(name) => *name,
        Against::File(path) => {
            let mut policies = Policies::default();
            policies.read(std::slice::from_ref(path));
            let (records, problems) = policies.finish();
            problems.iter().for_each(|problem| streams.error(problem));
            return match problems.is_empty() {
                true => Ok(records),
                false => {
                    Err(Failure::new(format!("--against {}: it cannot be compared with", path.display())))
                }
            };
        }
    };
    let mut known: Vec<_> = beside.iter().map(|record| &*record.name).collect();
    known.sort_unstable();
    known.dedup();
    let none = match known.is_empty() {
        true => "no policy was read; name a file, or the policy among the files or in the cluster".to_owned(),
        false => format!("found {}", known.join(", ")),
    };
    // The draft may stand among the files that are audited.
    let is_draft = |record: &PolicyRecord| {
        draft.iter().any(|draft| draft.name == record.name && draft.spec == record.spec)
    };
    let mut named: Vec<_> = beside.iter().filter(|record| *record.name == *name).cloned().collect();
    if named.len() > 1 {
        named.retain(|record| !is_draft(record));
        named.dedup_by(|left, right| left.spec == right.spec);
    }
    match named.len() {
        0 => Err(Failure::new(format!("there is no policy {name:?} to compare with")).help(none)),
        1 => Ok(named),
        _ => Err(Failure::new(format!("several policies are named {name}, and they differ"))
            .help("Name the file of the one that is meant: --against FILE")),
    }
}

/// Judges under the draft and under what is in force, and writes what changes.
pub(super) fn write(
    auditor: &mut Auditor,
    (draft, against): (&[PolicyRecord], &[PolicyRecord]),
    outputs: &[Output],
    (now, fail_on, all_read): (Timestamp, Severity, bool),
    streams: &mut Streams<'_>,
) -> io::Result<Exit> {
    let after = audit(auditor, draft, now, all_read);
    let before = audit(auditor, against, now, all_read);
    let has_problem = |record: &PolicyRecord| !CompiledPolicy::compile(record).problems.is_empty();
    if against.iter().any(has_problem) {
        streams.note("what is in force cannot be used in full: only what can be is compared");
    }
    let difference = Difference::new(&after, &before);
    let mut all_written = true;
    for output in outputs {
        match &output.file {
            Some(file) => {
                let text = render(&difference, output.format, Colour::Never)?;
                if let Err(error) = output::write(file, &text) {
                    all_written = false;
                    streams.error(&format!("{}: {error}", file.display()));
                }
            }
            None if streams.quiet => {}
            None => {
                let text = render(&difference, output.format, streams.colour)?;
                streams.out.write_all(text.as_bytes())?;
            }
        }
    }
    Ok(match (all_read && all_written, difference.opens(fail_on)) {
        (false, _) => Exit::Failed,
        (true, true) => Exit::Findings,
        (true, false) => Exit::Clean,
    })
}

/// What is found under these policies alone.
fn audit(auditor: &mut Auditor, records: &[PolicyRecord], now: Timestamp, all_read: bool) -> AuditReport {
    for record in records {
        auditor.apply(Change::Policy(record.clone()), now);
    }
    let mut gathering = Gathering::new(Listed::Permitted);
    auditor.audit(now, Wanted::Findings, &mut |judgement| gathering.tell(judgement));
    let seen = auditor.snapshot(now).seen;
    let mut report = gathering.report(now, auditor.policies(), &seen);
    report.summary.incomplete = !all_read;
    for record in records {
        auditor.apply(Change::PolicyGone(record.name.clone()), now);
    }
    report
}

fn render(difference: &Difference, format: Format, colour: Colour) -> io::Result<String> {
    Ok(match format {
        Format::Table => difference_text(difference, colour),
        Format::Markdown => difference_markdown(difference),
        // The others were refused before anything was read.
        _ => json(difference)?,
    })
}
