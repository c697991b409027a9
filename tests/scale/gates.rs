//! The rig as a test of `make test`: a small cluster, and ratios that tell a doubling and never flake.

use serde_json::Value;
use testkit::generate::Cluster;

use crate::Result;
use crate::drive::{run, verdict};
use crate::report::table;
use crate::settings::Settings;

const PODS: usize = 5_000;

/// Where a ratio stands, and how great it may be.
const GATES: [(&str, f64); 2] = [("/coldStart/cpuSeconds/ratio", 7.0), ("/churn/cpuShare/ratio", 9.0)];

pub(crate) fn main() -> Result<()> {
    if cfg!(debug_assertions) {
        eprintln!("scale: skipped in a debug build; run: cargo test --release --test scale");
        return Ok(());
    }
    let usual = Settings::of_size(PODS)?;
    let settings = Settings {
        cluster: Cluster { namespaces: 100, ..usual.cluster },
        churn: 2_000,
        minutes: 0.1,
        quiet_seconds: 3.0,
        runs: 3,
        brief: true,
        ..usual
    };
    let report = run(&settings)?;
    eprint!("{}", table(&report));
    let outcome = verdict(&report).and_then(|()| within(&report));
    let (word, passed) = if outcome.is_ok() { ("ok", 1) } else { ("FAILED", 0) };
    println!(
        "\ntest result: {word}. {passed} passed; {} failed; 0 ignored; 0 measured; 0 filtered out",
        1 - passed
    );
    outcome
}

fn within(report: &Value) -> Result<()> {
    for (place, most) in GATES {
        let found = report.pointer(place).and_then(Value::as_f64).ok_or(place)?;
        if found > most {
            return Err(format!("{place}: {found} times the null client, at most {most} are allowed").into());
        }
    }
    Ok(())
}
