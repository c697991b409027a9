//! Snapshots built by hand, for tests.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;

use crate::auditor::audit::Judgement;
use crate::auditor::findings::{
    Finding, FindingId, Judged, ReferenceSpread, State, Subject, Workload, WorkloadUse,
};
use crate::auditor::snapshot::{
    Count, NamespaceSnapshot, Parts, PolicySnapshot, RuleCount, RuleTotal, Seen, Snapshot,
};
use crate::auditor::transitions::{Transition, TransitionKind};
use crate::decode::Source;
use crate::policy::compile::{CompiledPolicy, Problem};
use crate::policy::exemption::Exemption;
use crate::policy::scope::Scope;
use crate::rules::{Check, PreparedRule, RuleId};
use crate::subject::Resource;
use crate::subject::canonical::text_hash;
use crate::subject::namespace::NamespaceFacts;
use crate::subject::pod::{Image, ImageUse, PodShape, Slot};
use crate::subject::reference::{ReferenceFacts, RunningContent};
use crate::subject::running::{Lasted, RunningState};
use crate::subject::runtime::Runtimes;
use crate::verdict::{Severity, Verdict};

use super::gather::{Gathering, Listed};
use super::result::AuditReport;

/// A fixed instant, `seconds` into the story.
pub(super) fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(1_795_000_000 + seconds).unwrap()
}

/// The one rule that is always in the catalogue.
pub(super) fn trusted() -> RuleId {
    RuleId::named("TrustedRegistry").unwrap()
}

fn exemptions() -> Box<[Exemption]> {
    let written = serde_json::json!([{
        "name": "legacy-etl", "rules": ["TrustedRegistry"], "namespaces": ["etl-*"], "reason": "nodes are preloaded",
        "ticket": "OPS-412", "expiresAt": "2027-01-31T00:00:00Z"
    }]);
    Exemption::compile_all(&written, &mut Vec::new())
}

/// A policy with TrustedRegistry at this severity, and one exemption.
pub(super) fn policy(name: &str, severity: Severity) -> CompiledPolicy {
    let settings = serde_json::json!({"allow": ["registry.example.com/**"], "severity": severity});
    let rule = (trusted().entry().prepare)(&settings).unwrap().unwrap();
    CompiledPolicy {
        name: name.into(),
        uid: format!("uid-{name}").into(),
        generation: 4,
        observed_generation: 3,
        profile: Some(("Baseline", "v1")),
        spec_sha256: "c0ffee".into(),
        scope: Scope::default(),
        rules: Box::new([rule]),
        rules_set_here: 1,
        exemptions: exemptions(),
        delegation: Box::default(),
        problems: Box::default(),
    }
}

/// What a subject under test looks like.
pub(super) fn image_subject(namespace: &str, workload: &str, container: &str, image: &str) -> Subject {
    let (kind, name) = workload.split_once('/').unwrap();
    let image_use = ImageUse {
        slot: Slot::Container,
        name: container.into(),
        image: Arc::new(Image::new(image)),
        pull_policy: None,
        facts: None,
    };
    let shape = PodShape { uses: Box::new([image_use]), ..PodShape::default() };
    Subject::Workload(WorkloadUse {
        namespace: namespace.into(),
        workload: Arc::new(Workload {
            verified: false,
            kind: kind.into(),
            name: name.into(),
            api_version: "apps/v1".into(),
            through: None,
            hash: text_hash(workload),
            identity: Box::default(),
            has_own_account: false,
        }),
        judged: Arc::new(Judged {
            shape: Arc::new(shape),
            running: Arc::new(RunningState::default()),
            unready: Lasted::FOREVER,
            spec_changed: Lasted::FOREVER,
            runtimes: Runtimes::default(),
        }),
        image_use: Some(0),
        owner: None,
    })
}

/// A namespace as a subject.
pub(super) fn namespace_subject(name: &str) -> Subject {
    Subject::Namespace(Arc::new(NamespaceFacts {
        name: name.into(),
        object: None,
        network_policies: Arc::new([]),
        pods: 0,
        beyond: Arc::default(),
    }))
}

/// A transition of a Deployment's image under two policies.
pub(super) fn transition(kind: TransitionKind) -> Transition {
    Transition {
        kind,
        id: FindingId(0x5f2c_9a41_0000_0001),
        sequence: 7,
        rule: trusted(),
        severity: Severity::Critical,
        policies: vec![("baseline".into(), "uid-1".into()), ("strict".into(), "uid-2".into())],
        subject: image_subject("team-a", "Deployment/web", "app", "evil.test/x:1"),
        reason: "NotAllowed",
        message: "evil.test/x is in none of the trusted repositories".into(),
        since: at(0),
        at: at(60),
    }
}

/// A cluster under construction.
#[derive(Default)]
pub(super) struct World {
    policies: Vec<CompiledPolicy>,
    missing: Vec<(RuleId, Resource)>,
    unread_templates: Vec<Resource>,
    findings: BTreeMap<String, Vec<Finding>>,
    references: Vec<Finding>,
    running: bool,
}

