//! `revisor audit`: the operator's engine over files, or once over a live cluster.

mod adoption;
mod against;
mod by_control;
mod cluster;
pub(super) mod files;
mod output;
pub(super) mod policies;
mod report;

use std::cell::Cell;
use std::io::{self, IsTerminal as _};
use std::mem::ManuallyDrop;
use std::num::NonZero;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread;
use std::time::Instant;

use clap::{ValueEnum, ValueHint};
use jiff::Timestamp;

use super::progress::Progress;
use super::{Exit, Failure, Streams};
use crate::auditor::Auditor;
use crate::decode::Change;
use crate::decode::manifest::Reader;
use crate::decode::manifest::places::Places;
use crate::policy::problem::Problem;
use crate::verdict::Severity;
use against::Against;
use by_control::ByControl;
use files::Files;
use output::Output;
use policies::Policies;
use report::Outcome;

/// Audits manifests, dumps and folders, or once a live cluster with your own rights.
///
/// Exit code: 0 clean, 1 findings at or above --fail-on, 2 it could not be done or not for all.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    /// Files and folders with manifests, dumps or policies; `-` for standard input.
    #[arg(value_name = "PATH", conflicts_with = "cluster")]
    paths: Vec<PathBuf>,
    /// Files with ImagePolicies only. Without a policy here or among the paths, the profile Baseline judges.
    #[arg(long = "policy", value_name = "FILE")]
    policies: Vec<PathBuf>,
    /// Look at a live cluster: its pods, namespaces, and its own policies unless --policy is given.
    #[arg(long)]
    cluster: bool,
    /// Context of the kubeconfig [default: the current one].
    #[arg(long, value_name = "CONTEXT", requires = "cluster")]
    context: Option<String>,
    /// With --cluster: the namespace [default: the context's]. Else: for objects that name none [default: default].
    #[arg(short, long, value_name = "NAMESPACE", value_parser = namespace_name)]
    namespace: Option<String>,
    /// All namespaces of the cluster.
    #[arg(short = 'A', long, requires = "cluster", conflicts_with = "namespace")]
    all_namespaces: bool,
    /// Only pods with these labels.
    #[arg(short = 'l', long, value_name = "SELECTOR", requires = "cluster")]
    selector: Option<String>,
    /// How results are written: table, json, sarif, junit, markdown, html, csv or exemptions. With =FILE into a file; several
    /// may be given, of which one goes to standard output.
    #[arg(
        short, long = "output", value_name = "FORMAT[=FILE]", env = "REVISOR_OUTPUT", default_value = "table",
        value_hint = ValueHint::Other
    )]
    outputs: Vec<Output>,
    /// Nothing on standard output and no notes: the exit code tells. Errors are still told, files still written.
    #[arg(short, long, conflicts_with = "verbose")]
    quiet: bool,
    /// Group by the requirements that rules serve, as evidence for an auditor: table, json or csv.
    #[arg(long, value_name = "WHAT")]
    by: Option<By>,
    /// With --by control: only catalogues whose names contain this, such as BSI.
    #[arg(long, value_name = "NAME", requires = "by")]
    catalogue: Option<String>,
    /// Findings only, or every verdict: pass, na and exempt too.
    #[arg(long, value_name = "WHICH", default_value = "findings")]
    verdicts: Verdicts,
    /// The least severity of a finding for exit code 1: critical, high, medium, low or info.
    #[arg(long, value_name = "SEVERITY", env = "REVISOR_FAIL_ON", default_value = "low")]
    fail_on: Severity,
    /// Exit code 1 for what could not be decided, too.
    #[arg(long)]
    fail_on_unknown: bool,
    /// The input is the whole cluster: what is not in it does not exist.
    #[arg(long)]
    complete: bool,
    /// The instant at which graces and exemptions are judged, RFC 3339 [default: now].
    #[arg(long, value_name = "TIME")]
    now: Option<Timestamp>,
    /// What the draft of --policy would open and resolve beside this policy: its name in the cluster or among the
    /// files, or a file. Exit code 1 if it opens something at or above --fail-on.
    #[arg(long, value_name = "POLICY|FILE", requires = "policies", conflicts_with_all = ["by", "baseline"])]
    against: Option<String>,
    #[command(flatten)]
    adoption: adoption::Adoption,
    /// Say what was left out, and why.
    #[arg(short, long)]
    verbose: bool,
}

