//! One look at a live cluster with the user's own rights, for `revisor audit --cluster`: everything is listed
//! once, in pages, and told as the watches would tell it.

use std::collections::BTreeSet;
use std::sync::Arc;

use kube::Client;
use serde_json::Value;

use super::call::{self, Failure};
use super::observed::Observed;
use super::pages::Pages;
use super::wire::Policies;
use crate::decode::wire::{self, Decoder};
use crate::decode::{Change, namespace};
use crate::subject::Resource;

/// How often a list is begun anew when the server forgets where it was.
const RESTARTS: u32 = 3;

/// What to look at.
#[derive(Clone, Copy, Debug)]
pub struct Scope<'a> {
    /// One namespace; none for all of them.
    pub namespace: Option<&'a str>,
    /// A label selector for pods.
    pub selector: Option<&'a str>,
    /// Read the policies of the cluster too.
    pub policies: bool,
}

/// What was seen, beside what was told.
#[derive(Debug, Default)]
pub struct Seen {
    /// What may not be read.
    pub denied: Vec<Resource>,
    /// Revisor's CRDs are installed, or it may not be known.
    pub has_crd: bool,
    /// How many policies were told.
    pub policies: usize,
}

/// Why nothing can be said of the cluster.
#[derive(Debug, thiserror::Error)]
pub enum OneShotError {
    /// Without pods there is nothing to judge.
    #[error("listing pods {where_} is not permitted: {message}")]
    PodsDenied {
        /// `in namespace x` or `in all namespaces`
        where_: String,
        /// The server's words.
        message: String,
    },
    /// There is no such namespace.
    #[error("there is no namespace {0}")]
    NoNamespace(String),
    /// The server did not take the credentials.
    #[error("the API server does not accept the credentials: {0}")]
    Unauthenticated(String),
    /// Another answer than a list.
    #[error("listing {resource}: {message}")]
    Failed {
        /// What was listed.
        resource: Resource,
        /// What happened.
        message: String,
    },
}

/// Looks once. A kind that may not be read is told as such; only pods are indispensable. `needs` says what is read, once
/// the policies are told.
pub async fn one_shot(
    client: &Client,
    scope: Scope<'_>,
    needs: &dyn Fn() -> BTreeSet<Resource>,
    sink: &mut dyn FnMut(Change),
) -> Result<Seen, OneShotError> {
    let mut looking = Looking { client, scope, seen: Seen { has_crd: true, ..Seen::default() } };
    if scope.policies {
        looking.policies(sink).await?;
    }
    looking.namespaces(sink).await?;
    let needed = needs();
    if needed.contains(&Resource::NetworkPolicies) {
        looking.list(Resource::NetworkPolicies, sink).await?;
    }
    let own = [Resource::NetworkPolicies, Resource::ImagePolicies];
    let is_other = |resource: &Resource| !Resource::ALWAYS.contains(resource) && !own.contains(resource);
    for resource in Resource::ALL.into_iter().filter(is_other).filter(|it| needed.contains(it)) {
        looking.list(resource, sink).await?;
    }
    looking.list(Resource::Jobs, sink).await?;
    looking.list(Resource::Pods, sink).await?;
    Ok(looking.seen)
}

struct Looking<'a> {
    client: &'a Client,
    scope: Scope<'a>,
    seen: Seen,
}

