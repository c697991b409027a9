//! What rules' unit tests are written with.

use std::sync::Arc;

use super::image::no_mutable_tag::NoMutableTag;
use super::{
    Check, ContainerRule, ImageRule, NamespaceRule, PodRule, ReferenceRule, Rule, RuleInfo, RunningRule,
    SettingError, catalogue,
};
use crate::decode::pod::{PodRecord, Section};
use crate::subject::Resource;
use crate::subject::cluster::{ClusterFacts, ClusterSubject};
use crate::subject::facts::Facts;
use crate::subject::namespace::{
    Beyond, NamespaceFacts, NamespaceObject, NamespaceSubject, PodFacts, TextPairs,
};
use crate::subject::objects::{Content, ObjectFacts, Objects};
use crate::subject::pod::{ContainerSubject, Image, ImageSubject, ImageUse, PodShape, Slot};
use crate::subject::rbac::{AccessRule, BindingFacts, Grantee, Reach, RoleFacts};
use crate::subject::reference::{ReferenceFacts, RunningContent};
use crate::subject::running::{ContainerState, Lasted, Phase, RunningState, RunningSubject, Waiting};
use crate::subject::runtime::Runtimes;
use crate::verdict::{Note, Verdict};

/// The rule `R` with settings in JSON.
pub(crate) fn rule<R: Rule>(settings: &str) -> R {
    R::prepare(&serde_json::from_str(settings).unwrap()).unwrap()
}

