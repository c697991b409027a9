//! Decoding against a bare scan of the same bytes: single pods, pages of a list, frames of a watch.

use std::hint::black_box;
use std::time::Duration;

use anyhow::Result;
use kube::api::{ObjectList, WatchEvent};
use revisor::decode::pod::PodRecord;
use revisor::decode::wire::Wire;
use serde::de::{DeserializeOwned, IgnoredAny};
use testkit::generate::{Cluster, Variation};

use crate::figures::{Figures, Spread, timed};

const PAGE: usize = 500;

/// Texts and the times of both ways over them.
struct Pair {
    name: &'static str,
    scan: Vec<Duration>,
    decode: Vec<Duration>,
}

impl Pair {
    fn new(name: &'static str) -> Self {
        Self { name, scan: Vec::new(), decode: Vec::new() }
    }

    fn round<T: DeserializeOwned>(&mut self, texts: &[String], decode_first: bool) -> Result<()> {
        if decode_first {
            self.decode.push(read_all::<T>(texts)?);
        }
        self.scan.push(read_all::<IgnoredAny>(texts)?);
        if !decode_first {
            self.decode.push(read_all::<T>(texts)?);
        }
        Ok(())
    }

    fn add_to(&self, figures: &mut Figures) {
        let name = self.name;
        let per_pod = 1e-6 * PAGE as f64;
        figures.add(&format!("{name}: bare scan"), "us/pod", Spread::of_times(&self.scan, per_pod), None);
        figures.add(&format!("{name}: decode"), "us/pod", Spread::of_times(&self.decode, per_pod), None);
        let ratio = Spread::of_ratios(&self.decode, &self.scan);
        figures.add(&format!("{name}: decode to scan"), "ratio", ratio, Some(1.35));
    }
}

fn read_all<T: DeserializeOwned>(texts: &[String]) -> Result<Duration> {
    let (time, result) = timed(|| {
        texts.iter().try_for_each(|text| serde_json::from_str::<T>(text).map(|value| drop(black_box(value))))
    });
    result?;
    Ok(time)
}

pub(crate) fn measure(cluster: &Cluster, rounds: usize) -> Result<Figures> {
    let [mut pods, mut pages, mut frames] = ["one pod", "page of 500", "watch frame"].map(Pair::new);
    let mut bytes = 0;
    let page = PAGE.min(cluster.pods);
    for round in 0..=rounds {
        let first = round * 7919 * page % (cluster.pods - page + 1);
        let each = |write: &dyn Fn(&mut String, usize)| -> Vec<String> {
            let one = |index| {
                let mut text = String::new();
                write(&mut text, index);
                text
            };
            (first..first + page).map(one).collect()
        };
        let variation = Variation::default();
        let pod_texts = each(&|out, index| cluster.pod(out, index, variation));
        let frame_texts = each(&|out, index| cluster.pod_frame(out, "MODIFIED", index, variation));
        let mut page_text = String::new();
        cluster.pod_page(&mut page_text, first..first + page, variation);
        bytes = pod_texts.iter().map(String::len).sum::<usize>() / page;
        let turn = round % 2 == 0;
        pods.round::<Wire<PodRecord>>(&pod_texts, turn)?;
        pages.round::<ObjectList<Wire<PodRecord>>>(&[page_text], turn)?;
        frames.round::<WatchEvent<Wire<PodRecord>>>(&frame_texts, turn)?;
        if round == 0 {
            // The first round only warms up.
            for pair in [&mut pods, &mut pages, &mut frames] {
                pair.scan.clear();
                pair.decode.clear();
            }
        }
    }
    let mut figures = Figures::default();
    figures.add_one("mean size", "bytes/pod", bytes as f64, None);
    for pair in [&pods, &pages, &frames] {
        pair.add_to(&mut figures);
    }
    Ok(figures)
}
