//! The status of an ImagePolicy. Nothing in it changes while no verdict changes.

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use crate::auditor::snapshot::{Count, PolicySnapshot, Snapshot};
use crate::policy::status::{
    Condition, ImagePolicyStatus, NAMESPACES_MAX, NamespaceStatus, PolicySummary, RuleStatus,
};
use crate::rules::RuleId;
use crate::verdict::Severity;

use super::conditions::conditions;
use super::exemption_states::exemptions_status;

/// Whether a status may be written yet. Until everything has been told once a restarted operator knows less
/// than the status that stands there; only a policy that nobody has answered yet gets a first word.
pub fn may_be_written(snapshot: &Snapshot, part: &PolicySnapshot) -> bool {
    snapshot.complete || part.policy.observed_generation == 0
}

/// The status of the policy of this index, with `lastTransitionTime` still to be merged
/// ([`with_transition_times`]). None if there is no such policy.
pub fn policy_status(snapshot: &Snapshot, index: u16) -> Option<ImagePolicyStatus> {
    let part = snapshot.policies.get(usize::from(index))?;
    let generation = Some(part.policy.generation);
    let total = part.total();
    let severity = |rule: RuleId| severity_of(part, rule);
    let critical = part.rules.iter().filter(|line| severity(line.rule) == Severity::Critical);
    let summary = PolicySummary {
        violations: total.fail,
        critical: critical.map(|line| line.count.fail).sum(),
        unknown: total.unknown,
        exempt: total.exempt,
        namespaces: part.violating_namespaces,
        rules: u32::try_from(part.rules.len()).unwrap_or(u32::MAX),
    };
    let rules = part.rules.iter().map(|line| RuleStatus {
        rule: line.rule.as_str().to_owned(),
        severity: severity(line.rule),
        violations: line.count.fail,
        unknown: line.count.unknown,
        exempt: line.count.exempt,
        namespaces: line.namespaces,
    });
    let conditions = conditions(snapshot, part).map(|judged| Condition {
        type_: judged.type_.to_owned(),
        status: judged.status,
        observed_generation: generation,
        last_transition_time: Time(Timestamp::UNIX_EPOCH),
        reason: judged.reason.to_owned(),
        message: judged.message,
    });
    Some(ImagePolicyStatus {
        observed_generation: generation,
        conditions: conditions.into(),
        summary: Some(summary),
        rules: rules.collect(),
        namespaces: worst_namespaces(snapshot, index, part),
        exemptions: exemptions_status(snapshot, index, part),
    })
}

/// Severity of a rule's findings under a policy.
pub(super) fn severity_of(part: &PolicySnapshot, rule: RuleId) -> Severity {
    part.policy.rule(rule).map_or(rule.info().severity, |prepared| prepared.severity)
}

/// The worst namespaces with findings: critical, then violations, most first, then by name.
fn worst_namespaces(snapshot: &Snapshot, index: u16, part: &PolicySnapshot) -> Vec<NamespaceStatus> {
    let mut worst = Vec::new();
    for namespace in snapshot.namespaces.iter() {
        let start = namespace.counts.partition_point(|line| line.policy < index);
        let (mut total, mut critical) = (Count::default(), 0);
        for line in namespace.counts[start..].iter().take_while(|line| line.policy == index) {
            total += line.count;
            if severity_of(part, line.rule) == Severity::Critical {
                critical += line.count.fail;
            }
        }
        if total.fail > 0 || total.unknown > 0 {
            worst.push((critical, total, &namespace.name));
        }
    }
    worst.sort_unstable_by(|left, right| {
        (right.0, right.1.fail).cmp(&(left.0, left.1.fail)).then_with(|| left.2.cmp(right.2))
    });
    let named = worst.into_iter().take(NAMESPACES_MAX);
    named
        .map(|(critical, total, name)| NamespaceStatus {
            name: name.to_string(),
            critical,
            violations: total.fail,
            unknown: total.unknown,
        })
        .collect()
}

/// Merges the times of transition: a condition whose status is what it was keeps its time, another gets `now`.
/// So a status that says what the old one said equals it.
pub fn with_transition_times(
    mut new: ImagePolicyStatus,
    old: Option<&ImagePolicyStatus>,
    now: Timestamp,
) -> ImagePolicyStatus {
    // The API keeps whole seconds; anything finer would never equal what is read back.
    let now = Timestamp::from_second(now.as_second()).unwrap_or(now);
    for condition in &mut new.conditions {
        let before = old
            .and_then(|old| old.conditions.iter().find(|before| before.type_ == condition.type_))
            .filter(|before| before.status == condition.status);
        condition.last_transition_time =
            before.map_or(Time(now), |before| before.last_transition_time.clone());
    }
    new
}

#[cfg(test)]
mod tests {
    use super::super::testing::{World, at, image_subject, policy};
    use super::*;
    use crate::auditor::findings::State;

    fn world() -> World {
        World::baseline()
            .fail("team-b", "Deployment/web", "evil.test/x:1")
            .fail("team-a", "Deployment/web", "evil.test/x:1")
            .on(0, image_subject("team-c", "Pod/x", "app", "evil.test/x:1"), State::Unknown)
            .on(0, image_subject("team-d", "Pod/x", "app", "evil.test/x:1"), State::Exempt(0))
    }

