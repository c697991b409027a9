//! `revisor` as a program: arguments, files, messages and exit codes.

#![allow(clippy::unwrap_used, reason = "a test ends where it fails")]

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::Value;

#[path = "cli/outputs.rs"]
mod outputs;

const CLEAN: &str = "\
apiVersion: v1
kind: Pod
metadata: {name: web, namespace: team-a}
spec:
  containers:
  - {name: app, image: 'registry.example.com/app:1.2.3', imagePullPolicy: Always}
";
const POLICY: &str = "\
apiVersion: revisor.dev/v1alpha1
kind: ImagePolicy
metadata: {name: mine}
spec:
  rules:
    trustedRegistry: {allow: [registry.example.com/**]}
";

fn bad_pod(name: &str) -> String {
    CLEAN.replace("name: web", &format!("name: {name}")).replace("registry.example.com/app", "evil.test/x")
}

/// A folder of its own for one test.
fn folder(name: &str, files: &[(&str, &str)]) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("cli").join(name);
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).unwrap();
    for (file, text) in files {
        let path = folder.join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    folder
}

struct Ran {
    code: i32,
    out: String,
    err: String,
}

impl Ran {
    fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {} {}", self.out, self.err))
    }

    /// `rule subject file:line` of every result.
    fn results(&self) -> Vec<String> {
        let text =
            |value: &Value, path: &str| value.pointer(path).and_then(Value::as_str).unwrap_or("-").to_owned();
        let results = self.json()["results"].as_array().unwrap().clone();
        let result = |value: &Value| {
            let file = text(value, "/source/file");
            let file = file.rsplit('/').next().unwrap_or_default();
            let line = value.pointer("/source/line").and_then(Value::as_u64).unwrap_or_default();
            format!(
                "{} {} {} {file}:{line}",
                text(value, "/verdict"),
                text(value, "/rule"),
                text(value, "/subject/name")
            )
        };
        let mut results = results.iter().map(result).collect::<Vec<_>>();
        results.sort();
        results
    }
}

fn command(folder: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_revisor"));
    command.current_dir(folder).args(args).env("HOME", folder);
    for variable in
        ["KUBECONFIG", "KUBERNETES_SERVICE_HOST", "REVISOR_OUTPUT", "REVISOR_FAIL_ON", "REVISOR_CONTEXT"]
    {
        command.env_remove(variable);
    }
    command
}

fn ran(output: Output) -> Ran {
    Ran {
        code: output.status.code().unwrap(),
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
    }
}

fn run(folder: &Path, args: &[&str]) -> Ran {
    ran(command(folder, args).stdin(Stdio::null()).output().unwrap())
}

fn pipe(folder: &Path, args: &[&str], stdin: &str) -> Ran {
    let mut command = command(folder, args);
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(stdin.as_bytes()).unwrap();
    ran(child.wait_with_output().unwrap())
}

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
fn standard_input_is_read_and_an_empty_pipe_is_not_clean() {
    let folder = folder("stdin", &[("policy.yaml", POLICY)]);
    let args = ["audit", "-", "--policy", "policy.yaml", "-o", "json"];
    let ran = pipe(&folder, &args, &format!("{CLEAN}---\n{}", bad_pod("bad")));
    assert_eq!((ran.code, ran.results()), (1, vec!["fail TrustedRegistry bad -:8".to_owned()]));
    let empty = pipe(&folder, &args, "");
    assert_eq!((empty.code, &*empty.out), (2, ""));
    assert!(empty.err.contains("no Kubernetes objects in the input"), "{}", empty.err);
    assert_eq!(pipe(&folder, &args, "services: {web: {}}\n").code, 2);
}

#[test]
fn a_bad_document_is_named_and_the_others_are_audited() {
    let text = format!("{}---\nkind: [Pod\n---\n{}", bad_pod("one"), bad_pod("two"));
    let folder = folder("bad-document", &[("a.yaml", &text), ("policy.yaml", POLICY)]);
    let ran = run(&folder, &["audit", "a.yaml", "--policy", "policy.yaml", "-o", "json"]);
    assert_eq!(ran.code, 2);
    assert_eq!(ran.results(), ["fail TrustedRegistry one a.yaml:1", "fail TrustedRegistry two a.yaml:10"]);
    assert!(ran.err.contains("error: a.yaml:") && ran.err.contains(": document 2: "), "{}", ran.err);
    assert_eq!(ran.err.lines().count(), 1, "{}", ran.err);
}

#[test]
fn unreadable_files_are_named_and_the_others_are_audited() {
    let folder = folder("encodings", &[("good.yaml", &bad_pod("good")), ("policy.yaml", POLICY)]);
    fs::write(folder.join("utf16.yaml"), [0xff, 0xfe, b'a', 0]).unwrap();
    fs::write(folder.join("latin1.yaml"), b"a: 1\nb: \xe4\n").unwrap();
    let ran = run(&folder, &["audit", ".", "-o", "json"]);
    assert_eq!((ran.code, ran.results().len()), (2, 1));
    assert!(ran.err.contains("utf16.yaml: expected UTF-8 text, found UTF-16"), "{}", ran.err);
    assert!(ran.err.contains("latin1.yaml: expected UTF-8 text, found other bytes on line 2"), "{}", ran.err);
}

#[test]
fn folders_are_walked_in_order_and_recipes_get_one_hint() {
    let template = "{{ if x }}\nkind: {{ y }}\n";
    let folder = folder(
        "walk",
        &[
            ("b.yml", &bad_pod("b")),
            ("a/x.yaml", &bad_pod("x")),
            (
                "a/z.json",
                r#"{"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "z"}, "spec": {"containers": [{"name": "c", "image": "evil.test/z:1"}]}}"#,
            ),
            ("a/notes.txt", "{{"),
            ("chart/Chart.yaml", "apiVersion: v2\nname: web\n"),
            ("chart/templates/t.yaml", template),
            ("overlay/kustomization.yaml", "resources: [x.yaml]\n"),
            ("overlay/patch.yaml", "kind: Deployment\n"),
            (".git/hidden.yaml", template),
            ("policy.yaml", POLICY),
        ],
    );
    let ran = run(&folder, &["audit", ".", "-o", "json"]);
    let expected = [
        "fail TrustedRegistry b b.yml:1",
        "fail TrustedRegistry x x.yaml:1",
        "fail TrustedRegistry z z.json:1",
    ];
    assert_eq!(ran.results(), expected, "{}", ran.err);
    assert_eq!(ran.code, 1);
    let notes = ran.err.lines().collect::<Vec<_>>();
    assert_eq!(notes.len(), 2, "{notes:?}");
    assert!(notes[0].contains("`helm template ./chart | revisor audit -`"), "{notes:?}");
    assert!(notes[1].contains("`kubectl kustomize ./overlay | revisor audit -`"), "{notes:?}");
    let only_a_chart = run(&folder, &["audit", "chart"]);
    assert_eq!(only_a_chart.code, 2, "nothing was audited, so nothing is clean: {}", only_a_chart.err);
}

#[cfg(unix)]
#[test]
fn links_inside_of_a_folder_are_followed_once_and_none_leads_out() {
    let outside = folder("links-outside", &[("secret.yaml", &bad_pod("outside"))]);
    let inside = folder("links", &[("real/p.yaml", &bad_pod("p")), ("policy.yaml", POLICY)]);
    let link = |target: &Path, name: &str| std::os::unix::fs::symlink(target, inside.join(name)).unwrap();
    link(&outside, "out");
    link(&outside.join("secret.yaml"), "out.yaml");
    link(Path::new("real/p.yaml"), "again.yaml");
    link(Path::new("."), "loop");
    let ran = run(&inside, &["audit", ".", "-v", "-o", "json"]);
    assert_eq!(ran.results(), ["fail TrustedRegistry p again.yaml:1"], "{}", ran.err);
    assert!(ran.err.contains("links out of the folder, left out: 2"), "{}", ran.err);
}

#[test]
fn an_unrendered_helm_template_is_one_clear_error() {
    let text = "{{- if .Values.x }}\napiVersion: v1\nkind: Pod\n---\nkind: {{ .Values.y }}\n{{- end }}\n";
    let folder = folder("helm", &[("t.yaml", text)]);
    let ran = run(&folder, &["audit", "t.yaml"]);
    assert_eq!(ran.code, 2);
    assert!(ran.err.contains("t.yaml:1: document 1: an unrendered Helm template"), "{}", ran.err);
    assert_eq!(ran.err.lines().count(), 1, "{}", ran.err);
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
fn unknown_kinds_are_named_once_and_only_on_request() {
    let widget = "apiVersion: example.com/v1\nkind: Widget\nmetadata: {name: w}\n";
    let folder = folder("unknown", &[("a.yaml", &format!("{widget}---\n{widget}---\n{CLEAN}"))]);
    assert_eq!(run(&folder, &["audit", "a.yaml"]).err, "");
    let ran = run(&folder, &["audit", "a.yaml", "-v"]);
    assert_eq!(ran.err.matches("Widget.example.com (2)").count(), 1, "{}", ran.err);
}

#[test]
fn an_image_in_an_unsupported_kind_is_unknown_and_fails_only_on_request() {
    let vm =
        "apiVersion: kubevirt.io/v1\nkind: VirtualMachine\nmetadata: {name: v}\nspec: {image: 'disk:1'}\n";
    let elsewhere = POLICY.replace("  rules:", "  scope: {namespaces: {exclude: [default]}}\n  rules:");
    let elsewhere = elsewhere.replace("name: mine", "name: elsewhere");
    let folder =
        folder("unsupported", &[("vm.yaml", vm), ("policy.yaml", &format!("{POLICY}---\n{elsewhere}"))]);
    assert_eq!(run(&folder, &["audit", "vm.yaml"]).code, 0);
    assert_eq!(run(&folder, &["audit", "vm.yaml", "--fail-on-unknown"]).code, 1);
    let table = run(&folder, &["audit", "vm.yaml"]).out;
    assert!(
        table.contains("  VirtualMachine/v  vm.yaml:1\n    unknown  ValidReference  disk:1  Virtual"),
        "{table}"
    );
    assert!(
        table.ends_with("\n\nNo violations, 1 unknown in 0 image uses and 0 namespaces (policy baseline)\n")
    );

    let report = run(&folder, &["audit", "vm.yaml", "policy.yaml", "-o", "json"]).json();
    assert_eq!((&report["summary"]["unknown"], &report["summary"]["unsupported"]), (&1.into(), &1.into()));
    let [row] = &**report["results"].as_array().unwrap() else { panic!("{report}") };
    let message = "VirtualMachine is a kind that Revisor does not know, so this image was not judged: report the kind, \
                   or render the object to pods and audit those";
    let expected = serde_json::json!({
        "id": row["id"], "policy": "mine", "rule": "TrustedRegistry", "verdict": "unknown",
        "reason": "UnsupportedKind", "severity": "high", "namespace": "default",
        "subject": {"kind": "VirtualMachine", "name": "v"}, "image": "disk:1",
        "canonical": "docker.io/library/disk:1", "message": message, "controls": row["controls"],
        "source": {"file": "vm.yaml", "line": 1},
    });
    assert_eq!(*row, expected);
}

#[test]
fn a_static_pod_is_marked() {
    let mirror = "apiVersion: v1\nkind: Pod\nmetadata:\n  name: etcd-n1\n  namespace: kube-system\n  annotations: \
                  {kubernetes.io/config.mirror: x}\n  ownerReferences: [{apiVersion: v1, kind: Node, name: n1, \
                  uid: u, controller: true}]\nspec: {containers: [{name: etcd, image: 'evil.test/x:1'}]}\n";
    let folder =
        folder("static", &[("a.yaml", &format!("{}---\n{mirror}", bad_pod("web"))), ("policy.yaml", POLICY)]);
    let report = run(&folder, &["audit", "a.yaml", "policy.yaml", "-o", "json"]).json();
    let rows = report["results"].as_array().unwrap().iter();
    let marks: Vec<_> =
        rows.map(|row| (row["subject"]["kind"].as_str().unwrap(), row.get("static"))).collect();
    assert_eq!(marks, [("Node", Some(&Value::Bool(true))), ("Pod", None)]);
    let table = run(&folder, &["audit", "a.yaml", "policy.yaml"]).out;
    assert!(table.contains("  Node/n1  static  a.yaml:"), "{table}");
    assert_eq!(table.matches("static").count(), 1, "{table}");
}

#[test]
fn a_report_of_part_of_the_input_says_so() {
    let folder = folder("part", &[("a.yaml", &format!("{CLEAN}---\nkind: [Pod\n")), ("policy.yaml", POLICY)]);
    let ran = run(&folder, &["audit", "a.yaml", "policy.yaml"]);
    let said = "No violations in 1 image use and 1 namespace (policy mine)\n\
                Part of the input could not be read: see the errors above.\n";
    assert_eq!((ran.code, &*ran.out), (2, said), "{}", ran.err);
    let nothing = run(&folder, &["audit", "missing.yaml", "policy.yaml"]);
    assert_eq!((nothing.code, &*nothing.out), (2, ""), "{}", nothing.err);
}

#[test]
fn namespace_rules_judge_only_what_is_there_unless_the_input_is_complete() {
    let policy =
        POLICY.replace("trustedRegistry: {allow: [registry.example.com/**]}", "defaultDenyIngress: {}");
    let namespace = "apiVersion: v1\nkind: Namespace\nmetadata: {name: team-b}\n";
    let text = format!("{CLEAN}---\n{namespace}");
    let folder = folder("complete", &[("a.yaml", &text), ("policy.yaml", &policy)]);
    let audit = |more: &[&str]| {
        let args = ["audit", "a.yaml", "--policy", "policy.yaml", "-o", "json", "--verdicts", "all"];
        run(&folder, &[&args, more].concat()).results()
    };
    let part = audit(&[]);
    assert!(part.contains(&"na DefaultDenyIngress team-a -:0".to_owned()), "{part:?}");
    assert!(part.iter().any(|result| result.contains("DefaultDenyIngress team-b")), "{part:?}");
    let whole = audit(&["--complete"]);
    assert!(whole.contains(&"fail DefaultDenyIngress team-b -:0".to_owned()), "{whole:?}");
}

#[test]
fn hostile_names_do_not_reach_the_terminal() {
    let widget = "apiVersion: \"example.com/v1\"\nkind: \"Wid\\x1b[31mget\"\nmetadata: {name: w}\n";
    let pod = CLEAN.replace("'registry.example.com/app:1.2.3'", "\"evil\\x1b]0;x\\x07\"");
    let folder = folder("hostile", &[("a.yaml", &format!("{widget}---\n{pod}"))]);
    let ran = run(&folder, &["audit", "a.yaml", "-v"]);
    assert!(!ran.err.contains('\u{1b}') && !ran.out.contains('\u{1b}'), "{:?} {:?}", ran.err, ran.out);
}

#[test]
fn a_reader_that_stops_reading_is_no_panic() {
    let pods = (0..5_000).map(|n| bad_pod(&format!("p{n}"))).collect::<Vec<_>>().join("---\n");
    let folder = folder("pipe", &[("a.yaml", &pods), ("policy.yaml", POLICY)]);
    let mut command = command(&folder, &["audit", "a.yaml", "--policy", "policy.yaml", "-o", "json"]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!((output.status.code(), String::from_utf8_lossy(&output.stderr).as_ref()), (Some(1), ""));
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
