//! Patterns over registries and repositories, for allow lists, deny lists and exemptions.
//!
//! | pattern | matches |
//! |---|---|
//! | `registry.example.com` | the whole registry, the same as `registry.example.com/**` |
//! | `registry.example.com/team/app` | exactly this repository |
//! | `registry.example.com/team/*` | one segment in place of `*` |
//! | `registry.example.com/team/**` | everything below `team`, at any depth, but not `team` itself |
//! | `*.example.com/**` | `*` in a host stays within one label: not `example.com`, not `a.b.example.com` |
//! | `nginx`, `docker.io/nginx` | `docker.io/library/nginx`: patterns are normalised as references are |
//! | `team/*`, `docker.io/*` | `docker.io/team/*`, `docker.io/library/*`, for the same reason |
//!
//! Nothing matches by prefix or suffix, so `registry.example.com` never covers `registry.example.com.evil.test`.
//! Without a `/`, a text with a dot, `localhost` or a bracketed address is a registry (as a reference it would be an
//! image on Docker Hub, which in a pattern is written `docker.io/library/name`). Refused, with a hint: what could be
//! read two ways, and what would cover more than it says.

use std::fmt;
use std::str::FromStr;

use super::error::Excerpt;
use super::glob::parts_match;
use super::{NAME_MAX, OFFICIAL, Reference, host, is_segment, names_host};

/// The longest pattern accepted.
pub(super) const MAX_LENGTH: usize = 512;

/// A set of repositories.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Pattern {
    /// The canonical pattern.
    text: Box<str>,
    host_end: usize,
    path_start: usize,
    wild_host: bool,
    /// The wild host covers another name of Docker Hub, which references are known by as `docker.io`.
    covers_hub: bool,
}

impl Pattern {
    /// Reads a pattern.
    pub fn parse(written: &str) -> Result<Self, PatternError> {
        let excerpt = || Excerpt::of(written);
        if written.is_empty() {
            return Err(PatternError::Empty);
        }
        if written.len() > MAX_LENGTH {
            return Err(PatternError::TooLong);
        }
        if let Some(found) = written.chars().find(|c| !c.is_ascii_graphic()) {
            let pattern = excerpt();
            return Err(PatternError::Character { found, pattern });
        }
        if written.contains("://") {
            return Err(PatternError::Scheme(excerpt()));
        }
        if written.contains('@') {
            return Err(PatternError::Digest(excerpt()));
        }
        if matches!(written, "*" | "**") {
            return Err(PatternError::Everything(excerpt()));
        }
        let (host, path) = split(written)?;
        let wild_host = host.contains('*');
        check_host(host, wild_host).map_err(|reason| reason(excerpt()))?;

        let mut text = String::with_capacity(written.len() + host::HUB.len() + OFFICIAL.len() + 2);
        host::push_normalised(host, &mut text);
        let host_end = text.len();
        let official = text == host::HUB && !path.contains('/') && path != "**";
        let covers_hub = wild_host && host::HUB_ALIASES.iter().any(|alias| parts_match(&text, alias, '.'));
        if !names_host(&text) {
            // Only a port tells this host from a path on Docker Hub.
            text.push_str(":443");
        }
        text.push('/');
        let path_start = text.len();
        if official {
            text.push_str(OFFICIAL);
        }
        text.push_str(path);
        check_path(&text[path_start..]).map_err(|reason| reason(excerpt()))?;
        // What was implied may have made it too long to be read again.
        if text.len() > MAX_LENGTH {
            return Err(PatternError::TooLong);
        }
        Ok(Self { text: text.into_boxed_str(), host_end, path_start, wild_host, covers_hub })
    }

    /// Whether the reference's repository is in the set, in whatever spelling ([`Reference::matching_name`]); tags
    /// and digests do not matter. Allocates nothing.
    pub fn matches(&self, reference: &Reference) -> bool {
        let (host, wanted) = (reference.matching_host(), &self.text[..self.host_end]);
        let same_host = if self.wild_host {
            parts_match(wanted, host, '.') || (self.covers_hub && host == host::HUB)
        } else {
            wanted == host
        };
        same_host && path_matches(&self.text[self.path_start..], reference.matching_repository())
    }

    /// Whether it matches every reference that another one matches.
    pub fn covers(&self, other: &Self) -> bool {
        let (host, wanted) = (&other.text[..other.host_end], &self.text[..self.host_end]);
        let (path, below) = (&other.text[other.path_start..], &self.text[self.path_start..]);
        let same_host = wanted == host || (self.wild_host && parts_match(wanted, host, '.'));
        // A star of the other one is matched by a star only, and any depth by any depth only.
        same_host && (!path.ends_with("**") || below.ends_with("**")) && path_matches(below, path)
    }

