//! One run, from the null client's cold start to the comparison with an audit from scratch.

use std::fs;
use std::process::Command;
use std::thread::sleep;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::Result;
use crate::audit::{from_scratch, namespace_audits};
use crate::compare::compare;
use crate::cores::Cores;
use crate::exposition::scrape;
use crate::figures::{ratio, round, spread};
use crate::operator::Operator;
use crate::report::table;
use crate::settings::Settings;
use crate::steps::{self, Cold, Lived, Rig};

/// The null client's churn need not last as long as the operator's: it has no memory that could grow.
const NULL_CHURN: f64 = 60.0;
/// How long the operator may differ from an audit from scratch of a cluster in which nothing changes.
const UNEQUAL: Duration = Duration::from_secs(20);
/// Policy edits.
const EDITS: usize = 5;

pub(crate) fn main(settings: Settings) -> Result<()> {
    let report = run(&settings)?;
    eprint!("{}", table(&report));
    let text = serde_json::to_string_pretty(&report)?;
    match settings.out.as_str() {
        "" => println!("{text}"),
        file => fs::write(file, text + "\n").map_err(|error| format!("{file}: {error}"))?,
    }
    verdict(&report)
}

/// What fails a run, however fast it was.
pub(crate) fn verdict(report: &Value) -> Result<()> {
    let mut wrong = Vec::new();
    let differences = &report["comparison"]["differences"];
    if differences != 0 {
        let first = &report["comparison"]["first"];
        wrong.push(format!("the operator and an audit from scratch differ {differences} times: {first:#}"));
    }
    for phase in ["churn", "burst"] {
        let lost = &report[phase]["detectionMilliseconds"]["lost"];
        if lost.as_u64().unwrap_or_default() > 0 {
            let first = &report[phase]["detectionMilliseconds"]["firstLost"];
            wrong.push(format!("{phase}: {lost} findings were never told: {first}"));
        }
    }
    if report["quiet"]["verdictWrites"] != 0 {
        let writes = &report["quiet"]["writes"];
        wrong.push(format!("something was written while no verdict changed: {writes}"));
    }
    if wrong.is_empty() { Ok(()) } else { Err(wrong.join("\n").into()) }
}

fn step(what: &str) {
    eprintln!("scale: {what}");
}

pub(crate) fn run(settings: &Settings) -> Result<Value> {
    let cores = Cores::find();
    step("the server starts");
    let mut rig = Rig::start(settings, cores)?;
    let mut report = json!({
        "machine": machine(cores),
        "commit": first_line(Command::new("git").args(["rev-parse", "--short", "HEAD"])),
        "settings": {
            "pods": settings.cluster.pods, "namespaces": settings.cluster.namespaces,
            "shapes": settings.cluster.shapes, "workloads": settings.cluster.workloads,
            "labels": format!("{:?}", settings.cluster.labels), "churn": settings.churn,
            "minutes": settings.minutes, "burst": settings.burst,
            "server": if settings.real { "real" } else { "memory" }, "tls": settings.tls, "paged": settings.paged,
        },
    });
    let null = null_client(&mut rig, settings)?;
    rig.server.ask(&json!({"do": "reset"}))?;
    let (operator, cold) = best(settings.runs, "the operator starts", || rig.operator())?;
    report["coldStart"] = json!({
        "wallSeconds": ratio(cold.wall, null.cold.wall),
        "cpuSeconds": ratio(cold.cpu, null.cold.cpu),
    });
    steady(&mut rig, &operator, settings, &mut report, cold)?;
    churn(&mut rig, &operator, settings, &mut report, &null)?;

    if !settings.brief {
        step("policy edits");
        let mut edits = Vec::new();
        for _ in 0..EDITS {
            edits.push(rig.server.ask(&json!({"do": "edit"}))?["milliseconds"].as_f64().unwrap_or_default());
            sleep(Duration::from_secs(6));
        }
        report["policyEditMilliseconds"] = spread(edits);
    }
    step("410: all pods are listed again");
    report["relist"] = steps::relist(&mut rig, &operator)?;
    finish(&mut rig, operator, settings, &mut report)?;
    Ok(report)
}

/// What the null client needed.
struct Null {
    cold: Cold,
    share: f64,
    burst_share: f64,
}

fn null_client(rig: &mut Rig, settings: &Settings) -> Result<Null> {
    let (client, cold) = best(settings.runs, "the null client starts", || rig.null_client())?;
    step("churn, for the null client");
    let seconds = settings.churn_seconds().min(NULL_CHURN);
    let share = rig.live(&client.process, settings.churn, seconds, false)?.share;
    let mut burst_share = 0.0;
    if settings.burst > 0 {
        let seconds = settings.burst_seconds.min(NULL_CHURN);
        burst_share = rig.live(&client.process, settings.burst, seconds, false)?.share;
    }
    Ok(Null { cold, share, burst_share })
}

/// Starts it so often, keeps the last and what the best needed.
fn best<T>(runs: u32, what: &str, mut start: impl FnMut() -> Result<(T, Cold)>) -> Result<(T, Cold)> {
    step(what);
    let (mut last, mut best) = start()?;
    for _ in 1..runs {
        drop(last);
        let cold;
        (last, cold) = start()?;
        best.wall = best.wall.min(cold.wall);
        best.cpu = best.cpu.min(cold.cpu);
        best.memory = cold.memory;
    }
    Ok((last, best))
}

