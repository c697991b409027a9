//! AdmissionCoverage: the webhooks and admission policies that the cluster relies on look at the namespace.

use std::fmt;

use super::offenders::unreadable;
use crate::reference::Glob;
use crate::rules::shown::Cut;
use crate::rules::{Asks, Control, NamespaceRule, Rule, RuleInfo, SettingError, rule_settings};
use crate::subject::Resource;
use crate::subject::admission::{AdmissionBinding, Matching, Webhook};
use crate::subject::namespace::NamespaceSubject;
use crate::subject::objects::{Content, ObjectFacts};
use crate::verdict::{Note, Reason, Severity, Verdict, reason};

rule_settings! {
    /// Every admission webhook and every ValidatingAdmissionPolicyBinding that is named here is there and is asked when
    /// a pod is created in the namespace. Where none is named, one that can refuse pods is enough, whatever its name.
    struct Settings {
        /// Admission webhooks, as globs over their own names or those of their configurations:
        /// `validate.kyverno.svc-*`. Default: none in particular.
        #[schemars(length(max = 64), inner(length(min = 1, max = 253)))]
        webhooks: Vec<String>,
        /// ValidatingAdmissionPolicyBindings, as globs over their names. Default: none in particular.
        #[schemars(length(max = 64), inner(length(min = 1, max = 253)))]
        bindings: Vec<String>,
        /// A webhook that cannot be reached, and a policy that cannot be evaluated, has to refuse the pod
        /// (`failurePolicy: Fail`, which is also what its absence means). Default: false.
        require_fail_closed: bool,
    }
}

/// The rule.
#[derive(Debug)]
pub struct AdmissionCoverage {
    webhooks: Vec<Glob>,
    bindings: Vec<Glob>,
    fail_closed: bool,
}

fn globs(field: &str, texts: Option<&Vec<String>>) -> Result<Vec<Glob>, SettingError> {
    let read = |(index, text): (usize, &String)| {
        Glob::parse(text).map_err(|error| SettingError::new(format!("{field}[{index}]"), error))
    };
    texts.into_iter().flatten().enumerate().map(read).collect()
}

impl Rule for AdmissionCoverage {
    const INFO: RuleInfo = RuleInfo {
        id: "AdmissionCoverage",
        title: "Admission control looks at the namespace",
        rationale: "A webhook or an admission policy protects only the namespaces that its selector \
                    takes in. Exclusions in a product's settings, a label that somebody added, or an \
                    uninstalled configuration leave a namespace without any check, and nothing tells.",
        remedy: "Look what the selector wants, and change the product's exclusions or the \
                 namespace's labels:\n\n  \
                 kubectl get validatingwebhookconfigurations -o yaml | grep -A 12 namespaceSelector\n  \
                 kubectl get validatingadmissionpolicybindings -o yaml\n  \
                 kubectl get namespace NAMESPACE --show-labels",
        severity: Severity::High,
        controls: &[
            Control::cis("5.2.1"),
            Control::cis("5.5.1"),
            Control::owasp("K04"),
            Control::attack("T1562.001"),
        ],
        reads: &[
            Resource::ValidatingWebhooks,
            Resource::MutatingWebhooks,
            Resource::AdmissionPolicies,
            Resource::AdmissionPolicyBindings,
        ],
        false_positives: "The namespace of the admission controller itself is often left out so that \
                          it can start: exempt it. That something is asked does not say what it \
                          answers. What depends on expressions (matchConditions) or on the labels of \
                          each pod (objectSelector) is unknown. Without names, any webhook that can \
                          refuse pods counts, so name those that you rely on.",
    };
    type Settings = Settings;

    fn prepare(settings: &Settings) -> Result<Self, SettingError> {
        Ok(Self {
            webhooks: globs("webhooks", settings.webhooks.as_ref())?,
            bindings: globs("bindings", settings.bindings.as_ref())?,
            fail_closed: settings.require_fail_closed == Some(true),
        })
    }
}

/// How far something that is asked at admission takes the namespace in; the better one is the lesser.
#[derive(Debug, PartialEq, Eq)]
struct Gap {
    is_open: bool,
    reason: Reason,
    text: &'static str,
}

const fn open(reason: Reason, text: &'static str) -> Option<Gap> {
    Some(Gap { is_open: true, reason, text })
}

const fn undecided(reason: Reason, text: &'static str) -> Option<Gap> {
    Some(Gap { is_open: false, reason, text })
}

