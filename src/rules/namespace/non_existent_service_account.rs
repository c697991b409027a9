//! NonExistentServiceAccount: the service account that a pod names is there.

use super::offenders::Offenders;
use crate::rules::shown::Cut;
use crate::rules::{Asks, Control, NamespaceRule, PodsRead, Rule, RuleInfo, SettingError, rule_settings};
use crate::subject::Resource;
use crate::subject::namespace::NamespaceSubject;
use crate::verdict::{Note, Severity, Verdict, reason};

rule_settings! {
    /// Every pod that has not ended names a service account that is there. `default` counts as there: Kubernetes
    /// makes it.
    struct Settings {}
}

/// The rule; it has no settings of its own.
#[derive(Debug)]
pub struct NonExistentServiceAccount;

impl Rule for NonExistentServiceAccount {
    const INFO: RuleInfo = RuleInfo {
        id: "NonExistentServiceAccount",
        title: "Service accounts of pods exist",
        rationale: "When its service account is missing, a workload cannot make another pod: the \
                    ones that run go on, and the next failure of a node or the next rollout ends \
                    them. And whoever may create service accounts decides what this one will be.",
        remedy: "Create it, or name the one that is meant in the workload's pod template:\n\n  \
                 kubectl -n NAMESPACE get serviceaccounts\n  \
                 kubectl -n NAMESPACE create serviceaccount ACCOUNT",
        severity: Severity::Low,
        controls: &[Control::cis("5.1.5")],
        reads: &[Resource::ServiceAccounts],
        false_positives: "Manifests whose service account another tool makes: audit both together. \
                          Static pods have no service account.",
    };
    type Settings = Settings;

    fn prepare(_: &Settings) -> Result<Self, SettingError> {
        Ok(Self)
    }
}

impl NamespaceRule for NonExistentServiceAccount {
    const ASKS: Asks = Asks { pods: PodsRead::Workloads, ..Asks::BEYOND };

    fn check(&self, subject: &NamespaceSubject<'_>, note: &mut Note<'_>) -> Verdict {
        let accounts = subject.objects(Resource::ServiceAccounts);
        let exists = |name: &str| name == "default" || accounts.iter().any(|account| *account.name == *name);
        let (mut offenders, mut malformed) = (Offenders::default(), false);
        for pods in subject.live_pods().filter(|pods| !pods.is_static) {
            malformed |= pods.malformed;
            if !pods.malformed && !exists(&pods.service_account) {
                let (name, account) = (Cut(&pods.name), Cut(&pods.service_account));
                offenders.push(format_args!("{account} of {} {name}", pods.kind));
            }
        }
        if !offenders.is_empty() {
            return note.fail("NoServiceAccount", format_args!("there is no service account {offenders}"));
        }
        match malformed {
            true => note.unknown(reason::MALFORMED, format_args!("a pod of the namespace cannot be read")),
            false => Verdict::Pass,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::testing::{object, pods, surrounded_with_pods};
    use crate::subject::namespace::PodFacts;
    use crate::subject::objects::Content;

    fn explained(accounts: &[&str], facts: PodFacts) -> (Verdict, String) {
        let account = |name: &&str| object(Resource::ServiceAccounts, name, Content::Account(None));
        let accounts = accounts.iter().map(account).collect();
        surrounded_with_pods::<NonExistentServiceAccount>("{}", accounts, vec![facts])
    }

    fn of(account: &str) -> PodFacts {
        PodFacts { service_account: account.into(), ..pods("web") }
    }

    #[test]
    fn a_pod_whose_service_account_is_missing_fails() {
        let (verdict, text) = explained(&["default", "db"], of("web-account"));
        assert_eq!(verdict, Verdict::Fail("NoServiceAccount"));
        assert_eq!(text, "there is no service account web-account of Deployment web");
        assert_eq!(explained(&["web-account"], of("web-account")).0, Verdict::Pass);
        assert_eq!(explained(&[], of("default")).0, Verdict::Pass);
    }

    #[test]
    fn static_and_ended_pods_need_none_and_a_garbled_one_is_unknown() {
        assert_eq!(explained(&[], PodFacts { is_static: true, ..of("x") }).0, Verdict::Pass);
        assert_eq!(explained(&[], PodFacts { ended: true, ..of("x") }).0, Verdict::Pass);
        assert_eq!(explained(&[], PodFacts { malformed: true, ..of("x") }).0, Verdict::Unknown("Malformed"));
    }
}
