//! One watch a kind: it turns what the API server tells into changes for the engine, and never gives up.

use std::sync::Arc;
use std::time::Duration;

use futures::{StreamExt as _, TryStreamExt as _};
use k8s_openapi::api::core::v1::Namespace;
use kube::Client;
use kube::api::{Api, WatchEvent, WatchParams};
use kube::core::PartialObjectMeta;
use kube::runtime::WatchStreamExt as _;
use kube::runtime::watcher::{self, Event};
use tokio::sync::mpsc::{self, error::TrySendError};
use tokio::time::Instant;

use super::access::{self, Access};
use super::health::{Health, WatchState, is_optional};
use super::needs::Needs;
use super::observed::Observed;
use super::start::{Start, Trouble};
use super::stop::Stop;
use super::transport::with_causes;
use super::wire::Told;
use crate::decode::Change;
use crate::subject::Resource;

/// What to do when the kinds of `revisor.dev` are not there.
pub(crate) const INSTALL_CRDS: &str =
    "the CustomResourceDefinition is missing; install it with: revisor crd | kubectl apply -f -";

/// Objects a page.
const PAGE: u32 = 500;
/// Annotation of the bookmark that ends a streamed list.
const INITIAL_EVENTS_END: &str = "k8s.io/initial-events-end";
/// How long the probe for streaming lists may take.
const PROBE: Duration = Duration::from_secs(5);

/// A change, and when it came in; none for what stands in an initial list, which is no news.
#[derive(Debug)]
pub(crate) struct Received {
    /// What happened.
    pub(crate) change: Change,
    /// When the operator was told.
    pub(crate) at: Option<Instant>,
}

/// So many refusals in a row are believed of a kind that was read before: an API server that comes up refuses
/// everybody and serves no CustomResourceDefinition until it has read its roles and its definitions.
const REFUSALS_BELIEVED: u32 = 5;
/// So long the audit of everything waits for the first answer about a kind of somebody else.
const FIRST_ANSWER: Duration = Duration::from_secs(10);
/// The pause after the first refusal. It doubles from one to the next.
const FIRST_PAUSE: Duration = Duration::from_secs(1);

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

/// Watches `K` whenever it is needed, until the operator ends.
pub(crate) async fn watch<K: Told>(context: Context) {
    let mut need = context.needs.of(K::RESOURCE);
    let mut stop = context.stop.clone();
    let start = Start::new(context.manner.streaming);
    let (resource, phase) = (K::RESOURCE, Phase::Idle);
    let mut watch =
        Watch { context, start, resource, phase, known: false, refusals: 0, shut: false, absent: false };
    while stop.unless(need.begins()).await.is_some() {
        tokio::select! {
            biased;
            () = need.ends() => {}
            () = watch.run::<K>() => return,
        }
        if watch.give_up().await.is_err() {
            return;
        }
    }
}

