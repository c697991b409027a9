//! A whole cluster in one auditor: loading it, what it keeps in memory, and what changes cost.

use std::hint::black_box;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use jiff::Timestamp;
use revisor::auditor::Auditor;
use revisor::auditor::snapshot::Snapshot;
use revisor::decode::namespace::NamespaceRecord;
use revisor::decode::network_policy::NetworkPolicyRecord;
use revisor::decode::pod::PodRecord;
use revisor::decode::wire::{Decoder as _, Lean, Of};
use revisor::decode::{Change, PolicyRecord};
use revisor::report::metrics::{Format, Scrape};
use revisor::subject::Resource;
use serde::de::IgnoredAny;
use serde_json::{Value, json};
use testkit::generate::{Cluster, Labels, Variation};
use testkit::memory::{resident, trim};

use crate::figures::{Figures, Spread, timed};

const PAGE: usize = 500;

/// Seconds since 1970 at which everything is loaded: 2026-11-23T12:00:00Z.
const LOADED_AT: i64 = 1_795_435_200;

fn change<T: Lean>(text: &str) -> Result<Change> {
    Ok(serde_json::from_str::<T>(text)?.change())
}

/// Changes the spec of a policy, in one of two ways by turns.
type Edit = fn(&mut Value, bool);

/// An auditor and the cluster it is fed with.
struct Run<'a> {
    cluster: &'a Cluster,
    auditor: Auditor,
    now: Timestamp,
    text: String,
}

pub(crate) fn measure(cluster: &Cluster, rounds: usize) -> Result<Figures> {
    let now = Timestamp::from_second(LOADED_AT)?;
    let cores = thread::available_parallelism()?;
    let mut run = Run { cluster, auditor: Auditor::new().on_cores(cores), now, text: String::new() };
    let mut figures = Figures::default();
    // What the process needs before it knows any pod: code, the parser's and the generator's own space.
    run.page(0, Variation::default())?;
    run.forget_text();
    let before = resident().unwrap_or(0);
    run.load(&mut figures)?;
    run.forget_text();
    let loaded = resident().unwrap_or(0);
    run.tell_the_rest()?;
    let (first, snapshot) = timed(|| run.auditor.snapshot(now));
    ensure!(snapshot.complete, "the Snapshot is not complete");
    run.auditor.drain_transitions();
    run.auditor.drain_first_audits();
    trim();
    let per_pod = |bytes: u64| bytes.saturating_sub(before) as f64 / cluster.pods as f64;
    let limit = match cluster.labels {
        _ if cluster.all_different => 2_000.0,
        Labels::Shared => 300.0,
        Labels::Unique => 500.0,
    };
    figures.add_one("resident, pods alone", "bytes/pod", per_pod(loaded), None);
    figures.add_one("resident, all in", "bytes/pod", per_pod(resident().unwrap_or(0)), Some(limit));
    figures.add_one("first audit", "ms", first.as_secs_f64() * 1e3, None);
    describe(&snapshot, &mut figures);
    scrape(snapshot, rounds, &mut figures)?;
    run.edit_policy(rounds, &mut figures)?;
    run.update_unchanged(rounds, &mut figures)?;
    run.change_pods(rounds, &mut figures)?;
    trim();
    figures.add_one("resident, at the end", "bytes/pod", per_pod(resident().unwrap_or(0)), None);
    Ok(figures)
}

