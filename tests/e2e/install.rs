//! What is shipped under `deploy/` installs, suffices, and is not more than that.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};
use testkit::controlplane::{ControlPlane, NODE};

use crate::objects::{
    EVIL, TRUST, TRUSTED, cron_job, delegating, deny_ingress, deployment, exemption, pod, policy,
};
use crate::operator::Operator;
use crate::wait::{check, until};
use crate::world::{
    await_audited, await_event, await_findings, await_violations, deploy_folder, install, installed, object,
    text,
};

const ACCOUNT: &str = "system:serviceaccount:revisor-system:revisor";

/// Verb and resource of a request.
type Use = (String, String);

/// What the operator asked of the API server so far, with the status codes it got.
fn uses(cluster: &ControlPlane) -> BTreeMap<Use, BTreeSet<u64>> {
    let mut uses: BTreeMap<Use, BTreeSet<u64>> = BTreeMap::new();
    for event in cluster.audit_events().iter().filter(|event| event["user"]["username"] == ACCOUNT) {
        let word = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let object = &event["objectRef"];
        let mut resource = format!("{}/{}", word(&object["apiGroup"]), word(&object["resource"]));
        if let Some(part) = object["subresource"].as_str() {
            resource = format!("{resource}/{part}");
        }
        let code = event["responseStatus"]["code"].as_u64().unwrap_or_default();
        uses.entry((word(&event["verb"]), resource)).or_default().insert(code);
    }
    uses
}

/// The ClusterRoles, tier by tier.
const ROLES: [&str; 6] = [
    "revisor",
    "revisor-tier1-namespaces",
    "revisor-tier2-rbac",
    "revisor-tier3-admission",
    "revisor-tier4-workloads",
    "revisor-tier5-nodes",
];

/// Grants the tiers that are not installed with the operator.
#[track_caller]
fn grant_all_tiers(cluster: &ControlPlane) {
    for file in ["2-rbac", "3-admission", "4-workloads", "5-nodes"] {
        cluster.kubectl_ok(&["apply", "-f", &format!("{}/tiers/{file}.yaml", deploy_folder())]);
    }
}

/// What the ClusterRoles grant, and the Roles in the operator's own namespace, in the same words.
fn grants(cluster: &ControlPlane) -> BTreeSet<Use> {
    let mut roles =
        ROLES.map(|role| object(cluster, &["clusterrole", role]).expect("the shipped ClusterRole")).to_vec();
    for own in ["revisor-leader-election", "revisor-record"] {
        let role = ["role", own, "-n", "revisor-system"];
        roles.push(object(cluster, &role).expect("the shipped Role"));
    }
    let rules: Vec<Value> =
        roles.iter().flat_map(|role| role["rules"].as_array().expect("rules").clone()).collect();
    let list = |value: &Value| -> Vec<String> {
        let items = value.as_array().map_or(&[][..], Vec::as_slice);
        items.iter().filter_map(|item| item.as_str().map(str::to_owned)).collect()
    };
    let mut grants = BTreeSet::new();
    for rule in &rules {
        for group in list(&rule["apiGroups"]) {
            for resource in list(&rule["resources"]) {
                for verb in list(&rule["verbs"]) {
                    grants.insert((verb, format!("{group}/{resource}")));
                }
            }
        }
    }
    grants
}

/// Rules that together read every kind of every tier.
const READ_ALL: &str = "{defaultDenyEgress: {adminPolicies: true}, networkPolicyCoversPods: {}, resourceQuotaPresent: {}, \
    limitRangePresent: {}, defaultServiceAccountTokenOff: {}, externalExposure: {}, noClusterAdminRoleBinding: {}, \
    noWildcardRole: {}, admissionCoverage: {}, podImageMatchesOwner: {}, \
    nodeImageUntrusted: {allow: [registry.example]}}";

/// Groups of kinds that nobody has installed here: they are granted, looked for, and not watched.
const NOT_INSTALLED: [&str; 4] =
    ["policy.networking.k8s.io/", "cilium.io/", "crd.projectcalico.org/", "projectcalico.org/"];