    /// The canonical pattern. Parsing it gives the same pattern again.
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl FromStr for Pattern {
    type Err = PatternError;

    fn from_str(written: &str) -> Result<Self, Self::Err> {
        Self::parse(written)
    }
}

fn path_matches(pattern: &str, path: &str) -> bool {
    let mut segments = path.split('/');
    for wanted in pattern.split('/') {
        match (wanted, segments.next()) {
            (_, None) => return false,
            // Only ever the last one.
            ("**", Some(_)) => return true,
            ("*", Some(_)) => {}
            (wanted, Some(segment)) if wanted == segment => {}
            _ => return false,
        }
    }
    segments.next().is_none()
}

/// Splits a pattern into host and path, both implied where a reference would imply them.
fn split(written: &str) -> Result<(&str, &str), PatternError> {
    let excerpt = || Excerpt::of(written);
    let Some((first, rest)) = written.split_once('/') else {
        let (name, port) = host::split_port(written);
        if written.ends_with('*') {
            return Err(PatternError::PartialStar(excerpt()));
        }
        let bare_host = name.contains('.') || name.starts_with('[') || name == "localhost";
        return match port {
            Some(port) if !port.bytes().all(|b| b.is_ascii_digit()) => Err(PatternError::Tag(excerpt())),
            Some(_) if !bare_host => Err(PatternError::PortOrTag(excerpt())),
            _ if bare_host => Ok((written, "**")),
            _ => Ok((host::HUB, written)),
        };
    };
    if rest.is_empty() {
        return Err(PatternError::TrailingSlash(excerpt()));
    }
    if names_host(first) {
        Ok((first, rest))
    } else if first.contains('*') {
        Err(PatternError::AnyHost(excerpt()))
    } else {
        Ok((host::HUB, written))
    }
}

type Reason = fn(Excerpt) -> PatternError;

/// A host must be one that a reference could have, with a letter in place of each `*`.
fn check_host(host: &str, wild: bool) -> Result<(), Reason> {
    if !wild {
        return host::is_host(host).then_some(()).ok_or(PatternError::Host);
    }
    if host.contains("**") {
        Err(PatternError::DoubleStar)
    } else if !host::is_host(&host.replace('*', "x")) {
        Err(PatternError::Host)
    } else if host.rsplit('.').next().is_some_and(|last| last.contains('*')) {
        Err(PatternError::AnyDomain)
    } else {
        Ok(())
    }
}

fn check_path(path: &str) -> Result<(), Reason> {
    if path.len() > NAME_MAX {
        return Err(|_| PatternError::TooLong);
    }
    let mut segments = path.split('/').peekable();
    while let Some(segment) = segments.next() {
        match segment {
            "*" => {}
            "**" if segments.peek().is_none() => {}
            _ if segment.contains(':') => return Err(PatternError::Tag),
            _ if segment.contains("**") => return Err(PatternError::DoubleStar),
            _ if segment.contains('*') => return Err(PatternError::PartialStar),
            _ if segment.bytes().any(|b| b.is_ascii_uppercase()) => {
                return Err(PatternError::UpperCase);
            }
            _ if !is_segment(segment) => return Err(PatternError::Path),
            _ => {}
        }
    }
    Ok(())
}

/// Why a text is not a pattern.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PatternError {
    /// Nothing was written.
    Empty,
    /// The pattern is longer than any name it could match.
    TooLong,
    /// A character that no name has.
    Character {
        /// The character.
        found: char,
        /// The start of the pattern.
        pattern: Excerpt,
    },
    /// `https://…`
    Scheme(Excerpt),
    /// The pattern has a digest.
    Digest(Excerpt),
    /// The pattern has a tag.
    Tag(Excerpt),
    /// `foo:5000`: a registry with a port or an image with a tag.
    PortOrTag(Excerpt),
    /// `*` or `**` alone.
    Everything(Excerpt),
    /// `*/app`: in any registry, or in any account of Docker Hub.
    AnyHost(Excerpt),
    /// `registry.*/app`: the last label of the host is open, so whoever registers a name gets in.
    AnyDomain(Excerpt),
    /// The part before the first `/` is no host.
    Host(Excerpt),
    /// Nothing behind the last `/`.
    TrailingSlash(Excerpt),
    /// `team/app-*`, `registry.example.*`: `*` must be a whole segment of a path.
    PartialStar(Excerpt),
    /// `**` elsewhere than as the last segment.
    DoubleStar(Excerpt),
    /// The path has upper-case letters.
    UpperCase(Excerpt),
    /// The path is none that a repository could have.
    Path(Excerpt),
}

