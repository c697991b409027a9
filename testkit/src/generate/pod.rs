//! A pod: about 10 kB, managedFields included, in the order of fields in which Go writes them.

use super::image::Image;
use super::namespace::Namespace;
use super::random::{mix, put, put_sha256, put_suffix, put_time, put_uuid};
use super::template::{template, unknown_place};
use super::{Cluster, Labels, Variation};

/// Names of the main container: two shapes with the same image differ by it.
const MAIN: [&str; 2] = ["app", "server"];
const BESIDE: [&str; 2] = ["istio-proxy", "otel-agent"];
const INIT: &str = "init-config";

/// A pod, in numbers.
pub(super) struct Pod<'a> {
    cluster: &'a Cluster,
    index: usize,
    variation: Variation,
    workload: usize,
    shape: usize,
    main: Image,
    /// Containers beside the main one.
    beside: usize,
    init: Option<Image>,
    env: usize,
    /// Numbers that are the workload's or the pod's own.
    workload_number: u64,
    pod_number: u64,
    waiting: bool,
    moved: bool,
}

impl<'a> Pod<'a> {
    pub(super) fn new(cluster: &'a Cluster, index: usize, variation: Variation) -> Self {
        let workload = cluster.workload_of(index);
        let clean = Namespace::new(cluster, cluster.namespace_of(index)).is_clean();
        let image = |shape: usize| {
            let number = if cluster.all_different { shape } else { shape / 2 };
            Image::new(cluster.seed, number, variation.build)
        };
        // In a clean namespace the next shape that is fine takes the place of the workload's own.
        let first = if cluster.all_different { index } else { workload.wrapping_mul(7919) % cluster.shapes };
        let shapes = if cluster.all_different { cluster.pods } else { cluster.shapes };
        let shape = if clean {
            (first..first + shapes)
                .map(|shape| shape % shapes)
                .find(|&shape| image(shape).is_fine())
                .unwrap_or(first)
        } else {
            first
        };
        let mut dice = cluster.dice(b's', shape);
        let beside = [0, 0, 0, 0, 0, 0, 0, 0, 1, 2][dice.below(10)];
        let init = dice.percent(20).then(|| Image::beside(cluster.seed, 10 + dice.below(40)));
        let env = [1, 2, 4][dice.below(3)];
        let mut own = cluster.dice(b'p', index);
        Self {
            cluster,
            index,
            variation,
            workload,
            shape,
            main: if variation.foreign { image(shape).elsewhere() } else { image(shape) },
            beside,
            init,
            env,
            workload_number: cluster.dice(b'w', workload).number(),
            pod_number: match variation.incarnation {
                0 => own.number(),
                times => mix(own.number() ^ u64::from(times)),
            },
            waiting: !clean && own.below(500) == 0,
            moved: own.percent(30),
        }
    }

    /// Writes the pod without its opening brace: a watch puts `kind` and `apiVersion` there.
    pub(super) fn put(&self, out: &mut String) {
        template!("pod.tmpl").write(out, |out, place| self.fill(out, place));
    }

    pub(super) fn is_trusted(&self) -> bool {
        self.main.is_trusted() && !self.waiting
    }

    pub(super) fn is_pinned(&self) -> bool {
        self.main.is_fine() && !self.waiting
    }

