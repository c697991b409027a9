//! From a request to its answer: record, fault, user, permission, verb.

use std::io;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderName};
use http::{Method, Request};
use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;
use serde_json::Value;

use super::answer::{self, Answer};
use super::discovery;
use super::fault::Effect;
use super::list;
use super::object::{Form, StoredObject};
use super::population;
use super::record::Write;
use super::refusal::Refusal;
use super::request::RequestFacts;
use super::resource::ResourceType;
use super::state::Shared;
use super::watch;
use super::write::{Part, Patch, Place};

/// The largest body the real server reads.
const BODY_LIMIT: usize = 3 * 1024 * 1024;

/// Answers one request; an error closes the connection without an answer.
pub(super) async fn answer(shared: Arc<Shared>, request: Request<Incoming>) -> Result<Answer, io::Error> {
    let (head, body) = request.into_parts();
    let facts = RequestFacts::read(&head.method, &head.uri);
    let user = shared.access().user(header(&head.headers, AUTHORIZATION));
    shared.records.arrived(&facts, user.as_deref().unwrap_or_default());

    let (delay, outcome) = shared.faults.on_request(&facts);
    if !delay.is_zero() {
        tokio::time::sleep(delay).await;
    }
    let body = Limited::new(body, BODY_LIMIT).collect().await;
    let body = body.map(http_body_util::Collected::to_bytes).map_err(|_| Refusal::too_large());
    let refused = match outcome {
        Some(Effect::HangUp) => return Err(io::ErrorKind::ConnectionAborted.into()),
        Some(Effect::Answer { code, retry_after, message }) => {
            Some(Refusal::of_fault(code, retry_after, message))
        }
        _ => None,
    };
    let outcome = match (refused, &body) {
        (Some(refusal), _) => Err(refusal),
        (None, Err(refusal)) => Err(refusal.clone()),
        (None, Ok(body)) => user.and_then(|user| respond(&shared, &facts, &user, &head.headers, body)),
    };
    let answer = outcome.unwrap_or_else(|refusal| answer::refused(&refusal));
    record_write(&shared, &facts, body.unwrap_or_default(), &answer);
    Ok(answer)
}

fn respond(
    shared: &Arc<Shared>,
    facts: &RequestFacts,
    user: &str,
    headers: &HeaderMap,
    body: &Bytes,
) -> Result<Answer, Refusal> {
    shared.access().check(user, facts)?;
    if !facts.is_resource {
        return discovery::answer(&shared.store().catalogue, facts, header(headers, ACCEPT));
    }
    let kind = shared.store().catalogue.served(&facts.group, &facts.version, &facts.plural);
    let kind = kind.ok_or_else(Refusal::no_such_resource)?;
    let scoped = kind.namespaced || facts.namespace.is_empty();
    let known_subresource = match facts.subresource.as_str() {
        "" => true,
        "status" => kind.status,
        _ => false,
    };
    if !scoped || !known_subresource {
        return Err(Refusal::no_such_resource());
    }
    if facts.query.has("dryRun") {
        return Err(Refusal::bad_request("dryRun is not supported by this server"));
    }
    let form = Form::accepted(header(headers, ACCEPT));
    match facts.verb.as_str() {
        "create" if kind.is_review() => {
            let review = parse(headers, body)?;
            Ok(answer::json(201, &shared.access().review(user, &review)))
        }
        _ if kind.is_review() => Err(Refusal::method_not_allowed()),
        "list" | "watch" if shared.store().populates(&kind) => population::answer(shared, facts, form),
        "list" => list::answer(shared, facts, &kind, form),
        "watch" => watch::answer(shared, &for_one_name(facts), &kind, form),
        "get" => {
            let found = shared.store().get(&kind, &facts.namespace, &facts.name);
            let found = found.ok_or_else(|| Refusal::not_found(&kind, &facts.name))?;
            Ok(one(200, &found, form))
        }
        "create" | "update" | "patch" | "delete" => {
            let (code, written) = write(shared, facts, &kind, headers, body)?;
            Ok(one(code, &written, form))
        }
        _ => Err(Refusal::method_not_allowed()),
    }
}