impl World {
    /// An empty cluster under these policies, which must be sorted by name.
    pub(super) fn new(policies: impl IntoIterator<Item = CompiledPolicy>) -> Self {
        Self { policies: policies.into_iter().collect(), ..Self::default() }
    }

    /// The cluster under one policy `baseline`, severity critical.
    pub(super) fn baseline() -> Self {
        Self::new([policy("baseline", Severity::Critical)])
    }

    /// The first audit is still running.
    pub(super) fn first_audit_running(mut self) -> Self {
        self.running = true;
        self
    }

    /// Something in the first policy cannot be used.
    pub(super) fn problem(mut self, reason: &'static str, field: &str, message: &str) -> Self {
        let mut problems = std::mem::take(&mut self.policies[0].problems).into_vec();
        problems.push(Problem { reason, field: field.into(), message: message.into() });
        self.policies[0].problems = problems.into();
        self
    }

    /// Workloads may not be read whose templates the policy includes.
    pub(super) fn unread(mut self, resource: Resource) -> Self {
        self.unread_templates.push(resource);
        self
    }

    /// Something may not be read.
    pub(super) fn missing(mut self, resource: Resource) -> Self {
        self.missing.push((trusted(), resource));
        self
    }

    /// A finding on `subject` under the policy of this index.
    pub(super) fn on(mut self, policy: u16, subject: Subject, state: State) -> Self {
        let namespace = subject.namespace().map(ToString::to_string).unwrap_or_default();
        let place = subject
            .image_use()
            .map(|image_use| (image_use.name.to_string(), image_use.image.display().to_owned()));
        let key = format!("{namespace} {} {} {place:?}", subject.kind(), subject.name());
        let reason = if state == State::Unknown { "Malformed" } else { "NotAllowed" };
        self.findings.entry(namespace).or_default().push(Finding {
            id: FindingId(text_hash(&key)),
            policy,
            rule: trusted(),
            state,
            reason,
            subject,
            pods: 3,
            since: at(i64::from(policy)),
            dormant_since: None,
            asked: None,
        });
        self
    }

    /// A violation of `workload` in `namespace` under the first policy.
    pub(super) fn fail(self, namespace: &str, workload: &str, image: &str) -> Self {
        self.on(0, image_subject(namespace, workload, "app", image), State::Fail)
    }

    /// The last finding's workload has no live pod.
    pub(super) fn dormant(mut self, namespace: &str) -> Self {
        let finding = self.findings.get_mut(namespace).unwrap().last_mut().unwrap();
        (finding.dormant_since, finding.pods) = (Some(Box::new(at(100))), 0);
        self
    }

    /// `canonical` runs as two contents in these namespaces, under the first policy, whose rule then judges
    /// references.
    pub(super) fn skew(mut self, canonical: &str, namespaces: &[(&str, u32)]) -> Self {
        let check = Check::Reference(Box::new(|facts, note| {
            note.fail(
                "SeveralDigests",
                format_args!("{} runs as {} contents", facts.canonical, facts.contents.len()),
            )
        }));
        let severity = self.policies[0].rules[0].severity;
        self.policies[0].rules = Box::new([PreparedRule {
            id: trusted(),
            severity,
            settings: serde_json::Value::Null,
            check,
            graces: Box::default(),
            alternative: None,
        }]);
        let spread = ReferenceSpread {
            facts: ReferenceFacts {
                canonical: canonical.into(),
                contents: Box::new([
                    (RunningContent::Manifest("sha256:a".into()), 1),
                    (RunningContent::Manifest("sha256:b".into()), 1),
                ]),
                several_for: Lasted::FOREVER,
            },
            namespaces: namespaces.iter().map(|(name, pods)| ((*name).into(), *pods)).collect(),
        };
        self.references.push(Finding {
            id: FindingId(text_hash(canonical)),
            policy: 0,
            rule: trusted(),
            state: State::Fail,
            reason: "SeveralDigests",
            subject: Subject::Reference(Arc::new(spread)),
            pods: namespaces.iter().map(|(_, pods)| pods).sum(),
            since: at(0),
            dormant_since: None,
            asked: None,
        });
        self
    }

