//! Grouping by control.

use super::super::columns::Colour;
use super::super::gather::Listed;
use super::super::json::json;
use super::super::testing::{self, World, image_subject, namespace_subject, policy};
use super::*;
use crate::auditor::audit::Judgement;
use crate::auditor::findings::{State, Subject};
use crate::verdict::Verdict;

/// The page of a world. A judgement whose container is `kept` is a pass, and `aside` does not apply.
fn page(world: World, catalogue: Option<&str>) -> ControlReport {
    let snapshot = world.snapshot();
    let change = |_: usize, judgement: &mut Judgement<'_>| {
        let name = judgement.subject.image_use().map(|image_use| image_use.name.to_string());
        match name.as_deref() {
            Some("kept") => judgement.verdict = Verdict::Pass,
            Some("aside") => judgement.verdict = Verdict::NotApplicable("Terminated"),
            _ => {}
        }
    };
    let report = testing::report(&snapshot, Listed::All, change);
    let policies: Vec<_> = snapshot.policies.iter().map(|part| part.policy.clone()).collect();
    let looked_at = LookedAt { input: vec!["deploy/".to_owned()], whole_cluster: false };
    ControlReport::of(&report, &policies, looked_at, catalogue)
}

fn part<'a>(page: &'a ControlReport, id: &str) -> &'a ControlPart {
    page.controls.iter().find(|part| part.control.id == id).unwrap()
}

fn image(workload: &str, container: &str) -> Subject {
    image_subject("etl-a", workload, container, "evil.test/x:1")
}

#[test]
fn a_subject_counts_once_with_the_worst_of_its_verdicts() {
    let [a, b] = [policy("a", Severity::Low), policy("b", Severity::Critical)];
    let world = World::new([a, b])
        .on(0, image("Deployment/one", "app"), State::Fail)
        .on(1, image("Deployment/one", "app"), State::Exempt(0))
        .on(0, image("Deployment/two", "app"), State::Exempt(0))
        .on(1, image("Deployment/two", "app"), State::Unknown)
        .on(0, image("Deployment/three", "app"), State::Exempt(0))
        .on(0, image("Deployment/three", "kept"), State::Fail)
        .on(0, image("Deployment/three", "aside"), State::Fail);
    let page = page(world, None);
    let part = part(&page, "SYS.1.6.A6");
    assert_eq!(part.counts, Counts { judged: 4, pass: 1, fail: 1, unknown: 1, exempt: 1 });
    let [rule] = &*part.rules else { panic!("{part:?}") };
    assert_eq!((rule.rule, rule.severity, rule.counts), ("TrustedRegistry", Severity::Critical, part.counts));
    assert_eq!(rule.policies, ["a", "b"]);
    assert!(part.rules_not_in_force.contains(&"NoMutableTag"));
    let verdicts: Vec<_> = part.findings.iter().map(|it| (it.verdict, it.policies.join("+"))).collect();
    assert_eq!(
        verdicts,
        [
            (Shown::Fail, "a".to_owned()),
            (Shown::Unknown, "b".to_owned()),
            (Shown::Exempt, "b".to_owned()),
            (Shown::Exempt, "a".to_owned()),
            (Shown::Exempt, "a".to_owned()),
        ]
    );
}

#[test]
fn every_requirement_of_bsi_is_there_and_of_other_catalogues_what_is_served() {
    let page_of = |catalogue| page(World::baseline().fail("a", "Pod/x", "evil.test/x:1"), catalogue);
    let bsi = page_of(Some("bsi"));
    assert_eq!(bsi.controls.len(), 47);
    let ids: Vec<_> = bsi.controls.iter().map(|part| part.control.id).collect();
    assert_eq!((ids[0], ids[9], ids[46]), ("APP.4.4.A1", "APP.4.4.A10", "SYS.1.6.A26"));
    let unserved = part(&bsi, "SYS.1.6.A1");
    assert!(unserved.rules.is_empty() && unserved.limits.is_some() && unserved.counts == Counts::default());
    let cis = page_of(Some("CIS"));
    assert_eq!(cis.controls.iter().map(|part| part.control.id).collect::<Vec<_>>(), ["5.5.1"]);
    assert_eq!(cis.controls[0].counts, Counts { judged: 1, fail: 1, ..Counts::default() });
    let all = page_of(None);
    assert!(all.controls.len() > bsi.controls.len() + cis.controls.len());
    let keys: Vec<_> = all.controls.iter().map(|it| (it.control.framework, natural(it.control.id))).collect();
    assert!(keys.is_sorted());
}

