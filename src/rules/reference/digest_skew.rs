//! DigestSkew: one tag means one content, wherever in the cluster it runs.

use std::fmt;
use std::time::Duration;

use crate::rules::shown::ShortDigest;
use crate::rules::{Control, ReferenceRule, Rule, RuleInfo, SettingError, Span, rule_settings};
use crate::subject::reference::{ReferenceFacts, RunningContent};
use crate::verdict::{Note, Severity, Verdict, reason};

rule_settings! {
    /// All pods of the cluster that run one reference with a tag and without a digest run the same content.
    struct Settings {
        /// How long several contents may run before this fails, for a tag that is being rolled out: `90s`, `5m`, `1h`.
        /// What runs when Revisor starts has run for ever. Default: 5m.
        grace: Span,
    }
}

const DEFAULT_GRACE: Span = Span(Duration::from_secs(300));

/// The rule, its grace read.
#[derive(Debug)]
pub struct DigestSkew {
    grace: [Duration; 1],
}

impl Rule for DigestSkew {
    const INFO: RuleInfo = RuleInfo {
        id: "DigestSkew",
        title: "One tag runs one content",
        rationale: "If two pods run different content under one name, the tag was moved, or an \
                    image was replaced or built on a node. Which of them a pod gets depends on \
                    its node, and no test says anything about both.",
        remedy: "Find the pods and what each runs, then pin the digest that is meant:\n\n  \
                 kubectl get pods -A -o jsonpath='{range \
                 .items[*]}{.metadata.namespace}/{.metadata.name} {.spec.nodeName} \
                 {.status.containerStatuses[*].imageID}{\"\\n\
                 \"}{end}'\n  \
                 crane digest IMAGE\n  \
                 kubectl -n NAMESPACE set image KIND/NAME CONTAINER=IMAGE@sha256:...\n\n\
                 Until then, kubectl -n NAMESPACE rollout restart KIND/NAME with imagePullPolicy: \
                 Always brings all pods to what the tag means now. If no registry has a digest \
                 that runs, look at the node for where it came from.",
        severity: Severity::High,
        controls: &[Control::nist("3.2.2"), Control::nist("3.1.5"), Control::bsi("SYS.1.6.A14")],
        reads: &[],
        false_positives: "A moved tag that is being rolled out for longer than the grace, for as \
                          long as old and new pods run. Nodes of several platforms or runtimes, of which some report the \
                          digest of the index and others that of their platform's manifest. \
                          Digests that say nothing of the content in the registry (images loaded \
                          into a node) are unknown.",
    };
    type Settings = Settings;

    fn prepare(settings: &Settings) -> Result<Self, SettingError> {
        Ok(Self { grace: [settings.grace.unwrap_or(DEFAULT_GRACE).0] })
    }
}

/// The digest behind the repository, if one stands before it.
fn digest(manifest: &str) -> &str {
    manifest.rsplit_once('@').map_or(manifest, |(_, digest)| digest)
}

fn algorithm(digest: &str) -> &str {
    digest.split_once(':').map_or("", |(algorithm, _)| algorithm)
}

/// Distinct contents, sorted. Two repositories' names for one digest are one content.
fn distinct(facts: &ReferenceFacts) -> Vec<&str> {
    let ids = facts.contents.iter().map(|(content, _)| match content {
        RunningContent::Manifest(manifest) => digest(manifest),
        RunningContent::Incomparable(id) => &**id,
    });
    let mut distinct: Vec<&str> = ids.collect();
    distinct.sort_unstable();
    distinct.dedup();
    distinct
}

/// Contents as a list, formatted only when somebody listens. No numbers of pods: they change while no verdict
/// does, and the message is part of what is written to the cluster.
struct Contents<'a>(&'a ReferenceFacts);

impl fmt::Display for Contents<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const SHOWN: usize = 5;
        let distinct = distinct(self.0);
        for (index, id) in distinct.iter().take(SHOWN).enumerate() {
            let separator = if index == 0 { "" } else { ", " };
            write!(f, "{separator}{}", ShortDigest(id))?;
        }
        match distinct.get(SHOWN..).unwrap_or_default() {
            [] => Ok(()),
            rest => write!(f, " and {} more", rest.len()),
        }
    }
}