    /// The Snapshot, counted as the auditor counts.
    pub(super) fn snapshot(mut self) -> Snapshot {
        let namespaces: Vec<_> =
            self.findings.into_iter().map(|(name, findings)| namespace(name, findings)).collect();
        self.references.sort_by_key(|finding| (finding.id, finding.policy));
        let totals = |(index, policy): (usize, CompiledPolicy)| {
            let index = u16::try_from(index).unwrap();
            let of_policy = |part: &Arc<NamespaceSnapshot>| {
                part.counts.iter().filter(|line| line.policy == index).fold(
                    Count::default(),
                    |mut sum, line| {
                        sum += line.count;
                        sum
                    },
                )
            };
            let mut count = Count::default();
            namespaces.iter().for_each(|part| count += of_policy(part));
            for finding in self.references.iter().filter(|finding| finding.policy == index) {
                count += count_of(finding);
            }
            let violating =
                u32::try_from(namespaces.iter().filter(|part| of_policy(part).fail > 0).count()).unwrap();
            let live = count;
            let found = namespaces.iter().flat_map(|part| part.findings.iter());
            let permits = |state| found.clone().filter(|it| it.policy == index && it.state == state).count();
            let exempted = 0..u16::try_from(policy.exemptions.len()).unwrap();
            let exempted = exempted.map(|at| u32::try_from(permits(State::Exempt(at))).unwrap()).collect();
            let rules = policy.rules.iter().map(|rule| RuleTotal {
                rule: rule.id,
                count,
                live,
                namespaces: violating,
            });
            PolicySnapshot {
                rules: rules.collect(),
                policy: Arc::new(policy),
                missing_permissions: self.missing.clone().into(),
                unread_templates: self.unread_templates.clone().into(),
                violating_namespaces: violating,
                exempted,
                requests_denied: false,
            }
        };
        Snapshot {
            cluster: Arc::default(),
            observed_at: at(3_600),
            complete: !self.running,
            policies: self.policies.into_iter().enumerate().map(totals).collect(),
            seen: Seen {
                pods: 12,
                namespaces: u32::try_from(namespaces.len()).unwrap(),
                images: 5,
                shapes: 4,
                parts: Parts { image_uses: 7, ..Parts::default() },
                references: 2,
                malformed: 1,
                unsupported: 0,
            },
            namespaces: namespaces.into(),
            references: self.references.into(),
        }
    }
}

fn count_of(finding: &Finding) -> Count {
    let mut count = Count::default();
    match finding.state {
        State::Fail => count.fail = 1,
        State::Unknown => count.unknown = 1,
        State::Exempt(_) => count.exempt = 1,
    }
    count
}

fn namespace(name: String, mut findings: Vec<Finding>) -> Arc<NamespaceSnapshot> {
    findings.sort_by_key(|finding| (finding.id, finding.policy));
    let mut counts: Vec<RuleCount> = Vec::new();
    for finding in &findings {
        let count = count_of(finding);
        let live = if finding.dormant_since.is_some() { Count::default() } else { count };
        match counts.iter_mut().find(|line| (line.policy, line.rule) == (finding.policy, finding.rule)) {
            Some(line) => {
                line.count += count;
                line.live += live;
            }
            None => counts.push(RuleCount { policy: finding.policy, rule: finding.rule, count, live }),
        }
    }
    counts.retain(|line| !line.count.is_zero());
    counts.sort_by_key(|line| (line.policy, line.rule));
    Arc::new(NamespaceSnapshot {
        name: name.into(),
        uid: "uid".into(),
        terminating: false,
        exists: true,
        findings: findings.into(),
        counts: counts.into(),
        requests: Arc::default(),
        pods: 3,
        live_pods: 3,
        parts: Parts { image_uses: 3, ..Parts::default() },
        revision: 1,
    })
}

/// The report of a Snapshot's findings, each told as the one-shot audit tells it, after `change`.
pub(super) fn report(
    snapshot: &Snapshot,
    listed: Listed,
    change: impl Fn(usize, &mut Judgement<'_>),
) -> AuditReport {
    let policies: Vec<_> = snapshot.policies.iter().map(|part| part.policy.clone()).collect();
    gather(snapshot, listed, change).report(snapshot.observed_at, &policies, &snapshot.seen)
}

/// The rows of the same.
pub(super) fn gather(
    snapshot: &Snapshot,
    listed: Listed,
    change: impl Fn(usize, &mut Judgement<'_>),
) -> Gathering {
    let mut gathering = Gathering::new(listed);
    let place = Source { file: "deploy/web.yaml".into(), line: 12 };
    for (index, finding) in snapshot.findings().enumerate() {
        let policy = &snapshot.policies[usize::from(finding.policy)].policy;
        let message = finding.explain(policy);
        let verdict = match finding.state {
            State::Unknown => Verdict::Unknown(finding.reason),
            State::Fail | State::Exempt(_) => Verdict::Fail(finding.reason),
        };
        let exemption = match finding.state {
            State::Exempt(exemption) => Some(exemption),
            _ => None,
        };
        let mut judgement = Judgement {
            id: finding.id,
            policy,
            rule: policy.rule(finding.rule).unwrap(),
            subject: &finding.subject,
            verdict,
            exemption,
            asked: finding.asked.as_deref(),
            message: &message,
            pods: finding.pods,
            source: finding.subject.image_use().map(|_| &place),
        };
        change(index, &mut judgement);
        gathering.tell(&judgement);
    }
    gathering
}
