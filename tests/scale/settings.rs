//! What a run is like, from the environment: `make scale PODS=150000 MINUTES=10`.

use std::str::FromStr;
use std::time::Duration;

use testkit::generate::{Cluster, Labels};

use crate::Result;

/// The settings of a run, which its parts inherit as environment variables.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) cluster: Cluster,
    /// Updates a second.
    pub(crate) churn: u32,
    pub(crate) minutes: f64,
    /// Updates a second in a burst, 0 for none.
    pub(crate) burst: u32,
    pub(crate) burst_seconds: f64,
    /// How long a churn that changes no verdict lasts.
    pub(crate) quiet_seconds: f64,
    /// Neither policy edits nor a restart.
    pub(crate) brief: bool,
    /// Cold starts of each, of which the best counts.
    pub(crate) runs: u32,
    /// How long to wait for NamespaceAudits that are still to be written.
    pub(crate) wait: Duration,
    /// The server is the real control plane.
    pub(crate) real: bool,
    pub(crate) tls: bool,
    /// The server refuses streaming lists, so that all is listed in pages.
    pub(crate) paged: bool,
    /// Where the JSON goes; standard output if empty.
    pub(crate) out: String,
}

fn read<T: FromStr>(name: &str, default: T) -> Result<T> {
    match std::env::var(name) {
        Ok(text) if !text.is_empty() => {
            text.parse().map_err(|_| format!("{name}={text} cannot be read").into())
        }
        _ => Ok(default),
    }
}

fn switch(name: &str, default: &str, on: &str, off: &str) -> Result<bool> {
    match read(name, default.to_owned())? {
        word if word == on => Ok(true),
        word if word == off => Ok(false),
        word => Err(format!("{name}={word}: {on} or {off}").into()),
    }
}

impl Settings {
    pub(crate) fn from_env() -> Result<Self> {
        Self::of_size(read("PODS", 150_000)?)
    }

    /// As the environment says, but for the number of pods.
    pub(crate) fn of_size(pods: usize) -> Result<Self> {
        let usual = Cluster::of_size(pods);
        let labels =
            if switch("LABELS", "unique", "unique", "shared")? { Labels::Unique } else { Labels::Shared };
        let cluster = Cluster {
            seed: read("SEED", usual.seed)?,
            shapes: read("SHAPES", usual.shapes)?,
            workloads: read("WORKLOADS", usual.workloads)?,
            namespaces: read("NAMESPACES", usual.namespaces)?,
            labels,
            ..usual
        };
        if cluster.pods == 0 || cluster.namespaces == 0 || cluster.workloads < cluster.namespaces {
            return Err(
                "PODS and NAMESPACES must be there, and WORKLOADS at least as many as NAMESPACES".into()
            );
        }
        Ok(Self {
            cluster,
            churn: read("CHURN", 500)?,
            minutes: read("MINUTES", 10.0)?,
            burst: read("BURST", 0)?,
            burst_seconds: read("BURST_SECONDS", 60.0)?,
            quiet_seconds: read("QUIET_SECONDS", 20.0)?,
            brief: switch("BRIEF", "off", "on", "off")?,
            runs: read("RUNS", 1)?,
            wait: Duration::from_secs(read("WAIT", 1_200)?),
            real: switch("SERVER", "memory", "real", "memory")?,
            tls: switch("TLS", "on", "on", "off")?,
            paged: switch("LISTS", "auto", "paged", "auto")?,
            out: read("OUT", String::new())?,
        })
    }

    /// What the parts must know, as environment variables.
    pub(crate) fn to_env(&self) -> Vec<(&'static str, String)> {
        let Cluster { seed, pods, shapes, workloads, namespaces, labels, .. } = self.cluster;
        vec![
            ("SEED", seed.to_string()),
            ("PODS", pods.to_string()),
            ("SHAPES", shapes.to_string()),
            ("WORKLOADS", workloads.to_string()),
            ("NAMESPACES", namespaces.to_string()),
            ("LABELS", if labels == Labels::Unique { "unique" } else { "shared" }.to_owned()),
            ("SERVER", if self.real { "real" } else { "memory" }.to_owned()),
            ("TLS", if self.tls { "on" } else { "off" }.to_owned()),
            ("LISTS", if self.paged { "paged" } else { "auto" }.to_owned()),
        ]
    }

    pub(crate) fn churn_seconds(&self) -> f64 {
        self.minutes * 60.0
    }
}
