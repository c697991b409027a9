//! DefaultServiceAccountUnused: every workload has a service account of its own.

use crate::rules::{Control, PodRule, Rule, RuleInfo, SettingError, rule_settings};
use crate::subject::facts::Fact;
use crate::subject::pod::PodShape;
use crate::verdict::{Note, Severity, Verdict};

rule_settings! {
    /// No pod uses its namespace's service account `default`.
    struct Settings {}
}

/// The rule; it has no settings of its own.
#[derive(Debug)]
pub struct DefaultServiceAccountUnused;

impl Rule for DefaultServiceAccountUnused {
    const INFO: RuleInfo = RuleInfo {
        id: "DefaultServiceAccountUnused",
        title: "No pod uses the default service account",
        rationale: "All pods that say nothing share the account default: a right that is given to one of them is \
                    given to all, also to those that come later, and the API server's log cannot tell them apart.",
        remedy: "Make an account for the workload and name it in the template:\n\n  \
                 kubectl -n NAMESPACE create serviceaccount NAME\n  \
                 kubectl -n NAMESPACE set serviceaccount KIND/NAME NAME",
        severity: Severity::Medium,
        controls: &[Control::cis("5.1.5"), Control::bsi("APP.4.4.A9"), Control::owasp("K02")],
        reads: &[],
        false_positives: "Workloads that never talk to the API server; switching the token off \
                          (DefaultServiceAccountTokenOff) may be enough for them.",
    };
    type Settings = Settings;

    fn prepare(_: &Settings) -> Result<Self, SettingError> {
        Ok(Self)
    }
}

impl PodRule for DefaultServiceAccountUnused {
    fn check(&self, pod: &PodShape, note: &mut Note<'_>) -> Verdict {
        if pod.is_static {
            return note.not_applicable("StaticPod", format_args!("a static pod has no service account"));
        }
        match pod.facts().has(Fact::ServiceAccount) {
            true => Verdict::Pass,
            false => note
                .fail("DefaultAccount", format_args!("the pod uses its namespace's service account default")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::testing::pod_verdict;

    fn verdict(fields: &str) -> Verdict {
        let spec = format!("{{containers: [{{name: app, image: a}}]{fields}}}");
        pod_verdict::<DefaultServiceAccountUnused>("{}", &spec)
    }

    #[test]
    fn absent_empty_and_default_are_the_default_account_whether_or_not_its_token_is_mounted() {
        for fields in [
            "",
            ", serviceAccountName: default",
            ", serviceAccountName: ''",
            ", automountServiceAccountToken: false",
        ] {
            assert_eq!(verdict(fields), Verdict::Fail("DefaultAccount"), "{fields}");
        }
    }

    #[test]
    fn any_other_account_passes_under_its_old_name_too() {
        assert_eq!(verdict(", serviceAccountName: web"), Verdict::Pass);
        assert_eq!(verdict(", serviceAccount: web"), Verdict::Pass);
    }
}
