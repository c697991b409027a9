//! How much work decoding and applying a pod is, and auditing a file, in numbers that do not depend on the machine:
//! allocations, instructions as callgrind counts them, and ratios. Never a time. Without valgrind, ratios of times stand in
//! for instructions, with some slack. Debug builds are skipped: nothing they do says anything.

use std::hint::black_box;
use std::io::{Read, Write as _};
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use revisor::auditor::Auditor;
use revisor::auditor::audit::Wanted;
use revisor::decode::Change;
use revisor::decode::manifest::Reader;
use revisor::decode::pod::PodRecord;
use revisor::decode::wire::Lean as _;
use revisor::report::gather::{Gathering, Listed};
use revisor::report::result::AuditReport;
use serde::de::IgnoredAny;
use testkit::generate::{Cluster, Variation};
use testkit::memory::{Counting, allocations};

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// What a run under callgrind measures: the name of the work and how often it is done.
const MEASURE: &str = "REVISOR_MEASURE";
const PODS: usize = 600;

fn now() -> Timestamp {
    Timestamp::from_second(1_795_435_200).expect("an instant")
}

fn decoded(pod: &str) -> Change {
    serde_json::from_str::<PodRecord>(pod).expect("a pod").change()
}

fn pods(cluster: &Cluster, variation: Variation) -> Vec<String> {
    let pod = |index| {
        let mut pod = String::new();
        cluster.pod(&mut pod, index, variation);
        pod
    };
    (0..cluster.pods).map(pod).collect()
}

fn loaded(pods: &[String]) -> Auditor {
    let mut auditor = Auditor::new();
    pods.iter().for_each(|pod| auditor.apply(decoded(pod), now()));
    auditor
}

/// Deployments as lines of JSON.
fn deployments() -> String {
    let line = |index| {
        let mut text = String::new();
        testkit::generate::deployment(&mut text, index);
        let value: serde_json::Value = serde_saphyr::from_str(&text).expect("a Deployment");
        format!("{value}\n")
    };
    (0..PODS).map(line).collect()
}

const STRICT: &str = "apiVersion: revisor.dev/v1alpha1\nkind: ImagePolicy\nmetadata: {name: strict}\nspec: {profile: {name: Strict, version: v1}}\n";

/// What `revisor audit` does with one file, on one thread.
fn audited(text: &str) -> AuditReport {
    let mut auditor = Auditor::over_input(false);
    let files: [(&str, &str); 2] = [("strict.yaml", STRICT), ("lines.json", text)];
    let mut texts = files.into_iter().map(|(file, text)| {
        let text: Box<dyn Read> = Box::new(text.as_bytes());
        (Arc::from(file), text)
    });
    let mut reader = Reader::new("default");
    reader.read_all(1, &mut texts, &mut |change| auditor.apply(change, now()));
    assert_eq!((reader.objects, reader.errors.len()), (PODS + 1, 0));
    let mut gathering = Gathering::new(Listed::Findings);
    auditor.audit(now(), Wanted::Findings, &mut |judgement| gathering.tell(judgement));
    let seen = auditor.snapshot(now()).seen;
    gathering.report(now(), auditor.policies(), &seen)
}

/// Works that are measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Work {
    /// Reading a pod's JSON and ignoring every value.
    Scan,
    /// Decoding a pod.
    Decode,
    /// Decoding a pod and applying it to an auditor that does not know it.
    Apply,
    /// Applying a decoded pod in which nothing has changed that is read.
    Unchanged,
    /// Reading a file of Deployments as JSON and ignoring every value.
    ScanFile,
    /// Auditing it under the profile Strict, from the text to the rows of the report.
    AuditFile,
}

/// How often a work is done at most.
const ROUNDS: usize = 3;

impl Work {
    const ALL: [Self; 6] =
        [Self::Scan, Self::Decode, Self::Apply, Self::Unchanged, Self::ScanFile, Self::AuditFile];