/// All that an operator can meet: every kind of subject, found and mended.
#[track_caller]
fn live_through(cluster: &ControlPlane) {
    let name = "install";
    let rules = "{trustedRegistry: {allow: [registry.example]}, defaultDenyIngress: {}, defaultDenyEgress: {enabled: false}}";
    cluster.apply(&policy(name, name, rules));
    await_audited(cluster, name);
    cluster.create_namespace(name);
    let others = |image: &str| {
        deployment(name, "set", image).replace("kind: Deployment", "kind: StatefulSet")
            + &deployment(name, "daemon", image)
                .replace("kind: Deployment", "kind: DaemonSet")
                .replace("  replicas: 2\n", "")
    };
    let all =
        |image: &str| deployment(name, "web", image) + &cron_job(name, "nightly", image) + &others(image);
    cluster.apply(&(all(EVIL) + &pod(name, "bare", EVIL)));
    cluster.kubectl_ok(&["create", "job", "nightly-1", "--from=cronjob/nightly", "-n", name]);
    let subjects = ["Deployment/web", "CronJob/nightly", "StatefulSet/set", "DaemonSet/daemon", "Pod/bare"];
    let mut expected: Vec<String> =
        subjects.iter().map(|subject| format!("TrustedRegistry {subject} fail")).collect();
    expected.push(format!("DefaultDenyIngress Namespace/{name} fail"));
    await_findings(cluster, name, &expected.iter().map(|line| &**line).collect::<Vec<_>>());
    for subject in subjects {
        await_event(cluster, name, "Warning", subject, "TrustedRegistry");
    }

    cluster.apply(&(all(TRUSTED) + &deny_ingress(name)));
    cluster.kubectl_ok(&["create", "job", "nightly-2", "--from=cronjob/nightly", "-n", name]);
    cluster.kubectl_ok(&["set", "image", "pod/bare", &format!("main={TRUSTED}"), "-n", name]);
    await_findings(cluster, name, &[]);
    await_violations(cluster, name, 0);
    await_event(cluster, name, "Normal", "Deployment/web", "TrustedRegistry");
    workloads_that_are_gone(cluster, name);
}

/// A workload that is gone while its finding is dormant is looked up; so is one that is still there.
#[track_caller]
fn workloads_that_are_gone(cluster: &ControlPlane, name: &str) {
    let of_kind = |kind: &str| {
        let kinds = format!("kind: {kind}");
        let set = deployment(name, "gone", EVIL).replace("kind: Deployment", &kinds);
        if kind == "DaemonSet" { set.replace("  replicas: 2\n", "") } else { set }
    };
    let sets = ["StatefulSet", "DaemonSet", "ReplicaSet"].map(of_kind).concat();
    let controller = of_kind("ReplicationController")
        .replace("apps/v1", "v1")
        .replace("{matchLabels: {app: gone}}", "{app: gone}");
    let gone = sets + &controller + &cron_job(name, "gone", EVIL);
    cluster.apply(&gone);
    cluster.kubectl_ok(&["create", "job", "gone-1", "--from=cronjob/gone", "-n", name]);
    cluster.apply(&format!(
        "apiVersion: batch/v1
kind: Job
metadata: {{name: stays, namespace: {name}}}
spec:
  template:
    spec:
      nodeName: {NODE}
      restartPolicy: Never
      containers: [{{name: main, image: '{EVIL}'}}]
"
    ));
    let found = |kind: &str| format!("TrustedRegistry {kind} fail");
    let kinds = ["StatefulSet", "DaemonSet", "ReplicaSet", "ReplicationController", "CronJob"];
    let stays = found("Job/stays");
    let mut expected: Vec<String> = kinds.iter().map(|kind| found(&format!("{kind}/gone"))).collect();
    expected.push(stays.clone());
    await_findings(cluster, name, &expected.iter().map(|line| &**line).collect::<Vec<_>>());
    let deleted = cluster.kubectl_with_input(&["delete", "--wait=false", "-f", "-"], &gone);
    assert!(deleted.status.success(), "{}", text(&deleted.stderr));
    await_findings(cluster, name, &[&stays]);
    until("the job that stays is looked up", || {
        let looked = uses(cluster).contains_key(&("get".to_owned(), "batch/jobs".to_owned()));
        check(looked, || format!("{:?}", uses(cluster)))
    });
}

