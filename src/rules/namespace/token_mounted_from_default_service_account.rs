//! TokenMountedFromDefaultServiceAccount: no pod really has the token of the service account `default`.

use super::offenders::{Offenders, unreadable};
use crate::rules::shown::Cut;
use crate::rules::{Asks, Control, NamespaceRule, PodsRead, Rule, RuleInfo, SettingError, rule_settings};
use crate::subject::Resource;
use crate::subject::namespace::NamespaceSubject;
use crate::subject::objects::Content;
use crate::verdict::{Note, Severity, Verdict, reason};

rule_settings! {
    /// No pod that has not ended runs as the service account `default` with its token mounted. The pod's own
    /// `automountServiceAccountToken` beats the service account's; where neither says anything, it is mounted.
    struct Settings {}
}

/// The rule; it has no settings of its own.
#[derive(Debug)]
pub struct TokenMountedFromDefaultServiceAccount;

impl Rule for TokenMountedFromDefaultServiceAccount {
    const INFO: RuleInfo = RuleInfo {
        id: "TokenMountedFromDefaultServiceAccount",
        title: "No pod has the default service account's token",
        rationale: "A token that nobody asked for lies in the file system of each of these \
                    containers. It opens the API server to whoever breaks into one, with all rights \
                    that somebody may give to default tomorrow.",
        remedy: "In the workload's pod template, name a service account of its own, or switch the \
                 token off:\n\n  \
                 spec:\n    \
                 automountServiceAccountToken: false\n\n\
                 For all pods of the namespace that do not say it themselves: kubectl -n NAMESPACE \
                 patch serviceaccount default -p '{\"automountServiceAccountToken\": false}'",
        severity: Severity::Medium,
        controls: &[Control::cis("5.1.6"), Control::bsi("APP.4.4.A9"), Control::owasp("K01")],
        reads: &[Resource::ServiceAccounts],
        false_positives: "Pods that talk to the API server as default on purpose: give them a \
                          service account of their own all the same. Tokens in projected volumes \
                          that the pod writes itself are not seen. Static pods have none.",
    };
    type Settings = Settings;

    fn prepare(_: &Settings) -> Result<Self, SettingError> {
        Ok(Self)
    }
}

impl NamespaceRule for TokenMountedFromDefaultServiceAccount {
    const ASKS: Asks = Asks { pods: PodsRead::Workloads, ..Asks::PRESENCE };

    fn check(&self, subject: &NamespaceSubject<'_>, note: &mut Note<'_>) -> Verdict {
        let accounts = subject.objects(Resource::ServiceAccounts);
        let account = accounts.iter().find(|account| *account.name == *"default");
        let of_account = match account.map(|account| &account.content) {
            Some(Content::Account(automount)) => Some(automount.unwrap_or(true)),
            Some(_) => None,
            None => Some(true),
        };
        let (mut offenders, mut undecided, mut malformed) = (Offenders::default(), false, false);
        for pods in subject.live_pods().filter(|pods| !pods.is_static) {
            malformed |= pods.malformed;
            if pods.malformed || *pods.service_account != *"default" {
                continue;
            }
            match pods.automount.or(of_account) {
                Some(true) => offenders.push(format_args!("{} {}", pods.kind, Cut(&pods.name))),
                Some(false) => {}
                None => undecided = true,
            }
        }
        if !offenders.is_empty() {
            return note.fail(
                "TokenMounted",
                format_args!("the token of the service account default is mounted by {offenders}"),
            );
        }
        match (undecided, malformed) {
            (true, _) if let Some(account) = account => unreadable(account, note),
            (_, true) => {
                note.unknown(reason::MALFORMED, format_args!("a pod of the namespace cannot be read"))
            }
            _ => Verdict::Pass,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::testing::{object, pods, surrounded_with_pods};
    use crate::subject::namespace::PodFacts;

    fn verdict(account: Option<Content>, pods: PodFacts) -> Verdict {
        let account = account.map(|content| object(Resource::ServiceAccounts, "default", content));
        let objects = account.into_iter().collect();
        surrounded_with_pods::<TokenMountedFromDefaultServiceAccount>("{}", objects, vec![pods]).0
    }

    #[test]
    fn the_pods_own_word_beats_the_service_accounts_and_silence_means_mounted() {
        let mounted = Verdict::Fail("TokenMounted");
        for (account, pod, expected) in [
            (None, None, mounted),
            (Some(None), None, mounted),
            (Some(Some(true)), None, mounted),
            (Some(Some(false)), None, Verdict::Pass),
            (Some(Some(false)), Some(true), mounted),
            (Some(Some(true)), Some(false), Verdict::Pass),
        ] {
            let facts = PodFacts { automount: pod, ..pods("web") };
            assert_eq!(verdict(account.map(Content::Account), facts), expected, "{account:?} {pod:?}");
        }
    }

    #[test]
    fn other_accounts_static_and_ended_pods_do_not_count() {
        let other = PodFacts { service_account: "web".into(), ..pods("web") };
        let is_static = PodFacts { is_static: true, ..pods("etcd") };
        let ended = PodFacts { ended: true, ..pods("job") };
        for facts in [other, is_static, ended] {
            assert_eq!(verdict(None, facts), Verdict::Pass);
        }
    }

    #[test]
    fn a_service_account_that_cannot_be_read_leaves_open_what_it_decides() {
        let unknown = Verdict::Unknown("Malformed");
        assert_eq!(verdict(Some(Content::Malformed), pods("web")), unknown);
        let own = PodFacts { automount: Some(false), ..pods("web") };
        assert_eq!(verdict(Some(Content::Malformed), own), Verdict::Pass);
        let garbled = PodFacts { malformed: true, ..pods("web") };
        assert_eq!(verdict(None, garbled), unknown);
    }
}
