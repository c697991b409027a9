//! What is wrong with a pod by one check, and how a message says it.

use std::fmt;

use crate::rules::shown::Cut;

/// How many names, and how many values, a message shows of one fault.
const SHOWN: usize = 5;

/// A check that a pod fails.
#[derive(Debug, Default)]
pub(super) struct Fault<'a> {
    /// The words by which admission names it.
    pub(super) reason: &'static str,
    /// Who does what; never empty.
    pub(super) details: Vec<Detail<'a>>,
}

/// Who is at fault, and with what.
#[derive(Debug, Default)]
pub(super) struct Detail<'a> {
    /// The pod itself is, by a field that stands above its containers.
    pub(super) pod: bool,
    /// What the names are names of: `container`.
    pub(super) kind: &'static str,
    /// Who is.
    pub(super) names: Vec<&'a str>,
    /// With what: values that are written, or what is missing.
    pub(super) values: Vec<&'a str>,
}

impl<'a> Fault<'a> {
    /// A fault by the details of it that name anything; none if none does.
    pub(super) fn of(reason: &'static str, details: impl IntoIterator<Item = Detail<'a>>) -> Option<Self> {
        let details: Vec<_> = details.into_iter().filter(|detail| !detail.is_empty()).collect();
        if details.is_empty() { None } else { Some(Self { reason, details }) }
    }

    /// A fault of containers alone.
    pub(super) fn of_containers(reason: &'static str, names: impl Iterator<Item = &'a str>) -> Option<Self> {
        Self::of(reason, [Detail::of_containers(names)])
    }
}

impl<'a> Detail<'a> {
    /// Containers.
    pub(super) fn of_containers(names: impl Iterator<Item = &'a str>) -> Self {
        Self::of("container", names)
    }

    /// Things of a kind.
    pub(super) fn of(kind: &'static str, names: impl Iterator<Item = &'a str>) -> Self {
        Self { pod: false, kind, names: names.collect(), values: Vec::new() }
    }

    /// And the pod itself, if that is so.
    pub(super) fn and_pod(self, pod: bool) -> Self {
        Self { pod, ..self }
    }

    /// With what: sorted, each once.
    pub(super) fn with(self, values: impl IntoIterator<Item = &'a str>) -> Self {
        let mut values: Vec<_> = values.into_iter().collect();
        values.sort_unstable();
        values.dedup();
        Self { values, ..self }
    }

    fn is_empty(&self) -> bool {
        let nobody = !self.pod && self.names.is_empty();
        // Of the pod alone there may be values without a name: `host namespaces (hostPID)`.
        nobody && (self.values.is_empty() || !self.kind.is_empty())
    }
}

impl fmt::Display for Fault<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (", self.reason)?;
        for (index, detail) in self.details.iter().enumerate() {
            write!(f, "{}{detail}", if index == 0 { "" } else { "; " })?;
        }
        f.write_str(")")
    }
}

impl fmt::Display for Detail<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.pod {
            f.write_str(if self.names.is_empty() { "pod" } else { "pod and " })?;
        }
        if let [_, others @ ..] = &*self.names {
            write!(f, "{}{} ", self.kind, if others.is_empty() { "" } else { "s" })?;
            list(f, &self.names, "\"")?;
        }
        if self.values.is_empty() {
            return Ok(());
        }
        f.write_str(if self.pod || !self.names.is_empty() { ": " } else { "" })?;
        list(f, &self.values, "")
    }
}

fn list(f: &mut fmt::Formatter<'_>, words: &[&str], quote: &str) -> fmt::Result {
    for (index, word) in words.iter().take(SHOWN).enumerate() {
        let separator = if index == 0 { "" } else { ", " };
        // An empty word cannot be seen.
        let quote = if word.is_empty() { "\"" } else { quote };
        write!(f, "{separator}{quote}{}{quote}", Cut(word))?;
    }
    match words.len().saturating_sub(SHOWN) {
        0 => Ok(()),
        more => write!(f, " and {more} more"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_names_who_and_what_in_one_line() {
        let detail = |pod, names: &[&'static str], values: &[&'static str]| {
            Detail::of_containers(names.iter().copied()).and_pod(pod).with(values.iter().copied())
        };
        for (detail, shown) in [
            (detail(false, &["a"], &[]), "container \"a\""),
            (detail(false, &["a", "b"], &["Y", "X", "Y"]), "containers \"a\", \"b\": X, Y"),
            (detail(true, &[], &["X"]), "pod: X"),
            (detail(true, &["a"], &[""]), "pod and container \"a\": \"\""),
            (Detail::default().with(["hostPID"]), "hostPID"),
        ] {
            assert_eq!(detail.to_string(), shown);
        }
        let two = Fault::of("x", [detail(false, &["a"], &["1"]), detail(false, &["b"], &["2"])]);
        assert_eq!(two.unwrap().to_string(), "x (container \"a\": 1; container \"b\": 2)");
    }

    #[test]
    fn nobody_at_fault_is_no_fault() {
        assert!(Fault::of("x", [Detail::of_containers(std::iter::empty()).with(["1"])]).is_none());
        assert!(Fault::of("x", [Detail::default()]).is_none());
        assert!(Fault::of("x", [Detail::of_containers(std::iter::empty()).and_pod(true)]).is_some());
    }

    #[test]
    fn long_lists_and_long_words_are_cut() {
        let names = ["a", "b", "c", "d", "e", "f", "g"];
        let detail = Detail::of("volume", names.into_iter());
        assert_eq!(detail.to_string(), "volumes \"a\", \"b\", \"c\", \"d\", \"e\" and 2 more");
        let long = "x".repeat(1_000);
        assert!(Detail::default().with([&*long]).to_string().len() < 200);
    }
}
