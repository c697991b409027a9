//! Objects that only some rules read, and the cluster as a subject.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::{Cluster, namespace, policy, web, with};
use crate::decode::{Change, object};
use crate::subject::Resource;

impl Cluster {
    /// Tells that there is nothing of any kind that is needed, but for `told` ones.
    pub(super) fn list_others(&mut self, told: &[Resource]) {
        for kind in self.auditor.needed().clone().into_iter().filter(|kind| !told.contains(kind)) {
            self.list(kind, []);
        }
    }

    /// The sentence of the one finding of a rule.
    fn sentence(&mut self, rule: &str) -> String {
        let snapshot = self.snapshot();
        let finding = snapshot.findings().find(|finding| finding.rule.as_str() == rule).unwrap();
        snapshot.explain(finding)
    }
}

fn with_rules(rules: &Value) -> Cluster {
    Cluster::with_policies(&[policy("p", json!({ "rules": rules }))])
}

fn told(kind: Resource, value: Value) -> Change {
    Change::Object(object::read(kind, &value).unwrap())
}

/// A binding of the ClusterRole cluster-admin; in no namespace, a ClusterRoleBinding.
fn binding(namespace: &str, name: &str, subject: Value) -> Change {
    let kind = if namespace.is_empty() { Resource::ClusterRoleBindings } else { Resource::RoleBindings };
    told(
        kind,
        json!({
            "metadata": {"name": name, "namespace": namespace}, "subjects": [subject],
            "roleRef": {"kind": "ClusterRole", "name": "cluster-admin"},
        }),
    )
}

fn account(namespace: &str) -> Value {
    json!({"kind": "ServiceAccount", "namespace": namespace, "name": "default"})
}

const ADMIN: &str = "NoClusterAdminRoleBinding fail Namespace/team-a";

#[test]
fn a_cluster_role_binding_is_found_in_the_namespace_of_its_subject_until_it_is_gone() {
    let mut cluster = with_rules(&json!({"noClusterAdminRoleBinding": {}}));
    cluster.tell(binding("", "wide", account("team-a")));
    assert_eq!(cluster.found(), [ADMIN]);
    assert!(cluster.sentence("NoClusterAdminRoleBinding").contains("ClusterRoleBinding wide"));
    cluster.tell(binding("", "wide", account("team-b")));
    assert_eq!(cluster.found(), ["NoClusterAdminRoleBinding fail Namespace/team-b"], "another subject");
    cluster.tell(Change::ObjectGone(Resource::ClusterRoleBindings, "".into(), "wide".into()));
    assert!(cluster.found().is_empty());
    cluster.pass(15);
    assert!(cluster.snapshot().namespace("team-b").is_none(), "nothing else is known of it");
}

#[test]
fn a_tenant_cannot_make_findings_in_namespaces_that_do_not_exist() {
    let rules = json!({"noClusterAdminRoleBinding": {}, "defaultServiceAccountUnbound": {}});
    let mut cluster = with_rules(&rules);
    cluster.tell(binding("team-a", "own", account("no-such-place")));
    assert_eq!(cluster.found(), [ADMIN], "the binding itself is its namespace's");
    cluster.tell(namespace("no-such-place", json!({})));
    let unbound = "DefaultServiceAccountUnbound fail Namespace/no-such-place";
    assert_eq!(cluster.found(), [unbound, ADMIN], "now there is such a service account");
}

#[test]
fn a_namespace_of_which_nothing_is_left_has_no_findings_either() {
    let mut cluster = with_rules(&json!({"namespaceOptedOut": {}}));
    cluster.tell(Change::Access(Resource::Namespaces, false));
    let stray = with(web(1, "nginx:1.27"), "/metadata/namespace", json!("team-b"));
    cluster.put(&stray);
    assert_eq!(cluster.found(), ["NamespaceOptedOut unknown Namespace/team-b"]);
    cluster.gone(&stray);
    assert!(cluster.found().is_empty(), "what was found does not keep itself alive");
}

