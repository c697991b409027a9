//! One look at a live cluster with the user's own rights, for `revisor audit --cluster`: everything is listed
//! once, in pages, and told as the watches would tell it.

use std::collections::BTreeSet;
use std::time::Duration;

use kube::core::Request;
use kube::core::params::ListParams;
use kube::{Client, Error as ClientError};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer};
use serde_json::Value;

use crate::decode::metadata::JobMetadata;
use crate::decode::namespace::{self, NamespaceRecord};
use crate::decode::network_policy::NetworkPolicyRecord;
use crate::decode::pod::PodRecord;
use crate::decode::wire::{self, Lean, ObjectRecord};
use crate::decode::{Change, PolicyRecord};
use crate::policy::compile::take_spec;
use crate::subject::Resource;

const PAGE: u32 = 500;
/// A page that takes longer will not come. kube's client itself waits for ever.
const DEADLINE: Duration = Duration::from_secs(120);
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
        looking.list::<NetworkPolicyRecord>(sink).await?;
    }
    looking.objects(&needed, sink).await?;
    looking.list::<JobMetadata>(sink).await?;
    looking.list::<PodRecord>(sink).await?;
    Ok(looking.seen)
}

struct Looking<'a> {
    client: &'a Client,
    scope: Scope<'a>,
    seen: Seen,
}

impl Looking<'_> {
    async fn policies(&mut self, sink: &mut dyn FnMut(Change)) -> Result<(), OneShotError> {
        let url = "/apis/revisor.dev/v1alpha1/imagepolicies";
        let mut policies = 0;
        let listed =
            pages::<Policy>(self.client, url, Resource::ImagePolicies, (None, false), &mut |Policy(
                change,
            )| {
                policies += 1;
                sink(change);
            })
            .await;
        self.seen.policies = policies;
        match listed {
            Err(Trouble::Missing(_)) => {
                self.seen.has_crd = false;
                Ok(())
            }
            listed => self.settle(listed, Resource::ImagePolicies, sink),
        }
    }

    async fn namespaces(&mut self, sink: &mut dyn FnMut(Change)) -> Result<(), OneShotError> {
        let Some(name) = self.scope.namespace else {
            return self.list::<NamespaceRecord>(sink).await;
        };
        let request = Request::new("/api/v1/namespaces").get(name, &Default::default());
        let answer = match request {
            Ok(request) => ask::<Value>(self.client, request).await,
            Err(error) => Err(Trouble::Other(error.to_string())),
        };
        match answer {
            Ok(object) => {
                sink(match namespace::read(&object) {
                    Some((name, object)) => Change::Namespace(name, object),
                    None => Change::Unusable(Resource::Namespaces),
                });
                Ok(())
            }
            Err(Trouble::Missing(_)) => Err(OneShotError::NoNamespace(name.to_owned())),
            Err(trouble) => self.settle(Err(trouble), Resource::Namespaces, sink),
        }
    }

    /// Lists what only some rules read.
    async fn objects(
        &mut self,
        needed: &BTreeSet<Resource>,
        sink: &mut dyn FnMut(Change),
    ) -> Result<(), OneShotError> {
        macro_rules! list {
            ($($kind:ident $scope:ident $metadata_only:literal;)*) => {$(
                if needed.contains(&Resource::$kind) {
                    self.list::<ObjectRecord<wire::$kind>>(sink).await?;
                }
            )*};
        }
        wire::object_kinds!(list[]);
        Ok(())
    }

    async fn list<T: Lean + DeserializeOwned>(
        &mut self,
        sink: &mut dyn FnMut(Change),
    ) -> Result<(), OneShotError> {
        let resource = T::RESOURCE;
        let selector = self.scope.selector.filter(|_| resource == Resource::Pods);
        let url = url(resource, self.scope.namespace.filter(|_| resource.is_namespaced()));
        let all_pods = self.scope.selector.is_none();
        let listed = pages::<T>(self.client, &url, resource, (selector, T::METADATA_ONLY), &mut |record| {
            sink(match record.change() {
                // Whose pods were not asked for is not known to have none.
                Change::Workload(facts, Some(_)) if !all_pods => Change::Workload(facts, None),
                change => change,
            })
        })
        .await;
        self.settle(listed, resource, sink)
    }

    fn settle(
        &mut self,
        listed: Result<(), Trouble>,
        resource: Resource,
        sink: &mut dyn FnMut(Change),
    ) -> Result<(), OneShotError> {
        match listed {
            Ok(()) => Ok(()),
            Err(Trouble::Forbidden(message)) if resource == Resource::Pods => {
                let where_ = match self.scope.namespace {
                    Some(namespace) => format!("in namespace {namespace}"),
                    None => "in all namespaces".to_owned(),
                };
                Err(OneShotError::PodsDenied { where_, message })
            }
            // Nobody has installed the kind, or the server is too old for it: there are no such objects.
            Err(Trouble::Missing(_)) if resource.may_be_absent() => Ok(()),
            Err(Trouble::Forbidden(_)) => {
                self.seen.denied.push(resource);
                sink(Change::Access(resource, false));
                Ok(())
            }
            Err(Trouble::Unauthenticated(message)) => Err(OneShotError::Unauthenticated(message)),
            Err(Trouble::Missing(message) | Trouble::Expired(message) | Trouble::Other(message)) => {
                Err(OneShotError::Failed { resource, message })
            }
        }
    }
}

