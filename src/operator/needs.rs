//! Which kinds the auditor needs, told to their watches. Each kind has a channel of its own, in which every value
//! is a turn: a watch that was too busy to see a kind given up and needed again still sees that it turned.

use std::collections::BTreeSet;

use tokio::sync::watch;

use crate::subject::Resource;

/// What is needed, for all watches.
#[derive(Debug)]
pub(crate) struct Needs([watch::Sender<bool>; Resource::ALL.len()]);

impl Default for Needs {
    /// What is needed whatever the policies ask.
    fn default() -> Self {
        Self(Resource::ALL.map(|kind| watch::Sender::new(Resource::ALWAYS.contains(&kind))))
    }
}

impl Needs {
    /// Just these are needed now. To be told of every set there is, one that is soon replaced included.
    pub(crate) fn publish(&self, needed: &BTreeSet<Resource>) {
        for (kind, turns) in Resource::ALL.iter().zip(&self.0) {
            let now = needed.contains(kind);
            turns.send_if_modified(|before| std::mem::replace(before, now) != now);
        }
    }

    /// What is needed, for the watch of one kind.
    pub(crate) fn of(&self, resource: Resource) -> Need {
        Need(self.0[resource as usize].subscribe())
    }
}

/// Whether one kind is needed.
#[derive(Debug)]
pub(crate) struct Need(watch::Receiver<bool>);

impl Need {
    /// Returns when the kind is needed.
    pub(crate) async fn begins(&mut self) {
        if self.0.wait_for(|needed| *needed).await.is_err() {
            // Nobody is left to need anything; the operator ends.
            std::future::pending().await
        }
    }

    /// Returns when the kind has not been needed all the time since [`Self::begins`] returned.
    pub(crate) async fn ends(&mut self) {
        if self.0.changed().await.is_err() {
            std::future::pending().await
        }
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt as _;

    use super::*;

    #[test]
    fn what_is_always_read_is_needed_from_the_start_and_the_rest_when_it_is_told() {
        let needs = Needs::default();
        for kind in Resource::ALWAYS {
            let mut need = needs.of(kind);
            assert!(need.begins().now_or_never().is_some() && need.ends().now_or_never().is_none());
        }
        let mut need = needs.of(Resource::NetworkPolicies);
        assert!(need.begins().now_or_never().is_none());
        needs.publish(&Resource::ALL.into());
        assert!(need.begins().now_or_never().is_some() && need.ends().now_or_never().is_none());
        needs.publish(&Resource::ALL.into());
        assert!(need.ends().now_or_never().is_none());
    }

    #[test]
    fn a_need_that_ended_unseen_and_began_again_has_ended() {
        let needs = Needs::default();
        needs.publish(&Resource::ALL.into());
        let mut need = needs.of(Resource::NetworkPolicies);
        assert!(need.begins().now_or_never().is_some());
        needs.publish(&Resource::ALWAYS.into());
        needs.publish(&Resource::ALL.into());
        assert!(need.ends().now_or_never().is_some());
        assert!(need.begins().now_or_never().is_some() && need.ends().now_or_never().is_none());
    }
}
