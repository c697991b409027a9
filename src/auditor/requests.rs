//! Exemptions that tenants ask for, and what the policies say of them. What a policy takes permits like an exemption
//! of its own; what it does not take stays with the finding, so that everybody sees that it was asked for.

use std::sync::Arc;

use jiff::Timestamp;

use super::findings::{Finding, State, Subject};
use super::namespaces::Namespace;
use super::rollup::Rolling;
use crate::policy::compile::CompiledPolicy;
use crate::policy::delegation::say;
use crate::policy::exemption::{Candidate, Cover, EXPIRING, Exemption};
use crate::policy::request::{Origin, Request, RequestObject, Said, Standing, annotated};
use crate::policy::scope::Membership;
use crate::reference::Reference;
use crate::rules::RuleId;
use crate::subject::Resource;
use crate::subject::facts::{EXEMPTION_PREFIX, Facts};

/// An exemption that was asked for a finding, and the answer of the finding's policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    /// The name of the Exemption, or the key of the annotation.
    pub name: Box<str>,
    /// How it is asked for.
    pub origin: Origin,
    /// The answer.
    pub answer: Answer,
    /// The kind that would confirm whose pods they are, where that is what it lacks and the kind may not be read.
    pub unread: Option<Resource>,
}

/// What became of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// It cannot be read, and why.
    Unreadable(Box<str>),
    /// It permits this: the exemption, with the end that the policy gives it.
    Permits(Exemption),
    /// It does not permit.
    Declined(Standing),
    /// It stands in the policy itself and would permit this, but it names workloads, and which one owns these pods is
    /// not confirmed.
    NotConfirmed,
}

impl Asked {
    fn of(request: &Request, standing: Standing) -> Self {
        let answer = match standing {
            Standing::Effective { until, .. } => Answer::Permits(request.exemption.clone().ending(until)),
            other => Answer::Declined(other),
        };
        Self { name: request.exemption.name.clone(), origin: request.origin, answer, unread: None }
    }

    /// What permits the finding; none while it does not.
    pub fn permits(&self) -> Option<&Exemption> {
        match &self.answer {
            Answer::Permits(exemption) => Some(exemption),
            Answer::Unreadable(_) | Answer::Declined(_) | Answer::NotConfirmed => None,
        }
    }

    /// Whether it is still asked for: neither given nor over.
    pub fn is_pending(&self) -> bool {
        match &self.answer {
            Answer::Permits(_) | Answer::NotConfirmed => false,
            Answer::Unreadable(_) => true,
            Answer::Declined(standing) => !standing.is_over(),
        }
    }

    /// Whether it would permit, if only it were confirmed whose pods they are.
    fn lacks_owner(&self) -> bool {
        matches!(self.answer, Answer::NotConfirmed | Answer::Declined(Standing::OwnerUnverified))
    }

    /// Says why it does not permit, after the rule's own sentence.
    pub fn tell(&self, text: &mut String) {
        let origin = match self.origin {
            Origin::Object => format!("Exemption {}", self.name),
            Origin::Annotation => format!("annotation {}", self.name),
        };
        let told = match &self.answer {
            Answer::Permits(_) => return,
            Answer::NotConfirmed => {
                format!(
                    "the policy's exemption {} would permit it, but {}",
                    self.name,
                    Standing::OwnerUnverified
                )
            }
            Answer::Unreadable(why) => {
                format!("exemption requested by {origin}, which cannot be read: {why}")
            }
            Answer::Declined(standing) if standing.is_over() => {
                format!("{origin} permits it no more: {standing}")
            }
            Answer::Declined(standing) => format!("exemption requested by {origin}, but {standing}"),
        };
        if !text.is_empty() {
            text.push_str("; ");
        }
        text.push_str(&told);
        if let Some(unread) = self.unread {
            text.push_str(&format!(
                ": {unread} may not be read, which needs the rights of deploy/tiers/4-workloads.yaml"
            ));
        }
    }
}

/// What the policies say of one Exemption object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestOutcome {
    /// The object.
    pub object: Arc<RequestObject>,
    /// For each policy whose scope the namespace is in, and each rule in force there that it asks for.
    pub said: Box<[(u16, RuleId, Standing)]>,
    /// How many findings it permits, each counted once a policy.
    pub uses: u32,
}

/// What permits a finding, or was asked for in vain.
#[derive(Debug, Default)]
pub(super) struct Permit {
    /// Index of the policy's own exemption, or [`State::REQUESTED`].
    pub(super) exemption: Option<u16>,
    /// What was asked for.
    pub(super) asked: Option<Asked>,
    /// When time alone changes this.
    pub(super) next: Option<Timestamp>,
}

/// The best answer so far.
#[derive(Default)]
struct Best {
    asked: Option<Asked>,
    standing: Option<Standing>,
    next: Option<Timestamp>,
}

