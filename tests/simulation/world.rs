//! A cluster, the operator over it, and the clock of both.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering::Relaxed};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use revisor::operator::clock::Clock;
use revisor::operator::{Error, Settings, StreamingLists, run_on};
use testkit::apiserver::{ApiServer, Builder};
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::random::Random;
use super::{compare, life, trouble};

const START: i64 = 1_795_000_000;

/// The clock follows the runtime's time, and may be set.
#[derive(Clone)]
struct Time {
    begun: Instant,
    set: Arc<AtomicI64>,
}

impl Time {
    fn now(&self) -> Timestamp {
        let passed = SignedDuration::try_from(self.begun.elapsed()).unwrap();
        Timestamp::from_second(START).unwrap() + passed + SignedDuration::from_secs(self.set.load(Relaxed))
    }
}

struct Operator {
    end: oneshot::Sender<()>,
    task: JoinHandle<Result<(), Error>>,
}

/// All of it.
pub(crate) struct World {
    server: ApiServer,
    time: Time,
    settings: Settings,
    operator: Option<Operator>,
}

impl World {
    /// A cluster with a policy, and an operator that begins.
    pub(crate) async fn begin(random: &mut Random) -> Self {
        let builder = ApiServer::builder().bookmark_interval(Duration::from_secs(240)).history(64);
        let builder = if random.below(3) == 0 { builder.without_watch_list() } else { builder };
        let time = Time { begun: Instant::now(), set: Arc::default() };
        let clock = time.clone();
        let lists = random.pick(&[StreamingLists::Auto, StreamingLists::On, StreamingLists::Off]);
        let settings =
            Settings { streaming_lists: lists, clock: Clock::of(move || clock.now()), ..Settings::default() };
        let mut world = Self { server: builder.start().await, time, settings, operator: None };
        for _ in 0..3 {
            life::policy(&world.server, random);
        }
        for _ in 0..random.below(30) {
            life::happen(&world.server, random);
        }
        world.start_operator().await;
        world
    }

    /// A cluster as `prepare` makes it, and an operator that begins.
    pub(crate) async fn over(builder: Builder, settings: Settings, prepare: impl FnOnce(&ApiServer)) -> Self {
        let time = Time { begun: Instant::now(), set: Arc::default() };
        let clock = time.clone();
        let settings = Settings { clock: Clock::of(move || clock.now()), ..settings };
        let server = builder.start().await;
        prepare(&server);
        let mut world = Self { server, time, settings, operator: None };
        world.start_operator().await;
        world
    }

    /// The cluster.
    pub(crate) fn server(&self) -> &ApiServer {
        &self.server
    }

    /// Starts an operator.
    pub(crate) async fn start_operator(&mut self) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let config = kube::Config::new(self.server.url().parse().unwrap());
        let (end, ended) = oneshot::channel();
        let shutdown = async {
            let _ = ended.await;
        };
        let task = tokio::spawn(run_on(listener, config, self.settings.clone(), shutdown));
        self.operator = Some(Operator { end, task });
    }

    /// Ends it, as SIGTERM does; returns how long that took.
    pub(crate) async fn stop_operator(&mut self) -> Duration {
        let Some(Operator { end, task }) = self.operator.take() else { return Duration::ZERO };
        let told = Instant::now();
        drop(end);
        task.await.expect("no panic").expect("a clean end");
        told.elapsed()
    }

    /// Something happens in the cluster.
    pub(crate) fn live(&self, random: &mut Random) {
        life::happen(&self.server, random);
    }

    /// Somebody edits policies.
    pub(crate) fn edit_policies(&self, random: &mut Random) {
        life::policy(&self.server, random);
    }

    /// Something goes wrong, or the API server that was away is back.
    pub(crate) async fn trouble(&self, random: &mut Random) {
        self.server.come_back().await;
        trouble::strike(&self.server, random).await;
    }

    /// The operator ends and begins, as at an upgrade.
    pub(crate) async fn restart_operator(&mut self) {
        self.stop_operator().await;
        self.start_operator().await;
    }

    /// The clock is set, back too.
    pub(crate) fn set_clock(&self, random: &mut Random) {
        let seconds = i64::try_from(random.below(7_200)).unwrap() - 3_600;
        self.time.set.store(seconds, Relaxed);
    }

    /// The clock is set so many hours ahead of time, or back behind it.
    pub(crate) fn set_clock_to(&self, hours: i64) {
        self.time.set.store(hours * 3_600, Relaxed);
    }

    /// All is well from now on.
    pub(crate) async fn end_trouble(&self) {
        trouble::end(&self.server).await;
        life::sweep(&self.server);
        self.time.set.store(0, Relaxed);
    }

    /// What the operator shows is what an audit from scratch finds.
    pub(crate) fn compare(&self, calm: bool) {
        compare::shown_is_what_is_found(&self.server, self.time.now());
        if calm {
            compare::events_alternate(&self.server);
        }
    }

    /// No fault is left: after a while the operator shows what an audit from scratch finds, it told each transition
    /// once, and it ends.
    pub(crate) async fn ends_well(self) {
        self.server.come_back().await;
        self.server.clear_faults();
        self.server.allow_all();
        tokio::time::sleep(super::SETTLE).await;
        self.compare(true);
        self.end().await;
    }

    /// The end.
    pub(crate) async fn end(mut self) {
        self.stop_operator().await;
    }
}