    /// Does the work this often over [`PODS`] pods, and returns the shortest time of a round.
    fn repeat(self, rounds: usize) -> Duration {
        if matches!(self, Self::ScanFile | Self::AuditFile) {
            return self.repeat_over_file(rounds);
        }
        let cluster = Cluster::of_size(PODS);
        let texts = pods(&cluster, Variation::default());
        let mut auditors: Vec<Auditor> = match self {
            Self::Unchanged => vec![loaded(&texts)],
            _ => (0..ROUNDS).map(|_| Auditor::new()).collect(),
        };
        let mut unchanged: Vec<Vec<Change>> = Vec::new();
        if self == Self::Unchanged {
            let again = pods(&cluster, Variation { beat: 1, ..Variation::default() });
            unchanged = (0..ROUNDS).map(|_| again.iter().map(|pod| decoded(pod)).collect()).collect();
        }
        let mut best = Duration::MAX;
        for round in 0..rounds {
            let of = auditors.len();
            let auditor = &mut auditors[round % of];
            let changes = unchanged.pop().unwrap_or_default();
            let start = Instant::now();
            match self {
                Self::Scan => texts.iter().for_each(|pod| {
                    black_box(serde_json::from_str::<IgnoredAny>(pod)).expect("JSON");
                }),
                Self::Decode => texts.iter().for_each(|pod| drop(black_box(decoded(pod)))),
                Self::Apply => texts.iter().for_each(|pod| auditor.apply(decoded(pod), now())),
                Self::Unchanged => changes.into_iter().for_each(|change| auditor.apply(change, now())),
                Self::ScanFile | Self::AuditFile => unreachable!("done over a file"),
            }
            best = best.min(start.elapsed());
        }
        best
    }

    /// The same over a file of as many Deployments.
    fn repeat_over_file(self, rounds: usize) -> Duration {
        let text = deployments();
        let mut best = Duration::MAX;
        for _ in 0..rounds {
            let start = Instant::now();
            match self {
                Self::AuditFile => drop(black_box(audited(&text))),
                _ => serde_json::Deserializer::from_str(&text).into_iter::<IgnoredAny>().for_each(|object| {
                    black_box(object).expect("JSON");
                }),
            }
            best = best.min(start.elapsed());
        }
        best
    }

    /// Instructions per pod; none without valgrind.
    fn instructions(self) -> Option<u64> {
        // What comes before and after the rounds is the same in both runs.
        let (few, many) = (self.count(1)?, self.count(ROUNDS)?);
        Some((many - few) / (ROUNDS as u64 - 1) / PODS as u64)
    }

    fn count(self, rounds: usize) -> Option<u64> {
        let output = Command::new("valgrind")
            .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
            .arg(std::env::current_exe().ok()?)
            .args(["--exact", "work_under_callgrind", "--test-threads=1"])
            .env(MEASURE, format!("{self:?} {rounds}"))
            .output()
            .ok()?;
        let told = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "under valgrind: {told}{}", String::from_utf8_lossy(&output.stdout));
        let count = told.lines().find_map(|line| line.split("Collected : ").nth(1));
        Some(count.and_then(|count| count.trim().parse().ok()).expect("callgrind tells what it collected"))
    }
}

/// Tells whoever runs the tests, whether they pass or not.
fn notice(text: &str) {
    let _ = writeln!(std::io::stderr(), "performance: {text}");
}

fn skipped() -> bool {
    let debug = cfg!(debug_assertions);
    if debug {
        notice("skipped in a debug build; run: cargo test --release --test performance");
    }
    debug
}

/// The work that the other tests run under callgrind; without being asked for one it does nothing.
#[test]
fn work_under_callgrind() {
    let Ok(measure) = std::env::var(MEASURE) else { return };
    let (name, rounds) = measure.split_once(' ').expect("a work and how often");
    let work = Work::ALL.into_iter().find(|work| format!("{work:?}") == name).expect("a known work");
    work.repeat(rounds.parse().expect("a number"));
}