const EXAMPLES: &str = "\
Examples:
  revisor audit deploy/                             a folder of manifests
  helm template my-chart | revisor audit -          what a chart renders
  kubectl get pods,ns,netpol -A -o json | revisor audit --complete -
  revisor audit --policy policy.yaml deploy/        with a policy of your own
  revisor audit --cluster -n team-a                 one namespace of a live cluster
  revisor audit --cluster -A --output json          all of it, for machines
  revisor audit deploy/ -o table -o sarif=revisor.sarif -o junit=revisor.xml
                                                    for a CI system, and for its log
  revisor audit --cluster -A --by control --catalogue BSI --output csv    evidence for an auditor
  revisor audit --policy policy.yaml --cluster -A -o exemptions --days 90
                                                    what is found today, permitted for a time
  revisor audit --cluster -A --policy draft.yaml --against baseline    what a draft would change
  revisor audit deploy/ --baseline main.json --fail-on-new    only what is not in a former report";

/// What results are grouped by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum By {
    /// The requirements that rules serve: catalogue, edition and number.
    Control,
}

/// Which results are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Verdicts {
    /// `fail` and `unknown`.
    Findings,
    /// Every verdict.
    All,
}

fn namespace_name(text: &str) -> Result<String, String> {
    let is_inside = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    let is_name = !text.is_empty() && text.len() <= 63 && text.bytes().all(is_inside);
    match is_name && !text.starts_with('-') && !text.ends_with('-') {
        true => Ok(text.to_owned()),
        false => Err("expected a name of lower-case letters, digits and dashes".to_owned()),
    }
}

/// Audits.
pub(super) fn run(args: Args, streams: &mut Streams<'_>) -> Result<Exit, Failure> {
    check(&args)?;
    let against = args.against.as_deref().map(Against::of);
    streams.quiet = args.quiet;
    let baseline = args.adoption.baseline(streams)?;
    let mut progress = Progress::new(Instant::now(), !args.quiet && io::stderr().is_terminal());
    let now = args.now.unwrap_or_else(Timestamp::now);
    let mut policies = Policies::default();
    policies.read(&args.policies);
    if policies.is_empty() && !args.policies.is_empty() {
        // Not the default one in its place: the user wants to know about his own.
        policies.errors.iter().for_each(|error| streams.error(error));
        return Ok(Exit::Failed);
    }
    if let Some(Against::File(path)) = &against {
        policies.read_beside(path);
    }
    let whole = args.complete || (args.all_namespaces && args.selector.is_none());
    // The process ends with the report: giving back every object of the input piece by piece is time for nothing.
    let cores = thread::available_parallelism().unwrap_or(NonZero::<usize>::MIN);
    let mut auditor = ManuallyDrop::new(Auditor::over_input(whole).on_cores(cores));
    let mut tell = |change, policies: &mut Policies| match change {
        Change::Policy(record) if args.against.is_some() => policies.beside.push(record),
        Change::Policy(record) => policies.add(record),
        change => auditor.apply(change, now),
    };
    let mut input = if args.cluster {
        let looked_at = cluster::look(&args, &mut policies, &mut tell, &mut progress, streams)?;
        Input { all_read: true, places: None, cluster: Some(looked_at) }
    } else {
        read_files(&args, &mut policies, &mut tell, &mut progress, streams)?
    };
    if policies.is_empty() {
        if args.verbose {
            streams.note(&format!("no policy given: the profile {} judges", policies::DEFAULT_PROFILE));
        }
        policies.add_default();
    }
    let beside = std::mem::take(&mut policies.beside);
    let (records, problems) = policies.finish();
    problems.iter().for_each(|problem| streams.error(problem));
    if let Some(against) = against {
        let sides = (&*records, &*against::find(&against, &records, beside, streams)?);
        let asked = (now, args.fail_on, input.all_read && problems.is_empty());
        return Ok(against::write(&mut auditor, sides, &args.outputs, asked, streams)?);
    }
    for record in &records {
        auditor.apply(Change::Policy(record.clone()), now);
    }
    input.all_read &= problems.is_empty();
    input.all_read &= tell_unreadable_exemptions(&mut auditor, now, input.cluster.is_some(), streams);
    let ask = report::Ask {
        now,
        outputs: &args.outputs,
        by_control: ByControl::of(&args, input.cluster.take(), whole),
        verdicts: args.verdicts,
        fail_on: args.fail_on,
        fail_on_unknown: args.fail_on_unknown,
        quiet: args.quiet,
        records: &records,
        terms: args.adoption.terms(now),
        baseline: baseline.as_ref(),
        fail_on_new: args.adoption.fail_on_new,
    };
    let outcome = report::write(&mut auditor, &ask, &input, &mut progress, streams)?;
    Ok(exit(input.all_read, outcome))
}

fn exit(all_read: bool, outcome: Outcome) -> Exit {
    match (all_read, outcome) {
        (false, _) | (true, Outcome::NotWritten) => Exit::Failed,
        (true, Outcome::Findings) => Exit::Findings,
        (true, Outcome::Clean) => Exit::Clean,
    }
}

