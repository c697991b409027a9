//! The shell: all talk with Kubernetes. It has no opinions; what is true is in the auditor, and how it is shown
//! in the reports. Everything runs on the current-thread runtime that the caller made.

pub mod admin;
pub mod approve;
pub mod clock;
pub mod lease;
pub mod log;
pub mod one_shot;
pub mod pace;

mod access;
mod audits;
mod backoff;
mod call;
mod effective;
mod elector;
mod engine;
mod events;
mod frames;
mod health;
mod leadership;
mod lookup;
mod needs;
mod notices;
mod observed;
mod owners;
mod pages;
mod probe;
mod process;
mod pulse;
pub mod record;
mod regarding;
mod start;
mod status;
mod stop;
mod transport;
mod watch;
mod watches;
mod wire;
mod write;

use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use futures::StreamExt as _;
use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch as latest};
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::auditor::Auditor;
use crate::auditor::snapshot::Snapshot;
use crate::report::operational::Operational;
use admin::Admin;
use audits::AuditWriter;
use clock::Clock;
use effective::EffectiveWriter;
use elector::Elector;
use engine::{Engine, Outlets};
use events::{EventSettings, EventWriter};
use health::Health;
use leadership::{Leadership, Writer};
use lease::LeaderElection;
use needs::Needs;
use notices::Notices;
use observed::Observed;
use pace::Rate;
use record::{Ask, RecordSettings, RecordWriter, Store};
use status::StatusWriter;
use stop::{Stop, Stopper};
use transport::Clients;
use watch::{Manner, Received};

/// Changes between the watches and the engine.
const CHANGES: usize = 2048;
/// Questions about the record that wait for the engine.
const ASKS: usize = 4;
/// Owners that wait to be looked up.
const OWNERS: usize = 256;

/// Whether first lists are streamed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum StreamingLists {
    /// Where a probe says that they work.
    #[default]
    Auto,
    /// Without a probe. A watch that cannot stream still goes over to pages.
    On,
    /// Never.
    Off,
}

/// How the operator behaves.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where probes and metrics are served.
    pub listen: SocketAddr,
    /// Whether first lists are streamed.
    pub streaming_lists: StreamingLists,
    /// How long a streamed list may tell nothing before the watch goes over to pages.
    pub streaming_limit: Duration,
    /// The status of one policy is written at most this often.
    pub status_interval: Duration,
    /// Writes of status, of all policies together.
    pub statuses: Rate,
    /// Events.
    pub events: Rate,
    /// Events about one namespace and what is in it; what is left out is summed up in one.
    pub namespace_events: Rate,
    /// Events that were left out are summed up after this long.
    pub left_out_period: Duration,
    /// Writes of NamespaceAudits.
    pub audits: Rate,
    /// Look-ups of the owners of dormant findings.
    pub owner_lookups: Rate,
    /// How long a write may take.
    pub write_deadline: Duration,
    /// How long to wait before a kind that nothing works without is tried again: a missing
    /// CustomResourceDefinition, no permission on pods.
    pub retry_needed: Duration,
    /// The same for kinds that some rules read.
    pub retry_optional: Duration,
    /// How long writers may take to finish when the operator ends.
    pub shutdown_deadline: Duration,
    /// How many series `revisor_namespace_findings` has at most.
    pub namespace_series: usize,
    /// How the record of what was found is kept for the next start; none where it is not.
    pub record: Option<RecordSettings>,
    /// Whether changes are told that are suspicious whatever the policies ask for.
    pub suspicious_activity: bool,
    /// Who writes: the pod's name.
    pub instance: String,
    /// What the time is.
    pub clock: Clock,
    /// How replicas agree on who writes; none for one that always does.
    pub leader_election: Option<LeaderElection>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([0, 0, 0, 0], 8080)),
            streaming_lists: StreamingLists::Auto,
            streaming_limit: Duration::from_secs(120),
            status_interval: Duration::from_secs(5),
            statuses: Rate::new(5.0, 50),
            events: Rate::new(5.0, 50),
            namespace_events: Rate::new(0.5, 25),
            left_out_period: Duration::from_secs(300),
            audits: Rate::new(10.0, 50),
            owner_lookups: Rate::new(2.0, 10),
            write_deadline: Duration::from_secs(10),
            retry_needed: Duration::from_secs(15),
            retry_optional: Duration::from_secs(300),
            shutdown_deadline: Duration::from_secs(10),
            namespace_series: crate::report::metrics::NAMESPACE_SERIES_DEFAULT,
            record: None,
            suspicious_activity: true,
            instance: "revisor".to_owned(),
            clock: Clock::default(),
            leader_election: None,
        }
    }
}

impl Settings {
    /// How long before its last sign of life a leader has certainly dealt with an Event: a full queue takes that
    /// long to be written.
    fn events_written_after(&self) -> Duration {
        let waiting = u32::try_from(notices::WAITING).unwrap_or(u32::MAX);
        let queue = Duration::from_secs_f64(f64::from(waiting) / self.events.per_second.max(1.0));
        queue + self.leader_election.as_ref().map_or(Duration::ZERO, |lease| lease.lease_duration)
    }
}