    fn fill(&self, out: &mut String, place: &str) {
        let own = self.pod_number;
        match place {
            "name" => self.put_name(out),
            "generateName" => self.put_generate_name(out),
            "namespace" => self.namespace().put_name(out),
            "uid" => put_uuid(out, own),
            "resourceVersion" if self.variation.version > 0 => {
                put(out, format_args!("{}", self.variation.version));
            }
            "resourceVersion" => {
                put(out, format_args!("{}", 10_000_000 + self.index as u64 * 7 + self.variation.beat))
            }
            "created" => put_time(out, self.workload_number),
            "app" => self.put_app(out),
            "minor" => put(out, format_args!("{}", self.shape % 50)),
            "controllerLabels" => self.put_controller_labels(out),
            "canary" if self.variation.canary => out.push_str(r#","track":"canary""#),
            "canary" => {}
            "team" => put(out, format_args!("team-{:05}", self.cluster.namespace_of(self.index))),
            "checksum" => put_sha256(out, self.workload_number),
            "ownerReferences" => self.put_owner(out),
            "ownerUid" => put_uuid(out, self.workload_number),
            "managedContainers" => {
                self.each_container(out, |out, name, _, env| self.put_managed(out, name, env))
            }
            "podIP" => {
                put(out, format_args!("10.{}.{}.{}", 64 + (own >> 16 & 63), own >> 8 & 255, 1 + own % 250))
            }
            "hostIP" => put(out, format_args!("10.0.{}.{}", own >> 28 & 15, 1 + (own >> 36 & 127))),
            "node" => put(
                out,
                format_args!(
                    "ip-10-0-{}-{}.eu-west-1.compute.internal",
                    own >> 28 & 15,
                    1 + (own >> 36 & 127)
                ),
            ),
            "access" => self.put_access(out),
            "claim" => self.put_claim(out),
            "hostname" => self.put_hostname(out),
            "initContainers" => {
                self.put_init(out, "initContainers", |out, image| self.put_container(out, INIT, image, 1))
            }
            "containers" => {
                self.each_container(out, |out, name, image, env| self.put_container(out, name, image, env))
            }
            "phase" => out.push_str(if self.waiting { "Pending" } else { "Running" }),
            "ready" => out.push_str(if self.waiting { "False" } else { "True" }),
            "readySince" if self.waiting => put_time(out, self.workload_number),
            "beat" | "readySince" => self.put_beat(out),
            "initContainerStatuses" => {
                self.put_init(out, place, |out, image| self.put_status(out, INIT, image))
            }
            "containerStatuses" => {
                self.each_container(out, |out, name, image, _| self.put_status(out, name, image))
            }
            _ => unknown_place(place),
        }
    }

    fn namespace(&self) -> Namespace {
        Namespace::new(self.cluster, self.cluster.namespace_of(self.index))
    }

    fn put_app(&self, out: &mut String) {
        put(out, format_args!("app-{}", self.workload));
    }

    /// The name of the ReplicaSet, or of the StatefulSet's revision.
    fn put_revision(&self, out: &mut String) {
        self.put_app(out);
        out.push('-');
        put_suffix(out, self.workload_number >> 8, 10);
    }

    fn put_name(&self, out: &mut String) {
        match self.cluster.labels {
            _ if self.cluster.all_different => self.put_app(out),
            Labels::Shared => {
                self.put_revision(out);
                out.push('-');
                put_suffix(out, self.pod_number >> 8, 5);
            }
            Labels::Unique => {
                self.put_app(out);
                put(out, format_args!("-{}", self.replica()));
            }
        }
    }

    fn replica(&self) -> usize {
        self.index - self.cluster.first_pod_of(self.workload)
    }

    fn put_generate_name(&self, out: &mut String) {
        if self.cluster.all_different {
            return;
        }
        out.push_str(r#""generateName":""#);
        match self.cluster.labels {
            Labels::Shared => self.put_revision(out),
            Labels::Unique => self.put_app(out),
        }
        out.push_str(r#"-","#);
    }

    fn put_controller_labels(&self, out: &mut String) {
        match self.cluster.labels {
            _ if self.cluster.all_different => {}
            Labels::Shared => {
                out.push_str(r#""pod-template-hash":""#);
                put_suffix(out, self.workload_number >> 8, 10);
                out.push_str(r#"","#);
            }
            Labels::Unique => {
                put(
                    out,
                    format_args!(
                        r#""apps.kubernetes.io/pod-index":"{}","controller-revision-hash":""#,
                        self.replica()
                    ),
                );
                self.put_revision(out);
                out.push_str(r#"","statefulset.kubernetes.io/pod-name":""#);
                self.put_name(out);
                out.push_str(r#"","#);
            }
        }
    }

    fn put_owner(&self, out: &mut String) {
        let (kind, put_owner): (_, fn(&Self, &mut String)) = match self.cluster.labels {
            _ if self.cluster.all_different => return,
            Labels::Shared => ("ReplicaSet", Self::put_revision),
            Labels::Unique => ("StatefulSet", Self::put_app),
        };
        put(out, format_args!(r#""ownerReferences":[{{"apiVersion":"apps/v1","kind":"{kind}","name":""#));
        put_owner(self, out);
        out.push_str(r#"","uid":""#);
        put_uuid(out, self.workload_number);
        out.push_str(r#"","controller":true,"blockOwnerDeletion":true}],"#);
    }

    fn put_access(&self, out: &mut String) {
        out.push_str("kube-api-access-");
        put_suffix(out, self.pod_number >> 16, 5);
    }

    fn put_claim(&self, out: &mut String) {
        if self.cluster.labels == Labels::Unique {
            out.push_str(r#"{"name":"data","persistentVolumeClaim":{"claimName":"data-"#);
            self.put_name(out);
            out.push_str(r#""}},"#);
        }
    }

    fn put_hostname(&self, out: &mut String) {
        if self.cluster.labels == Labels::Unique {
            out.push_str(r#""hostname":""#);
            self.put_name(out);
            out.push_str(r#"","subdomain":""#);
            self.put_app(out);
            out.push_str(r#"","#);
        }
    }

    fn put_beat(&self, out: &mut String) {
        let beat = self.variation.beat;
        put(out, format_args!("2026-11-22T{:02}:{:02}:{:02}Z", beat / 3600 % 24, beat / 60 % 60, beat % 60));
    }

    fn each_container(&self, out: &mut String, write: impl Fn(&mut String, &str, Image, usize)) {
        write(out, MAIN[self.shape % 2], self.main, self.env);
        for (number, name) in BESIDE.iter().take(self.beside).enumerate() {
            out.push(',');
            write(out, name, Image::beside(self.cluster.seed, number), 3);
        }
    }

    fn put_init(&self, out: &mut String, list: &str, write: impl Fn(&mut String, Image)) {
        if let Some(image) = self.init {
            put(out, format_args!(r#""{list}":["#));
            write(out, image);
            out.push_str("],");
        }
    }

    fn put_managed(&self, out: &mut String, name: &str, env: usize) {
        template!("managed_container.tmpl").write(out, |out, place| match place {
            "name" => out.push_str(name),
            "env" => {
                for number in 0..env {
                    put(out, format_args!(r#","k:{{\"name\":\"CFG_{number}_URL\"}}":{{".":{{}},"f:name":{{}},"f:value":{{}}}}"#));
                }
            }
            _ => unknown_place(place),
        });
    }

    fn put_container(&self, out: &mut String, name: &str, image: Image, env: usize) {
        template!("container.tmpl").write(out, |out, place| match place {
            "name" => out.push_str(name),
            "image" => image.put(out),
            "env" => {
                for number in 0..env {
                    let value = self.workload_number >> number & 0xff_ffff;
                    put(out, format_args!(r#"{{"name":"CFG_{number}_URL","value":"value-{value:x}-svc.cluster.local"}},"#));
                }
            }
            "access" => self.put_access(out),
            "probes" if name == INIT => {}
            "probes" => out.push_str(concat!(
                r#""livenessProbe":{"httpGet":{"path":"/healthz","port":"http","scheme":"HTTP"},"initialDelaySeconds":10,"#,
                r#""timeoutSeconds":1,"periodSeconds":10,"successThreshold":1,"failureThreshold":3},"#,
                r#""readinessProbe":{"httpGet":{"path":"/readyz","port":"http","scheme":"HTTP"},"timeoutSeconds":1,"#,
                r#""periodSeconds":5,"successThreshold":1,"failureThreshold":3},"#,
            )),
            "pullPolicy" => out.push_str(image.pull_policy()),
            _ => unknown_place(place),
        });
    }

    fn put_status(&self, out: &mut String, name: &str, image: Image) {
        let is_main = MAIN.contains(&name);
        let waiting = self.waiting && is_main;
        template!("container_status.tmpl").write(out, |out, place| match place {
            "name" => out.push_str(name),
            "state" if waiting => {
                out.push_str(
                    r#"{"waiting":{"reason":"ImagePullBackOff","message":"Back-off pulling image \""#,
                );
                image.put(out);
                out.push_str(r#"\""}}"#);
            }
            "state" if name == INIT => {
                out.push_str(r#"{"terminated":{"exitCode":0,"reason":"Completed","startedAt":""#);
                put_time(out, self.workload_number);
                out.push_str(r#"","finishedAt":""#);
                put_time(out, self.workload_number);
                out.push_str(r#""}}"#);
            }
            "state" => {
                out.push_str(r#"{"running":{"startedAt":""#);
                self.put_beat(out);
                out.push_str(r#""}}"#);
            }
            "ready" => out.push_str(if waiting { "false" } else { "true" }),
            "restarts" => put(out, format_args!("{}", self.variation.beat)),
            "image" => image.put(out),
            "imageID" if waiting => {}
            "imageID" => {
                let moved = self.moved && image.has_moved();
                image.put_id(out, is_main && (self.variation.other_digest || moved));
            }
            "containerID" if waiting => {}
            "containerID" => {
                out.push_str(r#""containerID":"containerd://"#);
                put_sha256(out, self.pod_number ^ name.len() as u64);
                out.push_str(r#"","#);
            }
            "access" => self.put_access(out),
            _ => unknown_place(place),
        });
    }
}
