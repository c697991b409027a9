//! A rule that panics: what it was to judge is `unknown/InternalError`, and everything else goes on.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};

use crate::verdict::{Note, Verdict, reason};

thread_local! {
    static JUDGING: Cell<bool> = const { Cell::new(false) };
}

static CAUGHT: AtomicU64 = AtomicU64::new(0);

/// Whether a rule is at work on this thread, so that a panic ends no more than its judgement.
pub fn is_judging() -> bool {
    JUDGING.get()
}

/// How many panics of rules this process has caught.
pub fn caught() -> u64 {
    CAUGHT.load(Ordering::Relaxed)
}

/// What `work` returns; none if it panics. A rule changes nothing but its note, so nothing is left half done.
pub(super) fn attempt<T>(work: impl FnOnce() -> T) -> Option<T> {
    let before = JUDGING.replace(true);
    let done = catch_unwind(AssertUnwindSafe(work));
    JUDGING.set(before);
    if done.is_err() {
        CAUGHT.fetch_add(1, Ordering::Relaxed);
    }
    done.ok()
}

/// The verdict of `check`.
pub(crate) fn verdict(note: &mut Note<'_>, check: impl FnOnce(&mut Note<'_>) -> Verdict) -> Verdict {
    attempt(|| check(note)).unwrap_or_else(|| {
        let message = "the rule failed by an error of its own, which is a bug in Revisor: please report it with this \
                       object and what the log says";
        note.unknown(reason::INTERNAL_ERROR, format_args!("{message}"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_an_unknown_that_says_so_and_is_counted() {
        let (mut text, before) = (String::new(), caught());
        let failed = verdict(&mut Note::listening(&mut text), |note| {
            note.fail("HalfSaid", format_args!("half"));
            let nothing: [u8; 0] = [];
            if nothing[is_judging() as usize - 1] == 0 { Verdict::Pass } else { Verdict::Fail("Never") }
        });
        assert_eq!(failed, Verdict::Unknown("InternalError"));
        assert!(text.starts_with("the rule failed by an error of its own"), "{text}");
        assert!(caught() > before && !is_judging());
        assert_eq!(verdict(&mut Note::silent(), |_| Verdict::Pass), Verdict::Pass);
    }
}
