//! Approves an Exemption, for `revisor approve`: with the user's own rights, and exactly what the user has seen.

use jiff::Timestamp;
use k8s_openapi::api::authentication::v1::SelfSubjectReview;
use kube::api::{Api, ApiResource, DynamicObject, Patch, PatchParams, PostParams};
use kube::{Client, Error as ClientError};
use serde_json::{Value, json};

use crate::policy::exemption_object::Exemption;
use crate::subject::objects::APPROVED;

/// Owns the condition, so that the operator's own one beside it is not touched.
const MANAGER: &str = "revisor-approve";

/// What is decided about an Exemption.
#[derive(Clone, Debug)]
pub struct Decision<'a> {
    /// Its namespace.
    pub namespace: &'a str,
    /// Its name.
    pub name: &'a str,
    /// Approve it, or take an approval back.
    pub approve: bool,
    /// Only if it is at this generation; whatever it is at when none is given.
    pub generation: Option<i64>,
    /// Why, in the approver's words.
    pub message: Option<&'a str>,
}

/// What was decided.
#[derive(Clone, Debug)]
pub struct Decided {
    /// The generation that the decision is about.
    pub generation: i64,
    /// The spec that the decision is about.
    pub spec: Value,
    /// It was decided so before; nothing was written.
    pub unchanged: bool,
}

/// Why nothing was decided.
#[derive(Debug, thiserror::Error)]
pub enum ApproveError {
    /// There is no such object, or the kind is not installed.
    #[error("there is no Exemption {0}")]
    NotFound(String),
    /// Reading or writing it is not permitted.
    #[error("not permitted: {0}")]
    Forbidden(String),
    /// It was edited meanwhile.
    #[error("it was changed meanwhile: {0}")]
    Changed(String),
    /// Anything else.
    #[error("{0}")]
    Failed(String),
}

impl From<ClientError> for ApproveError {
    fn from(error: ClientError) -> Self {
        match error {
            ClientError::Api(status) => match status.code {
                403 => Self::Forbidden(status.message.clone()),
                404 => Self::NotFound(status.message.clone()),
                409 => Self::Changed(status.message.clone()),
                _ => Self::Failed(status.message.clone()),
            },
            error => Self::Failed(super::transport::with_causes(&error)),
        }
    }
}

/// Decides. What is approved is the spec as it was read: an edit in between is a conflict.
pub async fn decide(
    client: &Client,
    decision: &Decision<'_>,
    now: Timestamp,
) -> Result<Decided, ApproveError> {
    let resource = ApiResource::erase::<Exemption>(&());
    let api: Api<DynamicObject> = Api::namespaced_with(client.clone(), decision.namespace, &resource);
    let object = api.get(decision.name).await.map_err(|error| match error {
        ClientError::Api(status) if status.code == 404 => {
            ApproveError::NotFound(format!("{}/{}", decision.namespace, decision.name))
        }
        error => error.into(),
    })?;
    let generation = object.metadata.generation.unwrap_or_default();
    if let Some(wanted) = decision.generation.filter(|wanted| *wanted != generation) {
        return Err(ApproveError::Changed(format!("it is at generation {generation}, not {wanted}")));
    }
    let spec = object.data.get("spec").cloned().unwrap_or_default();
    let standing = condition(&object.data);
    let status = if decision.approve { "True" } else { "False" };
    let is = |field: &str, value: &Value| standing.and_then(|it| it.get(field)) == Some(value);
    let same_status = is("status", &json!(status));
    if same_status && is("observedGeneration", &json!(generation)) {
        return Ok(Decided { generation, spec, unchanged: true });
    }
    let since = standing.filter(|_| same_status).and_then(|it| it.get("lastTransitionTime")?.as_str());
    let seconds = Timestamp::from_second(now.as_second()).unwrap_or(now).to_string();
    let patch = json!({
        "apiVersion": resource.api_version,
        "kind": resource.kind,
        "metadata": {
            "name": decision.name,
            "namespace": decision.namespace,
            "resourceVersion": object.metadata.resource_version,
        },
        "status": {"conditions": [{
            "type": APPROVED,
            "status": status,
            "observedGeneration": generation,
            "lastTransitionTime": since.unwrap_or(&seconds),
            "reason": if decision.approve { "Approved" } else { "Revoked" },
            "message": message(user(client).await.as_deref(), decision),
        }]},
    });
    let parameters = PatchParams::apply(MANAGER).force();
    api.patch_status(decision.name, &parameters, &Patch::Apply(patch)).await?;
    Ok(Decided { generation, spec, unchanged: false })
}

/// The condition as it stands.
fn condition(object: &Value) -> Option<&Value> {
    let conditions = object.pointer("/status/conditions")?.as_array()?;
    conditions.iter().find(|condition| condition.get("type").and_then(Value::as_str) == Some(APPROVED))
}

/// Who asks, as the API server sees it; none where it does not say.
async fn user(client: &Client) -> Option<String> {
    let reviews: Api<SelfSubjectReview> = Api::all(client.clone());
    let review = reviews.create(&PostParams::default(), &SelfSubjectReview::default()).await.ok()?;
    review.status?.user_info?.username
}

fn message(user: Option<&str>, decision: &Decision<'_>) -> String {
    let what = if decision.approve { "approved" } else { "revoked" };
    let by = user.map(|user| format!(" by {user}")).unwrap_or_default();
    let why = decision.message.map(|why| format!(": {why}")).unwrap_or_default();
    crate::policy::namespace_audit::cut(&format!("{what}{by}{why}"), 2_048)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_condition_says_who_decided_what_and_why() {
        let decision = Decision {
            namespace: "a",
            name: "e",
            approve: true,
            generation: None,
            message: Some("for OPS-1"),
        };
        assert_eq!(message(Some("alice"), &decision), "approved by alice: for OPS-1");
        let revoked = Decision { approve: false, message: None, ..decision };
        assert_eq!(message(None, &revoked), "revoked");
        let long = "x".repeat(9_999);
        assert_eq!(message(Some(&long), &revoked).chars().count(), 2_048);
    }

    #[test]
    fn only_the_condition_approved_is_looked_at() {
        let object = json!({"status": {"conditions": [{"type": "Effective"}, {"type": "Approved", "status": "True"}]}});
        assert_eq!(condition(&object).unwrap()["status"], "True");
        assert!(condition(&json!({"status": null})).is_none());
    }
}
