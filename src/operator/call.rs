//! Requests for lists and watches, over kube's client and down to the bytes of the answer: its own path would copy a
//! page twice and every frame once, and be compiled anew for every kind.

use std::time::Duration;

use http::header::{ACCEPT_ENCODING, HeaderValue};
use http_body_util::BodyExt as _;
use kube::Client;
use kube::client::Body;
use kube::core::Request;
use kube::core::params::{GetParams, ListParams, WatchParams};
use serde_json::Value;

use super::transport::with_causes;
use crate::decode::wire::is_metadata_only;
use crate::subject::Resource;

/// An answer that says nothing for so long will not come. kube's client itself waits for ever.
pub(crate) const SILENCE: Duration = Duration::from_secs(120);
/// What is read of a refusal.
const LARGEST_REFUSAL: usize = 64 << 10;
/// What is kept of its words.
const LONGEST_MESSAGE: usize = 1_000;

/// Why there is no answer, or no more of it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Failure {
    /// The server says so, by an HTTP status or within a watch.
    #[error("{message} (status {code})")]
    Refused {
        /// The HTTP status; 0 where the server names none.
        code: u16,
        /// The server's words.
        message: String,
    },
    /// It cannot be reached, says nothing, or broke off.
    #[error("{0}")]
    Away(String),
    /// Its answer is not what was asked for.
    #[error("{0}")]
    Garbled(String),
}

type Asked = Result<http::Request<Vec<u8>>, Failure>;

fn built(request: Result<http::Request<Vec<u8>>, kube::core::request::Error>) -> Asked {
    request.map_err(|error| Failure::Garbled(with_causes(&error)))
}

/// Where objects of a kind are listed: those of one namespace, or all.
fn path(resource: Resource, namespace: Option<&str>) -> String {
    let (api, plural) = (resource.api_path(), resource.plural());
    match namespace {
        Some(namespace) => format!("{api}/namespaces/{namespace}/{plural}"),
        None => format!("{api}/{plural}"),
    }
}

/// Asks for a page of a list.
pub(crate) fn list(resource: Resource, namespace: Option<&str>, params: &ListParams) -> Asked {
    let request = Request::new(path(resource, namespace));
    built(match is_metadata_only(resource) {
        true => request.list_metadata(params),
        false => request.list(params),
    })
}

/// Asks for one object of a kind that lies in no namespace.
pub(crate) fn one(resource: Resource, name: &str) -> Asked {
    built(Request::new(path(resource, None)).get(name, &GetParams::default()))
}

/// Asks for what happens to objects of a kind since a version.
pub(crate) fn watch(resource: Resource, metadata_only: bool, params: &WatchParams, version: &str) -> Asked {
    let request = Request::new(path(resource, None));
    let mut request = built(match metadata_only {
        true => request.watch_metadata(params, version),
        false => request.watch(params, version),
    })?;
    // Nothing here would unpack it.
    request.headers_mut().insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
    Ok(request)
}

/// Sends a request; the body of the answer if it is one.
pub(crate) async fn open(client: &Client, request: Asked) -> Result<Body, Failure> {
    let answer = tokio::time::timeout(SILENCE, client.send(request?.map(Body::from))).await;
    let answer = answer.map_err(|_| silent())?.map_err(|error| Failure::Away(with_causes(&error)))?;
    let code = answer.status();
    if code.is_success() {
        return Ok(answer.into_body());
    }
    let mut text = Vec::new();
    let mut body = answer.into_body();
    while let Ok(Some(chunk)) = next_chunk(&mut body).await {
        let room = LARGEST_REFUSAL - text.len();
        text.extend_from_slice(chunk.as_ref().get(..room).unwrap_or(chunk.as_ref()));
        if text.len() >= LARGEST_REFUSAL {
            break;
        }
    }
    let status: Option<Value> = serde_json::from_slice(&text).ok();
    let message = match status.as_ref().and_then(|status| status["message"].as_str()) {
        Some(message) => message.to_owned(),
        None => String::from_utf8_lossy(&text).trim().to_owned(),
    };
    let message = if message.is_empty() { code.to_string() } else { message };
    Err(Failure::Refused { code: code.as_u16(), message: message.chars().take(LONGEST_MESSAGE).collect() })
}

/// The next bytes of an answer; none at its end.
pub(crate) async fn next_chunk(body: &mut Body) -> Result<Option<impl AsRef<[u8]> + use<>>, Failure> {
    match tokio::time::timeout(SILENCE, body.frame()).await {
        Err(_) => Err(silent()),
        Ok(None) => Ok(None),
        Ok(Some(Err(error))) => Err(Failure::Away(with_causes(&error))),
        // Trailers say nothing.
        Ok(Some(Ok(frame))) => Ok(Some(frame.into_data().unwrap_or_default())),
    }
}

fn silent() -> Failure {
    Failure::Away(format!("no answer within {} s", SILENCE.as_secs()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(request: Asked) -> (String, Vec<(String, String)>) {
        let request = request.unwrap();
        let headers = request.headers().iter();
        let headers = headers.map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned()));
        (request.uri().to_string().replace("?&", "?"), headers.collect())
    }

    #[test]
    fn lists_are_asked_for_page_by_page_and_tokens_and_selectors_are_quoted() {
        let params = ListParams {
            limit: Some(500),
            continue_token: Some("a&b=".into()),
            label_selector: Some("app in (a, b)".into()),
            ..ListParams::default()
        };
        assert_eq!(
            asked(list(Resource::Pods, Some("team-a"), &params)).0,
            "/api/v1/namespaces/team-a/pods?labelSelector=app+in+%28a%2C+b%29&limit=500&continue=a%26b%3D"
        );
    }

    #[test]
    fn watches_are_asked_for_with_bookmarks_an_end_and_no_compression() {
        let (uri, headers) = asked(watch(Resource::NetworkPolicies, false, &WatchParams::default(), "42"));
        assert_eq!(
            uri,
            "/apis/networking.k8s.io/v1/networkpolicies?watch=true&timeoutSeconds=290&allowWatchBookmarks=true&resourceVersion=42"
        );
        assert_eq!(headers, [("accept-encoding".to_owned(), "identity".to_owned())]);
        let (uri, _) = asked(watch(Resource::Pods, false, &WatchParams::streaming_lists(), "0"));
        assert!(uri.ends_with("&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&resourceVersion=0"));
    }

    #[test]
    fn of_kinds_whose_metadata_is_all_that_is_read_nothing_else_is_asked_for() {
        for resource in Resource::ALL {
            let partial = asked(list(resource, None, &ListParams::default()))
                .1
                .iter()
                .any(|(name, value)| name == "accept" && value.contains("as=PartialObjectMetadataList"));
            assert_eq!(partial, resource == Resource::Jobs || resource.is_presence(), "{resource}");
        }
    }
}