impl Run<'_> {
    fn page(&mut self, first: usize, variation: Variation) -> Result<Vec<Change>> {
        let last = (first + PAGE).min(self.cluster.pods);
        self.cluster.pod_page(&mut self.text, first..last, variation);
        let mut changes = Vec::new();
        Of::<PodRecord>::default().page(self.text.as_bytes(), &mut |change| changes.push(change))?;
        Ok(changes)
    }

    fn forget_text(&mut self) {
        self.text = String::new();
        trim();
    }

    /// Loads every pod, page by page, with a bare scan of each page beside it.
    fn load(&mut self, figures: &mut Figures) -> Result<()> {
        let (mut scans, mut loads) = (Vec::new(), Vec::new());
        self.auditor.apply(Change::RelistStarted(Resource::Pods), self.now);
        for first in (0..self.cluster.pods).step_by(PAGE) {
            let last = (first + PAGE).min(self.cluster.pods);
            self.cluster.pod_page(&mut self.text, first..last, Variation::default());
            let text = &self.text;
            let (scan, result) = timed(|| serde_json::from_str::<IgnoredAny>(text));
            result?;
            let (load, result) = timed(|| {
                let (auditor, now) = (&mut self.auditor, self.now);
                Of::<PodRecord>::default().page(text.as_bytes(), &mut |change| auditor.apply(change, now))
            });
            result?;
            scans.push(scan);
            loads.push(load);
        }
        self.auditor.apply(Change::RelistFinished(Resource::Pods), self.now);
        let limit =
            if self.cluster.labels == Labels::Unique || self.cluster.all_different { 1.65 } else { 1.5 };
        let limit = (!self.cluster.all_different).then_some(limit);
        let ratio = Spread::of_ratios(&loads, &scans);
        figures.add("decode and apply", "us/pod", Spread::of_times(&loads, PAGE as f64 * 1e-6), None);
        figures.add("decode and apply to scan", "ratio", ratio, limit);
        Ok(())
    }

    /// The policy, namespaces and network policies.
    fn tell_the_rest(&mut self) -> Result<()> {
        let mut text = String::new();
        // The policy first: what no policy reads is not kept.
        self.auditor.apply(self.policy(0)?, self.now);
        let needed = self.auditor.needed().clone();
        for kind in needed.iter().filter(|kind| !Resource::ALWAYS.contains(kind)) {
            self.auditor.apply(Change::RelistStarted(*kind), self.now);
        }
        for namespace in 0..self.cluster.namespaces {
            text.clear();
            self.cluster.namespace(&mut text, namespace);
            self.auditor.apply(change::<NamespaceRecord>(&text)?, self.now);
            for policy in 0..self.cluster.network_policies(namespace) {
                text.clear();
                self.cluster.network_policy(&mut text, namespace, policy);
                self.auditor.apply(change::<NetworkPolicyRecord>(&text)?, self.now);
            }
        }
        for kind in needed.into_iter().filter(|kind| *kind != Resource::Pods) {
            self.auditor.apply(Change::RelistFinished(kind), self.now);
        }
        Ok(())
    }

    fn policy(&self, edit: u32) -> Result<Change> {
        let mut text = String::new();
        self.cluster.policy(&mut text, "baseline", edit);
        let mut policy: Value = serde_json::from_str(&text)?;
        let uid = policy["metadata"]["uid"].as_str().context("the policy's uid")?.into();
        Ok(Change::Policy(PolicyRecord {
            name: "baseline".into(),
            uid,
            generation: i64::from(edit) + 1,
            observed_generation: i64::from(edit),
            spec: policy["spec"].take(),
            source: None,
        }))
    }

    fn later(&mut self) -> Result<Timestamp> {
        self.now = Timestamp::from_second(self.now.as_second() + 1)?;
        Ok(self.now)
    }

    /// From an edited policy to the Snapshot that says what it finds, while readers still hold the former one, as those
    /// of the operator do: an edit that moves few verdicts, one that moves
    /// those of every namespace, and one of the scope.
    fn edit_policy(&mut self, rounds: usize, figures: &mut Figures) -> Result<()> {
        let edits: [(&str, Edit); 3] = [
            ("policy edit to Snapshot", |_, _| {}),
            ("policy edit that moves verdicts everywhere", |spec, odd| {
                spec["rules"]["trustedRegistry"]["deny"] = match odd {
                    true => json!(["docker.io/**", "quay.io/**"]),
                    false => json!(["quay.io/**", "ghcr.io/**"]),
                };
                spec["rules"]["requiredLabels"]["labels"]["tier"] = json!(if odd { ".+" } else { "prod" });
            }),
            ("policy edit of the scope", |spec, odd| {
                spec["scope"] = json!({"excludeNamespaces": [if odd { "kube-*" } else { "system-*" }]});
            }),
        ];
        let mut generation = 0;
        for (name, edit) in edits {
            let mut times = Vec::new();
            for round in 0..rounds {
                generation += 1;
                let (mut policy, now) = (self.policy(generation)?, self.later()?);
                if let Change::Policy(record) = &mut policy {
                    edit(&mut record.spec, round % 2 == 1);
                }
                let former = self.auditor.snapshot(now);
                let (time, snapshot) = timed(|| {
                    self.auditor.apply(policy, now);
                    self.auditor.snapshot(now)
                });
                let seen = snapshot.policies[0].policy.generation;
                ensure!(seen == i64::from(generation) + 1, "the edit is not in force");
                times.push(time);
                drop(former);
                self.auditor.drain_transitions();
                self.auditor.drain_first_audits();
            }
            let limit = (!self.cluster.all_different).then_some(15.0);
            figures.add(name, "ms", Spread::of_times(&times, 1e-3), limit);
        }
        Ok(())
    }

    /// Pods of the whole cluster, in no order.
    fn scattered(&self, round: usize, count: usize) -> impl Iterator<Item = usize> + use<> {
        let pods = self.cluster.pods;
        (0..count).map(move |number| (round * count + number).wrapping_mul(104_729) % pods)
    }

    fn decoded(&self, index: usize, variation: Variation) -> Result<Change> {
        let mut text = String::new();
        self.cluster.pod(&mut text, index, variation);
        change::<PodRecord>(&text)
    }

    /// Updates in which nothing has changed that is read, already decoded.
    fn update_unchanged(&mut self, rounds: usize, figures: &mut Figures) -> Result<()> {
        let mut times = Vec::new();
        for round in 0..rounds {
            let variation = Variation { beat: 1 + round as u64, ..Variation::default() };
            let changes = self
                .scattered(round, PAGE)
                .map(|index| self.decoded(index, variation))
                .collect::<Result<Vec<_>>>()?;
            let now = self.later()?;
            let before = self.auditor.snapshot(now);
            let (time, ()) = timed(|| changes.into_iter().for_each(|change| self.auditor.apply(change, now)));
            ensure!(Arc::ptr_eq(&before, &self.auditor.snapshot(now)), "something has changed");
            times.push(time);
        }
        let spread = Spread::of_times(&times, PAGE as f64 * 1e-9);
        figures.add("unchanged update, decoded", "ns", spread, Some(1_000.0));
        Ok(())
    }

    /// From one pod that runs something else to the Snapshot.
    fn change_pods(&mut self, rounds: usize, figures: &mut Figures) -> Result<()> {
        let (mut times, mut applies): (Vec<Duration>, Vec<Duration>) = (Vec::new(), Vec::new());
        for (round, index) in self.scattered(0, rounds * 4).enumerate() {
            let variation = match round % 2 {
                0 => Variation { beat: 1, other_digest: true, ..Variation::default() },
                _ => Variation { beat: 1, build: 1, ..Variation::default() },
            };
            let (pod, now) = (self.decoded(index, variation)?, self.later()?);
            let before = self.auditor.snapshot(now);
            let (time, (apply, snapshot)) = timed(|| {
                let (apply, ()) = timed(|| self.auditor.apply(pod, now));
                (apply, self.auditor.snapshot(now))
            });
            if Arc::ptr_eq(&before, &snapshot) {
                // A pod that still waits for its image does not tell which content it runs.
                continue;
            }
            times.push(time);
            applies.push(apply);
            black_box(self.auditor.drain_transitions());
        }
        figures.add("changed pod: apply", "us", Spread::of_times(&applies, 1e-6), None);
        figures.add("changed pod to Snapshot", "ms", Spread::of_times(&times, 1e-3), Some(0.5));
        Ok(())
    }
}

