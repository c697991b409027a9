//! `/livez`, `/readyz` and `/metrics`, for the kubelet and for Prometheus. Plain HTTP, small limits.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::time::Instant;

use super::health::Health;
use super::leadership::Leadership;
use super::process;
use super::stop::Stop;
use crate::auditor::snapshot::Snapshot;
use crate::report::metrics::{Election, Format, Scrape};
use crate::rules::guard;

/// Connections at once; more wait to be accepted.
const CONNECTIONS: usize = 64;
/// A request's head must be here within this time, or the connection is closed.
const HEADER_TIMEOUT: Duration = Duration::from_secs(5);
/// The head of a request may have so many bytes.
const HEAD_BYTES: usize = 16 * 1024;
/// A connection may last so long in all.
const CONNECTION_TIMEOUT: Duration = Duration::from_secs(600);
/// After an error of `accept` (no file descriptors left) others get the time to end.
const AFTER_ACCEPT_ERROR: Duration = Duration::from_millis(100);

const PLAIN_TEXT: &str = "text/plain; charset=utf-8";

/// Why the server could not begin.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {address} for probes and metrics; choose another address with --listen")]
pub struct Error {
    address: SocketAddr,
    source: std::io::Error,
}

/// Takes the address.
pub(crate) async fn bind(address: SocketAddr) -> Result<TcpListener, Error> {
    TcpListener::bind(address).await.map_err(|source| Error { address, source })
}

/// What is shown.
pub(crate) struct Admin {
    pub(crate) health: Arc<Health>,
    pub(crate) snapshots: watch::Receiver<Option<Arc<Snapshot>>>,
    pub(crate) namespace_series: usize,
    /// The Lease's name, and whether this replica leads; none without an election.
    pub(crate) election: Option<(String, Leadership)>,
}

/// Serves until told to stop.
pub(crate) async fn serve(listener: TcpListener, admin: Admin, mut stop: Stop) {
    let admin = Arc::new(admin);
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    loop {
        let Some(Ok(place)) = stop.unless(Arc::clone(&places).acquire_owned()).await else { return };
        let Some(accepted) = stop.unless(listener.accept()).await else { return };
        match accepted {
            Ok((stream, _)) => {
                let (admin, stop) = (Arc::clone(&admin), stop.clone());
                tokio::spawn(async move {
                    connection(stream, admin, stop).await;
                    drop(place);
                });
            }
            Err(error) => {
                tracing::debug!(%error, "a connection to the admin server could not be accepted");
                tokio::time::sleep(AFTER_ACCEPT_ERROR).await;
            }
        }
    }
}

async fn connection(stream: TcpStream, admin: Arc<Admin>, mut stop: Stop) {
    let service = service_fn(|request: Request<Incoming>| {
        let answer = admin.answer(request.method(), request.uri().path(), request.headers());
        std::future::ready(Ok::<_, Infallible>(answer))
    });
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_TIMEOUT)
        .max_buf_size(HEAD_BYTES)
        .serve_connection(TokioIo::new(stream), service);
    let mut served = std::pin::pin!(tokio::time::timeout(CONNECTION_TIMEOUT, served));
    // What a client does wrong with its connection is no concern of ours.
    if stop.unless(served.as_mut()).await.is_none() {
        let _ = tokio::time::timeout(Duration::from_millis(100), served).await;
    }
}

impl Admin {
    fn answer(&self, method: &Method, path: &str, headers: &HeaderMap) -> Response<Full<Bytes>> {
        let known = matches!(path, "/livez" | "/readyz" | "/metrics");
        if !known {
            return plain(StatusCode::NOT_FOUND, "not found; try /livez, /readyz or /metrics\n");
        }
        if !matches!(*method, Method::GET | Method::HEAD) {
            let mut refused = plain(StatusCode::METHOD_NOT_ALLOWED, "only GET\n");
            refused.headers_mut().insert(header::ALLOW, HeaderValue::from_static("GET, HEAD"));
            return refused;
        }
        match path {
            "/livez" => liveness(&self.health.pulse.stuck(Instant::now())),
            "/readyz" => readiness(&self.health.not_ready()),
            _ => self.metrics(headers),
        }
    }

    fn metrics(&self, headers: &HeaderMap) -> Response<Full<Bytes>> {
        let accept = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok());
        let format = Format::negotiate(accept);
        self.health.operational.rule_panics(guard::caught());
        let scrape = Scrape {
            snapshot: self.snapshots.borrow().clone(),
            election: self
                .election
                .as_ref()
                .map(|(lease, leadership)| Election { lease: lease.clone(), leads: leadership.is_held() }),
            operational: Arc::clone(&self.health.operational),
            process: process::read(),
            namespace_series: self.namespace_series,
        };
        match scrape.render(format) {
            Ok(body) => answer(StatusCode::OK, format.content_type(), body),
            Err(error) => {
                tracing::error!(%error, "the metrics could not be rendered");
                plain(StatusCode::INTERNAL_SERVER_ERROR, "the metrics could not be rendered; see the log\n")
            }
        }
    }
}

