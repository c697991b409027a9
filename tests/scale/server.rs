//! The API server's process. It does what it is told by lines of JSON on standard input, and answers by lines on standard
//! output.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead as _, BufWriter, Write};
use std::net::TcpStream;
use std::path::PathBuf;

use serde_json::{Value, json};
use testkit::apiserver::ApiServer;
use testkit::generate::Cluster;
use tokio::sync::mpsc;
use tokio::time::{Duration, Instant, timeout};

use crate::churn::{Churn, Pace};
use crate::settings::Settings;
use crate::{Failure, Result};

/// The one policy.
pub(crate) const POLICY: &str = "baseline";
/// Changes remembered, as many as a watch cache of the real server holds at most.
const HISTORY: usize = 102_400;
/// How long a new policy may take to be seen in its status.
const STATUS_LIMIT: Duration = Duration::from_secs(120);

pub(crate) fn main(settings: Settings) -> Result<()> {
    let (sender, mut requests) = mpsc::unbounded_channel();
    std::thread::spawn(move || {
        for line in std::io::stdin().lock().lines() {
            let Ok(line) = line else { return };
            if sender.send(line).is_err() {
                return;
            }
        }
    });
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async move {
        let cluster = settings.cluster;
        let mut builder = ApiServer::builder().population(cluster).history(HISTORY).forget_bodies();
        if settings.tls {
            builder = builder.tls();
        }
        if settings.paged {
            builder = builder.without_watch_list();
        }
        let server = builder.start().await;
        fill(&server, &cluster)?;
        let kubeconfig = write_kubeconfig(&server)?;
        say(&json!({"kubeconfig": kubeconfig}))?;
        let mut rig = Rig { server, cluster, churn: Churn::new(cluster), edits: 0 };
        while let Some(line) = requests.recv().await {
            let answer = match serde_json::from_str(&line) {
                Ok(request) => rig.answer(&request).await,
                Err(error) => Err(error.into()),
            };
            say(&answer.unwrap_or_else(|error| json!({"error": error.to_string()})))?;
        }
        Ok(())
    })
}

fn say(answer: &Value) -> Result<()> {
    println!("{answer}");
    Ok(std::io::stdout().flush()?)
}

/// Namespaces, their network policies and the policy; pods are there already.
fn fill(server: &ApiServer, cluster: &Cluster) -> Result<()> {
    let mut text = String::new();
    let typed = |text: &str, api_version: &str, kind: &str| -> Result<Value> {
        let mut object: Value = serde_json::from_str(text)?;
        object["apiVersion"] = api_version.into();
        object["kind"] = kind.into();
        Ok(object)
    };
    for namespace in 0..cluster.namespaces {
        text.clear();
        cluster.namespace(&mut text, namespace);
        server.create(typed(&text, "v1", "Namespace")?);
        for index in 0..cluster.network_policies(namespace) {
            text.clear();
            cluster.network_policy(&mut text, namespace, index);
            server.create(typed(&text, "networking.k8s.io/v1", "NetworkPolicy")?);
        }
    }
    text.clear();
    cluster.policy(&mut text, POLICY, 0);
    server.create(serde_json::from_str(&text)?);
    server.reset_records();
    Ok(())
}

/// Of files that go with the process: the kubeconfig, and the certificate where there is one.
fn write_kubeconfig(server: &ApiServer) -> Result<PathBuf> {
    let folder = std::env::temp_dir().join(format!("revisor-scale-{}", std::process::id()));
    fs::create_dir_all(&folder)?;
    let mut authority = String::new();
    if let Some(certificate) = server.certificate_pem() {
        let path = folder.join("ca.crt");
        fs::write(&path, certificate)?;
        authority = format!(", certificate-authority: {:?}", path.display().to_string());
    }
    let path = folder.join("kubeconfig");
    fs::write(
        &path,
        format!(
            "apiVersion: v1\nkind: Config\ncurrent-context: scale\n\
             clusters:\n- name: scale\n  cluster: {{server: {:?}{authority}}}\n\
             users:\n- name: scale\n  user: {{}}\n\
             contexts:\n- name: scale\n  context: {{cluster: scale, user: scale}}\n",
            server.url()
        ),
    )?;
    Ok(path)
}

