//! Taking a policy into use where there are findings already: exemptions, baselines, and what a draft would change.

use std::fs;

use serde_json::Value;

use super::harness::{folder, run};

const POLICY: &str = "\
apiVersion: revisor.dev/v1alpha1
kind: ImagePolicy
metadata: {name: mine}
spec:
  rules:
    trustedRegistry: {allow: [registry.example.com/**], severity: critical}
    noMutableTag: {}
    defaultDenyIngress: {}
";
const NAMESPACE: &str = "apiVersion: v1\nkind: Namespace\nmetadata: {name: team-a}\n";

fn pod(name: &str, image: &str) -> String {
    format!(
        "apiVersion: v1\nkind: Pod\nmetadata: {{name: {name}, namespace: team-a}}\nspec: {{containers: [{{name: app, \
         image: '{image}'}}]}}\n"
    )
}

/// The policy with what was printed under its spec.
fn with_exemptions(policy: &str, printed: &str) -> String {
    let indented = printed.lines().map(|line| format!("  {line}\n")).collect::<String>();
    format!("{policy}{indented}")
}

#[test]
fn with_todays_exemptions_in_the_policy_nothing_is_left_until_they_end() {
    // Pods of a ReplicaSet: nobody confirms their Deployment. A pod without readable containers. A broken reference.
    let replica = "apiVersion: v1\nkind: Pod\nmetadata: {name: web-7d9f-x, namespace: team-a, labels: {pod-template-hash: 7d9f}, \
                   ownerReferences: [{apiVersion: apps/v1, kind: ReplicaSet, name: web-7d9f, uid: u, controller: true}]}\n\
                   spec: {containers: [{name: app, image: 'evil.test:5000/web:latest'}]}\nstatus: {phase: Running}\n";
    let broken = replica.replace("web", "api").replace("evil.test:5000/api:latest", "Not A Reference");
    let malformed =
        "apiVersion: v1\nkind: Pod\nmetadata: {name: odd, namespace: team-a}\nspec: {containers: 7}\n";
    let input = [NAMESPACE, &pod("bare", "nginx"), replica, &broken, malformed].join("---\n");
    let folder = folder("adoption-exemptions", &[("a.yaml", &input), ("policy.yaml", POLICY)]);
    let args = |policy| {
        [
            "audit",
            "a.yaml",
            "--complete",
            "--policy",
            policy,
            "--fail-on-unknown",
            "--now",
            "2026-11-25T10:00:00Z",
        ]
    };
    let audit = |policy, more: &[&str]| run(&folder, &[&args(policy)[..], more].concat());
    let before = audit("policy.yaml", &["-o", "json"]);
    assert!(before.code == 1 && before.count() >= 6, "{}", before.out);

    let printed =
        audit("policy.yaml", &["-o", "exemptions", "--days", "30", "--reason", "the \"old\" ones: OPS-7"]);
    assert_eq!((printed.code, &*printed.err), (0, ""), "{}", printed.out);
    assert!(printed.out.contains("expiresAt: \"2026-12-26T00:00:00Z\"\n"), "{}", printed.out);
    assert!(
        printed.out.contains("\n  - Pod/bare\n") && printed.out.contains("# Any workload with these images")
    );
    fs::write(folder.join("after.yaml"), with_exemptions(POLICY, &printed.out)).unwrap();
    let after = audit("after.yaml", &["-o", "json"]);
    assert_eq!((after.code, after.count(), &*after.err), (0, 0, ""), "{}", printed.out);
    assert!(after.json()["summary"]["exempt"].as_u64().unwrap() >= 6);
    let again = audit("after.yaml", &["-o", "exemptions"]);
    assert!(again.code == 0 && again.out.ends_with("exemptions: []\n"), "{}", again.out);

    let ended = run(
        &folder,
        &[
            "audit",
            "a.yaml",
            "--complete",
            "--policy",
            "after.yaml",
            "-o",
            "json",
            "--now",
            "2026-12-26T00:00:00Z",
        ],
    );
    assert_eq!((ended.code, ended.count()), (1, before.count()));
}

#[test]
fn exemptions_go_to_a_file_beside_the_table_and_then_the_findings_count() {
    let folder =
        folder("adoption-exemptions-file", &[("a.yaml", &pod("bare", "nginx")), ("policy.yaml", POLICY)]);
    let ran = run(&folder, &["audit", "a.yaml", "policy.yaml", "-o", "table", "-o", "exemptions=known.yaml"]);
    assert!(ran.code == 1 && ran.out.contains("TrustedRegistry"), "{}", ran.err);
    let known = fs::read_to_string(folder.join("known.yaml")).unwrap();
    let read: Value = serde_saphyr::from_str(&known).unwrap();
    assert_eq!(read["exemptions"][0]["rules"][0], "NoMutableTag");
    assert!(read["exemptions"][0]["reason"].as_str().unwrap().starts_with("found on "));
    for more in
        [&["--days", "9"][..], &["-o", "exemptions", "--reason", " "], &["-o", "exemptions", "--days", "0"]]
    {
        let ran = run(&folder, &[&["audit", "a.yaml"], more].concat());
        assert_eq!((ran.code, &*ran.out), (2, ""), "{more:?}: {}", ran.err);
    }
}

#[test]
fn only_what_is_not_in_the_baseline_fails() {
    let folder =
        folder("adoption-baseline", &[("a.yaml", &pod("old", "nginx:1.27.3")), ("policy.yaml", POLICY)]);
    let audit = |more: &[&str]| run(&folder, &[&["audit", ".", "--policy", "policy.yaml"], more].concat());
    for format in ["json", "sarif"] {
        fs::write(folder.join("a.yaml"), pod("old", "nginx:1.27.3")).unwrap();
        let file = format!("before.{format}");
        fs::write(folder.join(&file), audit(&["-o", format]).out).unwrap();
        let compare = |more: &[&str]| {
            let args = ["audit", "a.yaml", "--policy", "policy.yaml", "--baseline", &file];
            run(&folder, &[&args, more].concat())
        };
        assert_eq!(compare(&["--fail-on-new"]).code, 0);
        assert_eq!(compare(&[]).code, 1, "without --fail-on-new the old ones count");
        fs::write(
            folder.join("a.yaml"),
            format!("{}---\n{}", pod("old", "nginx:1.27.3"), pod("new", "nginx:1.27.3")),
        )
        .unwrap();
        let table = compare(&["--fail-on-new"]);
        assert_eq!(table.code, 1, "{}", table.err);
        assert!(
            table.out.contains("\n  + critical") && table.out.contains("1 new, 1 known, 0 gone"),
            "{}",
            table.out
        );
        assert_eq!(compare(&["--fail-on-new", "-o", "json"]).json()["summary"]["baseline"]["new"], 1);
        fs::write(folder.join("a.yaml"), pod("new", "registry.example.com/a:1.0.0")).unwrap();
        let gone = compare(&["--fail-on-new"]);
        assert!(gone.code == 0 && gone.out.contains("0 new, 0 known, 1 gone"), "{}", gone.out);
    }
    fs::write(folder.join("other.json"), r#"{"version": "v9", "results": []}"#).unwrap();
    for (file, words) in [
        ("other.json", "found \"v9\""),
        ("missing.json", "no such file"),
        ("policy.yaml", "expected a report"),
    ] {
        let ran = run(&folder, &["audit", "a.yaml", "--baseline", file, "--fail-on-new"]);
        assert_eq!((ran.code, &*ran.out), (2, ""));
        assert!(
            ran.err.contains(words) && ran.err.contains("Write one with this version: revisor audit"),
            "{}",
            ran.err
        );
    }
    assert_eq!(
        run(&folder, &["audit", "a.yaml", "--fail-on-new"]).code,
        2,
        "there is nothing to be new beside"
    );
}

#[test]
fn a_draft_is_compared_with_what_is_in_force_before_anyone_applies_it() {
    let draft = POLICY
        .replace("registry.example.com/**", "docker.io/**")
        .replace("noMutableTag: {}", "digestPinned: {}");
    let input = format!("{}---\n{}", pod("hub", "nginx"), pod("ours", "registry.example.com/a:1.0.0"));
    let folder = folder(
        "adoption-against",
        &[("a.yaml", &input), ("live.yaml", POLICY), ("draft.yaml", &draft), ("odd.yaml", "{}")],
    );
    let against =
        |more: &[&str]| run(&folder, &[&["audit", "--policy", "draft.yaml", "--against"], more].concat());
    for args in [
        &["live.yaml", "a.yaml"][..],
        &["mine", "a.yaml", "live.yaml"],
        &["mine", "a.yaml", "live.yaml", "draft.yaml"],
    ] {
        let json = against(&[args, &["-o", "json"]].concat());
        assert_eq!(json.code, 1, "{}", json.err);
        let read = json.json();
        // Docker Hub is trusted now and ours is not; the tag does not matter and two digests are missing.
        assert_eq!(
            (&read["summary"]["opens"], &read["summary"]["resolves"]),
            (&3.into(), &2.into()),
            "{read:#}"
        );
        let groups = read["groups"].as_array().unwrap();
        let rules: Vec<_> = groups.iter().map(|group| group["rule"].as_str().unwrap()).collect();
        assert_eq!(rules, ["DigestPinned", "NoMutableTag", "TrustedRegistry"]);
        assert_eq!(groups[2]["namespace"], "team-a");
    }
    let table = against(&["live.yaml", "a.yaml"]);
    assert!(table.out.contains("The draft mine beside mine: opens 3, resolves 2"), "{}", table.out);
    assert!(
        against(&["live.yaml", "a.yaml", "-o", "markdown"]).out.starts_with("## Revisor: the draft opens 3")
    );
    let same = run(&folder, &["audit", "a.yaml", "--policy", "live.yaml", "--against", "live.yaml"]);
    assert!(same.code == 0 && same.out.contains("opens 0, resolves 0"), "{}", same.out);
    for (args, words) in [
        (&["other", "a.yaml", "live.yaml"][..], "there is no policy \"other\""),
        (&["missing.yaml", "a.yaml"], "no such file"),
        (&["odd.yaml", "a.yaml"], "expected nothing but ImagePolicies"),
        (&["live.yaml", "a.yaml", "-o", "csv"], "table, json or markdown"),
    ] {
        let ran = against(args);
        assert!(ran.code == 2 && ran.out.is_empty() && ran.err.contains(words), "{args:?}: {}", ran.err);
    }
    assert_eq!(run(&folder, &["audit", "a.yaml", "--against", "live.yaml"]).code, 2, "there is no draft");
}
