//! ResourceQuotaPresent: what the namespace may use of the cluster has a bound.

use std::collections::BTreeSet;

use super::offenders::{Offenders, unreadable};
use crate::rules::{Asks, Control, NamespaceRule, Rule, RuleInfo, SettingError, rule_settings};
use crate::subject::Resource;
use crate::subject::namespace::NamespaceSubject;
use crate::subject::objects::Content;
use crate::verdict::{Note, Severity, Verdict};

rule_settings! {
    /// The namespace has a ResourceQuota that counts every object and limits something, and together its quotas
    /// limit all that is required.
    struct Settings {
        /// What must be limited, as in `spec.hard`: `limits.memory`, `pods`. `cpu` and `memory` mean the requests, as
        /// in the API. Default: none, any limit is enough.
        #[schemars(length(max = 64), inner(length(min = 1, max = 317)))]
        required: Vec<String>,
    }
}

/// The rule.
#[derive(Debug)]
pub struct ResourceQuotaPresent {
    required: Vec<Box<str>>,
}

/// One name for what the API gives two.
fn canonical(name: &str) -> &str {
    match name {
        "cpu" => "requests.cpu",
        "memory" => "requests.memory",
        "ephemeral-storage" => "requests.ephemeral-storage",
        other => other,
    }
}

impl Rule for ResourceQuotaPresent {
    const INFO: RuleInfo = RuleInfo {
        id: "ResourceQuotaPresent",
        title: "The namespace has a resource quota",
        rationale: "Without a quota one namespace can take all memory, all addresses and all \
                    storage of the cluster, by a loop in a controller as well as by intent. The \
                    others then cannot start what they need.",
        remedy: "Apply this, with numbers that fit:\n\n  \
                 apiVersion: v1\n  \
                 kind: ResourceQuota\n  \
                 metadata: {name: quota, namespace: NAMESPACE}\n  \
                 spec:\n    \
                 hard: {pods: \"50\", requests.cpu: \"10\", requests.memory: 20Gi, limits.memory: 40Gi}\n\n\
                 From then on pods must say what they need: beside it, a LimitRange gives defaults. \
                 See what is used: kubectl -n NAMESPACE describe resourcequota",
        severity: Severity::Medium,
        controls: &[
            Control::bsi("APP.4.4.A1"),
            Control::bsi("SYS.1.6.A15"),
            Control::owasp("K01"),
            Control::nsa("Resource policies"),
        ],
        reads: &[Resource::ResourceQuotas],
        false_positives: "Namespaces of the control plane and of agents that must never be held \
                          back: leave them out of the policy's scope. Quotas with scopes do not \
                          count, since what is outside their scope has no bound.",
    };
    type Settings = Settings;

    fn prepare(settings: &Settings) -> Result<Self, SettingError> {
        let required = settings.required.clone().unwrap_or_default();
        if let Some(index) = required.iter().position(String::is_empty) {
            return Err(SettingError::new(format!("required[{index}]"), "name what must be limited"));
        }
        Ok(Self { required: required.iter().map(|name| canonical(name).into()).collect() })
    }
}

impl NamespaceRule for ResourceQuotaPresent {
    const ASKS: Asks = Asks::BEYOND;

    fn check(&self, subject: &NamespaceSubject<'_>, note: &mut Note<'_>) -> Verdict {
        let quotas = subject.objects(Resource::ResourceQuotas);
        let mut limited = BTreeSet::new();
        for object in quotas {
            if let Content::Quota(quota) = &object.content
                && !quota.scoped
            {
                limited.extend(quota.hard.iter().map(|name| canonical(name)));
            }
        }
        let mut missing = Offenders::default();
        self.required.iter().filter(|name| !limited.contains(&***name)).for_each(|name| missing.push(name));
        if !limited.is_empty() && missing.is_empty() {
            return Verdict::Pass;
        }
        if let Some(object) = quotas.iter().find(|object| object.is_malformed()) {
            return unreadable(object, note);
        }
        match (quotas.is_empty(), limited.is_empty()) {
            (true, _) => note.fail("NoQuota", format_args!("there is no resource quota")),
            (false, true) => {
                note.fail("NothingLimited", format_args!("no resource quota without a scope limits anything"))
            }
            (false, false) => note.fail("NotLimited", format_args!("no resource quota limits {missing}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::testing::{object, surrounded};
    use crate::subject::objects::{ObjectFacts, QuotaFacts};

    fn quota(name: &str, scoped: bool, hard: &[&str]) -> ObjectFacts {
        let hard = hard.iter().map(|name| Box::from(*name)).collect();
        object(Resource::ResourceQuotas, name, Content::Quota(QuotaFacts { scoped, hard }))
    }

    fn verdict(settings: &str, quotas: Vec<ObjectFacts>) -> Verdict {
        surrounded::<ResourceQuotaPresent>(settings, quotas).0
    }

    #[test]
    fn a_quota_that_counts_everything_and_limits_something_is_enough() {
        assert_eq!(verdict("{}", vec![]), Verdict::Fail("NoQuota"));
        assert_eq!(verdict("{}", vec![quota("q", false, &["pods"])]), Verdict::Pass);
        assert_eq!(verdict("{}", vec![quota("q", false, &[])]), Verdict::Fail("NothingLimited"));
        assert_eq!(verdict("{}", vec![quota("q", true, &["pods"])]), Verdict::Fail("NothingLimited"));
    }

    #[test]
    fn what_is_required_may_be_spread_over_quotas_and_written_either_way() {
        let settings = r#"{"required": ["cpu", "requests.memory"]}"#;
        let both = vec![quota("a", false, &["requests.cpu"]), quota("b", false, &["memory"])];
        assert_eq!(verdict(settings, both), Verdict::Pass);
        let one = vec![quota("a", false, &["cpu"]), quota("b", true, &["memory"])];
        assert_eq!(verdict(settings, one), Verdict::Fail("NotLimited"));
    }

    #[test]
    fn a_quota_that_cannot_be_read_may_be_the_one_that_is_missing() {
        let garbled = || object(Resource::ResourceQuotas, "garbled", Content::Malformed);
        assert_eq!(verdict("{}", vec![garbled()]), Verdict::Unknown("Malformed"));
        assert_eq!(verdict("{}", vec![garbled(), quota("q", false, &["pods"])]), Verdict::Pass);
    }
}