/// NoMutableTag, but it panics over images with this text.
pub(crate) fn panics_over(image: &'static str) -> Check {
    struct Panics(&'static str, NoMutableTag);
    impl Rule for Panics {
        const INFO: RuleInfo = NoMutableTag::INFO;
        type Settings = <NoMutableTag as Rule>::Settings;
        fn prepare(settings: &Self::Settings) -> Result<Self, SettingError> {
            Ok(Self("", NoMutableTag::prepare(settings)?))
        }
    }
    impl ImageRule for Panics {
        fn check(&self, subject: &ImageSubject<'_>, note: &mut Note<'_>) -> Verdict {
            assert!(!subject.image_use.image.display().contains(self.0), "this is meant to happen");
            self.1.check(subject, note)
        }
    }
    catalogue::image_rule(Panics(image, rule("{}"))).0
}

/// Why `settings` are refused.
pub(crate) fn settings_error<R: Rule>(settings: &str) -> SettingError {
    R::prepare(&serde_json::from_str(settings).unwrap()).err().expect("settings that are refused")
}

/// Judges twice, silently and listening: both say the same, and everything but a pass explains itself in one
/// sentence without a full stop.
fn explained(check: impl Fn(&mut Note<'_>) -> Verdict) -> (Verdict, String) {
    let mut text = String::new();
    let verdict = check(&mut Note::listening(&mut text));
    assert_eq!(verdict, check(&mut Note::silent()));
    assert_eq!(verdict == Verdict::Pass, text.is_empty(), "{verdict:?} explains itself: {text:?}");
    assert!(!text.ends_with(['.', ' ']), "no full stop: {text:?}");
    (verdict, text)
}

/// An image use of a container `app`.
pub(crate) fn image_use(image: &str) -> ImageUse {
    ImageUse {
        slot: Slot::Container,
        name: "app".into(),
        image: Arc::new(Image::new(image)),
        pull_policy: None,
        facts: None,
    }
}

/// The verdict of an image rule on an image use, and why.
pub(crate) fn image_use_explained<R: ImageRule>(settings: &str, image_use: &ImageUse) -> (Verdict, String) {
    let (pod, rule) = (PodShape::default(), rule::<R>(settings));
    explained(|note| rule.check(&ImageSubject { pod: &pod, image_use }, note))
}

/// The verdict of an image rule on a container with this image, and why.
pub(crate) fn image_explained<R: ImageRule>(settings: &str, image: &str) -> (Verdict, String) {
    image_use_explained::<R>(settings, &image_use(image))
}

/// The verdict of an image rule on a container with this image.
pub(crate) fn image_verdict<R: ImageRule>(settings: &str, image: &str) -> Verdict {
    image_explained::<R>(settings, image).0
}

/// One container and what its status says; the default runs `nginx:1.27` and has done so for ever.
#[derive(Clone, Copy)]
pub(crate) struct Running<'a> {
    pub(crate) image: &'a str,
    pub(crate) slot: Slot,
    pub(crate) phase: Phase,
    /// `imageID` and what the container waits for; none when the status does not name it.
    pub(crate) state: Option<(&'a str, Waiting)>,
    pub(crate) unready: Lasted,
    pub(crate) spec_changed: Lasted,
    pub(crate) runtimes: Runtimes,
}

impl Default for Running<'_> {
    fn default() -> Self {
        Self {
            image: "nginx:1.27",
            slot: Slot::Container,
            phase: Phase::Running,
            state: Some(("", Waiting::No)),
            unready: Lasted::FOREVER,
            spec_changed: Lasted::FOREVER,
            runtimes: Runtimes::default(),
        }
    }
}

/// The verdict of a running-state rule, and why.
pub(crate) fn running_explained<R: RunningRule>(settings: &str, case: Running<'_>) -> (Verdict, String) {
    let Running { image, slot, phase, state, unready, spec_changed, runtimes } = case;
    let (pod, rule) = (PodShape::default(), rule::<R>(settings));
    let image_use = ImageUse { slot, ..image_use(image) };
    let state = state.map(|(image_id, waiting)| ContainerState {
        slot,
        name: image_use.name.clone(),
        image_id: image_id.into(),
        waiting,
    });
    let running = RunningState { phase, containers: state.into_iter().collect(), hash: 0 };
    let (pod, image_use, running) = (&pod, &image_use, &running);
    let subject = RunningSubject { pod, image_use, running, unready, spec_changed, runtimes };
    explained(|note| rule.check(&subject, note))
}

/// The verdict of a running-state rule.
pub(crate) fn running_verdict<R: RunningRule>(settings: &str, case: Running<'_>) -> Verdict {
    running_explained::<R>(settings, case).0
}

fn pairs(written: &[(&str, &str)]) -> TextPairs {
    TextPairs::new(written.to_vec())
}

/// An empty namespace `team-a` with these labels and annotations.
pub(crate) fn namespace(labels: &[(&str, &str)], annotations: &[(&str, &str)]) -> NamespaceFacts {
    let object = NamespaceObject {
        labels: pairs(labels),
        annotations: pairs(annotations),
        ..NamespaceObject::default()
    };
    NamespaceFacts {
        name: "team-a".into(),
        object: Some(Arc::new(object)),
        network_policies: Arc::default(),
        pods: 0,
        beyond: Arc::default(),
    }
}

/// The verdict of a namespace rule, and why.
pub(crate) fn namespace_explained<R: NamespaceRule>(
    settings: &str,
    facts: &NamespaceFacts,
) -> (Verdict, String) {
    let (rule, object) = (rule::<R>(settings), facts.object.clone().unwrap_or_default());
    explained(|note| rule.check(&NamespaceSubject { facts, object: &object }, note))
}

/// The verdict of a namespace rule on an empty namespace `team-a` with these labels.
pub(crate) fn namespace_verdict<R: NamespaceRule>(settings: &str, labels: &[(&str, &str)]) -> Verdict {
    namespace_explained::<R>(settings, &namespace(labels, &[])).0
}

/// An object, in the namespace `team-a` where its kind lies in one.
pub(crate) fn object(kind: Resource, name: &str, content: Content) -> ObjectFacts {
    let namespace = if kind.is_namespaced() { "team-a" } else { "" };
    ObjectFacts { kind, namespace: namespace.into(), name: name.into(), content }
}

/// A binding of a ClusterRole.
pub(crate) fn binding(kind: Resource, name: &str, role: &str, subjects: &[Grantee]) -> ObjectFacts {
    let facts = BindingFacts { of_cluster_role: true, role: role.into(), subjects: subjects.into() };
    object(kind, name, Content::Binding(facts))
}

/// A role with one rule: groups, resources and verbs.
pub(crate) fn role(kind: Resource, name: &str, [groups, resources, verbs]: [&[&str]; 3]) -> ObjectFacts {
    let words = |words: &[&str]| words.iter().map(|word| Box::from(*word)).collect();
    let rule = AccessRule {
        groups: words(groups),
        resources: words(resources),
        verbs: words(verbs),
        ..AccessRule::default()
    };
    object(kind, name, Content::Role(RoleFacts { rules: [rule].into(), ..RoleFacts::default() }))
}

/// Running pods of a Deployment with the service account `default`.
pub(crate) fn pods(name: &str) -> PodFacts {
    PodFacts {
        kind: "Deployment".into(),
        name: name.into(),
        service_account: "default".into(),
        automount: None,
        host_network: false,
        is_static: false,
        ended: false,
        malformed: false,
        labels: TextPairs::default(),
    }
}

fn reaches(object: &ObjectFacts, reach: Reach<'_>) -> bool {
    match &object.content {
        Content::Binding(binding) => binding.subjects.iter().any(|grantee| grantee.reach() == reach),
        _ => false,
    }
}

/// What stands around the namespace `team-a`: its own objects, and others that lie elsewhere.
pub(crate) fn beyond(objects: Vec<ObjectFacts>, pods: Vec<PodFacts>) -> Beyond {
    let (mut own, mut granted, mut shared) =
        (Objects::default(), Objects::default(), ClusterFacts::default());
    for object in objects.into_iter().map(Arc::new) {
        if reaches(&object, Reach::Everyone) {
            shared.reaching_all.insert(object.clone());
        }
        if *object.namespace == *"team-a" {
            own.insert(object);
        } else if reaches(&object, Reach::Namespace("team-a")) {
            granted.insert(object);
        } else if !matches!(object.kind, Resource::ClusterRoles | Resource::ClusterRoleBindings) {
            shared.objects.insert(object);
        }
    }
    Beyond { objects: own, granted, cluster: Arc::new(shared), pods: pods.into(), ..Beyond::default() }
}

/// The verdict of a namespace rule on `team-a` with these objects in it and around it, and why.
pub(crate) fn surrounded<R: NamespaceRule>(settings: &str, objects: Vec<ObjectFacts>) -> (Verdict, String) {
    surrounded_with_pods::<R>(settings, objects, Vec::new())
}

/// The same with pods.
pub(crate) fn surrounded_with_pods<R: NamespaceRule>(
    settings: &str,
    objects: Vec<ObjectFacts>,
    pods: Vec<PodFacts>,
) -> (Verdict, String) {
    let beyond = Arc::new(beyond(objects, pods));
    namespace_explained::<R>(settings, &NamespaceFacts { beyond, ..namespace(&[], &[]) })
}

/// The verdict of a namespace rule on the cluster with these objects, and why.
pub(crate) fn cluster_explained<R: NamespaceRule>(
    settings: &str,
    objects: Vec<ObjectFacts>,
) -> (Verdict, String) {
    let rule = rule::<R>(settings);
    let (nodes, rbac): (Vec<_>, Vec<_>) =
        objects.into_iter().partition(|object| object.kind == Resource::Nodes);
    let subject =
        ClusterSubject { rbac: Objects::new(rbac), nodes: Objects::new(nodes), ..ClusterSubject::default() };
    explained(|note| rule.check_cluster(&subject, note))
}

/// The verdict of a reference rule on `nginx:1.27`, under which this runs, and why.
pub(crate) fn reference_explained<R: ReferenceRule>(
    settings: &str,
    contents: &[(RunningContent, u32)],
) -> (Verdict, String) {
    let rule = rule::<R>(settings);
    let mut contents = contents.to_vec();
    contents.sort();
    let facts = ReferenceFacts {
        canonical: "docker.io/library/nginx:1.27".into(),
        contents: contents.into(),
        several_for: Lasted::FOREVER,
    };
    explained(|note| rule.check(&facts, note))
}

/// The shape of a pod with this spec, as the decoder reads it.
pub(crate) fn pod_of(spec: &str) -> PodShape {
    let spec: serde_json::Value = serde_saphyr::from_str(spec).unwrap();
    let pod = serde_json::json!({"metadata": {"name": "p", "namespace": "team-a", "uid": "1"}, "spec": spec});
    pod_of_object(&pod)
}

/// The shape of a pod.
pub(crate) fn pod_of_object(pod: &serde_json::Value) -> PodShape {
    let record = PodRecord::from_value(pod);
    let image = |text: &str| Arc::new(Image::new(text));
    let facts = |bytes: &[u8]| Arc::new(Facts::new(bytes));
    PodShape::read(record.section(Section::Shape), record.flags, |text| text.into(), image, facts)
}

/// The verdict of a rule about containers on the first one of a pod with this spec, and why.
pub(crate) fn container_explained<R: ContainerRule>(settings: &str, spec: &str) -> (Verdict, String) {
    let (pod, rule) = (pod_of(spec), rule::<R>(settings));
    let container = pod.containers().next().expect("a container");
    explained(|note| rule.check(&ContainerSubject { pod: &pod, container }, note))
}

/// The verdict of a rule about containers on the first one of a pod with this spec.
pub(crate) fn container_verdict<R: ContainerRule>(settings: &str, spec: &str) -> Verdict {
    container_explained::<R>(settings, spec).0
}

/// The verdict of a rule about pods on one with this spec, and why.
pub(crate) fn pod_explained<R: PodRule>(settings: &str, spec: &str) -> (Verdict, String) {
    let (pod, rule) = (pod_of(spec), rule::<R>(settings));
    explained(|note| rule.check(&pod, note))
}

/// The verdict of a rule about pods on one with this spec.
pub(crate) fn pod_verdict<R: PodRule>(settings: &str, spec: &str) -> Verdict {
    pod_explained::<R>(settings, spec).0
}
