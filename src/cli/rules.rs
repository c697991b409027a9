//! `revisor rules`: the catalogue.

use clap::ValueEnum;

use super::{Exit, Failure, Streams};
use crate::report::columns::Colour;
use crate::report::json::json;
use crate::report::rules::{RuleDoc, rule_markdown, rule_text, rules_markdown, rules_table};
use crate::rules::{RuleId, nearest};

/// Shows the rules: what each demands, why, and what to do about a violation.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// One rule, by its id.
    #[arg(value_name = "ID")]
    id: Option<String>,
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
    let rule = args.id.as_deref().map(named).transpose()?;
    let text = render(rule, args.output, streams.colour).map_err(std::io::Error::from)?;
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

/// The only place that names the report's functions.
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
