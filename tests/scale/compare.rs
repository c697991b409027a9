//! What the operator shows beside what an audit from scratch finds: the totals of every rule, the counts of every
//! namespace, and every finding of every NamespaceAudit.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use crate::exposition::series;

/// So many differences are told.
const TOLD: usize = 20;

fn word(value: &Value) -> &str {
    value.as_str().unwrap_or("-")
}

type Counts = BTreeMap<String, u64>;

/// What the metrics show, by the labels named.
fn shown(scrape: &str, family: &str, labels: &[&str]) -> Counts {
    let mut counts = Counts::new();
    for (found, value) in series(scrape, family) {
        let words: Vec<&str> =
            labels.iter().map(|name| found.get(*name).map_or("-", String::as_str)).collect();
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a count")]
        let value = value as u64;
        if value > 0 {
            *counts.entry(words.join(" ")).or_default() += value;
        }
    }
    counts
}

/// The same of rows of an audit.
fn found(rows: &[Value], labels: &[&str]) -> Counts {
    let mut counts = Counts::new();
    for row in rows {
        let of = |label: &&str| match *label {
            "state" => word(&row["verdict"]),
            "resource_namespace" => word(&row["namespace"]),
            label => word(&row[label]),
        };
        let words: Vec<&str> = labels.iter().map(of).collect();
        *counts.entry(words.join(" ")).or_default() += 1;
    }
    counts
}

fn unequal(what: &str, operator: &Counts, audit: &Counts, differences: &mut Vec<String>) {
    let keys: BTreeSet<&String> = operator.keys().chain(audit.keys()).collect();
    for key in keys {
        let of = |counts: &Counts| counts.get(key).copied().unwrap_or_default();
        if of(operator) != of(audit) {
            differences.push(format!("{what} {key}: operator {}, audit {}", of(operator), of(audit)));
        }
    }
}

/// Findings by namespace, each as its rule, severity, state, subject, container and id.
type Named = BTreeMap<String, BTreeSet<String>>;

fn of_audits(audits: &[Value]) -> (Named, BTreeSet<String>) {
    let (mut named, mut cut) = (Named::new(), BTreeSet::new());
    for audit in audits {
        let namespace = word(&audit["metadata"]["namespace"]).to_owned();
        if audit["omitted"].as_u64().unwrap_or_default() > 0 {
            cut.insert(namespace.clone());
        }
        let findings = audit["findings"].as_array().map_or(&[][..], Vec::as_slice);
        for finding in findings {
            // Those across namespaces are in the totals; here they stand once a namespace.
            if word(&finding["subject"]).starts_with("Image/") {
                continue;
            }
            let words =
                ["rule", "severity", "state", "subject", "container", "id"].map(|name| word(&finding[name]));
            named.entry(namespace.clone()).or_default().insert(words.join(" "));
        }
    }
    (named, cut)
}

fn of_rows(rows: &[Value]) -> Named {
    let mut named = Named::new();
    for row in rows {
        let Some(namespace) = row["namespace"].as_str() else { continue };
        let subject = format!("{}/{}", word(&row["subject"]["kind"]), word(&row["subject"]["name"]));
        let [rule, severity, verdict, container, id] =
            ["rule", "severity", "verdict", "container", "id"].map(|name| word(&row[name]));
        let line = [rule, severity, verdict, &subject, container, id].join(" ");
        named.entry(namespace.to_owned()).or_default().insert(line);
    }
    named
}

/// What differs. NamespaceAudits are compared if all are written.
pub(crate) fn compare(scrape: &str, audits: Option<&[Value]>, rows: &[Value]) -> Value {
    let mut differences = Vec::new();
    let totals = ["policy", "rule", "severity", "state"];
    unequal("total", &shown(scrape, "revisor_findings", &totals), &found(rows, &totals), &mut differences);
    let by_namespace = ["resource_namespace", "policy", "rule", "severity", "state"];
    let of_namespaces: Vec<Value> = rows.iter().filter(|row| row["namespace"].is_string()).cloned().collect();
    let operator = shown(scrape, "revisor_namespace_findings", &by_namespace);
    let dropped: u64 = shown(scrape, "revisor_metrics_series_dropped", &["metric"]).values().sum();
    if dropped == 0 {
        unequal("namespace", &operator, &found(&of_namespaces, &by_namespace), &mut differences);
    }
    let mut compared = 0;
    if let Some(audits) = audits {
        let ((operator, cut), audit) = (of_audits(audits), of_rows(rows));
        let none = BTreeSet::new();
        let namespaces: BTreeSet<&String> = operator.keys().chain(audit.keys()).collect();
        for namespace in namespaces.into_iter().filter(|namespace| !cut.contains(*namespace)) {
            compared += 1;
            let (operator, audit) =
                (operator.get(namespace).unwrap_or(&none), audit.get(namespace).unwrap_or(&none));
            let only_operator =
                operator.difference(audit).map(|line| format!("only operator: {namespace} {line}"));
            let only_audit = audit.difference(operator).map(|line| format!("only audit: {namespace} {line}"));
            differences.extend(only_operator.chain(only_audit));
        }
    }
    let count = differences.len();
    differences.truncate(TOLD);
    json!({
        "findings": rows.len(),
        "namespaceAuditsCompared": compared,
        "namespaceSeriesDropped": dropped,
        "differences": count,
        "first": differences,
    })
}
