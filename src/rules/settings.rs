//! What several rules prepare of their settings in the same way. A setting that could never match anything is an
//! error, not a rule that is silently kept.

use super::SettingError;
use super::expression::Expression;
use crate::reference::pattern::Pattern;

/// A regular expression as written: it matches anywhere in the text unless it is anchored.
pub(super) fn regex(field: String, written: &str) -> Result<Expression, SettingError> {
    Expression::new(written)
        .map_err(|error| SettingError::new(field, format_args!("not a regular expression: {error}")))
}

/// A regular expression that has to match the whole text. Most are plain words, or ask for any value, and to look is
/// cheaper than to match.
#[derive(Debug)]
pub(super) enum WholeRegex {
    Word(Box<str>),
    /// `.*`, or `.+`, which asks for one character at least.
    Any {
        least: usize,
    },
    Pattern(Expression),
}

impl WholeRegex {
    /// Whether it matches the whole of `text`.
    pub(super) fn is_match(&self, text: &str) -> bool {
        match self {
            Self::Word(word) => **word == *text,
            // The dot stands for everything but the end of a line.
            Self::Any { least } => text.len() >= *least && !text.contains('\n'),
            Self::Pattern(pattern) => pattern.is_match(text),
        }
    }
}

/// A regular expression that has to match the whole text.
pub(super) fn whole_regex(field: String, written: &str) -> Result<WholeRegex, SettingError> {
    if written.is_empty() {
        let message = "an empty pattern matches only an empty value; write .* for any value";
        return Err(SettingError::new(field, message));
    }
    if written.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'/' | b':')) {
        return Ok(WholeRegex::Word(written.into()));
    }
    match written {
        ".*" => return Ok(WholeRegex::Any { least: 0 }),
        ".+" => return Ok(WholeRegex::Any { least: 1 }),
        _ => {}
    }
    // By itself first: `a)|(b` would break out of the group.
    regex(field.clone(), written)?;
    regex(field, &format!("^(?:{written})$")).map(WholeRegex::Pattern)
}

/// A registry's host as a pattern over all that is in it.
pub(super) fn registry(field: String, written: &str) -> Result<Pattern, SettingError> {
    let host_only = || {
        let message = format_args!(
            "{written:?} is no registry; write a host such as registry.example.com or host:5000"
        )
        .to_string();
        SettingError::new(field.clone(), message)
    };
    if written.contains('/') {
        return Err(host_only());
    }
    let pattern =
        Pattern::parse(&format!("{written}/**")).map_err(|error| SettingError::new(field.clone(), error))?;
    match pattern.as_str().split_once('/') {
        // `nginx/**` is a path on Docker Hub.
        Some((_, "**")) => Ok(pattern),
        _ => Err(host_only()),
    }
}

/// Checks the key of a label or an annotation: `owner`, `example.com/owner`.
pub(super) fn check_key(field: &str, key: &str) -> Result<(), SettingError> {
    let (prefix, name) = match key.split_once('/') {
        Some((prefix, name)) => (Some(prefix), name),
        None => (None, key),
    };
    let inner = |bytes: &[u8], others: &[u8]| {
        bytes.iter().all(|byte| byte.is_ascii_alphanumeric() || others.contains(byte))
            && bytes.first().is_some_and(u8::is_ascii_alphanumeric)
            && bytes.last().is_some_and(u8::is_ascii_alphanumeric)
    };
    let good_prefix = prefix.is_none_or(|prefix| {
        prefix.len() <= 253 && prefix.split('.').all(|label| inner(label.as_bytes(), b"-"))
    });
    if good_prefix && name.len() <= 63 && inner(name.as_bytes(), b"-_.") {
        return Ok(());
    }
    let message =
        format_args!("{key:?} is no key of a label or annotation, such as owner or example.com/owner")
            .to_string();
    Err(SettingError::new(field, message))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn field() -> String {
        "x[0]".to_owned()
    }

    #[test]
    fn whole_patterns_cannot_break_out_of_their_anchors() {
        let whole = |text| whole_regex(field(), text);
        assert!(whole("a)|(b").is_err() && whole("(").is_err() && whole("").is_err());
        let either = whole("a|b").unwrap();
        assert!(either.is_match("a") && either.is_match("b"));
        assert!(!either.is_match("ax") && !either.is_match("xb") && !either.is_match("a\n"));
        assert!(!whole("(?m)a$").unwrap().is_match("a\nb"));
    }

    #[test]
    fn a_pattern_that_explodes_is_refused_by_its_size() {
        assert_eq!(regex(field(), "((a{100}){100}){100}").unwrap_err().field, "x[0]");
        assert!(regex(field(), r"^v?\d{1,64}(\.\d{1,64}){0,3}$").is_ok());
    }

    #[test]
    fn a_registry_is_a_host_and_nothing_else() {
        for good in ["k8s.gcr.io", "registry:5000", "localhost", "*.example.com", "[::1]:5000", "docker.io"] {
            assert!(registry(field(), good).is_ok(), "{good}");
        }
        for bad in ["", "nginx", "docker.io/library", "k8s.gcr.io/", "https://k8s.gcr.io", "*", "a b.io"] {
            assert!(registry(field(), bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn keys_are_those_that_kubernetes_takes() {
        for good in ["owner", "a", "example.com/owner", "admission.gatekeeper.sh/ignore", "A_b.c-d"] {
            assert_eq!(check_key("labels", good), Ok(()), "{good}");
        }
        for bad in ["", "/", "a/", "/a", "a/b/c", "owner ", "-a", "a-", "exa_mple/x", &"a".repeat(64)] {
            assert!(check_key("labels", bad).is_err(), "{bad}");
        }
    }
}
