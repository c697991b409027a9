//! `make demo`: the real operator against an in-memory API server with a small cluster that lives.
//!
//! It prints what a cluster admin would see: the policy as `kubectl get imagepolicies` shows it, Events as they
//! come, and the address of /metrics. Ctrl-C ends it; without a terminal it ends after the last scene.

#![expect(clippy::print_stdout, reason = "a demo talks")]

use std::collections::BTreeSet;
use std::error::Error;
use std::io::IsTerminal as _;
use std::net::{SocketAddr, TcpListener};
use std::time::{Duration, Instant};

use revisor::operator::{self, Settings};
use revisor::policy::status::ImagePolicyStatus;
use revisor::report::columns::Colour;
use revisor::report::policies::{PolicyRow, policies_table};
use serde_json::{Value, json};
use testkit::apiserver::ApiServer;
use tokio::time::sleep;

const CLUSTER: &str = include_str!("demo/cluster.yaml");
const POLICY: &str = include_str!("demo/policy.yaml");
const GOOD: &str = "a3c2";
const OTHER: &str = "b7d9";

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let _ = tracing_subscriber::fmt().with_env_filter("warn").with_writer(std::io::stderr).try_init();
    let server = ApiServer::builder().on_own_thread().start().await;
    for crd in revisor::policy::crd::crds() {
        server.create(serde_json::to_value(crd)?);
    }
    server.apply(CLUSTER);
    start_pods(&server);
    server.apply(POLICY);

    let listen = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
    let config = kube::Config::new(server.url().parse()?);
    let settings = Settings { listen, status_interval: Duration::from_secs(1), ..Settings::default() };
    println!("API server (in memory)  {}", server.url());
    println!("metrics                 http://{listen}/metrics");
    let ended = operator::run(config, settings, scenes(server, listen));
    ended.await?;
    println!("\nThe operator has ended.");
    Ok(())
}

/// One scene after the other; then waits for Ctrl-C where somebody can press it.
async fn scenes(server: ApiServer, listen: SocketAddr) {
    let play = async {
        let mut screen = Screen { server: server.clone(), started: Instant::now(), seen: BTreeSet::new() };
        screen.scene("The first audit: what the cluster looks like", || {}).await;
        screen
            .scene("A rollout: payments/ledger now runs an image from a registry that nobody trusts", || {
                roll_out(&server, "payments", "ledger", "66b9fd", 2, "evil.test/ledger:2.0", OTHER);
            })
            .await;
        screen
            .scene(
                "Somebody moved the tag 1.27 of nginx: one of three pods of shop/web runs another content",
                || {
                    put_pod(&server, "shop", "web", "5d4f7c", 1, "docker.io/library/nginx:1.27", OTHER);
                },
            )
            .await;
        screen
            .scene("Namespace shop loses its Pod Security label", || {
                server.patch(
                    "Namespace",
                    "",
                    "shop",
                    json!({"metadata": {"labels": {"pod-security.kubernetes.io/enforce": null}}}),
                );
            })
            .await;
        screen
            .scene("Those three are mended: a trusted image, the new content everywhere, the label", || {
                let trusted = "registry.example.com/payments/ledger:2.1";
                roll_out(&server, "payments", "ledger", "7c8d45", 2, trusted, GOOD);
                roll_out(&server, "shop", "web", "84f6b7", 3, "docker.io/library/nginx:1.27", OTHER);
                server.patch(
                    "Namespace",
                    "",
                    "shop",
                    json!({"metadata": {"labels": {"pod-security.kubernetes.io/enforce": "restricted"}}}),
                );
            })
            .await;
        println!(
            "\nA resolved violation is told after a hold-down of 15 s, so that one that flaps is not told at all."
        );
        sleep(Duration::from_secs(16)).await;
        screen.show().await;
        if std::io::stdin().is_terminal() {
            println!("\nThe cluster is quiet now. Look at http://{listen}/metrics; Ctrl-C ends the demo.");
            std::future::pending::<()>().await;
        }
    };
    tokio::select! {
        () = play => {}
        _ = tokio::signal::ctrl_c() => {}
    }
}

/// What a cluster admin would see.
struct Screen {
    server: ApiServer,
    started: Instant,
    seen: BTreeSet<String>,
}

