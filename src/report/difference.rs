//! What a draft of a policy would change: two audits of the same objects, one under the draft and one under what is
//! in force. The JSON is a contract, version `v1`, like that of an audit.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde::Serialize;

use crate::verdict::Severity;

use super::columns::{self, Colour, Tone, line};
use super::escape::{NAME_LIMIT, visible_within};
use super::markdown::inline;
use super::result::{AppliedPolicy, AuditReport, AuditResult, Shown, Tool};
use super::row;

/// What happens to a finding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Change {
    /// A violation that is none now.
    Opens,
    /// It can no longer be decided, or it is undecided and nothing now.
    Undecided,
    /// A violation with another severity.
    Severity,
    /// A violation that is none any more: kept, out of scope, permitted, or the rule is off.
    Resolves,
    /// Undecided now, and nothing any more.
    Settles,
}

/// One finding under one of the two.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Side {
    /// `fail`, `unknown` or `exempt`.
    pub verdict: Shown,
    /// How much a violation matters.
    pub severity: Severity,
}

/// A finding that changes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ChangedFinding {
    /// What happens to it.
    pub change: Change,
    /// Under what is in force; left out where it is no finding and not permitted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub before: Option<Side>,
    /// Under the draft.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after: Option<Side>,
    /// The row, of the draft where it has one.
    #[serde(flatten)]
    pub row: AuditResult,
}

/// In numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Changes {
    /// Violations that are none now.
    pub opens: u64,
    /// Violations that are none any more.
    pub resolves: u64,
    /// What can no longer be decided.
    pub undecided: u64,
    /// What was undecided and is nothing any more.
    pub settles: u64,
    /// Violations with another severity.
    pub severity: u64,
}

impl Changes {
    fn count(&mut self, change: Change) {
        *match change {
            Change::Opens => &mut self.opens,
            Change::Resolves => &mut self.resolves,
            Change::Undecided => &mut self.undecided,
            Change::Settles => &mut self.settles,
            Change::Severity => &mut self.severity,
        } += 1;
    }
}

/// The changes of one rule in one namespace.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ChangedGroup {
    /// The rule.
    pub rule: &'static str,
    /// The namespace; none for the cluster as a whole.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// In numbers.
    #[serde(flatten)]
    pub changes: Changes,
}

/// What a draft would change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Difference {
    /// Version of the contract.
    pub version: &'static str,
    /// Who wrote it.
    pub tool: Tool,
    /// The instant as of which everything was judged.
    pub observed_at: Timestamp,
    /// The draft.
    pub draft: Vec<AppliedPolicy>,
    /// What it is compared with.
    pub against: Vec<AppliedPolicy>,
    /// Part of the input or of a policy could not be read; left out when it could.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub incomplete: bool,
    /// In numbers.
    pub summary: Changes,
    /// Violations that both have.
    pub unchanged: u64,
    /// By rule and namespace.
    pub groups: Vec<ChangedGroup>,
    /// One by one, by rule and namespace.
    pub changes: Vec<ChangedFinding>,
}