/// How much was found, so that a figure can be compared with another run's.
fn describe(snapshot: &Snapshot, figures: &mut Figures) {
    let violating = snapshot.policies.iter().map(|policy| policy.violating_namespaces).max().unwrap_or(0);
    let lines: usize = snapshot.namespaces.iter().map(|namespace| namespace.counts.len()).sum();
    figures.add_one("shapes", "count", f64::from(snapshot.seen.shapes), None);
    figures.add_one("namespaces with violations", "count", f64::from(violating), None);
    figures.add_one("findings", "count", snapshot.findings().count() as f64, None);
    figures.add_one("rules with findings, by namespace", "count", lines as f64, None);
}

/// One scrape of everything, as Prometheus asks for it.
fn scrape(snapshot: Arc<Snapshot>, rounds: usize, figures: &mut Figures) -> Result<()> {
    let (mut times, mut lines, mut bytes) = (Vec::new(), 0, 0);
    for _ in 0..rounds {
        let scrape = Scrape {
            election: None,
            snapshot: Some(snapshot.clone()),
            operational: Arc::default(),
            process: None,
            namespace_series: usize::MAX,
        };
        let (time, body) = timed(|| scrape.render(Format::Text));
        let body = body?;
        (lines, bytes) = (body.lines().count(), body.len());
        times.push(time);
    }
    figures.add_one("scrape: lines", "count", lines as f64, None);
    figures.add_one("scrape: size", "kB", bytes as f64 / 1e3, None);
    figures.add("scrape", "ms", Spread::of_times(&times, 1e-3), Some(6.0));
    Ok(())
}
