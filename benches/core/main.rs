//! What the core costs, in ratios and figures taken in one run: `cargo bench`.
//!
//! `cargo bench -- --pods 20000 --rounds 5` is a quick one; `--files` takes only the audit of files, and keeps them. Every kind of cluster is loaded in a process of its
//! own, so that its memory is its own. The last line of the output is everything as one JSON object.

#![expect(clippy::print_stdout, reason = "a table is what a benchmark is for")]

mod cluster;
mod decode;
mod figures;
mod files;

use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail};
use serde_json::{Map, Value, json};
use testkit::generate::{Cluster, Labels};

use figures::Figures;

/// The kinds of cluster that are loaded.
const KINDS: [&str; 3] = ["shared", "unique", "all-different"];

struct Options {
    pods: usize,
    rounds: usize,
    /// Only the audit of files.
    files_only: bool,
    /// Set in a process that was started for one kind of cluster.
    kind: Option<String>,
}

impl Options {
    fn read() -> Result<Self> {
        let mut options = Self { pods: 150_000, rounds: 15, files_only: false, kind: None };
        // Cargo adds `--bench`.
        let mut words = std::env::args().skip(1).filter(|word| word != "--bench");
        while let Some(word) = words.next() {
            if word == "--files" {
                options.files_only = true;
                continue;
            }
            let value = words.next().with_context(|| format!("{word} needs a value"))?;
            match word.as_str() {
                "--pods" => options.pods = value.parse().context("--pods")?,
                "--rounds" => options.rounds = value.parse().context("--rounds")?,
                "--kind" => options.kind = Some(value),
                _ => bail!("unknown option {word}; known are --pods, --rounds, --files and --kind"),
            }
        }
        Ok(options)
    }
}

fn cluster(kind: &str, pods: usize) -> Result<Cluster> {
    // Every namespace has violations, so that Snapshots and scrapes are as large as they get.
    let shared = Cluster { clean_percent: 0, ..Cluster::of_size(pods) };
    Ok(match kind {
        "shared" => shared,
        "unique" => Cluster { labels: Labels::Unique, ..shared },
        "all-different" => Cluster { all_different: true, ..shared },
        _ => bail!("unknown kind {kind}; known are {}", KINDS.join(", ")),
    })
}

fn main() -> Result<()> {
    let options = Options::read()?;
    if let Some(kind) = &options.kind {
        let figures = cluster::measure(&cluster(kind, options.pods)?, options.rounds)?;
        println!("{}", Value::from(figures));
        return Ok(());
    }
    let mut all = Map::new();
    let files = files::measure(options.rounds, options.files_only)?;
    files.print("files");
    all.insert("files".into(), files.into());
    if options.files_only {
        println!("{}", Value::Object(all));
        return Ok(());
    }
    let decode = decode::measure(&cluster("shared", options.pods)?, options.rounds)?;
    decode.print("decode");
    all.insert("decode".into(), decode.into());
    for kind in KINDS {
        let figures = in_own_process(kind, &options)?;
        figures.print(kind);
        all.insert(kind.into(), figures.into());
    }
    all.insert("pods".into(), json!(options.pods));
    println!("{}", Value::Object(all));
    Ok(())
}

fn in_own_process(kind: &str, options: &Options) -> Result<Figures> {
    let output = Command::new(std::env::current_exe()?)
        .args(["--kind", kind, "--pods", &options.pods.to_string(), "--rounds", &options.rounds.to_string()])
        .stderr(Stdio::inherit())
        .output()?;
    if !output.status.success() {
        bail!("the benchmark of {kind} has failed: {}", output.status);
    }
    Figures::read(&String::from_utf8(output.stdout)?)
}
