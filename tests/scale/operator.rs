//! The release operator, and what it says in its log.

use std::io::{BufRead as _, BufReader};
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::process::Stdio;
use std::sync::mpsc::{self, Receiver};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use serde_json::Value;

use crate::Result;
use crate::cores::{CLIENT, Cores};
use crate::process::Process;

/// The program, built for this test.
pub(crate) const REVISOR: &str = env!("CARGO_BIN_EXE_revisor");
/// How long a first audit may take.
const FIRST_AUDIT: Duration = Duration::from_secs(1_800);

/// A line of the log that matters here.
#[derive(Clone, Debug)]
pub(crate) enum Line {
    /// Everything has been judged once; when that was said.
    Complete,
    /// A finding of the rule by which detection is measured has opened.
    Opened { namespace: String, subject: String, at: Timestamp },
}

#[derive(Debug)]
pub(crate) struct Operator {
    pub(crate) process: Process,
    pub(crate) address: SocketAddr,
    lines: Receiver<Line>,
}

impl Operator {
    /// Starts it on its core. It reads the cluster of a kubeconfig.
    pub(crate) fn start(cores: Cores, kubeconfig: &Path) -> Result<Self> {
        // A port that was free a moment ago.
        let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        let mut command = cores.command(CLIENT, REVISOR);
        command
            .args(["run", "--admin-address", &address.to_string()])
            .env("KUBECONFIG", kubeconfig)
            .env_remove("RUST_LOG")
            .stderr(Stdio::piped());
        let mut process = Process::start(&mut command)?;
        let log = process.child().stderr.take().ok_or("no standard error")?;
        let (sender, lines) = mpsc::channel();
        std::thread::spawn(move || {
            for line in BufReader::new(log).lines().map_while(std::result::Result::ok) {
                if let Some(line) = read(&line)
                    && sender.send(line).is_err()
                {
                    return;
                }
            }
        });
        Ok(Self { process, address, lines })
    }

    /// Waits for the first complete audit; returns how long after the start it was said.
    pub(crate) fn await_first_audit(&self) -> Result<Duration> {
        let begun = Instant::now();
        loop {
            let left = FIRST_AUDIT.saturating_sub(begun.elapsed());
            match self.lines.recv_timeout(left) {
                Ok(Line::Complete) => return Ok(self.process.age()),
                Ok(_) => {}
                Err(_) => return Err("the first audit did not come to its end".into()),
            }
        }
    }

    /// The lines since they were last taken.
    pub(crate) fn lines(&self) -> Vec<Line> {
        self.lines.try_iter().collect()
    }
}

/// What a line says; warnings are shown to people.
fn read(line: &str) -> Option<Line> {
    if line.contains(r#""level":"WARN""#) || !line.starts_with('{') {
        eprintln!("revisor: {line}");
    }
    if line.contains("the first audit is complete") {
        return Some(Line::Complete);
    }
    if !line.contains(r#""rule":"TrustedRegistry""#) || !line.contains(r#""transition":"opened""#) {
        return None;
    }
    let line: Value = serde_json::from_str(line).ok()?;
    let text = |name: &str| line[name].as_str().map(str::to_owned);
    let at = line["timestamp"].as_str()?.parse().ok()?;
    Some(Line::Opened { namespace: text("namespace")?, subject: text("subject")?, at })
}
