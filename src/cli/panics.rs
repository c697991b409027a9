//! What is said when a rule panics. The panic ends no more than one judgement ([`guard`]), which says so by itself; here
//! is said where it happened, once for each place, however often it happens.

use std::collections::BTreeSet;
use std::panic::{self, PanicHookInfo};
use std::sync::{Mutex, PoisonError};

use crate::rules::guard;

/// How many places are kept apart.
const PLACES: usize = 32;

static SEEN: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());

/// From now on the panics of rules are remembered, and told to `say` at once, by their places. Any other panic is what it
/// was before.
pub(super) fn watch(say: fn(&str)) {
    let before = panic::take_hook();
    panic::set_hook(Box::new(move |panic| match guard::is_judging() {
        true => remember(panic, say),
        false => before(panic),
    }));
}

fn remember(panic: &PanicHookInfo<'_>, say: fn(&str)) {
    let place = panic.location().map_or_else(|| "an unknown place".to_owned(), ToString::to_string);
    let mut seen = SEEN.lock().unwrap_or_else(PoisonError::into_inner);
    if seen.len() < PLACES && seen.insert(place.clone()) {
        drop(seen);
        say(&place);
    }
}

/// The places seen so far.
pub(super) fn places() -> Vec<String> {
    SEEN.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::verdict::{Note, Verdict};

    #[test]
    fn a_place_is_told_once_and_only_where_a_rule_panics() {
        static TOLD: Mutex<Vec<String>> = Mutex::new(Vec::new());
        watch(|place| TOLD.lock().unwrap().push(place.to_owned()));
        for _ in 0..3 {
            let verdict = guard::verdict(&mut Note::silent(), |_| panic!("of a rule"));
            assert_eq!(verdict, Verdict::Unknown("InternalError"));
        }
        let of_ours = |places: &[String]| places.iter().filter(|place| place.contains("panics.rs")).count();
        assert_eq!((of_ours(&TOLD.lock().unwrap()), of_ours(&places())), (1, 1));
        assert!(panic::catch_unwind(|| panic!("of something else")).is_err());
        assert_eq!(of_ours(&places()), 1);
    }
}
