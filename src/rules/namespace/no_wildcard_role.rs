//! NoWildcardRole: no role grants what nobody has named.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::roles::{Exempt, judge};
use crate::rules::shown::Cut;
use crate::rules::{Asks, Control, NamespaceRule, Rule, RuleInfo, SettingError, rule_settings};
use crate::subject::Resource;
use crate::subject::cluster::ClusterSubject;
use crate::subject::namespace::NamespaceSubject;
use crate::subject::rbac::AccessRule;
use crate::verdict::{Note, Severity, Verdict};

rule_settings! {
    /// No Role and no ClusterRole has a `*` in its rules, or none that stands for everything.
    struct Settings {
        /// `any`: a `*` among verbs, resources, API groups or URLs of some rule fails, and so do `*/scale` (that
        /// subresource of every resource) and the URL `/*` (every path). `all`: only a rule with `*` for both verbs
        /// and resources does. Default: any.
        level: Level,
        /// Roles that are fine, as globs over names: ClusterRoles, and Roles in kube-system, kube-public and
        /// kube-node-lease. Default: what Kubernetes and kubeadm make by themselves (`system:*`, `kubeadm:*`,
        /// cluster-admin, admin, edit, view).
        #[schemars(length(max = 256), inner(length(min = 1, max = 253)))]
        exempt_roles: Vec<String>,
        /// Judge ClusterRoles that are put together from others (`aggregationRule`), too. Those others are judged
        /// in any case. Default: false.
        judge_aggregated: bool,
    }
}

/// How much of a wildcard is too much.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// Any.
    Any,
    /// One that stands for every verb on every resource.
    All,
}

/// The rule, defaults filled in.
#[derive(Debug)]
pub struct NoWildcardRole {
    level: Level,
    exempt: Exempt,
}

impl Rule for NoWildcardRole {
    const INFO: RuleInfo = RuleInfo {
        id: "NoWildcardRole",
        title: "Roles name what they grant",
        rationale: "A `*` grants what exists today and whatever is installed tomorrow: the verbs \
                    that hand on rights, the subresources that open a shell in a pod, the objects \
                    of the next operator. Nobody can review a right that nobody has written down.",
        remedy: "Look what the role's holders really do, name that, and apply it:\n\n  \
                 kubectl -n NAMESPACE get role NAME -o yaml\n  \
                 kubectl api-resources --verbs=list --api-group=GROUP\n  \
                 kubectl -n NAMESPACE edit role NAME",
        severity: Severity::High,
        controls: &[Control::cis("5.1.3"), Control::bsi("APP.4.4.A3"), Control::owasp("K02")],
        reads: &[Resource::Roles, Resource::ClusterRoles],
        false_positives: "Operators that manage all kinds of their own API group often grant \
                          themselves `*` on it: exempt them by name, or ask for level all. Roles \
                          are judged whether or not anybody is bound to them.",
    };
    type Settings = Settings;

    fn prepare(settings: &Settings) -> Result<Self, SettingError> {
        Ok(Self {
            level: settings.level.unwrap_or(Level::Any),
            exempt: Exempt::new(settings.exempt_roles.as_ref(), settings.judge_aggregated)?,
        })
    }
}

/// What a wildcard stands for.
struct Wildcard<'a>(&'a AccessRule);

impl fmt::Display for Wildcard<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut last = None;
        for (field, word) in self.0.wildcards() {
            match last {
                None => write!(f, "{} in {field}", Cut(word))?,
                Some(last) if last == word => write!(f, ", {field}")?,
                Some(_) => write!(f, ", {} in {field}", Cut(word))?,
            }
            last = Some(word);
        }
        Ok(())
    }
}

impl NoWildcardRole {
    fn wrong<'r>(&self, rule: &'r AccessRule) -> Option<Wildcard<'r>> {
        let is_wrong = match self.level {
            Level::Any => rule.wildcards().next().is_some(),
            Level::All => rule.grants_all(),
        };
        is_wrong.then_some(Wildcard(rule))
    }
}

const WHAT: (&str, &str) = ("Wildcard", "granted without being named");

impl NamespaceRule for NoWildcardRole {
    const ASKS: Asks = Asks::PRESENCE_AND_CLUSTER;

    fn check(&self, subject: &NamespaceSubject<'_>, note: &mut Note<'_>) -> Verdict {
        let wrong = |rule: &AccessRule, _| self.wrong(rule).map(|wildcard| wildcard.to_string());
        judge(subject.objects(Resource::Roles), &self.exempt, WHAT, wrong, note)
    }