fn url(resource: Resource, namespace: Option<&str>) -> String {
    let api = resource.api_path();
    match namespace {
        Some(namespace) => format!("{api}/namespaces/{namespace}/{}", resource.plural()),
        None => format!("{api}/{}", resource.plural()),
    }
}

/// One page of a list. Every field may be missing or null.
#[derive(Deserialize)]
#[serde(bound = "T: DeserializeOwned")]
struct Page<T> {
    #[serde(default)]
    metadata: Option<PageMetadata>,
    #[serde(default)]
    items: Option<Vec<T>>,
}

#[derive(Deserialize)]
struct PageMetadata {
    #[serde(default, rename = "continue")]
    token: Option<String>,
}

async fn pages<T: DeserializeOwned>(
    client: &Client,
    url: &str,
    resource: Resource,
    (selector, metadata_only): (Option<&str>, bool),
    tell: &mut dyn FnMut(T),
) -> Result<(), Trouble> {
    let request = Request::new(url);
    let mut restarts = 0;
    let mut token: Option<String> = None;
    loop {
        let params = ListParams {
            label_selector: selector.map(str::to_owned),
            limit: Some(PAGE),
            continue_token: token.take(),
            ..ListParams::default()
        };
        let is_first = params.continue_token.is_none();
        let request = match metadata_only {
            true => request.list_metadata(&params),
            false => request.list(&params),
        };
        let request = request.map_err(|error| Trouble::Other(error.to_string()))?;
        let page = match ask::<Page<T>>(client, request).await {
            Ok(page) => page,
            // The server has forgotten the list: from the start. What is told twice is kept once.
            Err(Trouble::Expired(message)) if !is_first && restarts < RESTARTS => {
                restarts += 1;
                tracing::debug!(%resource, message, "the list is begun anew");
                continue;
            }
            Err(trouble) => return Err(trouble),
        };
        page.items.unwrap_or_default().into_iter().for_each(&mut *tell);
        token = page.metadata.and_then(|metadata| metadata.token).filter(|token| !token.is_empty());
        if token.is_none() {
            return Ok(());
        }
    }
}

/// Why a request was not answered.
enum Trouble {
    Forbidden(String),
    Missing(String),
    Unauthenticated(String),
    Expired(String),
    Other(String),
}

async fn ask<T: DeserializeOwned>(client: &Client, request: http::Request<Vec<u8>>) -> Result<T, Trouble> {
    let text = match tokio::time::timeout(DEADLINE, client.request_text(request)).await {
        Ok(Ok(text)) => text,
        Ok(Err(ClientError::Api(status))) => {
            let message = status.message.clone();
            return Err(match status.code {
                401 => Trouble::Unauthenticated(message),
                403 => Trouble::Forbidden(message),
                404 => Trouble::Missing(message),
                410 => Trouble::Expired(message),
                _ => Trouble::Other(message),
            });
        }
        Ok(Err(error)) => return Err(Trouble::Other(error.to_string())),
        Err(_) => return Err(Trouble::Other(format!("no answer within {} s", DEADLINE.as_secs()))),
    };
    // Not by the client, which logs a body that does not parse.
    serde_json::from_str(&text).map_err(|error| Trouble::Other(format!("the answer is no list: {error}")))
}

/// A policy as the server tells it.
struct Policy(Change);

impl<'de> Deserialize<'de> for Policy {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut object = Value::deserialize(deserializer)?;
        let spec = take_spec(&mut object);
        let text = |path: &str| object.pointer(path).and_then(Value::as_str).unwrap_or_default();
        let number = |path: &str| object.pointer(path).and_then(Value::as_i64).unwrap_or_default();
        if text("/metadata/name").is_empty() {
            return Ok(Self(Change::Unusable(Resource::ImagePolicies)));
        }
        Ok(Self(Change::Policy(PolicyRecord {
            name: text("/metadata/name").into(),
            uid: text("/metadata/uid").into(),
            generation: number("/metadata/generation"),
            observed_generation: number("/status/observedGeneration"),
            spec,
            source: None,
        })))
    }
}
