//! LimitRangePresent: a container that names no limits gets some.

use super::offenders::unreadable;
use crate::rules::{Asks, Control, NamespaceRule, Rule, RuleInfo, SettingError, rule_settings};
use crate::subject::Resource;
use crate::subject::namespace::NamespaceSubject;
use crate::subject::objects::Content;
use crate::verdict::{Note, Severity, Verdict};

rule_settings! {
    /// The namespace has a LimitRange with a default or a maximum for containers. A maximum is a default too.
    struct Settings {}
}

/// The rule; it has no settings of its own.
#[derive(Debug)]
pub struct LimitRangePresent;

impl Rule for LimitRangePresent {
    const INFO: RuleInfo = RuleInfo {
        id: "LimitRangePresent",
        title: "Containers get limits by default",
        rationale: "A container without limits can use up its node and take its neighbours down \
                    with it. A LimitRange gives limits to all that name none, and with a quota in \
                    place pods without any could not even start.",
        remedy: "Apply this, with numbers that fit:\n\n  \
                 apiVersion: v1\n  \
                 kind: LimitRange\n  \
                 metadata: {name: limits, namespace: NAMESPACE}\n  \
                 spec:\n    \
                 limits:\n    \
                 - type: Container\n      \
                 default: {memory: 512Mi}\n      \
                 defaultRequest: {cpu: 100m, memory: 128Mi}",
        severity: Severity::Low,
        controls: &[
            Control::bsi("APP.4.4.A1"),
            Control::bsi("SYS.1.6.A15"),
            Control::owasp("K01"),
            Control::nsa("Resource policies"),
        ],
        reads: &[Resource::LimitRanges],
        false_positives: "Namespaces in which every workload names its limits, and an admission \
                          policy that demands so. Pods that were made before the LimitRange keep \
                          what they have.",
    };
    type Settings = Settings;

    fn prepare(_: &Settings) -> Result<Self, SettingError> {
        Ok(Self)
    }
}

impl NamespaceRule for LimitRangePresent {
    const ASKS: Asks = Asks::BEYOND;

    fn check(&self, subject: &NamespaceSubject<'_>, note: &mut Note<'_>) -> Verdict {
        let ranges = subject.objects(Resource::LimitRanges);
        if ranges.iter().any(|object| object.content == Content::Limits(true)) {
            return Verdict::Pass;
        }
        if let Some(object) = ranges.iter().find(|object| object.is_malformed()) {
            return unreadable(object, note);
        }
        match ranges.is_empty() {
            true => note.fail("NoLimitRange", format_args!("there is no limit range")),
            false => note.fail(
                "NoContainerLimits",
                format_args!("no limit range has a default or a maximum for containers"),
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::testing::{object, surrounded};

    fn verdict(ranges: &[Content]) -> Verdict {
        let named = ranges.iter().enumerate();
        let ranges = named
            .map(|(index, content)| object(Resource::LimitRanges, &format!("l{index}"), content.clone()));
        surrounded::<LimitRangePresent>("{}", ranges.collect()).0
    }

    #[test]
    fn one_range_for_containers_is_enough() {
        assert_eq!(verdict(&[]), Verdict::Fail("NoLimitRange"));
        assert_eq!(verdict(&[Content::Limits(false)]), Verdict::Fail("NoContainerLimits"));
        assert_eq!(verdict(&[Content::Limits(false), Content::Limits(true)]), Verdict::Pass);
        assert_eq!(verdict(&[Content::Malformed]), Verdict::Unknown("Malformed"));
        assert_eq!(verdict(&[Content::Malformed, Content::Limits(true)]), Verdict::Pass);
    }
}
