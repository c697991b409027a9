//! The NamespaceAudit of one namespace: its findings over all policies, worst first. It is read by people who
//! may read nothing outside the namespace, so it names nothing outside it.

use std::cmp::Reverse;
use std::collections::HashSet;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use crate::auditor::findings::{Finding, State, Subject};
use crate::auditor::requests::Asked;
use crate::auditor::snapshot::Snapshot;
use crate::policy::namespace_audit::{
    FINDINGS_MAX, FindingExemption, FindingState, NAME_MAX, NamespaceAuditContent, NamespaceFinding,
    NamespaceSummary, POLICIES_MAX, REFERENCE_MAX, TEXT_MAX,
};
use crate::policy::status::ConditionStatus;
use crate::rules::RuleId;
use crate::verdict::Severity;

use super::escape::{MESSAGE_LIMIT, cut, visible_within};
use super::status::severity_of;
use super::words::{Counted, first_step, state_rank};

/// Most bytes of JSON that the findings of one namespace take.
const JSON_LIMIT: usize = 64 * 1_024;
/// What is kept free of it for all that is not a finding.
const JSON_ENVELOPE: usize = 1_024;

/// A finding over all policies that say the same of it.
struct Merged<'a> {
    /// The one whose words are used: of the policy with the highest severity, the first by name.
    spokesman: &'a Finding,
    severity: Severity,
    /// The findings in the worst state, by policy.
    members: Vec<&'a Finding>,
    /// Whether it is about a reference that pods here share with others.
    is_shared: bool,
}

impl<'a> Merged<'a> {
    /// Merges findings of one id. A violation under one policy is one, though another permits it.
    fn new(snapshot: &Snapshot, group: &[(&'a Finding, Option<u32>)]) -> Option<Self> {
        let rank = group.iter().map(|(finding, _)| state_rank(finding.state)).min()?;
        let members: Vec<_> = group
            .iter()
            .map(|(finding, _)| *finding)
            .filter(|finding| state_rank(finding.state) == rank)
            .collect();
        let severity =
            |finding: &Finding| severity_of(&snapshot.policies[usize::from(finding.policy)], finding.rule);
        // Of equals, `max_by_key` takes the last: go backwards for the first.
        let spokesman = *members.iter().rev().max_by_key(|finding| severity(finding))?;
        Some(Self { spokesman, severity: severity(spokesman), members, is_shared: group[0].1.is_some() })
    }

    fn container(&self) -> Option<&'a str> {
        self.spokesman.subject.image_use().map(|image_use| &*image_use.name)
    }

    fn image(&self) -> Option<&'a str> {
        match &self.spokesman.subject {
            Subject::Reference(spread) => Some(&spread.facts.canonical),
            subject => subject.image_use().map(|image_use| image_use.image.display()),
        }
    }