    fn status(world: World) -> ImagePolicyStatus {
        policy_status(&world.snapshot(), 0).unwrap()
    }

    #[test]
    fn a_status_reads_as_the_design_shows_it() {
        let status = with_transition_times(status(world()), None, at(0));
        assert_eq!(
            serde_json::to_string_pretty(&status).unwrap(),
            r#"{
  "observedGeneration": 4,
  "conditions": [
    {
      "type": "Ready",
      "status": "True",
      "observedGeneration": 4,
      "lastTransitionTime": "2026-11-18T11:06:40Z",
      "reason": "Audited",
      "message": "1 rule active: 0 from Baseline v1, 1 set here"
    },
    {
      "type": "Stalled",
      "status": "False",
      "observedGeneration": 4,
      "lastTransitionTime": "2026-11-18T11:06:40Z",
      "reason": "SpecUsable",
      "message": "every field of the spec is in force"
    },
    {
      "type": "Compliant",
      "status": "False",
      "observedGeneration": 4,
      "lastTransitionTime": "2026-11-18T11:06:40Z",
      "reason": "ViolationsFound",
      "message": "2 violations by 1 rule in 2 namespaces"
    }
  ],
  "summary": {
    "violations": 2,
    "critical": 2,
    "unknown": 1,
    "exempt": 1,
    "namespaces": 2,
    "rules": 1
  },
  "rules": [
    {
      "rule": "TrustedRegistry",
      "severity": "critical",
      "violations": 2,
      "unknown": 1,
      "exempt": 1,
      "namespaces": 2
    }
  ],
  "namespaces": [
    {
      "name": "team-a",
      "critical": 1,
      "violations": 1,
      "unknown": 0
    },
    {
      "name": "team-b",
      "critical": 1,
      "violations": 1,
      "unknown": 0
    },
    {
      "name": "team-c",
      "critical": 0,
      "violations": 0,
      "unknown": 1
    }
  ],
  "exemptions": {
    "total": 1,
    "expiring": 0,
    "expired": 0,
    "unused": 0
  }
}"#
        );
    }

    #[test]
    fn a_time_of_transition_is_copied_unless_that_conditions_status_changed() {
        let first = with_transition_times(status(World::baseline()), None, at(0));
        let again = with_transition_times(status(World::baseline()), Some(&first), at(500));
        assert_eq!(first, again, "a second audit of the same cluster writes nothing");
        let broken = with_transition_times(status(world()), Some(&first), at(900));
        let times: Vec<_> = broken.conditions.iter().map(|it| it.last_transition_time.0).collect();
        assert_eq!(times, [at(0), at(0), at(900)]);
        let more = status(world().fail("team-z", "Deployment/web", "evil.test/x:1"));
        let more = with_transition_times(more, Some(&broken), at(1_000));
        assert_eq!(more.conditions[2].last_transition_time.0, at(900), "another message is no transition");
    }

    #[test]
    fn the_worst_twenty_namespaces_are_named_critical_first_then_by_name() {
        let [grave, mild] = [policy("a", Severity::Critical), policy("b", Severity::Low)];
        let mut world = World::new([grave, mild]);
        for index in (0..30).rev() {
            world = world.fail(&format!("ns-{index:02}"), "Deployment/web", "evil.test/x:1");
        }
        world =
            world.fail("zz", "Deployment/web", "evil.test/x:1").fail("zz", "Deployment/api", "evil.test/x:1");
        world = world.on(1, image_subject("only-b", "Pod/x", "c", "evil.test/x:1"), State::Fail);
        let snapshot = world.snapshot();
        let names: Vec<_> =
            policy_status(&snapshot, 0).unwrap().namespaces.into_iter().map(|it| it.name).collect();
        assert_eq!((names.len(), &*names[0], &*names[1], &*names[19]), (20, "zz", "ns-00", "ns-18"));
        let of_b = policy_status(&snapshot, 1).unwrap();
        assert_eq!(of_b.namespaces.len(), 1);
        assert_eq!((of_b.namespaces[0].violations, of_b.namespaces[0].critical), (1, 0));
        assert!(policy_status(&snapshot, 2).is_none());
    }

    #[test]
    fn a_dormant_finding_is_counted_since_it_is_not_over() {
        let status =
            status(World::baseline().fail("team-a", "CronJob/etl", "evil.test/x:1").dormant("team-a"));
        assert_eq!(status.summary.unwrap().violations, 1);
        assert_eq!(status.namespaces.len(), 1);
    }

    #[test]
    fn an_incomplete_audit_is_written_only_where_nobody_has_answered_yet() {
        let running = World::baseline().first_audit_running().snapshot();
        assert!(!may_be_written(&running, &running.policies[0]));
        let mut new = policy("baseline", Severity::High);
        new.observed_generation = 0;
        let running = World::new([new]).first_audit_running().snapshot();
        assert!(may_be_written(&running, &running.policies[0]));
    }
}
