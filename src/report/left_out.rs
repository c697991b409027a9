//! The one Event that stands for many: more were due at once than the budget allows.

use crate::subject::canonical::{combine, text_hash};

use super::escape::{NAME_LIMIT, cut, visible_within};
use super::event::{EventText, NOTE_LIMIT};

/// Events that were not written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeftOut {
    /// Where they would have been; empty for those about the cluster, or where too many namespaces were concerned.
    pub namespace: Box<str>,
    /// The name of the first of them.
    pub first: String,
    /// How many would have been warnings.
    pub warnings: u64,
    /// How many others.
    pub others: u64,
}

/// The Event that says how many were left out within `minutes`, and where to look instead. A retry and another
/// replica that leaves out the same name it alike.
pub fn left_out_event(left_out: &LeftOut, minutes: u64) -> EventText {
    let LeftOut { namespace, first, warnings, others } = left_out;
    let count = warnings + others;
    let (events, were) = if count == 1 { ("Event", "was") } else { ("Events", "were") };
    let time = if minutes == 1 { "minute".to_owned() } else { format!("{minutes} minutes") };
    let look = match &**namespace {
        "" => "kubectl get imagepolicies.revisor.dev, and kubectl get namespaceaudits -A".to_owned(),
        name => format!("kubectl get namespaceaudit revisor -n {} -o yaml", visible_within(name, NAME_LIMIT)),
    };
    let mut note = format!(
        "{count} more {events} within the last {time} {were} left out, {warnings} of them of new violations or \
         suspicious activity: too many at once. The operator's log has each. To see what is open now: {look}"
    );
    cut(&mut note, NOTE_LIMIT);
    EventText {
        name: format!("eventsleftout.{:016x}", combine(&[text_hash(namespace), text_hash(first)])),
        type_: if *warnings > 0 { "Warning" } else { "Normal" },
        reason: "EventsLeftOut",
        action: "SummedUp",
        note,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn left_out(namespace: &str, warnings: u64, others: u64) -> LeftOut {
        LeftOut { namespace: namespace.into(), first: "a.b".to_owned(), warnings, others }
    }

    #[test]
    fn the_note_counts_and_says_where_to_look() {
        let event = left_out_event(&left_out("team-a", 10, 2), 5);
        assert_eq!((event.type_, event.reason, event.action), ("Warning", "EventsLeftOut", "SummedUp"));
        assert_eq!(
            event.note,
            "12 more Events within the last 5 minutes were left out, 10 of them of new violations or suspicious \
             activity: too many at once. The operator's log has each. To see what is open now: kubectl get \
             namespaceaudit revisor -n team-a -o yaml"
        );
        let event = left_out_event(&left_out("", 0, 1), 1);
        assert!(event.note.starts_with("1 more Event within the last minute was left out, 0 of them"));
        assert!(event.type_ == "Normal" && event.note.ends_with("kubectl get namespaceaudits -A"));
    }

    #[test]
    fn the_name_is_that_of_a_retry_and_no_other_summarys() {
        let name = |left_out: &LeftOut| left_out_event(left_out, 5).name;
        assert_eq!(name(&left_out("team-a", 1, 0)), name(&left_out("team-a", 7, 7)));
        assert_ne!(name(&left_out("team-a", 1, 0)), name(&left_out("team-b", 1, 0)));
        let later = LeftOut { first: "a.c".to_owned(), ..left_out("team-a", 1, 0) };
        assert_ne!(name(&left_out("team-a", 1, 0)), name(&later));
    }
}
