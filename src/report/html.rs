//! One HTML file for people without a terminal: nothing is fetched, nothing but its own style and script may run,
//! and without JavaScript it is a plain table.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use sha2::{Digest as _, Sha256};

use crate::rules::RuleId;

use super::escape::{MESSAGE_LIMIT, NAME_LIMIT, visible_within};
use super::result::{AuditReport, AuditResult};
use super::row;
use super::words::Counted;

const STYLE: &str = include_str!("html/style.css");
const SCRIPT: &str = include_str!("html/script.js");

/// The whole report.
pub fn html(report: &AuditReport) -> String {
    let mut body = String::new();
    about(&mut body, report);
    counts(&mut body, report);
    filters(&mut body, report);
    results(&mut body, report);
    rules(&mut body, report);
    document(&row::counts(report), &body, Some(SCRIPT))
}

/// A page around `body`, which must be escaped already.
pub(super) fn document(title: &str, body: &str, script: Option<&str>) -> String {
    let hash = |text: &str| format!("'sha256-{}'", base64(&Sha256::digest(text)));
    // Hashes instead of 'unsafe-inline': whatever else stood in the page would neither run nor be loaded.
    let policy = format!(
        "default-src 'none'; style-src {}; script-src {}; base-uri 'none'; form-action 'none'",
        hash(STYLE),
        script.map_or_else(|| "'none'".to_owned(), hash),
    );
    let script = script.map(|script| format!("<script>{script}</script>\n")).unwrap_or_default();
    format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"{policy}\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"referrer\" content=\"no-referrer\">\n\
         <title>Revisor: {}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n<main>\n{body}</main>\n{script}\
         </body>\n</html>\n",
        escape(title),
    )
}

fn about(text: &mut String, report: &AuditReport) {
    add(text, format_args!("<h1>Revisor: {}</h1>\n", escape(&row::counts(report))));
    let summary = &report.summary;
    add(
        text,
        format_args!(
            "<p class=\"about\">Judged at <time datetime=\"{}\">{}</time> by Revisor {}: {} of {}, {}.</p>\n",
            report.observed_at,
            row::instant(report),
            report.tool.version,
            Counted(summary.image_uses, "use"),
            Counted(summary.images, "image"),
            Counted(summary.namespaces, "namespace"),
        ),
    );
    for policy in &report.policies {
        let generation = policy.generation.map(|number| format!(", generation {number}")).unwrap_or_default();
        let name = escape(&visible_within(&policy.name, NAME_LIMIT));
        let sha256 = escape(&policy.sha256);
        add(
            text,
            format_args!(
                "<p class=\"about\">Policy {name}{generation}, SHA-256 of its spec <code>{sha256}</code></p>\n"
            ),
        );
    }
    if let Some(compared) = summary.baseline {
        add(text, format_args!("<p class=\"about\">Beside the baseline: {}.</p>\n", row::compared(compared)));
    }
    if summary.incomplete {
        text.push_str(
            "<p class=\"incomplete\">Part of the input could not be read, so this is not all.</p>\n",
        );
    }
}

fn counts(text: &mut String, report: &AuditReport) {
    let summary = &report.summary;
    let by = &summary.fail_by_severity;
    let counts = [
        ("critical", Some(by.critical)),
        ("high", Some(by.high)),
        ("medium", Some(by.medium)),
        ("low", Some(by.low)),
        ("info", Some(by.info)),
        ("unknown", Some(summary.unknown)),
        ("exempt", Some(summary.exempt)),
        ("pass", summary.pass),
        ("na", summary.na),
    ];
    text.push_str("<ul class=\"counts\">\n");
    for (word, count) in counts {
        if let Some(count) = count {
            add(text, format_args!("<li><b class=\"{word}\">{count}</b> {word}</li>\n"));
        }
    }
    text.push_str("</ul>\n");
}

/// Hidden until the script fills them: without it they would do nothing.
const FILTERS: [&str; 2] = [
    r#"<form id="filters" hidden autocomplete="off">
<label>Severity <select name="severity"><option value="">all</option></select></label>
<label>Verdict <select name="verdict"><option value="">all</option></select></label>
<label>Namespace <select name="namespace"><option value="">all</option></select></label>
<label>Rule <select name="rule"><option value="">all</option></select></label>
"#,
    r#"<label>Text <input type="search" name="text" placeholder="all these words"></label>
<button type="reset">Show all</button>
<output id="shown" aria-live="polite"></output>
</form>
"#,
];
const BASELINE_FILTER: &str =
    "<label>Baseline <select name=\"baseline\"><option value=\"\">all</option></select></label>\n";

