//! Rolling up one namespace: from remembered verdicts of its groups, and its own rules, to findings and
//! counts.

use std::collections::BTreeSet;
use std::sync::Arc;

use jiff::Timestamp;

use super::edits::Edit;
use super::findings::{
    Finding, FindingId, Judged, State, Subject, Workload, WorkloadUse, judge, judged_at, use_id, whole_second,
};
use super::groups::Group;
use super::inventory::Inventory;
use super::namespaces::Namespace;
use super::pairs::Outline;
use super::plan::Plan;
use super::requests::RequestOutcome;
use super::snapshot::{Count, Parts, RuleCount};
use super::surroundings::Plain;
use super::templates::Templates;
use super::transitions::WantedOwner;
use crate::policy::compile::CompiledPolicy;
use crate::policy::request::Origin;
use crate::policy::scope::Membership;
use crate::rules::{Check, PreparedRule, RuleId};
use crate::subject::Resource;
use crate::subject::cluster::ClusterFacts;
use crate::subject::namespace::{NamespaceFacts, NamespaceObject};
use crate::subject::owner::Owner;
use crate::subject::pod::ImageSubject;
use crate::verdict::{Note, Reason, Verdict, reason};

/// What rolling up reads beside the namespace.
pub(super) struct Rolling<'a> {
    pub(super) inventory: &'a Inventory,
    pub(super) plan: &'a Plan,
    pub(super) templates: &'a Templates,
    /// Resources that may not be read.
    pub(super) denied: &'a BTreeSet<Resource>,
    pub(super) now: Timestamp,
    /// New index of each policy that the last Snapshot numbered, when the plan has changed since.
    pub(super) renumbered: Option<&'a [Option<u16>]>,
    /// The edits of policies that lead to this plan, where that is all that has changed of it.
    pub(super) edits: &'a [Edit],
    /// What namespaces share.
    pub(super) cluster: &'a Arc<ClusterFacts>,
    /// What stands around namespaces in which there is nothing special.
    pub(super) plain: &'a Plain,
}

/// What was found, and what follows from it.
pub(super) struct Rolled {
    pub(super) findings: Vec<Finding>,
    pub(super) pods: u32,
    pub(super) live_pods: u32,
    pub(super) parts: Parts,
    /// When a dormant finding is over or its owner should be looked up.
    pub(super) deadline: Option<Timestamp>,
    pub(super) wanted: Vec<WantedOwner>,
    /// What the policies say of the namespace's Exemption objects.
    pub(super) requests: Arc<[RequestOutcome]>,
}

/// Space that is used again for every namespace.
#[derive(Default)]
pub(super) struct Space {
    pub(super) raw: Vec<Raw>,
    uses: Vec<(u64, u32, Outline)>,
    hashes: Vec<u64>,
}

/// A group of the namespace in which something may be found. Sorted, so that the same content gives the same order.
pub(super) struct Member<'a> {
    group: &'a Group,
    outline: &'a Outline,
    workload: &'a Arc<Workload>,
    /// Looked up once: it lies somewhere else for every group, and is asked for again and again.
    judged: &'a Arc<Judged>,
    /// The controller of its pods, where a rule reads it.
    owner: Option<Arc<Owner>>,
}

impl Member<'_> {
    /// The order of members: by content, never by id.
    fn key(&self) -> impl Ord + use<> {
        // The nodes are the same for all.
        let Judged { shape, running, unready, spec_changed, runtimes: _ } = &**self.judged;
        (self.workload.hash, shape.hash, running.hash, *unready, *spec_changed)
    }
}

/// A verdict of one group, before equal findings are merged.
pub(super) struct Raw {
    id: FindingId,
    policy: u16,
    rule: RuleId,
    state: State,
    member: u32,
    image_use: Option<u16>,
    reason: Option<Reason>,
    pods: u32,
}

