//! A process that is measured: its time on the processor and its memory, as the kernel tells them.

use std::fs;
use std::io::{BufRead, BufReader, Write as _};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::Result;

/// Clock ticks a second in `/proc`: a constant of the Linux user interface.
const TICKS: f64 = 100.0;

/// Kills its process when dropped.
#[derive(Debug)]
pub(crate) struct Process {
    child: Child,
    started: Instant,
}

/// Memory in megabytes (of 1,000,000 bytes).
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Memory {
    pub(crate) resident: f64,
    pub(crate) peak: f64,
}

impl Process {
    pub(crate) fn start(command: &mut Command) -> Result<Self> {
        let started = Instant::now();
        let child =
            command.spawn().map_err(|error| format!("{}: {error}", command.get_program().display()))?;
        Ok(Self { child, started })
    }

    pub(crate) fn child(&mut self) -> &mut Child {
        &mut self.child
    }

    pub(crate) fn age(&self) -> Duration {
        self.started.elapsed()
    }

    fn read(&self, file: &str) -> Result<String> {
        let path = format!("/proc/{}/{file}", self.child.id());
        fs::read_to_string(&path).map_err(|error| format!("{path}: {error}; did the process end?").into())
    }

    /// User and system time so far, in seconds.
    pub(crate) fn cpu(&self) -> Result<f64> {
        let stat = self.read("stat")?;
        let after_name = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
        let fields: Vec<f64> =
            after_name.split_whitespace().map(|field| field.parse().unwrap_or_default()).collect();
        match fields.get(11..13) {
            Some([user, system]) => Ok((user + system) / TICKS),
            _ => Err("/proc has no times of the process".into()),
        }
    }

    pub(crate) fn memory(&self) -> Result<Memory> {
        let status = self.read("status")?;
        let value = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default();
            line.split_whitespace().next().and_then(|number| number.parse::<f64>().ok()).unwrap_or_default()
        };
        Ok(Memory { resident: value("VmRSS:") * 1.024e-3, peak: value("VmHWM:") * 1.024e-3 })
    }

    /// Lets the peak begin anew from what is resident now.
    pub(crate) fn forget_peak(&self) -> Result<()> {
        let path = format!("/proc/{}/clear_refs", self.child.id());
        fs::write(&path, "5").map_err(|error| format!("{path}: {error}").into())
    }

    /// Waits until the process does next to nothing: less than a hundredth of a core for two seconds.
    pub(crate) fn calm(&self, limit: Duration) -> Result<()> {
        let begun = Instant::now();
        let mut before = self.cpu()?;
        loop {
            std::thread::sleep(Duration::from_secs(2));
            let now = self.cpu()?;
            if now - before <= 0.02 || begun.elapsed() > limit {
                return Ok(());
            }
            before = now;
        }
    }

    /// Asks the process to end, as the kubelet does, and waits for it.
    pub(crate) fn end(mut self) -> Result<()> {
        let id = self.child.id().to_string();
        Command::new("kill").args(["-TERM", &id]).status()?;
        let status = self.child.wait()?;
        if status.success() { Ok(()) } else { Err(format!("the process ended with {status}").into()) }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // One that has ended already cannot be killed, which is as well.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A process that answers a line of JSON with a line of JSON.
#[derive(Debug)]
pub(crate) struct Answering {
    pub(crate) process: Process,
    requests: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Answering {
    pub(crate) fn start(command: &mut Command) -> Result<Self> {
        let mut process = Process::start(command.stdin(Stdio::piped()).stdout(Stdio::piped()))?;
        let requests = process.child().stdin.take().ok_or("no standard input")?;
        let answers = process.child().stdout.take().ok_or("no standard output")?;
        Ok(Self { process, requests, answers: BufReader::new(answers) })
    }

    /// Sends a request; its answer is to be [heard](Self::hear) later.
    pub(crate) fn send(&mut self, request: &Value) -> Result<()> {
        writeln!(self.requests, "{request}")?;
        Ok(self.requests.flush()?)
    }

    pub(crate) fn hear(&mut self) -> Result<Value> {
        let mut line = String::new();
        if self.answers.read_line(&mut line)? == 0 {
            return Err("a part of the rig ended before it answered".into());
        }
        let answer: Value = serde_json::from_str(&line)?;
        match answer["error"].as_str() {
            None => Ok(answer),
            Some(error) => Err(error.into()),
        }
    }

    pub(crate) fn ask(&mut self, request: &Value) -> Result<Value> {
        self.send(request)?;
        self.hear()
    }
}
