//! The report by control as one HTML file, made to be printed and filed: everything is open, nothing runs.

use std::fmt::Write as _;

use super::super::escape::{IMAGE_LIMIT, MESSAGE_LIMIT, NAME_LIMIT, visible_within};
use super::super::html::{document, escape};
use super::super::result::Shown;
use super::markdown::subject;
use super::text::{HEADER, by_catalogue, cells, exemption_line, looked_at_line, policy_line};
use super::{ControlPart, ControlReport, FindingPart};

/// The whole report.
pub fn controls_html(report: &ControlReport) -> String {
    let mut body = String::new();
    let at = report.observed_at.strftime("%Y-%m-%d %H:%M:%S UTC").to_string();
    add(&mut body, format_args!("<h1>Audit by control, as of {at}</h1>\n"));
    let mut about = |words: &str| add(&mut body, format_args!("<p class=\"about\">{}</p>\n", escape(words)));
    about(&format!("Written by Revisor {}", report.tool.version));
    about(&format!("Looked at: {}", looked_at_line(report)));
    report.policies.iter().for_each(|policy| about(&format!("Policy: {}", policy_line(policy))));
    if report.summary.incomplete {
        body.push_str("<p class=\"incomplete\">Part of the input could not be read: this is not all.</p>\n");
    }
    for of_catalogue in by_catalogue(report) {
        let control = of_catalogue[0].control;
        let title = format!("{} {}", control.framework, control.version);
        add(&mut body, format_args!("<h2>{}</h2>\n", escape(&title)));
        overview(&mut body, of_catalogue);
        of_catalogue.iter().for_each(|part| details(&mut body, part));
    }
    document(&format!("audit by control, as of {at}"), &body, None)
}

/// The anchor of a control: numbers of different catalogues may be the same.
fn anchor(part: &ControlPart) -> String {
    escape(&format!("{} {}", part.control.framework, part.control.id)).replace(' ', "-")
}

fn has_details(part: &ControlPart) -> bool {
    !part.findings.is_empty() || !part.exemptions.is_empty() || part.limits.is_some()
}

fn overview(text: &mut String, controls: &[ControlPart]) {
    text.push_str("<div class=\"wide\">\n<table>\n<thead><tr>");
    for title in HEADER {
        let mut words = title.to_ascii_lowercase();
        if let Some(first) = words.get_mut(..1) {
            first.make_ascii_uppercase();
        }
        add(text, format_args!("<th scope=\"col\">{words}</th>"));
    }
    text.push_str("</tr></thead>\n<tbody>\n");
    for part in controls {
        let [id, numbers @ .., rules] = cells(part);
        let id = escape(&id);
        match has_details(part) {
            true => {
                add(text, format_args!("<tr><th scope=\"row\"><a href=\"#{}\">{id}</a></th>", anchor(part)))
            }
            false => add(text, format_args!("<tr><th scope=\"row\">{id}</th>")),
        }
        for number in numbers {
            add(text, format_args!("<td class=\"number\">{number}</td>"));
        }
        add(text, format_args!("<td>{}</td></tr>\n", escape(&rules)));
    }
    text.push_str("</tbody>\n</table>\n</div>\n");
}

fn details(text: &mut String, part: &ControlPart) {
    if !has_details(part) {
        return;
    }
    let mut title = part.control.id.to_owned();
    if let (Some(words), Some(level)) = (part.title, part.level) {
        title = format!("{title} {words} ({})", level.as_str());
    }
    add(text, format_args!("<h3 id=\"{}\">{}</h3>\n", anchor(part), escape(&title)));
    if let Some(limits) = part.limits {
        add(text, format_args!("<p>Checked: {}. {}</p>\n", part.checked(), escape(limits)));
    }
    if !part.rules_not_in_force.is_empty() {
        let rules = part.rules_not_in_force.join(", ");
        add(text, format_args!("<p>Not asked for by any policy: {}.</p>\n", escape(&rules)));
    }
    let open = part.findings.iter().filter(|finding| finding.verdict.is_finding());
    let open: Vec<_> = open.collect();
    if !open.is_empty() {
        text.push_str("<div class=\"wide\">\n<table>\n<thead><tr><th scope=\"col\">Severity</th><th scope=\"col\">Rule</th>");
        text.push_str("<th scope=\"col\">Object</th><th scope=\"col\">Container and image</th>");
        text.push_str("<th scope=\"col\">Why</th></tr></thead>\n<tbody>\n");
        open.into_iter().for_each(|finding| row(text, finding));
        text.push_str("</tbody>\n</table>\n</div>\n");
    }
    if !part.exemptions.is_empty() {
        text.push_str("<ul>\n");
        for exemption in &part.exemptions {
            add(text, format_args!("<li>{}</li>\n", escape(&exemption_line(exemption))));
        }
        text.push_str("</ul>\n");
    }
}

fn row(text: &mut String, finding: &FindingPart) {
    let word = match finding.verdict {
        Shown::Fail => finding.severity.as_str(),
        verdict => verdict.as_str(),
    };
    let shown = |text: Option<&str>, limit| escape(&visible_within(text.unwrap_or_default(), limit));
    add(
        text,
        format_args!(
            "<tr><td class=\"word {word}\">{word}</td><td>{}</td><td>{}</td><td>{} <code>{}</code></td><td>{}</td></tr>\n",
            finding.rule,
            escape(&subject(finding)),
            shown(finding.container.as_deref(), NAME_LIMIT),
            shown(finding.image.as_deref(), IMAGE_LIMIT),
            shown(finding.message.as_deref(), MESSAGE_LIMIT),
        ),
    );
}

fn add(text: &mut String, words: std::fmt::Arguments<'_>) {
    // Writing to a String cannot fail.
    let _ = text.write_fmt(words);
}
