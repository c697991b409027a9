//! `--by control`: the report grouped by the requirements that rules serve.

use std::sync::Arc;

use super::super::colour;
use super::{Args, Output};
use crate::policy::compile::CompiledPolicy;
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
        output: Output,
    ) -> Result<String, serde_json::Error> {
        let page = ControlReport::of(report, policies, self.looked_at.clone(), self.catalogue.as_deref());
        Ok(match output {
            Output::Json => json(&page)?,
            Output::Csv => controls_csv(&page),
            Output::Table => controls_text(&page, colour()),
        })
    }
}
