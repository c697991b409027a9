//! One watch a kind: it turns what the API server tells into changes for the engine, and never gives up. One loop for
//! all kinds, over bytes; what is particular about a kind is its [`Decoder`].

mod refused;

use std::convert::Infallible;
use std::error::Error;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use http_body_util::BodyExt as _;
use kube::Client;
use kube::client::Body;
use kube::core::params::WatchParams;
use tokio::sync::mpsc::{self, error::TrySendError};
use tokio::time::Instant;

use super::backoff::Backoff;
use super::call::{self, Failure};
use super::frames::{Frames, TooLong};
use super::health::{Health, WatchState, is_optional};
use super::needs::Needs;
use super::observed::Observed;
use super::pages::Pages;
use super::start::{Start, Trouble};
use super::stop::Stop;
use super::transport::with_causes;
use crate::decode::Change;
use crate::decode::wire::envelope::Frame;
use crate::decode::wire::{Decoder, is_metadata_only};
use crate::subject::Resource;

/// What to do when the kinds of `revisor.dev` are not there.
pub(crate) const INSTALL_CRDS: &str =
    "the CustomResourceDefinition is missing; install it with: revisor crd | kubectl apply -f -";

/// A watch that says nothing for so long is dead: the server ends it after 290 s at the latest.
const DEAD: Duration = Duration::from_secs(295);
/// So many frames in a row that cannot be read are believed: everything is listed instead.
const GARBLED_BELIEVED: u32 = 2;
/// So long the audit of everything waits for the first answer about a kind of somebody else.
const FIRST_ANSWER: Duration = Duration::from_secs(10);

/// A change, and when it came in; none for what stands in an initial list, which is no news.
#[derive(Debug)]
pub(crate) struct Received {
    /// What happened.
    pub(crate) change: Change,
    /// When the operator was told.
    pub(crate) at: Option<Instant>,
}

/// How watches behave.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Manner {
    /// Ask for streaming lists.
    pub(crate) streaming: bool,
    /// How long a streaming list may tell nothing.
    pub(crate) streaming_limit: Duration,
    /// How long to wait at most before a kind that must be there is tried again.
    pub(crate) retry_needed: Duration,
    /// The same for a kind that rules can do without.
    pub(crate) retry_optional: Duration,
}

/// What a watch needs.
#[derive(Clone)]
pub(crate) struct Context {
    pub(crate) client: Client,
    pub(crate) changes: mpsc::Sender<Received>,
    pub(crate) observed: Arc<Observed>,
    pub(crate) health: Arc<Health>,
    pub(crate) needs: Arc<Needs>,
    pub(crate) stop: Stop,
    pub(crate) manner: Manner,
}

/// Why following a watch came to an end.
enum End {
    /// The operator ends.
    Stopped,
    /// It cannot be read just now: `Forbidden` (with no verbs where only one refused request is known) or
    /// `Missing`.
    Shut(WatchState),
    /// Streaming is given up, for this reason.
    Pages(&'static str),
}

/// Why one list or one watch came to an end.
enum Broken {
    /// All comes to an end.
    Off(End),
    /// What comes next depends on the failure.
    By(Failure),
}

impl From<End> for Broken {
    fn from(end: End) -> Self {
        Self::Off(end)
    }
}

impl From<Failure> for Broken {
    fn from(failure: Failure) -> Self {
        Self::By(failure)
    }
}

/// How far the list of a kind has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// Not asked for yet.
    Idle,
    /// Asked for; the engine is not told before the first answer, which may be a refusal.
    Asked,
    /// Being told.
    Telling,
    /// Told to the end; changes follow.
    Synced,
}

/// Watches a kind whenever it is needed, until the operator ends.
pub(crate) async fn watch(context: Context, resource: Resource, decoder: Box<dyn Decoder>) {
    let mut need = context.needs.of(resource);
    let mut stop = context.stop.clone();
    let mut watch = Watch {
        start: Start::new(context.manner.streaming),
        context,
        decoder: decoder.into(),
        resource,
        phase: Phase::Idle,
        version: String::new(),
        backoff: Backoff::default(),
        garbled: 0,
        known: false,
        refusals: 0,
        shut: false,
        absent: false,
    };
    while stop.unless(need.begins()).await.is_some() {
        tokio::select! {
            biased;
            () = need.ends() => {}
            () = watch.run() => return,
        }
        if watch.give_up().await.is_err() {
            return;
        }
    }
}

