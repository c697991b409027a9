//! The condition `Effective` of an Exemption: what the policies say of it, for the tenant who asks.

use std::collections::BTreeMap;

use crate::auditor::requests::RequestOutcome;
use crate::auditor::snapshot::Snapshot;
use crate::policy::exemption_object::ExemptionCondition;
use crate::policy::problem::Problem;
use crate::policy::request::Standing;
use crate::policy::status::ConditionStatus;
use crate::rules::RuleId;
use crate::subject::objects::EFFECTIVE;

use super::escape::{cut, visible_within};
use super::words::list;

/// Longest message, in bytes.
const MESSAGE_LIMIT: usize = 1_024;
/// How many rules or problems a message names.
const NAMED: usize = 8;

/// The condition, without its time: a function of the Snapshot alone.
pub fn effective(snapshot: &Snapshot, outcome: &RequestOutcome) -> ExemptionCondition {
    let best = outcome.said.iter().map(|(_, _, standing)| *standing).max();
    let (status, reason, mut message) = match (&outcome.object.request, best) {
        (None, _) => (ConditionStatus::False, "Unreadable", String::new()),
        (_, None) => {
            let message = "no policy that covers this namespace has any of these rules in force".to_owned();
            (ConditionStatus::False, "NotAsked", message)
        }
        (_, Some(best)) => {
            let status = if best.is_effective() { ConditionStatus::True } else { ConditionStatus::False };
            (status, best.reason(), told(snapshot, outcome))
        }
    };
    for problem in outcome.object.problems.iter().take(NAMED) {
        let Problem { field, message: why, .. } = problem;
        let separator = if message.is_empty() { "" } else { "; " };
        message.push_str(&format!("{separator}{}: {}", visible_within(field, 256), visible_within(why, 256)));
    }
    cut(&mut message, MESSAGE_LIMIT);
    ExemptionCondition {
        type_: EFFECTIVE.to_owned(),
        status,
        observed_generation: Some(outcome.object.generation),
        last_transition_time: None,
        reason: Some(reason.to_owned()),
        message: Some(message),
    }
}

/// `NoMutableTag (baseline): it permits this until 2027-01-31; NoPrivileged (strict): the policy does not ...`, the
/// best first.
fn told(snapshot: &Snapshot, outcome: &RequestOutcome) -> String {
    let mut answers: BTreeMap<(std::cmp::Reverse<Standing>, u16), Vec<RuleId>> = BTreeMap::new();
    for (policy, rule, standing) in &outcome.said {
        answers.entry((std::cmp::Reverse(*standing), *policy)).or_default().push(*rule);
    }
    let answers = answers.iter().map(|((standing, policy), rules)| {
        let name = snapshot.policies.get(usize::from(*policy)).map_or("", |part| &*part.policy.name);
        format!("{} ({name}): {}", list(rules, NAMED), standing.0)
    });
    answers.collect::<Vec<_>>().join("; ")
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use serde_json::{Value, json};

    use super::super::testing::{World, policy};
    use super::*;
    use crate::policy::request::RequestObject;
    use crate::subject::Resource;
    use crate::subject::objects::{Content, ExemptionFacts, ObjectFacts};
    use crate::verdict::Severity;

    fn outcome(fields: Value, said: &[(u16, &str, Standing)]) -> RequestOutcome {
        let mut spec =
            json!({"rules": ["TrustedRegistry"], "reason": "r", "expiresAt": "2027-01-31T00:00:00Z"});
        for (field, value) in fields.as_object().unwrap() {
            spec[field] = value.clone();
        }
        let facts = ExemptionFacts { spec, generation: 3, ..ExemptionFacts::default() };
        let object = ObjectFacts {
            kind: Resource::Exemptions,
            namespace: "team-a".into(),
            name: "loader".into(),
            content: Content::Exemption(Box::new(facts)),
        };
        let rule = |id| RuleId::named(id).unwrap();
        RequestOutcome {
            object: Arc::new(RequestObject::compile(&object).unwrap()),
            said: said.iter().map(|(policy, id, standing)| (*policy, rule(id), *standing)).collect(),
            uses: 0,
        }
    }

    fn condition(outcome: &RequestOutcome) -> (ConditionStatus, String, String) {
        let world = World::new([policy("a", Severity::High), policy("b", Severity::High)]);
        let ExemptionCondition { status, reason, message, observed_generation, .. } =
            effective(&world.snapshot(), outcome);
        assert_eq!(observed_generation, Some(3));
        (status, reason.unwrap(), message.unwrap())
    }

    #[test]
    fn the_best_answer_decides_and_every_answer_is_told() {
        let until = "2027-01-31T00:00:00Z".parse().unwrap();
        let effective = Standing::Effective { until, cut: None };
        let outcome = outcome(
            json!({}),
            &[
                (0, "TrustedRegistry", Standing::NotDelegated),
                (1, "NoMutableTag", effective),
                (1, "TrustedRegistry", effective),
            ],
        );
        let (status, reason, message) = condition(&outcome);
        assert_eq!((status, &*reason), (ConditionStatus::True, "Effective"));
        assert_eq!(
            message,
            "NoMutableTag and TrustedRegistry (b): it permits this until 2027-01-31; TrustedRegistry (a): the policy \
             does not delegate this rule to this namespace"
        );
    }

    #[test]
    fn what_waits_what_nobody_asks_about_and_what_cannot_be_read_are_told_apart() {
        let waits = condition(&outcome(json!({}), &[(0, "TrustedRegistry", Standing::NotApproved)]));
        assert_eq!((waits.0, &*waits.1), (ConditionStatus::False, "ApprovalRequired"));
        assert_eq!(waits.2, "TrustedRegistry (a): it waits for an approval");
        assert_eq!(condition(&outcome(json!({}), &[])).1, "NotAsked");
        let broken = condition(&outcome(json!({"reason": " ", "rules": ["\u{1b}[31m"]}), &[]));
        assert_eq!((broken.0, &*broken.1), (ConditionStatus::False, "Unreadable"));
        assert!(broken.2.starts_with("spec.reason: is required"), "{}", broken.2);
        assert!(!broken.2.contains('\u{1b}'), "{}", broken.2);
    }
}
