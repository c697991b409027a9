//! Image references, read as container runtimes read them.
//!
//! The grammar and the normalisation are those of `github.com/distribution/reference` v0.6 (containerd, Docker, the
//! kubelet's defaulting), tested against it. Two forms come out: the canonical form, which is what gets pulled and
//! shown, and the matching form, in which two spellings of one place are equal, for patterns and comparisons only.
//!
//! What no reference can tell: CRI-O may look up short names elsewhere than on Docker Hub, and mirrors configured on
//! a node change where an image comes from. go-containerregistry reads some names differently (`localhost/app` is on
//! Docker Hub there).

use std::fmt;
use std::str::FromStr;

mod error;
mod glob;
mod host;
mod image_id;
pub mod pattern;
mod pull_policy;
#[cfg(test)]
mod tests;

pub use error::{Excerpt, ReferenceError};
pub use glob::Glob;
pub use host::{HostOddity, edit_distance_is_one, host_oddity, split_port};
pub use image_id::ImageId;
pub use pattern::{Pattern, PatternError};
pub use pull_policy::{PullPolicy, UnknownPullPolicy, effective_pull_policy};

/// Where official images are on Docker Hub.
const OFFICIAL: &str = "library/";

/// The tag that no tag means.
const DEFAULT_TAG: &str = "latest";

/// `RepositoryNameTotalLengthMax` of distribution/reference v0.6: of the path, `library/` included, host excluded
/// (until v0.5 it was the whole name).
const NAME_MAX: usize = 255;

/// Our own limit: upstream has none since v0.6, but no DNS name with a port is longer.
const HOST_MAX: usize = 255;

/// A parsed, normalised image reference.
///
/// Equal references were written with the same meaning *and* the same completeness: `nginx` differs from
/// `docker.io/library/nginx:latest`, since rules judge what was written. Compare [`canonical`](Self::canonical) for
/// what is pulled, and use [`same_repository`](Self::same_repository) for where from.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Reference {
    /// The canonical form; behind it the matching name, if that is not the start of the canonical form.
    text: Box<str>,
    host_end: u16,
    name_end: u16,
    /// `name_end` if there is no tag.
    tag_end: u16,
    canonical_end: u16,
    matching_start: u16,
    matching_host_end: u16,
    has_explicit_host: bool,
    has_written_tag: bool,
}

impl Reference {
    /// Reads a reference as `ParseNormalizedNamed` of distribution/reference does, then adds `:latest` if there is
    /// neither tag nor digest.
    pub fn parse(written: &str) -> Result<Self, ReferenceError> {
        let parts = Parts::parse(written).map_err(|error| error_in_context(written, error))?;
        let host = parts.canonical_host();
        if host.len() > HOST_MAX {
            return Err(ReferenceError::HostTooLong(host.len()));
        }
        let official = parts.official_prefix();
        let tag = parts.effective_tag();
        let length = host.len()
            + 1
            + official.len()
            + parts.path.len()
            + tag.map_or(0, |tag| 1 + tag.len())
            + parts.digest.map_or(0, |digest| 1 + digest.text.len());

        let mut text = String::with_capacity(length);
        text.push_str(host);
        let host_end = offset(&text);
        text.push('/');
        text.push_str(official);
        text.push_str(parts.path);
        let name_end = offset(&text);
        if let Some(tag) = tag {
            text.push(':');
            text.push_str(tag);
        }
        let tag_end = offset(&text);
        if let Some(digest) = parts.digest {
            text.push('@');
            text.push_str(digest.text);
        }
        let canonical_end = offset(&text);

        let (mut matching_start, mut matching_host_end) = (0, host_end);
        if !host::is_normalised(host) {
            matching_start = canonical_end;
            host::push_normalised(host, &mut text);
            matching_host_end = offset(&text);
            let on_hub = &text[usize::from(matching_start)..] == host::HUB;
            text.push('/');
            if on_hub && official.is_empty() && !parts.path.contains('/') {
                text.push_str(OFFICIAL);
            }
            text.push_str(official);
            text.push_str(parts.path);
        }
        Ok(Self {
            text: text.into_boxed_str(),
            host_end,
            name_end,
            tag_end,
            canonical_end,
            matching_start,
            matching_host_end,
            has_explicit_host: parts.host.is_some(),
            has_written_tag: parts.tag.is_some(),
        })
    }

    /// `name[:tag][@digest]`, as in `docker.io/library/nginx:latest`. Parsing it gives the same canonical form again.
    pub fn canonical(&self) -> &str {
        &self.text[..usize::from(self.canonical_end)]
    }

    /// Host and repository, as in `docker.io/library/nginx`.
    pub fn name(&self) -> &str {
        &self.text[..usize::from(self.name_end)]
    }

