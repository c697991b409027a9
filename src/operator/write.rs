//! What all writers share: a deadline for each request, what a failure means, and complaints that are made once.

use std::collections::BTreeSet;
use std::time::Duration;

use kube::core::Status;

use super::transport::with_causes;
use crate::report::operational::WriteResult;

/// Field manager, Event component and label value of everything that the operator writes.
pub(crate) const MANAGER: &str = "revisor";
/// How long to wait after a failure that says nothing about when to come again.
const LATER: Duration = Duration::from_secs(5);
/// The longest wait that a server may ask for.
const LATEST: Duration = Duration::from_secs(60);

/// Why a request came to nothing.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// 404.
    #[error("not found: {}", .0.message)]
    NotFound(Box<Status>),
    /// 409, the object has changed meanwhile.
    #[error("the object has changed meanwhile")]
    Conflict,
    /// 409, the object is there.
    #[error("it is there already")]
    Exists,
    /// 403.
    #[error("no permission: {}", .0.message)]
    Forbidden(Box<Status>),
    /// The CustomResourceDefinition in the cluster is older than this operator.
    #[error(
        "the CustomResourceDefinition in the cluster is older than this operator; mend it with: revisor crd | kubectl apply -f -"
    )]
    SchemaTooOld,
    /// Any other refusal; trying again changes nothing.
    #[error("refused: {}", .0.message)]
    Refused(Box<Status>),
    /// Nothing was decided; to be tried again after this time.
    #[error("{1}")]
    Later(Duration, String),
}

impl Failure {
    fn of(error: kube::Error) -> Self {
        let status = match error {
            kube::Error::Api(status) => status,
            error => return Self::Later(LATER, with_causes(&error)),
        };
        match status.code {
            404 => Self::NotFound(status),
            409 if status.is_already_exists() => Self::Exists,
            409 => Self::Conflict,
            403 => Self::Forbidden(status),
            500 if status.message.contains("field not declared in schema") => Self::SchemaTooOld,
            401 | 408 | 429 | 500.. => {
                let seconds = status.details.as_ref().map_or(0, |details| details.retry_after_seconds);
                let wait = if seconds == 0 { LATER } else { Duration::from_secs(seconds.into()).min(LATEST) };
                Self::Later(wait, status.message)
            }
            _ => Self::Refused(status),
        }
    }

    /// The namespace is gone or going: there is nobody left to write for.
    pub(crate) fn namespace_is_gone(&self) -> bool {
        match self {
            Self::NotFound(status) => {
                status.details.as_ref().is_some_and(|details| details.kind == "namespaces")
            }
            Self::Forbidden(status) => {
                let causes = status.details.iter().flat_map(|details| &details.causes);
                causes.into_iter().any(|cause| cause.reason == "NamespaceTerminating")
                    || status.message.contains("being terminated")
            }
            _ => false,
        }
    }

    /// The result's word in metrics.
    pub(crate) fn result(&self) -> WriteResult {
        match self {
            Self::Conflict | Self::Exists => WriteResult::Conflict,
            _ => WriteResult::Failed,
        }
    }
}

/// Waits for a request within `deadline`.
pub(crate) async fn within<T>(
    deadline: Duration,
    request: impl Future<Output = Result<T, kube::Error>>,
) -> Result<T, Failure> {
    match tokio::time::timeout(deadline, request).await {
        Ok(answer) => answer.map_err(Failure::of),
        Err(_) => Err(Failure::Later(LATER, format!("no answer within {} s", deadline.as_secs()))),
    }
}

/// What was complained about: each matter once, until it is mended.
#[derive(Debug, Default)]
pub(crate) struct Complaints(BTreeSet<String>);

impl Complaints {
    /// At most so many matters are kept apart; then everything is said anew.
    const MOST: usize = 256;

    /// Whether `matter` is new and should be logged.
    pub(crate) fn is_new(&mut self, matter: &str) -> bool {
        if self.0.len() >= Self::MOST {
            self.0.clear();
        }
        self.0.insert(matter.to_owned())
    }

    /// `matter` is mended; whether there was a complaint.
    pub(crate) fn mended(&mut self, matter: &str) -> bool {
        self.0.remove(matter)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failure(code: u16, details: serde_json::Value) -> Failure {
        failure_of(serde_json::json!({"code": code, "details": details}))
    }

    fn failure_of(status: serde_json::Value) -> Failure {
        let status: Status = serde_json::from_value(status).unwrap();
        Failure::of(kube::Error::Api(status.boxed()))
    }

    #[test]
    fn the_servers_wish_when_to_come_again_is_followed_within_bounds() {
        let wait = |seconds: u32| match failure(429, serde_json::json!({"retryAfterSeconds": seconds})) {
            Failure::Later(wait, _) => wait,
            other => panic!("{other}"),
        };
        assert_eq!(wait(7), Duration::from_secs(7));
        assert_eq!(wait(0), LATER);
        assert_eq!(wait(86_400), LATEST);
    }

    #[test]
    fn two_kinds_of_409_and_an_old_schema_are_told_apart() {
        let of = |code: u16, reason: &str, message: &str| {
            failure_of(serde_json::json!({"code": code, "reason": reason, "message": message}))
        };
        assert!(matches!(of(409, "AlreadyExists", ""), Failure::Exists));
        assert!(matches!(of(409, "Conflict", ""), Failure::Conflict));
        let message = "failed to create typed patch object: .status.rules: field not declared in schema";
        assert!(matches!(of(500, "", message), Failure::SchemaTooOld));
        assert!(matches!(of(500, "", "etcd"), Failure::Later(..)));
        assert!(matches!(of(422, "Invalid", ""), Failure::Refused(_)));
    }

    #[test]
    fn a_namespace_that_is_gone_or_going_is_recognised() {
        assert!(failure(404, serde_json::json!({"kind": "namespaces"})).namespace_is_gone());
        assert!(!failure(404, serde_json::Value::Null).namespace_is_gone());
        let terminating = serde_json::json!({"causes": [{"reason": "NamespaceTerminating"}]});
        assert!(failure(403, terminating).namespace_is_gone());
        assert!(!failure(403, serde_json::Value::Null).namespace_is_gone());
    }

    #[test]
    fn a_matter_is_complained_about_once_until_it_is_mended() {
        let mut complaints = Complaints::default();
        assert!(complaints.is_new("a") && !complaints.is_new("a") && complaints.is_new("b"));
        assert!(complaints.mended("a") && !complaints.mended("a") && complaints.is_new("a"));
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_without_answer_ends_at_its_deadline() {
        let answer = within(Duration::from_secs(10), std::future::pending::<Result<(), kube::Error>>()).await;
        assert!(matches!(answer, Err(Failure::Later(_, message)) if message == "no answer within 10 s"));
    }
}
