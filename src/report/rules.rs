//! The catalogue as it is shown: `revisor rules [ID]` as table, JSON and Markdown (which is `docs/rules.md`). All
//! of it comes from the table of rules and the schemas of their settings.

use serde::Serialize;
use serde_json::Value;

use crate::rules::{Control, RuleId};
use crate::subject::Resource;
use crate::verdict::Severity;

use super::columns::{Colour, Tone, line, widths, wrap};

/// The heading over what a rule reads if it may.
const ALSO_READS: &str = "Reads too, where that is permitted";

/// How wide prose is set for a terminal.
const WIDTH: usize = 96;

/// A setting of a rule.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SettingDoc {
    /// Its name.
    pub name: String,
    /// What it takes, in words.
    #[serde(rename = "type")]
    pub type_: String,
    /// What it does, with its default.
    pub description: String,
}

/// All there is to say of a rule.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RuleDoc {
    /// Its id.
    pub id: &'static str,
    /// Its key under `spec.rules`.
    pub key: &'static str,
    /// What is demanded.
    pub title: &'static str,
    /// Default severity.
    pub severity: Severity,
    /// What it judges.
    pub subject: &'static str,
    /// Why it matters.
    pub rationale: &'static str,
    /// What to do about a violation.
    pub remedy: &'static str,
    /// Known false positives and limits.
    pub false_positives: &'static str,
    /// What it reads beyond pods and namespaces.
    pub reads: Vec<String>,
    /// What it reads besides where that is permitted.
    pub also_reads: Vec<String>,
    /// The requirements it serves.
    pub controls: &'static [Control],
    /// What its settings are about.
    pub about: String,
    /// Its settings, its own first, then those that every rule takes.
    pub settings: Vec<SettingDoc>,
}

impl RuleDoc {
    /// Reads the catalogue.
    pub fn of(rule: RuleId) -> Self {
        let (entry, info) = (rule.entry(), rule.info());
        let schema = (entry.schema)();
        let schema = schema.as_value();
        let common = |name: &str| matches!(name, "severity" | "enabled");
        let mut settings: Vec<_> = schema["properties"].as_object().map_or_else(Vec::new, |properties| {
            let setting = |(name, property): (&String, &Value)| SettingDoc {
                name: name.clone(),
                type_: type_words(property, schema),
                description: one_line(&property["description"]),
            };
            properties.iter().map(setting).collect()
        });
        settings
            .sort_by(|left, right| (common(&left.name), &left.name).cmp(&(common(&right.name), &right.name)));
        Self {
            id: info.id,
            key: entry.key,
            title: info.title,
            severity: info.severity,
            subject: entry.subject.as_str(),
            rationale: info.rationale,
            remedy: info.remedy,
            false_positives: info.false_positives,
            reads: info.reads.iter().map(Resource::to_string).collect(),
            also_reads: rule.also_reads().iter().map(Resource::to_string).collect(),
            controls: info.controls,
            about: one_line(&schema["description"]),
            settings,
        }
    }

    /// Every rule, in the table's order.
    pub fn all() -> Vec<Self> {
        RuleId::all().map(Self::of).collect()
    }
}

/// A description without the line breaks of its source.
fn one_line(description: &Value) -> String {
    description.as_str().unwrap_or_default().replace('\n', " ")
}

