//! Objects as they come, and what is left of them.

use serde_json::{Value, json};

use super::*;
use crate::subject::network::{Action, AdminTier};
use crate::subject::objects::Exposed;
use crate::subject::rbac::Grantee;

fn object(kind: Resource, rest: Value) -> ObjectFacts {
    let mut value = json!({"metadata": {"name": "x", "namespace": "team-a"}});
    value.as_object_mut().unwrap().extend(rest.as_object().unwrap().clone());
    read(kind, &value).unwrap()
}

fn malformed(kind: Resource, rest: Value) -> bool {
    object(kind, rest).is_malformed()
}

#[test]
fn an_object_without_a_name_or_its_namespace_cannot_be_kept_and_any_other_can() {
    assert!(read(Resource::Services, &json!({"metadata": {"namespace": "team-a"}})).is_none());
    assert!(read(Resource::Services, &json!({"metadata": {"name": "x"}})).is_none());
    assert!(read(Resource::ClusterRoles, &json!({"metadata": {"name": "x"}})).is_some());
    assert!(read(Resource::Roles, &json!([])).is_none());
    let stray = json!({"metadata": {"name": "x", "namespace": "team-a"}});
    assert_eq!(&*read(Resource::ClusterRoles, &stray).unwrap().namespace, "");
}

#[test]
fn a_quota_is_scoped_by_scopes_and_by_a_selector_with_conditions() {
    let quota = |spec: Value| match object(Resource::ResourceQuotas, json!({"spec": spec})).content {
        Content::Quota(quota) => quota,
        other => panic!("{other:?}"),
    };
    assert_eq!(quota(json!({"hard": {"pods": "10"}})).hard.len(), 1);
    assert!(!quota(json!({"hard": {}, "scopes": [], "scopeSelector": {}})).scoped);
    assert!(quota(json!({"scopes": ["BestEffort"]})).scoped);
    let selector = json!({"matchExpressions": [{"scopeName": "PriorityClass", "operator": "Exists"}]});
    assert!(quota(json!({"scopeSelector": selector})).scoped);
    assert!(malformed(Resource::ResourceQuotas, json!({"spec": {"hard": ["pods"]}})));
}

#[test]
fn a_limit_range_limits_containers_by_a_default_or_a_max() {
    let limits = |items: Value| object(Resource::LimitRanges, json!({"spec": {"limits": items}})).content;
    assert_eq!(limits(json!([{"type": "Container", "default": {"cpu": "1"}}])), Content::Limits(true));
    assert_eq!(limits(json!([{"type": "Container", "max": {"cpu": "1"}}])), Content::Limits(true));
    assert_eq!(
        limits(json!([{"type": "Container", "defaultRequest": {"cpu": "1"}}])),
        Content::Limits(false)
    );
    assert_eq!(limits(json!([{"type": "Container", "default": {}}])), Content::Limits(false));
    assert_eq!(limits(json!([{"type": "Pod", "max": {"cpu": "1"}}])), Content::Limits(false));
    assert_eq!(limits(json!("none")), Content::Malformed);
}

#[test]
fn a_service_account_of_a_binding_is_of_the_bindings_namespace_where_it_names_none() {
    let binding = |kind, subject: Value| match object(kind, json!({"subjects": [subject]})).content {
        Content::Binding(binding) => binding.subjects,
        other => panic!("{other:?}"),
    };
    let account = json!({"kind": "ServiceAccount", "name": "web"});
    assert_eq!(
        *binding(Resource::RoleBindings, account.clone()),
        [Grantee::Account("team-a".into(), "web".into())]
    );
    assert!(binding(Resource::ClusterRoleBindings, account).is_empty(), "nobody's");
    assert!(
        binding(Resource::RoleBindings, json!({"kind": "user", "name": "web"})).is_empty(),
        "no such kind"
    );
    assert!(malformed(Resource::RoleBindings, json!({"subjects": [{"kind": 1}]})));
    assert!(malformed(Resource::RoleBindings, json!({"subjects": {"kind": "User"}})));
}

#[test]
fn roles_keep_whether_they_are_limited_aggregated_or_kubernetes_own() {
    let role = |rest: Value| match object(Resource::ClusterRoles, rest).content {
        Content::Role(role) => role,
        other => panic!("{other:?}"),
    };
    assert!(role(json!({"rules": null, "aggregationRule": {}})).aggregated);
    assert!(role(json!({"rules": [{"verbs": ["get"], "resourceNames": ["x"]}]})).rules[0].named);
    let labels = json!({"name": "x", "labels": {"kubernetes.io/bootstrapping": "rbac-defaults"}});
    assert!(role(json!({"metadata": labels})).bootstrap);
    assert!(malformed(Resource::ClusterRoles, json!({"rules": [{"verbs": "*"}]})));
}

#[test]
fn services_are_read_as_the_api_server_would_default_them() {
    let service = |spec: Value| match object(Resource::Services, json!({"spec": spec})).content {
        Content::Service(service) => service,
        other => panic!("{other:?}"),
    };
    assert_eq!(service(json!({})).exposed, Exposed::No);
    assert_eq!(service(json!({"type": "ExternalName"})).exposed, Exposed::No);
    assert_eq!(service(json!({"type": "NodePort"})).exposed, Exposed::NodePort);
    assert!(service(json!({"externalIPs": ["192.0.2.1"]})).external_ips);
    assert!(!service(json!({"type": "ExternalName", "externalIPs": ["192.0.2.1"]})).external_ips);
    assert!(malformed(Resource::Services, json!({"spec": {"type": 1}})));
}

