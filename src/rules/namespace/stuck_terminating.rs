//! StuckTerminating: a namespace that is being deleted is gone soon.

use std::time::Duration;

use jiff::Timestamp;

use super::offenders::Offenders;
use crate::rules::shown::Cut;
use crate::rules::{Asks, Control, NamespaceRule, Rule, RuleInfo, SettingError, Span, rule_settings};
use crate::subject::namespace::NamespaceSubject;
use crate::verdict::{Note, Severity, Verdict};

rule_settings! {
    /// The namespace is not being deleted, or has not been for long.
    struct Settings {
        /// How long a deletion may take. Default: 15m.
        after: Span,
    }
}

const AFTER: Duration = Duration::from_secs(15 * 60);

/// The rule.
#[derive(Debug)]
pub struct StuckTerminating {
    after: Duration,
}

impl Rule for StuckTerminating {
    const INFO: RuleInfo = RuleInfo {
        id: "StuckTerminating",
        title: "Deleted namespaces go away",
        rationale: "A namespace that does not go keeps its pods, its addresses and its bills, and \
                    its name cannot be used again. Mostly the controller that should clean up has \
                    been removed before its objects, or an extension of the API does not answer.",
        remedy: "Find what is left, and let its controller finish, or mend the API service that does \
                 not answer:\n\n  \
                 kubectl get namespace NAMESPACE -o jsonpath='{.status.conditions}'\n  \
                 kubectl get apiservices | grep False\n  \
                 kubectl api-resources --verbs=list --namespaced -o name | xargs -n 1 kubectl get \
                 --ignore-not-found --show-kind -n NAMESPACE\n\n\
                 Take a finalizer away from an object only if nothing is left to clean up for it. \
                 Never remove the finalizer of the namespace itself: what is in it then stays in the \
                 database, out of sight.",
        severity: Severity::Medium,
        controls: &[Control::cis("5.6.1")],
        reads: &[],
        false_positives: "Namespaces with very many objects, or with volumes whose storage takes its \
                          time: raise after.",
    };
    type Settings = Settings;

    fn prepare(settings: &Settings) -> Result<Self, SettingError> {
        Ok(Self { after: settings.after.map_or(AFTER, |span| span.0) })
    }
}

impl StuckTerminating {
    /// When the deletion has taken too long.
    fn due(&self, subject: &NamespaceSubject<'_>) -> Option<Timestamp> {
        subject.object.deletion.as_ref()?.since.checked_add(self.after).ok()
    }
}

impl NamespaceRule for StuckTerminating {
    const ASKS: Asks = Asks::BEYOND;

    fn check(&self, subject: &NamespaceSubject<'_>, note: &mut Note<'_>) -> Verdict {
        let Some(deletion) = &subject.object.deletion else { return Verdict::Pass };
        if self.due(subject).is_none_or(|due| subject.facts.beyond.judged_at < due) {
            return Verdict::Pass;
        }
        let (since, after) = (deletion.since, Span(self.after));
        let mut rest = Offenders::default();
        deletion.waits_for.iter().for_each(|part| rest.push(Cut(part)));
        // How long by now would change the message with every look.
        match rest.is_empty() {
            true => note.fail("Stuck", format_args!("being deleted since {since}, for more than {after}")),
            false => note.fail(
                "Stuck",
                format_args!("being deleted since {since}, for more than {after}; it waits for {rest}"),
            ),
        }
    }

    fn deadline(&self, subject: &NamespaceSubject<'_>) -> Option<Timestamp> {
        self.due(subject).filter(|due| subject.facts.beyond.judged_at < *due)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::testing::{namespace, namespace_explained, rule};
    use crate::subject::namespace::{Beyond, Deletion, NamespaceFacts, NamespaceObject};

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(seconds).unwrap()
    }

    /// Deleted at 1,000 and judged then.
    fn deleted(judged_at: i64, waits_for: &[&str]) -> NamespaceFacts {
        let waits_for = waits_for.iter().map(|part| Box::from(*part)).collect();
        let deletion = Some(Box::new(Deletion { since: at(1_000), waits_for }));
        let object = NamespaceObject { terminating: true, deletion, ..NamespaceObject::default() };
        let beyond = Beyond { judged_at: at(judged_at), ..Beyond::default() };
        NamespaceFacts { object: Some(object.into()), beyond: beyond.into(), ..namespace(&[], &[]) }
    }

    fn verdict(settings: &str, judged_at: i64) -> Verdict {
        namespace_explained::<StuckTerminating>(settings, &deleted(judged_at, &[])).0
    }

    #[test]
    fn a_deletion_may_take_a_quarter_of_an_hour_or_what_is_set() {
        let stuck = Verdict::Fail("Stuck");
        assert_eq!(verdict("{}", 1_899), Verdict::Pass);
        assert_eq!(verdict("{}", 1_900), stuck);
        assert_eq!(verdict(r#"{"after": "1h"}"#, 1_900), Verdict::Pass);
        assert_eq!(verdict(r#"{"after": "0s"}"#, 1_000), stuck);
        assert_eq!(verdict("{}", 0), Verdict::Pass, "a clock that runs behind");
        let active = namespace(&[], &[]);
        assert_eq!(namespace_explained::<StuckTerminating>("{}", &active).0, Verdict::Pass);
    }

    #[test]
    fn the_message_names_what_is_left() {
        let facts =
            deleted(9_999, &["NamespaceFinalizersRemaining: one of example.com", "finalizer example.com/x"]);
        let (_, text) = namespace_explained::<StuckTerminating>("{}", &facts);
        assert_eq!(
            text,
            "being deleted since 1970-01-01T00:16:40Z, for more than 15m; it waits for \
             NamespaceFinalizersRemaining: one of example.com, finalizer example.com/x"
        );
    }

    #[test]
    fn it_is_judged_again_when_the_time_is_over_and_not_after() {
        let due = |judged_at| {
            let facts = deleted(judged_at, &[]);
            let object = facts.object.clone().unwrap();
            rule::<StuckTerminating>("{}").deadline(&NamespaceSubject { facts: &facts, object: &object })
        };
        assert_eq!((due(1_000), due(1_900)), (Some(at(1_900)), None));
    }
}
