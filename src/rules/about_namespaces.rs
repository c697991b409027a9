//! What a rule about namespaces is: what it asks of the engine, and how it judges a namespace and the cluster.

use jiff::Timestamp;

use super::{Rule, guard};
use crate::subject::Resource;
use crate::subject::cluster::ClusterSubject;
use crate::subject::namespace::NamespaceSubject;
use crate::verdict::{Note, Verdict, reason};

/// How much a namespace rule reads of the pods in the namespace.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum PodsRead {
    /// Nothing but how many there are.
    #[default]
    Number,
    /// Their workloads, service accounts and networks.
    Workloads,
    /// Their labels too.
    Labels,
}

/// What a namespace rule asks of the engine beside the namespace's object and its network policies.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Asks {
    /// It reads [`crate::subject::namespace::Beyond`].
    pub beyond: bool,
    /// What it reads of pods.
    pub pods: PodsRead,
    /// It judges the cluster too.
    pub cluster: bool,
    /// It judges nothing but the cluster.
    pub only_cluster: bool,
    /// It finds what is there, so that it can fail a namespace whose own object is not known.
    pub without_object: bool,
    /// It judges namespaces that its own policy's scope leaves out.
    pub any_scope: bool,
}

impl Asks {
    /// Nothing more.
    pub const NOTHING: Self = Self {
        beyond: false,
        pods: PodsRead::Number,
        cluster: false,
        only_cluster: false,
        without_object: false,
        any_scope: false,
    };
    /// What stands around the namespace.
    pub const BEYOND: Self = Self { beyond: true, ..Self::NOTHING };
    /// Objects in it whose presence is what is wrong.
    pub const PRESENCE: Self = Self { without_object: true, ..Self::BEYOND };
    /// The same, and those of the cluster.
    pub const PRESENCE_AND_CLUSTER: Self = Self { cluster: true, ..Self::PRESENCE };
    /// What lies in no namespace, and nothing else.
    pub const ONLY_CLUSTER: Self = Self { cluster: true, only_cluster: true, ..Self::NOTHING };

    /// What two rules ask together.
    pub fn and(self, other: Self) -> Self {
        Self {
            beyond: self.beyond | other.beyond,
            pods: self.pods.max(other.pods),
            cluster: self.cluster | other.cluster,
            only_cluster: self.only_cluster & other.only_cluster,
            without_object: self.without_object & other.without_object,
            any_scope: self.any_scope | other.any_scope,
        }
    }
}

/// A rule about a namespace.
pub trait NamespaceRule: Rule {
    /// What it asks of the engine.
    const ASKS: Asks = Asks::NOTHING;
    /// Judges one namespace.
    fn check(&self, subject: &NamespaceSubject<'_>, note: &mut Note<'_>) -> Verdict;
    /// Judges what lies in no namespace; only with [`Asks::cluster`].
    fn check_cluster(&self, _: &ClusterSubject, _: &mut Note<'_>) -> Verdict {
        Verdict::Pass
    }
    /// When time alone changes the verdict next.
    fn deadline(&self, _: &NamespaceSubject<'_>) -> Option<Timestamp> {
        None
    }
    /// The rule that may pass in its place.
    fn alternative(&self) -> Option<&'static str> {
        None
    }
}

/// A prepared [`NamespaceRule`].
pub trait NamespaceJudge: Send + Sync {
    /// [`NamespaceRule::ASKS`]
    fn asks(&self) -> Asks;
    /// [`NamespaceRule::check`]
    fn judge(&self, subject: &NamespaceSubject<'_>, note: &mut Note<'_>) -> Verdict;
    /// [`NamespaceRule::check_cluster`]
    fn judge_cluster(&self, subject: &ClusterSubject, note: &mut Note<'_>) -> Verdict;
    /// [`NamespaceRule::deadline`]
    fn due(&self, subject: &NamespaceSubject<'_>) -> Option<Timestamp>;
    /// [`NamespaceRule::alternative`]
    fn instead(&self) -> Option<&'static str>;
}

impl<R: NamespaceRule> NamespaceJudge for R {
    fn asks(&self) -> Asks {
        R::ASKS
    }

    fn judge(&self, subject: &NamespaceSubject<'_>, note: &mut Note<'_>) -> Verdict {
        guard::verdict(note, |note| self.check(subject, note))
    }

    fn judge_cluster(&self, subject: &ClusterSubject, note: &mut Note<'_>) -> Verdict {
        guard::verdict(note, |note| self.check_cluster(subject, note))
    }

    fn due(&self, subject: &NamespaceSubject<'_>) -> Option<Timestamp> {
        guard::attempt(|| self.deadline(subject)).flatten()
    }

    fn instead(&self) -> Option<&'static str> {
        self.alternative()
    }
}

/// A namespace rule in whose place another one may pass.
pub(super) struct WithAlternative {
    pub(super) rule: Box<dyn NamespaceJudge>,
    pub(super) alternative: Box<dyn NamespaceJudge>,
    /// What the alternative reads.
    pub(super) reads: &'static [Resource],
}

impl WithAlternative {
    fn is_denied(&self, subject: &NamespaceSubject<'_>) -> bool {
        let denied = &subject.facts.beyond.cluster.denied;
        self.reads.iter().any(|read| !read.is_custom() && denied.contains(read))
    }
}

impl NamespaceJudge for WithAlternative {
    fn asks(&self) -> Asks {
        self.rule.asks().and(self.alternative.asks())
    }

    fn judge(&self, subject: &NamespaceSubject<'_>, note: &mut Note<'_>) -> Verdict {
        if !matches!(self.rule.judge(subject, &mut Note::silent()), Verdict::Fail(_)) {
            return self.rule.judge(subject, note);
        }
        if self.is_denied(subject) {
            return Verdict::Unknown(reason::MISSING_PERMISSION);
        }
        match self.alternative.judge(subject, &mut Note::silent()) {
            Verdict::Pass => Verdict::Pass,
            Verdict::Unknown(_) => self.alternative.judge(subject, note),
            Verdict::Fail(_) | Verdict::NotApplicable(_) => self.rule.judge(subject, note),
        }
    }

    fn judge_cluster(&self, subject: &ClusterSubject, note: &mut Note<'_>) -> Verdict {
        self.rule.judge_cluster(subject, note)
    }

    fn due(&self, subject: &NamespaceSubject<'_>) -> Option<Timestamp> {
        [self.rule.due(subject), self.alternative.due(subject)].into_iter().flatten().min()
    }

    fn instead(&self) -> Option<&'static str> {
        None
    }
}