fn filters(text: &mut String, report: &AuditReport) {
    let [first, last] = FILTERS;
    let between = report.summary.baseline.map_or("", |_| BASELINE_FILTER);
    add(text, format_args!("{first}{between}{last}"));
}

fn results(text: &mut String, report: &AuditReport) {
    if report.results.is_empty() {
        text.push_str("<p>No findings.</p>\n");
    }
    let name_policies = report.policies.len() > 1;
    text.push_str(
        "<div class=\"wide\">\n<table id=\"results\">\n<caption>Findings, worst first</caption>\n<thead><tr>",
    );
    for title in ["Severity", "Namespace", "Object", "Container and image", "Rule", "Why", "Where"] {
        add(text, format_args!("<th scope=\"col\">{title}</th>"));
    }
    text.push_str("</tr></thead>\n<tbody>\n");
    for row in row::worst_first(&report.results) {
        result(text, row, row::beside_baseline(report, row), name_policies);
    }
    text.push_str("</tbody>\n</table>\n</div>\n");
}

fn result(text: &mut String, row: &AuditResult, baseline: Option<&str>, name_policies: bool) {
    let namespace = escape(&visible_within(row.namespace.as_deref().unwrap_or_default(), NAME_LIMIT));
    let (verdict, severity, rule) = (row.verdict.as_str(), row.severity, escape(row.rule));
    add(
        text,
        format_args!(
            "<tr id=\"{0}-{1}\" data-severity=\"{severity}\" data-verdict=\"{verdict}\" data-namespace=\"{namespace}\" \
             data-rule=\"{rule}\" data-baseline=\"{2}\">",
            escape(&row.id),
            escape(&visible_within(&row.policy, NAME_LIMIT)),
            baseline.unwrap_or_default(),
        ),
    );
    let word = row::word(row);
    let new = if row.is_new { " <b class=\"new\">new</b>" } else { "" };
    add(text, format_args!("<td class=\"word {word}\">{word}{new}</td><td>{namespace}</td>"));
    let kind = visible_within(&row.subject.kind, NAME_LIMIT);
    let name = visible_within(&row.subject.name, MESSAGE_LIMIT);
    let mark = if row.is_static { " (static)" } else { "" };
    add(text, format_args!("<td>{}/{}{mark}</td>", escape(&kind), escape(&name)));
    let (container, image) = (row::container(row), row::image(row));
    let image = if image.is_empty() { image } else { format!("<code>{}</code>", escape(&image)) };
    add(text, format_args!("<td>{} {image}</td>", escape(&container)));
    let remedy = RuleId::named(row.rule).filter(|_| row.remedy.is_some());
    match remedy {
        Some(_) => add(text, format_args!("<td><a href=\"#rule-{rule}\">{rule}</a></td>")),
        None => add(text, format_args!("<td>{rule}</td>")),
    }
    let mut why = row::message(row);
    if let Some(permission) = &row.exemption {
        why = format!("{why}; {}", row::whole_permission(permission));
    }
    if let Some(pods @ 2..) = row.pods {
        why.push_str(&format!(" ({pods} pods)"));
    }
    if name_policies {
        why.push_str(&format!(" [{}]", visible_within(&row.policy, NAME_LIMIT)));
    }
    let place = row::place(row).map(|place| format!("<code>{}</code>", escape(&place))).unwrap_or_default();
    add(text, format_args!("<td>{}</td><td>{place}</td></tr>\n", escape(&why)));
}

/// Why each rule matters and what to do, for the rules with findings.
fn rules(text: &mut String, report: &AuditReport) {
    let advised = report.results.iter().filter(|row| row.remedy.is_some());
    let rules: BTreeSet<_> = advised.filter_map(|row| RuleId::named(row.rule)).collect();
    if rules.is_empty() {
        return;
    }
    text.push_str("<h2>Why it matters and what to do</h2>\n");
    for info in rules.into_iter().map(RuleId::info) {
        add(
            text,
            format_args!(
                "<details id=\"rule-{0}\"><summary>{0}: {1}</summary>\n",
                escape(info.id),
                escape(info.title)
            ),
        );
        for (title, body) in [
            ("Why", info.rationale),
            ("What to do", info.remedy),
            ("False positives and limits", info.false_positives),
        ] {
            add(text, format_args!("<p><b>{title}</b></p>\n{}", prose(body)));
        }
        if !info.controls.is_empty() {
            let controls: Vec<_> = info.controls.iter().map(ToString::to_string).collect();
            add(text, format_args!("<p><b>Serves</b> {}</p>\n", escape(&controls.join("; "))));
        }
        text.push_str("</details>\n");
    }
}

