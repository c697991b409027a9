//! What happens in the cluster.

use serde_json::{Value, json};
use testkit::apiserver::ApiServer;

use super::random::Random;

const NAMESPACES: [&str; 3] = ["team-0", "team-1", "team-2"];
const WORKLOADS: [&str; 4] = ["web", "shop", "batch", "cache"];
const IMAGES: [&str; 6] = [
    "nginx",
    "evil.test/x:1",
    "registry.example.com/app:1.2.3",
    "registry.example.com/app:latest",
    "registry.example.com/app@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
    "UPPER:case",
];
const DIGESTS: [&str; 3] = [
    "registry.example.com/app@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
    "registry.example.com/app@sha256:1111111111111111111111111111111111111111111111111111111111111111",
    "",
];
const POLICIES: [&str; 2] = ["baseline", "strict"];

/// One thing happens.
pub(crate) fn happen(server: &ApiServer, random: &mut Random) {
    let namespace = random.pick(&NAMESPACES);
    match random.below(15) {
        0..=6 => workload(server, random, namespace),
        7..=8 => change_pod(server, random),
        9..=10 => scale_or_delete(server, random),
        11..=12 => relabel(server, random, namespace),
        13 => network_policy(server, random, namespace),
        _ => delete_namespace(server, random, namespace),
    }
}

/// A policy appears, changes or goes.
pub(crate) fn policy(server: &ApiServer, random: &mut Random) {
    let name = random.pick(&POLICIES);
    if random.below(5) == 0 && server.get("ImagePolicy", "", name).is_some() {
        server.delete("ImagePolicy", "", name);
        return;
    }
    let rules = match random.below(4) {
        0 => json!({"trustedRegistry": {"allow": ["registry.example.com/**"]}, "noMutableTag": {}}),
        1 => {
            json!({"noMutableTag": {"severity": "high"}, "defaultDenyIngress": {}, "podSecurityEnforced": {}})
        }
        2 => {
            json!({"trustedRegistry": {"deny": ["evil.test/**"]}, "digestSkew": {}, "runningDigestMatches": {},
            "requiredLabels": {"labels": {"owner": "team-[a-z]+"}}})
        }
        _ => json!({"resourceQuotaPresent": {}, "podMeetsLevel": {"level": "baseline"}, "noSuchRule": {}}),
    };
    let scope = match random.below(3) {
        0 => json!({"includeNamespaces": ["team-*"]}),
        1 => json!({"excludeNamespaces": ["kube-*"]}),
        _ => json!({"namespaceSelector": {"matchLabels": {"owner": "team-a"}}}),
    };
    put(
        server,
        json!({
            "apiVersion": "revisor.dev/v1alpha1", "kind": "ImagePolicy", "metadata": {"name": name},
            "spec": {"scope": scope, "rules": rules},
        }),
    );
}

/// Creates an object, or replaces the one of its name.
fn put(server: &ApiServer, object: Value) -> Value {
    let text = |pointer: &str| object.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned();
    let (kind, namespace, name) = (text("/kind"), text("/metadata/namespace"), text("/metadata/name"));
    match server.get(&kind, &namespace, &name) {
        None => server.create(object),
        // The uid stays, and so do owners.
        Some(old) => {
            let mut object = object;
            object["metadata"]["uid"] = old["metadata"]["uid"].clone();
            server.update(object)
        }
    }
}

fn owner(object: &Value) -> Value {
    json!({
        "apiVersion": object["apiVersion"], "kind": object["kind"], "controller": true,
        "name": object["metadata"]["name"], "uid": object["metadata"]["uid"],
    })
}

fn pod_spec(random: &mut Random) -> Value {
    let mut container = json!({"name": "app", "image": random.pick(&IMAGES)});
    if random.below(3) == 0 {
        container["securityContext"] = json!({"privileged": true});
    }
    json!({"containers": [container]})
}

fn running(random: &mut Random) -> Value {
    json!({"phase": "Running", "containerStatuses": [{
        "name": "app", "ready": random.below(2) == 0, "restartCount": random.below(5), "image": "app",
        "imageID": random.pick(&DIGESTS), "state": {"running": {}},
    }]})
}