#[test]
fn what_is_not_told_again_in_a_list_of_its_kind_is_gone_and_other_kinds_stay() {
    let mut cluster = with_rules(&json!({"noClusterAdminRoleBinding": {}}));
    let all = [
        binding("team-a", "own", account("team-a")),
        binding("", "wide", json!({"kind": "User", "name": "anna"})),
    ];
    all.into_iter().for_each(|change| cluster.tell(change));
    let of_cluster = "NoClusterAdminRoleBinding fail Cluster/cluster";
    assert_eq!(cluster.found(), [of_cluster, ADMIN]);
    cluster.list(Resource::RoleBindings, [binding("team-a", "own", account("team-a"))]);
    assert_eq!(cluster.found(), [of_cluster, ADMIN]);
    cluster.list(Resource::ClusterRoleBindings, []);
    assert_eq!(cluster.found(), [ADMIN]);
    cluster.list(Resource::RoleBindings, []);
    assert!(cluster.found().is_empty());
}

#[test]
fn a_finding_on_the_cluster_opens_once_counts_in_its_policy_and_resolves_after_the_hold_down() {
    let mut cluster = with_rules(&json!({"noBindingsToAnonymous": {}}));
    cluster.tell(binding("", "open", json!({"kind": "User", "name": "system:anonymous"})));
    assert_eq!(cluster.told(), ["NoBindingsToAnonymous opened"]);
    let snapshot = cluster.snapshot();
    assert_eq!((snapshot.policies[0].total().fail, snapshot.policies[0].violating_namespaces), (1, 0));
    assert_eq!(snapshot.findings().next().unwrap().subject.namespace(), None);
    cluster.tell(binding("", "open", json!({"kind": "User", "name": "anna"})));
    assert_eq!((cluster.found(), cluster.told()), (vec![], vec![]));
    cluster.pass(15);
    assert_eq!(cluster.told(), ["NoBindingsToAnonymous resolved"]);
}

#[test]
fn a_policy_that_is_limited_to_namespaces_does_not_judge_the_cluster() {
    let limited = |scope: Value| {
        let spec = json!({"scope": scope, "rules": {"noBindingsToAnonymous": {}}});
        let mut cluster = Cluster::with_policies(&[policy("p", spec)]);
        cluster.tell(binding("", "open", json!({"kind": "Group", "name": "system:unauthenticated"})));
        cluster.found().is_empty()
    };
    assert!(limited(json!({"includeNamespaces": ["team-*"]})));
    assert!(limited(json!({"namespaceSelector": {"matchLabels": {"tier": "prod"}}})));
    assert!(!limited(json!({"excludeNamespaces": ["kube-system"]})));
}

#[test]
fn a_kind_that_may_not_be_read_leaves_namespaces_and_the_cluster_undecided() {
    let mut cluster = with_rules(&json!({"noWildcardRole": {}}));
    cluster.tell(Change::Access(Resource::ClusterRoles, false));
    let unknown = ["NoWildcardRole unknown Cluster/cluster", "NoWildcardRole unknown Namespace/team-a"];
    assert_eq!(cluster.found(), unknown);
    assert_eq!(
        cluster.sentence("NoWildcardRole"),
        "NoWildcardRole needs to read roles.rbac.authorization.k8s.io and \
         clusterroles.rbac.authorization.k8s.io, which is not permitted"
    );
    cluster.tell(Change::Access(Resource::ClusterRoles, true));
    assert!(cluster.found().is_empty());
}

