//! The policies as `kubectl get imagepolicies.revisor.dev` prints them.

use std::time::Duration;

use crate::policy::status::{ConditionStatus, ImagePolicyStatus};

use super::columns::{Colour, Tone, line, widths};
use super::escape::{NAME_LIMIT, visible_within};

/// One policy of the table.
#[derive(Clone, Copy, Debug)]
pub struct PolicyRow<'a> {
    /// Its name.
    pub name: &'a str,
    /// Its status, if it has one.
    pub status: Option<&'a ImagePolicyStatus>,
    /// How old it is, where known.
    pub age: Option<Duration>,
}

const HEADER: [&str; 8] = ["NAME", "READY", "COMPLIANT", "VIOLATIONS", "CRITICAL", "UNKNOWN", "RULES", "AGE"];

/// The table, with its header.
pub fn policies_table(policies: &[PolicyRow<'_>], colour: Colour) -> String {
    let mut rows = vec![HEADER.map(str::to_owned)];
    rows.extend(policies.iter().map(cells));
    let widths = widths(&rows, [usize::MAX; HEADER.len()]);
    let mut text = String::new();
    for (index, row) in rows.iter().enumerate() {
        let mut tones = [Tone::Plain; HEADER.len()];
        if index > 0 {
            (tones[1], tones[2]) = (tone(&row[1]), tone(&row[2]));
        }
        text.push_str(&line(row, widths, 3, tones, colour));
        text.push('\n');
    }
    text
}

fn tone(status: &str) -> Tone {
    match status {
        "True" => Tone::Green,
        "False" => Tone::Red,
        _ => Tone::Magenta,
    }
}

fn cells(row: &PolicyRow<'_>) -> [String; HEADER.len()] {
    let condition = |type_: &str| {
        let condition = row.status?.conditions.iter().find(|condition| condition.type_ == type_)?;
        Some(match condition.status {
            ConditionStatus::True => "True",
            ConditionStatus::False => "False",
            ConditionStatus::Unknown => "Unknown",
        })
    };
    let summary = row.status.and_then(|status| status.summary);
    let number = |number: Option<u32>| number.map(|number| number.to_string()).unwrap_or_default();
    [
        visible_within(row.name, NAME_LIMIT).into_owned(),
        condition("Ready").unwrap_or_default().to_owned(),
        condition("Compliant").unwrap_or_default().to_owned(),
        number(summary.map(|summary| summary.violations)),
        number(summary.map(|summary| summary.critical)),
        number(summary.map(|summary| summary.unknown)),
        number(summary.map(|summary| summary.rules)),
        row.age.map_or("<unknown>".to_owned(), age),
    ]
}

/// A time span as kubectl shows ages (`duration.HumanDuration` of apimachinery).
fn age(span: Duration) -> String {
    let seconds = span.as_secs();
    let (minutes, hours) = (seconds / 60, seconds / 3_600);
    let days = hours / 24;
    let two = |large: u64, large_unit: char, small: u64, small_unit: char| match small {
        0 => format!("{large}{large_unit}"),
        small => format!("{large}{large_unit}{small}{small_unit}"),
    };
    match () {
        () if seconds < 120 => format!("{seconds}s"),
        () if minutes < 10 => two(minutes, 'm', seconds % 60, 's'),
        () if minutes < 180 => format!("{minutes}m"),
        () if hours < 8 => two(hours, 'h', minutes % 60, 'm'),
        () if hours < 48 => format!("{hours}h"),
        () if hours < 192 => two(days, 'd', hours % 24, 'h'),
        () if days < 730 => format!("{days}d"),
        () if days < 2_920 => two(days / 365, 'y', days % 365, 'd'),
        () => format!("{}y", days / 365),
    }
}

#[cfg(test)]
mod tests {
    use super::super::status::policy_status;
    use super::super::testing::World;
    use super::*;

    #[test]
    fn policies_read_as_kubectl_prints_them() {
        let snapshot = World::baseline().fail("team-a", "Deployment/web", "evil.test/x:1").snapshot();
        let status = policy_status(&snapshot, 0).unwrap();
        let rows = [
            PolicyRow { name: "baseline", status: Some(&status), age: Some(Duration::from_secs(330)) },
            PolicyRow { name: "new", status: None, age: None },
        ];
        assert_eq!(
            policies_table(&rows, Colour::Never),
            "\
NAME       READY   COMPLIANT   VIOLATIONS   CRITICAL   UNKNOWN   RULES   AGE
baseline   True    False       1            1          0         1       5m30s
new                                                                      <unknown>
"
        );
        assert!(policies_table(&rows, Colour::Always).contains("\u{1b}[31mFalse\u{1b}[0m       1"));
    }

    #[test]
    fn ages_are_those_of_kubectl() {
        for (seconds, shown) in [
            (0, "0s"),
            (119, "119s"),
            (120, "2m"),
            (599, "9m59s"),
            (600, "10m"),
            (10_799, "179m"),
            (10_800, "3h"),
            (28_799, "7h59m"),
            (28_800, "8h"),
            (172_800, "2d"),
            (691_199, "7d23h"),
            (691_200, "8d"),
            (86_400 * 730, "2y"),
            (86_400 * 731, "2y1d"),
            (86_400 * 2_920, "8y"),
        ] {
            assert_eq!(age(Duration::from_secs(seconds)), shown);
        }
    }
}
