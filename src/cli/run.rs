//! `revisor run`: the operator.

use std::net::SocketAddr;
use std::time::Duration;

use clap::ValueEnum;
use jiff::SignedDuration;
use tokio::signal::unix::{SignalKind, signal};

use super::{Exit, Failure, connect};
use crate::operator::lease::LeaderElection;
use crate::operator::record::RecordSettings;
use crate::operator::{self, Settings, log};

/// Runs the operator: watches the cluster and keeps status, Events and metrics up to date, until it is stopped.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Context of the kubeconfig [default: the current one, else the cluster we run in].
    #[arg(long, value_name = "CONTEXT", env = "REVISOR_CONTEXT")]
    context: Option<String>,
    /// Where to serve /metrics, /livez and /readyz.
    #[arg(long, value_name = "ADDRESS", env = "REVISOR_ADMIN_ADDRESS", default_value = "0.0.0.0:8080")]
    admin_address: SocketAddr,
    /// The longest pause before a missing permission or CustomResourceDefinition is looked for again: 30s, 5m
    /// [default: 15s for what nothing works without, 5m for what some rules read].
    #[arg(long, value_name = "DURATION", env = "REVISOR_RECHECK_INTERVAL", value_parser = interval)]
    recheck_interval: Option<Duration>,
    /// The namespace of the ConfigMaps in which the operator remembers, for its next start, what it has found and told
    /// [default: that of the pod it runs in; outside of a cluster nothing is remembered].
    #[arg(long, value_name = "NAMESPACE", env = "REVISOR_RECORD_NAMESPACE")]
    record_namespace: Option<String>,
    /// Whether changes are told, as Events, log lines and a metric, that are worth a look whatever the policies ask
    /// for: an image changed in a live pod, a policy weakened, and so on (docs/suspicious-activity.md).
    #[arg(long, value_name = "SWITCH", env = "REVISOR_SUSPICIOUS_ACTIVITY", default_value = "on")]
    suspicious_activity: Switch,
    /// Whether replicas agree by a Lease on which of them writes; the others watch and judge, ready to take over
    /// [default: true in a cluster, false by a kubeconfig].
    #[arg(
        long, value_name = "BOOL", env = "REVISOR_LEADER_ELECT",
        num_args = 0..=1, require_equals = true, default_missing_value = "true"
    )]
    leader_elect: Option<bool>,
    /// Name of that Lease.
    #[arg(long, value_name = "NAME", env = "REVISOR_LEASE_NAME", default_value = "revisor")]
    lease_name: String,
    /// Namespace of that Lease [default: that of the pod, or of the kubeconfig's context].
    #[arg(long, value_name = "NAMESPACE", env = "REVISOR_LEASE_NAMESPACE")]
    lease_namespace: Option<String>,
    /// How log lines are written.
    #[arg(long, value_name = "FORMAT", env = "REVISOR_LOG_FORMAT", default_value = "json")]
    log_format: LogFormat,
    /// What is logged: error, warn, info, debug, trace, or a filter such as `info,revisor=debug`.
    #[arg(long, value_name = "LEVEL", env = "REVISOR_LOG_LEVEL", default_value = "info")]
    log_level: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Switch {
    /// They are told.
    On,
    /// They are not looked for.
    Off,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum LogFormat {
    /// One object a line.
    Json,
    /// For people.
    Text,
}

/// Runs until a signal comes.
pub(super) fn run(args: Args) -> Result<Exit, Failure> {
    log(args.log_format, &args.log_level)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Failure::new(format!("no runtime: {error}")))?;
    runtime.block_on(async {
        let (config, in_cluster) = connect::find(args.context.as_deref()).await?;
        let instance = std::env::var("POD_NAME").unwrap_or_else(|_| "revisor".to_owned());
        let mut settings = Settings {
            listen: args.admin_address,
            suspicious_activity: args.suspicious_activity == Switch::On,
            record: args
                .record_namespace
                .clone()
                .or_else(own_namespace)
                .map(|name| RecordSettings::new(&name)),
            instance,
            leader_election: args.leader_election(&config, in_cluster),
            ..Settings::default()
        };
        if let Some(interval) = args.recheck_interval {
            (settings.retry_needed, settings.retry_optional) = (interval, interval);
        }
        operate(config, settings).await
    })
}

/// A rule panicked there, for the first time.
pub(super) fn log_panic(place: &str) {
    tracing::error!(
        place,
        "a rule failed by an error of its own, and what it was to judge is unknown/InternalError; this is a bug in Revisor, \
         please report it"
    );
}

impl Args {
    /// By a kubeconfig one person runs one operator, most often without the right to write Leases.
    fn leader_election(&self, config: &kube::Config, in_cluster: bool) -> Option<LeaderElection> {
        let namespace = self.lease_namespace.as_deref().unwrap_or(&config.default_namespace);
        self.leader_elect.unwrap_or(in_cluster).then(|| LeaderElection::new(namespace, &self.lease_name))
    }
}

/// Where the kubelet tells a pod its namespace.
const NAMESPACE_FILE: &str = "/var/run/secrets/kubernetes.io/serviceaccount/namespace";

/// The namespace of the pod that this runs in; none outside of a cluster.
fn own_namespace() -> Option<String> {
    let told = std::env::var("POD_NAMESPACE").ok().or_else(|| std::fs::read_to_string(NAMESPACE_FILE).ok());
    told.map(|name| name.trim().to_owned()).filter(|name| !name.is_empty())
}

/// The one place that names the operator.
async fn operate(config: kube::Config, settings: Settings) -> Result<Exit, Failure> {
    let stopped = stop_signal()?;
    operator::run(config, settings, stopped)
        .await
        .map_err(anyhow::Error::from)
        .map_err(|error| Failure::new(format!("{error:#}")))?;
    Ok(Exit::Clean)
}

/// Ready when the process is asked to end: by Ctrl-C, or by the kubelet.
fn stop_signal() -> Result<impl Future<Output = ()>, Failure> {
    let listen =
        |kind| signal(kind).map_err(|error| Failure::new(format!("cannot listen for signals: {error}")));
    let (mut interrupt, mut terminate) = (listen(SignalKind::interrupt())?, listen(SignalKind::terminate())?);
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    })
}

fn interval(text: &str) -> Result<Duration, String> {
    let interval = text.parse::<SignedDuration>().map_err(|error| error.to_string())?;
    let interval = Duration::try_from(interval).unwrap_or_default();
    if interval < Duration::from_secs(1) { Err("at least 1s".to_owned()) } else { Ok(interval) }
}

fn log(format: LogFormat, level: &str) -> Result<(), Failure> {
    let format = match format {
        LogFormat::Json => log::Format::Json,
        LogFormat::Text => log::Format::Text,
    };
    log::init(format, level).map_err(|error| Failure::new(format!("--log-level: {error}")))
}
