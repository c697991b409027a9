//! Exemptions by what somebody should do about them: those that end soon, that have ended, that permit nothing.

use std::fmt;

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use prometheus_client::encoding::DescriptorEncoder;

use crate::auditor::snapshot::{PolicySnapshot, Snapshot};
use crate::policy::exemption::EXPIRING;
use crate::policy::request::{Origin, Standing};
use crate::policy::status::{EXEMPTIONS_MAX, ExemptionEntry, ExemptionState, ExemptionsStatus};

use super::metrics::{gauges, sample};
use super::operational::seconds;

/// One exemption that counts under a policy, or did.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Line<'a> {
    state: Option<ExemptionState>,
    expires_at: Option<Timestamp>,
    /// Where it was asked for; none for one that stands in the policy.
    namespace: Option<&'a str>,
    name: &'a str,
}

/// What is to be done about one; none for one that is in use. What ends soon is told before what permits nothing.
fn state(expires_at: Option<Timestamp>, uses: u32, now: Timestamp) -> Option<ExemptionState> {
    let soon = now.saturating_add(EXPIRING).unwrap_or(Timestamp::MAX);
    match expires_at {
        Some(end) if end <= now => Some(ExemptionState::Expired),
        Some(end) if end <= soon => Some(ExemptionState::Expiring),
        _ if uses == 0 => Some(ExemptionState::Unused),
        _ => None,
    }
}

/// Every exemption of a policy: its own, then those that it delegates and takes.
fn lines<'a>(snapshot: &'a Snapshot, index: u16, part: &'a PolicySnapshot) -> Vec<Line<'a>> {
    let now = snapshot.observed_at;
    let own = part.policy.exemptions.iter().enumerate().map(|(at, exemption)| {
        let uses = part.exempted.get(at).copied().unwrap_or(0);
        Line {
            state: state(exemption.expires_at, uses, now),
            expires_at: exemption.expires_at,
            namespace: None,
            name: &exemption.name,
        }
    });
    let mut lines: Vec<_> = own.collect();
    if part.policy.delegation.is_empty() {
        return lines;
    }
    for namespace in snapshot.namespaces.iter() {
        for outcome in namespace.requests.iter() {
            let said = outcome.said.iter().filter(|(policy, ..)| *policy == index);
            // The last end counts: until then something is permitted.
            let end = said.filter_map(|(_, _, standing)| match standing {
                Standing::Effective { until, .. } => Some(*until),
                Standing::Expired { at } | Standing::Cut { at, .. } => Some(*at),
                _ => None,
            });
            let Some(end) = end.max() else { continue };
            lines.push(Line {
                state: state(Some(end), outcome.uses, now),
                expires_at: Some(end),
                namespace: Some(&namespace.name),
                name: &outcome.object.name,
            });
        }
    }
    lines
}

/// What the status of a policy says of them; none for a policy without any.
pub(super) fn exemptions_status(
    snapshot: &Snapshot,
    index: u16,
    part: &PolicySnapshot,
) -> Option<ExemptionsStatus> {
    let mut lines = lines(snapshot, index, part);
    if lines.is_empty() {
        return None;
    }
    let count = |wanted| {
        let count = lines.iter().filter(|line| line.state == Some(wanted)).count();
        u32::try_from(count).unwrap_or(u32::MAX)
    };
    let mut status = ExemptionsStatus {
        total: u32::try_from(lines.len()).unwrap_or(u32::MAX),
        expiring: count(ExemptionState::Expiring),
        expired: count(ExemptionState::Expired),
        unused: count(ExemptionState::Unused),
        attention: Vec::new(),
    };
    lines.sort_by_key(|line| (line.state, line.expires_at, line.namespace, line.name));
    let attention = lines.iter().filter_map(|line| Some((line.state?, line))).take(EXEMPTIONS_MAX);
    status.attention = attention
        .map(|(state, line)| ExemptionEntry {
            name: line.name.to_owned(),
            namespace: line.namespace.map(str::to_owned),
            state,
            expires_at: line.expires_at.map(Time),
        })
        .collect();
    Some(status)
}

