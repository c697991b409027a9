//! What is looked at, written and removed.

use super::*;
use crate::policy::namespace_audit::NamespaceSummary;
use crate::policy::status::ConditionStatus;

fn part(name: &str, revision: u64) -> Arc<NamespaceSnapshot> {
    Arc::new(NamespaceSnapshot {
        name: name.into(),
        uid: "uid".into(),
        terminating: false,
        exists: true,
        findings: Arc::default(),
        counts: Arc::default(),
        requests: Arc::default(),
        pods: 0,
        live_pods: 0,
        parts: crate::auditor::snapshot::Parts::default(),
        revision,
    })
}

fn snapshot(parts: Vec<Arc<NamespaceSnapshot>>) -> Snapshot {
    Snapshot {
        observed_at: Timestamp::UNIX_EPOCH,
        complete: true,
        policies: Arc::new([]),
        namespaces: parts.into(),
        references: Arc::new([]),
        cluster: Arc::new([]),
        seen: crate::auditor::snapshot::Seen::default(),
    }
}

fn content(violations: u32) -> NamespaceAuditContent {
    NamespaceAuditContent {
        compliant: ConditionStatus::False,
        summary: NamespaceSummary { violations, ..NamespaceSummary::default() },
        findings: Vec::new(),
        omitted: violations,
    }
}

fn names(changed: &BTreeSet<Box<str>>) -> Vec<&str> {
    changed.iter().map(|name| &**name).collect()
}

#[test]
fn only_namespaces_with_another_revision_are_looked_at() {
    let old = snapshot(vec![part("a", 1), part("b", 1), part("c", 1), part("e", 1)]);
    let new = snapshot(vec![part("a", 1), part("b", 2), part("d", 1), part("e", 1)]);
    assert_eq!(names(&changed(Some(&old), &new)), ["b", "c", "d"]);
    assert_eq!(names(&changed(None, &new)), ["a", "b", "d", "e"]);
    assert!(changed(Some(&new), &new).is_empty());
}

#[test]
fn what_stands_there_already_is_not_written_again() {
    let part = part("a", 1);
    let hash = Some(content_hash(&content(1)));
    let there = |uid: Option<&str>, content| Written { namespace_uid: uid.map(Into::into), content };
    let decide = |content, written: Option<Written>| decide(&part, content, written.as_ref());
    let timeless = Some(timeless_hash(content(1)));
    assert_eq!(decide(Some(content(1)), Some(there(None, timeless))), Step::Nothing);
    assert_eq!(decide(Some(content(1)), Some(there(Some("uid"), hash))), Step::Nothing);
    assert!(matches!(decide(Some(content(2)), Some(there(None, hash))), Step::Write(..)));
    assert!(
        matches!(decide(Some(content(1)), Some(there(Some("older"), hash))), Step::Write(..)),
        "a new namespace"
    );
    assert!(
        matches!(decide(Some(content(1)), Some(there(None, None))), Step::Write(..)),
        "one that cannot be read"
    );
    assert!(matches!(decide(Some(content(1)), None), Step::Write(..)));
}

#[test]
fn a_clean_namespace_has_its_audit_removed_once() {
    let part = part("a", 1);
    let written = Written { namespace_uid: None, content: None };
    assert_eq!(decide(&part, None, Some(&written)), Step::Delete);
    assert_eq!(decide(&part, None, None), Step::Nothing);
}

#[test]
fn the_object_has_its_content_at_the_root_and_says_who_wrote_it() {
    let object = object("team-a", &content(1));
    assert_eq!(object["kind"], "NamespaceAudit");
    assert_eq!(object["metadata"]["labels"]["app.kubernetes.io/managed-by"], "revisor");
    assert_eq!(object["summary"]["violations"], 1);
    let mut bare = object;
    for key in ["apiVersion", "kind", "metadata"] {
        bare.as_object_mut().unwrap().remove(key);
    }
    assert_eq!(serde_json::from_value::<NamespaceAuditContent>(bare).unwrap(), content(1));
}