struct Watch {
    context: Context,
    start: Start,
    resource: Resource,
    phase: Phase,
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
    async fn run<K: Told>(&mut self) {
        let mut ask_first = is_optional(K::RESOURCE);
        loop {
            let ended = match ask_first {
                true => self.ask_and_follow::<K>().await,
                false => self.follow::<K>().await,
            };
            ask_first = true;
            let resumed = match ended {
                Err(End::Pages(why)) => {
                    tracing::warn!(resource = %K::RESOURCE, why, "streaming lists do not work here; listing in pages from now on");
                    Ok(())
                }
                Err(End::Shut(state)) => self.shut(state).await,
                Ok(()) | Err(End::Stopped) => return,
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

    /// Follows the watch unless the API server says that it is not permitted: asking keeps refusals out of
    /// its audit log.
    async fn ask_and_follow<K: Told>(&mut self) -> Result<(), End> {
        if self.resource.may_be_absent() {
            // Before permissions: nobody grants what nobody has installed.
            let served = access::is_served(&self.context.client, self.resource);
            if self.context.stop.unless(served).await.ok_or(End::Stopped)? == Some(false) {
                return Err(End::Shut(WatchState::Missing));
            }
        }
        let review = access::review(&self.context.client, self.resource);
        match self.context.stop.unless(review).await {
            None => Err(End::Stopped),
            Some(Access::Denied(verbs)) => Err(End::Shut(WatchState::Forbidden(verbs))),
            Some(Access::Granted | Access::Unknown) => self.follow::<K>().await,
        }
    }

    /// Says once that the kind cannot be read, and waits before the next try. What was read before is kept until
    /// the refusal has proved to last.
    async fn shut(&mut self, state: WatchState) -> Result<(), End> {
        let state = self.name_verbs(state).await?;
        self.refusals = self.refusals.saturating_add(1);
        // Of a kind that nobody had installed, too: an API server that comes up refuses it like any other.
        let was_answered = self.known || self.absent && state != WatchState::Missing;
        if was_answered && self.refusals < REFUSALS_BELIEVED {
            self.context.health.set_state(self.resource, WatchState::Starting);
        } else if state == WatchState::Missing && self.resource.may_be_absent() {
            self.none_installed().await?;
        } else {
            self.context.health.set_state(self.resource, state);
            if !std::mem::replace(&mut self.shut, true) {
                self.say_shut(state).await?;
            }
        }
        let manner = &self.context.manner;
        let longest = if is_optional(self.resource) { manner.retry_optional } else { manner.retry_needed };
        let pause = pause_after(self.refusals, longest);
        self.context.stop.unless(tokio::time::sleep(pause)).await.ok_or(End::Stopped)
    }

    /// The server does not serve the kind, so there are no such objects: that is an answer like an empty list.
    async fn none_installed(&mut self) -> Result<(), End> {
        let resource = self.resource;
        let was_absent = std::mem::replace(&mut self.absent, true);
        if !was_absent {
            tracing::info!(%resource, "the API server does not serve this kind, so there are no such objects");
        }
        // It may have been taken for one whose server is away, while nothing answered.
        let was_shut = std::mem::take(&mut self.shut);
        if was_shut {
            self.send(Change::Access(resource, true), None).await?;
        }
        if was_shut || !was_absent {
            self.send(Change::RelistStarted(resource), None).await?;
            self.send(Change::RelistFinished(resource), None).await?;
        }
        self.context.health.set_state(resource, WatchState::Synced);
        Ok(())
    }

    /// Whether the audit of everything still waits for the first answer about a kind of somebody else, which may be
    /// served by somebody else's server. One that nobody had installed is known: an API server that is away says
    /// nothing of it.
    fn is_awaited(&self) -> bool {
        self.resource.is_custom() && !self.known && !self.absent && !self.shut
    }

    /// That server is away: from now on only the rules that read the kind wait for it.
    async fn unavailable(&mut self) -> Result<(), End> {
        let (resource, cost) = (self.resource, access::cost(self.resource));
        tracing::warn!(%resource, cost, "whoever serves this kind does not answer; it is tried again by itself");
        self.shut = true;
        self.send(Change::Access(resource, false), None).await
    }

    /// The kind can be read after all.
    async fn open(&mut self) -> Result<(), End> {
        if std::mem::take(&mut self.shut) {
            tracing::info!(resource = %self.resource, "can be read now");
            self.send(Change::Access(self.resource, true), None).await?;
        }
        Ok(())
    }

    /// A refused request names one verb; a review names all that is missing.
    async fn name_verbs(&mut self, state: WatchState) -> Result<WatchState, End> {
        if state != WatchState::Forbidden("") {
            return Ok(state);
        }
        let review = access::review(&self.context.client, self.resource);
        match self.context.stop.unless(review).await.ok_or(End::Stopped)? {
            Access::Denied(verbs) => Ok(WatchState::Forbidden(verbs)),
            Access::Granted | Access::Unknown => Ok(WatchState::Forbidden("list or watch")),
        }
    }

    async fn say_shut(&mut self, state: WatchState) -> Result<(), End> {
        let (resource, cost) = (self.resource, access::cost(self.resource));
        match state {
            WatchState::Forbidden(verbs) => {
                tracing::warn!(%resource, verbs, cost, "no permission; grant it in the ClusterRole, it is asked for again by itself")
            }
            // Policies that are known are kept: the CustomResourceDefinition may be on its way back.
            _ if resource == Resource::ImagePolicies => {
                tracing::warn!(%resource, "{INSTALL_CRDS}; waiting for it");
                return Ok(());
            }
            _ => tracing::warn!(%resource, cost, "the API server does not serve this kind"),
        }
        self.send(Change::Access(resource, false), None).await
    }

    /// Follows one watch until something ends it that trying again at once does not mend.
    async fn follow<K: Told>(&mut self) -> Result<(), End> {
        self.phase = Phase::Idle;
        let streaming = self.start.streaming();
        self.context.health.set_state(self.resource, WatchState::Starting);
        let config = watcher::Config::default().page_size(PAGE);
        let config = if streaming { config.streaming_lists() } else { config };
        let api = Api::<K>::all(self.context.client.clone());
        let mut events = std::pin::pin!(watcher::watcher(api, config).default_backoff());
        loop {
            let limited = self.start.streaming() && self.phase != Phase::Synced;
            let awaited = self.is_awaited();
            let limit = match (awaited, limited) {
                (true, _) => FIRST_ANSWER,
                (false, true) => self.context.manner.streaming_limit,
                (false, false) => Duration::MAX,
            };
            let next = tokio::time::timeout(limit, events.next());
            match self.context.stop.unless(next).await {
                None | Some(Ok(None)) => return Err(End::Stopped),
                Some(Ok(Some(Ok(event)))) => self.take(event).await?,
                Some(Ok(Some(Err(error)))) => self.trouble(&error)?,
                Some(Err(_)) if awaited => self.unavailable().await?,
                Some(Err(_)) => {
                    self.start.silent();
                    return Err(End::Pages("the list did not come to its end in time"));
                }
            }
        }
    }

    async fn take<K: Told>(&mut self, event: Event<K>) -> Result<(), End> {
        let now = Instant::now();
        match event {
            Event::Init => self.asked(),
            Event::InitApply(object) => {
                self.telling().await?;
                self.told(object, None).await
            }
            Event::InitDone => {
                self.telling().await?;
                self.phase = Phase::Synced;
                self.known = true;
                self.start.succeeded();
                self.open().await?;
                self.send(Change::RelistFinished(self.resource), None).await?;
                self.context.health.set_state(self.resource, WatchState::Synced);
                Ok(())
            }
            Event::Apply(object) => self.told(object, Some(now)).await,
            Event::Delete(object) => {
                object.forget(&self.context.observed);
                match object.gone() {
                    Some(change) => self.send(change, Some(now)).await,
                    None => Ok(()),
                }
            }
        }
    }

    async fn told<K: Told>(&mut self, object: K, at: Option<Instant>) -> Result<(), End> {
        object.observe(&self.context.observed);
        self.send(object.change(), at).await
    }

    /// A list begins. One that begins again before its end was broken off by the server.
    fn asked(&mut self) -> Result<(), End> {
        let broken_off = matches!(self.phase, Phase::Asked | Phase::Telling);
        if self.phase == Phase::Synced {
            self.context.health.set_state(self.resource, WatchState::Starting);
        }
        self.phase = Phase::Asked;
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
        self.open().await?;
        self.send(Change::RelistStarted(resource), None).await
    }

    fn trouble(&mut self, error: &watcher::Error) -> Result<(), End> {
        let trouble = Trouble::of(error);
        self.context.health.operational.watch_restarted(self.resource, trouble.reason());
        tracing::debug!(resource = %self.resource, %error, "the watch starts anew");
        match trouble {
            Trouble::Forbidden => Err(End::Shut(WatchState::Forbidden(""))),
            Trouble::Missing => Err(End::Shut(WatchState::Missing)),
            Trouble::Refused
                if self.phase != Phase::Synced && self.start.streaming() && self.start.failed() =>
            {
                Err(End::Pages("the server refuses them"))
            }
            Trouble::Refused | Trouble::Expired | Trouble::Away => Ok(()),
        }
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

/// How long to wait after so many refusals in a row.
fn pause_after(refusals: u32, longest: Duration) -> Duration {
    FIRST_PAUSE.saturating_mul(1 << refusals.saturating_sub(1).min(16)).min(longest)
}

/// Whether streaming lists really work, tried on namespaces: a watch that sends what is there and then says so.
pub(crate) async fn probe_streaming(client: &Client) -> bool {
    match tokio::time::timeout(PROBE, streams_to_its_end(client)).await {
        Ok(Ok(true)) => true,
        Ok(Ok(false)) => {
            tracing::info!("the API server ends streaming lists early; listing in pages");
            false
        }
        Ok(Err(error)) => {
            tracing::info!(
                error = with_causes(&error),
                "the API server does not stream lists; listing in pages"
            );
            false
        }
        Err(_) => {
            tracing::info!("the API server does not complete streaming lists in time; listing in pages");
            false
        }
    }
}

async fn streams_to_its_end(client: &Client) -> Result<bool, kube::Error> {
    let namespaces = Api::<PartialObjectMeta<Namespace>>::all(client.clone());
    let seconds = u32::try_from(PROBE.as_secs()).unwrap_or(u32::MAX);
    let parameters = WatchParams::streaming_lists().timeout(seconds);
    let mut events = std::pin::pin!(namespaces.watch(&parameters, "0").await?);
    while let Some(event) = events.try_next().await? {
        match event {
            WatchEvent::Bookmark(bookmark)
                if bookmark.metadata.annotations.contains_key(INITIAL_EVENTS_END) =>
            {
                return Ok(true);
            }
            WatchEvent::Error(status) => return Err(kube::Error::Api(status)),
            _ => {}
        }
    }
    Ok(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_is_looked_at_again_soon_and_then_more_and_more_seldom() {
        let longest = Duration::from_secs(15);
        let pauses: Vec<_> = (1..=6).map(|refusals| pause_after(refusals, longest).as_secs()).collect();
        assert_eq!(pauses, [1, 2, 4, 8, 15, 15]);
        assert_eq!(pause_after(u32::MAX, longest), longest);
        assert_eq!(pause_after(1, Duration::from_millis(100)), Duration::from_millis(100));
    }
}
