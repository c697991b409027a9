//! The steps of a run, each with what is measured in it.

use std::collections::HashMap;
use std::path::PathBuf;
use std::thread::sleep;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::Result;
use crate::audit::namespace_audits;
use crate::cores::{CLIENT, Cores, SERVER};
use crate::exposition::scrape;
use crate::figures::{round, slope, spread};
use crate::operator::{Line, Operator};
use crate::process::{Answering, Memory, Process};
use crate::settings::Settings;

/// What a cold start costs.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cold {
    pub(crate) wall: f64,
    pub(crate) cpu: f64,
    pub(crate) memory: Memory,
}

/// Pods a second that turn violating while detection is measured.
const MARKS: f64 = 4.0;

/// The server, and what it takes to start a client of it.
pub(crate) struct Rig {
    pub(crate) server: Answering,
    cores: Cores,
    kubeconfig: PathBuf,
    settings: Settings,
}

/// What was seen while the cluster lived.
pub(crate) struct Lived {
    pub(crate) answer: Value,
    /// Of a core.
    pub(crate) share: f64,
    /// Minutes and megabytes.
    pub(crate) memory: Vec<(f64, f64)>,
}

impl Rig {
    pub(crate) fn start(settings: &Settings, cores: Cores) -> Result<Self> {
        let program = std::env::current_exe()?.display().to_string();
        let mut command = cores.command(SERVER, &program);
        command.arg("server").envs(settings.to_env());
        let mut server = Answering::start(&mut command)?;
        let kubeconfig = server.hear()?["kubeconfig"].as_str().ok_or("no kubeconfig")?.into();
        Ok(Self { server, cores, kubeconfig, settings: settings.clone() })
    }

    /// A null client that has listed everything.
    pub(crate) fn null_client(&self) -> Result<(Answering, Cold)> {
        let program = std::env::current_exe()?.display().to_string();
        let mut command = self.cores.command(CLIENT, &program);
        command.arg("null-client").envs(self.settings.to_env()).env("KUBECONFIG", &self.kubeconfig);
        let mut client = Answering::start(&mut command)?;
        client.hear()?;
        let wall = client.process.age().as_secs_f64();
        let cold = Cold { wall, cpu: client.process.cpu()?, memory: client.process.memory()? };
        Ok((client, cold))
    }

    /// An operator that has judged everything.
    pub(crate) fn operator(&self) -> Result<(Operator, Cold)> {
        let operator = Operator::start(self.cores, &self.kubeconfig)?;
        let wall = operator.await_first_audit()?.as_secs_f64();
        let cold = Cold { wall, cpu: operator.process.cpu()?, memory: operator.process.memory()? };
        Ok((operator, cold))
    }

    pub(crate) fn counts(&mut self) -> Result<Value> {
        self.server.ask(&json!({"do": "counts"}))
    }

    /// Lets the cluster live, and looks at a process meanwhile.
    pub(crate) fn live(&mut self, process: &Process, rate: u32, seconds: f64, quiet: bool) -> Result<Lived> {
        let marks = if quiet { 0.0 } else { MARKS };
        let (begun, before) = (Instant::now(), process.cpu()?);
        self.server.send(
            &json!({"do": "churn", "rate": rate, "seconds": seconds, "quiet": quiet, "marks": marks}),
        )?;
        let mut memory = Vec::new();
        loop {
            let at = begun.elapsed().as_secs_f64();
            if at >= seconds {
                break;
            }
            memory.push((at / 60.0, process.memory()?.resident));
            sleep(Duration::from_secs_f64((seconds - at).min(1.0)));
        }
        let answer = self.server.hear()?;
        let share = (process.cpu()? - before) / begun.elapsed().as_secs_f64();
        Ok(Lived { answer, share, memory })
    }

    /// Waits until no more NamespaceAudits are written; whether that came about in time.
    pub(crate) fn await_audits(&mut self) -> Result<bool> {
        let begun = Instant::now();
        let mut before = None;
        while begun.elapsed() < self.settings.wait {
            let counts = self.counts()?;
            let writes = counts["writes"].as_object().map(|writes| {
                let of_audits = writes.iter().filter(|(what, _)| what.contains("namespaceaudits"));
                of_audits.filter_map(|(_, count)| count.as_u64()).sum::<u64>()
            });
            if writes == before {
                return Ok(true);
            }
            before = writes;
            sleep(Duration::from_secs(3));
        }
        Ok(false)
    }
}

