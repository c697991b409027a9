//! What an auditor is given by the program: `revisor rules --profile` and `revisor audit --by control`.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

const SHOP: &str = r#"
apiVersion: v1
kind: Namespace
metadata: {name: shop}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: shop}
spec:
  template:
    spec:
      containers:
      - {name: app, image: "evil.test/app:latest", imagePullPolicy: Always}
      - {name: side, image: "registry.example.com/side:1.2", imagePullPolicy: Always}
      - {name: old, image: "registry.example.com/old:latest", imagePullPolicy: Always}
"#;
const POLICY: &str = r#"
apiVersion: revisor.dev/v1alpha1
kind: ImagePolicy
metadata: {name: mine}
spec:
  scope: {excludeNamespaces: [kube-system]}
  rules:
    trustedRegistry: {allow: [registry.example.com/**]}
    noMutableTag: {}
  exemptions:
  - name: old-app
    rules: [NoMutableTag]
    images: [registry.example.com/old]
    reason: goes with the next release
    ticket: OPS-1
    expiresAt: "2027-01-31T00:00:00Z"
"#;

struct Ran {
    code: Option<i32>,
    out: String,
    err: String,
}

/// A folder with both files for one test.
fn folder(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("evidence").join(name);
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("shop.yaml"), SHOP).unwrap();
    fs::write(folder.join("policy.yaml"), POLICY).unwrap();
    folder
}

fn run(test: &str, args: &[&str]) -> Ran {
    let mut command = Command::new(env!("CARGO_BIN_EXE_revisor"));
    let command = command.args(args).current_dir(folder(test));
    let output = command.env_remove("REVISOR_OUTPUT").env_remove("REVISOR_FAIL_ON").output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Ran { code: output.status.code(), out: text(output.stdout), err: text(output.stderr) }
}

/// `revisor audit --by control` over the shop.
fn by_control(test: &str, more: &[&str]) -> Ran {
    let args =
        ["audit", "--by", "control", "--policy", "policy.yaml", "--now", "2026-12-01T00:00:00Z", "shop.yaml"];
    run(test, &[&args[..], more].concat())
}

#[test]
fn a_page_by_control_can_be_filed() {
    let ran = by_control("json", &["--output", "json"]);
    assert_eq!((ran.code, &*ran.err), (Some(1), ""), "the exit code is that of the same audit");
    let page: Value = serde_json::from_str(&ran.out).unwrap();
    assert_eq!((&page["by"], &page["observedAt"]), (&"control".into(), &"2026-12-01T00:00:00Z".into()));
    assert_eq!(page["lookedAt"]["input"][0], "shop.yaml");
    assert_eq!(page["policies"][0]["scope"]["excludeNamespaces"][0], "kube-system");
    let part = page["controls"].as_array().unwrap().iter().find(|it| it["id"] == "SYS.1.6.A6").unwrap();
    let count = |name: &str| part[name].as_u64().unwrap();
    assert_eq!([count("judged"), count("pass"), count("fail"), count("exempt")], [3, 1, 1, 1], "{part}");
    let exemption = &part["exemptions"][0];
    assert_eq!(
        (&exemption["name"], &exemption["expiresAt"]),
        (&"old-app".into(), &"2027-01-31T00:00:00Z".into())
    );
    assert_eq!(
        (&exemption["reason"], &exemption["subjects"]),
        (&"goes with the next release".into(), &1.into())
    );
}

#[test]
fn a_catalogue_is_chosen_and_every_requirement_has_a_line() {
    let text = by_control("table", &["--catalogue", "bsi"]).out;
    assert_eq!(text.lines().filter(|line| line.starts_with("  SYS.1.6.A")).count(), 26 * 2, "{text}");
    assert!(
        text.contains("Policy: mine, scope {\"excludeNamespaces\":[\"kube-system\"]}, sha256 "),
        "{text}"
    );
    assert!(!text.contains("CIS"), "{text}");
    let table = by_control("table", &["--output", "csv"]).out;
    assert!(
        table.starts_with("record,catalogue,edition,control,") && table.contains("\r\nexemption,BSI"),
        "{table}"
    );
    assert!(table.contains("\r\ncontrol,CIS Kubernetes,v1.12,5.5.1,"), "{table}");
}

#[test]
fn misuse_says_what_to_do() {
    let alone = run("misuse", &["audit", "--catalogue", "bsi", "shop.yaml"]);
    assert_eq!((alone.code, &*alone.out), (Some(2), ""));
    assert!(alone.err.contains("--by"), "{}", alone.err);
    let profile = run("misuse", &["rules", "--profile", "Baselin"]);
    assert_eq!((profile.code, &*profile.out), (Some(2), ""));
    assert!(profile.err.contains("Did you mean Baseline?"), "{}", profile.err);
}

#[test]
fn profiles_are_printed_in_every_format() {
    let bsi = run("rules", &["rules", "--profile", "bsi"]);
    assert_eq!(bsi.code, Some(0));
    for expected in
        ["SYS.1.6.A6 Verwendung sicherer Images (Basis)", "APP.4.4.A21 ", "NoMutableTag", "not by a machine"]
    {
        assert!(bsi.out.contains(expected), "{expected}: {}", bsi.out);
    }
    let strict = run("rules", &["rules", "--profile", "Strict", "--output", "json"]);
    let strict: Value = serde_json::from_str(&strict.out).unwrap();
    assert_eq!((&strict["name"], &strict["version"]), (&"Strict".into(), &"v1".into()));
    let all = run("rules", &["rules", "--profile", "all"]).out;
    assert!(all.contains("Essential v1: ") && all.contains("\n\nBaseline v1: "), "{all}");
    let page = run("rules", &["rules", "--profile", "Essential", "--output", "markdown"]).out;
    assert!(page.starts_with("## Essential v1\n") && page.contains("](rules.md#validreference)"), "{page}");
}