impl Best {
    fn offer(&mut self, request: &Request, said: Said, cover: Cover) {
        // Whoever's pods they are, it would not permit them.
        let standing = match (said.standing.is_effective(), cover) {
            (true, Cover::OwnerUnverified) => Standing::OwnerUnverified,
            _ => said.standing,
        };
        self.next = self.next.into_iter().chain(said.next).min();
        if self.standing.is_none_or(|best| best < standing) {
            self.standing = Some(standing);
            self.asked = Some(Asked::of(request, standing));
        }
    }

    /// An annotation that cannot be read is told unless something else may still permit.
    fn offer_unreadable(&mut self, rule: RuleId, why: String) {
        let is_better = |best: Standing| best != Standing::NotDelegated && !best.is_over();
        if !self.standing.is_some_and(is_better) {
            let name = format!("{EXEMPTION_PREFIX}{rule}").into();
            let answer = Answer::Unreadable(why.into());
            self.asked = Some(Asked { name, origin: Origin::Annotation, answer, unread: None });
        }
    }
}

impl Rolling<'_> {
    /// What permits a finding of a rule on a subject, or was asked for: first the policy's own exemptions. Outside of
    /// namespaces nobody can ask.
    pub(super) fn permit(
        &self,
        policy: &CompiledPolicy,
        rule: RuleId,
        subject: &Subject,
        namespace: Option<&Namespace>,
    ) -> Permit {
        let own = self.own_exemption(policy, rule, subject);
        if let Some((index, Cover::Covered)) = own {
            return Permit { exemption: Some(index), ..Permit::default() };
        }
        let mut permit = self.requested(policy, rule, subject, namespace);
        if permit.exemption.is_none()
            && permit.asked.is_none()
            && let Some(exemption) = own.and_then(|(index, _)| policy.exemptions.get(usize::from(index)))
        {
            let (name, answer) = (exemption.name.clone(), Answer::NotConfirmed);
            permit.asked = Some(Asked { name, origin: Origin::Object, answer, unread: None });
        }
        if let (Some(asked), Subject::Workload(at)) = (&mut permit.asked, subject)
            && asked.lacks_owner()
        {
            asked.unread = self.templates.unread(&at.workload);
        }
        permit
    }

    /// The policy's own exemption that covers a finding, else one that would if only its owner were confirmed.
    pub(super) fn own_exemption(
        &self,
        policy: &CompiledPolicy,
        rule: RuleId,
        subject: &Subject,
    ) -> Option<(u16, Cover)> {
        if policy.exemptions.is_empty() {
            return None;
        }
        let image = image(subject);
        let candidate = self.candidate(rule, subject, image.as_ref());
        own(policy, &candidate, self.now)
    }

    /// What tenants asked for, and what came of it.
    fn requested(
        &self,
        policy: &CompiledPolicy,
        rule: RuleId,
        subject: &Subject,
        namespace: Option<&Namespace>,
    ) -> Permit {
        let Some(namespace) = namespace else { return Permit::default() };
        let facts = match subject {
            Subject::Workload(at) => at.judged.shape.facts.as_deref(),
            _ => None,
        };
        if namespace.requests.is_empty() && facts.is_none() {
            return Permit::default();
        }
        let best = self.ask(policy, rule, subject, (namespace, facts.unwrap_or(Facts::none())));
        let permits = best.asked.as_ref().is_some_and(|asked| asked.permits().is_some());
        Permit { exemption: permits.then_some(State::REQUESTED), asked: best.asked, next: best.next }
    }

    fn candidate<'s>(
        &self,
        rule: RuleId,
        subject: &'s Subject,
        image: Option<&'s Reference>,
    ) -> Candidate<'s> {
        let confirmed = match subject {
            Subject::Workload(at) => {
                at.workload.verified
                    || at.judged.shape.is_template
                    || self.templates.confirms(&at.namespace, &at.workload)
            }
            _ => true,
        };
        candidate(rule, subject, image, confirmed)
    }

    fn ask(
        &self,
        policy: &CompiledPolicy,
        rule: RuleId,
        subject: &Subject,
        (namespace, facts): (&Namespace, &Facts),
    ) -> Best {
        let mut best = Best::default();
        let place = (&*namespace.name, namespace.labels());
        if !namespace.requests.is_empty() {
            let image = image(subject);
            let candidate = self.candidate(rule, subject, image.as_ref());
            for request in namespace.requests.iter().filter_map(|object| object.request.as_ref()) {
                let cover = request.exemption.cover_in_time(&candidate);
                if cover != Cover::No {
                    best.offer(request, say(&policy.delegation, request, rule, place, self.now), cover);
                }
            }
        }
        match annotated(facts, rule) {
            None => {}
            Some(Ok(request)) => {
                best.offer(
                    &request,
                    say(&policy.delegation, &request, rule, place, self.now),
                    Cover::Covered,
                );
            }
            Some(Err(why)) => best.offer_unreadable(rule, why),
        }
        best
    }

    /// Marks a finding that something permits, or that somebody asks to be permitted. Returns when time alone changes
    /// this next.
    pub(super) fn exempt(
        &self,
        policy: &CompiledPolicy,
        namespace: Option<&Namespace>,
        finding: &mut Finding,
    ) -> Option<Timestamp> {
        let permit = self.permit(policy, finding.rule, &finding.subject, namespace);
        if let Some(index) = permit.exemption {
            finding.state = State::Exempt(index);
        }
        finding.asked = permit.asked.map(Arc::new);
        permit.next
    }

    /// When an exemption that permits is to be said to end soon.
    fn expires_soon(&self, standing: Standing) -> Option<Timestamp> {
        let Standing::Effective { until, .. } = standing else { return None };
        until.saturating_sub(EXPIRING).ok().filter(|soon| *soon > self.now)
    }

    /// What the policies say of the Exemption objects of a namespace, and when time alone changes that.
    pub(super) fn outcomes(
        &self,
        namespace: &Namespace,
        findings: &[Finding],
    ) -> (Arc<[RequestOutcome]>, Option<Timestamp>) {
        let mut next = None;
        let place = (&*namespace.name, namespace.labels());
        let outcome = |object: &Arc<RequestObject>| {
            let mut said = Vec::new();
            for (index, policy) in self.plan.policies.iter().enumerate() {
                let Some(request) = &object.request else { break };
                if policy.scope.namespace(place.0, place.1) == Membership::Out {
                    continue;
                }
                let index = u16::try_from(index).unwrap_or(u16::MAX);
                for &rule in request.exemption.rules().iter().filter(|rule| policy.rule(**rule).is_some()) {
                    let answer = say(&policy.delegation, request, rule, place, self.now);
                    next =
                        next.into_iter().chain(answer.next).chain(self.expires_soon(answer.standing)).min();
                    said.push((index, rule, answer.standing));
                }
            }
            let uses = |finding: &&Finding| {
                let asked = finding.asked.as_deref().filter(|asked| asked.permits().is_some());
                asked.is_some_and(|asked| asked.origin == Origin::Object && asked.name == object.name)
            };
            let uses = u32::try_from(findings.iter().filter(uses).count()).unwrap_or(u32::MAX);
            RequestOutcome { object: object.clone(), said: said.into(), uses }
        };
        let outcomes = namespace.requests.iter().map(outcome).collect();
        (outcomes, next)
    }
}

