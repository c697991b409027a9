//! What the server says when it refuses: the `Status` objects of the real one.

use serde_json::{Value, json};

use super::resource::ResourceType;

/// A refused request, to be shown as a `Status` object.
#[derive(Clone, Debug)]
pub(super) struct Refusal {
    pub(super) code: u16,
    pub(super) reason: &'static str,
    pub(super) message: String,
    pub(super) retry_after: Option<u32>,
    details: Option<Box<Value>>,
}

impl Refusal {
    fn new(code: u16, reason: &'static str, message: impl Into<String>) -> Self {
        Self { code, reason, message: message.into(), retry_after: None, details: None }
    }

    fn about(mut self, kind: &ResourceType, name: &str) -> Self {
        self.details = Some(Box::new(json!({"name": name, "group": kind.group, "kind": kind.plural})));
        self
    }

    pub(super) fn not_found(kind: &ResourceType, name: &str) -> Self {
        Self::new(404, "NotFound", format!("{} \"{name}\" not found", kind.qualified())).about(kind, name)
    }

    pub(super) fn no_such_resource() -> Self {
        let mut refusal = Self::new(404, "NotFound", "the server could not find the requested resource");
        refusal.details = Some(Box::new(json!({})));
        refusal
    }

    pub(super) fn already_exists(kind: &ResourceType, name: &str) -> Self {
        let message = format!("{} \"{name}\" already exists", kind.qualified());
        Self::new(409, "AlreadyExists", message).about(kind, name)
    }

    pub(super) fn conflict(kind: &ResourceType, name: &str) -> Self {
        let message = format!(
            "Operation cannot be fulfilled on {} \"{name}\": the object has been modified; \
             please apply your changes to the latest version and try again",
            kind.qualified()
        );
        Self::new(409, "Conflict", message).about(kind, name)
    }

    /// 422 on one field of an object.
    pub(super) fn invalid(kind: &ResourceType, name: &str, field: &str, problem: &str) -> Self {
        let message = if kind.group.is_empty() {
            format!("{} \"{name}\" is invalid: {field}: {problem}", kind.kind)
        } else {
            format!("{}.{} \"{name}\" is invalid: {field}: {problem}", kind.kind, kind.group)
        };
        let mut refusal = Self::new(422, "Invalid", message);
        refusal.details = Some(Box::new(json!({
            "name": name, "group": kind.group, "kind": kind.kind,
            "causes": [{"reason": "FieldValueInvalid", "message": problem, "field": field}],
        })));
        refusal
    }

    /// 422 on a query parameter; `options` is `ListOptions` or `PatchOptions`.
    pub(super) fn invalid_options(options: &str, field: &str, problem: &str) -> Self {
        let message = format!("{options}.meta.k8s.io \"\" is invalid: {field}: {problem}");
        let mut refusal = Self::new(422, "Invalid", message);
        refusal.details = Some(Box::new(json!({
            "group": "meta.k8s.io", "kind": options,
            "causes": [{"reason": "FieldValueForbidden", "message": problem, "field": field}],
        })));
        refusal
    }

    pub(super) fn bad_request(message: impl Into<String>) -> Self {
        Self::new(400, "BadRequest", message)
    }

    pub(super) fn unauthorized() -> Self {
        Self::new(401, "Unauthorized", "Unauthorized")
    }

    pub(super) fn forbidden(group: &str, resource: &str, name: &str, problem: &str) -> Self {
        let qualified = if group.is_empty() { resource.to_owned() } else { format!("{resource}.{group}") };
        let named = if name.is_empty() { String::new() } else { format!(" \"{name}\"") };
        let mut refusal = Self::new(403, "Forbidden", format!("{qualified}{named} is forbidden: {problem}"));
        refusal.details = Some(Box::new(json!({"name": name, "group": group, "kind": resource})));
        refusal
    }

    pub(super) fn method_not_allowed() -> Self {
        let message = "the server does not allow this method on the requested resource";
        Self::new(405, "MethodNotAllowed", message)
    }

    pub(super) fn unsupported_media_type(found: &str) -> Self {
        let message = format!(
            "the body of the request was in an unknown format - accepted media types include: \
             application/merge-patch+json, application/apply-patch+yaml (got {found})"
        );
        Self::new(415, "UnsupportedMediaType", message)
    }

    pub(super) fn too_large() -> Self {
        let message = "Request entity too large: limit is 3145728";
        Self::new(413, "RequestEntityTooLarge", message)
    }

    /// 410 for a watch that starts before what is remembered.
    pub(super) fn too_old(asked: u64, oldest: u64) -> Self {
        Self::new(410, "Expired", format!("too old resource version: {asked} ({oldest})"))
    }

    /// 410 for a list page or an exact version that is no longer kept.
    pub(super) fn list_expired() -> Self {
        let message = "The provided continue parameter is too old to display a consistent list \
                       result. You must start a new list without the continue parameter.";
        Self::new(410, "Expired", message)
    }

    pub(super) fn version_in_future(asked: u64, current: u64) -> Self {
        let message = format!("Too large resource version: {asked}, current: {current}");
        let mut refusal = Self::new(504, "Timeout", message);
        refusal.retry_after = Some(1);
        refusal.details = Some(Box::new(json!({
            "causes": [{"reason": "ResourceVersionTooLarge", "message": "Too large resource version"}],
        })));
        refusal
    }

    /// What a fault answers.
    pub(super) fn of_fault(code: u16, retry_after: Option<u32>, words: Option<&'static str>) -> Self {
        let (reason, message) = match code {
            429 => ("TooManyRequests", "too many requests, please try again later"),
            500 => ("InternalError", "Internal error occurred: injected fault"),
            503 => ("ServiceUnavailable", "the server is currently unable to handle the request"),
            504 => ("Timeout", "request did not complete within the allotted timeout"),
            _ => ("", "injected fault"),
        };
        let mut refusal = Self::new(code, reason, words.unwrap_or(message));
        refusal.retry_after = retry_after;
        refusal
    }

    /// The `Status` object.
    pub(super) fn body(&self) -> Value {
        let mut status = json!({
            "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
            "message": self.message, "reason": self.reason, "code": self.code,
        });
        let mut details = self.details.as_deref().cloned().unwrap_or(Value::Null);
        if let Some(seconds) = self.retry_after {
            if details.is_null() {
                details = json!({});
            }
            details["retryAfterSeconds"] = seconds.into();
        }
        if !details.is_null() {
            status["details"] = details;
        }
        status
    }
}
