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

use crate::churn::{Churn, Pace, Step};
use crate::real::Real;
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
        let target = match settings.real {
            true => Target::Real(Box::new(Real::start(&cluster).await?)),
            false => Target::Memory(in_memory(&settings).await?),
        };
        let kubeconfig = match &target {
            Target::Real(real) => real.kubeconfig().to_owned(),
            Target::Memory(server) => write_kubeconfig(server)?,
        };
        say(&json!({"kubeconfig": kubeconfig}))?;
        let mut rig = Rig { target, cluster, churn: Churn::new(cluster), edits: 0 };
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

async fn in_memory(settings: &Settings) -> Result<ApiServer> {
    let mut builder = ApiServer::builder().population(settings.cluster).history(HISTORY).forget_bodies();
    if settings.tls {
        builder = builder.tls();
    }
    if settings.paged {
        builder = builder.without_watch_list();
    }
    let server = builder.start().await;
    fill(&server, &settings.cluster)?;
    Ok(server)
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
    server.create(policy(cluster, 0)?);
    server.reset_records();
    Ok(())
}

/// The policy after so many edits. It has no graces: an audit from scratch does not know since when something is so.
pub(crate) fn policy(cluster: &Cluster, edits: u32) -> Result<Value> {
    let mut text = String::new();
    cluster.policy(&mut text, POLICY, edits);
    let mut policy: Value = serde_json::from_str(&text)?;
    for (rule, grace) in [("digestSkew", "grace"), ("imagePullFailing", "for")] {
        policy["spec"]["rules"][rule][grace] = "0s".into();
    }
    Ok(policy)
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

/// What serves the cluster.
pub(crate) enum Target {
    Memory(ApiServer),
    Real(Box<Real>),
}

impl Target {
    pub(crate) async fn apply(&self, cluster: &Cluster, steps: &[Step]) -> Result<()> {
        match self {
            Self::Real(real) => return real.apply(cluster, steps).await,
            Self::Memory(server) if !steps.is_empty() => server.change_pods(|pods| {
                for step in steps {
                    match *step {
                        Step::Put(index, variation) => pods.put(index, variation),
                        Step::Remove(index, _) => pods.remove(index),
                    }
                }
            }),
            Self::Memory(_) => {}
        }
        Ok(())
    }

    fn reset(&self) {
        match self {
            Self::Memory(server) => server.reset_records(),
            Self::Real(real) => real.reset(),
        }
    }

    /// What clients asked and wrote since the last reset.
    async fn counts(&self) -> Result<Value> {
        match self {
            Self::Memory(server) => Ok(counts(server)),
            Self::Real(real) => real.counts().await,
        }
    }

    async fn edit(&self, spec: Value) -> Result<Duration> {
        match self {
            Self::Memory(server) => edit(server, spec).await,
            Self::Real(real) => real.edit(spec, STATUS_LIMIT).await,
        }
    }

    /// Objects as lines of JSON.
    async fn dump(&self, kinds: &[&str], to: &mut impl Write) -> Result<()> {
        for kind in kinds {
            match self {
                Self::Real(real) => real.dump(kind, to).await?,
                Self::Memory(server) if *kind == "Pod" => {
                    server.each_pod(|pod| writeln!(to, "{pod}").map_err(Failure::from))?;
                }
                Self::Memory(server) => {
                    for object in server.list(kind, "") {
                        writeln!(to, "{object}")?;
                    }
                }
            }
        }
        Ok(to.flush()?)
    }
}

fn counts(server: &ApiServer) -> Value {
    let requests = server.requests();
    let requests: BTreeMap<String, u64> =
        requests.counts().map(|(verb, resource, count)| (format!("{verb} {resource}"), count)).collect();
    let mut writes: BTreeMap<String, u64> = BTreeMap::new();
    for write in server.writes() {
        *writes.entry(format!("{} {} {}", write.method, write.resource, write.code)).or_default() += 1;
    }
    let policy = server.get("ImagePolicy", "", POLICY).unwrap_or_default();
    json!({
        "requests": requests,
        "writes": writes,
        "podLists": server.pod_lists(),
        "policyStatus": policy["status"],
    })
}

/// Changes the policy and waits until its status says that it was judged.
async fn edit(server: &ApiServer, spec: Value) -> Result<Duration> {
    let begun = Instant::now();
    let edited = server.patch("ImagePolicy", "", POLICY, json!({"spec": spec}));
    let generation = edited["metadata"]["generation"].as_u64().ok_or("the policy has no generation")?;
    let observed = |server: &ApiServer| {
        let policy = server.get("ImagePolicy", "", POLICY).unwrap_or_default();
        policy["status"]["observedGeneration"].as_u64().is_some_and(|observed| observed >= generation)
    };
    timeout(STATUS_LIMIT, server.until(observed)).await.map_err(|_| "an edit never reached the status")?;
    Ok(begun.elapsed())
}

struct Rig {
    target: Target,
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
                return self.churn.run(&self.target, pace).await;
            }
            "settle" => self.churn.settle(&self.target).await?,
            "reset" => self.target.reset(),
            "counts" => return self.target.counts().await,
            "expire" => match &self.target {
                Target::Memory(server) => server.expire_pods(),
                Target::Real(_) => return Err("a real server forgets when it likes".into()),
            },
            "edit" => {
                self.edits += 1;
                let took = self.target.edit(policy(&self.cluster, self.edits)?["spec"].take()).await?;
                return Ok(json!({"milliseconds": took.as_secs_f64() * 1_000.0}));
            }
            "dump" => {
                let address = request["to"].as_str().unwrap_or_default();
                let mut to = BufWriter::with_capacity(1 << 20, TcpStream::connect(address)?);
                let kinds = match request["what"].as_str().unwrap_or_default() {
                    "cluster" => &["ImagePolicy", "Namespace", "NetworkPolicy", "Pod"][..],
                    _ => &["NamespaceAudit"][..],
                };
                self.target.dump(kinds, &mut to).await?;
            }
            other => return Err(format!("no such request: {other}").into()),
        }
        Ok(json!({}))
    }
}
