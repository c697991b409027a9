//! The report by control as one page for a browser, and for its printer: no script, nothing is fetched.

use super::super::html::{add, escape, page_head};
use super::words::{self, COUNTS};
use super::{ControlPart, ControlReport};

/// The whole report.
pub fn controls_html(report: &ControlReport) -> String {
    let title = format!("Audit by control, as of {}", report.observed_at);
    let mut text = page_head(&format!("Revisor: {title}"), None);
    add(&mut text, format_args!("<h1>{}</h1>\n", escape(&title)));
    let looked_at = escape(&words::looked_at(report));
    let version = report.tool.version;
    add(&mut text, format_args!("<p class=\"about\">By Revisor {version}. Looked at: {looked_at}</p>\n"));
    for policy in &report.policies {
        add(&mut text, format_args!("<p class=\"about\">Policy {}</p>\n", escape(&words::policy(policy))));
    }
    if report.summary.incomplete {
        text.push_str(
            "<p class=\"incomplete\">Part of the input could not be read, so this is not all.</p>\n",
        );
    }
    let mut first = 0;
    for (catalogue, controls) in words::catalogues(&report.controls) {
        add(&mut text, format_args!("<h2>{}</h2>\n", escape(&catalogue)));
        overview(&mut text, controls, first);
        for (index, part) in controls.iter().enumerate().filter(|(_, part)| words::has_details(part)) {
            details(&mut text, part, first + index);
        }
        first += controls.len();
    }
    text.push_str("</main>\n</body>\n</html>\n");
    text
}

/// A table with a caption. Cells are HTML already.
fn table<const N: usize>(
    text: &mut String,
    caption: &str,
    header: [&str; N],
    rows: impl Iterator<Item = [String; N]>,
) {
    add(text, format_args!("<div class=\"wide\">\n<table>\n<caption>{caption}</caption>\n<thead><tr>"));
    header.iter().for_each(|title| add(text, format_args!("<th scope=\"col\">{title}</th>")));
    text.push_str("</tr></thead>\n<tbody>\n");
    for row in rows {
        text.push_str("<tr>");
        row.iter().for_each(|cell| add(text, format_args!("<td>{cell}</td>")));
        text.push_str("</tr>\n");
    }
    text.push_str("</tbody>\n</table>\n</div>\n");
}

/// `control-12`: the place of a control on the page, since numbers of catalogues are no names.
fn overview(text: &mut String, controls: &[ControlPart], first: usize) {
    let [judged, pass, fail, unknown, exempt] = COUNTS;
    let header = ["Control", "Title", judged, pass, fail, unknown, exempt, "Checked"];
    let rows = controls.iter().enumerate().map(|(index, part)| {
        let id = escape(part.control.id);
        let link = match words::has_details(part) {
            true => format!("<a href=\"#control-{}\">{id}</a>", first + index),
            false => id,
        };
        let [judged, pass, fail, unknown, exempt] = words::counts(part);
        let fail = match part.counts.fail {
            0 => fail,
            _ => format!("<b class=\"critical\">{fail}</b>"),
        };
        let title = escape(words::title(part).trim_start());
        [link, title, judged, pass, fail, unknown, exempt, part.checked().to_owned()]
    });
    table(text, "Subjects, each once a control, by the worst of its verdicts", header, rows);
}

fn details(text: &mut String, part: &ControlPart, index: usize) {
    let title = escape(&format!("{}{}", part.control.id, words::title(part)));
    add(text, format_args!("<section id=\"control-{index}\">\n<h3>{title}</h3>\n"));
    for paragraph in part.about.map(str::to_owned).into_iter().chain(words::remarks(part)) {
        add(text, format_args!("<p>{}</p>\n", escape(&paragraph)));
    }
    if !part.rules.is_empty() {
        let [judged, pass, fail, unknown, exempt] = COUNTS;
        let header = ["Rule", "Severity", "Policies", judged, pass, fail, unknown, exempt];
        let rows = part.rules.iter().map(|rule| {
            let [judged, pass, fail, unknown, exempt] = words::numbers(rule.counts);
            let policies = escape(&words::sentence(&rule.policies.join(", ")));
            let severity = rule.severity.to_string();
            [rule.rule.to_owned(), severity, policies, judged, pass, fail, unknown, exempt]
        });
        table(text, "Rules in force", header, rows);
    }
    if !part.findings.is_empty() {
        let rows = part.findings.iter().map(|finding| {
            let word = words::word(finding);
            let container = words::name(finding.container.as_deref().unwrap_or_default());
            let image = match finding.image.as_deref() {
                Some(image) => format!(" <code>{}</code>", escape(&words::sentence(image))),
                None => String::new(),
            };
            [
                format!("<span class=\"word {word}\">{word}</span>"),
                finding.rule.to_owned(),
                escape(&words::subject(finding)),
                format!("{}{image}", escape(&container)),
                escape(&words::why(finding)),
            ]
        });
        table(text, "Findings", ["Severity", "Rule", "Object", "Container and image", "Why"], rows);
    }
    if !part.exemptions.is_empty() {
        let rows = part.exemptions.iter().map(|exemption| {
            [
                escape(&words::name(&exemption.permission.name)),
                escape(&words::name(&exemption.policy)),
                words::end(exemption),
                escape(&words::reason(exemption)),
                words::permits(exemption),
            ]
        });
        table(text, "Exemptions", ["Exemption", "Policy", "End", "Reason", "Permits"], rows);
    }
    text.push_str("</section>\n");
}