/// Something that is asked at admission, and what keeps it from looking at the namespace.
struct Asked<'a> {
    object: &'a ObjectFacts,
    /// The webhook's own name; empty for a binding.
    name: &'a str,
    gap: Option<Gap>,
}

impl fmt::Display for Asked<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name {
            "" => write!(f, "{} {}", self.object.kind.kind(), Cut(&self.object.name)),
            name => write!(f, "webhook {} of {}", Cut(name), Cut(&self.object.name)),
        }
    }
}

/// The selectors, from the surest to the least sure.
fn selection(matching: &Matching, subject: &NamespaceSubject<'_>) -> Option<Gap> {
    if !matching.pods {
        return open("NotForPods", "is not asked when a pod is created");
    }
    if !matching.namespaces.matches(|key| subject.label(key)) {
        return open("NotSelected", "does not select this namespace");
    }
    if matching.by_expression {
        return undecided("DependsOnExpression", "has matchConditions, which are not evaluated");
    }
    if matching.by_object {
        return undecided("DependsOnObject", "looks only at pods with some labels");
    }
    None
}

impl AdmissionCoverage {
    fn webhook(&self, webhook: &Webhook, subject: &NamespaceSubject<'_>) -> Option<Gap> {
        let selection = selection(&webhook.matching, subject);
        match selection {
            Some(Gap { is_open: true, .. }) => selection,
            _ if self.fail_closed && webhook.fails_open => {
                open("FailsOpen", "lets every pod pass when it cannot be reached (failurePolicy: Ignore)")
            }
            _ => selection,
        }
    }

    fn binding(&self, binding: &AdmissionBinding, subject: &NamespaceSubject<'_>) -> Option<Gap> {
        let policies = subject.facts.beyond.cluster.objects.get(Resource::AdmissionPolicies, &binding.policy);
        let policy = match policies.map(|object| &object.content) {
            None => return open("NoPolicy", "is for a policy that is not there"),
            Some(Content::AdmissionPolicy(policy)) => policy,
            Some(_) => return undecided("Malformed", "is for a policy that cannot be read"),
        };
        if !binding.denies {
            return open("NotDenying", "refuses nothing (no Deny in its validationActions)");
        }
        let gaps = [selection(&binding.matching, subject), selection(&policy.matching, subject)];
        let mut gaps = gaps.into_iter().flatten().collect::<Vec<_>>();
        gaps.sort_by_key(|gap| !gap.is_open);
        match gaps.into_iter().next() {
            gap @ Some(Gap { is_open: true, .. }) => gap,
            _ if self.fail_closed && policy.fails_open => {
                open("FailsOpen", "lets pass what it cannot evaluate (failurePolicy: Ignore)")
            }
            gap => gap,
        }
    }

    /// Webhooks of these configurations.
    fn webhooks<'a>(&self, kinds: &[Resource], subject: &NamespaceSubject<'a>) -> Vec<Asked<'a>> {
        let objects = &subject.facts.beyond.cluster.objects;
        let configurations = kinds.iter().flat_map(|kind| objects.of(*kind));
        let asked = configurations.flat_map(|object| {
            let webhooks: &[Webhook] = match &object.content {
                Content::Webhooks(webhooks) => webhooks,
                _ => &[],
            };
            let asked = |webhook: &'a Webhook| Asked {
                object,
                name: &webhook.name,
                gap: self.webhook(webhook, subject),
            };
            webhooks.iter().map(asked)
        });
        asked.collect()
    }

    fn all_bindings<'a>(&self, subject: &NamespaceSubject<'a>) -> Vec<Asked<'a>> {
        let bindings = subject.facts.beyond.cluster.objects.of(Resource::AdmissionPolicyBindings);
        let asked = bindings.iter().filter_map(|object| match &object.content {
            Content::AdmissionBinding(binding) => {
                Some(Asked { object, name: "", gap: self.binding(binding, subject) })
            }
            _ => None,
        });
        asked.collect()
    }

    fn is_unnamed(&self) -> bool {
        self.webhooks.is_empty() && self.bindings.is_empty()
    }
}

/// Those that a glob names, the one that looks at the most of the namespace first; `kind` says what is missing.
struct Demand<'a> {
    kind: &'static str,
    glob: &'a Glob,
    best: Option<Asked<'a>>,
}

/// Nothing in the way is best, then what is undecided, then what is open.
fn rank(asked: &Asked<'_>) -> u8 {
    asked.gap.as_ref().map_or(0, |gap| 1 + u8::from(gap.is_open))
}

