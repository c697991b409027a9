//! Where long work stands: one line on a terminal's standard error, gone when the work is done.

use std::io::Write;
use std::time::{Duration, Instant};

/// What takes less is over before anybody has read the line.
const PATIENCE: Duration = Duration::from_secs(1);
const PAUSE: Duration = Duration::from_millis(100);

/// A line that is written again and again.
#[derive(Debug)]
pub(super) struct Progress {
    /// When the next line is due; none where nobody is there to read it.
    due: Option<Instant>,
    is_shown: bool,
}

impl Progress {
    /// Work that begins at `now`. Only a person at a terminal is told of it.
    pub(super) fn new(now: Instant, is_wanted: bool) -> Self {
        Self { due: is_wanted.then(|| now + PATIENCE), is_shown: false }
    }

    /// Says where the work stands, now and then.
    pub(super) fn tell(&mut self, err: &mut dyn Write, words: impl FnOnce() -> String) {
        if self.due.is_some() {
            self.tell_at(Instant::now(), err, words);
        }
    }

    fn tell_at(&mut self, now: Instant, err: &mut dyn Write, words: impl FnOnce() -> String) {
        if self.due.is_some_and(|due| now >= due) {
            self.due = Some(now + PAUSE);
            self.is_shown = true;
            // The line is taken back to its beginning and its rest is cleared. It may as well not be seen.
            let _ = write!(err, "\r{}\u{1b}[K", words());
            let _ = err.flush();
        }
    }

    /// Takes the line away. To be called before anything else is written.
    pub(super) fn clear(&mut self, err: &mut dyn Write) {
        if std::mem::take(&mut self.is_shown) {
            let _ = write!(err, "\r\u{1b}[K");
            let _ = err.flush();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_long_work_is_told_and_the_line_goes_away() {
        let start = Instant::now();
        let mut progress = Progress::new(start, true);
        let mut err = Vec::new();
        let mut at = |millis| {
            let now = start + Duration::from_millis(millis);
            progress.tell_at(now, &mut err, || format!("{millis}"));
        };
        [0, 900, 1_000, 1_050, 1_100].into_iter().for_each(&mut at);
        progress.clear(&mut err);
        progress.clear(&mut err);
        assert_eq!(String::from_utf8(err).unwrap(), "\r1000\u{1b}[K\r1100\u{1b}[K\r\u{1b}[K");
    }

    #[test]
    fn where_nobody_reads_nothing_is_written() {
        let start = Instant::now();
        let mut progress = Progress::new(start, false);
        let mut err = Vec::new();
        progress.tell_at(start + Duration::from_secs(9), &mut err, || "words".to_owned());
        progress.clear(&mut err);
        assert!(err.is_empty());
    }
}
