//! Runs the election: looks at the Lease, renews, takes and releases it. Its requests have a client of their own,
//! without retries, and a deadline that leaves time for three of them before the leadership would have to end.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use kube::api::{Api, PostParams};
use kube::core::DynamicObject;
use kube::{Client, Config};
use tokio::sync::watch;
use tokio::time::Instant;

use super::health::Health;
use super::leadership::Term;
use super::lease::{Election, LeaderElection, Step, identity, resource};
use super::stop::Stop;
use super::write::{Complaints, Failure, MANAGER, within};
use crate::report::escape::visible_within;

/// Refused writes in one turn, after which the next turn has to do.
const TRIES: u32 = 3;
/// How much of a holder's name is logged.
const HOLDER_SHOWN: usize = 128;

/// Matters that are complained about.
const REFUSED: &str = "refused";
const AWAY: &str = "away";

/// One replica's part in the election.
pub(crate) struct Elector {
    api: Api<DynamicObject>,
    election: Election,
    /// `revisor-system/revisor`
    lease: String,
    deadline: Duration,
    terms: watch::Sender<Term>,
    health: Arc<Health>,
    complaints: Complaints,
    /// What the log said last: whether this replica leads, and who does.
    said: Option<(bool, String)>,
}

/// A request that failed, by its verb.
struct Failed(&'static str, Failure);

impl Elector {
    /// Tells `terms` who leads. `instance` is the pod's name.
    pub(crate) fn new(
        config: &Config,
        settings: &LeaderElection,
        instance: &str,
        terms: watch::Sender<Term>,
        health: Arc<Health>,
    ) -> Result<Self, kube::Error> {
        let deadline = settings.request_deadline();
        let mut config = config.clone();
        config.default_retry = false;
        (config.connect_timeout, config.read_timeout, config.write_timeout) =
            (Some(deadline), Some(deadline), Some(deadline));
        let client = Client::try_from(config)?;
        Ok(Self {
            api: Api::namespaced_with(client, &settings.namespace, &resource()),
            election: Election::new(settings.clone(), &identity(instance)),
            lease: format!("{}/{}", settings.namespace, settings.name),
            deadline,
            terms,
            health,
            complaints: Complaints::default(),
            said: None,
        })
    }

    /// Takes part until told to stop, and then lets the Lease go.
    pub(crate) async fn run(mut self, mut stop: Stop) {
        loop {
            let begun = Instant::now();
            self.health.pulse.election();
            let turn = self.turn().await;
            self.account(turn);
            self.tell();
            let pause = self.election.pause(begun, Instant::now());
            if stop.unless(tokio::time::sleep(pause)).await.is_none() {
                break;
            }
        }
        self.terms.send_replace(Term::Elsewhere(None));
        self.release().await;
    }

    /// Looks, and writes what is to be written.
    async fn turn(&mut self) -> Result<(), Failed> {
        if self.election.leads_until(Instant::now()).is_none() {
            self.election.doubt();
        }
        for _ in 0..TRIES {
            let sent = Instant::now();
            let (verb, written) = match self.election.step(sent, Timestamp::now()) {
                Step::Wait => return Ok(()),
                Step::Read => {
                    let found = self.read().await.map_err(|failure| Failed("get", failure))?;
                    self.election.observe(found, Instant::now());
                    self.tell();
                    continue;
                }
                Step::Create(lease) => {
                    let parameters = parameters();
                    let request = self.api.create(&parameters, &lease);
                    ("create", within(self.deadline, request).await)
                }
                Step::Replace(lease) => ("update", self.replace(&lease).await),
            };
            match written {
                Ok(lease) => {
                    self.election.written(lease, sent);
                    return Ok(());
                }
                Err(failure) => {
                    // Also after a request without an answer: nobody knows what became of it.
                    self.election.doubt();
                    let missed = matches!(failure, Failure::Conflict | Failure::Exists)
                        || verb == "update" && matches!(failure, Failure::NotFound(_));
                    if !missed {
                        return Err(Failed(verb, failure));
                    }
                }
            }
        }
        Ok(())
    }

    async fn read(&self) -> Result<Option<DynamicObject>, Failure> {
        let name = self.lease.rsplit_once('/').map_or("", |(_, name)| name);
        match within(self.deadline, self.api.get(name)).await {
            Ok(lease) => Ok(Some(lease)),
            Err(Failure::NotFound(_)) => Ok(None),
            Err(failure) => Err(failure),
        }
    }

    async fn replace(&self, lease: &DynamicObject) -> Result<DynamicObject, Failure> {
        let name = lease.metadata.name.as_deref().unwrap_or_default();
        within(self.deadline, self.api.replace(name, &parameters(), lease)).await
    }

    /// Says what keeps this replica out of the election, once, and readiness says it as long as it lasts. An API
    /// server that does not answer is none of these: it comes back by itself.
    fn account(&mut self, turn: Result<(), Failed>) {
        let Err(Failed(verb, failure)) = turn else {
            self.health.election_works();
            let mended = [self.complaints.mended(REFUSED), self.complaints.mended(AWAY)];
            if mended.contains(&true) {
                tracing::info!(lease = self.lease, "the Lease can be used again");
            }
            return;
        };
        let remedy = match &failure {
            Failure::Forbidden(_) => Some(
                "grant it with the Role in deploy/rbac.yaml, or run one replica alone with --leader-elect=false",
            ),
            Failure::NotFound(_) => {
                Some("there is no such namespace; name another one with --lease-namespace")
            }
            Failure::Refused(_) => Some("name another Lease with --lease-name and --lease-namespace"),
            _ => None,
        };
        if let Some(remedy) = remedy {
            let what = match &failure {
                Failure::Forbidden(_) => format!("no permission to {verb}"),
                failure => visible_within(&failure.to_string(), 300).into_owned(),
            };
            self.health.election_fails(format!(
                "lease {}: {what}, so this replica does not write; {remedy}",
                self.lease
            ));
        }
        if self.complaints.is_new(if remedy.is_some() { REFUSED } else { AWAY }) {
            tracing::warn!(lease = self.lease, verb, error = %failure, remedy, "the Lease cannot be used");
        }
    }

    /// Tells writers and the log who leads.
    fn tell(&mut self) {
        let now = Instant::now();
        let leads = self.election.leads_until(now);
        let holder = self.election.holder();
        let term = match (leads, holder) {
            (Some(until), _) => Term::Until(until),
            (None, Some((_, seen))) => Term::Elsewhere(Some(seen)),
            (None, None) => Term::Elsewhere(None),
        };
        let holder = visible_within(holder.map_or("", |(holder, _)| holder), HOLDER_SHOWN).into_owned();
        self.terms.send_if_modified(|before| std::mem::replace(before, term) != term);
        let said = (leads.is_some(), holder);
        if self.said.as_ref() == Some(&said) {
            return;
        }
        let led = self.said.as_ref().is_some_and(|(leads, _)| *leads);
        let (lease, holder) = (&*self.lease, &*said.1);
        match (said.0, led) {
            (true, _) => {
                tracing::info!(lease, holder, "this replica leads: it writes status, reports and Events")
            }
            (false, true) => {
                tracing::warn!(lease, holder, "this replica does not lead any more, and writes nothing")
            }
            (false, false) => {
                tracing::info!(lease, holder, "another replica leads; this one is ready to take over")
            }
        }
        self.said = Some(said);
    }

    async fn release(&self) {
        let Some(lease) = self.election.released(Timestamp::now()) else { return };
        match self.replace(&lease).await {
            Ok(_) => tracing::info!(lease = self.lease, "the Lease is released"),
            Err(error) => {
                tracing::info!(lease = self.lease, %error, "the Lease is not released; it runs out")
            }
        }
    }
}

fn parameters() -> PostParams {
    PostParams { field_manager: Some(MANAGER.to_owned()), ..PostParams::default() }
}
