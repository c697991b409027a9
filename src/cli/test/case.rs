//! A worked case: objects with comments that say what is expected of them.
//!
//! The comments stand at the beginning of a line, anywhere in the file: `# expect:`, `# params:`, `# canonical:` and
//! `# why:`. What is wrong with one is told with its line, and the others are read.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::{Map, Value};

use crate::report::cases::{BAD_COMMENT, CaseError, Expected, UNKNOWN_RULE};
use crate::rules::{RuleId, edit_distance, nearest};

/// What the comments of a case say.
#[derive(Debug, Default)]
pub(super) struct Case {
    /// What each rule must say of the objects.
    pub(super) expect: BTreeMap<RuleId, Expected>,
    /// Settings by rule.
    pub(super) settings: BTreeMap<RuleId, Value>,
    /// The policy's scope.
    pub(super) scope: Option<Value>,
    /// The instant at which it is judged.
    pub(super) now: Option<Timestamp>,
    /// The canonical reference of the first container's image; `none` for an image that is no reference.
    pub(super) canonical: Option<String>,
    /// The reason, in a few words.
    pub(super) why: Option<String>,
    /// What is wrong with the comments.
    pub(super) errors: Vec<CaseError>,
}

const KEYS: [&str; 4] = ["expect", "params", "canonical", "why"];

impl Case {
    /// Whether the text says of itself that it is a case.
    pub(super) fn is_one(text: &str) -> bool {
        comments(text).any(|(_, key, _)| key.eq_ignore_ascii_case("expect"))
    }

    /// Reads the comments.
    pub(super) fn read(text: &str) -> Self {
        let mut case = Self::default();
        let mut expects = false;
        for (line, key, value) in comments(text) {
            match &*key.to_ascii_lowercase() {
                "expect" => {
                    expects = true;
                    value.split_whitespace().for_each(|word| case.expectation(line, word));
                }
                "params" => case.params(line, value),
                "canonical" if case.canonical.is_some() => {
                    case.wrong(line, "`# canonical:` stands here again: a case has one");
                }
                "canonical" => case.canonical = Some(value.to_owned()),
                "why" => {
                    let before = case.why.take().map(|before| format!("{before} ")).unwrap_or_default();
                    case.why = Some(format!("{before}{value}"));
                }
                other => {
                    if let Some(meant) = meant(other) {
                        case.wrong(line, format!("`# {key}:`: did you mean `# {meant}:`?"));
                    }
                }
            }
        }
        let nothing = case.expect.is_empty() && case.canonical.is_none() && case.errors.is_empty();
        if !expects || nothing {
            case.wrong(1, "no `# expect: Rule=verdict` says what is expected");
        }
        case
    }

    fn wrong(&mut self, line: u32, message: impl Into<String>) {
        self.errors.push(CaseError { line: Some(line), reason: BAD_COMMENT, message: message.into() });
    }

    fn expectation(&mut self, line: u32, word: &str) {
        let Some((name, verdict)) = word.split_once('=') else {
            return self.wrong(line, format!("`# expect:`: expected Rule=verdict, found {}", quoted(word)));
        };
        let expected = match verdict.parse::<Expected>() {
            Ok(expected) => expected,
            Err(message) => {
                return self.wrong(line, format!("`# expect:`: {message}, found {}", quoted(word)));
            }
        };
        let Some(rule) = self.rule(line, "expect", name) else { return };
        if self.expect.insert(rule, expected).is_some_and(|earlier| earlier != expected) {
            self.wrong(line, format!("`# expect:` names {rule} twice, with different verdicts"));
        }
    }

    fn params(&mut self, line: u32, value: &str) {
        let params = match serde_json::from_str::<Map<String, Value>>(value) {
            Ok(params) => params,
            Err(error) => {
                let message = format!("`# params:`: expected JSON by rule id on one line: {error}");
                return self.wrong(line, message);
            }
        };
        for (name, value) in params {
            let is_again = match name.as_str() {
                "now" => {
                    let now = value.as_str().and_then(|text| text.parse().ok());
                    if now.is_none() {
                        let message =
                            "`# params:`: now: expected an instant such as \"2027-01-31T00:00:00Z\"";
                        self.wrong(line, message);
                    }
                    std::mem::replace(&mut self.now, now).is_some()
                }
                "scope" => self.scope.replace(value).is_some(),
                _ => match self.rule(line, "params", &name) {
                    Some(rule) => self.settings.insert(rule, value).is_some(),
                    None => false,
                },
            };
            if is_again {
                self.wrong(line, format!("`# params:` names {} twice", quoted(&name)));
            }
        }
    }

    /// The rule of this name; else it is told, once a name.
    fn rule(&mut self, line: u32, comment: &str, name: &str) -> Option<RuleId> {
        let rule = RuleId::named(name);
        if rule.is_none() {
            let hint = match nearest(name) {
                Some(near) => format!("did you mean {near}?"),
                None => "`revisor rules` lists them".to_owned(),
            };
            let message = format!("unknown rule {} in `# {comment}:`: {hint}", quoted(name));
            let unknown = format!("unknown rule {} ", quoted(name));
            if !self.errors.iter().any(|error| error.message.starts_with(&unknown)) {
                self.errors.push(CaseError { line: Some(line), reason: UNKNOWN_RULE, message });
            }
        }
        rule
    }
}

