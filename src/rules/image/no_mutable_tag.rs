//! NoMutableTag: the image has a tag that stays with its content, or a digest.

use crate::rules::expression::Expression;
use crate::rules::settings::regex;
use crate::rules::{Control, ImageRule, Rule, RuleInfo, SettingError, rule_settings};
use crate::subject::pod::ImageSubject;
use crate::verdict::{Note, Severity, Verdict};

rule_settings! {
    /// The image has a tag that is not known to move, or a digest. No tag means `latest` and always fails.
    struct Settings {
        /// Tags that move, compared whole and without regard to case. Default: latest, stable, edge, nightly, dev,
        /// main, master, canary, snapshot, head.
        #[schemars(length(max = 100), inner(length(min = 1, max = 128)))]
        tags: Vec<String>,
        /// Regular expressions of more tags that move. They match anywhere in the tag unless they are anchored:
        /// `^v?\d+(\.\d+)?$` stands for v1 and 1.27, but not for 1.27.3. Default: none.
        #[schemars(length(max = 50), inner(length(min = 1, max = 512)))]
        patterns: Vec<String>,
    }
}

/// Tags that move from one build to the next by their very meaning.
const MOVING: [&str; 10] =
    ["latest", "stable", "edge", "nightly", "dev", "main", "master", "canary", "snapshot", "head"];

/// The rule, patterns compiled.
#[derive(Debug)]
pub struct NoMutableTag {
    tags: Vec<Box<str>>,
    patterns: Vec<Expression>,
}

impl Rule for NoMutableTag {
    const INFO: RuleInfo = RuleInfo {
        id: "NoMutableTag",
        title: "Tags that move are not used",
        rationale: "A tag that moves gives two nodes two different programs under one name, turns \
                    a restart into a deployment that nobody ordered, and leaves nothing to roll \
                    back to. Version numbers are at least meant to stay.",
        remedy: "Name a version, or better the digest behind it:\n\n  \
                 kubectl -n NAMESPACE set image KIND/NAME \
                 CONTAINER=registry.example.com/team/app:1.2.3\n\n\
                 Switch on the registry's tag immutability where it has one. The image of a \
                 static pod is changed in its file on the node.",
        severity: Severity::Medium,
        controls: &[Control::bsi("SYS.1.6.A6"), Control::nist("3.2.2"), Control::nist("4.2.2")],
        reads: &[],
        false_positives: "Registries in which tags cannot be moved, so that even stable stays. \
                          The other way round, any tag can be moved: only a digest is proof \
                          (DigestPinned).",
    };
    type Settings = Settings;

    fn prepare(settings: &Settings) -> Result<Self, SettingError> {
        let tags: Vec<Box<str>> = match &settings.tags {
            Some(written) => written.iter().map(|tag| tag.as_str().into()).collect(),
            None => MOVING.map(Into::into).into(),
        };
        let in_a_tag = |byte: u8| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte);
        if let Some(index) = tags.iter().position(|tag| tag.is_empty() || !tag.bytes().all(in_a_tag)) {
            let message = format!(
                "{:?} is no tag; tags are compared whole, anything else goes under patterns",
                tags[index]
            );
            return Err(SettingError::new(format!("tags[{index}]"), message));
        }
        let patterns = settings.patterns.iter().flatten().enumerate();
        let patterns = patterns.map(|(index, written)| regex(format!("patterns[{index}]"), written));
        Ok(Self { tags, patterns: patterns.collect::<Result<_, _>>()? })
    }
}

