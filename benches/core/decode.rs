//! Decoding against a bare scan of the same bytes: single pods, pages of a list, frames of a watch.

use std::hint::black_box;
use std::time::Duration;

use anyhow::Result;
use revisor::decode::pod::PodRecord;
use revisor::decode::wire::{Decoder as _, Of};
use serde::de::IgnoredAny;
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

    fn round(&mut self, texts: &[String], decode_first: bool, decode: &mut Read<'_>) -> Result<()> {
        if decode_first {
            self.decode.push(read_all(texts, decode)?);
        }
        self.scan.push(read_all(texts, &mut |text| serde_json::from_str::<IgnoredAny>(text).map(drop))?);
        if !decode_first {
            self.decode.push(read_all(texts, decode)?);
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

/// Reads a text and drops what it says.
type Read<'x> = dyn FnMut(&str) -> serde_json::Result<()> + 'x;

fn read_all(texts: &[String], read: &mut Read<'_>) -> Result<Duration> {
    let (time, result) = timed(|| texts.iter().try_for_each(|text| read(black_box(text))));
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
        let kind = Of::<PodRecord>::default();
        // A page is kept until it is read to its end, as the watch does.
        let (mut changes, mut version) = (Vec::new(), String::new());
        pods.round(&pod_texts, turn, &mut |text| serde_json::from_str::<PodRecord>(text).map(drop))?;
        pages.round(&[page_text], turn, &mut |text| {
            kind.page(text.as_bytes(), &mut |change| changes.push(change))?;
            changes.clear();
            Ok(())
        })?;
        frames.round(&frame_texts, turn, &mut |text| kind.frame(text.as_bytes(), &mut version).map(drop))?;
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