/// Of manifests of an application, nobody expects that they bring the cluster's admission control with them.
fn not_installed(subject: &NamespaceSubject<'_>, what: fmt::Arguments<'_>, note: &mut Note<'_>) -> Verdict {
    match subject.facts.beyond.cluster.partial {
        true => note.not_applicable(reason::NOT_IN_INPUT, format_args!("{what} among the objects given")),
        false => note.fail("NotInstalled", what),
    }
}

const WEBHOOKS: [Resource; 2] = [Resource::ValidatingWebhooks, Resource::MutatingWebhooks];

impl AdmissionCoverage {
    fn demands<'a>(&'a self, subject: &NamespaceSubject<'a>) -> Vec<Demand<'a>> {
        let by_name = |glob: &'a Glob| {
            let asked = self.webhooks(&WEBHOOKS, subject).into_iter();
            let named = asked.filter(|it| glob.matches(it.name) || glob.matches(&it.object.name));
            Demand { kind: "webhook", glob, best: named.min_by_key(rank) }
        };
        let by_binding = |glob: &'a Glob| {
            let named = self.all_bindings(subject).into_iter().filter(|it| glob.matches(&it.object.name));
            Demand { kind: "ValidatingAdmissionPolicyBinding", glob, best: named.min_by_key(rank) }
        };
        self.webhooks.iter().map(by_name).chain(self.bindings.iter().map(by_binding)).collect()
    }

    /// Something that cannot be read may be what is missing.
    fn garbled<'a>(&self, subject: &NamespaceSubject<'a>) -> Option<&'a ObjectFacts> {
        let objects = &subject.facts.beyond.cluster.objects;
        let kinds = [WEBHOOKS[0], WEBHOOKS[1], Resource::AdmissionPolicyBindings];
        kinds.iter().flat_map(|kind| objects.of(*kind)).find(|object| object.is_malformed()).map(|it| &**it)
    }

    fn named(&self, subject: &NamespaceSubject<'_>, note: &mut Note<'_>) -> Verdict {
        let demands = self.demands(subject);
        let open_one = demands.iter().filter_map(|demand| demand.best.as_ref()).find(|it| rank(it) == 2);
        if let Some(asked) = open_one
            && let Some(gap) = &asked.gap
        {
            return note.fail(gap.reason, format_args!("{asked} {}", gap.text));
        }
        if let Some(Demand { kind, glob, .. }) = demands.iter().find(|demand| demand.best.is_none()) {
            return match self.garbled(subject) {
                Some(object) => unreadable(object, note),
                None => not_installed(subject, format_args!("there is no {kind} {glob}"), note),
            };
        }
        for asked in demands.iter().filter_map(|demand| demand.best.as_ref()) {
            if let Some(gap) = &asked.gap {
                return note.unknown(gap.reason, format_args!("{asked} {}", gap.text));
            }
        }
        Verdict::Pass
    }

    /// Without names, one that can refuse a pod is enough. A mutating webhook can, but seldom is meant to.
    fn unnamed(&self, subject: &NamespaceSubject<'_>, note: &mut Note<'_>) -> Verdict {
        let mut asked = self.webhooks(&[Resource::ValidatingWebhooks], subject);
        asked.extend(self.all_bindings(subject));
        let Some(best) = asked.iter().min_by_key(|asked| rank(asked)) else {
            return match self.garbled(subject) {
                Some(object) => unreadable(object, note),
                None => not_installed(
                    subject,
                    format_args!("there is no validating webhook and no ValidatingAdmissionPolicyBinding"),
                    note,
                ),
            };
        };
        match (&best.gap, self.garbled(subject)) {
            (None, _) => Verdict::Pass,
            (Some(gap), _) if !gap.is_open => note.unknown(gap.reason, format_args!("{best} {}", gap.text)),
            (Some(_), Some(object)) => unreadable(object, note),
            (Some(gap), None) => note.fail(
                gap.reason,
                format_args!("nothing that could refuse a pod is asked here: {best} {}", gap.text),
            ),
        }
    }
}

impl NamespaceRule for AdmissionCoverage {
    const ASKS: Asks = Asks::BEYOND;

    fn check(&self, subject: &NamespaceSubject<'_>, note: &mut Note<'_>) -> Verdict {
        match self.is_unnamed() {
            true => self.unnamed(subject, note),
            false => self.named(subject, note),
        }
    }
}

#[cfg(test)]
mod tests;
