//! Lists of generated pods: pages of one state, written in chunks as the connection takes them.

use std::fmt::Write as _;
use std::io;
use std::sync::Arc;

use bytes::Bytes;
use futures::stream;

use super::super::answer::{self, Answer};
use super::super::refusal::Refusal;
use super::super::request::RequestFacts;
use super::super::state::Shared;
use super::{KEPT_SNAPSHOTS, Rows};
use crate::generate::Cluster;

/// Bytes gathered before they are handed to the connection.
const CHUNK: usize = 256 * 1024;

/// A page: a window into the rows of one state. Rows of pods that are not there are passed over.
struct Page {
    cluster: Cluster,
    version: u64,
    rows: Rows,
    at: usize,
    left: usize,
    next: Option<String>,
    begun: bool,
    first: bool,
    ended: bool,
}

pub(super) fn answer(shared: &Shared, facts: &RequestFacts) -> Result<Answer, Refusal> {
    let page = read_page(shared, facts)?;
    Ok(answer::stream(stream::iter(page.map(Ok::<_, io::Error>))))
}

fn read_page(shared: &Shared, facts: &RequestFacts) -> Result<Page, Refusal> {
    let query = &facts.query;
    let limit = match (query.get("limit"), query.get("resourceVersion")) {
        // Any version will do: served from the watch cache, which does not page.
        ("", _) | (_, "0") => 0,
        (text, _) => text.parse().map_err(|_| Refusal::bad_request("limit is not a number"))?,
    };
    let limit = if limit == 0 { usize::MAX } else { limit };
    let mut store = shared.store();
    let newest = store.version();
    let population = store.pods()?;
    let cluster = population.cluster;
    let (number, version, rows, at) = match query.get("continue") {
        "" => (None, newest, population.begin_list(), 0),
        token => {
            let parsed = token.split_once('.').and_then(|(a, b)| Some((a.parse().ok()?, b.parse().ok()?)));
            let (number, at): (u64, usize) =
                parsed.ok_or_else(|| Refusal::bad_request("continue key is not valid"))?;
            let kept = population.snapshots.iter().find(|(found, ..)| *found == number);
            let (_, version, rows) = kept.ok_or_else(Refusal::list_expired)?;
            (Some(number), *version, Arc::clone(rows), at)
        }
    };
    let there = |from: usize| rows.iter().enumerate().skip(from).filter(|(_, row)| row.there);
    let next = there(at).nth(limit).map(|(index, _)| index);
    let next = next.map(|index| {
        let number = number.unwrap_or_else(|| {
            let number = population.lists;
            if population.snapshots.len() == KEPT_SNAPSHOTS {
                population.snapshots.pop_front();
            }
            population.snapshots.push_back((number, version, Arc::clone(&rows)));
            number
        });
        let rest = there(index).count();
        format!(r#","continue":"{number}.{index}","remainingItemCount":{rest}"#)
    });
    Ok(Page { cluster, version, rows, at, left: limit, next, begun: false, first: true, ended: false })
}

impl Iterator for Page {
    type Item = Bytes;

    fn next(&mut self) -> Option<Bytes> {
        if self.ended {
            return None;
        }
        let mut text = String::with_capacity(CHUNK + CHUNK / 8);
        if !std::mem::replace(&mut self.begun, true) {
            let next = self.next.take().unwrap_or_default();
            // Writing into a String cannot fail.
            let _ = write!(
                text,
                r#"{{"kind":"PodList","apiVersion":"v1","metadata":{{"resourceVersion":"{}"{next}}},"items":["#,
                self.version
            );
        }
        while text.len() < CHUNK {
            let row = if self.left > 0 { self.rows.get(self.at) } else { None };
            let Some(row) = row.copied() else {
                text.push_str("]}\n");
                self.ended = true;
                break;
            };
            if row.there {
                if !std::mem::replace(&mut self.first, false) {
                    text.push(',');
                }
                self.cluster.pod(&mut text, self.at, row.variation);
                self.left -= 1;
            }
            self.at += 1;
        }
        Some(Bytes::from(text))
    }
}
