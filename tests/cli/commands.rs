//! The commands, their arguments, the policies that they take, and their exit codes.

use super::harness::{CLEAN, POLICY, bad_pod, folder, run};

#[test]
fn nothing_to_audit_is_misuse_and_shows_examples() {
    let ran = run(&folder("nothing", &[]), &["audit"]);
    assert_eq!((ran.code, &*ran.out), (2, ""));
    assert!(
        ran.err.starts_with("error: nothing to audit") && ran.err.contains("helm template"),
        "{}",
        ran.err
    );
}

#[test]
fn exit_codes_are_0_clean_1_findings_2_not_done() {
    let folder =
        folder("codes", &[("clean.yaml", CLEAN), ("bad.yaml", &bad_pod("bad")), ("policy.yaml", POLICY)]);
    let audit = |file: &str, more: &[&str]| {
        run(&folder, &[&["audit", file, "--policy", "policy.yaml", "-o", "json"], more].concat())
    };
    let clean = audit("clean.yaml", &[]);
    assert_eq!((clean.code, clean.results()), (0, vec![]), "{}", clean.err);
    let bad = audit("bad.yaml", &[]);
    assert_eq!(bad.results(), ["fail TrustedRegistry bad bad.yaml:1"]);
    assert_eq!((bad.code, &*bad.err), (1, ""));
    assert_eq!(audit("bad.yaml", &["--fail-on", "critical"]).code, 0);
    assert_eq!(audit("bad.yaml", &["--fail-on", "high"]).code, 1);
    assert_eq!(audit("bad.yaml", &["--fail-on", "bad"]).code, 2);
    let missing = audit("missing.yaml", &[]);
    assert_eq!(missing.code, 2);
    assert!(missing.err.contains("error: missing.yaml: no such file or folder"), "{}", missing.err);
}

#[test]
fn verdicts_all_lists_what_passes_too() {
    let folder = folder("verdicts", &[("clean.yaml", CLEAN), ("policy.yaml", POLICY)]);
    let ran = run(&folder, &["audit", "clean.yaml", "policy.yaml", "-o", "json", "--verdicts", "all"]);
    assert_eq!(ran.results(), ["pass TrustedRegistry web clean.yaml:1"]);
    assert_eq!(ran.json()["version"], "v1");
    assert_eq!(ran.json()["policies"][0]["name"], "mine");
}

#[test]
fn policies_that_cannot_be_used_name_the_field_and_the_nearest_rule() {
    let unknown = POLICY.replace("trustedRegistry:", "trustedRegistri:");
    let null = POLICY.replace(" {allow: [registry.example.com/**]}", "");
    let pod = bad_pod("p");
    let folder = folder(
        "policies",
        &[("unknown.yaml", &unknown), ("null.yaml", &null), ("p.yaml", &pod), ("good.yaml", POLICY)],
    );
    let audit = |policy: &str| run(&folder, &["audit", "p.yaml", "--policy", policy]);
    let ran = audit("unknown.yaml");
    assert_eq!(ran.code, 2);
    assert!(
        ran.err.contains("error: unknown.yaml:1: ImagePolicy mine: spec.rules.trustedRegistri"),
        "{}",
        ran.err
    );
    assert!(ran.err.contains("trustedRegistry"), "{}", ran.err);
    let ran = audit("null.yaml");
    assert!(
        ran.code == 2 && ran.err.contains("spec.rules.trustedRegistry") && ran.err.contains("{}"),
        "{}",
        ran.err
    );
    let ran = audit("p.yaml");
    assert!(ran.code == 2 && ran.err.contains("expected nothing but ImagePolicies"), "{}", ran.err);
    let twice = run(&folder, &["audit", "p.yaml", "good.yaml", "null.yaml"]);
    assert!(
        twice.code == 2 && twice.err.contains("null.yaml:1: ImagePolicy mine: stands here too"),
        "{}",
        twice.err
    );
    assert_eq!(run(&folder, &["audit", "p.yaml", "good.yaml", "--policy", "good.yaml"]).code, 1);
}

#[test]
fn without_a_policy_the_profile_baseline_judges() {
    let folder = folder("baseline", &[("p.yaml", &CLEAN.replace(":1.2.3", ":latest"))]);
    let ran = run(&folder, &["audit", "p.yaml", "-v", "-o", "json"]);
    assert_eq!(ran.results(), ["fail NoMutableTag web p.yaml:1"]);
    assert!(ran.err.contains("the profile Baseline judges"), "{}", ran.err);
}

#[test]
fn rules_are_listed_and_a_misspelt_one_is_guessed() {
    let folder = folder("rules", &[]);
    let ran = run(&folder, &["rules"]);
    assert!(ran.code == 0 && ran.out.contains("TrustedRegistry") && ran.out.contains("DefaultDenyEgress"));
    let one = run(&folder, &["rules", "TrustedRegistry", "--output", "json"]);
    assert!(one.out.contains("\"TrustedRegistry\"") && !one.out.contains("\"DigestPinned\""), "{}", one.out);
    assert_eq!(run(&folder, &["rules", "--output", "markdown"]).code, 0);
    let misspelt = run(&folder, &["rules", "TrustedRegistri"]);
    assert_eq!((misspelt.code, &*misspelt.out), (2, ""));
    assert!(misspelt.err.contains("Did you mean TrustedRegistry?"), "{}", misspelt.err);
}

#[test]
fn crds_and_completions_are_printed() {
    let folder = folder("print", &[]);
    let crd = run(&folder, &["crd"]);
    assert!(crd.code == 0 && crd.out.contains("name: imagepolicies.revisor.dev"));
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let ran = run(&folder, &["completions", shell]);
        assert!(ran.code == 0 && ran.out.contains("revisor"), "{shell}");
    }
}

#[test]
fn misuse_is_exit_code_2_and_help_is_an_answer() {
    let folder = folder("misuse", &[]);
    for args in [
        &["frobnicate"][..],
        &[],
        &["audit", "-A", "x"],
        &["audit", "--cluster", "x"],
        &["audit", "-n", "No", "x"],
    ] {
        let ran = run(&folder, args);
        assert_eq!((ran.code, &*ran.out), (2, ""), "{args:?}: {}", ran.err);
        assert!(!ran.err.is_empty(), "{args:?}");
    }
    for args in [&["--help"][..], &["--version"], &["audit", "--help"]] {
        assert_eq!(run(&folder, args).code, 0);
    }
}

#[test]
fn without_a_cluster_it_is_said_what_was_tried() {
    let folder = folder("no-cluster", &[]);
    for args in [&["audit", "--cluster"][..], &["run", "--log-format", "text"]] {
        let ran = run(&folder, args);
        assert_eq!(ran.code, 2);
        for words in ["error: no cluster found", ".kube/config", "in-cluster", "--context"] {
            assert!(ran.err.contains(words), "{words}: {}", ran.err);
        }
    }
}
