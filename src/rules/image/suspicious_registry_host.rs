//! SuspiciousRegistryHost: the registry has a name that can be read and checked.

use crate::reference::{HostOddity, edit_distance_is_one, host_oddity, split_port};
use crate::rules::settings::registry;
use crate::rules::{Control, ImageRule, Rule, RuleInfo, SettingError, rule_settings};
use crate::subject::pod::ImageSubject;
use crate::verdict::{Note, Severity, Verdict};

rule_settings! {
    /// The registry is no IP address, not localhost, has no label in punycode (`xn--`), and is not one slip of the
    /// hand away from a trusted one.
    struct Settings {
        /// Hosts that others may imitate; ports do not matter. A host that is one character (more, less, other or
        /// swapped) from one of these fails, unless it is named here too. Nothing else becomes trusted by this:
        /// an address named here still fails. Default: none, and nothing is compared.
        #[schemars(length(max = 500), inner(length(min = 1, max = 255)))]
        trusted_hosts: Vec<String>,
    }
}

/// The rule, hosts in the form in which they are compared, without ports.
#[derive(Debug)]
pub struct SuspiciousRegistryHost {
    trusted: Vec<Box<str>>,
}

impl Rule for SuspiciousRegistryHost {
    const INFO: RuleInfo = RuleInfo {
        id: "SuspiciousRegistryHost",
        title: "Registries have names that can be read and checked",
        rationale: "Behind an address or localhost there is no certificate for a name, so that \
                    whoever sits on the way can answer. Punycode and names that differ by one \
                    letter are made to be taken for another registry by the person who reads the \
                    manifest.",
        remedy: "Ask who wrote the reference and why. Name the registry that is meant, with a \
                 certificate for that name:\n\n  \
                 kubectl -n NAMESPACE set image KIND/NAME \
                 CONTAINER=registry.example.com/team/app:1.2.3\n\n\
                 The image of a static pod is changed in its file on the node.",
        severity: Severity::Medium,
        controls: &[Control::nist("3.2.1"), Control::attack("T1036.005")],
        reads: &[],
        false_positives: "Registries on localhost in development clusters and as a cache on each \
                          node, registries by address in closed networks, registered domains with \
                          letters beyond ASCII: an exemption by image. Two registries of one's \
                          own whose names differ by a character: name both under trustedHosts.",
    };
    type Settings = Settings;

    fn prepare(settings: &Settings) -> Result<Self, SettingError> {
        let read = |(index, written): (usize, &String)| {
            let field = format!("trustedHosts[{index}]");
            if written.contains('*') {
                return Err(SettingError::new(field, "a name to compare with has no wildcard"));
            }
            let pattern = registry(field, written)?;
            let host = pattern.as_str().split_once('/').map_or("", |(host, _)| host);
            Ok(split_port(host).0.into())
        };
        let trusted = settings.trusted_hosts.iter().flatten().enumerate().map(read);
        Ok(Self { trusted: trusted.collect::<Result<_, _>>()? })
    }
}

impl SuspiciousRegistryHost {
    /// The trusted host that this one may be taken for.
    fn imitated(&self, host: &str) -> Option<&str> {
        if self.trusted.iter().any(|trusted| **trusted == *host) {
            return None;
        }
        self.trusted.iter().map(AsRef::as_ref).find(|trusted| edit_distance_is_one(trusted, host))
    }
}