/// Only the operator's own progress counts: a restart mends no API server.
fn liveness(stuck: &[String]) -> Response<Full<Bytes>> {
    if stuck.is_empty() {
        return plain(StatusCode::OK, "ok\n");
    }
    tracing::error!(tasks = stuck.join("; "), "the operator makes no progress; the kubelet will restart it");
    plain(StatusCode::INTERNAL_SERVER_ERROR, format!("not alive:\n{}\n", stuck.join("\n")))
}

fn readiness(missing: &[String]) -> Response<Full<Bytes>> {
    if missing.is_empty() {
        return plain(StatusCode::OK, "ok\n");
    }
    plain(StatusCode::SERVICE_UNAVAILABLE, format!("not ready:\n{}\n", missing.join("\n")))
}

fn plain(status: StatusCode, body: impl Into<Bytes>) -> Response<Full<Bytes>> {
    answer(status, PLAIN_TEXT, body)
}

fn answer(status: StatusCode, content_type: &'static str, body: impl Into<Bytes>) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body.into()));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}

#[cfg(test)]
mod tests {
    use super::super::health::WatchState;
    use super::*;
    use crate::operator::clock::Clock;
    use crate::subject::Resource;
    use http_body_util::BodyExt as _;

    fn admin() -> Admin {
        let health = Arc::new(Health::new(Arc::default(), tokio::time::Instant::now(), Clock::default()));
        Admin { health, snapshots: watch::channel(None).1, namespace_series: 10, election: None }
    }

    async fn get(
        admin: &Admin,
        method: Method,
        path: &str,
        accept: Option<&'static str>,
    ) -> (u16, String, String) {
        let mut headers = HeaderMap::new();
        headers.extend(accept.map(|accept| (header::ACCEPT, HeaderValue::from_static(accept))));
        let answer = admin.answer(&method, path, &headers);
        let content_type = answer.headers()[header::CONTENT_TYPE].to_str().unwrap().to_owned();
        let status = answer.status().as_u16();
        let body = answer.into_body().collect().await.unwrap().to_bytes();
        (status, content_type, String::from_utf8(body.to_vec()).unwrap())
    }

    #[tokio::test]
    async fn liveness_needs_no_api_server_and_readiness_says_what_is_missing() {
        let admin = admin();
        assert_eq!(get(&admin, Method::GET, "/livez", None).await.0, 200);
        let (status, _, body) = get(&admin, Method::GET, "/readyz", None).await;
        assert_eq!(status, 503);
        assert!(body.contains("pods:") && body.contains("first audit:"), "{body}");
        for resource in Resource::ALL {
            admin.health.set_state(resource, WatchState::Synced);
        }
        admin.health.first_audit_done();
        assert_eq!(get(&admin, Method::GET, "/readyz", None).await.0, 200);
    }

    #[tokio::test(start_paused = true)]
    async fn an_engine_that_is_stuck_is_told_to_the_kubelet_with_the_reason() {
        let admin = admin();
        admin.health.pulse.engine();
        tokio::time::advance(Duration::from_secs(60)).await;
        assert_eq!(get(&admin, Method::GET, "/livez", None).await.0, 200);
        tokio::time::advance(Duration::from_secs(600)).await;
        let (status, _, body) = get(&admin, Method::GET, "/livez", None).await;
        assert_eq!((status, &*body), (500, "not alive:\nthe engine: no progress for 660 s\n"));
        admin.health.pulse.engine();
        assert_eq!(get(&admin, Method::GET, "/livez", None).await.0, 200);
    }

    #[tokio::test]
    async fn metrics_come_in_the_format_that_is_asked_for_with_its_content_type() {
        let admin = admin();
        let (status, content_type, body) = get(&admin, Method::GET, "/metrics", None).await;
        assert_eq!(status, 200);
        assert!(
            content_type.contains("version=0.0.4") && body.contains("process_resident_memory_bytes"),
            "{body}"
        );
        let asked = Some("application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5");
        let (_, content_type, body) = get(&admin, Method::GET, "/metrics", asked).await;
        assert!(
            content_type.starts_with("application/openmetrics-text; version=1.0.0")
                && body.ends_with("# EOF\n")
        );
    }

    #[tokio::test]
    async fn other_paths_and_methods_are_refused() {
        let admin = admin();
        assert_eq!(get(&admin, Method::GET, "/", None).await.0, 404);
        assert_eq!(get(&admin, Method::GET, "/metrics/x", None).await.0, 404);
        assert_eq!(get(&admin, Method::POST, "/metrics", None).await.0, 405);
        assert_eq!(get(&admin, Method::HEAD, "/livez", None).await.0, 200);
    }
}
