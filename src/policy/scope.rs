//! Scope: which namespaces and pods a policy covers.
//!
//! A scope that cannot be read covers nothing ([`Scope::nothing`]), with a problem: guessing could silently widen
//! it (a misspelt `excludeNamespaces`) or narrow it. The policy is then stalled, and its rules judge nothing until
//! it is mended; nobody may read that as compliance.

use serde_json::Value;

use super::problem::{Problem, Reader};
use super::selector::{Label, Selector};
use crate::reference::Glob;
use crate::subject::namespace::TextPairs;

/// The label that every namespace has, with its own name as value.
const NAME_LABEL: &str = "kubernetes.io/metadata.name";

/// Whether a subject is in scope.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Membership {
    /// It is.
    In,
    /// It is not.
    Out,
    /// It cannot be decided: the scope selects namespaces by label and the labels are not known.
    Undecided,
}

/// What a policy covers. The default is the whole cluster.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Scope {
    /// Judge ended pods too.
    pub include_terminated: bool,
    /// Judge templates of workloads of a live cluster that have no pod now.
    pub include_templates: bool,
    nothing: bool,
    /// As it stands in the policy.
    written: Option<Value>,
    /// None: all.
    include: Option<Box<[Glob]>>,
    exclude: Box<[Glob]>,
    namespaces: Selector,
    pods: Selector,
}

impl Scope {
    /// The scope of a policy whose scope cannot be read.
    pub fn nothing() -> Self {
        Self { nothing: true, ..Self::default() }
    }

    /// Whether it covers nothing, because it could not be read.
    pub fn is_nothing(&self) -> bool {
        self.nothing
    }

    /// The scope as it stands in the policy; none for the whole cluster.
    pub fn written(&self) -> Option<&Value> {
        self.written.as_ref()
    }

    /// Compiles `spec.scope`. With any problem the scope is [`Scope::nothing`].
    pub fn compile(value: &Value) -> (Self, Vec<Problem>) {
        let mut problems = Vec::new();
        let scope = Self::read(value, &mut problems).filter(|_| problems.is_empty());
        let mut scope = scope.unwrap_or_else(Self::nothing);
        scope.written =
            Some(value.clone()).filter(|written| written.as_object().is_none_or(|it| !it.is_empty()));
        (scope, problems)
    }

    fn read(value: &Value, problems: &mut Vec<Problem>) -> Option<Self> {
        let known = [
            "includeNamespaces",
            "excludeNamespaces",
            "namespaceSelector",
            "podSelector",
            "includeTerminated",
            "includeTemplates",
        ];
        let mut reader = Reader::new(value, "spec.scope", &known, problems)?;
        let include = reader.texts("includeNamespaces", Glob::parse);
        if include.as_ref().is_some_and(Vec::is_empty) && reader.is_clean() {
            reader.wrong(
                "includeNamespaces",
                "an empty list would cover nothing: leave it out to cover every namespace",
            );
        }
        let exclude = reader.texts("excludeNamespaces", Glob::parse).unwrap_or_default();
        let mut selector = |name: &str| match reader.value(name) {
            Some(value) => {
                let path = reader.path(name);
                Selector::compile(value, &path, reader.problems()).unwrap_or_default()
            }
            None => Selector::default(),
        };
        let (namespaces, pods) = (selector("namespaceSelector"), selector("podSelector"));
        let include_terminated = reader.flag("includeTerminated").unwrap_or(false);
        let include_templates = reader.flag("includeTemplates").unwrap_or(false);
        Some(Self {
            include_terminated,
            include_templates,
            nothing: false,
            written: None,
            include: include.map(Vec::into_boxed_slice),
            exclude: exclude.into(),
            namespaces,
            pods,
        })
    }

    /// Whether a namespace is covered. `labels` are none when its object is not known; its name is known even then,
    /// and so is the label that repeats it.
    pub fn namespace(&self, name: &str, labels: Option<&TextPairs>) -> Membership {
        let included = self.include.as_ref().is_none_or(|globs| globs.iter().any(|glob| glob.matches(name)));
        if self.nothing || !included || self.exclude.iter().any(|glob| glob.matches(name)) {
            return Membership::Out;
        }
        match select_namespace(&self.namespaces, name, labels) {
            Some(true) => Membership::In,
            Some(false) => Membership::Out,
            None => Membership::Undecided,
        }
    }

    /// Whether the cluster itself is covered, what lies in no namespace: it is unless the scope is limited to some
    /// namespaces. Excluding a few of them limits it to none.
    pub fn cluster(&self) -> bool {
        !self.nothing && self.include.is_none() && self.namespaces.is_everything()
    }

    /// Whether both cover the same pods of any namespace that both cover.
    pub fn covers_pods_as(&self, other: &Self) -> bool {
        (self.nothing, self.include_terminated, self.include_templates)
            == (other.nothing, other.include_terminated, other.include_templates)
            && self.pods == other.pods
    }

