//! What happens in the cluster all the time: four updates in five only move what nobody judges; the others roll an
//! image out, replace a pod, change labels, scale down. What was changed is changed back later, so that the cluster
//! stays as varied as it is and memory that grows is the operator's. The same on every run.

use std::collections::{HashSet, VecDeque};
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};
use testkit::generate::{Cluster, Labels, Variation};
use tokio::time::{Duration, Instant, MissedTickBehavior, interval};

use crate::Result;
use crate::server::Target;

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

/// What happens to a pod.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Step {
    /// It is made, or as follows now.
    Put(usize, Variation),
    /// It is deleted; how it was.
    Remove(usize, Variation),
}

/// The life of the cluster.
#[derive(Debug)]
pub(crate) struct Churn {
    cluster: Cluster,
    /// How each pod is, or was last.
    pods: Vec<Variation>,
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
            pods: vec![Variation::default(); cluster.pods],
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
    pub(crate) async fn run(&mut self, target: &Target, pace: Pace) -> Result<Value> {
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
            let mut steps = Vec::new();
            while updates < until {
                updates += self.step(&mut steps, pace.quiet);
            }
            target.apply(&self.cluster, &steps).await?;
            while done < due(pace.marks) {
                done += 1;
                marks.extend(self.mark(target).await?);
            }
        }
        Ok(json!({"updates": updates, "latestSeconds": latest, "marks": marks}))
    }

    /// Brings every pod back that is not there, so that no finding is of something gone.
    pub(crate) async fn settle(&mut self, target: &Target) -> Result<()> {
        let mut steps = Vec::new();
        for index in std::mem::take(&mut self.detours[Detour::Absent as usize]) {
            self.busy.remove(&index);
            self.renew(&mut steps, index, |_| {});
        }
        target.apply(&self.cluster, &steps).await
    }

    fn below(&mut self, limit: usize) -> usize {
        self.random = self.random.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let number = (self.random ^ (self.random >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let number = (number ^ (number >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        usize::try_from((number ^ (number >> 31)) % limit as u64).unwrap_or_default()
    }

    /// One change; returns of how many updates it consists.
    fn step(&mut self, steps: &mut Vec<Step>, quiet: bool) -> u64 {
        // Replacing a pod is two updates, so four in five updates are 87 in a hundred changes.
        match self.below(1_000) {
            0..870 => self.beat(steps),
            870..920 if !quiet => self.detour(steps, Detour::Rollout),
            870..965 => self.replace(steps, quiet),
            965..990 => self.detour(steps, Detour::Canary),
            _ if quiet => self.beat(steps),
            _ => self.detour(steps, Detour::Absent),
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
    fn beat(&mut self, steps: &mut Vec<Step>) -> u64 {
        let index = self.idle();
        self.pods[index].beat += 1;
        steps.push(Step::Put(index, self.pods[index]));
        1
    }

    /// A pod goes and another comes in its place.
    fn replace(&mut self, steps: &mut Vec<Step>, quiet: bool) -> u64 {
        let mut index = self.idle();
        while quiet && !self.cluster.is_pinned(index) {
            index = self.idle();
        }
        steps.push(Step::Remove(index, self.pods[index]));
        self.renew(steps, index, |_| {});
        2
    }

    /// Makes a pod anew, changed.
    fn renew(&mut self, steps: &mut Vec<Step>, index: usize, change: impl FnOnce(&mut Variation)) {
        let variation = &mut self.pods[index];
        variation.incarnation += 1;
        change(variation);
        steps.push(Step::Put(index, *variation));
    }

    /// Begins a detour, or ends the oldest of its kind where there are enough.
    fn detour(&mut self, steps: &mut Vec<Step>, detour: Detour) -> u64 {
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
                steps.push(Step::Remove(index, self.pods[index]));
                self.renew(steps, index, |variation| variation.build = u32::from(!back));
                2
            }
            Detour::Canary => {
                self.pods[index].canary = !back;
                steps.push(Step::Put(index, self.pods[index]));
                1
            }
            Detour::Absent => {
                match back {
                    true => self.renew(steps, index, |_| {}),
                    false => steps.push(Step::Remove(index, self.pods[index])),
                }
                1
            }
        }
    }

    /// Gives a workload an image that nobody trusts: its name, and when the server was told, in microseconds.
    async fn mark(&mut self, target: &Target) -> Result<Option<Value>> {
        let mut steps = Vec::new();
        while self.marked.len() >= MARKS_AT_ONCE {
            let Some(index) = self.marked.pop_front() else { break };
            self.busy.remove(&index);
            steps.push(Step::Remove(index, self.pods[index]));
            self.renew(&mut steps, index, |variation| variation.foreign = false);
        }
        target.apply(&self.cluster, &steps).await?;
        let Some((index, subject)) = self.next_to_mark() else { return Ok(None) };
        self.busy.insert(index);
        self.marked.push_back(index);
        target.apply(&self.cluster, &[Step::Remove(index, self.pods[index])]).await?;
        let mut steps = Vec::new();
        self.renew(&mut steps, index, |variation| variation.foreign = true);
        let at = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_micros();
        target.apply(&self.cluster, &steps).await?;
        let namespace = self.cluster.namespace_name(self.cluster.namespace_of(index));
        let at = u64::try_from(at).unwrap_or_default();
        Ok(Some(json!({"namespace": namespace, "subject": subject, "at": at})))
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