    /// The registry, with its port if one was written: `docker.io`, `registry.example.com:5000`. Its case is kept.
    pub fn host(&self) -> &str {
        &self.text[..usize::from(self.host_end)]
    }

    /// The path behind the host: `library/nginx`.
    pub fn repository(&self) -> &str {
        &self.text[usize::from(self.host_end) + 1..usize::from(self.name_end)]
    }

    /// The tag that holds: what was written, or `latest` if there is neither tag nor digest. Beside a digest it is
    /// only a comment: the runtime drops it and pulls by digest.
    pub fn tag(&self) -> Option<&str> {
        (self.tag_end > self.name_end)
            .then(|| &self.text[usize::from(self.name_end) + 1..usize::from(self.tag_end)])
    }

    /// The tag, if one was written.
    pub fn written_tag(&self) -> Option<&str> {
        self.tag().filter(|_| self.has_written_tag)
    }

    /// The digest, if one was written.
    pub fn digest(&self) -> Option<Digest<'_>> {
        (self.canonical_end > self.tag_end).then(|| Digest {
            text: &self.text[usize::from(self.tag_end) + 1..usize::from(self.canonical_end)],
        })
    }

    /// Whether the host was written, and not implied to be Docker Hub.
    pub fn has_explicit_host(&self) -> bool {
        self.has_explicit_host
    }

    /// Host and repository in the form in which they are compared: host in lower case, ports and IPv6 addresses by
    /// value, `:443` dropped, `index.docker.io` and `registry-1.docker.io` as `docker.io`. Not for pulling, and not
    /// to be parsed again: the host of `Foo/bar` becomes `foo`, which alone is a path on Docker Hub.
    pub fn matching_name(&self) -> &str {
        let end = if self.matching_start == 0 { usize::from(self.name_end) } else { self.text.len() };
        &self.text[usize::from(self.matching_start)..end]
    }

    /// The host of [`matching_name`](Self::matching_name).
    pub fn matching_host(&self) -> &str {
        &self.text[usize::from(self.matching_start)..usize::from(self.matching_host_end)]
    }

    /// The path of [`matching_name`](Self::matching_name).
    pub fn matching_repository(&self) -> &str {
        &self.matching_name()[usize::from(self.matching_host_end - self.matching_start) + 1..]
    }

    /// Whether both name one repository, in whatever spelling; tags and digests do not matter.
    pub fn same_repository(&self, other: &Self) -> bool {
        self.matching_name() == other.matching_name()
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.canonical())
    }
}

impl fmt::Debug for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reference")
            .field("canonical", &self.canonical())
            .field("matching_name", &self.matching_name())
            .field("has_explicit_host", &self.has_explicit_host)
            .field("has_written_tag", &self.has_written_tag)
            .finish()
    }
}

impl FromStr for Reference {
    type Err = ReferenceError;

    fn from_str(written: &str) -> Result<Self, Self::Err> {
        Self::parse(written)
    }
}

/// A content digest, checked: `sha256:` and 64 lower-case hexadecimal characters, `sha384:` and 96, `sha512:` and 128
/// (the algorithms that `github.com/opencontainers/go-digest` registers).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Digest<'a> {
    text: &'a str,
}

impl<'a> Digest<'a> {
    /// Reads `algorithm:hexadecimal`.
    pub fn parse(text: &'a str) -> Result<Self, ReferenceError> {
        let Some((algorithm, hex)) = text.split_once(':') else {
            return Err(ReferenceError::Digest(Excerpt::of(text)));
        };
        let expected = match algorithm {
            "sha256" => 64,
            "sha384" => 96,
            "sha512" => 128,
            _ => return Err(ReferenceError::Algorithm(Excerpt::of(algorithm))),
        };
        if !hex.bytes().all(is_lower_hex) {
            return Err(ReferenceError::DigestValue(Excerpt::of(hex)));
        }
        if hex.len() != expected {
            let found = hex.len();
            return Err(ReferenceError::DigestLength { expected, found });
        }
        Ok(Self { text })
    }

    /// The whole digest.
    pub const fn as_str(self) -> &'a str {
        self.text
    }

    /// `sha256`, `sha384` or `sha512`.
    pub fn algorithm(self) -> &'a str {
        self.text.split_once(':').map_or("", |(algorithm, _)| algorithm)
    }

    /// The value behind the colon.
    pub fn hex(self) -> &'a str {
        self.text.split_once(':').map_or("", |(_, hex)| hex)
    }
}

impl fmt::Display for Digest<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text)
    }
}

/// A reference cut at its seams, as written and checked, without an allocation.
struct Parts<'a> {
    host: Option<&'a str>,
    path: &'a str,
    tag: Option<&'a str>,
    digest: Option<Digest<'a>>,
}

