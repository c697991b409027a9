use serde_json::Value;

use super::super::gather::Listed;
use super::super::testing::{World, at, image_subject, namespace_subject, report};
use super::*;
use crate::auditor::findings::State;
use crate::policy::exemption::Exemption;

fn terms() -> Terms {
    Terms { now: at(0), days: 90, reason: None }
}

fn rows(world: World) -> AuditReport {
    report(&world.snapshot(), Listed::Findings, |_, _| {})
}

fn specs(plan: &Plan, taken: &[&str]) -> Vec<Value> {
    let written = plan.exemptions("baseline", taken);
    written.iter().map(|written| serde_json::to_value(&written.spec).unwrap()).collect()
}

/// Rows beyond what a test wants to build one by one.
fn many(namespaces: usize, workloads: usize, rules: &[&'static str]) -> AuditReport {
    let mut report = rows(World::baseline().fail("team-a", "Deployment/web", "evil.test/x:1"));
    let model = report.results.remove(0);
    for namespace in 0..namespaces {
        for workload in 0..workloads {
            for rule in rules {
                let mut row = model.clone();
                (row.id, row.rule) = (format!("{namespace} {workload} {rule}"), *rule);
                row.namespace = Some(format!("n{namespace}"));
                row.subject.name = format!("w{namespace}-{workload}");
                report.results.push(row);
            }
        }
    }
    report
}

/// Whether the exemptions keep the bounds of the CRD and can be read by the policy that gets them.
fn check(written: &[Written]) {
    let list: Vec<_> = written.iter().map(|written| serde_json::to_value(&written.spec).unwrap()).collect();
    let mut problems = Vec::new();
    let compiled = Exemption::compile_all(&Value::Array(list), &mut problems);
    assert_eq!((compiled.len(), problems), (written.len(), vec![]));
    for Written { spec, .. } in written {
        assert!((1..=63).contains(&spec.name.len()) && is_name(&spec.name, "-"), "{}", spec.name);
        assert!((1..=MAX_RULES).contains(&spec.rules.len()));
        for list in [&spec.namespaces, &spec.workloads, &spec.images].into_iter().flatten() {
            assert!((1..=MAX_ITEMS).contains(&list.len()));
        }
        assert!(spec.reason.len() <= 1_024);
    }
}

#[test]
fn findings_are_permitted_by_rule_and_namespace_with_the_workloads_named() {
    let world = World::baseline()
        .fail("team-a", "Deployment/web", "evil.test/x:1")
        .fail("team-a", "CronJob/etl", "evil.test/y:1")
        .fail("team-b", "Deployment/web", "evil.test/x:1")
        .on(0, image_subject("team-b", "Deployment/old", "app", "evil.test/x:1"), State::Exempt(0))
        .on(0, namespace_subject("team-c"), State::Unknown);
    let plan = Plan::new(&rows(world), terms());
    let written = plan.exemptions("baseline", &[]);
    check(&written);
    assert_eq!(
        plan.yaml("baseline", &written),
        "\
# ImagePolicy baseline: 4 findings, permitted until 2027-02-17.
# To be added to its spec.exemptions, and to be mended one by one.
exemptions:
- name: trusted-registry-team-a
  rules: [TrustedRegistry]
  namespaces: [team-a]
  workloads:
  - CronJob/etl
  - Deployment/web
  reason: \"found on 2026-11-18 and permitted until 2027-02-17 to be mended\"
  expiresAt: \"2027-02-17T00:00:00Z\"
- name: trusted-registry-team-b
  rules: [TrustedRegistry]
  namespaces: [team-b]
  workloads: [Deployment/web]
  reason: \"found on 2026-11-18 and permitted until 2027-02-17 to be mended\"
  expiresAt: \"2027-02-17T00:00:00Z\"
- name: trusted-registry-team-c
  rules: [TrustedRegistry]
  namespaces: [team-c]
  reason: \"found on 2026-11-18 and permitted until 2027-02-17 to be mended\"
  expiresAt: \"2027-02-17T00:00:00Z\"
"
    );
    assert_eq!(plan.exemptions("other", &[]).len(), 0);
    assert!(plan.yaml("other", &[]).ends_with("exemptions: []\n"));
}

#[test]
fn they_end_at_the_midnight_after_the_days() {
    let end = |now: &str, days| Terms { now: now.parse().unwrap(), days, reason: None }.end().to_string();
    assert_eq!(end("2026-11-25T00:00:00Z", 90), "2027-02-23T00:00:00Z");
    assert_eq!(end("2026-11-25T00:00:00.5Z", 90), "2027-02-24T00:00:00Z");
    assert_eq!(end("2026-11-25T23:59:59Z", 1), "2026-11-27T00:00:00Z");
}

#[test]
fn what_is_left_is_permitted_more_widely_until_nothing_wider_can_be_written() {
    let report =
        rows(World::baseline().fail("team-a", "Deployment/web", "evil.test:5000/x:1@sha256:bad").fail(
            "team-a",
            "Deployment/api",
            "evil.test:5000/y:1",
        ));
    let mut plan = Plan::new(&report, terms());
    let mut left = report.clone();
    left.results.retain(|row| row.subject.name == "api");
    assert!(plan.widen(&left));
    let written = plan.exemptions("baseline", &[]);
    check(&written);
    let [by_workload, by_image] = &*specs(&plan, &[]) else { panic!("{written:?}") };
    assert_eq!(by_workload["workloads"], serde_json::json!(["Deployment/web"]));
    assert_eq!(by_image["images"], serde_json::json!(["evil.test:5000/y"]));
    assert_eq!(by_image["name"], "trusted-registry-team-a-2");
    assert!(plan.yaml("baseline", &written).contains("# Any workload with these images"));
    assert!(plan.widen(&left));
    let wide = plan.exemptions("baseline", &[]);
    assert!(wide[1].is_wide && wide[1].spec.images.is_none() && wide[1].spec.workloads.is_none());
    assert!(!plan.widen(&left) && !plan.widen(&left), "nothing is wider than the namespace");
    assert_eq!(plan.exemptions("baseline", &[]).len(), 1, "what cannot be permitted is not written");
}

#[test]
fn a_reference_across_the_cluster_is_permitted_by_its_image() {
    let report = rows(World::baseline().skew("docker.io/library/nginx:1", &[("a", 1), ("b", 2)]));
    let mut plan = Plan::new(&report, terms());
    // Its kind and name are no workload.
    let [by_image] = &*specs(&plan, &[]) else { panic!("{report:?}") };
    assert_eq!(by_image["images"], serde_json::json!(["docker.io/library/nginx"]));
    assert!(by_image.get("namespaces").is_none() && !plan.widen(&report));
}

#[test]
fn names_from_files_that_no_policy_may_hold_are_never_written() {
    let world = World::baseline().fail("team-a", "Deployment/we*b", "evil.test/x:1").fail(
        "Team A",
        "Deployment/web",
        "evil.test/x:1",
    );
    let plan = Plan::new(&rows(world), terms());
    let written = plan.exemptions("baseline", &[]);
    check(&written);
    assert_eq!((written.len(), written[0].form), (1, Form::Image));
}

#[test]
fn names_are_unique_and_within_bounds() {
    let mut names = BTreeSet::from(["a".to_owned()]);
    assert_eq!(unique("a", &mut names), "a-2");
    assert_eq!(unique("a", &mut names), "a-3");
    let long = format!("{}-b{}", "x".repeat(62), "y".repeat(90));
    assert_eq!(unique(&long, &mut names), "x".repeat(62));
    assert_eq!(unique(&long, &mut names), format!("{}-2", "x".repeat(61)));
    assert_eq!(kebab("NoMutableTag"), "no-mutable-tag");
    let plan = Plan::new(&rows(World::baseline().fail("a", "Pod/x", "evil.test/x:1")), terms());
    assert_eq!(specs(&plan, &["trusted-registry-a"])[0]["name"], "trusted-registry-a-2");
}

#[test]
fn more_than_a_policy_can_hold_become_fewer_and_first_those_that_say_the_same() {
    let rules = ["DigestPinned", "NoMutableTag", "TrustedRegistry"];
    let plan = Plan::new(&many(200, 2, &rules), terms());
    let written = plan.exemptions("baseline", &["mine"]);
    check(&written);
    assert_eq!(written.len(), 200, "one a namespace, with its three rules");
    assert!(written.iter().all(|written| !written.is_wide && written.spec.rules.len() == 3));
    assert_eq!(written[0].spec.name, "3-rules-n0");

    let mut namespaces = many(400, 1, &["DefaultDenyIngress"]);
    namespaces.results.iter_mut().for_each(|row| row.subject.kind = "Namespace".to_owned());
    let written = Plan::new(&namespaces, terms()).exemptions("baseline", &[]);
    check(&written);
    assert_eq!((written.len(), written[0].is_wide), (2, false), "lists of 256 and of 144 namespaces");

    let written = Plan::new(&many(700, 1, &rules), terms()).exemptions("baseline", &[]);
    check(&written);
    assert_eq!(written.len(), 3);
    assert!(written.iter().all(|written| written.is_wide));
    let named: usize = written.iter().map(|written| written.spec.namespaces.as_ref().unwrap().len()).sum();
    assert_eq!(named, 700);
}

#[test]
fn many_workloads_of_one_namespace_are_several_exemptions() {
    let written = Plan::new(&many(1, 600, &["NoMutableTag"]), terms()).exemptions("baseline", &[]);
    check(&written);
    let sizes: Vec<_> =
        written.iter().map(|written| written.spec.workloads.as_ref().unwrap().len()).collect();
    assert_eq!(sizes, [256, 256, 88]);
}
