//! The pull policy, and the one place that knows its default.

use std::fmt;
use std::str::FromStr;

use super::Parts;

/// `imagePullPolicy` of a container, `pullPolicy` of an image volume.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum PullPolicy {
    /// The kubelet asks the registry at every start.
    Always = 1,
    /// The kubelet asks the registry if the node does not have the image.
    IfNotPresent = 2,
    /// The kubelet never asks the registry.
    Never = 3,
}

impl PullPolicy {
    /// The policy whose discriminant this is, for canonical bytes (`policy as u8`); 0 stands for none written.
    pub const fn from_byte(byte: u8) -> Option<Self> {
        match byte {
            1 => Some(Self::Always),
            2 => Some(Self::IfNotPresent),
            3 => Some(Self::Never),
            _ => None,
        }
    }

    /// The word as Kubernetes writes it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Always => "Always",
            Self::IfNotPresent => "IfNotPresent",
            Self::Never => "Never",
        }
    }
}

impl fmt::Display for PullPolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The text is none of the three pull policies; they are case-sensitive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnknownPullPolicy;

impl fmt::Display for UnknownPullPolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("pull policy must be Always, IfNotPresent or Never")
    }
}

impl std::error::Error for UnknownPullPolicy {}

impl FromStr for PullPolicy {
    type Err = UnknownPullPolicy;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "Always" => Ok(Self::Always),
            "IfNotPresent" => Ok(Self::IfNotPresent),
            "Never" => Ok(Self::Never),
            _ => Err(UnknownPullPolicy),
        }
    }
}

/// The pull policy that holds: what was written, else what the API server fills in, which is `Always` iff the tag is
/// `latest`, written or implied, with or without a digest beside it.
///
/// The same as `SetDefaults_Container` in Kubernetes' `pkg/apis/core/v1/defaults.go`, with `ParseImageName` of
/// `pkg/util/parsers`, whose error it ignores: an image that does not parse gets `IfNotPresent`.
pub fn effective_pull_policy(written: Option<PullPolicy>, image: &str) -> PullPolicy {
    written.unwrap_or_else(|| match Parts::parse(image) {
        Ok(parts) if parts.effective_tag() == Some("latest") => PullPolicy::Always,
        _ => PullPolicy::IfNotPresent,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEX: &str = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";

    #[test]
    fn the_pull_policy_defaults_as_the_api_server_does_it() {
        let at = format!("@sha256:{HEX}");
        for (image, policy) in [
            ("nginx", PullPolicy::Always),
            ("host:5000/app", PullPolicy::Always),
            ("registry.example.com/m:latest", PullPolicy::Always),
            (&format!("nginx:latest{at}"), PullPolicy::Always),
            (&format!("nginx:1.27{at}"), PullPolicy::IfNotPresent),
            (&format!("nginx{at}"), PullPolicy::IfNotPresent),
            ("nginx:1.27", PullPolicy::IfNotPresent),
            ("nginx:LATEST", PullPolicy::IfNotPresent),
            ("Nginx:latest", PullPolicy::IfNotPresent),
            ("", PullPolicy::IfNotPresent),
        ] {
            assert_eq!(effective_pull_policy(None, image), policy, "{image}");
        }
        assert_eq!(effective_pull_policy(Some(PullPolicy::Never), "nginx"), PullPolicy::Never);
        for policy in [PullPolicy::Always, PullPolicy::IfNotPresent, PullPolicy::Never] {
            assert_eq!(policy.as_str().parse(), Ok(policy));
            assert_eq!(PullPolicy::from_byte(policy as u8), Some(policy));
        }
        assert_eq!(PullPolicy::from_byte(0), None);
        assert_eq!("always".parse::<PullPolicy>(), Err(UnknownPullPolicy));
    }
}
