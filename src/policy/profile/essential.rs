//! Essential: what is broken or dangerous in any cluster. A rule is in it only if a finding is hardly ever a matter
//! of taste: nobody runs images that cannot be parsed, grants rights to strangers, or wants one tag to be two
//! programs. Nothing here asks for a way of working (digests, labels, quotas), and nothing here fails on the usual
//! agents of a node.

use super::{Line, line};

pub(super) const TABLE: &[Line] = &[
    line("ValidReference", "no runtime can start an image whose reference it cannot read"),
    line("PullPolicyNotNever", "the image was put on the node past every registry"),
    line("RunningDigestMatches", "what runs is not what the digest in the spec says"),
    line("DigestSkew", "one tag runs as several programs"),
    line("ImagePullFailing", "the container does not start, and will not by waiting"),
    line("DeprecatedRegistry", "the registry was given up: its images get no fixes, and one day no answer"),
    line("SuspiciousRegistryHost", "a bare address, localhost or a look-alike name is nobody's registry"),
    line("PodSecurityLabelsValid", "a misspelt label does not do what its author believes"),
    line("NoBindingsToAnonymous", "whoever reaches the API server holds the right, without a password"),
    line("StuckTerminating", "the namespace will never be gone without help"),
];