impl<'a> Rolling<'a> {
    /// Rolls up one namespace.
    pub(super) fn roll(&self, namespace: &'a Namespace, space: &mut Space) -> Rolled {
        let facts = self.facts_of(namespace);
        let labels = namespace.labels();
        let scopes = self.plan.policies.iter().map(|policy| policy.scope.namespace(&namespace.name, labels));
        let scopes: Vec<Membership> = scopes.collect();
        let every = scopes.contains(&Membership::Undecided) || self.plan.compares_owners;
        let found = |outline: &Outline| every || outline.malformed || outline.found();
        let members = self.members(namespace, found, self.plan.compares_owners);
        let (mut findings, mut deadline) = (Vec::new(), None);
        space.raw.clear();
        for (index, (policy, membership)) in self.plan.policies.iter().zip(scopes).enumerate() {
            let out = membership == Membership::Out;
            if out && !self.plan.asks.any_scope {
                continue;
            }
            let index = u16::try_from(index).unwrap_or(u16::MAX);
            if !out {
                self.collect(namespace, &members, (index, policy, membership), ALL_RULES, &mut space.raw);
            }
            let asked = |rule: &PreparedRule| !out || rule.asks().any_scope;
            let due = self.namespace_findings(namespace, &facts, (index, policy), asked, &mut findings);
            deadline = deadline.into_iter().chain(due).min();
        }
        let due = self.merge(namespace, &members, &mut space.raw, &mut findings);
        deadline = deadline.into_iter().chain(due).min();
        let mut rolled = Rolled {
            findings,
            pods: namespace.pods,
            live_pods: facts.pods,
            parts: self.parts(namespace, space),
            deadline,
            wanted: Vec::new(),
            requests: Arc::default(),
        };
        self.carry_over(namespace, &mut rolled);
        if !namespace.requests.is_empty() {
            let (requests, due) = self.outcomes(namespace, &rolled.findings);
            rolled.requests = requests;
            rolled.deadline = rolled.deadline.into_iter().chain(due).min();
        }
        rolled
    }