impl Difference {
    /// Compares the audit under the draft with that under `against`.
    pub fn new(draft: &AuditReport, against: &AuditReport) -> Self {
        let (before, after) = (by_id(against), by_id(draft));
        let ids: BTreeSet<&str> = before.keys().chain(after.keys()).copied().collect();
        let (mut changes, mut unchanged) = (Vec::new(), 0);
        for id in ids {
            let (before, after) = (before.get(id).copied(), after.get(id).copied());
            let Some(row) = after.or(before) else { continue };
            match change(before, after) {
                Some(change) => {
                    let side = |row: &AuditResult| Side { verdict: row.verdict, severity: row.severity };
                    let (before, after) = (before.map(side), after.map(side));
                    changes.push(ChangedFinding { change, before, after, row: row.clone() });
                }
                None => unchanged += u64::from(row.verdict == Shown::Fail),
            }
        }
        changes.sort_by(|left, right| key(left).cmp(&key(right)));
        let mut summary = Changes::default();
        let mut groups: BTreeMap<(&'static str, Option<String>), Changes> = BTreeMap::new();
        for ChangedFinding { change, row, .. } in &changes {
            summary.count(*change);
            groups.entry((row.rule, row.namespace.clone())).or_default().count(*change);
        }
        let group = |((rule, namespace), changes)| ChangedGroup { rule, namespace, changes };
        Self {
            version: "v1",
            tool: draft.tool,
            observed_at: draft.observed_at,
            draft: draft.policies.clone(),
            against: against.policies.clone(),
            incomplete: draft.summary.incomplete,
            summary,
            unchanged,
            groups: groups.into_iter().map(group).collect(),
            changes,
        }
    }

    /// Whether the draft opens a violation of at least this severity.
    pub fn opens(&self, at_least: Severity) -> bool {
        self.changes.iter().any(|it| it.change == Change::Opens && it.row.severity >= at_least)
    }
}

/// The worst row of each finding, whatever policy it is of; what is kept is none.
fn by_id(report: &AuditReport) -> BTreeMap<&str, &AuditResult> {
    let mut rows: BTreeMap<&str, &AuditResult> = BTreeMap::new();
    let is_shown = |row: &&AuditResult| !matches!(row.verdict, Shown::Pass | Shown::Na);
    for row in report.results.iter().filter(is_shown) {
        let known = rows.entry(&row.id).or_insert(row);
        let badness = |row: &AuditResult| (row.verdict, std::cmp::Reverse(row.severity));
        if badness(row) < badness(known) {
            *known = row;
        }
    }
    rows
}

fn change(before: Option<&AuditResult>, after: Option<&AuditResult>) -> Option<Change> {
    let verdict = |row: Option<&AuditResult>| row.map(|row| row.verdict);
    match (verdict(before), verdict(after)) {
        (Some(Shown::Fail), Some(Shown::Fail)) => {
            let severity = |row: Option<&AuditResult>| row.map(|row| row.severity);
            (severity(before) != severity(after)).then_some(Change::Severity)
        }
        (_, Some(Shown::Fail)) => Some(Change::Opens),
        (Some(Shown::Unknown), Some(Shown::Unknown)) => None,
        (_, Some(Shown::Unknown)) => Some(Change::Undecided),
        (Some(Shown::Fail), _) => Some(Change::Resolves),
        (Some(Shown::Unknown), _) => Some(Change::Settles),
        _ => None,
    }
}

fn key(changed: &ChangedFinding) -> impl Ord + '_ {
    let row = &changed.row;
    let severity = std::cmp::Reverse(row.severity);
    (row.rule, &row.namespace, changed.change, severity, &row.subject, &row.container, &row.image, &row.id)
}

/// How many findings of a group are shown one by one.
const SHOWN: usize = 10;

/// What happens to a finding, in a word.
fn word(changed: &ChangedFinding) -> String {
    let severity = |side: &Option<Side>| side.as_ref().map_or("", |side| side.severity.as_str());
    match changed.change {
        Change::Opens => format!("opens {}", changed.row.severity),
        Change::Undecided => "undecided".to_owned(),
        Change::Settles => "settles".to_owned(),
        Change::Severity => format!("{} to {}", severity(&changed.before), severity(&changed.after)),
        Change::Resolves => match &changed.row.exemption {
            Some(permission) => format!("permits ({})", visible_within(&permission.name, NAME_LIMIT)),
            None => "resolves".to_owned(),
        },
    }
}

fn names(policies: &[AppliedPolicy]) -> String {
    let name = |policy: &AppliedPolicy| {
        let generation = policy.generation.map(|generation| format!(", generation {generation}"));
        format!("{}{}", visible_within(&policy.name, NAME_LIMIT), generation.unwrap_or_default())
    };
    policies.iter().map(name).collect::<Vec<_>>().join(" and ")
}

/// `opens 3, resolves 1, leaves 12 as they are`
fn sentence(difference: &Difference) -> String {
    let Changes { opens, resolves, undecided, settles, severity } = difference.summary;
    let mut text = format!("opens {opens}, resolves {resolves}");
    for (count, words) in [
        (undecided, "cannot be decided any more"),
        (settles, "undecided ones go"),
        (severity, "change their severity"),
    ] {
        if count > 0 {
            text.push_str(&format!(", {count} {words}"));
        }
    }
    format!("{text}, {} violations stay", difference.unchanged)
}

