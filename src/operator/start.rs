//! How the first list of a kind is asked for, and what a failure of a watch means. Pure decisions.

use super::call::Failure;
use crate::report::operational::RestartReason;

/// Streamed or in pages. Streaming is given up, for this watch and until the operator ends, when it does not
/// really work: some servers refuse it for ever, some end the stream, some never say that it is complete.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Start {
    streaming: bool,
    failed: u8,
}

/// How many failed starts make a watch give streaming up.
const FAILED_STARTS: u8 = 2;

impl Start {
    pub(crate) fn new(streaming: bool) -> Self {
        Self { streaming, failed: 0 }
    }

    /// Whether the list is streamed.
    pub(crate) fn streaming(self) -> bool {
        self.streaming
    }

    /// The list was streamed to its end.
    pub(crate) fn succeeded(&mut self) {
        self.failed = 0;
    }

    /// The server refused to stream, or ended the stream early. Returns whether to go over to pages now.
    pub(crate) fn failed(&mut self) -> bool {
        self.failed = self.failed.saturating_add(1);
        self.failed >= FAILED_STARTS && self.silent()
    }

    /// The stream did not come to its end in time. Returns whether to go over to pages now.
    pub(crate) fn silent(&mut self) -> bool {
        std::mem::take(&mut self.streaming)
    }
}

/// What a failure of a watch means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Trouble {
    /// No permission.
    Forbidden,
    /// The API server does not serve this kind.
    Missing,
    /// History is gone: everything is told again.
    Expired,
    /// The request itself is refused, as servers do that cannot stream lists.
    Refused,
    /// The answer cannot be read.
    Garbled,
    /// A bad answer, or none: trying again is all there is to do.
    Away,
}

impl Trouble {
    pub(crate) fn of(failure: &Failure) -> Self {
        match failure {
            Failure::Refused { code: 403, .. } => Self::Forbidden,
            Failure::Refused { code: 404, .. } => Self::Missing,
            Failure::Refused { code: 410, .. } => Self::Expired,
            Failure::Refused { code: 400 | 405 | 406 | 415 | 422 | 501, .. } => Self::Refused,
            Failure::Refused { .. } | Failure::Away(_) => Self::Away,
            Failure::Garbled(_) => Self::Garbled,
        }
    }

    /// The word used in metrics.
    pub(crate) fn reason(self) -> RestartReason {
        match self {
            Self::Forbidden => RestartReason::Forbidden,
            Self::Expired => RestartReason::Expired,
            Self::Away => RestartReason::Disconnected,
            Self::Missing | Self::Refused | Self::Garbled => RestartReason::Failed,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_failed_starts_make_a_watch_list_in_pages_and_one_does_not() {
        let mut start = Start::new(true);
        assert!(!start.failed() && start.streaming());
        assert!(start.failed() && !start.streaming());
        assert!(!start.failed(), "it is said once");
    }

    #[test]
    fn a_start_that_worked_forgives_an_earlier_failure() {
        let mut start = Start::new(true);
        assert!(!start.failed());
        start.succeeded();
        assert!(!start.failed() && start.streaming());
    }

    #[test]
    fn silence_is_enough_once_and_a_paged_watch_has_nothing_to_give_up() {
        assert!(Start::new(true).silent());
        assert!(!Start::new(false).silent() && !Start::new(false).failed());
    }

    #[test]
    fn failures_are_told_apart_by_what_can_be_done_about_them() {
        let refused = |code: u16| Trouble::of(&Failure::Refused { code, message: String::new() });
        assert_eq!(refused(403), Trouble::Forbidden);
        assert_eq!(refused(404), Trouble::Missing);
        assert_eq!(refused(410), Trouble::Expired);
        assert_eq!(refused(422), Trouble::Refused);
        for code in [0, 401, 429, 500, 503] {
            assert_eq!(refused(code), Trouble::Away, "{code}");
        }
        assert_eq!(Trouble::of(&Failure::Away("reset".to_owned())), Trouble::Away);
        assert_eq!(Trouble::of(&Failure::Garbled("no list".to_owned())), Trouble::Garbled);
    }
}