#[test]
fn exemptions_are_told_whether_they_are_used_or_have_ended() {
    let unused = page(World::baseline(), Some("cis"));
    let [exemption] = &*unused.controls[0].exemptions else { panic!("{unused:?}") };
    assert_eq!((exemption.subjects, exemption.expired), (0, false));
    let world = || World::baseline().on(0, image("Deployment/old", "app"), State::Exempt(0));
    let used = page(world(), Some("cis"));
    let [exemption] = &*used.controls[0].exemptions else { panic!("{used:?}") };
    assert_eq!(
        (&*exemption.policy, &*exemption.permission.name, exemption.subjects),
        ("baseline", "legacy-etl", 1)
    );
    let snapshot = world().snapshot();
    let mut report = testing::report(&snapshot, Listed::All, |_, _| {});
    report.observed_at = "2027-01-31T00:00:00Z".parse().unwrap();
    let policies: Vec<_> = snapshot.policies.iter().map(|part| part.policy.clone()).collect();
    let late = ControlReport::of(&report, &policies, LookedAt::default(), Some("cis"));
    assert!(late.controls[0].exemptions[0].expired, "it ends at that second");
}

#[test]
fn a_page_reads_as_evidence() {
    let world = World::baseline()
        .fail("shop", "Deployment/web", "evil.test/x:1")
        .on(0, image("Deployment/old", "app"), State::Exempt(0))
        .on(0, namespace_subject("b"), State::Unknown);
    let mut page = page(world, Some("cis"));
    page.controls[0].rules_not_in_force = vec!["NoMutableTag"];
    let text = controls_text(&page, Colour::Never);
    assert_eq!(
        text.replace(env!("CARGO_PKG_VERSION"), "VERSION"),
        "\
Audit by control, as of 2026-11-18T12:06:40Z (revisor VERSION)
Looked at: deploy/ (not a whole cluster, so that only what is there was judged): 7 image uses, 3 namespaces
Policy: baseline, generation 4, profile Baseline v1, scope the whole cluster, sha256 c0ffee

CIS Kubernetes v1.12
  CONTROL  JUDGED  PASS  FAIL  UNKNOWN  EXEMPT  RULES
  5.5.1    3       0     1     1        1       TrustedRegistry

  5.5.1
    Not asked for by any policy: NoMutableTag.
    critical  TrustedRegistry  shop: Deployment/web  app: evil.test/x is in none of the trusted repositories
    unknown  TrustedRegistry  Namespace/b: the object could not be decoded: a field has another type than its API says
    exemption legacy-etl of policy baseline, until 2027-01-31: nodes are preloaded (OPS-412); permits 1 subject
"
    );
}

#[test]
fn what_no_rule_shows_is_said_in_every_output() {
    let page = page(World::baseline().fail("a", "Pod/x", "evil.test/x:1"), Some("BSI"));
    let text = controls_text(&page, Colour::Never);
    assert!(
        text.contains("\n  SYS.1.6.A1   -       -     -     -        -       not by a machine\n"),
        "{text}"
    );
    assert!(text.contains(
        "\n  SYS.1.6.A9 Eignung für Container-Betrieb (Standard)\n    Checked: not by a machine. "
    ));
    assert!(
        text.contains("  APP.4.4.A1   -       -     -     -        -       not by the policies in force\n"),
        "{text}"
    );
    let value: Value = serde_json::from_str(&json(&page).unwrap()).unwrap();
    let part = &value["controls"][21 + 5];
    assert_eq!(
        (&part["id"], &part["means"], &part["level"]),
        (&"SYS.1.6.A6".into(), &"rules".into(), &"Basis".into())
    );
    assert_eq!((&part["judged"], &part["fail"]), (&1.into(), &1.into()));
    assert_eq!(value["policies"][0]["generation"], 4);
    assert_eq!((&value["by"], &value["lookedAt"]["input"][0]), (&"control".into(), &"deploy/".into()));
    let table = controls_csv(&page);
    assert!(table.contains("Planung des Container-Einsatzes,Basis,not by a machine,"), "{table}");
}

