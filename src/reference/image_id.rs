//! What a container runtime says it runs: `status.containerStatuses[].imageID`.
//!
//! The field is free text and each runtime fills it its own way (kubernetes#115199, #95968; cri-o#7149, #7803, #9987;
//! containerd#8408). Only a repository digest may be compared with the digest of a reference.

use super::{Digest, Reference, is_image_id};

/// What an `imageID` means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ImageId<'a> {
    /// Empty: the container was not started yet.
    NotStarted,
    /// `name@sha256:…`, also behind `docker-pullable://`: the digest of a manifest, usually of the index. The name is
    /// the first the runtime knows for that content, not always the one in the spec.
    RepositoryDigest {
        /// The whole reference, digest included.
        repository: Reference,
        /// The manifest's digest.
        digest: Digest<'a>,
    },
    /// `sha256:…` alone: containerd's name for an image that came without a repository digest (imported, loaded into
    /// kind, schema 1). It is the digest of the image's configuration, so it cannot be compared with a manifest's.
    ConfigDigest(Digest<'a>),
    /// 64 hexadecimal characters alone (some CRI-O releases) or behind `docker://`: may be a digest of either kind.
    Ambiguous(&'a str),
    /// Anything else, as the runtime wrote it.
    Unrecognised(&'a str),
}

impl<'a> ImageId<'a> {
    /// Reads an `imageID`. `sha256:…` is never taken for a repository called sha256.
    pub fn parse(text: &'a str) -> Self {
        if text.is_empty() {
            return Self::NotStarted;
        }
        if let Ok(digest) = Digest::parse(text) {
            return Self::ConfigDigest(digest);
        }
        let bare = text.strip_prefix("docker://").unwrap_or(text);
        if is_image_id(bare) || (bare.len() < text.len() && Digest::parse(bare).is_ok()) {
            return Self::Ambiguous(text);
        }
        let name = text.strip_prefix("docker-pullable://").unwrap_or(text);
        let digest = name.rsplit_once('@').and_then(|(_, digest)| Digest::parse(digest).ok());
        match (digest, Reference::parse(name)) {
            (Some(digest), Ok(repository)) => Self::RepositoryDigest { repository, digest },
            _ => Self::Unrecognised(text),
        }
    }

    /// The digest, if it may be compared with the digest of a reference.
    pub fn manifest_digest(&self) -> Option<Digest<'a>> {
        match self {
            Self::RepositoryDigest { digest, .. } => Some(*digest),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEX: &str = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";

    #[test]
    fn image_ids_are_read_by_what_the_runtime_meant() {
        let digest = format!("sha256:{HEX}");
        let repository = format!("docker.io/library/nginx@{digest}");
        for written in [repository.clone(), format!("docker-pullable://{repository}")] {
            match ImageId::parse(&written) {
                ImageId::RepositoryDigest { repository, digest } => {
                    assert_eq!(repository.name(), "docker.io/library/nginx");
                    assert_eq!(digest.hex(), HEX);
                }
                other => panic!("{written}: {other:?}"),
            }
        }
        assert_eq!(ImageId::parse(""), ImageId::NotStarted);
        assert!(matches!(ImageId::parse(&digest), ImageId::ConfigDigest(d) if d.hex() == HEX));
        assert_eq!(ImageId::parse(HEX), ImageId::Ambiguous(HEX));
        let docker = format!("docker://{digest}");
        assert_eq!(ImageId::parse(&docker), ImageId::Ambiguous(&docker));
        for odd in ["sha256:abc", "nginx:1.27", "x", " ", "docker://", "nginx@md5:0", "docker-pullable://"] {
            assert_eq!(ImageId::parse(odd), ImageId::Unrecognised(odd));
            assert_eq!(ImageId::parse(odd).manifest_digest(), None);
        }
    }
}