fn cells(group: &ChangedGroup) -> [String; 7] {
    let Changes { opens, resolves, undecided, settles, severity } = group.changes;
    let namespace =
        group.namespace.as_deref().map_or("(cluster)".into(), |name| visible_within(name, NAME_LIMIT));
    let number = |count: u64| if count == 0 { "-".to_owned() } else { count.to_string() };
    let [opens, resolves, undecided, settles, severity] =
        [opens, resolves, undecided, settles, severity].map(number);
    [group.rule.to_owned(), namespace.into_owned(), opens, resolves, undecided, settles, severity]
}

const HEADER: [&str; 7] = ["RULE", "NAMESPACE", "OPENS", "RESOLVES", "UNDECIDED", "SETTLES", "SEVERITY"];

/// For people: what changes by rule and namespace, each with its worst findings; the numbers last.
pub fn difference_text(difference: &Difference, colour: Colour) -> String {
    let mut text = String::new();
    for group in &difference.groups {
        let of_group =
            |it: &&ChangedFinding| it.row.rule == group.rule && it.row.namespace == group.namespace;
        let place =
            group.namespace.as_deref().map_or("the cluster".into(), |name| visible_within(name, NAME_LIMIT));
        text.push_str(&format!("{} in {place}\n", Tone::Bold.paint(group.rule, colour)));
        let changes: Vec<_> = difference.changes.iter().filter(of_group).collect();
        for changed in changes.iter().take(SHOWN) {
            let tone = match changed.change {
                Change::Opens => Tone::Red,
                Change::Resolves | Change::Settles => Tone::Green,
                Change::Undecided => Tone::Magenta,
                Change::Severity => Tone::Yellow,
            };
            let word = tone.paint(&word(changed), colour);
            let message = row::message(&changed.row);
            text.push_str(&format!("  {word}  {}: {message}\n", row::subject(&changed.row)));
        }
        if changes.len() > SHOWN {
            text.push_str(&format!("  and {} more\n", changes.len() - SHOWN));
        }
    }
    if !difference.groups.is_empty() {
        let mut rows = vec![HEADER.map(str::to_owned)];
        rows.extend(difference.groups.iter().map(cells));
        let widths = columns::widths(&rows, [usize::MAX; HEADER.len()]);
        text.push('\n');
        for row in &rows {
            text.push_str(&line(row, widths, 3, [Tone::Plain; HEADER.len()], colour));
            text.push('\n');
        }
        text.push('\n');
    }
    text.push_str(&format!(
        "The draft {} beside {}: {}\n",
        names(&difference.draft),
        names(&difference.against),
        sentence(difference)
    ));
    if difference.incomplete {
        text.push_str("Part of the input could not be read: see the errors above.\n");
    }
    text
}

/// For a comment on a pull request.
pub fn difference_markdown(difference: &Difference) -> String {
    let (draft, against) = (names(&difference.draft), names(&difference.against));
    let mut text = format!(
        "## Revisor: the draft {}\n\n{} beside {}, judged at {}.\n",
        sentence(difference),
        inline(&draft),
        inline(&against),
        difference.observed_at
    );
    if difference.incomplete {
        text.push_str("\n**Part of the input could not be read, so this is not all.**\n");
    }
    if difference.groups.is_empty() {
        return text;
    }
    text.push_str("\n| Rule | Namespace | Opens | Resolves | Undecided | Settles | Severity |\n|---|---|--:|--:|--:|--:|--:|\n");
    for group in &difference.groups {
        let [rule, namespace, numbers @ ..] = cells(group);
        text.push_str(&format!("| {rule} | {} | {} |\n", inline(&namespace), numbers.join(" | ")));
    }
    text.push_str("\n| Change | Object | Rule | Why |\n|---|---|---|---|\n");
    for changed in difference.changes.iter().take(ROWS) {
        let (subject, message) = (row::subject(&changed.row), row::message(&changed.row));
        let word = inline(&word(changed));
        text.push_str(&format!(
            "| {word} | {} | {} | {} |\n",
            inline(&subject),
            changed.row.rule,
            inline(&message)
        ));
    }
    let more = difference.changes.len().saturating_sub(ROWS);
    if more > 0 {
        text.push_str(&format!("\n{more} more rows do not fit into a comment: see the whole report.\n"));
    }
    text
}