#[test]
fn labels_of_pods_are_read_from_the_moment_a_policy_asks_for_them() {
    let network_policy = |app: &str| {
        let object = json!({
            "metadata": {"name": "np", "namespace": "team-a"},
            "spec": {"podSelector": {"matchLabels": {"app": app}}},
        });
        let (namespace, facts) = crate::decode::network_policy::read(&object).unwrap();
        Change::NetworkPolicy(namespace, facts)
    };
    let mut cluster = with_rules(&json!({"noMutableTag": {}}));
    let labelled = |index, app: &str| with(web(index, "nginx:1.27"), "/metadata/labels/app", json!(app));
    cluster.put(&labelled(1, "web"));
    cluster.put(&labelled(2, "db"));
    cluster.tell(Change::Policy(policy("p", json!({"rules": {"danglingNetworkPolicy": {}}}))));
    cluster.list_others(&Resource::ALWAYS);
    cluster.tell(network_policy("db"));
    assert!(cluster.found().is_empty());
    cluster.tell(network_policy("cache"));
    assert_eq!(cluster.found(), ["DanglingNetworkPolicy fail Namespace/team-a"]);
    cluster.put(&labelled(3, "cache"));
    assert!(cluster.found().is_empty());
    cluster.gone(&labelled(3, "cache"));
    assert_eq!(cluster.found(), ["DanglingNetworkPolicy fail Namespace/team-a"]);
    cluster.tell(Change::Policy(policy("p", json!({"rules": {"noMutableTag": {}}}))));
    assert!(cluster.found().is_empty());
    cluster.put(&labelled(1, "other"));
    cluster.gone(&labelled(2, "db"));
    assert_eq!(cluster.snapshot().seen.pods, 1);
}

#[test]
fn a_namespace_that_is_stuck_is_found_when_its_time_is_over() {
    let mut cluster = with_rules(&json!({"stuckTerminating": {"after": "15m"}}));
    let object = json!({"metadata": {"name": "team-a", "deletionTimestamp": "2026-01-01T11:50:00Z"}});
    let (name, object) = crate::decode::namespace::read(&object).unwrap();
    cluster.tell(Change::Namespace(name, object));
    assert!(cluster.found().is_empty());
    let due: Timestamp = "2026-01-01T12:05:00Z".parse().unwrap();
    assert_eq!(cluster.auditor.next_deadline(), Some(due));
    cluster.pass(299);
    assert!(cluster.found().is_empty());
    cluster.pass(1);
    assert_eq!(cluster.found(), ["StuckTerminating fail Namespace/team-a"]);
    assert_eq!(cluster.told(), ["StuckTerminating opened"]);
}

#[test]
fn an_edit_that_brings_in_a_rule_with_a_time_keeps_that_time() {
    let mut cluster = with_rules(&json!({"noMutableTag": {}}));
    let object = json!({"metadata": {"name": "team-a", "deletionTimestamp": "2026-01-01T11:50:00Z"}});
    let (name, object) = crate::decode::namespace::read(&object).unwrap();
    cluster.tell(Change::Namespace(name, object));
    cluster.found();
    cluster.tell(Change::Policy(policy("p", json!({"rules": {"noMutableTag": {}, "stuckTerminating": {}}}))));
    assert!(cluster.found().is_empty());
    cluster.pass(300);
    assert_eq!(cluster.found(), ["StuckTerminating fail Namespace/team-a"]);
}

#[test]
fn a_namespace_that_no_policy_reaches_is_found_by_a_policy_that_leaves_it_out() {
    let coverage = json!({"scope": {"excludeNamespaces": ["team-a"]}, "rules": {"policyCoverage": {}, "noMutableTag": {}}});
    let mut cluster = Cluster::with_policies(&[policy("p", coverage)]);
    cluster.tell(namespace("team-b", json!({})));
    cluster.put(&web(1, "nginx"));
    assert_eq!(cluster.found(), ["PolicyCoverage fail Namespace/team-a"], "its images are out of scope");
    let spec =
        json!({"scope": {"includeNamespaces": ["team-a"]}, "rules": {"digestPinned": {"enabled": true}}});
    cluster.tell(Change::Policy(policy("q", spec)));
    assert_eq!(cluster.found(), ["DigestPinned fail Deployment/web"]);
    let nothing_but_coverage = json!({"rules": {"policyCoverage": {}}});
    cluster.tell(Change::Policy(policy("q", nothing_but_coverage)));
    let twice = ["PolicyCoverage fail Namespace/team-a", "PolicyCoverage fail Namespace/team-a"];
    assert_eq!(cluster.found(), twice, "to look for coverage covers nothing");
}

