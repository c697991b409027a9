//! The rule catalogue: what a rule is, and the table of all of them.
//!
//! A rule is one file under `rules/<subject>/<rule_id>.rs`: its settings, its [`RuleInfo`], one pure check and
//! its tests. Adding one = that file and one line in the table below; the CRD, the CLI, the metrics' labels
//! and the documentation all read the table. A rule never prints, filters, logs or knows about policies.

mod about_namespaces;
pub mod bsi;
mod catalogue;
pub mod cluster;
pub mod container;
mod control;
mod expression;
pub mod guard;
pub mod image;
pub mod namespace;
pub mod pod;
pub mod reference;
pub mod running;
mod settings;
pub(crate) mod shown;
mod span;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
mod trust;

use std::fmt;
use std::time::Duration;

use schemars::JsonSchema;
use serde::Serialize;
use serde::de::DeserializeOwned;

pub use about_namespaces::{Asks, NamespaceJudge, NamespaceRule, PodsRead};
pub use catalogue::{CATALOGUE, RuleId, Rules};
pub use control::Control;
pub use span::Span;

use about_namespaces::WithAlternative;

use crate::subject::Resource;
use crate::subject::owner::Owner;
use crate::subject::pod::{ContainerSubject, ImageSubject, PodShape};
use crate::subject::reference::ReferenceFacts;
use crate::subject::running::RunningSubject;
use crate::verdict::{Note, Severity, Verdict};

/// What kind of thing a rule judges.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub enum SubjectKind {
    /// One slot of a pod that names an image.
    ImageUse,
    /// One container of a pod, whatever its image.
    Container,
    /// A pod as a whole.
    Pod,
    /// A namespace.
    Namespace,
    /// One written reference, across the cluster.
    Reference,
    /// The cluster itself: what lies in no namespace.
    Cluster,
}

impl SubjectKind {
    /// All kinds.
    pub const ALL: [Self; 6] =
        [Self::ImageUse, Self::Container, Self::Pod, Self::Namespace, Self::Reference, Self::Cluster];

    /// The word used in metrics and reports.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ImageUse => "image_use",
            Self::Container => "container",
            Self::Pod => "pod",
            Self::Namespace => "namespace",
            Self::Reference => "reference",
            Self::Cluster => "cluster",
        }
    }

    /// Whether it is a pod or part of one: judged with each shape, and remembered.
    pub fn is_of_pods(self) -> bool {
        matches!(self, Self::ImageUse | Self::Container | Self::Pod)
    }
}

/// All that is known of a rule beside its code. Texts are one to four plain sentences.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RuleInfo {
    /// PascalCase name, never renamed.
    pub id: &'static str,
    /// What is demanded, in a few words.
    pub title: &'static str,
    /// Why it matters.
    pub rationale: &'static str,
    /// What to do about a violation, with a command or YAML to copy.
    pub remedy: &'static str,
    /// Default severity.
    pub severity: Severity,
    /// Which requirements it serves.
    pub controls: &'static [Control],
    /// What it reads beyond pods and namespaces; without permission it is `unknown`. Without permission on a kind
    /// that a CustomResourceDefinition brings, only verdicts that depend on it are.
    #[serde(serialize_with = "resource_names")]
    pub reads: &'static [Resource],
    /// Known false positives and limits.
    pub false_positives: &'static str,
}

fn resource_names<S: serde::Serializer>(
    reads: &&'static [Resource],
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(reads.iter().map(ToString::to_string))
}

/// A setting that cannot be used: which one, what was expected.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {message}")]
pub struct SettingError {
    /// The field below the rule's key, `allow[1]`; empty for the rule as a whole.
    pub field: String,
    /// What is wrong and what is expected.
    pub message: String,
}

impl SettingError {
    /// An error at `field`.
    pub fn new(field: impl Into<String>, message: impl fmt::Display) -> Self {
        Self { field: field.into(), message: message.to_string() }
    }
}

/// The settings that every rule takes. Implemented by `rule_settings!`.
pub trait CommonSettings {
    /// `severity`: instead of the rule's default.
    fn severity(&self) -> Option<Severity>;
    /// `enabled: false` switches off a rule of the profile.
    fn enabled(&self) -> Option<bool>;
}