#[test]
fn the_class_of_an_ingress_is_its_annotation_before_its_field() {
    let ingress = |rest: Value| match object(Resource::Ingresses, rest).content {
        Content::Ingress(ingress) => ingress,
        other => panic!("{other:?}"),
    };
    assert_eq!(&*ingress(json!({"spec": {"ingressClassName": "nginx"}})).class, "nginx");
    assert_eq!(&*ingress(json!({})).class, "");
    let annotations = json!({"kubernetes.io/ingress.class": "old"});
    let metadata = json!({"name": "x", "namespace": "team-a", "annotations": annotations});
    let both = json!({"metadata": metadata, "spec": {"ingressClassName": "nginx"}});
    assert_eq!(&*ingress(both).class, "old");
    assert!(malformed(Resource::Ingresses, json!({"spec": {"ingressClassName": 1}})));
}

#[test]
fn a_webhook_sees_pods_when_some_rule_of_it_says_so() {
    let pods = |rule: Value| match object(
        Resource::ValidatingWebhooks,
        json!({"webhooks": [{"name": "v", "rules": [rule]}]}),
    )
    .content
    {
        Content::Webhooks(webhooks) => webhooks[0].matching.pods,
        other => panic!("{other:?}"),
    };
    let rule = |groups: &str, resources: &str, operations: &str, scope: &str| json!({"apiGroups": [groups], "apiVersions": ["v1"], "resources": [resources], "operations": [operations], "scope": scope});
    assert!(pods(rule("", "pods", "CREATE", "*")) && pods(rule("*", "*", "*", "Namespaced")));
    assert!(pods(rule("", "pods/*", "CREATE", "*")), "the authors of the API read it so");
    assert!(!pods(rule("apps", "pods", "CREATE", "*")));
    assert!(!pods(rule("", "pods/exec", "CREATE", "*")));
    assert!(!pods(rule("", "pods", "DELETE", "*")));
    assert!(!pods(rule("", "pods", "CREATE", "Cluster")));
}

#[test]
fn absent_failure_policies_refuse_and_selectors_are_kept() {
    let webhook = json!({"name": "v", "failurePolicy": null, "objectSelector": {"matchLabels": {"a": "b"}},
        "matchConditions": [{"name": "c", "expression": "true"}]});
    let Content::Webhooks(webhooks) =
        object(Resource::MutatingWebhooks, json!({"webhooks": [webhook]})).content
    else {
        panic!("webhooks")
    };
    let [webhook] = &*webhooks else { panic!("one") };
    assert!(!webhook.fails_open && webhook.matching.by_object && webhook.matching.by_expression);
    assert!(webhook.matching.namespaces.is_everything());
    assert!(malformed(Resource::MutatingWebhooks, json!({"webhooks": [{"namespaceSelector": []}]})));
}

#[test]
fn a_rule_of_an_admin_policy_matches_everything_only_where_nothing_is_left_open() {
    let rule = |key: &str, rule: Value| {
        let spec = json!({"priority": 1, "subject": {"namespaces": {}}, key: [rule]});
        match object(Resource::AdminNetworkPolicies, json!({"spec": spec})).content {
            Content::AdminPolicy(policy) => {
                policy.ingress.iter().chain(&policy.egress).next().copied().unwrap()
            }
            other => panic!("{other:?}"),
        }
    };
    let everything = |key: &str, action: &str, peers: Value| {
        let peers_key = if key == "ingress" { "from" } else { "to" };
        rule(key, json!({"action": action, peers_key: peers})).everything
    };
    assert!(everything("ingress", "Deny", json!([{"namespaces": {}}])));
    assert!(everything("ingress", "Deny", json!([{"pods": {"namespaceSelector": {}, "podSelector": {}}}])));
    assert!(!everything("ingress", "Deny", json!([{"namespaces": {"matchLabels": {"a": "b"}}}])));
    // As earlier releases had it.
    assert!(everything("ingress", "Deny", json!([{"namespaces": {"namespaceSelector": {}}}])));
    assert!(everything(
        "ingress",
        "Deny",
        json!([{"pods": {"namespaces": {"namespaceSelector": {}}, "podSelector": {}}}])
    ));
    assert!(!everything("ingress", "Deny", json!([{"namespaces": {"sameLabels": ["team"]}}])));
    assert!(!everything("ingress", "Deny", json!([{"pods": {"namespaces": {"notSameLabels": ["team"]}}}])));
    assert!(!everything("egress", "Deny", json!([{"namespaces": {}}])), "the world outside stays open");
    assert!(everything("egress", "Deny", json!([{"networks": ["0.0.0.0/0"]}])));
    assert!(everything("egress", "Allow", json!([{"namespaces": {}}])));
    let ports =
        json!({"action": "Deny", "from": [{"namespaces": {}}], "ports": [{"portNumber": {"port": 80}}]});
    assert!(!rule("ingress", ports).everything);
}

#[test]
fn the_tier_of_a_cluster_network_policy_is_a_word_and_no_other_is_read() {
    let read = |spec: Value| object(Resource::ClusterNetworkPolicies, json!({"spec": spec})).content;
    let spec = |tier: &str| {
        json!({"tier": tier, "priority": 5, "subject": {"namespaces": {}},
            "ingress": [{"action": "Accept", "from": [{"namespaces": {}}]}]})
    };
    let Content::AdminPolicy(policy) = read(spec("Baseline")) else { panic!("a policy") };
    assert_eq!(
        (policy.tier, policy.priority, policy.ingress[0].action),
        (AdminTier::Baseline, 5, Action::Allow)
    );
    assert_eq!(read(spec("admin")), Content::Malformed);
    assert_eq!(read(json!({"tier": "Admin"})), Content::Malformed, "it names no subject");
}