/// Whether it stands in the policy or was asked for, as metrics say it.
fn origin(line: &Line<'_>) -> &'static str {
    match line.namespace {
        None => "policy",
        Some(_) => Origin::Object.as_str(),
    }
}

/// Exemptions by what is to be done about them, and when those that stand in policies end.
pub(super) fn encode(encoder: &mut DescriptorEncoder<'_>, snapshot: &Snapshot) -> fmt::Result {
    let lines = snapshot.policies.iter().zip(0..).map(|(part, index)| (part, lines(snapshot, index, part)));
    let lines: Vec<_> = lines.collect();
    let help = "Exemptions by policy, origin (the policy itself, or an object of a namespace) and state: ending \
                within 14 days, permitting nothing just now.";
    let mut family = gauges(encoder, "revisor_exemptions", help)?;
    let states = [
        (None, "active"),
        (Some(ExemptionState::Unused), "unused"),
        (Some(ExemptionState::Expiring), "expiring"),
        (Some(ExemptionState::Expired), "expired"),
    ];
    for (part, lines) in &lines {
        for of in ["policy", "object"] {
            for (state, word) in states {
                let count = lines.iter().filter(|line| origin(line) == of && line.state == state).count();
                let labels = [("policy", &*part.policy.name), ("origin", of), ("state", word)];
                sample(&mut family, &labels, u32::try_from(count).unwrap_or(u32::MAX))?;
            }
        }
    }
    let ends = lines.iter().flat_map(|(part, lines)| {
        lines.iter().filter(|line| line.namespace.is_none()).map(move |line| (part, line))
    });
    let mut ends = ends.filter_map(|(part, line)| Some((part, line, line.expires_at?))).peekable();
    if ends.peek().is_none() {
        return Ok(());
    }
    let help = "When an exemption that stands in a policy ends.";
    let mut family = gauges(encoder, "revisor_exemption_expiry_timestamp_seconds", help)?;
    for (part, line, end) in ends {
        let labels = [("policy", &*part.policy.name), ("exemption", line.name)];
        sample(&mut family, &labels, seconds(end.as_millisecond()))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::testing::{World, at, image_subject};
    use super::*;
    use crate::auditor::findings::State;

    #[test]
    fn what_ends_soon_what_has_ended_and_what_permits_nothing_are_told_apart() {
        let end = at(0);
        let before = |days: i64| at(-days * 86_400);
        assert_eq!(state(Some(end), 1, before(15)), None);
        assert_eq!(state(Some(end), 0, before(15)), Some(ExemptionState::Unused));
        assert_eq!(state(Some(end), 1, before(14)), Some(ExemptionState::Expiring));
        assert_eq!(state(Some(end), 0, before(1)), Some(ExemptionState::Expiring), "its end comes first");
        assert_eq!(state(Some(end), 1, end), Some(ExemptionState::Expired));
        assert_eq!((state(None, 1, end), state(None, 0, end)), (None, Some(ExemptionState::Unused)));
    }

    #[test]
    fn an_exemption_in_use_needs_no_attention_and_an_unused_one_is_named() {
        let status = |world: World| {
            let snapshot = world.snapshot();
            exemptions_status(&snapshot, 0, &snapshot.policies[0]).unwrap()
        };
        let used = image_subject("team-a", "Deployment/old", "app", "evil.test/x:1");
        let used = status(World::baseline().on(0, used, State::Exempt(0)));
        assert_eq!((used.total, used.unused, &*used.attention), (1, 0, &[][..]));
        let unused = status(World::baseline());
        assert_eq!((unused.total, unused.unused), (1, 1));
        let [entry] = &*unused.attention else { panic!("{unused:?}") };
        assert_eq!(
            (&*entry.name, entry.state, &entry.namespace),
            ("legacy-etl", ExemptionState::Unused, &None)
        );
    }
}
