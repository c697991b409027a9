//! A running operator, and a small cluster for it.

use std::net::SocketAddr;
use std::time::Duration;

use http_body_util::{BodyExt as _, Empty};
use hyper::body::Bytes;
use hyper_util::rt::TokioIo;
use revisor::operator::pace::Rate;
use revisor::operator::record::RecordSettings;
use revisor::operator::{Error, Settings, StreamingLists, run_on};
use serde_json::{Value, json};
use testkit::apiserver::ApiServer;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// Nothing in these tests takes longer.
const PATIENCE: Duration = Duration::from_secs(20);

/// A policy of two rules, one about images and one about namespaces.
pub(crate) const POLICY: &str = "
apiVersion: revisor.dev/v1alpha1
kind: ImagePolicy
metadata: {name: baseline}
spec:
  scope: {includeNamespaces: ['team-*']}
  rules:
    trustedRegistry: {severity: critical, allow: ['registry.example.com/**']}
    defaultDenyIngress: {}
";

/// Settings that do not make a test wait.
pub(crate) fn settings() -> Settings {
    Settings {
        status_interval: Duration::from_millis(50),
        statuses: Rate::new(1000.0, 1000),
        events: Rate::new(1000.0, 1000),
        namespace_events: Rate::new(1000.0, 1000),
        audits: Rate::new(1000.0, 1000),
        owner_lookups: Rate::new(1000.0, 1000),
        retry_needed: Duration::from_millis(100),
        retry_optional: Duration::from_millis(100),
        shutdown_deadline: Duration::from_secs(2),
        // These tests make and change what they like; those of suspicious activity switch it on.
        suspicious_activity: false,
        ..Settings::default()
    }
}

/// Settings without the probe, lists in pages.
pub(crate) fn in_pages() -> Settings {
    Settings { streaming_lists: StreamingLists::Off, ..settings() }
}

/// Settings of an operator that remembers in the namespace `revisor-system`.
pub(crate) fn remembering() -> Settings {
    let record = RecordSettings {
        writes: Rate::new(1000.0, 1000),
        gather: Duration::from_millis(20),
        ..RecordSettings::new("revisor-system")
    };
    Settings { record: Some(record), ..in_pages() }
}

/// A running operator.
pub(crate) struct Running {
    address: SocketAddr,
    end: Option<oneshot::Sender<()>>,
    task: JoinHandle<Result<(), Error>>,
}

impl Running {
    /// Starts it.
    pub(crate) async fn start(server: &ApiServer, settings: Settings) -> Self {
        Self::start_as(server, settings, "").await
    }

    /// Starts it as the user of a token.
    async fn start_as(server: &ApiServer, settings: Settings, token: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        let mut config = kube::Config::new(server.url().parse().expect("a URL"));
        if !token.is_empty() {
            config.auth_info.token = Some(token.to_owned().into());
        }
        let (end, ended) = oneshot::channel();
        let shutdown = async {
            let _ = ended.await;
        };
        let task = tokio::spawn(run_on(listener, config, settings, shutdown));
        Self { address, end: Some(end), task }
    }

    /// Starts it and waits until it is ready.
    pub(crate) async fn ready(server: &ApiServer, settings: Settings) -> Self {
        let operator = Self::start(server, settings).await;
        operator.until_ready().await;
        operator
    }

    /// The same as the user of a token.
    pub(crate) async fn ready_as(server: &ApiServer, settings: Settings, token: &str) -> Self {
        let operator = Self::start_as(server, settings, token).await;
        operator.until_ready().await;
        operator
    }

    /// Waits until it is ready.
    pub(crate) async fn until_ready(&self) {
        eventually("ready", async || self.get("/readyz").await.0 == 200).await;
    }

