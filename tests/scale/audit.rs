//! An audit from scratch: all that the server holds at the end, as a stream of JSON, judged by `revisor audit`.

use std::io::{BufRead as _, BufReader, Read as _};
use std::net::TcpListener;
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use crate::Result;
use crate::operator::REVISOR;
use crate::process::Answering;

/// The rows of its report.
pub(crate) fn from_scratch(server: &mut Answering) -> Result<Vec<Value>> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    server.send(&json!({"do": "dump", "what": "cluster", "to": listener.local_addr()?}))?;
    let (mut stream, _) = listener.accept()?;
    let mut audit = Command::new(REVISOR)
        .args(["audit", "--complete", "--output", "json", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()?;
    let mut input = audit.stdin.take().ok_or("no standard input")?;
    let feeding = std::thread::spawn(move || std::io::copy(&mut stream, &mut input));
    let mut report = String::new();
    audit.stdout.take().ok_or("no standard output")?.read_to_string(&mut report)?;
    feeding.join().map_err(|_| "the dump could not be read")??;
    server.hear()?;
    let status = audit.wait()?;
    if !matches!(status.code(), Some(0 | 1)) {
        return Err(format!("revisor audit ended with {status}").into());
    }
    let mut report: Value = serde_json::from_str(&report)?;
    match report["results"].take() {
        Value::Array(rows) => Ok(rows),
        _ => Err("revisor audit gave no results".into()),
    }
}

/// The NamespaceAudits as they stand at the server.
pub(crate) fn namespace_audits(server: &mut Answering) -> Result<Vec<Value>> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    server.send(&json!({"do": "dump", "what": "NamespaceAudit", "to": listener.local_addr()?}))?;
    let (stream, _) = listener.accept()?;
    let mut audits = Vec::new();
    for line in BufReader::new(stream).lines() {
        audits.push(serde_json::from_str(&line?)?);
    }
    server.hear()?;
    Ok(audits)
}
