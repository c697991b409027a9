//! The objects of a small cluster, each in a few hundred variants.

use revisor::decode::{Change, JobRecord, PolicyRecord, namespace, network_policy, object};
use revisor::subject::Resource;
use serde_json::{Value, json};

pub(crate) fn digest(variant: u8) -> String {
    format!("docker.io/library/nginx@sha256:{}", ["a", "b", "c"][usize::from(variant % 3)].repeat(64))
}

pub(crate) fn pod(index: u8, variant: u8) -> Value {
    let image =
        ["nginx", "nginx:1.27", "Nginx", "registry.example.com/app:1", "evil.test/x:latest", "nginx:1.27"]
            [usize::from(variant % 6)];
    let owner = match index % 4 {
        0 => json!([]),
        1 => {
            json!([{"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "web-6f7", "uid": "rs", "controller": true}])
        }
        2 => {
            json!([{"apiVersion": "batch/v1", "kind": "Job", "name": format!("job-{}", index % 3), "uid": job_uid(index % 3), "controller": true}])
        }
        _ => {
            json!([{"apiVersion": "apps/v1", "kind": "StatefulSet", "name": "db", "uid": "s", "controller": true}])
        }
    };
    let phase = if variant % 7 == 6 { "Succeeded" } else { "Running" };
    let state = if variant % 5 == 4 {
        json!({"waiting": {"reason": "ErrImagePull"}})
    } else {
        json!({"running": {}})
    };
    let image_id = match variant % 13 {
        11 => format!("sha256:{}", "d".repeat(64)),
        12 => "d".repeat(64),
        _ => digest(variant),
    };
    let containers =
        if variant % 11 == 10 { json!("none") } else { json!([{"name": "app", "image": image}]) };
    // The policy takes one day: the second counts from half past twelve on.
    let asked = match variant % 9 {
        7 => json!({"exempt.revisor.dev/NoMutableTag": "OPS-1 until 2026-01-01T12:25:00Z: known"}),
        8 => json!({"exempt.revisor.dev/NoMutableTag": "OPS-2 until 2026-01-02T12:30:00Z: known"}),
        _ => json!({}),
    };
    json!({
        "metadata": {
            "annotations": asked, "name": format!("pod-{index}"), "namespace": format!("team-{}", index % 3), "uid": format!("pod-{index}"),
            "labels": {"app": format!("app-{}", variant % 2), "pod-template-hash": "6f7"}, "ownerReferences": owner,
        },
        "spec": {
            "containers": containers, "automountServiceAccountToken": (variant % 4 == 3).then_some(false),
            "serviceAccountName": (if variant % 3 == 2 { "web" } else { "default" }),
        },
        "status": {
            "phase": phase,
            "conditions": [{"type": "ContainersReady", "status": "False", "lastTransitionTime": "2026-01-01T12:00:00Z"}],
            "containerStatuses": [{"name": "app", "imageID": image_id, "state": state}],
        },
    })
}

pub(crate) fn job_uid(index: u8) -> String {
    format!("job-{index}")
}

pub(crate) fn job(index: u8) -> Change {
    let cron_job = (index == 0).then(|| "nightly".into());
    let name = format!("job-{index}");
    let uid = revisor::subject::uid::parse_uid(&job_uid(index));
    Change::Job(JobRecord {
        uid,
        namespace: format!("team-{}", index % 3).into(),
        name: name.into(),
        cron_job,
    })
}

pub(crate) fn namespace_change(index: u8, variant: u8) -> Change {
    let level = ["privileged", "baseline", "Restricted", "restricted"][usize::from(variant % 4)];
    let labels = json!({"pod-security.kubernetes.io/enforce": level, "tier": format!("{}", variant % 2)});
    let (name, object) = namespace::read(&json!({"metadata": {
        "deletionTimestamp": (variant % 5 == 4).then_some("2026-01-01T12:05:00Z"),
        "name": format!("team-{index}"), "labels": labels, "creationTimestamp": "2026-01-01T12:10:00Z",
    }}))
    .unwrap();
    Change::Namespace(name, object)
}

pub(crate) fn network_policy_change(index: u8, variant: u8) -> Change {
    let rules = if variant.is_multiple_of(2) { json!([]) } else { json!([{}]) };
    let selector = match variant % 3 {
        0 => json!({}),
        label => json!({"matchLabels": {"app": format!("app-{}", label % 2)}}),
    };
    let object = json!({
        "metadata": {"name": format!("np-{}", index % 2), "namespace": format!("team-{}", index % 3)},
        "spec": {"podSelector": selector, "policyTypes": ["Ingress"], "ingress": rules},
    });
    let (namespace, facts) = network_policy::read(&object).unwrap();
    Change::NetworkPolicy(namespace, facts)
}

/// How many objects there are of kinds that only some rules read.
pub(crate) const OTHERS: u8 = 19;

pub(crate) fn other_kind(index: u8) -> Resource {
    [
        Resource::RoleBindings,
        Resource::ClusterRoleBindings,
        Resource::ClusterRoles,
        Resource::Roles,
        Resource::ResourceQuotas,
        Resource::ServiceAccounts,
        Resource::LimitRanges,
        Resource::Services,
        Resource::ValidatingWebhooks,
        Resource::ClusterNetworkPolicies,
        Resource::CiliumNetworkPolicies,
        Resource::AdmissionPolicies,
        Resource::ReplicaSets,
        Resource::StatefulSets,
        Resource::Deployments,
        Resource::CronJobs,
        Resource::Nodes,
    ][usize::from(index % 17)]
}

pub(crate) fn other_name(index: u8) -> (String, String) {
    let kind = other_kind(index);
    let namespace = if kind.is_namespaced() { format!("team-{}", index % 3) } else { String::new() };
    match kind {
        Resource::ServiceAccounts => (namespace, "default".into()),
        // The controllers that pods name.
        Resource::ReplicaSets => ("team-1".into(), "web-6f7".into()),
        Resource::StatefulSets => ("team-0".into(), "db".into()),
        Resource::Deployments => ("team-1".into(), "web".into()),
        Resource::CronJobs => ("team-0".into(), "nightly".into()),
        _ => (namespace, format!("object-{index}")),
    }
}

pub(crate) fn other_change(index: u8, variant: u8) -> Change {
    let (namespace, name) = other_name(index);
    let subject = match variant % 6 {
        0 => json!({"kind": "ServiceAccount", "namespace": "team-1", "name": "default"}),
        1 => json!({"kind": "ServiceAccount", "namespace": "team-2", "name": "web"}),
        2 => json!({"kind": "Group", "name": "system:authenticated"}),
        3 => json!({"kind": "User", "name": "system:anonymous"}),
        4 => json!({"kind": "Group", "name": "system:serviceaccounts:team-0"}),
        _ => json!({"kind": "Group"}),
    };
    let is_odd = variant % 2 == 1;
    let limited = if is_odd { "cpu" } else { "pods" };
    let spec = json!({
        "hard": {limited: "1"}, "type": (if is_odd { "NodePort" } else { "ClusterIP" }),
        "tier": "Admin", "priority": variant, "subject": {"namespaces": {}},
        "template": {"spec": {"containers": [{"name": "app", "image": if is_odd { "nginx" } else { "nginx:1.27" }}]}},
        "jobTemplate": {"spec": {"template": {"spec": {"containers": [{"name": "app", "image": "nginx"}]}}}},
        "ingress": [{"action": (if is_odd { "Accept" } else { "Deny" }), "from": [{"namespaces": {}}]}],
    });
    let role = if is_odd { "cluster-admin" } else { "view" };
    let uid = match (&*name, variant % 16) {
        (_, 15) => "replaced",
        ("db", _) => "s",
        ("web-6f7", _) => "rs",
        (other, _) => other,
    };
    let controllers = match (other_kind(index), variant / 2 % 4) {
        (Resource::ReplicaSets, 1) => {
            json!([{"apiVersion": "apps/v1", "kind": "Deployment", "name": "other", "uid": "o", "controller": true}])
        }
        (Resource::ReplicaSets, 2 | 3) => {
            json!([{"apiVersion": "apps/v1", "kind": "Deployment", "name": "web", "uid": "web", "controller": true}])
        }
        _ => json!([]),
    };
    let runtime = ["containerd://2.1.4", "cri-o://1.30.3", ""][usize::from(variant / 2 % 3)];
    let object = json!({
        "metadata": {"name": name, "namespace": namespace, "uid": uid, "ownerReferences": controllers},
        "subjects": [subject], "spec": spec, "roleRef": {"kind": "ClusterRole", "name": role},
        "rules": [{"apiGroups": [""], "resources": ["secrets"], "verbs": [if is_odd { "get" } else { "*" }]}],
        "automountServiceAccountToken": is_odd,
        "status": {
            "images": [{"names": [if is_odd { "evil.test/x:1" } else { "nginx:1" }]}],
            "nodeInfo": {"containerRuntimeVersion": runtime},
        },
    });
    let (kind, facts) = (other_kind(index), object::read(other_kind(index), &object).unwrap());
    match kind.is_template() {
        true => Change::Workload(facts, object::stand_in::read(kind, &object).map(Box::new)),
        false => Change::Object(facts),
    }
}

pub(crate) fn policy_change(index: u8, variant: u8) -> Change {
    // Two variants often agree in most of this: an edit that changes little is judged otherwise than one that
    // changes all.
    let bit = |bit: u8| variant >> bit & 1 == 1;
    let scope = match variant >> 5 {
        0..=2 => json!({}),
        3 => json!({"podSelector": {"matchLabels": {"app": "app-1"}}}),
        4 => json!({"namespaceSelector": {"matchLabels": {"tier": "1"}}}),
        5 => json!({"excludeNamespaces": ["team-2"]}),
        6 => json!({"includeTemplates": true}),
        _ => json!({"excludeNamespaces": ["team-2"], "includeTerminated": true}),
    };
    let mut rules = json!({
        "noMutableTag": {"enabled": bit(0) || bit(1)}, "validReference": {}, "runningDigestMatches": {},
        "imagePullFailing": {"for": if bit(2) && bit(3) { "1m" } else { "2m" }},
        "digestSkew": {"grace": "0s"}, "defaultDenyIngress": {}, "podSecurityLabelsValid": {},
        "podSecurityEnforced": {"minLevel": if bit(1) { "baseline" } else { "restricted" }},
        "trustedRegistry": {"allow": [if bit(4) { "docker.io/**" } else { "docker.io/library/*" }]},
    });
    rules["nodeImageUntrusted"] = json!({"allow": ["docker.io/**"], "enabled": bit(0) != bit(4)});
    for (rule, enabled) in [
        ("noClusterAdminRoleBinding", bit(0)),
        ("noBindingsToAnonymous", bit(1)),
        ("noBindingsToAuthenticated", true),
        ("defaultServiceAccountUnbound", bit(2)),
        ("defaultServiceAccountTokenOff", bit(0) != bit(1)),
        ("nonExistentServiceAccount", bit(3)),
        ("tokenMountedFromDefaultServiceAccount", bit(0) != bit(2)),
        ("noWildcardRole", bit(1) != bit(2)),
        ("resourceQuotaPresent", bit(2) != bit(3)),
        ("limitRangePresent", bit(3) != bit(4)),
        ("danglingNetworkPolicy", bit(0) != bit(4)),
        ("networkPolicyCoversPods", bit(1) && bit(4)),
        ("stuckTerminating", bit(2) != bit(4)),
        ("externalExposure", bit(0)),
        ("admissionCoverage", bit(1) != bit(3)),
        ("policyCoverage", bit(4)),
        ("podImageMatchesOwner", bit(0) != bit(3)),
        ("podMeetsLevel", bit(2)),
        ("defaultServiceAccountUnused", bit(1) != bit(2)),
        ("noPrivilegeEscalation", bit(3) != bit(4)),
        ("hostLocalImage", bit(0) != bit(2)),
    ] {
        rules[rule] = json!({"enabled": enabled});
    }
    // A policy that reads no network policies: they are dropped when it is the only one.
    rules["defaultDenyIngress"]["enabled"] = json!(bit(2) || !bit(0));
    // What tenants may ask for.
    let delegation = match variant / 4 % 5 {
        0 => json!([]),
        1 => json!([{"rules": ["NoMutableTag"], "approval": "None", "annotations": true, "maxDays": 1}]),
        2 => json!([{"rules": ["NoMutableTag", "DefaultDenyIngress", "DigestSkew"], "maxDays": 1}]),
        3 => json!([{"rules": ["NoMutableTag", "TrustedRegistry"], "approval": "None",
            "namespaceSelector": {"matchLabels": {"tier": "1"}}}]),
        _ => json!([{"rules": ["NoMutableTag", "PodSecurityEnforced"]},
            {"rules": ["NoMutableTag"], "maxDays": 30, "approval": "None", "namespaceSelector":
                {"matchExpressions": [{"key": "tier", "operator": "In", "values": ["0"]}]}}]),
    };
    let mut exemptions = if bit(3) {
        json!([{"name": "e", "rules": ["NoMutableTag"], "namespaces": ["team-1"], "reason": "r", "expiresAt": "2026-01-01T12:30:00Z"}])
    } else {
        json!([])
    };
    if bit(2) {
        let by_workload = json!({"name": "w", "rules": ["NoMutableTag", "TrustedRegistry"], "reason": "r",
            "workloads": ["Deployment/web", "StatefulSet/d*", "CronJob/nightly"], "permanent": true});
        exemptions.as_array_mut().unwrap().push(by_workload);
    }
    Change::Policy(PolicyRecord {
        name: format!("policy-{index}").into(),
        uid: format!("policy-{index}").into(),
        generation: i64::from(variant) + 1,
        observed_generation: 0,
        spec: json!({"scope": scope, "rules": rules, "exemptions": exemptions, "delegation": delegation}),
        source: None,
    })
}

pub(crate) fn exemption_name(index: u8) -> (String, String) {
    (format!("team-{}", index % 3), format!("exemption-{}", index / 3))
}

/// An Exemption. The lower bits are what the tenant wrote, the upper ones what became of its approval.
pub(crate) fn exemption_change(index: u8, variant: u8) -> Change {
    let written = variant % 32;
    let generation = i64::from(written) + 1;
    let mut spec = json!({
        "reason": "r",
        "rules": match written % 8 {
            0 => json!(["NoMutableTag", "DefaultDenyIngress"]),
            1 => json!(["TrustedRegistry", "PodSecurityEnforced", "DigestSkew"]),
            2 => json!(["NoSuchRule"]),
            _ => json!(["NoMutableTag"]),
        },
        "expiresAt": if written < 20 { "2026-02-01T00:00:00Z" } else { "2026-01-01T12:40:00Z" },
    });
    match written % 5 {
        0 => spec["workloads"] = json!(["Deployment/web", "StatefulSet/*"]),
        1 => spec["images"] = json!(["docker.io/library/nginx"]),
        2 => spec["workloads"] = json!(["Pod/*", "CronJob/nightly"]),
        _ => {}
    }
    let approval = |status: &str, generation: i64| json!([{"type": "Approved", "status": status, "observedGeneration": generation}]);
    let conditions = match variant / 32 % 4 {
        0 => json!([]),
        1 => approval("False", generation),
        2 => approval("True", generation - 1),
        _ => approval("True", generation),
    };
    // Of one day that is delegated the odd ones have twenty minutes left at the start.
    let created = if index.is_multiple_of(2) { "2026-01-01T11:50:00Z" } else { "2025-12-31T12:20:00Z" };
    let (namespace, name) = exemption_name(index);
    let object = json!({
        "metadata": {"name": name, "namespace": namespace, "generation": generation, "creationTimestamp": created},
        "spec": if written == 31 { json!("none") } else { spec },
        "status": {"conditions": conditions},
    });
    Change::Object(object::read(Resource::Exemptions, &object).unwrap())
}
