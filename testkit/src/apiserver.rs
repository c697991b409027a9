//! An in-memory Kubernetes API server over plain HTTP, or TLS where asked for.
//!
//! It behaves like kube-apiserver for what an operator does: list with paging,
//! watch with bookmarks and initial events, status subresources, server-side
//! apply, access reviews, discovery. It validates no schema and runs no
//! controller; what it does not model is for a real control plane to prove.
//! A scenario changes the cluster by calling the handle, without HTTP.

mod access;
mod answer;
mod builder;
mod clock;
mod custom;
mod discovery;
mod fault;
mod handler;
mod list;
mod listener;
mod object;
mod patch;
mod population;
mod record;
mod refusal;
mod request;
mod resource;
mod scenario;
mod selector;
mod state;
mod store;
mod tls;
mod watch;
mod write;

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::sync::{mpsc, oneshot};

pub use self::access::Denial;
pub use self::builder::Builder;
pub use self::fault::{Fault, FaultHandle};
pub use self::population::Pods;
pub use self::record::{Request, Requests, Write};
pub use self::resource::ResourceType;

use self::listener::Order;
use self::state::Shared;

/// A handle to a running server. Clones share it; the last one dropped stops it.
#[derive(Clone)]
pub struct ApiServer {
    shared: Arc<Shared>,
    orders: mpsc::UnboundedSender<Order>,
    address: SocketAddr,
    certificate: Option<Arc<str>>,
}

impl std::fmt::Debug for ApiServer {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("ApiServer").field("address", &self.address).finish_non_exhaustive()
    }
}

impl ApiServer {
    /// Settings for a new server.
    pub fn builder() -> Builder {
        Builder::default()
    }

    fn new(
        shared: Arc<Shared>,
        orders: mpsc::UnboundedSender<Order>,
        address: SocketAddr,
        certificate: Option<Arc<str>>,
    ) -> Self {
        Self { shared, orders, address, certificate }
    }

    /// The address it listens at, the same after coming back.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// `http://127.0.0.1:PORT`, or `https`.
    pub fn url(&self) -> String {
        let scheme = if self.certificate.is_some() { "https" } else { "http" };
        format!("{scheme}://{}", self.address)
    }

    /// The certificate to trust, in PEM, of a server that speaks TLS.
    pub fn certificate_pem(&self) -> Option<&str> {
        self.certificate.as_deref()
    }

    /// A kubeconfig for the first user, or for no user where no token is asked.
    pub fn kubeconfig_yaml(&self) -> String {
        let token = self.shared.access().tokens.keys().next().cloned();
        let user = token.map_or_else(|| "{}".to_owned(), |token| format!("{{token: {token:?}}}"));
        format!(
            "apiVersion: v1\nkind: Config\ncurrent-context: testkit\n\
             clusters:\n- name: testkit\n  cluster: {{server: {:?}}}\n\
             users:\n- name: testkit\n  user: {user}\n\
             contexts:\n- name: testkit\n  context: {{cluster: testkit, user: testkit}}\n",
            self.url()
        )
    }

    /// Denies something from now on.
    pub fn deny(&self, denial: Denial) {
        self.shared.access().denials.push(denial);
    }

    /// Lifts every denial.
    pub fn allow_all(&self) {
        self.shared.access().denials.clear();
    }

    /// Makes something go wrong.
    pub fn fault(&self, fault: Fault) -> FaultHandle {
        if let Some(plural) = fault.forgets() {
            self.shared.store().compact(plural);
        }
        let number = self.shared.faults.add(fault);
        FaultHandle::new(Arc::clone(&self.shared.faults), number)
    }

    /// Ends every fault.
    pub fn clear_faults(&self) {
        self.shared.faults.clear(None);
    }

    /// Forgets the history of all resources: older versions can no longer be
    /// watched from, and paged lists no longer be continued. Running watches go on.
    pub fn compact(&self) {
        self.shared.store().compact(None);
    }

    /// Sends a bookmark on every watch that allows them, now.
    pub fn send_bookmarks(&self) {
        self.shared.bookmark_orders.send_modify(|orders| *orders += 1);
    }

    /// Stops listening and closes every connection. The objects stay.
    pub async fn go_away(&self) {
        let (done, gone) = oneshot::channel();
        if self.orders.send(Order::GoAway(done)).is_ok() {
            let _ = gone.await;
        }
    }

    /// Listens again at the same address.
    ///
    /// # Panics
    ///
    /// If another program took the port meanwhile.
    pub async fn come_back(&self) {
        let (done, back) = oneshot::channel();
        if self.orders.send(Order::ComeBack(done)).is_ok()
            && let Ok(bound) = back.await
        {
            bound.expect("the port is still free");
        }
    }

    /// The requests so far.
    pub fn requests(&self) -> Requests {
        self.shared.records.requests()
    }

    /// How many requests so far had this verb and resource (`imagepolicies/status`
    /// for a subresource).
    pub fn count(&self, verb: &str, resource: &str) -> u64 {
        self.shared.records.count(verb, resource)
    }

    /// The writes that clients sent so far, refused ones too.
    pub fn writes(&self) -> Vec<Write> {
        self.shared.records.writes()
    }

    /// Forgets requests and writes so far.
    pub fn reset_records(&self) {
        self.shared.records.reset();
    }

    /// How many watches of a plural are open.
    pub fn open_watches(&self, plural: &str) -> usize {
        self.shared.records.open_watches(plural)
    }

    /// Waits until something holds, looking again after each request, write,
    /// opened or closed watch, struck fault and scenario step.
    pub async fn until(&self, mut holds: impl FnMut(&Self) -> bool) {
        let mut activity = self.shared.records.activity.subscribe();
        while !holds(self) {
            if activity.changed().await.is_err() {
                return;
            }
        }
    }
}