    /// The groups of pods of a namespace with their outlines.
    pub(super) fn groups(
        &self,
        namespace: &Namespace,
    ) -> impl Iterator<Item = (&'a Group, &'a Outline)> + use<'a> {
        self.all_groups(namespace).filter(|(_, outline)| !outline.stands_in)
    }

    /// The groups of pods and of templates.
    pub(super) fn all_groups(
        &self,
        namespace: &Namespace,
    ) -> impl Iterator<Item = (&'a Group, &'a Outline)> + use<'a> {
        let inventory = self.inventory;
        let groups = inventory.groups.from(namespace.first_group);
        groups.map(|group| (group, inventory.pairs.outline(group.key.pair)))
    }

    /// The groups in which something `may_be_found`, with the owners of their pods where those are `compared`.
    pub(super) fn members(
        &self,
        namespace: &Namespace,
        may_be_found: impl Fn(&Outline) -> bool,
        compared: bool,
    ) -> Vec<Member<'a>> {
        let groups = self.groups(namespace).chain(self.stand_ins(namespace));
        let groups = groups.filter(|(_, outline)| may_be_found(outline));
        let mut members: Vec<Member<'a>> = groups
            .filter_map(|(group, outline)| {
                let workload = self.inventory.workload(group)?;
                let judged = self.inventory.judged(group);
                Some(Member {
                    group,
                    outline,
                    workload,
                    judged,
                    owner: if compared { self.owner(namespace, workload, judged) } else { None },
                })
            })
            .collect();
        if members.len() > 1 {
            members.sort_by_cached_key(Member::key);
        }
        members
    }

    /// The controller of a workload's pods, where a rule reads it and there may be one.
    pub(super) fn owner(
        &self,
        namespace: &Namespace,
        workload: &Workload,
        judged: &Judged,
    ) -> Option<Arc<Owner>> {
        let compares = self.plan.compares_owners && !judged.shape.is_template && !judged.shape.is_static;
        compares.then(|| Arc::new(self.templates.owner(&namespace.name, workload)))
    }

    /// How many workloads there are, and how many distinct parts they have.
    fn parts(&self, namespace: &Namespace, space: &mut Space) -> Parts {
        let Space { uses, hashes, .. } = space;
        uses.clear();
        let live = self.groups(namespace).filter(|(_, outline)| !outline.ended);
        uses.extend(live.map(|(group, outline)| {
            (self.inventory.owner_hashes[group.key.owner as usize], outline.shape, *outline)
        }));
        uses.sort_unstable_by_key(|(owner, shape, _)| (*owner, *shape));
        uses.dedup_by_key(|(owner, shape, _)| (*owner, *shape));
        let mut parts = Parts::default();
        for shapes in uses.chunk_by(|left, right| left.0 == right.0) {
            parts.workloads += 1;
            // Of a rollout the shape with the most: containers keep their names.
            parts.containers +=
                shapes.iter().map(|(_, _, outline)| u32::from(outline.containers)).max().unwrap_or(0);
            parts.image_uses += match shapes {
                [(_, _, outline)] => u32::from(outline.uses),
                // A rollout: what both shapes use is counted once.
                _ => {
                    hashes.clear();
                    for (_, shape, _) in shapes {
                        let shape = self.inventory.shapes.value(*shape);
                        hashes.extend(shape.iter().flat_map(|shape| shape.use_hashes.iter()));
                    }
                    hashes.sort_unstable();
                    hashes.dedup();
                    u32::try_from(hashes.len()).unwrap_or(u32::MAX)
                }
            };
        }
        parts
    }

    /// What namespace rules read.
    pub(super) fn facts_of(&self, namespace: &'a Namespace) -> NamespaceFacts {
        let live = self.groups(namespace).filter(|(_, outline)| !outline.ended);
        self.facts(namespace, live.map(|(group, _)| group.count).sum())
    }

    /// What namespace rules read of a namespace that has not changed since it was rolled up.
    pub(super) fn unchanged_facts(&self, namespace: &'a Namespace) -> NamespaceFacts {
        self.facts(namespace, namespace.part.live_pods)
    }

    fn facts(&self, namespace: &'a Namespace, pods: u32) -> NamespaceFacts {
        let implied = || namespace.is_implied().then(Arc::<NamespaceObject>::default);
        NamespaceFacts {
            name: namespace.name.clone(),
            object: namespace.object.clone().or_else(implied),
            network_policies: namespace.network_policies.clone(),
            pods,
            beyond: self.beyond(namespace),
        }
    }

    /// Every fail and unknown of one policy on the namespace's groups, of the rules in this set.
    pub(super) fn collect(
        &self,
        namespace: &Namespace,
        members: &[Member<'_>],
        (index, policy, membership): (u16, &CompiledPolicy, Membership),
        among: u64,
        raw: &mut Vec<Raw>,
    ) {
        for (place, member) in members.iter().enumerate() {
            let outline = member.outline;
            let owner_rules = || policy.rules.iter().filter(|rule| matches!(rule.check, Check::Owner(_)));
            let may_find = outline.malformed
                || membership == Membership::Undecided
                || outline.found_by(usize::from(index))
                || member.owner.is_some() && owner_rules().next().is_some();
            if !may_find
                || outline.ended && !policy.scope.include_terminated
                || outline.stands_in && !policy.scope.include_templates
                || !self.inventory.labels.covers(member.group.key.class, usize::from(index))
            {
                continue;
            }
            let judged = member.judged;
            let pods = if judged.shape.is_template { 0 } else { member.group.count };
            let place = u32::try_from(place).unwrap_or(u32::MAX);
            let mut push = |rule: RuleId, state, (image_use, hash): (Option<u16>, u64), reason| {
                let id = use_id(rule, namespace.hash, member.workload.hash, hash);
                raw.push(Raw { id, policy: index, rule, state, member: place, image_use, reason, pods });
            };
            let undecided = match (judged.shape.malformed, membership) {
                (true, _) => Some(reason::MALFORMED),
                (_, Membership::Undecided) => Some(reason::NAMESPACE_UNKNOWN),
                _ => None,
            };
            if let Some(undecided) = undecided {
                let shape = &judged.shape;
                let is_among =
                    |rule: &&PreparedRule| rule.id.entry().subject.is_of_pods() && among & bit(rule.id) != 0;
                for rule in policy.rules.iter().filter(is_among) {
                    if shape.malformed {
                        push(rule.id, State::Unknown, (None, 0), Some(undecided));
                        continue;
                    }
                    for at in (0..shape.uses.len()).filter_map(|at| judged_at(rule.id, shape, at)) {
                        push(rule.id, State::Unknown, at, Some(undecided));
                    }
                }
                continue;
            }
            let bits = self.inventory.pairs.bits(member.group.key.pair, usize::from(index));
            for (at, bits) in bits.iter().enumerate() {
                let mut found = |rule, state| {
                    if let Some(at) = judged_at(rule, &judged.shape, at) {
                        push(rule, state, at, None);
                    }
                };
                each_bit(bits.fail & among, |rule| found(rule, State::Fail));
                each_bit(bits.unknown & among, |rule| found(rule, State::Unknown));
            }
            let Some(owner) = &member.owner else { continue };
            for rule in owner_rules() {
                let Check::Owner(check) = &rule.check else { continue };
                for (at, image_use) in judged.shape.uses.iter().enumerate() {
                    let subject = ImageSubject { pod: &judged.shape, image_use };
                    let state = match check(&subject, owner, &mut Note::silent()) {
                        Verdict::Fail(_) => State::Fail,
                        Verdict::Unknown(_) => State::Unknown,
                        Verdict::Pass | Verdict::NotApplicable(_) => continue,
                    };
                    if let Some(at) = judged_at(rule.id, &judged.shape, at) {
                        push(rule.id, state, at, None);
                    }
                }
            }
        }
    }

    /// Merges the verdicts of several groups on one finding: the worst state, all pods. Returns when time alone changes
    /// some state next.
    pub(super) fn merge(
        &self,
        namespace: &Namespace,
        members: &[Member<'_>],
        raw: &mut [Raw],
        findings: &mut Vec<Finding>,
    ) -> Option<Timestamp> {
        let mut deadline = None;
        raw.sort_unstable_by_key(|raw| (raw.id, raw.policy, raw.state, raw.member, raw.image_use));
        let mut at = 0;
        while at < raw.len() {
            let first = &raw[at];
            let same = |other: &&Raw| (other.id, other.policy) == (first.id, first.policy);
            let end = at + raw[at..].iter().take_while(same).count();
            let (finding, due) = self.merged(namespace, members, &raw[at..end]);
            deadline = deadline.into_iter().chain(due).min();
            findings.push(finding);
            at = end;
        }
        findings.sort_by_key(|finding| (finding.id, finding.policy));
        deadline
    }

    /// The finding that these verdicts are, worst first. Where it is permitted for some pods only, by an annotation or
    /// to those whose owner is confirmed, the others count.
    fn merged(
        &self,
        namespace: &Namespace,
        members: &[Member<'_>],
        raw: &[Raw],
    ) -> (Finding, Option<Timestamp>) {
        let pods = raw.iter().map(|raw| raw.pods).sum();
        let (mut finding, mut due) = self.found(namespace, members, &raw[0], pods);
        let policy = &self.plan.policies[usize::from(raw[0].policy)];
        let by_pod = |finding: &Finding| {
            let Some(exemption) = finding.exemption(policy) else { return false };
            let asked = finding.asked.as_deref().filter(|asked| asked.permits().is_some());
            exemption.names_workloads() || asked.is_some_and(|asked| asked.origin == Origin::Annotation)
        };
        let mut others = raw[1..].iter();
        while by_pod(&finding)
            && let Some(other) = others.next()
        {
            let (other, next) = self.found(namespace, members, other, pods);
            due = due.into_iter().chain(next).min();
            if !by_pod(&other) {
                finding = other;
            }
        }
        (finding, due)
    }

    /// The finding that one verdict is.
    fn found(
        &self,
        namespace: &Namespace,
        members: &[Member<'_>],
        raw: &Raw,
        pods: u32,
    ) -> (Finding, Option<Timestamp>) {
        let member = &members[raw.member as usize];
        let policy = &self.plan.policies[usize::from(raw.policy)];
        let subject = Subject::Workload(WorkloadUse {
            namespace: namespace.name.clone(),
            workload: member.workload.clone(),
            judged: member.judged.clone(),
            image_use: raw.image_use,
            owner: member.owner.clone().filter(|_| raw.rule.compares_owners()),
        });
        let reason = raw.reason.or_else(|| {
            let rule = policy.rule(raw.rule)?;
            judge(&rule.check, &subject, &mut Note::silent())?.reason()
        });
        let mut finding = Finding {
            id: raw.id,
            policy: raw.policy,
            rule: raw.rule,
            state: raw.state,
            reason: reason.unwrap_or_default(),
            subject,
            pods,
            since: whole_second(self.now),
            dormant_since: None,
            asked: None,
        };
        let due = self.exempt(policy, Some(namespace), &mut finding);
        (finding, due)
    }
}

/// Every rule about pods as a set: its place in the catalogue is its bit.
const ALL_RULES: u64 = u64::MAX;

/// A rule about pods as a set of one; the empty set for other rules.
pub(super) fn bit(rule: RuleId) -> u64 {
    if rule.entry().subject.is_of_pods() { 1 << rule.index() } else { 0 }
}

fn each_bit(mut bits: u64, mut each: impl FnMut(RuleId)) {
    while bits != 0 {
        if let Some(rule) = RuleId::at(bits.trailing_zeros() as usize) {
            each(rule);
        }
        bits &= bits - 1;
    }
}

/// Counts by policy and rule.
pub(super) fn counts(findings: &[Finding]) -> Arc<[RuleCount]> {
    let mut counts: Vec<RuleCount> = Vec::new();
    for finding in findings {
        let key = (finding.policy, finding.rule);
        let at = counts.binary_search_by_key(&key, |count| (count.policy, count.rule)).unwrap_or_else(|at| {
            counts.insert(
                at,
                RuleCount {
                    policy: finding.policy,
                    rule: finding.rule,
                    count: Count::default(),
                    live: Count::default(),
                },
            );
            at
        });
        add(&mut counts[at].count, finding.state);
        if finding.dormant_since.is_none() {
            add(&mut counts[at].live, finding.state);
        }
    }
    counts.into()
}

/// Counts one finding.
pub(super) fn add(count: &mut Count, state: State) {
    match state {
        State::Fail => count.fail += 1,
        State::Unknown => count.unknown += 1,
        State::Exempt(_) => count.exempt += 1,
    }
}