impl<'a> Parts<'a> {
    fn parse(written: &'a str) -> Result<Self, ReferenceError> {
        if written.is_empty() {
            return Err(ReferenceError::Empty);
        }
        if is_image_id(written) {
            return Err(ReferenceError::ImageId(Excerpt::of(written)));
        }
        let (host, rest) = match written.split_once('/') {
            Some((first, rest)) if names_host(first) => (Some(first), rest),
            _ => (None, written),
        };
        if let Some(host) = host.filter(|host| !host::is_host(host)) {
            return Err(ReferenceError::Host(Excerpt::of(host)));
        }
        let path_end = rest.bytes().position(|b| matches!(b, b':' | b'@')).unwrap_or(rest.len());
        let (path, tail) = rest.split_at(path_end);
        check_path(path, written)?;
        let (tag, digest) = match tail.split_once('@') {
            Some((tag, digest)) => (tag, Some(Digest::parse(digest)?)),
            None => (tail, None),
        };
        let tag = tag.strip_prefix(':');
        if let Some(tag) = tag.filter(|tag| !is_tag(tag)) {
            return Err(ReferenceError::Tag(Excerpt::of(tag)));
        }
        let parts = Self { host, path, tag, digest };
        let mut length = parts.official_prefix().len() + path.len();
        if let Some(host) = host.filter(|host| host.contains('_')) {
            // Upstream sees such a host as part of the path, see `is_host`.
            length += host.len() + 1;
        }
        if length > NAME_MAX {
            return Err(ReferenceError::NameTooLong(length));
        }
        Ok(parts)
    }

    fn canonical_host(&self) -> &'a str {
        match self.host {
            None | Some("index.docker.io") => host::HUB,
            Some(host) => host,
        }
    }

    fn official_prefix(&self) -> &'static str {
        if self.canonical_host() == host::HUB && !self.path.contains('/') { OFFICIAL } else { "" }
    }

    fn effective_tag(&self) -> Option<&'a str> {
        self.tag.or(match self.digest {
            None => Some(DEFAULT_TAG),
            Some(_) => None,
        })
    }
}

/// Every part is bounded, their sum is far below 65,536.
fn offset(text: &str) -> u16 {
    u16::try_from(text.len()).unwrap_or(u16::MAX)
}

/// Whether the part before the first `/` is meant as a host (`splitDockerDomain` in `normalize.go`).
fn names_host(first: &str) -> bool {
    first == "localhost" || first.chars().any(|c| matches!(c, '.' | ':') || c.is_uppercase())
}

fn check_path(path: &str, written: &str) -> Result<(), ReferenceError> {
    for segment in path.split('/') {
        if !is_segment(segment) {
            return Err(if path.bytes().any(|b| b.is_ascii_uppercase()) {
                ReferenceError::UpperCase(Excerpt::of(path))
            } else if segment.is_empty() {
                ReferenceError::EmptySegment(Excerpt::of(written))
            } else {
                ReferenceError::Segment(Excerpt::of(segment))
            });
        }
    }
    Ok(())
}

/// `path-component`: runs of a-z and 0-9, joined by one `.`, one or two `_`, or any number of dashes.
fn is_segment(segment: &str) -> bool {
    // As if a dot came before, so that no separator may come first.
    let (mut separator, mut run) = (b'.', 1);
    for byte in segment.bytes() {
        match byte {
            b'a'..=b'z' | b'0'..=b'9' => run = 0,
            b'.' | b'_' | b'-' if run == 0 => (separator, run) = (byte, 1),
            b'-' if separator == b'-' => {}
            b'_' if separator == b'_' && run == 1 => run = 2,
            _ => return false,
        }
    }
    run == 0
}

/// `[\w][\w.-]{0,127}`
fn is_tag(tag: &str) -> bool {
    tag.len() <= 128
        && !tag.starts_with(['.', '-'])
        && !tag.is_empty()
        && tag.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-'))
}

/// 64 lower-case hexadecimal characters: what Docker calls an image id.
fn is_image_id(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(is_lower_hex)
}

fn is_lower_hex(byte: u8) -> bool {
    matches!(byte, b'0'..=b'9' | b'a'..=b'f')
}

/// Prefers the reason a person would give to the first rule of the grammar that broke.
#[cold]
fn error_in_context(written: &str, error: ReferenceError) -> ReferenceError {
    let excerpt = || Excerpt::of(written);
    if ["{{", "${", "$("].iter().any(|mark| written.contains(mark)) {
        return ReferenceError::Placeholder(excerpt());
    }
    if let Some((index, found)) = written.chars().enumerate().find(|(_, c)| !c.is_ascii_graphic()) {
        let (at, written) = (index + 1, excerpt());
        return ReferenceError::Character { found, at, written };
    }
    if written.contains("://") {
        return ReferenceError::Scheme(excerpt());
    }
    error
}