impl Looking<'_> {
    async fn policies(&mut self, sink: &mut dyn FnMut(Change)) -> Result<(), OneShotError> {
        let mut policies = 0;
        let observed = Arc::new(Observed::default());
        let mut pages = Pages::new(Resource::ImagePolicies, None, None);
        let listed = read(self.client, &mut pages, &Policies(observed), &mut |change| {
            policies += 1;
            sink(change);
        })
        .await;
        self.seen.policies = policies;
        match listed {
            Err(Failure::Refused { code: 404, .. }) => {
                self.seen.has_crd = false;
                Ok(())
            }
            listed => self.settle(listed, Resource::ImagePolicies, sink),
        }
    }

    async fn namespaces(&mut self, sink: &mut dyn FnMut(Change)) -> Result<(), OneShotError> {
        let Some(name) = self.scope.namespace else {
            return self.list(Resource::Namespaces, sink).await;
        };
        let answer = self.namespace(name).await;
        match answer {
            Ok(object) => {
                sink(match namespace::read(&object) {
                    Some((name, object)) => Change::Namespace(name, object),
                    None => Change::Unusable(Resource::Namespaces),
                });
                Ok(())
            }
            Err(Failure::Refused { code: 404, .. }) => Err(OneShotError::NoNamespace(name.to_owned())),
            Err(failure) => self.settle(Err(failure), Resource::Namespaces, sink),
        }
    }

    async fn namespace(&self, name: &str) -> Result<Value, Failure> {
        let mut body = call::open(self.client, call::one(Resource::Namespaces, name)).await?;
        let mut text = Vec::new();
        while let Some(chunk) = call::next_chunk(&mut body).await? {
            text.extend_from_slice(chunk.as_ref());
        }
        serde_json::from_slice(&text)
            .map_err(|error| Failure::Garbled(format!("the answer is no namespace: {error}")))
    }

    async fn list(&mut self, resource: Resource, sink: &mut dyn FnMut(Change)) -> Result<(), OneShotError> {
        let Some(decoder) = wire::decoder(resource) else { return Ok(()) };
        let selector = self.scope.selector.filter(|_| resource == Resource::Pods);
        let namespace = self.scope.namespace.filter(|_| resource.is_namespaced());
        let all_pods = self.scope.selector.is_none();
        let mut pages = Pages::new(resource, namespace, selector);
        let listed = read(self.client, &mut pages, &*decoder, &mut |change| {
            sink(match change {
                // Whose pods were not asked for is not known to have none.
                Change::Workload(facts, Some(_)) if !all_pods => Change::Workload(facts, None),
                change => change,
            });
        })
        .await;
        self.settle(listed, resource, sink)
    }

    fn settle(
        &mut self,
        listed: Result<(), Failure>,
        resource: Resource,
        sink: &mut dyn FnMut(Change),
    ) -> Result<(), OneShotError> {
        let (code, message) = match listed {
            Ok(()) => return Ok(()),
            Err(Failure::Refused { code, message }) => (code, message),
            Err(Failure::Away(message) | Failure::Garbled(message)) => (0, message),
        };
        match code {
            401 => Err(OneShotError::Unauthenticated(message)),
            403 if resource == Resource::Pods => {
                let where_ = match self.scope.namespace {
                    Some(namespace) => format!("in namespace {namespace}"),
                    None => "in all namespaces".to_owned(),
                };
                Err(OneShotError::PodsDenied { where_, message })
            }
            403 => {
                self.seen.denied.push(resource);
                sink(Change::Access(resource, false));
                Ok(())
            }
            // Nobody has installed the kind, or the server is too old for it: there are no such objects.
            404 if resource.may_be_absent() => Ok(()),
            _ => Err(OneShotError::Failed { resource, message }),
        }
    }
}

/// Tells all pages of a list.
async fn read(
    client: &Client,
    pages: &mut Pages<'_>,
    decoder: &dyn Decoder,
    tell: &mut dyn FnMut(Change),
) -> Result<(), Failure> {
    let mut restarts = 0;
    loop {
        match pages.next(client, decoder).await {
            Ok(()) => {}
            // The server has forgotten the list: from the start. What is told twice is kept once.
            Err(Failure::Refused { code: 410, message }) if pages.has_more() && restarts < RESTARTS => {
                restarts += 1;
                tracing::debug!(message, "the list is begun anew");
                pages.restart();
                continue;
            }
            Err(failure) => return Err(failure),
        }
        pages.changes.drain(..).for_each(&mut *tell);
        if !pages.has_more() {
            return Ok(());
        }
    }
}