#[test]
fn a_line_of_the_csv_says_what_it_is() {
    let world = World::baseline().fail("shop", "Deployment/web", "=evil.test/x:1").on(
        0,
        image("Deployment/old", "app"),
        State::Exempt(0),
    );
    let table = controls_csv(&page(world, Some("cis")));
    let records: Vec<_> = table.lines().map(|line| line.split(',').next().unwrap()).collect();
    assert_eq!(records, ["record", "policy", "control", "rule", "finding", "finding", "exemption"]);
    assert!(table.contains(",'=evil.test/x:1,"), "{table}");
    assert!(table.contains(",legacy-etl,nodes are preloaded,OPS-412,2027-01-31T00:00:00Z,2026-"), "{table}");
    let columns = table.lines().next().unwrap().split(',').count();
    let plain = table.lines().filter(|line| !line.contains('"'));
    assert!(
        plain.clone().count() > 4 && plain.clone().all(|line| line.split(',').count() == columns),
        "{table}"
    );
}

#[test]
fn hostile_names_are_data() {
    let hostile = "evil\u{1b}[2J\u{202e}\n<b>|@you";
    let page = page(World::baseline().fail("a", "Pod/x", hostile), Some("cis"));
    let [markdown, html] = [controls_markdown(&page), controls_html(&page)];
    for text in
        [&controls_text(&page, Colour::Never), &controls_csv(&page), &json(&page).unwrap(), &markdown, &html]
    {
        assert!(!text.contains(['\u{1b}', '\u{202e}']), "{text}");
    }
    assert!(!html.contains("<b>|") && html.contains("&lt;b&gt;|@you"), "{html}");
    assert!(!markdown.contains(" <b>") && !markdown.contains(" @you"), "{markdown}");
}

#[test]
fn numbers_in_names_sort_as_numbers() {
    let mut ids = ["A10", "A2", "5.2.11", "5.2.2", "K04", "T1610", "T1525", "A"];
    ids.sort_by_key(|id| natural(id));
    assert_eq!(ids, ["5.2.2", "5.2.11", "A", "A2", "A10", "K04", "T1525", "T1610"]);
}

#[test]
fn the_page_in_markdown_and_html_says_the_same_for_people() {
    let world = World::baseline().fail("shop", "Deployment/web", "evil.test/x:1").on(
        0,
        image("Deployment/old", "app"),
        State::Exempt(0),
    );
    let page = page(world, Some("bsi"));
    let text = controls_markdown(&page);
    let start = "# Audit by control, as of 2026-11-18 12:06:40 UTC\n\n- Written by Revisor ";
    assert!(text.starts_with(start), "{text}");
    assert!(text.contains("\n| `SYS.1.6.A6` | 2 | 0 | 1 | 0 | 1 | TrustedRegistry |\n"), "{text}");
    assert!(
        text.contains(
            "\n- **critical** TrustedRegistry: Deployment `shop/web`, container app: `evil.test/x` is in none"
        ),
        "{text}"
    );
    assert!(
        text.contains("\n- exemption legacy-etl of policy baseline, until `2027-01-31`: nodes are preloaded")
    );
    assert!(text.contains("Checked: not by a machine. "));
    let html = controls_html(&page);
    assert!(
        html.contains(
            "<a href=\"#BSI-IT-Grundschutz-SYS.1.6.A6\">SYS.1.6.A6</a></th><td class=\"number\">2</td>"
        ),
        "{html}"
    );
    assert!(html.contains("<h3 id=\"BSI-IT-Grundschutz-SYS.1.6.A6\">SYS.1.6.A6 "));
    assert!(html.contains(
        "<td class=\"word critical\">critical</td><td>TrustedRegistry</td><td>Deployment shop/web</td>"
    ));
    assert!(html.contains("script-src 'none'") && !html.contains("<script"), "nothing runs in it");
    assert!(
        html.contains("<li>exemption legacy-etl of policy baseline, until 2027-01-31: nodes are preloaded")
    );
    let ids: Vec<_> =
        html.match_indices("<h3 id=\"").map(|(at, _)| html[at + 8..].split('"').next()).collect();
    let distinct: BTreeSet<_> = ids.iter().collect();
    assert!(ids.len() == 47 && distinct.len() == 47, "each control once");
}