    /// Asks its admin server.
    pub(crate) async fn get(&self, path: &str) -> (u16, String) {
        let stream = TcpStream::connect(self.address).await.expect("a connection");
        let (mut sender, connection) =
            hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.expect("HTTP");
        tokio::spawn(connection);
        let request = http::Request::get(path)
            .header("host", "revisor")
            .body(Empty::<Bytes>::new())
            .expect("a request");
        let answer = sender.send_request(request).await.expect("an answer");
        let status = answer.status().as_u16();
        let body = answer.into_body().collect().await.expect("a body").to_bytes();
        (status, String::from_utf8(body.to_vec()).expect("text"))
    }

    /// The value of a series in `/metrics`; none when it is not there.
    pub(crate) async fn metric(&self, series: &str) -> Option<f64> {
        let (_, text) = self.get("/metrics").await;
        let value = text.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '))?;
        value.parse().ok()
    }

    /// Ends it as a crash does: nothing is finished, nothing released.
    pub(crate) async fn kill(self) {
        self.task.abort();
        assert!(self.task.await.is_err_and(|error| error.is_cancelled()), "it had ended before");
    }

    /// Ends it cleanly.
    pub(crate) async fn stop(mut self) {
        drop(self.end.take());
        let ended = tokio::time::timeout(PATIENCE, self.task).await.expect("an end in time");
        ended.expect("no panic").expect("a clean end");
    }
}

/// Waits until something holds.
pub(crate) async fn eventually(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let waited = tokio::time::timeout(PATIENCE, async {
        while !holds().await {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    });
    assert!(waited.await.is_ok(), "not in time: {what}");
}

/// Time for what should not happen, where no sign would tell that it does not.
pub(crate) async fn a_while() {
    tokio::time::sleep(Duration::from_millis(400)).await;
}

/// A namespace with default-deny, so that only images are found in it.
pub(crate) fn tidy_namespace(server: &ApiServer, name: &str) {
    server.apply(&format!(
        "
apiVersion: v1
kind: Namespace
metadata: {{name: {name}}}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {{name: default-deny, namespace: {name}}}
spec: {{podSelector: {{}}, policyTypes: [Ingress, Egress]}}
"
    ));
}

/// A Deployment with its ReplicaSet and one running pod.
pub(crate) fn deployment(server: &ApiServer, namespace: &str, name: &str, image: &str) {
    let created = server.create(json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name, "namespace": namespace}, "spec": {},
    }));
    let set = server.create(json!({
        "apiVersion": "apps/v1", "kind": "ReplicaSet",
        "metadata": {"name": format!("{name}-7f"), "namespace": namespace, "ownerReferences": [owner(&created)]},
        "spec": {},
    }));
    server.create(json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {
            "name": format!("{name}-7f-x"), "namespace": namespace, "ownerReferences": [owner(&set)],
            "labels": {"app": name, "pod-template-hash": "7f"},
        },
        "spec": {"containers": [{"name": "app", "image": image}]},
        "status": {"phase": "Running"},
    }));
}

/// A reference to an object as its controller.
pub(crate) fn owner(object: &Value) -> Value {
    json!({
        "apiVersion": object["apiVersion"], "kind": object["kind"], "controller": true,
        "name": object["metadata"]["name"], "uid": object["metadata"]["uid"],
    })
}

/// The policy's status.
pub(crate) fn status(server: &ApiServer) -> Value {
    server.get("ImagePolicy", "", "baseline").map(|policy| policy["status"].clone()).unwrap_or_default()
}

/// A condition's status and reason.
pub(crate) fn condition(server: &ApiServer, name: &str) -> (String, String) {
    let status = status(server);
    let found =
        status["conditions"].as_array().into_iter().flatten().find(|condition| condition["type"] == name);
    let text = |key: &str| found.and_then(|condition| condition[key].as_str()).unwrap_or_default().to_owned();
    (text("status"), text("reason"))
}

/// Waits for so many violations in the policy's status.
pub(crate) async fn violations(server: &ApiServer, count: u64) {
    let waited = tokio::time::timeout(PATIENCE, async {
        while status(server)["summary"]["violations"] != count {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    });
    assert!(
        waited.await.is_ok(),
        "not {count} violations in time: {}",
        server.get("ImagePolicy", "", "baseline").unwrap_or_default()
    );
}