/// Every comment `# key: value`, with its line.
fn comments(text: &str) -> impl Iterator<Item = (u32, &str, &str)> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    (1..).zip(text.lines()).filter_map(|(line, text)| {
        let (key, value) = text.strip_prefix('#')?.trim_start().split_once(':')?;
        let is_key = !key.is_empty() && key.bytes().all(|byte| byte.is_ascii_alphabetic());
        is_key.then_some((line, key, value.trim()))
    })
}

/// The key that was meant. A word that happens to be near is a comment like any other, so it must be very near.
fn meant(key: &str) -> Option<&'static str> {
    KEYS.into_iter().filter(|known| known.len() > 4).find(|known| edit_distance(key, known) == 1)
}

fn quoted(text: &str) -> String {
    let mut shown: String = text.chars().take(64).collect();
    if shown.len() < text.len() {
        shown.push('…');
    }
    format!("{shown:?}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::result::Shown;

    fn errors(text: &str) -> Vec<(Option<u32>, &'static str, String)> {
        let errors = Case::read(text).errors;
        errors.into_iter().map(|error| (error.line, error.reason, error.message)).collect()
    }

    #[test]
    fn comments_say_what_is_expected_wherever_they_stand() {
        let case = Case::read(
            "\u{feff}# expect: TrustedRegistry=pass digestPinned=unknown\n# params: {\"TrustedRegistry\": \
             {\"allow\": [\"a.test\"]}, \"now\": \"2027-01-31T00:00:00Z\"}\nkind: Pod\n#why: short\n\
             # params: {\"scope\": {\"includeNamespaces\": [\"a\"]}}\n# expect: NoMutableTag=off\n  # why: indented\n",
        );
        assert_eq!(case.errors, []);
        let expect: Vec<_> = case.expect.iter().map(|(rule, expected)| (rule.as_str(), *expected)).collect();
        assert_eq!(
            expect,
            [
                ("DigestPinned", Expected::Verdict(Shown::Unknown)),
                ("NoMutableTag", Expected::Off),
                ("TrustedRegistry", Expected::Verdict(Shown::Pass)),
            ]
        );
        assert_eq!(case.settings.len(), 1);
        assert_eq!(case.scope.unwrap()["includeNamespaces"][0], "a");
        assert_eq!(case.now.unwrap().to_string(), "2027-01-31T00:00:00Z");
        assert_eq!(case.why.as_deref(), Some("short"));
    }

    #[test]
    fn an_unknown_rule_is_told_once_with_the_nearest_name() {
        let told = errors(
            "# expect: TrustedRegistri=pass NoMutableTag=pass\n# params: {\"TrustedRegistri\": {}, \"Zzzzzzzzz\": {}}\n",
        );
        assert_eq!(told.len(), 2, "{told:?}");
        assert_eq!((told[0].0, told[0].1), (Some(1), "UnknownRule"));
        assert_eq!(
            told[0].2,
            "unknown rule \"TrustedRegistri\" in `# expect:`: did you mean TrustedRegistry?"
        );
        assert!(told[1].2.ends_with("in `# params:`: `revisor rules` lists them"), "{told:?}");
    }

    #[test]
    fn every_mistake_is_told_with_its_line() {
        for (text, line, words) in [
            ("kind: Pod\n", 1, "no `# expect: Rule=verdict`"),
            ("# expect:\n", 1, "no `# expect: Rule=verdict`"),
            ("# expect: TrustedRegistry\n", 1, "expected Rule=verdict, found \"TrustedRegistry\""),
            ("\n# expect: TrustedRegistry=passed\n", 2, "expected pass, fail, unknown, na, exempt or off"),
            ("# expect: TrustedRegistry=pass TrustedRegistry=fail\n", 1, "twice, with different verdicts"),
            ("# expect: TrustedRegistry=pass\n# params: {TrustedRegistry}\n", 2, "expected JSON by rule id"),
            ("# expect: TrustedRegistry=pass\n# params: {\"now\": 7}\n", 2, "expected an instant"),
            (
                "# expect: TrustedRegistry=pass\n# params: {\"scope\": {}}\n# params: {\"scope\": {}}\n",
                3,
                "twice",
            ),
            ("# expect: TrustedRegistry=pass\n# parms: {}\n", 2, "did you mean `# params:`?"),
            ("# expect: TrustedRegistry=pass\n# canonical: a\n# canonical: a\n", 3, "has one"),
        ] {
            let told = errors(text);
            assert_eq!(told.len(), 1, "{text}: {told:?}");
            assert!(told[0].0 == Some(line) && told[0].2.contains(words), "{text}: {told:?}");
        }
    }

    #[test]
    fn other_comments_are_comments() {
        assert_eq!(
            errors("# expect: TrustedRegistry=pass\n# note: x\n# see https://x.test\n# export: y\n"),
            []
        );
        assert!(!Case::is_one("# why: x\nkind: Pod\n") && Case::is_one("kind: Pod\n#Expect: A=pass\n"));
    }
}
