//! Settings of a server before it starts.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use tokio::net::TcpListener;
use tokio::sync::mpsc;

use super::ApiServer;
use super::access::Access;
use super::listener;
use super::population::Population;
use super::resource::{Catalogue, ResourceType, own_types};
use super::state::{Options, Shared};
use super::store::Store;
use super::tls::Tls;
use super::write::{Part, Place};
use crate::generate::Cluster;

const NAMESPACES: [&str; 4] = ["default", "kube-node-lease", "kube-public", "kube-system"];

/// Builds an [`ApiServer`].
#[derive(Debug)]
#[must_use]
pub struct Builder {
    options: Options,
    types: Vec<ResourceType>,
    access: Access,
    own_thread: bool,
    tls: bool,
    population: Option<Cluster>,
}

impl Default for Builder {
    fn default() -> Self {
        Self {
            options: Options {
                bookmark_interval: Duration::from_secs(60),
                watch_list: true,
                history: 4_096,
                crds_required: false,
                keeps_bodies: true,
            },
            types: Vec::new(),
            access: Access::default(),
            own_thread: false,
            tls: false,
            population: None,
        }
    }
}

impl Builder {
    /// How often a watch that allows bookmarks gets one (60 s).
    pub fn bookmark_interval(mut self, interval: Duration) -> Self {
        self.options.bookmark_interval = interval;
        self
    }

    /// Changes remembered for each resource (4,096).
    pub fn history(mut self, changes: usize) -> Self {
        self.options.history = changes;
        self
    }

    /// Refuses `sendInitialEvents`, as a server without WatchList does.
    pub fn without_watch_list(mut self) -> Self {
        self.options.watch_list = false;
        self
    }

    /// Serves `revisor.dev` only once its CRDs are created.
    pub fn crds_required(mut self) -> Self {
        self.options.crds_required = true;
        self
    }

    /// Serves one more resource.
    pub fn resource(mut self, added: ResourceType) -> Self {
        self.types.push(added);
        self
    }

    /// Lets in a user by a bearer token; once there is one, requests need one.
    pub fn token(mut self, token: &str, user: &str) -> Self {
        self.access.tokens.insert(token.to_owned(), user.to_owned());
        self
    }

    /// Speaks TLS, with a certificate of its own making.
    pub fn tls(mut self) -> Self {
        self.tls = true;
        self
    }

    /// Serves the pods of a synthetic cluster without storing them: each is written when a page or a frame needs it.
    /// They are listed and watched as a whole, without selectors; see [`ApiServer::change_pods`].
    pub fn population(mut self, cluster: Cluster) -> Self {
        self.population = Some(cluster);
        self
    }

    /// Remembers of writes what they were, and not their bodies.
    pub fn forget_bodies(mut self) -> Self {
        self.options.keeps_bodies = false;
        self
    }

    /// Serves from a thread of its own, so that its work is not on the caller's
    /// runtime. Not together with tokio's paused time.
    pub fn on_own_thread(mut self) -> Self {
        self.own_thread = true;
        self
    }

    /// Starts to serve at a free port of 127.0.0.1.
    ///
    /// # Panics
    ///
    /// If no socket can be had, or outside a tokio runtime.
    pub async fn start(self) -> ApiServer {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        self.start_at(address).await.expect("a free port on 127.0.0.1")
    }

    /// Starts to serve at an address.
    ///
    /// # Errors
    ///
    /// If the address cannot be bound.
    pub async fn start_at(self, address: SocketAddr) -> io::Result<ApiServer> {
        let listener = TcpListener::bind(address).await?;
        let address = listener.local_addr()?;
        let own_thread = self.own_thread;
        let tls = if self.tls { Some(Tls::new().map_err(io::Error::other)?) } else { None };
        let certificate = tls.as_ref().map(|tls| Arc::clone(&tls.certificate));
        let shared = Arc::new(self.into_shared());
        let (sender, orders) = mpsc::unbounded_channel();
        let serving = Arc::clone(&shared);
        if own_thread {
            let listener = listener.into_std()?;
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            std::thread::Builder::new().name("apiserver".into()).spawn(move || {
                runtime.block_on(async move {
                    if let Ok(listener) = TcpListener::from_std(listener) {
                        listener::serve(serving, listener, tls, orders).await;
                    }
                });
            })?;
        } else {
            tokio::spawn(listener::serve(serving, listener, tls, orders));
        }
        Ok(ApiServer::new(shared, sender, address, certificate))
    }

    fn into_shared(self) -> Shared {
        let mut catalogue = Catalogue::built_in();
        let own = if self.options.crds_required { Vec::new() } else { own_types().to_vec() };
        for added in own.into_iter().chain(self.types) {
            catalogue.register(added);
        }
        let mut store = Store::new(catalogue, self.options.history);
        store.population = self.population.map(|cluster| Population::new(cluster, self.options.history));
        if let Some(kind) = store.catalogue.named("Namespace") {
            for name in NAMESPACES {
                let place = Place { kind: &kind, namespace: "", name, part: Part::Whole };
                let _ = store.create(place, json!({"metadata": {"name": name}}));
            }
        }
        Shared::new(store, self.access, self.options)
    }
}
