//! Waiting for what takes its time, without sleeping for a guess.

use std::thread;
use std::time::{Duration, Instant};

/// How long anything may take: seconds on an idle machine, far more when builds and other tests run beside it.
pub(crate) const LIMIT: Duration = Duration::from_secs(120);

/// Asks every 100 ms until the answer is there, and returns it.
///
/// # Panics
///
/// When it is not within [`LIMIT`]; the message tells the last reason why not.
#[track_caller]
pub(crate) fn until<T>(what: &str, ask: impl FnMut() -> Result<T, String>) -> T {
    within(LIMIT, what, ask)
}

/// The same within a limit of its own.
#[track_caller]
pub(crate) fn within<T>(limit: Duration, what: &str, mut ask: impl FnMut() -> Result<T, String>) -> T {
    let started = Instant::now();
    loop {
        match ask() {
            Ok(answer) => return answer,
            Err(why) => assert!(started.elapsed() < limit, "not within {limit:?}: {what}\n{why}"),
        }
        thread::sleep(Duration::from_millis(100));
    }
}

/// `Ok` if it holds, else the reason.
pub(crate) fn check(holds: bool, why: impl FnOnce() -> String) -> Result<(), String> {
    if holds { Ok(()) } else { Err(why()) }
}