struct Watch {
    context: Context,
    decoder: Arc<dyn Decoder>,
    start: Start,
    resource: Resource,
    phase: Phase,
    /// The resourceVersion of what was told last. To go on from once everything was told.
    version: String,
    backoff: Backoff,
    /// So many frames in a row could not be read.
    garbled: u32,
    /// Everything was told at least once since the kind is needed.
    known: bool,
    /// Refused so often since the last answer.
    refusals: u32,
    /// The engine was told, and the log says, that this kind cannot be read.
    shut: bool,
    /// The engine was told, and the log says, that there are no such objects: the server does not serve
    /// the kind.
    absent: bool,
}

impl Watch {
    /// Watches until the operator ends.
    async fn run(&mut self) {
        let resource = self.resource;
        let mut ask_first = is_optional(resource);
        loop {
            let Err(end) = match ask_first {
                true => self.ask_and_follow().await,
                false => self.follow().await,
            };
            ask_first = true;
            let resumed = match end {
                End::Pages(why) => {
                    tracing::warn!(%resource, why, "streaming lists do not work here; listing in pages from now on");
                    Ok(())
                }
                End::Shut(state) => self.shut(state).await,
                End::Stopped => return,
            };
            if resumed.is_err() {
                return;
            }
        }
    }

    /// The kind is not needed any more. When it is again, all is asked anew, the permission too.
    async fn give_up(&mut self) -> Result<(), End> {
        tracing::info!(resource = %self.resource, "no policy needs this kind any more; it is not watched");
        self.context.health.set_state(self.resource, WatchState::Unneeded);
        (self.known, self.refusals, self.absent) = (false, 0, false);
        if self.shut {
            self.send(Change::Access(self.resource, true), None).await?;
            self.shut = false;
        }
        Ok(())
    }

    /// Follows one watch until something ends it that trying again at once does not mend.
    async fn follow(&mut self) -> Result<Infallible, End> {
        self.phase = Phase::Idle;
        self.context.health.set_state(self.resource, WatchState::Starting);
        loop {
            let goes_on = self.phase == Phase::Synced && !self.version.is_empty();
            let ended = match (goes_on, self.start.streaming()) {
                (true, _) => self.watch_on().await,
                (false, true) => self.stream_list().await,
                (false, false) => self.list().await,
            };
            match ended {
                Ok(()) => {}
                Err(Broken::By(failure)) => self.failed(&failure).await?,
                Err(Broken::Off(end)) => return Err(end),
            }
        }
    }

    /// Tells everything, page by page.
    async fn list(&mut self) -> Result<(), Broken> {
        self.asked()?;
        let (client, decoder) = (self.context.client.clone(), Arc::clone(&self.decoder));
        let mut pages = Pages::new(self.resource, None, None);
        loop {
            match self.wait(pages.next(&client, &*decoder)).await? {
                Ok(()) => {}
                // The server keeps a list for minutes: to begin anew would cost it more than to go on.
                Err(failure) if pages.has_more() && Trouble::of(&failure) == Trouble::Away => {
                    self.failed(&failure).await?;
                    continue;
                }
                Err(failure) => return Err(failure.into()),
            }
            self.telling().await?;
            for change in pages.changes.drain(..) {
                self.send(change, None).await?;
            }
            if pages.has_more() {
                continue;
            }
            if pages.version.is_empty() {
                let why = "a list without a resourceVersion: nothing can follow it";
                return Err(Failure::Garbled(why.to_owned()).into());
            }
            self.version = pages.version;
            return Ok(self.synced().await?);
        }
    }

    /// Tells everything as the beginning of a watch, and goes on with what happens.
    async fn stream_list(&mut self) -> Result<(), Broken> {
        let body = self.open(&WatchParams::streaming_lists(), "0").await?;
        self.asked()?;
        self.read(body).await
    }

    /// Tells what happens since what was told last.
    async fn watch_on(&mut self) -> Result<(), Broken> {
        let version = self.version.clone();
        let body = self.open(&WatchParams::default(), &version).await?;
        self.read(body).await
    }

