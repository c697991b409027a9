//! Findings: a `fail` or `unknown` of one rule on one subject under one policy.

use std::fmt;
use std::sync::{Arc, LazyLock};

use jiff::Timestamp;

use super::requests::Asked;
use crate::policy::compile::CompiledPolicy;
use crate::policy::exemption::Exemption;
use crate::rules::{Check, RuleId, SubjectKind};
use crate::subject::canonical::{combine, text_hash};
use crate::subject::cluster::ClusterSubject;
use crate::subject::namespace::{NamespaceFacts, NamespaceObject, NamespaceSubject};
use crate::subject::owner::Owner;
use crate::subject::pod::{ContainerSubject, DEFAULT_SERVICE_ACCOUNT, ImageSubject, ImageUse, PodShape};
use crate::subject::reference::ReferenceFacts;
use crate::subject::running::{Lasted, RunningState, RunningSubject};
use crate::subject::runtime::Runtimes;
use crate::subject::uid::Uid;
use crate::verdict::{Note, Reason, Verdict, reason};

/// Names a finding across runs, restarts and policies: a hash of rule and subject. Shown as 16 hex digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FindingId(pub u64);

impl fmt::Display for FindingId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl fmt::Debug for FindingId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "FindingId({self})")
    }
}

/// What a pod is reported under: the top controller it is attributed to, or itself.
#[derive(Debug, PartialEq, Eq)]
pub struct Workload {
    /// `Deployment`, `CronJob`, `Pod`, ...
    pub kind: Arc<str>,
    /// Its name.
    pub name: Box<str>,
    /// API group and version of `kind`, as far as an ownerReference or a file tells: `apps/v1`, `v1`, ...
    pub api_version: Arc<str>,
    /// The object the pod's own ownerReference names, when that is not the workload itself (ReplicaSet, Job).
    pub through: Option<Box<OwnerReference>>,
    /// The uid, and behind a zero the service account: one text, since there are as many as there are owners.
    pub identity: Box<str>,
    /// The pods' service account has the workload's name.
    pub has_own_account: bool,
    /// The attribution is certain: the pod itself, or a Job whose own object was seen. A pod can claim any
    /// owner, so an exemption by workload asks for this.
    pub verified: bool,
    /// Stable hash of kind and name.
    pub hash: u64,
}

impl Workload {
    /// Uid of the workload where an ownerReference of the pod (or of its Job) gives it; else empty.
    pub fn uid(&self) -> &str {
        self.identity.split_once('\0').map_or(&*self.identity, |(uid, _)| uid)
    }

    /// The service account of its pods.
    pub fn service_account(&self) -> &str {
        match self.identity.split_once('\0') {
            Some((_, account)) => account,
            None if self.has_own_account => &self.name,
            None => DEFAULT_SERVICE_ACCOUNT,
        }
    }

    /// The same with pods under this service account.
    pub(super) fn under(mut self, account: &str) -> Self {
        if account == &*self.name {
            self.has_own_account = true;
        } else if !matches!(account, "" | DEFAULT_SERVICE_ACCOUNT) {
            self.identity = format!("{}\0{account}", self.identity).into();
        }
        self
    }
}

/// The controller that a pod's own ownerReference names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnerReference {
    /// `ReplicaSet`, `Job`, ...
    pub kind: Arc<str>,
    /// Its name.
    pub name: Box<str>,
    /// Its API version.
    pub api_version: Arc<str>,
    /// Its uid.
    pub uid: Uid,
}

/// One image use or container of a workload, or its pods as a whole, with all that a rule read to judge it.
#[derive(Clone, Debug)]
pub struct WorkloadUse {
    /// The namespace.
    pub namespace: Arc<str>,
    /// The workload.
    pub workload: Arc<Workload>,
    /// The shape and the running state that were judged (one of them, where several pods agree).
    pub judged: Arc<Judged>,
    /// Index of the use in the shape; none for a pod as a whole, and for a malformed one, which has no readable use.
    pub image_use: Option<u16>,
    /// The controller of the pods, where a rule reads it.
    pub owner: Option<Arc<Owner>>,
}

impl WorkloadUse {
    /// The image use itself.
    pub fn image_use(&self) -> Option<&ImageUse> {
        self.judged.shape.uses.get(usize::from(self.image_use?))
    }
}

/// A shape and a running state, judged together.
#[derive(Debug)]
pub struct Judged {
    /// What rules read of the spec.
    pub shape: Arc<PodShape>,
    /// What rules read of the status.
    pub running: Arc<RunningState>,
    /// How long the pod's containers have not been ready.
    pub unready: Lasted,
    /// How long ago the spec was seen to change.
    pub spec_changed: Lasted,
    /// What the cluster's nodes ran when it was judged.
    pub runtimes: Runtimes,
}

impl Judged {
    /// The same where the nodes run something else.
    pub(super) fn under(&self, runtimes: Runtimes) -> Self {
        let Self { shape, running, unready, spec_changed, .. } = self;
        let (shape, running) = (shape.clone(), running.clone());
        Self { shape, running, unready: *unready, spec_changed: *spec_changed, runtimes }
    }