impl ReferenceRule for DigestSkew {
    fn check(&self, subject: &ReferenceFacts, note: &mut Note<'_>) -> Verdict {
        let name = &subject.canonical;
        let manifests = || {
            subject.contents.iter().filter_map(|(content, _)| match content {
                RunningContent::Manifest(manifest) => Some(digest(manifest)),
                RunningContent::Incomparable(_) => None,
            })
        };
        let first_like = |digest| manifests().find(|first| algorithm(first) == algorithm(digest));
        let skewed = manifests().any(|digest| first_like(digest) != Some(digest));
        let [grace] = self.grace;
        if skewed && !subject.several_for.reached(grace) {
            let message =
                format_args!("under {name} run {}, for less than {}", Contents(subject), Span(grace));
            return note.not_applicable("WithinGrace", message);
        }
        if skewed {
            return note.fail("DigestSkew", format_args!("under {name} run {}", Contents(subject)));
        }
        match &*subject.contents {
            [] => note.not_applicable(reason::NOT_RUNNING, format_args!("nothing runs under {name}")),
            contents => {
                let incomparable = contents.len() > manifests().count();
                let first = manifests().next();
                let mixed = manifests().any(|digest| Some(digest) != first);
                if contents.len() == 1 || (!incomparable && !mixed) {
                    return Verdict::Pass;
                }
                note.unknown(
                    "IncomparableDigests",
                    format_args!("under {name} run {}, which cannot be compared", Contents(subject)),
                )
            }
        }
    }

    fn graces(&self) -> &[Duration] {
        &self.grace
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::testing::reference_explained;

    fn manifest(id: &str) -> RunningContent {
        RunningContent::Manifest(id.into())
    }

    fn incomparable(id: &str) -> RunningContent {
        RunningContent::Incomparable(id.into())
    }

    fn explained(contents: &[(RunningContent, u32)]) -> (Verdict, String) {
        reference_explained::<DigestSkew>("{}", contents)
    }

    fn verdict(contents: &[RunningContent]) -> Verdict {
        let contents: Vec<_> = contents.iter().cloned().map(|content| (content, 1)).collect();
        explained(&contents).0
    }

    #[test]
    fn one_content_passes_whatever_the_runtime_calls_it() {
        assert_eq!(verdict(&[manifest("sha256:a")]), Verdict::Pass);
        assert_eq!(verdict(&[incomparable("sha256:c")]), Verdict::Pass);
        assert_eq!(verdict(&[manifest("a.test/x@sha256:a"), manifest("b.test/x@sha256:a")]), Verdict::Pass);
    }

    #[test]
    fn two_manifests_fail_also_beside_what_cannot_be_compared() {
        let skew = Verdict::Fail("DigestSkew");
        assert_eq!(verdict(&[manifest("sha256:a"), manifest("sha256:b")]), skew);
        assert_eq!(verdict(&[manifest("x@sha256:a"), manifest("x@sha256:b"), incomparable("c")]), skew);
    }

    #[test]
    fn a_manifest_beside_a_config_digest_is_unknown_and_so_are_two_config_digests() {
        let unknown = Verdict::Unknown("IncomparableDigests");
        assert_eq!(verdict(&[manifest("sha256:a"), incomparable("sha256:c")]), unknown);
        assert_eq!(verdict(&[incomparable("sha256:c"), incomparable("sha256:d")]), unknown);
        // One content may have a digest by each algorithm.
        assert_eq!(verdict(&[manifest("sha256:a"), manifest("sha512:b")]), unknown);
    }

    #[test]
    fn where_nothing_runs_nothing_differs() {
        assert_eq!(verdict(&[]), Verdict::NotApplicable("NotRunning"));
    }

    #[test]
    fn the_message_lists_five_contents_and_no_numbers_of_pods() {
        let hex = |digit: char| format!("nginx@sha256:{}", digit.to_string().repeat(64));
        let two = [(manifest(&hex('a')), 1), (manifest(&hex('b')), 12)];
        assert_eq!(
            explained(&two).1,
            "under docker.io/library/nginx:1.27 run sha256:aaaaaaaaaaaa, sha256:bbbbbbbbbbbb"
        );
        let seven: Vec<_> = "1234567".chars().map(|digit| (manifest(&hex(digit)), 1)).collect();
        let text = explained(&seven).1;
        assert!(text.ends_with("sha256:555555555555 and 2 more"), "{text}");
    }
}
