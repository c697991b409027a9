//! SARIF 2.1.0 for code scanning: rules with their help, results that point at lines, permitted ones suppressed.

use serde_json::{Value, json};

use crate::auditor::findings::FindingId;
use crate::rules::{RuleId, RuleInfo};
use crate::verdict::Severity;

use super::escape::{IMAGE_LIMIT, visible_within};
use super::result::{AuditReport, AuditResult, Permission, Place, Shown};
use super::row;
use super::rules::{markdown, prose};

/// What file names are relative to: the root of the source tree, as code scanners know it.
const ROOT: &str = "%SRCROOT%";
/// The name under which a result carries its id, so that it is known again when its line moves.
const FINGERPRINT: &str = "revisorFindingId/v1";

/// The report as a SARIF log. Files below `folder`, where the program runs, are named relative to it.
pub fn sarif(report: &AuditReport, folder: Option<&str>) -> Value {
    let rules: Vec<_> = RuleId::all().map(|rule| descriptor(rule.info())).collect();
    let listed = report.results.iter().filter(|row| !matches!(row.verdict, Shown::Pass | Shown::Na));
    let mut results: Vec<_> = listed.clone().map(|row| result(row, report.begins.as_ref(), folder)).collect();
    if report.summary.baseline.is_some() {
        for (result, row) in results.iter_mut().zip(listed).filter(|(_, row)| row.verdict.is_finding()) {
            result["baselineState"] = if row.is_new { "new" } else { "unchanged" }.into();
        }
    }
    json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": {"driver": {
                "name": "Revisor",
                "version": report.tool.version,
                "semanticVersion": report.tool.version,
                "rules": rules,
            }},
            "columnKind": "unicodeCodePoints",
            "originalUriBaseIds": {ROOT: {"description": {"text": "The folder in which revisor ran."}}},
            "invocations": [{"executionSuccessful": !report.summary.incomplete}],
            "results": results,
            "properties": {
                "observedAt": report.observed_at,
                "policies": report.policies,
                "summary": report.summary,
            },
        }],
    })
}

fn level(severity: Severity) -> &'static str {
    match severity {
        Severity::Critical | Severity::High => "error",
        Severity::Medium => "warning",
        Severity::Low | Severity::Info => "note",
    }
}

/// The middle of the range of scores that code scanning shows under the same word.
fn score(severity: Severity) -> &'static str {
    match severity {
        Severity::Critical => "9.5",
        Severity::High => "8.0",
        Severity::Medium => "5.5",
        Severity::Low => "2.0",
        Severity::Info => "0.0",
    }
}

fn descriptor(info: &RuleInfo) -> Value {
    let mut tags = vec!["security".to_owned(), "kubernetes".to_owned()];
    for control in info.controls {
        let tag = control.to_string();
        if !tags.contains(&tag) {
            tags.push(tag);
        }
    }
    json!({
        "id": info.id,
        "name": info.id,
        "shortDescription": {"text": info.title},
        "fullDescription": {"text": info.rationale},
        "help": {"text": help_text(info), "markdown": help_markdown(info)},
        "defaultConfiguration": {"level": level(info.severity)},
        "properties": {
            "tags": tags,
            "precision": "high",
            "problem.severity": match level(info.severity) { "note" => "recommendation", level => level },
            "security-severity": score(info.severity),
        },
    })
}

fn help_text(info: &RuleInfo) -> String {
    format!(
        "{}\n\nWhat to do: {}\n\nFalse positives and limits: {}\n",
        info.rationale, info.remedy, info.false_positives
    )
}

fn help_markdown(info: &RuleInfo) -> String {
    let mut text = String::new();
    for (title, body) in [
        ("Why", info.rationale),
        ("What to do", info.remedy),
        ("False positives and limits", info.false_positives),
    ] {
        text.push_str(&format!("**{title}.** {}\n\n", prose(body).trim_end()));
    }
    if !info.controls.is_empty() {
        let controls: Vec<_> = info.controls.iter().map(|control| markdown(&control.to_string())).collect();
        text.push_str(&format!("**Serves.** {}\n", controls.join("; ")));
    }
    text
}

