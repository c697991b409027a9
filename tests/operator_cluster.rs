//! The real operator against a real control plane: what an API server demands and the one in memory does not.

use std::time::Duration;

use kube::config::{KubeConfigOptions, Kubeconfig};
use revisor::operator::{Error, Settings, run_on};
use testkit::controlplane::{ControlPlane, NODE, eventually};

const LIMIT: Duration = Duration::from_secs(60);

const POLICY: &str = "
apiVersion: revisor.dev/v1alpha1
kind: ImagePolicy
metadata: {name: baseline}
spec:
  scope: {includeNamespaces: ['team-*']}
  rules:
    trustedRegistry: {severity: critical, allow: ['registry.example.com/**']}
    defaultDenyIngress: {}
";

fn deployment(image: &str) -> String {
    format!(
        "
apiVersion: apps/v1
kind: Deployment
metadata: {{name: web, namespace: team-a}}
spec:
  replicas: 2
  selector: {{matchLabels: {{app: web}}}}
  template:
    metadata: {{labels: {{app: web}}}}
    spec:
      nodeName: {NODE}
      containers: [{{name: app, image: '{image}'}}]
"
    )
}

/// A running operator; dropping it ends it.
struct Running {
    end: Option<tokio::sync::oneshot::Sender<()>>,
    thread: Option<std::thread::JoinHandle<Result<(), Error>>>,
}

impl Running {
    fn start(cluster: &ControlPlane) -> Self {
        let kubeconfig = cluster.kubeconfig().to_owned();
        let (end, ended) = tokio::sync::oneshot::channel::<()>();
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.expect("a runtime").block_on(async {
                let kubeconfig = Kubeconfig::read_from(kubeconfig).expect("a kubeconfig");
                let options = KubeConfigOptions::default();
                let config = kube::Config::from_custom_kubeconfig(kubeconfig, &options).await;
                let config = config.expect("a configuration");
                let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
                let settings =
                    Settings { status_interval: Duration::from_millis(100), ..Settings::default() };
                let shutdown = async {
                    let _ = ended.await;
                };
                run_on(listener, config, settings, shutdown).await
            })
        });
        Self { end: Some(end), thread: Some(thread) }
    }

    fn stop(mut self) {
        drop(self.end.take());
        let ended = self.thread.take().expect("a thread").join();
        ended.expect("no panic").expect("a clean end");
    }
}

fn violations(cluster: &ControlPlane, count: u64) {
    eventually(&format!("{count} violations in the status"), LIMIT, || {
        cluster.kubectl_json(&["get", "imgpol", "baseline"])["status"]["summary"]["violations"] == count
    });
}

fn install_crds(cluster: &ControlPlane) {
    for name in ["imagepolicies", "namespaceaudits", "exemptions"] {
        let path = format!("{}/crds/revisor.dev_{name}.yaml", env!("CARGO_MANIFEST_DIR"));
        cluster.apply(&std::fs::read_to_string(path).expect("a generated CRD"));
        cluster.await_definitions(&[&format!("{name}.revisor.dev")]);
    }
}

/// Writes to kinds of `revisor.dev` so far: `namespace/resource/subresource`, as far as there is one of each.
fn writes(cluster: &ControlPlane) -> Vec<String> {
    let events = cluster.audit_events();
    let ours = events.iter().filter(|event| {
        event["objectRef"]["apiGroup"] == "revisor.dev"
            && event["stage"] == "ResponseComplete"
            && matches!(event["verb"].as_str(), Some("patch" | "create" | "update" | "delete"))
    });
    let part = |event: &serde_json::Value, name: &str| event["objectRef"][name].as_str().map(str::to_owned);
    let place = |event| -> Vec<String> {
        ["namespace", "resource", "subresource"].into_iter().filter_map(|name| part(event, name)).collect()
    };
    ours.map(|event| place(event).join("/")).collect()
}

/// Those since there were so many, sorted.
fn writes_since(cluster: &ControlPlane, before: usize) -> Vec<String> {
    let mut since = writes(cluster).split_off(before);
    since.sort();
    since
}

#[test]
#[ignore = "needs the real control plane (make e2e)"]
fn an_older_definition_is_said_in_the_status_with_the_command_that_mends_it_and_makes_no_storm() {
    let cluster = ControlPlane::builder().controller_manager(false).kwok(false).audit_log(true).start();
    install_crds(&cluster);
    let older = r#"[{"op": "remove", "path": "/spec/versions/0/schema/openAPIV3Schema/properties/status/properties/rules"}]"#;
    cluster.kubectl_ok(&["patch", "crd", "imagepolicies.revisor.dev", "--type=json", "-p", older]);
    cluster.apply(POLICY);
    let operator = Running::start(&cluster);
    eventually("what is wrong", LIMIT, || {
        let ready = "jsonpath={.status.conditions[?(@.type==\"Ready\")]['reason','message']}";
        let said = cluster.kubectl_ok(&["get", "imgpol", "baseline", "-o", ready]);
        said.contains("CrdTooOld") && said.contains("revisor crd | kubectl apply -f -")
    });
    let before = writes(&cluster).len();
    cluster.create_namespace("elsewhere");
    // What is out of scope changes nothing; what comes after it is written once.
    cluster.create_namespace("team-a");
    violations(&cluster, 1);
    eventually("the NamespaceAudit", LIMIT, || {
        writes_since(&cluster, before).iter().any(|place| place == "team-a/namespaceaudits")
    });
    assert_eq!(writes_since(&cluster, before), ["imagepolicies/status", "team-a/namespaceaudits"]);
    operator.stop();
}

#[test]
#[ignore = "needs the real control plane (make e2e)"]
fn a_violation_is_seen_where_people_look_and_clears_and_a_restart_writes_nothing() {
    let _ = revisor::operator::log::init(revisor::operator::log::Format::Json, "info");
    let cluster = ControlPlane::builder().audit_log(true).start();
    let operator = Running::start(&cluster);
    install_crds(&cluster);
    cluster.apply(POLICY);
    cluster.create_namespace("team-a");
    cluster.apply(&deployment("registry.example.com/x:1"));
    violations(&cluster, 1);

    cluster.apply(&deployment("evil.test/x:1"));
    violations(&cluster, 2);
    eventually("the Event at the Deployment", LIMIT, || {
        cluster.kubectl_ok(&["describe", "deployment", "web", "-n", "team-a"]).contains("TrustedRegistry")
    });
    eventually("both in the NamespaceAudit", LIMIT, || {
        cluster.kubectl_json(&["get", "namespaceaudits", "-n", "team-a"])["items"][0]["summary"]["violations"]
            == 2
    });
    operator.stop();

    let before = writes(&cluster).len();
    let operator = Running::start(&cluster);
    // What comes after the restart is written once, and nothing before it.
    cluster.create_namespace("team-b");
    violations(&cluster, 3);
    eventually("another NamespaceAudit", LIMIT, || {
        writes_since(&cluster, before).iter().any(|place| place == "team-b/namespaceaudits")
    });
    assert_eq!(writes_since(&cluster, before), ["imagepolicies/status", "team-b/namespaceaudits"]);

    cluster.restart_apiserver();
    cluster.apply(&deployment("registry.example.com/x:2"));
    violations(&cluster, 2);
    cluster.kubectl_ok(&["delete", "namespace", "team-a", "--timeout=60s"]);
    violations(&cluster, 1);
    operator.stop();
}