fn steady(
    rig: &mut Rig,
    operator: &Operator,
    settings: &Settings,
    report: &mut Value,
    cold: Cold,
) -> Result<()> {
    operator.process.calm(Duration::from_secs(20))?;
    let steady = operator.process.memory()?;
    report["memory"] = json!({
        "firstAuditPeakMb": round(cold.memory.peak),
        "steadyMb": round(steady.resident),
    });
    report["scrape"] = steps::scrapes(operator)?;
    step("churn that changes no verdict");
    let before = rig.counts()?;
    let quiet = rig.live(&operator.process, settings.churn, settings.quiet_seconds, true)?;
    // The status writer waits 5 s at most.
    sleep(Duration::from_secs(6));
    let writes = since(&before, &rig.counts()?);
    // NamespaceAudits that are written for the first time were due before.
    let of_verdicts = writes.iter().filter(|(what, _)| !what.ends_with("namespaceaudits 201"));
    report["quiet"] = json!({
        "updates": quiet.answer["updates"],
        "cpuShare": round(quiet.share),
        "verdictWrites": of_verdicts.map(|(_, count)| count).sum::<u64>(),
        "writes": writes.into_iter().collect::<std::collections::BTreeMap<_, _>>(),
    });
    Ok(())
}

/// The writes of `after` that are not in `before`.
fn since(before: &Value, after: &Value) -> Vec<(String, u64)> {
    let count = |counts: &Value, what: &str| counts["writes"][what].as_u64().unwrap_or_default();
    let all = after["writes"].as_object().into_iter().flatten();
    let more = all.map(|(what, _)| (what.clone(), count(after, what) - count(before, what)));
    more.filter(|(_, count)| *count > 0).collect()
}

fn churn(
    rig: &mut Rig,
    operator: &Operator,
    settings: &Settings,
    report: &mut Value,
    null: &Null,
) -> Result<()> {
    step("churn, for the operator");
    let before = rig.counts()?;
    let lived = rig.live(&operator.process, settings.churn, settings.churn_seconds(), false)?;
    report["churn"] = lived_with(rig, operator, &lived, null.share, &before)?;
    report["memory"]["slopeMbPerMinute"] = round(steps::memory_slope(&lived)).into();
    report["memory"]["afterChurnMb"] = round(operator.process.memory()?.resident).into();
    if settings.burst > 0 {
        step("a burst, for the operator");
        let before = rig.counts()?;
        let lived = rig.live(&operator.process, settings.burst, settings.burst_seconds, false)?;
        report["burst"] = lived_with(rig, operator, &lived, null.burst_share, &before)?;
        report["memory"]["afterBurstMb"] = round(operator.process.memory()?.resident).into();
    }
    report["memory"]["peakMb"] = round(operator.process.memory()?.peak).into();
    Ok(())
}

fn lived_with(rig: &mut Rig, operator: &Operator, lived: &Lived, null: f64, before: &Value) -> Result<Value> {
    let detection = steps::detection(operator, lived);
    let after = rig.counts()?;
    let lists = |counts: &Value| counts["podLists"].as_u64().unwrap_or_default();
    Ok(json!({
        "updates": lived.answer["updates"],
        "serverLateSeconds": round(lived.answer["latestSeconds"].as_f64().unwrap_or_default()),
        "cpuShare": ratio(lived.share, null),
        "detectionMilliseconds": detection,
        "relists": lists(&after) - lists(before),
        "writes": since(before, &after).into_iter().collect::<std::collections::BTreeMap<_, _>>(),
    }))
}

/// The comparison, and a restart.
fn finish(rig: &mut Rig, operator: Operator, settings: &Settings, report: &mut Value) -> Result<()> {
    rig.server.ask(&json!({"do": "settle"}))?;
    step("NamespaceAudits are waited for");
    let all_written = rig.await_audits()?;
    let counts = rig.counts()?;
    report["requests"] = counts["requests"].clone();
    report["writes"] = counts["writes"].clone();
    step("an audit from scratch");
    let rows = from_scratch(&mut rig.server)?;
    let begun = Instant::now();
    loop {
        let audits = if all_written { Some(namespace_audits(&mut rig.server)?) } else { None };
        let (body, _) = scrape(operator.address)?;
        report["comparison"] = compare(&body, audits.as_deref(), &rows);
        // The last changes may still be on their way into a NamespaceAudit.
        if report["comparison"]["differences"] == 0 || begun.elapsed() > UNEQUAL {
            break;
        }
        sleep(Duration::from_secs(2));
    }
    if !settings.brief {
        step("a restart");
        report["restart"] = steps::restart(rig, operator)?;
    }
    Ok(())
}

fn machine(cores: Cores) -> Value {
    let processor = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = processor.lines().find_map(|line| line.strip_prefix("model name")).unwrap_or_default();
    json!({
        "processor": model.trim_start_matches([' ', '\t', ':']),
        "cores": processor.lines().filter(|line| line.starts_with("processor")).count(),
        "pinned": cores.pinned,
    })
}

fn first_line(command: &mut Command) -> String {
    let output = command.output().map(|output| String::from_utf8_lossy(&output.stdout).into_owned());
    output.unwrap_or_default().lines().next().unwrap_or_default().to_owned()
}