fn result(row: &AuditResult, begins: Option<&Place>, folder: Option<&str>) -> Value {
    // What is no failure has no level: the standard says so, and a reader would take one for a verdict.
    let (kind, level) = match row.verdict {
        Shown::Unknown => ("open", "none"),
        _ => ("fail", level(row.severity)),
    };
    let mut result = json!({
        "ruleId": row.rule,
        "kind": kind,
        "level": level,
        "message": {"text": sentence(row)},
        "locations": [location(row, begins, folder)],
        "partialFingerprints": {FINGERPRINT: row.id},
        "properties": properties(row),
    });
    if let Some(index) = RuleId::named(row.rule).map(RuleId::index) {
        result["ruleIndex"] = index.into();
    }
    if let Some(permission) = &row.exemption {
        result["suppressions"] = json!([suppression(permission)]);
    }
    result
}

/// The subject stands in the sentence: a reader sees a line of a file, and several subjects may share it.
fn sentence(row: &AuditResult) -> String {
    match row::message(row) {
        message if message.is_empty() => row::subject(row),
        message => format!("{}: {message}", row::subject(row)),
    }
}

fn properties(row: &AuditResult) -> Value {
    let mut properties = json!({
        "policy": row.policy,
        "severity": row.severity,
        "verdict": row.verdict,
        "subject": row.subject,
    });
    let optional = [
        ("namespace", row.namespace.as_deref()),
        ("container", row.container.as_deref()),
        ("image", row.image.as_deref()),
        ("canonical", row.canonical.as_deref()),
        ("reason", row.reason),
    ];
    for (name, text) in optional {
        if let Some(text) = text {
            properties[name] = text.into();
        }
    }
    if let Some(pods) = row.pods {
        properties["pods"] = pods.into();
    }
    properties
}

/// Code scanners refuse a whole log for one result without a place, so what is about the whole input is where that
/// begins.
fn location(row: &AuditResult, begins: Option<&Place>, folder: Option<&str>) -> Value {
    let mut parts = vec![];
    parts.extend(row.namespace.as_deref().filter(|_| row.subject.kind != "Namespace"));
    parts.extend([&*row.subject.kind, &*row.subject.name]);
    parts.extend(row.container.as_deref().filter(|name| !name.is_empty()));
    let path = parts.join("/");
    let mut location = json!({"logicalLocations": [{
        "name": visible_within(parts.last().unwrap_or(&""), IMAGE_LIMIT),
        "fullyQualifiedName": visible_within(&path, IMAGE_LIMIT),
        "kind": "resource",
    }]});
    if let Some(Place { file, line }) = row.place().or(begins) {
        location["physicalLocation"] = json!({
            "artifactLocation": artifact(file, folder),
            "region": {"startLine": (*line).max(1)},
        });
    }
    location
}

fn suppression(permission: &Permission) -> Value {
    json!({
        "kind": "external",
        "status": "accepted",
        "justification": row::whole_permission(permission),
    })
}

/// A file as an URI: below `folder` relative to it, elsewhere absolute.
fn artifact(file: &str, folder: Option<&str>) -> Value {
    if file == "-" {
        // No file of this name is in the source tree; the line is that of what was piped in.
        return json!({"uri": "stdin", "uriBaseId": ROOT});
    }
    let parts = |path: &str| {
        let mut parts: Vec<String> = Vec::new();
        for part in path.split('/') {
            match part {
                "" | "." => {}
                ".." if parts.last().is_some_and(|last| last != "..") => drop(parts.pop()),
                part => parts.push(part.to_owned()),
            }
        }
        parts
    };
    let encoded = |parts: &[String]| parts.iter().map(|part| encode(part)).collect::<Vec<_>>().join("/");
    let absolute = match folder {
        _ if file.starts_with('/') => parts(file),
        Some(folder) => parts(&format!("{folder}/{file}")),
        None => return json!({"uri": encoded(&parts(file)), "uriBaseId": ROOT}),
    };
    match folder.and_then(|folder| absolute.strip_prefix(&*parts(folder))) {
        Some(relative) if !relative.is_empty() => json!({"uri": encoded(relative), "uriBaseId": ROOT}),
        _ => json!({"uri": format!("file:///{}", encoded(&absolute))}),
    }
}