#[test]
fn a_namespace_is_told_again_when_a_finding_reads_otherwise_and_not_when_something_else_changes() {
    let mut cluster = with_rules(&json!({"noClusterAdminRoleBinding": {}, "resourceQuotaPresent": {}}));
    cluster.tell(binding("team-a", "one", account("team-a")));
    let revision = |cluster: &mut Cluster| cluster.snapshot().namespace("team-a").unwrap().revision;
    let before = revision(&mut cluster);
    cluster.tell(told(
        Resource::RoleBindings,
        json!({"metadata": {"name": "harmless", "namespace": "team-a"}, "roleRef": {"kind": "Role", "name": "r"}}),
    ));
    assert_eq!(revision(&mut cluster), before);
    cluster.tell(binding("team-a", "two", account("team-a")));
    assert_eq!(revision(&mut cluster), before + 1, "a second one is named");
}

#[test]
fn pod_security_may_be_left_to_admission_control_where_a_policy_accepts_that() {
    let accepts = json!({"podSecurityEnforced": {"acceptAlternative": "AdmissionCoverage"}});
    let mut cluster = with_rules(&accepts);
    assert!(cluster.auditor.needed().contains(&Resource::ValidatingWebhooks));
    assert_eq!(cluster.found(), ["PodSecurityEnforced fail Namespace/team-a"]);
    cluster.tell(told(
        Resource::ValidatingWebhooks,
        json!({"metadata": {"name": "engine"}, "webhooks": [{
            "name": "validate.engine.example", "failurePolicy": "Fail",
            "rules": [{"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE", "UPDATE"], "resources": ["pods"]}],
        }]}),
    ));
    assert!(cluster.found().is_empty());
    cluster.tell(Change::Access(Resource::ValidatingWebhooks, false));
    assert_eq!(cluster.found(), ["PodSecurityEnforced unknown Namespace/team-a"]);
}

#[test]
fn what_is_found_on_the_cluster_itself_can_be_exempt_by_name() {
    let exemption = |workload: &str| {
        json!([{"name": "e", "rules": ["NoClusterAdminRoleBinding"], "workloads": [workload],
            "reason": "break glass", "permanent": true}])
    };
    let found = |workload: &str| {
        let spec = json!({"rules": {"noClusterAdminRoleBinding": {}}, "exemptions": exemption(workload)});
        let mut cluster = Cluster::with_policies(&[policy("p", spec)]);
        cluster.tell(binding("", "wide", json!({"kind": "User", "name": "mallory"})));
        cluster.found()
    };
    assert_eq!(found("Cluster/cluster"), ["NoClusterAdminRoleBinding exempt Cluster/cluster"]);
    assert_eq!(found("Deployment/*"), ["NoClusterAdminRoleBinding fail Cluster/cluster"]);
}

#[test]
fn nodes_are_judged_with_the_cluster_and_no_namespace_hears_of_them() {
    let mut cluster = with_rules(&json!({"nodeImageUntrusted": {"allow": ["registry.example.com"]}}));
    cluster.snapshot();
    let namespace = cluster.snapshot().namespaces[0].clone();
    let node = |name: &str, image: &str| {
        told(Resource::Nodes, json!({"metadata": {"name": name}, "status": {"images": [{"names": [image]}]}}))
    };
    cluster.tell(node("a", "registry.example.com/app:1"));
    assert!(cluster.snapshot().cluster.is_empty());
    cluster.tell(node("b", "evil.test/x:1"));
    let snapshot = cluster.snapshot();
    assert_eq!(snapshot.cluster.len(), 1);
    assert!(snapshot.explain(&snapshot.cluster[0]).starts_with("evil.test/x on node b"));
    assert!(std::sync::Arc::ptr_eq(&namespace, &snapshot.namespaces[0]));
    cluster.tell(Change::Access(Resource::Nodes, false));
    assert_eq!(cluster.snapshot().cluster[0].reason, "MissingPermission");
    cluster.tell(Change::Access(Resource::Nodes, true));
    cluster.list(Resource::Nodes, [node("a", "registry.example.com/app:2")]);
    assert!(cluster.snapshot().cluster.is_empty(), "the other node was not told again");
}