/// Rows of a comment.
const ROWS: usize = 100;

#[cfg(test)]
mod tests {
    use super::super::gather::Listed;
    use super::super::json::json;
    use super::super::testing::{World, image_subject, policy, report};
    use super::*;
    use crate::auditor::findings::State;

    fn rows(severity: Severity, states: &[(&str, State)]) -> AuditReport {
        let world = World::new([policy("mine", severity)]);
        let on = |world: World, (name, state): &(&str, State)| {
            world.on(0, image_subject("team-a", name, "app", "evil.test/x:1"), *state)
        };
        report(&states.iter().fold(world, on).snapshot(), Listed::Permitted, |_, _| {})
    }

    fn difference() -> Difference {
        let before = [
            ("Pod/same", State::Fail),
            ("Pod/gone", State::Fail),
            ("Pod/permitted", State::Fail),
            ("Pod/blurred", State::Fail),
            ("Pod/settled", State::Unknown),
        ];
        let after = [
            ("Pod/same", State::Fail),
            ("Pod/new", State::Fail),
            ("Pod/permitted", State::Exempt(0)),
            ("Pod/blurred", State::Unknown),
        ];
        Difference::new(&rows(Severity::High, &after), &rows(Severity::High, &before))
    }

    #[test]
    fn each_finding_changes_in_one_way() {
        let difference = difference();
        let words: Vec<_> =
            difference.changes.iter().map(|it| (it.row.subject.name.clone(), it.change)).collect();
        assert_eq!(
            words,
            [
                ("new".to_owned(), Change::Opens),
                ("blurred".to_owned(), Change::Undecided),
                ("gone".to_owned(), Change::Resolves),
                ("permitted".to_owned(), Change::Resolves),
                ("settled".to_owned(), Change::Settles),
            ]
        );
        assert_eq!((difference.unchanged, difference.groups.len()), (1, 1));
        assert!(difference.opens(Severity::High) && !difference.opens(Severity::Critical));
        let same = rows(Severity::High, &[("Pod/same", State::Fail)]);
        let raised = rows(Severity::Critical, &[("Pod/same", State::Fail)]);
        let difference = Difference::new(&raised, &same);
        assert_eq!(difference.changes[0].change, Change::Severity);
        assert!(!difference.opens(Severity::Info) && word(&difference.changes[0]) == "high to critical");
        assert_eq!(Difference::new(&same, &same).changes, []);
    }

    #[test]
    fn it_is_told_by_rule_and_namespace_with_the_numbers_last() {
        let text = difference_text(&difference(), Colour::Never);
        assert!(
            text.starts_with("TrustedRegistry in team-a\n  opens high  Pod team-a/new, container app: "),
            "{text}"
        );
        assert!(text.contains("  permits (legacy-etl)  Pod team-a/permitted"), "{text}");
        assert!(
            text.contains("\nTrustedRegistry   team-a      1       2          1           1         -\n"),
            "{text}"
        );
        assert!(text.ends_with(
            "\nThe draft mine, generation 4 beside mine, generation 4: opens 1, resolves 2, 1 cannot be decided any \
             more, 1 undecided ones go, 1 violations stay\n"
        ), "{text}");
        let page = difference_markdown(&difference());
        assert!(page.contains("| TrustedRegistry |") && page.contains("| opens high |"), "{page}");
        let read: serde_json::Value = serde_json::from_str(&json(&difference()).unwrap()).unwrap();
        assert_eq!((&read["version"], &read["summary"]["opens"]), (&"v1".into(), &1.into()));
        assert_eq!(
            (&read["changes"][0]["change"], &read["changes"][0]["after"]["verdict"]),
            (&"opens".into(), &"fail".into())
        );
        assert!(read["changes"][0].get("before").is_none());
    }
}
