//! A synthetic cluster of any size, the same on every run: pods of about 10 kB as a 1.37 API server encodes
//! them, namespaces, network policies and an ImagePolicy with every rule. Nothing is kept: every object is
//! written when it is asked for, into a String that the caller uses again.

mod deployment;
mod image;
mod namespace;
mod pod;
mod random;
mod template;

use std::ops::Range;

pub use deployment::deployment;
use random::{Dice, put};
use template::template;

/// Which labels the pods have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Labels {
    /// Replicas share their labels (ReplicaSets).
    #[default]
    Shared,
    /// Each pod has labels of its own (StatefulSets: the pod's name and index).
    Unique,
}

/// What a cluster consists of.
#[derive(Clone, Copy, Debug)]
pub struct Cluster {
    /// Where all that looks random comes from.
    pub seed: u64,
    /// How many pods.
    pub pods: usize,
    /// How many distinct pod specs, as far as rules read them.
    pub shapes: usize,
    /// How many ReplicaSets or StatefulSets.
    pub workloads: usize,
    /// How many namespaces.
    pub namespaces: usize,
    /// Which labels the pods have.
    pub labels: Labels,
    /// Every pod stands alone, with an image and labels of its own.
    pub all_different: bool,
    /// How many namespaces in a hundred keep every rule of [`Cluster::policy`].
    pub clean_percent: usize,
}

/// How a pod differs from what it was first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Variation {
    /// Added to the resourceVersion; restart counts and the times of conditions move with it. Alone it is an
    /// update in which nothing changes that a rule reads.
    pub beat: u64,
    /// Which build of its image the main container runs: another number, another tag or digest.
    pub build: u32,
    /// The nodes report another content for the main image than they did.
    pub other_digest: bool,
    /// How often the pod was deleted and made anew: another uid, and another name where its controller makes one up.
    pub incarnation: u32,
    /// The main image comes from a registry that no policy trusts.
    pub foreign: bool,
    /// The pod has one label more.
    pub canary: bool,
    /// Its resourceVersion; 0: what follows from its index and beat.
    pub version: u64,
}

impl Cluster {
    /// A cluster of this many pods in the proportions of the largest that Kubernetes supports: 150,000 pods of
    /// 5,000 shapes in 10,000 namespaces.
    pub fn of_size(pods: usize) -> Self {
        let part = |of: usize| (pods * of).div_ceil(150_000).max(1);
        Self {
            seed: 1,
            pods,
            shapes: part(5_000),
            workloads: part(20_000),
            namespaces: part(10_000),
            labels: Labels::Shared,
            all_different: false,
            clean_percent: 10,
        }
    }

    /// Writes a pod as it stands in a list: without `kind` and `apiVersion`.
    pub fn pod(&self, out: &mut String, index: usize, variation: Variation) {
        out.push('{');
        pod::Pod::new(self, index, variation).put(out);
    }