/// A Deployment with its ReplicaSet, and one pod more of it; sometimes a bare pod.
fn workload(server: &ApiServer, random: &mut Random, namespace: &str) {
    let name = random.pick(&WORKLOADS);
    let number = random.below(4);
    let mut metadata =
        json!({"name": format!("{name}-7f-{number}"), "namespace": namespace, "labels": {"app": name}});
    if name != "cache" {
        let of_namespace = |kind: &str| server.get(kind, namespace, name);
        let deployment = of_namespace("Deployment").unwrap_or_else(|| {
            server.create(json!({"apiVersion": "apps/v1", "kind": "Deployment",
                "metadata": {"name": name, "namespace": namespace}, "spec": {}}))
        });
        let set_name = format!("{name}-7f");
        let set = server.get("ReplicaSet", namespace, &set_name).unwrap_or_else(|| {
            server.create(json!({"apiVersion": "apps/v1", "kind": "ReplicaSet", "metadata":
                {"name": set_name, "namespace": namespace, "ownerReferences": [owner(&deployment)]}, "spec": {}}))
        });
        metadata["ownerReferences"] = json!([owner(&set)]);
        metadata["labels"]["pod-template-hash"] = json!("7f");
    }
    put(
        server,
        json!({
            "apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": pod_spec(random), "status": running(random),
        }),
    );
}

fn any_pod(server: &ApiServer, random: &mut Random) -> Option<Value> {
    let pods = server.list("Pod", "");
    let at = usize::try_from(random.below(pods.len().max(1) as u64)).unwrap();
    pods.into_iter().nth(at)
}

fn name_of(object: &Value) -> (String, String) {
    let text = |key: &str| object["metadata"][key].as_str().unwrap_or_default().to_owned();
    (text("namespace"), text("name"))
}

fn change_pod(server: &ApiServer, random: &mut Random) {
    let Some(pod) = any_pod(server, random) else { return };
    let (namespace, name) = name_of(&pod);
    match random.below(4) {
        0 => server.patch("Pod", &namespace, &name, json!({"spec": pod_spec(random)})),
        1 => server.patch("Pod", &namespace, &name, json!({"metadata": {"labels": {"tier": "x"}}})),
        2 => server.patch("Pod", &namespace, &name, json!({"status": {"phase": "Succeeded"}})),
        _ => server.patch("Pod", &namespace, &name, json!({"status": running(random)})),
    };
}

fn scale_or_delete(server: &ApiServer, random: &mut Random) {
    let Some(pod) = any_pod(server, random) else { return };
    let (namespace, name) = name_of(&pod);
    server.delete("Pod", &namespace, &name);
    let workload = name.split("-7f").next().unwrap_or_default();
    if random.below(2) == 0 && server.get("Deployment", &namespace, workload).is_some() {
        // The garbage collector takes with it what belongs to it.
        let of_it = server
            .list("Pod", &namespace)
            .into_iter()
            .filter(|pod| pod["metadata"]["labels"]["app"] == workload);
        of_it.for_each(|pod| drop(server.delete("Pod", &namespace, &name_of(&pod).1)));
        for kind in ["ReplicaSet", "Deployment"] {
            let name = if kind == "Deployment" { workload.to_owned() } else { format!("{workload}-7f") };
            server.delete(kind, &namespace, &name);
        }
    }
}

/// Pods that have ended go, and workloads without pods: what was found in them would stay for a day, which no audit from
/// scratch can know.
pub(crate) fn sweep(server: &ApiServer) {
    for pod in server.list("Pod", "").into_iter().filter(|pod| pod["status"]["phase"] == "Succeeded") {
        let (namespace, name) = name_of(&pod);
        server.delete("Pod", &namespace, &name);
    }
    for deployment in server.list("Deployment", "") {
        let (namespace, name) = name_of(&deployment);
        if server.list("Pod", &namespace).iter().all(|pod| pod["metadata"]["labels"]["app"] != name.as_str())
        {
            server.delete("ReplicaSet", &namespace, &format!("{name}-7f"));
            server.delete("Deployment", &namespace, &name);
        }
    }
}

fn relabel(server: &ApiServer, random: &mut Random, namespace: &str) {
    let labels = match random.below(4) {
        0 => json!({"owner": "team-a"}),
        1 => json!({"owner": "nobody"}),
        2 => json!({"pod-security.kubernetes.io/enforce": "restricted", "owner": "team-a"}),
        _ => json!({"pod-security.kubernetes.io/enforce": "privileged"}),
    };
    put(
        server,
        json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace, "labels": labels}}),
    );
}

fn network_policy(server: &ApiServer, random: &mut Random, namespace: &str) {
    if server.get("NetworkPolicy", namespace, "deny").is_some() && random.below(2) == 0 {
        server.delete("NetworkPolicy", namespace, "deny");
        return;
    }
    put(
        server,
        json!({
            "apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": {"name": "deny", "namespace": namespace},
            "spec": {"podSelector": {}, "policyTypes": [random.pick(&["Ingress", "Egress"])]},
        }),
    );
}

fn delete_namespace(server: &ApiServer, random: &mut Random, namespace: &str) {
    if random.below(3) == 0 && server.get("Namespace", "", namespace).is_some() {
        server.delete("Namespace", "", namespace);
    }
}
