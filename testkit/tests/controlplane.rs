//! The real control plane itself: that it does what the tests which use it count on.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use testkit::controlplane::{self, ControlPlane, IMAGE_ID_ANNOTATION, NODE, eventually};

const LIMIT: Duration = Duration::from_secs(60);

fn deployment(namespace: &str, image_id: &str) -> String {
    format!(
        "apiVersion: apps/v1
kind: Deployment
metadata: {{name: web, namespace: {namespace}}}
spec:
  selector: {{matchLabels: {{app: web}}}}
  template:
    metadata:
      labels: {{app: web}}
      annotations: {{{IMAGE_ID_ANNOTATION}: '{image_id}', {IMAGE_ID_ANNOTATION}.proxy: ''}}
    spec:
      nodeName: {NODE}
      initContainers:
      - {{name: prepare, image: registry.example/prepare:1}}
      - {{name: proxy, image: registry.example/proxy:1, restartPolicy: Always}}
      containers:
      - name: web
        image: registry.example/web:1
        securityContext: {{privileged: true}}
"
    )
}

#[test]
#[ignore = "needs the real control plane (make e2e)"]
fn a_deployment_gets_a_running_pod_with_the_image_id_it_asks_for() {
    let cluster = controlplane::shared();
    cluster.create_namespace("running");
    let digest = format!("registry.example/web@sha256:{}", "a".repeat(64));
    cluster.apply(&deployment("running", &digest));

    let pods = || cluster.kubectl_json(&["get", "pods", "-n", "running"]);
    eventually("the pod runs", LIMIT, || pods()["items"][0]["status"]["phase"] == "Running");
    let pod = &pods()["items"][0];
    let main = &pod["status"]["containerStatuses"][0];
    assert_eq!(main["imageID"], digest.as_str());
    assert_eq!(main["image"], "registry.example/web:1");
    assert_eq!(main["ready"], true);
    let init = &pod["status"]["initContainerStatuses"];
    assert_eq!(init[0]["state"]["terminated"]["exitCode"], 0);
    assert!(init[1]["state"]["running"]["startedAt"].is_string());
    assert_eq!(pod["metadata"]["ownerReferences"][0]["kind"], "ReplicaSet");

    eventually("the Deployment is available", LIMIT, || {
        cluster.kubectl_json(&["get", "deployment", "web", "-n", "running"])["status"]["availableReplicas"]
            == 1
    });
    cluster.kubectl_ok(&["delete", "namespace", "running", "--wait=true", "--timeout=60s"]);
}

#[test]
#[ignore = "needs the real control plane (make e2e)"]
fn a_bare_pod_without_the_annotation_has_no_image_id_and_can_be_deleted() {
    let cluster = controlplane::shared();
    cluster.create_namespace("bare");
    cluster.apply(&format!(
        "apiVersion: v1
kind: Pod
metadata: {{name: one, namespace: bare}}
spec:
  nodeName: {NODE}
  containers:
  - {{name: main, image: 'registry.example/main:1'}}
"
    ));
    let pod = || cluster.kubectl_json(&["get", "pod", "one", "-n", "bare"]);
    eventually("the pod runs", LIMIT, || pod()["status"]["phase"] == "Running");
    assert_eq!(pod()["status"]["containerStatuses"][0]["imageID"], "");
    cluster.kubectl_ok(&["delete", "pod", "one", "-n", "bare", "--timeout=60s"]);
}

#[test]
#[ignore = "needs the real control plane (make e2e)"]
fn a_service_account_may_do_what_rbac_grants_and_no_more() {
    let cluster = controlplane::shared();
    cluster.create_namespace("rbac");
    cluster.apply(
        "apiVersion: v1
kind: ServiceAccount
metadata: {name: reader, namespace: rbac}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: reader, namespace: rbac}
rules:
- {apiGroups: [''], resources: [pods], verbs: [list]}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: reader, namespace: rbac}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: reader}
subjects:
- {kind: ServiceAccount, name: reader, namespace: rbac}
",
    );
    let token = cluster.token_for_service_account("rbac", "reader");
    let kubeconfig = cluster.kubeconfig_with_token(&token);
    let as_reader = |resource: &str| {
        let kubeconfig = format!("--kubeconfig={}", kubeconfig.display());
        cluster.kubectl(&[&kubeconfig, "get", resource, "-n", "rbac"])
    };
    eventually("the role counts", LIMIT, || as_reader("pods").status.success());
    let refused = as_reader("configmaps");
    assert!(!refused.status.success());
    let message = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(message.contains("system:serviceaccount:rbac:reader"), "{message}");
}