    /// Writes a pod as it stands by itself: with `kind` and `apiVersion`.
    pub fn typed_pod(&self, out: &mut String, index: usize, variation: Variation) {
        out.push_str(r#"{"kind":"Pod","apiVersion":"v1","#);
        pod::Pod::new(self, index, variation).put(out);
    }

    /// The name of the Deployment or StatefulSet that a pod belongs to; of the pod itself where all are different.
    pub fn workload_name(&self, pod: usize) -> String {
        format!("app-{}", self.workload_of(pod))
    }

    /// Whether a pod runs, and its main image comes from a registry that [`Cluster::policy`] trusts.
    pub fn is_trusted(&self, pod: usize) -> bool {
        pod::Pod::new(self, pod, Variation::default()).is_trusted()
    }

    /// Whether a pod runs an image that is pinned by a digest.
    pub fn is_pinned(&self, pod: usize) -> bool {
        pod::Pod::new(self, pod, Variation::default()).is_pinned()
    }

    /// Writes a namespace as it stands in a list.
    pub fn namespace(&self, out: &mut String, index: usize) {
        out.push('{');
        namespace::Namespace::new(self, index).put(out);
    }

    /// The name of a namespace.
    pub fn namespace_name(&self, index: usize) -> String {
        let mut name = String::new();
        namespace::Namespace::new(self, index).put_name(&mut name);
        name
    }

    /// In which namespace a pod is.
    pub fn namespace_of(&self, pod: usize) -> usize {
        self.workload_of(pod) * self.namespaces / self.workloads()
    }

    /// How many network policies a namespace has.
    pub fn network_policies(&self, namespace: usize) -> usize {
        namespace::Namespace::new(self, namespace).network_policies().len()
    }

    /// Writes a network policy of a namespace as it stands in a list.
    pub fn network_policy(&self, out: &mut String, namespace: usize, index: usize) {
        let namespace = namespace::Namespace::new(self, namespace);
        out.push('{');
        namespace.put_network_policy(out, namespace.network_policies()[index]);
    }

    /// Writes an ImagePolicy that switches every rule on. `edit` changes what it says (and its generation).
    pub fn policy(&self, out: &mut String, name: &str, edit: u32) {
        template!("generate/policy.tmpl").write(out, |out, place| match place {
            "name" => out.push_str(name),
            "uid" => random::put_uuid(out, self.seed ^ 0x706f_6c69_6379),
            "edit" => put(out, format_args!("{edit}")),
            "generation" => put(out, format_args!("{}", edit + 1)),
            _ => template::unknown_place(place),
        });
    }

    /// Replaces `out` by a page of a list of pods.
    pub fn pod_page(&self, out: &mut String, pods: Range<usize>, variation: Variation) {
        let left = self.pods.saturating_sub(pods.end);
        list(out, "PodList", left, pods, |out, index| self.pod(out, index, variation));
    }

    /// Replaces `out` by a page of a list of namespaces.
    pub fn namespace_page(&self, out: &mut String, namespaces: Range<usize>) {
        let left = self.namespaces.saturating_sub(namespaces.end);
        list(out, "NamespaceList", left, namespaces, |out, index| self.namespace(out, index));
    }

    /// Replaces `out` by the frame in which a watch tells of a pod: `ADDED`, `MODIFIED` or `DELETED`.
    pub fn pod_frame(&self, out: &mut String, kind: &str, index: usize, variation: Variation) {
        out.clear();
        self.add_pod_frame(out, kind, index, variation);
    }

    /// Writes the same behind what stands in `out`.
    pub fn add_pod_frame(&self, out: &mut String, kind: &str, index: usize, variation: Variation) {
        put(out, format_args!(r#"{{"type":"{kind}","object":"#));
        self.typed_pod(out, index, variation);
        out.push_str("}\n");
    }

    fn workloads(&self) -> usize {
        if self.all_different { self.pods } else { self.workloads }
    }

    fn workload_of(&self, pod: usize) -> usize {
        pod * self.workloads() / self.pods
    }

    fn first_pod_of(&self, workload: usize) -> usize {
        (workload * self.pods).div_ceil(self.workloads())
    }

    fn dice(&self, kind: u8, number: usize) -> Dice {
        Dice::new(self.seed, kind, number)
    }
}

fn list(
    out: &mut String,
    kind: &str,
    left: usize,
    items: Range<usize>,
    mut item: impl FnMut(&mut String, usize),
) {
    out.clear();
    put(
        out,
        format_args!(r#"{{"kind":"{kind}","apiVersion":"v1","metadata":{{"resourceVersion":"90000000""#),
    );
    if left > 0 {
        put(out, format_args!(r#","continue":"after-{}","remainingItemCount":{left}"#, items.end));
    }
    out.push_str(r#"},"items":["#);
    for index in items.clone() {
        if index > items.start {
            out.push(',');
        }
        item(out, index);
    }
    out.push_str("]}\n");
}

#[cfg(test)]
mod tests;