    async fn open(&mut self, params: &WatchParams, version: &str) -> Result<Body, Broken> {
        // A server that ends every watch at once must not make a hot loop.
        let delay = self.context.health.watch_delay(self.resource, Instant::now());
        if !delay.is_zero() {
            self.wait(tokio::time::sleep(delay)).await?;
        }
        let client = self.context.client.clone();
        let request = call::watch(self.resource, is_metadata_only(self.resource), params, version);
        Ok(self.wait(call::open(&client, request)).await??)
    }

    /// Reads a watch to its end. What stands in one chunk is handed on without a wait in between.
    async fn read(&mut self, mut body: Body) -> Result<(), Broken> {
        let mut stop = self.context.stop.clone();
        let mut stopped = pin!(stop.wait());
        let mut deadline = Instant::now() + self.limit().min(DEAD);
        // One timer for the whole watch: it is set anew when it rings too early, not with every chunk.
        let mut silence = pin!(tokio::time::sleep_until(deadline));
        let mut frames = Frames::default();
        let why = loop {
            let chunk = tokio::select! {
                biased;
                chunk = body.frame() => chunk,
                () = &mut stopped => return Err(End::Stopped.into()),
                () = &mut silence => {
                    if Instant::now() >= deadline {
                        if self.limit() >= DEAD {
                            break "it says nothing any more".to_owned();
                        }
                        self.silent().await?;
                        deadline = Instant::now() + self.limit().min(DEAD);
                    }
                    silence.as_mut().reset(deadline);
                    continue;
                }
            };
            let data = match chunk {
                Some(Ok(frame)) => frame.into_data().unwrap_or_default(),
                Some(Err(error)) => break with_causes(&error),
                None if frames.is_cut() => break "it ends within a frame".to_owned(),
                None => return Ok(()),
            };
            let (now, mut chunk) = (Instant::now(), data.as_ref());
            while let Some(frame) = frames.next(&mut chunk).map_err(|error| self.unreadable(&error))? {
                self.take(frame, now).await?;
            }
            deadline = now + self.limit().min(DEAD);
            if deadline < silence.deadline() {
                silence.as_mut().reset(deadline);
            }
        };
        // The connection broke: the watch goes on where it was, at once.
        self.context.health.operational.watch_restarted(self.resource, Trouble::Away.reason());
        tracing::debug!(resource = %self.resource, why, "the watch was cut");
        Ok(())
    }