/// Declares a rule's settings: the fields given and the two that every rule takes. All are optional (the
/// profile's settings and the rule's defaults come in later), and an unknown one is an error.
macro_rules! rule_settings {
    ($(#[$doc:meta])* struct Settings { $($(#[$field_doc:meta])* $field:ident : $type:ty,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Debug, Default, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
        #[serde(rename_all = "camelCase", deny_unknown_fields)]
        pub struct Settings {
            /// Severity of this rule's findings, instead of the rule's default.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            pub severity: Option<crate::verdict::Severity>,
            /// `false` switches off a rule of the profile. Default: true.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            pub enabled: Option<bool>,
            $(
                $(#[$field_doc])*
                #[serde(default, skip_serializing_if = "Option::is_none")]
                pub $field: Option<$type>,
            )*
        }
        impl crate::rules::CommonSettings for Settings {
            fn severity(&self) -> Option<crate::verdict::Severity> {
                self.severity
            }
            fn enabled(&self) -> Option<bool> {
                self.enabled
            }
        }
    };
}
pub(crate) use rule_settings;

/// A rule: its description, its settings, and itself as prepared from them (patterns parsed, times read).
pub trait Rule: Sized + Send + Sync + 'static {
    /// The description.
    const INFO: RuleInfo;
    /// What it reads besides where that is permitted, and decides without where it is not.
    const ALSO_READS: &'static [Resource] = &[];
    /// What a policy may set.
    type Settings: CommonSettings + Serialize + DeserializeOwned + JsonSchema + Default;
    /// Checks the settings, once a policy, and prepares the rule.
    fn prepare(settings: &Self::Settings) -> Result<Self, SettingError>;
    /// The severity of its findings where the settings name none.
    fn severity(_settings: &Self::Settings) -> Severity {
        Self::INFO.severity
    }
}

/// A rule about one image use, from the spec alone.
pub trait ImageRule: Rule {
    /// Judges one image use.
    fn check(&self, subject: &ImageSubject<'_>, note: &mut Note<'_>) -> Verdict;
}

/// A rule about one image use and what runs there.
pub trait RunningRule: Rule {
    /// Judges one image use of a live pod.
    fn check(&self, subject: &RunningSubject<'_>, note: &mut Note<'_>) -> Verdict;
    /// The graces it gives: the engine judges again when one of these times is over.
    fn graces(&self) -> &[Duration] {
        &[]
    }
}

/// A rule about one image use of a live pod and the template of the pod's controller.
pub trait OwnerRule: Rule {
    /// Judges one image use.
    fn check(&self, subject: &ImageSubject<'_>, owner: &Owner, note: &mut Note<'_>) -> Verdict;
}

/// A rule about one container, whatever its image.
pub trait ContainerRule: Rule {
    /// Judges one container.
    fn check(&self, subject: &ContainerSubject<'_>, note: &mut Note<'_>) -> Verdict;
}

/// A rule about a pod as a whole.
pub trait PodRule: Rule {
    /// Judges one pod.
    fn check(&self, pod: &PodShape, note: &mut Note<'_>) -> Verdict;
}

/// A rule about a written reference across the cluster.
pub trait ReferenceRule: Rule {
    /// Judges one reference.
    fn check(&self, subject: &ReferenceFacts, note: &mut Note<'_>) -> Verdict;
    /// The graces it gives to several contents under one reference.
    fn graces(&self) -> &[Duration] {
        &[]
    }
}

/// A silent or listening check of one image use.
pub type ImageCheck = dyn Fn(&ImageSubject<'_>, &mut Note<'_>) -> Verdict + Send + Sync;
/// A check of one image use and what runs there.
pub type RunningCheck = dyn Fn(&RunningSubject<'_>, &mut Note<'_>) -> Verdict + Send + Sync;
/// A check of one image use and the controller of its pod.
pub type OwnerCheck = dyn Fn(&ImageSubject<'_>, &Owner, &mut Note<'_>) -> Verdict + Send + Sync;
/// A check of one container.
pub type ContainerCheck = dyn Fn(&ContainerSubject<'_>, &mut Note<'_>) -> Verdict + Send + Sync;
/// A check of a pod as a whole.
pub type PodCheck = dyn Fn(&PodShape, &mut Note<'_>) -> Verdict + Send + Sync;
/// A check of a reference.
pub type ReferenceCheck = dyn Fn(&ReferenceFacts, &mut Note<'_>) -> Verdict + Send + Sync;

/// A prepared rule, whatever its subject.
pub enum Check {
    /// Reads one image use of a shape.
    Image(Box<ImageCheck>),
    /// Reads one image use of a shape and the running state.
    Running(Box<RunningCheck>),
    /// Reads one image use of a shape and the template of the pod's controller; judged when a namespace is rolled up.
    Owner(Box<OwnerCheck>),
    /// Reads one container of a shape.
    Container(Box<ContainerCheck>),
    /// Reads a shape.
    Pod(Box<PodCheck>),
    /// Reads a namespace, and perhaps the cluster.
    Namespace(Box<dyn NamespaceJudge>),
    /// Reads a reference across the cluster.
    Reference(Box<ReferenceCheck>),
}

impl fmt::Debug for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Image(_) => "Check::Image",
            Self::Running(_) => "Check::Running",
            Self::Owner(_) => "Check::Owner",
            Self::Container(_) => "Check::Container",
            Self::Pod(_) => "Check::Pod",
            Self::Namespace(_) => "Check::Namespace",
            Self::Reference(_) => "Check::Reference",
        })
    }
}

/// A rule as a policy asks for it.
#[derive(Debug)]
pub struct PreparedRule {
    /// Which rule.
    pub id: RuleId,
    /// Severity of its findings.
    pub severity: Severity,
    /// The settings it was prepared from: the same settings make the same verdicts and messages.
    pub settings: serde_json::Value,
    /// The check.
    pub check: Check,
    /// Graces after which the engine judges again.
    pub graces: Box<[Duration]>,
    /// The rule that may pass in its place.
    pub alternative: Option<RuleId>,
}

impl PreparedRule {
    /// The name of the rule that may pass in its place.
    pub fn wants_alternative(&self) -> Option<&'static str> {
        match &self.check {
            Check::Namespace(judge) => judge.instead(),
            _ => None,
        }
    }

    /// Lets `other` pass in its place; of a rule about namespaces only.
    pub fn accept(self, other: Self) -> Self {
        let Self { id, severity, settings, check, graces, .. } = self;
        let (check, alternative) = match (check, other.check) {
            (Check::Namespace(rule), Check::Namespace(alternative)) => {
                let both = WithAlternative { rule, alternative, reads: other.id.info().reads };
                (Check::Namespace(Box::new(both)), Some(other.id))
            }
            (check, _) => (check, None),
        };
        Self { id, severity, settings, check, graces, alternative }
    }

    /// What it reads beyond pods and namespaces, the rule that may pass in its place included.
    pub fn reads(&self) -> impl Iterator<Item = Resource> + use<> {
        let reads = |rule: RuleId| rule.info().reads.iter().copied();
        reads(self.id).chain(self.alternative.into_iter().flat_map(reads))
    }

    /// What a namespace rule asks of the engine; nothing for other rules.
    pub fn asks(&self) -> Asks {
        match &self.check {
            Check::Namespace(judge) => judge.asks(),
            _ => Asks::NOTHING,
        }
    }
}