impl fmt::Display for PatternError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (problem, pattern) = match self {
            Self::Empty => return f.write_str("pattern is empty"),
            Self::TooLong => {
                return write!(
                    f,
                    "pattern is too long: at most {MAX_LENGTH} characters, {NAME_MAX} of them in the path"
                );
            }
            Self::Character { found, pattern } => {
                let found = found.escape_debug();
                return write!(f, "character '{found}' is not allowed in a pattern: {pattern}");
            }
            Self::Scheme(p) => ("pattern must not have a scheme", p),
            Self::Digest(p) => ("pattern must not have a digest or user name", p),
            Self::Tag(p) => ("pattern must not have a tag", p),
            Self::PortOrTag(p) => (
                "pattern may be a registry with a port or an image with a tag; add '/**' for the registry, leave out the tag for the image",
                p,
            ),
            Self::Everything(p) => (
                "pattern would cover everything; name a registry, as in 'docker.io/library/*' or 'docker.io/**'",
                p,
            ),
            Self::AnyHost(p) => {
                ("pattern must start with a host; for Docker Hub write 'docker.io/' before it", p)
            }
            Self::AnyDomain(p) => ("last label of the host must not have a '*'", p),
            Self::Host(p) => (
                "host must be a domain name, an IPv4 address or a bracketed IPv6 address, with or without a port",
                p,
            ),
            Self::TrailingSlash(p) => {
                ("pattern ends with '/'; leave it out for the whole registry, or add '*' or '**'", p)
            }
            Self::PartialStar(p) => {
                ("'*' must stand alone between slashes; write '/*' for one segment or '/**' for all below", p)
            }
            Self::DoubleStar(p) => ("'**' must be the last segment, behind a '/'", p),
            Self::UpperCase(p) => ("repository name must be lower case", p),
            Self::Path(p) => ("path is none a repository can have", p),
        };
        write!(f, "{problem}: {pattern}")
    }
}

