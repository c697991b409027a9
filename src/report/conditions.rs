//! The conditions of a policy: what is in force, what must be edited, whether everything keeps the rules.

use crate::auditor::snapshot::{PolicySnapshot, Snapshot};
use crate::policy::compile::CompiledPolicy;
use crate::policy::status::ConditionStatus;
use crate::rules::RuleId;
use crate::subject::Resource;

use super::escape::{cut, visible_within};
use super::words::{Counted, list};

/// Longest message of a condition, in bytes.
const MESSAGE_LIMIT: usize = 1_024;
/// How many problems a message tells.
const PROBLEMS_TOLD: usize = 5;
/// How many rules a message names for one resource.
const RULES_NAMED: usize = 8;

/// A condition without its time: a function of the Snapshot alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Judgement {
    pub(super) type_: &'static str,
    pub(super) status: ConditionStatus,
    pub(super) reason: &'static str,
    pub(super) message: String,
}

/// Ready, Stalled and Compliant, in this order.
pub(super) fn conditions(snapshot: &Snapshot, part: &PolicySnapshot) -> [Judgement; 3] {
    let conditions = [ready(snapshot, part), stalled(&part.policy), compliant(snapshot, part)];
    conditions.map(|mut condition| {
        cut(&mut condition.message, MESSAGE_LIMIT);
        condition
    })
}

/// `14 rules active: 12 from Baseline v1, 2 set here`.
fn active(policy: &CompiledPolicy) -> String {
    let total = u32::try_from(policy.rules.len()).unwrap_or(u32::MAX);
    let here = policy.rules_set_here.min(total);
    let rules = Counted(total, "rule");
    match policy.profile {
        _ if total == 0 => "no rule is active".to_owned(),
        None => format!("{rules} active, all set here"),
        Some((name, version)) if here == 0 => format!("{rules} active, all from {name} {version}"),
        Some((name, version)) => {
            format!("{rules} active: {} from {name} {version}, {here} set here", total - here)
        }
    }
}

/// `UnknownRule` or `BadSetting`, and all that cannot be used: where it stands, what is wrong, what was
/// expected.
fn problems(policy: &CompiledPolicy) -> Option<(&'static str, String)> {
    let first = policy.problems.first()?;
    let told = policy.problems.iter().take(PROBLEMS_TOLD).map(|problem| {
        format!("{}: {}", visible_within(&problem.field, 256), visible_within(&problem.message, 384))
    });
    let mut text = told.collect::<Vec<_>>().join("; ");
    if policy.problems.len() > PROBLEMS_TOLD {
        text.push_str(&format!("; and {} more", policy.problems.len() - PROBLEMS_TOLD));
    }
    // What is in force stands at the end of the message: make sure that it is seen.
    let in_force = format!(" ({})", active(policy));
    cut(&mut text, MESSAGE_LIMIT.saturating_sub(in_force.len()));
    Some((first.reason, text + &in_force))
}

/// `not permitted to list and watch networkpolicies.networking.k8s.io, so DefaultDenyIngress is unknown`.
fn missing_permissions(part: &PolicySnapshot) -> Option<String> {
    let mut missing: Vec<_> =
        part.missing_permissions.iter().map(|(rule, resource)| (*resource, *rule)).collect();
    missing.sort_unstable();
    missing.dedup();
    let told = missing.chunk_by(|left, right| left.0 == right.0).map(|of_one| {
        let rules: Vec<RuleId> = of_one.iter().map(|(_, rule)| *rule).collect();
        let verb = if rules.len() == 1 { "is" } else { "are" };
        let resource = of_one[0].0;
        format!("not permitted to list and watch {resource}, so {} {verb} unknown", list(&rules, RULES_NAMED))
    });
    let requests = part.requests_denied.then(|| {
        format!(
            "not permitted to list and watch {}, so no exemption that a tenant asks for counts",
            Resource::Exemptions
        )
    });
    let mut told: Vec<_> = told.chain(requests).collect();
    if !part.unread_templates.is_empty() {
        let kinds: Vec<_> = part.unread_templates.iter().map(Resource::to_string).collect();
        told.push(format!(
            "not permitted to list and watch {}, so workloads without pods are not all judged",
            kinds.join(", ")
        ));
    }
    (!told.is_empty()).then(|| told.join("; "))
}