/// One line of the table.
#[derive(Clone, Copy, Debug)]
pub struct Entry {
    /// The key under `spec.rules`: the id with a lower-case first letter.
    pub key: &'static str,
    /// The description.
    pub info: &'static RuleInfo,
    /// [`Rule::ALSO_READS`]
    pub also_reads: &'static [Resource],
    /// What it judges.
    pub subject: SubjectKind,
    /// Reads settings (already merged with the profile's) and prepares the rule; none when switched off.
    pub prepare: fn(&serde_json::Value) -> Result<Option<PreparedRule>, SettingError>,
    /// The JSON schema of its settings.
    pub schema: fn() -> schemars::Schema,
}

/// Reads a rule's settings; the error names the field.
fn read_settings<T: DeserializeOwned>(settings: &serde_json::Value) -> Result<T, SettingError> {
    use serde_json::Value;
    match settings {
        Value::Null => {
            Err(SettingError::new("", "null would silently switch the rule off; write {} for its defaults"))
        }
        Value::Object(fields) => T::deserialize(settings).map_err(|error| {
            // Every setting is optional, so that the wrong one is wrong by itself too.
            let is_wrong = |(name, value): &(&String, &Value)| {
                T::deserialize(serde_json::json!({ *name: value })).is_err()
            };
            let wrong = fields.iter().find(is_wrong);
            SettingError::new(wrong.map_or("", |(name, _)| name), error)
        }),
        // serde would take a list for the fields in their order.
        _ => Err(SettingError::new("", "expected settings by name; write {} for the defaults")),
    }
}

/// The rule whose id or key is nearest to `name`, for "did you mean".
pub fn nearest(name: &str) -> Option<RuleId> {
    let name = name.to_ascii_lowercase();
    RuleId::all()
        .map(|id| (edit_distance(&name, &id.info().id.to_ascii_lowercase()), id))
        .filter(|(distance, id)| *distance <= 3.max(id.info().id.len() / 3))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, id)| id)
}

/// Levenshtein distance in bytes, for suggestions only.
pub(crate) fn edit_distance(left: &str, right: &str) -> usize {
    let (left, right) = (&left.as_bytes()[..left.len().min(64)], &right.as_bytes()[..right.len().min(64)]);
    let mut previous: Vec<usize> = (0..=right.len()).collect();
    for (i, l) in left.iter().enumerate() {
        let mut row = vec![i + 1];
        for (j, r) in right.iter().enumerate() {
            let substituted = previous[j] + usize::from(l != r);
            row.push(substituted.min(previous[j + 1] + 1).min(row[j] + 1));
        }
        previous = row;
    }
    previous[right.len()]
}
