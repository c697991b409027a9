//! Regular expressions in settings, over labels and tags. These are ASCII, which an automaton walks through some ten
//! times faster than the small engine does that says what an expression means; that one is asked about other text.

use std::fmt;

use regex::bytes;
use regex_lite::{Regex, RegexBuilder};

/// Bytes of a compiled regular expression; what labels and tags need takes a hundredth.
const SIZE: usize = 64 * 1024;
/// Bytes of an automaton and of what it remembers; one that does not fit is not made.
const AUTOMATON_SIZE: usize = 1024 * 1024;

/// A regular expression.
#[derive(Clone, Debug)]
pub(super) struct Expression {
    any: Regex,
    /// The same for ASCII, where the automaton takes all that the expression says.
    ascii: Option<bytes::Regex>,
}

impl Expression {
    /// Compiles it as written: it matches anywhere in a text unless it is anchored.
    pub(super) fn new(written: &str) -> Result<Self, regex_lite::Error> {
        let any = RegexBuilder::new(written).size_limit(SIZE).build()?;
        let ascii = bytes::RegexBuilder::new(written)
            .unicode(false)
            .size_limit(AUTOMATON_SIZE)
            .dfa_size_limit(AUTOMATON_SIZE)
            .build();
        Ok(Self { any, ascii: ascii.ok() })
    }

    /// Whether it matches somewhere in `text`.
    pub(super) fn is_match(&self, text: &str) -> bool {
        match &self.ascii {
            Some(ascii) if text.is_ascii() => ascii.is_match(text.as_bytes()),
            _ => self.any.is_match(text),
        }
    }
}

impl fmt::Display for Expression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.any.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn digits_words_and_case_are_those_of_ascii_in_any_text() {
        let matches = |written: &str, text: &str| Expression::new(written).unwrap().is_match(text);
        assert!(matches(r"^\d+$", "12") && !matches(r"^\d+$", "١٢"));
        assert!(matches(r"^\w+$", "a_1") && !matches(r"^\w+$", "é"));
        assert!(matches("(?i)^team$", "TEAM") && matches("^.$", "é") && matches("^é$", "é"));
    }

    proptest! {
        #[test]
        fn both_engines_say_the_same_of_ascii(
            written in r"(\^|\\b)?([a-c.]|\[[^a-c]?a-c\]|\\[dwsDWS]|\(a\|b\)|\(\?i:A\)|[a-c][*+?]|[a-c]\{1,2\}|\||\\b|\$){1,6}",
            text in "[a-cA-C0-1 _\n]{0,8}",
        ) {
            let Ok(expression) = Expression::new(&written) else { return Ok(()) };
            prop_assert_eq!(expression.is_match(&text), expression.any.is_match(&text), "{} on {:?}", written, text);
        }

        #[test]
        fn any_text_is_an_expression_or_an_error(written in ".{0,12}", text in "[ -~]{0,8}") {
            let Ok(expression) = Expression::new(&written) else { return Ok(()) };
            prop_assert_eq!(expression.is_match(&text), expression.any.is_match(&text), "{} on {:?}", written, text);
        }
    }
}
