//! Exemptions as YAML that a person edits: one item a line, and a comment where more is permitted than was found.

use jiff::Timestamp;

use super::super::words::Counted;
use super::{Form, Written};

/// `exemptions:`, with what it is about above it.
pub(super) fn list(policy: &str, findings: usize, end: Timestamp, exemptions: &[Written]) -> String {
    let findings = Counted(u32::try_from(findings).unwrap_or(u32::MAX), "finding");
    let day = end.strftime("%Y-%m-%d");
    // The name of a policy from a file may hold anything; in a comment it must stay on its line.
    let mut text = format!("# ImagePolicy {}: {findings}, permitted until {day}.\n", scalar(policy));
    if exemptions.is_empty() {
        text.push_str("exemptions: []\n");
        return text;
    }
    text.push_str("# To be added to its spec.exemptions, and to be mended one by one.\nexemptions:\n");
    exemptions.iter().for_each(|exemption| item(&mut text, exemption));
    text
}

fn item(text: &mut String, exemption: &Written) {
    let Written { spec, form, is_wide } = exemption;
    if *is_wide {
        text.push_str("# Everything of these rules in the namespace, also what is not found yet.\n");
    } else if *form == Form::Image && spec.namespaces.is_some() {
        text.push_str("# Any workload with these images: who owns the pods is not confirmed by uid.\n");
    }
    text.push_str(&format!("- name: {}\n", scalar(&spec.name)));
    put_list(text, "rules", Some(&spec.rules));
    put_list(text, "namespaces", spec.namespaces.as_ref());
    put_list(text, "workloads", spec.workloads.as_ref());
    put_list(text, "images", spec.images.as_ref());
    text.push_str(&format!("  reason: {}\n", quoted(&spec.reason)));
    if let Some(end) = &spec.expires_at {
        text.push_str(&format!("  expiresAt: {}\n", quoted(&end.0.to_string())));
    }
}

fn put_list(text: &mut String, field: &str, items: Option<&Vec<String>>) {
    match items.map(Vec::as_slice) {
        None => {}
        Some([one]) => text.push_str(&format!("  {field}: [{}]\n", scalar(one))),
        Some(items) => {
            text.push_str(&format!("  {field}:\n"));
            items.iter().for_each(|item| text.push_str(&format!("  - {}\n", scalar(item))));
        }
    }
}

/// Plain where every reader of YAML takes it for a text, else quoted.
fn scalar(text: &str) -> String {
    const WORDS: [&str; 9] = ["y", "n", "yes", "no", "on", "off", "true", "false", "null"];
    let is_plain = text.starts_with(|first: char| first.is_ascii_alphabetic())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._/".contains(&byte))
        && !WORDS.contains(&&*text.to_ascii_lowercase());
    if is_plain { text.to_owned() } else { quoted(text) }
}

/// A text of JSON is one of YAML, but for characters outside the basic plane and those that no YAML may hold.
fn quoted(text: &str) -> String {
    let mut quoted = String::from("\"");
    for character in text.chars() {
        match character {
            '"' | '\\' => quoted.extend(['\\', character]),
            ' '..='~' => quoted.push(character),
            _ if character.is_alphanumeric() => quoted.push(character),
            _ => quoted.push_str(&format!("\\U{:08X}", u32::from(character))),
        }
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_is_written_is_read_as_the_same_text() {
        for text in [
            "team-a",
            "on",
            "NULL",
            "1e3",
            "0x1f",
            "2026-11-25",
            "a: b",
            "#x",
            "Deployment/web",
            "*/x",
            "-",
            "~",
            "",
            "registry.example.com:5000/x",
            "say \"so\" \\ grüß\u{1b}[2J\u{85}\u{2028}\u{e0041}日本",
        ] {
            let yaml = format!("x: {}\ny: [{}]\n", scalar(text), scalar(text));
            let read: serde_json::Value =
                serde_saphyr::from_str(&yaml).unwrap_or_else(|error| panic!("{yaml}: {error}"));
            assert_eq!(read, serde_json::json!({"x": text, "y": [text]}), "{yaml}");
            assert!(!yaml.contains('\u{1b}') && !yaml.contains('\u{2028}'));
        }
        assert_eq!((&*scalar("team-a"), &*scalar("on"), &*scalar("a/b.c")), ("team-a", "\"on\"", "a/b.c"));
    }
}