/// How long after the server's stamp each mark was told, in milliseconds, and how many were not told at all.
pub(crate) fn detection(operator: &Operator, lived: &Lived) -> Value {
    sleep(Duration::from_secs(2));
    let opened: HashMap<(String, String), Timestamp> = operator
        .lines()
        .into_iter()
        .filter_map(|line| match line {
            Line::Opened { namespace, subject, at } => Some(((namespace, subject), at)),
            Line::Complete => None,
        })
        .collect();
    let marks = lived.answer["marks"].as_array().map_or(&[][..], Vec::as_slice);
    let (mut latencies, mut lost) = (Vec::new(), Vec::new());
    for mark in marks {
        let text = |name: &str| mark[name].as_str().unwrap_or_default().to_owned();
        match opened.get(&(text("namespace"), text("subject"))) {
            Some(at) => {
                let microseconds = at.as_microsecond() - mark["at"].as_i64().unwrap_or_default();
                #[expect(clippy::cast_precision_loss, reason = "less than a day")]
                latencies.push(microseconds as f64 / 1_000.0);
            }
            None => lost.push(mark.clone()),
        }
    }
    let mut told = spread(latencies);
    told["lost"] = lost.len().into();
    lost.truncate(5);
    told["firstLost"] = lost.into();
    told
}

/// Megabytes a minute. What is kept for the first time, while all of the churn's kinds come up, is no growth.
pub(crate) fn memory_slope(lived: &Lived) -> f64 {
    let skipped = lived.memory.len() / 5;
    slope(&lived.memory[skipped..])
}

/// Size, lines and the best time of some scrapes.
pub(crate) fn scrapes(operator: &Operator) -> Result<Value> {
    let mut best = Duration::MAX;
    let mut body = String::new();
    for _ in 0..5 {
        let (answer, took) = scrape(operator.address)?;
        best = best.min(took);
        body = answer;
    }
    Ok(json!({
        "bytes": body.len(),
        "lines": body.lines().count(),
        "milliseconds": round(best.as_secs_f64() * 1_000.0),
    }))
}

/// The API server forgets its history: all pods are listed again.
pub(crate) fn relist(rig: &mut Rig, operator: &Operator) -> Result<Value> {
    if rig.settings.real {
        return Ok(Value::Null);
    }
    operator.process.calm(Duration::from_secs(15))?;
    let lists = rig.counts()?["podLists"].as_u64();
    operator.process.forget_peak()?;
    let (before, cpu) = (operator.process.memory()?.resident, operator.process.cpu()?);
    let begun = Instant::now();
    rig.server.ask(&json!({"do": "expire"}))?;
    while rig.counts()?["podLists"].as_u64() == lists {
        if begun.elapsed() > Duration::from_secs(120) {
            return Err("the operator did not list its pods again after 410".into());
        }
        sleep(Duration::from_millis(50));
    }
    operator.process.calm(Duration::from_secs(30))?;
    let cpu = operator.process.cpu()? - cpu;
    sleep(Duration::from_secs(5));
    let memory = operator.process.memory()?;
    Ok(json!({
        "beforeMb": round(before),
        "abovePeakMb": round(memory.peak - before),
        "keptMb": round(memory.resident - before),
        "cpuSeconds": round(cpu),
    }))
}

/// Since-times by the ids of findings.
fn since_times(rig: &mut Rig) -> Result<HashMap<String, String>> {
    let mut since = HashMap::new();
    for audit in namespace_audits(&mut rig.server)? {
        for finding in audit["findings"].as_array().into_iter().flatten() {
            let text = |name: &str| finding[name].as_str().unwrap_or_default().to_owned();
            since.insert(format!("{} {}", audit["metadata"]["namespace"], text("id")), text("since"));
        }
    }
    Ok(since)
}

/// The operator ends and starts again while nothing changes in the cluster.
pub(crate) fn restart(rig: &mut Rig, operator: Operator) -> Result<Value> {
    let before = since_times(rig)?;
    operator.process.end()?;
    rig.server.ask(&json!({"do": "reset"}))?;
    let (operator, cold) = rig.operator()?;
    // Longer than the status writer and a hold-down wait.
    sleep(Duration::from_secs(20));
    let counts = rig.counts()?;
    let after = since_times(rig)?;
    let changed = before.iter().filter(|(id, since)| after.get(*id) != Some(since)).count();
    drop(operator);
    Ok(json!({
        "wallSeconds": round(cold.wall),
        "writes": counts["writes"],
        "sinceTimes": before.len(),
        "sinceTimesChanged": changed,
    }))
}
