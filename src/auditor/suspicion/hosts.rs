//! The registry hosts that were used in the cluster since this process began.

use std::collections::HashSet;
use std::sync::Arc;

use crate::subject::canonical::text_hash;
use crate::subject::pod::Image;

/// How many hosts are remembered. Beyond that a host counts as new with every new image of it: anybody who may make
/// pods can name hosts, and memory must have an end.
const REMEMBERED: usize = 16_384;

/// Hosts, by stable hash.
#[derive(Debug, Default)]
pub(in crate::auditor) struct Hosts {
    known: HashSet<u64>,
    watching: bool,
    /// Images of hosts that were not known, since this was last taken.
    fresh: Vec<Arc<Image>>,
}

impl Hosts {
    /// From now on a host that is not known is told.
    pub(super) fn watch(&mut self) {
        self.watching = true;
    }

    /// Takes in an image that was not there a moment ago, and gives it back.
    pub(in crate::auditor) fn noted(&mut self, image: Arc<Image>) -> Arc<Image> {
        self.note(&image);
        image
    }

    fn note(&mut self, image: &Arc<Image>) {
        let Ok(reference) = &image.reference else { return };
        let host = text_hash(reference.matching_host());
        if self.known.contains(&host) {
            return;
        }
        if self.known.len() < REMEMBERED {
            self.known.insert(host);
        }
        if self.watching {
            self.fresh.push(image.clone());
        }
    }

    /// Images of hosts that were not known.
    pub(super) fn take_fresh(&mut self) -> Vec<Arc<Image>> {
        std::mem::take(&mut self.fresh)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_has_an_end_and_what_is_beyond_it_is_told_again() {
        let mut hosts = Hosts::default();
        let image = |number: usize| Arc::new(Image::new(&format!("h{number}.test/app:1")));
        (0..REMEMBERED).for_each(|number| hosts.note(&image(number)));
        hosts.watch();
        hosts.note(&image(7));
        assert!(hosts.take_fresh().is_empty());
        for _ in 0..2 {
            hosts.note(&image(REMEMBERED));
            assert_eq!(hosts.take_fresh().len(), 1);
        }
        assert_eq!(hosts.known.len(), REMEMBERED);
    }

    #[test]
    fn one_host_in_two_spellings_is_one_and_an_invalid_reference_has_none() {
        let mut hosts = Hosts::default();
        hosts.watch();
        for written in
            ["A.test/app:1", "a.test:443/other:1", "nginx", "index.docker.io/library/x:1", "No:Reference:"]
        {
            hosts.note(&Arc::new(Image::new(written)));
        }
        let fresh: Vec<_> = hosts.take_fresh().iter().map(|image| image.written().to_owned()).collect();
        assert_eq!(fresh, ["A.test/app:1", "nginx"]);
    }
}
