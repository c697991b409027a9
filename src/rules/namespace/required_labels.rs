//! RequiredLabels: the namespace says whose it is, in labels or annotations that the policy names.

use std::collections::BTreeMap;
use std::fmt;

use crate::rules::settings::{WholeRegex, check_key, whole_regex};
use crate::rules::shown::Cut;
use crate::rules::{Control, NamespaceRule, Rule, RuleInfo, SettingError, rule_settings};
use crate::subject::namespace::NamespaceSubject;
use crate::verdict::{Note, Severity, Verdict};

rule_settings! {
    /// The namespace has these labels and annotations, each with a value that matches. At least one of labels and
    /// annotations is needed.
    struct Settings {
        /// Labels by key, and the regular expression that the whole value must match: `owner: team-[a-z]+`,
        /// `cost-center: ".*"` for any value. Default: none.
        #[schemars(extend(
            "maxProperties" = 64,
            "additionalProperties" = {"type": "string", "minLength": 1, "maxLength": 512}
        ))]
        labels: BTreeMap<String, String>,
        /// The same for annotations, which may hold what no label can, such as an e-mail address. A value of more
        /// than 1,024 bytes is not kept and counts as missing. Default: none.
        #[schemars(extend(
            "maxProperties" = 64,
            "additionalProperties" = {"type": "string", "minLength": 1, "maxLength": 512}
        ))]
        annotations: BTreeMap<String, String>,
    }
}

/// Where a demanded key stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Label,
    Annotation,
}

#[derive(Debug)]
struct Demand {
    place: Place,
    key: Box<str>,
    written: Box<str>,
    pattern: WholeRegex,
}

/// The rule, patterns compiled.
#[derive(Debug)]
pub struct RequiredLabels {
    demands: Vec<Demand>,
}

impl Rule for RequiredLabels {
    const INFO: RuleInfo = RuleInfo {
        id: "RequiredLabels",
        title: "Namespaces carry the required labels",
        rationale: "A finding helps only if it finds its owner. Labels on the namespace say who \
                    that is, for people, for alerts and for the selectors of network policies and \
                    quotas.",
        remedy: "Set what is missing:\n\n  \
                 kubectl label --overwrite namespace NAMESPACE owner=team-a\n  \
                 kubectl annotate --overwrite namespace NAMESPACE contact=team-a@example.com",
        severity: Severity::Low,
        controls: &[Control::bsi("APP.4.4.A1"), Control::bsi("APP.4.4.A8"), Control::cis("5.6.1")],
        reads: &[],
        false_positives: "Namespaces that Kubernetes or an operator creates by itself: leave them \
                          out of the policy's scope.",
    };
    type Settings = Settings;

    fn prepare(settings: &Settings) -> Result<Self, SettingError> {
        let mut demands = Vec::new();
        for (place, field, written) in [
            (Place::Label, "labels", &settings.labels),
            (Place::Annotation, "annotations", &settings.annotations),
        ] {
            for (key, written) in written.iter().flatten() {
                let field = format!("{field}[{key}]");
                check_key(&field, key)?;
                let pattern = whole_regex(field, written)?;
                demands.push(Demand {
                    place,
                    key: key.as_str().into(),
                    written: written.as_str().into(),
                    pattern,
                });
            }
        }
        if demands.is_empty() {
            return Err(SettingError::new(
                "labels",
                "name at least one label here, or one annotation under annotations",
            ));
        }
        Ok(Self { demands })
    }
}

impl Demand {
    fn found<'a>(&self, subject: &NamespaceSubject<'a>) -> Option<&'a str> {
        match self.place {
            Place::Label => subject.label(&self.key),
            Place::Annotation => subject.annotation(&self.key),
        }
    }

    fn is_met(&self, subject: &NamespaceSubject<'_>) -> bool {
        self.found(subject).is_some_and(|value| self.pattern.is_match(value))
    }
}

/// What is wrong, as a list.
struct Unmet<'a>(&'a RequiredLabels, &'a NamespaceSubject<'a>);

impl fmt::Display for Unmet<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const SHOWN: usize = 5;
        let Self(RequiredLabels { demands }, subject) = self;
        let mut unmet = demands.iter().filter(|demand| !demand.is_met(subject));
        for (index, demand) in unmet.by_ref().take(SHOWN).enumerate() {
            let separator = if index == 0 { "" } else { ", " };
            let place = match demand.place {
                Place::Label => "label",
                Place::Annotation => "annotation",
            };
            write!(f, "{separator}{place} {} ", demand.key)?;
            match demand.found(subject) {
                None => f.write_str("is missing")?,
                Some(value) => {
                    write!(f, "is \"{}\", which does not match {}", Cut(value), Cut(&demand.written))?
                }
            }
        }
        match unmet.count() {
            0 => Ok(()),
            more => write!(f, " and {more} more"),
        }
    }
}

