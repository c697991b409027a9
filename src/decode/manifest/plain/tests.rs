//! The reader of plain YAML against the full parser.

use std::fs;
use std::path::{Path, PathBuf};

use super::*;
use crate::decode::manifest::{split, yaml};

/// What both readers read, when this one reads it at all: the root, and items with their lines.
fn both(text: &str) -> Option<Value> {
    let (mut plain_items, mut full_items) = (Vec::new(), Vec::new());
    let plain = read(text, None, &mut |item| plain_items.push((item.index, item.line, item.value)));
    let full = yaml::read_fully(text, &mut |item| full_items.push((item.index, item.line, item.value)));
    match plain {
        Err(NotPlain) => {
            assert!(full.is_err() || full_items.starts_with(&plain_items), "{text}");
            None
        }
        Ok(root) => {
            assert_eq!(full.as_ref(), Ok(&root), "{text}");
            assert_eq!(plain_items, full_items, "{text}");
            root
        }
    }
}

fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { files(&path, found) } else { found.push(path) }
    }
}

#[test]
fn nearly_all_worked_cases_are_plain_and_read_the_same_in_full() {
    let mut found = Vec::new();
    files(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases"), &mut found);
    let (mut plain, mut all) = (0, 0);
    for file in found {
        let text = fs::read_to_string(file).unwrap();
        for document in split::documents(&text) {
            all += 1;
            plain += usize::from(both(document.text).is_some());
        }
    }
    assert!(plain * 100 > all * 90, "only {plain} of {all} documents are plain");
}

#[test]
fn what_people_write_is_plain() {
    let text = "---\n# licence\napiVersion: v1 # first\nkind: \"Lodge\"\nmetadata:\n  name: web\n  labels:\n    app.kubernetes.io/name: web\n    \"a/b\": 'it''s'\n  annotations: {}\nspec:\n  containers:\n  - name: a\n    image: nginx:1.27\n    args:\n    - --flag=x\n    - -v=2\n    - |\n      echo 1\n\n      echo 2\n    command: [\"sh\", '-c']\n    env:\n      - name: A\n        value:\n      -\n        name: B\n        value: \"1\\n\"\n    ports: [{containerPort: 80}]\n    resources:\n      limits: {cpu: 100m, memory: 1Gi}\n      requests:\n        cpu: 0.5\n        memory: 128Mi\n    securityContext:\n      privileged: no\n      runAsUser: 1000\n  hostNetwork: true\n";
    let value = both(text).unwrap();
    assert_eq!(value["spec"]["containers"][0]["args"][2], "echo 1\n\necho 2\n");
    assert_eq!(value["spec"]["containers"][0]["securityContext"]["privileged"], false);
    assert_eq!(value["metadata"]["labels"]["a/b"], "it's");
}

#[test]
fn every_scalar_resolves_as_in_full() {
    let scalars = [
        "1",
        "0",
        "007",
        "0644",
        "0x1f",
        "1e3",
        "1.5",
        "-1",
        "+1",
        ".5",
        "1_000",
        "10.0.0.1",
        "2026-01-01",
        "1:30",
        "12e4567",
        "100m",
        "1Gi",
        "5s",
        "0b1",
        "0o7",
        "0xg",
        "nan",
        ".nan",
        ".inf",
        "-.inf",
        "inf",
        "y",
        "Yes",
        "on",
        "OFF",
        "~",
        "null",
        "Null",
        "a",
        "true",
        "True",
        "a b",
        "a:b",
        "a#b",
        "a #b",
        "-a",
        "--a",
        "- a",
        "<none>",
        "=",
        "/x",
        "$(A)",
        "(x)",
        "é",
        "18446744073709551615",
        "18446744073709551616",
        "'a'",
        "'a''b'",
        "\"a\\tb\"",
        "\"\\u0041\"",
        "\"a\" b",
        "'a' #b",
        "'a'#b",
        "[]",
        "{}",
        "[a, b]",
        "[a",
        "{a: 1}",
        "[a] b",
        "*a",
        "&a b",
        "!!str 1",
        "|",
        ">",
        "@a",
        "`a",
        "%a",
        "a: b",
        "a:",
        ":a",
        "? a",
        "\"<<\"",
        "...",
        "---",
        "\"a\": b",
        "'a' : b",
        "y: 1",
        "null: 1",
        "1: 2",
        "<<: {a: 1}",
        "{<<: {a: 1}}",
        "f:a: 1",
    ];
    for scalar in scalars {
        for text in [
            format!("k: {scalar}\n"),
            format!("k:\n- {scalar}\n- x\n"),
            format!("{scalar}\n"),
            format!("k: {scalar}"),
        ] {
            both(&text);
        }
    }
}

#[test]
fn every_layout_reads_as_in_full() {
    let texts = [
        "a: b\n c\nd: e\n",
        "a:\n  b: 1\n c: 2\n",
        "a:\n- b\n - c\n",
        "a:\n  - b\n- c\n",
        "- a\n",
        "a:\n- - b\n  - c\n- - d\n",
        "a:\n-\n- b\n-\n",
        "a:\n\n\n  b: 1\n\n# c\n   # d\n  e: 1",
        "a: |\n  b\n   c\n  d\ne: |-\n  f\n\n\ng: 1\n",
        "a: |\n\n  b\n",
        "a: |\n   \n  b\n",
        "a: |\n  b\n     \n  c\n",
        "a: |\n  b",
        "a: |\n# c\nb: 1\n",
        "a: |\n  b\n # c\nd: 1\n",
        "a: |+\n  b\n\n",
        "a: >\n  b\n  c\n",
        "a: 'b\n  c'\n",
        "a: [b,\n  c]\n",
        "a: 1\na: 2\n",
        "a:\n  b\n",
        "a:\n  \"b\"\n",
        "a:\n  b: c: d\n",
        "a:\n- |\n  b\n- c\n",
        "a:\n- b: |\n    c\n  d: 1\n",
        "a:\n- |\n b\n",
        "a: # b\n  c: 1\n",
        "a:# b\n",
        "  a: 1\n  b: 2\n",
        "  a: 1\n b: 2\n",
        "a: 1\n  # b\n   c\n",
        "-\n",
        "a:\n  -\n    b: 1\n  -   c: 1\n      d: 2\n",
        "%YAML 1.2\n---\na: 1\n",
        "--- {a: 1}\n",
        "---\n",
        "",
        "a: b   \nc:   \n  d: 1\n",
        "a: \"b\" \nc: 'd' # e\n",
        "kind: PodList\napiVersion: v1\nitems:\n- metadata:\n    name: a\n-\n  kind: Pod\n  apiVersion: v1\n- 3\n",
        "apiVersion: v1\nitems:\n- apiVersion: v1\n  kind: Pod\n- apiVersion: v1\n  kind: &a Pod\nkind: List\n",
        "a: b # c: d\n",
        "a: b: # c\n",
    ];
    texts.iter().for_each(|text| drop(both(text)));
}

#[test]
fn what_is_anything_but_plain_is_left_to_the_full_parser() {
    for text in [
        "a: &x 1\nb: *x\n",
        "a:\tb\n",
        "a: b\r\n",
        "a: \u{85}\n",
        "a: !!str 1\n",
        "? a\n: b\n",
        "a: >-\n  b\n",
    ] {
        assert!(read(text, None, &mut |_| {}).is_err(), "{text:?}");
    }
    let deep = (0..200).map(|depth| format!("{}a:\n", " ".repeat(depth))).collect::<String>();
    assert!(read(&deep, None, &mut |_| {}).is_err());
}
