//! From the auditor to standard output and the exit code. The only place that names the report's types.

use std::collections::BTreeMap;
use std::io::{self, Write};

use jiff::Timestamp;
use serde_json::{Value, json};

use super::{Output, Verdicts};
use crate::auditor::Auditor;
use crate::auditor::audit::Judgement;
use crate::auditor::findings::State;
use crate::subject::pod::Image;
use crate::verdict::{Severity, Verdict};

/// What is asked for.
pub(super) struct Ask {
    pub(super) now: Timestamp,
    pub(super) output: Output,
    pub(super) verdicts: Verdicts,
    pub(super) fail_on: Severity,
    pub(super) fail_on_unknown: bool,
}

/// Judges everything, writes it, and says whether it is clean.
pub(super) fn write(auditor: &mut Auditor, ask: &Ask, out: &mut dyn Write) -> io::Result<bool> {
    // STAND-IN until report::result is there: one result per (policy, id), the worst verdict of several pods.
    let mut results = BTreeMap::<(String, String), (u8, Value)>::new();
    let mut is_clean = true;
    auditor.audit(ask.now, &mut |judgement| {
        let rank = rank(judgement.verdict);
        is_clean &= match judgement.state() {
            Some(State::Fail) => judgement.rule.severity < ask.fail_on,
            Some(State::Unknown) => !ask.fail_on_unknown,
            _ => true,
        };
        let is_shown =
            ask.verdicts == Verdicts::All || matches!(judgement.state(), Some(State::Fail | State::Unknown));
        let key = (judgement.policy.name.to_string(), judgement.id.to_string());
        if is_shown && results.get(&key).is_none_or(|(known, _)| *known < rank) {
            results.insert(key, (rank, result(judgement)));
        }
    });
    is_clean &= auditor.unsupported().is_empty() || !ask.fail_on_unknown;
    let policies = auditor.policies().iter().map(|policy| {
        json!({"name": &*policy.name, "generation": policy.generation, "sha256": &*policy.spec_sha256})
    });
    let policies = policies.collect::<Vec<_>>();
    let results = results.into_values().map(|(_, result)| result).collect::<Vec<_>>();
    match ask.output {
        Output::Json => {
            let version = env!("CARGO_PKG_VERSION");
            let report = json!({
                "version": "v1", "tool": {"version": version}, "observedAt": ask.now.to_string(),
                "policies": policies, "summary": {}, "results": results,
            });
            writeln!(out, "{report:#}")?;
        }
        Output::Table => {
            for result in &results {
                let text =
                    |path: &str| result.pointer(path).and_then(Value::as_str).unwrap_or("-").to_owned();
                let fields = [
                    "/verdict",
                    "/severity",
                    "/rule",
                    "/namespace",
                    "/subject/kind",
                    "/subject/name",
                    "/message",
                ];
                writeln!(
                    out,
                    "{}",
                    fields.map(|path| crate::report::escape::visible(&text(path)).into_owned()).join("  ")
                )?;
            }
        }
    }
    Ok(is_clean)
}

fn rank(verdict: Verdict) -> u8 {
    match verdict {
        Verdict::NotApplicable(_) => 0,
        Verdict::Pass => 1,
        Verdict::Unknown(_) => 2,
        Verdict::Fail(_) => 3,
    }
}

fn result(judgement: &Judgement<'_>) -> Value {
    let image_use = judgement.subject.image_use();
    let mut result = json!({
        "id": judgement.id.to_string(),
        "policy": &*judgement.policy.name,
        "rule": judgement.rule.id.as_str(),
        "verdict": if judgement.exemption.is_some() { "exempt" } else { judgement.verdict.as_str() },
        "reason": judgement.verdict.reason(),
        "severity": judgement.rule.severity.as_str(),
        "namespace": judgement.subject.namespace().map(|namespace| &**namespace),
        "subject": {"kind": judgement.subject.kind(), "name": judgement.subject.name()},
        "slot": image_use.map(|found| found.slot.as_str()),
        "container": image_use.map(|found| &*found.name),
        "image": image_use.map(|found| &*found.image.written),
        "canonical": image_use.map(|found| Image::display(&found.image)),
        "message": Some(judgement.message).filter(|message| !message.is_empty()),
        "pods": Some(judgement.pods).filter(|pods| *pods > 0),
        "source": judgement.source.map(|source| json!({"file": &*source.file, "line": source.line})),
    });
    if let Value::Object(fields) = &mut result {
        fields.retain(|_, value| !value.is_null());
    }
    result
}
