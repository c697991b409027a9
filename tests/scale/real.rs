//! The real control plane as the server: the same pods, loaded and changed through its API, as a scheduler and kubelets
//! would. Nothing of Kubernetes but etcd and the API server runs.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use futures::stream::{self, StreamExt as _, TryStreamExt as _};
use http::Method;
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};
use serde_json::{Value, json};
use testkit::controlplane::ControlPlane;
use testkit::generate::{Cluster, Variation};

use crate::Result;
use crate::churn::Step;
use crate::server::{POLICY, policy};

/// Who is measured, so that the audit log tells its requests from ours.
const USER: &str = "scale-client";
/// Requests under way at once while objects are loaded or changed.
const AT_ONCE: usize = 32;
const POLICIES: &str = "/apis/revisor.dev/v1alpha1/imagepolicies";

pub(crate) struct Real {
    plane: ControlPlane,
    client: Client,
    kubeconfig: PathBuf,
    /// Audit events of before the last reset.
    seen: std::cell::Cell<usize>,
}

impl Real {
    /// Starts it and loads a cluster into it.
    pub(crate) async fn start(cluster: &Cluster) -> Result<Self> {
        let builder = ControlPlane::builder().controller_manager(false).kwok(false).audit_log(true);
        // It would refuse misspelt levels, and pods that keep none: these were there before their namespaces had labels.
        let builder = builder.apiserver_arg("--disable-admission-plugins=PodSecurity");
        let token = format!("scale-{}", std::process::id());
        let plane = builder.user(&token, USER, &["system:masters"]).start();
        let kubeconfig = plane.kubeconfig_with_token(&token);
        let client = client(plane.kubeconfig()).await?;
        for crd in revisor::policy::crd::crds() {
            plane.apply(&serde_json::to_string(&crd)?);
        }
        plane.await_definitions(&[
            "imagepolicies.revisor.dev",
            "namespaceaudits.revisor.dev",
            "exemptions.revisor.dev",
        ]);
        let real = Self { plane, client, kubeconfig, seen: std::cell::Cell::new(0) };
        real.load(cluster).await?;
        real.reset();
        Ok(real)
    }

    pub(crate) fn kubeconfig(&self) -> &Path {
        &self.kubeconfig
    }

    async fn load(&self, cluster: &Cluster) -> Result<()> {
        let mut namespaces = Vec::new();
        let mut text = String::new();
        for namespace in 0..cluster.namespaces {
            text.clear();
            cluster.namespace(&mut text, namespace);
            namespaces.push(("/api/v1/namespaces".to_owned(), bare(&text)?));
        }
        self.each(namespaces.into_iter(), |(path, object)| self.send(Method::POST, path, Some(object)))
            .await?;
        let mut policies = Vec::new();
        for namespace in 0..cluster.namespaces {
            for index in 0..cluster.network_policies(namespace) {
                text.clear();
                cluster.network_policy(&mut text, namespace, index);
                let name = cluster.namespace_name(namespace);
                policies.push((
                    format!("/apis/networking.k8s.io/v1/namespaces/{name}/networkpolicies"),
                    bare(&text)?,
                ));
            }
        }
        self.each(policies.into_iter(), |(path, object)| self.send(Method::POST, path, Some(object))).await?;
        self.each(0..cluster.pods, |index| self.put(cluster, index, Variation::default(), true)).await?;
        let policy = bare(&policy(cluster, 0)?.to_string())?;
        self.send(Method::POST, POLICIES.to_owned(), Some(policy)).await?;
        Ok(())
    }

    async fn each<T, F: Future<Output = Result<Value>>>(
        &self,
        items: impl Iterator<Item = T>,
        work: impl Fn(T) -> F,
    ) -> Result<()> {
        stream::iter(items.map(work))
            .buffer_unordered(AT_ONCE)
            .try_for_each(|_| std::future::ready(Ok(())))
            .await
    }

    /// Does the steps, those of one pod in their order.
    pub(crate) async fn apply(&self, cluster: &Cluster, steps: &[Step]) -> Result<()> {
        let mut by_pod: BTreeMap<usize, Vec<Step>> = BTreeMap::new();
        for step in steps {
            let (Step::Put(index, _) | Step::Remove(index, _)) = step;
            by_pod.entry(*index).or_default().push(*step);
        }
        self.each(by_pod.into_values(), |steps| async move {
            for (number, step) in steps.iter().enumerate() {
                let anew = number > 0 && matches!(steps[number - 1], Step::Remove(..));
                match *step {
                    Step::Put(index, variation) => self.put(cluster, index, variation, anew).await?,
                    Step::Remove(index, variation) => self.remove(cluster, index, variation).await?,
                };
            }
            Ok(Value::Null)
        })
        .await
    }

    /// Makes a pod, or tells how it is now; its status as its kubelet would.
    async fn put(&self, cluster: &Cluster, index: usize, variation: Variation, anew: bool) -> Result<Value> {
        let mut text = String::new();
        cluster.pod(&mut text, index, variation);
        let pod = bare(&text)?;
        let (pods, name) = path_of(&pod);
        let missing = !anew && self.send(Method::GET, format!("{pods}/{name}"), None).await.is_err();
        if anew || missing {
            self.send(Method::POST, pods.clone(), Some(pod.clone())).await?;
        } else {
            let canary = if variation.canary { json!("canary") } else { Value::Null };
            let labels = json!({"metadata": {"labels": {"track": canary}}});
            self.send(Method::PATCH, format!("{pods}/{name}"), Some(labels)).await?;
        }
        let status = json!({"status": pod["status"]});
        self.send(Method::PATCH, format!("{pods}/{name}/status"), Some(status)).await
    }