    /// A frame that cannot be read. It is asked for once more; after that, or when it is too long, everything is.
    fn unreadable(&mut self, error: &(dyn Error + 'static)) -> Failure {
        self.garbled = self.garbled.saturating_add(1);
        if self.garbled >= GARBLED_BELIEVED || error.is::<TooLong>() {
            self.version.clear();
        }
        Failure::Garbled(error.to_string())
    }

    async fn take(&mut self, frame: &[u8], now: Instant) -> Result<(), Broken> {
        let before = version_number(&self.version);
        let told = self.decoder.frame(frame, &mut self.version);
        let told = told.map_err(|error| self.unreadable(&error))?;
        if let Frame::Error { code, message } = told {
            return Err(Failure::Refused { code, message }.into());
        }
        self.backoff.reset();
        self.garbled = 0;
        let was_synced = self.phase == Phase::Synced;
        match told {
            Frame::Here(change) | Frame::Gone(Some(change)) => {
                self.telling().await?;
                let at = (self.phase == Phase::Synced).then_some(now);
                self.send(change, at).await?;
            }
            Frame::Bookmark { ends_list: true } if self.phase != Phase::Synced => {
                self.telling().await?;
                self.synced().await?;
            }
            Frame::Gone(None) | Frame::Bookmark { .. } | Frame::Error { .. } | Frame::Other => {}
        }
        // Versions of a kind grow. Where one does not, something on the way has changed the order, and what was told
        // last of an object need not be its newest state: the watch goes on from the older version, after which
        // everything is told again. An initial list has an order of its own.
        if was_synced && version_number(&self.version).is_some_and(|version| Some(version) < before) {
            return Err(Failure::Garbled("events came out of order".to_owned()).into());
        }
        Ok(())
    }

    /// Everything has been told.
    async fn synced(&mut self) -> Result<(), End> {
        self.phase = Phase::Synced;
        self.known = true;
        self.garbled = 0;
        self.start.succeeded();
        self.open_up().await?;
        self.send(Change::RelistFinished(self.resource), None).await?;
        self.context.health.set_state(self.resource, WatchState::Synced);
        Ok(())
    }

    /// How long nothing may be said at this point.
    fn limit(&self) -> Duration {
        match (self.is_awaited(), self.start.streaming() && self.phase != Phase::Synced) {
            (true, _) => FIRST_ANSWER,
            (false, true) => self.context.manner.streaming_limit,
            (false, false) => Duration::MAX,
        }
    }

    /// Waits for `answer` as long as may be at this point, and says on the way that it is late.
    async fn wait<T>(&mut self, answer: impl Future<Output = T>) -> Result<T, End> {
        let mut answer = pin!(answer);
        loop {
            let late = tokio::time::timeout(self.limit(), answer.as_mut());
            match self.context.stop.unless(late).await {
                None => return Err(End::Stopped),
                Some(Ok(answer)) => return Ok(answer),
                Some(Err(_)) => self.silent().await?,
            }
        }
    }

    /// Nothing was said for as long as may be.
    async fn silent(&mut self) -> Result<(), End> {
        if self.is_awaited() {
            return self.unavailable().await;
        }
        self.start.silent();
        Err(End::Pages("the list did not come to its end in time"))
    }

    /// A list begins. One that begins again before its end was broken off by the server.
    fn asked(&mut self) -> Result<(), End> {
        let broken_off = matches!(self.phase, Phase::Asked | Phase::Telling);
        if self.phase == Phase::Synced {
            self.context.health.set_state(self.resource, WatchState::Starting);
        }
        self.phase = Phase::Asked;
        self.version.clear();
        if broken_off && self.start.streaming() && self.start.failed() {
            return Err(End::Pages("the server ends the stream before the list is complete"));
        }
        Ok(())
    }

    /// The list is answered.
    async fn telling(&mut self) -> Result<(), End> {
        if self.phase != Phase::Asked {
            return Ok(());
        }
        self.phase = Phase::Telling;
        (self.refusals, self.absent) = (0, false);
        let resource = self.resource;
        self.open_up().await?;
        self.send(Change::RelistStarted(resource), None).await
    }

    /// What follows from a failure, and the pause before the next try.
    async fn failed(&mut self, failure: &Failure) -> Result<(), End> {
        let trouble = Trouble::of(failure);
        self.context.health.operational.watch_restarted(self.resource, trouble.reason());
        tracing::debug!(resource = %self.resource, error = %failure, "the watch starts anew");
        match trouble {
            Trouble::Forbidden => return Err(End::Shut(WatchState::Forbidden(""))),
            Trouble::Missing => return Err(End::Shut(WatchState::Missing)),
            Trouble::Refused
                if self.phase != Phase::Synced && self.start.streaming() && self.start.failed() =>
            {
                return Err(End::Pages("the server refuses them"));
            }
            // From where the watch was nothing more will be told.
            Trouble::Refused | Trouble::Expired => self.version.clear(),
            Trouble::Garbled | Trouble::Away => {}
        }
        let pause = self.backoff.pause(Instant::now());
        self.wait(tokio::time::sleep(pause)).await
    }

    /// Hands a change to the engine, and waits while its channel is full: that reaches the TCP connection.
    async fn send(&mut self, change: Change, at: Option<Instant>) -> Result<(), End> {
        let received = match self.context.changes.try_send(Received { change, at }) {
            Ok(()) => return Ok(()),
            Err(TrySendError::Closed(_)) => return Err(End::Stopped),
            Err(TrySendError::Full(received)) => received,
        };
        match self.context.stop.unless(self.context.changes.send(received)).await {
            Some(Ok(())) => Ok(()),
            Some(Err(_)) | None => Err(End::Stopped),
        }
    }
}

/// A resourceVersion as the number that it is (KEP-5504); none where somebody's server counts in another way.
fn version_number(version: &str) -> Option<u64> {
    version.parse().ok()
}
