//! HTTP answers: JSON, `Status` refusals and streamed bodies.

use std::io;

use bytes::Bytes;
use futures::Stream;
use http::header::{CONTENT_TYPE, HeaderValue, RETRY_AFTER};
use http::{Response, StatusCode};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::Frame;
use serde_json::Value;

use super::refusal::Refusal;

pub(super) type Body = UnsyncBoxBody<Bytes, io::Error>;

pub(super) type Answer = Response<Body>;

pub(super) fn bytes(code: u16, content_type: &'static str, body: Bytes) -> Answer {
    let full = Full::new(body).map_err(|never| match never {});
    with_type(code, content_type, full.boxed_unsync())
}

pub(super) fn json(code: u16, value: &Value) -> Answer {
    bytes(code, "application/json", Bytes::from(value.to_string()))
}

pub(super) fn refused(refusal: &Refusal) -> Answer {
    let mut answer = json(refusal.code, &refusal.body());
    if let Some(seconds) = refusal.retry_after {
        answer.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds));
    }
    answer
}

pub(super) fn stream<S>(frames: S) -> Answer
where
    S: Stream<Item = Result<Bytes, io::Error>> + Send + 'static,
{
    let frames = futures::StreamExt::map(frames, |frame| frame.map(Frame::data));
    with_type(200, "application/json", StreamBody::new(frames).boxed_unsync())
}

fn with_type(code: u16, content_type: &'static str, body: Body) -> Answer {
    let mut answer = Response::new(body);
    *answer.status_mut() = StatusCode::from_u16(code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    answer
}