#[test]
#[ignore = "needs the real control plane (make e2e)"]
#[expect(clippy::print_stdout, reason = "for who trims the ClusterRole")]
fn the_shipped_rights_suffice_and_are_all_that_is_used() {
    let (cluster, kubeconfig) = installed(ControlPlane::builder().audit_log(true));
    grant_all_tiers(&cluster);
    cluster.apply(&policy("tiers", "kube-public", READ_ALL));
    // Workloads without pods are read only by a policy that includes their templates.
    let templates = policy("templates", "kube-public", TRUST);
    cluster.apply(&templates.replace("scope: {", "scope: {includeTemplates: true, "));
    cluster.create_namespace("asks");
    cluster.apply(&delegating("asks", "asks", "{rules: [TrustedRegistry], approval: None}"));
    cluster.apply(&exemption("asks", "bare", "TrustedRegistry"));
    let own = ["--leader-elect", "--lease-namespace=revisor-system", "--record-namespace=revisor-system"];
    let operator = Operator::start(&kubeconfig, &own);
    await_audited(&cluster, "tiers");
    live_through(&cluster);
    let complaints = operator.log_lines("orbidden");
    assert!(complaints.is_empty(), "{complaints:?}");
    operator.terminate();

    let (uses, grants) = (uses(&cluster), grants(&cluster));
    let refused: Vec<_> = uses.iter().filter(|(_, codes)| codes.contains(&403)).collect();
    assert!(refused.is_empty(), "{refused:?}");
    let beyond: Vec<_> =
        uses.keys().filter(|&used| !grants.contains(used) && !used.1.ends_with("/")).collect();
    println!("used, and granted by somebody else (every account may): {beyond:?}");
    let unused: Vec<_> = grants.iter().filter(|&granted| !uses.contains_key(granted)).collect();
    println!("granted and never used: {unused:?}");
    // The authorizer asks for these without an entry of its own in the audit log: `create` of whoever applies what
    // is not there yet. The others are for servers that do not stream lists, and for a status write in conflict.
    let rare = |granted: &&Use| {
        granted.0 == "list"
            || NOT_INSTALLED.iter().any(|group| granted.1.starts_with(group))
            || matches!(
                (&*granted.0, &*granted.1),
                ("create", "revisor.dev/namespaceaudits") | ("get", "revisor.dev/imagepolicies")
            )
    };
    let superfluous: Vec<_> = unused.into_iter().filter(|granted| !rare(granted)).collect();
    assert!(superfluous.is_empty(), "{superfluous:?}");
    assert!(beyond.iter().all(|used| used.1.ends_with("selfsubjectaccessreviews")), "{beyond:?}");
}

#[test]
#[ignore = "needs the real control plane (make e2e)"]
fn the_installation_can_be_applied_again_and_its_pod_is_admitted_without_a_warning() {
    let cluster = ControlPlane::builder().kwok(false).start();
    install(&cluster);
    let again = cluster.kubectl(&["apply", "-k", &deploy_folder()]);
    assert!(again.status.success(), "{}", text(&again.stderr));
    assert!(
        !text(&again.stdout).contains("configured"),
        "the second time changes nothing: {}",
        text(&again.stdout)
    );
    let server_side =
        cluster.kubectl(&["apply", "--server-side", "--force-conflicts", "-k", &deploy_folder()]);
    assert!(server_side.status.success(), "{}", text(&server_side.stderr));
    assert!(!text(&server_side.stderr).contains("Warning"), "{}", text(&server_side.stderr));

    let namespace = object(&cluster, &["namespace", "revisor-system"]).expect("the namespace");
    let labels = &namespace["metadata"]["labels"];
    assert_eq!(labels["pod-security.kubernetes.io/enforce"], "restricted", "{labels}");
    let deployment =
        object(&cluster, &["deployment", "revisor", "-n", "revisor-system"]).expect("the Deployment");
    let pod = json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "dry-run", "namespace": "revisor-system"},
        "spec": deployment["spec"]["template"]["spec"],
    });
    let admitted = cluster.kubectl_with_input(&["create", "--dry-run=server", "-f", "-"], &pod.to_string());
    assert!(admitted.status.success(), "{}", text(&admitted.stderr));
    assert_eq!(text(&admitted.stderr), "", "no warning");
    until("the controller created its pod", || {
        let list = cluster.kubectl_json(&["get", "pods", "-n", "revisor-system"]);
        let pods = list["items"].as_array().map_or(0, Vec::len);
        check(pods == 1, || cluster.kubectl_ok(&["get", "events", "-n", "revisor-system"]))
    });
    let spec = &deployment["spec"]["template"]["spec"]["containers"][0];
    assert_eq!(spec["securityContext"]["readOnlyRootFilesystem"], true, "{spec}");
}

#[test]
#[ignore = "needs the real control plane (make e2e)"]
fn the_shipped_policies_are_accepted_and_ready() {
    let (cluster, kubeconfig) = installed(ControlPlane::builder().kwok(false));
    grant_all_tiers(&cluster);
    let operator = Operator::start(&kubeconfig, &[]);
    let folder = format!("{}/policies", deploy_folder());
    let applied = cluster.kubectl(&["apply", "-f", &folder]);
    assert!(applied.status.success(), "{}", text(&applied.stderr));
    let list = cluster.kubectl_json(&["get", "imagepolicies.revisor.dev"]);
    let names: Vec<_> = list["items"]
        .as_array()
        .expect("policies")
        .iter()
        .map(|item| item["metadata"]["name"].clone())
        .collect();
    assert!(names.len() > 3, "{names:?}");
    for name in &names {
        let policy = await_audited(&cluster, name.as_str().unwrap_or_default());
        let ready = crate::world::condition(&policy, "Ready");
        assert_eq!(
            (&ready["status"], &ready["reason"]),
            (&"True".into(), &"Audited".into()),
            "{name}: {ready}"
        );
    }
    operator.terminate();
}
