//! Suspicious activity, as an Event and as a record of the log.

use serde::Serialize;

use crate::auditor::suspicion::Activity;
use crate::subject::canonical::{bytes_hash, combine, text_hash};

use super::escape::{MESSAGE_LIMIT, NAME_LIMIT, cut, visible_within};
use super::event::{EventText, NOTE_LIMIT};

/// How much of the sentence a note shows, so that what to do about it has room.
const SENTENCE: usize = 560;

/// The Event of an activity: the signal is its reason, so that `kubectl get events -A --field-selector
/// reason=PolicyWeakened` tells that signal's whole story.
pub fn activity_event(activity: &Activity) -> EventText {
    let Activity { signal, about, message, at } = activity;
    let reason = signal.as_str();
    let about_hash =
        combine(&[about.kind(), about.namespace().unwrap_or_default(), about.name()].map(text_hash));
    // By the minute: another replica sees it a little earlier or later, and must name it alike.
    let minute = at.as_second().div_euclid(60);
    let what_hash = combine(&[bytes_hash(&minute.to_le_bytes()), text_hash(message)]);
    let mut note = format!(
        "Suspicious: {}/{}: {}. To do: {}",
        about.kind(),
        visible_within(about.name(), 160),
        visible_within(message, SENTENCE),
        signal.first_step()
    );
    cut(&mut note, NOTE_LIMIT);
    EventText {
        name: format!("{}.{about_hash:016x}.{what_hash:016x}", reason.to_ascii_lowercase()),
        type_: "Warning",
        reason,
        action: "Noticed",
        note,
    }
}

/// What the shell logs as one JSON line. Every text is visible and bounded.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ActivityRecord {
    /// The signal.
    pub signal: &'static str,
    /// The namespace; none for what lies in none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// `Deployment/web`, `Namespace/team-a`, `ImagePolicy/baseline`
    pub subject: String,
    /// What happened.
    pub message: String,
    /// When it was seen.
    pub at: String,
}

impl From<&Activity> for ActivityRecord {
    fn from(activity: &Activity) -> Self {
        let Activity { signal, about, message, at } = activity;
        let text = |text: &str, limit| visible_within(text, limit).into_owned();
        Self {
            signal: signal.as_str(),
            namespace: about.namespace().map(|name| text(name, NAME_LIMIT)),
            subject: format!("{}/{}", text(about.kind(), NAME_LIMIT), text(about.name(), NAME_LIMIT)),
            message: text(message, MESSAGE_LIMIT),
            at: at.to_string(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::at;
    use super::*;
    use crate::auditor::suspicion::{About, Signal};

    fn activity(message: &str) -> Activity {
        let about = About::Namespace { name: "team-a".into(), uid: "uid".into() };
        Activity { signal: Signal::OptOutLabelAdded, about, message: message.into(), at: at(0) }
    }

    #[test]
    fn an_event_says_what_where_and_what_to_do() {
        let event = activity_event(&activity("label x was added"));
        assert_eq!((event.type_, event.reason, event.action), ("Warning", "OptOutLabelAdded", "Noticed"));
        assert_eq!(
            event.note,
            "Suspicious: Namespace/team-a: label x was added. To do: Find in the API server's audit log who set the \
             label, remove it, and look at what was made since"
        );
    }

    #[test]
    fn a_note_is_bounded_for_every_signal_and_hostile_text_is_data() {
        let hostile = format!("image \u{1b}[31m\n{}", "é".repeat(5_000));
        for signal in Signal::ALL {
            let about = About::ClusterRoleBinding("\u{202e}".repeat(253).into());
            let event = activity_event(&Activity { signal, about, ..activity(&hostile) });
            assert!(event.note.len() <= 1_024 && event.note.ends_with(signal.first_step()), "{}", event.note);
            assert!(!event.note.contains(['\u{1b}', '\n', '\u{202e}']));
            assert!(event.name.len() <= 253 && event.name.split('.').all(|label| !label.is_empty()));
            let record = ActivityRecord::from(&Activity { signal, ..activity(&hostile) });
            assert!(record.message.len() <= MESSAGE_LIMIT && !record.message.contains('\n'));
        }
    }

    #[test]
    fn the_name_is_the_same_after_a_retry_and_differs_for_another_activity() {
        let name = |activity: Activity| activity_event(&activity).name;
        let one = name(activity("a"));
        assert_eq!(one, name(activity("a")));
        let later = |seconds| {
            name(Activity { at: at(0) + jiff::SignedDuration::from_secs(seconds), ..activity("a") })
        };
        let minute = at(0).as_second().rem_euclid(60);
        assert_eq!(one, later(59 - minute), "another replica saw it a little later");
        assert_eq!(one, later(-minute));
        let others = [
            name(activity("b")),
            later(60 - minute),
            name(Activity { signal: Signal::PodSecurityDowngraded, ..activity("a") }),
            name(Activity { about: About::Namespace { name: "b".into(), uid: "".into() }, ..activity("a") }),
        ];
        assert!(!others.contains(&one));
    }

    #[test]
    fn a_record_is_one_line_that_names_the_signal_and_the_subject() {
        let line = serde_json::to_string(&ActivityRecord::from(&activity("label x was added"))).unwrap();
        assert_eq!(
            line,
            format!(
                r#"{{"signal":"OptOutLabelAdded","namespace":"team-a","subject":"Namespace/team-a","message":"label x was added","at":"{}"}}"#,
                at(0)
            )
        );
    }
}
