//! `revisor run` as a child process.

use std::io::{BufRead as _, BufReader, Read};
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use serde_json::Value;

use crate::guard::Guard;
use crate::http::{Answer, Connection};
use crate::metrics::Metrics;
use crate::wait::{check, until, within};

/// The program under test.
pub(crate) const REVISOR: &str = env!("CARGO_BIN_EXE_revisor");

/// How long it may take to end when it is told to: its writes have deadlines of their own.
const STOP_LIMIT: Duration = Duration::from_secs(20);

/// What it printed so far, line by line.
type Lines = Arc<Mutex<Vec<String>>>;

/// A running operator; dropping it kills it.
#[derive(Debug)]
pub(crate) struct Operator {
    // A lock, since tests share an operator.
    guard: Mutex<Guard>,
    address: SocketAddr,
    lines: Lines,
}

impl Operator {
    /// Starts it with the rights of a kubeconfig, and does not wait for anything.
    pub(crate) fn launch(kubeconfig: &Path, args: &[&str]) -> Self {
        let address = free_address();
        let mut guard = Guard::spawn(REVISOR, |command| {
            command
                .arg("run")
                .arg(format!("--admin-address={address}"))
                .arg("--log-format=json")
                .args(args)
                .env("KUBECONFIG", kubeconfig)
                .env_remove("RUST_LOG");
        });
        let lines = Lines::default();
        let (stdout, stderr) = (guard.shell().stdout.take(), guard.shell().stderr.take());
        collect(stdout.expect("a pipe"), &lines);
        collect(stderr.expect("a pipe"), &lines);
        Self { guard: Mutex::new(guard), address, lines }
    }

    /// Starts it and waits until it is ready.
    pub(crate) fn start(kubeconfig: &Path, args: &[&str]) -> Self {
        let operator = Self::launch(kubeconfig, args);
        operator.await_ready();
        operator
    }

    /// Waits until `/readyz` says yes.
    #[track_caller]
    pub(crate) fn await_ready(&self) {
        until("the operator is ready", || {
            let ended = lock(&self.guard).ended();
            assert!(ended.is_none(), "the operator ended: {}\n{}", ended.unwrap_or_default(), self.tail());
            let answer = self.get("/readyz").map_err(|error| format!("{error}\n{}", self.tail()))?;
            check(answer.status == 200, || format!("{} {}\n{}", answer.status, answer.body, self.tail()))
        });
    }

    /// Asks its admin server.
    pub(crate) fn get(&self, path: &str) -> Result<Answer, String> {
        let answer = Connection::open(self.address).and_then(|mut connection| connection.get(path, ""));
        answer.map_err(|error| format!("GET {path}: {error}"))
    }

    /// A connection to its admin server, for many requests.
    pub(crate) fn connect(&self) -> Connection {
        Connection::open(self.address).expect("connecting to the admin server")
    }

    /// Scrapes it.
    #[track_caller]
    pub(crate) fn metrics(&self) -> Metrics {
        let answer = self.get("/metrics").unwrap_or_else(|why| panic!("{why}\n{}", self.tail()));
        assert_eq!(answer.status, 200, "{}", answer.body);
        Metrics(answer.body)
    }

    /// Its log so far: what is JSON, with the fields of an event beside the others.
    pub(crate) fn log(&self) -> Vec<Value> {
        lock(&self.lines)
            .iter()
            .filter_map(|line| serde_json::from_str::<Value>(line).ok())
            .map(|mut line| {
                let fields = line.get_mut("fields").map(Value::take);
                if let (Some(line), Some(Value::Object(fields))) = (line.as_object_mut(), fields) {
                    line.extend(fields);
                }
                line
            })
            .collect()
    }

    /// The lines of its log that contain a text.
    pub(crate) fn log_lines(&self, text: &str) -> Vec<String> {
        lock(&self.lines).iter().filter(|line| line.contains(text)).cloned().collect()
    }

    /// The end of its log, for messages.
    pub(crate) fn tail(&self) -> String {
        let lines = lock(&self.lines);
        lines[lines.len().saturating_sub(15)..].join("\n")
    }

    /// Tells it to end and sees that it ends well.
    #[track_caller]
    pub(crate) fn terminate(self) {
        lock(&self.guard).signal("TERM");
        let status = within(STOP_LIMIT, "the operator ends on SIGTERM", || {
            lock(&self.guard).ended().ok_or_else(|| self.tail())
        });
        assert_eq!(status.code(), Some(0), "{}", self.tail());
    }
}

/// Reads lines until the pipe ends.
fn collect(pipe: impl Read + Send + 'static, lines: &Lines) {
    let lines = Arc::clone(lines);
    thread::spawn(move || {
        for line in BufReader::new(pipe).lines().map_while(Result::ok) {
            lock(&lines).push(line);
        }
    });
}

/// An address that nobody listens on just now.
fn free_address() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("its address")
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // A test that failed with the lock held has said so by itself.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
