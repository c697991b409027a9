//! What `revisor audit` reads, and what it says of input that it cannot read in full.

use std::fs;
use std::path::Path;
use std::process::Stdio;

use serde_json::Value;

use super::harness::{CLEAN, POLICY, bad_pod, command, folder, pipe, run};

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
