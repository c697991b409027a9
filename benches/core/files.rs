//! `revisor audit` over files: 10,000 Deployments under Strict, as one YAML stream, as many YAML files
//! and as JSON.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail};
use testkit::generate::deployment;

use crate::figures::{Figures, Spread, timed};

const DEPLOYMENTS: usize = 10_000;
/// Strict in every namespace: under deploy/policies/strict.yaml labels decide, and here are no Namespaces to have any,
/// so that nothing would be judged.
const POLICY: &str = "apiVersion: revisor.dev/v1alpha1\nkind: ImagePolicy\nmetadata: {name: strict}\nspec: {profile: {name: Strict, version: v1}}\n";

pub(crate) fn measure(rounds: usize, keep: bool) -> Result<Figures> {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("deployments");
    let inputs = write(&folder)?;
    let policy = folder.join("policy.yaml");
    fs::write(&policy, POLICY)?;
    let mut figures = Figures::default();
    let size = fs::metadata(folder.join("one.yaml"))?.len();
    figures.add_one("mean size as YAML", "bytes/object", size as f64 / DEPLOYMENTS as f64, None);
    for (name, path, limit) in inputs {
        let times = (0..rounds.min(7)).map(|_| audit(&policy, &path)).collect::<Result<Vec<_>>>()?;
        let spread = Spread::of_times(&times, 1e-6 * DEPLOYMENTS as f64);
        figures.add(&format!("audit of {name}"), "us/object", spread, Some(limit));
    }
    match keep {
        true => println!("the inputs are kept in {}", folder.display()),
        false => fs::remove_dir_all(folder)?,
    }
    Ok(figures)
}

fn audit(policy: &Path, path: &Path) -> Result<std::time::Duration> {
    let mut command = Command::new(env!("CARGO_BIN_EXE_revisor"));
    command.args(["audit", "--quiet", "--policy"]).args([policy, path]).stdout(Stdio::null());
    let (time, status) = timed(|| command.status());
    match status?.code() {
        Some(0 | 1) => Ok(time),
        code => bail!("the audit of {} ended with {code:?}", path.display()),
    }
}

/// Writes the inputs; what each is called and what docs/performance.md asks of it.
fn write(folder: &Path) -> Result<[(&'static str, PathBuf, f64); 3]> {
    let many = folder.join("many");
    fs::create_dir_all(&many)?;
    let (mut stream, mut lines) = (String::new(), String::new());
    for index in 0..DEPLOYMENTS {
        let mut text = String::new();
        deployment(&mut text, index);
        fs::write(many.join(format!("{index:05}.yaml")), &text)?;
        let value: serde_json::Value = serde_saphyr::from_str(&text).context("a Deployment")?;
        lines += &value.to_string();
        lines.push('\n');
        stream += &text;
    }
    let (yaml, json) = (folder.join("one.yaml"), folder.join("lines.json"));
    fs::write(&yaml, stream)?;
    fs::write(&json, lines)?;
    Ok([("one YAML stream", yaml, 60.0), ("10,000 YAML files", many, 60.0), ("JSON", json, 15.0)])
}