#[test]
fn decoding_and_applying_costs_little_more_than_reading() {
    if skipped() {
        return;
    }
    let Some(scan) = Work::Scan.instructions() else {
        notice("valgrind is not there: ratios of times are compared instead of instructions");
        return compare_times();
    };
    let [decode, apply, unchanged] = [Work::Decode, Work::Apply, Work::Unchanged]
        .map(|work| work.instructions().expect("valgrind was there before"));
    let ratio = |count: u64| count as f64 / scan as f64;
    notice(&format!(
        "instructions a pod: scan {scan}, decode {decode} ({:.3}), decode and apply {apply} ({:.3}), unchanged {unchanged}",
        ratio(decode),
        ratio(apply),
    ));
    assert!(ratio(decode) <= 1.2, "decoding a pod");
    assert!(ratio(apply) <= 1.25, "decoding and applying a pod");
    assert!(unchanged <= 900, "applying a pod in which nothing has changed");
}

#[test]
fn auditing_a_file_of_json_costs_little_more_than_reading_it() {
    if skipped() {
        return;
    }
    assert!(audited(&deployments()).results.len() > PODS, "there is something to find");
    let counts = Work::ScanFile.instructions().zip(Work::AuditFile.instructions());
    let (ratio, most) = match counts {
        Some((scan, audit)) => {
            notice(&format!("instructions an object of a file: scan {scan}, audit {audit}"));
            (audit as f64 / scan as f64, MOST_OF_FILE)
        }
        None => {
            let [mut scan, mut audit] = [Duration::MAX; 2];
            for _ in 0..15 {
                scan = scan.min(Work::ScanFile.repeat(1));
                audit = audit.min(Work::AuditFile.repeat(1));
            }
            (audit.as_secs_f64() / scan.as_secs_f64(), MOST_OF_FILE * 1.5)
        }
    };
    notice(&format!("auditing a file of JSON: {ratio:.2} times reading it"));
    assert!(ratio <= most, "{ratio} times a scan of the same text");
}

/// How many times the instructions of a scan an audit may take: 3.6 are seen, and were 6.2 with a tree of each object.
const MOST_OF_FILE: f64 = 4.5;

/// The best of many rounds each, in turns.
fn compare_times() {
    let [mut scan, mut decode, mut apply] = [Duration::MAX; 3];
    for _ in 0..15 {
        scan = scan.min(Work::Scan.repeat(1));
        decode = decode.min(Work::Decode.repeat(1));
        apply = apply.min(Work::Apply.repeat(1));
    }
    let ratio = |time: Duration| time.as_secs_f64() / scan.as_secs_f64();
    notice(&format!("time of a scan: decode {:.2}, decode and apply {:.2}", ratio(decode), ratio(apply)));
    assert!(ratio(decode) <= 1.6, "decoding a pod");
    assert!(ratio(apply) <= 1.9, "decoding and applying a pod");
}

#[test]
fn a_pod_takes_few_allocations() {
    if skipped() {
        return;
    }
    let cluster = Cluster::of_size(PODS);
    let first = pods(&cluster, Variation::default());
    let again = pods(&cluster, Variation { beat: 1, ..Variation::default() });
    let mut auditor = Auditor::new();
    let mut each = |pods: &[String]| -> u64 {
        pods.iter().map(|pod| allocations(|| auditor.apply(decoded(pod), now()))).sum::<u64>()
    };
    let scan = |pod: &String| allocations(|| drop(serde_json::from_str::<IgnoredAny>(pod)));
    // Means over a whole cluster: what shapes, owners and label sets cost is shared by their pods. A parser
    // takes its scratch space anew for each pod of a watch, and once for a whole page of a list.
    let [new, known, scan] =
        [each(&first), each(&again), first.iter().map(scan).sum()].map(|count| count as f64 / PODS as f64);
    notice(&format!(
        "allocations: a new pod {new:.2}, a known one {known:.2}, of which the parser {scan:.2}"
    ));
    assert!(new <= 8.0, "{new} allocations for a new pod");
    assert!(known <= 3.0, "{known} allocations for a known pod, of which the parser {scan}");
}