/// One segment of a path: all but what RFC 3986 leaves unreserved is encoded.
fn encode(segment: &str) -> String {
    let mut text = String::with_capacity(segment.len());
    for byte in segment.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                text.push(char::from(byte))
            }
            byte => text.push_str(&format!("%{byte:02X}")),
        }
    }
    text
}

/// The ids of a SARIF log that this program wrote; none where a result has no such id.
pub fn fingerprints(log: &Value) -> Option<Vec<FindingId>> {
    let runs = log.get("runs")?.as_array()?;
    let results = runs.iter().filter_map(|run| run.get("results")?.as_array()).flatten();
    let id = |result: &Value| {
        let id = result.get("partialFingerprints")?.get(FINGERPRINT)?.as_str()?;
        u64::from_str_radix(id, 16).ok().map(FindingId)
    };
    results.map(id).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::super::gather::Listed;
    use super::super::testing::{World, image_subject, namespace_subject, report};
    use super::*;
    use crate::auditor::findings::State;

    fn log() -> Value {
        let on = |name: &str| image_subject("team-a", &format!("Deployment/{name}"), "app", "evil.test/x:1");
        let world = World::baseline()
            .on(0, on("a"), State::Fail)
            .on(0, on("b"), State::Unknown)
            .on(0, on("c"), State::Exempt(0))
            .on(0, namespace_subject("d"), State::Fail);
        sarif(&report(&world.snapshot(), Listed::All, |_, _| {}), None)
    }

    /// What the public schema demands of the objects that are written here: which properties there may be, which
    /// there must be, and of what type.
    fn check(at: &str, value: &Value, demands: &[(&str, &str)]) {
        let object = value.as_object().unwrap_or_else(|| panic!("{at}: {value}"));
        for (name, _) in demands.iter().filter(|(_, type_)| type_.ends_with('!')) {
            assert!(object.contains_key(*name), "{at} lacks {name}: {value}");
        }
        for (name, value) in object {
            let demand = demands.iter().find(|(known, _)| known == name);
            let (_, type_) = demand.unwrap_or_else(|| panic!("{at}: {name} is no property of it"));
            let fits = match type_.trim_end_matches('!') {
                "text" => value.is_string(),
                "line" => value.as_u64().is_some_and(|line| line >= 1),
                "index" => value.is_u64(),
                "flag" => value.is_boolean(),
                "object" => value.is_object(),
                "list" => value.is_array(),
                "set" => {
                    let items = value.as_array().unwrap();
                    items.iter().map(ToString::to_string).collect::<BTreeSet<_>>().len() == items.len()
                }
                words => value.as_str().is_some_and(|word| words.split('|').any(|known| known == word)),
            };
            assert!(fits, "{at}.{name}: expected {type_}, found {value}");
        }
    }

    #[test]
    fn the_log_is_as_the_public_schema_demands() {
        let log = log();
        check("log", &log, &[("$schema", "text"), ("version", "2.1.0!"), ("runs", "list!")]);
        let run = &log["runs"][0];
        let demands = [
            ("tool", "object!"),
            ("columnKind", "utf16CodeUnits|unicodeCodePoints"),
            ("originalUriBaseIds", "object"),
            ("invocations", "list"),
            ("results", "list"),
            ("properties", "object"),
        ];
        check("run", run, &demands);
        check("invocation", &run["invocations"][0], &[("executionSuccessful", "flag!")]);
        let driver = &run["tool"]["driver"];
        let demands = [("name", "text!"), ("version", "text"), ("semanticVersion", "text"), ("rules", "set")];
        check("driver", driver, &demands);
        for rule in driver["rules"].as_array().unwrap() {
            let demands = [
                ("id", "text!"),
                ("name", "text"),
                ("shortDescription", "object"),
                ("fullDescription", "object"),
                ("help", "object"),
                ("defaultConfiguration", "object"),
                ("properties", "object"),
            ];
            check("rule", rule, &demands);
            check("help", &rule["help"], &[("text", "text!"), ("markdown", "text")]);
            check("configuration", &rule["defaultConfiguration"], &[("level", "none|note|warning|error")]);
            let tags = [
                ("tags", "set"),
                ("precision", "text"),
                ("problem.severity", "error|warning|recommendation"),
                ("security-severity", "text"),
            ];
            check("properties", &rule["properties"], &tags);
        }
        let results = run["results"].as_array().unwrap();
        assert_eq!(results.len(), 4);
        results.iter().for_each(check_result);
    }

    fn check_result(result: &Value) {
        let demands = [
            ("ruleId", "text"),
            ("ruleIndex", "index"),
            ("kind", "notApplicable|pass|fail|review|open|informational"),
            ("level", "none|note|warning|error"),
            ("message", "object!"),
            ("locations", "list"),
            ("partialFingerprints", "object"),
            ("suppressions", "set"),
            ("properties", "object"),
        ];
        check("result", result, &demands);
        check("message", &result["message"], &[("text", "text!")]);
        for location in result["locations"].as_array().unwrap() {
            check("location", location, &[("physicalLocation", "object"), ("logicalLocations", "set")]);
            let demands = [("name", "text"), ("fullyQualifiedName", "text"), ("kind", "text")];
            check("logical", &location["logicalLocations"][0], &demands);
            if let Some(physical) = location.get("physicalLocation") {
                check("physical", physical, &[("artifactLocation", "object"), ("region", "object")]);
                check("artifact", &physical["artifactLocation"], &[("uri", "text"), ("uriBaseId", "text")]);
                check("region", &physical["region"], &[("startLine", "line")]);
            }
        }
        for suppression in result["suppressions"].as_array().into_iter().flatten() {
            let demands = [
                ("kind", "inSource|external!"),
                ("status", "accepted|underReview|rejected"),
                ("justification", "text"),
            ];
            check("suppression", suppression, &demands);
        }
        let fingerprints = result["partialFingerprints"].as_object().unwrap();
        assert!(fingerprints.values().all(Value::is_string));
    }

    #[test]
    fn results_say_what_they_are() {
        let log = log();
        let results = log["runs"][0]["results"].as_array().unwrap();
        let find = |name: &str| {
            results.iter().find(|result| result["properties"]["subject"]["name"] == name).unwrap()
        };
        assert_eq!((&find("a")["kind"], &find("a")["level"]), (&"fail".into(), &"error".into()));
        assert_eq!((&find("b")["kind"], &find("b")["level"]), (&"open".into(), &"none".into()));
        assert_eq!(
            find("c")["suppressions"][0]["justification"],
            "permitted until 2027-01-31 by legacy-etl: nodes are preloaded (OPS-412)"
        );
        assert_eq!(
            find("a")["message"]["text"],
            "Deployment team-a/a, container app: evil.test/x is in none of the trusted repositories"
        );
        let place = &find("a")["locations"][0]["physicalLocation"];
        assert_eq!(place["artifactLocation"]["uri"], "deploy/web.yaml");
        assert_eq!(place["region"]["startLine"], 12);
        assert!(find("d")["locations"][0].get("physicalLocation").is_none(), "it stands in no file");
        let rules = log["runs"][0]["tool"]["driver"]["rules"].as_array().unwrap();
        let index = usize::try_from(find("a")["ruleIndex"].as_u64().unwrap()).unwrap();
        assert_eq!(rules[index]["id"], find("a")["ruleId"]);
        let ids = fingerprints(&log).unwrap();
        assert!(ids.len() == 4 && ids[0].to_string() == results[0]["partialFingerprints"][FINGERPRINT]);
    }

    #[test]
    fn files_are_named_as_a_code_scanner_looks_for_them() {
        let uri = |file: &str| {
            let artifact = artifact(file, Some("/src/repo"));
            (artifact["uri"].as_str().unwrap().to_owned(), artifact.get("uriBaseId").is_some())
        };
        assert_eq!(uri("deploy/web.yaml"), ("deploy/web.yaml".into(), true));
        assert_eq!(uri("./deploy/../a b#1.yaml"), ("a%20b%231.yaml".into(), true));
        assert_eq!(uri("/src/repo/x.yaml"), ("x.yaml".into(), true));
        assert_eq!(uri("../other/x.yaml"), ("file:///src/other/x.yaml".into(), false));
        assert_eq!(uri("/etc/\u{e9}.yaml"), ("file:///etc/%C3%A9.yaml".into(), false));
        assert_eq!(uri("-"), ("stdin".into(), true));
        assert_eq!(artifact("./a.yaml", None)["uri"], "a.yaml");
    }
}