/// What a schema takes, in words. `null` is left out: an absent setting is its default.
fn type_words(schema: &Value, root: &Value) -> String {
    if let Some(target) = schema["$ref"].as_str().and_then(|target| target.strip_prefix('#')) {
        return root.pointer(target).map_or_else(String::new, |schema| type_words(schema, root));
    }
    let values: Vec<String> =
        schema["enum"].as_array().into_iter().flatten().filter(|it| !it.is_null()).map(plain).collect();
    if !values.is_empty() {
        return format!("one of {}", values.join(", "));
    }
    for key in ["anyOf", "oneOf"] {
        let Some(choices) = schema[key].as_array() else {
            continue;
        };
        let constants: Vec<_> = choices.iter().filter_map(|choice| choice.get("const")).map(plain).collect();
        if constants.len() == choices.len() {
            return format!("one of {}", constants.join(", "));
        }
        let choices = choices.iter().filter(|choice| choice["type"] != "null");
        return choices.map(|choice| type_words(choice, root)).collect::<Vec<_>>().join(" or ");
    }
    let named = match &schema["type"] {
        Value::Array(types) => types.iter().filter_map(Value::as_str).find(|type_| *type_ != "null"),
        type_ => type_.as_str(),
    };
    match named {
        Some("array") => format!("list of {}", type_words(&schema["items"], root)),
        Some("object") if schema["additionalProperties"].is_object() => {
            format!("map of {}", type_words(&schema["additionalProperties"], root))
        }
        Some("object") => {
            let names = schema["properties"].as_object().into_iter().flat_map(serde_json::Map::keys);
            format!("{{{}}}", names.cloned().collect::<Vec<_>>().join(", "))
        }
        Some("string") if schema["format"] == "date-time" => "instant".to_owned(),
        Some("string") => "text".to_owned(),
        Some("integer") => "whole number".to_owned(),
        Some("number") => "number".to_owned(),
        Some("boolean") => "true or false".to_owned(),
        _ => "anything".to_owned(),
    }
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// The list of rules for a terminal.
pub fn rules_table(rules: &[RuleDoc], colour: Colour) -> String {
    let mut rows = vec![["RULE", "SEVERITY", "JUDGES", "DEMANDS"].map(str::to_owned)];
    rows.extend(rules.iter().map(|rule| {
        let subject = rule.subject.replace('_', " ");
        [rule.id.to_owned(), rule.severity.to_string(), subject, rule.title.to_owned()]
    }));
    let widths = widths(&rows, [usize::MAX; 4]);
    let tones = [Tone::Bold, Tone::Plain, Tone::Plain, Tone::Plain];
    rows.iter().map(|row| line(row, widths, 3, tones, colour) + "\n").collect()
}

/// One rule for a terminal.
pub fn rule_text(rule: &RuleDoc, colour: Colour) -> String {
    let mut text = format!("{}: {}\n", Tone::Bold.paint(rule.id, colour), rule.title);
    let subject = rule.subject.replace('_', " ");
    text.push_str(&format!("Judges each {subject}. Severity {} unless set otherwise.\n", rule.severity));
    let mut section = |title: &str, body: &str| {
        text.push_str(&format!("\n{}\n", Tone::Bold.paint(title, colour)));
        for line in wrap(body, WIDTH) {
            text.push_str(format!("  {line}").trim_end());
            text.push('\n');
        }
    };
    section("Why", rule.rationale);
    section("What to do", rule.remedy);
    let mut settings = format!("{}\n", rule.about);
    for SettingDoc { name, type_, description } in &rule.settings {
        settings.push_str(&format!("\n{name}: {type_}\n"));
        for line in wrap(description, WIDTH - 2) {
            settings.push_str(&format!("  {line}\n"));
        }
    }
    section(&format!("Settings under spec.rules.{}", rule.key), &settings);
    section("False positives and limits", rule.false_positives);
    if !rule.reads.is_empty() {
        section("Reads, beyond pods and namespaces", &rule.reads.join("\n"));
    }
    if !rule.also_reads.is_empty() {
        section(ALSO_READS, &rule.also_reads.join("\n"));
    }
    if !rule.controls.is_empty() {
        let controls: Vec<_> = rule.controls.iter().map(Control::to_string).collect();
        section("Serves", &controls.join("\n"));
    }
    text
}

/// The documentation page.
pub fn rules_markdown(rules: &[RuleDoc]) -> String {
    let mut text = "# Rules\n\nGenerated by `revisor rules --output markdown`; do not edit.\n\n".to_owned();
    text.push_str("| Rule | Severity | Judges | Demands |\n|---|---|---|---|\n");
    for RuleDoc { id, severity, subject, title, .. } in rules {
        let (subject, title) = (subject.replace('_', " "), cell(title));
        text.push_str(&format!(
            "| [{id}](#{}) | {severity} | {subject} | {title} |\n",
            id.to_ascii_lowercase()
        ));
    }
    for rule in rules {
        text.push('\n');
        text.push_str(&rule_markdown(rule));
    }
    text
}

/// One rule of the documentation page.
pub fn rule_markdown(rule: &RuleDoc) -> String {
    let RuleDoc { id, key, title, severity, about, .. } = rule;
    let subject = rule.subject.replace('_', " ");
    let mut text = format!(
        "## {id}\n\n{}. Judges each {subject}; severity {severity} unless set otherwise.\n",
        markdown(title)
    );
    let mut section =
        |title: &str, body: &str| text.push_str(&format!("\n**{title}.** {}\n", body.trim_end()));
    section("Why", &prose(rule.rationale));
    section("What to do", &prose(rule.remedy));
    section("False positives and limits", &prose(rule.false_positives));
    if !rule.reads.is_empty() {
        section("Reads, beyond pods and namespaces", &format!("`{}`", rule.reads.join("`, `")));
    }
    if !rule.also_reads.is_empty() {
        section(ALSO_READS, &format!("`{}`", rule.also_reads.join("`, `")));
    }
    if !rule.controls.is_empty() {
        let controls: Vec<_> = rule.controls.iter().map(|control| markdown(&control.to_string())).collect();
        section("Serves", &controls.join("; "));
    }
    text.push_str(&format!(
        "\n`spec.rules.{key}`: {}\n\n| Setting | Takes | |\n|---|---|---|\n",
        markdown(about)
    ));
    for SettingDoc { name, type_, description } in &rule.settings {
        text.push_str(&format!("| `{name}` | {} | {} |\n", cell(type_), cell(description)));
    }
    text
}

/// Text with indented lines as fenced blocks.
pub(super) fn prose(text: &str) -> String {
    let mut shown = String::new();
    let mut in_block = false;
    for line in text.lines() {
        let is_code = line.starts_with("  ");
        if is_code != in_block && !line.is_empty() {
            // A blank line before the end of a block belongs behind it.
            let blank = if in_block && shown.ends_with("\n\n") { shown.pop() } else { None };
            shown.push_str("```\n");
            shown.extend(blank);
            in_block = is_code;
        }
        shown.push_str(&if in_block {
            line.strip_prefix("  ").unwrap_or(line).to_owned()
        } else {
            markdown(line)
        });
        shown.push('\n');
    }
    if in_block {
        shown.push_str("```\n");
    }
    shown
}

/// Text of a cell of a table.
pub(super) fn cell(text: &str) -> String {
    markdown(text).replace('|', "\\|")
}

/// Plain text as Markdown: what would be markup outside of back-ticks is escaped.
pub(super) fn markdown(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    let mut in_code = false;
    for character in text.chars() {
        in_code ^= character == '`';
        if !in_code && matches!(character, '*' | '_' | '<' | '>' | '[' | ']' | '\\') {
            shown.push('\\');
        }
        shown.push(character);
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::super::testing::trusted;
    use super::*;

    fn example() -> RuleDoc {
        RuleDoc {
            rationale: "Anyone could be anybody.",
            remedy: "Copy it:\n\n  crane copy A B\n  kubectl apply\n\nor allow a/**.",
            false_positives: "Mirrors.",
            reads: vec!["networkpolicies.networking.k8s.io".into()],
            also_reads: vec!["nodes".into()],
            controls: &[Control { framework: "CIS Kubernetes", version: "v1.12", id: "5.5.1" }],
            about: "At least one of allow and deny.".into(),
            settings: vec![
                SettingDoc {
                    name: "allow".into(),
                    type_: "list of text".into(),
                    description: "Patterns a|b, `x/**`.".into(),
                },
                SettingDoc {
                    name: "enabled".into(),
                    type_: "true or false".into(),
                    description: "Default: true.".into(),
                },
            ],
            ..RuleDoc::of(trusted())
        }
    }

    #[test]
    fn settings_are_documented_from_their_schema() {
        let settings = RuleDoc::of(trusted()).settings;
        let told: Vec<_> = settings.iter().map(|it| (&*it.name, &*it.type_)).collect();
        assert_eq!(
            told,
            [
                ("allow", "list of text"),
                ("deny", "list of text"),
                ("enabled", "true or false"),
                ("severity", "one of info, low, medium, high, critical"),
            ]
        );
        assert!(settings[1].description.starts_with("Patterns of what is never trusted; deny beats allow."));
    }

    #[test]
    fn every_setting_of_every_rule_has_a_type_and_a_description() {
        for rule in RuleDoc::all() {
            assert!(rule.settings.len() >= 2 && !rule.about.is_empty(), "{}", rule.id);
            for setting in &rule.settings {
                assert!(
                    !setting.type_.contains("anything") && !setting.type_.is_empty(),
                    "{}.{}",
                    rule.id,
                    setting.name
                );
                assert!(!setting.description.is_empty(), "{}.{}", rule.id, setting.name);
            }
        }
    }

    #[test]
    fn schemas_of_all_sorts_are_put_in_words() {
        let root = serde_json::json!({"$defs": {"Mode": {"enum": ["Always", "Never", null]}}});
        for (schema, words) in [
            (serde_json::json!({"$ref": "#/$defs/Mode"}), "one of Always, Never"),
            (
                serde_json::json!({"anyOf": [{"$ref": "#/$defs/Mode"}, {"type": "null"}]}),
                "one of Always, Never",
            ),
            (serde_json::json!({"type": ["integer", "null"]}), "whole number"),
            (
                serde_json::json!({"type": "object", "additionalProperties": {"type": "string"}}),
                "map of text",
            ),
            (serde_json::json!({"type": "object", "properties": {"key": {}, "value": {}}}), "{key, value}"),
            (
                serde_json::json!({"type": "array", "items": {"oneOf": [{"const": "a"}, {"const": "b"}]}}),
                "list of one of a, b",
            ),
            (serde_json::json!({"type": "string", "format": "date-time"}), "instant"),
            (serde_json::json!({}), "anything"),
        ] {
            assert_eq!(type_words(&schema, &root), words);
        }
    }

    #[test]
    fn the_list_is_a_table() {
        assert_eq!(
            rules_table(&[example()], Colour::Never),
            "\
RULE              SEVERITY   JUDGES      DEMANDS
TrustedRegistry   high       image use   Images come only from trusted registries
"
        );
    }

    #[test]
    fn one_rule_tells_everything() {
        assert_eq!(
            rule_text(&example(), Colour::Never),
            "\
TrustedRegistry: Images come only from trusted registries
Judges each image use. Severity high unless set otherwise.

Why
  Anyone could be anybody.

What to do
  Copy it:

    crane copy A B
    kubectl apply

  or allow a/**.

Settings under spec.rules.trustedRegistry
  At least one of allow and deny.

  allow: list of text
    Patterns a|b, `x/**`.

  enabled: true or false
    Default: true.

False positives and limits
  Mirrors.

Reads, beyond pods and namespaces
  networkpolicies.networking.k8s.io

Reads too, where that is permitted
  nodes

Serves
  CIS Kubernetes v1.12: 5.5.1
"
        );
    }

    #[test]
    fn the_page_is_markdown_in_which_no_text_is_markup() {
        assert_eq!(
            rules_markdown(&[example()]),
            "\
# Rules

Generated by `revisor rules --output markdown`; do not edit.

| Rule | Severity | Judges | Demands |
|---|---|---|---|
| [TrustedRegistry](#trustedregistry) | high | image use | Images come only from trusted registries |

## TrustedRegistry

Images come only from trusted registries. Judges each image use; severity high unless set otherwise.

**Why.** Anyone could be anybody.

**What to do.** Copy it:

```
crane copy A B
kubectl apply
```

or allow a/\\*\\*.

**False positives and limits.** Mirrors.

**Reads, beyond pods and namespaces.** `networkpolicies.networking.k8s.io`

**Reads too, where that is permitted.** `nodes`

**Serves.** CIS Kubernetes v1.12: 5.5.1

`spec.rules.trustedRegistry`: At least one of allow and deny.

| Setting | Takes | |
|---|---|---|
| `allow` | list of text | Patterns a\\|b, `x/**`. |
| `enabled` | true or false | Default: true. |
"
        );
    }

    #[test]
    fn a_rule_in_json_has_its_settings() {
        let json = super::super::json::json(&example()).unwrap();
        let value: Value = serde_json::from_str(&json).unwrap();
        assert_eq!(value["settings"][0]["type"], "list of text");
        assert_eq!(value["falsePositives"], "Mirrors.");
        assert_eq!(value["controls"][0]["id"], "5.5.1");
    }
}