impl std::error::Error for PatternError {}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(pattern: &str, image: &str) -> bool {
        let pattern = Pattern::parse(pattern).unwrap_or_else(|error| panic!("{error}"));
        pattern.matches(&Reference::parse(image).unwrap_or_else(|error| panic!("{error}")))
    }

    #[test]
    fn a_pattern_covers_another_one_when_it_matches_all_that_the_other_matches() {
        let covers = |left: &str, right: &str| {
            let pattern = |text| Pattern::parse(text).unwrap_or_else(|error| panic!("{error}"));
            pattern(left).covers(&pattern(right))
        };
        for (left, right) in [
            ("a.test", "a.test/team/**"),
            ("a.test/**", "a.test"),
            ("a.test/team/**", "a.test/team/*"),
            ("a.test/team/*", "a.test/team/app"),
            ("*.a.test", "b.a.test/x"),
            ("*.a.test/**", "*.a.test/x/*"),
            ("docker.io/library/*", "nginx"),
        ] {
            assert!(covers(left, right), "{left} covers {right}");
        }
        for (left, right) in [
            ("a.test/team/**", "a.test"),
            ("a.test/team/*", "a.test/team/**"),
            ("a.test/*/**", "a.test/**"),
            ("a.test/team/app", "a.test/team/*"),
            ("a.test", "*.a.test"),
            ("b.a.test", "*.a.test"),
            ("a.test", "a.test.evil.test"),
        ] {
            assert!(!covers(left, right), "{left} covers {right}");
        }
    }

    #[test]
    fn a_pattern_covers_what_it_says() {
        for (pattern, image) in [
            ("docker.io/library/**", "nginx"),
            ("docker.io/foo/*", "foo/bar:1.0"),
            ("docker.io", "foo/bar"),
            ("docker.io/*", "nginx"),
            ("docker.io/**", "foo/bar"),
            ("nginx", "registry-1.docker.io/library/nginx:1"),
            ("team/*", "docker.io/team/app"),
            ("registry.example.com", "registry.example.com/app:1.0"),
            ("registry.example.com", "registry.example.com/model:1"),
            ("registry.example.com", "registry.example.com/a/b/c"),
            ("registry.example.com/legacy/**", "registry.example.com/legacy/app:1.0"),
            ("registry.example.com/team/**", "registry.example.com/team/sub/app:1.0"),
            ("registry.example.com/*/app", "registry.example.com/team/app"),
            ("registry.example.com:443", "registry.example.com/app"),
            ("localhost", "localhost/app"),
            ("localhost:5000", "localhost:5000/a/b"),
            ("registry:5000/**", "registry:5000/app"),
            ("[0::1]:5000", "[::1]:5000/app"),
            ("*.example.com/**", "a.example.com/x/y"),
            ("*.dkr.ecr.*.amazonaws.com", "1234.dkr.ecr.eu-west-1.amazonaws.com/app"),
            ("*.docker.io/**", "registry-1.docker.io/foo/bar"),
            ("foo_bar.example", "foo_bar.example/app"),
            ("Foo/bar", "Foo/bar"),
        ] {
            assert!(matches(pattern, image), "{pattern} {image}");
        }
    }

    #[test]
    fn a_pattern_covers_nothing_else() {
        for (pattern, image) in [
            ("docker.io/library/**", "bitnami/redis:7.4"),
            ("docker.io/*", "foo/bar"),
            ("docker.io/library/*", "library/foo/bar"),
            ("registry.example.com", "registry.example.com:5000/app:1.0"),
            ("registry.example.com", "registry.example.com.evil.test/app"),
            ("example.com", "registry.example.com/app"),
            ("azurecr.io", "evilazurecr.io/app"),
            ("registry.example.com/team", "registry.example.com/team/app"),
            ("registry.example.com/team/*", "registry.example.com/team/sub/app"),
            ("registry.example.com/team/*", "registry.example.com/team"),
            ("registry.example.com/team/**", "registry.example.com/team"),
            ("registry.example.com/team/**", "registry.example.com/teams/app"),
            ("*.example.com", "example.com/app"),
            ("*.example.com", "a.b.example.com/app"),
            ("*.example.com", "a.example.com:5000/app"),
            ("*.example.com/app", "docker.io/library/app"),
            ("foo/bar", "Foo/bar"),
            ("localhost", "docker.io/library/localhost"),
        ] {
            assert!(!matches(pattern, image), "{pattern} {image}");
        }
    }

    #[test]
    fn the_canonical_pattern_says_what_was_implied() {
        for (written, canonical) in [
            ("nginx", "docker.io/library/nginx"),
            ("docker.io", "docker.io/**"),
            ("index.docker.io", "docker.io/**"),
            ("registry-1.docker.io/nginx", "docker.io/library/nginx"),
            ("docker.io/*", "docker.io/library/*"),
            ("team/**", "docker.io/team/**"),
            ("localhost:5000", "localhost:5000/**"),
            ("Registry.Example.com:0443/app", "registry.example.com/app"),
            ("Foo/bar", "foo:443/bar"),
            ("[0:0::1]", "[::1]/**"),
        ] {
            let pattern = Pattern::parse(written).unwrap_or_else(|error| panic!("{error}"));
            assert_eq!(pattern.to_string(), canonical, "{written}");
        }
    }

    #[test]
    fn what_is_no_pattern_is_refused_with_a_hint() {
        for (written, message) in [
            ("", "pattern is empty"),
            ("*", "would cover everything"),
            ("**", "would cover everything"),
            ("*/app", "must start with a host"),
            ("foo:5000", "add '/**' for the registry"),
            ("nginx:1.27", "must not have a tag"),
            ("registry.example.com/app:1.0", "must not have a tag"),
            ("nginx@sha256:abc", "must not have a digest"),
            ("https://registry.example.com", "must not have a scheme"),
            ("registry.example.com/", "ends with '/'"),
            ("registry.example.*", "'*' must stand alone"),
            ("registry.example.com/team*", "'*' must stand alone"),
            ("registry.example.com/team-*/app", "'*' must stand alone"),
            ("registry.example.com/**/app", "'**' must be the last segment"),
            ("**.example.com/app", "'**' must be the last segment"),
            ("registry.*/app", "last label of the host"),
            ("registry.example.com:*/app", "host must be"),
            ("a..b", "host must be"),
            ("registry.example.com/Team/app", "must be lower case"),
            ("Nginx", "must be lower case"),
            ("registry.example.com//app", "none a repository can have"),
            ("registry.example.com/team/", "none a repository can have"),
            (" nginx", "character ' '"),
            (&"a".repeat(513), "too long"),
            (&"a".repeat(300), "too long"),
            (&format!("{}test", "a.".repeat(253)), "too long"),
        ] {
            match Pattern::parse(written) {
                Ok(pattern) => panic!("{written:?} was read as {pattern}"),
                Err(error) => assert!(error.to_string().contains(message), "{written:?}: {error}"),
            }
        }
    }
}
