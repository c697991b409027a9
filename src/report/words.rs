//! Small words: plurals, lists, a fixed order of badness.

use std::fmt;

use crate::auditor::findings::State;
use crate::rules::RuleId;

/// `1 violation`, `2 violations`.
pub(super) struct Counted(pub(super) u32, pub(super) &'static str);

impl fmt::Display for Counted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}{}", self.0, self.1, if self.0 == 1 { "" } else { "s" })
    }
}

/// `a`, `a and b`, `a, b and c`; beyond `limit` names: `a, b and 7 more`.
pub(super) fn list<T: fmt::Display>(names: &[T], limit: usize) -> String {
    let shown = if names.len() > limit { limit } else { names.len() };
    let mut text = String::new();
    for (index, name) in names[..shown].iter().enumerate() {
        let last = index + 1 == names.len();
        text.push_str(match index {
            0 => "",
            _ if last => " and ",
            _ => ", ",
        });
        text.push_str(&name.to_string());
    }
    if shown < names.len() {
        text.push_str(&format!(" and {} more", names.len() - shown));
    }
    text
}

/// The first line of a rule's remedy, where there is room for no more.
pub(super) fn first_step(rule: RuleId) -> String {
    let line = rule.info().remedy.lines().next().unwrap_or_default();
    line.trim_end_matches([':', '.', ' ']).to_owned()
}

/// Worst first: fail, unknown, exempt.
pub(super) fn state_rank(state: State) -> u8 {
    match state {
        State::Fail => 0,
        State::Unknown => 1,
        State::Exempt(_) => 2,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_and_lists_read_as_english() {
        assert_eq!(
            format!("{} by {}", Counted(1, "violation"), Counted(2, "rule")),
            "1 violation by 2 rules"
        );
        assert_eq!(list::<&str>(&[], 3), "");
        assert_eq!(list(&["a"], 3), "a");
        assert_eq!(list(&["a", "b"], 3), "a and b");
        assert_eq!(list(&["a", "b", "c"], 3), "a, b and c");
        assert_eq!(list(&["a", "b", "c", "d"], 3), "a, b, c and 1 more");
    }
}