impl ImageRule for SuspiciousRegistryHost {
    fn check(&self, subject: &ImageSubject<'_>, note: &mut Note<'_>) -> Verdict {
        let reference = match subject.reference() {
            Ok(reference) => reference,
            Err(error) => {
                return note.unknown("InvalidReference", format_args!("no registry can be read: {error}"));
            }
        };
        let host = reference.host();
        match host_oddity(host) {
            Some(HostOddity::IpLiteral) => {
                note.fail("IpAddress", format_args!("the registry {host} is an address"))
            }
            Some(HostOddity::Localhost) => {
                note.fail("Localhost", format_args!("the registry {host} is the node itself"))
            }
            Some(HostOddity::Punycode { decoded }) => note.fail(
                "Punycode",
                format_args!("the registry {host} is shown as {decoded} and may imitate another"),
            ),
            None => match self.imitated(split_port(reference.matching_host()).0) {
                Some(trusted) => note.fail(
                    "ImitatesTrusted",
                    format_args!("the registry {host} is one slip of the hand away from {trusted}"),
                ),
                None => Verdict::Pass,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::testing::{image_explained, image_verdict, settings_error};

    fn verdict(image: &str) -> Verdict {
        image_verdict::<SuspiciousRegistryHost>("{}", image)
    }

    #[test]
    fn addresses_localhost_and_punycode_fail() {
        for image in ["10.0.0.1/app", "10.0.0.1:5000/app:1", "[::1]:5000/app"] {
            assert_eq!(verdict(image), Verdict::Fail("IpAddress"), "{image}");
        }
        for image in ["localhost/app", "localhost:5000/app", "registry.localhost/app"] {
            assert_eq!(verdict(image), Verdict::Fail("Localhost"), "{image}");
        }
        assert_eq!(verdict("xn--dcker-jua.io/library/nginx:1"), Verdict::Fail("Punycode"));
    }

    #[test]
    fn names_and_images_without_a_registry_pass() {
        for image in
            ["nginx", "docker.io/nginx", "registry:5000/app", "quay.io/a/b", "localhost.example.com/app"]
        {
            assert_eq!(verdict(image), Verdict::Pass, "{image}");
        }
    }

    #[test]
    fn punycode_is_shown_as_what_it_imitates() {
        let (_, text) = image_explained::<SuspiciousRegistryHost>("{}", "xn--dcker-jua.io/library/nginx:1");
        assert!(text.contains("xn--dcker-jua.io") && text.contains("döcker.io"), "{text}");
    }

    #[test]
    fn one_slip_of_the_hand_from_a_trusted_host_fails() {
        let settings = r#"{"trustedHosts": ["registry.example.com:5000", "gcr.io", "ghcr.io", "docker.io"]}"#;
        let verdict = |image| image_verdict::<SuspiciousRegistryHost>(settings, image);
        for image in [
            "registry.exmple.com/app",
            "registry.example.co:5000/app",
            "REGISTRY.exampel.com/app",
            "dokcer.io/nginx",
        ] {
            assert_eq!(verdict(image), Verdict::Fail("ImitatesTrusted"), "{image}");
        }
        // Two trusted hosts may be neighbours, a port is no slip, and further away is another name.
        for image in [
            "gcr.io/app",
            "ghcr.io/app",
            "registry.example.com:6000/app",
            "nginx",
            "quay.io/app",
            "registry.example.org/app",
        ] {
            assert_eq!(verdict(image), Verdict::Pass, "{image}");
        }
    }

    #[test]
    fn a_trusted_address_is_still_an_address() {
        let settings = r#"{"trustedHosts": ["10.0.0.1:5000"]}"#;
        let verdict = image_verdict::<SuspiciousRegistryHost>(settings, "10.0.0.1:5000/app");
        assert_eq!(verdict, Verdict::Fail("IpAddress"));
    }

    #[test]
    fn a_reference_that_does_not_parse_never_passes() {
        assert_eq!(verdict("localhost//x"), Verdict::Unknown("InvalidReference"));
    }

    #[test]
    fn what_is_no_host_is_an_error_that_names_the_field() {
        let error = |settings| settings_error::<SuspiciousRegistryHost>(settings).field;
        assert_eq!(error(r#"{"trustedHosts": ["a.test", "*.test"]}"#), "trustedHosts[1]");
        assert_eq!(error(r#"{"trustedHosts": ["a.test/x"]}"#), "trustedHosts[0]");
    }
}