    /// What a later scope leaves out that this one covers, field by field; nothing where it covers at least as much.
    pub fn left_out_by(&self, later: &Self) -> Vec<String> {
        match (self.nothing, later.nothing) {
            (true, _) => return Vec::new(),
            (false, true) => return vec!["it cannot be read, and covers nothing".to_owned()],
            (false, false) => {}
        }
        let missing = |globs: &[Glob], from: &[Glob]| -> Vec<String> {
            let missing = globs.iter().filter(|glob| !from.iter().any(|other| other.covers(glob)));
            missing.map(ToString::to_string).collect()
        };
        let mut left_out = Vec::new();
        let everything = [Glob::everything()];
        let included = |scope: &Self| scope.include.as_deref().unwrap_or(&everything).to_vec();
        let (before, now) = (included(self), included(later));
        for glob in missing(&before, &now) {
            left_out.push(match self.include.is_none() {
                true => "includeNamespaces limits it to some namespaces".to_owned(),
                false => format!("includeNamespaces has no {glob} any more"),
            });
        }
        for glob in missing(&later.exclude, &self.exclude) {
            left_out.push(format!("excludeNamespaces has {glob}"));
        }
        for (field, before, now) in [
            ("namespaceSelector", &self.namespaces, &later.namespaces),
            ("podSelector", &self.pods, &later.pods),
        ] {
            if !now.covers(before) {
                left_out.push(format!("{field} asks for more, or for something else"));
            }
        }
        if self.include_terminated && !later.include_terminated {
            left_out.push("pods that have ended are not judged any more".to_owned());
        }
        left_out
    }

    /// Whether pods are selected by label.
    pub fn selects_pods(&self) -> bool {
        !self.pods.is_everything()
    }

    /// Whether a pod with these labels is covered, as far as the pod selector goes. `value` gives a label's value.
    pub fn pod<'a>(&self, value: &dyn Fn(&str) -> Option<&'a str>) -> bool {
        !self.nothing && self.pods.selects(|key| Label::Known(value(key))) == Some(true)
    }
}

