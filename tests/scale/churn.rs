//! What happens in the cluster all the time: four updates in five only move what nobody judges; the others roll an
//! image out, replace a pod, change labels, scale down. What was changed is changed back later, so that the cluster
//! stays as varied as it is and memory that grows is the operator's. The same on every run.

use std::collections::{HashSet, VecDeque};
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};
use testkit::apiserver::{ApiServer, Pods};
use testkit::generate::{Cluster, Labels, Variation};
use tokio::time::{Duration, Instant, MissedTickBehavior, interval};

/// Updates come in steps so far apart.
const STEP: Duration = Duration::from_millis(2);
/// So many updates come at once at most, when the server was busy.
const MOST_AT_ONCE: u64 = 256;
/// A marked pod is as it was after so many further marks.
const MARKS_AT_ONCE: usize = 64;

/// A change that is undone later.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Detour {
    /// Another build, in a pod made anew.
    Rollout,
    /// A label more.
    Canary,
    /// Not there.
    Absent,
}

const DETOURS: [Detour; 3] = [Detour::Rollout, Detour::Canary, Detour::Absent];

/// How a phase goes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pace {
    /// Updates a second.
    pub(crate) rate: f64,
    pub(crate) seconds: f64,
    /// Nothing happens that changes a verdict.
    pub(crate) quiet: bool,
    /// Pods a second that turn violating, by which detection is measured.
    pub(crate) marks: f64,
}

/// The life of the cluster.
#[derive(Debug)]
pub(crate) struct Churn {
    cluster: Cluster,
    random: u64,
    detours: [VecDeque<usize>; DETOURS.len()],
    busy: HashSet<usize>,
    marked: VecDeque<usize>,
    /// Workloads that were marked: each is once, so that every mark opens a finding.
    used: HashSet<String>,
    tried: usize,
}

impl Churn {
    pub(crate) fn new(cluster: Cluster) -> Self {
        Self {
            cluster,
            random: cluster.seed,
            detours: Default::default(),
            busy: HashSet::new(),
            marked: VecDeque::new(),
            used: HashSet::new(),
            tried: 0,
        }
    }

