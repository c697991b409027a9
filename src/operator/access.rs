//! What the operator may read, asked of the API server itself, and what a missing right costs.

use k8s_openapi::api::authorization::v1::{
    ResourceAttributes, SelfSubjectAccessReview, SelfSubjectAccessReviewSpec,
};
use kube::api::{Api, PostParams};
use kube::{Client, Error};

use crate::rules::RuleId;
use crate::subject::Resource;

/// Whether a kind may be listed and watched in the whole cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Access {
    /// It may.
    Granted,
    /// These verbs are missing.
    Denied(&'static str),
    /// The review could not be made: only trying tells.
    Unknown,
}

impl Access {
    /// From the reviews of `list` and `watch`; none for a review that failed.
    fn from_reviews(list: Option<bool>, watch: Option<bool>) -> Self {
        match (list, watch) {
            (Some(true), Some(true)) => Self::Granted,
            (Some(false), Some(false)) => Self::Denied("list and watch"),
            (Some(false), _) => Self::Denied("list"),
            (_, Some(false)) => Self::Denied("watch"),
            _ => Self::Unknown,
        }
    }
}

/// Asks whether `resource` may be listed and watched.
pub(crate) async fn review(client: &Client, resource: Resource) -> Access {
    let (list, watch) =
        tokio::join!(permitted(client, resource, "list"), permitted(client, resource, "watch"));
    for error in [&list, &watch].into_iter().filter_map(|review| review.as_ref().err()) {
        tracing::debug!(%resource, %error, "access could not be reviewed");
    }
    Access::from_reviews(list.ok(), watch.ok())
}

async fn permitted(client: &Client, resource: Resource, verb: &str) -> Result<bool, Error> {
    let attributes = ResourceAttributes {
        group: Some(resource.group().to_owned()),
        resource: Some(resource.plural().to_owned()),
        verb: Some(verb.to_owned()),
        ..ResourceAttributes::default()
    };
    let review = SelfSubjectAccessReview {
        spec: SelfSubjectAccessReviewSpec { resource_attributes: Some(attributes), ..Default::default() },
        ..SelfSubjectAccessReview::default()
    };
    let reviews: Api<SelfSubjectAccessReview> = Api::all(client.clone());
    let answer = reviews.create(&PostParams::default(), &review).await?;
    Ok(answer.status.is_some_and(|status| status.allowed))
}

/// Whether the API server serves `resource`, as its discovery says, which every account may read. A kind of somebody
/// else may not be installed, and then there are no such objects. None when nobody knows.
pub(crate) async fn is_served(client: &Client, resource: Resource) -> Option<bool> {
    let version = format!("{}/{}", resource.group(), resource.version());
    match client.list_api_group_resources(&version).await {
        Ok(list) => Some(list.resources.iter().any(|served| served.name == resource.plural())),
        Err(Error::Api(status)) if status.code == 404 => Some(false),
        Err(error) => {
            tracing::debug!(%resource, %error, "discovery did not answer");
            None
        }
    }
}

/// What is lost without the right to read `resource`, in one sentence.
pub(crate) fn cost(resource: Resource) -> String {
    match resource {
        Resource::Pods | Resource::Namespaces => "nothing can be audited without it".to_owned(),
        Resource::ImagePolicies => "no policy can be read without it".to_owned(),
        Resource::Exemptions => "no exemption that a tenant asks for counts without it".to_owned(),
        Resource::Jobs => "pods of CronJobs are reported under their Jobs".to_owned(),
        _ if Resource::CONTROLLERS.contains(&resource) => format!(
            "{}; no exemption that names workloads of this kind counts for their pods",
            cost_to_rules(resource)
        ),
        _ => cost_to_rules(resource),
    }
}

fn cost_to_rules(resource: Resource) -> String {
    match rules_reading(resource).as_slice() {
        [] if Resource::TEMPLATES.contains(&resource) => {
            "policies that include templates do not judge these workloads while they have no pods".to_owned()
        }
        [] => "no rule needs it".to_owned(),
        rules => {
            let undecided = format!("these rules are undecided (MissingPermission): {}", rules.join(", "));
            match rules_also_reading(resource).as_slice() {
                [] => undecided,
                rules => format!("{undecided}; these decide by less: {}", rules.join(", ")),
            }
        }
    }
}

fn rules_reading(resource: Resource) -> Vec<&'static str> {
    RuleId::all().filter(|rule| rule.info().reads.contains(&resource)).map(RuleId::as_str).collect()
}

fn rules_also_reading(resource: Resource) -> Vec<&'static str> {
    RuleId::all().filter(|rule| rule.also_reads().contains(&resource)).map(RuleId::as_str).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_rights_are_needed_and_the_missing_ones_are_named() {
        assert_eq!(Access::from_reviews(Some(true), Some(true)), Access::Granted);
        assert_eq!(Access::from_reviews(Some(true), Some(false)), Access::Denied("watch"));
        assert_eq!(Access::from_reviews(Some(false), Some(true)), Access::Denied("list"));
        assert_eq!(Access::from_reviews(Some(false), Some(false)), Access::Denied("list and watch"));
    }

    #[test]
    fn a_review_that_failed_denies_nothing_by_itself() {
        assert_eq!(Access::from_reviews(None, Some(true)), Access::Unknown);
        assert_eq!(Access::from_reviews(None, None), Access::Unknown);
        assert_eq!(Access::from_reviews(None, Some(false)), Access::Denied("watch"));
    }

    #[test]
    fn the_cost_of_a_missing_right_names_the_rules_that_read_it() {
        for rule in rules_reading(Resource::NetworkPolicies) {
            assert!(cost(Resource::NetworkPolicies).contains(rule));
        }
        assert!(cost(Resource::Jobs).contains("CronJobs"));
        assert!(cost(Resource::Nodes).ends_with("NodeImageUntrusted; these decide by less: HostLocalImage"));
    }
}
