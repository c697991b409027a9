//! `--by control`: the report grouped by the requirements that rules serve.

use std::sync::Arc;

use super::Args;
use super::output::{Format, Output};
use crate::cli::Failure;
use crate::policy::compile::CompiledPolicy;
use crate::report::columns::Colour;
use crate::report::controls::{
    ControlReport, LookedAt, controls_csv, controls_html, controls_markdown, controls_text,
};
use crate::report::json::json;
use crate::report::result::AuditReport;

/// What is grouped by what.
#[derive(Clone, Debug)]
pub(super) struct ByControl {
    /// Only catalogues whose names contain this.
    pub(super) catalogue: Option<String>,
    /// What was looked at.
    pub(super) looked_at: LookedAt,
}

/// Refuses outputs in which the page is not written.
pub(super) fn check(outputs: &[Output]) -> Result<(), Failure> {
    let written = |format| !matches!(format, Format::Sarif | Format::Junit);
    match outputs.iter().all(|output| written(output.format)) {
        true => Ok(()),
        false => Err(Failure::new("--by control is written as table, json, markdown, html or csv")
            .help("Leave --by out for the other outputs; each of their rows names its controls.")),
    }
}

impl ByControl {
    /// What was asked for. `cluster` is what was looked at of one.
    pub(super) fn of(args: &Args, cluster: Option<Vec<String>>, whole_cluster: bool) -> Option<Self> {
        args.by?;
        let files = || args.paths.iter().map(|path| path.display().to_string()).collect();
        let input = cluster.unwrap_or_else(files);
        Some(Self { catalogue: args.catalogue.clone(), looked_at: LookedAt { input, whole_cluster } })
    }

    /// The page. `report` lists every verdict.
    pub(super) fn render(
        &self,
        report: &AuditReport,
        policies: &[Arc<CompiledPolicy>],
        format: Format,
        colour: Colour,
    ) -> Result<String, serde_json::Error> {
        let page = ControlReport::of(report, policies, self.looked_at.clone(), self.catalogue.as_deref());
        Ok(match format {
            Format::Csv => controls_csv(&page),
            Format::Table => controls_text(&page, colour),
            Format::Markdown => controls_markdown(&page),
            Format::Html => controls_html(&page),
            // The others were refused before anything was read.
            _ => json(&page)?,
        })
    }
}