impl Screen {
    async fn scene(&mut self, title: &str, change: impl FnOnce()) {
        println!("\n=== {title}");
        change();
        // Verdicts are there within milliseconds; the status of a policy is written once a second here.
        sleep(Duration::from_millis(2500)).await;
        self.show().await;
    }

    /// The policy table, then the Events that are new.
    async fn show(&mut self) {
        println!("\n$ kubectl get imagepolicies.revisor.dev");
        let policies = self.server.list("ImagePolicy", "");
        let named: Vec<(String, Option<ImagePolicyStatus>)> = policies
            .iter()
            .map(|policy| {
                let name = policy["metadata"]["name"].as_str().unwrap_or_default().to_owned();
                (name, serde_json::from_value(policy["status"].clone()).ok())
            })
            .collect();
        let age = Some(self.started.elapsed());
        let rows: Vec<_> =
            named.iter().map(|(name, status)| PolicyRow { name, status: status.as_ref(), age }).collect();
        print!("{}", policies_table(&rows, Colour::Never));
        let events = self.server.list("Event", "");
        for event in events {
            let name = event["metadata"]["name"].as_str().unwrap_or_default().to_owned();
            if self.seen.insert(name) {
                let text = |pointer: &str| {
                    event.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned()
                };
                let note = text("/message");
                println!(
                    "\nEvent  {}  {}  {}/{} in {}\n       {}",
                    text("/type"),
                    text("/reason"),
                    text("/involvedObject/kind"),
                    text("/involvedObject/name"),
                    text("/metadata/namespace"),
                    note.lines().next().unwrap_or_default(),
                );
            }
        }
    }
}

fn start_pods(server: &ApiServer) {
    roll_out(server, "shop", "web", "5d4f7c", 3, "docker.io/library/nginx:1.27", GOOD);
    roll_out(server, "shop", "cart", "6b7f98", 2, "registry.example.com/shop/cart:latest", GOOD);
    roll_out(server, "payments", "ledger", "5f9c4d", 2, "registry.example.com/payments/ledger:1.9", GOOD);
}

/// Pods of a new ReplicaSet, `template` being the hash in its name, in place of those of the one before.
fn roll_out(
    server: &ApiServer,
    namespace: &str,
    deployment: &str,
    template: &str,
    replicas: u32,
    image: &str,
    content: &str,
) {
    for index in 0..replicas {
        put_pod(server, namespace, deployment, template, index, image, content);
    }
    let is_former = |pod: &&Value| {
        pod["metadata"]["labels"]["app"] == deployment
            && pod["metadata"]["labels"]["pod-template-hash"] != template
    };
    for pod in server.list("Pod", namespace).iter().filter(is_former) {
        server.delete("Pod", namespace, pod["metadata"]["name"].as_str().unwrap_or_default());
    }
}

/// A running pod of a Deployment, as a kubelet reports it.
fn put_pod(
    server: &ApiServer,
    namespace: &str,
    deployment: &str,
    template: &str,
    index: u32,
    image: &str,
    content: &str,
) {
    let repository = image.rsplit_once(':').map_or(image, |(repository, _)| repository);
    let digest = content.repeat(16);
    let name = format!("{deployment}-{template}-{index}");
    let pod = json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {
            "name": name, "namespace": namespace, "labels": {"app": deployment, "pod-template-hash": template},
            "ownerReferences": [{
                "apiVersion": "apps/v1", "kind": "ReplicaSet", "name": format!("{deployment}-{template}"),
                "uid": format!("{deployment}-{template}"), "controller": true,
            }],
        },
        "spec": {"containers": [{"name": "app", "image": image, "imagePullPolicy": "Always"}]},
        "status": {
            "phase": "Running",
            "containerStatuses": [{
                "name": "app", "image": image, "imageID": format!("{repository}@sha256:{digest}"), "state": {"running": {}},
            }],
        },
    });
    match server.get("Pod", namespace, &name) {
        Some(mut old) => {
            old["spec"] = pod["spec"].clone();
            old["status"] = pod["status"].clone();
            server.update(old);
        }
        None => {
            server.create(pod);
        }
    }
}