struct Rig {
    server: ApiServer,
    cluster: Cluster,
    churn: Churn,
    edits: u32,
}

impl Rig {
    async fn answer(&mut self, request: &Value) -> Result<Value> {
        let number = |name: &str| request[name].as_f64().unwrap_or_default();
        match request["do"].as_str().unwrap_or_default() {
            "churn" => {
                let pace = Pace {
                    rate: number("rate"),
                    seconds: number("seconds"),
                    quiet: request["quiet"] == true,
                    marks: number("marks"),
                };
                Ok(self.churn.run(&self.server, pace).await)
            }
            "settle" => {
                self.churn.settle(&self.server);
                Ok(json!({}))
            }
            "reset" => {
                self.server.reset_records();
                Ok(json!({}))
            }
            "counts" => Ok(self.counts()),
            "expire" => {
                self.server.expire_pods();
                Ok(json!({}))
            }
            "edit" => self.edit().await,
            "dump" => {
                let mut to = BufWriter::with_capacity(1 << 20, TcpStream::connect(text(request, "to"))?);
                match text(request, "what") {
                    "cluster" => self.dump(&mut to)?,
                    kind => each(&self.server, kind, &mut to)?,
                }
                to.flush()?;
                Ok(json!({}))
            }
            other => Err(format!("no such request: {other}").into()),
        }
    }

    /// What clients asked and wrote since the last reset.
    fn counts(&self) -> Value {
        let requests = self.server.requests();
        let requests: BTreeMap<String, u64> =
            requests.counts().map(|(verb, resource, count)| (format!("{verb} {resource}"), count)).collect();
        let mut writes: BTreeMap<String, u64> = BTreeMap::new();
        for write in self.server.writes() {
            *writes.entry(format!("{} {} {}", write.method, write.resource, write.code)).or_default() += 1;
        }
        let policy = self.server.get("ImagePolicy", "", POLICY).unwrap_or_default();
        json!({
            "requests": requests,
            "writes": writes,
            "podLists": self.server.pod_lists(),
            "policyStatus": policy["status"],
        })
    }

    /// Changes the policy and waits until its status says that it was judged.
    async fn edit(&mut self) -> Result<Value> {
        self.edits += 1;
        let mut text = String::new();
        self.cluster.policy(&mut text, POLICY, self.edits);
        let policy: Value = serde_json::from_str(&text)?;
        let begun = Instant::now();
        let edited = self.server.patch("ImagePolicy", "", POLICY, json!({"spec": policy["spec"]}));
        let generation = edited["metadata"]["generation"].as_u64().ok_or("the policy has no generation")?;
        let observed = |server: &ApiServer| {
            let policy = server.get("ImagePolicy", "", POLICY).unwrap_or_default();
            policy["status"]["observedGeneration"].as_u64().is_some_and(|observed| observed >= generation)
        };
        timeout(STATUS_LIMIT, self.server.until(observed))
            .await
            .map_err(|_| "an edit never reached the status")?;
        Ok(json!({"milliseconds": begun.elapsed().as_secs_f64() * 1_000.0}))
    }

    /// All that the policy is judged by, as lines of JSON.
    fn dump(&self, to: &mut impl Write) -> Result<()> {
        for kind in ["ImagePolicy", "Namespace", "NetworkPolicy"] {
            each(&self.server, kind, to)?;
        }
        let written = self.server.each_pod(|pod| writeln!(to, "{pod}").map_err(Failure::from));
        written
    }
}

fn text<'a>(request: &'a Value, name: &str) -> &'a str {
    request[name].as_str().unwrap_or_default()
}

fn each(server: &ApiServer, kind: &str, to: &mut impl Write) -> Result<()> {
    for object in server.list(kind, "") {
        writeln!(to, "{object}")?;
    }
    Ok(())
}
