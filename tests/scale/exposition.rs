//! A scrape of `/metrics`, and the series in it.

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use crate::Result;

/// Labels, by name.
pub(crate) type Labels = BTreeMap<String, String>;

/// The body of an answer, and how long it took.
pub(crate) fn scrape(address: SocketAddr) -> Result<(String, Duration)> {
    let begun = Instant::now();
    let mut stream = TcpStream::connect(address)?;
    stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: scale\r\nConnection: close\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let took = begun.elapsed();
    let (head, body) = answer.split_once("\r\n\r\n").ok_or("no answer from /metrics")?;
    if !head.starts_with("HTTP/1.1 200") {
        return Err(format!("/metrics: {head}").into());
    }
    Ok((body.to_owned(), took))
}

/// The series of one family. Names of the rig's objects need no escapes.
pub(crate) fn series<'a>(body: &'a str, family: &'a str) -> impl Iterator<Item = (Labels, f64)> + 'a {
    body.lines().filter_map(move |line| {
        let (labels, value) = line.strip_prefix(family)?.strip_prefix('{')?.rsplit_once("} ")?;
        let labels = labels.split("\",").filter_map(|pair| {
            let (name, value) = pair.split_once("=\"")?;
            Some((name.to_owned(), value.trim_end_matches('"').to_owned()))
        });
        Some((labels.collect(), value.parse().ok()?))
    })
}