    /// What a rule about the running state is asked about one of the uses.
    pub(super) fn live<'a>(&'a self, image_use: &'a ImageUse) -> RunningSubject<'a> {
        let Self { shape, running, unready, spec_changed, runtimes } = self;
        let (unready, spec_changed, runtimes) = (*unready, *spec_changed, *runtimes);
        RunningSubject { pod: shape, image_use, running, unready, spec_changed, runtimes }
    }
}

/// A reference, what runs under it, and where.
#[derive(Debug)]
pub struct ReferenceSpread {
    /// What was judged.
    pub facts: ReferenceFacts,
    /// Namespaces whose pods use it, with how many pods, sorted by name.
    pub namespaces: Box<[(Arc<str>, u32)]>,
}

impl ReferenceSpread {
    /// How many pods of `namespace` use it.
    pub fn pods_in(&self, namespace: &str) -> Option<u32> {
        let at = self.namespaces.binary_search_by(|(name, _)| (**name).cmp(namespace)).ok()?;
        Some(self.namespaces[at].1)
    }
}

/// Since-times are whole seconds: neither the API nor the record keeps anything finer, and a time must be the same after
/// a restart.
pub(super) fn whole_second(at: Timestamp) -> Timestamp {
    Timestamp::from_second(at.as_second()).unwrap_or(at)
}

/// What a finding is about, with the facts that were judged.
#[derive(Clone, Debug)]
pub enum Subject {
    /// One image use or container of a workload, or its pods as a whole.
    Workload(WorkloadUse),
    /// A namespace.
    Namespace(Arc<NamespaceFacts>),
    /// The cluster: what lies in no namespace.
    Cluster(Arc<ClusterSubject>),
    /// A written reference across the cluster.
    Reference(Arc<ReferenceSpread>),
}

impl Subject {
    /// The namespace it lies in; none for a reference and for the cluster.
    pub fn namespace(&self) -> Option<&Arc<str>> {
        match self {
            Self::Workload(image_use) => Some(&image_use.namespace),
            Self::Namespace(facts) => Some(&facts.name),
            Self::Reference(_) | Self::Cluster(_) => None,
        }
    }

    /// Its kind, as reports show it: `Deployment`, `Namespace`, `Image`, `Cluster`.
    pub fn kind(&self) -> &str {
        match self {
            Self::Workload(image_use) => &image_use.workload.kind,
            Self::Namespace(_) => "Namespace",
            Self::Reference(_) => "Image",
            Self::Cluster(_) => "Cluster",
        }
    }

    /// Its name, as reports show it.
    pub fn name(&self) -> &str {
        match self {
            Self::Workload(image_use) => &image_use.workload.name,
            Self::Namespace(facts) => &facts.name,
            Self::Reference(spread) => &spread.facts.canonical,
            Self::Cluster(_) => "cluster",
        }
    }

    /// Whether it is about a static pod.
    pub fn is_static(&self) -> bool {
        matches!(self, Self::Workload(at) if at.judged.shape.is_static)
    }

    /// Whether it is an object of an unknown kind.
    pub fn is_unsupported(&self) -> bool {
        matches!(self, Self::Workload(at) if at.judged.shape.unsupported)
    }

    /// The image use, where it is about one that could be read.
    pub fn image_use(&self) -> Option<&ImageUse> {
        match self {
            Self::Workload(image_use) => image_use.image_use(),
            _ => None,
        }
    }
}

/// The state in which a finding is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum State {
    /// A violation.
    Fail,
    /// Undecided.
    Unknown,
    /// Exempt by the policy's exemption of this index, or [`Self::REQUESTED`].
    Exempt(u16),
}

impl State {
    /// The index of no exemption of a policy: the finding's own [`Finding::asked`] permits it.
    pub const REQUESTED: u16 = u16::MAX;

    /// The word used in metrics and reports.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Fail => "fail",
            Self::Unknown => "unknown",
            Self::Exempt(_) => "exempt",
        }
    }
}

/// A `fail` or `unknown` of one rule on one subject under one policy.
#[derive(Clone, Debug)]
pub struct Finding {
    /// The same under every policy.
    pub id: FindingId,
    /// Index into the Snapshot's policies.
    pub policy: u16,
    /// The rule.
    pub rule: RuleId,
    /// How it is shown.
    pub state: State,
    /// Why, in one word.
    pub reason: Reason,
    /// What it is about.
    pub subject: Subject,
    /// How many live pods show it; 0 for a dormant one, for templates and for namespaces.
    pub pods: u32,
    /// Since when it has been open.
    pub since: Timestamp,
    /// Since when its workload has had no live pod. Apart, since few findings have it and there are many.
    pub dormant_since: Option<Box<Timestamp>>,
    /// The exemption that a tenant asks for it.
    pub asked: Option<Arc<Asked>>,
}

