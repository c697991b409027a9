//! A one-shot audit: every verdict on every subject, for `revisor audit`. The Snapshot keeps findings only.

use std::collections::HashMap;
use std::panic::resume_unwind;
use std::sync::Arc;
use std::thread;

use jiff::Timestamp;

use super::Auditor;
use super::findings::{
    FindingId, Judged, State, Subject, Workload, WorkloadUse, judge, judged_at, name_id, use_id,
};
use super::groups::Group;
use super::namespaces::Namespace;
use super::pairs::Bits;
use super::requests::{Asked, Permit};
use super::rollup::Rolling;
use super::skew::Spreading;
use super::workload::workload_hash;
use crate::decode::{Source, UnsupportedObject};
use crate::policy::compile::CompiledPolicy;
use crate::policy::exemption::Exemption;
use crate::policy::scope::Membership;
use crate::rules::{Check, PreparedRule, RuleId, SubjectKind};
use crate::subject::canonical::{combine, text_hash};
use crate::subject::pod::{Image, ImageUse, PodShape, Slot};
use crate::subject::running::{Lasted, Phase};
use crate::subject::runtime::Runtimes;
use crate::verdict::{Note, Verdict, reason};

/// One verdict of one rule of one policy on one subject.
#[derive(Debug)]
pub struct Judgement<'a> {
    /// The id that a finding on this subject has.
    pub id: FindingId,
    /// The policy.
    pub policy: &'a CompiledPolicy,
    /// The rule as the policy asks for it.
    pub rule: &'a PreparedRule,
    /// The subject.
    pub subject: &'a Subject,
    /// The verdict.
    pub verdict: Verdict,
    /// The policy's exemption that covers it, where it is a finding, or [`State::REQUESTED`].
    pub exemption: Option<u16>,
    /// The exemption that a tenant asks for it, where it is a finding.
    pub asked: Option<&'a Asked>,
    /// The rule's sentence; empty for a pass.
    pub message: &'a str,
    /// How many live pods it is about.
    pub pods: u32,
    /// Where the subject stands in the input.
    pub source: Option<&'a Source>,
}

impl Judgement<'_> {
    /// How the finding is shown; none for a pass and for what does not apply.
    pub fn state(&self) -> Option<State> {
        match (self.verdict, self.exemption) {
            (Verdict::Fail(_) | Verdict::Unknown(_), Some(exemption)) => Some(State::Exempt(exemption)),
            (Verdict::Fail(_), None) => Some(State::Fail),
            (Verdict::Unknown(_), None) => Some(State::Unknown),
            _ => None,
        }
    }

    /// What permits it, where it is a finding.
    pub fn permission(&self) -> Option<&Exemption> {
        match self.exemption? {
            State::REQUESTED => self.asked?.permits(),
            index => self.policy.exemptions.get(usize::from(index)),
        }
    }
}

/// Which verdicts are asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// `fail` and `unknown`, permitted ones too; others may be told besides.
    Findings,
    /// Every verdict.
    All,
}

/// From how many pods and templates on a thread is worth its start.
const MANY: usize = 1_000;

/// A share of the namespaces, with all that is in them.
#[derive(Clone, Copy, Debug)]
struct Share {
    at: u32,
    of: u32,
}

impl Share {
    const ALL: Self = Self { at: 0, of: 1 };

    fn has(self, namespace: u32) -> bool {
        namespace % self.of == self.at
    }
}