/// Index of the exemption of `policy` that covers a finding at `now`, of a subject that is no workload.
pub(super) fn exemption(
    policy: &CompiledPolicy,
    rule: RuleId,
    subject: &Subject,
    now: Timestamp,
) -> Option<u16> {
    if policy.exemptions.is_empty() {
        return None;
    }
    let image = image(subject);
    let candidate = candidate(rule, subject, image.as_ref(), false);
    own(policy, &candidate, now).filter(|(_, cover)| *cover == Cover::Covered).map(|(index, _)| index)
}

/// The exemption of `policy` that covers a candidate, else the first that would if only its owner were confirmed.
fn own(policy: &CompiledPolicy, candidate: &Candidate<'_>, now: Timestamp) -> Option<(u16, Cover)> {
    let mut unverified = None;
    for (exemption, index) in policy.exemptions.iter().zip(0..) {
        match exemption.cover(candidate, now) {
            Cover::Covered => return Some((index, Cover::Covered)),
            Cover::OwnerUnverified if unverified.is_none() => {
                unverified = Some((index, Cover::OwnerUnverified));
            }
            Cover::OwnerUnverified | Cover::No => {}
        }
    }
    unverified
}

/// The image that a subject is about.
fn image(subject: &Subject) -> Option<Reference> {
    match subject {
        Subject::Workload(at) => at.image_use()?.image.reference.as_ref().ok().cloned(),
        Subject::Reference(spread) => Reference::parse(&spread.facts.canonical).ok(),
        Subject::Namespace(_) | Subject::Cluster(_) => None,
    }
}

/// What exemptions are asked about; `confirmed` says whether the owner of an image use is certain.
fn candidate<'a>(
    rule: RuleId,
    subject: &'a Subject,
    image: Option<&'a Reference>,
    confirmed: bool,
) -> Candidate<'a> {
    let (workload, owner_verified) = match subject {
        Subject::Workload(at) => (Some((&*at.workload.kind, &*at.workload.name)), confirmed),
        // So that an exemption can name it: `workloads: [Cluster/cluster]`.
        Subject::Cluster(_) => (Some((subject.kind(), subject.name())), true),
        Subject::Namespace(_) | Subject::Reference(_) => (None, true),
    };
    let namespace = subject.namespace().map(|name| &**name);
    Candidate { rule, namespace, workload, owner_verified, image }
}
