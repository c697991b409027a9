//! A plain HTTP client, one connection a request, and the objects the tests store.

use bytes::{Bytes, BytesMut};
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use testkit::apiserver::ApiServer;
use tokio::net::TcpStream;

pub(super) const PARTIAL: &str = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1";
pub(super) const MERGE: &str = "application/merge-patch+json";
pub(super) const APPLY: &str = "application/apply-patch+yaml";

/// Sends one request on a connection of its own.
pub(super) async fn send(
    server: &ApiServer,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &str,
) -> Result<Response<Incoming>, Box<dyn std::error::Error>> {
    let stream = TcpStream::connect(server.address()).await?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    tokio::spawn(connection);
    let mut request = Request::builder().method(method).uri(path).header("host", "testkit");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let body = Full::new(Bytes::copy_from_slice(body.as_bytes()));
    Ok(sender.send_request(request.body(body)?).await?)
}

/// Sends a request and reads the whole JSON answer.
pub(super) async fn call(
    server: &ApiServer,
    method: &str,
    path: &str,
    content_type: &str,
    body: &Value,
) -> (u16, Value) {
    let body = if body.is_null() { String::new() } else { body.to_string() };
    let answer = send(server, method, path, &[("content-type", content_type)], &body).await;
    read(answer.expect("an answer")).await
}

pub(super) async fn get(server: &ApiServer, path: &str) -> (u16, Value) {
    call(server, "GET", path, "", &Value::Null).await
}

pub(super) async fn read(answer: Response<Incoming>) -> (u16, Value) {
    let code = answer.status().as_u16();
    let body = answer.into_body().collect().await.expect("a whole body").to_bytes();
    (code, serde_json::from_slice(&body).expect("JSON"))
}

/// A running watch, read frame by frame.
pub(super) struct Frames {
    body: Incoming,
    buffer: BytesMut,
}

impl Frames {
    pub(super) async fn open(server: &ApiServer, path: &str) -> Self {
        Self::open_as(server, path, "application/json").await
    }

    pub(super) async fn open_as(server: &ApiServer, path: &str, accept: &str) -> Self {
        let answer = send(server, "GET", path, &[("accept", accept)], "").await;
        let answer = answer.expect("an answer");
        assert_eq!(answer.status(), 200);
        Self { body: answer.into_body(), buffer: BytesMut::new() }
    }

    /// The next line, none at the stream's end, an error if it breaks in a frame.
    pub(super) async fn line(&mut self) -> Result<Option<String>, String> {
        loop {
            if let Some(end) = self.buffer.iter().position(|byte| *byte == b'\n') {
                let line = self.buffer.split_to(end + 1);
                return Ok(Some(String::from_utf8_lossy(&line).into_owned()));
            }
            match self.body.frame().await {
                Some(Ok(frame)) => {
                    self.buffer.extend_from_slice(&frame.into_data().unwrap_or_default());
                }
                Some(Err(_)) => return Err(String::from_utf8_lossy(&self.buffer).into_owned()),
                None => return Ok(None),
            }
        }
    }

    /// The next frame's type and object.
    pub(super) async fn next(&mut self) -> (String, Value) {
        let line = self.line().await.expect("an unbroken frame").expect("a frame");
        assert!(line.starts_with(r#"{"type":""#), "type stands first: {line}");
        let mut frame: Value = serde_json::from_str(&line).expect("JSON");
        (frame["type"].as_str().unwrap_or_default().to_owned(), frame["object"].take())
    }

    /// The next frame's type and the object's name.
    pub(super) async fn next_name(&mut self) -> (String, String) {
        let (event, object) = self.next().await;
        (event, object["metadata"]["name"].as_str().unwrap_or_default().to_owned())
    }
}

pub(super) fn pod(namespace: &str, name: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": name, "namespace": namespace, "labels": {"app": name}},
        "spec": {"containers": [{"name": "c", "image": "example.com/c:1"}]},
    })
}

pub(super) fn policy(name: &str) -> Value {
    json!({
        "apiVersion": "revisor.dev/v1alpha1", "kind": "ImagePolicy",
        "metadata": {"name": name}, "spec": {"rules": {}},
    })
}

pub(super) const POLICIES: &str = "/apis/revisor.dev/v1alpha1/imagepolicies";

pub(super) fn version_of(object: &Value) -> &str {
    object["metadata"]["resourceVersion"].as_str().expect("a version")
}

pub(super) fn seen(event: &str, name: &str) -> (String, String) {
    (event.to_owned(), name.to_owned())
}
