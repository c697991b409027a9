//! `revisor rules`: the catalogue.

use clap::ValueEnum;

use super::{Exit, Failure, Streams};
use crate::policy::profile;
use crate::report::columns::Colour;
use crate::report::json::json;
use crate::report::profiles::{ProfileDoc, profile_markdown, profile_text, profiles_markdown};
use crate::report::rules::{RuleDoc, rule_markdown, rule_text, rules_markdown, rules_table};
use crate::rules::{RuleId, nearest};

/// Shows the rules: what each demands, why, and what to do about a violation.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// One rule, by its id.
    #[arg(value_name = "ID")]
    id: Option<String>,
    /// The rules of a profile and why they are in it: Essential, Baseline, Strict, BSI or all. BSI also tells every
    /// requirement of SYS.1.6 and APP.4.4, and what no machine can check.
    #[arg(long, value_name = "NAME", conflicts_with = "id")]
    profile: Option<String>,
    /// How they are written.
    #[arg(short, long, value_name = "FORMAT", default_value = "table")]
    output: Output,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Output {
    /// For people.
    Table,
    /// For machines.
    Json,
    /// For a page of documentation.
    Markdown,
}

/// Writes them.
pub(super) fn run(args: Args, streams: &mut Streams<'_>) -> Result<Exit, Failure> {
    let text = match args.profile.as_deref() {
        Some(name) => render_profiles(&profiles(name)?, args.output, streams.colour),
        None => render(args.id.as_deref().map(named).transpose()?, args.output, streams.colour),
    };
    let text = text.map_err(std::io::Error::from)?;
    streams.out.write_all(text.as_bytes())?;
    Ok(Exit::Clean)
}

fn named(id: &str) -> Result<RuleId, Failure> {
    RuleId::named(id)
        .or_else(|| RuleId::all().find(|rule| rule.as_str().eq_ignore_ascii_case(id)))
        .ok_or_else(|| {
            let suggestion = nearest(id).map_or_else(String::new, |rule| format!("Did you mean {rule}? "));
            Failure::new(format!("there is no rule {id:?}"))
                .help(format!("{suggestion}`revisor rules` lists them."))
        })
}

/// The profile of this name, or all of them in their newest version.
fn profiles(name: &str) -> Result<Vec<ProfileDoc>, Failure> {
    let newest = |name: &str| profile::newest(name).map(ProfileDoc::of);
    let mut names: Vec<_> = profile::ALL.iter().map(|profile| profile.name).collect();
    names.dedup();
    if name.eq_ignore_ascii_case("all") {
        return Ok(names.into_iter().filter_map(newest).collect());
    }
    newest(name).map(|profile| vec![profile]).ok_or_else(|| {
        let message = format!("there is no profile {name:?}: expected {} or all", names.join(", "));
        match profile::nearest(name) {
            Some(near) => Failure::new(message).help(format!("Did you mean {}?", near.name)),
            None => Failure::new(message),
        }
    })
}

fn render_profiles(
    profiles: &[ProfileDoc],
    output: Output,
    colour: Colour,
) -> Result<String, serde_json::Error> {
    Ok(match (profiles, output) {
        ([profile], Output::Json) => json(profile)?,
        (profiles, Output::Json) => json(&profiles)?,
        ([profile], Output::Markdown) => profile_markdown(profile),
        (profiles, Output::Markdown) => profiles_markdown(profiles),
        (profiles, Output::Table) => {
            profiles.iter().map(|profile| profile_text(profile, colour)).collect::<Vec<_>>().join("\n")
        }
    })
}

/// The only place that names the report's functions on rules.
fn render(rule: Option<RuleId>, output: Output, colour: Colour) -> Result<String, serde_json::Error> {
    Ok(match (rule.map(RuleDoc::of), output) {
        (Some(rule), Output::Json) => json(&rule)?,
        (Some(rule), Output::Table) => rule_text(&rule, colour),
        (Some(rule), Output::Markdown) => rule_markdown(&rule),
        (None, Output::Json) => json(&RuleDoc::all())?,
        (None, Output::Table) => rules_table(&RuleDoc::all(), colour),
        (None, Output::Markdown) => rules_markdown(&RuleDoc::all()),
    })
}