/// Paragraphs, and indented lines as code.
fn prose(text: &str) -> String {
    let mut shown = String::new();
    for block in text.split("\n\n") {
        let mut lines = block.lines().peekable();
        while let Some(first) = lines.peek() {
            let is_code = first.starts_with("  ");
            let mut part = Vec::new();
            while let Some(line) = lines.next_if(|line| line.starts_with("  ") == is_code) {
                part.push(line.strip_prefix("  ").unwrap_or(line));
            }
            let part = escape(&part.join("\n"));
            shown.push_str(&if is_code {
                format!("<pre>{part}</pre>\n")
            } else {
                format!("<p>{part}</p>\n")
            });
        }
    }
    shown
}

/// Text as HTML data.
pub(super) fn escape(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => shown.push_str("&amp;"),
            '<' => shown.push_str("&lt;"),
            '>' => shown.push_str("&gt;"),
            '"' => shown.push_str("&quot;"),
            '\'' => shown.push_str("&#39;"),
            character => shown.push(character),
        }
    }
    shown
}

fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let byte = |index: usize| u32::from(chunk.get(index).copied().unwrap_or(0));
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        for digit in 0..4 {
            let value = (bits >> (18 - 6 * digit)) & 63;
            text.push(if digit <= chunk.len() { char::from(DIGITS[value as usize]) } else { '=' });
        }
    }
    text
}

fn add(text: &mut String, words: std::fmt::Arguments<'_>) {
    // Writing to a String cannot fail.
    let _ = text.write_fmt(words);
}

#[cfg(test)]
mod tests {
    use super::super::gather::Listed;
    use super::super::testing::{World, image_subject, report};
    use super::*;
    use crate::auditor::findings::State;

    fn page(image: &str) -> String {
        let world = World::baseline().fail("team-a", "Deployment/web", image).on(
            0,
            image_subject("team-b", "Deployment/old", "app", "evil.test/x:1"),
            State::Exempt(0),
        );
        html(&report(&world.snapshot(), Listed::Permitted, |_, _| {}))
    }

    #[test]
    fn every_row_is_in_the_page_itself() {
        let text = page("evil.test/x:1");
        assert_eq!(text.matches("<tr id=").count(), 2);
        assert!(text.contains("data-severity=\"critical\" data-verdict=\"fail\" data-namespace=\"team-a\""));
        assert!(text.contains("permitted until 2027-01-31 by legacy-etl: nodes are preloaded (OPS-412)"));
        assert!(
            text.contains("<a href=\"#rule-TrustedRegistry\">")
                && text.contains("<details id=\"rule-TrustedRegistry\">")
        );
        assert!(text.contains("<form id=\"filters\" hidden"), "without the script there are no filters");
    }

    #[test]
    fn hostile_text_is_text() {
        let text = page("\"><script>alert(1)</script><img src=x onerror=alert(1)>'\u{1b}");
        assert_eq!((text.matches("<script").count(), text.matches("<img").count()), (1, 0));
        assert!(!text.contains('\u{1b}') && text.contains("&quot;&gt;&lt;script&gt;"), "{text}");
    }

    #[test]
    fn nothing_is_fetched_and_only_the_own_script_runs() {
        let text = page("evil.test/x:1");
        for outside in ["http://", "https://", "src=", "url(", "@import", "<link", " style=\"", " onclick"] {
            let own = [STYLE, SCRIPT].iter().map(|part| part.matches(outside).count()).sum::<usize>();
            let prose = text.matches("https://kubernetes.io").count();
            assert!(own == 0 && text.matches(outside).count() <= prose, "{outside}");
        }
        assert!(!STYLE.contains('<') && !SCRIPT.contains("</"), "nothing ends the element early");
        assert!(text.contains("default-src 'none'; style-src 'sha256-") && !text.contains("unsafe-inline"));
    }

    #[test]
    fn base64_is_as_rfc_4648_has_it() {
        for (bytes, text) in
            [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foobar", "Zm9vYmFy")]
        {
            assert_eq!(base64(bytes.as_bytes()), text);
        }
    }
}
