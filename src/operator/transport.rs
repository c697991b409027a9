//! The two clients, and the layer between them and the wire: every answer and every chunk of a watch is a sign of
//! life, before the client tries again by itself and whatever is read of it.

use std::error::Error as StdError;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::{Method, Request, Response, StatusCode};
use http_body_util::BodyExt as _;
use kube::client::{Body, ClientBuilder, DynBody};
use kube::{Client, Config};
use tower::{BoxError, Layer, Service};

use super::health::Health;
use crate::subject::Resource;

/// A client for watches and one for everything else.
#[derive(Clone)]
pub(crate) struct Clients {
    /// Retries 429, 503 and 504 as the server asks: a page that is refused must not start a long list anew.
    pub(crate) watches: Client,
    /// Retries nothing: whoever writes has a deadline of its own, and a write may be void a minute later.
    pub(crate) writes: Client,
}

impl Clients {
    /// Both, from one configuration.
    pub(crate) fn new(config: &Config, health: &Arc<Health>) -> Result<Self, kube::Error> {
        let client = |retry| -> Result<Client, kube::Error> {
            let mut config = config.clone();
            config.default_retry = retry;
            let layer = Observe(Arc::clone(health));
            Ok(ClientBuilder::try_from(config)?.with_layer(&layer).build())
        };
        Ok(Self { watches: client(true)?, writes: client(false)? })
    }
}

/// Tells [`Health`] of every sign of life of a watched kind, and of outages.
struct Observe(Arc<Health>);

impl<S> Layer<S> for Observe {
    type Service = Observed<S>;

    fn layer(&self, inner: S) -> Observed<S> {
        Observed { inner, health: Arc::clone(&self.0) }
    }
}

struct Observed<S> {
    inner: S,
    health: Arc<Health>,
}

type Answer = Result<Response<Box<DynBody>>, BoxError>;

impl<S> Service<Request<Body>> for Observed<S>
where
    S: Service<Request<Body>, Response = Response<Box<DynBody>>, Error = BoxError>,
    S::Future: Send + 'static,
{
    type Response = Response<Box<DynBody>>;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Answer> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let is_watch = is_watch(request.uri().query());
        let watched = watched(request.method(), request.uri().path());
        let health = Arc::clone(&self.health);
        let answer = self.inner.call(request);
        Box::pin(async move {
            let answer = answer.await;
            let Some(resource) = watched else { return answer };
            match why_away(&answer) {
                Some(why) => health.away(resource, &why),
                None => health.answered(resource),
            }
            let observe = move |body| observe_frames(body, resource, health);
            answer.map(|response| if is_watch { response.map(observe) } else { response })
        })
    }
}

/// Every chunk of a watch is a sign of life.
fn observe_frames(body: Box<DynBody>, resource: Resource, health: Arc<Health>) -> Box<DynBody> {
    Box::new(body.map_frame(move |frame| {
        health.answered(resource);
        frame
    }))
}

fn is_watch(query: Option<&str>) -> bool {
    query.is_some_and(|query| query.split('&').any(|pair| pair == "watch=true"))
}

/// The watched kind that a list or watch of the whole cluster is about.
fn watched(method: &Method, path: &str) -> Option<Resource> {
    if method != Method::GET {
        return None;
    }
    match path {
        "/api/v1/pods" => Some(Resource::Pods),
        "/api/v1/namespaces" => Some(Resource::Namespaces),
        "/apis/networking.k8s.io/v1/networkpolicies" => Some(Resource::NetworkPolicies),
        "/apis/batch/v1/jobs" => Some(Resource::Jobs),
        "/apis/revisor.dev/v1alpha1/imagepolicies" => Some(Resource::ImagePolicies),
        _ => None,
    }
}

/// Why the answer tells nothing about the cluster; none when it does.
fn why_away(answer: &Answer) -> Option<String> {
    match answer {
        Err(error) => Some(with_causes(&**error)),
        Ok(response) => {
            let status = response.status();
            let away = status.is_server_error()
                || matches!(status, StatusCode::TOO_MANY_REQUESTS | StatusCode::UNAUTHORIZED);
            away.then(|| status.to_string())
        }
    }
}

/// An error with all its causes: hyper's own text is "client error (Connect)" and no more.
pub(crate) fn with_causes(error: &dyn StdError) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let more = error.to_string();
        if !text.contains(&more) {
            text = format!("{text}: {more}");
        }
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use kube::Resource as _;

    #[test]
    fn lists_and_watches_of_the_whole_cluster_are_recognised_and_nothing_else() {
        use k8s_openapi::api::{batch::v1::Job, core::v1, networking::v1::NetworkPolicy};
        let of = |path: &str| watched(&Method::GET, path);
        assert_eq!(of(&v1::Pod::url_path(&(), None)), Some(Resource::Pods));
        assert_eq!(of(&v1::Namespace::url_path(&(), None)), Some(Resource::Namespaces));
        assert_eq!(of(&NetworkPolicy::url_path(&(), None)), Some(Resource::NetworkPolicies));
        assert_eq!(of(&Job::url_path(&(), None)), Some(Resource::Jobs));
        assert_eq!(of("/apis/revisor.dev/v1alpha1/imagepolicies"), Some(Resource::ImagePolicies));
        assert_eq!(of(&v1::Pod::url_path(&(), Some("team-a"))), None);
        assert_eq!(watched(&Method::POST, "/api/v1/namespaces"), None);
    }

    #[test]
    fn a_watch_is_told_from_a_list_by_its_query() {
        assert!(!is_watch(None) && !is_watch(Some("limit=500")));
        assert!(is_watch(Some("&watch=true&timeoutSeconds=290")));
        assert!(!is_watch(Some("labelSelector=watch%3Dtrue")));
    }

    #[test]
    fn refusals_are_answers_and_outages_are_not() {
        let answer = |code: u16| -> Answer {
            let body: Box<DynBody> = Box::new(http_body_util::Empty::new().map_err(|never| match never {}));
            let mut response = Response::new(body);
            *response.status_mut() = StatusCode::from_u16(code).unwrap();
            Ok(response)
        };
        for code in [200, 403, 404, 410, 422] {
            assert_eq!(why_away(&answer(code)), None, "{code}");
        }
        for code in [401, 429, 500, 503] {
            assert!(why_away(&answer(code)).is_some(), "{code}");
        }
        assert_eq!(why_away(&Err("connection refused".into())).as_deref(), Some("connection refused"));
    }
}