    async fn remove(&self, cluster: &Cluster, index: usize, variation: Variation) -> Result<Value> {
        let mut text = String::new();
        cluster.pod(&mut text, index, variation);
        let (pods, name) = path_of(&bare(&text)?);
        self.send(Method::DELETE, format!("{pods}/{name}?gracePeriodSeconds=0"), None).await
    }

    async fn send(&self, method: Method, path: String, body: Option<Value>) -> Result<Value> {
        let mut request = http::Request::builder().method(&method).uri(&path);
        if body.is_some() {
            let patch = method == Method::PATCH;
            let media = if patch { "application/merge-patch+json" } else { "application/json" };
            request = request.header(http::header::CONTENT_TYPE, media);
        }
        let body = body.map(|body| body.to_string().into_bytes()).unwrap_or_default();
        let answer = self.client.request::<Value>(request.body(body)?).await;
        answer.map_err(|error| format!("{method} {path}: {error}").into())
    }

    pub(crate) fn reset(&self) {
        self.seen.set(self.plane.audit_events().len());
    }

    /// The measured client's requests and writes since the last reset.
    pub(crate) async fn counts(&self) -> Result<Value> {
        let mut requests: BTreeMap<String, u64> = BTreeMap::new();
        let mut writes: BTreeMap<String, u64> = BTreeMap::new();
        for event in self.plane.audit_events().iter().skip(self.seen.get()) {
            if event["user"]["username"] != USER {
                continue;
            }
            let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
            let (verb, mut resource) = (text(&event["verb"]), text(&event["objectRef"]["resource"]));
            if let Some(part) = event["objectRef"]["subresource"].as_str() {
                resource = format!("{resource}/{part}");
            }
            *requests.entry(format!("{verb} {resource}")).or_default() += 1;
            if matches!(&*verb, "create" | "update" | "patch" | "delete") && !resource.contains("reviews") {
                let method = match &*verb {
                    "create" => "POST",
                    "update" => "PUT",
                    "patch" => "PATCH",
                    _ => "DELETE",
                };
                let code = &event["responseStatus"]["code"];
                *writes.entry(format!("{method} {resource} {code}")).or_default() += 1;
            }
        }
        let policy = self.send(Method::GET, format!("{POLICIES}/{POLICY}"), None).await?;
        Ok(json!({"requests": requests, "writes": writes, "policyStatus": policy["status"]}))
    }

    /// Changes the policy and waits until its status says that it was judged.
    pub(crate) async fn edit(&self, spec: Value, limit: Duration) -> Result<Duration> {
        let begun = Instant::now();
        let path = format!("{POLICIES}/{POLICY}");
        let edited = self.send(Method::PATCH, path.clone(), Some(json!({"spec": spec}))).await?;
        let generation = edited["metadata"]["generation"].as_u64();
        while begun.elapsed() < limit {
            let policy = self.send(Method::GET, path.clone(), None).await?;
            if policy["status"]["observedGeneration"].as_u64() >= generation {
                return Ok(begun.elapsed());
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        Err("an edit never reached the status".into())
    }

    /// Writes every object of a kind, as lines of JSON.
    pub(crate) async fn dump(&self, kind: &str, to: &mut impl Write) -> Result<()> {
        let (api_version, plural) = match kind {
            "Namespace" => ("v1", "namespaces"),
            "Pod" => ("v1", "pods"),
            "NetworkPolicy" => ("networking.k8s.io/v1", "networkpolicies"),
            "ImagePolicy" => ("revisor.dev/v1alpha1", "imagepolicies"),
            "NamespaceAudit" => ("revisor.dev/v1alpha1", "namespaceaudits"),
            other => return Err(format!("no such kind: {other}").into()),
        };
        let root = if api_version.contains('/') { "/apis" } else { "/api" };
        let mut next = String::new();
        loop {
            let path = format!("{root}/{api_version}/{plural}?limit=500{next}");
            let mut list = self.send(Method::GET, path, None).await?;
            for object in list["items"].as_array_mut().into_iter().flatten() {
                object["apiVersion"] = api_version.into();
                object["kind"] = kind.into();
                writeln!(to, "{object}")?;
            }
            match list["metadata"]["continue"].as_str().filter(|token| !token.is_empty()) {
                Some(token) => next = format!("&continue={token}"),
                None => return Ok(()),
            }
        }
    }
}

async fn client(kubeconfig: &Path) -> Result<Client> {
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let kubeconfig = Kubeconfig::read_from(kubeconfig)?;
    let config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await?;
    Ok(Client::try_from(config)?)
}

/// An object without what the server gives.
fn bare(text: &str) -> Result<Value> {
    let mut object: Value = serde_json::from_str(text)?;
    if let Some(metadata) = object["metadata"].as_object_mut() {
        for given in ["uid", "resourceVersion", "creationTimestamp", "generation", "managedFields"] {
            metadata.remove(given);
        }
    }
    Ok(object)
}

/// The path of its collection, and its name.
fn path_of(pod: &Value) -> (String, String) {
    let text = |field: &str| pod["metadata"][field].as_str().unwrap_or_default().to_owned();
    (format!("/api/v1/namespaces/{}/pods", text("namespace")), text("name"))
}
