//! DefaultServiceAccountTokenOff: a pod that names no service account gets no token.

use std::time::Duration;

use jiff::Timestamp;

use super::offenders::unreadable;
use crate::rules::{Asks, Control, NamespaceRule, Rule, RuleInfo, SettingError, rule_settings};
use crate::subject::Resource;
use crate::subject::namespace::NamespaceSubject;
use crate::subject::objects::Content;
use crate::verdict::{Note, Severity, Verdict};

rule_settings! {
    /// The service account `default` has `automountServiceAccountToken: false`.
    struct Settings {}
}

/// How long a new namespace may be without its service account.
const NEW: Duration = Duration::from_secs(60);

/// The rule; it has no settings of its own.
#[derive(Debug)]
pub struct DefaultServiceAccountTokenOff;

impl Rule for DefaultServiceAccountTokenOff {
    const INFO: RuleInfo = RuleInfo {
        id: "DefaultServiceAccountTokenOff",
        title: "The default service account hands out no token",
        rationale: "Every pod that names no service account runs as default, and unless that is \
                    switched off a token for the API server lies in each of its containers. Few \
                    need it; whoever breaks in finds it.",
        remedy: "Switch it off. Pods that need a token name a service account of their own:\n\n  \
                 kubectl -n NAMESPACE patch serviceaccount default \
                 -p '{\"automountServiceAccountToken\": false}'\n\n\
                 Pods that run keep the token until they are made anew.",
        severity: Severity::Medium,
        controls: &[
            Control::cis("5.1.5"),
            Control::cis("5.1.6"),
            Control::bsi("APP.4.4.A9"),
            Control::owasp("K01"),
        ],
        reads: &[Resource::ServiceAccounts],
        false_positives: "Namespaces in which no pod runs as default: \
                          TokenMountedFromDefaultServiceAccount tells only those in which one does. \
                          A pod's own automountServiceAccountToken beats the service account's.",
    };
    type Settings = Settings;

    fn prepare(_: &Settings) -> Result<Self, SettingError> {
        Ok(Self)
    }
}

/// Until when the service account may still come; none for a namespace whose age is not known.
fn due(subject: &NamespaceSubject<'_>) -> Option<Timestamp> {
    let created = Timestamp::from_second(i64::from(subject.object.created_at)).ok()?;
    (subject.object.created_at > 0).then(|| created.checked_add(NEW).ok()).flatten()
}

impl NamespaceRule for DefaultServiceAccountTokenOff {
    const ASKS: Asks = Asks::BEYOND;

    fn check(&self, subject: &NamespaceSubject<'_>, note: &mut Note<'_>) -> Verdict {
        let accounts = subject.objects(Resource::ServiceAccounts);
        let Some(account) = accounts.iter().find(|account| *account.name == *"default") else {
            let waits = due(subject).is_none_or(|due| subject.facts.beyond.judged_at < due);
            return match waits || subject.object.terminating {
                true => note.not_applicable(
                    "NoServiceAccount",
                    format_args!("there is no service account default (yet)"),
                ),
                false => note.fail(
                    "NoServiceAccount",
                    format_args!(
                        "there is no service account default; once it is made, it hands out its token"
                    ),
                ),
            };
        };
        match account.content {
            Content::Account(Some(false)) => Verdict::Pass,
            Content::Account(Some(true)) => note.fail(
                "TokenMounted",
                format_args!("the service account default has automountServiceAccountToken: true"),
            ),
            Content::Account(None) => note.fail(
                "TokenMounted",
                format_args!(
                    "the service account default does not say automountServiceAccountToken, which means true"
                ),
            ),
            _ => unreadable(account, note),
        }
    }

    fn deadline(&self, subject: &NamespaceSubject<'_>) -> Option<Timestamp> {
        let accounts = subject.objects(Resource::ServiceAccounts);
        let is_there = accounts.iter().any(|account| *account.name == *"default");
        due(subject).filter(|_| !is_there)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::testing::{namespace, namespace_explained, object, surrounded};
    use crate::subject::namespace::{Beyond, NamespaceObject};

    fn verdict(name: &str, content: Content) -> Verdict {
        let account = object(Resource::ServiceAccounts, name, content);
        surrounded::<DefaultServiceAccountTokenOff>("{}", vec![account]).0
    }

    #[test]
    fn only_false_switches_the_token_off() {
        assert_eq!(verdict("default", Content::Account(Some(false))), Verdict::Pass);
        assert_eq!(verdict("default", Content::Account(Some(true))), Verdict::Fail("TokenMounted"));
        assert_eq!(verdict("default", Content::Account(None)), Verdict::Fail("TokenMounted"));
        assert_eq!(verdict("default", Content::Malformed), Verdict::Unknown("Malformed"));
        let other = verdict("web", Content::Account(Some(false)));
        assert_eq!(other, Verdict::NotApplicable("NoServiceAccount"));
    }

    #[test]
    fn a_new_namespace_has_a_minute_to_get_its_service_account() {
        let at = |seconds: i64, terminating| {
            let mut facts = namespace(&[], &[]);
            let object = NamespaceObject { created_at: 1_000, terminating, ..NamespaceObject::default() };
            facts.object = Some(object.into());
            let judged_at = Timestamp::from_second(seconds).unwrap();
            facts.beyond = Beyond { judged_at, ..Beyond::default() }.into();
            namespace_explained::<DefaultServiceAccountTokenOff>("{}", &facts).0
        };
        assert_eq!(at(1_059, false), Verdict::NotApplicable("NoServiceAccount"));
        assert_eq!(at(1_060, false), Verdict::Fail("NoServiceAccount"));
        assert_eq!(at(9_999, true), Verdict::NotApplicable("NoServiceAccount"), "it goes with its namespace");
    }
}
