//! NoWorkloadsInDefaultNamespace: nothing runs in the namespace called default.

use crate::rules::{Control, NamespaceRule, Rule, RuleInfo, SettingError, rule_settings};
use crate::subject::namespace::NamespaceSubject;
use crate::verdict::{Note, Severity, Verdict};

rule_settings! {
    /// No pods are in the namespace `default`. Its Service `kubernetes`, its ConfigMap `kube-root-ca.crt` and its
    /// service account do not count, nor do pods that have ended.
    struct Settings {}
}

/// The rule; it has no settings of its own.
#[derive(Debug)]
pub struct NoWorkloadsInDefaultNamespace;

impl Rule for NoWorkloadsInDefaultNamespace {
    const INFO: RuleInfo = RuleInfo {
        id: "NoWorkloadsInDefaultNamespace",
        title: "No workloads in the namespace default",
        rationale: "What lands in default was usually put there by a forgotten -n. Nobody owns \
                    the namespace, so that quotas, network policies and rights there fit nobody.",
        remedy: "Create the workload in a namespace of its own, then delete it here:\n\n  \
                 kubectl create namespace NAMESPACE\n  \
                 kubectl -n NAMESPACE apply -f FILE\n  \
                 kubectl -n default delete KIND NAME\n\n\
                 See what is there: kubectl -n default get pods",
        severity: Severity::Low,
        controls: &[Control::cis("5.6.4"), Control::bsi("APP.4.4.A1")],
        reads: &[],
        false_positives: "Clusters with a single purpose, and pods that kubectl debug or kubectl \
                          run left for a moment.",
    };
    type Settings = Settings;

    fn prepare(_: &Settings) -> Result<Self, SettingError> {
        Ok(Self)
    }
}

impl NamespaceRule for NoWorkloadsInDefaultNamespace {
    fn check(&self, subject: &NamespaceSubject<'_>, note: &mut Note<'_>) -> Verdict {
        if subject.name() != "default" {
            return note.not_applicable("OtherNamespace", format_args!("this is not the namespace default"));
        }
        match subject.facts.pods {
            0 => Verdict::Pass,
            // Their number changes while the verdict does not.
            _ => note.fail("InDefaultNamespace", format_args!("there are pods in the namespace default")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::testing::{namespace, namespace_explained};

    fn explained(name: &str, pods: u32) -> (Verdict, String) {
        let facts =
            crate::subject::namespace::NamespaceFacts { name: name.into(), pods, ..namespace(&[], &[]) };
        namespace_explained::<NoWorkloadsInDefaultNamespace>("{}", &facts)
    }

    #[test]
    fn pods_in_default_fail_and_an_empty_default_passes() {
        let (verdict, text) = explained("default", 1);
        assert_eq!(verdict, Verdict::Fail("InDefaultNamespace"));
        assert_eq!(text, "there are pods in the namespace default");
        assert_eq!(explained("default", 0).0, Verdict::Pass);
    }

    #[test]
    fn other_namespaces_are_none_of_its_concern() {
        for name in ["team-a", "default-a", "Default"] {
            assert_eq!(explained(name, 3).0, Verdict::NotApplicable("OtherNamespace"), "{name}");
        }
    }
}
