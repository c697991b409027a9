//! Who a request comes from, and what that user may not do.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::refusal::Refusal;
use super::request::RequestFacts;

/// Requests without bearer tokens, on a server that asks for none.
const ANONYMOUS: &str = "system:anonymous";

/// Something that is not allowed; `*` stands for anything.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Denial {
    verb: String,
    group: String,
    resource: String,
    namespace: Option<String>,
    user: Option<String>,
}

impl Denial {
    /// Denies a verb on a resource everywhere; the resource may be `imagepolicies/status`.
    pub fn new(verb: &str, group: &str, resource: &str) -> Self {
        Self {
            verb: verb.into(),
            group: group.into(),
            resource: resource.into(),
            namespace: None,
            user: None,
        }
    }

    /// Only in this namespace.
    #[must_use]
    pub fn in_namespace(self, namespace: &str) -> Self {
        Self { namespace: Some(namespace.into()), ..self }
    }

    /// Only to this user.
    #[must_use]
    pub fn for_user(self, user: &str) -> Self {
        Self { user: Some(user.into()), ..self }
    }

    fn covers(&self, asked: &Asked<'_>) -> bool {
        let agrees = |wanted: &str, found: &str| wanted == "*" || wanted == found;
        agrees(&self.verb, asked.verb)
            && agrees(&self.group, asked.group)
            && agrees(&self.resource, asked.resource)
            && self.namespace.as_deref().is_none_or(|namespace| namespace == asked.namespace)
            && self.user.as_deref().is_none_or(|user| user == asked.user)
    }
}

struct Asked<'a> {
    user: &'a str,
    verb: &'a str,
    group: &'a str,
    resource: &'a str,
    namespace: &'a str,
}

/// Users by their tokens, and the denials in force.
#[derive(Debug, Default)]
pub(super) struct Access {
    pub(super) tokens: BTreeMap<String, String>,
    pub(super) denials: Vec<Denial>,
}

impl Access {
    /// The user of an Authorization header.
    pub(super) fn user(&self, authorization: &str) -> Result<String, Refusal> {
        if self.tokens.is_empty() {
            return Ok(ANONYMOUS.to_owned());
        }
        let token = authorization.strip_prefix("Bearer ").map(str::trim);
        let user = token.and_then(|token| self.tokens.get(token));
        user.cloned().ok_or_else(Refusal::unauthorized)
    }

    pub(super) fn check(&self, user: &str, facts: &RequestFacts) -> Result<(), Refusal> {
        if !facts.is_resource {
            return Ok(());
        }
        let resource = facts.resource();
        let namespace = facts.namespace.as_str();
        let asked = Asked { user, verb: &facts.verb, group: &facts.group, resource: &resource, namespace };
        // Secrets are not for an auditor: a request for them is a defect.
        if !self.denied(&asked) && facts.plural != "secrets" {
            return Ok(());
        }
        let place = if namespace.is_empty() {
            "at the cluster scope".to_owned()
        } else {
            format!("in the namespace \"{namespace}\"")
        };
        let problem = format!(
            "User \"{user}\" cannot {} resource \"{resource}\" in API group \"{}\" {place}",
            facts.verb, facts.group
        );
        Err(Refusal::forbidden(&facts.group, &facts.plural, &facts.name, &problem))
    }

    /// Answers a SelfSubjectAccessReview.
    pub(super) fn review(&self, user: &str, review: &Value) -> Value {
        let attributes = &review["spec"]["resourceAttributes"];
        let read = |field: &str| attributes[field].as_str().unwrap_or_default();
        let mut resource = read("resource").to_owned();
        if !read("subresource").is_empty() {
            resource = format!("{resource}/{}", read("subresource"));
        }
        let denied = read("resource") == "secrets"
            || self.denied(&Asked {
                user,
                verb: read("verb"),
                group: read("group"),
                resource: &resource,
                namespace: read("namespace"),
            });
        json!({
            "kind": "SelfSubjectAccessReview", "apiVersion": "authorization.k8s.io/v1",
            "metadata": {}, "spec": review["spec"], "status": {"allowed": !denied},
        })
    }

    fn denied(&self, asked: &Asked<'_>) -> bool {
        self.denials.iter().any(|denial| denial.covers(asked))
    }
}
