//! `--by control`: the report grouped by the requirements that rules serve.

use std::sync::Arc;

use super::Args;
use super::output::{Format, Output};
use crate::cli::Failure;
use crate::policy::compile::CompiledPolicy;
use crate::report::columns::Colour;
use crate::report::controls::{ControlReport, LookedAt, controls_csv, controls_text};
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
    let written = |format| matches!(format, Format::Table | Format::Json | Format::Csv);
    match outputs.iter().all(|output| written(output.format)) {
        true => Ok(()),
        false => Err(Failure::new("--by control is written as table, json or csv")
            .help("Leave --by out for the other outputs; each of their rows names its controls.")),
    }
}

impl ByControl {
    /// What was asked for. `cluster` is the address of the cluster that was looked at, and its namespace.
    pub(super) fn of(args: &Args, cluster: Option<String>, whole_cluster: bool) -> Option<Self> {
        args.by?;
        let mut input: Vec<_> = args.paths.iter().map(|path| path.display().to_string()).collect();
        input.extend(cluster);
        let namespaces = match (&args.namespace, args.all_namespaces) {
            _ if !args.cluster => None,
            (_, true) => Some("all namespaces".to_owned()),
            (Some(namespace), _) => Some(format!("namespace {namespace}")),
            (None, _) => Some("the namespace of the context".to_owned()),
        };
        input.extend(namespaces);
        input.extend(args.selector.as_ref().map(|selector| format!("pods with {selector}")));
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
            // The others were refused before anything was read.
            _ => json(&page)?,
        })
    }
}
