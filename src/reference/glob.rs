//! Globs over names of Kubernetes objects: namespaces, and workloads as `Kind/name`.

use std::fmt;
use std::str::FromStr;

use super::error::Excerpt;
use super::pattern::{MAX_LENGTH, PatternError};

/// A pattern over names. `*` stands for any run of characters, also none, but never for a `/`; everything else stands
/// for itself. So `team-*` is a glob for namespaces, and `Deployment/*` and `*/loader` are globs for workloads.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Glob {
    text: Box<str>,
}

impl Glob {
    /// Reads a glob. What other languages have and this one lacks (`?`, `[…]`, `{…}`, `!`, `\`, `**`) is refused,
    /// since it would silently match nothing: no Kubernetes name has such characters.
    pub fn parse(text: &str) -> Result<Self, PatternError> {
        if text.is_empty() {
            return Err(PatternError::Empty);
        }
        if text.len() > MAX_LENGTH {
            return Err(PatternError::TooLong);
        }
        let refused = |c: char| !c.is_ascii_graphic() || "?[]{}!\\".contains(c);
        if let Some(found) = text.chars().find(|c| refused(*c)) {
            let pattern = Excerpt::of(text);
            return Err(PatternError::Character { found, pattern });
        }
        if text.contains("**") {
            return Err(PatternError::DoubleStar(Excerpt::of(text)));
        }
        Ok(Self { text: text.into() })
    }

    /// The glob that covers every name.
    pub fn everything() -> Self {
        Self { text: "*".into() }
    }

    /// Whether the glob covers the whole name. Allocates nothing.
    pub fn matches(&self, name: &str) -> bool {
        parts_match(&self.text, name, '/')
    }

    /// Whether it covers every name that another one covers.
    pub fn covers(&self, other: &Self) -> bool {
        // No name has a star, so that a star of the other one is matched by one of ours or not at all.
        self.matches(&other.text)
    }

    /// The glob as it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

impl fmt::Display for Glob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl FromStr for Glob {
    type Err = PatternError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text)
    }
}

/// Whether pattern and text have the same number of parts and each part matches.
pub(super) fn parts_match(pattern: &str, text: &str, separator: char) -> bool {
    let (mut patterns, mut parts) = (pattern.split(separator), text.split(separator));
    loop {
        match (patterns.next(), parts.next()) {
            (None, None) => return true,
            (Some(pattern), Some(part)) if star_matches(pattern, part) => {}
            _ => return false,
        }
    }
}

/// `*` matches any run of characters. Greedy with one point of return, so at most pattern times text steps.
fn star_matches(pattern: &str, text: &str) -> bool {
    let (pattern, text) = (pattern.as_bytes(), text.as_bytes());
    let (mut p, mut t) = (0, 0);
    let mut retry = None;
    while t < text.len() {
        if pattern.get(p) == Some(&b'*') {
            p += 1;
            retry = Some((p, t));
        } else if pattern.get(p) == Some(&text[t]) {
            p += 1;
            t += 1;
        } else if let Some((after_star, from)) = retry {
            // Let the last star take one character more.
            (p, t) = (after_star, from + 1);
            retry = Some((p, t));
        } else {
            return false;
        }
    }
    pattern[p..].iter().all(|b| *b == b'*')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(glob: &str, name: &str) -> bool {
        Glob::parse(glob).is_ok_and(|glob| glob.matches(name))
    }

    #[test]
    fn a_glob_covers_another_one_when_it_covers_all_its_names() {
        let covers =
            |left: &str, right: &str| Glob::parse(left).unwrap().covers(&Glob::parse(right).unwrap());
        for (left, right) in
            [("*", "team-*"), ("team-*", "team-a*"), ("team-*", "team-a"), ("a*c", "ab*c"), ("a", "a")]
        {
            assert!(covers(left, right), "{left} covers {right}");
        }
        for (left, right) in [("team-a*", "team-*"), ("team-a", "team-*"), ("a*c", "a*"), ("*", "a/*")] {
            assert!(!covers(left, right), "{left} covers {right}");
        }
    }

    #[test]
    fn a_star_stands_for_any_run_within_a_name() {
        for (glob, name) in [
            ("team-*", "team-a"),
            ("team-*", "team-"),
            ("*", "kube-system"),
            ("*-system", "kube-system"),
            ("a*b*c", "a-b-b-c"),
            ("Deployment/*", "Deployment/web"),
            ("*/web", "Deployment/web"),
            ("kube-system", "kube-system"),
        ] {
            assert!(matches(glob, name), "{glob} {name}");
        }
        for (glob, name) in [
            ("team-*", "my-team-a"),
            ("team", "team-a"),
            ("*", "Deployment/web"),
            ("Deployment/*", "Deployment"),
            ("a*b*c", "a-c-b"),
            ("Team-*", "team-a"),
        ] {
            assert!(!matches(glob, name), "{glob} {name}");
        }
    }

    #[test]
    fn what_could_never_match_is_refused() {
        for glob in ["", "team-?", "team-[ab]", "{a,b}", "!a", "a b", "**", "tëam", "a\\*"] {
            assert!(Glob::parse(glob).is_err(), "{glob}");
        }
    }

    #[test]
    fn many_stars_do_not_take_long() {
        let glob = "*a".repeat(200);
        assert!(!matches(&glob, &format!("{}b", "a".repeat(5000))));
    }
}