#[test]
#[ignore = "needs the real control plane (make e2e)"]
fn data_outlives_a_restart_and_nothing_outlives_the_drop() {
    let cluster = ControlPlane::builder()
        .controller_manager(false)
        .kwok(false)
        .audit_log(true)
        .feature_gate("WatchList", false)
        .user("alices-token", "alice", &["readers"])
        .start();
    cluster.kubectl_ok(&["create", "configmap", "kept", "--from-literal=a=b"]);
    assert_eq!(cluster.ca_pem().matches("BEGIN CERTIFICATE").count(), 1);

    let kubeconfig = cluster.kubeconfig_with_token("alices-token");
    let alice = cluster.kubectl(&[&format!("--kubeconfig={}", kubeconfig.display()), "get", "configmaps"]);
    assert!(String::from_utf8_lossy(&alice.stderr).contains("User \"alice\" cannot list"));
    eventually("the refusal is recorded", LIMIT, || {
        cluster.audit_events().iter().any(|event| {
            event["user"]["username"] == "alice"
                && event["verb"] == "list"
                && event["objectRef"]["resource"] == "configmaps"
                && event["responseStatus"]["code"] == 403
        })
    });

    cluster.stop_apiserver();
    assert!(!cluster.kubectl(&["get", "configmap", "kept"]).status.success());
    cluster.start_apiserver();
    let kept = cluster.kubectl_json(&["get", "configmap", "kept"]);
    assert_eq!(kept["data"]["a"], "b");
    cluster.restart_apiserver();
    cluster.kubectl_ok(&["get", "configmap", "kept"]);

    let folder = cluster.folder().to_owned();
    assert_ne!(programs_in(&folder), "");
    drop(cluster);
    assert!(!folder.exists(), "{} is left", folder.display());
    assert_eq!(programs_in(&folder), "");
}

/// The same test binary, run as a child that starts a control plane and waits to be
/// killed, when this variable says so.
const VICTIM: &str = "TESTKIT_CONTROLPLANE_VICTIM";

#[test]
#[ignore = "needs the real control plane (make e2e)"]
fn nothing_outlives_a_killed_test_process() {
    if let Some(told) = std::env::var_os(VICTIM) {
        let cluster = ControlPlane::builder().kwok(false).start();
        std::fs::write(told, cluster.folder().display().to_string()).expect("telling the folder");
        std::thread::sleep(LIMIT);
        panic!("nobody killed the victim");
    }
    let told = std::env::temp_dir().join(format!("testkit-victim-{}", std::process::id()));
    let mut victim = Command::new(std::env::current_exe().expect("the test's own path"))
        .args(["--ignored", "--exact", "nothing_outlives_a_killed_test_process"])
        .env(VICTIM, &told)
        .stdout(Stdio::null())
        .spawn()
        .expect("starting the victim");
    let folder = || std::fs::read_to_string(&told).unwrap_or_default();
    eventually("the victim's cluster is up", LIMIT, || !folder().is_empty());
    let folder = folder();
    let _ = std::fs::remove_file(&told);
    let folder = Path::new(&folder);
    assert_ne!(programs_in(folder), "");

    victim.kill().expect("killing the victim");
    victim.wait().expect("waiting for the victim");
    eventually("its programs and its folder are gone", LIMIT, || {
        programs_in(folder).is_empty() && !folder.exists()
    });
}

/// The command lines of processes that name the folder.
fn programs_in(folder: &Path) -> String {
    let name = folder.file_name().expect("a name").to_string_lossy();
    let ps = Command::new("ps").args(["-eww", "-o", "args"]).output().expect("running ps");
    String::from_utf8_lossy(&ps.stdout)
        .lines()
        .filter(|line| line.contains(&*name))
        .collect::<Vec<_>>()
        .join("\n")
}
