//! Requirements of standards, each with the edition it was read in.

use std::fmt;

use serde::Serialize;

/// One requirement of a standard that a rule serves. Numbers move between editions, so the edition is part.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Control {
    /// The standard: `CIS Kubernetes`, `BSI IT-Grundschutz`, `NIST SP 800-190`, `MITRE ATT&CK`, ...
    pub framework: &'static str,
    /// Its edition: `v1.12`, `2023`, ...
    pub version: &'static str,
    /// The requirement's number there: `5.5.1`, `SYS.1.6.A6`, ...
    pub id: &'static str,
}

impl Control {
    /// A recommendation of the CIS Kubernetes Benchmark.
    pub const fn cis(id: &'static str) -> Self {
        Self { framework: "CIS Kubernetes", version: "v1.12", id }
    }

    /// A requirement of the BSI's IT-Grundschutz.
    pub const fn bsi(id: &'static str) -> Self {
        Self { framework: "BSI IT-Grundschutz", version: "2023", id }
    }

    /// A section of NIST's Application Container Security Guide.
    pub const fn nist(id: &'static str) -> Self {
        Self { framework: "NIST SP 800-190", version: "2017", id }
    }

    /// An entry of the OWASP Kubernetes Top Ten.
    pub const fn owasp(id: &'static str) -> Self {
        Self { framework: "OWASP Kubernetes Top Ten", version: "2025", id }
    }

    /// A technique or mitigation of MITRE ATT&CK's matrix for containers.
    pub const fn attack(id: &'static str) -> Self {
        Self { framework: "MITRE ATT&CK", version: "Containers", id }
    }

    /// A chapter of the Kubernetes Hardening Guide of NSA and CISA, which has no numbers.
    pub const fn nsa(id: &'static str) -> Self {
        Self { framework: "NSA/CISA Kubernetes Hardening Guide", version: "v1.2", id }
    }
}

impl fmt::Display for Control {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}: {}", self.framework, self.version, self.id)
    }
}