impl NamespaceRule for RequiredLabels {
    fn check(&self, subject: &NamespaceSubject<'_>, note: &mut Note<'_>) -> Verdict {
        let mut unmet = self.demands.iter().filter(|demand| !demand.is_met(subject)).peekable();
        if unmet.peek().is_none() {
            return Verdict::Pass;
        }
        let missing = unmet.any(|demand| demand.found(subject).is_none());
        let reason = if missing { "Missing" } else { "ValueMismatch" };
        note.fail(reason, format_args!("{}", Unmet(self, subject)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::testing::{namespace, namespace_explained, namespace_verdict, settings_error};

    const OWNER: &str = r#"{"labels": {"owner": "team-[a-z]"}}"#;

    #[test]
    fn patterns_match_the_whole_value() {
        let verdict = |owner| namespace_verdict::<RequiredLabels>(OWNER, &[("owner", owner)]);
        assert_eq!(verdict("team-a"), Verdict::Pass);
        for wrong in ["xteam-a", "team-ab", "Team-a", ""] {
            assert_eq!(verdict(wrong), Verdict::Fail("ValueMismatch"), "{wrong:?}");
        }
    }

    #[test]
    fn a_missing_label_fails_and_an_annotation_does_not_stand_in_for_it() {
        assert_eq!(namespace_verdict::<RequiredLabels>(OWNER, &[]), Verdict::Fail("Missing"));
        let annotated = namespace(&[], &[("owner", "team-a")]);
        assert_eq!(namespace_explained::<RequiredLabels>(OWNER, &annotated).0, Verdict::Fail("Missing"));
    }

    #[test]
    fn annotations_hold_what_no_label_can() {
        let settings = r#"{"annotations": {"contact": "[^@]+@example\\.com"}}"#;
        let verdict = |contact| {
            namespace_explained::<RequiredLabels>(settings, &namespace(&[], &[("contact", contact)])).0
        };
        assert_eq!(verdict("team-a@example.com"), Verdict::Pass);
        assert_eq!(verdict("team-a@example.com\nx"), Verdict::Fail("ValueMismatch"));
        assert_eq!(verdict("team-a@exampleXcom"), Verdict::Fail("ValueMismatch"));
    }

    #[test]
    fn any_value_is_written_with_a_pattern_that_matches_all() {
        let settings = r#"{"labels": {"owner": ".*"}}"#;
        assert_eq!(namespace_verdict::<RequiredLabels>(settings, &[("owner", "")]), Verdict::Pass);
        assert_eq!(namespace_verdict::<RequiredLabels>(settings, &[]), Verdict::Fail("Missing"));
        let some = |text| {
            let settings = r#"{"annotations": {"contact": ".+"}}"#;
            namespace_explained::<RequiredLabels>(settings, &namespace(&[], &[("contact", text)])).0
        };
        assert_eq!(some("x"), Verdict::Pass);
        // As of every pattern: the dot does not go beyond a line.
        assert_eq!([some(""), some("a\nb")], [Verdict::Fail("ValueMismatch"); 2]);
    }

    #[test]
    fn the_message_lists_what_is_wrong_and_counts_what_it_leaves_out() {
        let settings = r#"{"labels": {"a": "1", "b": "1", "c": "1", "d": "1", "e": "1", "f": "1"}}"#;
        let facts = namespace(&[("a", "2"), ("b", "1")], &[]);
        let (verdict, text) = namespace_explained::<RequiredLabels>(settings, &facts);
        assert_eq!(verdict, Verdict::Fail("Missing"));
        assert_eq!(
            text,
            "label a is \"2\", which does not match 1, label c is missing, label d is missing, \
             label e is missing, label f is missing"
        );
        let (_, text) = namespace_explained::<RequiredLabels>(settings, &namespace(&[], &[]));
        assert!(text.ends_with("label e is missing and 1 more"), "{text}");
    }

    #[test]
    fn nothing_demanded_and_bad_patterns_are_errors_that_name_the_field() {
        let error = |settings| settings_error::<RequiredLabels>(settings).field;
        assert_eq!(error("{}"), "labels");
        assert_eq!(error(r#"{"labels": {}}"#), "labels");
        assert_eq!(error(r#"{"labels": {"owner": "("}}"#), "labels[owner]");
        assert_eq!(error(r#"{"labels": {"owner": ""}}"#), "labels[owner]");
        assert_eq!(error(r#"{"annotations": {"a b": ".*"}}"#), "annotations[a b]");
    }
}