impl ImageRule for NoMutableTag {
    fn check(&self, subject: &ImageSubject<'_>, note: &mut Note<'_>) -> Verdict {
        let reference = match subject.reference() {
            Ok(reference) => reference,
            Err(error) => {
                return note.unknown("InvalidReference", format_args!("no tag can be read: {error}"));
            }
        };
        if reference.digest().is_some() {
            return Verdict::Pass;
        }
        let Some(tag) = reference.written_tag() else {
            return note.fail("NoTag", format_args!("no tag is written, which means {reference}"));
        };
        if self.tags.iter().any(|moving| moving.eq_ignore_ascii_case(tag)) {
            return note.fail("MutableTag", format_args!("the tag {tag} is one that moves"));
        }
        match self.patterns.iter().find(|pattern| pattern.is_match(tag)) {
            Some(pattern) => {
                note.fail("MutableTag", format_args!("the tag {tag} moves, by the pattern {pattern}"))
            }
            None => Verdict::Pass,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::testing::{image_verdict, settings_error};

    fn verdict(image: &str) -> Verdict {
        image_verdict::<NoMutableTag>("{}", image)
    }

    #[test]
    fn no_tag_means_latest_and_a_port_is_no_tag() {
        for image in ["nginx", "host:5000/app", "registry.example.com/team/app"] {
            assert_eq!(verdict(image), Verdict::Fail("NoTag"), "{image}");
        }
        // No list of tags changes that.
        assert_eq!(image_verdict::<NoMutableTag>(r#"{"tags": []}"#, "nginx"), Verdict::Fail("NoTag"));
        assert_eq!(verdict("foo:5000"), Verdict::Pass);
    }

    #[test]
    fn tags_that_move_fail_in_any_case_and_only_as_a_whole() {
        for image in ["nginx:latest", "nginx:LATEST", "host:5000/app:latest", "app:Nightly", "app:head"] {
            assert_eq!(verdict(image), Verdict::Fail("MutableTag"), "{image}");
        }
        for image in ["nginx:1.27", "app:latest-1.2.3", "app:v1", "app:main.5"] {
            assert_eq!(verdict(image), Verdict::Pass, "{image}");
        }
    }

    #[test]
    fn a_digest_decides_whatever_the_tag_says() {
        let hex = "a".repeat(64);
        assert_eq!(verdict(&format!("nginx:latest@sha256:{hex}")), Verdict::Pass);
        assert_eq!(verdict(&format!("nginx@sha256:{hex}")), Verdict::Pass);
    }

    #[test]
    fn own_tags_replace_the_list_and_patterns_come_beside_it() {
        let own = r#"{"tags": ["prod"]}"#;
        assert_eq!(image_verdict::<NoMutableTag>(own, "app:prod"), Verdict::Fail("MutableTag"));
        assert_eq!(image_verdict::<NoMutableTag>(own, "app:latest"), Verdict::Pass);
        let floating = r#"{"patterns": ["^v?\\d+(\\.\\d+)?$"]}"#;
        for image in ["app:v1", "app:1.27", "app:latest"] {
            assert_eq!(
                image_verdict::<NoMutableTag>(floating, image),
                Verdict::Fail("MutableTag"),
                "{image}"
            );
        }
        assert_eq!(image_verdict::<NoMutableTag>(floating, "app:1.27.3"), Verdict::Pass);
    }

    #[test]
    fn patterns_match_as_they_are_written() {
        let anywhere = r#"{"patterns": ["rc"]}"#;
        assert_eq!(image_verdict::<NoMutableTag>(anywhere, "app:1.0-rc1"), Verdict::Fail("MutableTag"));
        assert_eq!(image_verdict::<NoMutableTag>(anywhere, "app:1.0-RC1"), Verdict::Pass);
    }

    #[test]
    fn a_reference_that_does_not_parse_never_passes() {
        assert_eq!(verdict("App:1"), Verdict::Unknown("InvalidReference"));
    }

    #[test]
    fn settings_that_could_never_match_are_errors_that_name_the_field() {
        let error = |settings| settings_error::<NoMutableTag>(settings).field;
        assert_eq!(error(r#"{"patterns": ["ok", "("]}"#), "patterns[1]");
        assert_eq!(error(r#"{"patterns": ["((a{100}){100}){100}"]}"#), "patterns[0]");
        assert_eq!(error(r#"{"tags": ["latest", "dev-*"]}"#), "tags[1]");
        assert_eq!(error(r#"{"tags": [""]}"#), "tags[0]");
    }
}