/// Says what is asked amiss before anything is read.
fn check(args: &Args) -> Result<(), Failure> {
    if args.paths.is_empty() && !args.cluster {
        return Err(Failure::new(
            "nothing to audit: name files or folders, `-` for standard input, or --cluster",
        )
        .help(EXAMPLES));
    }
    output::check(&args.outputs)?;
    if args.by.is_some() {
        by_control::check(&args.outputs)?;
    }
    if args.against.is_some() {
        against::check(&args.outputs)?;
    }
    args.adoption.check(&args.outputs)
}

/// Tells which Exemptions cannot be read. In files that is an error like any other, and false comes back; in a cluster
/// they are somebody else's.
fn tell_unreadable_exemptions(
    auditor: &mut Auditor,
    now: Timestamp,
    is_cluster: bool,
    streams: &mut Streams<'_>,
) -> bool {
    let mut all_read = true;
    for part in auditor.snapshot(now).namespaces.iter() {
        for object in part.requests.iter().map(|outcome| &outcome.object) {
            for Problem { field, message, reason } in &object.problems {
                let told = format!("Exemption {}/{}: {field}: {message} ({reason})", part.name, object.name);
                if is_cluster {
                    streams.note(&told)
                } else {
                    streams.error(&told)
                }
                all_read &= is_cluster;
            }
        }
    }
    all_read
}

/// What was read.
struct Input {
    /// Nothing was left out for an error.
    all_read: bool,
    /// Where fields stand, where an output points at them.
    places: Option<Places>,
    /// What was looked at of a cluster.
    cluster: Option<Vec<String>>,
}

/// Tells what changes, with the policies to add to.
type Tell<'t> = dyn FnMut(Change, &mut Policies) + 't;

/// Reads every file; false when something could not be read.
fn read_files(
    args: &Args,
    policies: &mut Policies,
    tell: &mut Tell<'_>,
    progress: &mut Progress,
    streams: &mut Streams<'_>,
) -> Result<Input, Failure> {
    let found = Files::find(&args.paths);
    let mut reader = Reader::new(args.namespace.as_deref().unwrap_or("default"));
    if args.outputs.iter().any(|output| output.format.points_at_fields()) {
        reader = reader.with_places();
    }
    let mut all_read = found.errors.is_empty();
    found.errors.iter().for_each(|error| streams.error(error));
    let (mut told, opened, mut unread) = (0_u64, Cell::new(0_usize), Vec::new());
    let mut texts = found.files.iter().filter_map(|path| {
        opened.set(opened.get() + 1);
        let file: Arc<str> = path.display().to_string().into();
        match files::open(path) {
            Ok(text) => Some((file, text)),
            Err(error) => {
                unread.push(format!("{file}: {error}"));
                None
            }
        }
    });
    let threads = thread::available_parallelism().map_or(1, NonZero::get);
    reader.read_all(threads, &mut texts, &mut |change| {
        told += 1;
        let words = || format!("file {} of {}, {told} objects", opened.get(), found.files.len());
        progress.tell(streams.err, words);
        tell(change, policies);
    });
    drop(texts);
    all_read &= unread.is_empty();
    progress.clear(streams.err);
    unread.iter().for_each(|error| streams.error(error));
    reader.errors.iter().for_each(|error| streams.error(&error.to_string()));
    if reader.more_errors > 0 {
        streams.error(&format!("{} more errors are not shown", reader.more_errors));
    }
    all_read &= reader.errors.is_empty();
    found.hints.iter().chain(&reader.hints).for_each(|hint| streams.note(hint));
    if args.verbose {
        say_what_was_left_out(&reader, &found, streams);
    }
    if reader.objects == 0 && all_read {
        // An empty pipe must not come out clean.
        return Err(Failure::new(match reader.foreign {
            0 => "no Kubernetes objects in the input: it is empty".to_owned(),
            foreign => format!(
                "no Kubernetes objects in the input: {foreign} documents have neither apiVersion nor kind"
            ),
        }));
    }
    Ok(Input { all_read, places: reader.places.take(), cluster: None })
}

fn say_what_was_left_out(reader: &Reader, found: &Files, streams: &mut Streams<'_>) {
    if !reader.unknown_kinds.is_empty() {
        let kinds = reader.unknown_kinds.iter().map(|(kind, count)| format!("{kind} ({count})"));
        let kinds = kinds.collect::<Vec<_>>().join(", ");
        streams.note(&format!("unknown kinds without an image, left out: {kinds}"));
    }
    if reader.foreign > 0 {
        streams.note(&format!("documents that are no Kubernetes objects, left out: {}", reader.foreign));
    }
    if found.passed_over > 0 {
        streams.note(&format!("hidden files and links out of the folder, left out: {}", found.passed_over));
    }
    streams.note(&format!(
        "read {} objects in {} documents of {} files",
        reader.objects,
        reader.documents,
        found.files.len()
    ));
}