fn write(
    shared: &Shared,
    facts: &RequestFacts,
    kind: &ResourceType,
    headers: &HeaderMap,
    body: &Bytes,
) -> Result<(u16, Arc<StoredObject>), Refusal> {
    if kind.namespaced && facts.namespace.is_empty() {
        return Err(Refusal::method_not_allowed());
    }
    let part = if facts.subresource == "status" { Part::Status } else { Part::Main };
    let place = Place { kind, namespace: &facts.namespace, name: &facts.name, part };
    let created = |created: bool| if created { 201 } else { 200 };
    match facts.verb.as_str() {
        "create" if facts.name.is_empty() => {
            let object = parse(headers, body)?;
            shared.store().create(place, object).map(|stored| (201, stored))
        }
        "update" if !facts.name.is_empty() => {
            let object = parse(headers, body)?;
            shared.store().replace(place, object).map(|stored| (200, stored))
        }
        "patch" if !facts.name.is_empty() => {
            let patch = parse_patch(facts, headers, body)?;
            shared.store().patch(place, patch).map(|(stored, new)| (created(new), stored))
        }
        "delete" => {
            let options = if body.is_empty() { Value::Null } else { parse(headers, body)? };
            shared.store().delete(place, &options).map(|last| (200, last))
        }
        _ => Err(Refusal::method_not_allowed()),
    }
}

/// A watch of one object is a watch of the collection, narrowed to its name.
fn for_one_name(facts: &RequestFacts) -> RequestFacts {
    let mut facts = facts.clone();
    if !facts.name.is_empty() {
        let name = facts.name.clone();
        facts.query.narrow_to_name(&name);
    }
    facts
}

fn parse_patch(facts: &RequestFacts, headers: &HeaderMap, body: &Bytes) -> Result<Patch, Refusal> {
    let content_type = header(headers, CONTENT_TYPE);
    match content_type.split(';').next().unwrap_or_default().trim() {
        "application/merge-patch+json" | "application/strategic-merge-patch+json" => {
            Ok(Patch::Merge(parse(headers, body)?))
        }
        "application/apply-patch+yaml" => {
            let manager = facts.query.get("fieldManager").to_owned();
            if manager.is_empty() {
                let problem = "Required value: is required for apply patch";
                return Err(Refusal::invalid_options("PatchOptions", "fieldManager", problem));
            }
            Ok(Patch::Apply { manager, intent: parse(headers, body)? })
        }
        other => Err(Refusal::unsupported_media_type(other)),
    }
}

/// JSON, or YAML where the content type says so.
fn parse(headers: &HeaderMap, body: &Bytes) -> Result<Value, Refusal> {
    let unreadable =
        |error: &dyn std::fmt::Display| Refusal::bad_request(format!("unreadable body: {error}"));
    match serde_json::from_slice(body) {
        Ok(value) => Ok(value),
        Err(_) if header(headers, CONTENT_TYPE).contains("yaml") => {
            let text = std::str::from_utf8(body).map_err(|error| unreadable(&error))?;
            serde_saphyr::from_str(text).map_err(|error| unreadable(&error))
        }
        Err(error) => Err(unreadable(&error)),
    }
}

fn one(code: u16, object: &StoredObject, form: Form) -> Answer {
    let mut buffer = BytesMut::with_capacity(object.len());
    object.put(&mut buffer, form);
    answer::bytes(code, "application/json", buffer.freeze())
}

fn record_write(shared: &Shared, facts: &RequestFacts, body: Bytes, answer: &Answer) {
    let is_review = facts.group == "authorization.k8s.io";
    if facts.method == Method::GET || !facts.is_resource || is_review {
        return;
    }
    let text = || std::str::from_utf8(&body).ok();
    let read = || serde_json::from_slice(&body).ok().or_else(|| serde_saphyr::from_str(text()?).ok());
    let body = if shared.options.keeps_bodies { read().unwrap_or(Value::Null) } else { Value::Null };
    shared.records.wrote(Write {
        method: facts.method.to_string(),
        path: facts.path_and_query(),
        resource: facts.resource(),
        body,
        code: answer.status().as_u16(),
    });
}

fn header(headers: &HeaderMap, name: HeaderName) -> &str {
    headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
}