fn ready(snapshot: &Snapshot, part: &PolicySnapshot) -> Judgement {
    let (status, reason, message) = if let Some((reason, message)) = problems(&part.policy) {
        (ConditionStatus::False, reason, message)
    } else if let Some(missing) = missing_permissions(part) {
        // Nothing in the spec needs an edit.
        (ConditionStatus::True, "AuditedPartly", format!("{}; {missing}", active(&part.policy)))
    } else if !snapshot.complete {
        let message = format!("{}; the first audit is running", active(&part.policy));
        (ConditionStatus::Unknown, "FirstAuditRunning", message)
    } else {
        (ConditionStatus::True, "Audited", active(&part.policy))
    };
    Judgement { type_: "Ready", status, reason, message }
}

fn stalled(policy: &CompiledPolicy) -> Judgement {
    let (status, reason, message) = match problems(policy) {
        Some((reason, message)) => (ConditionStatus::True, reason, message),
        None => (ConditionStatus::False, "SpecUsable", "every field of the spec is in force".to_owned()),
    };
    Judgement { type_: "Stalled", status, reason, message }
}

/// False if there are violations. True only if every rule that was asked for could be judged everywhere: a
/// rule that cannot run, or a resource that cannot be read, is no pass.
fn compliant(snapshot: &Snapshot, part: &PolicySnapshot) -> Judgement {
    let total = part.total();
    let broken = part.rules.iter().filter(|rule| rule.count.fail > 0).count();
    let undecided = part.rules.iter().filter(|rule| rule.count.unknown > 0).count();
    let of = |rules: usize| Counted(u32::try_from(rules).unwrap_or(u32::MAX), "rule");
    let (status, reason, message) = if total.fail > 0 {
        let mut message = format!("{} by {}", Counted(total.fail, "violation"), of(broken));
        // References across the cluster lie in no namespace.
        if part.violating_namespaces > 0 {
            message.push_str(&format!(" in {}", Counted(part.violating_namespaces, "namespace")));
        }
        (ConditionStatus::False, "ViolationsFound", message)
    } else if !snapshot.complete {
        let message = "no violations so far; the first audit is running".to_owned();
        (ConditionStatus::Unknown, "FirstAuditRunning", message)
    } else if total.unknown > 0 {
        let verdicts = Counted(total.unknown, "verdict");
        let message = format!("no violations, but {verdicts} of {} undecided", of(undecided));
        (ConditionStatus::Unknown, "Undecided", message)
    } else if !part.policy.problems.is_empty() {
        let message = "no violations, but part of the policy is not in force".to_owned();
        (ConditionStatus::Unknown, "Undecided", message)
    } else if !part.missing_permissions.is_empty() || !part.unread_templates.is_empty() {
        let message = "no violations, but not everything may be read".to_owned();
        (ConditionStatus::Unknown, "Undecided", message)
    } else if part.rules.is_empty() {
        (ConditionStatus::Unknown, "Undecided", "no rule is active, so nothing was judged".to_owned())
    } else if total.exempt > 0 {
        (ConditionStatus::True, "NoViolations", format!("no violations, {} exempt", total.exempt))
    } else {
        (ConditionStatus::True, "NoViolations", "no violations".to_owned())
    };
    Judgement { type_: "Compliant", status, reason, message }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{World, image_subject, namespace_subject, policy};
    use super::*;
    use crate::auditor::findings::State;
    use crate::verdict::Severity;

    fn told(world: World) -> Vec<String> {
        let snapshot = world.snapshot();
        let told = conditions(&snapshot, &snapshot.policies[0]);
        told.iter().map(|it| format!("{}={:?} {}: {}", it.type_, it.status, it.reason, it.message)).collect()
    }

    #[test]
    fn violations_are_counted_by_rules_and_namespaces() {
        let world = World::baseline()
            .fail("team-a", "Deployment/web", "evil.test/x:1")
            .fail("team-a", "Deployment/api", "evil.test/x:1")
            .fail("team-b", "Deployment/web", "evil.test/x:1");
        assert_eq!(
            told(world),
            [
                "Ready=True Audited: 1 rule active: 0 from Baseline v1, 1 set here",
                "Stalled=False SpecUsable: every field of the spec is in force",
                "Compliant=False ViolationsFound: 3 violations by 1 rule in 2 namespaces",
            ]
        );
    }

    #[test]
    fn the_message_says_where_rules_come_from() {
        let mut policy = policy("baseline", Severity::High);
        policy.rules_set_here = 0;
        assert_eq!(active(&policy), "1 rule active, all from Baseline v1");
        policy.profile = None;
        assert_eq!(active(&policy), "1 rule active, all set here");
        policy.rules = Box::default();
        assert_eq!(active(&policy), "no rule is active");
    }

    #[test]
    fn a_clean_cluster_is_compliant_and_exemptions_are_not_forgotten() {
        assert_eq!(told(World::baseline())[2], "Compliant=True NoViolations: no violations");
        let exempt = World::baseline().on(0, namespace_subject("etl-1"), State::Exempt(0));
        assert_eq!(told(exempt)[2], "Compliant=True NoViolations: no violations, 1 exempt");
    }

    #[test]
    fn nothing_undecided_is_ever_compliant() {
        let unknown = World::baseline().on(0, image_subject("a", "Pod/x", "c", "i:1"), State::Unknown);
        assert_eq!(
            told(unknown)[2],
            "Compliant=Unknown Undecided: no violations, but 1 verdict of 1 rule undecided"
        );
        assert_eq!(
            told(World::baseline().first_audit_running())[2],
            "Compliant=Unknown FirstAuditRunning: no violations so far; the first audit is running"
        );
        assert_eq!(
            told(World::baseline().missing(Resource::Pods))[2],
            "Compliant=Unknown Undecided: no violations, but not everything may be read"
        );
        let broken = World::baseline().problem("UnknownRule", "spec.rules.noRoot", "unknown rule");
        assert_eq!(
            told(broken)[2],
            "Compliant=Unknown Undecided: no violations, but part of the policy is not in force"
        );
        let mut empty = policy("baseline", Severity::High);
        empty.rules = Box::default();
        assert_eq!(
            told(World::new([empty]))[2],
            "Compliant=Unknown Undecided: no rule is active, so nothing was judged"
        );
    }

    #[test]
    fn a_missing_permission_names_verb_resource_and_rules_and_needs_no_edit() {
        let world = World::baseline().missing(Resource::NetworkPolicies);
        assert_eq!(
            told(world)[..2],
            [
                "Ready=True AuditedPartly: 1 rule active: 0 from Baseline v1, 1 set here; not permitted to list and \
                 watch networkpolicies.networking.k8s.io, so TrustedRegistry is unknown",
                "Stalled=False SpecUsable: every field of the spec is in force",
            ]
        );
    }

    #[test]
    fn workloads_that_may_not_be_read_are_named_and_nothing_is_compliant_without_their_templates() {
        let world = World::baseline().unread(Resource::Deployments).unread(Resource::CronJobs);
        let told = told(world);
        assert!(
            told[0].ends_with(
                "; not permitted to list and watch deployments.apps, cronjobs.batch, so workloads without pods are \
                 not all judged"
            ),
            "{}",
            told[0]
        );
        assert!(told[2].starts_with("Compliant=Unknown Undecided"), "{}", told[2]);
    }

    #[test]
    fn a_problem_names_the_field_and_the_rest_stays_in_force() {
        let world = World::baseline().problem(
            "UnknownRule",
            "spec.rules.trustedRegistri",
            "no such rule; did you mean trustedRegistry?",
        );
        let message = "UnknownRule: spec.rules.trustedRegistri: no such rule; did you mean trustedRegistry? \
                       (1 rule active: 0 from Baseline v1, 1 set here)";
        assert_eq!(told(world)[..2], [format!("Ready=False {message}"), format!("Stalled=True {message}")]);
    }

    #[test]
    fn many_and_hostile_problems_are_cut_and_the_cut_is_told() {
        let mut world = World::baseline();
        for index in 0..7 {
            world = world.problem("BadSetting", &format!("spec.rules.a[{index}]"), "x\u{1b}[31m");
        }
        assert_eq!(
            told(world)[0],
            "Ready=False BadSetting: spec.rules.a[0]: x\\u{1b}[31m; spec.rules.a[1]: x\\u{1b}[31m; \
             spec.rules.a[2]: x\\u{1b}[31m; spec.rules.a[3]: x\\u{1b}[31m; spec.rules.a[4]: x\\u{1b}[31m; \
             and 2 more (1 rule active: 0 from Baseline v1, 1 set here)"
        );
        let world = World::baseline().problem("BadSetting", &"f".repeat(9_999), &"m".repeat(9_999));
        let world = world.problem("BadSetting", &"f".repeat(9_999), &"m".repeat(9_999));
        let snapshot = world.snapshot();
        let message = &conditions(&snapshot, &snapshot.policies[0])[0].message;
        assert!(
            message.len() <= MESSAGE_LIMIT
                && message.ends_with("(1 rule active: 0 from Baseline v1, 1 set here)")
        );
    }
}
