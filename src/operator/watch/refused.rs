//! Kinds that cannot be read just now: not permitted, not served, or served by somebody who is away. What the engine is
//! told then, and when it is tried again.

use std::convert::Infallible;
use std::time::Duration;

use super::{End, INSTALL_CRDS, Watch};
use crate::decode::Change;
use crate::operator::access::{self, Access};
use crate::operator::health::{WatchState, is_optional};
use crate::subject::Resource;

/// So many refusals in a row are believed of a kind that was read before: an API server that comes up refuses
/// everybody and serves no CustomResourceDefinition until it has read its roles and its definitions.
const REFUSALS_BELIEVED: u32 = 5;
/// The pause after the first refusal. It doubles from one to the next.
const FIRST_PAUSE: Duration = Duration::from_secs(1);

impl Watch {
    /// Follows the watch unless the API server says that it is not permitted: asking keeps refusals out of
    /// its audit log.
    pub(super) async fn ask_and_follow(&mut self) -> Result<Infallible, End> {
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
            Some(Access::Granted | Access::Unknown) => self.follow().await,
        }
    }

    /// Says once that the kind cannot be read, and waits before the next try. What was read before is kept until
    /// the refusal has proved to last.
    pub(super) async fn shut(&mut self, state: WatchState) -> Result<(), End> {
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
    pub(super) fn is_awaited(&self) -> bool {
        self.resource.is_custom() && !self.known && !self.absent && !self.shut
    }

    /// That server is away: from now on only the rules that read the kind wait for it.
    pub(super) async fn unavailable(&mut self) -> Result<(), End> {
        let (resource, cost) = (self.resource, access::cost(self.resource));
        tracing::warn!(%resource, cost, "whoever serves this kind does not answer; it is tried again by itself");
        self.shut = true;
        self.send(Change::Access(resource, false), None).await
    }

    /// The kind can be read after all.
    pub(super) async fn open_up(&mut self) -> Result<(), End> {
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
}

/// How long to wait after so many refusals in a row.
fn pause_after(refusals: u32, longest: Duration) -> Duration {
    FIRST_PAUSE.saturating_mul(1 << refusals.saturating_sub(1).min(16)).min(longest)
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