    /// Lets the cluster live at this pace. Returns how many updates there were, the marks, and by how much the server
    /// was late at worst.
    pub(crate) async fn run(&mut self, server: &ApiServer, pace: Pace) -> Value {
        let begun = Instant::now();
        let mut ticks = interval(STEP);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let (mut done, mut updates, mut marks, mut latest) = (0, 0, Vec::new(), 0.0_f64);
        loop {
            ticks.tick().await;
            let elapsed = begun.elapsed().as_secs_f64();
            if elapsed >= pace.seconds {
                break;
            }
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "small and positive")]
            let due = |rate: f64| (elapsed * rate) as u64;
            #[expect(clippy::cast_precision_loss, reason = "few")]
            let behind = (due(pace.rate).saturating_sub(updates)) as f64 / pace.rate;
            latest = latest.max(behind);
            let until = due(pace.rate).min(updates + MOST_AT_ONCE);
            if updates < until {
                server.change_pods(|pods| {
                    while updates < until {
                        updates += self.step(pods, pace.quiet);
                    }
                });
            }
            while done < due(pace.marks) {
                done += 1;
                marks.extend(self.mark(server));
            }
        }
        json!({"updates": updates, "latestSeconds": latest, "marks": marks})
    }

    /// Brings every pod back that is not there, so that no finding is of something gone.
    pub(crate) fn settle(&mut self, server: &ApiServer) {
        let absent = std::mem::take(&mut self.detours[Detour::Absent as usize]);
        server.change_pods(|pods| {
            for index in absent {
                self.busy.remove(&index);
                self.renew(pods, index, |_| {});
            }
        });
    }

    fn below(&mut self, limit: usize) -> usize {
        self.random = self.random.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let number = (self.random ^ (self.random >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let number = (number ^ (number >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        usize::try_from((number ^ (number >> 31)) % limit as u64).unwrap_or_default()
    }

    /// One change; returns of how many updates it consists.
    fn step(&mut self, pods: &mut Pods<'_>, quiet: bool) -> u64 {
        // Replacing a pod is two updates, so four in five updates are 87 in a hundred changes.
        match self.below(1_000) {
            0..870 => self.beat(pods),
            870..920 if !quiet => self.detour(pods, Detour::Rollout),
            870..965 => self.replace(pods, quiet),
            965..990 => self.detour(pods, Detour::Canary),
            _ if quiet => self.beat(pods),
            _ => self.detour(pods, Detour::Absent),
        }
    }

    /// A pod that is in no detour.
    fn idle(&mut self) -> usize {
        loop {
            let index = self.below(self.cluster.pods);
            if !self.busy.contains(&index) {
                return index;
            }
        }
    }

    /// What a kubelet reports time and again.
    fn beat(&mut self, pods: &mut Pods<'_>) -> u64 {
        let index = self.idle();
        let variation = pods.last_variation(index);
        pods.put(index, Variation { beat: variation.beat + 1, ..variation });
        1
    }

    /// A pod goes and another comes in its place.
    fn replace(&mut self, pods: &mut Pods<'_>, quiet: bool) -> u64 {
        let mut index = self.idle();
        while quiet && !self.cluster.is_pinned(index) {
            index = self.idle();
        }
        pods.remove(index);
        self.renew(pods, index, |_| {});
        2
    }

    /// Makes a pod anew, changed.
    fn renew(&self, pods: &mut Pods<'_>, index: usize, change: impl FnOnce(&mut Variation)) {
        let mut variation = pods.last_variation(index);
        variation.incarnation += 1;
        change(&mut variation);
        pods.put(index, variation);
    }

    /// Begins a detour, or ends the oldest of its kind where there are enough.
    fn detour(&mut self, pods: &mut Pods<'_>, detour: Detour) -> u64 {
        let most = (self.cluster.pods / 50).clamp(1, 1_000);
        let (index, back) = match self.detours[detour as usize].len() >= most {
            true => (self.detours[detour as usize].pop_front().unwrap_or_default(), true),
            false => (self.idle(), false),
        };
        if back {
            self.busy.remove(&index);
        } else {
            self.busy.insert(index);
            self.detours[detour as usize].push_back(index);
        }
        match detour {
            Detour::Rollout => {
                pods.remove(index);
                self.renew(pods, index, |variation| variation.build = u32::from(!back));
                2
            }
            Detour::Canary => {
                let variation = pods.last_variation(index);
                pods.put(index, Variation { canary: !back, ..variation });
                1
            }
            Detour::Absent => {
                match back {
                    true => self.renew(pods, index, |_| {}),
                    false => pods.remove(index),
                }
                1
            }
        }
    }

    /// Gives a workload an image that nobody trusts: its name, and when the server took it, in microseconds.
    fn mark(&mut self, server: &ApiServer) -> Option<Value> {
        while self.marked.len() >= MARKS_AT_ONCE {
            let index = self.marked.pop_front()?;
            self.busy.remove(&index);
            server.change_pods(|pods| {
                pods.remove(index);
                self.renew(pods, index, |variation| variation.foreign = false);
            });
        }
        let (index, subject) = self.next_to_mark()?;
        self.busy.insert(index);
        self.marked.push_back(index);
        server.change_pods(|pods| {
            pods.remove(index);
            self.renew(pods, index, |variation| variation.foreign = true);
        });
        let at = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_micros();
        let namespace = self.cluster.namespace_name(self.cluster.namespace_of(index));
        Some(json!({"namespace": namespace, "subject": subject, "at": u64::try_from(at).unwrap_or_default()}))
    }

    fn next_to_mark(&mut self) -> Option<(usize, String)> {
        while self.tried < self.cluster.pods {
            // A prime, so that neighbours are not taken one after the other and each pod is tried once.
            let index = self.tried.wrapping_mul(15_485_863) % self.cluster.pods;
            self.tried += 1;
            let kind = if self.cluster.labels == Labels::Unique { "StatefulSet" } else { "Deployment" };
            let subject = format!("{kind}/{}", self.cluster.workload_name(index));
            let fit = !self.busy.contains(&index)
                && self.cluster.is_trusted(index)
                && self.used.insert(subject.clone());
            if fit {
                return Some((index, subject));
            }
        }
        None
    }
}