    /// The fixed order: worst first, then by what a reader looks for.
    fn key(&self) -> impl Ord + 'a {
        let Finding { state, rule, subject, id, .. } = self.spokesman;
        let badness = (state_rank(*state), Reverse(self.severity), rule.as_str());
        (badness, (subject.kind(), subject.name()), self.container(), self.image(), *id)
    }

    fn write(&self, snapshot: &Snapshot, remedy: String) -> NamespaceFinding {
        let Finding { id, rule, state, reason, subject, asked, .. } = self.spokesman;
        let (state, exemption) = match state {
            State::Fail => (FindingState::Fail, None),
            State::Unknown => (FindingState::Unknown, None),
            State::Exempt(_) => (FindingState::Exempt, self.exemption(snapshot)),
        };
        let policy =
            |finding: &&Finding| snapshot.policies[usize::from(finding.policy)].policy.name.to_string();
        let since = self.members.iter().map(|finding| finding.since).min();
        NamespaceFinding {
            id: id.to_string(),
            policies: self.members.iter().take(POLICIES_MAX).map(policy).collect(),
            rule: rule.as_str().to_owned(),
            severity: self.severity,
            state,
            reason: (*reason).to_owned(),
            subject: visible_within(&format!("{}/{}", subject.kind(), subject.name()), REFERENCE_MAX)
                .into_owned(),
            is_static: subject.is_static().then_some(true),
            slot: subject.image_use().map(|image_use| image_use.slot.as_str().to_owned()),
            container: self.container().map(|name| visible_within(name, NAME_MAX).into_owned()),
            image: self.image().map(|image| visible_within(image, REFERENCE_MAX).into_owned()),
            since: Time(since.unwrap_or(self.spokesman.since)),
            message: self.message(snapshot),
            remedy,
            exemption,
            exemption_requested: asked.as_deref().is_some_and(Asked::is_pending).then_some(true),
        }
    }

    /// The rule's sentence; for a reference, in how many other namespaces it runs, and not which. No numbers of
    /// pods: they change while no verdict does.
    fn message(&self, snapshot: &Snapshot) -> String {
        let mut message = visible_within(&snapshot.explain(self.spokesman), MESSAGE_LIMIT).into_owned();
        if let (Subject::Reference(spread), true) = (&self.spokesman.subject, self.is_shared) {
            let others = u32::try_from(spread.namespaces.len().saturating_sub(1)).unwrap_or(u32::MAX);
            if others > 0 {
                let elsewhere = Counted(others, "other namespace");
                message.push_str(&format!("; here and in {elsewhere}"));
            }
        }
        message
    }

    fn exemption(&self, snapshot: &Snapshot) -> Option<FindingExemption> {
        let policy = &snapshot.policies[usize::from(self.spokesman.policy)].policy;
        let exemption = self.spokesman.exemption(policy)?;
        let asked = self.spokesman.asked.as_deref().filter(|asked| asked.permits().is_some());
        Some(FindingExemption {
            name: visible_within(&exemption.name, NAME_MAX).into_owned(),
            policy: policy.name.to_string(),
            reason: visible_within(&exemption.reason, TEXT_MAX).into_owned(),
            ticket: exemption
                .ticket
                .as_deref()
                .map(|ticket| visible_within(ticket, REFERENCE_MAX).into_owned()),
            expires_at: exemption.expires_at.map(Time),
            delegated: asked.map(|asked| asked.origin.as_str().to_owned()),
        })
    }
}

fn whole_remedy(rule: RuleId) -> String {
    let mut text = rule.info().remedy.to_owned();
    cut(&mut text, TEXT_MAX);
    text
}

/// What was found in a namespace; none when there is nothing to tell. Dormant findings are listed and not
/// counted: no live pod shows them just now.
pub fn namespace_audit(snapshot: &Snapshot, namespace: &str) -> Option<NamespaceAuditContent> {
    let part = snapshot.namespace(namespace)?;
    let own = part.findings.iter().map(|finding| (finding, None));
    let shared = snapshot.references_in(namespace).map(|(finding, pods)| (finding, Some(pods)));
    let all: Vec<_> = own.chain(shared).collect();
    let mut merged: Vec<_> = all
        .chunk_by(|(left, _), (right, _)| left.id == right.id)
        .filter_map(|group| Merged::new(snapshot, group))
        .collect();
    if merged.is_empty() {
        return None;
    }
    merged.sort_by(|left, right| left.key().cmp(&right.key()));

    let mut summary = NamespaceSummary::default();
    for finding in &merged {
        match finding.spokesman.state {
            State::Fail => {
                summary.violations += 1;
                summary.critical += u32::from(finding.severity == Severity::Critical);
            }
            State::Unknown => summary.unknown += 1,
            State::Exempt(_) => summary.exempt += 1,
        }
    }
    let (mut findings, mut bytes) = (Vec::new(), JSON_ENVELOPE);
    let mut told = HashSet::new();
    for finding in merged.iter().take(FINDINGS_MAX) {
        // The whole remedy, with its commands, once a rule: a hundred of them alone would fill the object.
        let rule = finding.spokesman.rule;
        let remedy = if told.insert(rule) { whole_remedy(rule) } else { first_step(rule) };
        let finding = finding.write(snapshot, remedy);
        // A struct of texts and numbers always serializes; were it not so, the finding would count as omitted.
        bytes += serde_json::to_vec(&finding).map_or(JSON_LIMIT, |json| json.len() + 1);
        if bytes > JSON_LIMIT {
            break;
        }
        findings.push(finding);
    }
    let omitted = u32::try_from(merged.len() - findings.len()).unwrap_or(u32::MAX);
    let compliant = match summary {
        NamespaceSummary { violations: 1.., .. } => ConditionStatus::False,
        NamespaceSummary { unknown: 1.., .. } => ConditionStatus::Unknown,
        _ => ConditionStatus::True,
    };
    Some(NamespaceAuditContent { compliant, summary, findings, omitted })
}