impl Finding {
    /// The sentence the rule writes about it, from the very facts that were judged.
    pub fn explain(&self, policy: &CompiledPolicy) -> String {
        let mut text = String::new();
        let own = policy
            .rule(self.rule)
            .and_then(|rule| judge(&rule.check, &self.subject, &mut Note::listening(&mut text))?.reason());
        if own != Some(self.reason) {
            text.clear();
            explain_reason(self.rule, self.reason, &mut text);
        }
        if let Some(asked) = &self.asked {
            asked.tell(&mut text);
        }
        text
    }

    /// What permits it, where its state is exempt.
    pub fn exemption<'a>(&'a self, policy: &'a CompiledPolicy) -> Option<&'a Exemption> {
        match self.state {
            State::Exempt(State::REQUESTED) => self.asked.as_deref()?.permits(),
            State::Exempt(index) => policy.exemptions.get(usize::from(index)),
            State::Fail | State::Unknown => None,
        }
    }
}

/// The sentence for a reason that the engine gives by itself; nothing for a rule's own reason.
pub(super) fn explain_reason(rule: RuleId, reason: Reason, text: &mut String) {
    match reason {
        reason::MISSING_PERMISSION => {
            *text = format!("{rule} needs to read {}, which is not permitted", list_reads(rule));
        }
        reason::MALFORMED => {
            text.push_str("the object could not be decoded: a field has another type than its API says");
        }
        reason::NAMESPACE_UNKNOWN => {
            text.push_str("the policy selects namespaces by label and this namespace's labels are not known");
        }
        reason::OUT_OF_SCOPE => text.push_str("the policy's scope leaves it out"),
        reason::TERMINATED => text.push_str("the pod has ended"),
        _ => {}
    }
}

fn list_reads(rule: RuleId) -> String {
    rule.info().reads.iter().map(ToString::to_string).collect::<Vec<_>>().join(" and ")
}

/// Runs a check on a subject's own facts; none when the check is about something else.
pub(super) fn judge(check: &Check, subject: &Subject, note: &mut Note<'_>) -> Option<Verdict> {
    match (check, subject) {
        (Check::Image(check), Subject::Workload(at)) => {
            Some(check(&ImageSubject { pod: &at.judged.shape, image_use: at.image_use()? }, note))
        }
        (Check::Running(check), Subject::Workload(at)) => Some(check(&at.judged.live(at.image_use()?), note)),
        (Check::Owner(check), Subject::Workload(at)) => {
            let subject = ImageSubject { pod: &at.judged.shape, image_use: at.image_use()? };
            Some(check(&subject, at.owner.as_deref().unwrap_or(&Owner::Other), note))
        }
        (Check::Container(check), Subject::Workload(at)) => {
            Some(check(&ContainerSubject { pod: &at.judged.shape, container: at.image_use()? }, note))
        }
        (Check::Pod(check), Subject::Workload(at)) => Some(check(&at.judged.shape, note)),
        (Check::Namespace(judge), Subject::Namespace(facts)) => {
            let nothing = NamespaceObject::default();
            let object = facts.object.as_deref().unwrap_or(&nothing);
            Some(judge.judge(&NamespaceSubject { facts, object }, note))
        }
        (Check::Namespace(judge), Subject::Cluster(cluster)) => Some(judge.judge_cluster(cluster, note)),
        (Check::Reference(check), Subject::Reference(spread)) => Some(check(&spread.facts, note)),
        _ => None,
    }
}

/// What a rule judges at the use of index `at` of a shape: the index to show (none for the pod as a whole), and the stable hash that the finding's
/// id is made of. A container's id has no image in it, so that a rollout does not open its findings anew.
pub(super) fn judged_at(rule: RuleId, shape: &PodShape, at: usize) -> Option<(Option<u16>, u64)> {
    let place = || u16::try_from(at).ok();
    match rule.entry().subject {
        SubjectKind::ImageUse => Some((place(), *shape.use_hashes.get(at)?)),
        SubjectKind::Container => {
            let container = shape.uses.get(at).filter(|image_use| image_use.is_container())?;
            Some((place(), combine(&[container.slot as u64, text_hash(&container.name)])))
        }
        SubjectKind::Pod => (at == 0).then_some((None, 0)),
        SubjectKind::Namespace | SubjectKind::Reference | SubjectKind::Cluster => None,
    }
}

/// The id of a finding on one image use of a workload. The stable hashes are those of the parts.
pub(super) fn use_id(rule: RuleId, namespace: u64, workload: u64, image_use: u64) -> FindingId {
    FindingId(combine(&[rule_hash(rule), namespace, workload, image_use]))
}

/// The id of a finding on a namespace, or on a reference.
pub(super) fn name_id(rule: RuleId, name: u64) -> FindingId {
    FindingId(combine(&[rule_hash(rule), name]))
}

fn rule_hash(rule: RuleId) -> u64 {
    static HASHES: LazyLock<Box<[u64]>> =
        LazyLock::new(|| RuleId::all().map(|rule| text_hash(rule.as_str())).collect());
    HASHES[rule.index()]
}
