//! What is written for people agrees with the program: README, deploy/, the dashboard, the alerts and their
//! runbooks; and docs/rules.md and docs/profiles.md, which are generated. (So is crds/: a test of its own says when
//! it is stale.)

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use revisor::auditor::suspicion::Signal;
use revisor::policy::profile::{ALL, ON_REQUEST, Profile};
use revisor::rules::RuleId;
use serde_json::Value;

/// The reasons for which a test under `tests/` may be ignored: `make e2e` runs all that are.
const E2E: [&str; 2] = [
    r#"#[ignore = "needs the real control plane (make e2e)"]"#,
    r#"#[ignore = "needs a browser (make e2e)"]"#,
];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn text(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The files below `folder` whose name ends so.
fn files(folder: &str, end: &str) -> Vec<PathBuf> {
    let (mut folders, mut files) = (vec![root().join(folder)], Vec::new());
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            match path.is_dir() {
                true => folders.push(path),
                false if path.to_str().unwrap().ends_with(end) => files.push(path),
                false => {}
            }
        }
    }
    files.sort();
    files
}

fn documents(path: &Path) -> Vec<Value> {
    let text = fs::read_to_string(path).unwrap();
    serde_saphyr::from_multiple(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

#[test]
fn readme_starts_with_the_demo_and_the_tests() {
    let readme = text("README.md");
    let place = |what| readme.find(what).unwrap_or_else(|| panic!("README.md does not name {what}"));
    assert!(place("make demo") < place("make test"));
    assert!(place("make test") < place("\n## "), "both stand before the first section");
    for required in ["make e2e", "BSI", "APP.4.4.A13", "imagepolicies.revisor.dev"] {
        place(required);
    }
}

#[test]
fn readme_has_every_rule_with_its_severity() {
    let readme = text("README.md");
    for rule in RuleId::all() {
        let start = format!("| {rule} | {} |", rule.info().severity);
        assert!(readme.contains(&start), "README.md has no line that begins with `{start}`");
    }
}

/// The comparison names rules. One that this version does not have is said to be not there yet.
#[test]
fn the_comparison_with_other_tools_names_rules_and_claims_none_that_is_not_there() {
    let readme = text("README.md");
    let (_, table) = readme.split_once("\n## Beside other tools\n").unwrap();
    let rows: Vec<_> =
        table.lines().filter(|line| line.starts_with("| ")).take_while(|line| !line.is_empty()).collect();
    assert!(rows.len() > 20);
    let lines = ALL.iter().flat_map(Profile::lines).map(|line| line.id);
    let planned: BTreeSet<_> = lines.chain(ON_REQUEST.iter().map(|(id, _)| *id)).collect();
    for row in rows {
        assert_eq!(row.matches(" | ").count(), 7, "{row}");
        let [first, ours] = row.split(" | ").take(2).collect::<Vec<_>>()[..] else { panic!("{row}") };
        let Some((_, named)) = first.split_once('(') else { continue };
        let named: Vec<_> = named.trim_end_matches(')').split(", ").collect();
        let unknown: Vec<_> = named.iter().filter(|id| RuleId::named(id).is_none()).collect();
        assert!(
            unknown.iter().all(|id| planned.contains(**id)),
            "README.md compares what is no rule: {unknown:?}"
        );
        assert_eq!(ours == "not yet", !unknown.is_empty(), "README.md says {ours:?}; not there: {unknown:?}");
    }
}

#[test]
fn every_manifest_is_yaml_and_says_what_it_is() {
    let manifests: Vec<_> = files("deploy", ".yaml").into_iter().chain(files("crds", ".yaml")).collect();
    assert!(manifests.len() > 10);
    for path in manifests {
        for document in documents(&path) {
            let kind = document["kind"].as_str();
            assert!(document["apiVersion"].is_string() && kind.is_some(), "{}: {document}", path.display());
            let named = kind == Some("Kustomization") || document["metadata"]["name"].is_string();
            assert!(named, "{}: a {kind:?} without a name", path.display());
        }
    }
}

#[test]
fn what_is_generated_is_what_this_program_says() {
    for (page, args) in [
        ("docs/rules.md", &["rules", "--output", "markdown"][..]),
        ("docs/profiles.md", &["rules", "--profile", "all", "--output", "markdown"]),
    ] {
        let told = Command::new(env!("CARGO_BIN_EXE_revisor")).args(args).output();
        let told = String::from_utf8(told.unwrap().stdout).unwrap();
        let is_fresh = fs::read_to_string(root().join(page)).is_ok_and(|written| written == told);
        assert!(is_fresh, "{page} is not what the program says: run `make generate` and commit it");
    }
}

/// Kustomize drops nothing silently, but it cannot know of a file that nobody lists.
#[test]
fn every_manifest_beside_a_kustomization_is_listed_in_it() {
    for folder in ["deploy", "crds"] {
        let listed = documents(&root().join(folder).join("kustomization.yaml")).remove(0);
        let listed: Vec<&str> = listed["resources"]
            .as_array()
            .unwrap()
            .iter()
            .map(|resource| resource.as_str().unwrap())
            .collect();
        for entry in fs::read_dir(root().join(folder)).unwrap() {
            let name = entry.unwrap().file_name().into_string().unwrap();
            let meant = name.ends_with(".yaml") && name != "kustomization.yaml";
            assert!(!meant || listed.contains(&&*name), "{folder}/{name} is in no kustomization");
        }
    }
}

#[test]
fn every_ignored_test_is_one_that_make_e2e_runs() {
    for path in files("tests", ".rs").into_iter().chain(files("testkit/tests", ".rs")) {
        for (line, written) in fs::read_to_string(&path).unwrap().lines().enumerate() {
            let written = written.trim();
            let ignored = written.starts_with("#[ignore");
            assert!(
                !ignored || E2E.contains(&written),
                "{}:{}: write one of {E2E:?}",
                path.display(),
                line + 1
            );
        }
    }
    for path in files("src", ".rs").into_iter().chain(files("testkit/src", ".rs")) {
        let text = fs::read_to_string(&path).unwrap();
        let named = E2E.iter().any(|reason| text.contains(reason));
        assert!(!named, "{}: make e2e runs only what is in tests/ and testkit/tests/", path.display());
    }
}

/// Every alert of the plain rule file.
fn alerts() -> Vec<Value> {
    let file = documents(&root().join("monitoring/revisor-alerts.yaml")).remove(0);
    let groups = file["groups"].as_array().unwrap().clone();
    groups.iter().flat_map(|group| group["rules"].as_array().unwrap().clone()).collect()
}

#[test]
fn every_alert_explains_itself_and_has_a_runbook() {
    let runbooks = text("docs/runbooks.md");
    let mut named = BTreeSet::new();
    for alert in alerts() {
        let name = alert["alert"].as_str().unwrap();
        named.insert(name.to_owned());
        assert!(alert["for"].is_string(), "{name} has no `for`");
        let severity = alert["labels"]["severity"].as_str().unwrap();
        assert!(["critical", "warning", "info"].contains(&severity), "{name}: {severity}");
        for annotation in ["summary", "description"] {
            let long = alert["annotations"][annotation].as_str().is_some_and(|text| text.len() > 20);
            assert!(long, "{name} has no {annotation}");
        }
        let anchor = format!("docs/runbooks.md#{}", name.to_lowercase());
        assert_eq!(alert["annotations"]["runbook"], anchor.as_str(), "{name}");
        let section = runbooks.split("\n## ").find(|section| section.lines().next() == Some(name));
        let section = section.unwrap_or_else(|| panic!("docs/runbooks.md has no section {name}"));
        for part in ["Meaning", "Impact", "Diagnosis", "Mitigation"] {
            assert!(section.contains(&format!("**{part}.**")), "the runbook of {name} has no {part}");
        }
    }
    let sections = runbooks.split("\n## ").skip(1).filter_map(|section| section.lines().next());
    for section in sections {
        assert!(named.contains(section), "docs/runbooks.md explains {section}, which is no alert");
    }
}

#[test]
fn every_signal_of_suspicious_activity_is_explained() {
    let page = text("docs/suspicious-activity.md");
    let sections: Vec<&str> = page.split("\n## ").skip(2).collect();
    let titles = sections.iter().filter_map(|section| section.lines().next());
    assert_eq!(titles.collect::<Vec<_>>(), Signal::ALL.map(Signal::as_str), "in the order of the signals");
    for section in sections {
        for part in ["Meaning", "False positives", "What to do"] {
            assert!(section.contains(&format!("**{part}.** ")), "no {part}: {section}");
        }
    }
}

/// A query on a metric that does not exist is an empty panel and a silent alert.
#[test]
fn every_metric_that_is_asked_for_is_one_that_is_rendered() {
    let sources: String = files("src", ".rs").iter().map(|path| fs::read_to_string(path).unwrap()).collect();
    let asked = files("dashboards", ".json").into_iter().chain(files("monitoring", ".yaml"));
    for path in asked {
        let text = fs::read_to_string(&path).unwrap();
        for (at, _) in text.match_indices("revisor_") {
            let rest = &text[at..];
            let end = rest.find(|c: char| c != '_' && !c.is_ascii_alphanumeric()).unwrap_or(rest.len());
            let name = &rest[..end];
            let family = ["_total", "_info", "_bucket", "_count", "_sum"]
                .iter()
                .find_map(|suffix| name.strip_suffix(suffix))
                .unwrap_or(name);
            assert!(sources.contains(&format!("\"{family}\"")), "{}: no metric {name}", path.display());
        }
    }
}

#[test]
fn every_panel_has_a_title_a_description_a_unit_and_the_chosen_data_source() {
    for path in files("dashboards", ".json") {
        let dashboard: Value = serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
        let file = path.file_name().unwrap().display();
        assert_eq!(dashboard["id"], Value::Null, "{file}: an id belongs to one Grafana");
        assert!(dashboard["uid"].is_string() && dashboard["schemaVersion"].as_i64() >= Some(39), "{file}");
        let variables = dashboard["templating"]["list"].as_array().unwrap();
        assert_eq!(variables[0]["name"], "datasource", "{file}");
        let (mut ids, mut panels) = (BTreeSet::new(), 0);
        for panel in dashboard["panels"].as_array().unwrap() {
            let title = panel["title"].as_str().unwrap();
            assert!(ids.insert(panel["id"].as_i64().unwrap()), "{file}: {title} has the id of another panel");
            if panel["type"] == "row" {
                continue;
            }
            panels += 1;
            let described = panel["description"].as_str().is_some_and(|text| text.len() > 20);
            assert!(!title.is_empty() && described, "{file}: {title} has no description");
            assert!(panel["fieldConfig"]["defaults"]["unit"].is_string(), "{file}: {title} has no unit");
            let chosen = |place: &Value| place["datasource"]["uid"] == "${datasource}";
            let targets = panel["targets"].as_array().unwrap();
            assert!(
                chosen(panel) && targets.iter().all(chosen),
                "{file}: {title} has a data source of its own"
            );
            for target in targets {
                let query = target["expr"].as_str().unwrap();
                assert!(query.contains(r#"cluster=~"$cluster""#), "{file}: {title} ignores the cluster");
                let counts = query.contains("_total") || query.contains("_bucket");
                assert!(
                    !counts || query.contains("[$__rate_interval]"),
                    "{file}: {title} reads a counter bare"
                );
            }
        }
        assert!(panels > 0, "{file} shows nothing");
    }
}