/// Why the operator could not run.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The address is taken.
    #[error(transparent)]
    Admin(#[from] admin::Error),
    /// No client can be made of the configuration.
    #[error("cannot make a client for the API server; check the kubeconfig or the ServiceAccount's files")]
    Client(#[source] Box<kube::Error>),
    /// A task came to an end by itself.
    #[error("a part of the operator has ended unexpectedly; this is a bug")]
    Ended(#[source] Option<tokio::task::JoinError>),
}

/// Runs until `shutdown` is ready. The API server may be away, kinds and permissions may be missing: it waits
/// for them, and says so.
pub async fn run(
    config: kube::Config,
    settings: Settings,
    shutdown: impl Future<Output = ()>,
) -> Result<(), Error> {
    let listener = admin::bind(settings.listen).await?;
    run_on(listener, config, settings, shutdown).await
}

/// [`run`] with a listener that is there already, instead of [`Settings::listen`].
pub async fn run_on(
    listener: TcpListener,
    config: kube::Config,
    settings: Settings,
    shutdown: impl Future<Output = ()>,
) -> Result<(), Error> {
    let (clock, now) = (settings.clock.clone(), Instant::now());
    let health =
        Health::new(Arc::default(), now, clock.clone()).with_longest_pause(now, settings.retry_optional);
    let health = Arc::new(health);
    let no_client = |error| Error::Client(Box::new(error));
    let clients = Clients::new(&config, &health).map_err(no_client)?;
    let observed = Arc::new(Observed::default());
    let (changes, inbox) = mpsc::channel(CHANGES);
    let (snapshots, newest) = latest::channel(None);
    let (owners, wanted) = mpsc::channel(OWNERS);
    let (stopper, stop) = Stopper::new();
    let (releaser, release) = Stopper::new();
    let mut tasks = Tasks { set: JoinSet::new(), stop };
    let mut election = Tasks { set: JoinSet::new(), stop: release };

    let leadership = match &settings.leader_election {
        None => Leadership::endless(),
        Some(lease) => {
            let (terms, leadership) = Leadership::of_election();
            let elector = Elector::new(&config, lease, &settings.instance, terms, Arc::clone(&health));
            let elector = elector.map_err(no_client)?;
            election.start(|stop| elector.run(stop));
            leadership
        }
    };
    let lease = settings.leader_election.as_ref().map(|lease| (lease.name.clone(), leadership.clone()));
    let admin = Admin {
        health: Arc::clone(&health),
        snapshots: newest.clone(),
        namespace_series: settings.namespace_series,
        election: lease,
    };
    tasks.start(|stop| admin::serve(listener, admin, stop));
    let needs = Arc::new(Needs::default());
    let notices = Arc::new(Notices::new(settings.namespace_events, settings.left_out_period));
    let outlets = Outlets { snapshots, notices: Arc::clone(&notices), owners, needs: Arc::clone(&needs) };
    let mut auditor = Auditor::new().on_cores(thread::available_parallelism().unwrap_or(NonZeroUsize::MIN));
    if !settings.suspicious_activity {
        auditor.ignore_suspicious_activity();
    }
    let mut engine = Engine::new(auditor, inbox, outlets, Arc::clone(&health), clock);
    let keeping =
        settings.record.as_ref().map(|record| Keeping::new(record, &clients, settings.write_deadline));
    let keeping = keeping.map(|(keeping, asked)| {
        engine.keep_record(asked);
        tasks.start(|stop| record::recall(Arc::clone(&keeping.store), changes.clone(), stop));
        keeping
    });
    tasks.start(|stop| engine.run(stop));
    let watches = (Arc::clone(&observed), Arc::clone(&health), needs);
    tasks.watches(clients.watches.clone(), &settings, changes.clone(), watches);
    let record = keeping.map(|keeping| {
        keeping.writer(Arc::clone(&health.operational), Arc::clone(&notices), newest.clone(), changes.clone())
    });
    let owners = (clients.writes.clone(), settings.owner_lookups, settings.write_deadline);
    tasks.start(|stop| owners::run(owners.0, owners.1, owners.2, wanted, changes, stop));
    let inputs = Inputs { newest, notices: Arc::clone(&notices), observed, leadership };
    tasks.writers(&clients, &settings, &health, &inputs);
    if let Some(record) = record {
        tasks.writer(record, &inputs.leadership);
    }

    let ended = tasks.until(shutdown, &mut election).await;
    stopper.stop();
    tasks.finish(settings.shutdown_deadline).await;
    say_what_waits(&notices, settings.leader_election.is_some());
    // Only now: while writers finish what they have begun, no other replica should begin.
    releaser.stop();
    election.finish(settings.shutdown_deadline).await;
    ended
}

/// What of Events was not written before the end.
fn say_what_waits(notices: &Notices, has_successor: bool) {
    match notices.waiting() {
        0 => {}
        waiting if has_successor => tracing::info!(waiting, "Events are left to the next leader"),
        dropped => tracing::warn!(dropped, "Events were not written before the end; the log has each"),
    }
}

/// What writers read.
struct Inputs {
    newest: latest::Receiver<Option<Arc<Snapshot>>>,
    notices: Arc<Notices>,
    observed: Arc<Observed>,
    leadership: Leadership,
}

/// What the record is kept with.
struct Keeping {
    settings: RecordSettings,
    store: Arc<Store>,
    asks: mpsc::Sender<Ask>,
}

impl Keeping {
    /// All of it, and what the engine is asked by.
    fn new(settings: &RecordSettings, clients: &Clients, deadline: Duration) -> (Self, mpsc::Receiver<Ask>) {
        let (asks, asked) = mpsc::channel(ASKS);
        let store = Arc::new(Store::new(clients.writes.clone(), &settings.namespace, deadline));
        (Self { settings: settings.clone(), store, asks }, asked)
    }

    /// What writes it, while this replica writes.
    fn writer(
        self,
        operational: Arc<Operational>,
        notices: Arc<Notices>,
        newest: latest::Receiver<Option<Arc<Snapshot>>>,
        changes: mpsc::Sender<Received>,
    ) -> RecordWriter {
        let Self { settings, store, asks } = self;
        RecordWriter::new(store, (asks, changes), notices, newest, operational, &settings)
    }
}

/// All tasks. Each ends when told, and none by itself.
struct Tasks {
    set: JoinSet<()>,
    stop: Stop,
}

impl Tasks {
    fn start<F: Future<Output = ()> + Send + 'static>(&mut self, task: impl FnOnce(Stop) -> F) {
        self.set.spawn(task(self.stop.clone()));
    }

    /// Starts the watches, after the probe for streaming lists.
    fn watches(
        &mut self,
        client: kube::Client,
        settings: &Settings,
        changes: mpsc::Sender<Received>,
        (observed, health, needs): (Arc<Observed>, Arc<Health>, Arc<Needs>),
    ) {
        let lists = settings.streaming_lists;
        let manner = Manner {
            streaming: lists == StreamingLists::On,
            streaming_limit: settings.streaming_limit,
            retry_needed: settings.retry_needed,
            retry_optional: settings.retry_optional,
        };
        self.start(|mut stop| async move {
            let mut context =
                watch::Context { client, changes, observed, health, needs, stop: stop.clone(), manner };
            if lists == StreamingLists::Auto {
                let probe = probe::streaming_works(&context.client);
                let Some(works) = stop.unless(probe).await else { return };
                context.manner.streaming = works;
            }
            let mut watches = watches::all(&context);
            drop(context);
            while watches.next().await.is_some() {}
        });
    }

    /// Starts what writes, which it does only while this replica leads.
    fn writers(&mut self, clients: &Clients, settings: &Settings, health: &Health, inputs: &Inputs) {
        let client = || clients.writes.clone();
        let operational = || Arc::clone(&health.operational);
        let Inputs { newest, notices, observed, leadership } = inputs;
        let deadline = settings.write_deadline;
        let times = (settings.status_interval, deadline);
        let observed = Arc::clone(observed);
        let status =
            StatusWriter::new(client(), observed, operational(), newest.clone(), settings.statuses, times);
        self.writer(status, leadership);
        let effective =
            EffectiveWriter::new(client(), operational(), newest.clone(), settings.audits, deadline);
        self.writer(effective, leadership);
        let sources = (newest.clone(), leadership.clone());
        self.writer(
            AuditWriter::new(client(), operational(), sources, settings.audits, deadline),
            leadership,
        );
        let events = EventSettings {
            rate: settings.events,
            deadline,
            written_after: settings.events_written_after(),
            left_out_period: settings.left_out_period,
            instance: (*settings.instance).into(),
        };
        let (notices, newest) = (Arc::clone(notices), newest.clone());
        let events = EventWriter::new(client(), operational(), notices, newest, leadership.clone(), events);
        self.writer(events, leadership);
    }

    fn writer(&mut self, writer: impl Writer, leadership: &Leadership) {
        self.start(|stop| leadership::run(writer, leadership.clone(), stop));
    }

    /// Waits for the end: asked for, or because a task has ended that should not.
    async fn until(&mut self, shutdown: impl Future<Output = ()>, election: &mut Self) -> Result<(), Error> {
        let ended = tokio::select! {
            () = shutdown => return Ok(()),
            ended = self.set.join_next() => ended,
            ended = election.set.join_next(), if !election.set.is_empty() => ended,
        };
        Err(Error::Ended(ended.and_then(Result::err)))
    }

    /// Lets every task finish what it has begun.
    async fn finish(mut self, deadline: Duration) {
        let all = async { while self.set.join_next().await.is_some() {} };
        if tokio::time::timeout(deadline, all).await.is_err() {
            tracing::warn!("some writes were not finished in time; they are left to the next start");
        }
    }
}