#[cfg(test)]
mod tests {
    use super::super::testing::{World, at, image_subject, namespace_subject, policy};
    use super::*;

    fn audit(world: World) -> NamespaceAuditContent {
        namespace_audit(&world.snapshot(), "team-a").unwrap()
    }

    fn web(image: &str) -> Subject {
        image_subject("team-a", "Deployment/web", "app", image)
    }

    #[test]
    fn a_finding_reads_as_the_design_shows_it() {
        let mut audit = audit(World::baseline().fail("team-a", "Deployment/web", "evil.test/x:1"));
        audit.findings[0].remedy = "r".into();
        assert_eq!(
            serde_json::to_string_pretty(&audit).unwrap(),
            r#"{
  "compliant": "False",
  "summary": {
    "violations": 1,
    "critical": 1,
    "unknown": 0,
    "exempt": 0
  },
  "findings": [
    {
      "id": "ID",
      "policies": [
        "baseline"
      ],
      "rule": "TrustedRegistry",
      "severity": "critical",
      "state": "fail",
      "reason": "NotAllowed",
      "subject": "Deployment/web",
      "slot": "container",
      "container": "app",
      "image": "evil.test/x:1",
      "since": "2026-11-18T11:06:40Z",
      "message": "evil.test/x is in none of the trusted repositories",
      "remedy": "r"
    }
  ],
  "omitted": 0
}"#
            .replace("ID", &audit.findings[0].id)
        );
    }

    #[test]
    fn a_clean_namespace_has_no_audit() {
        let snapshot = World::baseline().fail("team-b", "Deployment/web", "evil.test/x:1").snapshot();
        assert!(namespace_audit(&snapshot, "team-a").is_none());
    }

    #[test]
    fn one_finding_under_two_policies_is_one_with_the_highest_severity_and_the_earliest_time() {
        let world = World::new([policy("a", Severity::Low), policy("b", Severity::High)])
            .on(1, web("evil.test/x:1"), State::Fail)
            .on(0, web("evil.test/x:1"), State::Fail);
        let audit = audit(world);
        let [finding] = &*audit.findings else { panic!("{audit:?}") };
        assert_eq!(
            (&*finding.policies, finding.severity),
            (&["a".to_owned(), "b".to_owned()][..], Severity::High)
        );
        assert_eq!((finding.since.0, audit.summary.violations), (at(0), 1));
    }

    #[test]
    fn a_violation_under_one_policy_stays_one_though_another_permits_it() {
        let world = World::new([policy("a", Severity::Critical), policy("b", Severity::Low)])
            .on(0, web("evil.test/x:1"), State::Exempt(0))
            .on(1, web("evil.test/x:1"), State::Fail);
        let audit = audit(world);
        let finding = &audit.findings[0];
        assert_eq!(
            (finding.state, finding.severity, &*finding.policies),
            (FindingState::Fail, Severity::Low, &["b".to_owned()][..])
        );
        assert_eq!((audit.summary.violations, audit.summary.critical, audit.summary.exempt), (1, 0, 0));
        assert!(finding.exemption.is_none());
    }

    #[test]
    fn what_permits_a_finding_is_shown() {
        let audit = audit(World::baseline().on(0, web("evil.test/x:1"), State::Exempt(0)));
        let exemption = audit.findings[0].exemption.as_ref().unwrap();
        assert_eq!((&*exemption.name, &*exemption.policy), ("legacy-etl", "baseline"));
        assert_eq!(exemption.ticket.as_deref(), Some("OPS-412"));
        assert_eq!(audit.compliant, ConditionStatus::True);
    }

    #[test]
    fn findings_stand_worst_first_in_a_fixed_order() {
        let [a, b] = [policy("a", Severity::High), policy("b", Severity::Critical)];
        let world = World::new([a, b])
            .on(0, image_subject("team-a", "Deployment/b", "app", "evil.test/x:1"), State::Exempt(0))
            .on(0, image_subject("team-a", "Deployment/b", "y", "evil.test/x:1"), State::Unknown)
            .on(0, image_subject("team-a", "Deployment/z", "app", "evil.test/x:1"), State::Fail)
            .on(0, image_subject("team-a", "Deployment/b", "z", "evil.test/x:1"), State::Fail)
            .on(0, image_subject("team-a", "Deployment/b", "a", "evil.test/x:2"), State::Fail)
            .on(0, image_subject("team-a", "Deployment/b", "a", "evil.test/x:1"), State::Fail)
            .on(1, namespace_subject("team-a"), State::Fail);
        let order: Vec<_> = audit(world)
            .findings
            .iter()
            .map(|it| {
                let (container, image) = (it.container.as_deref(), it.image.as_deref());
                format!("{:?} {} {} {}", it.state, it.subject, container.unwrap_or("-"), image.unwrap_or("-"))
            })
            .collect();
        assert_eq!(
            order,
            [
                "Fail Namespace/team-a - -",
                "Fail Deployment/b a evil.test/x:1",
                "Fail Deployment/b a evil.test/x:2",
                "Fail Deployment/b z evil.test/x:1",
                "Fail Deployment/z app evil.test/x:1",
                "Unknown Deployment/b y evil.test/x:1",
                "Exempt Deployment/b app evil.test/x:1",
            ]
        );
    }

    #[test]
    fn a_dormant_finding_is_listed_and_counted_like_any_other() {
        let audit = audit(World::baseline().fail("team-a", "CronJob/etl", "evil.test/x:1").dormant("team-a"));
        let finding = &audit.findings[0];
        assert_eq!(&*finding.subject, "CronJob/etl");
        assert_eq!(audit.summary.violations, 1);
    }

    #[test]
    fn a_finding_across_namespaces_names_no_other_namespace() {
        let world = World::baseline()
            .on(0, web("evil.test/x:1"), State::Unknown)
            .fail("secret-b", "Deployment/secret", "evil.test/x:1")
            .skew("nginx:1", &[("secret-b", 10), ("secret-c", 1), ("secret-d", 1), ("team-a", 3)]);
        let audit = audit(world);
        let finding = &audit.findings[0];
        assert_eq!(finding.message, "nginx:1 runs as 2 contents; here and in 3 other namespaces");
        assert_eq!(&*finding.subject, "Image/nginx:1");
        assert!(!serde_json::to_string(&audit).unwrap().contains("secret"));
    }

    #[test]
    fn long_lists_are_cut_at_a_hundred_and_counted() {
        let mut world = World::baseline();
        for index in 0..130 {
            world =
                world.on(0, image_subject("team-a", &format!("Pod/p{index:03}"), "c", "x:1"), State::Unknown);
        }
        let audit = audit(world);
        assert_eq!((audit.findings.len(), audit.omitted, audit.summary.unknown), (100, 30, 130));
        let whole = audit.findings.iter().filter(|finding| finding.remedy.contains("crane copy")).count();
        assert_eq!(whole, 1, "the commands stand once a rule");
        assert_eq!(audit.findings[1].remedy, "Copy the image to a trusted registry and name it there");
        assert_eq!(audit.findings[99].subject, "Pod/p099");
    }

    #[test]
    fn hostile_texts_are_made_visible_and_the_whole_stays_within_64_kib() {
        let mut world = World::baseline();
        for index in 0..90 {
            let image = format!("Evil.test/\u{1b}[31m\u{202e}{index:02}{}", "x\n".repeat(5_000));
            world = world.on(0, image_subject("team-a", "Deployment/web", "app", &image), State::Fail);
        }
        let audit = audit(world);
        assert!(serde_json::to_vec(&audit).unwrap().len() <= 64 * 1_024);
        assert_eq!(audit.findings.len() + usize::try_from(audit.omitted).unwrap(), 90);
        assert!(audit.findings.len() > 20);
        for finding in &audit.findings {
            let image = finding.image.as_deref().unwrap();
            assert!(image.starts_with("Evil.test/\\u{1b}[31m\\u{202e}") && image.len() <= REFERENCE_MAX);
        }
    }
}
