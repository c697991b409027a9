//! The table for people, of the same figures as the JSON.

use std::fmt::Write as _;

use serde_json::Value;

/// A row: what it is, where the value stands, its unit, and what is asked of 150,000 pods.
const ROWS: [(&str, &str, &str, &str); 23] = [
    ("cold start, wall", "/coldStart/wallSeconds", "s", "1.25 x; 1.1 x"),
    ("cold start, CPU", "/coldStart/cpuSeconds", "s", "2 x; 1.4 x"),
    ("memory, peak of the first audit", "/memory/firstAuditPeakMb", "MB", "150; 110"),
    ("memory, steady", "/memory/steadyMb", "MB", "130; 90"),
    ("memory, peak of all", "/memory/peakMb", "MB", ""),
    ("memory, after the churn", "/memory/afterChurnMb", "MB", ""),
    ("memory, slope under churn", "/memory/slopeMbPerMinute", "MB/min", "; 0"),
    ("churn, CPU", "/churn/cpuShare", "of a core", "2.3 x; 1.5 x"),
    ("churn, detection p50", "/churn/detectionMilliseconds/p50", "ms", "; 5"),
    ("churn, detection p99", "/churn/detectionMilliseconds/p99", "ms", "250; 50"),
    ("churn, detection max", "/churn/detectionMilliseconds/max", "ms", ""),
    ("churn without verdicts, writes", "/quiet/verdictWrites", "", "0; 0"),
    ("burst, CPU", "/burst/cpuShare", "of a core", "; 1.5 x"),
    ("burst, detection p99", "/burst/detectionMilliseconds/p99", "ms", "; 250"),
    ("burst, relists", "/burst/relists", "", "0; 0"),
    ("policy edit to status, p50", "/policyEditMilliseconds/p50", "ms", "1000;"),
    ("policy edit to status, max", "/policyEditMilliseconds/max", "ms", "1000;"),
    ("scrape, size", "/scrape/bytes", "bytes", ""),
    ("scrape, time", "/scrape/milliseconds", "ms", ""),
    ("relist after 410, above", "/relist/abovePeakMb", "MB", "30; 20"),
    ("relist after 410, kept", "/relist/keptMb", "MB", "; 0"),
    ("findings compared", "/comparison/findings", "", ""),
    ("differences from an audit", "/comparison/differences", "", "0; 0"),
];

/// The figures, one a line.
pub(crate) fn table(report: &Value) -> String {
    let mut table = String::new();
    for (what, place, unit, asked) in ROWS {
        let Some(value) = report.pointer(place) else { continue };
        let (value, beside) = match value["ratio"].as_f64() {
            None => (value.to_string(), String::new()),
            Some(times) => {
                (value["revisor"].to_string(), format!("null client {}, {times} x", value["nullClient"]))
            }
        };
        let asked = if asked.is_empty() { String::new() } else { format!("[must; aim: {asked}]") };
        // Writing into a String cannot fail.
        let _ = writeln!(table, "{what:<34}{value:>12} {unit:<10}{beside:<32}{asked}");
    }
    table
}