    fn check_cluster(&self, subject: &ClusterSubject, note: &mut Note<'_>) -> Verdict {
        let wrong = |rule: &AccessRule, _| self.wrong(rule).map(|wildcard| wildcard.to_string());
        judge(subject.rbac.of(Resource::ClusterRoles), &self.exempt, WHAT, wrong, note)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::testing::{cluster_explained, object, role, settings_error, surrounded};
    use crate::subject::objects::{Content, ObjectFacts};

    const WILDCARD: Verdict = Verdict::Fail("Wildcard");

    fn in_namespace(settings: &str, rule: [&[&str]; 3]) -> (Verdict, String) {
        surrounded::<NoWildcardRole>(settings, vec![role(Resource::Roles, "r", rule)])
    }

    fn cluster(settings: &str, role: ObjectFacts) -> Verdict {
        cluster_explained::<NoWildcardRole>(settings, vec![role]).0
    }

    #[test]
    fn any_star_fails_and_level_all_asks_for_two_in_one_rule() {
        let all = r#"{"level": "all"}"#;
        for (rule, any, all_stars) in [
            ([&[""][..], &["pods"], &["get"]], Verdict::Pass, Verdict::Pass),
            ([&[""], &["pods"], &["*"]], WILDCARD, Verdict::Pass),
            ([&[""], &["*"], &["get"]], WILDCARD, Verdict::Pass),
            ([&["*"], &["pods"], &["get"]], WILDCARD, Verdict::Pass),
            ([&[""], &["*"], &["*"]], WILDCARD, WILDCARD),
            ([&[""], &["*/scale"], &["get"]], WILDCARD, Verdict::Pass),
            ([&[""], &["*/scale"], &["*"]], WILDCARD, Verdict::Pass),
            ([&[""], &["pods/*"], &["get"]], Verdict::Pass, Verdict::Pass),
        ] {
            assert_eq!(in_namespace("{}", rule).0, any, "{rule:?}");
            assert_eq!(in_namespace(all, rule).0, all_stars, "{rule:?}");
        }
        let (_, text) = in_namespace("{}", [&["*"], &["pods"], &["*"]]);
        assert!(text.ends_with("Role r (* in verbs, apiGroups)"), "{text}");
        let (_, text) = in_namespace("{}", [&["*"], &["*/scale"], &["*"]]);
        assert!(text.ends_with("Role r (* in verbs, */scale in resources, * in apiGroups)"), "{text}");
    }

    #[test]
    fn built_in_and_aggregated_cluster_roles_are_fine_and_names_alone_protect_no_role_elsewhere() {
        let stars: [&[&str]; 3] = [&["*"], &["*"], &["*"]];
        assert_eq!(cluster("{}", role(Resource::ClusterRoles, "mine", stars)), WILDCARD);
        for name in ["cluster-admin", "system:controller:x", "admin"] {
            assert_eq!(cluster("{}", role(Resource::ClusterRoles, name, stars)), Verdict::Pass, "{name}");
        }
        let taken = surrounded::<NoWildcardRole>("{}", vec![role(Resource::Roles, "system:mine", stars)]);
        assert_eq!(taken.0, WILDCARD);
        let mut aggregated = role(Resource::ClusterRoles, "sum", stars);
        if let Content::Role(role) = &mut aggregated.content {
            role.aggregated = true;
        }
        assert_eq!(cluster("{}", aggregated.clone()), Verdict::Pass);
        assert_eq!(cluster(r#"{"judgeAggregated": true}"#, aggregated), WILDCARD);
        let own = r#"{"exemptRoles": ["mine-*"]}"#;
        assert_eq!(cluster(own, role(Resource::ClusterRoles, "mine-1", stars)), Verdict::Pass);
        assert_eq!(cluster(own, role(Resource::ClusterRoles, "cluster-admin", stars)), WILDCARD);
    }

    #[test]
    fn a_role_that_cannot_be_read_is_unknown_unless_another_one_fails() {
        let garbled = || object(Resource::Roles, "garbled", Content::Malformed);
        let stars = role(Resource::Roles, "stars", [&["*"], &["*"], &["*"]]);
        assert_eq!(surrounded::<NoWildcardRole>("{}", vec![garbled()]).0, Verdict::Unknown("Malformed"));
        assert_eq!(surrounded::<NoWildcardRole>("{}", vec![garbled(), stars]).0, WILDCARD);
    }

    #[test]
    fn a_glob_that_could_match_nothing_is_refused() {
        assert_eq!(settings_error::<NoWildcardRole>(r#"{"exemptRoles": ["a?"]}"#).field, "exemptRoles[0]");
    }
}