/// Whether a selector selects a namespace; none where that depends on labels that are not known. Its name is known even
/// then, and so is the label that repeats it.
pub(super) fn select_namespace(selector: &Selector, name: &str, labels: Option<&TextPairs>) -> Option<bool> {
    selector.selects(|key| match labels {
        _ if key == NAME_LABEL => Label::Known(Some(name)),
        Some(labels) => Label::Known(labels.get(key)),
        None => Label::Unknown,
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn scope(value: Value) -> Scope {
        let (scope, problems) = Scope::compile(&value);
        assert_eq!(problems, []);
        scope
    }

    fn labels(pairs: &[(&str, &str)]) -> TextPairs {
        TextPairs::new(pairs.to_vec())
    }

    #[test]
    fn the_default_is_the_whole_cluster() {
        for scope in [Scope::default(), scope(json!({}))] {
            assert_eq!(scope.namespace("kube-system", None), Membership::In);
            assert!(
                scope.pod(&|_| None)
                    && !scope.selects_pods()
                    && !scope.include_terminated
                    && !scope.is_nothing()
                    && scope.written().is_none()
            );
        }
    }

    #[test]
    fn excluded_beats_included() {
        let scope = scope(json!({"includeNamespaces": ["team-*", "prod"], "excludeNamespaces": ["team-x*"]}));
        for (name, membership) in [
            ("team-a", Membership::In),
            ("prod", Membership::In),
            ("production", Membership::Out),
            ("team-x", Membership::Out),
            ("default", Membership::Out),
        ] {
            assert_eq!(scope.namespace(name, None), membership, "{name}");
        }
    }

    #[test]
    fn unknown_labels_are_undecided_unless_the_name_already_decides() {
        let scope = scope(json!({
            "excludeNamespaces": ["kube-*"],
            "namespaceSelector": {
                "matchLabels": {"tier": "prod"},
                "matchExpressions": [{"key": "kubernetes.io/metadata.name", "operator": "NotIn", "values": ["default"]}],
            },
        }));
        assert_eq!(scope.namespace("kube-system", None), Membership::Out);
        assert_eq!(scope.namespace("default", None), Membership::Out);
        assert_eq!(scope.namespace("team-a", None), Membership::Undecided);
        assert_eq!(scope.namespace("team-a", Some(&labels(&[]))), Membership::Out);
        assert_eq!(scope.namespace("team-a", Some(&labels(&[("tier", "prod"), ("a", "b")]))), Membership::In);
    }

    #[test]
    fn a_namespace_has_the_label_of_its_name_even_where_a_file_leaves_it_out() {
        let scope =
            scope(json!({"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "prod"}}}));
        assert_eq!(scope.namespace("prod", None), Membership::In);
        assert_eq!(scope.namespace("prod", Some(&labels(&[]))), Membership::In);
        assert_eq!(scope.namespace("other", None), Membership::Out);
    }

    #[test]
    fn a_pod_selector_selects_pods_and_no_namespaces() {
        let scope = scope(
            json!({"podSelector": {"matchExpressions": [{"key": "app", "operator": "Exists"}]}, "includeTerminated": true, "includeTemplates": true}),
        );
        assert!(scope.selects_pods() && scope.include_terminated && scope.include_templates);
        assert!(scope.pod(&|key| (key == "app").then_some("web")));
        assert!(!scope.pod(&|_| None));
        assert_eq!(scope.namespace("team-a", None), Membership::In);
    }

    #[test]
    fn what_a_later_scope_leaves_out_is_told_field_by_field() {
        let left_out = |before: Value, now: Value| scope(before).left_out_by(&scope(now));
        let nothing: Vec<String> = Vec::new();
        assert_eq!(left_out(json!({}), json!({})), nothing);
        assert_eq!(left_out(json!({"includeNamespaces": ["team-a"]}), json!({})), nothing, "wider");
        assert_eq!(
            left_out(json!({"includeNamespaces": ["a", "b"]}), json!({"includeNamespaces": ["*"]})),
            nothing
        );
        let to_some = ["includeNamespaces limits it to some namespaces"];
        assert_eq!(left_out(json!({}), json!({"includeNamespaces": ["team-a", "b"]})), to_some);
        let gone = ["includeNamespaces has no team-* any more"];
        assert_eq!(
            left_out(json!({"includeNamespaces": ["team-*"]}), json!({"includeNamespaces": ["team-a"]})),
            gone
        );
        let excluded = |globs: &[&str]| json!({"excludeNamespaces": globs});
        assert_eq!(left_out(json!({}), excluded(&["team-a"])), ["excludeNamespaces has team-a"]);
        assert_eq!(left_out(excluded(&["team-*"]), excluded(&["team-a"])), nothing, "fewer are excluded");
        let selector = json!({"namespaceSelector": {"matchLabels": {"tier": "prod"}}});
        assert_eq!(left_out(json!({}), selector), ["namespaceSelector asks for more, or for something else"]);
        let ended = ["pods that have ended are not judged any more"];
        assert_eq!(left_out(json!({"includeTerminated": true}), json!({})), ended);
        let whole = Scope::default();
        assert_eq!(whole.left_out_by(&Scope::nothing()), ["it cannot be read, and covers nothing"]);
        assert_eq!(Scope::nothing().left_out_by(&whole), nothing);
    }

    #[test]
    fn a_scope_that_cannot_be_read_covers_nothing() {
        for (written, field) in [
            (json!(null), "spec.scope"),
            (json!(["team-a"]), "spec.scope"),
            (json!({"excludeNamespace": ["kube-system"]}), "spec.scope.excludeNamespace"),
            (json!({"includeNamespaces": []}), "spec.scope.includeNamespaces"),
            (json!({"includeNamespaces": "team-a"}), "spec.scope.includeNamespaces"),
            (json!({"includeNamespaces": ["a", "team-?"]}), "spec.scope.includeNamespaces[1]"),
            (json!({"excludeNamespaces": [""]}), "spec.scope.excludeNamespaces[0]"),
            (json!({"namespaceSelector": null}), "spec.scope.namespaceSelector"),
            (
                json!({"podSelector": {"matchLabels": {"app": true}}}),
                "spec.scope.podSelector.matchLabels.app",
            ),
            (json!({"includeTerminated": "yes"}), "spec.scope.includeTerminated"),
        ] {
            let (scope, problems) = Scope::compile(&written);
            assert!(scope.is_nothing(), "{written}");
            assert_eq!(scope.namespace("team-a", Some(&labels(&[]))), Membership::Out);
            assert!(!scope.pod(&|_| Some("x")));
            assert_eq!(problems.len(), 1, "{written}: {problems:?}");
            assert_eq!((problems[0].field.as_str(), problems[0].reason), (field, "BadSetting"));
        }
    }

    proptest! {
        #[test]
        fn knowing_the_labels_only_ever_settles_what_was_undecided(
            name in "[a-c]{1,3}", key in "[a-b]", value in "[a-b]", operator in 0usize..4,
        ) {
            let operator = ["In", "NotIn", "Exists", "DoesNotExist"][operator];
            let values = if operator.ends_with("In") { vec!["a"] } else { vec![] };
            let scope = scope(json!({
                "includeNamespaces": ["a*", "b"],
                "namespaceSelector": {"matchExpressions": [{"key": "a", "operator": operator, "values": values}]},
            }));
            let before = scope.namespace(&name, None);
            let after = scope.namespace(&name, Some(&labels(&[(&key, &value)])));
            prop_assert_ne!(after, Membership::Undecided);
            prop_assert!(before == Membership::Undecided || before == after);
        }
    }
}
