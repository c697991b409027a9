//! `revisor test`: cases with the verdicts that they expect.

use std::fs;

use super::harness::{CLEAN, POLICY, bad_pod, folder, run};

const CASE: &str = "\
# expect: TrustedRegistry=fail
# params: {\"TrustedRegistry\": {\"allow\": [\"registry.example.com\"]}}
";

#[test]
fn cases_that_are_as_expected_exit_with_0_others_with_1() {
    let case = |verdict: &str| format!("{}{}", CASE.replace("=fail", verdict), bad_pod("bad"));
    let folder = folder(
        "test-codes",
        &[
            ("good/a.yaml", &case("=fail")),
            ("bad/b.yaml", &case("=pass")),
            ("good/notes.yaml", "a: 1\n"),
            ("policy.yaml", POLICY),
        ],
    );
    let good = run(&folder, &["test", "good"]);
    assert_eq!((good.code, &*good.out), (0, "1 case: 1 passed\n"), "{}", good.err);
    assert_eq!(good.err, "note: without `# expect:`, left out: good/notes.yaml\n");
    let both = run(&folder, &["test", "good/a.yaml", "bad"]);
    let said = "FAIL  bad/b.yaml\n      TrustedRegistry: expected pass, found fail\n        Pod/bad in team-a, app, \
                evil.test/x:1.2.3: evil.test/x is in none of the trusted repositories (line 3)\n\
                2 cases: 1 passed, 1 failed\n";
    assert_eq!((both.code, &*both.out), (1, said), "{}", both.err);
    let json = run(&folder, &["test", "bad", "-o", "json"]).json();
    assert_eq!((&json["version"], &json["cases"][0]["failures"][0]["found"]), (&"v1".into(), &"fail".into()));
}

#[test]
fn a_policy_under_test_gives_the_settings() {
    let case = format!("# expect: TrustedRegistry=fail NoMutableTag=off\n{}", bad_pod("bad"));
    let folder = folder("test-policy", &[("a.yaml", &case), ("policy.yaml", POLICY), ("pod.yaml", CLEAN)]);
    let ran = run(&folder, &["test", "--policy", "policy.yaml", "a.yaml", "-v"]);
    assert_eq!((ran.code, &*ran.out), (0, "pass  a.yaml\n1 case: 1 passed\n"), "{}", ran.err);
    fs::write(folder.join("two.yaml"), format!("{POLICY}---\n{}", POLICY.replace("mine", "other"))).unwrap();
    fs::write(folder.join("bad.yaml"), POLICY.replace("trustedRegistry", "trustedRegistri")).unwrap();
    for (policy, words) in [
        ("two.yaml", "expected one ImagePolicy, found several"),
        ("pod.yaml", "expected nothing but ImagePolicies"),
        ("bad.yaml", "spec.rules.trustedRegistri"),
        ("missing.yaml", "no such file"),
    ] {
        let ran = run(&folder, &["test", "--policy", policy, "a.yaml"]);
        assert!(ran.code == 2 && ran.out.is_empty() && ran.err.contains(words), "{policy}: {}", ran.err);
    }
}

#[test]
fn a_case_that_cannot_be_run_is_exit_code_2_and_the_others_run() {
    let unknown = format!("# expect: TrustedRegistri=fail\n{}", bad_pod("bad"));
    let case = format!("{CASE}{}", bad_pod("bad"));
    let folder = folder("test-errors", &[("a.yaml", &unknown), ("b.yaml", &case), ("none.yaml", CLEAN)]);
    let ran = run(&folder, &["test", "."]);
    assert_eq!(ran.code, 2);
    let said = "line 1: unknown rule \"TrustedRegistri\" in `# expect:`: did you mean TrustedRegistry?\n";
    assert!(ran.out.contains(said) && ran.out.ends_with("2 cases: 1 passed, 1 could not be run in full\n"));
    let named = run(&folder, &["test", "none.yaml"]);
    assert!(named.code == 2 && named.out.contains("no `# expect: Rule=verdict`"), "{}", named.out);
    for args in [&["test", "missing"][..], &["test"]] {
        assert_eq!(run(&folder, args).code, 2, "{args:?}");
    }
}

#[test]
fn a_ci_system_gets_its_file_beside_what_people_read() {
    let case = |verdict: &str| format!("{}{}", CASE.replace("=fail", verdict), bad_pod("bad"));
    let folder =
        folder("test-outputs", &[("cases/good.yaml", &case("=fail")), ("cases/bad.yaml", &case("=pass"))]);
    let read = |file: &str| fs::read_to_string(folder.join(file)).unwrap();
    let args = ["test", "cases", "-o", "junit=cases.xml", "-o", "json=cases.json", "-o", "table"];
    let ran = run(&folder, &args);
    assert!(ran.code == 1 && ran.out.ends_with("2 cases: 1 passed, 1 failed\n"), "{}{}", ran.out, ran.err);
    let junit = run(&folder, &["test", "cases", "-o", "junit"]);
    assert!(junit.out.contains("tests=\"2\" failures=\"1\""), "{}", junit.out);
    assert_eq!(read("cases.xml"), junit.out, "the same as printed");
    assert_eq!(read("cases.json"), run(&folder, &["test", "cases", "-o", "json"]).out);
    let only_file = run(&folder, &["test", "cases/good.yaml", "-o", "junit=one.xml"]);
    assert_eq!((only_file.code, &*only_file.out), (0, ""), "{}", only_file.err);
    for (outputs, words) in [
        (&["-o", "table", "-o", "junit"][..], "only one output can go to standard output"),
        (&["-o", "junit=no/such/a.xml"], "does not exist"),
        (&["-o", "sarif=a.sarif"], "table, json, junit"),
    ] {
        let ran = run(&folder, &[&["test", "cases"], outputs].concat());
        assert!(ran.code == 2 && ran.out.is_empty() && ran.err.contains(words), "{outputs:?}: {}", ran.err);
    }
}
