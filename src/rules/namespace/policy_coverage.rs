//! PolicyCoverage: every namespace is audited by some policy.

use crate::reference::Glob;
use crate::rules::{Asks, Control, NamespaceRule, Rule, RuleInfo, SettingError, rule_settings};
use crate::subject::Resource;
use crate::subject::namespace::NamespaceSubject;
use crate::verdict::{Note, Severity, Verdict, reason};

rule_settings! {
    /// The scope of some ImagePolicy reaches the namespace. This rule judges every namespace, also those that the
    /// scope of its own policy leaves out.
    struct Settings {
        /// Namespaces that no policy has to reach, as globs. Default: none.
        #[schemars(length(max = 256), inner(length(min = 1, max = 63)))]
        exempt_namespaces: Vec<String>,
    }
}

/// The rule.
#[derive(Debug)]
pub struct PolicyCoverage {
    exempt: Vec<Glob>,
}

impl Rule for PolicyCoverage {
    const INFO: RuleInfo = RuleInfo {
        id: "PolicyCoverage",
        title: "Some policy reaches the namespace",
        rationale: "A namespace that lies outside the scope of every policy has no findings, which \
                    looks like a clean one. New namespaces, and those that lost a label which a \
                    policy selects by, get there without anybody noticing.",
        remedy: "Widen the scope of a policy, or write one for this namespace:\n\n  \
                 apiVersion: revisor.dev/v1alpha1\n  \
                 kind: ImagePolicy\n  \
                 metadata: {name: rest}\n  \
                 spec:\n    \
                 profile: {name: Essential, version: v1}\n    \
                 scope: {includeNamespaces: [NAMESPACE]}\n\n\
                 See the scopes there are: kubectl get imagepolicies.revisor.dev -o yaml",
        severity: Severity::Medium,
        controls: &[Control::bsi("SYS.1.6.A10"), Control::bsi("APP.4.4.A13")],
        reads: &[Resource::ImagePolicies],
        false_positives: "Namespaces that are left alone on purpose: name them under \
                          exemptNamespaces. A policy whose only rule is this one does not count \
                          beside others.",
    };
    type Settings = Settings;

    fn prepare(settings: &Settings) -> Result<Self, SettingError> {
        let read = |(index, text): (usize, &String)| {
            Glob::parse(text).map_err(|error| SettingError::new(format!("exemptNamespaces[{index}]"), error))
        };
        let texts = settings.exempt_namespaces.iter().flatten();
        Ok(Self { exempt: texts.enumerate().map(read).collect::<Result<_, _>>()? })
    }
}

impl NamespaceRule for PolicyCoverage {
    const ASKS: Asks = Asks { any_scope: true, ..Asks::BEYOND };

    fn check(&self, subject: &NamespaceSubject<'_>, note: &mut Note<'_>) -> Verdict {
        if self.exempt.iter().any(|glob| glob.matches(subject.name())) {
            return note.not_applicable("Exempt", format_args!("no policy has to reach this namespace"));
        }
        match subject.facts.beyond.reached {
            Some(true) => Verdict::Pass,
            Some(false) => note.fail("NotCovered", format_args!("no policy's scope reaches this namespace")),
            None => note.unknown(
                reason::NAMESPACE_UNKNOWN,
                format_args!("scopes select by labels, and those of this namespace are not known"),
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::testing::{namespace, namespace_explained, settings_error};
    use crate::subject::namespace::Beyond;

    fn verdict(settings: &str, reached: Option<bool>) -> Verdict {
        let mut facts = namespace(&[], &[]);
        facts.beyond = Beyond { reached, ..Beyond::default() }.into();
        namespace_explained::<PolicyCoverage>(settings, &facts).0
    }

    #[test]
    fn a_namespace_that_no_scope_reaches_fails_unless_that_is_meant() {
        assert_eq!(verdict("{}", Some(true)), Verdict::Pass);
        assert_eq!(verdict("{}", Some(false)), Verdict::Fail("NotCovered"));
        assert_eq!(verdict("{}", None), Verdict::Unknown("NamespaceUnknown"));
        let exempt = r#"{"exemptNamespaces": ["team-*"]}"#;
        assert_eq!(verdict(exempt, Some(false)), Verdict::NotApplicable("Exempt"));
        assert_eq!(verdict(r#"{"exemptNamespaces": ["other"]}"#, Some(false)), Verdict::Fail("NotCovered"));
    }

    #[test]
    fn a_glob_that_could_match_nothing_is_refused() {
        let error = settings_error::<PolicyCoverage>(r#"{"exemptNamespaces": ["a", "b["]}"#);
        assert_eq!(error.field, "exemptNamespaces[1]");
    }
}