impl Auditor {
    /// Tells verdicts at `now` to `tell`, pods first, then objects of unknown kinds, namespaces, the cluster and
    /// references. One subject is told as often as it stands in the input.
    pub fn audit(&mut self, now: Timestamp, wanted: Wanted, tell: &mut dyn FnMut(&Judgement<'_>)) {
        self.snapshot(now);
        let order = self.namespaces.sorted().to_vec();
        self.audit_share(Share::ALL, &order, now, wanted, tell);
    }

    /// As [`Self::audit`] on all cores, each of which tells a `T` of its own. What is told of one subject is told to one
    /// of them; `tell_mine` is asked on this thread, of the first.
    pub fn audit_on_cores<T: Send>(
        &mut self,
        now: Timestamp,
        wanted: Wanted,
        new: &(dyn Fn() -> T + Sync),
        tell_mine: &mut dyn FnMut(&mut T, &Judgement<'_>),
        tell: &(dyn Fn(&mut T, &Judgement<'_>) + Sync),
    ) -> Vec<T> {
        self.snapshot(now);
        let order = &self.namespaces.sorted().to_vec();
        let this = &*self;
        let of = u32::try_from((this.inventory.rows() / MANY).clamp(1, this.cores.get())).unwrap_or(1);
        thread::scope(|scope| {
            let others = (1..of).map(|at| {
                scope.spawn(move || {
                    let mut told = new();
                    this.audit_share(Share { at, of }, order, now, wanted, &mut |it| tell(&mut told, it));
                    told
                })
            });
            let others: Vec<_> = others.collect();
            let mut mine = new();
            this.audit_share(Share { at: 0, of }, order, now, wanted, &mut |it| tell_mine(&mut mine, it));
            let join = |other: thread::ScopedJoinHandle<'_, T>| {
                other.join().unwrap_or_else(|panic| resume_unwind(panic))
            };
            std::iter::once(mine).chain(others.into_iter().map(join)).collect()
        })
    }

    fn audit_share(
        &self,
        share: Share,
        order: &[u32],
        now: Timestamp,
        wanted: Wanted,
        tell: &mut dyn FnMut(&Judgement<'_>),
    ) {
        self.audit_uses(share, now, wanted, tell);
        if share.at == 0 {
            self.audit_unsupported(now, tell);
        }
        self.audit_namespaces(share, order, now, tell);
        if share.at == 0 {
            self.audit_cluster(now, tell);
            self.audit_references(now, tell);
        }
    }

    /// Every policy, compiled, sorted by name.
    pub fn policies(&self) -> &[Arc<CompiledPolicy>] {
        &self.plan.policies
    }

    pub(super) fn rolling(&self, now: Timestamp) -> Rolling<'_> {
        Rolling {
            inventory: &self.inventory,
            plan: &self.plan,
            templates: &self.templates,
            denied: &self.kinds.denied,
            now,
            renumbered: None,
            edits: &[],
            cluster: self.objects.facts(),
            plain: &self.plain,
        }
    }

    fn audit_uses(&self, share: Share, now: Timestamp, wanted: Wanted, tell: &mut dyn FnMut(&Judgement<'_>)) {
        let (rolling, mut text) = (self.rolling(now), String::new());
        let mut alive = HashMap::new();
        for (group, source) in self.inventory.each_row() {
            if !share.has(group.key.namespace) {
                continue;
            }
            let namespace = self.namespaces.get(group.key.namespace);
            let judged = self.inventory.judged(group);
            if judged.shape.is_stand_in && rolling.has_pods(namespace, group, &mut alive) {
                continue;
            }
            let labels = namespace.labels();
            for (index, policy) in self.plan.policies.iter().enumerate() {
                if judged.shape.is_stand_in && !policy.scope.include_templates {
                    continue;
                }
                let membership = match policy.scope.namespace(&namespace.name, labels) {
                    Membership::In if !self.inventory.labels.covers(group.key.class, index) => {
                        Membership::Out
                    }
                    membership => membership,
                };
                let ended = judged.running.phase == Phase::Terminated && !policy.scope.include_terminated;
                let all = wanted == Wanted::All;
                let remembered = match (membership, judged.shape.malformed) {
                    (Membership::Out, _) if !all => continue,
                    _ if ended && !all => continue,
                    (Membership::In, false) if !all => Some(self.inventory.pairs.bits(group.key.pair, index)),
                    _ => None,
                };
                let of = Row { group, namespace, policy, membership, ended, remembered, source };
                self.audit_row(&rolling, &of, &mut text, tell);
            }
        }
    }

    /// The verdicts of one policy on one pod or template.
    fn audit_row(
        &self,
        rolling: &Rolling<'_>,
        row: &Row<'_>,
        text: &mut String,
        tell: &mut dyn FnMut(&Judgement<'_>),
    ) {
        let Row { group, namespace, policy, remembered, .. } = *row;
        let judged = self.inventory.judged(group);
        let malformed = judged.shape.malformed;
        let is_nothing = |bits: &[Bits]| bits.iter().all(|bits| bits.is_empty());
        if remembered.is_some_and(is_nothing) && !self.plan.compares_owners {
            return;
        }
        let Some(workload) = self.inventory.workload(group) else { return };
        let owner = rolling.owner(namespace, workload, judged);
        let pods = u32::from(!judged.shape.is_template);
        // A malformed pod has no use that can be read; it is told once a rule.
        let uses = if malformed { 1 } else { judged.shape.uses.len() };
        for at in 0..uses {
            for rule in policy.rules.iter().filter(|rule| rule.id.entry().subject.is_of_pods()) {
                // What compares owners is not remembered.
                let is_found = |bits: &[Bits]| bits.get(at).is_some_and(|bits| bits.has(rule.id));
                if !remembered.is_none_or(is_found) && !rule.id.compares_owners() {
                    continue;
                }
                let place = match malformed {
                    true => Some((None, 0)),
                    false => judged_at(rule.id, &judged.shape, at),
                };
                let Some((image_use, hash)) = place else { continue };
                let subject = Subject::Workload(WorkloadUse {
                    namespace: namespace.name.clone(),
                    workload: workload.clone(),
                    judged: judged.clone(),
                    image_use,
                    owner: owner.clone().filter(|_| rule.id.compares_owners()),
                });
                text.clear();
                let verdict = match (row.membership, row.ended, malformed) {
                    (Membership::Out, ..) => Verdict::NotApplicable(reason::OUT_OF_SCOPE),
                    (_, true, _) => Verdict::NotApplicable(reason::TERMINATED),
                    (_, _, true) => Verdict::Unknown(reason::MALFORMED),
                    (Membership::Undecided, ..) => Verdict::Unknown(reason::NAMESPACE_UNKNOWN),
                    _ => match judge(&rule.check, &subject, &mut Note::listening(text)) {
                        Some(verdict) => verdict,
                        None => continue,
                    },
                };
                let id = use_id(rule.id, namespace.hash, workload.hash, hash);
                let at = (rolling, Some(namespace));
                told(id, policy, rule, &subject, verdict, at, text, pods, row.source, tell);
            }
        }
    }

    /// One verdict a policy that judges image uses, under the rule that comes first to any image: `unknown`.
    fn audit_unsupported(&self, now: Timestamp, tell: &mut dyn FnMut(&Judgement<'_>)) {
        let (rolling, mut text) = (self.rolling(now), String::new());
        for object in &self.unsupported {
            let subject = unsupported_subject(object);
            let Subject::Workload(at) = &subject else { continue };
            let known = self.namespaces.find(&object.namespace);
            let labels = known.and_then(Namespace::labels);
            for policy in self.plan.policies.iter() {
                let mut rules =
                    policy.rules.iter().filter(|rule| rule.id.entry().subject == SubjectKind::ImageUse);
                let valid = RuleId::named("ValidReference").and_then(|rule| policy.rule(rule));
                let Some(rule) = valid.or_else(|| rules.next()) else { continue };
                text.clear();
                let out = policy.scope.namespace(&object.namespace, labels) == Membership::Out;
                let verdict = if out {
                    Verdict::NotApplicable(reason::OUT_OF_SCOPE)
                } else {
                    text = format!(
                        "{} is a kind that Revisor does not know, so this image was not judged: report the kind, \
                         or render the object to pods and audit those",
                        object.kind
                    );
                    Verdict::Unknown(reason::UNSUPPORTED_KIND)
                };
                let namespace = text_hash(&object.namespace);
                let hash = at.judged.shape.use_hashes.first().copied().unwrap_or(0);
                let id = use_id(rule.id, namespace, at.workload.hash, hash);
                let source = object.source.as_ref();
                let at = (&rolling, known);
                told(id, policy, rule, &subject, verdict, at, &mut text, 0, source, tell);
            }
        }
    }

    fn audit_namespaces(
        &self,
        share: Share,
        order: &[u32],
        now: Timestamp,
        tell: &mut dyn FnMut(&Judgement<'_>),
    ) {
        let rolling = self.rolling(now);
        let mut text = String::new();
        for namespace in order.iter().filter(|id| share.has(**id)).map(|id| self.namespaces.get(*id)) {
            let facts = rolling.facts_of(namespace);
            let labels = facts.object.as_deref().map(|object| &object.labels);
            let subject = Subject::Namespace(Arc::new(facts.clone()));
            for policy in self.plan.policies.iter() {
                let out = policy.scope.namespace(&namespace.name, labels) == Membership::Out;
                for rule in &policy.rules {
                    text.clear();
                    let out = out && !rule.asks().any_scope;
                    let Some(verdict) =
                        rolling.namespace_verdict(rule, &facts, &mut Note::listening(&mut text))
                    else {
                        continue;
                    };
                    let verdict = if out { Verdict::NotApplicable(reason::OUT_OF_SCOPE) } else { verdict };
                    let id = name_id(rule.id, namespace.hash);
                    let at = (&rolling, Some(namespace));
                    told(id, policy, rule, &subject, verdict, at, &mut text, 0, None, tell);
                }
            }
        }
    }

    fn audit_references(&self, now: Timestamp, tell: &mut dyn FnMut(&Judgement<'_>)) {
        let (inventory, namespaces, policies) = (&self.inventory, &self.namespaces, &self.plan.policies);
        let spreading = Spreading { inventory, namespaces, policies, skews: &self.skews, now };
        let (rolling, mut text) = (self.rolling(now), String::new());
        for name in self.inventory.references.names() {
            let Some(running) = self.inventory.references.get(name) else { continue };
            let spread = spreading.spread(name, running);
            let pods = spread.namespaces.iter().map(|(_, pods)| pods).sum();
            let subject = Subject::Reference(Arc::new(spread));
            for (index, policy, rule) in spreading.rules() {
                text.clear();
                let (Check::Reference(check), Subject::Reference(spread)) = (&rule.check, &subject) else {
                    continue;
                };
                let verdict = match spreading.in_scope(index, running) {
                    true => check(&spread.facts, &mut Note::listening(&mut text)),
                    false => Verdict::NotApplicable(reason::OUT_OF_SCOPE),
                };
                let id = name_id(rule.id, text_hash(name));
                let at = (&rolling, None);
                told(id, policy, rule, &subject, verdict, at, &mut text, pods, None, tell);
            }
        }
    }
}

/// A pod or a template, and a policy that looks at it.
struct Row<'a> {
    group: &'a Group,
    namespace: &'a Namespace,
    policy: &'a CompiledPolicy,
    membership: Membership,
    ended: bool,
    /// What was found of each use, where that is known and nothing else is asked for.
    remembered: Option<&'a [Bits]>,
    source: Option<&'a Source>,
}

/// The object as a workload with one image use.
fn unsupported_subject(object: &UnsupportedObject) -> Subject {
    let image = Arc::new(Image::new(&object.image));
    // Not the hash of any slot: a workload of the same kind and name may name the same image.
    let hash = combine(&[text_hash(reason::UNSUPPORTED_KIND), image.hash]);
    let image_use =
        ImageUse { slot: Slot::Container, name: "".into(), image, pull_policy: None, facts: None };
    let shape = PodShape {
        uses: Box::new([image_use]),
        is_template: true,
        unsupported: true,
        use_hashes: Box::new([hash]),
        ..PodShape::default()
    };
    Subject::Workload(WorkloadUse {
        namespace: (*object.namespace).into(),
        workload: Arc::new(Workload {
            kind: (&*object.kind).into(),
            name: object.name.clone(),
            api_version: "".into(),
            through: None,
            verified: true,
            hash: workload_hash(&object.kind, &object.name),
            identity: Box::default(),
            has_own_account: false,
        }),
        judged: Arc::new(Judged {
            shape: Arc::new(shape),
            running: Arc::default(),
            unready: Lasted::FOREVER,
            spec_changed: Lasted::FOREVER,
            runtimes: Runtimes::default(),
        }),
        image_use: Some(0),
        owner: None,
    })
}

#[expect(clippy::too_many_arguments, reason = "the parts of one judgement, put together in one place")]
fn told(
    id: FindingId,
    policy: &CompiledPolicy,
    rule: &PreparedRule,
    subject: &Subject,
    verdict: Verdict,
    (rolling, namespace): (&Rolling<'_>, Option<&Namespace>),
    text: &mut String,
    pods: u32,
    source: Option<&Source>,
    tell: &mut dyn FnMut(&Judgement<'_>),
) {
    if let (true, Some(reason)) = (text.is_empty(), verdict.reason()) {
        super::findings::explain_reason(rule.id, reason, text);
    }
    let permit = match verdict.is_finding() {
        true => rolling.permit(policy, rule.id, subject, namespace),
        false => Permit::default(),
    };
    let (exemption, asked) = (permit.exemption, permit.asked.as_ref());
    if let Some(asked) = asked {
        asked.tell(text);
    }
    tell(&Judgement { id, policy, rule, subject, verdict, exemption, asked, message: text, pods, source });
}
